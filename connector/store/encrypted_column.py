"""The type of a column whose texts are encrypted at rest, and the same for statements that go past SQLAlchemy."""

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

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        return at_rest.sealed(value, self.place)

    def process_result_value(self, value: str | None, dialect: Any) -> str | None:
        return at_rest.opened(value, self.place)


def sealed(text: str, place: str) -> str:
    """The text as it stands in the column ``place``."""
    # What neither database keeps goes before: once it is encrypted, nobody sees it.
    return at_rest.sealed(without_nul(text), place) or ""


def place_of(column: Column[Any]) -> str:
    """The name of an encrypted column, which is part of what is authenticated in it."""
    assert isinstance(column.type, Encrypted), column
    return column.type.place


def sealed_rows(table: Table, rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Rows of the table as they stand in it. All have the same keys."""
    if not at_rest.newest() or not rows:
        return rows
    given = [(name, place) for name, place in _places(table) if name in rows[0]]
    return [_sealed_row(row, given) for row in rows] if given else rows


def _sealed_row(row: Mapping[str, Any], places: Sequence[tuple[str, str]]) -> Mapping[str, Any]:
    stored = dict(row)
    for name, place in places:
        if text := stored[name]:
            stored[name] = sealed(text, place)
    return stored


@functools.cache
def _places(table: Table) -> tuple[tuple[str, str], ...]:
    return tuple((column.name, place_of(column)) for column in table.c if isinstance(column.type, Encrypted))
