"""Shutdown of a long-running process: the signal, and the time allowed."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Final

from connector.cli.reloading import may_restart

STOP_S: Final = 25.0  #: from the signal to the end; platforms kill after 30
LOOK_S: Final = 0.5

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
Reload = Callable[[], bool]  #: asked at SIGHUP: True ends the process, which then begins again


class Ending:
    """The first SIGTERM or SIGINT ends a process in order, the second at once unless ``second`` is given.

    SIGHUP asks ``reload``; None: it is not heeded, as in the children of a process that heeds it. Made in the main
    thread.
    """

    def __init__(self, *, second: signal.Handlers = signal.SIG_DFL, reload: Reload | None = may_restart) -> None:
        self._second = second
        self._reload = reload
        self._hung_up = threading.Event()
        signal.signal(signal.SIGHUP, self._hang_up if reload else signal.SIG_IGN)
        self._asked = threading.Event()
        self._by_s: float | None = None
        for number in SIGNALS:
            signal.signal(number, self._ask)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        for number in SIGNALS:
            signal.signal(number, self._second)
        self._by_s = time.monotonic() + STOP_S
        self._asked.set()

    def _hang_up(self, _number: int, _frame: FrameType | None) -> None:
        self._hung_up.set()

    @property
    def is_signalled(self) -> bool:
        """Whether a signal has come."""
        return self._asked.is_set()

    def wait(self, ended: Callable[[], bool] = lambda: False, *, look_s: float = LOOK_S) -> None:
        """Waits for a signal, or until ``ended`` returns True."""
        while not self._asked.wait(look_s) and not ended():
            if self._hung_up.is_set() and self._reload is not None:
                self._hung_up.clear()
                if self._reload():
                    self._ask(signal.SIGTERM, None)

    def left_s(self) -> float:
        """The rest of the stop time; it runs from the signal on, or from the first call."""
        if self._by_s is None:
            self._by_s = time.monotonic() + STOP_S
        return max(0.1, self._by_s - time.monotonic())

    def take(self, *steps: Callable[[], object]) -> None:
        """Runs the steps one after the other, and skips them once the time is over."""
        thread = threading.Thread(target=lambda: [step() for step in steps], name="ending", daemon=True)
        thread.start()
        thread.join(self.left_s())
