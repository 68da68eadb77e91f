"""Storing takes turns: how long a lead waits to be durable while another source floods the same committer."""

from __future__ import annotations

import contextlib
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

from connector.inbound.committer import Committer
from connector.inbound.router import Router
from connector.store.arrivals import Arrival, Stored
from connector.store.migrate import migrate
from connector.vendors import destinations
from tests.bench import contacting, places, steps
from tests.bench.report import Report, limit

MOST_MS = 250.0  #: that a flood of one source may delay another's lead
BODIES = 4  #: of the flood that wait in line at any moment
EVERY_S = 0.02  #: between two leads of the other source


def measure(report: Report, kind: str, name: str, at: Path, body: int, seconds: float) -> None:
    """The rows of one database. ``body``: leads in a body of the flood."""
    with places.database(kind, at) as url:
        migrate(steps.engine_url(url))
        bench = contacting.Bench(url, at)
        committer = Committer(bench.database)
        try:
            make = _maker(bench)
            alone = _waits_ms(committer, make, "before", seconds)
            with _flood(committer, make, body) as stored:
                flooded = _waits_ms(committer, make, "during", seconds)
        finally:
            committer.close()
            bench.database.close()
        quiet, loud = statistics.quantiles(alone, n=100), statistics.quantiles(flooded, n=100)
        delay = loud[98] - quiet[98]
        note = (
            f"p50 {quiet[49]:.1f} → {loud[49]:.1f}, p99 {quiet[98]:.1f} → {loud[98]:.1f}, most {max(flooded):.0f} ms; "
            f"{len(flooded)} leads beside {stored():,} of the flood"
        )
        report.add(limit(f"a lead while another source floods, p99 more, {name}", delay, MOST_MS, unit="ms", note=note))


def _maker(bench: contacting.Bench) -> Callable[[str, str, int], Arrival]:
    """Arrivals as the router makes them; each has an id of its own."""
    one = contacting.arrival(Router(bench.settings(""), destinations.name_of), 1)

    def make(source: str, run: str, number: int) -> Arrival:
        return Arrival(
            source=source,
            event_id=f"{run}-{number}",
            type=one.type,
            state=one.state,
            payload=one.payload,
            fingerprint=one.fingerprint,
            deliveries=one.deliveries,
        )

    return make


def _waits_ms(committer: Committer, make: Callable[[str, str, int], Arrival], run: str, seconds: float) -> list[float]:
    waits: list[float] = []
    end, number = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        number += 1
        began = time.perf_counter()
        committer.put([make("crm", run, number)])
        waits.append((time.perf_counter() - began) * 1000)
        time.sleep(EVERY_S)
    return waits


@contextlib.contextmanager
def _flood(committer: Committer, make: Callable[[str, str, int], Arrival], body: int) -> Iterator[Callable[[], int]]:
    """Keeps the line of one source full; yields how many it has stored."""
    stopping, stored = threading.Event(), [0]
    line: deque[Future[list[Stored]]] = deque()

    def run() -> None:
        first = 0
        while not stopping.is_set():
            while len(line) < BODIES:
                line.append(committer.submit([make("pub", "flood", first + one) for one in range(body)]))
                first += body
            stored[0] += len(line.popleft().result())

    thread = threading.Thread(target=run, name="flood")
    thread.start()
    try:
        line_is_full = time.monotonic() + 30
        while not stored[0] and time.monotonic() < line_is_full:
            time.sleep(0.01)
        yield lambda: stored[0]
    finally:
        stopping.set()
        thread.join()
