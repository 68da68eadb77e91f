"""The loop out: for each account as many threads as its vendor allows calls, each claiming, calling and settling."""

from __future__ import annotations

import threading
import time
from typing import Final, cast

from sqlalchemy.exc import SQLAlchemyError

from connector import claims, do_not_contact, followers, outbox, quota, standing, waiting
from connector.client import Deadline
from connector.db import Database, first_line, install_id, now_ms
from connector.deliver import Line, claim, perform
from connector.destinations import Places, name_of, places
from connector.enrich import Source, enrich
from connector.errors import ConnectorError
from connector.log import get
from connector.probe import probe
from connector.purging import Schedule
from connector.quota import Wait
from connector.receive import Receiver
from connector.release import Releasing
from connector.routes import Router
from connector.settings import Settings
from connector.vendors import VENDORS
from connector.vendors.fetching import Fetching
from connector.wake import Wake

IDLE_S: Final = 5.0  #: how long nothing is looked at, at the most, should every wake-up be lost
FAULT_S: Final = 1.0
STRAYS_S: Final = 10.0  #: how often it is looked for calls that ended with their worker, of accounts without a line
SWEEP_S: Final = 60.0  #: how often it is looked for what waits for another delivery and was not told of its end
BREATH_S: Final = 0.02  #: between two looks at what waits so, at the least
STOP_S: Final = 25.0

log = get("worker")


class Worker:
    """All accounts' lines of one process. `start` returns at once; `stop` lets calls in flight finish and settle."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._database = database
        self._stopping = threading.Event()
        found = places(settings)
        prepare(settings, database, found)
        ask_budgets(settings, database)
        install = install_id(database)
        self._wake = Wake(database)
        self._vendors = {name: VENDORS[account.vendor](account) for name, account in settings.accounts.items()}
        self._threads: list[threading.Thread] = []
        self._settings = settings
        router = Router(settings, name_of)
        self._receiver = Receiver(settings, router)
        self._releasing = Releasing(settings, database, found, router, self._receiver)
        fetching = {source.account for source in settings.sources.values()}
        self._served = [name for name in settings.accounts if found[name] or name in fetching]
        for name, account in settings.accounts.items():
            if name in self._served:
                line = Line(database, account, dict(found[name]), self._vendors[name], install)
                self._threads += self._threads_of(line)
        self._schedule = Schedule(settings, database, self._stopping)
        self._threads.append(threading.Thread(target=self._forget, name="forget", daemon=True))
        self._threads.append(threading.Thread(target=self._follow, name="release", daemon=True))
        self._threads.append(threading.Thread(target=self._lapse, name="lapse", daemon=True))

    def _threads_of(self, line: Line) -> list[threading.Thread]:
        turn = threading.Lock()  # one thread looks for work, the others are in a call or wait for their turn
        count = quota.limits(line.account).in_flight
        name = f"deliver-{line.account.name}"
        return [threading.Thread(target=self._run, args=(line, turn), name=name, daemon=True) for _ in range(count)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float = STOP_S) -> bool:
        """Takes no new work; True when every call in flight was settled in time."""
        self._stopping.set()
        self._wake.ring()
        end = time.monotonic() + timeout_s
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, end - time.monotonic()))
        settled = not any(thread.is_alive() for thread in self._threads)
        self._wake.close()
        return settled

    def _run(self, line: Line, turn: threading.Lock) -> None:
        while not self._stopping.is_set():
            try:
                self._once(line, turn)
            except (ConnectorError, SQLAlchemyError) as fault:
                log.error("delivering stopped for a moment", account=line.account.name, fault=first_line(fault))
                self._stopping.wait(FAULT_S)
            except Exception:
                log.exception("delivering failed", account=line.account.name)
                self._stopping.wait(FAULT_S)

    def _forget(self) -> None:
        """What is old enough, and what was to be erased once it is settled."""
        while not self._stopping.is_set():
            try:
                self._schedule.look()
            except (ConnectorError, SQLAlchemyError) as fault:
                log.error("forgetting stopped for a moment", fault=first_line(fault))
            except Exception:
                log.exception("forgetting failed")
            self._stopping.wait(self._schedule.look_every_s)

    def _lapse(self) -> None:
        """Calls of accounts that no line serves, whose worker died in them."""
        while not self._stopping.is_set():
            try:
                if count := claims.lapse_strays(self._database, self._served):
                    log.warning("calls of accounts without routes have no known outcome", count=count)
            except (ConnectorError, SQLAlchemyError) as fault:
                log.error("looking for lapsed calls stopped for a moment", fault=first_line(fault))
            except Exception:
                log.exception("looking for lapsed calls failed")
            self._stopping.wait(STRAYS_S)

    def _follow(self) -> None:
        """What comes after another delivery, whenever something was settled; and now and then what nobody told."""
        swept_s = -SWEEP_S
        while not self._stopping.is_set():
            seen = self._wake.seen()
            try:
                if time.monotonic() >= swept_s + SWEEP_S:
                    swept_s = time.monotonic()
                    self._releasing.sweep()
                self._releasing.look()
            except (ConnectorError, SQLAlchemyError) as fault:
                log.error("releasing stopped for a moment", fault=first_line(fault))
                self._stopping.wait(FAULT_S)
            except Exception:
                log.exception("releasing failed")
                self._stopping.wait(FAULT_S)
            if self._settings.followers:
                self._wake.wait(seen, IDLE_S)
                self._stopping.wait(BREATH_S)
            else:
                self._stopping.wait(SWEEP_S)

    def _once(self, line: Line, turn: threading.Lock) -> None:
        with turn:
            deadline, claimed = self._claim(line)
        if claimed is None:
            return
        if claimed.attempt.kind == "fetch":
            self._fetch(line, claimed, deadline)
        elif claimed.attempt.kind == "probe":
            place = line.places[claimed.attempt.destination]
            probe(line.database, line.account, place, claimed, line.vendor, line.install, deadline)
        else:
            perform(line, claimed, deadline)

    def _fetch(self, line: Line, claimed: claims.Claim, deadline: Deadline) -> None:
        vendor = cast(Fetching, line.vendor)  # the configuration lets no other vendor's account fetch
        enrich(Source(line.database, self._settings, line.account, self._receiver, vendor), claimed, deadline)

    def _claim(self, line: Line) -> tuple[Deadline, claims.Claim | None]:
        """A claim and its deadline on this machine's clock; or None after having waited for whatever may bring one."""
        # Taken before the claim, so that it never ends after the logged one.
        deadline = Deadline.after(line.account.timeout_s)
        if self._stopping.is_set():
            return deadline, None
        seen = self._wake.seen()
        answer = claim(line)
        if not isinstance(answer, Wait):
            return deadline, answer
        self._sleep(line, answer, seen)
        return deadline, None

    def _sleep(self, line: Line, wait: Wait, seen: int) -> None:
        """Until the wait is over, or something happened that makes a look worth while."""
        end = time.monotonic() + min(IDLE_S, wait.seconds if wait.seconds is not None else IDLE_S)
        while not self._stopping.is_set():
            left = end - time.monotonic()
            if left <= 0:
                return
            self._wake.wait(seen, left)
            seen = self._wake.seen()
            with line.database.read() as conn:
                soonest_s = claims.next_look(conn, line.account, line.places)
            if soonest_s is not None:
                end = min(end, time.monotonic() + soonest_s)


def prepare(settings: Settings, database: Database, found: Places) -> None:
    """Rows for what is configured; pending deliveries follow their routes to where these go now.

    Raises `ConnectorError` when nobody on the do-not-contact list would be known.
    """
    with database.write(serialise="prepare") as conn:
        pairs = [(name, account) for account, some in found.items() for name in some]
        standing.ensure(conn, settings.accounts, pairs, now_ms(conn))
        for source in settings.sources.values():
            if source.account and (moved := waiting.follow_source(conn, source.name, source.account, now_ms(conn))):
                log.info("waiting events follow their source", source=source.name, count=moved)
        do_not_contact.demand_key(conn, settings.hash_key)
        now = now_ms(conn)
        for route in settings.routes:
            until, why = found[route.account][name_of(route)].closed(now).get(route.name, (now, None))
            outbox.follow_hours(conn, route.name, until, why, now)
            outbox.follow_rule(conn, route.name, checks=bool(route.options.get("ninety_day_rule")))
            moved = outbox.follow_route(conn, route.name, route.account, route.to, name_of(route))
            if waiting_for := followers.follow(conn, route.name, name_of(route), route.after):
                log.info("parked deliveries wait for what their route comes after", route=route.name, count=waiting_for)
            if moved:
                log.info("pending deliveries follow their route", route=route.name, count=moved)


def ask_budgets(settings: Settings, database: Database) -> None:
    """A worker starts: vendors that count a day's calls are asked first for theirs, unless another was lately."""
    for name, account in settings.accounts.items():
        if quota.limits(account).paced:
            with database.write(serialise=name) as conn:
                standing.ask_budget_again(conn, name, now_ms(conn))
