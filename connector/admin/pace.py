"""How soon leads are delivered, by weekday and hour, without the time in which nobody may be called."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime
from typing import Any, Final

import orjson

from connector.core.settings import Settings
from connector.core.states import DeliveryState, words
from connector.core.times import DAY_MS, HOUR_MS, iso
from connector.store import hours
from connector.store.database import Database, now_ms

DAYS: Final = 28
FEW: Final = 3  #: fewer in a cell say nothing


def pace(database: Database, settings: Settings, *, route: str = "") -> dict[str, Any]:
    """The pace of four weeks by the hour of arrival (half of the leads left within …), and the last 24 hours.

    "p50_s" and "p95_s" count from when a lead reached us, "sent_p50_s" and "sent_p95_s" from the sender's own time.
    ``route``: of this one only. Raises `StoreUnavailable`.
    """
    with database.read() as conn:
        now = now_ms(conn)
        rows = hours.since(conn, now - DAYS * DAY_MS)
    route_rows = [row for row in rows if not route or row.route == route]
    cells: dict[tuple[int, int], Counter[int]] = defaultdict(Counter)
    sent: dict[tuple[int, int], Counter[int]] = defaultdict(Counter)
    for row in route_rows:
        local = datetime.fromtimestamp(row.hour / 1000, settings.locale.timezone)
        cells[local.weekday(), local.hour].update(_waits(row.waits))
        sent[local.weekday(), local.hour].update(_waits(row.sent_waits))
    return {
        "at": iso(now),
        "days": DAYS,
        "route": route or None,
        "routes": sorted({row.route for row in rows}),
        "cells": [
            {"weekday": weekday, "hour": hour, "number": waits.total(), "p50_s": of(waits, 50), "p95_s": of(waits, 95)}
            | {"sent_p50_s": of(sent[weekday, hour], 50), "sent_p95_s": of(sent[weekday, hour], 95)}
            for (weekday, hour), waits in sorted(cells.items())
            if waits.total()
        ],
        "last_24h": _day(route_rows, now),
    }


def _day(rows: list[Any], now: int) -> list[dict[str, Any]]:
    """The last 24 hours, one by one: what came, what became of it, how soon."""
    found = []
    for hour in range(now - now % HOUR_MS - 23 * HOUR_MS, now + 1, HOUR_MS):
        hour_rows = [row for row in rows if row.hour == hour]
        waits: Counter[int] = Counter()
        for row in hour_rows:
            waits.update(_waits(row.waits))
        states = dict.fromkeys(words(*DeliveryState), 0)
        for row in hour_rows:
            states[row.state] += row.number
        found.append({"hour": iso(hour), "number": sum(states.values()), **states, "p50_s": of(waits, 50)})
    return found


def _waits(stored: str | None) -> dict[int, int]:
    return {int(at): number for at, number in orjson.loads(stored or "{}").items()}


def of(waits: Counter[int], percent: int) -> float | None:
    """The wait within which so many percent were delivered, in seconds; None: too few to say."""
    if waits.total() < FEW:
        return None
    left = waits.total() * percent / 100
    for at in sorted(waits):
        left -= waits[at]
        if left <= 0:
            return round(hours.seconds_of(at), 1)
    return None
