"""The application in a server: `serve` for a process of its own with several workers, `Embedded` inside another one."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from multiprocessing.util import Finalize
from typing import Any, Final

import waitress.server
import waitress.wasyncore
from flask import Flask
from granian.constants import HTTPModes, Interfaces, Loops
from granian.log import LogLevels
from granian.server import Server

from connector import log
from connector.committer import Committer
from connector.db import Database
from connector.errors import ConfigError, ConnectorError
from connector.memory import keep_what_is_loaded
from connector.settings import Settings
from connector.web import create_app
from connector.web.front import Front

WORKERS: Final = 2
EMBEDDED_THREADS: Final = 16
STOP_S: Final = 22  #: what is in flight may take so long after SIGTERM; a platform kills after 30
PORT_WAIT_S: Final = 3.0  #: how long a predecessor on its way out is waited for
LOOK_EVERY_S: Final = 0.02
ENDING: Final = (signal.SIGTERM, signal.SIGINT)
_HIGHEST_BODY: Final = 64 * 1024 * 1024  #: what waitress takes in before our own 413; beyond it sends its own

_log = log.get("web")


def address(settings: Settings, environ: Mapping[str, str]) -> tuple[str, int]:
    """Host and port to listen at: everywhere on a dyno, else for this machine only unless CONNECTOR_HOST says more."""
    host = environ.get("CONNECTOR_HOST") or ("0.0.0.0" if environ.get("DYNO") else "127.0.0.1")
    return host, settings.port


def workers(environ: Mapping[str, str]) -> int:
    """How many processes: WEB_CONCURRENCY, as platforms set it, else 2. Raises `ConfigError`."""
    text = environ.get("WEB_CONCURRENCY") or str(WORKERS)
    if not (text.isascii() and text.isdigit() and len(text) < 3 and int(text) > 0):
        raise ConfigError(["WEB_CONCURRENCY: is no number of processes: write one from 1 to 99"])
    return int(text)


def serve(settings: Settings, environ: Mapping[str, str]) -> None:
    """Serves until SIGTERM or SIGINT, then returns once what was in flight is answered and stored.

    Raises `ConnectorError` when it cannot start, or could not go on.
    """
    host, port = address(settings, environ)
    port = _free_port(host, port)
    Database(settings.database_url).close()  # its folder's faults are told once, here, not by each worker
    server = Server(
        "connector.web",
        address=host,
        port=port,
        interface=Interfaces.ASGINL,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        websockets=False,
        workers=workers(environ),
        workers_kill_timeout=STOP_S,
        respawn_failed_workers=True,
        log_level=LogLevels.error,
        log_dictconfig=log.library_logging(),
    )
    _hold_signals_while_forking()
    _log.info("listening", url=f"http://{host}:{port}")
    try:
        server.serve(target_loader=partial(_work, settings), wrap_loader=False)
    except SystemExit as end:
        if end.code and not server.interrupt_signal:
            raise ConnectorError("the web processes could not go on: see the lines above") from end
    _log.info("stopped")


def _free_port(host: str, port: int) -> int:
    """The port (0: any), nobody listening at it. Raises `ConnectorError`.

    The workers listen with SO_REUSEPORT, and would share it with a stranger without a word.
    """
    end = time.monotonic() + PORT_WAIT_S
    while True:
        try:
            with _bound(host, port) as bound:
                return int(bound.getsockname()[1])
        except ConnectorError:
            if time.monotonic() >= end:
                raise
            time.sleep(LOOK_EVERY_S)


def _bound(host: str, port: int) -> socket.socket:
    """A socket that has the address, not listening yet. Raises `ConnectorError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError as fault:
        bound.close()
        why = (fault.strerror or "cannot be used").lower()
        raise ConnectorError(f"port {port} at {host}: {why}: choose another in PORT") from fault
    return bound


def _hold_signals_while_forking() -> None:
    """A signal to a worker that has just been forked must wait for its own `_await_signal`, not meet the parent's."""
    os.register_at_fork(
        before=partial(signal.pthread_sigmask, signal.SIG_BLOCK, ENDING),
        after_in_parent=partial(signal.pthread_sigmask, signal.SIG_UNBLOCK, ENDING),
        after_in_child=lambda: [signal.signal(number, signal.SIG_DFL) for number in ENDING],
    )


# --- one of several workers -----------------------------------------------------------------------------------------


def _work(settings: Settings) -> Front:
    """The application, made in the worker's process: connections and threads do not survive a fork."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # in all threads to come, granian's too
    loop = asyncio.get_event_loop()  # the one in which granian will serve
    threading.Thread(target=_await_signal, args=(loop,), name="signals", daemon=True).start()
    log.configure(settings.log_level, secrets=settings.secrets)
    try:
        database = Database(settings.database_url)
    except ConnectorError as fault:
        _log.error("a web process could not start", fault=str(fault))
        sys.exit(1)
    committer = Committer(database, settings.hash_key)
    Finalize(None, _close, args=(committer, database), exitpriority=1)
    threading.Thread(target=_follow_parent, name="follow-parent", daemon=True).start()
    app = create_app(settings, database, committer)
    keep_what_is_loaded()
    return Front(app)


def _await_signal(loop: asyncio.AbstractEventLoop) -> None:
    """Hands the first signal on, once: granian forgets that it is to stop when it is told twice in a row.

    Terminals and platforms signal every process of a group, and the parent tells its workers besides.
    """
    number = signal.sigwait(ENDING)
    if not callable(signal.getsignal(number)):  # it does not serve yet
        os._exit(0)
    loop.call_soon_threadsafe(_raise_once, number)


def _raise_once(number: int) -> None:
    """In the thread of the loop, which is told of signals only while it does not block them."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (number,))
    signal.raise_signal(number)
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)


def _close(committer: Committer, database: Database) -> None:
    committer.close()
    database.close()


def _follow_parent() -> None:
    """Ends this worker when its parent was killed: it would go on, and hold the port, unknown to anybody."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(STOP_S)
    os._exit(1)


# --- inside another process -----------------------------------------------------------------------------------------


class Embedded:
    """The application in a thread of this process, for ``connector run`` and ``demo``; port 0 takes any free one.

    It has its port from the start, and answers from `start` on. Raises `ConnectorError` when the port is in use.
    """

    def __init__(self, app: Flask, host: str, port: int) -> None:
        bound = _bound(host, port)
        self.port: Final = int(bound.getsockname()[1])
        self._server: Any = waitress.server.create_server(
            app,
            sockets=[bound],
            threads=EMBEDDED_THREADS,
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
