"""One thread that ends calls at their deadlines.

A timer for each call would be a thread for each call, which costs more processor time than writing the request.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Final


class Watchdog:
    """Calls what is left of each entry when its time is over. The thread starts with the first entry.

    It sleeps until the earliest end that it knows, so entries that all last the same wake it once in that time.
    """

    def __init__(self) -> None:
        self._changed: Final = threading.Condition()
        self._ends: Final[dict[int, tuple[float, Callable[[], None]]]] = {}
        self._next_s: float | None = None  #: when the thread looks next; None: when it is woken
        self._last = 0
        self._runs = False

    def add(self, seconds: float, end: Callable[[], None]) -> int:
        """Calls ``end`` after so many seconds, unless it is removed before. It must not wait, nor raise."""
        at_s = time.monotonic() + max(0.0, seconds)
        with self._changed:
            self._last += 1
            self._ends[self._last] = at_s, end
            if not self._runs:
                self._runs = True
                threading.Thread(target=self._run, name="watchdog", daemon=True).start()
            elif self._next_s is None or at_s < self._next_s:
                self._changed.notify()
            return self._last

    def remove(self, entry: int) -> None:
        """From now on its end is not called, and is over where it was."""
        with self._changed:
            self._ends.pop(entry, None)

    def _run(self) -> None:
        with self._changed:
            while True:
                now_s = time.monotonic()
                due = [entry for entry, (at_s, _) in self._ends.items() if at_s <= now_s]
                for entry in due:
                    self._ends.pop(entry)[1]()  # under the lock: who removes it may use the connection again
                self._next_s = min((at_s for at_s, _ in self._ends.values()), default=None)
                self._changed.wait(None if self._next_s is None else max(0.0, self._next_s - time.monotonic()))


watchdog = Watchdog()


def _reset() -> None:
    """A forked process has no thread of its parent's."""
    watchdog.__init__()  # type: ignore[misc]


os.register_at_fork(after_in_child=_reset)
