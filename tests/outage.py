"""A Postgres that is killed under load and comes back: nothing that was acknowledged is lost, nothing is there twice.

`make outage` plays it at length; `tests/test_outage.py` plays it small.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import requests
from sqlalchemy import text

from connector.cli.demo_config import FORM_TOKEN
from connector.store.database import Database
from connector.store.migrate import migrate
from connector.vendors.sandbox.exchange import Sandbox
from tests.bench.places import free_port
from tests.broker import AMQP_URL
from tests.connector_steps import environment, lead
from tests.own_postgres import OwnPostgres, ReplicatedPostgres, own_postgres, replicated_postgres

ROOT = Path(__file__).parent.parent
SENDERS = 4


@dataclass(frozen=True, kw_only=True)
class Play:
    """What is played."""

    kind: str  #: of the spool: file | queue
    rounds: int = 10
    away_s: float = 60.0
    between_s: float = 5.0
    pause_s: float = 0.05  #: of each sender, between two leads
    kills_web: bool = True  #: in every second round, while the database is away
    patience_s: float = 120.0
    replica: bool = False  #: a standby takes the killed one's place, which is not started again


@dataclass
class Figures:
    """What came of it."""

    answers: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    twice: int = 0
    stored: int = 0
    undelivered: int = 0
    sent_twice: int = 0


class Senders:
    """Forms: each lead is sent once, whatever the answer is."""

    def __init__(self, url: str, pause_s: float) -> None:
        self.acknowledged: set[str] = set()
        self.answers: Counter[str] = Counter()
        self._url, self._pause_s = url, pause_s
        self._numbers, self._lock = iter(range(1, 10**6)), threading.Lock()
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(SENDERS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        session = requests.Session()
        while not self._stopped.wait(self._pause_s):
            with self._lock:
                number = next(self._numbers)
            try:
                answer = session.post(self._url, json=lead(number), headers={"X-Token": FORM_TOKEN}, timeout=30)
                said = answer.json().get("status") if answer.ok else answer.status_code
            except requests.RequestException:
                said = "no answer"
            with self._lock:
                self.answers[str(said)] += 1
                if said in ("accepted", "spooled", "duplicate"):
                    self.acknowledged.add(f"L-{number}")


def play(given: Play, sandbox: Sandbox) -> Figures:
    """Kills the database again and again while leads come in and go out."""
    with tempfile.TemporaryDirectory() as name, _server(given) as server, contextlib.ExitStack() as running:
        url = server.url.replace("://", "+psycopg://", 1)
        migrate(url)
        queue = f"test.{secrets.token_hex(6)}"
        more = f'\n[spool]\nkind = "{given.kind}"\nqueue = "{queue}"\npath = "{name}/spool.db"\n'
        environ = {
            **os.environ,
            **environment(Path(name), server.address, sandbox.url, more=more),
            "PORT": str(free_port()),
        }
        environ |= {"AMQP_URL": AMQP_URL} if given.kind == "queue" else {}
        running.callback(_forget, given.kind, queue)
        log = running.enter_context((Path(name) / "processes.log").open("w"))
        site = f"http://127.0.0.1:{environ['PORT']}"
        processes = {command: Supervised(command, environ, log) for command in ("web", "work")}
        running.callback(lambda: [process.end() for process in processes.values()])
        _until(lambda: _answers(site), given.patience_s)
        senders = Senders(f"{site}/webhooks/form", given.pause_s)
        senders.start()
        for number in range(given.rounds):
            time.sleep(given.between_s)
            server.kill()
            time.sleep(given.away_s / 2)
            if given.kills_web and number % 2:
                processes["web"].kill()
            time.sleep(given.away_s / 2)
            server.start()
        time.sleep(given.between_s)
        senders.stop()
        database = Database(url)
        running.callback(database.close)
        return _figures(senders, database, sandbox, given)


def _server(given: Play) -> contextlib.AbstractContextManager[OwnPostgres | ReplicatedPostgres]:
    return replicated_postgres() if given.replica else own_postgres()


class Supervised:
    """A process that is started again whenever it ends, as every platform does: also one that found no database."""

    def __init__(self, command: str, environ: dict[str, str], log: object) -> None:
        self._argv = [sys.executable, "-m", "connector", command]
        self._environ, self._log = environ, log
        self._lock, self._stopped = threading.Lock(), threading.Event()
        self._process = self._start()
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    def kill(self) -> None:
        with self._lock:
            self._process.kill()

    def end(self) -> None:
        self._stopped.set()
        self._thread.join()
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _keep(self) -> None:
        while not self._stopped.wait(0.5):
            if self._process.poll() is not None:
                with self._lock:
                    self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
            self._argv, cwd=ROOT, env=self._environ, stdout=self._log, stderr=self._log
        )


def _answers(site: str) -> bool:
    with contextlib.suppress(requests.RequestException):
        return requests.get(f"{site}/livez", timeout=2).ok
    return False


def _until(true: object, patience_s: float) -> bool:
    assert callable(true)
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.1)
    return False


def _figures(senders: Senders, database: Database, sandbox: Sandbox, given: Play) -> Figures:
    def ids() -> list[str]:
        with database.read() as conn:
            return list(conn.execute(text("SELECT event_id FROM events")).scalars())

    _until(lambda: senders.acknowledged <= set(ids()), given.patience_s)
    query = text("SELECT count(*) FROM deliveries WHERE state NOT IN ('delivered', 'suppressed')")

    def waiting() -> int:
        with database.read() as conn:
            return int(conn.execute(query).scalar_one())

    _until(lambda: not waiting(), given.patience_s)
    found = ids()
    return Figures(
        answers=senders.answers,
        lost=len(senders.acknowledged - set(found)),
        twice=len(found) - len(set(found)),
        stored=len(found),
        undelivered=waiting(),
        sent_twice=len(sandbox.wolkvox.duplicates("1042")),
    )


def _forget(kind: str, queue: str) -> None:
    if kind != "queue":
        return
    import pika

    with contextlib.closing(pika.BlockingConnection(pika.URLParameters(AMQP_URL))) as connection:
        for name in (queue, f"{queue}.dead"):
            connection.channel().queue_delete(name)


@contextlib.contextmanager
def _sandbox() -> Iterator[Sandbox]:
    with Sandbox(port=0) as sandbox:
        yield sandbox


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.outage", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--away", type=float, default=60.0, help="seconds of each outage")
    parser.add_argument("--replica", action="store_true", help="a standby takes the killed one's place")
    args = parser.parse_args()
    failed = False
    for kind in ("file", "queue"):
        with _sandbox() as sandbox:
            found = play(Play(kind=kind, rounds=args.rounds, away_s=args.away, replica=args.replica), sandbox)
        print(f"{kind}: {found}", flush=True)
        failed |= bool(found.lost or found.twice or found.sent_twice or found.undelivered)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
