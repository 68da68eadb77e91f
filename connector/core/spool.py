"""The contract of a spool, for every kind of storage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from connector.core.errors import ConnectorError


class SpoolUnavailable(ConnectorError):  # noqa: N818 - a condition
    """Nothing can be spooled, or read from the spool, now; the text says why."""


@dataclass(frozen=True, slots=True)
class Held:
    """The content of the spool."""

    waiting: int  #: requests (in a file) or messages of several requests (in a queue)
    aside: int = 0  #: what could not be stored, and waits for a person
    oldest_at: int | None = None  #: unix ms


@dataclass(frozen=True, slots=True)
class Part:
    """Some requests of the spool, oldest first. ``mark``: what the spool knows them by."""

    texts: Sequence[str]
    mark: object


class Reading(Protocol):
    """A read of the spool from its oldest request on. One process at a time has it."""

    def parts(self) -> Iterator[Part]:
        """Ends when nothing waits. Raises `SpoolUnavailable`."""

    def until_here(self) -> None:
        """Leaves requests that are added from now on to a later reading: `parts` ends before it."""

    def done(self, part: Part, poison: Sequence[tuple[int, str]]) -> None:
        """Stored, and forgotten here; but for those (position, why) that are set aside."""


class Spool(Protocol):
    """The store of waiting requests. `add` and `reading` have one thread each. All raise `SpoolUnavailable`."""

    kind: str  #: queue | file

    def add(self, texts: Sequence[str]) -> None:
        """Durable when it returns."""

    def reading(self) -> AbstractContextManager[Reading | None]:
        """None: another process reads."""

    def held(self) -> Held: ...

    def retry(self) -> int:
        """Lets requests that were set aside wait again, if that is ours to do. Returns how many."""

    def rest(self) -> None:
        """Nothing was added for a while: what is open may be closed."""

    def close(self) -> None: ...
