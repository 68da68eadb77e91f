"""The wire: HTTP/1.1 with keep-alive over threads, and the raw socket under it, to hang, to cut and to send half."""

from __future__ import annotations

import re
import select
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from connector.vendors.sandbox.messages import Reply

#: Status -> reason phrase.
HTTP_PHRASES = {status.value: status.phrase for status in HTTPStatus}
#: Far more than any documented call needs; larger bodies are refused unread.
MOST_BODY = 256 * 1024 * 1024
_HEX = re.compile(rb"[0-9a-fA-F]{1,8}")
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Line(BaseHTTPRequestHandler):
    """One connection. The server's `exchange` decides the answers."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def exchange(self) -> None:
        """One request on this connection."""
        self.server.exchange(self)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = exchange  # noqa: N815 - the names http.server looks for

    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing: the ledger has every call."""

    def read_body(self) -> bytes | None:
        """The whole body; None if it is too large or its length unknown. Raises if the caller hangs up in it."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._read_chunks()
        text = self.headers.get("Content-Length", "0").strip()
        length = int(text) if text.isascii() and text.isdigit() else MOST_BODY + 1
        if length > MOST_BODY:
            self.close_connection = True
            return None
        return self._read(length)

    def _read(self, length: int) -> bytes:
        data = self.rfile.read(length)
        if len(data) < length:
            raise ConnectionResetError("the caller hung up in the middle of its request")
        return data

    def _read_chunks(self) -> bytes | None:
        body = bytearray()
        while True:
            size_line = self.rfile.readline(1024).split(b";")[0].strip()
            size = int(size_line, 16) if _HEX.fullmatch(size_line) else MOST_BODY + 1
            if size > MOST_BODY - len(body):
                self.close_connection = True
                return None
            if size == 0:
                while self.rfile.readline(65536).strip():
                    pass
                return bytes(body)
            body += self._read(size)
            self.rfile.readline(8)

    def send(self, reply: Reply, *, half: bool = False) -> None:
        """Writes head and body at once, so that a small answer is one packet; with ``half`` only half of the body."""
        promised = max(len(reply.body), 2) if half else len(reply.body)
        sent = reply.body[: len(reply.body) // 2] if half else reply.body
        self.close_connection = self.close_connection or half
        headers = {**reply.headers, "Content-Length": str(promised), "Date": self.date_time_string()}
        if self.close_connection and not half:
            headers["Connection"] = "close"
        phrase = HTTP_PHRASES.get(reply.status, "Unknown")
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.wfile.write(f"HTTP/1.1 {reply.status} {phrase}\r\n{head}\r\n".encode("latin-1") + sent)

    def cut(self) -> None:
        """Resets the connection (RST): the caller's read fails at once."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.rfile.close()
        self.connection.close()

    def has_hung_up(self) -> bool:
        """Whether the caller has hung up."""
        try:
            return not self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def pause(self, seconds: float, on_gone: Callable[[], None]) -> None:
        """Waits; calls ``on_gone`` once, as soon as the caller hangs up, and still waits to the end."""
        end = time.monotonic() + seconds
        poll = select.poll()
        poll.register(self.connection, select.POLLIN)
        while (left := end - time.monotonic()) > 0 and not self.server.stopping.is_set():
            if self.has_hung_up():
                on_gone()
                self.server.stopping.wait(left)
                return
            if poll.poll(min(left, 0.2) * 1000) and not self.has_hung_up():
                self.server.stopping.wait(min(left, 0.01))  # a pipelined request is waiting, the caller is still there


class Server(ThreadingHTTPServer):
    """Listens, one thread a connection. Started by `start`, ended with every connection by `close`."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, host: str, port: int, exchange: Callable[[Line], None]) -> None:
        self.exchange = exchange
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__((host, port), Line)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), name="sandbox", daemon=True)

    def server_bind(self) -> None:
        """Binds without asking a name server who we are, as the inherited way does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def start(self) -> None:
        """Begins to answer, in threads of its own."""
        self._thread.start()

    def close(self) -> None:
        """Stops listening and closes all connections."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
        with self._open_lock:
            for connection in self._open:
                _shut(connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remembers the connection, then gives it a thread."""
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forgets the connection."""
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hangs up is not a fault of ours; anything else is shown."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # hung up already
