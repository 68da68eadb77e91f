"""The commands that stay: how they start, work together and are ended."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner

from connector.cli.demo_config import FORM_TOKEN
from connector.cli.root import connector as command
from connector.store import tables
from connector.store.database import Database
from connector.vendors.sandbox.exchange import Sandbox
from tests.broker import AMQP_URL, Broker, broker
from tests.connector_steps import environment, lead

__all__ = ["broker"]  # the fixture
PROJECT = Path(__file__).resolve().parent.parent


@pytest.fixture
def started(tmp_path: Path, sqlite_url: str, sandbox: Sandbox) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a command as a process of its own; whatever still runs at the end is killed."""
    environ = environment(tmp_path, sqlite_url, sandbox.url)
    processes: list[subprocess.Popen[str]] = []

    def start(*args: str, **more: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "connector", *args],
            env={**os.environ, **environ, "PORT": str(free_port()), **more},
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def until(so: Callable[[], object], *, timeout_s: float = 120.0) -> None:
    end = time.monotonic() + timeout_s
    while not so():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.02)


def alive(url: str) -> bool:
    try:
        return requests.get(f"{url}/livez", timeout=30).ok
    except requests.ConnectionError:
        return False


def post(url: str, payload: Mapping[str, Any]) -> requests.Response:
    return requests.post(f"{url}/webhooks/form", json=payload, headers={"X-Token": FORM_TOKEN}, timeout=60)


Start = Callable[..., subprocess.Popen[str]]


def caught(pid: int) -> set[str]:
    """The signals that a process does something about."""
    [line] = [one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("SigCgt")]
    mask = int(line.split()[1], 16)
    return {one.name for one in signal.Signals if mask & 1 << one - 1}


def running(process: subprocess.Popen[str]) -> str:
    """Where ``connector run`` listens."""
    assert process.stdout is not None
    found = re.search(r"http://\S+", process.stdout.readline())
    assert found, process.stderr and process.stderr.read()
    until(lambda: alive(found[0]))
    return found[0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_takes_and_delivers_and_ends_in_order(started: Start, sandbox: Sandbox, number: int) -> None:
    process = started("run")
    url = running(process)
    assert post(url, lead(1)).status_code == 202
    until(lambda: sandbox.wolkvox.count("1042") == 1)
    process.send_signal(number)
    assert process.wait(timeout=90) == 0
    assert not alive(url)


def test_a_call_in_flight_is_settled_before_the_end(started: Start, sandbox: Sandbox, sqlite_url: str) -> None:
    sandbox.limits.change(latency_s={"wolkvox.add_record": 1.5})
    process = started("run")
    assert post(running(process), lead(1)).status_code == 202
    until(lambda: any(call.operation == "wolkvox.add_record" for call in sandbox.calls))
    process.terminate()
    assert process.wait(timeout=90) == 0
    database = Database(sqlite_url)
    with database.read() as conn:
        assert conn.execute(tables.deliveries.select()).one().state == "delivered"
    database.close()


def test_a_second_signal_ends_at_once(started: Start, sandbox: Sandbox) -> None:
    sandbox.limits.change(latency_s={"wolkvox.add_record": 30})
    process = started("run")
    assert post(running(process), lead(1)).status_code == 202
    until(lambda: any(call.operation == "wolkvox.add_record" for call in sandbox.calls))
    process.terminate()
    until(lambda: process.poll() is not None or "SIGTERM" not in caught(process.pid), timeout_s=60)
    process.terminate()
    assert process.wait(timeout=90) == -signal.SIGTERM, "at once, and not in order when its time is over"


def test_web_and_work_share_what_run_does_alone(started: Start, sandbox: Sandbox) -> None:
    port = str(free_port())
    web, work = started("web", PORT=port, WEB_CONCURRENCY="1"), started("work")
    until(lambda: alive(f"http://127.0.0.1:{port}"))
    assert post(f"http://127.0.0.1:{port}", lead(1)).status_code == 202
    until(lambda: sandbox.wolkvox.count("1042") == 1)
    for process in (web, work):
        process.terminate()
        assert process.wait(timeout=90) == 0


@pytest.mark.parametrize("name", ["run", "web"])
def test_a_port_in_use_is_one_line_and_exit_code_1(started: Start, name: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = started(name, PORT=str(taken.getsockname()[1]))
        _, said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert re.fullmatch(r"connector: port \d+ .*PORT\n", said)


def test_the_sandbox_serves_until_it_is_asked_to_end(started: Start) -> None:
    process = started("sandbox", "--port", "0")
    assert process.stdout is not None
    found = re.search(r"http://[\d.:]+", process.stdout.readline())
    assert found
    assert requests.get(f"{found[0]}/_sandbox/state", timeout=60).ok
    process.terminate()
    assert process.wait(timeout=90) == 0


def test_from_the_broker_to_the_vendor_and_back_from_the_dead(
    started: Start, broker: Broker, tmp_path: Path, sqlite_url: str, sandbox: Sandbox
) -> None:
    more = f'[sources.crm]\nmapping = "lead"\nqueue = "{broker.queue}"\n'
    broker.declare()
    broker.publish(json.dumps(lead(1)).encode())
    broker.refuse_all()
    queued = {**environment(tmp_path, sqlite_url, sandbox.url, more=more), "AMQP_URL": AMQP_URL}
    moved = CliRunner().invoke(command, ["redrive", "crm"], env=queued)
    assert (moved.exit_code, moved.stdout) == (0, f"put back on {broker.queue}: 1\n")
    process = started("run", **queued)
    running(process)
    until(lambda: sandbox.wolkvox.count("1042") == 1)
    process.terminate()
    assert process.wait(timeout=90) == 0
    assert broker.depth() == broker.depth(broker.dead) == 0


def test_a_broker_that_refuses_us_ends_run_with_one_line(
    started: Start, tmp_path: Path, sqlite_url: str, sandbox: Sandbox, broker: Broker
) -> None:
    more = f'[sources.crm]\nmapping = "lead"\nqueue = "{broker.queue}"\n'
    wrong = re.sub("//[^@]*@", "//nobody:wrong@", AMQP_URL)
    queued = {**environment(tmp_path, sqlite_url, sandbox.url, more=more), "AMQP_URL": wrong, "LOG_LEVEL": "CRITICAL"}
    process = started("run", **queued)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert re.fullmatch(r"connector: .*check the user and the password in AMQP_URL\n", said)


def test_the_processes_make_their_tables_themselves(started: Start, sandbox: Sandbox, tmp_path: Path) -> None:
    process = started("run", DATABASE_URL=f"sqlite:///{tmp_path}/fresh/new.db")
    assert post(running(process), lead(1)).status_code == 202
    until(lambda: sandbox.wolkvox.count("1042") == 1)


def test_a_consumer_without_a_queue_waits_and_says_so(started: Start) -> None:
    process = started("consume")
    assert process.stderr is not None
    assert "no source has a queue" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=90) == 0
