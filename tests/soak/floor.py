"""A server that answers at once and does nothing else: how long an answer takes on this machine meanwhile."""

from __future__ import annotations

import contextlib
import socket
import sys
from typing import Final

from tests.soak.attacks import HOST

ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


def main() -> None:
    """Writes its port on stdout, and answers until it is killed."""
    with socket.create_server((HOST, 0)) as listening:
        sys.stdout.write(f"{listening.getsockname()[1]}\n")
        sys.stdout.flush()
        while True:
            line, _ = listening.accept()
            with line, contextlib.suppress(OSError):
                line.recv(65536)
                line.sendall(ANSWER)


if __name__ == "__main__":
    main()
