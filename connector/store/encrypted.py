"""The steps that encrypt stored texts with the newest key, in every column that is encrypted at rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Column, Table, Text, and_, bindparam, literal, or_, select, tuple_, type_coerce, update

from connector.core import at_rest
from connector.core.reasons import read
from connector.store.database import Database
from connector.store.encrypted_column import Encrypted
from connector.store.schema import metadata
from connector.store.tables import accounts, deliveries, destinations, polls

AT_ONCE: Final = 500  #: rows of one step
#: Columns with the facts of a reason, in which the words are encrypted, and nothing else.
_FACTS: Final = (
    (deliveries, "reason_facts"),
    (accounts, "reason_facts"),
    (accounts, "hold_reason_facts"),
    (destinations, "reason_facts"),
    (polls, "reason_facts"),
)


def rewrite(database: Database) -> Iterator[int]:
    """Encrypts with the newest key what is not yet; gives the rows of each step. May be stopped, and goes on."""
    for table in metadata.sorted_tables:
        if columns := [column for column in table.c if isinstance(column.type, Encrypted)]:
            yield from _each_step(database, table, columns, at_rest.newest())
    for table, name in _FACTS:
        yield from _each_step(database, table, [table.c[name]], at_rest.newest_alike())


def _each_step(database: Database, table: Table, columns: Sequence[Column[Any]], begins: str) -> Iterator[int]:
    last: tuple[Any, ...] | None = None
    while found := _step(database, table, columns, begins, last):
        last, number = found
        if number:
            yield number


def _step(
    database: Database, table: Table, columns: Sequence[Column[Any]], begins: str, after: tuple[Any, ...] | None
) -> tuple[tuple[Any, ...], int] | None:
    """The key of the last row that was looked at, and how many were written; None at the end."""
    keys = list(table.primary_key.columns)
    raws = [type_coerce(column, Text) for column in columns]
    is_outdated = or_(*(_is_old(column, raw, begins) for column, raw in zip(columns, raws, strict=True)))
    query = select(*keys, *columns).where(is_outdated).order_by(*keys).limit(AT_ONCE)
    if after is not None:
        last_key = [literal(value, key.type) for key, value in zip(keys, after, strict=True)]
        query = query.where(tuple_(*keys) > tuple_(*last_key) if len(keys) > 1 else keys[0] > last_key[0])
    with database.write() as conn:
        rows = conn.execute(query).all()
        if not rows:
            return None
        names = [column.name for column in columns]
        written = [
            {f"key_{key.name}": row._mapping[key] for key in keys}
            | {f"new_{name}": _again(row._mapping[table.c[name]], table.c[name]) for name in names}
            for row in rows
        ]
        is_row = and_(*(key == bindparam(f"key_{key.name}") for key in keys))
        conn.execute(update(table).where(is_row).values({name: bindparam(f"new_{name}") for name in names}), written)
    return tuple(rows[-1]._mapping[key] for key in keys), len(rows)


def _is_old(column: Column[Any], raw: Any, begins: str) -> Any:
    """Whether a text stands there that the newest key has not encrypted."""
    if isinstance(column.type, Encrypted):
        return and_(raw != "", raw.not_like(f"{column.type.before}{begins}%"))
    return and_(raw.contains('"words":'), raw.not_like(f'%"words":"{begins}%'))


def _again(value: str | None, column: Column[Any]) -> str | None:
    """The value to store: types encrypt it, and a reason encrypts its words."""
    if value is None or isinstance(column.type, Encrypted):
        return value
    reason = read("", value)
    return value if reason is None else reason.facts_json
