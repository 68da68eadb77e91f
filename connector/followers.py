"""Deliveries that come after another one of the same event: parked until that one is settled. Queries only.

They lie in lanes that no claim looks into, due when they expire; settling the delivery before them makes them due at
once. What is due is judged by the step `connector.release`, whatever it was that made it so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import Connection, and_, bindparam, exists, or_, select, text, update

from connector.outbox import CHECK_OF, IS_PENDING, PARKED_LANES, RELEASED, SETTLED
from connector.tables import deliveries, events, records

AFTER: Final = "it comes after “"  #: begins the reason of what ended with the delivery before it
AT_ONCE: Final = 500  #: settled deliveries whose followers are looked up together
STRAYS_AT_ONCE: Final = 1_000

_before = deliveries.alias("before")
_follower = deliveries.alias("follower")
_b, _d, _e, _f, _r = _before.c, deliveries.c, events.c, _follower.c, records.c

_IS_PARKED: Final = text("follower.state = 'pending'")


def ended(route: str, state: str, reason: str | None) -> str:
    """Why a delivery ends whose route comes after ``route``."""
    return f"{AFTER}{route}”, which ended {state}" + (f": {reason}" if reason else "")


def absent(route: str) -> str:
    """The same, where the event never went there."""
    return f"{AFTER}{route}”, to which this event did not go"


# --- when the delivery before is settled ----------------------------------------------------------------------------


def keep(conn: Connection, results: Mapping[int, Mapping[str, Any]]) -> None:
    """What the vendor answered for each of these deliveries, for whatever comes after them."""
    rows = [{"row": number, "to": orjson.dumps(result).decode()} for number, result in results.items() if result]
    if rows:
        conn.execute(_KEEP, rows)


_KEEP: Final = update(records).where(_r.delivery == bindparam("row")).values(result=bindparam("to"))


def wake(conn: Connection, settled: Iterable[int], routes: Collection[str], now: int) -> None:
    """What comes after these deliveries, if they are settled, is due; also what had ended with one that now arrived.

    ``routes``: those that come after others; where there are none this costs nothing.
    """
    numbers = list(settled) if routes else []
    for at in range(0, len(numbers), AT_ONCE):
        before = and_(_b.id.in_(numbers[at : at + AT_ONCE]), _b.state.in_(SETTLED))
        revived = and_(_b.state == "delivered", _f.state == "suppressed", _f.reason.startswith(AFTER))
        which = _pairs().where(before, _f.route.in_(routes), _f.lane.in_(PARKED_LANES), or_(_IS_PARKED, revived))
        values = {"state": "pending", "reason": None, "due_at": now, "updated_at": now}
        conn.execute(update(deliveries).where(_d.id.in_(which)).values(values))


def _pairs() -> Any:
    """The ids of followers, joined with the deliveries before them."""
    pair = and_(_b.event == _f.event, _b.route == _r.after)
    return (
        select(_f.id)
        .select_from(_before.join(_follower, _f.event == _b.event).join(records, _r.delivery == _f.id))
        .where(pair)
    )


def before(conn: Connection, event: int, route: str) -> Any:
    """(id, state) of the event's delivery of this route; None: there is none."""
    return conn.execute(select(_d.id, _d.state).where(_d.event == event, _d.route == route)).first()


def wait_again(
    conn: Connection, event: int, route: str, fresh: Mapping[str, int], now: int, *, dry_run: bool = False
) -> list[Any]:
    """What had ended with the delivery of ``route``, or waits for it, waits anew, down the whole chain.

    ``fresh``: until when each route's delivery is good, now that the first of them is sent again (unix ms). Returns
    the (id, route, destination, reason) of those that had ended.
    """
    chosen = _pairs().where(_b.event == event, _b.route == route, _f.lane.in_(PARKED_LANES))
    chosen = chosen.where(or_(_IS_PARKED, and_(_f.state == "suppressed", _f.reason.startswith(AFTER))))
    revived: list[Any] = []
    columns = (_d.id, _d.route, _d.destination, _d.state, _d.reason, _d.expires_at)
    for row in conn.execute(select(*columns).where(_d.id.in_(chosen))).all():
        until = max(row.expires_at, fresh.get(row.route, 0))
        values = {"state": "pending", "reason": None, "due_at": until, "expires_at": until, "updated_at": now}
        if not dry_run:
            conn.execute(update(deliveries).where(_d.id == row.id).values(values))
        revived += [row] if row.state != "pending" else []
        revived += wait_again(conn, event, row.route, fresh, now, dry_run=dry_run)
    return revived


# --- what is due ----------------------------------------------------------------------------------------------------


def due(conn: Connection, destination: str, now: int, limit: int) -> Sequence[Any]:
    """Parked deliveries that are due, with their events, and how the delivery before each stands (None: there is none).

    On Postgres nobody else gets them before this transaction ends.
    """
    found: list[Any] = []
    for lane in PARKED_LANES:
        before = records.alias("before_record")
        joined = (
            deliveries.join(records, _r.delivery == _d.id)
            .join(events, _e.id == _d.event)
            .outerjoin(_before, and_(_b.event == _d.event, _b.route == _r.after))
            .outerjoin(before, before.c.delivery == _b.id)
        )
        columns = (_d.id, _d.event, _d.route, _d.destination, _d.lane, _d.expires_at, _r.after)
        told = (_b.state.label("before_state"), _b.reason.label("before_reason"), before.c.result)
        of_event = (_e.source, _e.event_id, _e.content_type, _e.payload, _e.fetched, _e.received_at, _e.forgotten_at)
        ready = and_(_d.destination == destination, _d.lane == lane, IS_PENDING, _d.due_at <= now)
        query = select(*columns, *told, *of_event).select_from(joined).where(ready).order_by(_d.due_at, _d.id)
        query = query.limit(limit - len(found)).with_for_update(of=deliveries, skip_locked=True)
        found += conn.execute(query).all() if len(found) < limit else []
    return found


def is_due(conn: Connection, destination: str, now: int) -> bool:
    """Whether `due` would find anything, asked without a lock."""
    ready = and_(_d.destination == destination, IS_PENDING, _d.due_at <= now)
    return any(
        conn.execute(select(_d.id).where(ready, _d.lane == lane).limit(1)).first() is not None for lane in PARKED_LANES
    )


_GO: Final = (
    update(deliveries)
    .where(_d.id == bindparam("row"), IS_PENDING)
    .values(
        lane=bindparam("into"),
        due_at=bindparam("at"),
        updated_at=bindparam("at"),
    )
)
_WRITE: Final = (
    update(records).where(_r.delivery == bindparam("row")).values(record=bindparam("to"), notes=bindparam("n"))
)


def lane_of(parked: int, *, checks: bool) -> int:
    """The lane that what is parked here was meant for; ``checks``: the vendor is to be asked first."""
    return CHECK_OF[RELEASED[parked]] if checks else RELEASED[parked]


def go(conn: Connection, rendered: Sequence[tuple[int, int, str, str | None]], now: int) -> None:
    """Parked no more: (delivery id, lane, record, notes)."""
    if rendered:
        conn.execute(_WRITE, [{"row": number, "to": record, "n": notes} for number, _, record, notes in rendered])
        conn.execute(_GO, [{"row": number, "into": lane, "at": now} for number, lane, _, _ in rendered])


_END: Final = (
    update(deliveries)
    .where(_d.id == bindparam("row"), IS_PENDING)
    .values(state=bindparam("to"), reason=bindparam("why"), updated_at=bindparam("at"))
)


def end(conn: Connection, verdicts: Sequence[tuple[int, str, str]], now: int) -> None:
    """(delivery id, state, reason)."""
    if verdicts:
        conn.execute(_END, [{"row": number, "to": state, "why": why, "at": now} for number, state, why in verdicts])


_PUT_BACK: Final = update(deliveries).where(_d.id == bindparam("row"), IS_PENDING).values(due_at=bindparam("due"))


def put_back(conn: Connection, until: Sequence[tuple[int, int]]) -> None:
    """(delivery id, when it is looked at again)."""
    if until:
        conn.execute(_PUT_BACK, [{"row": number, "due": due_at} for number, due_at in until])


# --- what nobody woke -----------------------------------------------------------------------------------------------


def wake_strays(conn: Connection, destination: str, now: int) -> int:
    """Parked ones are due that wait for nothing which may still come: whoever settled it did not know of them.

    Returns how many.
    """
    coming = and_(_b.event == _d.event, _b.route == _r.after, _b.state.not_in(SETTLED))
    waits = exists(select(_b.id).where(coming).select_from(_before).correlate(deliveries, records))
    parked = and_(_d.destination == destination, _d.lane.in_(PARKED_LANES), IS_PENDING, _d.due_at > now)
    lost = select(_d.id).join(records, _r.delivery == _d.id).where(parked, ~waits).limit(STRAYS_AT_ONCE)
    which = lost.with_for_update(of=deliveries, skip_locked=True)
    numbers = list(conn.execute(which).scalars())
    conn.execute(update(deliveries).where(_d.id.in_(numbers)).values(due_at=now))
    return len(numbers)


def follow(conn: Connection, route: str, destination: str, after: str) -> int:
    """Parked deliveries of the route wait for what it comes after now ("": for nothing any more). Returns how many."""
    mine = and_(_d.destination == destination, _d.lane.in_(PARKED_LANES), _d.route == route)
    parked = select(_d.id).where(mine, IS_PENDING)
    others = and_(_r.delivery.in_(parked), _r.after != after)  # none has no `after`, but what was freed before
    return conn.execute(update(records).where(others).values(after=after or None)).rowcount
