"""Thin events in the inbox: claimed one at a time, fetched piece by piece, then routed like any other. Queries only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, and_, func, select, text, update

from connector.tables import events

_e = events.c

# Spelled out, as the partial index has it: with a bound value no planner can prove that the index applies.
IS_WAITING = text("events.state = 'waiting'")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A thin event: its payload, and what was fetched for it so far, by name."""

    id: int
    source: str
    event_id: str
    payload: Any
    fetched: Mapping[str, Any]
    tries: int


def next_due(conn: Connection, account: str) -> tuple[int, int] | None:
    """(due_at, row id) of the event that has waited longest; None: none waits."""
    mine = and_(IS_WAITING, _e.account == account)
    row = conn.execute(select(_e.due_at, _e.id).where(mine).order_by(_e.due_at, _e.id).limit(1)).first()
    return (row.due_at, row.id) if row else None


def take(conn: Connection, event: int, attempt: int, deadline: int) -> None:
    """The event is being fetched: nobody else takes it before the deadline, and after it anybody may."""
    tried = func.coalesce(_e.attempts, "") + f",{attempt}"
    conn.execute(update(events).where(_e.id == event).values(due_at=deadline, attempts=tried))


def get(conn: Connection, event: int) -> Waiting | None:
    """The event, if it still waits."""
    row = conn.execute(select(events).where(and_(IS_WAITING, _e.id == event))).first()
    if row is None:
        return None
    fetched = orjson.loads(row.fetched) if row.fetched else {}
    tries = (row.attempts or "").count(",")
    return Waiting(row.id, row.source, row.event_id, orjson.loads(row.payload), fetched, tries)


def keep(conn: Connection, event: int, fetched: Mapping[str, Any], due_at: int) -> None:
    """What was fetched so far; the next piece, or the next try, is due then."""
    values = {"fetched": orjson.dumps(fetched).decode(), "due_at": due_at}
    conn.execute(update(events).where(and_(IS_WAITING, _e.id == event)).values(values))


def end(
    conn: Connection,
    event: int,
    *,
    state: str,
    fetched: Mapping[str, Any],
    second_key: str = "",
    errors: list[dict[str, str]] | None = None,
    notes: tuple[str, ...] = (),
) -> bool:
    """The event waits no more. False when it had stopped waiting before: then nothing was changed."""
    values: dict[str, Any] = {
        "state": state,
        "due_at": None,
        "fetched": orjson.dumps(fetched).decode(),
        "errors": orjson.dumps(errors).decode() if errors else None,
        "notes": orjson.dumps(notes).decode() if notes else None,
        "second_key": second_key or None,
    }
    if state == "invalid":
        values["key"] = None  # so that a corrected copy is welcome
    return conn.execute(update(events).where(and_(IS_WAITING, _e.id == event)).values(values)).rowcount == 1


def same(conn: Connection, source: str, second_key: str) -> str | None:
    """The event id of what was fetched before and turned out to be the same; None: it is the first."""
    known = and_(_e.source == source, _e.second_key == second_key, _e.second_key.is_not(None))
    found = conn.execute(select(_e.event_id).where(known)).scalar()
    return None if found is None else str(found)
