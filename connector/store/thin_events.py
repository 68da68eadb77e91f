"""Thin events in the inbox: claimed one at a time, fetched part by part, then routed like any other. Queries only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, func, literal_column, select, text, update

from connector.core import keyed_hash
from connector.core.states import DeliveryState, EventState
from connector.store import attempt_list
from connector.store.prepared import Prepared
from connector.store.tables import IS_WAITING, deliveries, events

_events = events.c
_deliveries = deliveries.c

#: Added to the times of events that are fetched when nothing else waits, unix ms: one index keeps them apart.
BEHIND: Final = 10**15
APART: Final = 10**17  #: the same for those that wait for their source's limit: `aside` makes them due


@dataclass(frozen=True, slots=True)
class Waiting:
    """A thin event: its payload, and the parts fetched so far, by name."""

    id: int
    source: str
    event_id: str
    payload: Any
    received_at: int  #: unix ms
    fetched: Mapping[str, Any]
    attempts: tuple[int, ...]  #: every call that was made for it; the last one has it in hand
    behind: bool  #: fetched when nothing else waits; its deliveries go in the bulk lane

    @property
    def tries(self) -> int:
        return len(self.attempts)


def due(when: int, *, behind: bool, apart: bool = False) -> int:
    """A moment (unix ms) as ``due_at`` has it."""
    return when + (APART if apart else BEHIND if behind else 0)


def _later(when: int) -> ColumnElement[int]:
    """The same, for an event that is there."""
    apart, behind = (_events.due_at >= APART, APART + when), (_events.due_at >= BEHIND, BEHIND + when)
    return case(apart, behind, else_=when)


def next_due(conn: Connection, account: str, now: int) -> tuple[int, int, bool] | None:
    """(due at, row id, behind) of the event to fetch next, due or not; None if none waits."""
    head = _NEXT.first(conn, {"of": account})
    if head is None or head.due_at <= now:
        return (head.due_at, head.id, False) if head else None
    after = head if head.due_at >= BEHIND else _NEXT_BEHIND.first(conn, {"of": account})
    if after is None or head.due_at <= after.due_at - BEHIND:
        return head.due_at, head.id, False
    return after.due_at - BEHIND, after.id, True


_WAITS: Final = (
    select(_events.due_at, _events.id)
    .where(IS_WAITING, _events.account == bindparam("of"))
    .order_by(_events.due_at, _events.id)
    .limit(literal_column("1"))
)
_NEXT: Final = Prepared(_WAITS)
_NEXT_BEHIND: Final = Prepared(_WAITS.where(_events.due_at >= BEHIND))


def heads(conn: Connection, account: str, now: int, *, behind: bool) -> dict[str, int]:
    """Source -> row id of its event to fetch next, of the sources that have one due; in the order of their names."""
    least = BEHIND if behind else 0
    rows = conn.execute(_HEADS, {"of": account, "least": least, "until": least + now})
    return {row.source: row.id for row in rows}


#: From one source to the next within the index: not past what one of them sent.
_FIRST: Final = f"""
    SELECT source FROM events WHERE {IS_WAITING.text} AND account = :of AND source > {{after}}
    ORDER BY source LIMIT 1"""
_HEADS: Final = text(f"""
    WITH RECURSIVE one (source) AS (
      SELECT ({_FIRST.format(after="''")})
      UNION ALL
      SELECT ({_FIRST.format(after="one.source")}) FROM one WHERE one.source IS NOT NULL
    ), head (source, id) AS (
      SELECT source, (
        SELECT id FROM events
        WHERE {IS_WAITING.text} AND account = :of AND events.source = one.source
          AND due_at >= :least AND due_at <= :until
        ORDER BY due_at, id LIMIT 1
      ) FROM one WHERE source IS NOT NULL
    )
    SELECT source, id FROM head WHERE id IS NOT NULL ORDER BY source
""")


def lease(conn: Connection, event: int, attempt: int, deadline: int) -> None:
    """Leases the event for a fetch: until the deadline no other worker takes it, afterwards any may."""
    tried = attempt_list.appended(func.coalesce(_events.attempts, attempt_list.NONE), attempt)
    conn.execute(update(events).where(_events.id == event).values(due_at=_later(deadline), attempts=tried))


def give_back(conn: Connection, event: int, attempt: int, now: int) -> None:
    """The fetch that has it in hand is lost: any worker may take it now."""
    waiting = get(conn, event)
    if waiting is not None and waiting.attempts[-1:] == (attempt,):
        conn.execute(update(events).where(and_(IS_WAITING, events.c.id == event)).values(due_at=_later(now)))


def get(conn: Connection, event: int) -> Waiting | None:
    """The event, if it still waits."""
    row = conn.execute(select(events).where(and_(IS_WAITING, _events.id == event))).first()
    if row is None:
        return None
    fetched = orjson.loads(row.fetched) if row.fetched else {}
    tried = tuple(attempt_list.numbers(row.attempts))
    payload, behind = orjson.loads(row.payload), row.due_at >= BEHIND
    return Waiting(row.id, row.source, row.event_id, payload, row.received_at, fetched, tried, behind)


def keep(conn: Connection, event: int, fetched: Mapping[str, Any], due_at: int) -> None:
    """Stores the parts fetched so far; the next part, or the next try, is due then."""
    values = {"fetched": orjson.dumps(fetched).decode(), "due_at": _later(due_at)}
    conn.execute(update(events).where(and_(IS_WAITING, _events.id == event)).values(values))


def put_back(conn: Connection, event: Waiting, due_at: int) -> None:
    """As if it had not been taken, but not before ``due_at``."""
    tried = attempt_list.of(*event.attempts[:-1])
    values = {"attempts": tried or None, "due_at": _later(due_at)}
    conn.execute(update(events).where(and_(IS_WAITING, _events.id == event.id)).values(values))


def end(
    conn: Connection,
    event: int,
    *,
    state: str,
    fetched: Mapping[str, Any],
    type: str = "",
    second_key: str = "",
    errors: list[dict[str, str]] | None = None,
    notes: tuple[str, ...] = (),
) -> bool:
    """The event stops waiting. False if it had stopped before: then nothing was changed."""
    values: dict[str, Any] = {
        "state": state,
        "due_at": None,
        "fetched": orjson.dumps(fetched).decode() if fetched else None,
        "errors": orjson.dumps(errors).decode() if errors else None,
        "notes": orjson.dumps(notes).decode() if notes else None,
        "second_key": second_key or None,
    }
    if type:
        values["type"] = type
    if state == EventState.INVALID:
        values["key"] = None  # so that a corrected copy is welcome
    return conn.execute(update(events).where(and_(IS_WAITING, _events.id == event)).values(values)).rowcount == 1


def stop(conn: Connection, events_: Sequence[int], account: str) -> None:
    """Stops fetching those of these that wait for the account. Under its lock: a running fetch has no effect."""
    mine = and_(IS_WAITING, _events.id.in_(events_), _events.account == account)
    conn.execute(update(events).where(mine).values(state=EventState.IGNORED, due_at=None))


def known(conn: Connection, source: str, second_keys: Sequence[str], *, hash_key: bytes) -> dict[str, tuple[int, str]]:
    """Business key -> (row id, label) of events that were fetched before and went somewhere, including forgotten ones.

    ``hash_key`` is the key of the hashes that remain of forgotten events (`Settings.hash_key`).
    """
    names = {keyed_hash.name(hash_key, source, one): one for one in second_keys} | {one: one for one in second_keys}
    mine = and_(_events.source == source, _events.second_key.in_(names), _events.second_key.is_not(None))
    rows = conn.execute(select(_events.second_key, _events.id, _events.event_id).where(mine))
    return {names[row.second_key]: (row.id, row.event_id or f"e{row.id}") for row in rows}


@dataclass(frozen=True, slots=True)
class Had:
    """The delivery that a route has of the given events."""

    route: str
    operation: str  #: "wolkvox.add_record"
    in_vain: bool  #: every delivery of it died before any call was made for it


def had(conn: Connection, rows: Iterable[int]) -> dict[str, Had]:
    """By route: the delivery that it has of any of these events."""
    query = select(_deliveries.route, _deliveries.destination, _deliveries.state, _deliveries.attempts).where(
        _deliveries.event.in_(list(rows))
    )
    found: dict[str, Had] = {}
    for row in conn.execute(query):
        in_vain = row.state == DeliveryState.DEAD and not attempt_list.numbers(row.attempts)
        before = found.get(row.route)
        found[row.route] = Had(row.route, row.destination.split("/")[1], in_vain and (before is None or before.in_vain))
    return found


def follow_source(conn: Connection, source: str, account: str, now: int) -> int:
    """Moves events that wait for another account than their source's current one. Returns how many."""
    lost = and_(IS_WAITING, _events.source == source, _events.account != account)
    return conn.execute(update(events).where(lost).values(account=account, due_at=_later(now))).rowcount


def again(conn: Connection, event: int, account: str, fetched: Mapping[str, Any], now: int, *, key: str) -> bool:
    """A thin event that went nowhere waits again for the parts missing in ``fetched``. False if it did not."""
    values = {
        "state": EventState.WAITING,
        "key": key,
        "account": account,
        "due_at": now,
        "attempts": None,
        "fetched": orjson.dumps(fetched).decode() if fetched else None,
        "errors": None,
        "notes": None,
    }
    nowhere = and_(_events.id == event, _events.state.in_((EventState.INVALID, EventState.IGNORED)))
    return conn.execute(update(events).where(nowhere).values(values)).rowcount == 1
