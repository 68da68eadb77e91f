"""Keyed hashes by which an event is found: each phone and e-mail in it, its sender's ids. Queries only."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlalchemy import Connection, func, select, update

from connector.store.database import insert_rows
from connector.store.tables import events, facts, search_keys

UP_TO: Final = "search_keys_up_to"  #: the fact: the last event with search keys
LAG_MS: Final = 30_000  #: younger events may still be joined by one with a smaller id, of a transaction that is open

_search_key = search_keys.c


def up_to(conn: Connection) -> int:
    """The last event with search keys; 0 if there is none."""
    return int(conn.execute(select(facts.c.value).where(facts.c.name == UP_TO)).scalar() or 0)


def next_events(conn: Connection, after: int, before_ms: int, most: int) -> Sequence[Any]:
    """The events that come next, received before then: id, payload, content_type and event_id."""
    stored = events.c
    columns = select(stored.id, stored.payload, stored.content_type, stored.event_id, stored.received_at).where(
        stored.id > after
    )
    rows = conn.execute(columns.order_by(stored.id).limit(most)).all()
    return [row for row in rows if row.received_at < before_ms]


def write(conn: Connection, keys: Collection[tuple[str, int]], last: int) -> None:
    """(hash, event) pairs, and how far they go."""
    rows = [{"hash": hashed, "event": event} for hashed, event in keys]
    for at in range(0, len(rows), 500):
        insert_rows(conn, search_keys, rows[at : at + 500])
    insert_rows(conn, facts, [{"name": UP_TO, "value": "0"}])
    conn.execute(update(facts).where(facts.c.name == UP_TO).values(value=str(last)))


def events_of(conn: Connection, hashes: Collection[str], most: int) -> list[int]:
    """The newest events that have one of these keys."""
    query = (
        select(_search_key.event)
        .where(_search_key.hash.in_(hashes))
        .distinct()
        .order_by(_search_key.event.desc())
        .limit(most)
    )
    return list(conn.execute(query).scalars())


def last_event(conn: Connection) -> int:
    return int(conn.execute(select(func.max(events.c.id))).scalar() or 0)
