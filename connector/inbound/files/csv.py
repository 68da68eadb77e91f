"""CSV files to records, as spreadsheets, databases and people write them."""

from __future__ import annotations

import contextlib
import csv
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Final

from connector.inbound.files.table import Record, Table, Weigh, table_of, titles_of
from connector.inbound.files.text import File

_SEPARATORS: Final = ("\t", ";", ",", "|", "^", "~")
_SELDOM: Final = (":", "#", "!", "¦")
_SAMPLE: Final = 60  #: lines
_LINES_OF_A_RECORD: Final = 1000
_DECLARED: Final = re.compile(r'"?sep=([^\w\s"]|\t)"?[;,\t|]*\s*', re.IGNORECASE)  #: Excel's own first line
_ALIGNED: Final = re.compile(r"(?<=\S) {2,}(?=\S)")
_NONE: Final = "\x1f"  #: stands in no file: of one column


@dataclass(frozen=True, slots=True)
class Dialect:
    """The separator of cells and the quotes around them."""

    separator: str
    quote: str = '"'
    aligned: bool = False  #: by blanks: two or more stand between cells
    wrapped: bool = False  #: every line is one quoted cell with the record inside

    @property
    def shown(self) -> str:
        return "  " if self.aligned else ("" if self.separator == _NONE else self.separator)


def read_csv(file: File, weigh: Weigh) -> Table:
    """The table of a file. Raises `ConnectorError` when it is empty."""
    lines = ((number, file.text(raw)) for number, raw in file.lines())
    sample = list(islice(lines, _SAMPLE))
    dialect, dropped = _dialect(sample, weigh)
    sample = sample[dropped:]
    rows = Records(chain(sample, lines), dialect)
    line, below = 0, dialect
    first = [record for record in Records(iter(sample), dialect) if not record.is_blank]
    titles = titles_of(first, weigh)
    if titles and titles.reach:
        line, rows.width = first[titles.at].line, len(first[titles.at].cells)
        below = _of_the_rows([one for one in sample if one[0] > line], dialect, titles.width)
    table = table_of(
        _checked(rows, line, below), weigh, file=file.name, separator=dialect.shown if _has_columns(first) else ""
    )
    table.warnings += file.warnings
    return table


def _has_columns(records: Sequence[Record]) -> bool:
    """Whether there is more than one: with one, no separator was seen, and any dialect fits."""
    return any(len(record.cells) > 1 for record in records)


def _checked(rows: Records, titles: int, below: Dialect) -> Iterator[Record]:
    """The records; those below the titles' line in their own dialect, and with their fault where they do not fit."""
    for record in rows:
        yield rows.checked(record) if record.line > titles else record
        if record.line == titles:
            rows.dialect = below


def _of_the_rows(sample: Sequence[tuple[int, str]], dialect: Dialect, width: int) -> Dialect:
    """The dialect of the rows below the titles: the titles' own, unless only another one yields all cells."""

    def fitting(one: Dialect) -> float:
        rows = [record for record in Records(iter(sample), one) if not record.is_blank]
        return sum(len(row.cells) == width for row in rows) / (len(rows) or 1)

    if width < 2 or not sample or fitting(dialect) > 0:
        return dialect
    best = max((replace(dialect, separator=one) for one in _SEPARATORS), key=fitting)
    return best if fitting(best) > 0.5 else dialect


class Records:
    """Lines to records. A quote that never closes spoils its own line, not the rest of the file."""

    def __init__(self, lines: Iterator[tuple[int, str]], dialect: Dialect) -> None:
        self.width = 0  #: columns, once they are known
        self.dialect = dialect
        self._lines = lines
        self._returned: deque[tuple[int, str]] = deque()

    def __iter__(self) -> Iterator[Record]:
        for line, text in iter(self._next, None):
            plain = _ALIGNED.sub("\t", text.strip()) if self.dialect.aligned else text
            if self.dialect.wrapped:
                plain = _unwrapped(plain)
            yield self._quoted(line, plain) if self.dialect.quote in plain else self._alone(line, plain)

    def fits(self, cells: Sequence[str], *, least: int) -> bool:
        """At ``least`` as many cells as that, and no filled one without a column."""
        return not self.width or (len(cells) >= least and not any(map(str.strip, cells[self.width :])))

    def checked(self, record: Record) -> Record:
        """With its fault when it has cells without a column."""
        if record.fault or self.fits(record.cells, least=0):
            return record
        fault = f"has {len(record.cells)} cells, and there are {self.width} columns: quote what holds a "
        return replace(record, fault=fault + ("tab" if self.dialect.separator == "\t" else f"“{self.dialect.shown}”"))

    def _next(self) -> tuple[int, str] | None:
        return self._returned.popleft() if self._returned else next(self._lines, None)

    def _reader(self, lines: Iterator[str], **how: bool | str) -> Iterator[list[str]]:
        return csv.reader(
            lines,
            delimiter=self.dialect.separator,
            quotechar=self.dialect.quote,
            skipinitialspace=True,
            **how,  # type: ignore[arg-type]
        )

    def _quoted(self, line: int, text: str) -> Record:
        """The record that begins here; it continues over lines if its quotes say so and its cells fit the columns.

        Databases escape a quote within a cell with a backslash: that is tried if the usual way fails.
        """
        for how in ({}, {"escapechar": "\\"}) if "\\" + self.dialect.quote in text else ({},):
            lines = [(line, text)]
            with contextlib.suppress(csv.Error):
                cells = next(self._reader(self._growing(text, lines), strict=True, **how))
                least = 0 if len(lines) == 1 else self.width
                if self.fits(cells, least=least):
                    return Record(line, "".join(part for _, part in lines), cells)
            self._returned.extendleft(reversed(lines[1:]))
        return self._alone(line, text)

    def _growing(self, text: str, lines: list[tuple[int, str]]) -> Iterator[str]:
        yield text
        for _ in range(_LINES_OF_A_RECORD):
            if (more := self._next()) is None:
                return
            lines.append(more)
            yield more[1]

    def _alone(self, line: int, text: str) -> Record:
        """The record of this line only, as forgiving as spreadsheets are."""
        goes_on = False

        def lines() -> Iterator[str]:
            nonlocal goes_on
            yield text
            goes_on = True

        try:
            cells = next(self._reader(lines()))
        except csv.Error as fault:
            return Record(line, text, [], f"is no row: {fault}")
        return Record(line, text, cells, "has a quote that is not closed, or not closed right" if goes_on else "")


def _unwrapped(text: str) -> str:
    with contextlib.suppress(csv.Error, StopIteration):
        cells = next(csv.reader([text.strip()], strict=True))
        if len(cells) == 1:
            return cells[0] + "\n"
    return text


def _dialect(sample: Sequence[tuple[int, str]], weigh: Weigh) -> tuple[Dialect, int]:
    """The most likely dialect, and how many lines at the start only declare it."""
    at = next((at for at, (_, text) in enumerate(sample) if text.strip()), 0)
    declared = _DECLARED.fullmatch(sample[at][1]) if sample else None
    dropped = at + 1 if declared else 0
    texts = [text for _, text in sample[dropped:] if text.strip()]
    likely = list(_candidates(texts))
    if declared:
        dialect = Dialect(declared[1])
        if _likeness(texts, dialect, weigh)[0]:
            return dialect, dropped
        likely.insert(0, dialect)
    return max(likely, key=lambda one: _likeness(texts, one, weigh)), dropped


def _candidates(texts: Sequence[str]) -> Iterator[Dialect]:
    for separator in (*_SEPARATORS, _NONE, *_SELDOM):
        yield Dialect(separator)
    if sum("'" in text for text in texts) * 2 >= len(texts):
        yield from (Dialect(separator, quote="'") for separator in _SEPARATORS)
    if any(map(_ALIGNED.search, texts)):
        yield Dialect("\t", aligned=True)
    if texts and all(_unwrapped(text) != text for text in texts):
        yield from (Dialect(separator, wrapped=True) for separator in _SEPARATORS)


#: Titles that reach people; how many rows have their cells; how sure the titles are; several columns; their number.
Likeness = tuple[bool, float, int, bool, int]


def _likeness(texts: Sequence[str], dialect: Dialect, weigh: Weigh) -> Likeness:
    rows = [one for one in Records(iter(enumerate(texts)), dialect) if not one.is_blank and not one.fault]
    titles = titles_of(rows, weigh)
    first = titles.at if titles and titles.reach else 0
    width = len(rows[first].cells) if rows else 0
    alike = sum(len(row.cells) == width for row in rows[first:]) / (len(rows[first:]) or 1)
    if titles is None or not titles.reach:
        return False, round(alike, 1) if width > 1 else 0.0, 0, width > 1, width
    return True, float(titles.weight), round(alike * 10), width > 1, width
