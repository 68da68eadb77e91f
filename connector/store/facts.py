"""Single values that a database keeps about itself, by name."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, select, update

from connector.store.database import insert_rows
from connector.store.tables import facts


def some(conn: Connection, *names: str) -> dict[str, str]:
    """The existing ones of these facts."""
    rows = conn.execute(select(facts.c.name, facts.c.value).where(facts.c.name.in_(names)))
    return {row.name: row.value for row in rows}


def add(conn: Connection, values: Mapping[str, str]) -> None:
    """Adds facts; existing ones stay."""
    insert_rows(conn, facts, [{"name": name, "value": value} for name, value in values.items()])


def put(conn: Connection, name: str, value: str) -> None:
    """Adds a fact, or replaces it."""
    add(conn, {name: value})
    conn.execute(update(facts).where(facts.c.name == name).values(value=value))
