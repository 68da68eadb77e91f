"""Rows that a program wrote as one JSON object: by their numbers, by columns, or deep inside an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final

import orjson

from connector.inbound.files.rows import Reading, Row
from connector.inbound.files.table import Weigh

_DEEPEST: Final = 4  #: objects around the rows
_GRID: Final = (("columns", "rows"), ("columns", "data"), ("headers", "rows"), ("fields", "rows"), ("header", "data"))


def unfolded(first: Sequence[Row], rows: Reading, weigh: Weigh) -> tuple[Sequence[Row], Reading]:
    """The rows inside of a file's only object; the same rows where it is one of people itself, or there are several."""
    if len(first) != 1 or not first[0].raw.startswith(b"{"):
        return first, rows
    try:
        body = orjson.loads(first[0].raw)
    except orjson.JSONDecodeError:
        return first, rows
    inside = _inside(body, lambda name: weigh(name)[1], _DEEPEST)
    if not inside:
        return first, rows
    found = [Row(first[0].line, orjson.dumps(one)) for one in inside]
    return found, _Found(found, rows)


class _Found:
    """The rows of one object; a fault behind it comes after them."""

    def __init__(self, found: Sequence[Row], rows: Reading) -> None:
        self.separator, self.understanding, self.warnings = rows.separator, rows.understanding, rows.warnings
        rest = iter(rows)
        next(rest, None)
        self._rows = chain(found, rest)

    def __iter__(self) -> Iterator[Row]:
        return self._rows


def _inside(body: Mapping[str, Any], reaches: Callable[[str], bool], depth: int) -> Sequence[Any]:
    if not body or not depth:
        return ()
    for names, rows in _GRID:
        if _is_grid(body.get(names), body.get(rows)):
            return [body[names], *body[rows]]
    values = list(body.values())
    if any(map(reaches, body)):
        return _by_columns(body)
    if len(values) > 1 and all(isinstance(one, dict) and any(map(reaches, one)) for one in values):
        return values
    lists = [one for one in values if _holds_objects(one) and any(map(reaches, one[0]))]
    if len(lists) == 1:
        return list(lists[0])
    within = [found for one in values if isinstance(one, dict) and (found := _inside(one, reaches, depth - 1))]
    return within[0] if len(within) == 1 and not lists else ()


def _by_columns(body: Mapping[str, Any]) -> Sequence[Any]:
    """Rows with their cells in a list, or an object of the same keys, for each column."""
    values = list(body.values())
    if all(isinstance(one, dict) for one in values):
        keys = list(values[0])
        if not keys or any(list(one) != keys for one in values[1:]) or not _are_indexes(keys):
            return ()
        values = [list(one.values()) for one in values]
    if len(values) < 2 or not all(isinstance(one, list) and len(one) == len(values[0]) > 1 for one in values):
        return ()
    if any(isinstance(cell, (list, dict)) for one in values for cell in one):
        return ()
    return [dict(zip(body, cells, strict=True)) for cells in zip(*values, strict=True)]


def _are_indexes(keys: Sequence[str]) -> bool:
    return all(key.isdecimal() for key in keys)


def _is_grid(names: Any, rows: Any) -> bool:
    return (
        isinstance(names, list)
        and isinstance(rows, list)
        and bool(names and rows)
        and all(isinstance(one, str) for one in names)
        and all(isinstance(one, list) for one in rows)
    )


def _holds_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)
