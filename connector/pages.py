"""What is asked when a source is polled, page by page, and what the answers hold. No database, no clock.

A look goes over a stretch of time in pages of one call each; a cursor says where it is. Looks overlap, and stretches
are asked for with room on both sides: whose clock and whose timezone the vendor's dates are in is nowhere written.

Cursors, as JSON; moments in unix seconds::

    {"floor": 1795000000}                                          nothing before is taken
    {…, "from": …, "to": …, "at": …}                               in a look at answers: it is through up to ``at``
    {…, "from": …, "to": …, "next": "5cb8…"}                       in a look at a channel: the page to read next
    {…, "reached": 1795186860, "look": 3}                          between looks: through up to there, three of them
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

from connector.client import Answer, Deadline
from connector.decode import Payload
from connector.destinations.base import cut, delivered, refused, unrecognised
from connector.destinations.tracksale import meaning
from connector.enrich import classify
from connector.outcomes import Outcome
from connector.settings import Poll
from connector.vendors import postcenter, tracksale
from connector.vendors.postcenter import PostCenter, PostCenterError
from connector.vendors.tracksale import Tracksale, TracksaleError

DAY_S: Final = 86400
ROOM_S: Final = 15 * 3600  #: more than any timezone is away from UTC, and clocks from each other
STEP_S: Final = 31 * DAY_S  #: of answers, asked for with one call
BACKFILL_STEP_S: Final = DAY_S

Cursor = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Span:
    """The past, from (inclusive) to (exclusive), unix seconds."""

    start_s: int
    end_s: int


@dataclass(frozen=True, slots=True)
class Page:
    """What one call brought, and where the look is once that is stored."""

    payloads: Sequence[Payload]
    cursor: Cursor  #: without "to" when the look is through
    seen: Set[str] | None = None  #: all ids of a list that comes whole


class Asking(Protocol):
    """One way of polling, for one source; ``span``: of the past instead."""

    def ask(self, vendor: Any, cursor: Cursor, deadline: Deadline) -> Answer:
        """Reads the page at the cursor. Raises `NotSent` or `NoAnswer`."""

    def means(self, answer: Answer) -> Outcome:
        """Accepted when `page` can read it."""

    def page(self, answer: Answer, cursor: Cursor, seen: Set[str]) -> Page:
        """What an accepted answer holds. ``seen``: the ids that the list held last time."""


def begun(cursor: Cursor, poll: Poll, now_s: int, span: Span | None) -> Cursor:
    """The cursor of a look: as it is, or of a new one that overlaps with the one before."""
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
    """Whether no look before was through: what it brings is of the past."""
    return "reached" not in cursor


def given_up(cursor: Cursor) -> Cursor:
    """The look begins anew."""
    return {name: value for name, value in cursor.items() if name in ("floor", "reached", "look")}


def _through(cursor: Cursor) -> Cursor:
    return {**given_up(cursor), "reached": cursor["to"], "look": cursor.get("look", 0) + 1}


def progress_s(cursor: Cursor) -> int:
    """How many seconds of its stretch a look is through."""
    return int(cursor["at"] - cursor["from"]) if "to" in cursor else 0


# --- Tracksale's answers --------------------------------------------------------------------------------------------


class TracksaleAnswers:
    """GET /v2/report/answer: all of a stretch in one answer, whatever their number."""

    def __init__(self, poll: Poll, zone: ZoneInfo, span: Span | None) -> None:
        self._codes = ",".join(poll.campaign_codes)
        self._step_s = BACKFILL_STEP_S if span else STEP_S
        self._span = span

    def ask(self, vendor: Tracksale, cursor: Cursor, deadline: Deadline) -> Answer:
        return vendor.report_answer(
            start=_utc(cursor["at"] - ROOM_S),
            end=_utc(self._until(cursor) + ROOM_S),
            codes=self._codes,
            tags=True,
            justif_return="array",
            review=True,
            nps_secondary=True,
            open_question=True,
            csat=True,
            return_update_time=True,
            deadline=deadline,
        )

    def means(self, answer: Answer) -> Outcome:
        unwell = meaning(answer)
        if unwell is not None:
            return unwell
        try:
            tracksale.answers_of(tracksale.body_of(answer))
        except TracksaleError as fault:
            return unrecognised(answer, cut(fault))
        return delivered(answer)

    def page(self, answer: Answer, cursor: Cursor, seen: Set[str]) -> Page:
        """Each answer once in a look: by its time it is of one page; of the last one when that is still to come."""
        until = self._until(cursor)
        last = until >= cursor["to"]
        first_s = cursor["floor"] if cursor["at"] == cursor["from"] else cursor["at"]
        end_s = None if last and not self._span else until
        rows = [one for one in tracksale.answers_of(answer.json()) if _within(one.time, first_s, end_s)]
        payloads = [Payload(dict(one.raw), spare_id=f"answer {one.id}" if one.id else "") for one in rows]
        return Page(payloads, _through(cursor) if last else {**cursor, "at": until})

    def _until(self, cursor: Cursor) -> int:
        return int(min(cursor["at"] + self._step_s, cursor["to"]))


def _within(time_s: int | None, first_s: int, end_s: int | None) -> bool:
    """What has no time is told apart by its id alone."""
    return time_s is None or (first_s <= time_s and (end_s is None or time_s < end_s))


def _utc(moment_s: int) -> str:
    return f"{datetime.fromtimestamp(moment_s, UTC):%Y-%m-%dT%H:%M:%S}"


# --- PostCenter's tickets -------------------------------------------------------------------------------------------


_REFUSING: Final = frozenset({400, 404, 422})  #: what was asked for is wrong: the state, or a page that is gone


def _postcenter_means(answer: Answer, read: Callable[[Mapping[str, Any]], object]) -> Outcome:
    status = postcenter.status_of(answer)
    words = cut(f"{status} {PostCenter.words_of(answer)}".strip())
    if status in _REFUSING:
        return refused(answer, words)
    found = classify(answer, PostCenter.fault_of(answer), PostCenter.words_of(answer))
    if found.attempt != "accepted":
        return found
    try:
        read(postcenter.body_of(answer))
    except PostCenterError as fault:
        return unrecognised(answer, cut(fault))
    return found


class TicketsByState:
    """GET /v2/tickets/state/{state}: the ids of all tickets in it, with every look.

    An id that was not in the list before is news; one that left and came back is news again. Of the first list only
    what was created since the floor is taken, by the time that is in a ticket's id.
    """

    def __init__(self, poll: Poll, zone: ZoneInfo, span: Span | None) -> None:
        self._state = poll.state
        self._span = span

    def ask(self, vendor: PostCenter, cursor: Cursor, deadline: Deadline) -> Answer:
        return vendor.tickets_by_state(self._state, deadline=deadline)

    def means(self, answer: Answer) -> Outcome:
        return _postcenter_means(answer, postcenter.ids_of)

    def page(self, answer: Answer, cursor: Cursor, seen: Set[str]) -> Page:
        ids = list(dict.fromkeys(one.strip().lower() for one in postcenter.ids_of(answer.json())))
        fresh = [one for one in ids if self._span or one not in seen]
        if self._span or is_first(cursor):
            end_s = self._span.end_s if self._span else None
            fresh = [one for one in fresh if _within(_created_s(one), cursor["floor"], end_s)]
        look = 0 if self._span else cursor.get("look", 0)
        payloads = [Payload(self._body(one), f"{one} {self._state} {look}") for one in reversed(fresh)]
        return Page(payloads, _through(cursor), frozenset(ids))

    def _body(self, ref: str) -> dict[str, str]:
        return {"ticket_id": ref, "state": self._state} | (_CLOSED if self._state == "closed" else {})


_CLOSED: Final = {"event": "ticket.closed"}


def _created_s(ref: str) -> int | None:
    """The first eight of its hexadecimal digits are unix seconds; None for what is no such id."""
    try:
        return int(ref[:8], 16) if len(ref) == 24 else None
    except ValueError:
        return None


class TicketsByChannel:
    """GET /v2/tickets/paginated/{channel}/: a hundred a page, by when they were created, the newest first.

    A ticket that changes while its page is not read yet moves nothing; a new one comes before the first page, and is
    of the next look. Each state of a ticket that is seen is an event.
    """

    def __init__(self, poll: Poll, zone: ZoneInfo, span: Span | None) -> None:
        self._channel = poll.channel
        self._zone = zone
        self._span = span

    def ask(self, vendor: PostCenter, cursor: Cursor, deadline: Deadline) -> Answer:
        room_s = 0 if self._span else ROOM_S
        start, end = self._local(cursor["from"] - room_s), self._local(cursor["to"] + room_s)
        return vendor.paginated(
            self._channel, start=start, end=end, next_page=cursor.get("next", ""), deadline=deadline
        )

    def means(self, answer: Answer) -> Outcome:
        return _postcenter_means(answer, postcenter.tickets_of)

    def page(self, answer: Answer, cursor: Cursor, seen: Set[str]) -> Page:
        body = answer.json()
        rows = [row for row in body["tickets"] if self._span or _within(self._changed_s(row), cursor["floor"], None)]
        payloads = [self._payload(row) for row in reversed(rows)]
        following = postcenter.next_page_of(body)
        if not following or not body["tickets"] or following == cursor.get("next"):
            return Page(payloads, _through(cursor))
        oldest = [at for row in body["tickets"] if (at := self._unix_s(postcenter.ticket_of(row).created)) is not None]
        # Newest first: what is left lies before the oldest of this page.
        at = cursor["from"] + max(0, cursor["to"] - max(cursor["from"], min(oldest, default=cursor["to"])))
        return Page(payloads, {**cursor, "next": following, "at": max(cursor["at"], at)})

    def _payload(self, row: Mapping[str, Any]) -> Payload:
        found = postcenter.ticket_of(row)
        updated = found.updated.isoformat() if found.updated else ""
        body = {**row, **(_CLOSED if found.state == "closed" else {})}
        return Payload(body, f"{found.id} {found.state} {updated}" if found.id and updated else "")

    def _changed_s(self, row: Mapping[str, Any]) -> int | None:
        found = postcenter.ticket_of(row)
        return self._unix_s(found.updated or found.created)

    def _unix_s(self, moment: datetime | None) -> int | None:
        return int(moment.replace(tzinfo=moment.tzinfo or self._zone).timestamp()) if moment else None

    def _local(self, moment_s: int) -> str:
        return postcenter.moment_text(datetime.fromtimestamp(moment_s, self._zone))


def asking(poll: Poll, zone: ZoneInfo, span: Span | None = None) -> Asking:
    """How a source is polled."""
    if poll.call == "tracksale.answers":
        return TracksaleAnswers(poll, zone, span)
    return TicketsByChannel(poll, zone, span) if poll.channel else TicketsByState(poll, zone, span)
