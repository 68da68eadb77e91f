"""The records of one call, where several sources wait: each gets an even part of it, the more trusted ones first.

So what one source sent many of delays no other by more than a call. Where a call takes fewer records than sources wait,
it begins behind the source that was served last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from connector.core.turns import UNNUMBERED, in_order, parts, turn_of
from connector.store import outbox, turns
from connector.store.lanes import BULK, LIVE
from connector.store.outbox import Head
from connector.vendors.base import Destination


def ranked(place: Destination, waiting: Sequence[int]) -> list[int]:
    """Waiting sources, the more trusted first. What an earlier release stored goes before: nobody sends more of it."""
    known = [number for source in place.sources if (number := turn_of(source.name)) in waiting]
    others = [one for one in waiting if one not in known and one != UNNUMBERED]
    return [*([UNNUMBERED] if UNNUMBERED in waiting else []), *known, *others]


@dataclass(slots=True)
class Batch:
    """The members of an attempt as they are taken, within one claim."""

    conn: Connection
    place: Destination
    attempt: int
    now: int  #: unix ms
    last: int | None  #: the source that was served last, if several waited then
    size: int = field(default=0, init=False)
    turn: int | None = field(init=False)  #: the same from now on

    def __post_init__(self) -> None:
        self.turn = self.last

    def fill(self, lane: int, head: Head | None = None) -> int:
        """Takes what there is room for from the lane. ``head``: its head; of a split group only that group is taken.

        Returns how many.
        """
        before = self.size
        in_turns = lane in (LIVE, BULK) and len(self.place.sources) > 1
        are_waiting = in_turns and self.last is not None  # several waited: they are likely to wait still
        if are_waiting:
            self.turn = None
            self._take_turns(lane)
        self._take(lane, self.place.batch_size - self.size, head=head if self.size == before else None)
        if in_turns and not are_waiting and self._passes_somebody_over(lane):
            self.size -= outbox.let_go(self.conn, self.attempt, self.now, lane)
            self._take_turns(lane)
            self._take(lane, self.place.batch_size - self.size)
        return self.size - before

    def _passes_somebody_over(self, lane: int) -> bool:
        """Whether the call is full while several sources wait. Most calls take all that there is, and ask nothing."""
        if self.size < self.place.batch_size:
            return False
        waiting = turns.waiting(self.conn, self.place.name, lane, self.now)
        return len(waiting) > 1 or (bool(waiting) and turns.has_others(self.conn, self.attempt, waiting[0]))

    def _take_turns(self, lane: int) -> None:
        waiting = turns.waiting(self.conn, self.place.name, lane, self.now)
        if len(waiting) < 2 or self.size == self.place.batch_size:
            return
        ordered = in_order(ranked(self.place, waiting), self.last, self.place.batch_size)
        for number, part in zip(ordered, parts(self.place.batch_size - self.size, len(ordered)), strict=True):
            if part and self._take(lane, part, turn=number):
                self.turn = number

    def _take(self, lane: int, most: int, *, head: Head | None = None, turn: int | None = None) -> int:
        if not most:
            return 0
        got = outbox.claim(self.conn, self.attempt, self.place.name, lane, most, self.now, head=head, turn=turn)
        self.size += got
        return got
