"""The do-not-contact list: keyed hashes of phones and e-mails, asked in every claim. Queries only.

Nothing on it can be read back: a person is added, found and removed by saying their phone or e-mail again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, func, select, text

from connector.db import insert_rows
from connector.tables import deliveries, do_not_contact, records

_n = do_not_contact.c

REFUSED: Final = "on the do-not-contact list"
_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """One phone or e-mail that must not be contacted."""

    hash: str
    hint: str  #: what a person may see of it: "+57 … 01"
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


def waiting_for(conn: Connection, hashed: str) -> int:
    """Deliveries that are to be sent to the person whose first phone or e-mail this is, and will not be."""
    theirs = select(records.c.delivery).where(records.c.contact == hashed)
    query = select(func.count()).where(deliveries.c.id.in_(theirs), text("deliveries.state = 'pending'"))
    return int(conn.execute(query).scalar_one())


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
