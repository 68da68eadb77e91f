"""The uvicorn server in a thread of this process, alone at its port or beside other processes."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import sys
import threading
from collections import deque
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final, cast

import orjson
import uvicorn
import uvloop  # noqa: F401 - loaded before the processes are forked, and shared by them
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from connector.web import limits
from connector.web.asgi import CONNECTION, OF_ITS_OWN, Front
from connector.web.limits import Gate
from connector.web.sockets import bound
from connector.web.standby import Standby

BACKLOG: Final = 2048  #: connections that wait to be accepted
KEPT_S: Final = 75  #: how long a connection is kept for its next request; senders' pools hang up sooner
REST_S: Final = 2  #: for the rest of a request that is half there when we are stopping
STOP_S: Final = 22  #: requests in flight may take this long after SIGTERM; a platform kills after 30
#: How long one thread keeps the interpreter from others that want it. With Python's 5 ms a request, which changes
#: threads some ten times, waits for as many of those that map a flood: `/livez` took 190 ms at worst, and takes 70.
SWITCH_S: Final = 0.001
_LOOK_S: Final = 1
_ENDING_S: Final = 1.0  #: uvicorn's own shutdown, at most
_NEVER: Final = float("inf")
_DETAILS: Final = {
    400: "the request is not valid HTTP/1.1",
    408: "the request took too long to arrive: send it again, faster",
    429: "too much is on its way here: send it again in a moment",
}
_CONTINUE: Final = b"HTTP/1.1 100"  #: the only answer before the answer
_END_OF_HEAD: Final = re.compile(rb"\n\r?\n|\A\r?\n")
_UPGRADE: Final = re.compile(rb"(\A|\n)upgrade(?=:)", re.IGNORECASE)


class Connection(HttpToolsProtocol):
    """uvicorn's connection, with limits on what a sender may use without completing a request: see
    `connector.web.limits`.
    """

    gate: Gate  #: of the server: a class of its own for each
    descriptor = -1  #: of its socket; -1: it is not set up yet

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.peer = self.client[0] if self.client else ""
        self.held = 0
        self._in_hand: deque[Any] = deque()  #: cycles without a complete response; uvicorn knows only the last
        self._is_lent = False
        self.waits_since = self.loop.time()
        self._head_bytes = 0
        self._line = b""  # the beginning of a header's line, until its end has come
        self._announced = 0
        self.descriptor = transport.get_extra_info("socket").fileno()  # last: another thread may look from now on
        self.gate.admit(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gate.leave(self)
        self._disconnect()
        super().connection_lost(exc)

    @property
    def waits_unread(self) -> bool:
        """No request is in hand, nothing of the next one was read, and nothing is left to write. Any thread may ask."""
        if self.descriptor < 0:
            return False
        is_idle = _is_over(self.cycle) and not self._head_bytes and not self._is_lent
        return is_idle and not self.transport.is_closing() and not self.transport.get_write_buffer_size()

    def lend(self) -> None:
        """A thread beside the loop has read its next request, answers it and closes the connection."""
        self._is_lent = True

    def data_received(self, data: bytes) -> None:
        if self._is_lent:  # a further request before the answer: it must not be answered first
            self.transport.abort()
            return
        before = self.cycle
        if not _is_over(before):
            super().data_received(data)
            return
        if not self._head_bytes and before is not None:
            self.waits_since = self.loop.time()
        self._head_bytes += len(data)
        if not self._line and _is_plain(data):
            super().data_received(data)
        else:
            head, rest, self._line = _whole_lines(self._line + data)
            if head or rest:
                super().data_received(_UPGRADE.sub(rb"\1x-declined", head) + rest)
        if self.cycle is not before:
            self._head_bytes = 0
        elif self._head_bytes > limits.HEAD_BYTES and not self.transport.is_closing():
            self.gate.count("head_bytes", self.peer)
            self.send_400_response("The head of the request is too large.")

    def send_400_response(self, msg: str) -> None:
        """As every refusal looks."""
        self.transport.write(_problem(400))
        self._hang_up()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"][CONNECTION] = self
        self._announced = 0
        self._has_host = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Drops names with an underscore, which could be confused with those with a hyphen.

        Raises `ValueError` on a second host (RFC 9112, 3.2), which the parser's caller answers with 400.
        """
        if b"_" in name:
            return
        name = name.lower()
        if name == b"host":
            if self._has_host:
                raise ValueError("two hosts")
            self._has_host = True
        elif name == b"content-length" and value.isdigit() and len(value) < 12:
            self._announced = int(value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self.waits_since = self.loop.time()
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:
            self.cycle.transport = cast(Any, _HeadWithBody(self.transport))
            self._in_hand.append(self.cycle)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.waits_since = _NEVER

    def on_response_complete(self) -> None:
        if self._in_hand:
            self._in_hand.popleft().transport.flush()
        super().on_response_complete()
        self.waits_since = self.loop.time()

    def shutdown(self) -> None:
        """As uvicorn stops: who has given half a request has a moment left for the rest."""
        super().shutdown()
        self.loop.call_later(REST_S, self.look, 0.0)

    def look(self, most_s: float = _NEVER) -> None:
        """Refuses a head or a body that takes too long, or longer than ``most_s``."""
        waited_s = self.loop.time() - self.waits_since
        if self.transport.is_closing():
            return
        if self.cycle is None or self._head_bytes:
            if waited_s >= min(most_s, limits.HEAD_S):
                self._refuse_counted("head_seconds")
        elif self.cycle.more_body and waited_s >= min(most_s, limits.body_s(self._announced)):
            self._refuse_counted("body_seconds")

    def _refuse_counted(self, limit: str) -> None:
        self.gate.count(limit, self.peer)
        self.refuse(408, limit)

    def refuse(self, status: int, limit: str) -> None:
        """Answers with the reason if no response has begun, and closes the connection."""
        if self.transport.is_closing():
            return
        if _is_over(self.cycle) or not self.cycle.response_started:
            self.transport.write(_problem(status))
        self._hang_up()

    def _hang_up(self) -> None:
        self._disconnect()
        self.transport.close()

    def _disconnect(self) -> None:
        """Requests in hand, also those sent ahead, are answered on this connection no more."""
        for cycle in self._in_hand:
            cycle.disconnected = True
            cycle.message_event.set()

    def hold(self, size: int) -> None:
        """Counts further bytes of a body that is not proved yet."""
        self.gate.hold(self, size)

    def release(self) -> None:
        """Releases all of them."""
        self.gate.release(self)


class _HeadWithBody:
    """The transport of one response: its head waits for the beginning of its body, and both are one write.

    uvicorn writes them one after the other, and each write of so few bytes costs as much as mapping a lead.
    """

    __slots__ = ("_head", "_is_begun", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""
        self._is_begun = False

    def write(self, data: bytes) -> None:
        if self._is_begun:
            self._transport.write(self._head + data)
            self._head = b""
        elif data.startswith(_CONTINUE):
            self._transport.write(data)
        else:
            self._head, self._is_begun = data, True

    def flush(self) -> None:
        """Writes a head that has no body."""
        if self._head:
            self.write(b"")

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        self.flush()
        self._transport.close()


def _is_over(cycle: Any) -> bool:
    """No request is in hand: further bytes belong to the head of the next one."""
    return cycle is None or cycle.response_complete


def _is_plain(data: bytes) -> bool:
    """Whether these bytes certainly hold the end of a head, and offer no other protocol before it."""
    end = data.find(b"\r\n\r\n")
    return end >= 0 and b"upgrade" not in data[:end].lower()


def _whole_lines(data: bytes) -> tuple[bytes, bytes, bytes]:
    """The part of a head that may be parsed, the bytes after its end, and an incomplete line of it.

    An offer of another protocol must be seen completely: httptools would treat the body as that protocol's.
    """
    if end := _END_OF_HEAD.search(data):
        return data[: end.end()], data[end.end() :], b""
    whole, newline, begun = data.rpartition(b"\n")
    return whole + newline, b"", begun


def _problem(status: int) -> bytes:
    phrase = HTTPStatus(status).phrase
    body = orjson.dumps({"type": "about:blank", "title": phrase, "status": status, "detail": _DETAILS[status]})
    head = [
        f"HTTP/1.1 {status} {phrase}",
        "content-type: application/problem+json",
        f"content-length: {len(body)}",
        "cache-control: no-store",
        "x-content-type-options: nosniff",
        *(["retry-after: 5"] if status == 429 else []),
        "connection: close",
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


class _Server(uvicorn.Server):
    """With somebody beside its loop: see `connector.web.standby`."""

    def __init__(self, config: uvicorn.Config, standby: Standby) -> None:
        super().__init__(config)
        self._standby = standby
        self._adopting: set[asyncio.Future[Any]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._standby.start(asyncio.get_running_loop(), self._adopt, self._waiting)

    def _waiting(self) -> list[Connection]:
        connections: set[Any] = self.server_state.connections.copy()
        return [one for one in connections if one.waits_unread]

    def _adopt(self, line: socket.socket) -> None:
        """A connection that was accepted beside the loop, as one of its own."""
        loop = asyncio.get_running_loop()
        adoption = loop.create_task(loop.connect_accepted_socket(self._protocol, line))
        self._adopting.add(adoption)
        adoption.add_done_callback(self._adopting.discard)

    def _protocol(self) -> asyncio.Protocol:
        factory: Any = self.config.http_protocol_class
        protocol: asyncio.Protocol = factory(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol


class Served:
    """Has its port from the beginning (0: any that is free), and listens from `start` on."""

    def __init__(self, app: Front, host: str, port: int, *, shared: bool = True) -> None:
        """``shared``: with other processes. Raises `ConnectorError` when it cannot listen there."""
        self._socket = bound(host, port, shared=shared)
        self.port: Final = int(self._socket.getsockname()[1])
        config = uvicorn.Config(
            app,
            loop="uvloop",
            http=type("GatedConnection", (Connection,), {"gate": Gate()}),
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level=logging.ERROR,  # what senders do wrong is theirs to hear
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=BACKLOG,
            timeout_keep_alive=KEPT_S,
            timeout_graceful_shutdown=STOP_S,
            timeout_notify=_LOOK_S,
            callback_notify=self._look,
        )
        self._standby: Final = Standby(self._socket, OF_ITS_OWN, app.beside, app.answer_beside)
        self._server = _Server(config, self._standby)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="web", daemon=True)

    def start(self) -> None:
        """Begins to answer."""
        # Here and not in the thread: a sender that comes at once then waits a moment instead of being refused.
        self._socket.listen(BACKLOG)
        sys.setswitchinterval(SWITCH_S)
        self._thread.start()

    def ended(self) -> bool:
        """Whether it ended by itself."""
        return not self._thread.is_alive()

    def stop(self, timeout_s: float = STOP_S) -> bool:
        """Accepts nothing new, and returns once requests in flight are answered or timed out; True if all were
        answered.
        """
        if self._thread.ident is None:
            self._socket.close()
            return True
        self._server.config.timeout_graceful_shutdown = max(1, int(timeout_s))
        self._server.should_exit = True
        self._thread.join(timeout_s + _ENDING_S)
        self._standby.stop()
        return self.ended()

    async def _look(self) -> None:
        connections: Iterable[Any] = self._server.server_state.connections
        for connection in tuple(connections):
            connection.look()
