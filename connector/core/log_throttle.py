"""Log lines that outsiders can cause: one of each kind per interval, with the number of those left out."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable
from typing import Final

MOST_KINDS: Final = 1000  #: remembered at a time; kinds are made of our own words, so there are few


class LogThrottle:
    """Limits how often a line of one kind is written. Thread-safe."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._lock = threading.Lock()
        self._last: dict[Hashable, tuple[float, int]] = {}  #: kind -> monotonic time of the last line, left out since

    def due(self, kind: Hashable) -> int | None:
        """None: do not write now. Otherwise the number of lines of this kind that were left out since the last one."""
        now = time.monotonic()
        with self._lock:
            if len(self._last) >= MOST_KINDS and kind not in self._last:
                self._last.clear()
            written_at, left_out = self._last.get(kind, (now - self._every_s, 0))
            is_due = now - written_at >= self._every_s
            self._last[kind] = (now, 0) if is_due else (written_at, left_out + 1)
        return left_out if is_due else None
