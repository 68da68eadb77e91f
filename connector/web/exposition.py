"""``/metrics`` for Prometheus.

What is waiting, and how calls went, is counted in the database when it is asked for: the same whichever process
answers. What only a process knows (events received, seconds a call took) carries the label ``process``, since the
next answer may come from another one.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any, Final

from flask import Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Connection, bindparam, text

from connector import standing
from connector.db import Database, now_ms
from connector.errors import StoreUnavailable
from connector.metrics import ANSWERS, CALL_SECONDS, EVENTS
from connector.settings import Settings

KEPT_S: Final = 2.0  #: how long one answer serves all who ask
DAY_MS: Final = 24 * 3600 * 1000

# The conditions are the partial indexes' own words, as literals: with parameters SQLite would read the whole table.
_PENDING = text(
    "SELECT destination, count(*), min(due_at) FROM deliveries WHERE state = 'pending' GROUP BY destination"
)
_IN_DOUBT = text(
    "SELECT destination, state, count(*) FROM deliveries WHERE state IN ('sending', 'uncertain')"
    " GROUP BY destination, state"
)
_DEAD = text(
    "SELECT destination, count(*) FROM deliveries"
    " WHERE state IN ('uncertain', 'suppressed', 'dead') AND state = 'dead' GROUP BY destination"
)
_ATTEMPTS = text(
    "SELECT account, kind, state, count(*) FROM attempts"
    " WHERE account IN :accounts AND ended_at > :since GROUP BY account, kind, state"
).bindparams(bindparam("accounts", expanding=True))


class Exposition:
    """The view."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._registry: Final = CollectorRegistry()
        self._registry.register(OfThisProcess())
        self._registry.register(FromDatabase(database, tuple(settings.accounts)))
        self._lock = threading.Lock()
        self._made_at = float("-inf")
        self._text = b""

    def metrics(self) -> Response:
        """Prometheus' text format."""
        with self._lock:
            if time.monotonic() - self._made_at >= KEPT_S:
                self._text = generate_latest(self._registry)
                self._made_at = time.monotonic()
            return Response(self._text, content_type=CONTENT_TYPE_LATEST)


class OfThisProcess(Collector):
    """The counters of this process, each sample labelled with its id."""

    def describe(self) -> Iterable[Metric]:
        """Nothing: the names are not asked of it when it is registered."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The families, labelled."""
        process = str(os.getpid())
        for counted in (EVENTS, ANSWERS, CALL_SECONDS):
            for family in counted.collect():
                family.samples = [s._replace(labels={**s.labels, "process": process}) for s in family.samples]
                yield family


class FromDatabase(Collector):
    """What the database knows. While it is away only ``connector_database_up 0`` is told."""

    def __init__(self, database: Database, accounts: tuple[str, ...]) -> None:
        self._database = database
        self._accounts = accounts

    def describe(self) -> Iterable[Metric]:
        """Nothing: the database is not read when it is registered."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The families, from one consistent look."""
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
        is_open = [((a.name,), 1 if a.state == "open" else 0) for a in standing.all_accounts(conn)]
        yield _family("account_open", "1: calls may be made; 0: paused or blocked", ["account"], is_open)
        goes = [((d.account, d.name), 1 if d.state == "open" else 0) for d in standing.all_destinations(conn)]
        yield _family("destination_open", "0: stopped until a person acts", ["account", "destination"], goes)


def _backlog(conn: Connection, now: int) -> Iterator[Metric]:
    pending = conn.execute(_PENDING).all()
    counts: list[tuple[tuple[str, ...], float]] = [((name, "pending"), count) for name, count, _ in pending]
    counts += [((name, state), count) for name, state, count in conn.execute(_IN_DOUBT)]
    counts += [((name, "dead"), count) for name, count in conn.execute(_DEAD)]
    yield _family("deliveries", "Unfinished and troubled deliveries", ["destination", "state"], counts)
    waits = [((name,), max(0.0, (now - due_at) / 1000)) for name, _, due_at in pending]
    yield _family("oldest_pending_seconds", "How long the oldest due delivery waits", ["destination"], waits)


def _attempts(conn: Connection, accounts: tuple[str, ...], now: int) -> Metric:
    rows = conn.execute(_ATTEMPTS, {"accounts": list(accounts), "since": now - DAY_MS}).all() if accounts else []
    counts = [((account, kind, state), count) for account, kind, state, count in rows]
    documentation = "Calls of the last 24 hours, by how they ended; without those that never left"
    return _family("attempts_last_day", documentation, ["account", "kind", "outcome"], counts)


def _family(name: str, documentation: str, labels: list[str], values: Iterable[tuple[Any, float]]) -> Metric:
    family = GaugeMetricFamily(f"connector_{name}", documentation, labels=labels)
    for label_values, value in values:
        family.add_metric(list(label_values), value)
    return family
