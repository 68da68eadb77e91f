"""The application in a thread of another process: waitress, for ``connector run`` and ``demo``."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import waitress.server
import waitress.wasyncore
from flask import Flask

from connector.web.ports import LOOK_EVERY_S, bound

THREADS: Final = 16
STOP_S: Final = 22.0  #: what is in flight may take so long after SIGTERM; a platform kills after 30
_HIGHEST_BODY: Final = 64 * 1024 * 1024  #: what waitress takes in before our own 413; beyond it sends its own


class Embedded:
    """The application in a thread of this process; port 0 takes any free one.

    It has its port from the start, and answers from `start` on. Raises `ConnectorError` when the port is in use.
    """

    def __init__(self, app: Flask, host: str, port: int) -> None:
        listening = bound(host, port)
        self.port: Final = int(listening.getsockname()[1])
        self._server: Any = waitress.server.create_server(
            app,
            sockets=[listening],
            threads=THREADS,
            ident=None,
            max_request_body_size=_HIGHEST_BODY,
            connection_limit=1000,
            asyncore_use_poll=True,
            clear_untrusted_proxy_headers=True,
        )
        self._thread = threading.Thread(target=self._server.run, name="web", daemon=True)

    def start(self) -> None:
        """Begins to answer."""
        self._thread.start()

    def stop(self, timeout_s: float = STOP_S) -> bool:
        """Takes nothing new, lets what is in flight be answered, hangs up. True when all were answered in time."""
        if not self._thread.is_alive():
            self._server.close()
            return True
        end = time.monotonic() + timeout_s
        self._in_loop(self._hang_up_listener)
        answered = self._in_loop(self._hang_up_idle)
        while not answered and time.monotonic() < end:
            time.sleep(LOOK_EVERY_S)
            answered = self._in_loop(self._hang_up_idle)
        self._in_loop(self._hang_up_all)
        self._thread.join(timeout=5)
        self._server.task_dispatcher.shutdown(timeout=1)
        return answered

    def _in_loop(self, act: Callable[[], bool]) -> bool:
        """What ``act`` says, done by the thread that serves: nobody else may touch its connections."""
        done = threading.Event()
        said: list[bool] = []

        def thunk() -> None:
            try:
                said.append(act())
            finally:
                done.set()

        self._server.trigger.pull_trigger(thunk)
        return done.wait(timeout=5) and bool(said) and said[0]

    def _hang_up_listener(self) -> bool:
        with contextlib.suppress(OSError):
            waitress.wasyncore.dispatcher.close(self._server)
        return True

    def _hang_up_idle(self) -> bool:
        """Hangs up on whoever is owed nothing; says whether that is everybody."""
        channels = list(self._server.active_channels.values())
        owed = [channel for channel in channels if channel.requests or channel.total_outbufs_len]
        for channel in channels:
            if channel not in owed:
                channel.handle_close()
        return not owed

    def _hang_up_all(self) -> bool:
        waitress.wasyncore.close_all(self._server._map)
        return True
