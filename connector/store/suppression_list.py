"""The suppression list: keyed hashes of phones and e-mails, read in every claim. Queries only.

Nothing on it can be read back: a person is added, found and removed by naming their phone or e-mail again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    delete,
    false,
    func,
    literal_column,
    or_,
    select,
    text,
    true,
    update,
)

from connector.core.errors import ConnectorError
from connector.core.keyed_hash import mark
from connector.core.states import DeliveryState
from connector.store.database import insert_rows
from connector.store.prepared import Prepared
from connector.store.tables import IS_PENDING, deliveries, do_not_contact, facts, records, registry_entries

_listed = do_not_contact.c
_record = records.c

_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """One phone or e-mail that must not be contacted."""

    hash: str
    hint: str  #: the masked form: "+57 *** *** **01"
    reason: str
    since: int  #: unix ms
    channels: tuple[str, ...] = ()  #: only these; empty: all


def add(conn: Connection, entries: Sequence[Entry]) -> int:
    """Adds those that are not on the list. Returns how many are new.

    An entry for some channels is extended by the new ones.
    """
    before = count(conn)
    rows = list({one.hash: _row(one) for one in entries}.values())
    for at in range(0, len(rows), _AT_ONCE):
        insert_rows(conn, do_not_contact, rows[at : at + _AT_ONCE])
    narrow = set(conn.execute(select(_listed.hash).where(_listed.channels.is_not(None))).scalars())
    for one in entries:
        if one.hash in narrow:
            _widen(conn, one)
    return count(conn) - before


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "hash": entry.hash,
        "hint": entry.hint,
        "reason": entry.reason,
        "since": entry.since,
        "channels": _channels(entry.channels),
    }


def _channels(names: Sequence[str]) -> str | None:
    return f",{','.join(sorted(names))}," if names else None


def _widen(conn: Connection, entry: Entry) -> None:
    """Extends an entry of fewer channels to these."""
    narrow = and_(_listed.hash == entry.hash, _listed.channels.is_not(None))
    known = conn.execute(select(_listed.channels).where(narrow)).scalar()
    if known is not None and known != _channels(entry.channels):
        every = {*known.strip(",").split(","), *entry.channels} if entry.channels else set()
        conn.execute(update(do_not_contact).where(narrow).values(channels=_channels(sorted(every))))


def remove(conn: Connection, hashed: str) -> bool:
    """Removes an entry from the list. False if it was not there."""
    return conn.execute(delete(do_not_contact).where(_listed.hash == hashed)).rowcount == 1


def count(conn: Connection) -> int:
    return int(conn.execute(select(func.count()).select_from(do_not_contact)).scalar_one())


def is_empty(conn: Connection) -> bool:
    """Whether the list is empty."""
    return _ANYBODY.first(conn) is None


_ANYBODY: Final = Prepared(select(_listed.hash).limit(literal_column("1")))


def entries(conn: Connection, most: int | None = None) -> list[Entry]:
    """All of them, or so many, the newest first."""
    query = select(_listed.hash, _listed.hint, _listed.reason, _listed.since, _listed.channels).order_by(
        _listed.since.desc(), _listed.hash
    )
    query = query.limit(most)
    return [
        Entry(*row[:4], channels=tuple(row.channels.strip(",").split(",")) if row.channels else ())
        for row in conn.execute(query)
    ]


def on_list(conn: Connection, hashes: Sequence[str], channel: str = "") -> bool:
    """Whether one of these people is on the list: of that channel, or of any where none is said."""
    named = and_(_listed.hash.in_(hashes), _of_channel(channel))
    return conn.execute(select(_listed.hash).where(named).limit(1)).first() is not None


def first_no(conn: Connection, hashes: Sequence[str], channel: str = "") -> int | None:
    """Since when (unix ms) one of these people is on the list, as `on_list` has it; None if nobody is."""
    named = and_(_listed.hash.in_(hashes), _of_channel(channel))
    return conn.execute(select(func.min(_listed.since)).where(named)).scalar()


def _of_channel(channel: str) -> ColumnElement[bool]:
    return or_(_listed.channels.is_(None), _listed.channels.like(f"%,{channel},%")) if channel else true()


def asked_since(conn: Connection, some: Sequence[int], channel: str) -> Sequence[Any]:
    """The deliveries with an event later than every "no" of their person: delivery, route, occurred_at.

    ``channel``: a LIKE pattern on the entries' channels.
    """
    parameters = {"given": orjson.dumps(sorted(some)).decode(), "channel": channel}
    return conn.execute(_ASKED_SINCE[conn.dialect.name], parameters).all()


_ASKED_SINCE: Final = {
    name: text(
        "SELECT deliveries.id AS delivery, deliveries.route,"
        " coalesce(events.occurred_at, events.received_at) AS occurred_at"
        f" FROM {one} JOIN deliveries ON deliveries.id = CAST(given.value AS bigint)"
        " JOIN events ON events.id = deliveries.event JOIN records ON records.delivery = deliveries.id"
        " WHERE coalesce(events.occurred_at, events.received_at) > (SELECT max(since) FROM do_not_contact"
        f" WHERE (channels IS NULL OR channels LIKE :channel) AND hash IN (SELECT {way}))"
    )
    for name, one, way in (
        (
            "sqlite",
            "json_each(:given) AS given",
            "way.value FROM json_each(coalesce(records.contacts, json_array(records.contact))) AS way",
        ),
        (
            "postgresql",
            "json_array_elements_text(CAST(:given AS json)) AS given (value)",
            "way.hash FROM json_array_elements_text(coalesce(records.contacts,"
            " json_build_array(records.contact)::text)::json) AS way (hash)",
        ),
    )
}


def stopped(conn: Connection, hashes: Sequence[str], destinations: Collection[str]) -> list[int]:
    """Pending deliveries to these destinations that name one of these people, and will not be sent."""
    named = (or_(_record.contact == one, _record.contacts.contains(one)) for one in hashes)
    ids = select(deliveries.c.id).join(records, _record.delivery == deliveries.c.id)
    pending = and_(IS_PENDING, deliveries.c.destination.in_(destinations))
    return list(conn.execute(ids.where(pending, or_(false(), *named)).order_by(deliveries.c.id)).scalars())


def stopped_first(conn: Connection, hashes: Sequence[str], destinations: Collection[str]) -> list[int]:
    """The same, for many people: found by the first phone or e-mail of each, along an index."""
    ids = select(deliveries.c.id).join(records, _record.delivery == deliveries.c.id)
    pending = and_(IS_PENDING, deliveries.c.destination.in_(destinations))
    return list(conn.execute(ids.where(pending, _record.contact.in_(hashes))).scalars())


def listed(conn: Connection, hashes: Sequence[str]) -> int:
    """The number of these that are on the list."""
    condition = _listed.hash.in_(hashes)
    return int(conn.execute(select(func.count()).select_from(do_not_contact).where(condition)).scalar_one())


def handed_over(conn: Connection, hashes: Sequence[str], destinations: Collection[str]) -> list[tuple[int, str]]:
    """(delivery, destination) of the latest records of these people that each vendor has, or may have, and may act on.

    Found by the first phone or e-mail of each, along an index.
    """
    latest = select(deliveries.c.destination, func.max(deliveries.c.id)).join(
        records, _record.delivery == deliveries.c.id
    )
    sent = and_(
        deliveries.c.state.in_((DeliveryState.DELIVERED, DeliveryState.UNCERTAIN)),
        deliveries.c.destination.in_(destinations),
    )
    rows = conn.execute(latest.where(_record.contact.in_(hashes), sent).group_by(deliveries.c.destination))
    return sorted((row[1], row[0]) for row in rows)


# --- the key of the hashes ------------------------------------------------------------------------------------------

KEYED: Final = "do_not_contact_key"  #: the fact with the mark of the key that the list was made with
OTHER_KEY: Final = (
    "CONNECTOR_SECRET_KEY is not the one that the do-not-contact list was made with, and nobody on it would be"
    " recognised: set the old one again"
)


def demand_key(conn: Connection, key: bytes) -> None:
    """Raises `ConnectorError` if this list, or a registry, has entries that this key would not recognise."""
    marked = select(facts.c.value).where(facts.c.name == KEYED)
    if conn.execute(marked).scalar() in (None, mark(key)):
        return
    registered = select(registry_entries.c.hash).limit(1)
    if not is_empty(conn) or conn.execute(registered).first() is not None:
        raise ConnectorError(OTHER_KEY)


def keep_key(conn: Connection, key: bytes) -> None:
    """Stores that the list is made with this key. Raises `ConnectorError` if it was made with another."""
    demand_key(conn, key)
    insert_rows(conn, facts, [{"name": KEYED, "value": mark(key)}])
    conn.execute(update(facts).where(facts.c.name == KEYED).values(value=mark(key)))
