"""Group commit: whatever waits to be stored goes into one transaction. If a group fails, its members go one by one."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final

from sqlalchemy.exc import DataError, IntegrityError, StatementError

from connector import inbox
from connector.db import Database
from connector.errors import StoreUnavailable
from connector.inbox import Arrival, Stored
from connector.log import get

GROUP: Final = 1000  #: arrivals in one transaction at the most
PATIENCE_S: Final = 25.0  #: how long a sender is kept waiting for a commit
CLOSED: Final = "the connector is stopping: send it again in a moment"

log = get("committer")


class Reply:
    """What became of arrivals that were handed over. A Future costs whoever waits a second wait, for its condition.

    ``tell`` is called by the thread that stored them, once it is known; without it `result` waits.
    """

    __slots__ = ("_fault", "_known", "_stored", "_tell")

    def __init__(self, tell: Callable[[], None] | None = None) -> None:
        self._known = threading.Lock()
        self._known.acquire()
        self._stored: list[Stored] = []
        self._fault: BaseException | None = None
        self._tell = tell

    def set_result(self, stored: list[Stored]) -> None:
        self._stored = stored
        self._end()

    def set_exception(self, fault: BaseException) -> None:
        self._fault = fault
        self._end()

    def _end(self) -> None:
        self._known.release()
        if self._tell is not None:
            self._tell()

    def result(self, timeout_s: float = PATIENCE_S) -> list[Stored]:
        """Once the commit is through. Raises `StoreUnavailable`: nothing may be acknowledged."""
        if not self._known.acquire(timeout=timeout_s):
            raise StoreUnavailable("the event could not be stored in time")
        if self._fault is not None:
            raise self._fault
        return self._stored


Waiting = tuple[Sequence[Arrival], "Future[list[Stored]] | Reply"]


class Committer:
    """One writer thread for a process; `put` blocks until the arrivals are durable."""

    def __init__(self, database: Database, key: bytes = b"") -> None:
        """``key`` keys the hashes that are left of what was forgotten (`Settings.hash_key`)."""
        self._database = database
        self._key = key
        self._queue: queue.SimpleQueue[Sequence[Waiting] | None] = queue.SimpleQueue()
        self._closed = False
        self._handing_over = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._thread.start()

    def put(self, arrivals: Sequence[Arrival], *, timeout_s: float = PATIENCE_S) -> list[Stored]:
        """What became of each, once the commit is through. Raises `StoreUnavailable`: nothing may be acknowledged."""
        reply = Reply()
        self.hand_over([(arrivals, reply)])
        return reply.result(timeout_s)

    def submit(self, arrivals: Sequence[Arrival]) -> Future[list[Stored]]:
        """The same, without waiting."""
        future: Future[list[Stored]] = Future()
        self.hand_over([(arrivals, future)])
        return future

    def hand_over(self, several: Sequence[Waiting]) -> None:
        """Each gets its own reply; they are stored together, if nothing is wrong with any of them."""
        with self._handing_over:
            if not self._closed:
                self._queue.put(several)
                return
        for _, reply in several:
            reply.set_exception(StoreUnavailable(CLOSED))

    def close(self) -> None:
        """Stores what was handed over, then ends."""
        with self._handing_over:
            self._closed = True
            self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        open_ = True
        while open_:
            first = self._queue.get()
            open_ = first is not None and self._store(list(first))

    def _store(self, group: list[Waiting]) -> bool:
        """One transaction for ``group`` and for whatever came until it could begin. False: nothing more will come."""
        open_ = True
        try:
            with self._database.write() as conn:
                open_ = self._gather(group)
                stored = inbox.store(conn, [arrival for some, _ in group for arrival in some], key=self._key)
        except StoreUnavailable as fault:
            for _, future in group:
                future.set_exception(fault)
        except Exception as fault:  # noqa: BLE001 - whatever one bad row brings must not harm the others
            log.warning("a group could not be stored; its members go one by one", fault=type(fault).__name__)
            for waiting in group:
                self._store_alone(*waiting)
        else:
            _tell(group, stored)
        return open_

    def _gather(self, group: list[Waiting]) -> bool:
        """Takes what waits into the group; the wait for the lock is when most of it comes."""
        size = sum(len(some) for some, _ in group)
        while size < GROUP:
            try:
                several = self._queue.get_nowait()
            except queue.Empty:
                return True
            if several is None:
                return False
            group.extend(several)
            size += sum(len(some) for some, _ in several)
        return True

    def _store_alone(self, arrivals: Sequence[Arrival], future: Future[list[Stored]] | Reply) -> None:
        try:
            future.set_result([self._store_one(arrival) for arrival in arrivals])
        except Exception as fault:  # noqa: BLE001 - answered 503, or retried by the consumer
            log.error("an event could not be stored", fault=type(fault).__name__)
            future.set_exception(StoreUnavailable(f"the event could not be stored ({type(fault).__name__})"))

    def _store_one(self, arrival: Arrival) -> Stored:
        """One arrival; one that no database takes is kept as invalid, in a form that every database takes."""
        try:
            with self._database.write() as conn:
                return inbox.store(conn, [arrival], key=self._key)[0]
        except (DataError, IntegrityError, StatementError) as fault:
            log.warning("an event is kept as invalid, as it cannot be stored", fault=type(fault).__name__)
        with self._database.write() as conn:
            return inbox.store(conn, [inbox.unstorable(arrival)], key=self._key)[0]


def _tell(group: Sequence[Waiting], stored: Sequence[Stored]) -> None:
    at = 0
    for some, future in group:
        future.set_result(list(stored[at : at + len(some)]))
        at += len(some)
