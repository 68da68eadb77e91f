"""The requests that wait to be stored: each source has its own line, and a transaction takes of every line in turn.

A large body is stored in parts, so that it delays what others sent by no more than one part. Its sender is answered
once all of them are durable.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final, Protocol

from connector.store.arrivals import Arrival, Stored

GROUP: Final = 1000  #: arrivals in one transaction at the most
OF_ONE: Final = 400  #: of one source
LEAST_OF_ONE: Final = 50  #: the same where storing is slow
LASTS_S: Final = (
    0.08  #: what one source adds to a transaction: who comes meanwhile waits for that, and then for as long
)


class Answered(Protocol):
    """The receiver of a result: a `Future`, or lighter."""

    def set_result(self, stored: list[Stored]) -> None:
        """Tells the receiver that all is durable."""

    def set_exception(self, fault: BaseException) -> None:
        """Nothing may be acknowledged."""


Waiting = tuple[Sequence[Arrival], "Future[list[Stored]] | Answered"]


@dataclass(slots=True, eq=False)
class Body:
    """The arrivals of one request."""

    arrivals: Sequence[Arrival]
    reply: Future[list[Stored]] | Answered
    position: int = 0
    stored: list[Stored] = field(default_factory=list)
    has_failed: bool = False

    def keep(self, stored: Sequence[Stored]) -> None:
        """The next part is durable."""
        self.stored += stored
        if len(self.stored) == len(self.arrivals) and not self.has_failed:
            self.reply.set_result(self.stored)

    def fail(self, fault: BaseException) -> None:
        """A part could not be stored: the rest is not tried."""
        if not self.has_failed:
            self.has_failed = True
            self.reply.set_exception(fault)


Part = tuple[Body, Sequence[Arrival]]


@dataclass(slots=True)
class Room:
    """The number of events that a transaction still takes."""

    left: int = GROUP
    of_each: dict[str, int] = field(default_factory=dict)


class Line:
    """Owned by one thread."""

    def __init__(self) -> None:
        self._lines: dict[str, deque[Body]] = {}
        self._of_one = OF_ONE

    def lasted(self, arrivals: int, seconds: float) -> None:
        """A transaction was committed: the slower the database, the fewer of one source are in the next."""
        if arrivals >= LEAST_OF_ONE:
            fits = int(arrivals * LASTS_S / max(seconds, 1e-6))
            self._of_one = max(LEAST_OF_ONE, min(OF_ONE, fits, 2 * self._of_one))

    def __bool__(self) -> bool:
        return bool(self._lines)

    def add(self, several: Sequence[Waiting]) -> None:
        """Appends requests behind the earlier ones of their sources."""
        for arrivals, reply in several:
            source = arrivals[0].source if arrivals else ""
            self._lines.setdefault(source, deque()).append(Body(arrivals, reply))

    def take(self, room: Room) -> list[Part]:
        """As many parts of each waiting source as the transaction has room for; sources take turns at being first."""
        found: list[Part] = []
        for source in list(self._lines):
            most = min(room.of_each.get(source, self._of_one), room.left)
            if not most and self._lines[source][0].arrivals:
                continue
            parts = self._take_of(source, most)
            count = sum(len(some) for _, some in parts)
            room.of_each[source] = room.of_each.get(source, self._of_one) - count
            room.left -= count
            found += parts
        return found

    def _take_of(self, source: str, most: int) -> list[Part]:
        line, found = self._lines.pop(source), []
        while line and (most or not line[0].arrivals):
            body = line[0]
            some = () if body.has_failed else body.arrivals[body.position : body.position + most]
            body.position += len(some)
            most -= len(some)
            if body.has_failed or body.position == len(body.arrivals):
                line.popleft()
            if not body.has_failed:
                found.append((body, some))
        if line:
            self._lines[source] = line  # behind the others
        return found
