"""What reading costs with very many deliveries, of which a tenth waits, beside a hundredth of them.

Counted is processor time, ours and that of the database's server.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from connector.admin.deliveries import Search, deliveries
from connector.admin.explain import explain
from connector.admin.privacy.purge import Purging
from connector.admin.status import status
from connector.config import loader
from connector.core.settings import Settings
from connector.store import search_keys
from connector.store.database import Database
from connector.vendors import destinations
from tests.bench import paging, serving, steps
from tests.bench.cost import database_s
from tests.bench.report import Report, at_most, limit

ARRAY = 10_000  #: deliveries that are received; the rest are copies
TIMES = 20  #: that each thing is read
FLAT = 1.5  #: times as much for a hundred times as many
BYTES = 4_000  #: of disk for a delivery, with what the database writes beside it
#: What costs less than this is compared as if it cost this much: another process doubles 2 ms easily.
LEAST_MS = 5.0


def measure(
    report: Report, kind: str, name: str, at: Path, rows: int, fill: Callable[[serving.Connector, int], None]
) -> None:
    """The rows of one database. ``fill`` puts so many leads into a connector."""
    if (free := shutil.disk_usage(at).free) < rows * BYTES:
        report.skip(
            f"{rows:,} deliveries, {name}", f"{free / 1e9:.0f} GB are free, {rows * BYTES / 1e9:.0f} are needed"
        )
        return
    few, many = (_of(kind, at, size, fill) for size in (max(ARRAY, rows // 100), rows))
    told(report, name, rows, few, many)


def told(report: Report, name: str, rows: int, few: Mapping[str, float], many: Mapping[str, float]) -> None:
    """What each thing costs (ms) with many rows, beside few."""
    for what, cost in many.items():
        beside = max(LEAST_MS, few[what])
        work = f"processor time of {what}, {rows:,} deliveries, {name}"
        if what == ONCE:
            report.add(limit(work, cost, 1000.0, unit="ms", note=f"with few: {beside:.1f} ms"))
        else:
            report.add(at_most(work, max(LEAST_MS, cost), beside, FLAT, unit="ms", of="few"))


def _of(kind: str, at: Path, rows: int, fill: Callable[[serving.Connector, int], None]) -> dict[str, float]:
    with serving.connector(kind, at) as connector:
        fill(connector, min(ARRAY, rows))
        steps.multiply(connector.environment["DATABASE_URL"], rows // ARRAY, waiting=max(1, rows // ARRAY // 10))
        found_by_now(connector.environment["DATABASE_URL"])
        return costs(kind, connector.environment)


def found_by_now(url: str) -> None:
    """As if the loop that writes search keys had come to the last event; of the copies it writes none."""
    with contextlib.closing(Database(steps.engine_url(url))) as database, database.write() as conn:
        search_keys.write(conn, (), search_keys.last_event(conn))


#: What waits is counted one by one, and by a process that goes on only now and then.
ONCE = "status, nothing counted before"


def costs(kind: str, environment: Mapping[str, str]) -> dict[str, float]:
    """What is read -> its processor time (ms)."""
    settings = loader.load({**os.environ, **environment}, destinations=destinations.SPECS)
    url = environment["DATABASE_URL"]

    def used() -> float:
        return time.process_time() + database_s(kind, url)

    found = {}
    for name, read in _reads(settings):
        with contextlib.closing(Database(settings.database_url)) as database:
            found[name] = _mean_ms(lambda read=read, database=database: read(database), used)  # type: ignore[misc]
    found["a step of purge"] = _step_of_purge(settings, used)
    with contextlib.closing(Database(settings.database_url)) as database:
        _, client = paging.opened(settings, database)
        destination = destinations.name_of(settings.routes[0])
        for name, (path, _) in paging.PAGES.items():
            address = path.format(destination=destination)
            found[f"console, {name}"] = _mean_ms(lambda to=address: client.get(to, base_url=paging.BASE), used)  # type: ignore[misc]
    found[ONCE] = _status_once(settings, used)
    return found


def _reads(settings: Settings) -> Iterator[tuple[str, Callable[[Database], object]]]:
    searches = {
        "deliveries": Search(),
        "deliveries --state pending": Search(state="pending"),
        "deliveries --find, a phone": Search(find="+573000000005"),
        "deliveries --find, nobody's phone": Search(find="+573205550001"),
        "deliveries --find, an id": Search(find="d5"),
    }
    for name, search in searches.items():
        yield name, lambda database, search=search: deliveries(database, settings, search)  # type: ignore[misc]
    yield "status", lambda database: status(database, settings)
    yield "explain", lambda database: explain(database, settings, "d5")


def _mean_ms(read: Callable[[], object], used: Callable[[], float]) -> float:
    read()
    before = used()
    for _ in range(TIMES):
        read()
    return (used() - before) * 1000 / TIMES


def _step_of_purge(settings: Settings, used: Callable[[], float]) -> float:
    with contextlib.closing(Database(settings.database_url)) as database:
        walk = Purging(settings, database, older_than_ms=0).run()
        next(walk)
        next(walk)
        before = used()
        for _ in range(TIMES // 2):
            next(walk, None)
        return (used() - before) * 1000 / (TIMES // 2)


def _status_once(settings: Settings, used: Callable[[], float]) -> float:
    with contextlib.closing(Database(settings.database_url)) as database:
        with database.read():
            before = used()
        status(database, settings)
        return (used() - before) * 1000
