"""Days that pass in seconds: an account's calls, played against a clock that the test holds.

`Played` decides with the product's own arithmetic, and counts in memory as the log of calls would: quick enough for
several days of ten licences. `Stored` is the same with the real claims, log of calls and outbox of a database; a test
holds the one against the other, call by call. The vendor takes a second to answer.
"""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from itertools import count, pairwise

from sqlalchemy import Connection, select, update

from connector.core import pacing
from connector.core.pacing import STEP_MS, STEPS
from connector.core.quota import Used, Wait
from connector.core.times import DAY_MS
from connector.outbound.budget import Pace, Room
from connector.outbound.claims import BULK_EVERY, Claim, claim
from connector.outbound.settle import settle
from connector.store import accounts, inbox, outbox, tables
from connector.store.accounts import AccountStanding, UsageReport
from connector.store.database import Database, insert_rows
from connector.store.lanes import BULK, LIVE
from connector.vendors.limits import limits
from connector.vendors.wolkvox.destinations import AddRecord
from tests import outbound_steps
from tests.outbound_steps import DIAL, Out, accepted, dial, lead

SEVEN = 1_794_571_200_000  #: 07:00 of a morning in Bogotá, unix ms
ANSWER_MS = 1_000
NEVER = 10**15


def steadily(rng: random.Random, start: int, end: int, number: float) -> list[int]:
    """So many moments between two others, as people come: each on its own."""
    found, at = [], float(start)
    while (at := at + rng.expovariate(number / (end - start))) < end:
        found.append(int(at))
    return found


@dataclass(frozen=True)
class Call:
    started: int
    ended: int
    kind: str  #: live | bulk | probe
    rows: int = 0
    waited_ms: int = 0  #: of the lead that waited longest


@dataclass
class Played:
    """One account. ``others``: calls of another program, by when they are made; the vendor counts those too."""

    licences: int
    now: int = SEVEN
    bulk: int = 0  #: calls that bulk would like to make
    told: UsageReport = field(default_factory=UsageReport)
    calls: list[Call] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)  #: live leads, by when they came
    probes: list[int] = field(default_factory=list)
    in_flight: list[Call] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    credit: pacing.Credit | None = None
    since_bulk: int = 0
    waits: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.account = outbound_steps.dialler(licences=self.licences)
        self.allowed = limits(self.account)
        self.budget = self.allowed.windows[0].calls

    def room(self) -> Room:
        day = self._used(DAY_MS)
        stand = AccountStanding("d", "open", None, 0, 0, None, 0, self.since_bulk, self.credit, self.told)
        flying = Used(len(self.in_flight), min((one.ended for one in self.in_flight), default=None))
        theirs = self.told.others if self.told.others_count(self.now) else 0
        return Room(
            self.account, stand, self.allowed, self.now, flying, [day], [replace(day, calls=day.calls + theirs)]
        )

    def _used(self, length_ms: int) -> Used:
        first = bisect_right(self.ends, self.now - length_ms)
        oldest = self.ends[first] + length_ms if first < len(self.ends) else None
        return Used(len(self.ends) - first + len(self.in_flight), oldest)

    def _rate(self, room: Room) -> float:
        begins = self.now - DAY_MS
        edges = [bisect_right(self.ends, begins)]
        edges += [bisect_left(self.ends, begins + step * STEP_MS) for step in range(1, STEPS)] + [len(self.ends)]
        frees = [later - earlier for earlier, later in pairwise(edges)]
        day = room.allowed.windows[0]
        return pacing.rate(
            self.account.working_hours, self.now, day.calls - day.reserved - room.windows[0].calls, frees
        )

    def look(self) -> Call | Wait:
        """What a claim does: probes, live leads, bulk; every tenth call may be bulk's."""
        room = self.room()
        if isinstance(answer := room.answer, Wait):
            return answer
        if self.probes:
            return self._call("probe", waited=self.now - self.probes.pop(0))
        pace = Pace(room, lambda: self._rate(room))
        bulk_is_due = self.since_bulk >= BULK_EVERY - 1
        order = [("live", bool(self.waiting)), ("bulk", self.bulk > 0)]
        soonest = float(NEVER)
        for kind, there in reversed(order) if bulk_is_due else order:
            wait = pace.wait(bulk=kind == "bulk" and not bulk_is_due) if there else Wait(NEVER, "nothing is due")
            if wait is None:
                self.credit = pace.spent(bulk=kind == "bulk" and not bulk_is_due)
                self.since_bulk = 0 if kind == "bulk" else self.since_bulk + 1
                return self._call(kind)
            soonest = min(soonest, wait.seconds if wait.seconds is not None else NEVER)
        self.credit = pace.renewed or self.credit
        return Wait(soonest, "")

    def _call(self, kind: str, waited: int = 0) -> Call:
        rows = 1
        if kind == "live":
            waited, rows = self.now - self.waiting[0], min(10_000, len(self.waiting))
            del self.waiting[:rows]
        elif kind == "bulk":
            self.bulk -= 1
        made = Call(self.now, self.now + ANSWER_MS, kind, rows, waited)
        self.in_flight.append(made)
        self.calls.append(made)
        return made

    def run(self, until: int, leads: Iterable[int] = (), probes: Iterable[int] = ()) -> None:
        """Lets time pass; leads and probes come at their moments."""
        coming = sorted([(at, "lead") for at in leads] + [(at, "probe") for at in probes], reverse=True)
        while True:
            answer = self.look()
            if isinstance(answer, Call):
                continue
            after = self.now + max(1, round((answer.seconds or NEVER) * 1000))
            after = min([after, coming[-1][0] if coming else NEVER, *(one.ended for one in self.in_flight)])
            if after >= until:
                self.now = until
                return
            self.now = after
            self._arrive(coming)

    def _arrive(self, coming: list[tuple[int, str]]) -> None:
        while coming and coming[-1][0] <= self.now:
            at, what = coming.pop()
            (self.waiting if what == "lead" else self.probes).append(at)
        for call in [one for one in self.in_flight if one.ended <= self.now]:
            self.in_flight.remove(call)
            self.ended(call)

    def ended(self, call: Call) -> None:
        self.ends.append(call.ended)

    # looking

    def made(self, start: int, end: int, *kinds: str) -> list[Call]:
        return [one for one in self.calls if start <= one.started < end and (not kinds or one.kind in kinds)]

    def most_in_a_day(self) -> int:
        """The most calls that any 24 hours may have seen, wherever within each call the vendor counted it."""
        starts, ends = [one.started for one in self.calls], [one.ended for one in self.calls]
        return max(at + 1 - bisect_right(ends, started - DAY_MS) for at, started in enumerate(starts))


class OneRow(AddRecord):
    """A destination that takes one record a call, so that a backlog never ends and is cheap all the same."""

    @property
    def batch_size(self) -> int:
        return 1


class Stored(Played):
    """The same through the database, in one transaction: leads are stored, claimed and settled as ever."""

    def open(self, database: Database) -> None:
        """Takes the place of the database's clock."""
        database.engine.update_execution_options(connector_clock=lambda: self.now)
        self.out = Out(database, dial(), accounts=[self.account])
        self.line = self.out.lines["dialler"]
        place = self.line.places[DIAL]
        self.line.places[DIAL] = OneRow(**{one.name: getattr(place, one.name) for one in fields(place) if one.init})
        self.claimed: dict[int, tuple[Claim, list[int]]] = {}
        self.came: list[int] = []
        self.people = count(1)

    def begin(self, conn: Connection, before: Played) -> None:
        """Stores bulk's whole backlog, and the calls that were made before."""
        self.conn = conn
        self._store(self.bulk, BULK)
        row = {"account": "dialler", "destination": DIAL, "kind": "send", "state": "accepted", "worker": "w"}
        calls = [(call.started, call.ended) for call in before.calls if call.ended <= self.now]
        rows = [row | {"records": 1, "started_at": s, "deadline": s + 3000, "ended_at": e} for s, e in calls]
        insert_rows(conn, tables.attempts, rows)
        if before.credit is not None:
            accounts.paced(conn, "dialler", before.credit)
        conn.execute(update(tables.accounts).values(calls_since_bulk=before.since_bulk))

    def _store(self, number: int, lane: int) -> None:
        inbox.store(self.conn, [self.out.arrival(lead(next(self.people)), lane=lane) for _ in range(number)])
        times = {"due_at": self.now, "created_at": self.now, "updated_at": self.now, "expires_at": NEVER}
        fresh = tables.deliveries.c.expires_at != NEVER  # as the machine's clock had it
        self.conn.execute(update(tables.deliveries).where(fresh).values(times))

    def look(self) -> Call | Wait:
        if self.waiting:
            self._store(len(self.waiting), LIVE)
            self.came += self.waiting
            self.waiting = []
        answer = claim(self.conn, self.line.account, self.line.places)
        if isinstance(answer, Wait):
            return Wait(answer.seconds if answer.seconds is not None else NEVER, answer.why)
        [(number, _)] = outbox.members(self.conn, answer.attempt.id)
        deliveries = tables.deliveries.c
        is_live = self.conn.execute(select(deliveries.lane).where(deliveries.id == number)).scalar_one() == LIVE
        waited = self.now - self.came.pop(0) if is_live else 0
        made = Call(self.now, self.now + ANSWER_MS, "live" if is_live else "bulk", 1, waited)
        self.claimed[id(made)] = answer, [number]
        self.in_flight.append(made)
        self.calls.append(made)
        return made

    def ended(self, call: Call) -> None:
        claimed, ids = self.claimed.pop(id(call))
        settle(self.conn, claimed.attempt, self.line.places[DIAL], accepted(), ids)
