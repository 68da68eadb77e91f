"""A cache for functions of a sender's short text, which no sender can fill with long ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Final, TypeVar

REMEMBERED: Final = 64  #: characters of the longest text that is remembered
_LONGEST: Final = 200

_Read = TypeVar("_Read")


def remembered(
    entries: int = 1024, *, longest: int = _LONGEST
) -> Callable[[Callable[[str], _Read]], Callable[[str], _Read]]:
    """The same function, with its last ``entries`` results for short texts kept.

    Longer texts are read each time, the first ``longest`` characters of them.
    """

    def of(read: Callable[[str], _Read]) -> Callable[[str], _Read]:
        cached = lru_cache(maxsize=entries)(read)

        @wraps(read)
        def known_before(text: str) -> _Read:
            return cached(text) if len(text) <= REMEMBERED else read(text[:longest])

        return known_before

    return of
