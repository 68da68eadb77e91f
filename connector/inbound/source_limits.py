"""How many events a source may send in a minute or a day, and how much of what goes nowhere is kept of it.

Each process counts its own exactly. What other processes stored is read from the events themselves, once a second while
somebody sends: so all processes of one database share a limit, and it holds after a restart. Between two reads others'
events are not known yet: several processes together may take a second's worth more than the limit.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from connector.core.log import get
from connector.core.log_throttle import LogThrottle
from connector.core.metrics import HELD, REFUSED
from connector.core.settings import Source
from connector.store import inbox, limited
from connector.store.database import Database, now_ms

log = get("limits")

SLOTS: Final = 60  #: a window is counted in so many parts
READ_EVERY_S: Final = 1.0
IDLE_S: Final = 5.0  #: this long after the last event of a limited source, reading stops
DAY_S: Final = 86_400
SETTLED_S: Final = 60  #: this long after an event passed, no process still writes that it did
#: Kept in a day of a source without proof, of what goes nowhere: invalid, ignored and conflicting events.
KEPT_BYTES: Final = 16 * 1024 * 1024
_LOG_EVERY_S: Final = 60.0
_LIMIT: Final = "kept_bytes"


Counts = dict[int, int]  #: part of the window -> events


@dataclass(slots=True)
class Window:
    """The events, or bytes, of the last ``seconds``, of this process and of all."""

    most: int
    seconds: int
    own: Counts = field(default_factory=dict)
    stored: Counts = field(default_factory=dict)  #: of all processes, as they were read last
    fresh: Counts = field(default_factory=dict)  #: of this process since that reading began
    reading: Counts = field(default_factory=dict)  #: the same before it began, until it has ended
    released: Counts = field(default_factory=dict)  #: that waited for room and passed, of all processes
    passing: Counts = field(
        default_factory=dict
    )  #: the same, as they were read last: not all of them may be written yet

    def add(self, count: int, at_s: float) -> None:
        for counts in (self.own, self.fresh):
            self._add(counts, count, at_s)

    def begin_reading(self) -> None:
        for slot, count in self.fresh.items():
            self.reading[slot] = self.reading.get(slot, 0) + count
        self.fresh = {}

    def end_reading(self, found: Iterable[tuple[int, int]]) -> None:
        """``found``: (unix seconds, number of events) stored since the last reading."""
        self.reading = {}
        for at_s, count in found:
            self._add(self.stored, count, at_s)

    def end_reading_released(self, found: Iterable[tuple[int, int]], settled_s: int) -> None:
        """``found``: as `end_reading`; what passed before ``settled_s`` is never read again."""
        self.passing = {}
        for at_s, count in found:
            self._add(self.released if at_s < settled_s else self.passing, count, at_s)

    def wait_s(self, count: int, now_s: float) -> int:
        """Seconds until ``count`` events may be taken; 0: now. A body beyond the limit goes into an empty window."""
        used = self.used(now_s)
        if not used or used + count <= self.most:
            return 0
        oldest = min(slot for counts in self._every for slot in counts)
        return max(1, math.ceil((oldest + 1) * self._part_s + self.seconds - now_s))

    def used(self, now_s: float) -> int:
        """Events that count now."""
        last = self._slot(now_s - self.seconds)
        for counts in self._every:
            for slot in [slot for slot in counts if slot <= last]:
                del counts[slot]
        own, stored, fresh, reading, *passed = (sum(counts.values()) for counts in self._every)
        return max(own, stored + fresh + reading) + sum(passed)

    @property
    def _every(self) -> tuple[Counts, ...]:
        return self.own, self.stored, self.fresh, self.reading, self.released, self.passing

    @property
    def _part_s(self) -> float:
        return self.seconds / SLOTS

    def _slot(self, at_s: float) -> int:
        return int(at_s // self._part_s)

    def _add(self, counts: Counts, count: int, at_s: float) -> None:
        slot = self._slot(at_s)
        counts[slot] = counts.get(slot, 0) + count


class SourceLimits:
    """The limits of all sources, in one process. Thread-safe."""

    def __init__(
        self, sources: Mapping[str, Source], database: Database | None, clock: Callable[[], float] = time.time
    ) -> None:
        self._database: Final = database
        self._clock: Final = clock
        self._windows: Final = {
            name: tuple(Window(most, seconds) for most, seconds in source.limit)
            for name, source in sources.items()
            if source.limit
        }
        self._kept: Final = {name: Window(KEPT_BYTES, DAY_S) for name, source in sources.items() if source.is_open}
        self._throttle: Final = LogThrottle(_LOG_EVERY_S)
        self._lock: Final = threading.Lock()
        self._asked_s = 0.0
        self._reader: threading.Thread | None = None
        self._read_until = 0  #: id of the last event that was counted
        self._settled_s = 0  #: unix seconds: all that passed before is counted
        self._waiting: frozenset[str] = frozenset()  #: sources of which something waits for room

    def room(self, source: str) -> int:
        """How many events may pass now, as of the last reading. A source without a limit is not asked for."""
        now_s = self._clock()
        with self._lock:
            return max(0, min(window.most - window.used(now_s) for window in self._windows[source]))

    def wait_s(self, source: str, count: int, *, in_line: bool = False) -> int:
        """Takes ``count`` events and returns 0; or the seconds until there is room, and takes none.

        ``in_line``: what finds no room waits here for it, and nothing that comes later goes before it.
        """
        windows = self._windows.get(source)
        if windows is None:
            return 0
        now_s = self._clock()
        with self._lock:
            self._asked_s = now_s
            self._begin_reading()
            wait = max(window.wait_s(count, now_s) for window in windows)
            if in_line and (wait or source in self._waiting):
                self._waiting |= {source}
                return max(1, wait)
            if not wait:
                for window in windows:
                    window.add(count, now_s)
            return wait

    def keep(self, source: str, size: int) -> int:
        """Takes room for ``size`` bytes that go nowhere, and returns 0; or the seconds until there is room.

        A source that proves who sends has room always.
        """
        window = self._kept.get(source)
        if window is None or not size:
            return 0
        now_s = self._clock()
        with self._lock:
            self._asked_s = now_s
            self._begin_reading()
            wait = window.wait_s(size, now_s)
            if not wait:
                window.add(size, now_s)
            HELD.labels(_LIMIT).set(max(one.used(now_s) for one in self._kept.values()))
        if wait:
            REFUSED.labels(_LIMIT).inc()
            if (left_out := self._throttle.due(_LIMIT)) is not None:
                log.warning("a limit was reached", limit=_LIMIT, source=source, left_out=left_out)
        return wait

    def is_full(self, source: str, size: int) -> bool:
        """Whether ``size`` bytes more would be too many."""
        window = self._kept.get(source)
        if window is None:
            return False
        with self._lock:
            return window.wait_s(size, self._clock()) > 0

    def _begin_reading(self) -> None:
        if self._database is not None and self._reader is None:
            self._reader = threading.Thread(target=self._read_on, name="source limits", daemon=True)
            self._reader.start()

    def _read_on(self) -> None:
        """Until nobody sends any more, or the database is closed."""
        closed = self._database.closed if self._database is not None else threading.Event()
        while not closed.is_set():
            try:
                self.read()
            except Exception as fault:  # noqa: BLE001 - the outermost loop; the local count goes on
                log.warning("limits of sources are this process's own for now", fault=type(fault).__name__)
            closed.wait(READ_EVERY_S)
            with self._lock:
                if self._clock() > self._asked_s + IDLE_S:
                    self._reader = None
                    return

    def read(self) -> None:
        """Counts what all processes have stored, or let pass, since the last time; at first, since a day ago."""
        assert self._database is not None
        with self._lock:
            for window in (*self._all(), *self._kept.values()):
                window.begin_reading()
        with self._database.read() as conn:
            after = self._read_until or inbox.id_before(conn, int((self._clock() - DAY_S) * 1000))
            last, rows = inbox.counted_after(conn, after, list(self._windows))
            nowhere = inbox.bytes_after(conn, after, last, list(self._kept))
            waiting = limited.sources(conn)
            now_s = now_ms(conn) // 1000  # the clock by which they passed
            passed = limited.passed(conn, list(self._windows), self._settled_s or now_s - DAY_S)
        settled_s = max(self._settled_s, now_s - SETTLED_S)
        found, released, sizes = _by_source(rows), _by_source(passed), _by_source(nowhere)
        with self._lock:
            self._read_until, self._settled_s = last, settled_s
            self._waiting = frozenset(waiting)
            for name, window in self._kept.items():
                window.end_reading(sizes.get(name, ()))
            for name, windows in self._windows.items():
                for window in windows:
                    window.end_reading(found.get(name, ()))
                    window.end_reading_released(released.get(name, ()), settled_s)

    def _all(self) -> Iterator[Window]:
        return (window for windows in self._windows.values() for window in windows)


def _by_source(rows: Iterable[tuple[str, int, int]]) -> dict[str, list[tuple[int, int]]]:
    found: dict[str, list[tuple[int, int]]] = {}
    for source, at_s, count in rows:
        found.setdefault(source, []).append((at_s, count))
    return found
