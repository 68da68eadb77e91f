"""The inbox: received events, once each. Nothing may be acknowledged before the transaction of `store` commits."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import (
    Connection,
    LargeBinary,
    Row,
    Text,
    TextClause,
    cast,
    delete,
    func,
    select,
    text,
    tuple_,
    type_coerce,
    update,
)

from connector.core import keyed_hash
from connector.core.payload import DATA_URL
from connector.core.states import EventState
from connector.core.text import without_nul
from connector.store import events_postgres, new_rows, once_keys, outbox, refusals
from connector.store.arrivals import Arrival, Stored
from connector.store.database import announce, insert_rows, now_and_fact
from connector.store.tables import deliveries, events

HASHED: Final = keyed_hash.HASHED  #: prefix of event ids made from the body, for senders without ids
_LOOKED_UP_AT_ONCE: Final = 400


Key = tuple[str, str]


def unstorable(arrival: Arrival) -> Arrival:
    """The form in which an arrival is kept that the database refuses: encoded completely, as an invalid event."""
    raw = arrival.payload.encode(errors="surrogatepass")
    return Arrival(
        source=arrival.source,
        event_id=HASHED + hashlib.sha256(raw).hexdigest(),
        type="",
        state=EventState.INVALID,
        payload=DATA_URL + base64.b64encode(raw).decode(),
        errors=[{"field": "payload", "message": "holds a value that the database refuses"}],
    )


def store(conn: Connection, arrivals: Sequence[Arrival], *, key: bytes = b"") -> list[Stored]:
    """Stores all of them, copies only once, and returns the result of each.

    ``key`` is the key of the hashes that remain of forgotten events (`Settings.hash_key`).
    """
    if several := [arrival for arrival in arrivals if arrival.others and arrival.deliveries]:
        leave_out_taken(conn, several, key)
    firsts = _first_of_each(one for one in arrivals if one.state != EventState.INVALID)
    now, forgetting, fresh, sent_on = _insert(conn, firsts)
    known: dict[Key, str | None] = {}
    if len(fresh) < len(firsts):
        known = _fingerprints(conn, [key for key in firsts if key not in fresh], now)
        lapsed = {key: first for key, first in firsts.items() if key not in fresh and key not in known}
        fresh |= _insert_keyed(conn, lapsed, now)
        known |= _fingerprints(conn, [key for key in lapsed if key not in fresh], now)  # another was faster
    if forgetting and fresh:
        known |= _take_back(conn, fresh, now, key)
    stored = [_verdict(arrival, firsts, fresh, known, key) for arrival in arrivals]
    if any(verdict.status == "conflict" for verdict in stored):
        _tell_repeats(conn, arrivals, stored)
    changes = {at: one.revised for at, one in enumerate(arrivals) if one.revised and stored[at].status == "conflict"}
    unkeyed = [
        one
        for at, one in enumerate(arrivals)
        if stored[at].status in (EventState.INVALID, "conflict") and at not in changes and not one.is_left_out
    ]
    insert_rows(
        conn, events, [new_rows.whole_event(one, now) | {"key": None, "state": EventState.INVALID} for one in unkeyed]
    )
    once_keys.add_of_events(conn, [(row_id, firsts[key].deliveries) for key, row_id in fresh.items() if key in sent_on])
    new = [(row_id, firsts[key].deliveries) for key, row_id in fresh.items() if key not in sent_on]
    if outbox.add(conn, new, now) or any(arrival.state == EventState.WAITING for arrival in firsts.values()):
        announce(conn)
    refusals.apply(conn, ((row_id, firsts[name].deliveries) for name, row_id in fresh.items()), key)
    again = store(conn, [revised() for revised in changes.values()], key=key) if changes else ()
    for at, verdict in zip(changes, again, strict=True):
        stored[at] = verdict
    return stored


Inserted = tuple[int, str | None, dict[Key, int], frozenset[Key]]


def _insert(conn: Connection, arrivals: dict[Key, Arrival]) -> Inserted:
    """The time, the `keyed_hash` fact, the row ids of new events, and which of them have their deliveries already."""
    if conn.dialect.name == "postgresql" and arrivals:
        now, forgetting, fresh = events_postgres.insert(conn, arrivals, keyed_hash.FACT)
        return now, forgetting, fresh, frozenset(fresh)
    now, forgetting = now_and_fact(conn, keyed_hash.FACT)
    return now, forgetting, _insert_keyed(conn, arrivals, now), frozenset()


def leave_out_taken(conn: Connection, arrivals: Sequence[Arrival], key: bytes) -> None:
    """Removes deliveries on routes that already received this record under another id, even if that was erased."""
    names = {(one.source, called): (one.source, called) for one in arrivals for called in one.others}
    names |= {(source, keyed_hash.name(key, source, called)): of for of in names for source, called in (of,)}
    rows = {row.id: names[row.source, row.key] for row in _rows_named(conn, names)}
    has: dict[Key, set[str]] = {}
    for event, route in conn.execute(
        select(deliveries.c.event, deliveries.c.route).where(deliveries.c.event.in_(rows))
    ):
        has.setdefault(rows[event], set()).add(route)
    for arrival in arrivals:
        routes = set().union(*(has.get((arrival.source, called), ()) for called in arrival.others))
        left = tuple(new for new in arrival.deliveries if new.route not in routes)
        if len(left) < len(arrival.deliveries):
            arrival.deliveries, arrival.state = left, EventState.ACCEPTED if left else EventState.IGNORED
            arrival.notes = (*arrival.notes, "its route has the same already, as it was then")
        has.setdefault(_name(arrival), set()).update(new.route for new in left)


def known(conn: Connection, arrivals: Sequence[Arrival]) -> set[int]:
    """`id` of those that are in the inbox already with the same content. Forgotten events are not searched."""
    prints = {(row.source, row.key): row.fingerprint for row in _rows_named(conn, _names(arrivals))}
    alike = {id(one) for one in arrivals if prints.get(_name(one), _UNKNOWN) == one.fingerprint}
    changed = {
        id(one): one.revised() for one in arrivals if one.revised and id(one) not in alike and _name(one) in prints
    }
    stored = {(row.source, row.key) for row in _rows_named(conn, _names(changed.values()))}
    return alike | {one for one, revised in changed.items() if _name(revised) in stored}


_UNKNOWN: Final = object()


def _name(arrival: Arrival) -> Key:
    return arrival.source, arrival.event_id


def _names(arrivals: Iterable[Arrival]) -> set[Key]:
    return {_name(arrival) for arrival in arrivals if arrival.state != EventState.INVALID}


def _first_of_each(arrivals: Iterable[Arrival]) -> dict[Key, Arrival]:
    firsts: dict[Key, Arrival] = {}
    for arrival in arrivals:
        firsts.setdefault((arrival.source, arrival.event_id), arrival)
    # The same order everywhere: otherwise two transactions that insert the same keys would deadlock on Postgres.
    return dict(sorted(firsts.items())) if len(firsts) > 1 else firsts


def _insert_keyed(conn: Connection, arrivals: dict[Key, Arrival], now: int) -> dict[Key, int]:
    """Row ids of those that were new."""
    new = insert_rows(
        conn, events, [new_rows.whole_event(one, now) for one in arrivals.values()], returning=("id", "source", "key")
    )
    return {(source, key): row_id for row_id, source, key in new}


def _fingerprints(conn: Connection, keys: Sequence[Key], now: int) -> dict[Key, str | None]:
    """The fingerprints of events with these keys. A hashed id releases its key once it lapses."""
    known: dict[Key, str | None] = {}
    columns = (events.c.id, events.c.source, events.c.key, events.c.fingerprint, events.c.received_at)
    for at in range(0, len(keys), _LOOKED_UP_AT_ONCE):
        some = keys[at : at + _LOOKED_UP_AT_ONCE]
        for row in conn.execute(select(*columns).where(tuple_(events.c.source, events.c.key).in_(some))).all():
            if keyed_hash.lapsed(row.key, row.received_at, now):
                conn.execute(update(events).where(events.c.id == row.id).values(key=None))
            else:
                known[row.source, row.key] = row.fingerprint
    return known


def _take_back(conn: Connection, fresh: dict[Key, int], now: int, key: bytes) -> dict[Key, str | None]:
    """Removes copies of forgotten events from ``fresh``, deletes them, and returns the fingerprints of the originals.

    Runs after the inserts: a purge that hid an earlier copy meanwhile has committed by now, or had to wait for us.
    """
    names = {(source, keyed_hash.name(key, source, called)): (source, called) for source, called in fresh}
    known = {names[name]: of for name, of in _fingerprints(conn, named(conn, names), now).items()}
    if known:
        copies = [fresh.pop(copy) for copy in known]
        outbox.take_back(conn, copies)
        conn.execute(delete(events).where(events.c.id.in_(copies)))
    return known


def named(conn: Connection, keys: Iterable[Key]) -> list[Key]:
    """The keys that an event has already. All of them travel as one parameter."""
    return [(row.source, row.key) for row in _rows_named(conn, keys)]


def _rows_named(conn: Connection, keys: Iterable[Key]) -> Sequence[Row[Any]]:
    """id, source, key and fingerprint of the events with these keys."""
    names = orjson.dumps([{"source": source, "key": called} for source, called in keys]).decode()
    return conn.execute(_NAMED[conn.dialect.name], {"names": names}).all() if names != "[]" else []


_NAMED: Final[dict[str, TextClause]] = {
    "sqlite": text(
        "SELECT events.id, events.source, events.key, events.fingerprint"
        " FROM json_each(:names) AS given CROSS JOIN events"
        " ON events.source = given.value ->> 'source' AND events.key = given.value ->> 'key'"
    ),
    "postgresql": text(
        "SELECT events.id, events.source, events.key, events.fingerprint"
        " FROM json_to_recordset(CAST(:names AS json)) AS given (source text, key text)"
        " JOIN events USING (source, key)"
    ),
}


def _tell_repeats(conn: Connection, arrivals: Sequence[Arrival], stored: list[Stored]) -> None:
    """A payload that is kept under the id already is a copy, although its mapping reads it differently by now."""
    for at, arrival in enumerate(arrivals):
        if stored[at].status != "conflict":
            continue
        same = (events.c.source == arrival.source) & (events.c.key == arrival.event_id)
        if conn.execute(select(events.c.payload).where(same)).scalar() == without_nul(arrival.payload):
            stored[at] = Stored("duplicate", arrival.event_id)
            arrival.errors = []


def _verdict(
    arrival: Arrival, firsts: dict[Key, Arrival], fresh: dict[Key, int], known: dict[Key, str | None], secret: bytes
) -> Stored:
    key = (arrival.source, arrival.event_id)
    if arrival.state == EventState.INVALID:
        return Stored(EventState.INVALID, arrival.event_id)
    if key in fresh and firsts[key] is arrival:
        return Stored(arrival.state, arrival.event_id, len(arrival.deliveries))
    earlier = firsts[key].fingerprint if key in fresh else known.get(key)
    if earlier in (arrival.fingerprint, keyed_hash.fingerprint(secret, arrival.fingerprint)):
        return Stored("duplicate", arrival.event_id)
    arrival.errors = [{"field": "id", "message": "another event was received under this id before; send a new id"}]
    return Stored("conflict", arrival.event_id)


# --- counting -------------------------------------------------------------------------------------------------------


_events = events.c


def id_before(conn: Connection, moment: int) -> int:
    """The id before the first event received at ``moment`` (unix ms) or later; found by halves, as ids rise in time."""
    low, high = 0, conn.execute(select(func.max(_events.id))).scalar() or 0
    while low < high:
        middle = (low + high) // 2
        row = conn.execute(
            select(_events.id, _events.received_at).where(_events.id > middle).order_by(_events.id).limit(1)
        ).first()
        if row is not None and row.received_at < moment:
            low = int(row.id)
        else:
            high = middle
    return low


def counted_after(conn: Connection, after: int, sources: Sequence[str]) -> tuple[int, list[tuple[str, int, int]]]:
    """The last id, and (source, unix seconds, number of events) of those stored after the id ``after``."""
    last = conn.execute(select(func.max(_events.id))).scalar() or after
    second = (_events.received_at // 1000).label("second")
    counted = select(_events.source, second, func.count()).where(
        _events.id > after, _events.id <= last, _events.source.in_(sources)
    )
    counted = counted.where(_events.released_at.is_(None))  # what waited counts when it passes
    rows = conn.execute(counted.group_by(_events.source, second))
    return last, [(source, int(at_s), count) for source, at_s, count in rows]


def bytes_after(conn: Connection, after: int, last: int, sources: Sequence[str]) -> list[tuple[str, int, int]]:
    """(source, unix seconds, bytes of payloads) of those of these ids that went nowhere: invalid or ignored."""
    second = (_events.received_at // 1000).label("second")
    size = func.octet_length(type_coerce(_events.payload, Text))
    if conn.dialect.name == "sqlite":  # whose older versions have no such function
        size = func.length(cast(type_coerce(_events.payload, Text), LargeBinary))
    nowhere = _events.state.in_((EventState.INVALID, EventState.IGNORED))
    query = select(_events.source, second, func.sum(size)).where(
        _events.id > after, _events.id <= last, _events.source.in_(sources), nowhere
    )
    rows = conn.execute(query.group_by(_events.source, second))
    return [(source, int(at_s), int(count)) for source, at_s, count in rows]
