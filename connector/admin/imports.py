"""Imported files: their list, the fate of each row, and rows as a file to correct and import again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from connector.core.errors import ConnectorError
from connector.core.phrases import phrase
from connector.core.states import DeliveryState, EventState, words
from connector.core.text import quote
from connector.core.times import iso
from connector.store import imports, reasons
from connector.store.database import Database

#: The possible fates of a row, worst first.
FATES: Final = (
    *words(EventState.INVALID, DeliveryState.DEAD),
    "left",
    *words(DeliveryState.UNCERTAIN, EventState.WAITING, DeliveryState.PENDING, DeliveryState.SENDING),
    *words(DeliveryState.SUPPRESSED, EventState.IGNORED),
    "replaced",
    DeliveryState.DELIVERED.value,
)
#: The columns of a file of rows that are not the sender's own.
TOLD: Final = ("replaces", "was_line", "was_state", "was_why")


def list_imports(database: Database, most: int) -> list[dict[str, Any]]:
    """The newest imports, newest first. Raises `StoreUnavailable`."""
    with database.read() as conn:
        return [_shown(row) for row in imports.latest(conn, most)]


def show(database: Database, number: int, fate: str = "", most: int | None = 50) -> dict[str, Any]:
    """One import with its rows. Raises `ConnectorError` if there is none of this number, and `StoreUnavailable`."""
    with database.read() as conn:
        found = imports.get(conn, number)
        if found is None:
            raise ConnectorError(phrase("there is no import {number}: connector imports lists them", number=number))
        fates = imports.fates(conn, number)
        rows = imports.rows_of(conn, number, fate, most)
        whys = _whys(imports.deliveries_of(conn, {row.event for row in rows if row.event is not None}))
    shown = [_row(row, whys.get(row.event, [])) for row in rows]
    return {**_shown(found), "fates": {name: fates[name] for name in FATES if name in fates}, "rows": shown}


def number_of(text: str) -> int:
    """ "12", or "import 12". Raises `ConnectorError`."""
    digits = text.strip().lower().removeprefix("import").strip().lstrip("#")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
        raise ConnectorError(phrase("{text} is no number of an import: connector imports lists them", text=quote(text)))
    return int(digits)


def correctable(database: Database, number: int, fate: str = "") -> Iterator[list[str]]:
    """The rows of an import as lines of a table, titles first: unmasked, so that they can be corrected.

    Raises `ConnectorError` and `StoreUnavailable`.
    """
    with database.read() as conn:
        found = imports.get(conn, number)
        if found is None:
            raise ConnectorError(phrase("there is no import {number}: connector imports lists them", number=number))
        rows = [row for row in imports.rows_of(conn, number, fate, None) if row.event is not None]
        whys = _whys(imports.deliveries_of(conn, {row.event for row in rows}))
    cells = [(row, _cells(row)) for row in rows]
    read = [field for field, _ in orjson.loads(found.titles) if field]  # also columns with empty cells only
    titles = list(dict.fromkeys([*(title for _, one in cells for title in one), *read]))
    yield [*TOLD, *titles]
    for row, one in cells:
        why = "; ".join(dict.fromkeys(_faults(row) or whys.get(row.event, [])))
        yield [f"e{row.event}", str(row.line), row.fate, why, *(_safe(one.get(title, "")) for title in titles)]


def _shown(row: Any) -> dict[str, Any]:
    return {
        "import": row.id,
        "kind": row.kind,
        "file": row.name,
        "source": row.source or None,
        "who": row.who,
        "began_at": iso(row.began_at),
        "ended_at": None if row.ended_at is None else iso(row.ended_at),
        "columns": [{"field": field or None, "column": title} for field, title in orjson.loads(row.titles)],
        "counts": orjson.loads(row.counts),
    }


def _row(row: Any, whys: Sequence[str]) -> dict[str, Any]:
    return {
        "line": row.line,
        "event": None if row.event is None else f"e{row.event}",
        "stored": row.status,
        "fate": row.fate,
        "replaced_by": None if row.replaced_by is None else f"e{row.replaced_by}",
        "why": "; ".join(dict.fromkeys(_faults(row) or whys)) or None,
    }


def _faults(row: Any) -> list[str]:
    if row.why:
        return [row.why]
    return [f"{error['field']}: {error['message']}" for error in orjson.loads(row.errors or "[]")]


def _whys(deliveries: Sequence[Any]) -> Mapping[int, list[str]]:
    """Event -> why its deliveries are in their states."""
    found: dict[int, list[str]] = defaultdict(list)
    for row in deliveries:
        if row.state != DeliveryState.DELIVERED and (reason := reasons.of(row)):
            found[row.event].append(str(reason))
    return found


def _cells(row: Any) -> dict[str, str]:
    """A stored payload as the columns of a table: our own names, which an import recognises."""
    try:
        body = orjson.loads(row.payload)
    except orjson.JSONDecodeError:
        return {}
    if not isinstance(body, dict):
        return {}
    if not isinstance(body.get("data"), dict):
        return {name: _text(value) for name, value in body.items()}
    data, found = body["data"], {name: _text(value) for name, value in body.items() if name != "data"}
    for name, value in data.items():
        if isinstance(value, dict):
            found |= {f"{name}.{inner}": _text(one) for inner, one in value.items()}
        else:
            found[name] = _text(value)
    return found


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " / ".join(map(_text, value))
    if isinstance(value, dict):
        return orjson.dumps(value).decode()
    return "" if value is None else str(value)


def _safe(cell: str) -> str:
    """Protects a text that a spreadsheet would read as a formula, or whose plus it would remove."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@") else cell
