"""One page of a poll: taken, asked for, stored together with the cursor that says so. Live and of the past alike.

Any number of processes may poll a source: the database decides who reads the next page, and a page that nobody
finished by its deadline is anybody's again. What was stored by then is known, and changes nothing.
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
from sqlalchemy.exc import DataError, IntegrityError, StatementError

from connector import bulk, calls, claims, destinations, inbox, pages, polls
from connector.client import Answer, Deadline, patiently, wait_s
from connector.db import Database, now_ms
from connector.decode import Payload
from connector.destinations.base import cut
from connector.errors import ConnectorError, StoreUnavailable
from connector.inbox import Arrival
from connector.log import get, masked
from connector.metrics import ANSWERS, CALL_SECONDS
from connector.outbox import BULK, LIVE
from connector.outcomes import Fate, Outcome
from connector.pages import Cursor, Span
from connector.polls import Stand
from connector.quota import Wait
from connector.receive import Receiver
from connector.routes import Router
from connector.settings import Account, Poll, Settings, Source
from connector.vendors import VENDORS

AT_ONCE: Final = 500  #: events in one transaction
PATIENCE_S: Final = 2.0  #: how long a slot is waited for
OVERDUE_MS: Final = 30_000  #: so late, a page is read although live deliveries are due
BLOCKED_LOOK_MS: Final = 30_000  #: how often it is looked whether a person has acted
SPARE_MS: Final = 30_000  #: beside the call, for storing
UNWANTED: Final = "no route wants it: the rest was not fetched"

log = get("polling")


@dataclass(frozen=True, slots=True)
class Step:
    """What became of one try. ``wait_s``: when to try again; ``why``: what was in the way, "" for nothing."""

    wait_s: float
    why: str = ""
    cursor: Cursor | None = None  #: where it is after a page
    read: int = 0  #: what the page held
    stored: int = 0  #: what of it was new
    through: bool = False  #: the look is through
    failed: bool = False  #: a call was made, in vain
    closed: bool = False  #: a person has to act first, or the vendor refused: it does not go on by itself


class Polling:
    """The poll of one source, or of a span of its past."""

    def __init__(self, settings: Settings, database: Database, source: Source, span: Span | None = None) -> None:
        """``source`` has a poll."""
        if source.poll is None:
            raise ConnectorError(f"source {source.name} is not polled: give it a poll")
        self.name: Final = name_of(source.name, span)
        self.source: Final = source
        self._poll: Final[Poll] = source.poll
        self._account: Final[Account] = settings.accounts[source.account]
        self._settings = settings
        self._database = database
        self._span = span
        self._router = Router(settings, destinations.name_of)
        self._receiver = Receiver(settings, self._router)
        self._asking = pages.asking(source.poll, settings.locale.timezone, span)
        self._vendor = VENDORS[self._account.vendor](self._account)
        self._behind = tuple({destinations.name_of(one) for one in settings.routes if one.account == source.account})
        self._what = what_of(source.poll)
        self._holder = f"{claims.WORKER} {secrets.token_hex(4)}"

    def step(self) -> Step:
        """Reads one page, if one is due and nobody else reads it. Raises `ConnectorError`."""
        stand, now = self._take()
        if not isinstance(stand, Stand):
            return Step(max(0.05, (stand - now) / 1000), "it is not due yet, or somebody else reads it")
        cursor = pages.begun(stand.cursor, self._poll, now // 1000, self._span)
        answer, outcome = self._ask(stand, cursor, now)
        if isinstance(outcome, Wait):
            return self._put_off(stand, outcome)
        if answer is None or outcome.attempt != "accepted":
            return self._failed(stand, outcome)
        page = self._asking.page(answer, cursor, stand.seen)
        lane = BULK if self._span or pages.is_first(cursor) else LIVE
        return self._store(stand, page, lane)

    def remove(self) -> None:
        """Nothing of it is left: it is through for good."""
        with self._database.write(serialise=self._lock) as conn:
            polls.remove(conn, self.name)

    def release(self) -> None:
        """What it was reading, somebody else may read at once."""
        with self._database.write(serialise=self._lock) as conn:
            polls.release(conn, self.name, self._holder)

    @property
    def _lock(self) -> str:
        """What live polls and backfills of one source store under, as they may bring the same."""
        return f"poll {self.source.name}"

    def _take(self) -> tuple[Stand | int, int]:
        with self._database.read() as conn:
            stand, now = polls.get(conn, self.name), now_ms(conn)
        if stand is not None and stand.what == self._what and stand.due_at > now:
            return stand.due_at, now
        lease_ms = int((self._account.timeout_s + PATIENCE_S) * 1000) + SPARE_MS
        with self._database.write(serialise=self._lock) as conn:
            now = now_ms(conn)
            return polls.take(
                conn,
                self.name,
                self.source.name,
                what=self._what,
                holder=self._holder,
                now=now,
                until=now + lease_ms,
            ), now

    def _ask(self, stand: Stand, cursor: Cursor, now: int) -> tuple[Answer | None, Outcome | Wait]:
        began_s = time.monotonic()

        def call(deadline: Deadline) -> Answer:
            return self._asking.ask(self._vendor, cursor, deadline)

        behind = self._behind if now - stand.due_at < OVERDUE_MS else None
        answer, outcome = calls.ask(
            self._database, self._account, "poll", call, self._asking.means, patience_s=PATIENCE_S, behind=behind
        )
        if isinstance(outcome, Outcome):
            CALL_SECONDS.labels(self._account.name, "poll").observe(time.monotonic() - began_s)
            ANSWERS.labels(self._account.name, "poll", outcome.attempt).inc()
        return answer, outcome

    # what was in the way

    def _put_off(self, stand: Stand, wait: Wait) -> Step:
        """No call may be made now. A wait for a slot keeps its place: the longer it lasts, the less it yields."""
        blocked = wait.seconds is None
        wait_ms = BLOCKED_LOOK_MS if wait.seconds is None else int(min(wait.seconds, 60) * 1000)
        with self._database.write(serialise=self._lock) as conn:
            now = now_ms(conn)
            due_at = now + wait_ms if blocked or wait_ms > PATIENCE_S * 1000 else stand.due_at
            polls.put_off(conn, stand, self._holder, due_at=due_at, why=cut(masked(wait.why)), now=now, fault=False)
        return Step(wait_ms / 1000, wait.why, closed=blocked)

    def _failed(self, stand: Stand, outcome: Outcome) -> Step:
        """The account has paid for it already, if it is to blame. Where a page is gone, the look begins anew."""
        refused = outcome.verdict.fate is Fate.REFUSED
        why = cut(masked(outcome.words)) or "no answer"
        wait_ms = int(max(wait_s(stand.faults + 1), self._poll.every_s if refused else 0) * 1000)
        gone = refused and "next" in stand.cursor
        cursor = pages.given_up(stand.cursor) if gone else None

        def settle() -> None:
            with self._database.write(serialise=self._lock) as conn:
                now = now_ms(conn)
                polls.put_off(conn, stand, self._holder, due_at=now + wait_ms, why=why, now=now, cursor=cursor)

        patiently(settle)
        return Step(
            wait_ms / 1000, why, failed=True, closed=bool(outcome.block) or (refused and "next" not in stand.cursor)
        )

    # what was read

    def _store(self, stand: Stand, page: pages.Page, lane: int) -> Step:
        """All of the page, by the hundreds; the cursor moves with the last of them."""
        arrivals = self._news([self._arrival(payload, lane) for payload in page.payloads])
        through = "to" not in page.cursor
        batches = [arrivals[at : at + AT_ONCE] for at in range(0, len(arrivals), AT_ONCE)] or [[]]
        stored = 0
        for batch in batches:
            last = batch is batches[-1]
            kept = self._stored(stand, batch, page if last else None, stored)
            if kept is None:
                return Step(0.05, "somebody else has taken it over")
            stored += kept
        wait = self._poll.every_s if through and not self._span else 0.0
        return Step(wait, "", page.cursor, len(page.payloads), stored, through)

    def _arrival(self, payload: Payload, lane: int) -> Arrival:
        """Mapped and routed. What is thin and nobody wants costs the vendor no call."""
        arrival = self._receiver.arrival(self.source, payload, lane=lane)
        if arrival.state == "waiting" and not self._router.routes_for(self.source.name, arrival.type):
            return replace(arrival, state="ignored", account=None, notes=(*arrival.notes, UNWANTED))
        return arrival

    def _news(self, arrivals: Sequence[Arrival]) -> list[Arrival]:
        """Without what was stored before: in looks that overlap, that is most of it. Asked outside of every lock."""
        with self._database.read() as conn:
            old = inbox.known(conn, arrivals)
            invalid = [arrival for arrival in arrivals if arrival.state == "invalid"]
            old |= bulk.kept_before(conn, self.source.name, invalid) if invalid else set()
        return [arrival for arrival in arrivals if id(arrival) not in old]

    def _stored(self, stand: Stand, batch: Sequence[Arrival], page: pages.Page | None, before: int) -> int | None:
        """How many were new; None when the page is in other hands. With the ``page`` the cursor moves."""
        try:
            return self._transact(stand, batch, page, before)
        except (DataError, IntegrityError, StatementError) as fault:
            log.warning("a page could not be stored together; its events go one by one", fault=type(fault).__name__)
        if not all(self._alone(arrival) for arrival in batch):
            return None
        return self._transact(stand, [], page, before + len(batch))

    def _transact(self, stand: Stand, batch: Sequence[Arrival], page: pages.Page | None, before: int) -> int | None:
        with self._database.write(serialise=self._lock) as conn:
            if not polls.is_held(conn, self.name, self._holder):
                return None
            verdicts = inbox.store(conn, batch, key=self._settings.hash_key)
            new = sum(verdict.status != "duplicate" for verdict in verdicts)
            if page is not None:
                self._advance(conn, stand, page, before + new)
            return new

    def _advance(self, conn: Connection, stand: Stand, page: pages.Page, stored: int) -> None:
        now = now_ms(conn)
        through = "to" not in page.cursor
        # From the moment it was due on, and not of when it was through: else every look would be a little later.
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

    def _alone(self, arrival: Arrival) -> bool:
        """One that no database takes is kept as invalid, in a form that every database takes."""
        for kept in (arrival, inbox.unstorable(arrival)):
            try:
                with self._database.write(serialise=self._lock) as conn:
                    if not polls.is_held(conn, self.name, self._holder):
                        return False
                    inbox.store(conn, [kept], key=self._settings.hash_key)
                    return True
            except (DataError, IntegrityError, StatementError) as fault:
                log.warning("an event cannot be stored as it is", fault=type(fault).__name__)
        raise StoreUnavailable("an event could not be stored in any form: look at the log")


def name_of(source: str, span: Span | None) -> str:
    """What a poll is called: its source; "answers 2026-01-01T05:00Z/2026-02-01T05:00Z" for a span."""
    return f"{source} {_moment(span.start_s)}/{_moment(span.end_s)}" if span else source


def _moment(unix_s: int) -> str:
    return f"{datetime.fromtimestamp(unix_s, UTC):%Y-%m-%dT%H:%MZ}"


def what_of(poll: Poll) -> str:
    """What is asked for, as it is compared with what was asked for before."""
    return orjson.dumps([poll.call, sorted(poll.campaign_codes), poll.state, poll.channel]).decode()
