"""Counts the deliveries of each hour, behind them: no claim and no settlement is slower for it."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from sqlalchemy import Connection

from connector.admin.lawful import Lawful
from connector.core.log import get
from connector.core.loops import STOP_S, Loops
from connector.core.settings import Settings
from connector.core.states import AttemptState, DeliveryState
from connector.core.times import HOUR_MS
from connector.store import facts, hours
from connector.store.database import Database, now_ms
from connector.store.hours import Count, Key
from connector.store.lanes import LIVE_LANES

THROUGH: Final = "hours_through"  #: the fact: the hour up to which all are counted, unix ms
BACK_MS: Final = 28 * 24 * HOUR_MS  #: how far the first count reaches back
EVERY_S: Final = 60.0
CATCHING_UP_S: Final = 0.5

log = get("hours")


class Counter:
    """The loop of one process, beside a worker. Several do the same twice, and nothing else."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._database = database
        self._lawful = Lawful(settings)
        self._loops = Loops(log)
        self._loops.add("hours", self.step, what="counting hours")

    def start(self) -> None:
        self._loops.start()

    def stop(self, timeout_s: float = STOP_S) -> bool:
        return self._loops.stop(timeout_s)

    def step(self) -> float:
        """Counts one hour of the past, or this hour and the one before. Returns seconds until the next step."""
        with self._database.read() as conn:
            now = now_ms(conn)
            this = now - now % HOUR_MS
            stored = facts.some(conn, THROUGH).get(THROUGH)
            again = hours.due_again(conn, now)
            through = max(int(stored or 0), this - BACK_MS)
            next_hour = hours.hour_of_next(conn, through) if through < this - HOUR_MS else None
        if next_hour is not None and next_hour < this - HOUR_MS:
            self.count(next_hour, through=next_hour + HOUR_MS)
            return CATCHING_UP_S
        for hour in {this - HOUR_MS, this, *([again] if again is not None else [])}:
            self.count(hour)
        if through < this:
            with self._database.write(serialise="hours") as conn:
                facts.put(conn, THROUGH, str(this - HOUR_MS))
        return EVERY_S

    def count(self, hour: int, *, through: int | None = None) -> None:
        """Replaces the counts of one hour; ``through``: up to where all are counted then."""
        with self._database.read() as conn:
            counts = self._counted(conn, hour)
        with self._database.write(serialise="hours") as conn:
            hours.write(conn, hour, counts, now_ms(conn))
            if through is not None:
                hours.purge(conn, now_ms(conn))
                facts.put(conn, THROUGH, str(through))

    def _counted(self, conn: Connection, hour: int) -> dict[Key, Count]:
        counts: dict[Key, Count] = defaultdict(Count)
        for row in hours.created_in(conn, hour):
            count = counts[row.source, row.route, row.account, row.state]
            count.number += 1
            is_live = row.lane in LIVE_LANES and row.outcome == AttemptState.ACCEPTED
            if row.state == DeliveryState.DELIVERED and is_live:
                where = (row.destination, row.route, row.place)
                sent_at = row.created_at if row.occurred_at is None else min(row.occurred_at, row.created_at)
                waited = self._lawful.waited_ms(*where, row.created_at, row.ended_at)
                count.waits[hours.bucket(waited)] += 1
                if sent_at < row.created_at:
                    waited = self._lawful.waited_about_ms(*where, sent_at, row.ended_at)
                count.sent_waits[hours.bucket(waited)] += 1
        return counts
