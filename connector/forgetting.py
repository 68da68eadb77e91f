"""Forgetting an event: what goes, what stays, and what has to wait because it is in hand.

Payload, record, notes, ids and whatever a vendor said go. States, routes, times and keyed hashes stay: a second copy is
still a duplicate, once_per still holds, a person is still found by phone, and the story can still be told.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import Connection, and_, bindparam, delete, func, or_, select, text, update

from connector import do_not_contact, followers, forgotten, inbox, lots, outbox, probe, replay, settle
from connector.db import Database, insert_rows, now_ms
from connector.destinations import tracksale, wolkvox
from connector.errors import ConnectorError
from connector.outbox import SETTLED
from connector.tables import accounts, attempts, deliveries, destinations, events, facts, forgetting, records

AT_ONCE: Final = 100  #: events in one transaction: some ten milliseconds, for which others may wait
READY: Final = "forgetting_ready"  #: the fact that nobody is left who began before `forgotten.FACT` was there
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

_a = attempts.c
_d = deliveries.c
_e = events.c
_r = records.c


# --- before the first time ------------------------------------------------------------------------------------------


def begin(database: Database, key: bytes) -> None:
    """Has everybody who stores from now on look for what was forgotten. Raises `ConnectorError`.

    Whoever began to store before the fact was there does not look: on Postgres, where several store at once, nothing
    is forgotten until the last of them has ended. That happens once in a database's life.
    """
    if not key:
        raise ConnectorError(NEEDS_KEY)
    with database.write(serialise="facts") as conn:
        insert_facts(conn, {forgotten.FACT: forgotten.mark(key)})
        known = facts_of(conn, forgotten.FACT, READY)
    if known[forgotten.FACT] != forgotten.mark(key):
        raise ConnectorError(OTHER_KEY)
    if READY not in known:
        if not database.is_sqlite:
            _await_others(database)
        with database.write(serialise="facts") as conn:
            insert_facts(conn, {READY: "yes"})


def has_other_key(conn: Connection, key: bytes) -> bool:
    """Whether something was forgotten with another key than this one."""
    return facts_of(conn, forgotten.FACT).get(forgotten.FACT) not in (None, forgotten.mark(key))


def facts_of(conn: Connection, *names: str) -> dict[str, str]:
    """Those of these facts that are there."""
    rows = conn.execute(select(facts.c.name, facts.c.value).where(facts.c.name.in_(names)))
    return {row.name: row.value for row in rows}


def insert_facts(conn: Connection, given: dict[str, str]) -> None:
    """Those that are there already stay as they are."""
    insert_rows(conn, facts, [{"name": name, "value": value} for name, value in given.items()])


def set_fact(conn: Connection, name: str, value: str) -> None:
    insert_facts(conn, {name: value})
    conn.execute(update(facts).where(facts.c.name == name).values(value=value))


_OTHERS: Final = text(
    "SELECT virtualtransaction FROM pg_locks JOIN pg_stat_activity USING (pid)"
    " WHERE locktype = 'virtualxid' AND mode = 'ExclusiveLock' AND datname = current_database()"
    " AND coalesce(backend_type, 'client backend') = 'client backend' AND pid <> pg_backend_pid()"
)


def _await_others(database: Database) -> None:
    """Until every transaction that is open now has ended."""
    end = time.monotonic() + WAIT_S
    with database.read() as conn:
        before = set(conn.execute(_OTHERS).scalars())
    while before:
        if time.monotonic() > end:
            raise ConnectorError("somebody has had a transaction open at the database for a minute: try again later")
        time.sleep(LOOK_S)
        with database.read() as conn:
            before &= set(conn.execute(_OTHERS).scalars())


# --- one batch ------------------------------------------------------------------------------------------------------


def unsettled(conn: Connection, ids: Sequence[int]) -> set[int]:
    """Those of these events that wait, or have a delivery that may still change."""
    waiting = select(_e.id).where(_e.id.in_(ids), _e.state == "waiting")
    return {*conn.execute(waiting).scalars(), *in_hand(conn, ids)}


def in_hand(conn: Connection, ids: Sequence[int]) -> set[int]:
    """Those of these events that have a delivery that may still change."""
    return set(conn.execute(select(_d.event).where(_d.event.in_(ids), _d.state.not_in(SETTLED))).scalars())


def lock(conn: Connection, ids: Sequence[int]) -> None:
    """Nobody replays these events, or revives a delivery of theirs, before this transaction ends."""
    conn.execute(select(_e.id).where(_e.id.in_(ids)).order_by(_e.id).with_for_update()).all()
    settled = and_(_d.event.in_(ids), _d.state.in_(SETTLED))
    conn.execute(select(_d.id).where(settled).order_by(_d.id).with_for_update()).all()


def forget(conn: Connection, ids: Sequence[int], key: bytes, now: int, *, said: Iterable[str] = ()) -> int:
    """Forgets these events, after `lock`; what is in hand keeps its record. Returns how many deliveries are settled.

    ``said``: further words that were said of them and are to go wherever else they stand.
    """
    rows = conn.execute(select(events).where(_e.id.in_(ids))).all()
    _forget_events(conn, [row for row in rows if row.forgotten_at is None], key, now)
    settled = conn.execute(
        select(_d.id, _d.reason, _d.attempts).where(_d.event.in_(ids), _d.state.in_(SETTLED)).order_by(_d.id)
    ).all()
    gone = {*said, *_forget_reasons(conn, settled)}
    _forget_records(conn, [row.id for row in settled])
    gone |= _forget_words(conn, _numbers(row.attempts for row in (*rows, *settled)))
    if gone:
        _forget_standings(conn, gone)
    return len(settled)


_FORGET_EVENT = (
    update(events)
    .where(_e.id == bindparam("row"))
    .values(
        {name: bindparam(f"to_{name}") for name in ("key", "second_key", "fingerprint", "type", "forgotten_at")}
        | {"event_id": "", "payload": "", "errors": None, "notes": None, "fetched": None}
    )
)


def _forget_events(conn: Connection, rows: Sequence[Any], key: bytes, now: int) -> None:
    """Their ids become keyed hashes; a hash of the body that has lapsed becomes nothing."""
    names = {row.id: forgotten.name(key, row.source, row.key) for row in rows if row.key and not _lapsed(row, now)}
    # Only a database that was changed by hand has two of one name; it must not keep everything else from going.
    taken = set(inbox.named(conn, [(row.source, names[row.id]) for row in rows if row.id in names]))
    values = [
        {
            "row": row.id,
            "to_key": None if (row.source, names.get(row.id)) in taken else names.get(row.id),
            "to_second_key": forgotten.name(key, row.source, row.second_key) if row.second_key else None,
            "to_fingerprint": forgotten.fingerprint(key, row.fingerprint),
            "to_type": "" if row.state == "invalid" else row.type,  # whatever the sender wrote there
            "to_forgotten_at": now,
        }
        for row in rows
    ]
    if values:
        conn.execute(_FORGET_EVENT, values)


def _lapsed(row: Any, now: int) -> bool:
    return bool(row.key.startswith(forgotten.HASHED) and row.received_at <= now - inbox.HASHED_KEPT_MS)


_FORGET_REASON = update(deliveries).where(_d.id == bindparam("row")).values(reason=bindparam("to"))


def _forget_reasons(conn: Connection, settled: Sequence[Any]) -> set[str]:
    """Returns the reasons that lost something."""
    left = [(row, _without_once(remembered(row.reason))) for row in settled if row.reason]
    changed = [{"row": row.id, "to": kept} for row, kept in left if kept != row.reason]
    if changed:
        conn.execute(_FORGET_REASON, changed)
    return {row.reason for row, kept in left if kept != row.reason}


def _without_once(reason: str) -> str:
    """A copy that once_per ended takes nobody's place any more: `outbox.revive_copies` knows them by their reason."""
    return reason.replace(outbox.ONCE, ONCE_FORGOTTEN, 1) if reason.startswith(outbox.ONCE) else reason


def _forget_records(conn: Connection, numbers: Sequence[int]) -> None:
    mine = and_(records.c.delivery.in_(numbers), or_(_r.record != "", _r.notes.is_not(None), _r.result.is_not(None)))
    conn.execute(update(records).where(mine).values(record="", notes=None, result=None))


_FORGET_WORDS = update(attempts).where(_a.id == bindparam("row")).values(words=bindparam("to"))


def _forget_words(conn: Connection, numbers: Sequence[int]) -> set[str]:
    """What was said in these calls, and in those that asked about them. Returns the words that lost something."""
    asked = and_(_a.about.in_(numbers), _a.kind == "probe")
    mine = and_(or_(_a.id.in_(numbers), asked), _a.words.is_not(None))
    said = [row for row in conn.execute(select(_a.id, _a.kind, _a.status, _a.words).where(mine)) if not _is_ours(row)]
    changed = [{"row": row.id, "to": remembered(row.words)} for row in said if remembered(row.words) != row.words]
    if changed:
        conn.execute(_FORGET_WORDS, changed)
    return {row.words for row in said if remembered(row.words) != row.words}


def _is_ours(row: Any) -> bool:
    """Without an answer there are no words of the vendor's; what is found out by asking may quote some."""
    return row.status is None and row.kind != "probe"


def _numbers(lists: Iterable[str | None]) -> list[int]:
    """Of ",12,45" and others, each once."""
    return sorted({int(one) for text in lists for one in (text or "").split(",") if one})


# --- words ----------------------------------------------------------------------------------------------------------

ONCE_FORGOTTEN: Final = "once_per had the same person in delivery d"
REST: Final = " (the rest was forgotten)"
NOTHING: Final = "what was said of it was forgotten"

#: How words begin that quote nobody: ours, and a vendor's that its table knows. Longer ones first.
_BEGINNINGS: Final = (
    *(re.escape(words) for words in (outbox.EXPIRED, outbox.ERASED, replay.LANDED, replay.NOT_LANDED, settle.LAPSED)),
    *(re.escape(words) for words in (outbox.EXPIRED_HELD, settle.TOO_SOON, do_not_contact.REFUSED)),
    *(re.escape(words) for words in (probe.LANDED, probe.ABSENT, probe.NO_SAMPLE, probe.DISAGREE, probe.NOT_SEEN)),
    *(rf"{re.escape(words)}\d+" for words in (outbox.ONCE, ONCE_FORGOTTEN)),
    rf"{re.escape(followers.AFTER)}[^”]*”, (?:which ended \w+|to which this event did not go)",
    rf"{re.escape(tracksale.HAS_ALREADY)}(?:: {re.escape(settle.LANDED_BEFORE)})?",
    *(rf"{status} {re.escape(words)}" for status, words, _ in wolkvox.MEANINGS if words),
    rf"{re.escape(lots.DISCARDED)} on \d{{4}}-\d\d-\d\d",
    r"All records has been added successfully",
    r"no record can be made of it",
    r"its batch of \d+ was refused",
    r"refused(?= \()",
    r"[A-Za-z]+ failed \(\d{3}",
    r"(?:HTTP )?\d{3}\b",
    r"(?:expired|once_per|contact_hours|do_not_contact|ninety_day_rule)(?=:| \()",  # at least which guard it was
    re.escape(NOTHING),
)
_OURS: Final = re.compile("|".join(_BEGINNINGS))


def remembered(words: str) -> str:
    """What may be kept of words: what quotes nobody at their beginning. The same again, of what was kept."""
    begins = _OURS.match(words)
    if begins is None:
        return NOTHING
    return words if begins.end() == len(words) else begins[0] + REST


def _forget_standings(conn: Connection, gone: set[str]) -> None:
    """The words that went stand once more where a destination stopped or an account is held, word for word."""
    for table, columns in ((accounts, ("reason", "hold_reason")), (destinations, ("reason",))):
        for row in conn.execute(select(table)).all():
            values = {name: _without(getattr(row, name), gone) for name in columns}
            if any(values[name] != getattr(row, name) for name in columns):
                conn.execute(update(table).where(table.c.name == row.name).values(values))
    for row in conn.execute(select(destinations.c.name, destinations.c.refusals)).all():
        said: list[str] = orjson.loads(row.refusals)
        left = [remembered(one) if any(one in words for words in gone) else one for one in said]
        if left != said:
            refusals = orjson.dumps(left).decode()
            conn.execute(update(destinations).where(destinations.c.name == row.name).values(refusals=refusals))


def _without(said: str | None, gone: set[str]) -> str | None:
    for words in sorted(gone, key=len, reverse=True):
        if said and words in said:
            said = said.replace(words, remembered(words))
    return said


# --- what has to wait -----------------------------------------------------------------------------------------------


def later(conn: Connection, ids: Iterable[int], *, erase: bool) -> None:
    """These are forgotten (for good) by `sweep`, once nothing of them is in hand."""
    rows = [{"event": row_id, "erase": int(erase)} for row_id in sorted(ids)]
    insert_rows(conn, forgetting, rows)
    if rows and erase:
        named = forgetting.c.event.in_([row["event"] for row in rows])
        conn.execute(update(forgetting).where(named).values(erase=1))


def sweep(database: Database, key: bytes, *, erased_only: bool) -> int:
    """Forgets what had to wait and need not any more. Returns how many events that were."""
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
    return int(conn.execute(select(func.count()).where(_d.event.in_(ids))).scalar_one())


def count_waiting(conn: Connection) -> int:
    return int(conn.execute(select(func.count()).select_from(forgetting)).scalar_one())
