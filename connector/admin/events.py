"""Events by state, person, source and time, the latest first: also those that became no delivery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import Connection, func, select

from connector.admin.identifiers import first_since, since_ms
from connector.admin.search import Who, find, of_person, who_of
from connector.core import masking
from connector.core.settings import Settings
from connector.core.states import EventState, words
from connector.core.times import iso
from connector.store.database import Database, now_ms
from connector.store.tables import deliveries, events

STATES: Final = words(*EventState)

_event = events.c


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """The filters of a list; all given ones must match."""

    state: str = ""
    find: str = ""  #: see `search.find`
    source: str = ""
    since: str = ""  #: received since then
    person: str = ""  #: keyed hash of a phone or an e-mail, see `search.person_key`
    limit: int = 50


def list_events(database: Database, settings: Settings, filters: EventFilter) -> dict[str, Any]:
    """``{"events": […], "looked": "how far"}``.

    Raises `ConnectorError` (``since`` is not a time), `StoreUnavailable`.
    """
    with database.read() as conn:
        chosen = select(events).order_by(_event.id.desc()).limit(filters.limit)
        reach = ""
        if filters.find:
            found = find(conn, settings, filters.find)
            chosen, reach = chosen.where(_event.id.in_(found.events)), found.looked
        if filters.person:
            chosen = chosen.where(_event.id.in_(of_person(conn, {filters.person})))
        if filters.state:
            chosen = chosen.where(_event.state == filters.state)
        if filters.source:
            chosen = chosen.where(_event.source == filters.source)
        if filters.since:
            first = first_since(conn, since_ms(filters.since, settings, now_ms(conn)))
            chosen = chosen.where(_event.id >= first) if first is not None else chosen.where(_event.id < 0)
        rows = conn.execute(chosen).all()
        counts = _deliveries(conn, [row.id for row in rows])
    who = who_of(settings)
    return {"events": [_shown(row, who, counts.get(row.id, 0)) for row in rows], "looked": reach or None}


def _deliveries(conn: Connection, ids: list[int]) -> dict[int, int]:
    columns = deliveries.c
    rows = conn.execute(select(columns.event, func.count()).where(columns.event.in_(ids)).group_by(columns.event))
    return {row[0]: row[1] for row in rows}


def _shown(row: Any, who: Who, number: int) -> dict[str, Any]:
    return {
        "event": f"e{row.id}",
        "event_id": row.event_id,
        "source": row.source,
        "type": row.type,
        "state": row.state,
        "received_at": iso(row.received_at),
        "who": who.of(row) or None,
        "deliveries": number,
        "why": masking.of_ours(_why(row)) or None,
    }


def _why(row: Any) -> str:
    errors = orjson.loads(row.errors) if row.errors else []
    return "; ".join(f"{error['field']}: {error['message']}" for error in errors)
