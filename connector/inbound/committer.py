"""Group commit: waiting arrivals are stored in one transaction. If that fails, they are stored one by one.

Sources take turns, see `line`: what one sends many of delays no other by more than a transaction.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final, Protocol

from connector.core import tracing
from connector.core.errors import StoreUnavailable
from connector.core.log import get
from connector.inbound.apart import store_apart
from connector.inbound.line import Line, Part, Room, Waiting
from connector.store import inbox
from connector.store.arrivals import Arrival, Stored
from connector.store.database import Database
from connector.store.patience import answers_within

PATIENCE_S: Final = 25.0  #: how long a sender is kept waiting for a commit
ANSWERS_S: Final = 20.0  #: how long the database may keep a transaction waiting for one answer
SPOOL_AFTER_S: Final = 4.0  #: the same where a spool takes what the database does not
NOT_YET: Final = "the database has not answered since this process began"
CLOSED: Final = "the connector is stopping: send it again in a moment"

log = get("committer")


class Reply:
    """The results of storing arrivals.

    A lighter alternative to a `Future`, whose condition costs a second wake-up.

    ``tell`` is called by the thread that stored them, as soon as the result is known; without it `result` waits.
    """

    __slots__ = ("_fault", "_known", "_notify", "_stored", "rescue")

    def __init__(self, notify: Callable[[], None] | None = None) -> None:
        self._known = threading.Lock()
        self._known.acquire()
        self._stored: list[Stored] = []
        self._fault: BaseException | None = None
        self._notify = notify
        #: asked first, when the database did not take them; True: it ends the reply
        self.rescue: Callable[[Reply, StoreUnavailable], bool] | None = None

    def set_result(self, stored: list[Stored]) -> None:
        self._stored = stored
        self._end()

    def set_exception(self, fault: BaseException) -> None:
        rescue, self.rescue = self.rescue, None
        if rescue is not None and isinstance(fault, StoreUnavailable) and rescue(self, fault):
            return
        self._fault = fault
        self._end()

    def _end(self) -> None:
        self._known.release()
        if self._notify is not None:
            self._notify()

    def result(self, timeout_s: float = PATIENCE_S) -> list[Stored]:
        """Once the commit is through. Raises `StoreUnavailable`: nothing may be acknowledged."""
        if not self._known.acquire(timeout=timeout_s):
            raise StoreUnavailable("the event could not be stored in time")
        if self._fault is not None:
            raise self._fault
        return self._stored


class Storing(Protocol):
    """Stores arrivals and replies."""

    def hand_over(self, several: Sequence[Waiting]) -> None: ...


class NotYet:
    """In the place of a committer as long as the database has not been there: it has no tables, or no key, for us."""

    def hand_over(self, several: Sequence[Waiting]) -> None:
        for _, reply in several:
            reply.set_exception(StoreUnavailable(NOT_YET))


class Committer:
    """One writer thread for a process; `put` blocks until the arrivals are durable."""

    def __init__(self, database: Database, key: bytes = b"", *, answers_s: float = ANSWERS_S) -> None:
        """``key`` is the key of the hashes that remain of forgotten events (`Settings.hash_key`)."""
        self._database = database
        self._key = key
        self._answers_s = answers_s
        self._queue: queue.SimpleQueue[Sequence[Waiting] | None] = queue.SimpleQueue()
        self._closed = False
        self._handing_over = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._thread.start()

    def put(self, arrivals: Sequence[Arrival], *, timeout_s: float = PATIENCE_S) -> list[Stored]:
        """The result of each once the commit is done. Raises `StoreUnavailable`: nothing may be acknowledged."""
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
        """Stores what was handed over, then stops."""
        with self._handing_over:
            self._closed = True
            self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        line, open_ = Line(), True
        while open_ or line:
            if not line:
                first = self._queue.get()
                open_ = first is not None
                line.add(first or ())
            open_ = self._store(line) and open_ if line else open_

    def _store(self, line: Line) -> bool:
        """One transaction for those in line, and for what comes until it can begin. False: nothing more will arrive."""
        open_, room = True, Room()
        group = line.take(room)
        if not group:  # what was left of bodies that failed
            return True
        try:
            within, batch = answers_within(self._answers_s), tracing.batch("store events", len(group))
            with batch as span, within, self._database.write() as conn:
                open_ = self._gather(line)
                group += line.take(room)
                span.note(**{"connector.batch.size": len(group)})
                arrivals, began = [arrival for _, some in group for arrival in some], time.monotonic()
                stored = inbox.store(conn, arrivals, key=self._key)
        except StoreUnavailable as fault:
            for body, _ in group:
                body.fail(fault)
        except Exception as fault:  # noqa: BLE001 - one bad row must not harm the others
            log.warning("a group could not be stored; each request goes by itself", fault=type(fault).__name__)
            for part in group:
                self._store_alone(part)
        else:
            line.lasted(len(arrivals), time.monotonic() - began)
            _settle_replies(group, stored)
        return open_

    def _gather(self, line: Line) -> bool:
        """Puts the requests that came meanwhile in line; most of them come during the wait for the lock."""
        while True:
            try:
                several = self._queue.get_nowait()
            except queue.Empty:
                return True
            if several is None:
                return False
            line.add(several)

    def _store_alone(self, part: Part) -> None:
        body, arrivals = part
        try:
            body.keep(store_apart(self._commit, arrivals))
        except Exception as fault:  # noqa: BLE001 - answered 503, or retried by the consumer
            log.error("an event could not be stored", fault=type(fault).__name__)
            body.fail(StoreUnavailable(f"the event could not be stored ({type(fault).__name__})"))

    def _commit(self, arrivals: Sequence[Arrival]) -> list[Stored]:
        with answers_within(self._answers_s), self._database.write() as conn:
            return inbox.store(conn, arrivals, key=self._key)


def _settle_replies(group: Sequence[Part], stored: Sequence[Stored]) -> None:
    at = 0
    for body, some in group:
        body.keep(stored[at : at + len(some)])
        at += len(some)
