"""Forgets on a schedule: events that are old enough, and erased ones that were in hand. Runs beside a worker."""

from __future__ import annotations

import threading
import time
from typing import Final

from sqlalchemy import Connection

from connector.admin.privacy import forget
from connector.admin.privacy.purge import Purging
from connector.core import law
from connector.core.log import get
from connector.core.loops import STOP_S, Loops
from connector.core.retry import ERASED_EVERY_S
from connector.core.settings import Settings
from connector.store import api_answers, contacts, facts
from connector.store.database import Database, now_ms

BEGUN: Final = "purge_begun"  #: the fact: when the last scheduled purge began, unix ms

CONTACTS_EVERY_S: Final = 3600.0  #: what else is forgotten by its age

log = get("purging")


class Retention:
    """The loop of one process. `start` returns at once; `stop` lets the step that has begun be committed."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._loops = Loops(log)
        self._schedule = Schedule(settings, database, self._loops.stopping)
        self._loops.add("forget", self._step, what="forgetting")

    def start(self) -> None:
        self._loops.start()

    def stop(self, timeout_s: float = STOP_S) -> bool:
        """Ends a purge early; the next goes on from there."""
        return self._loops.stop(timeout_s)

    def _step(self) -> float:
        self._schedule.run_once()
        return self._schedule.look_every_s


class Schedule:
    """Purges when it is due, in the process that checks first; and forgets erased events that were in hand."""

    def __init__(self, settings: Settings, database: Database, stopping: threading.Event) -> None:
        self._settings = settings
        self._database = database
        self._stopping = stopping
        self._contacts_s = 0.0  #: monotonic: when the ledger of contacts is purged next
        self._answers_s = 0.0  #: monotonic: when answers of the API are forgotten next
        every_s = settings.retention.every_s if settings.retention else ERASED_EVERY_S
        self.look_every_s: Final = min(ERASED_EVERY_S, every_s)

    def run_once(self) -> None:
        """Raises `ConnectorError`."""
        forget.sweep(self._database, self._settings.hash_key, erased_only=True)
        self._forget_contacts()
        self._forget_answers()
        if self._settings.retention and self._takes_turn(int(self._settings.retention.every_s * 1000)):
            self._purge(int(self._settings.retention.purge_after_s * 1000))

    def _forget_contacts(self) -> None:
        """Contacts that no cap can count any more, and proofs that were kept for long enough: once an hour."""
        rules = self._settings.contact
        if rules is None or time.monotonic() < self._contacts_s:
            return
        self._contacts_s = time.monotonic() + CONTACTS_EVERY_S
        legal = [cap.window_ms for row in law.ROWS for cap in row.caps]
        longest = max([*legal, *(cap.window_ms for cap in rules.caps)])
        with self._database.write() as conn:
            now = now_ms(conn)
            contacts.purge(conn, now - longest)
            contacts.purge_proofs(conn, now - int(rules.keep_proof_s * 1000))

    def _forget_answers(self) -> None:
        """Answers to acts over the API, a day after: once an hour, also where nobody acts there any more."""
        if time.monotonic() < self._answers_s:
            return
        self._answers_s = time.monotonic() + CONTACTS_EVERY_S
        with self._database.write() as conn:
            api_answers.forget(conn, now_ms(conn))

    def _takes_turn(self, every_ms: int) -> bool:
        """Whether this process does it this time: one of all processes does."""
        with self._database.read() as conn:
            if not self._is_due(conn, every_ms):
                return False
        with self._database.write(serialise="facts") as conn:
            if due := self._is_due(conn, every_ms):
                facts.put(conn, BEGUN, str(now_ms(conn)))
            return due

    def _is_due(self, conn: Connection, every_ms: int) -> bool:
        begun = int(facts.some(conn, BEGUN).get(BEGUN, 0))
        return now_ms(conn) - begun >= every_ms

    def _purge(self, older_than_ms: int) -> None:
        purging = Purging(self._settings, self._database, older_than_ms, stop=self._stopping.is_set)
        for _ in purging.run():
            pass
        purged = purging.purged
        if purged.events:
            self._database.fold_log()
            log.info("purged", events=purged.events, deliveries=purged.deliveries, waiting=purged.left)
