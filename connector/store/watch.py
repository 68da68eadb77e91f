"""Wakes sleeping workers when something was stored or settled, by any process on the same database.

SQLite: what `announce` says (see `pulse`); and now and then, while that is silent, the file's own change counter.
Postgres: LISTEN on a connection.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from typing import Final

import tenacity
from sqlalchemy.exc import SQLAlchemyError

from connector.core.log import get
from connector.store.database import CHANNEL, Database, connect_options
from connector.store.pulses import Clock, Pulses

LOOK_EVERY_S: Final = 0.004  #: where transactions are not announced
LOOK_NOW_AND_THEN_S: Final = 0.05  #: where they are, for those of other programs

log = get("wake")


class Wake:
    """A thread that watches the database; `wait` sleeps until it changes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._changed = threading.Condition()
        self._changes = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wake", daemon=True)
        self._thread.start()

    def seen(self) -> int:
        """The number of changes seen; pass it to `wait`, so that none between a check and the wait is missed."""
        return self._changes

    def wait(self, seen: int, timeout_s: float) -> None:
        """Returns at a change after ``seen``, or after the timeout."""
        with self._changed:
            self._changed.wait_for(lambda: self._changes != seen or self._stopped.is_set(), timeout_s)

    def ring(self) -> None:
        """Counts a change."""
        with self._changed:
            self._changes += 1
            self._changed.notify_all()

    def close(self) -> None:
        self._stopped.set()
        self.ring()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        watch = self._watch_file if self._database.is_sqlite else self._watch_channel
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type((SQLAlchemyError, sqlite3.Error, OSError)),
            wait=tenacity.wait_exponential_jitter(multiplier=0.2, max=5, jitter=0.2),
            sleep=self._sleep,
            stop=lambda _state: self._stopped.is_set(),
            before_sleep=lambda _state: self.ring(),
        )
        try:
            retrying(watch)
        except tenacity.RetryError:
            return

    def _sleep(self, seconds: float) -> None:
        self._stopped.wait(seconds)

    def _watch_file(self) -> None:
        with self._database.engine.connect() as conn, contextlib.closing(self._pulses()) as pulses:
            cursor = conn.connection.cursor()
            conn.rollback()
            last, has_heard = None, False
            while not self._stopped.is_set():
                version = cursor.execute("PRAGMA data_version").fetchone()[0]
                if version != last and not has_heard:
                    self.ring()
                last, has_heard = version, False
                while pulses.wait() and not self._stopped.is_set():
                    has_heard = True  # the change that is seen at the end is theirs
                    self.ring()

    def _pulses(self) -> Pulses | Clock:
        path = self._database.lock_path
        try:
            return Clock(LOOK_EVERY_S) if path is None else Pulses(path, LOOK_NOW_AND_THEN_S)
        except OSError:  # not Linux, or a file system that announces nothing
            return Clock(LOOK_EVERY_S)

    def _watch_channel(self) -> None:
        url = self._database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        import psycopg  # imported only for Postgres: it takes 10 MB

        try:
            with psycopg.connect(url, autocommit=True, **connect_options(url)) as conn:
                conn.execute(f"LISTEN {CHANNEL}")
                self.ring()
                while not self._stopped.is_set():
                    for _ in conn.notifies(timeout=1.0, stop_after=1):
                        self.ring()
        except psycopg.Error as fault:
            raise OSError("the connection that listens was lost") from fault
