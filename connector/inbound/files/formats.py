"""Chooses the reader of a file by its content; its name decides only if the content does not."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import orjson

from connector.core.errors import ConnectorError
from connector.core.phrases import phrase
from connector.core.settings import Source
from connector.inbound.files.columns import FLAT, NO_WISH, TABULAR, Wish, columns_of, weigher
from connector.inbound.files.csv import read_csv
from connector.inbound.files.json import Elements, Lines, Wrapped, flat_table, grid_table, peeked, wraps_rows
from connector.inbound.files.json_shapes import unfolded
from connector.inbound.files.replacing import Corrected
from connector.inbound.files.rows import Reading, Row, Understanding
from connector.inbound.files.sheets import Workbook, is_workbook
from connector.inbound.files.table import Record, Table, Weigh, holds_data
from connector.inbound.files.text import File, text_file, unwrapped


@contextlib.contextmanager
def opened(path: Path, encoding: str = "") -> Iterator[File | Workbook]:
    """The file, extracted if it is an archive. Raises `ConnectorError` if it is neither text nor a workbook."""
    with unwrapped(path) as (raw, name):
        yield Workbook(raw, name) if is_workbook(raw.peek(8)[:8]) else text_file(raw, name, encoding)


def reading(
    file: File | Workbook, source: Source, event_type: str = "", *, wish: Wish = NO_WISH, sheet: str = ""
) -> Reading:
    """The rows of a file for a source: JSON as its payloads, tables by the names of their columns.

    ``event_type`` applies to rows of a table without a type, instead of the mapping's first. Raises `ConnectorError` if
    the source cannot read such a file, or if no column is known.
    """
    wish = Wish(wish.columns, wish.ids, event_type) if event_type else wish
    weigh = weigher(source, wish)
    if isinstance(file, Workbook):
        return TableRows(file.table(weigh, sheet), source, wish)
    if sheet:
        raise ConnectorError(phrase("--sheet is for workbooks: {name} is none", name=file.name))
    kind = _kind(file, wraps=source.mapping in TABULAR)
    if kind == "csv":
        return TableRows(read_csv(file, weigh), source, wish)
    rows = _rows(kind, file)
    if source.mapping in TABULAR:
        first, rows = unfolded(*peeked(rows), weigh)
        if table := grid_table(first, rows, weigh, file.name) or _flat(source, first, rows, weigh, file.name):
            return TableRows(table, source, wish)
    if wish.event_type:
        raise ConnectorError(phrase("--type is for tables: every payload of {name} says its own type", name=file.name))
    return rows


def tables(file: File | Workbook, weigh: Weigh) -> Sequence[Table]:
    """Every table of a file, for a list of people. Raises `ConnectorError` if there is none."""
    if isinstance(file, Workbook):
        if found := file.tables(weigh):
            return found
        raise ConnectorError(phrase("{name} is empty", name=file.name))
    kind = _kind(file, wraps=True)
    if kind == "csv":
        return [read_csv(file, weigh)]
    first, rows = unfolded(*peeked(_rows(kind, file)), weigh)
    return [grid_table(first, rows, weigh, file.name) or flat_table(first, rows, file.name)]


def _rows(kind: str, file: File) -> Reading:
    if kind == "lines":
        return Lines(file)
    return Wrapped(file) if kind == "wrapped" else Elements(file)


def _flat(source: Source, first: Sequence[Row], rows: Reading, weigh: Weigh, name: str) -> Table | None:
    """Objects as flat as a row are a table for the mappings of our own JSON; a form's are its payloads."""
    if source.mapping in FLAT or not first or any(map(_is_own, first)):
        return None
    table = flat_table(first, rows, name)
    return table if any(weigh(title)[1] for title in table.names) else None


def _is_own(row: Row) -> bool:
    """Whether it is a payload of our own shape, or nothing that a table may hold."""
    try:
        body = orjson.loads(row.raw)
    except orjson.JSONDecodeError:
        return False
    if not isinstance(body, dict):
        return True
    event_type = body.get("type")
    return isinstance(body.get("data"), dict) or (
        isinstance(event_type, str) and event_type.startswith(("lead.", "ticket."))
    )


class TableRows:
    """A table whose titles name its columns. Each record becomes a payload of the source."""

    def __init__(self, table: Table, source: Source, wish: Wish) -> None:
        _demand_titles(table)
        self._table = table
        self._columns = columns_of(source, table, wish)
        self.separator: Final = table.separator
        self._corrected = Corrected(table.names)
        known = self._columns.understanding
        self.understanding: Understanding | None = replace(known, aside=self._corrected.aside(known.aside))
        self.warnings: Sequence[str] = table.warnings

    def __iter__(self) -> Iterator[Row]:
        for record in self._table.above:
            if any(map(holds_data, record.cells)):
                yield _faulty(record, "stands above the column titles")
        for record in self._table.records:
            if not record.is_blank:
                yield self._row(record)

    def _row(self, record: Record) -> Row:
        if record.fault:
            return _faulty(record, record.fault)
        body = self._columns.body(self._corrected.cells(record.cells))
        replaces = self._corrected.event(record.cells)
        return Row(record.line, orjson.dumps(body, option=orjson.OPT_SORT_KEYS), replaces=replaces)


def _faulty(record: Record, fault: str) -> Row:
    return Row(record.line, record.text.encode(errors="replace"), "text/csv", fault)


def _demand_titles(table: Table) -> None:
    """Raises `ConnectorError` where the very first record cannot be read."""
    if not table.names and table.sample and table.sample[0].fault:
        why = phrase("line {line} {fault}", line=table.sample[0].line, fault=table.sample[0].fault)
        raise ConnectorError(
            phrase("{place} has no header row that names its columns: {why}", place=table.place, why=why)
        )


_SUFFIXES: Final = {".csv": "csv", ".tsv": "csv", ".tab": "csv", ".txt": "csv", ".ndjson": "lines", ".jsonl": "lines"}


#: No title of a column begins so.
_BEGINS_JSON: Final = re.compile(r'\[\s*[\[{]\s*"|\{\s*"')
#: The first line of a table, in a file that is called .json all the same.
_MAY_BE_TITLES: Final = re.compile(r"[^\[\]{}\n]*[,;\t|][^\[\]{}\n]*\n")


def _kind(file: File, *, wraps: bool) -> str:
    """csv | lines | elements | wrapped, by the name if it decides, and by how the text begins."""
    named = _SUFFIXES.get(Path(file.name).suffix.lower(), "")
    if named == "csv" and not _BEGINS_JSON.match(file.head):
        return named
    named = "" if named == "csv" else named
    if file.head[:1] in ("[", "{"):
        if wraps and wraps_rows(file.head):
            return "wrapped"
        if not _is_json(file.head.splitlines()[0]):
            return named if named and file.head[0] == "{" else "elements"
        # A whole array on a line is an array; the same in a file of lines is one of its lines.
        return "elements" if file.head[0] == "[" and not named else "lines"
    if Path(file.name).suffix.lower() == ".json" and not _MAY_BE_TITLES.match(file.head):
        raise ConnectorError(
            phrase("{name} holds no JSON: an array of objects, or objects one after the other", name=file.name)
        )
    return named or "csv"


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True
