"""The only HTTP session.

If a call brings no answer, one question matters: could the request have reached the vendor? Before its first byte was
written it could not; afterwards it may have, by any kind of error.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

from connector.core import tracing
from connector.core.answer import Answer, Deadline, NoAnswer, NotSent
from connector.core.rows import Rows, TooLarge
from connector.core.watchdog import watchdog

if TYPE_CHECKING:  # `requests` and `urllib3` are loaded with the first client: most commands call nobody
    import requests

    from connector.core.connections import Call

__all__ = ["ANSWER_BYTES", "REPORT_BYTES", "Answer", "Client", "Deadline", "NoAnswer", "NotSent"]

CONNECT_TIMEOUT_S: Final = 10.0
ANSWER_BYTES: Final = 32 * 1024 * 1024  #: of an answer, unpacked
REPORT_BYTES: Final = 256 * 1024 * 1024  #: of a report: wolkvox's documented limit for a result


class Client:
    """One account's HTTP session. TLS is verified, proxies come from the environment, redirects are not followed, and
    cookies are not kept.

    ``credentials`` are the headers that carry the token; they are never logged. Threads may share a client.
    """

    def __init__(self, credentials: Mapping[str, str], *, timeout_s: float = 65.0) -> None:
        from connector.core import connections

        self.timeout_s: Final = timeout_s
        self._calls: Final = connections
        self._session = connections.Session()
        # Encode headers as UTF-8 even if the token is not ASCII: then the vendor refuses a bad token, not the encoder.
        as_sent = {name: text.encode().decode("latin-1") for name, text in credentials.items()}
        self._session.auth = connections.Headers(as_sent)
        self._session.headers["User-Agent"] = "connector"
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, connections.Transport(pool_maxsize=16, max_retries=0))

    def call(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        deadline: Deadline | None = None,
        is_report: bool = False,
    ) -> Answer:
        """One request, once. Raises `NotSent` or `NoAnswer`; any HTTP status is an answer.

        ``is_report``: the answer may be large; beyond `ANSWER_BYTES` it is read row by row, see `core.rows`.
        """
        until = deadline or Deadline.after(self.timeout_s)
        call = self._calls.current.call = self._calls.Call(until)
        watched = watchdog.add(until.left_s(), partial(_shut, call))
        try:
            with tracing.call(method, url) as span:
                answer = self._ask(method, url, params, body, call, is_report=is_report)
                span.note(**_span_facts(answer.status))
                return answer
        except self._calls.FAULTS as fault:
            why = _LATE if call.was_cut or until.left_s() <= 0 else _why(fault)
            raise (NoAnswer(f"no answer: {why}") if call.writing else NotSent(f"not sent: {why}")) from fault
        finally:
            watchdog.remove(watched)
            call.connection = call.sock = self._calls.current.call = None

    def _ask(
        self,
        method: str,
        url: str,
        params: Mapping[str, str] | None,
        body: bytes | None,
        call: Call,
        *,
        is_report: bool,
    ) -> Answer:
        left_s = max(0.01, call.deadline.left_s())
        response = self._session.ask(method, url, params, body, (min(CONNECT_TIMEOUT_S, left_s), left_s))
        with response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status_code, headers, _read(response, call, is_report=is_report))

    def close(self) -> None:
        self._session.close()


def _span_facts(status: int) -> dict[str, str | int]:
    """The facts of an answer for its span."""
    return {"http.response.status_code": status} | ({"error.type": str(status)} if status >= 400 else {})


def _read(response: requests.Response, call: Call, *, is_report: bool) -> bytes:
    parts: list[bytes] = []
    rows: Rows | None = None
    size = 0
    try:
        for part in _chunks(response):
            size += len(part)
            if size > (REPORT_BYTES if is_report else ANSWER_BYTES):
                raise TooLarge
            if call.deadline.left_s() <= 0:
                raise NoAnswer(f"no answer: {_LATE}")
            if rows is None and size > ANSWER_BYTES:
                rows = Rows(ANSWER_BYTES)
                while parts:
                    rows.feed(parts.pop(0))
            if rows is None:
                parts.append(part)
            else:
                rows.feed(part)
    except TooLarge as fault:
        raise NoAnswer("no answer: it was too long") from fault
    if call.was_cut:  # an answer without a length ends where it is cut
        raise NoAnswer(f"no answer: {_LATE}")
    return b"".join(parts) if rows is None else rows.whole()


def _chunks(response: requests.Response) -> Iterator[bytes]:
    chunks: Iterator[bytes] = response.iter_content(1 << 16)
    return chunks


def _shut(call: Call) -> None:
    """Called by the watchdog's thread at the deadline: ends the call's current wait."""
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
