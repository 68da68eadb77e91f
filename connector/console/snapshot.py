"""The status, read once for all viewers; the last one is kept while the database is away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from connector.admin.status import status
from connector.core.errors import StoreUnavailable
from connector.core.settings import Settings
from connector.store.database import Database

KEPT_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Look:
    """``found``: the result of `status`; ``stale``: the database has not answered since."""

    found: dict[str, Any]
    stale: bool


class Snapshot:
    """Thread-safe; one query at a time."""

    def __init__(self, settings: Settings, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._found: dict[str, Any] | None = None
        self._at = float("-inf")

    def look(self, *, fresh: bool = False) -> Look:
        """The status, at most two seconds old. Raises `StoreUnavailable` if there was none yet."""
        with self._lock:
            if not fresh and self._found is not None and self._clock() - self._at < KEPT_S:
                return Look(self._found, stale=False)
            try:
                self._found = status(self._database, self._settings)
            except StoreUnavailable:
                if self._found is None:
                    raise
                return Look(self._found, stale=True)
            self._at = self._clock()
            return Look(self._found, stale=False)
