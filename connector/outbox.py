"""The outbox: every delivery, from its route to the state that a person can explain. Queries only.

Deliveries are never deleted by delivering. `take` and the ``settle_*`` functions run inside the caller's transaction.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

import orjson
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Text,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    text,
    tuple_,
    update,
)

from connector.db import insert_rows
from connector.guards import HELD
from connector.tables import attempts, deliveries, records

LIVE: Final = 0
BULK: Final = 1
LIVE_SPLIT: Final = 2  #: members of a refused batch, on the way to its bad record
BULK_SPLIT: Final = 3
LIVE_CHECK: Final = 5  #: the vendor is to be asked first whether this person may be contacted
BULK_CHECK: Final = 6
LIVE_LANES: Final = (LIVE, LIVE_SPLIT)
BULK_LANES: Final = (BULK, BULK_SPLIT)
LANES: Final = (*LIVE_LANES, *BULK_LANES)
PARKED_LIVE: Final = 4  #: what waits for another delivery of its event; no claim looks there: see `followers`
PARKED_BULK: Final = 7
PARKED_LANES: Final = (PARKED_LIVE, PARKED_BULK)
SPLIT_OF: Final = {
    LIVE: LIVE_SPLIT,
    BULK: BULK_SPLIT,
    LIVE_SPLIT: LIVE_SPLIT,
    BULK_SPLIT: BULK_SPLIT,
    LIVE_CHECK: LIVE_CHECK,
    BULK_CHECK: BULK_CHECK,
}
CHECK_OF: Final = {LIVE: LIVE_CHECK, BULK: BULK_CHECK, LIVE_SPLIT: LIVE_CHECK, BULK_SPLIT: BULK_CHECK}
CHECKED: Final = {LIVE_CHECK: LIVE, BULK_CHECK: BULK}  #: where a delivery goes once the vendor agreed
BULK_OF: Final = {LIVE: BULK, LIVE_CHECK: BULK_CHECK, PARKED_LIVE: PARKED_BULK}  #: the same, behind what is live
PARKED_OF: Final = {LIVE: PARKED_LIVE, BULK: PARKED_BULK}
RELEASED: Final = {PARKED_LIVE: LIVE, PARKED_BULK: BULK}  #: where a delivery goes once the one before it is delivered

_d = deliveries.c

SETTLED: Final = ("delivered", "suppressed", "dead")  #: for good, unless a person replays it

# Conditions of the partial indexes, spelled out: with a bound value neither planner can prove that the index applies.
IS_PENDING: Final = text("deliveries.state = 'pending'")
IN_HAND: Final = text("deliveries.state IN ('sending', 'uncertain')")


@dataclass(slots=True, kw_only=True)
class NewDelivery:
    """One event to one destination, rendered."""

    route: str
    account: str
    destination: str
    record: str  #: JSON; "" when it could not be rendered, or cannot yet
    expires_at: int  #: unix ms
    lane: int = LIVE
    contact: str | None = None
    contacts: str | None = None  #: JSON list, see the table
    once_key: str | None = None
    state: str = "pending"  #: or dead, when it could not be rendered
    reason: str | None = None
    notes: tuple[str, ...] = ()
    after: str = ""  #: the route whose delivery it waits for, parked


def add(conn: Connection, new: Iterable[tuple[int, Sequence[NewDelivery]]], now: int) -> int:
    """Adds the deliveries of each event (row id first); (event, route) is unique for ever. Returns how many are new."""
    given = {(event, d.route): d for event, some in new for d in some}
    rows = [_row(event, d, now) for (event, _route), d in given.items()]
    added = insert_rows(conn, deliveries, rows, returning=("id", "event", "route"))
    insert_rows(conn, records, [_record(delivery, given[event, route]) for delivery, event, route in added])
    return len(added)


def _row(event: int, new: NewDelivery, now: int) -> dict[str, Any]:
    return {
        "event": event,
        "route": new.route,
        "account": new.account,
        "destination": new.destination,
        "state": new.state,
        "lane": new.lane,
        "due_at": new.expires_at if new.after else now,
        "created_at": now,
        "updated_at": now,
        "expires_at": new.expires_at,
        "attempts": "",
        "once_key": new.once_key,
        "reason": new.reason,
    }


def _record(delivery: int, new: NewDelivery) -> dict[str, Any]:
    notes = orjson.dumps(new.notes).decode() if new.notes else None
    return {
        "delivery": delivery,
        "record": new.record,
        "notes": notes,
        "contact": new.contact,
        "contacts": new.contacts,
        "after": new.after or None,
    }


def take_back(conn: Connection, events: Sequence[int]) -> None:
    """Deletes what was just added for these events, in the transaction that added it."""
    theirs = select(_d.id).where(_d.event.in_(events))
    conn.execute(delete(records).where(records.c.delivery.in_(theirs)))
    conn.execute(delete(deliveries).where(_d.event.in_(events)))


# --- claiming -------------------------------------------------------------------------------------------------------


class Head(NamedTuple):
    """The oldest pending delivery of a lane."""

    due_at: int
    split: int | None
    id: int


#: Where each lane's head was found last on Postgres, and until when (monotonic) it is looked for from there on only.
_FOUND: Final[WeakKeyDictionary[Engine, dict[tuple[str, int], tuple[Head, float]]]] = WeakKeyDictionary()
_FOUND_GOOD_S: Final = 1.0


def next_due(conn: Connection, destination: str, lane: int, now: int) -> Head | None:
    """The head of this lane, due or not; None: nothing is pending there.

    Postgres keeps finished rows in the index until they are vacuumed, and walks past all of them to the head. So while
    something is due beyond where it was found last, what has come before that meanwhile waits a second at the most.
    """
    if conn.dialect.name == "sqlite":
        return _head(conn, destination, lane)
    found = _FOUND.setdefault(conn.engine, {})
    last, until_s = found.get((destination, lane), (None, 0.0))
    if last is not None and time.monotonic() < until_s:
        head = _head(conn, destination, lane, last)
        if head is not None and head.due_at <= now:
            found[destination, lane] = (head, until_s)
            return head
    head = _head(conn, destination, lane)
    if head is None:
        found.pop((destination, lane), None)
    else:
        found[destination, lane] = (head, time.monotonic() + _FOUND_GOOD_S)
    return head


def _head(conn: Connection, destination: str, lane: int, last: Head | None = None) -> Head | None:
    pending = _pending(destination, lane)
    if last is not None:
        pending = and_(pending, _from(last))
    query = select(_d.due_at, _d.split, _d.id).where(pending).order_by(_d.due_at, _d.id).limit(1)
    row = conn.execute(query).first()
    return Head(*row) if row else None


def _from(head: Head) -> ColumnElement[bool]:
    return tuple_(_d.due_at, _d.id) >= tuple_(literal(head.due_at), literal(head.id))


def soonest_due(conn: Connection, names: Sequence[str], now: int, lanes: Sequence[int]) -> int | None:
    """When the next delivery in these lanes to any of the destinations is due; ``now`` where one is. None: none is."""
    due = and_(IS_PENDING, _d.destination.in_(names), _d.lane.in_(lanes), _d.due_at <= now)
    if conn.execute(select(_d.id).where(due).limit(1)).first() is not None:
        return now
    heads = [next_due(conn, name, lane, now) for name in names for lane in lanes]
    return min((head[0] for head in heads if head), default=None)


def take(
    conn: Connection, attempt: int, destination: str, lane: int, limit: int, now: int, *, head: Head | None = None
) -> int:
    """Makes the oldest due deliveries of the lane members of the attempt. Returns how many.

    ``head``: the lane's, as it was found a moment ago in this transaction; of a split group only its own are taken.
    """
    due = and_(_pending(destination, lane), _d.due_at <= now)
    if head is not None:
        due = and_(due, _from(head))
        due = and_(due, _d.split == head.split) if head.split is not None else due
    # The order is the partial index's own: any other makes the plan walk past finished rows as the table grows.
    oldest = select(_d.id).where(due).order_by(_d.due_at, _d.id).limit(limit)
    return conn.execute(
        update(deliveries)
        .where(_d.id.in_(oldest.scalar_subquery()))
        .values(state="sending", attempt=attempt, attempts=_d.attempts + f",{attempt}", updated_at=now)
    ).rowcount


def _pending(destination: str, lane: int) -> ColumnElement[bool]:
    return and_(_d.destination == destination, _d.lane == lane, IS_PENDING)


def members(conn: Connection, attempt: int) -> list[tuple[int, str]]:
    """(delivery id, record) of all that are in flight or uncertain with this attempt, oldest first."""
    query = select(_d.id, records.c.record).join(records, records.c.delivery == _d.id).where(_of(attempt))
    return [(row.id, row.record) for row in conn.execute(query.order_by(_d.id))]


def _of(attempt: int) -> ColumnElement[bool]:
    return and_(_d.attempt == attempt, IN_HAND)


# --- guards, inside the claim ---------------------------------------------------------------------------------------


def suppress_expired(conn: Connection, attempt: int, now: int) -> list[int]:
    """Ends the members that are too old to be sent. Returns their ids."""
    late = and_(_of(attempt), _d.state == "sending", _d.expires_at <= now)
    held = and_(_d.reason.startswith(HELD), _d.due_at >= _d.expires_at)
    reason = case((_d.expires_at == 0, ERASED), (held, EXPIRED_HELD), else_=EXPIRED)
    ended = update(deliveries).where(late).values(state="suppressed", reason=reason, updated_at=now)
    return list(conn.execute(ended.returning(_d.id)).scalars())


EXPIRED: Final = "expired: older than the route's expires_after when its turn came"
EXPIRED_HELD: Final = "expired: its contact hours began only after the route's expires_after"
ERASED: Final = "erased on request"
ONCE: Final = "once_per: the same person is in delivery d"


def hold(conn: Connection, destination: str, lane: int, closed: Closed, now: int) -> int:
    """Puts off what of closed routes is due at the head of a lane. Returns how many.

    So a hundred thousand that wait for the morning cost later claims nothing. Only the head is looked at, as behind it
    may lie the backlog of a route that is open; whatever is taken from there is put off by `put_off`.
    """
    head = select(_d.id, _d.route).where(_pending(destination, lane), _d.due_at <= now)
    first = head.order_by(_d.due_at, _d.id).limit(HELD_AT_ONCE).subquery()
    held = 0
    for route, (until, reason) in closed.items():
        some = select(first.c.id).where(first.c.route == route).scalar_subquery()
        values = {"due_at": until, "reason": reason, "updated_at": now}
        held += conn.execute(update(deliveries).where(_d.id.in_(some)).values(values)).rowcount
    return held


Closed = Mapping[str, tuple[int, str]]  #: routes that may contact nobody: until when (unix ms), and why in words
HELD_AT_ONCE: Final = 5000


def put_off(conn: Connection, attempt: int, closed: Closed, now: int) -> int:
    """Lets go of the members whose route is closed. Returns how many."""
    off = 0
    for route, (until, reason) in closed.items():
        values = _let_go(attempt, now) | {"due_at": until, "reason": reason}
        off += conn.execute(update(deliveries).where(_taken(attempt), _d.route == route).values(values)).rowcount
    return off


def check_again(conn: Connection, attempt: int, before: int, now: int) -> int:
    """Lets go of members that the vendor did not agree to since that moment, to be asked about. Returns how many."""
    unasked = or_(_d.checked_at.is_(None), _d.checked_at < before)
    values = {"lane": case(CHECK_OF, value=_d.lane), "split": None, "due_at": now, "reason": ASKED_AGAIN}
    mine = update(deliveries).where(_taken(attempt), unasked)
    return conn.execute(mine.values(_let_go(attempt, now) | values)).rowcount


ASKED_AGAIN: Final = "ninety_day_rule: what Tracksale said of this customer is too old, and it is asked again"


def follow_hours(conn: Connection, route: str, until: int, reason: str | None, now: int) -> int:
    """What a route holds waits as its contact hours are now: another time, or not at all. Returns how many."""
    held = and_(IS_PENDING, _d.route == route, _d.reason.startswith(HELD), _d.due_at > now, _d.due_at != until)
    return conn.execute(update(deliveries).where(held).values(due_at=until, reason=reason)).rowcount


def let_go(conn: Connection, attempt: int, now: int) -> None:
    """All members of what is not begun are as they were."""
    conn.execute(update(deliveries).where(_taken(attempt)).values(_let_go(attempt, now)))


def _taken(attempt: int) -> ColumnElement[bool]:
    return and_(_of(attempt), _d.state == "sending")


def _let_go(attempt: int, now: int) -> dict[str, Any]:
    """Pending again, and no member of what was not begun yet."""
    before = func.substr(_d.attempts, 1, func.length(_d.attempts) - len(f",{attempt}"))
    return {"state": "pending", "attempts": before, "updated_at": now}


def suppressed_now(conn: Connection, attempt: int, now: int) -> list[int]:
    """Ids of the attempt's members that a guard ended at this moment."""
    troubled = text("deliveries.state IN ('uncertain', 'suppressed', 'dead')")
    ended = and_(troubled, _d.state == "suppressed", _d.updated_at == now, _d.attempt == attempt)
    return list(conn.execute(select(_d.id).where(ended)).scalars())


def suppress_repeated(conn: Connection, attempt: int, route: str, within_ms: int, now: int) -> int:
    """Ends the members of a ``once_per`` route whose person another delivery has or had. Returns how many.

    Another counts when it is earlier, or was claimed before (ids and commits may come in different orders).
    """
    other = deliveries.alias("other")
    o = other.c
    same = and_(
        o.once_key == _d.once_key,
        o.id != _d.id,
        o.state.not_in(("dead", "suppressed")),
        func.abs(_d.created_at - o.created_at) < within_ms,
        or_(o.id < _d.id, and_(o.state != "pending", o.attempt != attempt)),
    )
    which = select(func.min(o.id)).where(same).correlate(deliveries).scalar_subquery()
    member = and_(_of(attempt), _d.state == "sending", _d.route == route, _d.once_key.is_not(None))
    statement = update(deliveries).where(member, exists(select(o.id).where(same).correlate(deliveries)))
    reason = func.concat(ONCE, which) if conn.dialect.name != "sqlite" else ONCE + which.cast(Text)
    return conn.execute(statement.values(state="suppressed", reason=reason, updated_at=now)).rowcount


def revive_copies(conn: Connection, dead: Collection[int], now: int) -> int:
    """For every delivery that died or expired, the latest copy that ``once_per`` suppressed takes its place."""
    revived = 0
    for row in conn.execute(select(_d.once_key).where(_d.id.in_(dead), _d.once_key.is_not(None))).all():
        copy = select(func.max(_d.id)).where(
            _d.once_key == row.once_key, _d.state == "suppressed", _d.reason.startswith(ONCE), _d.expires_at > now
        )
        # Said again of the row itself: the copy may be forgotten this very moment, and its reason says so.
        statement = update(deliveries).where(_d.id == copy.scalar_subquery(), _d.reason.startswith(ONCE))
        values = {"state": "pending", "due_at": now, "updated_at": now, "reason": "the delivery before it ended unsent"}
        revived += conn.execute(statement.values(values)).rowcount
    return revived


# --- settling -------------------------------------------------------------------------------------------------------


def settle(
    conn: Connection,
    attempt: int,
    *,
    state: str,
    now: int,
    reason: str | None = None,
    due_at: int | None = None,
    first: int | None = None,
    last: int | None = None,
    split: int | None = None,
    lanes: Mapping[int, int] | None = None,
) -> int:
    """Gives the attempt's members (with ids from ``first`` to ``last``) a new state. Returns how many.

    Members that go back to pending keep their lane; with ``split`` they go to its split lane, as one group. Those whom
    the vendor agreed to change it as ``lanes`` says.
    """
    chosen = _of(attempt)
    if first is not None:
        chosen = and_(chosen, _d.id >= first)
    if last is not None:
        chosen = and_(chosen, _d.id <= last)
    values: dict[str, Any] = {"state": state, "reason": reason, "updated_at": now}
    if due_at is not None:
        values["due_at"] = due_at
    if split is not None:
        values |= {"split": split, "lane": case(SPLIT_OF, value=_d.lane)}
    if lanes is not None:
        values |= {"lane": case(lanes, value=_d.lane, else_=_d.lane), "checked_at": now}
    return conn.execute(update(deliveries).where(chosen).values(values)).rowcount


_SETTLE_ONE = (
    update(deliveries)
    .where(_d.id == bindparam("row"), _d.attempt == bindparam("of"), IN_HAND)
    .values(state=bindparam("to"), reason=bindparam("why"), due_at=bindparam("due"), updated_at=bindparam("at"))
)


def settle_each(
    conn: Connection, attempt: int, verdicts: Iterable[tuple[int, str, str | None]], now: int, due: int
) -> None:
    """Settles members one by one: (delivery id, state, reason)."""
    rows = [{"row": i, "of": attempt, "to": s, "why": why, "due": due, "at": now} for i, s, why in verdicts]
    if rows:
        conn.execute(_SETTLE_ONE, rows)


def set_apart(conn: Connection, alone: Collection[int]) -> None:
    """These pending ones go by themselves, each as a group of its own: no attempt's groups have negative numbers."""
    values = {"split": -_d.id, "lane": case(SPLIT_OF, value=_d.lane)}
    for one in alone:
        conn.execute(update(deliveries).where(_d.id == one, IS_PENDING).values(values))


def move_to(conn: Connection, attempt: int, successor: int, now: int) -> int:
    """The same members, in a new attempt: for what provably never left."""
    values = {"attempt": successor, "attempts": _d.attempts + f",{successor}", "updated_at": now}
    return conn.execute(update(deliveries).where(_of(attempt)).values(values)).rowcount


def release_splits(conn: Connection, destination: str, now: int) -> None:
    """What waited for a sign that the destination works may go now."""
    waiting = and_(_d.destination == destination, _d.lane.in_((LIVE_SPLIT, BULK_SPLIT)), IS_PENDING)
    conn.execute(update(deliveries).where(waiting, _d.due_at > now).values(due_at=now))


def follow_route(conn: Connection, route: str, account: str, to: str, destination: str) -> int:
    """Pending deliveries go where their route goes now: a corrected campaign frees what the mistyped one held.

    Only within the same operation ``to``: for another their records are not made.
    """
    same = _d.destination.contains(f"/{to}/", autoescape=True)
    strays = and_(IS_PENDING, _d.route == route, same, _d.destination != destination)
    return conn.execute(update(deliveries).where(strays).values(account=account, destination=destination)).rowcount


def erase(conn: Connection, events: Sequence[int], account: str, now: int) -> list[tuple[int, str | None]]:
    """Ends what is unsettled of these events with this account: now, or as soon as it comes back from its call.

    Under the account's lock. Returns the (id, last reason) of those that ended.
    """
    mine = and_(_d.event.in_(events), _d.account == account)
    waits = and_(mine, _d.state.not_in((*SETTLED, "sending", "uncertain")))
    ended = [(row.id, row.reason) for row in conn.execute(select(_d.id, _d.reason).where(waits))]
    values = {"state": "suppressed", "reason": ERASED, "updated_at": now}
    conn.execute(update(deliveries).where(_d.id.in_([number for number, _ in ended])).values(values))
    # Not `updated_at`: it did not change yet. Should it come back, its next claim ends it (`suppress_expired`).
    conn.execute(update(deliveries).where(mine, _d.state.in_(("sending", "uncertain"))).values(expires_at=0))
    return ended


def follow_rule(conn: Connection, route: str, *, checks: bool) -> int:
    """Pending deliveries of a route are asked about first, or not any more, as the route says now."""
    to = CHECK_OF if checks else CHECKED
    mine = and_(IS_PENDING, _d.route == route, _d.lane.in_(to))
    return conn.execute(update(deliveries).where(mine).values(lane=case(to, value=_d.lane), split=None)).rowcount


def sent_before(conn: Connection, destination: str, delivery: int) -> bool:
    """Whether this person was, or may have been, sent to this destination by another delivery."""
    mine = select(records.c.contact).where(records.c.delivery == delivery).scalar_subquery()
    theirs = select(records.c.delivery).where(records.c.contact == mine, records.c.delivery != delivery)
    query = select(_d.id).where(
        _d.id.in_(theirs),
        _d.destination == destination,
        _d.state.in_(("sending", "delivered", "uncertain")),
    )
    return conn.execute(query.limit(1)).first() is not None


def tried_before(conn: Connection, attempt: int) -> set[int]:
    """Members that an earlier attempt, whose outcome was never known, may have landed."""
    earlier = attempts.alias("earlier")
    listed = (
        literal(",").concat(_d.attempts).concat(",").contains(literal(",").concat(earlier.c.id.cast(Text)).concat(","))
    )
    unknown = and_(earlier.c.state == "unknown", earlier.c.id != attempt, earlier.c.destination == _d.destination)
    several = _d.attempts != f",{attempt}"
    query = select(_d.id).where(_of(attempt), several, exists(select(earlier.c.id).where(unknown, listed)))
    return set(conn.execute(query).scalars())


def uncertain(conn: Connection, attempt: int) -> list[tuple[int, str]]:
    """(delivery id, record) of the attempt's members that nobody knows the fate of."""
    query = select(_d.id, records.c.record).join(records, records.c.delivery == _d.id)
    return [(row.id, row.record) for row in conn.execute(query.where(_of(attempt), _d.state == "uncertain"))]
