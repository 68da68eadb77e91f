"""Writes requests into the spool that the database does not take, in a thread of its own, many together."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from connector.core.errors import ConnectorError, StoreUnavailable
from connector.core.log import get
from connector.core.metrics import SPOOLED, events
from connector.core.spool import Spool, SpoolUnavailable
from connector.inbound.committer import Reply
from connector.inbound.intake import PendingRequest, Submission
from connector.inbound.spool.request import written

MOST: Final = 200  #: requests in one write
MOST_KEPT: Final = 2_000  #: requests that wait in memory for the last of the spool
MOST_CHARS: Final = 4_000_000  #: in one write, but for a request that is larger by itself
REST_S: Final = 20.0

log = get("spool")


class Spooled(ConnectorError):  # noqa: N818 - an outcome
    """The request is in the spool, and is stored later."""


@dataclass(slots=True)
class _Entry:
    request: PendingRequest
    reply: Reply
    fault: StoreUnavailable | None  #: why the database did not take it; None: it was not asked
    text: str = ""


class Spooler:
    """`take` and `rescue` may be called by any thread. The reply brings `Spooled`."""

    def __init__(self, spool: Spool) -> None:
        self._spool: Final = spool
        self._queue: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._state: Final = threading.RLock()  # what `go_on` hands over may come back at once
        self._pending = 0
        self._closed = False
        self._is_holding = False
        self._is_failing = False
        self._kept: list[_Entry] | None = None  #: while the last of the spool is drained
        self.added: Final = threading.Event()  #: set whenever something was spooled
        self.otherwise: Callable[[Sequence[Submission]], None] | None = None  #: for what the spool did not take unasked
        self._thread = threading.Thread(target=self._run, name="spooler", daemon=True)
        self._thread.start()

    @property
    def is_holding(self) -> bool:
        """Whether this process has spooled, and not seen the spool empty since: what comes now goes behind it."""
        return self._is_holding

    @property
    def is_failing(self) -> bool:
        """Whether the last requests could not be written."""
        return self._is_failing

    def take(self, pair: Submission) -> bool:
        """Spools it without asking the database. False: the spool is closed, or nothing is in it any more."""
        with self._state:
            return self._is_holding and self._put(_Entry(*pair, None))

    def rescue(self, request: PendingRequest, reply: Reply, fault: StoreUnavailable) -> bool:
        """Spools what the database did not take. False: the spool is closed, and the fault stands."""
        return self._put(_Entry(request, reply, fault))

    def _put(self, entry: _Entry) -> bool:
        with self._state:
            if self._closed:
                return False
            if self._kept is not None and entry.fault is None and len(self._kept) < MOST_KEPT:
                self._kept.append(entry)
                return True
            self._pending += 1
        self._queue.put(entry)
        return True

    @property
    def waiting(self) -> int:
        """Requests that wait in memory, see `pause`."""
        with self._state:
            return len(self._kept or ())

    def pause(self) -> bool:
        """Lets new requests wait in memory, unanswered, as the drain is nearly through with the spool.

        Without a pause a spool that is written to as fast as it is drained would never be empty. True once nothing is
        on its way into it any more; `go_on` or `give_up` must follow soon.
        """
        with self._state:
            self._kept = [] if self._kept is None else self._kept
            return not self._pending

    def go_on(self) -> None:
        """All that this process had spooled is stored: what waits goes to the database, and what comes."""
        with self._state:
            if self._pending or self.otherwise is None:
                self.give_up()
                return
            waiting, self._kept = self._kept or [], None
            self._is_holding = False
            for entry in waiting:
                entry.reply.rescue = partial(_rescued, self, entry.request)
            self.otherwise([(entry.request, entry.reply) for entry in waiting])

    def give_up(self) -> None:
        """Spools the waiting requests: the database is not ready for them."""
        with self._state:
            waiting, self._kept = self._kept or [], None
            self._pending += len(waiting)
            for entry in waiting:
                self._queue.put(entry)

    def is_empty(self) -> None:
        """The drain has seen the spool empty: what comes from now on goes to the database, if nothing is on its way."""
        with self._state:
            if not self._pending:
                self._is_holding = False

    def close(self) -> None:
        """Writes what it was given, then stops. What is in the spool stays there for the next process."""
        with self._state:
            self.give_up()
            self._closed = True
        self._queue.put(None)
        self._thread.join()
        self._spool.rest()

    def _run(self) -> None:
        is_open = True
        while is_open:
            try:
                first = self._queue.get(timeout=REST_S)
            except queue.Empty:
                self._spool.rest()
                continue
            if first is None:
                return
            group, is_open = self._gathered(first)
            try:
                self._write(group)
            except Exception as fault:
                log.exception("requests were not spooled to the end", exc_info=fault)
            with self._state:
                self._pending -= len(group)

    def _gathered(self, first: _Entry) -> tuple[list[_Entry], bool]:
        group, chars = [first], 0
        while len(group) < MOST and chars < MOST_CHARS:
            try:
                more = self._queue.get_nowait()
            except queue.Empty:
                return group, True
            if more is None:
                return group, False
            group.append(more)
            chars += len(more.request.arrivals or more.request.payloads) * _TYPICAL
        return group, True

    def _write(self, group: list[_Entry]) -> None:
        writable = [entry for entry in group if _encode(entry)]
        if not writable:
            return
        try:
            self._spool.add([entry.text for entry in writable])
        except SpoolUnavailable as fault:
            self._fail(writable, fault)
            return
        except Exception as fault:
            log.exception("requests could not be spooled", exc_info=fault)
            self._fail(writable, SpoolUnavailable(type(fault).__name__))
            return
        with self._state:
            begins, self._is_holding, self._is_failing = not self._is_holding, True, False
        self.added.set()
        if begins:
            log.warning("the database does not take events: they go to the spool", kind=self._spool.kind)
        for entry in writable:
            SPOOLED.inc()
            events(entry.request.source.name, "spooled").inc()
            entry.reply.set_exception(Spooled("spooled"))

    def _fail(self, group: list[_Entry], fault: SpoolUnavailable) -> None:
        log.error("requests cannot be spooled", fault=str(fault), count=len(group))
        with self._state:
            self._is_holding, self._is_failing = False, True  # then the database is asked
        for entry in group:
            if entry.fault is not None:
                entry.reply.set_exception(entry.fault)
        untried = [(entry.request, entry.reply) for entry in group if entry.fault is None]
        if untried and self.otherwise is not None:
            self.otherwise(untried)


_TYPICAL: Final = 2_000  #: characters of an event


def _encode(entry: _Entry) -> bool:
    """Whether it can be written; if not, its sender hears what the database said."""
    try:
        entry.text = written(entry.request)
    except Exception as fault:  # noqa: BLE001 - one request must not harm the others
        log.error("a request cannot be spooled", source=entry.request.source.name, fault=type(fault).__name__)
        entry.reply.set_exception(entry.fault or StoreUnavailable("the event cannot be spooled"))
        return False
    return True


def _rescued(spooler: Spooler, request: PendingRequest, reply: Reply, fault: StoreUnavailable) -> bool:
    return spooler.rescue(request, reply, fault)
