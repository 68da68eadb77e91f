"""The server of the served processes: uvicorn with an end to what senders may take, in a thread of this process."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import orjson
import pytest

from connector.core.settings import Settings, Source, Verify
from connector.inbound.committer import Committer
from connector.store.database import Database
from connector.vendors.destinations import name_of
from connector.web import limits, uvicorn_server
from connector.web.request import DRAINED_BYTES, MAX_BODY_BYTES
from connector.web.wsgi import create_app
from tests.served import served

Serving = Callable[[], int]


@pytest.fixture
def serving(sqlite_url: str) -> Iterator[Serving]:
    """Starts a server; gives its port."""
    database = Database(sqlite_url)
    committer = Committer(database)
    sources = {"open": Source(name="open", mapping="lead", verify=Verify(scheme="none"))}
    app = create_app(Settings(database_url=sqlite_url, sources=sources), database, name_of, committer)
    with ExitStack() as stack:
        yield lambda: stack.enter_context(served(app))
    committer.close()
    database.close()


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def request(body: bytes, *headers: bytes) -> bytes:
    head = [b"POST /webhooks/open HTTP/1.1", b"Host: x", b"Content-Type: application/json", *headers]
    return b"\r\n".join([*head, b"Content-Length: %d" % len(body), b"", body])


def lead(number: int) -> bytes:
    return orjson.dumps({"id": f"L-{number}", "type": "lead.created", "data": {"phones": ["+573000000001"]}})


def until_the_end(line: socket.socket) -> bytes:
    """Everything that is said until the other side hangs up."""
    said = b""
    try:
        while some := line.recv(65536):
            said += some
    except ConnectionResetError:
        pass
    return said


def answered(line: socket.socket, count: int) -> bytes:
    """What is said until so many answers have begun."""
    said = b""
    while said.count(b"HTTP/1.1 ") < count:
        some = line.recv(65536)
        assert some, said
        said += some
    return said


def test_one_connection_is_kept_for_many_requests_and_requests_sent_ahead_are_answered_in_order(
    serving: Serving,
) -> None:
    with connected(serving()) as line:
        for number in range(3):
            line.sendall(request(lead(number)))
            assert answered(line, 1).startswith(b"HTTP/1.1 200")
        line.sendall(request(lead(3)) + request(b"{") + request(lead(3)))
        said = answered(line, 3)
        assert [part[:3] for part in said.split(b"HTTP/1.1 ")[1:]] == [b"200", b"202", b"200"]


@pytest.mark.parametrize("offered", [b"Upgrade: h2c", b"upgrade: websocket"])
def test_who_offers_another_protocol_is_answered_in_this_one(serving: Serving, offered: bytes) -> None:
    with connected(serving()) as line:
        for number in range(2):
            line.sendall(request(lead(number), b"Connection: Upgrade", offered))
            assert answered(line, 1).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("begun", [b"", b"POST /webhooks/open HT", request(b"x" * 100)[:-50]])
def test_who_owes_a_request_and_is_silent_is_hung_up_on(
    serving: Serving, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(limits, "HEAD_S", 0.3)
    monkeypatch.setattr(limits, "body_s", lambda announced: 0.3)
    monkeypatch.setattr(uvicorn_server, "_LOOK_S", 0)
    port = serving()
    with connected(port) as idle, connected(port) as line:
        idle.sendall(request(lead(1)))
        assert answered(idle, 1).startswith(b"HTTP/1.1 200")
        if begun:
            line.sendall(begun)
        assert b"HTTP/1.1 2" not in until_the_end(line)
        idle.sendall(request(lead(1)))  # nobody is owed anything there
        assert answered(idle, 1).startswith(b"HTTP/1.1 200")


def test_a_head_that_never_ends_is_refused(serving: Serving) -> None:
    port = serving()
    with connected(port) as line:
        line.sendall(b"POST /webhooks/open HTTP/1.1\r\n")
        try:
            for _ in range(1000):
                line.sendall(b"X-More: " + b"x" * 1000 + b"\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        until_the_end(line)
    with connected(port) as line:  # large, but one that ends
        line.sendall(request(lead(1), *[b"X-More: " + b"x" * 1000] * 30))
        assert answered(line, 1).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("headers", [(), (b"Expect: 100-continue",)])
def test_what_was_not_read_is_never_taken_for_another_request(serving: Serving, headers: tuple[bytes, ...]) -> None:
    size = MAX_BODY_BYTES + 1 if headers else DRAINED_BYTES + 1
    head = request(b"", *headers).replace(b"Content-Length: 0", b"Content-Length: %d" % size)
    with connected(serving()) as line:
        line.sendall(head)
        said = until_the_end(line)
    assert said.startswith(b"HTTP/1.1 413") and b"\r\nconnection: close\r\n" in said


def test_a_body_too_large_is_read_and_its_sender_told(serving: Serving) -> None:
    with connected(serving()) as line:
        line.sendall(request(b"x" * (MAX_BODY_BYTES + 1)) + request(lead(1)))
        assert [part[:3] for part in answered(line, 2).split(b"HTTP/1.1 ")[1:]] == [b"413", b"200"]
