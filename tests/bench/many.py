"""What reading costs with very many deliveries, of which a tenth waits, beside a hundredth of them.

Counted is processor time, ours and that of the database's server.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import orjson

from connector.admin.deliveries import Search, deliveries
from connector.admin.explain import explain
from connector.admin.privacy.purge import Purging
from connector.admin.status import status
from connector.config import loader
from connector.core.settings import Settings
from connector.store import search_keys
from connector.store.database import Database
from connector.vendors import destinations
from tests.bench import paging, places, serving, steps
from tests.bench.cost import database_s
from tests.bench.report import Report, at_most, limit

ARRAY = 10_000  #: deliveries that are received; the rest are copies
TIMES = 20  #: that each thing is read
COMMANDS = 5  #: times that a command is started
FLAT = 1.5  #: times as much for a hundred times as many
BYTES = 4_000  #: of disk for a delivery, with what the database writes beside it
#: What costs less than this is compared as if it cost this much: another process doubles 2 ms easily.
LEAST_MS = 5.0


def measure(
    report: Report,
    kind: str,
    name: str,
    at: Path,
    rows: int,
    fill: Callable[[serving.Connector, int], None],
    kept: Path | None = None,
) -> None:
    """The rows of one database. ``fill`` puts so many leads into a connector.

    ``kept``: a folder where SQLite files stay, and are found again by the next run instead of being built.
    """
    if not _is_built(kind, kept, rows) and (free := shutil.disk_usage(at).free) < rows * BYTES:
        report.skip(
            f"{rows:,} deliveries, {name}", f"{free / 1e9:.0f} GB are free, {rows * BYTES / 1e9:.0f} are needed"
        )
        return
    few, many = (_of(kind, at, size, fill, kept) for size in (max(ARRAY, rows // 100), rows))
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


def _of(
    kind: str, at: Path, rows: int, fill: Callable[[serving.Connector, int], None], kept: Path | None
) -> dict[str, float]:
    stays = kept if kind == "sqlite" else None
    if stays and _is_built(kind, stays, rows):
        return costs(kind, orjson.loads(_note(stays, rows).read_bytes()))
    folder = _note(stays, rows).parent if stays else at
    folder.mkdir(parents=True, exist_ok=True)
    with serving.connector(kind, folder) as connector:
        fill(connector, min(ARRAY, rows))
        steps.multiply(connector.environment["DATABASE_URL"], rows // ARRAY, waiting=max(1, rows // ARRAY // 10))
        found_by_now(connector.environment["DATABASE_URL"])
        if stays:
            _note(stays, rows).write_bytes(orjson.dumps(dict(connector.environment)))
        return costs(kind, connector.environment)


def _note(kept: Path, rows: int) -> Path:
    """Where the environment of a database is written down once it is built."""
    return kept.absolute() / str(rows) / "built.json"


def _is_built(kind: str, kept: Path | None, rows: int) -> bool:
    return kind == "sqlite" and kept is not None and _note(kept, rows).exists()


def found_by_now(url: str) -> None:
    """As if the loop that writes search keys had come to the last event; of the copies it writes none."""
    with contextlib.closing(Database(steps.engine_url(url))) as database, database.write() as conn:
        search_keys.write(conn, (), search_keys.last_event(conn))


#: What waits is counted one by one, and by a process that goes on only now and then.
ONCE = "status, nothing counted before"
#: Only a new process has counted nothing before.
COMMAND = "connector status, the whole command"


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
    began, found[ONCE] = database_s(kind, url), _status_once(settings, used)
    of_server = (database_s(kind, url) - began) * 1000
    found[COMMAND] = of_server + sum(_command_ms(environment) for _ in range(COMMANDS)) / COMMANDS
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


def _command_ms(environment: Mapping[str, str]) -> float:
    """Of the command's own process."""
    command = [places.PYTHON, "-m", "connector", "status"]
    process = subprocess.Popen(
        command, cwd=places.ROOT, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, spent = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise places.Broken(f"connector status: {said.decode(errors='replace').strip()[-600:]}")
    return (spent.ru_utime + spent.ru_stime) * 1000
