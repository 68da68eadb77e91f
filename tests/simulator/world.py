"""The product on the simulated machine: what its processes do, with their own code, and who starts them again."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar
from unittest import mock
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import Connection, select
from sqlalchemy.event import listen

from connector.admin import accounts as account_acts
from connector.admin.acts import By
from connector.admin.privacy.erase import Erasing
from connector.admin.privacy.person import person as person_of
from connector.admin.replay import Dead, Replay, Wish
from connector.admin.resolve import resolve
from connector.core.errors import ConnectorError
from connector.core.quota import Wait
from connector.core.settings import Settings
from connector.inbound.receiver import Receiver
from connector.inbound.router import Router
from connector.outbound import look, routes
from connector.outbound import presence as presences
from connector.outbound.chain import Releasing
from connector.outbound.performers import perform
from connector.outbound.poll import Polling
from connector.outbound.presence import Presence
from connector.outbound.send import Line, claim
from connector.outbound.worker import ask_budgets, prepare
from connector.store import database as databases
from connector.store import inbox, processes, suppression_list, tables
from connector.store.database import Database, now_ms
from connector.store.processes import Role
from connector.store.suppression_list import Entry
from connector.vendors import VENDORS
from connector.vendors.destinations import Places, name_of, places
from connector.vendors.limits import deadline as deadline_of
from connector.vendors.limits import limits
from tests.simulator import orders
from tests.simulator.kept import prepared, statements_kept
from tests.simulator.looks import EVENT_IDS, OPEN, rows_of
from tests.simulator.machine import Machine, Process
from tests.simulator.scenario import CALM_MS, TROUBLE_MS, Act, Arrival, Plan
from tests.simulator.vendors import VENDOR_S, Vendors

BY = By("simulation", "as drawn")
BOGOTA = ZoneInfo("America/Bogota")
ANNOUNCED = "announced"
OPERATOR = "operator"
LETTERS = str.maketrans("0123456789", "abcdefghij")
SEEMS_DEAD = 0.03  #: how often a lock that is held seems free
IDLE_S = 86_400.0
TICKETS = ("ticket", "drafted")  #: arrivals that the ticketing sends
CLOSED = "closed"  #: an arrival that nobody sends
MADE_UP_S = 240.0  #: the product looks every few seconds, should a wake-up be lost
SWEEP_S = 600.0  #: the product sweeps every minute, which costs a play more than it finds


class SwitchedDatabase(Database):
    """The product's, on which processes are switched, and die, at the edges of transactions."""

    version = 0  #: of everything that was committed

    def __init__(self, url: str, machine: Machine) -> None:
        with statements_kept():
            super().__init__(url)
        self.machine = machine
        if not self.is_sqlite:
            self.engine.update_execution_options(connector_clock=machine.wall_ms)
            listen(self.engine, "before_cursor_execute", self._as_here, retval=True)

    @contextmanager
    def write(self, *, serialise: str = "") -> Iterator[Connection]:
        self.machine.point("before a transaction")
        with super().write(serialise=serialise) as conn:
            before = self._changes(conn)
            yield conn
            self.machine.edge("before a commit")
            changed = self._changes(conn) != before
        self.version += changed
        self.machine.point("after a commit")

    def _as_here(
        self, conn: Connection, _cursor: Any, statement: str, values: Any, _context: Any, _many: bool
    ) -> tuple[str, Any]:
        """The server's clock is the machine's."""
        return statement.replace("extract(epoch FROM clock_timestamp())", f"{self.machine.wall_ms()} / 1000.0"), values

    def _changes(self, conn: Connection) -> int:
        """What a watcher notices: any change of SQLite's file, and on Postgres what is announced."""
        if self.is_sqlite:
            return int(conn.connection.driver_connection.total_changes)  # type: ignore[union-attr]
        return int(conn.info.get(ANNOUNCED, 0))

    def announcing(self) -> Any:
        """What is announced on a server is counted."""
        notify = databases._PG_NOTIFY

        class Counted:
            def first(self, conn: Connection) -> None:
                conn.info[ANNOUNCED] = conn.info.get(ANNOUNCED, 0) + 1
                notify.first(conn)

        return mock.patch.object(databases, "_PG_NOTIFY", Counted())

    @contextmanager
    def read(self) -> Iterator[Connection]:
        self.machine.point("before a look")
        with super().read() as conn:
            yield conn

    @contextmanager
    def aside(self, *, writes: bool = False) -> Iterator[Connection]:
        """A look of the judge, of which nobody on the machine knows; or a write that wakes nobody."""
        with super().write() if writes else super().read() as conn:
            yield conn


@dataclass
class SimulatedLock:
    """A worker's lock, free once its process is dead; rarely one that is held seems free, as after a broken line."""

    process: Process
    world: World
    looks: ClassVar[int] = 1
    is_held: ClassVar[bool] = True

    @property
    def name(self) -> str:
        return name_of_lock(self.process)

    def keep(self) -> None:
        """It is held for as long as the process lives."""

    def free(self, names: Collection[str]) -> set[str]:
        alive = {name_of_lock(one) for one in self.world.running if not one.is_dead}
        return {name for name in names if name not in alive or self.world.chance.random() < SEEMS_DEAD}

    def tidy(self, names: Collection[str]) -> None:
        """Nothing is left of it."""

    def release(self) -> None:
        """Nobody stops in order here."""


def name_of_lock(process: Process) -> str:
    """The name that a process's calls bear; its number is told in letters, as names of locks have no digits."""
    return f"simulated/{process.name.translate(LETTERS)}"


def phone_of(person: int) -> str:
    """A mobile of Bogotá's country."""
    return f"30012345{person:02d}"


def email_of(person: int) -> str:
    return f"person{person}@example.com"


@dataclass
class World:
    """Everything of one play."""

    plan: Plan
    machine: Machine
    vendors: Vendors
    database: SwitchedDatabase
    configurations: Sequence[Settings]  #: the one that is in force first
    acknowledged: dict[str, Arrival] = field(default_factory=dict)  #: event id -> what was answered 202
    noes: dict[int, int] = field(default_factory=dict)  #: person -> moment from which nobody may contact them
    erasing: dict[int, int] = field(default_factory=dict)  #: person -> when somebody began to erase them
    erased: dict[int, int] = field(default_factory=dict)
    configured_ms: int = 0  #: of the machine: since then every process has the configuration that is in force
    is_upgraded: bool = True  #: False: what runs is of the former release
    by: ClassVar[By] = BY
    acknowledges_early: ClassVar[bool] = False  #: a planted fault

    def __post_init__(self) -> None:
        self.chance = random.Random(f"world {self.plan.seed}")
        self.settings, *self._others = self.configurations
        self.is_upgraded = all(one.kind != "upgrade" for one in self.plan.acts)
        self.former: set[Process] = set()
        self.running: list[Process] = []
        self.due = sorted((one for one in self.plan.arrivals if one.kind != CLOSED), key=lambda one: one.at_ms)
        self.closed_tickets = [one for one in self.plan.arrivals if one.kind == CLOSED]
        self.machine.on_death = self._restarts

    # who runs

    def start(self) -> None:
        """All processes."""
        for name in ("web", "worker-1", "worker-2"):
            self._begin(name, 0)
        operator = Process(OPERATOR)
        for act in self.plan.acts:
            self.machine.spawn(operator, act.kind, lambda act=act: self._decide(act), delay_ms=act.at_ms)  # type: ignore[misc]
        for ticket in self.closed_tickets:
            self.machine.spawn(operator, "desk", lambda one=ticket: self._close(one), delay_ms=ticket.at_ms)  # type: ignore[misc]
        self.machine.spawn(operator, "keeps going", self._keep_going, delay_ms=25 * 60_000)
        for skew in self.plan.skews:
            self.machine.spawn(operator, "clock", lambda one=skew: self._set_clock(one.skew_ms), delay_ms=skew.at_ms)  # type: ignore[misc]

    def _set_clock(self, skew_ms: int) -> None:
        self.machine.skew_ms = skew_ms

    def _close(self, arrival: Arrival) -> None:
        """An agent closes a ticket in the vendor's own screen, and tells nobody."""
        desk = self.vendors.by_name["postcenter"]
        moment = (self.plan.start_ms + arrival.at_ms) // 1000
        created = datetime.fromtimestamp(moment, BOGOTA).replace(tzinfo=None).isoformat()  # as the account's screen
        shown = {"created": created, "updated_time": created, "account": email_of(arrival.person)}
        number = 1000 + arrival.number
        desk.add_ticket(number, "email", id=ticket_id(arrival, self.plan.start_ms), is_closed=True, **shown)

    def _restarts(self, process: Process) -> None:
        self._begin(process.name.partition("#")[0], self.chance.randrange(50, 5000))

    def _begin(self, name: str, delay_ms: int) -> None:
        process = Process(f"{name}#{len(self.machine.died)}")
        self.running = [*(one for one in self.running if not one.is_dead), process]
        if not self.is_upgraded:
            self.former.add(process)
        work = self._serve if name == "web" else lambda: self._work(process)
        self.machine.spawn(process, name, work, delay_ms=delay_ms)

    def is_former(self) -> bool:
        """Whether it is the turn of a process of the former release."""
        return self.machine.current in self.former

    # the way in

    def _serve(self) -> None:
        _, receiver = prepared(self.settings)
        while self.due:
            arrival = self.due[0]
            self.machine.wait(lambda: False, max(0, arrival.at_ms - self.machine.now_ms) / 1000)
            if self.acknowledges_early:
                self.acknowledged[event_id(arrival)] = arrival
                self.due.remove(arrival)
            self._store(receiver, arrival)
            self.acknowledged[event_id(arrival)] = arrival
            if arrival.kind == "no":
                self.noes.setdefault(arrival.person, self.machine.wall_ms())
            if arrival.again:
                self._store(receiver, arrival)
            if arrival in self.due:
                self.due.remove(arrival)

    def _store(self, receiver: Receiver, arrival: Arrival) -> None:
        source = self.settings.sources["tickets" if arrival.kind in TICKETS else "crm"]
        raw = orjson.dumps(payload(arrival, self.plan.start_ms))
        found, _ = receiver.arrivals(source, raw, content_type="application/json", headers={})
        with self.database.write() as conn:
            inbox.store(conn, found, key=self.settings.hash_key)

    # the way out

    def _work(self, process: Process) -> None:
        settings, database = self.settings, self.database
        found = places(settings)
        self._beat(process, settings)
        prepare(settings, database, found)
        ask_budgets(settings, database)
        router, receiver = prepared(settings)
        for account in settings.accounts.values():
            client = VENDORS[account.vendor].client(account)
            line = Line(database, account, dict(found[account.name]), client, "a1b2c3", settings, receiver)
            turn: list[bool] = []
            for _ in range(limits(account).in_flight):
                self.machine.spawn(process, account.name, lambda line=line, turn=turn: self._deliver(line, turn))  # type: ignore[misc]
        releasing = Releasing(settings, database, found, router, receiver)
        self.machine.spawn(process, "release", lambda: self._release(process, releasing, settings, found))
        presence = self._presence_of(process, settings, found)
        self.machine.spawn(process, "presence", lambda: self._look_for_dead(presence))
        polling = Polling(settings, database, settings.sources["desk"])
        self.machine.spawn(process, "poll", lambda: self._poll(polling))

    def _beat(self, process: Process, settings: Settings) -> None:
        """A sign of life: at the start, and before each sweep, which wants to know who is the newest."""
        with self.database.aside(writes=True) as conn:
            now = now_ms(conn)
            row = processes.Process(process.name, (Role.WORKER,), "vm", 1, "0", settings.config_hash, now, now)
            processes.beat(conn, row, now)

    def _presence_of(self, process: Process, settings: Settings, found: Places) -> Presence:
        with mock.patch.object(presences, "worker_lock", lambda _database: SimulatedLock(process, self)):
            return Presence(settings, self.database, found)

    def _look_for_dead(self, presence: Presence) -> None:
        """Within two seconds of a death, and now and then."""
        while True:
            presence.run_once()
            died = len(self.machine.died)
            self.machine.wait(lambda died=died: len(self.machine.died) > died, IDLE_S)  # type: ignore[misc]
            self.machine.sleep(self.chance.uniform(0, 2))

    def worker_name(self, _conn: Connection) -> str:
        """The name that a call begun now bears; no lock goes with a person's."""
        process = self.machine.current
        return process.name if process.name == OPERATOR else name_of_lock(process)

    def _poll(self, polling: Polling) -> None:
        """As the product's poller; once every ticket is found it asks no more, or a play had no end."""
        while not self._has_polled():
            self.machine.sleep(polling.step().wait_s)

    def _has_polled(self) -> bool:
        if self.machine.now_ms < TROUBLE_MS:
            return False
        with self.database.aside() as conn:
            found = {*conn.execute(EVENT_IDS).scalars()}
        return all(
            any(one.startswith(ticket_id(ticket, self.plan.start_ms)) for one in found)
            for ticket in self.closed_tickets
            if ticket.person not in self.erased
        )

    def _deliver(self, line: Line, turn: list[bool]) -> None:
        """As the product's worker: one thread of an account looks for work, the others are in a call."""
        while True:
            self.machine.wait(lambda: not turn, IDLE_S * 24)
            turn.append(True)
            deadline = deadline_of(line.account)
            seen = self.database.version
            answer = claim(line)
            if isinstance(answer, Wait):
                self._idle(line, answer, seen)
                turn.clear()
            else:
                turn.clear()
                perform(line, answer, deadline)

    def _idle(self, line: Line, answer: Wait, seen: int) -> None:
        """Until the wait is over, or something was written that makes a look worth while."""
        machine = self.machine
        end_s = machine.monotonic_s() + (IDLE_S if answer.seconds is None else min(IDLE_S, answer.seconds))
        while (left_s := end_s - machine.monotonic_s()) > 0:
            if not self._told(seen, left_s):
                return
            seen = self.database.version
            with self.database.read() as conn:
                soonest_s = look.next_look(conn, line.account, line.places)
            if soonest_s is not None:
                end_s = min(end_s, machine.monotonic_s() + soonest_s)

    def _told(self, seen: int, left_s: float) -> bool:
        """Waits for somebody's commit; some are not heard, and made up for minutes later. Whether there was one."""
        heard = seen + self.machine.chance.choice((1, 4, 16, 32))
        if self.machine.wait(lambda: self.database.version >= heard, min(left_s, MADE_UP_S)):
            return True
        return self.database.version != seen or self.machine.wait(
            lambda: self.database.version != seen, max(0.0, left_s - MADE_UP_S)
        )

    def _release(self, process: Process, releasing: Releasing, settings: Settings, found: Places) -> None:
        swept_s = -SWEEP_S
        while True:
            seen = self.database.version
            if self.machine.monotonic_s() >= swept_s + SWEEP_S:
                swept_s = self.machine.monotonic_s()
                releasing.sweep()
                self._beat(process, settings)
                routes.gather(settings, self.database, found)
            releasing.run_once()
            self._told(seen, IDLE_S)

    # what people do

    def _decide(self, act: Act) -> None:
        self.machine.tell(f"somebody does {act.kind} ({act.number})")
        _ACTS[act.kind](self, act.number)

    def _pause(self, number: int) -> None:
        account_acts.pause(self.database, self.settings, self._account(number), BY)

    def _resume(self, number: int) -> None:
        account_acts.resume(self.database, self.settings, self._account(number), BY)

    def _account(self, number: int) -> str:
        return sorted(self.settings.accounts)[number % len(self.settings.accounts)]

    def _replay(self, _number: int) -> None:
        list(Replay(self.settings, self.database, BY).dead(Dead(), Wish()))

    def _resolve(self, _number: int) -> None:
        """A person looks at the vendor's own screen, once the vendor must be through with the call."""
        for row in self.rows(tables.deliveries, "uncertain"):
            if self.machine.wall_ms() - row.updated_at < (VENDOR_S + 10) * 1000:
                continue
            landed = any(one.operation == OPERATIONS[row.route] for one in self.effects_of(row))
            try:
                resolve(self.settings, self.database, row.id, BY, landed=landed)
            except ConnectorError:
                continue  # the connector has found out itself meanwhile

    def _configure(self, _number: int) -> None:
        """The configuration changes, and the processes are restarted."""
        self.settings, self._others = self._others[0], [self.settings, *self._others[1:]]
        self.configured_ms = CALM_MS
        self.restart_all("restarted")
        self.configured_ms = self.machine.now_ms

    def restart_all(self, why: str) -> None:
        """One after the other, in any order."""
        before = [*self.running]
        self.chance.shuffle(before)
        for process in before:
            self.machine.sleep(self.chance.uniform(0, 30))
            if not process.is_dead:
                self.machine.kill(process, why)

    def _upgrade(self, _number: int) -> None:
        orders.upgrade(self)

    def _fire(self, _number: int) -> None:
        orders.fire(self)

    def _suppress(self, number: int) -> None:
        router = Router(self.settings, name_of)
        ways = (f"+57{phone_of(number)}", email_of(number))
        with self.database.write() as conn:
            now = now_ms(conn)
            suppression_list.add(conn, [Entry(str(router.contact_hash(way)), "", "asked", now) for way in ways])
        self.noes.setdefault(number, self.machine.wall_ms())

    def _erase(self, number: int) -> None:
        self.erasing.setdefault(number, self.machine.wall_ms())
        for way in (phone_of(number), email_of(number)):
            list(Erasing(self.settings, self.database, person_of(way, self.settings)).run())
        self.erased.setdefault(number, self.machine.wall_ms())

    def _keep_going(self) -> None:
        """After the trouble, somebody comes every hour and decides what the connector leaves to a person."""
        while True:
            self.vendors.by_name["tracksale"].solve_captcha()
            for row in self.closed():
                account_acts.resume(self.database, self.settings, row, BY)
            self._resolve(0)
            self._fire(0)
            self.machine.sleep(3 * 3600)

    # looking

    def is_over(self) -> bool:
        """The trouble is, and nothing of it is left to be decided."""
        if self.machine.now_ms < TROUBLE_MS or self.due:
            return False
        if not self._has_polled():
            return False
        with self.database.aside() as conn:
            return all(conn.execute(query).first() is None for query in OPEN)

    def rows(self, table: Any, *states: str) -> list[Any]:
        """Rows of a table, in these states or all, oldest first."""
        with self.database.aside() as conn:
            return list(conn.execute(rows_of(table, states)))

    def closed(self) -> list[str]:
        """The accounts that somebody has to open, or of which a destination is stopped."""
        accounts, places_ = tables.accounts.c, tables.destinations.c
        with self.database.aside() as conn:
            names = {*conn.execute(select(accounts.name).where(accounts.state != "open")).scalars()}
            names |= {*conn.execute(select(places_.account).where(places_.state != "open")).scalars()}
        return sorted(names & {*self.settings.accounts})

    def effects_of(self, delivery: Any) -> list[Any]:
        """What vendors did for this delivery's person."""
        arrival = self.arrival_of(delivery)
        if arrival is None:
            return []
        ways = {phone_of(arrival.person), email_of(arrival.person)}
        return [one for one in self.vendors.effects if ways & set(one.people)]

    def arrival_of(self, delivery: Any) -> Arrival | None:
        """What brought it; None once that is forgotten."""
        with self.database.aside() as conn:
            found = conn.execute(select(tables.events.c.event_id).where(tables.events.c.id == delivery.event)).scalar()
        return self.arrival_named(str(found))

    def arrival_named(self, event: str) -> Arrival | None:
        """By an event's id."""
        return next((one for one in self.plan.arrivals if self.is_of(one, event)), None)

    def is_of(self, arrival: Arrival, event: str) -> bool:
        """Whether an event of this id is the arrival's: what is found by asking is known by its ticket and state."""
        if arrival.kind == CLOSED:
            return event.startswith(ticket_id(arrival, self.plan.start_ms))
        return event == event_id(arrival)


_ACTS: dict[str, Callable[[World, int], None]] = {
    "pause": World._pause,
    "resume": World._resume,
    "replay": World._replay,
    "resolve": World._resolve,
    "configure": World._configure,
    "suppress": World._suppress,
    "erase": World._erase,
    "fire": World._fire,
    "upgrade": World._upgrade,
}


OPERATIONS = {
    "dial": "wolkvox.add_record 1042",
    "call who was surveyed": "wolkvox.add_record 1043",
    "survey": "tracksale.dispatch",
    "survey later": "tracksale.draft",
}


def ticket_id(arrival: Arrival, start_ms: int) -> str:
    """The vendor's: its first eight digits are the unix seconds of its creation."""
    return f"{(start_ms + arrival.at_ms) // 1000:08x}{arrival.number:016x}"


def event_id(arrival: Arrival) -> str:
    return f"{arrival.kind}-{arrival.number}"


def payload(arrival: Arrival, start_ms: int) -> dict[str, Any]:
    """As its sender writes it."""
    moment = (start_ms + arrival.at_ms) // 1000
    data: dict[str, Any] = {"phones": [phone_of(arrival.person)], "email": email_of(arrival.person)}
    kind = {"lead": "lead.created", "ticket": "ticket.closed", "drafted": "ticket.created", "no": "contact.refused"}[
        arrival.kind
    ]
    if arrival.kind in TICKETS:
        customer = {"name": "Ana", "email": email_of(arrival.person), "phone": phone_of(arrival.person)}
        data = {"ticket_id": str(arrival.number), "customer": customer}
    return {"id": event_id(arrival), "type": kind, "time": moment, "data": data}
