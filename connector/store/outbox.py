"""The outbox: every delivery, from its route to its final state. Queries only.

Sending never deletes a delivery. `take` and the ``settle_*`` functions run inside the caller's transaction.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

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
    literal_column,
    select,
    tuple_,
    type_coerce,
    update,
)

from connector.core import at_rest
from connector.core.reasons import Code, Reason
from connector.core.states import AttemptState, DeliveryState
from connector.core.turns import UNNUMBERED
from connector.store import attempt_list, new_rows, once_keys, reasons, to_erase
from connector.store.arrivals import NewDelivery
from connector.store.database import insert_rows
from connector.store.lanes import BULK_CHECK, BULK_SPLIT, EVERY_LANE, LIVE_CHECK, LIVE_SPLIT, SPLIT_OF, WHOLE_OF
from connector.store.prepared import Prepared
from connector.store.tables import (
    IN_HAND,
    IS_CLAIMED,
    IS_PENDING,
    IS_SUPPRESSED,
    IS_UNCERTAIN,
    attempts,
    deliveries,
    destinations,
    events,
    records,
)

_deliveries = deliveries.c

SETTLED: Final = (
    DeliveryState.DELIVERED,
    DeliveryState.SUPPRESSED,
    DeliveryState.DEAD,
)  #: final, unless an operator replays it


def add(conn: Connection, new: Iterable[tuple[int, Sequence[NewDelivery]]], now: int) -> int:
    """Adds the deliveries of each event (row id first); (event, route) is unique for ever. Returns how many are new."""
    by_name = {(event, one.route): one for event, some in new for one in some}
    wanted = [new_rows.whole_delivery(event, one, now) for (event, _), one in by_name.items()]
    added = insert_rows(conn, deliveries, wanted, returning=("id", "event", "route"))
    insert_rows(
        conn, records, [new_rows.whole_record(delivery, by_name[event, route]) for delivery, event, route in added]
    )
    once_keys.add(conn, [(delivery, by_name[event, route]) for delivery, event, route in added])
    return len(added)


def take_back(conn: Connection, events: Sequence[int]) -> None:
    """Deletes the deliveries that this transaction has just added for these events."""
    theirs = select(_deliveries.id).where(_deliveries.event.in_(events))
    once_keys.drop(conn, list(conn.execute(theirs).scalars()))
    conn.execute(delete(records).where(records.c.delivery.in_(theirs)))
    conn.execute(delete(deliveries).where(_deliveries.event.in_(events)))


# --- claiming -------------------------------------------------------------------------------------------------------


class Head(NamedTuple):
    """The oldest pending delivery of a lane."""

    due_at: int
    split: int | None
    id: int


#: Where the head of each lane was found last on Postgres, and until when (monotonic) searches may start there.
_FOUND: Final[WeakKeyDictionary[Engine, dict[tuple[str, int], tuple[Head, float]]]] = WeakKeyDictionary()
_FOUND_GOOD_S: Final = 1.0


def next_due(conn: Connection, destination: str, lane: int, now: int) -> Head | None:
    """The head of this lane, due or not; None if nothing is pending there.

    To avoid rescanning dead index entries on Postgres, the search starts at the position of the last hit. A delivery
    that became due before that position is found by a full search once a second.
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
    where: dict[str, Any] = {"to": destination, "of_lane": lane}
    if last is None:
        row = _HEAD.first(conn, where)
    else:
        row = _HEAD_FROM.first(conn, where | {"last_due": last.due_at, "last_id": last.id})
    return Head(*row) if row else None


# Every look runs these: a statement that is built once costs a third.
_IN_LANE: Final = (
    select(_deliveries.due_at, _deliveries.split, _deliveries.id)
    .where(_deliveries.destination == bindparam("to"), _deliveries.lane == bindparam("of_lane"), IS_PENDING)
    .order_by(_deliveries.due_at, _deliveries.id)
    .limit(literal_column("1"))
)
_HEAD: Final = Prepared(_IN_LANE)
_HEAD_FROM: Final = Prepared(
    _IN_LANE.where(tuple_(_deliveries.due_at, _deliveries.id) >= tuple_(bindparam("last_due"), bindparam("last_id")))
)
_ANY_DUE: Final = Prepared(
    select(_deliveries.id)
    .where(
        IS_PENDING,
        _deliveries.destination.in_(bindparam("names", expanding=True)),
        _deliveries.lane.in_(bindparam("of_lanes", expanding=True)),
        _deliveries.due_at <= bindparam("now"),
    )
    .limit(literal_column("1"))
)


def soonest_due(conn: Connection, names: Sequence[str], now: int, lanes: Sequence[int]) -> int | None:
    """When the next delivery in these lanes to any of the destinations is due; ``now`` if one is; None if none is."""
    if _ANY_DUE.first(conn, {"names": names, "of_lanes": lanes, "now": now}) is not None:
        return now
    heads = [next_due(conn, name, lane, now) for name in names for lane in lanes]
    return min((head[0] for head in heads if head), default=None)


def claim(
    conn: Connection,
    attempt: int,
    destination: str,
    lane: int,
    limit: int,
    now: int,
    *,
    head: Head | None = None,
    turn: int | None = None,
) -> int:
    """Makes the oldest due deliveries of the lane members of the attempt. Returns how many.

    ``head``: the lane's head as found in this transaction; of a split group only its own members are taken. ``turn``:
    only those of this source.
    """
    parameters: dict[str, Any] = {"to": destination, "of_lane": lane, "most": limit, "now": now}
    parameters |= {"new": attempt, "more": attempt_list.of(attempt)}
    if turn is not None:
        parameters["no_turn" if turn == UNNUMBERED else "of_turn"] = turn
    if head is not None:
        parameters |= {"last_due": head.due_at, "last_id": head.id}
        parameters |= {"of_split": head.split} if head.split is not None else {}
    return _claim(frozenset(parameters.keys() & _NARROWED.keys())).change(conn, parameters)


@functools.cache
def _claim(narrowed: frozenset[str]) -> Prepared:
    """The statement whose members are narrowed by these parameters."""
    due = and_(
        *(_deliveries.destination == bindparam("to"), _deliveries.lane == bindparam("of_lane"), IS_PENDING),
        _deliveries.due_at <= bindparam("now"),
        *(_NARROWED[name] for name in sorted(narrowed)),
    )
    # The order is the partial index's own: any other makes the plan walk past finished rows as the table grows.
    oldest = select(_deliveries.id).where(due).order_by(_deliveries.due_at, _deliveries.id).limit(bindparam("most"))
    values = {
        "state": DeliveryState.SENDING,
        "attempt": bindparam("new"),
        "attempts": _deliveries.attempts + bindparam("more", type_=Text),
        "updated_at": bindparam("now"),
    }
    return Prepared(update(deliveries).where(_deliveries.id.in_(oldest.scalar_subquery())).values(values))


_NARROWED: Final[Mapping[str, ColumnElement[bool]]] = {
    "of_turn": _deliveries.turn == bindparam("of_turn"),
    "no_turn": _deliveries.turn.is_(None),
    "of_split": _deliveries.split == bindparam("of_split"),
    "last_due": tuple_(_deliveries.due_at, _deliveries.id) >= tuple_(bindparam("last_due"), bindparam("last_id")),
}


def is_of(turn: int) -> ColumnElement[bool]:
    """The deliveries of a source, by its number."""
    return _deliveries.turn.is_(None) if turn == UNNUMBERED else _deliveries.turn == turn


def pending(destination: str, lane: int) -> ColumnElement[bool]:
    """The deliveries of a lane, due or not."""
    return and_(_deliveries.destination == destination, _deliveries.lane == lane, IS_PENDING)


def members(conn: Connection, attempt: int) -> list[tuple[int, str]]:
    """(delivery id, record) of all members in flight or uncertain, oldest first."""
    rows = _MEMBERS.tuples(conn, {"of": attempt})
    return [(number, at_rest.opened(sealed, "records.record") or "") for number, sealed in rows]


#: Texts as they are stored: of a thousand rows few, or none, need to be opened.
_MEMBERS: Final = Prepared(
    select(_deliveries.id, type_coerce(records.c.record, Text))
    .join(records, records.c.delivery == _deliveries.id)
    .where(_deliveries.attempt == bindparam("of"), IN_HAND)
    .order_by(_deliveries.id)
)


def members_by_source(conn: Connection, attempt: int) -> list[tuple[int, str, str]]:
    """(delivery id, source, record) of the same."""
    joined = deliveries.join(events, events.c.id == _deliveries.event).join(
        records, records.c.delivery == _deliveries.id
    )
    query = (
        select(_deliveries.id, events.c.source, records.c.record)
        .select_from(joined)
        .where(_of(attempt))
        .order_by(_deliveries.id)
    )
    return [(row.id, row.source, row.record) for row in conn.execute(query)]


def _of(attempt: int) -> ColumnElement[bool]:
    return and_(_deliveries.attempt == attempt, IN_HAND)


# --- guards, inside the claim ---------------------------------------------------------------------------------------


def let_go(conn: Connection, attempt: int, now: int, lane: int | None = None) -> int:
    """Releases the members of an attempt that did not begin; with ``lane`` only those. Returns how many."""
    which = is_claimed_by(attempt) if lane is None else and_(is_claimed_by(attempt), _deliveries.lane == lane)
    return conn.execute(update(deliveries).where(which).values(let_go_values(attempt, now))).rowcount


def in_flight(conn: Connection, attempt: int) -> set[int]:
    """Ids of the attempt's members that are about to be sent."""
    return set(conn.execute(select(_deliveries.id).where(is_claimed_by(attempt))).scalars())


def is_claimed_by(attempt: int) -> ColumnElement[bool]:
    """The members of an attempt that is about to be made."""
    return and_(_deliveries.attempt == attempt, IS_CLAIMED)


def let_go_values(attempt: int, now: int) -> dict[str, Any]:
    """The values of a member that is released: pending again, without the attempt."""
    before = attempt_list.without_last(_deliveries.attempts, attempt_list.length_of(attempt))
    return {"state": DeliveryState.PENDING, "attempts": before, "updated_at": now}


def again_values(reason: Reason, now: int) -> dict[str, Any]:
    """Pending again after it was settled: whole, unchecked, for the first lane of its priority."""
    return {
        "state": DeliveryState.PENDING,
        **reasons.columns(reason),
        "due_at": now,
        "updated_at": now,
        "split": None,
        "lane": case(WHOLE_OF, value=_deliveries.lane, else_=_deliveries.lane),
    }


def suppressed_now(conn: Connection, attempt: int, now: int) -> list[int]:
    """Ids of the attempt's members that a guard ended at this moment."""
    ended = and_(IS_SUPPRESSED, _deliveries.updated_at == now, _deliveries.attempt == attempt)
    return list(conn.execute(select(_deliveries.id).where(ended)).scalars())


# --- settling -------------------------------------------------------------------------------------------------------


def settle(
    conn: Connection,
    attempt: int,
    *,
    state: str,
    now: int,
    reason: Reason | None = None,
    due_at: int | None = None,
    first: int | None = None,
    last: int | None = None,
    split: int | None = None,
    lanes: Mapping[int, int] | None = None,
) -> int:
    """Gives the attempt's members (with ids from ``first`` to ``last``) a new state. Returns how many.

    Members that become pending keep their lane; with ``split`` they go to its split lane, as one group. Members that
    passed the pre-check change it as ``lanes`` says.
    """
    if all(one is None for one in (due_at, first, last, split, lanes)):  # what most calls come to
        parameters = {"of": attempt, "to": state, "at": now, **reasons.bound(reason)}
        return _SETTLE_ALL.change(conn, parameters)
    chosen = _of(attempt)
    if first is not None:
        chosen = and_(chosen, _deliveries.id >= first)
    if last is not None:
        chosen = and_(chosen, _deliveries.id <= last)
    values: dict[str, Any] = {"state": state, **reasons.columns(reason), "updated_at": now}
    if due_at is not None:
        values["due_at"] = due_at
    if split is not None:
        values |= {"split": split, "lane": case(SPLIT_OF, value=_deliveries.lane)}
    if lanes is not None:
        values |= {"lane": case(lanes, value=_deliveries.lane, else_=_deliveries.lane), "checked_at": now}
    return conn.execute(update(deliveries).where(chosen).values(values)).rowcount


_SETTLE_ALL: Final = Prepared(
    update(deliveries)
    .where(_deliveries.attempt == bindparam("of"), IN_HAND)
    .values({"state": bindparam("to"), "updated_at": bindparam("at"), **reasons.BOUND})
)
_SETTLE_ONE = (
    update(deliveries)
    .where(_deliveries.id == bindparam("row"), _deliveries.attempt == bindparam("of"), IN_HAND)
    .values({"state": bindparam("to"), "due_at": bindparam("due"), "updated_at": bindparam("at"), **reasons.BOUND})
)


def settle_each(
    conn: Connection, attempt: int, verdicts: Iterable[tuple[int, DeliveryState, Reason | None, int]], now: int
) -> None:
    """Settles members one by one: (delivery id, state, reason, due at)."""
    at = {"of": attempt, "at": now}
    rows = [{"row": row, "to": state, "due": due, **reasons.bound(why), **at} for row, state, why, due in verdicts]
    if rows:
        conn.execute(_SETTLE_ONE, rows)


def reasons_in_hand(conn: Connection, attempt: int) -> list[tuple[int, Reason | None]]:
    """(delivery id, its earlier reason) of all members in flight or uncertain with this attempt."""
    query = select(_deliveries.id, _deliveries.reason_code, _deliveries.reason_facts, _deliveries.reason).where(
        _of(attempt)
    )
    return [(row.id, reasons.of(row)) for row in conn.execute(query)]


def provokers(conn: Connection, destination: str, codes: Sequence[Code], since: int) -> list[Any]:
    """Rows (id, state, attempt, source, record) of unsettled members of calls with an unknown answer since then."""
    wanted = and_(
        _deliveries.destination == destination, _deliveries.reason_code.in_(codes), _deliveries.updated_at > since
    )
    waits = and_(IS_PENDING, _deliveries.lane.in_((*SPLIT_OF.values(),)))
    joined = deliveries.join(events, events.c.id == _deliveries.event).join(
        records, records.c.delivery == _deliveries.id
    )
    columns = (_deliveries.id, _deliveries.state, _deliveries.attempt, events.c.source, records.c.record)
    query = select(*columns).select_from(joined).where(wanted)
    return [row for which in (waits, IS_UNCERTAIN) for row in conn.execute(query.where(which).limit(PROVOKERS))]


PROVOKERS: Final = 2_000  #: records checked to decide whether an answer comes for any record


def say_of(conn: Connection, ids: Sequence[int], code: Code) -> None:
    """Replaces the code of their reason; the facts stay."""
    conn.execute(update(deliveries).where(_deliveries.id.in_(ids)).values(reason_code=code, reason=None))


def end(conn: Connection, ids: Sequence[int], state: str, now: int) -> None:
    """Ends pending deliveries for the reason that they have."""
    conn.execute(update(deliveries).where(_deliveries.id.in_(ids), IS_PENDING).values(state=state, updated_at=now))


def set_apart(conn: Connection, alone: Collection[int]) -> None:
    """Makes each of these pending deliveries a group of its own; groups of attempts have no negative numbers."""
    values = {"split": -_deliveries.id, "lane": case(SPLIT_OF, value=_deliveries.lane)}
    for one in alone:
        conn.execute(update(deliveries).where(_deliveries.id == one, IS_PENDING).values(values))


def move_to(conn: Connection, attempt: int, successor: int, now: int) -> int:
    """Moves the members to a new attempt, after a request that provably never left."""
    values = {
        "attempt": successor,
        "attempts": attempt_list.appended(_deliveries.attempts, successor),
        "updated_at": now,
    }
    return conn.execute(update(deliveries).where(_of(attempt)).values(values)).rowcount


def put_off_checks(conn: Connection, destination: str, until: int) -> None:
    """Nobody else is asked about before then, of those who wait to be."""
    waiting = and_(_deliveries.destination == destination, _deliveries.lane.in_((LIVE_CHECK, BULK_CHECK)), IS_PENDING)
    conn.execute(update(deliveries).where(waiting, _deliveries.due_at < until).values(due_at=until))


def release_splits(conn: Connection, destination: str, now: int) -> None:
    """Releases the deliveries that waited for a sign that the destination works."""
    waiting = and_(_deliveries.destination == destination, _deliveries.lane.in_((LIVE_SPLIT, BULK_SPLIT)), IS_PENDING)
    conn.execute(update(deliveries).where(waiting, _deliveries.due_at > now).values(due_at=now))


def follow_route(conn: Connection, route: str, account: str, to: str, destination: str) -> int:
    """Moves pending deliveries to the route's current destination: a corrected campaign frees the mistyped one's.

    Only within the same operation ``to``: for another operation their records do not fit.
    """
    places = {"within": f"/{to}/", "there": destination}
    return _FOLLOW_ROUTE.change(conn, {"of_route": route, "with_account": account, **places})


_FOLLOW_ROUTE: Final = Prepared(
    update(deliveries)
    .where(
        *(IS_PENDING, _deliveries.route == bindparam("of_route"), _deliveries.destination != bindparam("there")),
        func.replace(_deliveries.destination, bindparam("within"), "") != _deliveries.destination,
    )
    .values(account=bindparam("with_account"), destination=bindparam("there"))
)


def routes_elsewhere(conn: Connection, served: Sequence[str]) -> set[tuple[str, str]]:
    """(route, destination) of what waits at other destinations than these, by the latest of each place and lane."""
    others = conn.execute(select(destinations.c.name).where(destinations.c.name.not_in(served))).scalars()
    looks = [{"to": name, "of_lane": lane} for name in others for lane in EVERY_LANE]
    return {(route, str(look["to"])) for look in looks for route in _LATEST_ROUTES.scalars(conn, look)}


_LATEST_ROUTES: Final = Prepared(
    select(_deliveries.route)
    .where(_deliveries.destination == bindparam("to"), _deliveries.lane == bindparam("of_lane"), IS_PENDING)
    .order_by(_deliveries.due_at.desc(), _deliveries.id.desc())
    .limit(literal_column("200"))
)


def erase(conn: Connection, events: Sequence[int], account: str, now: int) -> list[tuple[int, Reason | None]]:
    """Ends the unsettled deliveries of these events with this account: now, or as soon as their call returns.

    Under the account's lock. Returns the (id, last reason) of those that ended.
    """
    mine = and_(_deliveries.event.in_(events), _deliveries.account == account)
    waits = and_(mine, _deliveries.state.not_in((*SETTLED, DeliveryState.SENDING, DeliveryState.UNCERTAIN)))
    columns = (_deliveries.id, _deliveries.reason_code, _deliveries.reason_facts, _deliveries.reason)
    ended = [(row.id, reasons.of(row)) for row in conn.execute(select(*columns).where(waits))]
    values = {"state": DeliveryState.SUPPRESSED, **reasons.columns(Reason(Code.ERASED)), "updated_at": now}
    conn.execute(update(deliveries).where(_deliveries.id.in_([number for number, _ in ended])).values(values))
    # Not `updated_at`: it did not change yet. Should it come back, its next claim ends it (the guard `expiry`).
    conn.execute(
        update(deliveries)
        .where(mine, _deliveries.state.in_((DeliveryState.SENDING, DeliveryState.UNCERTAIN)))
        .values(to_erase.MARK)
    )
    return ended


def delivered_lately(conn: Connection, destination: str) -> list[tuple[int, str]]:
    """(delivery id, record) of a recent delivery that is certainly at this destination, if there is one."""
    newest = select(_deliveries.id).order_by(_deliveries.id.desc()).limit(LATELY).subquery()
    query = (
        select(_deliveries.id, records.c.record)
        .join(records, records.c.delivery == _deliveries.id)
        .where(
            _deliveries.id.in_(select(newest.c.id)),
            _deliveries.destination == destination,
            _deliveries.state == DeliveryState.DELIVERED,
        )
        .where(records.c.record != "")
        .order_by(_deliveries.id.desc())
        .limit(1)
    )
    return [(row.id, row.record) for row in conn.execute(query)]


LATELY: Final = 20_000  #: deliveries searched for one that landed


def delivered_by_source(conn: Connection, account: str, most: int = 3) -> list[tuple[str, int]]:
    """(source, number) of what the account accepted among the newest deliveries of all, the largest first."""
    newest = select(_deliveries.id).order_by(_deliveries.id.desc()).limit(LATELY).subquery()
    mine = and_(
        _deliveries.id.in_(select(newest.c.id)),
        _deliveries.account == account,
        _deliveries.state == DeliveryState.DELIVERED,
    )
    number = func.count().label("number")
    query = select(events.c.source, number).join(deliveries, events.c.id == _deliveries.event).where(mine)
    rows = conn.execute(query.group_by(events.c.source).order_by(number.desc(), events.c.source).limit(most))
    return [(source, count) for source, count in rows]


def sent_before(conn: Connection, destination: str, delivery: int) -> bool:
    """Whether another delivery has, or may have, sent this person to this destination."""
    mine = select(records.c.contact).where(records.c.delivery == delivery).scalar_subquery()
    theirs = select(records.c.delivery).where(records.c.contact == mine, records.c.delivery != delivery)
    query = select(_deliveries.id).where(
        _deliveries.id.in_(theirs),
        _deliveries.destination == destination,
        _deliveries.state.in_((DeliveryState.SENDING, DeliveryState.DELIVERED, DeliveryState.UNCERTAIN)),
    )
    return conn.execute(query.limit(1)).first() is not None


def tried_before(conn: Connection, attempt: int) -> set[int]:
    """Members that an earlier attempt with an unknown outcome may have landed."""
    earlier = attempts.alias("earlier")
    listed = attempt_list.lists(_deliveries.attempts, earlier.c.id)
    unknown = and_(
        earlier.c.state == AttemptState.UNKNOWN,
        earlier.c.id != attempt,
        earlier.c.destination == _deliveries.destination,
    )
    several = attempt_list.holds_others(_deliveries.attempts, attempt)
    query = select(_deliveries.id).where(_of(attempt), several, exists(select(earlier.c.id).where(unknown, listed)))
    return set(conn.execute(query).scalars())


def uncertain(conn: Connection, attempt: int) -> list[tuple[int, str]]:
    """(delivery id, record) of the attempt's members whose fate is unknown."""
    query = select(_deliveries.id, records.c.record).join(records, records.c.delivery == _deliveries.id)
    return [(row.id, row.record) for row in conn.execute(query.where(_deliveries.attempt == attempt, IS_UNCERTAIN))]
