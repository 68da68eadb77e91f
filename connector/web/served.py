"""The application in a process of its own, one of several at the same port: uvicorn, beside the main thread."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterable
from typing import Any, Final

import uvicorn
import uvloop  # noqa: F401 - loaded before the processes are forked, and shared by them
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from connector.web.front import Front
from connector.web.ports import bound

BACKLOG: Final = 2048  #: connections that wait to be taken
KEPT_S: Final = 75  #: how long a connection is kept for its next request; senders' pools hang up sooner
OWED_S: Final = 30  #: how long a sender may be silent in the middle of a request, or before its first
REST_S: Final = 2  #: the same when we are stopping
HEAD_BYTES: Final = 64 * 1024  #: the largest head of a request
STOP_S: Final = 22  #: what is in flight may take so long after SIGTERM; a platform kills after 30
_LOOK_S: Final = 5
_ENDING_S: Final = 1.0  #: what uvicorn itself takes to end, at most


class Connection(HttpToolsProtocol):
    """uvicorn's, with an end to what a sender may take from us without giving a request."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._head_bytes = 0
        self._heard_s = self.loop.time()

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        if b"pgrade" in data and _is_over(before):
            data = _without_upgrade(data)
        super().data_received(data)
        if self.cycle is not before or not _is_over(before):
            self._head_bytes = 0
        else:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response("The head of the request is too large.")
        self._heard_s = self.loop.time()

    def shutdown(self) -> None:
        """As uvicorn stops: who has given half a request has a moment left for the rest."""
        super().shutdown()
        self.loop.call_later(REST_S, self.look, 0.0)

    def look(self, patience_s: float = OWED_S) -> None:
        """Hangs up on a sender who owes us something and has been silent for too long."""
        owes = self.cycle is None or self._head_bytes or self.cycle.more_body
        if owes and self.loop.time() - self._heard_s >= patience_s:
            self.transport.close()


def _is_over(cycle: Any) -> bool:
    """No request is in hand: what comes belongs to the head of the next."""
    return cycle is None or cycle.response_complete


_UPGRADE: Final = re.compile(rb"\r\nupgrade(?=:)", re.IGNORECASE)


def _without_upgrade(data: bytes) -> bytes:
    """The same request, not offering another protocol: httptools would take its body for that protocol's."""
    head, gap, rest = data.partition(b"\r\n\r\n")
    return _UPGRADE.sub(rb"\r\nx-declined", head) + gap + rest


class Served:
    """Listens from `start` on."""

    def __init__(self, app: Front, host: str, port: int) -> None:
        """Raises `ConnectorError` when it cannot listen there."""
        self._socket = bound(host, port, shared=True)
        config = uvicorn.Config(
            app,
            loop="uvloop",
            http=Connection,
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
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="web", daemon=True)

    def start(self) -> None:
        """Begins to answer."""
        self._thread.start()

    def ended(self) -> bool:
        """Whether it ended by itself."""
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Takes nothing new, and returns once what was in flight is answered, or had its time."""
        self._server.should_exit = True
        self._thread.join(STOP_S + _ENDING_S)

    async def _look(self) -> None:
        connections: Iterable[Any] = self._server.server_state.connections
        for connection in tuple(connections):
            connection.look()
