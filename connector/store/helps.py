"""The state of a vendor's helps: calls that no delivery depends on, and whether they work."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, delete, select, update

from connector.store.database import insert_rows
from connector.store.tables import helps

_row = helps.c


PRECHECK = "pre-check"  #: asking about each person first; who needs no answer is sent meanwhile


class HelpState(StrEnum):
    """Whether a help works."""

    WORKS = "works"
    UNKNOWN = "unknown"  #: its last answer was of no use: it failed, or cannot be read
    NOT_THERE = "not there"  #: the vendor does not know the call


@dataclass(frozen=True, slots=True)
class Help:
    """A row of `helps`. Times in unix ms."""

    account: str
    name: str
    state: HelpState
    since: int  #: when it came to this state
    asked_at: int
    worked_at: int | None  #: when it last worked
    words: str  #: the vendor's words when it failed


def note(conn: Connection, account: str, name: str, state: HelpState, now: int, words: str = "") -> None:
    """Stores the result of the last call; ``since`` stays while the state does."""
    before = get(conn, account, name)
    worked = {"worked_at": now} if state is HelpState.WORKS else {}
    values = {"state": state.value, "asked_at": now, "words": words, **worked}
    if before is None:
        insert_rows(conn, helps, [{"account": account, "name": name, "since": now, "worked_at": None, **values}])
        return
    since = {} if before.state is state else {"since": now}
    conn.execute(update(helps).where(_row.account == account, _row.name == name).values(**values, **since))


def get(conn: Connection, account: str, name: str) -> Help | None:
    row = conn.execute(select(helps).where(_row.account == account, _row.name == name)).first()
    return None if row is None else _help(row)


def of_account(conn: Connection, account: str) -> list[Help]:
    """All helps of an account that were called, by name."""
    return [_help(row) for row in conn.execute(select(helps).where(_row.account == account).order_by(_row.name))]


def forget(conn: Connection, account: str, names: Collection[str]) -> None:
    """Deletes a help that is no longer called."""
    conn.execute(delete(helps).where(_row.account == account, _row.name.in_(names)))


def _help(row: Any) -> Help:
    return Help(row.account, row.name, HelpState(row.state), row.since, row.asked_at, row.worked_at, row.words)
