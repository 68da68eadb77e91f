"""The server on a real socket and as a process: odd requests, signals, the end at SIGTERM."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from connector.core.errors import ConnectorError
from connector.core.settings import Secret, Settings, Source, Verify
from connector.inbound.committer import Committer
from connector.store import inbox
from connector.store.database import Database
from connector.vendors.destinations import name_of
from connector.web.asgi import Front
from connector.web.sockets import address, bound
from connector.web.uvicorn_server import Served
from connector.web.wsgi import create_app
from tests import web_client
from tests.web_client import kept, lead, web_settings

settings = web_client.settings


# --- in a server of this process ------------------------------------------------------------------------------------


@pytest.fixture
def embedded(sqlite_url: str) -> Iterator[Served]:
    database = Database(sqlite_url)
    committer = Committer(database)
    settings = web_settings(sqlite_url, "http://127.0.0.1:9")
    asked = Source(name="asked", mapping="meta_leadgen", verify=Verify(scheme="none", handshake=Secret("agreed")))
    settings = replace(settings, sources={**settings.sources, asked.name: asked})
    server = Served(
        Front(create_app(settings, database, name_of, committer)),
        "127.0.0.1",
        0,
        shared=False,
    )
    server.start()
    yield server
    server.stop()
    committer.close()
    database.close()


def ask(port: int, request: bytes, *, timeout_s: float = 60) -> bytes:
    """Sends raw bytes; gives what is answered until the other side closes (or is silent for a while)."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as line:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            line.sendall(request)
        return _answer(line)


def _answer(line: socket.socket) -> bytes:
    answer = b""
    with contextlib.suppress(ConnectionResetError):
        while b"\r\n\r\n" not in answer or len(answer.split(b"\r\n\r\n", 1)[1]) < _announced(answer):
            if not (some := line.recv(65536)):
                break
            answer += some
    return answer


def _announced(answer: bytes) -> int:
    found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", answer)
    return int(found[1]) if found else 0


def raw_post(source: str, body: bytes, *headers: bytes) -> bytes:
    head = [f"POST /webhooks/{source} HTTP/1.1".encode(), b"Host: x", b"Content-Type: application/json", *headers]
    return b"\r\n".join([*head, b"Content-Length: %d" % len(body), b"", body])


WEIRD: dict[str, tuple[bytes, set[int]]] = {
    "latin-1 header": (raw_post("open", b"{}", b"X-Name: \xf1\xff"), {202}),
    "duplicate header": (raw_post("tickets", b"{}", b"X-Token: a", b"X-Token: b"), {401}),
    "strange host": (raw_post("open", b"{}").replace(b"Host: x", b"Host: \xf1.."), {202, 400, 404}),
    "two hosts": (raw_post("open", b"{}", b"Host: y"), {400}),
    "no host": (raw_post("open", b"{}").replace(b"Host: x\r\n", b""), {202, 400}),
    "path that is no UTF-8": (raw_post("%ff%fe", b"{}"), {404}),
    "raw bytes in the path": (raw_post("open", b"{}").replace(b"/open", b"/\xff\xfe"), {400, 404}),
    "query that is no UTF-8": (raw_post("key?k=%ff&%zz&&=\xff", b"{}"), {400, 401}),
    "offers HTTP/2": (
        raw_post("open", b"{}", b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"),
        {202},
    ),
    "chunked": (
        b"POST /webhooks/open HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        {202},
    ),
    "bad chunks": (
        b"POST /webhooks/strict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        {400},
    ),
    "no length": (b"POST /webhooks/strict HTTP/1.1\r\nHost: x\r\n\r\n", {400, 411}),
    "negative length": (b"POST /webhooks/open HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", {400}),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", {400}),
    "20 MB": (raw_post("open", b"x" * 20_000_000), {413}),
    "HTTP/1.0": (raw_post("open", b"{}").replace(b"HTTP/1.1", b"HTTP/1.0"), {202}),
}


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/") else 0


@pytest.mark.parametrize("name", WEIRD)
def test_weird_requests_over_a_real_socket(embedded: Served, name: str) -> None:
    request, allowed = WEIRD[name]
    answer = ask(embedded.port, request)
    assert status_of(answer) in allowed, answer[:300]
    assert b"Traceback" not in answer


def test_a_sender_that_asks_first_is_told_to_continue(embedded: Served) -> None:
    body = orjson.dumps(lead())
    head = raw_post("open", body, b"Expect: 100-continue")[: -len(body)]
    with socket.create_connection(("127.0.0.1", embedded.port), timeout=60) as line:
        line.sendall(head)
        assert line.recv(100).startswith(b"HTTP/1.1 100")
        line.sendall(body)
        assert status_of(_answer(line)) == 202


def test_an_answer_is_one_write_also_after_an_answer_without_a_body(embedded: Served) -> None:
    """A head that waited for its body would leave the client without an answer."""
    with socket.create_connection(("127.0.0.1", embedded.port), timeout=60) as line:
        line.sendall(b"HEAD /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert line.recv(65536).startswith(b"HTTP/1.1 200")
        line.sendall(raw_post("open", b"{}"))
        head, _, body = line.recv(65536).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 202")
        assert len(body) == _announced(head + b"\r\n") > 0
        assert b"cache-control: no-store" in head
        assert b"x-content-type-options: nosniff" in head


ANSWERS = {
    "a webhook": (raw_post("open", b"{}"), 202),
    "a refused one": (raw_post("tickets", b"{}"), 401),
    "a handshake": (b"GET /webhooks/asked?hub.verify_token=agreed&hub.challenge=1158 HTTP/1.1\r\nHost: x\r\n\r\n", 200),
    "health": (b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", 200),
    "nothing": (b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", 404),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_every_answer_says_once_that_it_is_nobody_else_s(embedded: Served, name: str) -> None:
    """The server adds these headers to some answers, the application to the others."""
    request, status = ANSWERS[name]
    head = ask(embedded.port, request).partition(b"\r\n\r\n")[0].lower()
    assert head.startswith(b"http/1.1 %d" % status)
    for header in (b"cache-control: no-store", b"x-content-type-options: nosniff"):
        assert head.count(header) == 1


def test_a_port_in_use_is_told_in_one_line(embedded: Served) -> None:
    with pytest.raises(ConnectorError, match=rf"port {embedded.port} .*in use: choose another in PORT"):
        bound("127.0.0.1", embedded.port)


def test_a_server_that_never_started_can_be_stopped(settings: Settings, database: Database) -> None:
    committer = Committer(database)
    server = Served(Front(create_app(settings, database, name_of, committer)), "127.0.0.1", 0, shared=False)
    assert server.stop()
    committer.close()


def test_stopping_answers_what_is_in_flight_and_takes_nothing_new(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, storing = inbox.store, threading.Event()

    def slow(conn: Any, arrivals: Any, **named: Any) -> Any:
        storing.set()
        time.sleep(0.5)
        return store(conn, arrivals, **named)

    monkeypatch.setattr("connector.inbound.committer.inbox.store", slow)
    database = Database(sqlite_url)
    committer = Committer(database)
    server = Served(
        Front(create_app(web_settings(sqlite_url, "http://127.0.0.1:9"), database, name_of, committer)),
        "127.0.0.1",
        0,
        shared=False,
    )
    server.start()
    answers: list[bytes] = []
    sender = threading.Thread(target=lambda: answers.append(ask(server.port, raw_post("open", orjson.dumps(lead())))))
    idle = socket.create_connection(("127.0.0.1", server.port))
    half = socket.create_connection(("127.0.0.1", server.port))
    half.sendall(raw_post("open", b"x" * 100)[:-50])
    sender.start()
    assert storing.wait(60)
    assert server.stop(timeout_s=60)
    sender.join()
    assert status_of(answers[0]) == 202
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", server.port), timeout=1)
    committer.close()
    assert kept(database) == [("open", "L-1", "accepted")]
    idle.close()
    half.close()
    database.close()


# --- in processes of its own ----------------------------------------------------------------------------------------


def test_it_listens_to_everybody_only_on_a_dyno_or_when_told(settings: Settings) -> None:
    assert address(settings, {}) == ("127.0.0.1", 8000)
    assert address(replace(settings, port=5000), {"DYNO": "web.1"}) == ("0.0.0.0", 5000)
    assert address(settings, {"DYNO": "web.1", "CONNECTOR_HOST": "10.0.0.1"})[0] == "10.0.0.1"


CONFIGURATION = """
[accounts.dialler]
vendor = "wolkvox"
base_url = "http://127.0.0.1:9"
token = "invented"

[sources.open]
mapping = "lead"
verify = { scheme = "none" }
limit = "100000/m"

[sources.strict]
mapping = "lead"
verify = { scheme = "none" }
on_invalid = "refuse"
limit = "100000/m"

[sources.tickets]
mapping = "ticket"
verify = { scheme = "token", header = "X-Token", secrets = ["invented"] }

[sources.key]
mapping = "lead"
verify = { scheme = "query", parameter = "k", secrets = ["invented"] }
limit = "100000/m"

[[routes]]
name = "dial new leads"
on = "lead.created"
to = "wolkvox.add_record"
account = "dialler"
campaign_id = "1042"
sources = ["open", "strict", "key"]
"""


#: `connector` with an hour to stop in: one that ends has ended by itself, however long that took.
PATIENT = """
from connector.cli import shutdown, supervisor
shutdown.STOP_S = supervisor.STOP_S = 3600.0
from connector.__main__ import main
main()
"""


class Process:
    """`connector web` as it is started in earnest, but for the time that it has to stop."""

    def __init__(self, folder: Path, database_url: str, port: int) -> None:
        (folder / "connector.toml").write_text(CONFIGURATION)
        given = {name: value for name, value in os.environ.items() if name not in ("DYNO", "WEB_CONCURRENCY")}
        environment = {
            **given,
            "CONNECTOR_CONFIG": str(folder / "connector.toml"),
            "DATABASE_URL": database_url.replace("postgresql+psycopg", "postgresql"),
            "PORT": str(port),
        }
        self.port = port
        self.inner = subprocess.Popen(
            [sys.executable, "-c", PATIENT, "web"],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wait_until_ready(self) -> None:
        end = time.monotonic() + 300
        while time.monotonic() < end:
            assert self.inner.poll() is None, self.inner.stderr and self.inner.stderr.read()
            with contextlib.suppress(OSError, http.client.HTTPException):
                if post_to(self.port, b"", path="/livez", method="GET") == 200:
                    return
            time.sleep(0.05)
        pytest.fail("connector web does not answer")

    def children(self) -> list[int]:
        listed = Path(f"/proc/{self.inner.pid}/task/{self.inner.pid}/children")
        return [int(pid) for pid in listed.read_text().split()]

    def kill(self) -> None:
        if self.inner.poll() is None:
            self.inner.kill()
            self.inner.communicate()

    def end(self) -> tuple[int, str]:
        """Exit code, and what was said on stderr."""
        _, said = self.inner.communicate(timeout=300)
        return self.inner.returncode, said


def post_to(port: int, body: bytes, *, path: str = "/webhooks/open", method: str = "POST") -> int:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        line.request(method, path, body, {"Content-Type": "application/json"})
        answer = line.getresponse()
        answer.read()
        return answer.status
    finally:
        line.close()


def runs(pid: int) -> bool:
    """Whether the process is there and not a zombie that nobody has reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def free_port() -> int:
    with bound("127.0.0.1", 0) as found:
        return int(found.getsockname()[1])


Starting = Callable[..., Process]


@pytest.fixture
def starting(tmp_path: Path) -> Iterator[Starting]:
    """Starts processes, and kills those that their test has left."""
    with contextlib.ExitStack() as leftovers:

        def start(database_url: str, port: int = 0) -> Process:
            process = Process(tmp_path, database_url, port or free_port())
            leftovers.callback(process.kill)
            return process

        yield start


@pytest.mark.slow
def test_after_sigterm_everything_acknowledged_is_stored(starting: Starting, database: Database) -> None:
    process = starting(database.url)
    process.wait_until_ready()
    acknowledged: list[str] = []
    stopping = threading.Event()

    def send(first: int) -> None:
        for index in range(first, first + 100_000):
            try:
                if post_to(process.port, orjson.dumps(lead(index))) == 202:
                    acknowledged.append(f"L-{index}")
            except (OSError, http.client.HTTPException):
                if stopping.is_set():
                    return

    senders = [threading.Thread(target=send, args=(number * 100_000,)) for number in range(8)]
    for sender in senders:
        sender.start()
    end = time.monotonic() + 300
    while len(acknowledged) <= 50:
        assert time.monotonic() < end, "connector web hardly takes anything"
        time.sleep(0.02)
    stopping.set()
    process.inner.send_signal(signal.SIGTERM)
    code, said = process.end()
    for sender in senders:
        sender.join()
    assert code == 0, said
    stored = {event_id for _, event_id, state in kept(database) if state == "accepted"}
    assert set(acknowledged) <= stored
    assert "Traceback" not in said


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_whole_group_ends_it_as_well(starting: Starting, sqlite_url: str, number: int) -> None:
    process = starting(sqlite_url)
    process.wait_until_ready()
    os.killpg(process.inner.pid, number)
    code, said = process.end()
    assert code == 0, said


@pytest.mark.slow
def test_a_signal_at_the_very_start_ends_it(starting: Starting, sqlite_url: str) -> None:
    process = starting(sqlite_url)
    end = time.monotonic() + 300
    while not process.children():
        assert time.monotonic() < end
        time.sleep(0.001)
    process.inner.send_signal(signal.SIGTERM)
    code, said = process.end()
    assert code == 0, said


@pytest.mark.slow
def test_a_half_sent_body_does_not_keep_it_from_ending(starting: Starting, sqlite_url: str) -> None:
    process = starting(sqlite_url)
    process.wait_until_ready()
    with socket.create_connection(("127.0.0.1", process.port)) as line:
        line.sendall(raw_post("open", b"x" * 100)[:-50])
        time.sleep(0.3)
        process.inner.send_signal(signal.SIGTERM)
        code, said = process.end()
    assert code == 0, said


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_a_killed_parent_leaves_none(starting: Starting, sqlite_url: str) -> None:
    process = starting(sqlite_url)
    process.wait_until_ready()
    first = process.children()
    os.kill(first[0], signal.SIGKILL)
    end = time.monotonic() + 300
    while (now := process.children()) == first or len(now) < 2:
        assert time.monotonic() < end
        time.sleep(0.1)
    process.wait_until_ready()
    process.inner.kill()
    process.end()
    successor = starting(sqlite_url, process.port)
    successor.wait_until_ready()
    assert post_to(process.port, orjson.dumps(lead())) == 202
    assert not any(map(runs, now))
    successor.inner.send_signal(signal.SIGTERM)
    assert successor.end()[0] == 0


@pytest.mark.slow
def test_two_cannot_share_a_port(starting: Starting, sqlite_url: str) -> None:
    process = starting(sqlite_url)
    process.wait_until_ready()
    code, said = starting(sqlite_url, process.port).end()
    assert code == 1
    assert "choose another in PORT" in said
    assert len(said.strip().splitlines()) == 1
    process.inner.send_signal(signal.SIGINT)
    assert process.end()[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", WEIRD)
def test_weird_requests_to_the_real_server(real_server: int, name: str) -> None:
    request, allowed = WEIRD[name]
    answer = ask(real_server, request)
    # The server's own refusals of what is no HTTP may come as a hang-up.
    assert status_of(answer) in allowed | {0}, name


@pytest.fixture(scope="module")
def real_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("real")
    process = Process(folder, f"sqlite:///{folder / 'connector.db'}", free_port())
    try:
        process.wait_until_ready()
        yield process.port
        process.inner.send_signal(signal.SIGTERM)
        assert process.end()[0] == 0
    finally:
        process.kill()
