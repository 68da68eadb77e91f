"""Health and metrics answer whatever else goes on: in a server of this process, and in those of `run` and `web`."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import orjson
import pytest
from sqlalchemy import Connection

from connector.core.metrics import HELD
from connector.core.settings import Secret, Settings, Source, Verify
from connector.inbound.committer import Committer
from connector.inbound.receiver import Receiver
from connector.store.database import Database
from connector.vendors.destinations import name_of
from connector.web import asgi, health, standby
from connector.web.asgi import OF_ITS_OWN, Front
from connector.web.uvicorn_server import Served
from connector.web.wsgi import create_app
from tests.test_served import answered, connected, lead, request, until_the_end

SOURCES = {"open": Source(name="open", mapping="lead", verify=Verify(scheme="none"))}


def until(there: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not there():
        assert time.monotonic() < end
        time.sleep(0.02)


class Embedded:
    """A server of this process."""

    def __init__(self, url: str, *, is_public: bool) -> None:
        settings = Settings(database_url=url, sources=SOURCES, metrics_public=is_public, admin_token=Secret("invented"))
        self.database = Database(url)
        self.committer = Committer(self.database)
        self.front = Front(create_app(settings, self.database, name_of, self.committer))
        self.served = Served(self.front, "127.0.0.1", 0, shared=False)
        self.served.start()
        self.port = self.served.port

    def close(self) -> None:
        assert self.served.stop()
        self.committer.close()
        self.database.close()


@pytest.fixture
def is_public() -> bool:
    return True


@pytest.fixture
def embedded(sqlite_url: str, is_public: bool) -> Iterator[Embedded]:
    server = Embedded(sqlite_url, is_public=is_public)
    until(lambda: get(server.port, "/livez") == 200)
    yield server
    server.close()


def get(port: int, path: str, *, timeout_s: float = 120, method: str = "GET", **headers: str) -> int:
    """The status; 0 if nobody answers."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        line.request(method, path, headers=headers)
        answer = line.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        return 0
    else:
        return answer.status
    finally:
        line.close()


@pytest.fixture
def blocked(embedded: Embedded, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """The loop of the server hangs in a mapping until the event is set."""
    release, reached, read = threading.Event(), threading.Event(), Receiver.read_all

    def slow(self: Receiver, *given: Any, **named: Any) -> Any:
        reached.set()
        assert release.wait(60)
        return read(self, *given, **named)

    monkeypatch.setattr(Receiver, "read_all", slow)
    with connected(embedded.port) as line:
        line.sendall(request(lead(1)))
        assert reached.wait(120)
        yield release
        release.set()
        assert answered(line, 1).startswith(b"HTTP/1.1 2")


@pytest.mark.parametrize("path", OF_ITS_OWN)
def test_each_answers_while_the_loop_hangs(embedded: Embedded, blocked: threading.Event, path: str) -> None:
    assert get(embedded.port, path) == 200
    assert get(embedded.port, path, method="HEAD") == 200
    assert get(embedded.port, f"{path}?x=1") == 200


def test_what_is_not_health_waits_for_the_loop_and_is_answered(embedded: Embedded, blocked: threading.Event) -> None:
    others = [
        request(lead(2)),
        request(b"x" * 70_000),
        b"GET /livez-not HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"\x16\x03\x01nonsense\r\n\r\n",
    ]
    lines = []
    for other in others:
        lines.append(connected(embedded.port))
        lines[-1].sendall(other)
    silent = connected(embedded.port)
    assert [get(embedded.port, "/livez") for _ in range(20)] == [200] * 20
    for line in lines:
        line.settimeout(0.1)
        with pytest.raises(TimeoutError):
            line.recv(1)
        line.settimeout(30)
    blocked.set()
    assert [answered(line, 1)[9:12] for line in lines] == [b"200", b"202", b"404", b"200", b"400"]
    silent.sendall(request(lead(3)))
    assert answered(silent, 1)[9:12] == b"200"
    for line in (*lines, silent):
        line.close()


def test_a_head_in_pieces_is_waited_for(embedded: Embedded, blocked: threading.Event) -> None:
    with connected(embedded.port) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.sendall(b"GET /li")
        time.sleep(0.1)
        line.sendall(b"vez HTTP/1.1\r\nHost: x\r\n\r\n")
        said = answered(line, 1)
        assert said.startswith(b"HTTP/1.1 200") and b"no-store" in said and b"nosniff" in said


@pytest.fixture
def kept(embedded: Embedded) -> Iterator[list[socket.socket]]:
    """Connections that the loop has: each had an answer, but the last, which has sent nothing yet."""
    lines = [connected(embedded.port) for _ in range(6)]
    for line in lines[:-1]:
        line.sendall(HEALTH)
        assert answered(line, 1).startswith(b"HTTP/1.1 200")
    until(lambda: HELD.labels("connections")._value.get() >= len(lines))
    yield lines
    for line in lines:
        line.close()


HEALTH = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


def test_connections_that_are_kept_are_answered_while_the_loop_hangs(
    embedded: Embedded, kept: list[socket.socket], blocked: threading.Event
) -> None:
    first, head, metrics, *others = kept
    for line, asked in (
        (first, HEALTH),
        (head, HEALTH.replace(b"GET", b"HEAD")),
        (metrics, HEALTH.replace(b"/livez", b"/metrics")),
        (others[-1], HEALTH),
    ):
        line.sendall(asked)
        said = to_the_end(line)
        assert said.startswith(b"HTTP/1.1 200") and b"Connection: close" in said


@pytest.fixture
def loop() -> Iterator[None]:
    """An event loop for connections that a test makes: another test may have ended this thread's own."""
    mine = asyncio.new_event_loop()
    asyncio.set_event_loop(mine)
    yield
    asyncio.set_event_loop(None)
    mine.close()


@pytest.mark.usefixtures("loop")
def test_a_connection_that_is_not_set_up_yet_harms_no_other(embedded: Embedded, blocked: threading.Event) -> None:
    connections: set[Any] = embedded.served._server.server_state.connections
    half_made = embedded.served._server._protocol()
    connections.add(half_made)
    assert [get(embedded.port, "/livez") for _ in range(3)] == [200] * 3
    connections.discard(half_made)


@pytest.mark.usefixtures("loop")
@pytest.mark.parametrize("ends", ["refuse", "send_400_response"])
def test_who_is_hung_up_on_gets_no_answer_to_what_is_in_hand(embedded: Embedded, ends: str) -> None:
    connection: Any = embedded.served._server._protocol()
    connection.transport = Mock(is_closing=lambda: False)
    first, last = (Mock(response_complete=False, response_started=False, disconnected=False) for _ in range(2))
    connection.cycle, connection._in_hand = last, deque([first, last])
    getattr(connection, ends)(*((408, "invented") if ends == "refuse" else ("invented",)))
    assert first.disconnected is last.disconnected is True and connection.transport.close.called
    assert connection.transport.write.call_count == 1


def test_who_sends_ahead_and_then_nonsense_leaves_no_error(
    embedded: Embedded, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(20):
        with connected(embedded.port) as line:
            line.sendall(request(lead(number)) + request(lead(number))[:-1] + b"}\r\nnonsense\r\n\r\n")
            assert b"HTTP/1.1 400" in until_the_end(line)
    assert get(embedded.port, "/livez") == 200
    assert "Exception in ASGI" not in capsys.readouterr().err


def test_a_look_that_fails_is_not_the_last(
    embedded: Embedded, blocked: threading.Event, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    look, failed = embedded.served._standby._look_at_kept, []

    def failing() -> None:
        if not failed:
            failed.append(True)
            raise ValueError("invented")
        look()

    monkeypatch.setattr(embedded.served._standby, "_look_at_kept", failing)
    assert [get(embedded.port, "/livez") for _ in range(3)] == [200] * 3
    assert failed and "could not be looked at" in capsys.readouterr().err


def test_what_else_comes_on_kept_connections_waits_for_the_loop_and_is_answered(
    embedded: Embedded, kept: list[socket.socket], blocked: threading.Event
) -> None:
    asked = [
        (request(lead(2)), [b"200"]),
        (HEALTH + request(lead(3)), [b"200", b"200"]),
        (HEALTH[:-2], []),
        (request(b"x" * 70_000), [b"202"]),
        (HEALTH.replace(b"livez", b"livez-not"), [b"404"]),
        (b"nonsense\r\n\r\n", [b"400"]),
    ]
    for line, (some, _) in zip(kept, asked, strict=True):
        line.sendall(some)
    assert get(embedded.port, "/livez") == 200
    time.sleep(3 * standby.BEAT_S)
    for line in kept:
        line.settimeout(0)
        with pytest.raises(BlockingIOError):
            line.recv(1)
        line.settimeout(30)
    blocked.set()
    kept[2].sendall(HEALTH[-2:])
    for line, (_, expected) in zip(kept, asked, strict=True):
        said = answered(line, len(expected) or 1)
        assert [part[:3] for part in said.split(b"HTTP/1.1 ")[1:]] == (expected or [b"200"])


def test_nothing_is_answered_before_what_a_thread_beside_the_loop_answers(
    embedded: Embedded, kept: list[socket.socket], blocked: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, reached, answer = threading.Event(), threading.Event(), embedded.front.answer_beside

    def slow(scope: Any) -> bytes:
        reached.set()
        assert release.wait(60)
        return answer(scope)

    monkeypatch.setattr(embedded.served._standby, "_answer", slow)
    before = HELD.labels("connections")._value.get()
    kept[0].sendall(HEALTH)
    assert reached.wait(30)
    kept[0].sendall(HEALTH.replace(b"livez", b"nothing"))
    blocked.set()
    until(lambda: HELD.labels("connections")._value.get() < before)
    release.set()
    with contextlib.suppress(ConnectionResetError):
        assert [one[:3] for one in to_the_end(kept[0]).split(b"HTTP/1.1 ")[1:]] in ([], [b"200"])


def to_the_end(line: socket.socket) -> bytes:
    """What is said until the other side hangs up."""
    line.settimeout(30)
    said = b""
    while some := line.recv(65536):
        said += some
    return said


def test_threads_that_all_hang_delay_no_answer(embedded: Embedded) -> None:
    release = threading.Event()
    for pool in (embedded.front._threads, embedded.front._bodies):
        for _ in range(asgi.THREADS):
            pool.submit(release.wait)
    try:
        assert [get(embedded.port, path) for path in OF_ITS_OWN] == [200] * len(OF_ITS_OWN)
    finally:
        release.set()


def test_a_database_that_says_nothing_costs_no_answer(embedded: Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def hanging(conn: Connection, *given: Any) -> Any:
        release.wait(60)
        return ()

    monkeypatch.setattr(asgi, "OWN_PATIENCE_S", 0.5)
    monkeypatch.setattr(health, "problems", hanging)
    try:
        for _ in range(asgi.OF_EACH + 2):
            assert get(embedded.port, "/readyz") == 503
        assert get(embedded.port, "/livez") == 200
    finally:
        release.set()


@pytest.mark.parametrize("is_public", [False])
def test_metrics_stay_shut_while_the_loop_hangs(embedded: Embedded, blocked: threading.Event) -> None:
    assert get(embedded.port, "/metrics", Authorization="Bearer wrong") == 401
    assert get(embedded.port, "/metrics", Authorization="Bearer invented") == 200


# --- the processes of the two commands ------------------------------------------------------------------------------

CONFIGURATION = """
[metrics]
public = true
[sources.slow]
mapping = "slow"
verify = { scheme = "none" }
"""
SLOW = """
import os, time
from mappings.senders.lead import LeadMapping

class SlowMapping(LeadMapping):
    def read(self, payload, **given):
        if payload.get("id") == "L-1":
            open(os.environ["REACHED"], "w").close()
            while not os.path.exists(os.environ["RELEASE"]):
                time.sleep(0.01)
        return super().read(payload, **given)
"""


@pytest.mark.slow
@pytest.mark.parametrize("command", ["run", "web"])
def test_a_process_whose_loop_hangs_is_alive(command: str, tmp_path: Path, sqlite_url: str) -> None:
    (tmp_path / "senders").mkdir()
    (tmp_path / "senders" / "slow.py").write_text(SLOW)
    (tmp_path / "connector.toml").write_text(CONFIGURATION)
    reached, release = tmp_path / "reached", tmp_path / "release"
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = int(found.getsockname()[1])
    environment = {
        **os.environ,
        "CONNECTOR_CONFIG": str(tmp_path / "connector.toml"),
        "DATABASE_URL": sqlite_url,
        "PORT": str(port),
        "WEB_CONCURRENCY": "1",
        "REACHED": str(reached),
        "RELEASE": str(release),
    }
    process = subprocess.Popen([sys.executable, "-m", "connector", command], env=environment)
    try:
        until(lambda: get(port, "/livez") == 200)
        body = orjson.dumps({"id": "L-1", "type": "lead.created", "data": {"phones": ["+573000000001"]}})
        with connected(port) as line:
            line.sendall(request(body).replace(b"/webhooks/open", b"/webhooks/slow"))
            until(reached.exists)
            assert [get(port, path) for path in OF_ITS_OWN] == [200] * len(OF_ITS_OWN)
            release.touch()
            line.settimeout(60)
            assert answered(line, 1).startswith(b"HTTP/1.1 2")
    finally:
        release.touch()
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(40)
        process.kill()
        process.wait()
