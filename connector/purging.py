"""Forgetting by age: every event older than so and so long, once nothing of it is in hand. In small steps, in between.

Event ids follow time, so a purge walks them and remembers how far it came. What it has to leave is noted for `sweep`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, func, select

from connector import forgetting
from connector.db import Database, now_ms
from connector.errors import ConnectorError
from connector.forgetting import AT_ONCE
from connector.log import get
from connector.settings import Settings
from connector.stories.words import first_since
from connector.tables import events

REACHED: Final = "purged"  #: the fact: up to this event all are forgotten, or noted
BEGUN: Final = "purge_begun"  #: the fact: when the last scheduled purge began, unix ms
LATE_MS: Final = 3_600_000  #: an event may be committed after later ones, but not so much later
ERASED_EVERY_S: Final = 10.0  #: how often it is looked whether what was to be erased is settled
READ_AT_ONCE: Final = 5_000
REST: Final = 3  #: times as long as a step took, it leaves the database and this process to others

_e = events.c

log = get("purging")


@dataclass(slots=True)
class Purged:
    """What was done, or would be."""

    events: int = 0  #: forgotten
    deliveries: int = 0  #: of theirs
    left: int = 0  #: old enough, but something of them is unsettled: forgotten once it is not
    read: int = 0  #: event ids that were walked
    of: int = 0


class Purging:
    """A walk over what is older than ``older_than_ms``. ``stop`` ends it early; the next goes on from there."""

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
        """The tally, after each step. Raises `ConnectorError`; what was done stays done."""
        if not self._key:
            raise ConnectorError(forgetting.NEEDS_KEY)
        if not self._dry_run:
            forgetting.begin(self._database, self._key)
            self.purged.events += forgetting.sweep(self._database, self._key, erased_only=False)
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
            reached = int(forgetting.facts_of(conn, REACHED).get(REACHED, 0))
            beyond = (conn.execute(select(func.max(_e.id))).scalar() or 0) + 1
            end = first_since(conn, now - self._older_than_ms) or beyond
            return reached, end, min(end, first_since(conn, now - LATE_MS) or beyond)

    def _next(self, after: int, end: int) -> list[int]:
        query = select(_e.id).where(_e.id > after, _e.id < end, _e.forgotten_at.is_(None)).order_by(_e.id)
        with self._database.read() as conn:
            return list(conn.execute(query.limit(READ_AT_ONCE if self._dry_run else AT_ONCE)).scalars())

    def _count(self, ids: Sequence[int]) -> None:
        with self._database.read() as conn:
            left = forgetting.unsettled(conn, ids)
            self.purged.deliveries += forgetting.count_deliveries(conn, sorted({*ids} - left))
        self.purged.left += len(left)
        self.purged.events += len(ids) - len(left)

    def _take(self, ids: Sequence[int], certain: int) -> None:
        """In one short transaction."""
        with self._database.write(serialise="forgetting") as conn:
            settled = sorted({*ids} - forgetting.unsettled(conn, ids))
            forgetting.lock(conn, settled)
            ready = sorted({*settled} - forgetting.unsettled(conn, settled))  # as nobody can change it any more
            self.purged.deliveries += forgetting.forget(conn, ready, self._key, now_ms(conn))
            forgetting.later(conn, {*ids} - {*ready}, erase=False)
            if ids[0] < certain:
                forgetting.set_fact(conn, REACHED, str(min(ids[-1], certain - 1)))
        self.purged.events += len(ready)

    def _left(self) -> int:
        with self._database.read() as conn:
            return forgetting.count_waiting(conn)


# --- on a schedule --------------------------------------------------------------------------------------------------


class Schedule:
    """Purges when it is time, in whichever process looks first; and forgets what was erased while it was in hand."""

    def __init__(self, settings: Settings, database: Database, stopping: threading.Event) -> None:
        self._settings = settings
        self._database = database
        self._stopping = stopping
        every_s = settings.retention.every_s if settings.retention else ERASED_EVERY_S
        self.look_every_s: Final = min(ERASED_EVERY_S, every_s)

    def look(self) -> None:
        """Raises `ConnectorError`."""
        forgetting.sweep(self._database, self._settings.hash_key, erased_only=True)
        if self._settings.retention and self._takes_turn(int(self._settings.retention.every_s * 1000)):
            self._purge(int(self._settings.retention.purge_after_s * 1000))

    def _takes_turn(self, every_ms: int) -> bool:
        """One of all processes does it, each time."""
        with self._database.read() as conn:
            if not self._is_due(conn, every_ms):
                return False
        with self._database.write(serialise="facts") as conn:
            if due := self._is_due(conn, every_ms):
                forgetting.set_fact(conn, BEGUN, str(now_ms(conn)))
            return due

    def _is_due(self, conn: Connection, every_ms: int) -> bool:
        begun = int(forgetting.facts_of(conn, BEGUN).get(BEGUN, 0))
        return now_ms(conn) - begun >= every_ms

    def _purge(self, older_than_ms: int) -> None:
        purging = Purging(self._settings, self._database, older_than_ms, stop=self._stopping.is_set)
        for _ in purging.run():
            pass
        purged = purging.purged
        if purged.events:
            self._database.fold_log()
            log.info("purged", events=purged.events, deliveries=purged.deliveries, waiting=purged.left)
