"""The inbox: what was received, once each. Nothing may be acknowledged before the transaction of `store` commits."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import Connection, Row, TextClause, delete, select, text, tuple_, update

from connector import forgotten, inserting, outbox, waiting
from connector.db import announce, insert_rows, now_and_fact
from connector.decode import Payload, decode
from connector.errors import UnsupportedType
from connector.outbox import NewDelivery
from connector.tables import deliveries, events

HASHED: Final = forgotten.HASHED  #: event ids we made of the body, for senders that give none
HASHED_KEPT_MS: Final = 4 * 24 * 3600 * 1000  #: the longest that senders repeat; the same bytes later are a new event
DATA_URL: Final = "data:application/octet-stream;base64,"  #: before bytes that are no text
_LOOKED_UP_AT_ONCE: Final = 400


@dataclass(slots=True, kw_only=True)
class Arrival:
    """One event on its way into the inbox, with the deliveries its routes made of it."""

    source: str
    event_id: str
    type: str
    state: str  #: accepted | waiting | ignored | invalid
    payload: str  #: see `as_text`
    content_type: str = "application/json"
    occurred_at: int | None = None  #: unix ms
    fingerprint: str | None = None
    errors: list[dict[str, str]] = field(default_factory=list)
    notes: tuple[str, ...] = ()
    deliveries: tuple[NewDelivery, ...] = ()
    account: str | None = None  #: waiting: who fetches the rest
    behind: bool = False  #: waiting: fetched when nothing else waits
    revised: Callable[[], Arrival] | None = None  #: what it is if its id is known and said something else
    others: tuple[str, ...] = ()  #: other ids of the same thing: a route that has one of them gets no other


class Stored(NamedTuple):
    """What became of an arrival. ``status``: accepted | duplicate | conflict | ignored | invalid | waiting."""

    status: str
    event_id: str
    deliveries: int = 0


Key = tuple[str, str]


def as_text(raw: bytes) -> str:
    """Bytes as the database keeps them: text where they are text, else a data: URL. No NUL, which Postgres refuses."""
    try:
        given = raw.decode()
    except UnicodeDecodeError:
        given = "\0"
    return given if "\0" not in given else DATA_URL + base64.b64encode(raw).decode()


def payload_of(kept: str, content_type: str, event_id: str) -> Payload:
    """The payload of an inbox row. Raises `Unreadable` or `UnsupportedType` where its bytes are none even now."""
    raw = base64.b64decode(kept.removeprefix(DATA_URL)) if kept.startswith(DATA_URL) else kept.encode()
    if content_type == "application/json":
        try:
            return Payload(orjson.loads(raw), event_id)
        except orjson.JSONDecodeError:
            pass  # JSON by its sender's word only: told below what is wrong with it
    decoded = decode(raw, content_type=content_type, headers={})
    if len(decoded.payloads) != 1:
        raise UnsupportedType(f"it holds {len(decoded.payloads)} events: ask the sender for them again")
    (payload,) = decoded.payloads
    return Payload(payload.body, event_id, payload.error)


def unstorable(arrival: Arrival) -> Arrival:
    """What is kept of an arrival that the database refuses: everything, encoded, as an invalid one."""
    raw = arrival.payload.encode(errors="surrogatepass")
    return Arrival(
        source=arrival.source,
        event_id=HASHED + hashlib.sha256(raw).hexdigest(),
        type="",
        state="invalid",
        payload=DATA_URL + base64.b64encode(raw).decode(),
        errors=[{"field": "payload", "message": "holds a value that the database refuses"}],
    )


def store(conn: Connection, arrivals: Sequence[Arrival], *, key: bytes = b"") -> list[Stored]:
    """Stores all of them, copies not twice, and says of each what became of it.

    ``key`` keys the hashes that are left of what was forgotten (`Settings.hash_key`).
    """
    if several := [arrival for arrival in arrivals if arrival.others and arrival.deliveries]:
        leave_out_taken(conn, several, key)
    firsts = _first_of_each(a for a in arrivals if a.state != "invalid")
    now, forgetting, fresh, sent_on = _insert(conn, firsts)
    known: dict[Key, str | None] = {}
    if len(fresh) < len(firsts):
        known = _fingerprints(conn, [key for key in firsts if key not in fresh], now)
        lapsed = {key: a for key, a in firsts.items() if key not in fresh and key not in known}
        fresh |= _insert_keyed(conn, lapsed, now)
        known |= _fingerprints(conn, [key for key in lapsed if key not in fresh], now)  # another was faster
    if forgetting and fresh:
        known |= _take_back(conn, fresh, now, key)
    stored = [_verdict(arrival, firsts, fresh, known, key) for arrival in arrivals]
    if any(verdict.status == "conflict" for verdict in stored):
        _tell_repeats(conn, arrivals, stored)
    changes = {at: a.revised for at, a in enumerate(arrivals) if a.revised and stored[at].status == "conflict"}
    unkeyed = [a for at, a in enumerate(arrivals) if stored[at].status in ("invalid", "conflict") and at not in changes]
    insert_rows(conn, events, [_row(a, now) | {"key": None, "state": "invalid"} for a in unkeyed])
    new = [(row_id, firsts[key].deliveries) for key, row_id in fresh.items() if key not in sent_on]
    if outbox.add(conn, new, now) or any(arrival.state == "waiting" for arrival in firsts.values()):
        announce(conn)
    again = store(conn, [revised() for revised in changes.values()], key=key) if changes else ()
    for at, verdict in zip(changes, again, strict=True):
        stored[at] = verdict
    return stored


Inserted = tuple[int, str | None, dict[Key, int], frozenset[Key]]


def _insert(conn: Connection, arrivals: dict[Key, Arrival]) -> Inserted:
    """The time, the `forgotten.FACT`, the row ids of what was new, and which of that has its deliveries already."""
    if conn.dialect.name == "postgresql" and arrivals:
        now, forgetting, fresh = inserting.insert(conn, arrivals, forgotten.FACT)
        return now, forgetting, fresh, frozenset(fresh)
    now, forgetting = now_and_fact(conn, forgotten.FACT)
    return now, forgetting, _insert_keyed(conn, arrivals, now), frozenset()


def leave_out_taken(conn: Connection, arrivals: Sequence[Arrival], key: bytes) -> None:
    """Takes out the deliveries of routes that have the same thing under another of its ids, be that forgotten."""
    names = {(a.source, called): (a.source, called) for a in arrivals for called in a.others}
    names |= {(source, forgotten.name(key, source, called)): of for of in names for source, called in (of,)}
    rows = {row.id: names[row.source, row.key] for row in _rows_named(conn, names)}
    has: dict[Key, set[str]] = {}
    for event, route in conn.execute(
        select(deliveries.c.event, deliveries.c.route).where(deliveries.c.event.in_(rows))
    ):
        has.setdefault(rows[event], set()).add(route)
    for arrival in arrivals:
        taken = set().union(*(has.get((arrival.source, called), ()) for called in arrival.others))
        left = tuple(new for new in arrival.deliveries if new.route not in taken)
        if len(left) < len(arrival.deliveries):
            arrival.deliveries, arrival.state = left, "accepted" if left else "ignored"
            arrival.notes = (*arrival.notes, "its route has the same already, as it was then")
        has.setdefault(_name(arrival), set()).update(new.route for new in left)


def known(conn: Connection, arrivals: Sequence[Arrival]) -> set[int]:
    """`id` of those that are in the inbox already and say what they said then. What was forgotten is not looked for."""
    prints = {(row.source, row.key): row.fingerprint for row in _rows_named(conn, _names(arrivals))}
    alike = {id(a) for a in arrivals if prints.get((a.source, a.event_id), _UNKNOWN) == a.fingerprint}
    changed = {id(a): a.revised() for a in arrivals if a.revised and id(a) not in alike and _name(a) in prints}
    there = {(row.source, row.key) for row in _rows_named(conn, _names(changed.values()))}
    return alike | {one for one, revised in changed.items() if _name(revised) in there}


_UNKNOWN: Final = object()


def _name(arrival: Arrival) -> Key:
    return arrival.source, arrival.event_id


def _names(arrivals: Iterable[Arrival]) -> set[Key]:
    return {_name(arrival) for arrival in arrivals if arrival.state != "invalid"}


def _first_of_each(arrivals: Iterable[Arrival]) -> dict[Key, Arrival]:
    firsts: dict[Key, Arrival] = {}
    for arrival in arrivals:
        firsts.setdefault((arrival.source, arrival.event_id), arrival)
    # In one order everywhere: two transactions that insert the same keys would deadlock on Postgres otherwise.
    return dict(sorted(firsts.items())) if len(firsts) > 1 else firsts


def _row(arrival: Arrival, now: int) -> dict[str, Any]:
    return {
        "source": arrival.source,
        "event_id": arrival.event_id,
        "key": arrival.event_id,
        "type": arrival.type,
        "state": arrival.state,
        "received_at": now,
        "occurred_at": arrival.occurred_at,
        "content_type": arrival.content_type,
        "payload": arrival.payload,
        "fingerprint": arrival.fingerprint,
        "errors": orjson.dumps(arrival.errors).decode() if arrival.errors else None,
        "notes": orjson.dumps(arrival.notes).decode() if arrival.notes else None,
        "account": arrival.account,
        "due_at": waiting.due(now, behind=arrival.behind) if arrival.account else None,
    }


def _insert_keyed(conn: Connection, arrivals: dict[Key, Arrival], now: int) -> dict[Key, int]:
    """Row ids of those that were new."""
    rows = insert_rows(conn, events, [_row(a, now) for a in arrivals.values()], returning=("id", "source", "key"))
    return {(source, key): row_id for row_id, source, key in rows}


def _fingerprints(conn: Connection, keys: Sequence[Key], now: int) -> dict[Key, str | None]:
    """Of what is in the inbox under these keys. A hashed id that is over four days old gives its key up."""
    known: dict[Key, str | None] = {}
    columns = (events.c.id, events.c.source, events.c.key, events.c.fingerprint, events.c.received_at)
    for at in range(0, len(keys), _LOOKED_UP_AT_ONCE):
        some = keys[at : at + _LOOKED_UP_AT_ONCE]
        for row in conn.execute(select(*columns).where(tuple_(events.c.source, events.c.key).in_(some))).all():
            if row.key.startswith(HASHED) and row.received_at <= now - HASHED_KEPT_MS:
                conn.execute(update(events).where(events.c.id == row.id).values(key=None))
            else:
                known[row.source, row.key] = row.fingerprint
    return known


def _take_back(conn: Connection, fresh: dict[Key, int], now: int, key: bytes) -> dict[Key, str | None]:
    """Takes out of ``fresh`` what is a copy of a forgotten event, deletes it, and returns what is left of the first.

    After the inserts: a purge that hid an earlier copy while they ran has committed by now, or had to wait for us.
    """
    names = {(source, forgotten.name(key, source, called)): (source, called) for source, called in fresh}
    known = {names[kept]: of for kept, of in _fingerprints(conn, named(conn, names), now).items()}
    if known:
        copies = [fresh.pop(copy) for copy in known]
        outbox.take_back(conn, copies)
        conn.execute(delete(events).where(events.c.id.in_(copies)))
    return known


def named(conn: Connection, keys: Iterable[Key]) -> list[Key]:
    """Those of these keys that an event has. However many are asked for, they travel as one parameter."""
    return [(row.source, row.key) for row in _rows_named(conn, keys)]


def _rows_named(conn: Connection, keys: Iterable[Key]) -> Sequence[Row[Any]]:
    """id, source, key and fingerprint of the events with these keys."""
    given = orjson.dumps([{"source": source, "key": called} for source, called in keys]).decode()
    return conn.execute(_NAMED[conn.dialect.name], {"names": given}).all() if given != "[]" else []


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
    """The very payload that is kept under the id is a copy, although its mapping has come to read it otherwise."""
    for at, arrival in enumerate(arrivals):
        if stored[at].status != "conflict":
            continue
        same = (events.c.source == arrival.source) & (events.c.key == arrival.event_id)
        if conn.execute(select(events.c.id).where(same, events.c.payload == arrival.payload)).first() is not None:
            stored[at] = Stored("duplicate", arrival.event_id)
            arrival.errors = []


def _verdict(
    arrival: Arrival, firsts: dict[Key, Arrival], fresh: dict[Key, int], known: dict[Key, str | None], secret: bytes
) -> Stored:
    key = (arrival.source, arrival.event_id)
    if arrival.state == "invalid":
        return Stored("invalid", arrival.event_id)
    if key in fresh and firsts[key] is arrival:
        return Stored(arrival.state, arrival.event_id, len(arrival.deliveries))
    earlier = firsts[key].fingerprint if key in fresh else known.get(key)
    if earlier in (arrival.fingerprint, forgotten.fingerprint(secret, arrival.fingerprint)):
        return Stored("duplicate", arrival.event_id)
    arrival.errors = [{"field": "id", "message": "another event was received under this id before; send a new id"}]
    return Stored("conflict", arrival.event_id)
