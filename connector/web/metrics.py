"""``/metrics`` for Prometheus.

Backlog and results of calls are counted in the database when they are requested: the same from every process. Values
that only a process knows (events received, seconds a call took) carry the label ``process``, because the next response
may come from another one.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

from flask import Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Connection, bindparam, text

from connector.admin import figures, shares
from connector.admin.problems import problems
from connector.core.errors import StoreUnavailable
from connector.core.metrics import (
    ANSWERS,
    CALL_SECONDS,
    EVENTS,
    HELD,
    LIMITS,
    PAGE_SECONDS,
    REFUSED,
    SIGN_INS,
    SPOOL_ASIDE,
    SPOOL_WAITING,
    SPOOLED,
)
from connector.core.settings import Settings
from connector.core.states import AccountState, DeliveryState, DestinationState
from connector.core.times import DAY_MS
from connector.store import accounts as standing
from connector.store import alarms, polls, processes
from connector.store.database import Database, now_ms
from connector.store.patience import PROBE_S, answers_within
from connector.store.processes import Role
from connector.store.tables import IN_HAND, IS_DEAD, IS_PENDING

KEPT_S: Final = 2.0  #: how long one result serves all requests

_PENDING = text(
    f"SELECT destination, count(*), min(due_at) FROM deliveries WHERE {IS_PENDING.text} GROUP BY destination"
)
_IN_DOUBT = text(
    f"SELECT destination, state, count(*) FROM deliveries WHERE {IN_HAND.text} GROUP BY destination, state"
)
_DEAD = text(f"SELECT destination, count(*) FROM deliveries WHERE {IS_DEAD.text} GROUP BY destination")
_ATTEMPTS = text(
    "SELECT account, kind, state, count(*) FROM attempts"
    " WHERE account IN :accounts AND ended_at > :since GROUP BY account, kind, state"
).bindparams(bindparam("accounts", expanding=True))


class Exposition:
    """The view."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._registry: Final = CollectorRegistry()
        self._registry.register(OfThisProcess())
        self._registry.register(FromDatabase(database, settings))
        self._lock = threading.Lock()
        self._made_at = float("-inf")
        self._text = b""

    def metrics(self) -> Response:
        """Prometheus' text format."""
        with self._lock:
            if time.monotonic() - self._made_at >= KEPT_S:
                with answers_within(PROBE_S):
                    self._text = generate_latest(self._registry)
                self._made_at = time.monotonic()
            return Response(self._text, content_type=CONTENT_TYPE_LATEST)


class OfThisProcess(Collector):
    """The counters of this process, each sample labelled with its id."""

    def describe(self) -> Iterable[Metric]:
        """Empty: the names are not needed when it is registered."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The families, labelled."""
        process = str(os.getpid())
        for counted in (
            EVENTS,
            ANSWERS,
            CALL_SECONDS,
            REFUSED,
            LIMITS,
            HELD,
            SIGN_INS,
            PAGE_SECONDS,
            SPOOLED,
            SPOOL_WAITING,
            SPOOL_ASIDE,
        ):
            for family in counted.collect():
                family.samples = [s._replace(labels={**s.labels, "process": process}) for s in family.samples]
                yield family


class FromDatabase(Collector):
    """Metrics from the database. While it is away only ``connector_database_up 0`` is shown."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._accounts = tuple(settings.accounts)

    def describe(self) -> Iterable[Metric]:
        """Nothing: the database is not read when it is registered."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The metric families, from one consistent snapshot."""
        try:
            with self._database.read() as conn:
                found = list(self._families(conn))
        except StoreUnavailable:
            found = []
        yield _family("database_up", "1: the database answers", [], [((), 1 if found else 0)])
        yield from found

    def _families(self, conn: Connection) -> Iterator[Metric]:
        now = now_ms(conn)
        yield from _backlog(conn, now)
        yield _attempts(conn, self._accounts, now)
        yield from self._of_vendors(conn, now)
        is_open = [((a.name,), 1 if a.state == AccountState.OPEN else 0) for a in standing.all_accounts(conn)]
        yield _family("account_open", "1: calls may be made; 0: paused or blocked", ["account"], is_open)
        alive = [one for one in processes.every(conn) if one.alive(now)]
        counts = [((role.value,), sum(role in one.roles for one in alive)) for role in Role]
        yield _family("processes", "Processes that gave a sign of life lately", ["role"], counts)
        found = problems(conn, self._settings, now)
        wrong = [((one.code.value, one.about, "yes" if one.urgent else "no"), 1) for one in found]
        yield _family("problem", "1: connector status says what it is", ["code", "about", "urgent"], wrong)
        goes = [
            ((d.account, d.name), 1 if d.state == DestinationState.OPEN else 0) for d in standing.all_destinations(conn)
        ]
        yield _family("destination_open", "0: stopped until a person acts", ["account", "destination"], goes)
        yield from _alarms(conn)

    def _of_vendors(self, conn: Connection, now: int) -> Iterator[Metric]:
        days = figures.days_of_calls(conn, self._settings, now)
        calls = [((one.account, part), getattr(one, part)) for one in days for part in ("used", "left")]
        yield _family("day_calls", "Calls of the vendor's day, other programs' included", ["account", "part"], calls)
        ceilings = [
            ((name, one["source"], one["prefix"], part), float(one[part]))
            for name in self._accounts
            for one in shares.ceilings_of_account(conn, self._settings, name, now)
            for part in ("used", "most")
        ]
        labels = ["account", "source", "prefix", "part"]
        yield _family("called_people", "People called in 24 hours, where calls_per_day counts them", labels, ceilings)
        faults = [((one.name,), one.faults) for one in polls.every(conn)]
        yield _family("poll_faults", "Looks in a row that could not be read", ["poll"], faults)
        waits = [((name,), seconds) for name, seconds in figures.uncertain_s(conn, now).items()]
        yield _family("oldest_uncertain_seconds", "How long the oldest one is uncertain", ["destination"], waits)


def _backlog(conn: Connection, now: int) -> Iterator[Metric]:
    pending = conn.execute(_PENDING).all()
    counts: list[tuple[tuple[str, ...], float]] = [((name, DeliveryState.PENDING), count) for name, count, _ in pending]
    counts += [((name, state), count) for name, state, count in conn.execute(_IN_DOUBT)]
    counts += [((name, DeliveryState.DEAD), count) for name, count in conn.execute(_DEAD)]
    yield _family("deliveries", "Unfinished and troubled deliveries", ["destination", "state"], counts)
    waits = [((name,), max(0.0, (now - due_at) / 1000)) for name, _, due_at in pending]
    yield _family("oldest_pending_seconds", "How long the oldest due delivery waits", ["destination"], waits)


def _attempts(conn: Connection, accounts: tuple[str, ...], now: int) -> Metric:
    rows = conn.execute(_ATTEMPTS, {"accounts": list(accounts), "since": now - DAY_MS}).all() if accounts else []
    counts = [((account, kind, state), count) for account, kind, state, count in rows]
    documentation = "Calls of the last 24 hours, by how they ended; without those that never left"
    return _family("attempts_last_day", documentation, ["account", "kind", "outcome"], counts)


def _alarms(conn: Connection) -> Iterator[Metric]:
    now = [((one.kind, one.about, one.severity.value), 1.0) for one in alarms.begun(conn)]
    yield _family(
        "alarm", "1: people are told of it; connector alarms says what it is", ["kind", "about", "severity"], now
    )
    unsent = Counter(one.addressee for one in alarms.unsent(conn))
    counts = [((name,), float(number)) for name, number in sorted(unsent.items())]
    yield _family("alarm_notices", "Messages that an addressee has not got yet", ["addressee"], counts)


def _family(name: str, documentation: str, labels: list[str], values: Iterable[tuple[Any, float]]) -> Metric:
    family = GaugeMetricFamily(f"connector_{name}", documentation, labels=labels)
    for label_values, value in values:
        family.add_metric(list(label_values), value)
    return family
