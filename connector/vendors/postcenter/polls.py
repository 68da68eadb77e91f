"""Polling PostCenter: the tickets in a state, or of a channel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from connector.core.http import Answer, Deadline
from connector.core.outcomes import Outcome
from connector.core.payload import Payload
from connector.core.settings import Poll
from connector.core.states import AttemptState
from connector.vendors.answers import classify, cut, refused, unrecognised
from connector.vendors.polling import ROOM_S, Asking, Cursor, Page, Span, is_first, through, within
from connector.vendors.postcenter import readers
from connector.vendors.postcenter.api import PostCenter
from connector.vendors.postcenter.readers import PostCenterError

_REFUSING: Final = frozenset({400, 404, 422})  #: the question is wrong: the state, or a page that is gone


def _postcenter_means(answer: Answer, read: Callable[[Mapping[str, Any]], object]) -> Outcome:
    status = readers.status_of(answer)
    words = cut(f"{status} {PostCenter.words_of(answer)}".strip())
    if status in _REFUSING:
        return refused(answer, words)
    found = classify(answer, PostCenter.fault_of(answer), PostCenter.words_of(answer))
    if found.attempt != AttemptState.ACCEPTED:
        return found
    try:
        read(readers.body_of(answer))
    except PostCenterError as fault:
        return unrecognised(answer, cut(fault))
    return found


class TicketsByState:
    """GET /v2/tickets/state/{state}: the ids of all tickets in it, in every run.

    An id that was not in the previous list is new; one that left and came back is new again. Of the first list only
    tickets created since the floor are taken, by the time in a ticket's id.
    """

    def __init__(self, poll: Poll, zone: ZoneInfo, span: Span | None) -> None:
        self._state = poll.state
        self._span = span

    def ask(self, vendor: PostCenter, cursor: Cursor, deadline: Deadline) -> Answer:
        return vendor.tickets_by_state(self._state, deadline=deadline)

    def means(self, answer: Answer) -> Outcome:
        return _postcenter_means(answer, readers.ids_of)

    def page(self, answer: Answer, cursor: Cursor, seen: Set[str]) -> Page:
        ids = list(dict.fromkeys(one.strip().lower() for one in readers.ids_of(answer.json())))
        fresh = [one for one in ids if self._span or one not in seen]
        if self._span or is_first(cursor):
            end_s = self._span.end_s if self._span else None
            fresh = [one for one in fresh if within(_created_s(one), cursor["floor"], end_s)]
        look = 0 if self._span else cursor.get("look", 0)
        payloads = [Payload(self._body(one), f"{one} {self._state} {look}") for one in reversed(fresh)]
        return Page(payloads, through(cursor), frozenset(ids))

    def _body(self, ref: str) -> dict[str, str]:
        return {"ticket_id": ref, "state": self._state} | (_CLOSED if self._state == "closed" else {})


_CLOSED: Final = {"event": "ticket.closed"}


def _created_s(ref: str) -> int | None:
    """The first eight of its hexadecimal digits are unix seconds; None if it is not such an id."""
    try:
        return int(ref[:8], 16) if len(ref) == 24 else None
    except ValueError:
        return None


class TicketsByChannel:
    """GET /v2/tickets/paginated/{channel}/: a hundred a page, by creation, the newest first.

    A ticket that changes before its page is read stays at its place; a new one comes before the first page, and belongs
    to the next run. Each state of a ticket that is seen is an event.
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
        return _postcenter_means(answer, readers.tickets_of)

    def page(self, answer: Answer, cursor: Cursor, seen: Set[str]) -> Page:
        body = answer.json()
        rows = [row for row in body["tickets"] if self._span or within(self._changed_s(row), cursor["floor"], None)]
        payloads = [self._payload(row) for row in reversed(rows)]
        following = readers.next_page_of(body)
        if not following or not body["tickets"] or following == cursor.get("next"):
            return Page(payloads, through(cursor))
        oldest = [at for row in body["tickets"] if (at := self._unix_s(readers.ticket_of(row).created)) is not None]
        # Newest first: the rest lies before the oldest ticket of this page.
        at = cursor["from"] + max(0, cursor["to"] - max(cursor["from"], min(oldest, default=cursor["to"])))
        return Page(payloads, {**cursor, "next": following, "at": max(cursor["at"], at)})

    def _payload(self, row: Mapping[str, Any]) -> Payload:
        found = readers.ticket_of(row)
        updated = found.updated.isoformat() if found.updated else ""
        body = {**row, **(_CLOSED if found.state == "closed" else {})}
        return Payload(body, f"{found.id} {found.state} {updated}" if found.id and updated else "")

    def _changed_s(self, row: Mapping[str, Any]) -> int | None:
        found = readers.ticket_of(row)
        return self._unix_s(found.updated or found.created)

    def _unix_s(self, moment: datetime | None) -> int | None:
        return int(moment.replace(tzinfo=moment.tzinfo or self._zone).timestamp()) if moment else None

    def _local(self, moment_s: int) -> str:
        return readers.moment_text(datetime.fromtimestamp(moment_s, self._zone))


def tickets(poll: Poll, zone: ZoneInfo, span: Span | None) -> Asking:
    """By state, or by channel."""
    return TicketsByChannel(poll, zone, span) if poll.channel else TicketsByState(poll, zone, span)
