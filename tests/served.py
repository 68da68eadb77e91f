"""The server of the served processes, in a thread of this one."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask

from connector.web.asgi import Front
from connector.web.sockets import bound
from connector.web.uvicorn_server import Served
from tests.broker import wait_until


@contextmanager
def served(app: Flask) -> Iterator[int]:
    """Its port, once it listens."""
    with bound("127.0.0.1", 0) as found:
        port = int(found.getsockname()[1])
    server = Served(Front(app), "127.0.0.1", port)
    server.start()
    try:
        wait_until(lambda: _listens(port), timeout_s=60)
        yield port
    finally:
        server.stop()
        assert server.ended()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
