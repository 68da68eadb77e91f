"""All data about one person, for an access request: events, deliveries, contacts, lists, reasons of each contact."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, select

from connector.admin.may import ways_of
from connector.admin.privacy.erase import Erasing
from connector.admin.privacy.person import Person
from connector.core.payload import DATA_URL
from connector.core.settings import Settings
from connector.core.times import iso
from connector.store import contacts, reasons, registries, suppression_list
from connector.store.database import Database
from connector.store.tables import deliveries, events, records

_delivery = deliveries.c
_stored = events.c


def kept_of(settings: Settings, database: Database, person: Person) -> dict[str, Any]:
    """The answer to an access request, as a JSON value. Only vendors know what they keep."""
    finding = Erasing(settings, database, person, dry_run=True)
    for _ in finding.run():
        pass
    ways, place = ways_of(settings, person.value)
    with database.read() as conn:
        return {
            "place": place or None,
            "do_not_contact": _listed(conn, ways),
            "lists": _registries(conn, settings, ways),
            "events": [_event(conn, row) for row in _events(conn, finding.found)],
            "contacts": [_contact(row) for row in contacts.of_person(conn, ways)],
            "not_here": "data that vendors keep of the records sent to them: ask them",
        }


def _listed(conn: Connection, ways: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"since": iso(one.since), "reason": one.reason, "channels": list(one.channels) or "all"}
        for one in suppression_list.entries(conn)
        if one.hash in ways
    ]


def _registries(conn: Connection, settings: Settings, ways: Sequence[str]) -> list[dict[str, Any]]:
    known = settings.contact.lists.values() if settings.contact else ()
    return [
        {"list": registry.name, "listed": bool(registries.listed(conn, registry, ways, 2**62))} for registry in known
    ]


def _events(conn: Connection, found: Sequence[int]) -> Sequence[Any]:
    columns = (
        _stored.id,
        _stored.source,
        _stored.type,
        _stored.state,
        _stored.received_at,
        _stored.occurred_at,
        _stored.payload,
    )
    return conn.execute(select(*columns).where(_stored.id.in_(found)).order_by(_stored.id)).all()


def _event(conn: Connection, row: Any) -> dict[str, Any]:
    return {
        "event": f"e{row.id}",
        "source": row.source,
        "type": row.type,
        "received_at": iso(row.received_at),
        "occurred_at": iso(row.occurred_at),
        "payload": _payload(row.payload),
        "deliveries": _deliveries(conn, row.id),
    }


def _payload(text: str) -> Any:
    if text.startswith(DATA_URL):
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _deliveries(conn: Connection, event: int) -> list[dict[str, Any]]:
    query = select(deliveries, records.c.record, records.c.consent)
    rows = conn.execute(
        query.outerjoin(records, records.c.delivery == _delivery.id)
        .where(_delivery.event == event)
        .order_by(_delivery.id)
    )
    return [
        {
            "delivery": f"d{row.id}",
            "route": row.route,
            "destination": row.destination,
            "state": row.state,
            "reason": str(reasons.of(row) or "") or None,
            "at": iso(row.updated_at),
            "sent": _payload(row.record) if row.record else None,
            "consent": orjson.loads(row.consent) if row.consent else None,
            "allowed": [{"at": iso(at), **proof} for _, at, proof in contacts.proofs(conn, row.id)],
        }
        for row in rows
    ]


def _contact(row: Any) -> dict[str, Any]:
    return {
        "at": iso(row.at),
        "channel": row.channel,
        "purpose": row.purpose,
        "country": row.country,
        "delivery": f"d{row.delivery}",
    }
