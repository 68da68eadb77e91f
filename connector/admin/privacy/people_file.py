"""Reads the people of a file: a list of those who must not be contacted, read like an import of leads.

Every person in it is found, or reported with the line. No column is guessed to hold phones if it may hold documents.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from connector.admin.privacy.person import emails
from connector.core.errors import ConnectorError
from connector.core.phrases import phrase
from connector.inbound.files.columns import NO_WISH, Wish, cell, title_key, weigh_persons
from connector.inbound.files.formats import tables
from connector.inbound.files.headers import REACH, borne_out, meaning
from connector.inbound.files.phone_codes import Codes, codes_before, with_codes
from connector.inbound.files.sheets import Workbook
from connector.inbound.files.table import Record, Table, holds_data
from connector.inbound.files.text import File
from mappings.base import Locale
from mappings.names import has_a_number
from mappings.phones.reader import read_phones

_OWN_DIGITS: Final = 4  #: the last digits of a number, which do not affect how it is read
_NOBODY: Final = "names nobody that can be read"


@dataclass(frozen=True, slots=True)
class Line:
    """The people of a line, phones in E.164 and e-mails casefolded, and why some part could not be read."""

    line: int
    people: tuple[str, ...] = ()
    fault: str = ""


@dataclass(frozen=True, slots=True)
class _Columns:
    """The columns of a table that are read, and those that may hold people although their titles do not say so."""

    read: Sequence[int]
    doubtful: Sequence[int]
    country: int = -1
    codes: Mapping[int, Codes] = field(default_factory=dict)


class PeopleFile:
    """The lines of a file. ``doubtful`` is complete once they were all read."""

    def __init__(self, file: File | Workbook, locale: Locale, wish: Wish = NO_WISH) -> None:
        self._locale = locale
        self._wish = wish
        self._starts: dict[tuple[str, int], str] = {}
        self._tables = tables(file, weigh_persons(wish))
        self._columns = [self._columns_of(table) for table in self._tables]
        self.warnings: Final = [warning for table in self._tables for warning in table.warnings]
        #: Titles of columns that are not read, each with the lines that seem to hold a person.
        self.doubtful: Final[dict[str, list[int]]] = defaultdict(list)

    @property
    def read(self) -> list[str]:
        """The titles of the columns that are read."""
        pairs = zip(self._tables, self._columns, strict=True)
        return [table.names[at] for table, columns in pairs if table.names for at in columns.read]

    def __iter__(self) -> Iterator[Line]:
        for table, columns in zip(self._tables, self._columns, strict=True):
            for record in table.above:
                if any(map(holds_data, record.cells)):
                    yield Line(record.line, fault="stands above the column titles")
            for record in table.records:
                if not record.is_blank:
                    yield self._line(table, columns, record)

    def _line(self, table: Table, columns: _Columns, record: Record) -> Line:
        if record.fault:
            return Line(record.line, fault=record.fault)
        beside = self._beside(table, columns, record)
        people: dict[str, None] = {}
        faults: list[str] = []
        alone = len(columns.read) == 1 and not columns.doubtful and len(table.names) < 2
        for at in columns.read:
            if at < len(record.cells):
                text = cell(record.cells[at])
                if text and (codes := columns.codes.get(at)):
                    text = with_codes(text, record.cells, codes)
                found, fault = self._alone(text, beside) if alone else people_in(text, self._locale, beside)
                people |= dict.fromkeys(found)
                faults += [fault] if fault else []
        for at in columns.doubtful:
            if at < len(record.cells) and set(people_in(cell(record.cells[at]), self._locale, beside)[0]) - set(people):
                self.doubtful[table.names[at]].append(record.line)
        return Line(record.line, tuple(people), "; ".join(faults) or ("" if people else _NOBODY))

    def _alone(self, text: str, beside: Mapping[str, Any] | None) -> tuple[tuple[str, ...], str]:
        """The people of a cell without other columns: registries have millions of plain numbers.

        A number is read like an earlier one that differs in its last four digits only.
        """
        key = (text[:-_OWN_DIGITS], len(text))
        if (start := self._starts.get(key)) is not None and text.isascii() and text.isdigit():
            return (start + text[-_OWN_DIGITS:],), ""
        found, fault = people_in(text, self._locale, beside)
        plain = text.isascii() and text.isdigit() and not text.startswith(tuple(self._locale.dial_prefixes))
        if plain and not fault and len(found) == 1 and found[0].endswith(text):
            self._starts[key] = found[0][:-_OWN_DIGITS]
        return found, fault

    def _beside(self, table: Table, columns: _Columns, record: Record) -> Mapping[str, Any] | None:
        """The country and area of the row's phones, from other columns."""
        if not table.names:
            return None
        extra = {name: value for name, value in zip(table.names, record.cells, strict=False) if value}
        country = record.cells[columns.country] if 0 <= columns.country < len(record.cells) else ""
        return {"country": country, "extra": extra}

    def _columns_of(self, table: Table) -> _Columns:
        if not table.names:
            return _without_titles(table)
        read: list[int] = []
        doubtful: list[int] = []
        country = -1
        for at, title in enumerate(table.names):
            ours = self._field(table, at, title)
            if ours in REACH:
                read.append(at)
            elif ours == "country":
                country = at
            elif not ours:
                doubtful.append(at)
        titles = [title if at in doubtful else "" for at, title in enumerate(table.names)]
        return _Columns(read, doubtful, country, codes_before(titles, read))

    def _field(self, table: Table, at: int, title: str) -> str:
        if (key := title_key(title)) in self._wish.columns:
            return self._wish.columns[key] or "-"
        found = meaning(title)
        found = borne_out(found, title, _values(table, at)) if found else None
        return found.field if found else ""


def people_in(text: str, locale: Locale, beside: Mapping[str, Any] | None = None) -> tuple[tuple[str, ...], str]:
    """The people of a cell, and why a part of it could not be read ("" if all of it could)."""
    if not text:
        return (), ""
    reading = read_phones(text, locale, beside=beside)
    phones = [phone.e164 for phone in reading.phones]
    for prefix in locale.dial_prefixes:
        if text.startswith(prefix):
            phones += [phone.e164 for phone in read_phones(text.removeprefix(prefix), locale, beside=beside).phones]
    mails = emails(text)
    found = tuple(dict.fromkeys((*phones, *mails)))
    if mails or not phones:
        fault = "an e-mail address cannot be read" if text.count("@") > len(mails) else ""
        return found, fault or ("" if found or not reading.refused else f"a phone {reading.refused[0]}")
    return found, f"a phone {reading.refused[0]}" if reading.refused else ""


def _values(table: Table, at: int) -> list[str]:
    return [cell(record.cells[at]) for record in table.sample if not record.fault and at < len(record.cells)]


def _without_titles(table: Table) -> _Columns:
    """The only column, or the only one of several with phones, and the one with e-mails."""
    width = max((len(record.cells) for record in table.sample), default=0)
    filled = [at for at in range(width) if any(_values(table, at))]
    if len(filled) <= 1:
        _drop_title(table)
        return _Columns(filled, ())
    if not any(map(holds_data, table.sample[0].cells)) and not table.sample[0].fault:
        raise ConnectorError(
            phrase(
                "no column of {place} is called a phone or an e-mail: name it telefono, or correo, or say "
                '--columns "phones=…"',
                place=table.place,
            )
        )
    mails = [at for at in filled if any("@" in value for value in _values(table, at))]
    phones = [at for at in filled if at not in mails and _are_phones(_values(table, at))]
    if len(phones) > 1:
        raise ConnectorError(
            phrase(
                "{place} has no titles, and several of its columns may be phones, or documents: "
                "write telefono, cedula, correo … above them",
                place=table.place,
            )
        )
    return _Columns([*mails, *phones], ())


def _drop_title(table: Table) -> None:
    """Removes a word above the only column: it is the title."""
    first = next((record for record in table.sample if not record.is_blank), None)
    if first and len(table.sample) > 1 and not any(map(holds_data, first.cells)) and not _digits(first):
        table.records = (record for record in table.records if record is not first)


def _digits(record: Record) -> bool:
    return any(letter.isdigit() or letter == "@" for one in record.cells for letter in one)


def _are_phones(values: Sequence[str]) -> bool:
    filled = [value for value in values if value]
    return sum(map(has_a_number, filled)) * 2 > len(filled)
