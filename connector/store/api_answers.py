"""Answers that were given to acts over HTTP, by the keys of those who asked. Queries only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, select, update

from connector.core.times import DAY_MS
from connector.store.database import insert_rows
from connector.store.tables import api_answers

KEPT_MS: Final = DAY_MS

_row = api_answers.c


@dataclass(frozen=True, slots=True)
class Given:
    """What stands at a key. ``status`` None: begun, and not answered."""

    asked: str
    status: int | None
    answer: str


def begin(conn: Connection, key: str, asked: str, now: int) -> Given | None:
    """Takes the key, and returns None; or returns what stands there. What is a day old is forgotten first.

    Of two at once one takes it: run it serialised by the key.
    """
    forget(conn, now)
    row = conn.execute(select(api_answers).where(_row.key == key)).first()
    if row is not None:
        return Given(row.asked, row.status, row.answer)
    insert_rows(conn, api_answers, [{"key": key, "asked": asked, "at": now, "status": None, "answer": ""}])
    return None


def keep(conn: Connection, key: str, status: int, answer: str) -> None:
    """It was done, and answered so."""
    conn.execute(update(api_answers).where(_row.key == key).values(status=status, answer=answer))


def leave(conn: Connection, key: str) -> None:
    """Nothing was done: the key is free again."""
    conn.execute(delete(api_answers).where(_row.key == key))


def forget(conn: Connection, now: int) -> None:
    """Those of which nobody asks any more."""
    conn.execute(delete(api_answers).where(_row.at < now - KEPT_MS))
