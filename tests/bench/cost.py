"""What a lead costs in processor time, from socket to settled, and what processes cost while nothing happens.

Times are user and system of whole processes, from /proc: load makes them a little larger, never a multiple.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from sqlalchemy.engine import make_url

from tests.bench import load, places, serving, steps
from tests.bench.places import Broken, Running
from tests.bench.report import Report, at_most, limit

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
CONNECTIONS = (1, 16, 64)
IDLE_S = 20.0
PARTS = (("web", "work"), ("run",))


def cpu_s(pid: int) -> float:
    """Seconds of processor time that a process and its children, alive or waited for, have used."""
    return sum(_own_s(one) for one in places.tree(pid))


def _own_s(pid: int) -> float:
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(int(one) for one in fields[11:15]) * _TICK_S
    return 0.0


def switches(pid: int) -> int:
    """How often threads of a process and its children went to sleep and were woken."""
    found = 0
    for one in places.tree(pid):
        for status in Path(f"/proc/{one}/task").glob("*/status"):
            with contextlib.suppress(OSError):
                lines = status.read_text().splitlines()
                found += sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt"))
    return found


def named_s(program: str) -> float:
    """Seconds of processor time of all processes of this program: the broker's."""
    found = 0.0
    for path in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            if path.read_text().strip() == program:
                found += _own_s(int(path.parent.name))
    return found


def database_s(kind: str, url: str) -> float:
    """Processor time of the database's processes that serve this database; 0 of one that runs within ours."""
    if kind == "sqlite":
        return 0.0
    name = make_url(steps.engine_url(url)).database or ""
    found = 0.0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if f" {name} " in path.read_text().replace("\0", " "):
                found += _own_s(int(path.parent.name))
    return found


def cost(report: Report, kinds: Sequence[str], seconds: float) -> None:
    """Processor time of a lead, and of idleness."""
    for kind in kinds:
        seen: dict[tuple[str, int], float] = {}
        for parts in PARTS:
            with places.folder() as at:
                seen |= _of_leads(report, kind, at, parts, seconds)
        for connections in CONNECTIONS:
            two, one = (seen[" + ".join(parts), connections] for parts in PARTS)
            work = f"processor time of a lead, {kind}, {connections} connections, run"
            report.add(at_most(work, one, two, 1.3, unit="ms", of="web + work"))


def _of_leads(
    report: Report, kind: str, at: Path, parts: Sequence[str], seconds: float
) -> dict[tuple[str, int], float]:
    found: dict[tuple[str, int], float] = {}
    name = " + ".join(parts)
    with (
        places.vendor(at, latency_s=0.0) as vendor,
        serving.connector(kind, at, vendor_url=vendor.url) as connector,
        steps.Together([connector.start(part) for part in parts]) as running,
    ):
        time.sleep(2.0)
        _idle(report, f"{kind}, {name}", running)
        for connections in CONNECTIONS:
            arrived = vendor.stats().rows
            options: dict[str, str | float] = {"--connections": connections, "--seconds": seconds, "--warmup": 0}
            given = [one for pair in options.items() for one in pair]
            before = _used(running), database_s(kind, connector.environment["DATABASE_URL"]), _woken(running)
            sent = load.run(connector.url, *given, "--requests", 30_000, "--run", f"c{connections}")
            count = sum(number for status, number in sent.statuses.items() if status.startswith("2"))
            _until_at_vendor(lambda: vendor.stats().rows, arrived + count, running)
            own_s, base_s = (
                _used(running) - before[0],
                database_s(kind, connector.environment["DATABASE_URL"]) - before[1],
            )
            found[name, connections] = own_s / count * 1000
            wakes = (_woken(running) - before[2]) / count
            note = f"{count:,} leads, {wakes:.1f} wake-ups each; database beside: {base_s / count * 1000:.2f} ms"
            work = f"processor time of a lead, {kind}, {connections} connections, {name}"
            report.add(limit(work, found[name, connections], 2.0, unit="ms", note=note))
    return found


def _used(running: Sequence[Running]) -> float:
    return sum(cpu_s(one.process.pid) for one in running)


def _woken(running: Sequence[Running]) -> int:
    return sum(switches(one.process.pid) for one in running)


def _until_at_vendor(rows: Callable[[], int], wanted: int, running: Sequence[Running]) -> None:
    until = time.monotonic() + 120
    while rows() < wanted:
        for one in running:
            one.check()
        if time.monotonic() > until:
            raise Broken(f"{rows():,} rows came to the vendor, not {wanted:,}")
        time.sleep(0.1)
    time.sleep(1.0)  # what came last is settled, too


def _idle(report: Report, name: str, running: Sequence[Running]) -> None:
    before = _used(running)
    time.sleep(IDLE_S)
    used = (_used(running) - before) / IDLE_S * 60
    memory = sum(one.measure() for one in running)
    report.add(limit(f"idle, processor time a minute, {name}", used * 1000, 1000, unit="ms"))
    report.add(limit(f"idle, memory, {name}", memory, 250, unit="MB"))
