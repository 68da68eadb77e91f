"""Forgets by age: every event older than a given time, once none of its deliveries is in hand. In small steps.

Event ids follow time, so a purge walks them and stores its position. Events that it has to leave are noted for `sweep`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select

from connector.admin.identifiers import first_since
from connector.admin.privacy import forget
from connector.admin.privacy.forget import AT_ONCE
from connector.core.errors import ConnectorError
from connector.core.settings import Settings
from connector.store import facts
from connector.store.database import Database, now_ms
from connector.store.tables import events

REACHED: Final = "purged"  #: the fact: up to this event all are forgotten, or noted
LATE_MS: Final = 3_600_000  #: an event may be committed after later ones, but not later than this
READ_AT_ONCE: Final = 5_000
REST: Final = 3  #: times as long as a step took, it leaves the database and this process to others

_event = events.c


@dataclass(slots=True)
class Purged:
    """The counts of purged data, or of data to purge."""

    events: int = 0  #: forgotten
    deliveries: int = 0  #: of theirs
    left: int = 0  #: old enough, but something of them is unsettled: forgotten once it is not
    read: int = 0  #: event ids that were walked
    of: int = 0


class Purging:
    """A walk over events older than ``older_than_ms``. ``stop`` ends it early; the next one continues."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        older_than_ms: int,
        *,
        dry_run: bool = False,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.purged: Final = Purged()
        self._key = settings.hash_key
        self._database = database
        self._older_than_ms = older_than_ms
        self._dry_run = dry_run
        self._stop = stop

    def run(self) -> Iterator[Purged]:
        """Yields the tally after each step. Raises `ConnectorError`; purged data stays purged."""
        if not self._key:
            raise ConnectorError(forget.NEEDS_KEY)
        if not self._dry_run:
            forget.begin(self._database, self._key)
            self.purged.events += forget.sweep(self._database, self._key, erased_only=False)
        at, end, certain = self._stretch()
        first = at
        self.purged.of = max(0, end - 1 - at)
        yield self.purged
        while not self._stop() and (some := self._next(at, end)):
            began_s = time.monotonic()
            if self._dry_run:
                self._count(some)
            else:
                self._take(some, certain)
            at = some[-1]
            self.purged.read = at - first
            yield self.purged
            if not self._dry_run:
                time.sleep(REST * (time.monotonic() - began_s))
        if not self._dry_run:
            self.purged.left = self._left()

    def _stretch(self) -> tuple[int, int, int]:
        """(the last event walked before, the first that is too young, the first that may have late company)."""
        with self._database.read() as conn:
            now = now_ms(conn)
            reached = int(facts.some(conn, REACHED).get(REACHED, 0))
            beyond = (conn.execute(select(func.max(_event.id))).scalar() or 0) + 1
            end = first_since(conn, now - self._older_than_ms) or beyond
            return reached, end, min(end, first_since(conn, now - LATE_MS) or beyond)

    def _next(self, after: int, end: int) -> list[int]:
        query = (
            select(_event.id)
            .where(_event.id > after, _event.id < end, _event.forgotten_at.is_(None))
            .order_by(_event.id)
        )
        with self._database.read() as conn:
            return list(conn.execute(query.limit(READ_AT_ONCE if self._dry_run else AT_ONCE)).scalars())

    def _count(self, ids: Sequence[int]) -> None:
        with self._database.read() as conn:
            left = forget.unsettled(conn, ids)
            self.purged.deliveries += forget.count_deliveries(conn, sorted({*ids} - left))
        self.purged.left += len(left)
        self.purged.events += len(ids) - len(left)

    def _take(self, ids: Sequence[int], certain: int) -> None:
        """In one short transaction."""
        with self._database.write(serialise="forgetting") as conn:
            settled = sorted({*ids} - forget.unsettled(conn, ids))
            forget.lock(conn, settled)
            ready = sorted({*settled} - forget.unsettled(conn, settled))  # these cannot change any more
            self.purged.deliveries += forget.forget(conn, ready, self._key, now_ms(conn))
            forget.later(conn, {*ids} - {*ready}, erase=False)
            if ids[0] < certain:
                facts.put(conn, REACHED, str(min(ids[-1], certain - 1)))
        self.purged.events += len(ready)

    def _left(self) -> int:
        with self._database.read() as conn:
            return forget.count_waiting(conn)
