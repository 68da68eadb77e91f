"""The status, read once for all viewers; the last one is kept while the database is away.

Reading it takes longer the more lies in the database. So it is read beside the requests, and as seldom as it is
expensive: viewers of a large database wait for nothing, and take a twentieth of a core at most, however many they are.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from connector.admin.status import status
from connector.core.errors import StoreUnavailable
from connector.core.log import get
from connector.core.settings import Settings
from connector.store.database import Database

KEPT_S: Final = 2.0  #: how long it is shown, at least
REST: Final = 19.0  #: it rests so many times as long as reading it took
LONGEST_REST_S: Final = 30.0
QUICK_S: Final = 0.25  #: a status that takes less is waited for: it is as new as can be
WAITED_S: Final = 0.03  #: how long a request waits for another one, before it shows the last
UNSEEN_S: Final = 10.0  #: if nobody has looked for so long after it was due again, the request waits for a new one

log = get("console")


@dataclass(frozen=True, slots=True)
class Reading:
    """``found``: the result of `status`; ``stale``: the database has not answered since."""

    found: dict[str, Any]
    stale: bool


class Snapshot:
    """Thread-safe; one query at a time."""

    def __init__(self, settings: Settings, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()  #: of the one that reads
        self._found: dict[str, Any] | None = None
        self._stale = False
        self._at = float("-inf")
        self._rest_s = KEPT_S
        self._took_s = 0.0

    def read(self, *, fresh: bool = False) -> Reading:
        """The status, as new as its cost allows. ``fresh``: read now. Raises `StoreUnavailable`: there was none yet."""
        age_s = self._clock() - self._at
        if fresh or self._is_unseen():
            with self._lock:
                if fresh or self._is_unseen():
                    self._read()
        elif age_s >= self._rest_s and self._lock.acquire(blocking=False):
            reader = threading.Thread(target=self._read_beside, name="snapshot", daemon=True)
            reader.start()
            reader.join(4 * QUICK_S if self._took_s < QUICK_S else WAITED_S)
        assert self._found is not None, "reading it without success raises"
        return Reading(self._found, self._stale)

    def _is_unseen(self) -> bool:
        return self._found is None or self._clock() - self._at > self._rest_s + UNSEEN_S

    def _read_beside(self) -> None:
        try:
            self._read()
        except Exception as fault:  # noqa: BLE001 - the outermost step of a thread; the next look tries again
            log.warning("the status could not be read", fault=type(fault).__name__)
        finally:
            self._lock.release()

    def _read(self) -> None:
        begun = self._clock()
        try:
            self._found, self._stale = status(self._database, self._settings), False
        except StoreUnavailable:
            if self._found is None:
                raise
            self._stale = True
            return
        self._at = self._clock()
        self._took_s = self._at - begun
        self._rest_s = min(LONGEST_REST_S, max(KEPT_S, REST * self._took_s))
