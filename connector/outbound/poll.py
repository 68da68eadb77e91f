"""One page of a poll: leased, read, and stored together with the cursor. The same for live polls and backfills.

Any number of processes may poll a source: the database decides which one reads the next page, and a page that was not
finished by its deadline is free again. Entries that were stored by then are known, and change nothing.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

import orjson
from sqlalchemy import Connection

from connector.core.errors import ConnectorError
from connector.core.http import Answer, Deadline
from connector.core.log import get, masked
from connector.core.metrics import ANSWERS, CALL_SECONDS
from connector.core.outcomes import Fate, Outcome
from connector.core.payload import Payload
from connector.core.phrases import phrase
from connector.core.quota import Wait
from connector.core.reasons import Code, Reason, answer_facts
from connector.core.retry import BLOCKED_LOOK_MS, LEASE_SPARE_MS, OVERDUE_MS, POLL_PATIENCE_S, patiently, wait_s
from connector.core.settings import Account, Poll, Settings, Source
from connector.core.states import AttemptState, EventState, Kind
from connector.inbound.apart import ITS_OWN_FAULT, store_apart
from connector.inbound.files import importer
from connector.inbound.receiver import Receiver
from connector.inbound.router import Router
from connector.outbound import calls
from connector.store import inbox, polls
from connector.store.arrivals import Arrival, Stored
from connector.store.database import Database, now_ms
from connector.store.lanes import BULK, LIVE
from connector.store.polls import PollState
from connector.store.worker_locks import UNLOCKED
from connector.vendors import VENDORS, destinations, polling
from connector.vendors.answers import cut
from connector.vendors.polling import Cursor, Span

AT_ONCE: Final = 500  #: events in one transaction
UNWANTED: Final = "no route wants it: the rest was not fetched"

log = get("polling")


@dataclass(frozen=True, slots=True)
class Step:
    """The result of one step. ``wait_s``: when to try again; ``why``: what prevented it, "" for nothing."""

    wait_s: float
    why: str = ""
    cursor: Cursor | None = None  #: where it is after a page
    read: int = 0  #: entries of the page
    stored: int = 0  #: new ones of them
    through: bool = False  #: the run is complete
    failed: bool = False  #: a call was made, in vain
    closed: bool = False  #: an operator has to act first, or the vendor refused: it does not continue by itself


class Polling:
    """The poll of one source, or of a span of its past."""

    def __init__(self, settings: Settings, database: Database, source: Source, span: Span | None = None) -> None:
        """``source`` has a poll."""
        if source.poll is None:
            raise ConnectorError(phrase("source {name} is not polled: give it a poll", name=source.name))
        self.name: Final = name_of(source.name, span)
        self.source: Final = source
        self._poll: Final[Poll] = source.poll
        self._account: Final[Account] = settings.accounts[source.account]
        self._settings = settings
        self._database = database
        self._span = span
        self._router = Router(settings, destinations.name_of)
        self._receiver = Receiver(settings, self._router)
        self._asking = (
            VENDORS[self._account.vendor]
            .polls[source.poll.call.partition(".")[2]]
            .begin(source.poll, settings.locale.timezone, span)
        )
        self._vendor = VENDORS[self._account.vendor].client(self._account)
        self._behind = tuple({destinations.name_of(one) for one in settings.routes if one.account == source.account})
        self._what = what_of(source.poll)
        self._holder = f"{UNLOCKED} {secrets.token_hex(4)}"

    def step(self) -> Step:
        """Reads one page, if one is due and not leased by another. Raises `ConnectorError`."""
        stand, now = self._take()
        if not isinstance(stand, PollState):
            return Step(max(0.05, (stand - now) / 1000), "it is not due yet, or another process reads it")
        cursor = polling.begun(stand.cursor, self._poll, now // 1000, self._span)
        answer, outcome = self._ask(stand, cursor, now)
        if isinstance(outcome, Wait):
            return self._put_off(stand, outcome)
        if answer is None or outcome.attempt != AttemptState.ACCEPTED:
            return self._failed(stand, outcome)
        page = self._asking.page(answer, cursor, stand.seen)
        lane = BULK if self._span or polling.is_first(cursor) else LIVE
        return self._store(stand, page, lane)

    def remove(self) -> None:
        """Nothing of it is left: it is through for good."""
        with self._database.write(serialise=self._lock) as conn:
            polls.remove(conn, self.name)

    def release(self) -> None:
        """Releases the page, so that another process may read it at once."""
        with self._database.write(serialise=self._lock) as conn:
            polls.release(conn, self.name, self._holder)

    @property
    def _lock(self) -> str:
        """The lock for storing, shared by the live poll and backfills of one source, as they may find the same
        entries.
        """
        return f"poll {self.source.name}"

    def _take(self) -> tuple[PollState | int, int]:
        with self._database.read() as conn:
            stand, now = polls.get(conn, self.name), now_ms(conn)
        if stand is not None and stand.what == self._what and stand.due_at > now:
            return stand.due_at, now
        lease_ms = int((self._account.timeout_s + POLL_PATIENCE_S) * 1000) + LEASE_SPARE_MS
        with self._database.write(serialise=self._lock) as conn:
            now = now_ms(conn)
            return polls.lease(
                conn,
                self.name,
                self.source.name,
                what=self._what,
                holder=self._holder,
                now=now,
                until=now + lease_ms,
            ), now

    def _ask(self, stand: PollState, cursor: Cursor, now: int) -> tuple[Answer | None, Outcome | Wait]:
        began_s = time.monotonic()

        def call(deadline: Deadline) -> Answer:
            return self._asking.ask(self._vendor, cursor, deadline)

        behind = self._behind if now - stand.due_at < OVERDUE_MS else None
        answer, outcome = calls.make_call(
            self._database,
            self._account,
            Kind.POLL,
            call,
            self._asking.means,
            patience_s=POLL_PATIENCE_S,
            behind=behind,
        )
        if isinstance(outcome, Outcome):
            CALL_SECONDS.labels(self._account.name, "poll").observe(time.monotonic() - began_s)
            ANSWERS.labels(self._account.name, "poll", outcome.attempt).inc()
        return answer, outcome

    # what prevents it

    def _put_off(self, stand: PollState, wait: Wait) -> Step:
        """No call may be made now. A wait for a slot keeps its place: the longer it lasts, the less it yields."""
        blocked = wait.seconds is None
        wait_ms = BLOCKED_LOOK_MS if wait.seconds is None else int(min(wait.seconds, 60) * 1000)
        reason = Reason(Code.POLL_WAITS, {"fault": cut(masked(wait.why))})
        with self._database.write(serialise=self._lock) as conn:
            now = now_ms(conn)
            due_at = now + wait_ms if blocked or wait_ms > POLL_PATIENCE_S * 1000 else stand.due_at
            polls.put_off(conn, stand, self._holder, due_at=due_at, why=reason, now=now, fault=False)
        return Step(wait_ms / 1000, wait.why, closed=blocked)

    def _failed(self, stand: PollState, outcome: Outcome) -> Step:
        """The account is settled already if it is at fault. If the page is gone, the run starts again."""
        refused = outcome.verdict.fate is Fate.REFUSED
        why = cut(masked(outcome.words)) or "no answer"
        wait_ms = int(max(wait_s(stand.faults + 1), self._poll.every_s if refused else 0) * 1000)
        reason = Reason(Code.POLL_FAILED, answer_facts(why, outcome.status))
        is_gone = refused and "next" in stand.cursor
        cursor = polling.given_up(stand.cursor) if is_gone else None

        def settle() -> None:
            with self._database.write(serialise=self._lock) as conn:
                now = now_ms(conn)
                polls.put_off(conn, stand, self._holder, due_at=now + wait_ms, why=reason, now=now, cursor=cursor)

        patiently(settle)
        return Step(
            wait_ms / 1000, why, failed=True, closed=bool(outcome.block) or (refused and "next" not in stand.cursor)
        )

    # the page's content

    def _store(self, stand: PollState, page: polling.Page, lane: int) -> Step:
        """All of the page, by the hundreds; the cursor moves with the last of them."""
        arrivals = self._news([self._arrival(payload, lane) for payload in page.payloads])
        through = "to" not in page.cursor
        batches = [arrivals[at : at + AT_ONCE] for at in range(0, len(arrivals), AT_ONCE)] or [[]]
        stored = 0
        for batch in batches:
            last = batch is batches[-1]
            number = self._stored(stand, batch, page if last else None, stored)
            if number is None:
                return Step(0.05, "another process has taken it over")
            stored += number
        wait = self._poll.every_s if through and not self._span else 0.0
        return Step(wait, "", page.cursor, len(page.payloads), stored, through)

    def _arrival(self, payload: Payload, lane: int) -> Arrival:
        """Mapped and routed. A thin event that no route wants is not fetched."""
        arrival = self._receiver.arrival(self.source, payload, lane=lane)
        if arrival.state == EventState.WAITING and not self._router.routes_for(self.source.name, arrival.type):
            return replace(arrival, state=EventState.IGNORED, account=None, notes=(*arrival.notes, UNWANTED))
        return arrival

    def _news(self, arrivals: Sequence[Arrival]) -> list[Arrival]:
        """The entries that were not stored before: in overlapping runs, few of them. Queried outside of every lock."""
        with self._database.read() as conn:
            old = inbox.known(conn, arrivals)
            invalid = [arrival for arrival in arrivals if arrival.state == EventState.INVALID]
            old |= importer.kept_before(conn, self.source.name, invalid) if invalid else set()
        return [arrival for arrival in arrivals if id(arrival) not in old]

    def _stored(self, stand: PollState, batch: Sequence[Arrival], page: polling.Page | None, before: int) -> int | None:
        """How many were new; None if another process has the page. With the ``page`` the cursor moves."""
        try:
            return self._transact(stand, batch, page, before)
        except ITS_OWN_FAULT as fault:
            log.warning("a page could not be stored together; its events go apart", fault=type(fault).__name__)
        try:
            new = _new(store_apart(self._store_held, batch))
        except _TakenOver:
            return None
        return None if self._transact(stand, [], page, before + new) is None else new

    def _store_held(self, batch: Sequence[Arrival]) -> list[Stored]:
        """Raises `_TakenOver` if another process has the page."""
        with self._database.write(serialise=self._lock) as conn:
            if not polls.is_held(conn, self.name, self._holder):
                raise _TakenOver
            return inbox.store(conn, batch, key=self._settings.hash_key)

    def _transact(
        self, stand: PollState, batch: Sequence[Arrival], page: polling.Page | None, before: int
    ) -> int | None:
        with self._database.write(serialise=self._lock) as conn:
            if not polls.is_held(conn, self.name, self._holder):
                return None
            verdicts = inbox.store(conn, batch, key=self._settings.hash_key)
            new = _new(verdicts)
            if page is not None:
                self._advance(conn, stand, page, before + new)
            return new

    def _advance(self, conn: Connection, stand: PollState, page: polling.Page, stored: int) -> None:
        now = now_ms(conn)
        through = "to" not in page.cursor
        # Schedule from the previous due time, not from completion; otherwise the polling interval would drift.
        next_ms = max(now, stand.due_at + int(self._poll.every_s * 1000)) if through and not self._span else now
        polls.advance(
            conn,
            stand,
            self._holder,
            cursor=page.cursor,
            seen=page.seen,
            stored=stored,
            due_at=next_ms,
            looked_at=now if through else None,
        )


class _TakenOver(Exception):  # noqa: N818 - no fault, and nobody sees it
    """Another process has the page."""


def _new(verdicts: Sequence[Stored]) -> int:
    return sum(verdict.status != "duplicate" for verdict in verdicts)


def name_of(source: str, span: Span | None) -> str:
    """The name of a poll: its source; "answers 2026-01-01T05:00Z/2026-02-01T05:00Z" for a span."""
    return f"{source} {_moment(span.start_s)}/{_moment(span.end_s)}" if span else source


def _moment(unix_s: int) -> str:
    return f"{datetime.fromtimestamp(unix_s, UTC):%Y-%m-%dT%H:%MZ}"


def what_of(poll: Poll) -> str:
    """The question of a poll, as compared with the stored one."""
    return orjson.dumps([poll.call, sorted(poll.campaign_codes), poll.state, poll.channel]).decode()
