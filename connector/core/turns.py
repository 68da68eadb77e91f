"""Sources as they take turns: each has a number, which its deliveries carry."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final

UNNUMBERED: Final = -1  #: stands for deliveries without a number, which an earlier release stored: they take a turn


def turn_of(source: str) -> int:
    """The number of a source. Two that share one, by chance, take one turn."""
    return zlib.crc32(source.encode()) & 0x7FFF_FFFF


def in_order(turns: Sequence[int], last: int | None, size: int) -> list[int]:
    """The order in which waiting sources fill a call of ``size`` records.

    ``turns``: the more trusted first. Where not all fit into the call, it begins behind the one that was ``last``.
    """
    if size >= len(turns) or last not in turns:
        return list(turns)
    after = turns.index(last) + 1
    return [*turns[after:], *turns[:after]]


def parts(size: int, waiting: int) -> list[int]:
    """A call of ``size`` records in even parts, the larger ones first."""
    each, more = divmod(size, waiting)
    return [each + (number < more) for number in range(waiting)]
