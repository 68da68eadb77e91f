"""Workers that are killed again and again while leads come: how soon each lead is delivered, and how often.

`make recovery` plays ten kills in twenty seconds, with calls of up to 65 s; `tests/test_recovery.py` plays it small.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson
import psycopg
from sqlalchemy import text

from connector.admin.status import status
from connector.config import loader
from connector.core.settings import Settings
from connector.inbound.receiver import Receiver
from connector.inbound.router import Router
from connector.store import inbox
from connector.store.database import Database, now_ms
from connector.store.migrate import migrate
from connector.vendors import destinations
from connector.vendors.sandbox.exchange import Sandbox
from tests.conftest import POSTGRES, as_sqlalchemy
from tests.connector_steps import environment, lead

ROOT = Path(__file__).parent.parent
TICK_S = 0.1
HOLDS: Final = ("documented", "measured")  #: what `lost_call_holds` may be
BEFORE: Final = 3  #: leads that are delivered before the first kill


@dataclass(frozen=True, kw_only=True)
class Play:
    """What is played."""

    kills: int = 10
    seconds: float = 20.0  #: in which the kills happen
    leads: int = 600  #: that come meanwhile, evenly
    timeout_s: float = 65.0
    answer_s: float = 1.0  #: of the vendor
    where: str = "before"  #: when it inserts: "before" it waits so long, or "after" (it answers late)
    holds: str = "documented"
    in_a_call: bool = False  #: each worker is killed in a call, however slow the machine is
    patience_s: float = 300.0


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What came of it. Times from the last kill, or from a lead's own receipt where that was later."""

    states: dict[str, int]
    twice: int
    there: int  #: at the vendor
    lost_calls: int  #: that were given up because their worker died
    median_s: float
    last_s: float


def play(folder: Path, url: str, given: Play, sandbox: Sandbox) -> Figures:
    """Kills workers of this database while leads come, then waits until all are settled."""
    environ, settings = _configured(folder, url, given, sandbox)
    database = Database(url)
    log = folder / "workers.log"
    with log.open("w") as out, contextlib.ExitStack() as running:
        running.callback(database.close)
        worker = _start(environ, out)
        receiver = Receiver(settings, Router(settings, destinations.name_of))
        _put(database, settings, receiver, 0, BEFORE)  # the vendor is known to find who is there, and how fast it is
        _wait(database, given)
        began, stored, killed = time.monotonic(), BEFORE, 0
        while killed < given.kills:
            passed = time.monotonic() - began
            share = (killed + 1) / given.kills if given.in_a_call else min(1.0, passed / given.seconds)
            due = BEFORE + int((given.leads - BEFORE) * share)
            _put(database, settings, receiver, stored, due)
            stored = due
            is_time = passed > (killed + 1) * given.seconds / given.kills
            if is_time and (not given.in_a_call or _is_sending(database, worker.pid)):
                worker.kill()
                worker.wait()
                killed += 1
                worker = _start(environ, out)
            time.sleep(TICK_S)
        _put(database, settings, receiver, stored, given.leads)
        last = time.time() * 1000
        running.callback(_end, worker)
        _wait(database, given)
        return _figures(database, last, sandbox, log)


def stop_in_a_call(folder: Path, url: str, given: Play, sandbox: Sandbox) -> tuple[dict[str, int], int]:
    """Ends a worker in order (SIGTERM) while it calls; returns its attempts by state, and how many slots are held."""
    environ, settings = _configured(folder, url, given, sandbox)
    with contextlib.closing(Database(url)) as database, (folder / "workers.log").open("w") as out:
        _put(database, settings, Receiver(settings, Router(settings, destinations.name_of)), 0, BEFORE)
        worker = _start(environ, out)
        end = time.monotonic() + given.patience_s
        while not _is_sending(database, worker.pid) and time.monotonic() < end:
            time.sleep(TICK_S)
        _end(worker)
        with database.read() as conn:
            counted = conn.execute(
                text("SELECT state, count(*) FROM attempts WHERE kind = 'send' GROUP BY state")
            ).all()
        held = sum(account["in_flight"]["used"] for account in status(database, settings)["accounts"])
        return dict(map(tuple, counted)), held


def _configured(folder: Path, url: str, given: Play, sandbox: Sandbox) -> tuple[dict[str, str], Settings]:
    """The environment of the workers, and what they read; the vendor is told how to answer."""
    sandbox.fault("wolkvox.add_record", "slow", times=None, seconds=given.answer_s, where=given.where)
    more = f'timeout_s = {given.timeout_s}\nlost_call_holds = "{given.holds}"\n'
    environ = {**os.environ, **environment(folder, url, sandbox.url)}
    config = Path(environ["CONNECTOR_CONFIG"])
    config.write_text(config.read_text().replace('dial_prefix = "9"\n', f'dial_prefix = "9"\n{more}'))
    return environ, loader.load(environ, destinations=destinations.SPECS)


def _start(environ: dict[str, str], out: object) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-m", "connector", "work"]
    return subprocess.Popen(argv, cwd=ROOT, env=environ, stdout=out, stderr=out)  # type: ignore[call-overload,no-any-return]


def _end(worker: subprocess.Popen[bytes]) -> None:
    worker.terminate()
    try:
        worker.wait(30)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()


def _put(database: Database, settings: Settings, receiver: Receiver, first: int, end: int) -> None:
    payloads = [lead(number) for number in range(first, end)]
    if not payloads:
        return
    arrivals, _ = receiver.arrivals(
        settings.sources["landing"], orjson.dumps(payloads), content_type="application/json", headers={}
    )
    with database.write() as conn:
        inbox.store(conn, arrivals)


def _is_sending(database: Database, pid: int) -> bool:
    """Whether the process has begun a call that may have reached the vendor."""
    query = text(
        "SELECT count(*) FROM attempts WHERE state = 'started' AND kind = 'send'"
        " AND started_at < :begun AND worker LIKE :who"
    )
    with database.read() as conn:
        return bool(conn.execute(query, {"begun": now_ms(conn) - 200, "who": f"%:{pid}/%"}).scalar_one())


def _wait(database: Database, given: Play) -> None:
    end = time.monotonic() + given.patience_s
    query = text("SELECT count(*) FROM deliveries WHERE state <> 'delivered'")
    while time.monotonic() < end:
        with database.read() as conn:
            if not conn.execute(query).scalar_one():
                return
        time.sleep(TICK_S)


def _figures(database: Database, last: float, sandbox: Sandbox, log: Path) -> Figures:
    with database.read() as conn:
        rows = conn.execute(text("SELECT state, created_at, updated_at FROM deliveries")).all()
        counted = conn.execute(text("SELECT state, count(*) FROM deliveries GROUP BY state")).all()
    after = [max(0.0, row.updated_at - max(last, row.created_at)) / 1000 for row in rows if row.updated_at > last]
    return Figures(
        states=dict(map(tuple, counted)),
        twice=len(sandbox.wolkvox.duplicates("1042")),
        there=sandbox.wolkvox.count("1042"),
        lost_calls=log.read_text().count("a worker died"),
        median_s=round(statistics.median(after), 1) if after else 0.0,
        last_s=round(max(after, default=0.0), 1),
    )


@contextlib.contextmanager
def _database(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        url = f"sqlite:///{folder / 'connector.db'}"
        migrate(url)
        yield url
        return
    name = f"recovery_{secrets.token_hex(4)}"
    with psycopg.connect(POSTGRES, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        try:
            migrate(as_sqlalchemy(POSTGRES, name))
            yield as_sqlalchemy(POSTGRES, name)
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.recovery", description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--leads", type=int, default=600)
    parser.add_argument("--answer", type=float, default=1.0, help="seconds until the vendor answers")
    parser.add_argument("--only", choices=("sqlite", "postgres"), help="one database instead of both")
    parser.add_argument("--holds", choices=HOLDS, help="one of the settings of lost_call_holds instead of both")
    args = parser.parse_args()
    failed = False
    for kind in (args.only,) if args.only else ("sqlite", "postgres"):
        for holds in (args.holds,) if args.holds else HOLDS:
            with tempfile.TemporaryDirectory() as name, _database(kind, Path(name)) as url, Sandbox(port=0) as sandbox:
                given = Play(
                    kills=args.kills, seconds=args.seconds, leads=args.leads, holds=holds, answer_s=args.answer
                )
                figures = play(Path(name), url, given, sandbox)
            print(f"{kind}, {holds}, answers in {args.answer:g} s: {figures}", flush=True)
            failed |= figures.twice > 0 or figures.states != {"delivered": args.leads}
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
