"""The client over real sockets: what was surely not sent, what may have landed, and how long anything may take."""

from __future__ import annotations

import contextlib
import gzip
import random
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core import http as module
from connector.core.errors import StoreUnavailable
from connector.core.http import Answer, Client, Deadline, NoAnswer, NotSent
from connector.core.retry import patiently, retry_after_s, tries, wait_s
from connector.core.watchdog import Watchdog

TOKEN = "s3cr3t-t0ken"
PHONE = "573000000001"
OK = b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"ok":true}'
CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"

Play = Callable[[socket.socket], None]


@dataclass
class Vendor:
    """A server that plays one part for each connection, in order; the last part is played again and again."""

    parts: list[Play]
    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    threads: list[threading.Thread] = field(default_factory=list)

    def wait_until_ended(self) -> None:
        """Every part is played, and its connection closed."""
        for thread in self.threads:
            thread.join(60)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def vendor(*parts: Play) -> Iterator[Vendor]:
    played = Vendor(list(parts))
    listening = socket.create_server(("127.0.0.1", 0), backlog=64)
    played.port = listening.getsockname()[1]
    ended = threading.Event()
    open_ones: list[socket.socket] = []

    def one(conn: socket.socket, part: Play) -> None:
        with contextlib.suppress(OSError), conn:
            part(conn)

    def accept() -> None:
        while not ended.is_set():
            try:
                conn, _ = listening.accept()
            except OSError:
                return
            open_ones.append(conn)
            part = played.parts[min(played.connections, len(played.parts) - 1)]
            played.connections += 1
            played.threads.append(threading.Thread(target=one, args=(conn, part), daemon=True))
            played.threads[-1].start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield played
    finally:
        ended.set()
        with contextlib.suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        for conn in open_ones:
            with contextlib.suppress(OSError):
                conn.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def read_request(conn: socket.socket) -> bytes:
    """One whole request, or what came of it before the other side went away."""
    got = bytearray()
    while b"\r\n\r\n" not in got:
        part = conn.recv(65536)
        if not part:
            return bytes(got)
        got += part
    start = got.index(b"\r\n\r\n") + 4
    fields = bytes(got[:start]).lower().split(b"\r\n")
    length = next((int(one.split(b":")[1]) for one in fields if one.startswith(b"content-length")), 0)
    while len(got) < start + length and (part := conn.recv(1 << 20)):
        got += part
    return bytes(got)


def answering(*answers: bytes) -> Play:
    """Reads a request for each answer, then closes in the ordinary way."""

    def play(conn: socket.socket) -> None:
        for answer in answers:
            if not read_request(conn):
                return
            conn.sendall(answer)

    return play


def keeping(answer: bytes, requests: list[bytes]) -> Play:
    """Answers whatever comes on the connection, and remembers it."""

    def play(conn: socket.socket) -> None:
        while request := read_request(conn):
            requests.append(request)
            conn.sendall(answer)

    return play


def resetting(conn: socket.socket) -> None:
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    conn.close()


def hanging(conn: socket.socket) -> None:
    read_request(conn)
    conn.recv(1)


def dripping(start: bytes, drop: bytes, every_s: float = 0.05) -> Play:
    """Sends ``start``, then a drop now and then for as long as anybody listens."""

    def play(conn: socket.socket) -> None:
        read_request(conn)
        conn.sendall(start)
        while True:
            time.sleep(every_s)
            conn.sendall(drop)

    return play


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def made(timeout_s: float = 5.0) -> Client:
    return Client({"wolkvox-token": TOKEN}, timeout_s=timeout_s)


def ask(url: str, timeout_s: float = 5.0, body: bytes | None = b"[]") -> Answer:
    client = made(timeout_s)
    try:
        return client.call("POST", f"{url}/x", params={"customer_phone": PHONE}, body=body)
    finally:
        client.close()


# --- surely not sent ------------------------------------------------------------------------------------------------


def test_a_refused_connection_was_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(NotSent, match="the connection was refused"):
        ask(f"http://127.0.0.1:{port}")


def test_an_unknown_host_was_not_sent() -> None:
    with pytest.raises(NotSent, match="the host name is unknown"):
        ask("http://no-such-host.invalid")


def test_a_connection_that_is_never_taken_was_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONNECT_TIMEOUT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as queue:
        for _ in range(3):  # the queue of those that wait to be accepted is full: the next hears nothing
            waiting = queue.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        begun = time.monotonic()
        with pytest.raises(NotSent, match="could not be made in time"):
            ask(f"http://127.0.0.1:{full.getsockname()[1]}")
        assert time.monotonic() - begun < 60


@pytest.mark.parametrize("too_late", [Deadline.after(-1), Deadline.after(60, write_within_s=-1)])
def test_a_call_that_comes_to_write_too_late_writes_nothing(too_late: Deadline) -> None:
    requests: list[bytes] = []
    with vendor(keeping(OK, requests)) as there:
        client = made()
        with pytest.raises(NotSent, match="time had passed"):
            client.call("POST", f"{there.url}/x", body=b"[]", deadline=too_late)
        client.close()
    assert requests == [] or requests == [b""]


def test_an_address_that_is_none_was_not_sent() -> None:
    for url in ("http://", "nonsense", "http://[::1", "http://host:99999"):
        with pytest.raises(NotSent):
            ask(url)


def test_a_token_that_no_header_can_hold_is_not_sent_and_not_shown() -> None:
    requests: list[bytes] = []
    with vendor(keeping(OK, requests)) as there, pytest.raises(NotSent) as fault:
        Client({"wolkvox-token": f"{TOKEN}\r\nX: y"}).call("GET", f"{there.url}/x")
    assert TOKEN not in str(fault.value)
    assert not any(TOKEN.encode() in request for request in requests)


def test_a_token_beyond_ascii_travels_as_utf8() -> None:
    requests: list[bytes] = []
    with vendor(keeping(OK, requests)) as there:
        assert Client({"wolkvox-token": "señal✓"}).call("GET", f"{there.url}/x").status == 200
    assert "wolkvox-token: señal✓\r\n".encode() in requests[0]


# --- it may have landed ---------------------------------------------------------------------------------------------


def cut_before_reading(conn: socket.socket) -> None:
    select.select([conn], [], [], 5)
    resetting(conn)


def then_cut(partial: bytes) -> Play:
    def play(conn: socket.socket) -> None:
        read_request(conn)
        conn.sendall(partial)
        time.sleep(0.05)
        resetting(conn)

    return play


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(cut_before_reading, id="cut before the request was read"),
        pytest.param(answering(b""), id="closed without a word"),
        pytest.param(then_cut(b""), id="cut after the request was read"),
        pytest.param(then_cut(b"HTTP/1.1 20"), id="cut in the status line"),
        pytest.param(then_cut(b"HTTP/1.1 200 OK\r\nContent-Le"), id="cut in the headers"),
        pytest.param(then_cut(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"), id="cut in the body"),
        pytest.param(answering(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"ok":true}'), id="half a body"),
        pytest.param(answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc"), id="half a chunk"),
        pytest.param(answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabc"), id="chunk of -5"),
        pytest.param(answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc"), id="chunk of zz"),
        pytest.param(answering(b"\x16\x03\x01 what is this\r\n\r\n"), id="a garbage status line"),
        pytest.param(answering(b"HTTP/1.1 xyz OK\r\n\r\n"), id="a status that is no number"),
        pytest.param(answering(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n"), id="500 headers"),
        pytest.param(answering(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 99_999 + b"\r\n\r\n"), id="an endless header"),
        pytest.param(
            answering(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope"), id="no gzip"
        ),
    ],
)
def test_once_the_request_was_written_a_broken_answer_is_unknown(part: Play) -> None:
    with vendor(part) as there, pytest.raises(NoAnswer):
        ask(there.url)


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(hanging, id="silence"),
        pytest.param(dripping(b"", b"H"), id="status line"),
        pytest.param(dripping(b"HTTP/1.1 200 OK\r\n", b"X-Y: z\r\n"), id="headers"),
        pytest.param(dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n", b" "), id="body"),
        pytest.param(dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"), id="chunks"),
        pytest.param(dripping(CLOSING + b"Content-Length: 999999\r\n\r\n", b" "), id="body, closing"),
        pytest.param(dripping(CLOSING + b"\r\n", b" "), id="body without a length"),
        pytest.param(dripping(b"HTTP/1.0 200 OK\r\n\r\n", b" "), id="HTTP/1.0"),
        pytest.param(dripping(CLOSING + b"\r\n" + b" " * 65536, b" "), id="after a full buffer"),
    ],
)
def test_the_deadline_holds_even_when_the_answer_drips(part: Play) -> None:
    with vendor(part) as there:
        begun = time.monotonic()
        with pytest.raises(NoAnswer, match="did not answer in time"):
            ask(there.url, timeout_s=1.5)
        assert 1 < time.monotonic() - begun < 60


def test_the_deadline_holds_while_a_large_body_is_written_to_a_deaf_server() -> None:
    with vendor(lambda conn: time.sleep(4)) as there:
        begun = time.monotonic()
        with pytest.raises(NoAnswer, match="did not answer in time"):
            ask(there.url, timeout_s=1.5, body=b" " * 30_000_000)
        assert time.monotonic() - begun < 60


def test_a_slow_reader_may_take_longer_than_a_connection_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONNECT_TIMEOUT_S", 0.3)

    def slow(conn: socket.socket) -> None:
        time.sleep(1)
        answering(OK)(conn)

    with vendor(slow) as there:
        assert ask(there.url, body=b" " * 30_000_000).status == 200


def test_an_answer_without_end_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (module.ANSWER_BYTES, module.REPORT_BYTES) == (32 << 20, 256 << 20)
    monkeypatch.setattr(module, "ANSWER_BYTES", 8 * 1024 * 1024)
    sent = 0

    def endless(conn: socket.socket) -> None:
        nonlocal sent
        read_request(conn)
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 300000000\r\n\r\n")
        for _ in range(300):
            conn.sendall(b" " * 1_000_000)
            sent += 1_000_000

    with vendor(endless) as there, pytest.raises(NoAnswer, match="too long"):
        ask(there.url)
    assert sent < 30_000_000


def test_a_small_answer_that_unpacks_to_an_endless_one_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_BYTES", 8 * 1024 * 1024)
    packed = gzip.compress(b" " * 100_000_000)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
    with vendor(answering(head + packed)) as there, pytest.raises(NoAnswer, match="too long"):
        ask(there.url)


# --- an answer ------------------------------------------------------------------------------------------------------


def test_any_status_is_an_answer_with_lower_case_headers() -> None:
    with vendor(answering(b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nX-Twice: a\r\nX-Twice: b\r\n\r\nbusy")) as there:
        answer = ask(there.url)
    assert (answer.status, answer.headers["retry-after"], answer.body) == (503, "7", b"busy")
    assert answer.headers["x-twice"] == "a, b"
    assert answer.json() is None


def test_a_body_sent_before_the_deadline_is_read_to_its_end() -> None:
    body = random.Random(1).randbytes(5_000_000)
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with vendor(answering(head + body)) as there:
        assert ask(there.url).body == body


def test_html_is_told_by_its_type_or_its_first_byte() -> None:
    assert Answer(200, {"content-type": "TEXT/HTML; charset=x"}, b"hello").is_html
    assert Answer(200, {}, b" \r\n<!DOCTYPE html>").is_html
    assert not Answer(200, {"content-type": "application/json"}, b'{"a":"<b>"}').is_html


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_takes_no_token_along(status: int) -> None:
    elsewhere: list[bytes] = []
    with vendor(keeping(OK, elsewhere)) as other:
        location = f"HTTP/1.1 {status} Moved\r\nLocation: {other.url}/y\r\nContent-Length: 0\r\n\r\n".encode()
        with vendor(answering(location)) as there:
            assert ask(there.url).status == status
    assert elsewhere == []


@pytest.mark.parametrize("location", [b"http://[::1", b"\xff\xfe", b"http://x:port/", b"//", b"", b"\t"])
def test_a_senseless_redirect_is_an_answer_too(location: bytes) -> None:
    answer = b"HTTP/1.1 302 Found\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n"
    with vendor(answering(answer)) as there:
        assert ask(there.url).status == 302


def test_the_body_of_a_redirect_is_bounded_as_any(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_BYTES", 1_000_000)
    head = b"HTTP/1.1 302 Found\r\nLocation: /y\r\nContent-Length: 9000000\r\n\r\n"
    with vendor(answering(head + b" " * 9_000_000)) as there, pytest.raises(NoAnswer, match="too long"):
        ask(there.url)


def test_cookies_are_not_kept() -> None:
    requests: list[bytes] = []
    cookie = b"HTTP/1.1 200 OK\r\nSet-Cookie: who=me; Path=/\r\nContent-Length: 2\r\n\r\n{}"
    with vendor(keeping(cookie, requests)) as there:
        client = made()
        for _ in range(2):
            client.call("GET", f"{there.url}/x")
    assert len(requests) == 2
    assert not any(b"cookie" in request.lower() for request in requests)


def test_a_netrc_file_does_not_replace_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    requests: list[bytes] = []
    with vendor(keeping(OK, requests)) as there:
        Client({"Authorization": f"bearer {TOKEN}"}).call("GET", f"{there.url}/x")
    assert f"Authorization: bearer {TOKEN}\r\n".encode() in requests[0]
    assert b"Basic" not in requests[0]


# --- kept connections -----------------------------------------------------------------------------------------------


def test_a_connection_is_kept_between_calls() -> None:
    with vendor(keeping(OK, [])) as there:
        client = made()
        for _ in range(5):
            client.call("POST", f"{there.url}/x", body=b"[]")
        assert there.connections == 1


def test_a_kept_connection_that_the_vendor_closed_makes_no_call_unknown() -> None:
    with vendor(answering(OK)) as there:  # one answer, then it closes
        client = made()
        for _ in range(5):
            assert client.call("POST", f"{there.url}/x", body=b"[]").status == 200
            there.wait_until_ended()
        assert there.connections == 5


def test_a_connection_that_idled_is_not_trusted_with_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector.core.connections.IDLE_S", 0.2)

    def forgetful(conn: socket.socket) -> None:
        """As a balancer that forgets an idle connection: no goodbye, a reset to whatever comes next."""
        read_request(conn)
        conn.sendall(OK)
        if select.select([conn], [], [], 0.3)[0] == []:
            select.select([conn], [], [], 5)
            resetting(conn)

    with vendor(forgetful) as there:
        client = made()
        assert client.call("POST", f"{there.url}/x", body=b"[]").status == 200
        time.sleep(0.4)
        assert client.call("POST", f"{there.url}/x", body=b"[]").status == 200
        assert there.connections == 2


def test_a_client_is_shared_by_threads() -> None:
    def echo(conn: socket.socket) -> None:
        while request := read_request(conn):
            body = request.partition(b"\r\n\r\n")[2]
            conn.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)

    wrong: list[object] = []

    def run(client: Client, url: str, name: int) -> None:
        for at in range(40):
            sent = f"{name}-{at}-".encode() * 50
            try:
                if client.call("POST", url, body=sent).body != sent:
                    wrong.append((name, at))
            except (NoAnswer, NotSent) as fault:
                wrong.append(fault)

    with vendor(echo) as there:
        client = made()
        threads = [threading.Thread(target=run, args=(client, f"{there.url}/x", number)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert there.connections <= 8
    assert wrong == []


def test_one_call_s_deadline_does_not_cut_another() -> None:
    with vendor(hanging, keeping(OK, [])) as there:
        client = made(timeout_s=60)
        outcomes: list[Exception] = []

        def wait() -> None:
            try:
                client.call("GET", f"{there.url}/x", deadline=Deadline.after(2))
            except NoAnswer as fault:
                outcomes.append(fault)

        late = threading.Thread(target=wait)
        late.start()
        while not there.connections:
            time.sleep(0.01)
        while late.is_alive():
            assert client.call("GET", f"{there.url}/x").status == 200
        late.join()
        assert len(outcomes) == 1


# --- TLS and proxies ------------------------------------------------------------------------------------------------

#: A certificate for "localhost" that signed itself, made for this test and good for nothing else.
CERTIFICATE = Path(__file__).with_name("payloads") / "answers" / "self_signed.pem"


def encrypted(part: Play) -> Play:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)

    def play(conn: socket.socket) -> None:
        with contextlib.suppress(ssl.SSLError), context.wrap_socket(conn, server_side=True) as inner:
            part(inner)

    return play


def test_a_certificate_that_nobody_signed_is_refused_before_anything_is_written() -> None:
    requests: list[bytes] = []
    with vendor(encrypted(keeping(OK, requests))) as there:
        url = f"https://localhost:{there.port}"
        with pytest.raises(NotSent, match="TLS could not be agreed on"):
            ask(url)
    assert requests == []


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(hanging, id="silence"),
        pytest.param(dripping(CLOSING + b"\r\n", b" "), id="body without a length"),
        pytest.param(dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n", b" "), id="body"),
    ],
)
def test_the_deadline_holds_over_tls(part: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
    with vendor(encrypted(part)) as there:
        begun = time.monotonic()
        with pytest.raises(NoAnswer, match="did not answer in time"):
            ask(f"https://localhost:{there.port}", timeout_s=1.5)
        assert time.monotonic() - begun < 60


def test_a_server_that_never_finishes_the_handshake_was_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONNECT_TIMEOUT_S", 0.4)
    with vendor(lambda conn: time.sleep(3)) as there:
        begun = time.monotonic()
        with pytest.raises(NotSent):
            ask(f"https://localhost:{there.port}")
        assert time.monotonic() - begun < 60


@dataclass
class Proxy:
    """A small HTTP proxy: CONNECT tunnels, and forwards what is asked with a whole address."""

    heads: list[bytes] = field(default_factory=list)
    refuse: bytes = b""

    def play(self, conn: socket.socket) -> None:
        first = read_request(conn)
        self.heads.append(first)
        if self.refuse:
            conn.sendall(self.refuse)
            return
        method, address, _ = first.split(b"\r\n")[0].split(b" ")
        if method == b"CONNECT":
            host, _, port = address.decode().rpartition(":")
            with socket.create_connection((host, int(port))) as onward:
                conn.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                self._pipe(conn, onward)
        else:
            host, _, port = address.decode().split("/")[2].rpartition(":")
            with socket.create_connection((host, int(port))) as onward:
                onward.sendall(first)
                self._pipe(conn, onward)

    @staticmethod
    def _pipe(one: socket.socket, other: socket.socket) -> None:
        while True:
            for ready in select.select([one, other], [], [], 5)[0]:
                data = ready.recv(65536)
                if not data:
                    return
                (other if ready is one else one).sendall(data)


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_plain_calls_go_through_the_environment_s_proxy(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy, requests = Proxy(), list[bytes]()
    with vendor(keeping(OK, requests)) as there, vendor(proxy.play) as between:
        monkeypatch.setenv(variable, between.url)
        assert ask(there.url).status == 200
    assert len(proxy.heads) == len(requests) == 1


def test_https_calls_tunnel_through_the_proxy_which_sees_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
    proxy, requests = Proxy(), list[bytes]()
    with vendor(encrypted(keeping(OK, requests))) as there, vendor(proxy.play) as between:
        monkeypatch.setenv("HTTPS_PROXY", between.url)
        client = made()
        for idle_s in (600.0, 600.0, -1.0):  # kept, kept, and idled: then there must be a new tunnel
            monkeypatch.setattr("connector.core.connections.IDLE_S", idle_s)
            assert client.call("POST", f"https://localhost:{there.port}/x", body=b"[]").status == 200
    assert [head.split(b" ")[0] for head in proxy.heads] == [b"CONNECT", b"CONNECT"]
    assert not any(TOKEN.encode() in head for head in proxy.heads)
    assert len(requests) == 3


def test_a_proxy_that_refuses_to_tunnel_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Proxy(refuse=b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
    with vendor(proxy.play) as between:
        monkeypatch.setenv("HTTPS_PROXY", between.url)
        with pytest.raises(NotSent):
            ask("https://localhost:1")


def test_a_proxy_that_is_not_there_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
    with pytest.raises(NotSent, match="the proxy could not be used"):
        ask("http://vendor.example.com")


def test_no_proxy_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with vendor(answering(OK)) as there:
        assert ask(there.url).status == 200


# --- words ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "part",
    [resetting, cut_before_reading, answering(b""), answering(b"garbage\r\n\r\n"), hanging],
    ids=lambda one: "part",
)
def test_no_fault_shows_a_parameter_or_a_token(part: Play) -> None:
    with vendor(part) as there, pytest.raises((NoAnswer, NotSent)) as fault:
        ask(there.url, timeout_s=0.4)
    said = str(fault.value)
    assert PHONE not in said
    assert TOKEN not in said
    assert "127.0.0.1" not in said
    assert said.startswith(("no answer: ", "not sent: "))


# --- how long to wait -----------------------------------------------------------------------------------------------

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(hours=1), usegmt=True), 0.0),
        ("Friday, 20-Nov-26 15:01:30 GMT", 90.0),
        ("Fri Nov 20 15:01:30 2026", 90.0),
        ("99999999999999999999", 86_400.0),
        (format_datetime(NOW + timedelta(days=400), usegmt=True), 86_400.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("Fri, 99 Nov 2026 15:01:30 GMT", None),
    ],
)
def test_retry_after_is_read_in_both_its_forms(value: str, seconds: float | None) -> None:
    assert retry_after_s(Answer(429, {"retry-after": value}), now=NOW) == seconds


def test_an_answer_without_retry_after_says_nothing() -> None:
    assert retry_after_s(Answer(429)) is None


@given(st.text(max_size=40) | st.from_regex(r"[A-Z][a-z]{2}, [0-9]{1,5} [A-Z][a-z]{2} [0-9]{1,9} .{0,20}"))
def test_whatever_retry_after_holds_the_wait_is_bounded(value: str) -> None:
    seconds = retry_after_s(Answer(429, {"retry-after": value}))
    assert seconds is None or 0 <= seconds <= 86_400


@given(st.integers(min_value=-5, max_value=10_000))
def test_the_outbox_s_wait_grows_and_is_bounded(faults: int) -> None:
    least = min(2 ** (max(1, min(faults, 30)) - 1), 600)
    assert least <= wait_s(faults) <= min(least + 1, 601) <= 601


def test_only_what_was_not_sent_is_repeated_unless_all_may_be() -> None:
    for repeatable, fault, times in ((False, NotSent, 3), (False, NoAnswer, 1), (True, NoAnswer, 3)):
        tried = 0
        with pytest.raises(fault):
            for one in tries(repeatable=repeatable):
                with one:
                    tried += 1
                    raise fault("x")
        assert tried == times


def test_what_is_known_is_written_down_however_long_the_database_is_away() -> None:
    away = [StoreUnavailable("away")] * 3

    def settle() -> None:
        if away:
            raise away.pop()

    patiently(settle)
    assert away == []


# --- the watchdog ---------------------------------------------------------------------------------------------------


def test_the_watchdog_ends_what_is_due_and_nothing_that_was_removed() -> None:
    dog, ended, over = Watchdog(), list[str](), threading.Event()
    dog.add(3600, lambda: ended.append("late"))
    removed = dog.add(0.05, lambda: ended.append("removed"))
    dog.remove(removed)
    dog.add(0.1, lambda: ended.append("first"))  # earlier than all it knows
    dog.add(0.3, over.set)
    assert over.wait(60)
    assert ended == ["first"]


def test_the_watchdog_wakes_for_an_entry_after_a_rest() -> None:
    dog, first, second = Watchdog(), threading.Event(), threading.Event()
    dog.add(0, first.set)
    assert first.wait(60)
    dog.add(0, second.set)
    assert second.wait(60)


def test_calls_share_one_thread_for_their_deadlines() -> None:
    with vendor(keeping(OK, [])) as played:
        client = Client({}, timeout_s=60)
        client.call("GET", played.url)
        watching = [one.name for one in threading.enumerate()].count("watchdog")
        client.call("GET", played.url)
        assert [one.name for one in threading.enumerate()].count("watchdog") == watching
        client.close()


def test_proxies_are_read_from_the_environment_once_for_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    with vendor(keeping(OK, [])) as proxy, vendor(keeping(OK, [])) as direct:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        client = Client({}, timeout_s=60)
        assert client.call("GET", "http://vendor.example/a").status == 200
        assert client.call("GET", f"{direct.url}/b").status == 200
        assert client.call("GET", "http://vendor.example/c").status == 200
        client.close()
    assert (proxy.connections, direct.connections) == (1, 1)
