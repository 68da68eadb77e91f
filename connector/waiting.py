"""Thin events in the inbox: claimed one at a time, fetched piece by piece, then routed like any other. Queries only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, Connection, and_, case, func, select, text, update

from connector import forgotten
from connector.tables import deliveries, events

_e = events.c
_d = deliveries.c

#: Added to the times of those that are fetched when nothing else waits, unix ms: so that one index tells them apart.
BEHIND: Final = 10**15

# Spelled out, as the partial index has it: with a bound value no planner can prove that the index applies.
IS_WAITING = text("events.state = 'waiting'")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A thin event: its payload, and what was fetched for it so far, by name."""

    id: int
    source: str
    event_id: str
    payload: Any
    received_at: int  #: unix ms
    fetched: Mapping[str, Any]
    attempts: tuple[int, ...]  #: every call that was made for it; the last one has it in hand
    behind: bool  #: it is fetched when nothing else waits, and what it becomes is sent in the bulk lane

    @property
    def tries(self) -> int:
        return len(self.attempts)


def due(when: int, *, behind: bool) -> int:
    """A moment (unix ms) as ``due_at`` has it."""
    return when + BEHIND if behind else when


def _later(when: int) -> ColumnElement[int]:
    """The same, for an event that is there."""
    return case((_e.due_at >= BEHIND, BEHIND + when), else_=when)


def next_due(conn: Connection, account: str, now: int) -> tuple[int, int, bool] | None:
    """(due at, row id, behind) of the event that is to be fetched next, due or not; None: none waits."""
    mine = and_(IS_WAITING, _e.account == account)
    query = select(_e.due_at, _e.id).order_by(_e.due_at, _e.id).limit(1)
    head = conn.execute(query.where(mine)).first()
    if head is None or head.due_at <= now:
        return (head.due_at, head.id, False) if head else None
    after = head if head.due_at >= BEHIND else conn.execute(query.where(mine, _e.due_at >= BEHIND)).first()
    if after is None or head.due_at <= after.due_at - BEHIND:
        return head.due_at, head.id, False
    return after.due_at - BEHIND, after.id, True


def take(conn: Connection, event: int, attempt: int, deadline: int) -> None:
    """The event is being fetched: nobody else takes it before the deadline, and after it anybody may."""
    tried = func.coalesce(_e.attempts, "") + f",{attempt}"
    conn.execute(update(events).where(_e.id == event).values(due_at=_later(deadline), attempts=tried))


def get(conn: Connection, event: int) -> Waiting | None:
    """The event, if it still waits."""
    row = conn.execute(select(events).where(and_(IS_WAITING, _e.id == event))).first()
    if row is None:
        return None
    fetched = orjson.loads(row.fetched) if row.fetched else {}
    tried = tuple(int(one) for one in (row.attempts or "").split(",") if one)
    payload, behind = orjson.loads(row.payload), row.due_at >= BEHIND
    return Waiting(row.id, row.source, row.event_id, payload, row.received_at, fetched, tried, behind)


def keep(conn: Connection, event: int, fetched: Mapping[str, Any], due_at: int) -> None:
    """What was fetched so far; the next piece, or the next try, is due then."""
    values = {"fetched": orjson.dumps(fetched).decode(), "due_at": _later(due_at)}
    conn.execute(update(events).where(and_(IS_WAITING, _e.id == event)).values(values))


def put_back(conn: Connection, event: Waiting, due_at: int) -> None:
    """As if it had not been taken, but not before ``due_at``."""
    tried = "".join(f",{one}" for one in event.attempts[:-1])
    values = {"attempts": tried or None, "due_at": _later(due_at)}
    conn.execute(update(events).where(and_(IS_WAITING, _e.id == event.id)).values(values))


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
    """The event waits no more. False when it had stopped waiting before: then nothing was changed."""
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
    if state == "invalid":
        values["key"] = None  # so that a corrected copy is welcome
    return conn.execute(update(events).where(and_(IS_WAITING, _e.id == event)).values(values)).rowcount == 1


def stop(conn: Connection, events_: Sequence[int], account: str) -> None:
    """Those of these that wait for the account are fetched no more. Under the account's lock: a fetch ends in vain."""
    mine = and_(IS_WAITING, _e.id.in_(events_), _e.account == account)
    conn.execute(update(events).where(mine).values(state="ignored", due_at=None))


def known(conn: Connection, source: str, second_keys: Sequence[str], *, hash_key: bytes) -> dict[str, tuple[int, str]]:
    """Second key -> (row id, what to call it) of what was fetched before and went somewhere, forgotten ones too.

    ``hash_key`` keys the hashes that are left of what was forgotten (`Settings.hash_key`).
    """
    names = {forgotten.name(hash_key, source, one): one for one in second_keys} | {one: one for one in second_keys}
    mine = and_(_e.source == source, _e.second_key.in_(names), _e.second_key.is_not(None))
    rows = conn.execute(select(_e.second_key, _e.id, _e.event_id).where(mine))
    return {names[row.second_key]: (row.id, row.event_id or f"e{row.id}") for row in rows}


def routes_of(conn: Connection, rows: Iterable[int]) -> set[str]:
    """The routes that have a delivery of any of these events."""
    return set(conn.execute(select(_d.route).where(_d.event.in_(list(rows)))).scalars())


def follow_source(conn: Connection, source: str, account: str, now: int) -> int:
    """What waits for another account than its source's (any more) is asked of the right one. Returns how many."""
    lost = and_(IS_WAITING, _e.source == source, _e.account != account)
    return conn.execute(update(events).where(lost).values(account=account, due_at=_later(now))).rowcount


def again(conn: Connection, event: int, account: str, fetched: Mapping[str, Any], now: int) -> bool:
    """A thin event that went nowhere waits once more, for what is not among ``fetched``. False when it did not."""
    values = {
        "state": "waiting",
        "key": _e.event_id,
        "account": account,
        "due_at": now,
        "attempts": None,
        "fetched": orjson.dumps(fetched).decode() if fetched else None,
        "errors": None,
        "notes": None,
    }
    nowhere = and_(_e.id == event, _e.state.in_(("invalid", "ignored")))
    return conn.execute(update(events).where(nowhere).values(values)).rowcount == 1
