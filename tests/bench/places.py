"""Where a run lives: folders, ports, databases, queues and processes of its own, all gone afterwards."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import pika
import psycopg

from tests.bench import leads

ROOT = Path(__file__).parents[2]
PYTHON = sys.executable
POSTGRES_URL = os.environ.get("BENCH_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
AMQP_URL = os.environ.get("AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/%2F")
_READY_S = 30.0
_STOP_S = 30.0
_CALLS = "/api/v2/campaign.php"


class Unavailable(Exception):  # noqa: N818 - a reason to skip, not an error
    """This machine cannot measure it; the text says why."""


class NotThere(Exception):  # noqa: N818 - an answer
    """The broker has no such queue."""


class Broken(Exception):  # noqa: N818 - read as a verdict
    """A process that should run does not; the text holds its last words."""


@dataclass
class Running:
    """A started process. `peak_mb` is filled while it runs and read after it stopped."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    peak_mb: dict[int, float] = field(default_factory=dict)

    def check(self) -> None:
        """Raises `Broken` if it is no longer there."""
        if self.process.poll() is not None:
            raise Broken(f"{self.name} ended with exit code {self.process.returncode}: {self.last_words()}")

    def last_words(self) -> str:
        text = self.log.read_text(errors="replace").strip()
        return text[-600:] or "it said nothing"

    def measure(self) -> float:
        """The largest resident memory any of its processes ever had, in MB."""
        for pid in tree(self.process.pid):
            with contextlib.suppress(OSError):
                self.peak_mb[pid] = max(self.peak_mb.get(pid, 0.0), _high_water_mb(pid))
        return max(self.peak_mb.values(), default=0.0)

    def stop(self) -> None:
        self.measure()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def tree(pid: int) -> list[int]:
    """A process and those that it started."""
    found = [pid]
    with contextlib.suppress(OSError):
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in children.read_text().split():
                found += tree(int(child))
    return found


def _high_water_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder on disk that is deleted afterwards: /tmp may be memory, where an fsync costs nothing."""
    parent = ROOT / "var"
    parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=parent) as name:
        yield Path(name)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def started(
    name: str, command: Sequence[str], *, at: Path, env: Mapping[str, str] | None = None, ready: str = ""
) -> Iterator[Running]:
    """Runs a command until the end of the block. `ready`: a URL that answers below 500 once it may be used."""
    log = at / f"{name.replace(' ', '-')}-{secrets.token_hex(3)}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **(env or {})}, stdout=out, stderr=out)
    running = Running(name, process, log)
    try:
        if ready:
            _wait_until_ready(running, ready)
        yield running
    finally:
        running.stop()


def _wait_until_ready(running: Running, url: str) -> None:
    until = time.monotonic() + _READY_S
    while time.monotonic() < until:
        running.check()
        with contextlib.suppress(urllib.error.URLError, OSError):
            try:
                urllib.request.urlopen(url, timeout=2).close()
                return
            except urllib.error.HTTPError as answer:
                answer.close()
                if answer.code < 500:
                    return
        time.sleep(0.05)
    raise Broken(f"{running.name} does not answer at {url} after {_READY_S:.0f} s: {running.last_words()}")


@contextlib.contextmanager
def database(kind: str, at: Path) -> Iterator[str]:
    """A fresh database's URL: "sqlite" in the folder, "postgres" on the server of BENCH_POSTGRES_URL."""
    if kind == "sqlite":
        yield f"sqlite:///{at / f'connector-{secrets.token_hex(3)}.db'}"
        return
    name = f"bench_{secrets.token_hex(5)}"
    try:
        server = psycopg.connect(POSTGRES_URL, autocommit=True, connect_timeout=3)
    except psycopg.OperationalError as fault:
        raise Unavailable(f"no Postgres at BENCH_POSTGRES_URL: {str(fault).splitlines()[0]}") from fault
    with server:
        server.execute(f"CREATE DATABASE {name}")
        try:
            yield POSTGRES_URL.rsplit("/", 1)[0] + f"/{name}"
        finally:
            server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def broker() -> pika.BlockingConnection:
    """A connection to the broker at AMQP_URL, or `Unavailable`."""
    parameters = pika.URLParameters(AMQP_URL)
    parameters.socket_timeout = parameters.stack_timeout = 5
    try:
        return pika.BlockingConnection(parameters)
    except (pika.exceptions.AMQPError, OSError) as fault:
        raise Unavailable(f"no RabbitMQ at AMQP_URL: {type(fault).__name__}") from fault


@contextlib.contextmanager
def queue() -> Iterator[str]:
    """A queue name that nobody else uses; the queue and what was declared beside it are deleted afterwards."""
    broker().close()
    name = f"bench.{secrets.token_hex(5)}"
    try:
        yield name
    finally:
        connection = broker()
        channel = connection.channel()
        for leftover in (name, f"{name}.dead"):
            channel.queue_delete(leftover)
        channel.exchange_delete(name)
        connection.close()


def publish(name: str, first: int, count: int) -> None:
    """`count` persistent lead messages, each with its message_id; returns when all are in the queue."""
    connection = broker()
    channel = connection.channel()
    properties = [
        pika.BasicProperties(content_type="application/json", delivery_mode=2, message_id=f"msg_q_{number}")
        for number in range(first, first + count)
    ]
    for number, own in enumerate(properties, first):
        channel.basic_publish("", name, leads.body(number), own)
    until = time.monotonic() + 60
    while waiting(channel, name) < count and time.monotonic() < until:
        time.sleep(0.05)
    connection.close()


def waiting(channel: pika.adapters.blocking_connection.BlockingChannel, name: str) -> int:
    """How many messages are ready in the queue; those taken and not acked are not among them."""
    try:
        return int(channel.queue_declare(name, passive=True).method.message_count)
    except pika.exceptions.ChannelClosedByBroker as fault:
        raise NotThere(name) from fault


@dataclass(frozen=True, kw_only=True)
class Stats:
    """What came to the vendor. `calls`: (arrived, answered, rows); `arrivals`, `answers`: by customer_id."""

    rows: int
    refused: int  #: calls beyond the slots
    repeated: int  #: customer_ids that came before, where they are kept
    in_flight: int
    max_in_flight: int
    calls: list[tuple[float, float, int]]
    arrivals: dict[str, float]
    answers: dict[str, float]


@dataclass(frozen=True)
class Vendor:
    """The counting vendor, running."""

    url: str

    def stats(self) -> Stats:
        return Stats(**orjson.loads(urllib.request.urlopen(f"{self.url}/_stats", timeout=10).read()))

    def reset(self) -> None:
        urllib.request.urlopen(f"{self.url}/_reset", timeout=10).close()


@contextlib.contextmanager
def vendor(at: Path, *, latency_s: float = 0.2, ids: bool = False, slots: int = 2) -> Iterator[Vendor]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [PYTHON, "-m", "tests.bench.vendor", "--port", str(port), "--latency", str(latency_s)]
    command += ["--slots", str(slots), *(["--ids"] if ids else [])]
    with started("vendor", command, at=at, ready=f"{url}/_stats"):
        yield Vendor(url)
