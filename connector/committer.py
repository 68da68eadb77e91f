"""Group commit: whatever waits to be stored goes into one transaction. If a group fails, its members go one by one."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Final

from connector import inbox
from connector.db import Database
from connector.errors import StoreUnavailable
from connector.inbox import Arrival, Stored
from connector.log import get

GROUP: Final = 1000  #: arrivals in one transaction at the most
CLOSED: Final = "the connector is stopping: send it again in a moment"

log = get("committer")

_Waiting = tuple[Sequence[Arrival], "Future[list[Stored]]"]


class Committer:
    """One writer thread for a process; `put` blocks until the arrivals are durable."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._closed = False
        self._handing_over = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._thread.start()

    def put(self, arrivals: Sequence[Arrival], *, timeout_s: float = 25.0) -> list[Stored]:
        """What became of each, once the commit is through. Raises `StoreUnavailable`: nothing may be acknowledged."""
        try:
            return self.submit(arrivals).result(timeout=timeout_s)
        except TimeoutError:
            raise StoreUnavailable(f"the event could not be stored within {timeout_s:g} s") from None

    def submit(self, arrivals: Sequence[Arrival]) -> Future[list[Stored]]:
        """The same, without waiting."""
        future: Future[list[Stored]] = Future()
        with self._handing_over:
            if self._closed:
                future.set_exception(StoreUnavailable(CLOSED))
            else:
                self._queue.put((arrivals, future))
        return future

    def close(self) -> None:
        """Stores what was handed over, then ends."""
        with self._handing_over:
            self._closed = True
            self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            group, last = self._next_group()
            if group:
                self._store(group)
            if last:
                return

    def _next_group(self) -> tuple[list[_Waiting], bool]:
        group: list[_Waiting] = []
        size = 0
        first = self._queue.get()
        while first is not None:
            group.append(first)
            size += len(first[0])
            if size >= GROUP:
                return group, False
            try:
                first = self._queue.get_nowait()
            except queue.Empty:
                return group, False
        return group, True

    def _store(self, group: Sequence[_Waiting]) -> None:
        arrivals = [arrival for some, _ in group for arrival in some]
        try:
            stored = self._commit(arrivals)
        except StoreUnavailable as fault:
            for _, future in group:
                future.set_exception(fault)
            return
        except Exception as fault:  # noqa: BLE001 - whatever one bad row brings must not harm the others
            self._store_alone(group, fault)
            return
        at = 0
        for some, future in group:
            future.set_result(stored[at : at + len(some)])
            at += len(some)

    def _store_alone(self, group: Sequence[_Waiting], fault: Exception) -> None:
        if len(group) > 1:
            for waiting in group:
                self._store([waiting])
            return
        log.error("an event could not be stored", fault=type(fault).__name__)
        group[0][1].set_exception(StoreUnavailable(f"the event could not be stored ({type(fault).__name__})"))

    def _commit(self, arrivals: Sequence[Arrival]) -> list[Stored]:
        with self._database.write() as conn:
            return inbox.store(conn, arrivals)
