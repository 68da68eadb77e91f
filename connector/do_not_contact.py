"""The do-not-contact list: keyed hashes of phones and e-mails, asked in every claim. Queries only.

Nothing on it can be read back: a person is added, found and removed by saying their phone or e-mail again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, and_, delete, false, func, or_, select, text, update

from connector.db import insert_rows
from connector.errors import ConnectorError
from connector.forgotten import mark
from connector.outbox import IS_PENDING
from connector.tables import deliveries, do_not_contact, facts, records

_n = do_not_contact.c
_r = records.c

REFUSED: Final = "on the do-not-contact list"
_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """One phone or e-mail that must not be contacted."""

    hash: str
    hint: str  #: what a person may see of it: "+57 *** *** **01"
    reason: str
    since: int  #: unix ms


def add(conn: Connection, entries: Sequence[Entry]) -> int:
    """Adds those that are not on the list. Returns how many are new."""
    before = count(conn)
    rows = {one.hash: {"hash": one.hash, "hint": one.hint, "reason": one.reason, "since": one.since} for one in entries}
    given = list(rows.values())
    for at in range(0, len(given), _AT_ONCE):
        insert_rows(conn, do_not_contact, given[at : at + _AT_ONCE])
    return count(conn) - before


def remove(conn: Connection, hashed: str) -> bool:
    """Takes an entry off the list. False when it was not there."""
    return conn.execute(delete(do_not_contact).where(_n.hash == hashed)).rowcount == 1


def count(conn: Connection) -> int:
    return int(conn.execute(select(func.count()).select_from(do_not_contact)).scalar_one())


def entries(conn: Connection) -> list[Entry]:
    """All of them, the newest first."""
    query = select(_n.hash, _n.hint, _n.reason, _n.since).order_by(_n.since.desc(), _n.hash)
    return [Entry(*row) for row in conn.execute(query)]


def stopped(conn: Connection, hashes: Sequence[str], destinations: Collection[str]) -> list[int]:
    """Pending deliveries to these destinations that name one of these people anywhere, and will not be sent."""
    named = (or_(_r.contact == one, _r.contacts.contains(one)) for one in hashes)
    theirs = select(deliveries.c.id).join(records, _r.delivery == deliveries.c.id)
    pending = and_(IS_PENDING, deliveries.c.destination.in_(destinations))
    return list(conn.execute(theirs.where(pending, or_(false(), *named)).order_by(deliveries.c.id)).scalars())


# --- whose hashes they are ------------------------------------------------------------------------------------------

KEYED: Final = "do_not_contact_key"  #: the fact by which the key is known again that the list was made with
OTHER_KEY: Final = (
    "CONNECTOR_SECRET_KEY is not the one that the do-not-contact list was made with, and nobody on it would be known:"
    " set the old one again"
)


def demand_key(conn: Connection, key: bytes) -> None:
    """Raises `ConnectorError` when somebody is on the list who would not be known with this key."""
    marked = select(facts.c.value).where(facts.c.name == KEYED)
    if conn.execute(marked).scalar() not in (None, mark(key)) and count(conn):
        raise ConnectorError(OTHER_KEY)


def keep_key(conn: Connection, key: bytes) -> None:
    """The list is made with this key from now on. Raises `ConnectorError` when it is made with another."""
    demand_key(conn, key)
    insert_rows(conn, facts, [{"name": KEYED, "value": mark(key)}])
    conn.execute(update(facts).where(facts.c.name == KEYED).values(value=mark(key)))


# --- inside the claim -----------------------------------------------------------------------------------------------


def suppress(conn: Connection, attempt: int, now: int) -> list[int]:
    """Ends those members of a claimed attempt of whom any phone or e-mail is on the list. Returns their ids."""
    if conn.execute(select(_n.hash).limit(1)).first() is None:
        return []
    values = {"attempt": attempt, "now": now, "reason": REFUSED}
    return list(conn.execute(_SUPPRESS[conn.dialect.name], values).scalars())


# Step by step, each once: left to themselves planners look the list through for every member.
_STATEMENT: Final = """
    WITH member AS MATERIALIZED (
      SELECT id FROM deliveries WHERE attempt = :attempt AND state IN ('sending', 'uncertain') AND state = 'sending'
    ), way AS MATERIALIZED (
      SELECT records.delivery, {way} AS hash FROM member JOIN records ON records.delivery = member.id{each}
    ), found AS MATERIALIZED (
      SELECT DISTINCT delivery FROM way WHERE hash IN (SELECT hash FROM do_not_contact)
    )
    UPDATE deliveries SET state = 'suppressed', reason = :reason, updated_at = :now
    WHERE id IN (SELECT delivery FROM found) RETURNING id
"""
_SUPPRESS: Final = {
    "sqlite": text(
        _STATEMENT.format(
            way="each_way.value",
            each=", json_each(coalesce(records.contacts, json_array(records.contact))) AS each_way",
        )
    ),
    "postgresql": text(
        _STATEMENT.format(
            way="each_way.hash",
            each=" CROSS JOIN LATERAL json_array_elements_text("
            "coalesce(records.contacts, json_build_array(records.contact)::text)::json) AS each_way (hash)",
        )
    ),
}
