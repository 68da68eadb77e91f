"""``/livez``: the process answers. ``/readyz``: it can store events; and what a person should know besides."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from flask import Response

from connector import standing
from connector.db import Database
from connector.errors import StoreUnavailable
from connector.log import masked
from connector.settings import Settings
from connector.standing import AccountStanding, DestinationStanding
from connector.web.answers import reply
from connector.web.faults import RETRY_AFTER_S

BROKER_KEPT_S: Final = 10.0  #: how long an answer about the broker is good for
BROKER_WAIT_S: Final = 2.0
_PORTS: Final = {"amqp": 5672, "amqps": 5671}


class Health:
    """The two views."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._database = database
        self._accounts = frozenset(settings.accounts)
        needed = any(source.queue for source in settings.sources.values())
        self._broker = Broker(settings.amqp_url.reveal()) if needed else None

    def livez(self) -> Response:
        """200 as long as the process can answer at all."""
        return reply({"status": "alive"})

    def readyz(self) -> Response:
        """503 only while the database is away: everything else can wait without anything being lost."""
        report: dict[str, Any] = {"broker": self._broker.state()} if self._broker else {}
        try:
            with self._database.read() as conn:
                accounts, destinations = standing.all_accounts(conn), standing.all_destinations(conn)
        except StoreUnavailable:
            answer = reply({"status": "not ready", "database": "away", **report}, 503)
            answer.headers["Retry-After"] = str(RETRY_AFTER_S)
            return answer
        report |= {"accounts": self._closed(accounts), "destinations": self._closed(destinations)}
        return reply({"status": "ready", "database": "reachable", **report})

    def _closed(self, rows: Sequence[AccountStanding] | Sequence[DestinationStanding]) -> list[dict[str, str]]:
        """Those of the configured accounts that take nothing, and why."""
        return [
            {
                "name": row.name,
                "state": row.state,
                "reason": masked(row.reason or ""),
                "since": datetime.fromtimestamp(row.since // 1000, UTC).isoformat().replace("+00:00", "Z"),
            }
            for row in rows
            if row.state != "open"
            and (row.account if isinstance(row, DestinationStanding) else row.name) in self._accounts
        ]


class Broker:
    """Whether somebody listens at the broker's address. Asked once in a while, by one thread at a time."""

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
