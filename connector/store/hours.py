"""The rows of `hours`, and the deliveries that they are counted from. Queries only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, log
from typing import Any, Final

import orjson
from sqlalchemy import Connection, and_, delete, func, or_, select

from connector.core.states import DeliveryState, words
from connector.core.times import DAY_MS, HOUR_MS
from connector.store.database import insert_rows
from connector.store.hour_tables import hours
from connector.store.tables import attempts, deliveries, events

KEPT_MS: Final = 400 * DAY_MS
AGAIN_MS: Final = 8 * DAY_MS  #: younger hours are counted again: what came then may change its state
AT_ONCE: Final = 5_000  #: deliveries of one read
FACTOR: Final = 2**0.5  #: from one bucket of waits to the next

_hour = hours.c
_delivery = deliveries.c
_OPEN: Final = words(DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.UNCERTAIN)

Key = tuple[str, str, str, str]  #: source, route, account, state


@dataclass(slots=True)
class Count:
    """The number of one key, and the waits of those that count for the pace, by bucket.

    ``waits``: since they reached us; ``sent_waits``: since the sender's own time, if that is earlier.
    """

    number: int = 0
    waits: Counter[int] = field(default_factory=Counter)
    sent_waits: Counter[int] = field(default_factory=Counter)


def bucket(waited_ms: int) -> int:
    """The bucket of a wait: 0 is up to a second, each next one is longer by the square root of two."""
    return 0 if waited_ms <= 1000 else ceil(log(waited_ms / 1000, FACTOR) - 1e-9)


def seconds_of(number: int) -> float:
    """The longest wait of a bucket, in seconds."""
    return float(FACTOR**number)


# --- deliveries -----------------------------------------------------------------------------------------------------


def first_created(conn: Connection, when: int) -> int | None:
    """The first delivery created at ``when`` or later: ids follow time, so a binary search finds it."""
    low, high = (conn.execute(select(extreme(_delivery.id))).scalar() for extreme in (func.min, func.max))
    if low is None or high is None:
        return None
    nearest = select(_delivery.id, _delivery.created_at).order_by(_delivery.id).limit(1)
    while low < high:
        middle = (low + high) // 2
        row = conn.execute(nearest.where(_delivery.id >= middle)).one()
        low, high = (low, middle) if row.created_at >= when else (row.id + 1, high)
    last = conn.execute(nearest.where(_delivery.id >= low)).first()
    return last.id if last and last.created_at >= when else None


def hour_of_next(conn: Connection, when: int) -> int | None:
    """The hour of the first delivery created at ``when`` or later; None if there is none."""
    first = first_created(conn, when)
    if first is None:
        return None
    at = int(conn.execute(select(_delivery.created_at).where(_delivery.id == first)).scalar_one())
    return at - at % HOUR_MS


def created_in(conn: Connection, hour: int) -> Iterator[Any]:
    """The deliveries of an hour, each with its source and the end of its last call."""
    first, end = first_created(conn, hour), first_created(conn, hour + HOUR_MS)
    columns: tuple[Any, ...] = (
        _delivery.id,
        _delivery.route,
        _delivery.account,
        _delivery.destination,
        _delivery.state,
    )
    columns += (_delivery.lane, _delivery.place, _delivery.created_at)
    joined = deliveries.join(events, events.c.id == _delivery.event).outerjoin(
        attempts, attempts.c.id == _delivery.attempt
    )
    columns += (events.c.source, events.c.occurred_at, attempts.c.ended_at, attempts.c.state.label("outcome"))
    query = select(*columns).select_from(joined)
    query = query.where(_delivery.created_at >= hour, _delivery.created_at < hour + HOUR_MS)
    while first is not None and (end is None or first < end):
        page = query.where(_delivery.id >= first) if end is None else query.where(_delivery.id.between(first, end - 1))
        rows = conn.execute(page.order_by(_delivery.id).limit(AT_ONCE)).all()
        yield from rows
        first = rows[-1].id + 1 if len(rows) == AT_ONCE else None


# --- hours ----------------------------------------------------------------------------------------------------------


def write(conn: Connection, hour: int, counts: Mapping[Key, Count], now: int) -> None:
    """Replaces an hour. An hour with deliveries that were forgotten since stays as it was counted."""
    before = conn.execute(select(func.sum(_hour.number)).where(_hour.hour == hour)).scalar() or 0
    if sum(one.number for one in counts.values()) < before:
        conn.execute(hours.update().where(_hour.hour == hour).values(folded_at=now))
        return
    conn.execute(delete(hours).where(_hour.hour == hour))
    rows = [
        {
            "hour": hour,
            **dict(zip(("source", "route", "account", "state"), key, strict=True)),
            "number": count.number,
            "waits": _json(count.waits),
            "folded_at": now,
            "sent_waits": _json(count.sent_waits),
        }
        for key, count in sorted(counts.items())
    ]
    insert_rows(conn, hours, rows)


def _json(waits: Counter[int]) -> str:
    return orjson.dumps({str(at): number for at, number in sorted(waits.items())}).decode()


def due_again(conn: Connection, now: int) -> int | None:
    """An hour to be counted again: the older it is, the more rarely, and each day in any case."""
    age = now - _hour.hour
    unfinished = and_(_hour.state.in_(_OPEN), (now - _hour.folded_at) * 10 > age)
    stale = _hour.folded_at < now - DAY_MS
    query = select(_hour.hour).where(
        _hour.hour > now - AGAIN_MS, _hour.hour < now - 2 * HOUR_MS, or_(unfinished, stale)
    )
    found: int | None = conn.execute(query.order_by(_hour.folded_at, _hour.hour).limit(1)).scalar()
    return found


def since(conn: Connection, moment: int) -> Sequence[Any]:
    """The rows of the hours that began at a moment (unix ms) or later."""
    return conn.execute(select(hours).where(_hour.hour >= moment).order_by(_hour.hour)).all()


def purge(conn: Connection, now: int) -> None:
    conn.execute(delete(hours).where(_hour.hour < now - KEPT_MS))
