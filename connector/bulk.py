"""Files in bulk: CSV as spreadsheets write it, NDJSON, JSON arrays. Read piece by piece, stored in batches, repeatable.

A row has an id of its own or one made of its source and content, which holds for good: the same file again changes
nothing, and after a kill it goes on where it stopped. What it becomes is sent in the bulk lane, behind live events.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import os
import re
import stat
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import chain, count, islice
from pathlib import Path
from typing import Any, Final, Protocol

import orjson
from sqlalchemy import JSON, Connection, Select, Text, cast, column, func, literal, select

from connector import destinations
from connector.committer import Committer
from connector.db import Database
from connector.decode import event_key
from connector.errors import ConnectorError, Unreadable
from connector.inbox import HASHED, Arrival, Stored
from connector.options import listed, quote
from connector.outbox import BULK_OF
from connector.receive import Receiver, unreadable
from connector.routes import Router
from connector.settings import Settings, Source
from connector.tables import events
from mappings import PAYLOADS
from mappings.base import FieldError
from mappings.translated import KNOWN, LEAD_FIELDS, TICKET_FIELDS, as_names, folded

IMPORTED: Final = "import:"  #: event ids made of source and content; unlike a webhook's they never lapse
AT_ONCE: Final = 500  #: rows in one transaction
TOLD: Final = 10  #: invalid rows that are told one by one
SHOWN: Final = 5  #: rows that a dry run shows
LONGEST: Final = 10_000_000  #: bytes of one row, as of one webhook
_BATCH_BYTES: Final = 8_000_000
_CHUNK: Final = 1 << 18
_HEAD: Final = 4096


@dataclass(frozen=True, slots=True)
class Row:
    """One payload of a file: its JSON; with a ``fault``, the bytes as they stand."""

    line: int  #: where it begins, from 1
    raw: bytes
    content_type: str = "application/json"
    fault: str = ""


# --- files ----------------------------------------------------------------------------------------------------------

_BOMS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as UTF-16's does
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NO_TEXT: Final = (
    (b"PK\x03\x04", "is a workbook or an archive: save the sheet as “CSV UTF-8”, or unpack it first"),
    (b"\xd0\xcf\x11\xe0", "is a workbook: save the sheet as “CSV UTF-8” first"),
    (b"\x1f\x8b", "is compressed: unpack it first"),
    (b"%PDF", "is a PDF: a CSV, NDJSON or JSON file is needed"),
)


def _western(fault: UnicodeError) -> tuple[str, int]:
    if not isinstance(fault, UnicodeDecodeError):
        raise fault
    return fault.object[fault.start : fault.end].decode("cp1252", "replace"), fault.end


_AS_WESTERN: Final = "connector.cp1252"
codecs.register_error(_AS_WESTERN, _western)


class File:
    """A file's bytes, in UTF-8 if they were UTF-16 or of an encoding that was said; `text` understands the rest."""

    def __init__(self, raw: io.BufferedReader, name: str, encoding: str) -> None:
        self.name: Final = name
        self.size: Final = os.fstat(raw.fileno()).st_size
        self._raw = raw
        head = raw.read(_HEAD)
        self._codec: Final = codecs.lookup(encoding).name if encoding else _codec(head, name)
        self._western = False
        raw.seek(0)
        # latin-1 leaves every byte as it is, and only line ends are line ends.
        self._text = io.TextIOWrapper(raw, encoding=self._codec or "latin-1", newline="")
        self.head: Final = head.decode(self._codec or "utf-8", "ignore").removeprefix("\ufeff").lstrip()

    @property
    def encoding(self) -> str:
        """What it turned out to be so far."""
        return self._codec or ("cp1252" if self._western else "utf-8")

    @property
    def position(self) -> int:
        """How many bytes were read."""
        return self._raw.tell()

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Number and bytes, with its end, of each line; ends may be of any system. Raises `ConnectorError`."""
        for number in count(1):
            line = self._taken(self._text.readline, LONGEST + 1)
            if not line:
                return
            if len(line) > LONGEST:
                raise ConnectorError(f"line {number} of {self.name} is longer than {LONGEST:,} characters: is it text?")
            yield number, line.removeprefix(codecs.BOM_UTF8) if number == 1 else line

    def read(self) -> bytes:
        """The next bytes, b"" at the end. Raises `ConnectorError`."""
        return self._taken(self._text.read, _CHUNK)

    def text(self, raw: bytes) -> str:
        """Bytes as UTF-8, and cp1252 wherever they are not: files are glued together of both, and cut mid-letter."""
        try:
            return raw.decode()
        except UnicodeDecodeError:
            self._western = True
            return raw.decode(errors=_AS_WESTERN)

    def _taken(self, take: Callable[[int], str], most: int) -> bytes:
        try:
            text = take(most)
            return text.encode() if self._codec else text.encode("latin-1")
        except UnicodeError as fault:
            raise ConnectorError(f"{self.name} is not all in {self.encoding}: save it as UTF-8") from fault
        except OSError as fault:
            raise ConnectorError(f"{self.name} cannot be read: {fault.strerror}") from fault


@contextlib.contextmanager
def opened(path: Path, encoding: str = "") -> Iterator[File]:
    """The file; its encoding is found out when it is not said. Raises `ConnectorError` for what is no text file."""
    try:
        raw = path.open("rb")
    except OSError as fault:
        raise ConnectorError(f"{path} cannot be read: {fault.strerror}") from fault
    with raw:
        if not stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
            raise ConnectorError(f"{path} is no regular file: save what it gives into one first")
        try:
            file = File(raw, path.name, encoding)
        except LookupError as fault:
            raise ConnectorError(f"no encoding is called {quote(encoding)}: utf-8, cp1252, mac-roman …") from fault
        yield file


def _codec(head: bytes, name: str) -> str:
    """Of a byte order mark, or of UTF-16 without one; "" for what `File.text` tells apart."""
    for start, what in _NO_TEXT:
        if head.startswith(start):
            raise ConnectorError(f"{name} {what}")
    for mark, codec in _BOMS:
        if head.startswith(mark):
            return codec
    zeros = (head[0::2].count(0), head[1::2].count(0))
    if sum(zeros) * 8 < len(head):
        return ""  # a stray one is some cell's
    if min(zeros) * 10 > max(zeros):
        raise ConnectorError(f"{name} is no text file: a CSV, NDJSON or JSON file is needed")
    return "utf-16-le" if zeros[1] > zeros[0] else "utf-16-be"


class Reading(Protocol):
    """How a file of some kind is read."""

    separator: str  #: CSV: what stands between cells; "" otherwise

    def __iter__(self) -> Iterator[Row]:
        """Its rows. Raises `ConnectorError` where it cannot go on."""


def reading(file: File, source: Source, event_type: str = "") -> Reading:
    """The rows of a file for a source: JSON as its payloads are, CSV by the names of its columns.

    ``event_type`` is what rows of a CSV are that do not say, instead of the mapping's first. Raises `ConnectorError`
    when the source can read no such file, or the columns are none it knows.
    """
    kind = _kind(file)
    if kind == "csv":
        return CsvRows(file, source, event_type)
    if event_type:
        raise ConnectorError(f"--type is for CSV: every payload of {file.name} says its own type")
    return Lines(file) if kind == "lines" else Elements(file)


_SUFFIXES: Final = {".csv": "csv", ".tsv": "csv", ".tab": "csv", ".txt": "csv", ".ndjson": "lines", ".jsonl": "lines"}


def _kind(file: File) -> str:
    """csv | lines | elements, by the name, where it tells, and by how the text begins."""
    named = _SUFFIXES.get(Path(file.name).suffix.lower(), "")
    if named == "csv":
        return named
    if file.head[:1] in ("[", "{") and not _is_json(file.head.splitlines()[0]):
        return named if named and file.head[0] == "{" else "elements"
    if file.head[:1] in ("[", "{"):
        # A whole array on a line is an array; the same in a file of lines is one of its lines.
        return "elements" if file.head[0] == "[" and not named else "lines"
    if Path(file.name).suffix.lower() == ".json":
        raise ConnectorError(f"{file.name} holds no JSON: an array of objects, or objects one after the other")
    return named or "csv"


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


# --- JSON -----------------------------------------------------------------------------------------------------------


class Lines:
    """NDJSON: one payload on each line, empty lines left out."""

    separator = ""

    def __init__(self, file: File) -> None:
        self._file = file

    def __iter__(self) -> Iterator[Row]:
        for number, raw in self._file.lines():
            if text := self._file.text(raw).strip():
                yield Row(number, text.encode())


#: A whole string, or what opens, closes and separates; a quote alone begins a string that ends beyond what is held.
_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|["\[\]{},]', re.DOTALL)


class Elements:
    """The elements of an array, or objects one after the other. Only one is ever held whole.

    They are cut apart by their brackets, so that a broken one harms no other.
    """

    separator = ""

    def __init__(self, file: File) -> None:
        self._file = file
        self._held = b""
        self._start = 0  #: of the element, in what is held
        self._at = 0  #: looked through so far
        self._line = 1  #: of the element
        self._depth = 0

    def __iter__(self) -> Iterator[Row]:
        in_array = self._file.head.startswith("[")
        for token, begin in iter(self._token, None):
            if token in b"[{":
                self._depth += 1
                if self._depth == 1:
                    yield from self._element(begin)
                    self._start += in_array
            elif token in b"]}":
                self._depth = max(0, self._depth - 1)
                if not self._depth:
                    yield from self._element(begin if in_array else self._at)
                    if in_array:
                        self._start = self._at
                        break
            elif in_array and self._depth == 1:
                yield from self._element(begin)
        self._end()

    def _token(self) -> tuple[bytes, int] | None:
        """The next bracket or comma outside of strings, and where it is; None at the end of the file."""
        while True:
            match = _TOKEN.search(self._held, self._at)
            if match is None or match[0] == b'"':
                self._at = match.start() if match else len(self._held)
                if not self._more():
                    return None
            else:
                self._at = match.end()
                if len(match[0]) == 1:
                    return match[0], match.start()

    def _more(self) -> bool:
        """Lets go of what was handed over, and reads on."""
        if len(self._held) - self._start > LONGEST:
            raise ConnectorError(f"{self._file.name}: what begins on line {self._line} has over {LONGEST:,} bytes")
        more = self._file.read()
        self._held = self._held[self._start :] + more
        self._at -= self._start
        self._start = 0
        return bool(more)

    def _element(self, end: int) -> Iterator[Row]:
        """What stands before ``end``, without the blanks and commas around it."""
        raw = self._held[self._start : end]
        if text := self._file.text(raw).strip("\ufeff, \t\r\n"):
            blank = len(raw) - len(raw.lstrip(b", \t\r\n"))
            yield Row(self._line + raw.count(b"\n", 0, blank), text.encode())
        self._line += raw.count(b"\n")
        self._start = end

    def _end(self) -> None:
        """Raises `ConnectorError` unless the file ends here, too."""
        rest = self._held[self._start :]
        line = self._line + rest[: len(rest) - len(rest.lstrip(b", \t\r\n"))].count(b"\n")
        if self._depth:
            raise ConnectorError(f"{self._file.name} ends within what begins on line {line}: it was cut off")
        while not rest.strip() and (more := self._file.read()):
            rest = more
        if rest.strip():
            raise ConnectorError(f"{self._file.name} goes on after the end of its JSON, from line {line} on")


# --- CSV ------------------------------------------------------------------------------------------------------------

_SEPARATORS: Final = ("\t", ";", ",", "|")
_SAMPLE: Final = 50  #: lines
_LINES_OF_A_RECORD: Final = 1000
_DECLARED: Final = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)  #: Excel's own first line


@dataclass(frozen=True, slots=True)
class _Record:
    line: int
    text: str
    cells: list[str]
    fault: str = ""

    @property
    def is_blank(self) -> bool:
        return not self.fault and not any(map(str.strip, self.cells))


class CsvRows:
    """A table whose first filled line names its columns. Each row becomes a payload of the source."""

    def __init__(self, file: File, source: Source, event_type: str) -> None:
        self._file = file
        lines = ((number, file.text(raw)) for number, raw in file.lines())
        sample = list(islice(lines, _SAMPLE))
        self.separator, declared = _separator([text for _, text in sample])
        self._records = _Records(chain(sample[declared:], lines), self.separator)
        header = next((record for record in self._records if not record.is_blank), None)
        if header is None or header.fault:
            why = f"line {header.line} {header.fault}" if header else "it is empty"
            raise ConnectorError(f"{file.name} has no header row that names its columns: {why}")
        names = [name.strip() for name in header.cells]
        self._columns = _columns(source, names, event_type, file.name)
        self._records.width = len(names)

    def __iter__(self) -> Iterator[Row]:
        return (self._row(record) for record in self._records if not record.is_blank)

    def _row(self, record: _Record) -> Row:
        fault = record.fault
        if not fault and not self._records.fits(record.cells, least=0):
            fault = f"has {len(record.cells)} cells, and there are {self._records.width} columns: quote what holds a "
            fault += "tab" if self.separator == "\t" else f"“{self.separator}”"
        if fault:
            return Row(record.line, record.text.encode(), "text/csv", fault)
        body = self._columns.body(record.cells)
        return Row(record.line, orjson.dumps(body, option=orjson.OPT_SORT_KEYS))


class _Records:
    """Lines to records. A quote that never closes spoils its own line, not the rest of the file."""

    def __init__(self, lines: Iterator[tuple[int, str]], separator: str) -> None:
        self.width = 0  #: columns, once they are known
        self._lines = lines
        self._returned: deque[tuple[int, str]] = deque()
        self._separator = separator

    def __iter__(self) -> Iterator[_Record]:
        for line, text in iter(self._next, None):
            yield self._quoted(line, text) if '"' in text else self._alone(line, text)

    def fits(self, cells: Sequence[str], *, least: int) -> bool:
        """At ``least`` as many cells as that, and no filled one without a column."""
        return not self.width or (len(cells) >= least and not any(map(str.strip, cells[self.width :])))

    def _next(self) -> tuple[int, str] | None:
        return self._returned.popleft() if self._returned else next(self._lines, None)

    def _quoted(self, line: int, text: str) -> _Record:
        """The record that begins here, over several lines if its quotes say so and its cells fit the columns."""
        taken = [(line, text)]

        def lines() -> Iterator[str]:
            yield text
            for _ in range(_LINES_OF_A_RECORD):
                if (more := self._next()) is None:
                    return
                taken.append(more)
                yield more[1]

        with contextlib.suppress(csv.Error):
            cells = next(csv.reader(lines(), delimiter=self._separator, strict=True))
            if len(taken) == 1 or self.fits(cells, least=self.width):
                return _Record(line, "".join(part for _, part in taken), cells)
        self._returned.extendleft(reversed(taken[1:]))
        return self._alone(line, text)

    def _alone(self, line: int, text: str) -> _Record:
        """The record of this line only, as forgiving as spreadsheets are."""
        goes_on = False

        def lines() -> Iterator[str]:
            nonlocal goes_on
            yield text
            goes_on = True

        try:
            cells = next(csv.reader(lines(), delimiter=self._separator))
        except csv.Error as fault:
            return _Record(line, text, [], f"is no row: {fault}")
        return _Record(line, text, cells, "has a quote that is not closed, or not closed right" if goes_on else "")


def _separator(lines: Sequence[str]) -> tuple[str, int]:
    """What most likely stands between the cells, and how many lines said so themselves."""
    if lines and (declared := _DECLARED.fullmatch(lines[0])):
        return declared[1], 1
    return max(_SEPARATORS, key=lambda separator: _likeliness(lines, separator)), 0


def _likeliness(lines: Sequence[str], separator: str) -> tuple[bool, float, int]:
    """The names are several, the rows have as many cells, and there are many of them."""
    rows: list[list[str]] = []
    with contextlib.suppress(csv.Error):
        rows.extend(row for row in csv.reader(lines, delimiter=separator) if any(map(str.strip, row)))
    width = len(rows[0]) if rows else 0
    alike = sum(len(row) == width for row in rows) / (len(rows) or 1)
    return width > 1, round(alike, 1), width


# --- columns --------------------------------------------------------------------------------------------------------


class _Columns(Protocol):
    def body(self, cells: Sequence[str]) -> dict[str, Any]:
        """A row as the payload that its source's mapping reads."""


@dataclass(frozen=True, slots=True)
class _Own:
    """Our own JSON: what a column may be called, folded -> its field; what it may be called besides; who is reached."""

    fields: Mapping[str, str]
    known: Mapping[str, str]
    reach: frozenset[str]


_OF_A_TICKET: Final = {
    "first_name": "customer.name",
    "email": "customer.email",
    "phones": "customer.phone",
    "id_number": "customer.identification",
}
_OWN: Final[dict[str, _Own]] = {
    "lead": _Own(
        fields={folded(name): name for name in LEAD_FIELDS},
        known=KNOWN,
        reach=frozenset({"phones", "email", "callback_phone"}),
    ),
    "ticket": _Own(
        fields={folded(name): name for name in TICKET_FIELDS},
        known={name: _OF_A_TICKET[ours] for name, ours in KNOWN.items() if ours in _OF_A_TICKET},
        reach=frozenset({"customer.email", "customer.phone", "customer.identification", "answer_id"}),
    ),
}
#: The mappings that read objects as flat as a row.
_FLAT: Final = ("form", "elementor")
_ENVELOPE: Final = ("id", "type", "time")
_PHONES: Final = ("phones", "customer.phone")
_NUMBERED: Final = re.compile(r"(.*?)_?(\d{1,2})")
_EXTRA: Final = re.compile(r"extra[._ ]+(.+)", re.IGNORECASE)
_EVENT_TYPE: Final = re.compile(r"(lead|ticket)\.\w+")


def _columns(source: Source, names: Sequence[str], event_type: str, file: str) -> _Columns:
    """How this source's rows are read. Raises `ConnectorError` when they cannot be."""
    mapping = PAYLOADS[source.mapping]
    if own := _OWN.get(source.mapping):
        if event_type and event_type not in mapping.event_types:
            raise ConnectorError(f"--type must be one of {listed(mapping.event_types)} for source {quote(source.name)}")
        return _OwnColumns(own, names, event_type or mapping.event_types[0], file)
    if event_type:
        raise ConnectorError(f"--type is for the mappings lead and ticket; {quote(source.name)} has {source.mapping}")
    if source.mapping in _FLAT:
        return _NamedColumns(source, names, file)
    raise ConnectorError(
        f"the mapping {source.mapping} reads no tables: send JSON as its sender does, or import to a source with "
        'mapping = "lead", "ticket" or "form"'
    )


class _OwnColumns:
    """Columns by name into our own JSON; what has no field of ours goes into extra, by its folded name."""

    def __init__(self, own: _Own, names: Sequence[str], event_type: str, file: str) -> None:
        self._type = event_type
        found = []
        keys: set[str] = set()
        for index, name in enumerate(names):
            field_, rank = _place(own, name)
            key = _unique(_extra_key(name, index), keys)
            found.append((rank, index, field_, key))
        self._columns = [(index, field_, key) for _, index, field_, key in sorted(found)]
        if not own.reach & {field_ for _, field_, _ in self._columns}:
            # The names are not shown: without a header they are somebody's data.
            hint = "phone, email" if "phones" in own.reach else "customer.phone, customer.email, answer_id"
            raise ConnectorError(f"{file} has no header row that names a column to reach people by: {hint}")

    def body(self, cells: Sequence[str]) -> dict[str, Any]:
        """Of several columns for one field the first that is filled; phones are all taken."""
        found: dict[str, Any] = {"type": self._type}
        phones: list[str] = []
        extra: dict[str, str] = {}
        for index, field_, key in self._columns:
            value = cell(cells[index]) if index < len(cells) else ""
            if not value:
                continue
            if field_ == "phones":
                phones.append(value)
            elif field_ == "type" and _EVENT_TYPE.fullmatch(value):
                found["type"] = value
            elif field_ and field_ not in found:
                found[field_] = value
            else:
                extra[key] = value
        if phones:
            found["phones"] = phones[0] if len(phones) == 1 else phones
        return _nested(found, extra)


def _nested(found: Mapping[str, Any], extra: Mapping[str, str]) -> dict[str, Any]:
    body = {name: found[name] for name in _ENVELOPE if name in found}
    data: dict[str, Any] = {"extra": extra} if extra else {}
    for name, value in found.items():
        part, _, inner = name.rpartition(".")
        if name not in _ENVELOPE:
            (data.setdefault(part, {}) if part else data)[inner] = value
    return {**body, "data": data}


def _place(own: _Own, name: str) -> tuple[str, tuple[bool, int]]:
    """The field of a column, "" for none; and its rank among those that have the same: our name, then the number."""
    plain = folded(name)
    if _EXTRA.fullmatch(name):
        return "", (True, 0)
    if plain in own.fields:
        return own.fields[plain], (False, 0)
    if plain in own.known:
        ours = own.known[plain]
        return ours, (ours not in _PHONES, 0)
    numbered = _NUMBERED.fullmatch(plain)
    ours = own.known.get(numbered[1], own.fields.get(numbered[1], "")) if numbered else ""
    if numbered and ours in _PHONES:
        return ours, (False, int(numbered[2]))
    return "", (True, 0)


def _extra_key(name: str, index: int) -> str:
    """What a column is called in extra: "Programa académico" is programa_academico, "utm.source" stays."""
    named = _EXTRA.fullmatch(name)
    parts = (named[1] if named else name).split(".")
    return ".".join(map(folded, parts)) if all(map(folded, parts)) else name or f"column_{index + 1}"


def _unique(name: str, names: set[str]) -> str:
    """``name``, or the first of name_2, name_3, … that is not among ``names`` yet."""
    found = next(n for n in chain((name,), (f"{name}_{number}" for number in count(2))) if n not in names)
    names.add(found)
    return found


class _NamedColumns:
    """Columns under the names by which the source's ``fields`` call them, however they are written in the file."""

    def __init__(self, source: Source, names: Sequence[str], file: str) -> None:
        wanted = [name for named in source.fields.values() for name in as_names(named)]
        called = {folded(name): name for name in wanted if folded(name)} | {name: name for name in wanted}
        known = called.keys() | (set() if PAYLOADS[source.mapping].needs_fields else KNOWN.keys())
        if not any(name in known or folded(name) in known for name in names):
            which = (
                f" as the fields of {quote(source.name)} are: {listed(tuple(wanted))}" if wanted else " phone or email"
            )
            raise ConnectorError(f"{file} has no header row with a column called{which}")
        self._names = [
            called.get(name) or called.get(folded(name)) or name or f"column_{index + 1}"
            for index, name in enumerate(names)
        ]

    def body(self, cells: Sequence[str]) -> dict[str, Any]:
        """Name -> cell; of several columns of one name, a list. Empty cells are left out."""
        found: dict[str, Any] = {}
        for name, given in zip(self._names, cells, strict=False):
            if value := cell(given):
                earlier = found.get(name)
                found[name] = (
                    value if earlier is None else [*(earlier if isinstance(earlier, list) else [earlier]), value]
                )
        return found


_FORMULA: Final = re.compile(r'="([^"]*)"')
_MARKED_TEXT: Final = re.compile(r"'[+\d(]")
_FAULTY: Final = re.compile(r"#(N/[AD]|¡?(NULL|NULO|NUM|REF|VALUE|VALOR|DIV/0)!|¿?(NAME|NOMBRE)\?)")


def cell(given: str) -> str:
    """A cell's text without what only spreadsheets mean: ``="300"`` and ``'300`` are 300, ``#N/A`` is nothing."""
    text = given.strip()
    if text[:1] == "=" and (formula := _FORMULA.fullmatch(text)):
        text = formula[1].strip()
    if text[:1] == "'" and _MARKED_TEXT.match(text):
        text = text[1:]
    return "" if text[:1] == "#" and _FAULTY.fullmatch(text) else text


# --- storing --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Tally:
    """What became of the rows."""

    rows: int = 0
    accepted: int = 0
    duplicate: int = 0  #: stored before, by this file or another way
    ignored: int = 0  #: kept; no route wants them
    waiting: int = 0  #: thin: the rest is fetched
    invalid: int = 0  #: kept as invalid, once
    deliveries: int = 0
    dead: int = 0  #: of the deliveries: no record can be made
    expired: int = 0  #: of the deliveries: already older than their route allows
    noted: int = 0  #: accepted, but some optional field of theirs was dropped or cut
    faults: list[dict[str, Any]] = field(default_factory=list)  #: the first invalid ones: line, event_id, errors
    shown: list[tuple[int, Arrival]] = field(default_factory=list)  #: the first rows, of a dry run


class Bulk:
    """The way of a source's rows into the inbox; without a database, only what they would be."""

    def __init__(self, settings: Settings, source: Source, database: Database | None) -> None:
        self.tally: Final = Tally()
        self._source = source
        self._receiver = Receiver(settings, Router(settings, destinations.name_of))
        self._database = database
        self._committer = Committer(database, settings.hash_key) if database else None

    def take(self, rows: Iterable[Row]) -> Iterator[Tally]:
        """Stores them batch by batch; the tally after each. Raises `ConnectorError`: what came before is stored.

        Where not one of the first hundreds can be read, it is the file or the source that is wrong: nothing is stored.
        """
        for batch in _batches(rows):
            self._take(batch)
            yield self.tally

    def close(self) -> None:
        if self._committer:
            self._committer.close()

    def _take(self, batch: Sequence[Row]) -> None:
        first = not self.tally.rows
        new = self._unknown(batch)
        arrivals = [(row.line, arrival) for row, key in new for arrival in self._arrivals(row, key)]
        if first and len(new) == AT_ONCE and all(arrival.state == "invalid" for _, arrival in arrivals):
            raise _hopeless(arrivals)
        verdicts = self._put([arrival for _, arrival in arrivals])
        self.tally.rows += len(batch)
        self.tally.duplicate += len(batch) - len(new)
        for (line, arrival), verdict in zip(arrivals, verdicts, strict=True):
            self._count(line, arrival, verdict)

    def _arrivals(self, row: Row, key: str) -> list[Arrival]:
        """A row's events, mapped and routed into the bulk lane."""
        try:
            if row.fault:
                raise Unreadable((FieldError("row", row.fault),))
            arrivals, _ = self._receiver.arrivals(self._source, row.raw, content_type=row.content_type, headers={})
        except Unreadable as fault:
            arrivals = [unreadable(self._source, row.raw, row.content_type, fault)]
        for index, arrival in enumerate(arrivals):
            if arrival.event_id.startswith(HASHED):
                arrival.event_id = f"{key}.{index}" if len(arrivals) > 1 else key
            for delivery in arrival.deliveries:
                delivery.lane = BULK_OF[delivery.lane]
        return arrivals

    def _unknown(self, batch: Sequence[Row]) -> list[tuple[Row, str]]:
        """The rows that are not stored yet, as far as that can be told without mapping them, with their key."""
        keyed = [(row, *_identity(self._source.name, row)) for row in batch]
        if not self._database:
            return [(row, key) for row, key, _, _ in keyed]
        asked = [name for _, key, own, _ in keyed for name in (key, own) if name]
        with self._database.read() as conn:
            known = _stored(conn, self._source.name, asked)
        return [(row, key) for row, key, own, text in keyed if key not in known and (not own or known.get(own) != text)]

    def _put(self, arrivals: Sequence[Arrival]) -> list[Stored]:
        """What became of each. Those that were kept as invalid before are not kept again."""
        if self._committer is None or self._database is None:
            return [Stored(a.state, a.event_id, len(a.deliveries)) for a in arrivals]
        with self._database.read() as conn:
            again = kept_before(conn, self._source.name, arrivals)
        stored = iter(self._committer.put([a for a in arrivals if id(a) not in again]))
        return [Stored("invalid", a.event_id) if id(a) in again else next(stored) for a in arrivals]

    def _count(self, line: int, arrival: Arrival, verdict: Stored) -> None:
        status = "invalid" if verdict.status == "conflict" else verdict.status
        tally = self.tally
        setattr(tally, status, getattr(tally, status) + 1)
        if not self._database and len(tally.shown) < SHOWN:
            tally.shown.append((line, arrival))
        if status == "invalid" and len(tally.faults) < TOLD:
            tally.faults.append({"line": line, "event_id": arrival.event_id, "errors": arrival.errors})
        if status == "accepted":
            now = time.time() * 1000
            tally.deliveries += verdict.deliveries
            tally.dead += sum(delivery.state == "dead" for delivery in arrival.deliveries)
            tally.expired += sum(delivery.expires_at <= now for delivery in arrival.deliveries)
            tally.noted += bool(arrival.notes)


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Rows by the hundreds, fewer when they are large. What came before a fault is handed over before it is raised."""
    batch: list[Row] = []
    size = 0
    try:
        for row in rows:
            batch.append(row)
            size += len(row.raw)
            if len(batch) == AT_ONCE or size > _BATCH_BYTES:
                yield batch
                batch, size = [], 0
    except ConnectorError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


def _hopeless(arrivals: Sequence[tuple[int, Arrival]]) -> ConnectorError:
    line, arrival = arrivals[0]
    why = "; ".join(f"{error['field']}: {error['message']}" for error in arrival.errors)
    return ConnectorError(
        f"nothing is stored: not one of the first {len(arrivals)} rows can be read (line {line}: {why}); "
        "is it the right file and the right source?"
    )


def _identity(source: str, row: Row) -> tuple[str, str, str]:
    """The key of a row's content, the id that it says itself ("" for none), and its text as the inbox keeps it."""
    canonical, own, text = row.raw, "", ""
    if not row.fault:
        with contextlib.suppress(orjson.JSONDecodeError, orjson.JSONEncodeError):
            body = orjson.loads(row.raw)
            canonical, text = orjson.dumps(body, option=orjson.OPT_SORT_KEYS), orjson.dumps(body).decode()
            said = body.get("id") if isinstance(body, dict) else ""
            own = event_key(str(said).strip()) if isinstance(said, str | int) and not isinstance(said, bool) else ""
    return IMPORTED + sha256(source.encode() + b"\0" + canonical).hexdigest(), own, text


def _stored(conn: Connection, source: str, keys: Sequence[str]) -> dict[str, str]:
    """Key -> payload of what the inbox has under these keys."""
    e = events.c
    query = select(e.key, e.payload).where(e.source == source, e.key.in_(_among(conn, keys)))
    return {row.key: row.payload for row in conn.execute(query)}


def _among(conn: Connection, names: Sequence[str]) -> Select[tuple[str]]:
    """Hundreds of names as one value: as that many, Postgres compares each with every row of a table that is new."""
    given = literal(orjson.dumps(names).decode(), Text)
    split = func.json_each(given) if conn.dialect.name == "sqlite" else func.json_array_elements_text(cast(given, JSON))
    return select(split.table_valued(column("value", Text)).c.value)


def kept_before(conn: Connection, source: str, arrivals: Sequence[Arrival]) -> set[int]:
    """`id` of the arrivals that the inbox keeps as invalid already, word for word, and that would be so again.

    They get the errors that they are kept with.
    """
    e = events.c
    names = [arrival.event_id for arrival in arrivals]
    query = select(e.event_id, e.payload, e.errors).where(
        e.source == source, e.key.is_(None), e.state == "invalid", e.event_id.in_(_among(conn, names))
    )
    kept = {(row.event_id, row.payload): row.errors for row in conn.execute(query)}
    copies = [arrival for arrival in arrivals if (arrival.event_id, arrival.payload) in kept]
    # A row that is valid now may have been kept because another had its id before: it has, if that is still there.
    valid = {arrival.event_id: arrival.fingerprint for arrival in copies if arrival.state != "invalid"}
    holders = select(e.key, e.fingerprint).where(e.source == source, e.key.in_(_among(conn, list(valid))))
    taken = {row.key for row in conn.execute(holders) if row.fingerprint != valid[row.key]} if valid else set()
    again = [arrival for arrival in copies if arrival.state == "invalid" or arrival.event_id in taken]
    for arrival in again:
        arrival.errors = orjson.loads(kept[arrival.event_id, arrival.payload] or "[]")
    return {id(arrival) for arrival in again}
