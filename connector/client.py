"""The only HTTP session, the only tenacity, the only place that decides what is worth repeating.

What matters of a call that brought no answer is one thing: could the request have reached the vendor? It could not
before its first byte was written; from then on it may have, whatever the error was called.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final

import orjson
import requests
import requests.adapters
import requests.auth
import tenacity
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from connector.errors import ConnectorError, StoreUnavailable

CONNECT_TIMEOUT_S: Final = 10.0
IDLE_S: Final = 4.0  #: a kept connection older than this is not trusted with a request that cannot be repeated
ANSWER_BYTES: Final = 256 * 1024 * 1024  #: wolkvox's documented limit for a result
WAIT_MAX_S: Final = 600.0
SETTLE_PATIENCE_S: Final = 600.0


class NotSent(ConnectorError):  # noqa: N818 - a verdict on the request
    """The request provably never left. It may be repeated."""


class NoAnswer(ConnectorError):  # noqa: N818
    """The request was written, at least in part, and no usable answer came. It may have landed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the vendor said. Header names are lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        """The body, or None when it is no JSON."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None

    @property
    def is_html(self) -> bool:
        return "html" in self.headers.get("content-type", "").lower() or self.body.lstrip()[:1] == b"<"


def retry_after_s(answer: Answer, *, now: datetime | None = None) -> float | None:
    """Seconds to wait as the vendor asks, in either of the header's forms (RFC 9110 §10.2.3); None: it does not say."""
    value = answer.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), 86_400.0)
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    return min(max(0.0, (aware - (now or datetime.now(UTC))).total_seconds()), 86_400.0)


_wait = tenacity.wait_exponential_jitter(multiplier=1, max=WAIT_MAX_S, jitter=1)


def wait_s(faults: int) -> float:
    """How long the outbox waits after so many faults in a row: exponential with jitter, ten minutes at the most."""
    state = tenacity.RetryCallState(retry_object=tenacity.Retrying(), fn=None, args=(), kwargs={})
    state.attempt_number = max(1, min(faults, 30))
    return float(_wait(state))


def tries(*, repeatable: bool) -> tenacity.Retrying:
    """The quick repeats, within seconds: of what provably was not sent, and of what is safe to send again."""
    worth = (NotSent, NoAnswer) if repeatable else (NotSent,)
    return tenacity.Retrying(
        stop=tenacity.stop_after_attempt(3) | tenacity.stop_after_delay(5),
        wait=tenacity.wait_exponential_jitter(multiplier=0.2, max=2, jitter=0.2),
        retry=tenacity.retry_if_exception_type(worth),
        reraise=True,
    )


def patiently(settle: Callable[[], None]) -> None:
    """Writes down what a call brought, however long the database is away: what is known must not become unknown."""
    tenacity.Retrying(
        stop=tenacity.stop_after_delay(SETTLE_PATIENCE_S),
        wait=tenacity.wait_exponential_jitter(multiplier=0.1, max=5, jitter=0.1),
        retry=tenacity.retry_if_exception_type(StoreUnavailable),
        reraise=True,
    )(settle)


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the clock that goes on while the machine sleeps."""

    at_s: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        return cls(_clock_s() + seconds)

    def left_s(self) -> float:
        return self.at_s - _clock_s()


def _clock_s() -> float:
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass(slots=True)
class _Call:
    """What the connection is to know of the call it carries, and to tell."""

    deadline: Deadline
    connection: Any = None
    sock: Any = None  #: kept, as a connection forgets its own as soon as the vendor says that it will close it
    writing: bool = False
    was_cut: bool = False


class _Current(threading.local):
    """This thread's call."""

    call: _Call | None = None


_current = _Current()


class _Guarded:
    """Mixed into urllib3's connections: tells when the first byte is to be written, and refuses after the deadline."""

    sock: Any
    timeout: Any
    _last_used_s: float = 0.0

    @property
    def is_connected(self) -> bool:
        """Asked by the pool before it hands out a kept connection; one that is not is made anew, proxy and all."""
        idle = time.monotonic() - self._last_used_s > IDLE_S
        return not idle and bool(super().is_connected)  # type: ignore[misc]

    def connect(self) -> None:
        if (call := _current.call) is not None:
            call.connection = self
        super().connect()  # type: ignore[misc]

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is None:
            self.connect()
        if (call := _current.call) is not None:
            call.connection, call.sock = self, self.sock
            left_s = call.deadline.left_s()
            if left_s <= 0:
                raise NotSent("not sent: its deadline had passed before it could be written")
            self.timeout = left_s  # for writing; it is the connect timeout still, too short for a large body
        self._last_used_s = time.monotonic()
        super().request(*args, **kwargs)  # type: ignore[misc]

    def send(self, data: Any) -> None:
        if (call := _current.call) is not None and call.sock is not None:  # else it speaks to the proxy, of a tunnel
            call.writing = True
        super().send(data)  # type: ignore[misc]

    def getresponse(self) -> Any:
        self._last_used_s = time.monotonic()
        return super().getresponse()  # type: ignore[misc]


class _Plain(_Guarded, HTTPConnection):
    """http, guarded."""


class _Secure(_Guarded, HTTPSConnection):
    """https, guarded."""


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


class _Transport(requests.adapters.HTTPAdapter):
    """Requests' own transport over guarded connections."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        proxy = super().proxy_manager_for(*args, **kwargs)
        proxy.pool_classes_by_scheme = _POOLS
        return proxy


_POOLS: Final = {"http": _PlainPool, "https": _SecurePool}


class _Headers(requests.auth.AuthBase):
    """Puts the credential on each request. As `auth`, so that a netrc file cannot replace it."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self._headers)
        return request


class _Session(requests.Session):
    """Requests' own session, which looks where a redirect leads (and reads all of its body) even if told not to."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        return None


class Client:
    """One account's HTTP session. TLS is verified, proxies come from the environment, redirects are not followed.

    ``credentials`` are the headers that carry the token; they are never logged. Threads may share a client.
    """

    def __init__(self, credentials: Mapping[str, str], *, timeout_s: float = 65.0) -> None:
        self.timeout_s: Final = timeout_s
        self._session = _Session()
        # A header's bytes are UTF-8 whatever the token holds: the vendor refuses it, not the encoder.
        self._session.auth = _Headers({name: text.encode().decode("latin-1") for name, text in credentials.items()})
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers["User-Agent"] = "connector"
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _Transport(pool_maxsize=16, max_retries=0))

    def call(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        deadline: Deadline | None = None,
    ) -> Answer:
        """One request, once. Raises `NotSent` or `NoAnswer`; any HTTP status is an answer."""
        until = deadline or Deadline.after(self.timeout_s)
        call = _current.call = _Call(until)
        watchdog = threading.Timer(max(0.0, until.left_s()), _shut, (call,))
        watchdog.daemon = True
        watchdog.start()
        try:
            return self._ask(method, url, params, body, call)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as fault:
            why = _LATE if call.was_cut or until.left_s() <= 0 else _why(fault)
            raise (NoAnswer(f"no answer: {why}") if call.writing else NotSent(f"not sent: {why}")) from fault
        finally:
            watchdog.cancel()
            call.connection = call.sock = _current.call = None

    def _ask(self, method: str, url: str, params: Mapping[str, str] | None, body: bytes | None, call: _Call) -> Answer:
        left_s = max(0.01, call.deadline.left_s())
        response = self._session.request(
            method,
            url,
            params=params,
            data=body,
            headers={"Content-Type": "application/json"} if body is not None else None,
            timeout=(min(CONNECT_TIMEOUT_S, left_s), left_s),
            allow_redirects=False,
            stream=True,
        )
        with response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status_code, headers, _read(response, call))

    def close(self) -> None:
        self._session.close()


def _read(response: requests.Response, call: _Call) -> bytes:
    parts: list[bytes] = []
    size = 0
    for part in _chunks(response):
        size += len(part)
        if size > ANSWER_BYTES:
            raise NoAnswer("no answer: it was too long")
        if call.deadline.left_s() <= 0:
            raise NoAnswer(f"no answer: {_LATE}")
        parts.append(part)
    if call.was_cut:  # an answer without a length ends where it is cut
        raise NoAnswer(f"no answer: {_LATE}")
    return b"".join(parts)


def _chunks(response: requests.Response) -> Iterator[bytes]:
    chunks: Iterator[bytes] = response.iter_content(1 << 16)
    return chunks


def _shut(call: _Call) -> None:
    """At the deadline, from the watchdog's thread: whatever the call waits for ends now."""
    sock = call.sock or getattr(call.connection, "sock", None)
    if sock is None:
        return
    call.was_cut = True
    with contextlib.suppress(OSError):
        # The plain socket's shutdown: TLS's own would go on unencrypted. TLS within TLS keeps its socket inside.
        socket.socket.shutdown(getattr(sock, "socket", sock), socket.SHUT_RDWR)


def _why(fault: BaseException) -> str:
    """The kind of fault, without the URL and its parameters, which may be personal."""
    reason = getattr(fault, "reason", None) or (fault.args[0] if fault.args else None)
    inner = getattr(reason, "reason", None) or reason
    name = type(inner).__name__ if isinstance(inner, BaseException) else type(fault).__name__
    return _WORDS.get(name, name)


_LATE: Final = "the vendor did not answer in time"
_WORDS: Final = {
    "NameResolutionError": "the host name is unknown",
    "NewConnectionError": "the connection was refused",
    "ConnectTimeoutError": "the connection could not be made in time",
    "ConnectTimeout": "the connection could not be made in time",
    "ReadTimeoutError": "the vendor did not answer in time",
    "ReadTimeout": "the vendor did not answer in time",
    "ProtocolError": "the connection was cut",
    "ConnectionError": "the connection was cut",
    "RemoteDisconnected": "the connection was cut",
    "IncompleteRead": "the answer broke off",
    "ChunkedEncodingError": "the answer broke off",
    "SSLError": "TLS could not be agreed on",
    "ProxyError": "the proxy could not be used",
}
