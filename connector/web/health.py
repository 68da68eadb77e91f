"""``/livez``: the process answers. ``/readyz``: it can store or spool events; plus problems for an operator."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from flask import Response
from sqlalchemy import Connection

from connector.admin.problems import Problem, problems
from connector.core import masking
from connector.core.errors import StoreUnavailable
from connector.core.settings import Settings
from connector.core.states import AccountState
from connector.inbound.intake import Intake
from connector.store import accounts as standing
from connector.store.accounts import AccountStanding, DestinationStanding
from connector.store.database import Database, now_ms
from connector.store.patience import PROBE_S, answers_within
from connector.web.errors import RETRY_AFTER_S
from connector.web.responses import reply

BROKER_KEPT_S: Final = 10.0  #: how long an answer about the broker is good for
BROKER_WAIT_S: Final = 2.0
PROBLEMS_KEPT_S: Final = 5.0
AWAY_KEPT_S: Final = 1.0  #: how long one vain look at the database serves the probes that waited for it
_PORTS: Final = {"amqp": 5672, "amqps": 5671}


class Health:
    """The two views."""

    def __init__(self, settings: Settings, database: Database, intake: Intake) -> None:
        self._settings = settings
        self._database = database
        self._intake = intake
        self._found_at = float("-inf")
        self._problems: Sequence[Problem] = ()
        self._looking = threading.Lock()
        self._away_at = float("-inf")
        self._accounts = frozenset(settings.accounts)
        needed = any(source.queue for source in settings.sources.values())
        self._broker = Broker(settings.amqp_url.reveal()) if needed else None

    def livez(self) -> Response:
        """200 as long as the process can answer at all."""
        return reply({"status": "alive"})

    def readyz(self) -> Response:
        """503 only while the database is away, and no spool takes events: all else can wait without a loss."""
        report: dict[str, Any] = {"broker": self._broker.state()} if self._broker else {}
        if (state := self._look()) is None:
            spooler = self._intake.spooler
            if spooler is not None and not spooler.is_failing:
                return reply({"status": "degraded", "database": "away", "spool": "takes events", **report})
            answer = reply({"status": "not ready", "database": "away", **report}, 503)
            answer.headers["Retry-After"] = str(RETRY_AFTER_S)
            return answer
        accounts, destinations, found = state
        report |= {"accounts": self._closed(accounts), "destinations": self._closed(destinations)}
        report["problems"] = [one.as_json() for one in found]
        status = "degraded" if any(one.urgent for one in found) else "ready"
        return reply({"status": status, "database": "reachable", **report})

    def _look(self) -> tuple[Sequence[AccountStanding], Sequence[DestinationStanding], Sequence[Problem]] | None:
        """None: the database is away. One thread asks a database that hangs; the others wait for what it finds."""
        with self._looking:
            if time.monotonic() - self._away_at < AWAY_KEPT_S:
                return None
            try:
                with answers_within(PROBE_S), self._database.read() as conn:
                    return standing.all_accounts(conn), standing.all_destinations(conn), self._found(conn)
            except StoreUnavailable:
                self._away_at = time.monotonic()
                return None

    def _found(self, conn: Connection) -> Sequence[Problem]:
        """The problems as of a few seconds ago, because probes come often."""
        if time.monotonic() - self._found_at >= PROBLEMS_KEPT_S:
            self._problems = problems(conn, self._settings, now_ms(conn))
            self._found_at = time.monotonic()
        return self._problems

    def _closed(self, rows: Sequence[AccountStanding] | Sequence[DestinationStanding]) -> list[dict[str, str]]:
        """The configured accounts that make no calls, and why."""
        return [
            {
                "name": row.name,
                "state": row.state,
                "reason": masking.reason(row.reason),
                "since": datetime.fromtimestamp(row.since // 1000, UTC).isoformat().replace("+00:00", "Z"),
            }
            for row in rows
            if row.state != AccountState.OPEN
            and (row.account if isinstance(row, DestinationStanding) else row.name) in self._accounts
        ]


class Broker:
    """Whether the broker's address accepts connections. Tested now and then, by one thread at a time."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 5672))
        self._asking = threading.Lock()
        self._asked_at = float("-inf")
        self._reachable = False

    def state(self) -> str:
        """ "reachable" or "away", as it was within the last seconds."""
        if time.monotonic() - self._asked_at >= BROKER_KEPT_S and self._asking.acquire(blocking=False):
            try:
                self._reachable = self._connects()
                self._asked_at = time.monotonic()
            finally:
                self._asking.release()
        return "reachable" if self._reachable else "away"

    def _connects(self) -> bool:
        try:
            socket.create_connection(self._address, timeout=BROKER_WAIT_S).close()
        except (OSError, UnicodeError):
            return False
        return True
