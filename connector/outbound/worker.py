"""The loop out: for each account as many threads as its vendor allows calls, each claiming, calling and settling."""

from __future__ import annotations

import contextlib
import threading
import time
from functools import partial

from connector.core.errors import StoreUnavailable
from connector.core.http import Deadline
from connector.core.log import get
from connector.core.loops import STOP_S, Loops
from connector.core.quota import Wait
from connector.core.retry import BREATH_S, IDLE_S, STRAYS_S, SWEEP_S
from connector.core.settings import Settings
from connector.core.states import Kind
from connector.inbound.receiver import Receiver
from connector.inbound.router import Router
from connector.outbound import claims, look, routes
from connector.outbound.aside import Aside
from connector.outbound.chain import Releasing
from connector.outbound.performers import perform
from connector.outbound.presence import Presence
from connector.outbound.send import Line, claim
from connector.store import accounts, suppression_list, thin_events
from connector.store.database import Database, install_id, now_ms
from connector.store.watch import Wake
from connector.vendors import VENDORS
from connector.vendors.destinations import Places, name_of, places
from connector.vendors.limits import deadline as deadline_of
from connector.vendors.limits import limits

log = get("worker")


class _Lookout:
    """The threads of one line: one at a time looks for work."""

    def __init__(self) -> None:
        self.turn = threading.Lock()
        self.took_all = False  #: the last claim left nothing that was due, as far as it saw


class Worker:
    """All accounts' lines of one process. `start` returns at once; `stop` lets calls in flight finish and settle."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._database = database
        found = self._places = places(settings)
        prepare(settings, database, found)
        ask_budgets(settings, database)
        install = install_id(database)
        self._wake = Wake(database)
        self._settings = settings
        router = Router(settings, name_of)
        self._receiver = Receiver(settings, router)
        self._releasing = Releasing(settings, database, found, router, self._receiver)
        self._aside = Aside(settings, database, found)
        self._calls = any(place.number_rules for some in found.values() for place in some.values())
        self._swept_s = -SWEEP_S
        fetching = {source.account for source in settings.sources.values()}
        self._served = [name for name in settings.accounts if found[name] or name in fetching]
        self._loops = Loops(log)
        for name in self._served:
            account = settings.accounts[name]
            vendor = VENDORS[account.vendor].client(account)
            places_of = dict(found[name])
            self._deliver(Line(database, account, places_of, vendor, install, settings, self._receiver))
        self._presence = Presence(settings, database, found)
        self._loops.add("presence", self._presence.run_once, what="looking for dead workers")
        self._loops.add("release", self._follow, what="releasing")
        self._loops.add("aside", self._aside.run_once, what="letting in what lies aside")
        self._loops.add("lapse", self._lapse, what="looking for lapsed calls")

    def _deliver(self, line: Line) -> None:
        """Runs as many threads as the vendor allows concurrent calls: one looks for work, the others are in a call."""
        lookout, name = _Lookout(), line.account.name
        for _ in range(limits(line.account).in_flight):
            self._loops.add(f"deliver-{name}", partial(self._once, line, lookout), what="delivering", account=name)

    def start(self) -> None:
        with contextlib.suppress(StoreUnavailable):  # then its first calls go without the lock
            self._presence.run_once()
        self._loops.start()

    def stop(self, timeout_s: float = STOP_S) -> bool:
        """Takes no new work; True if every call in flight was settled in time."""
        settled = self._loops.stop(timeout_s, wake=self._wake.ring)
        self._wake.close()
        if settled:  # otherwise the lock ends with the process, and what was in flight is asked about then
            self._presence.leave()
        return settled

    def _lapse(self) -> float:
        """Ends calls of dead processes for accounts that no worker serves."""
        if count := claims.lapse_strays(self._database, self._served):
            log.warning("calls of accounts without routes have no known outcome", count=count)
        return STRAYS_S

    def _follow(self) -> float:
        """Releases dependent deliveries after each settlement, and looks now and then for those that were missed."""
        seen = self._wake.seen()
        if time.monotonic() >= self._swept_s + SWEEP_S:
            self._swept_s = time.monotonic()
            self._releasing.sweep()
            routes.gather(self._settings, self._database, self._places)
        self._releasing.run_once()
        if not self._settings.followers:
            return IDLE_S if self._calls else SWEEP_S  # records of calls are made again where a rule changed
        self._wake.wait(seen, IDLE_S)
        return BREATH_S

    def _once(self, line: Line, lookout: _Lookout) -> float:
        with lookout.turn:
            deadline, claimed = self._claim(line, lookout)
        if claimed is not None:
            perform(line, claimed, deadline)
        return 0.0

    def _claim(self, line: Line, lookout: _Lookout) -> tuple[Deadline, claims.Claim | None]:
        """A claim and its deadline on this machine's clock; or None after a wait.

        Behind a claim that took all there was, it looks without the lock first: a claim that finds nothing costs more.
        """
        # Read before the claim, so that it never ends after the logged deadline.
        deadline = deadline_of(line.account)
        if self._loops.stopping.is_set():
            return deadline, None
        seen, took_all = self._wake.seen(), lookout.took_all
        lookout.took_all = False
        answer = (_nothing_yet(line) if took_all else None) or claim(line)
        if not isinstance(answer, Wait):
            lookout.took_all = _took_all(line, answer)
            return deadline, answer
        self._sleep(line, answer, seen)
        return deadline, None

    def _sleep(self, line: Line, wait: Wait, seen: int) -> None:
        """Sleeps until the wait is over or something happened."""
        end = time.monotonic() + min(IDLE_S, wait.seconds if wait.seconds is not None else IDLE_S)
        while not self._loops.stopping.is_set():
            left = end - time.monotonic()
            if left <= 0:
                return
            self._wake.wait(seen, left)
            seen = self._wake.seen()
            soonest_s = _look(line)
            if soonest_s is not None:
                end = min(end, time.monotonic() + soonest_s)


def _took_all(line: Line, claimed: claims.Claim) -> bool:
    """Whether a call is smaller than it could be: more would have gone with it."""
    place = line.places.get(claimed.attempt.destination)
    return claimed.attempt.kind == Kind.SEND and place is not None and len(claimed.records) < place.batch_size


def _look(line: Line) -> float | None:
    with line.database.read() as conn:
        return look.next_look(conn, line.account, line.places)


def _nothing_yet(line: Line) -> Wait | None:
    """How long nothing is due, seen without the lock; None: a claim may find something."""
    seconds = _look(line)
    return None if seconds == 0.0 else Wait(seconds, "nothing is due")


def prepare(settings: Settings, database: Database, found: Places) -> None:
    """Rows for the configured accounts and destinations; pending deliveries follow their routes' current destinations.

    Raises `ConnectorError` if the key would not recognise anybody on the suppression list.
    """
    with database.write(serialise="prepare") as conn:
        pairs = [(name, account) for account, some in found.items() for name in some]
        accounts.ensure(conn, settings.accounts, pairs, now_ms(conn))
        for source in settings.sources.values():
            if source.account and (moved := thin_events.follow_source(conn, source.name, source.account, now_ms(conn))):
                log.info("waiting events follow their source", source=source.name, count=moved)
        suppression_list.demand_key(conn, settings.hash_key)
        routes.follow(conn, settings.routes, found, now_ms(conn))


def ask_budgets(settings: Settings, database: Database) -> None:
    """A worker starts: reads the usage counters of vendors with a daily quota, unless they were read recently."""
    for name, account in settings.accounts.items():
        if limits(account).paced:
            with database.write(serialise=name) as conn:
                accounts.ask_budget_again(conn, name, now_ms(conn))
