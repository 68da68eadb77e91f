"""Columns whose texts are encrypted at rest, and the steps that encrypt them with another key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Column, Text, and_, bindparam, or_, select, type_coerce, update

from connector.core import at_rest
from connector.store.database import Database
from connector.store.tables import events, records

AT_ONCE: Final = 500  #: rows of one step
_COLUMNS: Final = ((events.c.id, ("payload", "fetched")), (records.c.delivery, ("record", "result")))


def rewrite(database: Database) -> Iterator[int]:
    """Encrypts with the newest key what is not yet; gives the rows of each step. May be stopped, and goes on."""
    for key, names in _COLUMNS:
        last = 0
        while found := _step(database, key, names, last):
            last, number = found
            yield number


def _step(database: Database, key: Column[Any], names: tuple[str, ...], after: int) -> tuple[int, int] | None:
    """The last row of the step, and how many were written; None at the end."""
    columns = [key.table.c[name] for name in names]
    table: Any = key.table
    begins = at_rest.newest()
    old = or_(*(and_(raw != "", raw.not_like(f"{begins}%")) for raw in (type_coerce(one, Text) for one in columns)))
    with database.write() as conn:
        rows = conn.execute(select(key, *columns).where(key > after, old).order_by(key).limit(AT_ONCE)).all()
        if not rows:
            return None
        values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
        given = [{"row": row[0], **{f"new_{name}": row._mapping[name] for name in names}} for row in rows]
        conn.execute(update(table).where(key == bindparam("row")).values(values), given)
    return int(rows[-1][0]), len(rows)
