"""Dependent deliveries: blocked until another delivery of the same event is settled. Queries only.

They lie in lanes that no claim reads, due when they expire; settling the delivery before them makes them due at once.
The step `connector.outbound.chain` decides about due ones, whatever made them due.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import Connection, and_, bindparam, case, exists, literal_column, null, or_, select, text, update

from connector.core.reasons import Code, Reason, because
from connector.core.states import DeliveryState
from connector.store import reasons
from connector.store.lanes import CHECK_OF, PARKED_LANES, RELEASED
from connector.store.outbox import SETTLED
from connector.store.prepared import Prepared
from connector.store.schema import states_sql
from connector.store.tables import IS_PENDING, deliveries, events, records

#: Why a delivery ended with the one before it: it goes on once that one is delivered.
AFTER: Final = (Code.BEFORE_ENDED, Code.BEFORE_ABSENT)
AT_ONCE: Final = 500  #: settled deliveries whose dependents are looked up together
STRAYS_AT_ONCE: Final = 1_000

_before = deliveries.alias("before")
_follower = deliveries.alias("follower")
_earlier, _delivery, _event, _later, _record = _before.c, deliveries.c, events.c, _follower.c, records.c

_IS_PARKED: Final = text(states_sql("follower.state", DeliveryState.PENDING))


def ended(route: str, state: str, reason: Reason | None) -> Reason:
    """The reason for which a delivery ends whose route comes after ``route``."""
    facts = {"route": route, "state": state}
    return Reason(Code.BEFORE_ENDED, facts if reason is None else facts | because(reason))


def absent(route: str) -> Reason:
    """The same if the event never went to that route."""
    return Reason(Code.BEFORE_ABSENT, {"route": route})


# --- when the delivery before is settled ----------------------------------------------------------------------------


def keep(conn: Connection, results: Mapping[int, Mapping[str, Any]]) -> None:
    """Stores the vendor's answer for each of these deliveries, for the deliveries that depend on them."""
    rows = [{"row": number, "to": orjson.dumps(result).decode()} for number, result in results.items() if result]
    if rows:
        conn.execute(_KEEP, rows)


_KEEP: Final = update(records).where(_record.delivery == bindparam("row")).values(result=bindparam("to"))


def wake(conn: Connection, settled: Iterable[int], routes: Collection[str], now: int) -> None:
    """Makes dependents of these deliveries due if these are settled; also those that had ended with one that landed.

    ``routes``: the dependent routes; without any this costs nothing.
    """
    numbers = list(settled) if routes else []
    for at in range(0, len(numbers), AT_ONCE):
        before = and_(_earlier.id.in_(numbers[at : at + AT_ONCE]), _earlier.state.in_(SETTLED))
        revived = and_(
            _earlier.state == DeliveryState.DELIVERED,
            _later.state == DeliveryState.SUPPRESSED,
            _later.reason_code.in_(AFTER),
        )
        which = _pairs().where(
            before, _later.route.in_(routes), _later.lane.in_(PARKED_LANES), or_(_IS_PARKED, revived)
        )
        values = {"state": DeliveryState.PENDING, **reasons.columns(None), "due_at": now, "updated_at": now}
        conn.execute(update(deliveries).where(_delivery.id.in_(which)).values(values))


def _pairs() -> Any:
    """The ids of dependents, joined with the deliveries before them."""
    pair = and_(_earlier.event == _later.event, _earlier.route == _record.after)
    return (
        select(_later.id)
        .select_from(
            _before.join(_follower, _later.event == _earlier.event).join(records, _record.delivery == _later.id)
        )
        .where(pair)
    )


def before(conn: Connection, event: int, route: str) -> Any:
    """(id, state) of the event's delivery on this route; None if there is none."""
    return conn.execute(
        select(_delivery.id, _delivery.state).where(_delivery.event == event, _delivery.route == route)
    ).first()


def wait_again(
    conn: Connection, event: int, route: str, fresh: Mapping[str, int], now: int, *, dry_run: bool = False
) -> list[Any]:
    """Makes the deliveries that had ended with the one of ``route``, or are blocked by it, wait again, down the chain.

    ``fresh``: until when each route's delivery is good, now that the first of them is sent again (unix ms). Returns the
    (id, route, destination, reason) of those that had ended.
    """
    chosen = _pairs().where(_earlier.event == event, _earlier.route == route, _later.lane.in_(PARKED_LANES))
    chosen = chosen.where(
        or_(_IS_PARKED, and_(_later.state == DeliveryState.SUPPRESSED, _later.reason_code.in_(AFTER)))
    )
    revived: list[Any] = []
    why = (_delivery.reason_code, _delivery.reason_facts, _delivery.reason)
    columns = (_delivery.id, _delivery.route, _delivery.destination, _delivery.state, _delivery.expires_at, *why)
    for row in conn.execute(select(*columns).where(_delivery.id.in_(chosen))).all():
        until = max(row.expires_at, fresh.get(row.route, 0))
        values = {
            "state": DeliveryState.PENDING,
            **reasons.columns(None),
            "due_at": until,
            "expires_at": until,
            "updated_at": now,
        }
        if not dry_run:
            conn.execute(update(deliveries).where(_delivery.id == row.id).values(values))
        revived += [row] if row.state != DeliveryState.PENDING else []
        revived += wait_again(conn, event, row.route, fresh, now, dry_run=dry_run)
    return revived


# --- due ones -------------------------------------------------------------------------------------------------------


def due(conn: Connection, destination: str, now: int, limit: int) -> Sequence[Any]:
    """Blocked deliveries that are due, with their events and the state of the delivery before each (None if absent).

    On Postgres they are locked until this transaction ends.
    """
    found: list[Any] = []
    for lane in PARKED_LANES:
        before = records.alias("before_record")
        joined = (
            deliveries.join(records, _record.delivery == _delivery.id)
            .join(events, _event.id == _delivery.event)
            .outerjoin(_before, and_(_earlier.event == _delivery.event, _earlier.route == _record.after))
            .outerjoin(before, before.c.delivery == _earlier.id)
        )
        columns = (
            _delivery.id,
            _delivery.event,
            _delivery.route,
            _delivery.destination,
            _delivery.lane,
            _delivery.expires_at,
            _record.after,
        )
        why = (_earlier.reason_code, _earlier.reason_facts, _earlier.reason)  # of the one before
        before_columns = (
            _earlier.state.label("before_state"),
            *why,
            _delivery.reason_code.label("own_code"),
            before.c.result,
        )
        of_event = (
            _event.source,
            _event.event_id,
            _event.content_type,
            _event.payload,
            _event.fetched,
            _event.received_at,
            _event.forgotten_at,
        )
        ready = and_(_delivery.destination == destination, _delivery.lane == lane, IS_PENDING, _delivery.due_at <= now)
        query = (
            select(*columns, *before_columns, *of_event)
            .select_from(joined)
            .where(ready)
            .order_by(_delivery.due_at, _delivery.id)
        )
        query = query.limit(limit - len(found)).with_for_update(of=deliveries, skip_locked=True)
        found += conn.execute(query).all() if len(found) < limit else []
    return found


def is_due(conn: Connection, destination: str, now: int) -> bool:
    """Whether `due` would find anything, queried without a lock."""
    return any(
        _IS_DUE.first(conn, {"to": destination, "of_lane": lane, "now": now}) is not None for lane in PARKED_LANES
    )


_IS_DUE: Final = Prepared(
    select(_delivery.id)
    .where(
        _delivery.destination == bindparam("to"),
        IS_PENDING,
        _delivery.due_at <= bindparam("now"),
        _delivery.lane == bindparam("of_lane"),
    )
    .limit(literal_column("1"))
)


_GO: Final = (
    update(deliveries)
    .where(_delivery.id == bindparam("row"), IS_PENDING)
    .values(
        lane=bindparam("into"),
        rule=bindparam("by_rule"),
        reason_code=case((_delivery.reason_code == Code.NUMBERS_AGAIN, null()), else_=_delivery.reason_code),
        due_at=bindparam("at"),
        updated_at=bindparam("at"),
    )
)
_WRITE: Final = (
    update(records).where(_record.delivery == bindparam("row")).values(record=bindparam("to"), notes=bindparam("n"))
)


def lane_of(parked: int, *, checks: bool) -> int:
    """The lane for which a blocked delivery was meant; ``checks``: it needs a pre-check first."""
    return CHECK_OF[RELEASED[parked]] if checks else RELEASED[parked]


class Released(NamedTuple):
    """A delivery that goes now. ``rule``: the mark of the rule by which its numbers were judged."""

    delivery: int
    lane: int
    record: str
    notes: str | None
    rule: int | None


def go(conn: Connection, rendered: Sequence[Released], now: int) -> None:
    """Unblocks deliveries."""
    if rendered:
        conn.execute(_WRITE, [{"row": one.delivery, "to": one.record, "n": one.notes} for one in rendered])
        rows = [{"row": one.delivery, "into": one.lane, "by_rule": one.rule, "at": now} for one in rendered]
        conn.execute(_GO, rows)


_END: Final = (
    update(deliveries)
    .where(_delivery.id == bindparam("row"), IS_PENDING)
    .values({"state": bindparam("to"), "updated_at": bindparam("at"), **reasons.BOUND})
)


def end(conn: Connection, verdicts: Sequence[tuple[int, str, Reason]], now: int) -> None:
    """(delivery id, state, reason)."""
    if verdicts:
        rows = [{"row": n, "to": state, "at": now, **reasons.bound(reason)} for n, state, reason in verdicts]
        conn.execute(_END, rows)


_PUT_BACK: Final = (
    update(deliveries).where(_delivery.id == bindparam("row"), IS_PENDING).values(due_at=bindparam("due"))
)


def put_back(conn: Connection, until: Sequence[tuple[int, int]]) -> None:
    """(delivery id, when it is looked at again)."""
    if until:
        conn.execute(_PUT_BACK, [{"row": number, "due": due_at} for number, due_at in until])


# --- missed ones ----------------------------------------------------------------------------------------------------


def wake_strays(conn: Connection, destination: str, now: int) -> int:
    """Makes blocked deliveries due whose predecessor can no longer change: its settlement did not know of them.

    Returns how many.
    """
    numbers = _LOST.scalars(conn, {"to": destination, "now": now})
    if numbers:
        conn.execute(update(deliveries).where(_delivery.id.in_(numbers)).values(due_at=now))
    return len(numbers)


_COMING: Final = and_(
    _earlier.event == _delivery.event, _earlier.route == _record.after, _earlier.state.not_in(SETTLED)
)
_LOST: Final = Prepared(
    select(_delivery.id)
    .join(records, _record.delivery == _delivery.id)
    .where(
        *(_delivery.destination == bindparam("to"), _delivery.lane.in_(PARKED_LANES), IS_PENDING),
        _delivery.due_at > bindparam("now"),
        ~exists(select(_earlier.id).where(_COMING).select_from(_before).correlate(deliveries, records)),
    )
    .limit(STRAYS_AT_ONCE)
    .with_for_update(of=deliveries, skip_locked=True)
)


def follow(conn: Connection, route: str, destination: str, after: str) -> int:
    """Blocked deliveries of the route wait for the route ``after`` from now on ("" unblocks them). Returns how many."""
    return _FOLLOW.change(conn, {"to": destination, "of_route": route, "behind": after, "kept": after or None})


_PARKED: Final = select(_delivery.id).where(
    *(_delivery.destination == bindparam("to"), _delivery.lane.in_(PARKED_LANES)),
    *(_delivery.route == bindparam("of_route"), IS_PENDING),
)
_FOLLOW: Final = Prepared(
    update(records)
    .where(_record.delivery.in_(_PARKED), _record.after != bindparam("behind"))  # none has no `after`, but what is free
    .values(after=bindparam("kept"))
)
