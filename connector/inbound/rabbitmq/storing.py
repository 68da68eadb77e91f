"""Stores the batches that the committer could not, in a thread of its own."""

from __future__ import annotations

import functools
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import tenacity
from sqlalchemy import text

from connector.core.errors import StoreUnavailable
from connector.core.log import get
from connector.inbound.apart import ITS_OWN_FAULT, store_apart
from connector.inbound.rabbitmq.batch import Batch
from connector.store import inbox
from connector.store.arrivals import Arrival, Stored
from connector.store.database import Database

WAIT = tenacity.wait_exponential_jitter(multiplier=0.25, max=10, jitter=0.25)
log = get("consumer")


@dataclass(slots=True, eq=False)
class Keeper:
    """Stores the batches that the committer could not, as often as needed, in a thread of its own."""

    database: Database
    key: bytes  #: see `inbox.store`
    stopping: threading.Event
    done: Callable[[], None]
    _batches: queue.Queue[Batch | None] = field(default_factory=queue.Queue)

    def start(self) -> None:
        threading.Thread(target=self._run, name="consumer-keeper", daemon=True).start()

    @property
    def busy(self) -> bool:
        return self._batches.unfinished_tasks > 0

    def keep(self, batch: Batch) -> None:
        self._batches.put(batch)

    def close(self) -> None:
        self._batches.put(None)

    def _run(self) -> None:
        while (batch := self._batches.get()) is not None:
            try:
                self._store(batch)
            finally:
                self._batches.task_done()
            self.done()

    def _store(self, batch: Batch) -> None:
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(StoreUnavailable),
            wait=WAIT,
            stop=lambda _state: self.stopping.is_set(),
            sleep=self._sleep,
            before_sleep=functools.partial(_log_kept, batch),
        )
        try:
            batch.stored = retrying(self._settled, batch)
        except tenacity.RetryError:
            batch.given_up = True

    def _sleep(self, seconds: float) -> None:
        self.stopping.wait(seconds)

    def _settled(self, batch: Batch) -> list[Stored]:
        """Redelivered messages need not be stored now; but until storing works, nothing new is received."""
        if batch.redelivered:
            demand_database(self.database)
            return []
        return store_apart(self._commit, batch.arrivals)

    def _commit(self, arrivals: Sequence[Arrival]) -> list[Stored]:
        """Raises `StoreUnavailable`; a fault of an arrival is raised as it is."""
        try:
            with self.database.write() as conn:
                return inbox.store(conn, arrivals, key=self.key)
        except (StoreUnavailable, *ITS_OWN_FAULT):
            raise
        except Exception as fault:
            raise StoreUnavailable(f"the database cannot be used now ({type(fault).__name__})") from fault


def demand_database(database: Database) -> None:
    """Raises `StoreUnavailable`: what cannot be stored is better left with the broker."""
    with database.read() as conn:
        conn.execute(text("SELECT 1 FROM events LIMIT 1"))


def _log_kept(batch: Batch, state: tenacity.RetryCallState) -> None:
    fault = state.outcome.exception() if state.outcome else None
    log.warning(
        "events wait to be stored",
        source=batch.source.name,
        count=len(batch.arrivals),
        fault=str(fault),
        next_try_s=round(state.upcoming_sleep, 1),
    )
