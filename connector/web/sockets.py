"""The sockets on which the servers listen."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from typing import Final

from connector.core.errors import ConnectorError
from connector.core.settings import Settings

WAIT_S: Final = 3.0  #: how long a predecessor on its way out is waited for
LOOK_EVERY_S: Final = 0.02


def address(settings: Settings, environ: Mapping[str, str]) -> tuple[str, int]:
    """Host and port to listen at: everywhere on a dyno, otherwise this machine only unless CONNECTOR_HOST is set."""
    host = environ.get("CONNECTOR_HOST") or ("0.0.0.0" if environ.get("DYNO") else "127.0.0.1")
    return host, settings.port


def free_port(host: str, port: int) -> int:
    """The port (0: any), free. Raises `ConnectorError`.

    Processes that share a port (SO_REUSEPORT) would share it with a foreign program too, without notice.
    """
    end = time.monotonic() + WAIT_S
    while True:
        try:
            with bound(host, port) as found:
                return int(found.getsockname()[1])
        except ConnectorError:
            if time.monotonic() >= end:
                raise
            time.sleep(LOOK_EVERY_S)


def bound(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A socket that has the address, not listening yet; several processes may have one ``shared``.

    Raises `ConnectorError`.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((host, port))
    except OSError as fault:
        sock.close()
        why = (fault.strerror or "cannot be used").lower()
        raise ConnectorError(f"port {port} at {host}: {why}: choose another in PORT") from fault
    return sock
