"""Forgets an event: which data goes, which stays, and which has to wait because it is in hand.

Payload, record, notes, ids and words of a vendor go. States, routes, times and keyed hashes stay: a second copy is
still a duplicate, once_per still works, a person is still found by phone, and the event can still be explained.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import Connection, and_, bindparam, delete, func, or_, select, text, update

from connector.core import keyed_hash
from connector.core.errors import ConnectorError
from connector.core.phrases import phrase
from connector.core.reasons import Reason
from connector.core.states import EventState, Kind
from connector.store import attempt_list, facts, inbox, reasons
from connector.store.database import Database, insert_rows, now_ms
from connector.store.outbox import SETTLED
from connector.store.tables import accounts, attempts, deliveries, destinations, events, forgetting, records

AT_ONCE: Final = 100  #: events in one transaction: some ten milliseconds, for which others may wait
READY: Final = "forgetting_ready"  #: the fact that no process runs that began before the `keyed_hash` fact existed
WAIT_S: Final = 60.0
LOOK_S: Final = 0.2

NEEDS_KEY: Final = (
    "CONNECTOR_SECRET_KEY is not set: without it what is kept of a person could be guessed;"
    " set it once (openssl rand -hex 32), and keep it"
)
OTHER_KEY: Final = (
    "CONNECTOR_SECRET_KEY is not the one that data was forgotten with before: copies of that would be taken for new;"
    " set the old one again"
)

_attempts = attempts.c
_deliveries = deliveries.c
_events = events.c
_records = records.c


# --- before the first time ------------------------------------------------------------------------------------------


def begin(database: Database, key: bytes) -> None:
    """Makes all processes check stored events against forgotten ones. Raises `ConnectorError`.

    A process that began to store before the fact existed does not check: on Postgres, where several store at once,
    nothing is forgotten until the last of them has ended. That happens once in the life of a database.
    """
    if not key:
        raise ConnectorError(NEEDS_KEY)
    with database.write(serialise="facts") as conn:
        facts.add(conn, {keyed_hash.FACT: keyed_hash.mark(key)})
        known = facts.some(conn, keyed_hash.FACT, READY)
    if known[keyed_hash.FACT] != keyed_hash.mark(key):
        raise ConnectorError(OTHER_KEY)
    if READY not in known:
        if not database.is_sqlite:
            _await_others(database)
        with database.write(serialise="facts") as conn:
            facts.add(conn, {READY: "yes"})


def has_other_key(conn: Connection, key: bytes) -> bool:
    """Whether something was forgotten with another key than this one."""
    return facts.some(conn, keyed_hash.FACT).get(keyed_hash.FACT) not in (None, keyed_hash.mark(key))


_OTHERS: Final = text(
    "SELECT virtualtransaction FROM pg_locks JOIN pg_stat_activity USING (pid)"
    " WHERE locktype = 'virtualxid' AND mode = 'ExclusiveLock' AND datname = current_database()"
    " AND coalesce(backend_type, 'client backend') = 'client backend' AND pid <> pg_backend_pid()"
)


def _await_others(database: Database) -> None:
    """Waits until every transaction that is open now has ended."""
    end = time.monotonic() + WAIT_S
    with database.read() as conn:
        before = set(conn.execute(_OTHERS).scalars())
    while before:
        if time.monotonic() > end:
            raise ConnectorError(
                phrase("somebody has had a transaction open at the database for a minute: try again later")
            )
        time.sleep(LOOK_S)
        with database.read() as conn:
            before &= set(conn.execute(_OTHERS).scalars())


# --- one batch ------------------------------------------------------------------------------------------------------


def unsettled(conn: Connection, ids: Sequence[int]) -> set[int]:
    """Those of these events that wait, or have a delivery that may still change."""
    waiting = select(_events.id).where(_events.id.in_(ids), _events.state == EventState.WAITING)
    return {*conn.execute(waiting).scalars(), *in_hand(conn, ids)}


def in_hand(conn: Connection, ids: Sequence[int]) -> set[int]:
    """Those of these events that have a delivery that may still change."""
    return set(
        conn.execute(
            select(_deliveries.event).where(_deliveries.event.in_(ids), _deliveries.state.not_in(SETTLED))
        ).scalars()
    )


def lock(conn: Connection, ids: Sequence[int]) -> None:
    """Locks these events: nobody replays them, or revives a delivery of theirs, before this transaction ends."""
    conn.execute(select(_events.id).where(_events.id.in_(ids)).order_by(_events.id).with_for_update()).all()
    settled = and_(_deliveries.event.in_(ids), _deliveries.state.in_(SETTLED))
    conn.execute(select(_deliveries.id).where(settled).order_by(_deliveries.id).with_for_update()).all()


def forget(conn: Connection, ids: Sequence[int], key: bytes, now: int, *, said: Iterable[str] = ()) -> int:
    """Forgets these events, after `lock`; deliveries in hand keep their records. Returns how many are settled.

    ``said``: further words about them that must be removed wherever else they occur.
    """
    rows = conn.execute(select(events).where(_events.id.in_(ids))).all()
    _forget_events(conn, [row for row in rows if row.forgotten_at is None], key, now)
    settled = conn.execute(
        select(
            _deliveries.id, _deliveries.reason_code, _deliveries.reason_facts, _deliveries.reason, _deliveries.attempts
        )
        .where(_deliveries.event.in_(ids), _deliveries.state.in_(SETTLED))
        .order_by(_deliveries.id)
    ).all()
    gone = {*said, *_forget_reasons(conn, settled)}
    _forget_records(conn, [row.id for row in settled])
    gone |= _forget_words(conn, _numbers(row.attempts for row in (*rows, *settled)))
    if gone:
        _forget_standings(conn, gone)
    return len(settled)


_FORGET_EVENT = (
    update(events)
    .where(_events.id == bindparam("row"))
    .values(
        {name: bindparam(f"to_{name}") for name in ("key", "second_key", "fingerprint", "type", "forgotten_at")}
        | {"event_id": "", "payload": "", "errors": None, "notes": None, "fetched": None}
    )
)


def _forget_events(conn: Connection, rows: Sequence[Any], key: bytes, now: int) -> None:
    """Their ids become keyed hashes; a hash of the body that has lapsed becomes nothing."""
    names = {row.id: keyed_hash.name(key, row.source, row.key) for row in rows if row.key and not _lapsed(row, now)}
    # Only a database that was changed by hand has two of one name; it must not keep everything else from going.
    names_in_use = set(inbox.named(conn, [(row.source, names[row.id]) for row in rows if row.id in names]))
    values = [
        {
            "row": row.id,
            "to_key": None if (row.source, names.get(row.id)) in names_in_use else names.get(row.id),
            "to_second_key": keyed_hash.name(key, row.source, row.second_key) if row.second_key else None,
            "to_fingerprint": keyed_hash.fingerprint(key, row.fingerprint),
            "to_type": "" if row.state == EventState.INVALID else row.type,  # may hold anything that the sender wrote
            "to_forgotten_at": now,
        }
        for row in rows
    ]
    if values:
        conn.execute(_FORGET_EVENT, values)


def _lapsed(row: Any, now: int) -> bool:
    return keyed_hash.lapsed(row.key, row.received_at, now)


_FORGET_REASON = update(deliveries).where(_deliveries.id == bindparam("row")).values(reasons.BOUND)


def _forget_reasons(conn: Connection, settled: Sequence[Any]) -> set[str]:
    """Keeps the codes and the facts that quote nobody. Returns the removed words."""
    had = [(row.id, reason) for row in settled if (reason := reasons.of(row)) is not None]
    changed = [
        {"row": number, **reasons.bound(forgotten)} for number, was in had if (forgotten := was.forgotten()) != was
    ]
    if changed:
        conn.execute(_FORGET_REASON, changed)
    return set().union(*(was.words() for _, was in had)) if had else set()


def _forget_records(conn: Connection, numbers: Sequence[int]) -> None:
    filled = (
        _records.record != "",
        _records.notes.is_not(None),
        _records.result.is_not(None),
        _records.consent.is_not(None),
    )
    mine = and_(records.c.delivery.in_(numbers), or_(*filled))
    conn.execute(update(records).where(mine).values(record="", notes=None, result=None, consent=None))


def _forget_words(conn: Connection, numbers: Sequence[int]) -> set[str]:
    """Removes the vendor's words from these calls and from their probes. Returns the removed words.

    Without an answer there are no words of a vendor; the result of a probe may quote some.
    """
    probes = and_(_attempts.about.in_(numbers), _attempts.kind == Kind.PROBE)
    quotes = or_(_attempts.status.is_not(None), _attempts.kind == Kind.PROBE)
    mine = and_(or_(_attempts.id.in_(numbers), probes), _attempts.words.is_not(None), quotes)
    rows = conn.execute(select(_attempts.id, _attempts.words).where(mine)).all()
    conn.execute(update(attempts).where(_attempts.id.in_([row.id for row in rows])).values(words=None))
    return {row.words for row in rows}


def _numbers(lists: Iterable[str | None]) -> list[int]:
    """Of ",12,45" and others, each once."""
    return sorted({one for text in lists for one in attempt_list.numbers(text)})


# --- where words stand once more ------------------------------------------------------------------------------------


def _forget_standings(conn: Connection, words: set[str]) -> None:
    """Removes these words where they are repeated: on stopped destinations and held accounts."""
    for row in conn.execute(select(accounts)).all():
        values = _without(reasons.of(row), reasons.columns, words) | _without(
            reasons.hold_of(row), reasons.hold_columns, words
        )
        if values:
            conn.execute(update(accounts).where(accounts.c.name == row.name).values(values))
    for row in conn.execute(select(destinations)).all():
        values = _without(reasons.of(row), reasons.columns, words)
        refusals: list[str] = orjson.loads(row.refusals)
        left = ["" if _names(one, words) else one for one in refusals]
        if left != refusals:
            values["refusals"] = orjson.dumps(left).decode()
        if values:
            conn.execute(update(destinations).where(destinations.c.name == row.name).values(values))


def _without(reason: Reason | None, columns: Callable[[Reason], dict[str, Any]], removed: set[str]) -> dict[str, Any]:
    """The columns of a reason without these words; empty if it does not have them."""
    if reason is None or not any(_names(words, removed) for words in reason.words()):
        return {}
    return columns(reason.forgotten())


def _names(words: str, removed: set[str]) -> bool:
    return any(one in words or words in one for one in removed if one and words)


# --- data that has to wait -------------------------------------------------------------------------------------------


def later(conn: Connection, ids: Iterable[int], *, erase: bool) -> None:
    """Marks these events to be forgotten (for good) by `sweep`, once nothing of them is in hand."""
    rows = [{"event": row_id, "erase": int(erase)} for row_id in sorted(ids)]
    insert_rows(conn, forgetting, rows)
    if rows and erase:
        named = forgetting.c.event.in_([row["event"] for row in rows])
        conn.execute(update(forgetting).where(named).values(erase=1))


def sweep(database: Database, key: bytes, *, erased_only: bool) -> int:
    """Forgets data that had to wait and need not any more. Returns how many events it was."""
    after, done = 0, 0
    while some := _waiting(database, after, erased_only=erased_only):
        after = some[-1]
        with database.read() as conn:
            ready = sorted({*some} - unsettled(conn, some))
        if ready:
            with database.write(serialise="forgetting") as conn:
                lock(conn, ready)
                free = sorted({*ready} - unsettled(conn, ready))
                forget(conn, free, key, now_ms(conn))
                conn.execute(delete(forgetting).where(forgetting.c.event.in_(free)))
                done += len(free)
    return done


def _waiting(database: Database, after: int, *, erased_only: bool) -> list[int]:
    query = select(forgetting.c.event).where(forgetting.c.event > after).order_by(forgetting.c.event).limit(AT_ONCE)
    with database.read() as conn:
        return list(conn.execute(query.where(forgetting.c.erase == 1) if erased_only else query).scalars())


def count_deliveries(conn: Connection, ids: Sequence[int]) -> int:
    return int(conn.execute(select(func.count()).where(_deliveries.event.in_(ids))).scalar_one())


def count_waiting(conn: Connection) -> int:
    return int(conn.execute(select(func.count()).select_from(forgetting)).scalar_one())
