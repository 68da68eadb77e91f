"""Real processes that are started while a Postgres of the test's own is away, or hangs: they spool, and wait."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from sqlalchemy import text

from connector.cli.demo_config import FORM_TOKEN
from connector.core.errors import StoreUnavailable
from connector.store.database import Database
from connector.vendors.sandbox.exchange import Sandbox
from tests.bench.places import free_port
from tests.broker import AMQP_URL, Broker, broker
from tests.connector_steps import environment, lead
from tests.own_postgres import OwnPostgres, own_postgres

__all__ = ["broker"]  # the fixture
pytestmark = pytest.mark.slow
ROOT = Path(__file__).parent.parent
LONG_S = 90.0
SPOOL = '\n[spool]\nkind = "{kind}"\nqueue = "{queue}"\npath = "{folder}/spool.db"\n'


class Site:
    """Processes with a spool over a database without tables, which is away at first."""

    def __init__(self, folder: Path, server: OwnPostgres, sandbox: Sandbox, kind: str, queue: str) -> None:
        self.server, self.sandbox = server, sandbox
        self.url = server.url.replace("://", "+psycopg://", 1)
        self.log = folder / "processes.log"
        more = SPOOL.format(kind=kind, queue=queue, folder=folder)
        self.environ = {**os.environ, **environment(folder, self.url, sandbox.url, more=more)}
        self.environ |= {"PORT": str(free_port()), "WEB_CONCURRENCY": "1", "CONSUMER_CONCURRENCY": "1"}
        self.environ |= {"AMQP_URL": AMQP_URL}
        self.at = f"http://127.0.0.1:{self.environ['PORT']}"
        self._processes: list[subprocess.Popen[bytes]] = []
        server.kill()

    def start(self, command: str, *, module: str = "connector", **more: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, command],
                cwd=ROOT,
                env=self.environ | more,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def serves(self) -> None:
        until(self._answers)

    def _answers(self) -> bool:
        with contextlib.suppress(requests.RequestException):
            return requests.get(f"{self.at}/livez", timeout=5).ok
        return False

    def get(self, path: str) -> requests.Response:
        return requests.get(f"{self.at}{path}", timeout=120)

    def send(self, number: int, token: str = FORM_TOKEN) -> requests.Response:
        return requests.post(f"{self.at}/webhooks/form", json=lead(number), headers={"X-Token": token}, timeout=120)

    def stores(self, number: int) -> None:
        """Sends it until it is stored at once."""
        until(lambda: self.send(number).json()["status"] in ("accepted", "duplicate"), 0.5)

    def stored(self) -> list[str]:
        """The ids of the events; none while the database, or its tables, are not there."""
        with contextlib.closing(Database(self.url)) as database:
            try:
                with database.read() as conn:
                    return list(conn.execute(text("SELECT event_id FROM events ORDER BY id")).scalars())
            except StoreUnavailable:
                return []

    def says(self, words: str) -> int:
        return self.log.read_text().count(words)

    def close(self) -> None:
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def until(so: Callable[[], object], look_s: float = 0.05) -> None:
    end = time.monotonic() + LONG_S
    while not so():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(look_s)


def spooled(answer: requests.Response) -> bool:
    return (answer.status_code, answer.json()) == (202, {"status": "spooled"})


@pytest.fixture(params=["file", "queue"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    queue = ""
    if request.param == "queue":
        found: Broker = request.getfixturevalue("broker")  # skips without one
        queue = found.queue
    with own_postgres() as server, Sandbox(port=0) as sandbox:
        made = Site(tmp_path, server, sandbox, request.param, queue or "connector.spool")
        try:
            yield made
        finally:
            made.close()


@pytest.mark.parametrize("command", ["web", "run"])
def test_it_takes_webhooks_before_the_database_was_ever_there(site: Site, command: str) -> None:
    process = site.start(command)
    site.serves()
    assert spooled(site.send(1))
    assert spooled(site.send(2))
    assert site.send(3, token="wrong").status_code == 401
    ready = site.get("/readyz")
    assert (ready.status_code, ready.json()["database"], ready.json()["spool"]) == (200, "away", "takes events")
    assert site.get("/metrics").ok
    assert site.says("this process waits for it") == 1
    site.server.start()
    until(lambda: site.stored() == ["L-1", "L-2"])
    site.stores(4)
    until(lambda: site.get("/readyz").json()["database"] == "reachable")
    if command == "run":
        until(lambda: site.sandbox.wolkvox.count("1042") == 3)
        assert not site.sandbox.wolkvox.duplicates("1042")
    assert site.stored() == ["L-1", "L-2", "L-4"]
    process.terminate()
    assert process.wait(300) == 0


@pytest.mark.parametrize("site", ["file"], indirect=True)
@pytest.mark.parametrize("command", ["web", "run", "work", "poll"])
def test_a_process_that_waits_for_the_database_ends_in_order(site: Site, command: str) -> None:
    process = site.start(command)
    until(lambda: site.says("this process waits for it"))
    if command in ("web", "run"):
        site.serves()
        assert spooled(site.send(1))
    process.terminate()
    assert process.wait(300) == 0
    assert "Traceback" not in site.log.read_text()


@pytest.mark.parametrize("site", ["file"], indirect=True)
def test_a_worker_that_waits_delivers_once_the_database_is_there(site: Site) -> None:
    site.start("work")
    site.start("web")
    site.serves()
    assert spooled(site.send(1))
    until(lambda: site.says("this process waits for it") == 2)
    site.server.start()
    until(lambda: site.sandbox.wolkvox.count("1042") == 1)
    assert site.stored() == ["L-1"]


@pytest.mark.parametrize("site", ["file"], indirect=True)
@pytest.mark.parametrize("command", ["web", "work", "poll"])
def test_without_a_spool_it_ends_with_one_line(site: Site, command: str) -> None:
    """Its supervisor starts it again."""
    config = Path(site.environ["CONNECTOR_CONFIG"])
    config.write_text(config.read_text().partition("[spool]")[0])
    assert site.start(command).wait(300) == 1
    assert re.fullmatch(r"connector: the database cannot be used now: .*\n", site.log.read_text())


@pytest.mark.parametrize("site", ["file"], indirect=True)
def test_a_database_that_hangs_is_one_that_is_away(site: Site) -> None:
    """It accepts, and never answers: the spool takes over before the sender gives up."""
    site.server.start()
    site.start("web")
    site.serves()
    site.stores(1)
    site.server.freeze()
    try:
        assert spooled(site.send(2))
        assert spooled(site.send(3))
        with ThreadPoolExecutor(6) as probes:  # more than there are threads for them
            answers = list(probes.map(site.get, ["/readyz", "/metrics"] * 3))
        assert {answer.status_code for answer in answers} == {200}
        assert {answer.json()["database"] for answer in answers[::2]} == {"away"}
        assert all("connector_database_up 0.0" in answer.text for answer in answers[1::2])
    finally:
        site.server.thaw()
    until(lambda: sorted(site.stored()) == ["L-1", "L-2", "L-3"])
    site.stores(4)
    assert sorted(site.stored()) == ["L-1", "L-2", "L-3", "L-4"]


@pytest.mark.parametrize("site", ["file"], indirect=True)
def test_a_database_that_hangs_at_the_start_keeps_nobody_waiting(site: Site) -> None:
    site.server.start()
    site.server.freeze()
    try:
        site.start("web")
        site.serves()
        assert spooled(site.send(1))
    finally:
        site.server.thaw()
    until(lambda: site.stored() == ["L-1"])


def test_killed_between_the_spool_and_the_answer_it_is_there_once(site: Site, tmp_path: Path) -> None:
    """Durable, and not answered: its sender repeats it to the next process."""
    armed = {"KILL_STEP": "spooled", "KILL_NTH": "2", "KILL_COUNT": str(tmp_path / "count")}
    doomed = site.start("web", module="tests.killed_at_step", **armed)
    site.serves()
    assert spooled(site.send(1))
    with pytest.raises(requests.ConnectionError):
        site.send(2)
    assert doomed.wait(300) == -signal.SIGKILL
    site.start("web")
    site.serves()
    assert spooled(site.send(2))
    assert spooled(site.send(3))
    site.start("work")
    site.server.start()
    until(lambda: site.sandbox.wolkvox.count("1042") == 3)
    assert site.stored() == ["L-1", "L-2", "L-3"]
    assert not site.sandbox.wolkvox.duplicates("1042")
