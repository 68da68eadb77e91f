"""The type of a column with texts that are encrypted at rest, and the same for statements that go past SQLAlchemy."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Table, Text, TypeDecorator

from connector.core import at_rest
from connector.core.text import without_nul


class Encrypted(TypeDecorator[str]):
    """A text that is encrypted at rest where there is a key. The driver's own statements take `sealed` texts."""

    impl = Text
    cache_ok = True

    def __init__(self, place: str) -> None:
        super().__init__()
        self.place = place  #: "events.payload"
        self.before = ""  #: what stands before it

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        return at_rest.sealed(value, self.place)

    def process_result_value(self, value: str | None, dialect: Any) -> str | None:
        return at_rest.opened(value, self.place)


class EncryptedWords(Encrypted):
    """The same for texts that anybody may have written: what looks encrypted, and does not open, is such a text."""

    cache_ok = True

    def process_result_value(self, value: str | None, dialect: Any) -> str | None:
        return at_rest.opened_if_ours(value, self.place)


class EncryptedList(EncryptedWords):
    """A JSON list. Encrypted it is a list with one text in it, which releases before can read as one."""

    cache_ok = True

    def __init__(self, place: str, before: str = '["', after: str = '"]') -> None:
        super().__init__(place)
        self.before = before
        self.after = after

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        if not value or not at_rest.newest():
            return value
        return f"{self.before}{at_rest.sealed(value, self.place)}{self.after}"

    def process_result_value(self, value: str | None, dialect: Any) -> str | None:
        if value is None or not value.startswith(f"{self.before}{at_rest.PREFIX}"):
            return value
        inner = value.removeprefix(self.before).removesuffix(self.after)
        found = at_rest.opened_if_ours(inner, self.place)
        return value if found == inner else found


def sealed(text: str, place: str) -> str:
    """The text as it stands in the column ``place``."""
    # Characters that no database stores are removed first: once it is encrypted, nobody sees it.
    return at_rest.sealed(without_nul(text), place) or ""


def place_of(column: Column[Any]) -> str:
    """The name of an encrypted column, which is part of what is authenticated in it."""
    assert isinstance(column.type, Encrypted), column
    return column.type.place


def sealed_rows(table: Table, rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Rows of the table as they stand in it."""
    return [sealed_row(table, row) for row in rows] if at_rest.newest() and _types(table) else rows


def sealed_row(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the table as it stands in it; it may have more than the table has."""
    stored = dict(row)
    if at_rest.newest():
        for name, kind in _types(table):
            if text := stored.get(name):
                stored[name] = kind.process_bind_param(without_nul(text), None)
    return stored


@functools.cache
def _types(table: Table) -> tuple[tuple[str, Encrypted], ...]:
    return tuple((column.name, column.type) for column in table.c if isinstance(column.type, Encrypted))
