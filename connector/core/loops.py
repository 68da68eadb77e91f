"""Threads that repeat one step each until they are stopped: of the worker, the poller and the retention.

A step returns the seconds until it is repeated. A known fault is logged on one line, an unknown one with its trace;
either way the step is repeated shortly after, because the database or the broker may be back by then.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import SQLAlchemyError

from connector.core.errors import ConnectorError, first_line

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

FAULT_S: Final = 1.0  #: after a fault
STOP_S: Final = 25.0

Step = Callable[[], float]  #: repeats after so many seconds


class Loops:
    """A group of threads. `start` returns at once; `stop` lets every running step finish."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self.stopping: Final = threading.Event()
        self._log = log
        self._threads: list[threading.Thread] = []

    def add(self, name: str, step: Step, *, what: str, **facts: object) -> None:
        """Adds a thread. ``what`` and ``facts`` name the step in the log: "delivering", account="dialler"."""
        run = threading.Thread(target=self._run, args=(step, what, facts), name=name, daemon=True)
        self._threads.append(run)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float = STOP_S, *, wake: Callable[[], None] = lambda: None) -> bool:
        """Starts no further step; True if the running ones ended in time. ``wake`` wakes steps that wait."""
        self.stopping.set()
        wake()
        end = time.monotonic() + timeout_s
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self, step: Step, what: str, facts: dict[str, object]) -> None:
        log = self._log
        while not self.stopping.is_set():
            wait_s = FAULT_S
            try:
                wait_s = step()
            except (ConnectorError, SQLAlchemyError) as fault:
                log.error(f"{what} stopped for a moment", fault=first_line(fault), **facts)
            except Exception:
                log.exception(f"{what} failed", **facts)
            if wait_s:
                self.stopping.wait(wait_s)
