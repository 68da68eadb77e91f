"""A command in several processes, for what one core cannot do: forked by a parent that only watches them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Final

from connector.cli.shutdown import LOOK_S, SIGNALS, STOP_S, Ending
from connector.core.errors import ConfigError, ConnectorError
from connector.core.log import get
from connector.core.memory import keep_what_is_loaded
from connector.core.retry import wait_s

PROCESSES: Final = 2
WELL_S: Final = 10.0  #: a process that ran this long did not fail to start
LONGEST_WAIT_S: Final = 30.0  #: until another is started in the place of one that died
GRACE_S: Final = 1.5  #: a process that has not ended this long after its stop time is killed

_FORK: Final = multiprocessing.get_context("fork")
log = get("processes")

Work = Callable[[Ending], None]


def number(environ: Mapping[str, str], name: str) -> int:
    """The number of processes in the variable, 2 by default. Raises `ConfigError`."""
    text = environ.get(name) or str(PROCESSES)
    if not (text.isascii() and text.isdigit() and len(text) < 3 and int(text) > 0):
        raise ConfigError([f"{name}: is no number of processes: write one from 1 to 99"])
    return int(text)


def serve(work: Work, count: int, *, name: str) -> None:
    """Runs ``work`` in ``count`` processes until SIGTERM or SIGINT; a process that dies is restarted.

    No thread may run yet, and nothing may be open that processes cannot share. ``work`` returns when its `Ending` is
    set. Raises the first `ConnectorError` that one of them ends with: the others would fail in the same way.
    """
    ending = Ending()
    places = [_Place(work, f"{name} {n}") for n in range(1, count + 1)]
    keep_what_is_loaded()
    try:
        _look_after(places)
        ending.wait(lambda: _look_after(places))
    finally:
        _stop([place.process for place in places if place.process is not None], ending)


def _look_after(places: Sequence[_Place]) -> bool:
    for place in places:
        place.ensure_running()
    return False


def _stop(processes: Sequence[ForkProcess], ending: Ending) -> None:
    for process in processes:
        process.terminate()
    end = time.monotonic() + ending.left_s() + GRACE_S
    while running := [process.sentinel for process in processes if process.is_alive()]:
        if not wait(running, max(0.0, end - time.monotonic())):
            break
    for process in processes:
        if process.is_alive():
            process.kill()


class _Place:
    """The slot of one process, and after its death of the next one."""

    def __init__(self, work: Work, name: str) -> None:
        self.process: ForkProcess | None = None
        self._work = work
        self._name = name
        self._words: Connection | None = None
        self._began = self._due = 0.0  # monotonic
        self._faults = 0

    def ensure_running(self) -> None:
        """Starts what does not run. Raises the `ConnectorError` that it ended with."""
        if self.process is not None and not self.process.is_alive():
            self._bury(self.process)
        if self.process is None and self._due <= time.monotonic():
            self._start()

    def _start(self) -> None:
        self._words, saying = _FORK.Pipe(duplex=False)
        self.process = _FORK.Process(target=_run, args=(self._work, saying, os.getpid()), name=self._name, daemon=True)
        self._began = time.monotonic()
        # A signal must not meet the child before it knows what to do with one.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            saying.close()

    def _bury(self, process: ForkProcess) -> None:
        if fault := _last_words(self._words):
            raise ConnectorError(fault)
        self._faults = 1 if time.monotonic() - self._began >= WELL_S else self._faults + 1
        next_s = min(wait_s(self._faults), LONGEST_WAIT_S)
        self.process, self._due = None, time.monotonic() + next_s
        log.error(
            "a process ended: another is started", process=self._name, exit=process.exitcode, next_s=round(next_s, 1)
        )


def _last_words(words: Connection | None) -> str:
    """The last message of an ended process to its parent; "" if none."""
    if words is None:
        return ""
    with words:
        try:
            return str(words.recv()) if words.poll() else ""
        except EOFError:
            return ""


# --- in a process that was forked -----------------------------------------------------------------------------------


def _run(work: Work, saying: Connection, parent: int) -> None:
    # Terminals and platforms signal every process of a group, and the parent signals its own besides.
    ending = Ending(second=signal.SIG_IGN, reload=None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    threading.Thread(target=_follow, args=(parent, ending), name="follow-parent", daemon=True).start()
    try:
        work(ending)
    except ConnectorError as fault:
        saying.send(str(fault))
        sys.exit(1)
    except Exception:
        log.exception("a process failed")
        sys.exit(1)


def _follow(parent: int, ending: Ending) -> None:
    """Ends this process when its parent was killed: in order, but at once if that was how a second signal ended it."""
    while os.getppid() == parent:
        time.sleep(LOOK_S)
    if not ending.is_signalled:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(STOP_S)
    os._exit(1)
