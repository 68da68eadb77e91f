"""Deliveries by state, person, event and time, the latest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, and_, false, or_, select, text

from connector import destinations
from connector.db import Database, now_ms
from connector.outbox import PARKED_LANES
from connector.persons import phones as phones_of
from connector.routes import Router
from connector.settings import Settings
from connector.stories.words import events_called, iso, own_id, since_ms, typed
from connector.tables import deliveries as table
from connector.tables import events, records

TROUBLED: Final = ("uncertain", "suppressed", "dead")
STATES: Final = ("pending", "sending", "delivered", "uncertain", "suppressed", "dead")
SEARCHED: Final = 20_000  #: newest events whose payloads a search reads, besides what the indexes know
MENTIONED: Final = 1_000  #: of those, the newest that are taken
SHORTEST: Final = 4  #: letters, to be looked for in payloads

_d = table.c
_e = events.c

#: As the partial indexes have it: a bound value would hide it from the planner.
_WORD_FOR_WORD: Final = {
    "pending": text("deliveries.state = 'pending'"),
    "sending": text("deliveries.state IN ('sending', 'uncertain')"),
    **dict.fromkeys(TROUBLED, text("deliveries.state IN ('uncertain', 'suppressed', 'dead')")),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What to list; all that is given must fit."""

    state: str = ""
    find: str = ""  #: a phone in any spelling, an e-mail, an event id, or any text of a recent payload
    event: str = ""  #: "e45", or as its sender calls it
    since: str = ""  #: changed since then: "24h", or a time
    limit: int = 50


def deliveries(database: Database, settings: Settings, search: Search) -> list[dict[str, Any]]:
    """The deliveries that fit, the latest first. Raises `ConnectorError` (``since`` is no time), `StoreUnavailable`."""
    with database.read() as conn:
        return [_shown(row) for row in conn.execute(_query(conn, settings, search))]


def _query(conn: Connection, settings: Settings, search: Search) -> Select[Any]:
    latest = _d.updated_at if search.state in TROUBLED else _d.id
    chosen = select(_d.id).order_by(latest.desc()).limit(search.limit)
    if search.state:
        chosen = chosen.where(_d.state == search.state)
    if search.state in _WORD_FOR_WORD:
        chosen = chosen.where(_WORD_FOR_WORD[search.state])
    if search.since:
        chosen = chosen.where(_d.updated_at >= since_ms(search.since, settings, now_ms(conn)))
    if search.event:
        chosen = chosen.where(_d.event.in_(events_meant(conn, settings, search.event)))
    if search.find:
        chosen = chosen.where(_found(conn, settings, search.find))
    before = table.alias("before")
    after = records.c.after
    columns = (
        table,
        _e.source,
        _e.event_id,
        _e.type,
        after,
        before.c.id.label("before"),
        before.c.state.label("stands"),
    )
    joined = select(*columns).select_from(
        table.outerjoin(events, _e.id == _d.event)
        .outerjoin(records, records.c.delivery == _d.id)
        .outerjoin(before, and_(before.c.event == _d.event, before.c.route == after))
    )
    return joined.where(_d.id.in_(select(chosen.subquery().c.id))).order_by(latest.desc())


def events_meant(conn: Connection, settings: Settings, text: str) -> list[int]:
    """Row ids of the events that an id may mean: the sender's own, else ours ("e45")."""
    called = events_called(conn, settings, text)
    own = own_id(conn, text, "e")
    return called or ([own] if own is not None else [])


def _found(conn: Connection, settings: Settings, text: str) -> ColumnElement[bool]:
    """By the hash of the person's first phone or e-mail, by the sender's event id, and by what recent payloads say."""
    router, text = Router(settings, destinations.name_of), typed(text)
    phones = phones_of(text, settings)
    hashes = [router.contact_hash(contact) for contact in (text, *(phone.e164 for phone in phones))]
    mentions = _mentions(conn, [text, *(phone.national for phone in phones)])
    own = own_id(conn, text, "d")
    return or_(
        _d.id.in_(select(records.c.delivery).where(records.c.contact.in_([one for one in hashes if one]))),
        _d.event.in_([*events_called(conn, settings, text), *mentions]),
        _d.id == own if own is not None else false(),
    )


def _mentions(conn: Connection, texts: Sequence[str]) -> list[int]:
    """Newest events whose payload holds one of the texts: an e-mail beside a phone, a second phone, a name."""
    newest = select(_e.id, _e.payload).order_by(_e.id.desc()).limit(SEARCHED).subquery()
    held = [newest.c.payload.icontains(text, autoescape=True) for text in texts if len(text) >= SHORTEST]
    query = select(newest.c.id).where(or_(false(), *held)).order_by(newest.c.id.desc()).limit(MENTIONED)
    return list(conn.execute(query).scalars())


def waits_for(row: Any) -> str | None:
    """What a parked delivery waits for; None when it waits for none."""
    if row.state != "pending" or row.lane not in PARKED_LANES or row.before is None:
        return None
    return f"waits for d{row.before} (“{row.after}”), which is {row.stands}"


def _shown(row: Any) -> dict[str, Any]:
    return {
        "delivery": f"d{row.id}",
        "state": row.state,
        "reason": row.reason or waits_for(row),
        "route": row.route,
        "account": row.account,
        "destination": row.destination,
        "event": f"e{row.event}",
        "event_id": row.event_id,
        "source": row.source,
        "type": row.type,
        "attempts": len([one for one in row.attempts.split(",") if one]),
        "created_at": iso(row.created_at),
        "changed_at": iso(row.updated_at),
        "after": None if row.before is None else f"d{row.before}",
        "due_at": iso(row.due_at) if row.state == "pending" and row.lane not in PARKED_LANES else None,
        "expires_at": iso(row.expires_at) if row.state == "pending" else None,
    }
