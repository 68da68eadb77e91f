"""Deliveries by state, person, event and time, the latest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from marshmallow import ValidationError
from sqlalchemy import ColumnElement, Connection, Select, false, or_, select, text

from connector import destinations
from connector.db import Database, now_ms
from connector.routes import Router
from connector.settings import Settings
from connector.stories.words import events_called, iso, own_id, since_ms
from connector.tables import deliveries as table
from connector.tables import events
from mappings.events import Phone
from mappings.fields import read_phone

STATES: Final = ("pending", "sending", "delivered", "uncertain", "suppressed", "dead")
SEARCHED: Final = 20_000  #: newest events whose payloads a search reads, besides what the indexes know

_d = table.c
_e = events.c

#: As the partial index has it: a bound value would hide it from the planner.
_TROUBLED: Final = text("deliveries.state IN ('uncertain', 'suppressed', 'dead')")


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
    latest = _d.updated_at if search.state in ("uncertain", "suppressed", "dead") else _d.id
    chosen = select(_d.id).order_by(latest.desc()).limit(search.limit)
    if search.state:
        chosen = chosen.where(_d.state == search.state)
    if search.state in ("uncertain", "suppressed", "dead"):
        chosen = chosen.where(_TROUBLED)
    if search.since:
        chosen = chosen.where(_d.updated_at >= since_ms(search.since, settings, now_ms(conn)))
    if search.event:
        chosen = chosen.where(_d.event.in_(events_meant(conn, search.event)))
    if search.find:
        chosen = chosen.where(_found(conn, settings, search.find))
    columns = (table, _e.source, _e.event_id, _e.type)
    joined = select(*columns).select_from(table.outerjoin(events, _e.id == _d.event))
    return joined.where(_d.id.in_(select(chosen.subquery().c.id))).order_by(latest.desc())


def events_meant(conn: Connection, text: str) -> list[int]:
    """Row ids of the events that an id may mean: the sender's own, else ours ("e45")."""
    called = events_called(conn, text)
    own = own_id(conn, text, "e")
    return called or ([own] if own is not None else [])


def _found(conn: Connection, settings: Settings, text: str) -> ColumnElement[bool]:
    """By the hash of the person's first phone or e-mail, by the sender's event id, and by what recent payloads say."""
    router = Router(settings, destinations.name_of)
    hashes = [router.contact_hash(contact) for contact in _contacts(settings, text)]
    own = own_id(conn, text, "d")
    chosen = [
        _d.contact.in_([h for h in hashes if h]),
        _d.event.in_([*events_called(conn, text), *_mentions(conn, text)]),
    ]
    return or_(false(), *chosen, *([_d.id == own] if own is not None else []))


def _contacts(settings: Settings, text: str) -> set[str]:
    """What the text may have been hashed as: an e-mail as it stands, a phone in E.164, be it as a vendor dials it."""
    prefixes = {account.dial_prefix for account in settings.accounts.values()} - {""}
    dialled = [text.strip().removeprefix(prefix) for prefix in prefixes if text.strip().startswith(prefix)]
    return {text.strip(), *(_phone(settings, spelling) for spelling in (text, *dialled))} - {""}


def _phone(settings: Settings, text: str) -> str:
    try:
        phone = read_phone(text, settings.locale.region)
    except ValidationError as fault:
        phone = fault.valid_data if isinstance(fault.valid_data, Phone) else None
    return phone.e164 if phone else ""


def _mentions(conn: Connection, text: str) -> list[int]:
    """Newest events whose payload holds the text: an e-mail beside a phone, a second phone, a name."""
    newest = select(_e.id, _e.payload).order_by(_e.id.desc()).limit(SEARCHED).subquery()
    return list(
        conn.execute(select(newest.c.id).where(newest.c.payload.icontains(text.strip(), autoescape=True))).scalars()
    )


def _shown(row: Any) -> dict[str, Any]:
    return {
        "delivery": f"d{row.id}",
        "state": row.state,
        "reason": row.reason,
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
        "due_at": iso(row.due_at) if row.state == "pending" else None,
        "expires_at": iso(row.expires_at) if row.state == "pending" else None,
    }
