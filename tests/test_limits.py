"""What a stranger may hold: connections, seconds, bytes. Real sockets at a real server, with small numbers."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from connector.core.settings import Secret, Settings, Source, Verify
from connector.inbound.committer import Committer
from connector.inbound.signatures import sign
from connector.store.database import Database
from connector.vendors.destinations import name_of
from connector.web import limits, uvicorn_server
from connector.web.asgi import Front
from connector.web.limits import Gate
from connector.web.uvicorn_server import Served
from connector.web.wsgi import create_app
from tests.test_served import answered, connected, lead, request, until_the_end

SIGNED = Verify(scheme="hmac", secrets=(Secret("hub"),), header="X-Hub")
SOURCES = {
    "open": Source(name="open", mapping="lead", verify=Verify(scheme="none")),
    "hub": Source(name="hub", mapping="lead", verify=SIGNED),
    "small": Source(name="small", mapping="lead", verify=Verify(scheme="none"), max_body=2048),
    "few": Source(name="few", mapping="lead", verify=Verify(scheme="none"), max_events=2, on_invalid="refuse"),
    "form": Source(name="form", mapping="elementor", verify=Verify(scheme="none")),
    "field": Source(
        name="field", mapping="lead", verify=Verify(scheme="field", field="k", secrets=(Secret("s"),)), max_body=2**20
    ),
}


@pytest.fixture
def settings(sqlite_url: str) -> Settings:
    return Settings(database_url=sqlite_url, sources=SOURCES, admin_token=Secret("invented-admin-token"))


@pytest.fixture
def port(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(limits, "HEAD_S", 1.5)
    monkeypatch.setattr(limits, "body_s", lambda announced: 1.5)
    monkeypatch.setattr(uvicorn_server, "_LOOK_S", 0)
    monkeypatch.setattr(uvicorn_server, "Gate", lambda: Gate(12, 300_000))
    database = Database(settings.database_url)
    committer = Committer(database)
    served = Served(Front(create_app(settings, database, name_of, committer)), "127.0.0.1", 0, shared=False)
    served.start()
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            connected(served.port).close()
            break
        except OSError:
            time.sleep(0.02)
    yield served.port
    assert served.stop()
    committer.close()
    database.close()


def post(source: str, body: bytes, *headers: bytes) -> bytes:
    return request(body, *headers).replace(b"/webhooks/open", b"/webhooks/" + source.encode())


def drip(line: socket.socket, byte: bytes = b"a", *, most_s: float = 60) -> bytes:
    """Sends a byte now and then until the other side has had enough; gives what it says."""
    end = time.monotonic() + most_s
    line.settimeout(0.1)
    said = b""
    while time.monotonic() < end:
        try:
            line.sendall(byte)
            some = line.recv(65536)
            if not some:
                return said
            said += some
        except TimeoutError:
            continue
        except OSError:
            return said
    pytest.fail("it is patient for ever")


def test_a_head_that_comes_byte_by_byte_is_ended(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        with connected(port) as line:
            line.sendall(b"POST /webhooks/open HTTP/1.1\r\nHost: x\r\nX-A: ")
            said = drip(line)
        assert said.startswith(b"HTTP/1.1 408") and b"application/problem+json" in said
    told = capsys.readouterr().err
    assert told.count("head_seconds") == 1, "once a minute is enough"


def test_a_body_that_comes_byte_by_byte_is_ended(port: int) -> None:
    with connected(port) as line:
        line.sendall(post("open", b"x" * 5000)[:-4900])
        assert drip(line).startswith(b"HTTP/1.1 408")


def test_who_says_nothing_is_hung_up_on(port: int) -> None:
    with connected(port) as line:
        assert until_the_end(line)[:12] in (b"HTTP/1.1 408", b"")


def test_a_connection_too_many_costs_the_one_that_has_waited_longest(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "HEAD_S", 60)  # it is not the clock that ends them
    lines = [connected(port) for _ in range(5)]
    try:
        for line in lines:
            line.sendall(b"POST /webhooks/open HTTP/1.1\r\nX-A: ")
            time.sleep(0.05)
        more = [connected(port) for _ in range(2)]
        with more[-1] as last:
            last.sendall(request(lead(1)))
            assert answered(last, 1).startswith(b"HTTP/1.1 20"), "who comes last is served"
        assert until_the_end(lines[0]).startswith(b"HTTP/1.1 429")
        more[0].close()
    finally:
        for line in lines:
            line.close()


def test_bodies_on_their_way_are_bounded_together(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "body_s", lambda announced: 60)
    body = b"x" * 100_000
    lines = [connected(port) for _ in range(4)]
    try:
        for line in lines:
            line.sendall(post("open", body)[:-10_000])
            time.sleep(0.1)
        assert until_the_end(lines[0]).startswith(b"HTTP/1.1 429"), "the oldest goes"
        raw = lead(7)
        signature = sign(SIGNED, raw, secret="hub", now_s=0)["X-Hub"].encode()
        with connected(port) as proved:
            proved.sendall(post("hub", raw, b"X-Hub: " + signature))
            assert answered(proved, 1).startswith(b"HTTP/1.1 20")
    finally:
        for line in lines:
            line.close()


@pytest.mark.parametrize(
    ("source", "size", "wanted"),
    [
        ("small", 2049, b"413"),
        ("form", limits.THIN_BODY + 1, b"413"),
        ("open", limits.WHOLE_BODY + 1, b"413"),
        ("field", limits.SECRET_BODY + 1, b"413"),
        ("nobody", 100, b"404"),
    ],
)
def test_a_body_is_as_large_as_its_source_takes(port: int, source: str, size: int, wanted: bytes) -> None:
    with connected(port) as line:
        line.sendall(post(source, b"x" * size))
        said = answered(line, 1)
        assert said[9:12] == wanted and b"problem+json" in said


def test_a_body_holds_as_many_events_as_its_source_takes(port: int) -> None:
    for count, wanted in ((2, b"202"), (3, b"400")):
        with connected(port) as line:
            line.sendall(post("few", b"[" + b",".join(lead(number) for number in range(count)) + b"]"))
            assert answered(line, 1)[9:12] == wanted


def test_names_with_an_underscore_are_no_headers(port: int) -> None:
    body = lead(3)
    with connected(port) as line:
        line.sendall(post("open", body, b"Content_Length: 3", b"Content_Type: text/plain"))
        assert answered(line, 1)[9:12] in (b"202", b"200")


@pytest.mark.parametrize("at", range(3, 12))
def test_another_protocol_offered_in_two_packets_is_declined(port: int, at: int) -> None:
    whole = post("open", lead(4), b"Connection: Upgrade", b"Upgrade: h2c")
    cut = whole.index(b"Upgrade: h2c") + at - 4
    with connected(port) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.sendall(whole[:cut])
        time.sleep(0.15)
        line.sendall(whole[cut:])
        assert answered(line, 1)[9:12] in (b"202", b"200")


def test_a_body_that_speaks_of_upgrades_stays_as_it_is(port: int) -> None:
    raw = b'{"type":"lead.created",\n"upgrade":1,\r\n\r\n"data":{"email":"ana@example.com"}}'
    signature = sign(SIGNED, raw, secret="hub", now_s=0)["X-Hub"].encode()
    with connected(port) as line:
        line.sendall(post("hub", raw, b"X-Hub: " + signature))
        assert answered(line, 1).startswith(b"HTTP/1.1 20")


@pytest.mark.parametrize(
    "odd",
    [
        b"Transfer-Encoding: chunked, chunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        b"X-A: a\r\n b",
        b"Content-Length: 2\r\nContent-Length: 3",
    ],
)
def test_odd_frames_are_refused(port: int, odd: bytes) -> None:
    with connected(port) as line:
        line.sendall(b"POST /webhooks/open HTTP/1.1\r\nHost: x\r\n" + odd + b"\r\nContent-Length: 2\r\n\r\n{}")
        assert answered(line, 1)[9:12] == b"400"


def test_the_numbers_stand_in_the_metrics(port: int, settings: Settings) -> None:
    token = replace(settings).admin_token.reveal()
    with connected(port) as line:
        line.sendall(
            b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer "
            + token.encode()
            + b"\r\n\r\n"
        )
        said = until_the_end(line)
    assert b'connector_web_limit{limit="connections"' in said and b"connector_web_held{" in said


def test_what_one_may_hold_is_kept_as_long_as_it_is_held() -> None:
    gate = Gate(10, 100)
    assert set(gate.table()) >= {"connections", "unproved_bytes", "head_seconds", "body_seconds", "events_of_a_body"}
    assert (
        limits.body_s(0) == limits.BODY_S and limits.body_s(1) < limits.BODY_S and limits.body_s(2**40) == limits.BODY_S
    )


class Waiting:
    """A connection that never sends anything."""

    peer, waits_since, held = "192.0.2.1", 7.0, 0

    def __init__(self) -> None:
        self.refused = 0

    def refuse(self, status: int, limit: str) -> None:
        self.refused = status


def test_of_those_accepted_at_once_the_first_goes_first() -> None:
    gate = Gate(100)
    lines = [Waiting() for _ in range(60)]
    for line in lines:
        gate.admit(line)
    assert [line.refused for line in lines] == [429] * 10 + [0] * 50


def test_no_answer_is_kept_by_a_cache_or_taken_for_a_page(port: int) -> None:
    for what in (b"GET /livez", b"GET /nowhere", b"GET /api/status", b"POST /webhooks/open"):
        with connected(port) as line:
            line.sendall(what + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            said = until_the_end(line).lower()
        assert b"\r\ncache-control: no-store\r\n" in said and b"\r\nx-content-type-options: nosniff\r\n" in said
