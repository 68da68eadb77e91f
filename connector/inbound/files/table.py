"""A table of any origin: its titles, wherever they stand, and the records below them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Final

from connector.core.errors import ConnectorError
from connector.core.phrases import phrase
from connector.inbound.files.encodings import once_encoded

SAMPLE: Final = 60  #: records from which titles and columns are recognised
_TITLES_WITHIN: Final = 30  #: records; titles further down are not searched
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_DRAWN: Final = "".join(map(chr, range(33))) + "\xa0-=+|_:─━═│┼┬┴├┤┌┐└┘"  #: blanks, and what draws lines
_DAY: Final = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}(?:[ T,]{1,2}\d{1,2}:\d\d(?::\d\d)?)?")
_LONGEST_TITLE: Final = 300


@dataclass(frozen=True, slots=True)
class Record:
    """The cells of one row; with a ``fault``, its text as it stands."""

    line: int  #: where it begins, from 1
    text: str
    cells: Sequence[str]
    fault: str = ""

    @property
    def is_blank(self) -> bool:
        """Without a letter or a digit: empty, or a line drawn below others."""
        return not self.fault and not any(cell.strip(_DRAWN) for cell in self.cells)


#: How sure it is that a cell is a column's title (0: it is not), and whether that column reaches people.
Weigh = Callable[[str], tuple[int, bool]]


@dataclass(slots=True)
class Table:
    """Titles and records. Without titles ``names`` is empty and every record is one of people."""

    file: str
    names: list[str]
    line: int  #: of the titles; 0 without
    records: Iterator[Record]
    sample: list[Record]  #: the first of them
    above: list[Record] = field(default_factory=list)  #: records before the titles
    separator: str = ""
    sheet: str = ""
    warnings: list[str] = field(default_factory=list)

    @property
    def place(self) -> str:
        """The file, and the sheet where it has several."""
        return phrase("the sheet “{sheet}” of {file}", sheet=self.sheet, file=self.file) if self.sheet else self.file

    @property
    def line_of_titles(self) -> str:
        """ "line 3", "line 3 of the sheet “Leads”"."""
        if self.sheet:
            return phrase("line {line} of the sheet “{sheet}”", line=self.line, sheet=self.sheet)
        return phrase("line {line}", line=self.line)


@dataclass(frozen=True, slots=True)
class Titles:
    """Where the titles are among the first records, and how good they are."""

    at: int
    reach: bool
    weight: int
    width: int


def titles_of(records: Sequence[Record], weigh: Weigh) -> Titles | None:
    """The record that names the columns; None if there is none. Personal data is not a title."""
    found: list[Titles] = []
    for at, record in enumerate(records[:_TITLES_WITHIN]):
        filled = [cell for cell in record.cells if cell.strip()]
        if record.fault or not filled or any(map(holds_data, filled)):
            continue
        weighed = [weigh(once_encoded(cell)) for cell in filled]
        total = sum(one for one, _ in weighed)
        if total:
            found.append(Titles(at, any(reach for _, reach in weighed), total, _width(record)))
    return max(found, key=lambda one: (one.reach, one.weight, -one.at), default=None)


def holds_data(cell: str) -> bool:
    """Whether a cell holds an e-mail or a number of a person, and so is not a title."""
    text = cell.strip()
    if _DAY.fullmatch(text):
        return False
    if len(text) > _LONGEST_TITLE or _EMAIL.fullmatch(text):
        return True
    digits = sum(map(str.isdigit, text))
    return digits >= 7 and digits * 2 > len(text)


def _width(record: Record) -> int:
    return max((at + 1 for at, cell in enumerate(record.cells) if cell.strip()), default=0)


def table_of(records: Iterator[Record], weigh: Weigh, *, file: str, sheet: str = "", separator: str = "") -> Table:
    """The table in these records. Raises `ConnectorError` if there are no records."""
    head = list(islice((record for record in records if not record.is_blank), SAMPLE))
    if not head:
        raise ConnectorError(phrase("{file} has no header row that names its columns: it is empty", file=file))
    titles = titles_of(head, weigh)
    if titles is None or not titles.reach:
        return Table(file, [], 0, chain(head, records), head, separator=separator, sheet=sheet)
    row = head[titles.at]
    names = [once_encoded(cell.strip()) for cell in row.cells]
    below = head[titles.at + 1 :]
    again = tuple(map(str.strip, row.cells))
    rest = (one for one in records if tuple(map(str.strip, one.cells)) != again)
    sample = [one for one in below if tuple(map(str.strip, one.cells)) != again]
    return Table(
        file, names, row.line, chain(sample, rest), sample, head[: titles.at], separator=separator, sheet=sheet
    )
