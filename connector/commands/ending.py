"""How a process that stays is asked to end, and how long it may take."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Final

STOP_S: Final = 25.0  #: from the signal to the end; whoever runs us kills after 30
LOOK_S: Final = 0.5

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Ending:
    """The first SIGTERM or SIGINT ends a process in order, the second at once unless ``second`` says otherwise.

    Made in the main thread.
    """

    def __init__(self, *, second: signal.Handlers = signal.SIG_DFL) -> None:
        self._second = second
        self._asked = threading.Event()
        self._by_s: float | None = None
        for number in SIGNALS:
            signal.signal(number, self._ask)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        for number in SIGNALS:
            signal.signal(number, self._second)
        self._by_s = time.monotonic() + STOP_S
        self._asked.set()

    @property
    def asked(self) -> bool:
        """Whether a signal has come."""
        return self._asked.is_set()

    def wait(self, ended: Callable[[], bool] = lambda: False) -> None:
        """Until a signal comes, or ``ended`` says so."""
        while not self._asked.wait(LOOK_S) and not ended():
            pass

    def left_s(self) -> float:
        """What is left of the time to stop; it runs from the signal on, or from when it is first asked for."""
        if self._by_s is None:
            self._by_s = time.monotonic() + STOP_S
        return max(0.1, self._by_s - time.monotonic())

    def take(self, *steps: Callable[[], object]) -> None:
        """Takes the steps one after the other, and goes on without them when the time is over."""
        thread = threading.Thread(target=lambda: [step() for step in steps], name="ending", daemon=True)
        thread.start()
        thread.join(self.left_s())
