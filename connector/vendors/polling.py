"""The contract of a poll: the question of each page, and the content of its answer. No database, no clock.

A run covers a period in pages of one call each; a cursor holds its position. Runs overlap and periods are padded on
both sides, because the vendor does not document the clock and the timezone of its dates.

Cursors, as JSON; times in unix seconds::

    {"floor": 1795000000}                                          nothing before this time
    {…, "from": …, "to": …, "at": …}                               in a run of answers: done up to ``at``
    {…, "from": …, "to": …, "next": "5cb8…"}                       in a run of a channel: the next page
    {…, "reached": 1795186860, "look": 3}                          between runs: done up to ``reached``, after three
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Final, Protocol

from connector.core.http import Answer, Deadline
from connector.core.outcomes import Outcome
from connector.core.payload import Payload
from connector.core.settings import Poll

DAY_S: Final = 86400
ROOM_S: Final = 15 * 3600  #: more than any timezone is away from UTC, and clocks from each other
STEP_S: Final = 31 * DAY_S  #: period of answers that one call requests
BACKFILL_STEP_S: Final = DAY_S

Cursor = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Span:
    """The past, from (inclusive) to (exclusive), unix seconds."""

    start_s: int
    end_s: int


@dataclass(frozen=True, slots=True)
class Page:
    """The content of one page, and the position of the run once it is stored."""

    payloads: Sequence[Payload]
    cursor: Cursor  #: without "to" if the run is complete
    seen: Set[str] | None = None  #: all ids of a list that comes whole


class Asking(Protocol):
    """One way of polling, for one source; ``span``: of the past instead."""

    def ask(self, vendor: Any, cursor: Cursor, deadline: Deadline) -> Answer:
        """Reads the page at the cursor. Raises `NotSent` or `NoAnswer`."""

    def means(self, answer: Answer) -> Outcome:
        """Accepted when `page` can read it."""

    def page(self, answer: Answer, cursor: Cursor, seen: Set[str]) -> Page:
        """The content of an accepted answer. ``seen``: the ids of the previous list."""


def begun(cursor: Cursor, poll: Poll, now_s: int, span: Span | None) -> Cursor:
    """The cursor of a run: unchanged, or of a new run that overlaps with the previous one."""
    if "to" in cursor:
        return cursor
    if span:
        return {**cursor, "floor": span.start_s, "from": span.start_s, "at": span.start_s, "to": span.end_s}
    floor = cursor.get("floor", int(poll.since.timestamp()) if poll.since else now_s - DAY_S)
    start = cursor.get("reached", floor) - int(poll.overlap_s)
    if not poll.channel:  # tickets are listed by when they were created, and may be closed much later
        start = max(floor, start)
    start = min(start, now_s)
    return {**cursor, "floor": floor, "from": start, "at": start, "to": now_s}


def is_first(cursor: Cursor) -> bool:
    """Whether no run was completed before: its entries are of the past."""
    return "reached" not in cursor


def given_up(cursor: Cursor) -> Cursor:
    """Starts the run again."""
    return {name: value for name, value in cursor.items() if name in ("floor", "reached", "look")}


def through(cursor: Cursor) -> Cursor:
    return {**given_up(cursor), "reached": cursor["to"], "look": cursor.get("look", 0) + 1}


def progress_s(cursor: Cursor) -> int:
    """How many seconds of its period a run has covered."""
    return int(cursor["at"] - cursor["from"]) if "to" in cursor else 0


def within(time_s: int | None, first_s: int, end_s: int | None) -> bool:
    """Entries without a time are distinguished by their ids alone."""
    return time_s is None or (first_s <= time_s and (end_s is None or time_s < end_s))
