"""Lists of people who refused contact by others: dated, replaced as a whole, read in every claim. Queries only.

Imports are numbered. An entry counts from its first complete import on, until a later one replaces the list without it:
half an import changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import Connection, and_, delete, func, select, text, update

from connector.core.reasons import Code
from connector.core.settings import Registry
from connector.store.database import EACH, insert_rows
from connector.store.prepared import Prepared
from connector.store.tables import IS_PENDING, deliveries, registries, registry_entries

_registry = registries.c
_entry = registry_entries.c
_AT_ONCE: Final = 5_000
_NEW: Final = {"of": 0, "begun": 0, "current": 0, "floor": 0, "size": 0, "changed_at": 0}


@dataclass(frozen=True, slots=True)
class Held:
    """One list as it is kept."""

    name: str
    of: int  #: the day of its newest file (unix ms); 0: never imported
    size: int
    changed_at: int


def begin(conn: Connection, name: str) -> int:
    """The number of an import that begins now. The rest of an unfinished import is removed."""
    insert_rows(conn, registries, [{"name": name, **_NEW}])
    known = conn.execute(
        select(_registry.current, _registry.begun).where(_registry.name == name).with_for_update()
    ).one()
    conn.execute(
        delete(registry_entries).where(_entry.registry == name, _entry.first > known.current, _entry.listed == 1)
    )
    conn.execute(update(registries).where(_registry.name == name).values(begun=known.begun + 1))
    return int(known.begun) + 1


def put(conn: Connection, name: str, number: int, hashes: Sequence[str], of: int) -> None:
    """Stores the people of the file. Those who were off the list are on it again as of today."""
    ways = list(dict.fromkeys(hashes))
    for at in range(0, len(ways), _AT_ONCE):
        some = orjson.dumps(ways[at : at + _AT_ONCE]).decode()
        conn.execute(_PUT[conn.dialect.name], {"given": some, "name": name, "number": number, "of": of})


_PUT: Final = {
    name: text(
        "INSERT INTO registry_entries (registry, hash, first, last, since, listed)"
        f" SELECT :name, given.value, :number, :number, :of, 1 FROM {each} WHERE true"
        " ON CONFLICT (registry, hash) DO UPDATE SET last = excluded.last, listed = 1,"
        " first = CASE WHEN {off} THEN excluded.first ELSE registry_entries.first END,"
        " since = CASE WHEN {off} THEN excluded.since ELSE registry_entries.since END".replace(
            "{off}",
            "registry_entries.listed = 0 OR registry_entries.last <"
            " (SELECT floor FROM registries WHERE registries.name = :name)",
        )
    )
    for name, each in EACH.items()
}


def finish(conn: Connection, name: str, number: int, of: int, *, replaces: bool, now: int) -> None:
    """Makes a completely read file count; with ``replaces`` people that it does not name are off the list."""
    values: dict[str, Any] = {"current": number, "of": of, "changed_at": now}
    if replaces:
        values["floor"] = number
    conn.execute(update(registries).where(_registry.name == name).values(values))
    _count(conn, name)


def sweep(conn: Connection, name: str) -> int:
    """Deletes some entries that are off the list. Returns how many; 0 if none is left."""
    floor = select(_registry.floor).where(_registry.name == name).scalar_subquery()
    some = select(_entry.hash).where(_entry.registry == name, _entry.listed == 1, _entry.last < floor).limit(_AT_ONCE)
    return conn.execute(delete(registry_entries).where(_entry.registry == name, _entry.hash.in_(some))).rowcount


def answered(conn: Connection, name: str, answers: Sequence[tuple[str, bool]], now: int) -> None:
    """The registry's answers about people: (hash, whether it lists them)."""
    insert_rows(conn, registries, [{"name": name, **_NEW}])
    rows = [{"hash": way, "listed": int(listed)} for way, listed in dict(answers).items()]
    for at in range(0, len(rows), _AT_ONCE):
        some = orjson.dumps(rows[at : at + _AT_ONCE]).decode()
        conn.execute(_ANSWERED[conn.dialect.name], {"given": some, "name": name, "now": now})
    conn.execute(update(registries).where(_registry.name == name).values(of=now, changed_at=now))
    _count(conn, name)


_ANSWERED: Final = {
    "sqlite": text(
        "INSERT INTO registry_entries (registry, hash, first, last, since, listed)"
        " SELECT :name, given.value ->> 'hash', 0, 2000000000, :now, given.value ->> 'listed'"
        " FROM json_each(:given) AS given WHERE true"
        " ON CONFLICT (registry, hash) DO UPDATE SET last = excluded.last, since = excluded.since,"
        " listed = excluded.listed, first = 0"
    ),
    "postgresql": text(
        "INSERT INTO registry_entries (registry, hash, first, last, since, listed)"
        " SELECT :name, hash, 0, 2000000000, :now, listed"
        " FROM json_to_recordset(CAST(:given AS json)) AS given (hash text, listed smallint)"
        " ON CONFLICT (registry, hash) DO UPDATE SET last = excluded.last, since = excluded.since,"
        " listed = excluded.listed, first = 0"
    ),
}


def one(conn: Connection, name: str) -> Held | None:
    """A list's name, day, size and last change; None if nothing was ever imported."""
    return next((held for held in all_of(conn) if held.name == name), None)


def all_of(conn: Connection) -> list[Held]:
    """Every list there is, by name."""
    return [Held(*row) for row in _ALL.tuples(conn)]


_ALL: Final = Prepared(
    select(_registry.name, _registry.of, _registry.size, _registry.changed_at).order_by(_registry.name)
)


def _count(conn: Connection, name: str) -> None:
    """Counts once, at the end of an import: a claim must not count millions of rows."""
    counts = and_(
        _entry.registry == name,
        _entry.listed == 1,
        _registry.name == name,
        _entry.first <= _registry.current,
        _entry.last >= _registry.floor,
    )
    size = (
        select(func.count())
        .select_from(registry_entries.join(registries, _registry.name == _entry.registry))
        .where(counts)
    )
    conn.execute(update(registries).where(_registry.name == name).values(size=size.scalar_subquery()))


def forget(conn: Connection, name: str) -> int:
    """Deletes a whole list. Returns how many were on it."""
    count = conn.execute(delete(registry_entries).where(_entry.registry == name)).rowcount
    conn.execute(delete(registries).where(_registry.name == name))
    return count


# --- queries about people -------------------------------------------------------------------------------------------


def listed(conn: Connection, registry: Registry, ways: Sequence[str], now: int) -> set[str]:
    """The hashes among these that are on the list by now: their effective day has come."""
    values = {
        "given": orjson.dumps(sorted({*ways})).decode(),  # in the order of the key: found a little sooner
        "name": registry.name,
        "since": now - int(registry.counts_after_s * 1000),
    }
    return set(_LISTED[conn.dialect.name].scalars(conn, values))


_LISTED: Final = {
    "sqlite": Prepared(
        "SELECT entry.hash FROM json_each(:given) AS given CROSS JOIN registry_entries AS entry"
        " ON entry.registry = :name AND entry.hash = given.value JOIN registries ON registries.name = entry.registry"
        " WHERE entry.listed = 1 AND entry.since <= :since"
        " AND entry.first <= registries.current AND entry.last >= registries.floor"
    ),
    # One look into the primary key for each way: without statistics of a fresh import it would read the whole list.
    "postgresql": Prepared(
        "SELECT given.value FROM json_array_elements_text(CAST(:given AS json)) AS given (value)"
        " CROSS JOIN LATERAL (SELECT first, last, since, listed FROM registry_entries"
        " WHERE registry = :name AND hash = given.value LIMIT 1) AS entry"
        " JOIN registries ON registries.name = :name"
        " WHERE entry.listed = 1 AND entry.since <= :since"
        " AND entry.first <= registries.current AND entry.last >= registries.floor"
    ),
}


def unanswered(conn: Connection, registry: Registry, ways: Sequence[str], now: int) -> set[str]:
    """The hashes among these that the registry was not asked about within its `max_age`."""
    hashes = list(dict.fromkeys(ways))
    since = now - int(registry.max_age_s * 1000)
    known: set[str] = set()
    for at in range(0, len(hashes), 500):
        some = hashes[at : at + 500]
        query = select(_entry.hash).where(_entry.registry == registry.name, _entry.hash.in_(some), _entry.since > since)
        known |= set(conn.execute(query).scalars())
    return {*hashes} - known


def release(conn: Connection, name: str, now: int) -> int:
    """Makes deliveries that waited for this list due. Returns how many."""
    held = (Code.REGISTRY_OLD, Code.REGISTRY_ABSENT, Code.REGISTRY_UNASKED)
    waits = and_(IS_PENDING, deliveries.c.reason_code.in_(held), deliveries.c.due_at > now)
    waits = and_(waits, deliveries.c.reason_facts.contains(f'"list":"{name}"', autoescape=True))
    return conn.execute(update(deliveries).where(waits).values(due_at=now)).rowcount
