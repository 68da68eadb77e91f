"""JSON files to rows: NDJSON, arrays, objects one after the other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, Final

import orjson

from connector.core.errors import ConnectorError
from connector.core.phrases import phrase
from connector.inbound.files.rows import Reading, Row, Understanding
from connector.inbound.files.table import SAMPLE, Record, Table, Weigh, table_of
from connector.inbound.files.text import LONGEST, File
from mappings.fields import number_text
from mappings.names import snake


class Lines:
    """NDJSON: one payload on each line, empty lines left out."""

    separator = ""
    understanding: Understanding | None = None
    warnings: Sequence[str] = ()

    def __init__(self, file: File) -> None:
        self._file = file

    def __iter__(self) -> Iterator[Row]:
        for number, raw in self._file.lines():
            if text := self._file.text(raw).strip():
                yield Row(number, text.encode())


#: A whole string, or a bracket or comma; a lone quote begins a string that continues beyond the buffer.
_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|["\[\]{},]', re.DOTALL)


class Elements:
    """The elements of an array, or objects one after the other. Only one is ever held whole.

    They are cut apart by their brackets, so that a broken one harms no other.
    """

    separator = ""
    understanding: Understanding | None = None
    warnings: Sequence[str] = ()

    def __init__(self, file: File) -> None:
        self._file = file
        self._held = b""
        self._start = 0  #: of the element, in the buffer
        self._at = 0  #: position of the scan
        self._line = 1  #: of the element
        self._depth = 0

    def __iter__(self) -> Iterator[Row]:
        in_array = self._begin()
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

    def _begin(self) -> bool:
        """Whether what follows are the elements of an array."""
        return self._file.head.startswith("[")

    def _token(self) -> tuple[bytes, int] | None:
        """The next bracket or comma outside of strings, and its position; None at the end of the file."""
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
        """Drops the part that was yielded, and reads on."""
        if len(self._held) - self._start > LONGEST:
            raise ConnectorError(
                phrase(
                    "{name}: what begins on line {line} has over {most:,} bytes",
                    name=self._file.name,
                    line=self._line,
                    most=LONGEST,
                )
            )
        more = self._file.read()
        self._held = self._held[self._start :] + more
        self._at -= self._start
        self._start = 0
        return bool(more)

    def _element(self, end: int) -> Iterator[Row]:
        """The text before ``end``, without surrounding blanks and commas."""
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
            raise ConnectorError(
                phrase("{name} ends within what begins on line {line}: it was cut off", name=self._file.name, line=line)
            )
        while not rest.strip() and (more := self._file.read()):
            rest = more
        if rest.strip():
            raise ConnectorError(
                phrase("{name} goes on after the end of its JSON, from line {line} on", name=self._file.name, line=line)
            )


#: An object whose first array holds objects or arrays: ``{"total": 2, "leads": [{…}, …]}``.
_WRAPPED: Final = re.compile(
    r'\{\s*(?:"(?:[^"\\]|\\.)*"\s*:\s*(?:"(?:[^"\\]|\\.)*"|[-+\w.]+)\s*,\s*)*"(?P<name>[^"\\]*)"\s*:\s*\[\s*[\[{]'
)
#: What programs call the array of rows; a person's own arrays are called otherwise ("phones", "tags").
_NAMES: Final = (
    "leads contacts contactos contatos clientes customers clients people persons personas pessoas users usuarios"
    " records registros rows filas linhas data datos dados results result resultados items value values list lista"
    " elements entries submissions responses respuestas respostas tickets casos cases orders pedidos deals"
    " prospectos prospects members miembros hits documents objects lead contact payload"
)
_COLLECTIONS: Final = frozenset(_NAMES.split())
_SAYS_ITS_TYPE: Final = re.compile(r'"type"\s*:\s*"(?:lead|ticket)\.')


def wraps_rows(head: str) -> bool:
    """Whether a file that begins so is one object around its rows."""
    found = _WRAPPED.match(head)
    return found is not None and snake(found["name"]) in _COLLECTIONS and not _SAYS_ITS_TYPE.search(found[0])


class Wrapped(Elements):
    """The elements of the first array inside of an object."""

    def _begin(self) -> bool:
        while (found := self._token()) and found[0] != b"[":
            pass
        self._line += self._held.count(b"\n", self._start, self._at)
        self._start, self._depth = self._at, 1
        return True

    def _end(self) -> None:
        """Raises `ConnectorError` unless the object ends, and the file with it."""
        rest = self._held[self._start :]
        while more := self._file.read():
            rest += more
            if len(rest) > LONGEST:
                raise ConnectorError(
                    phrase("{name} goes on after its rows for over {most:,} bytes", name=self._file.name, most=LONGEST)
                )
        try:
            orjson.loads(b'{"":0' + rest.strip())
        except orjson.JSONDecodeError:
            raise ConnectorError(phrase("{name} ends within its JSON: it was cut off", name=self._file.name)) from None


# --- tables in JSON -------------------------------------------------------------------------------------------------


class _Again:
    """A reading whose first rows were consumed and are yielded again."""

    def __init__(self, first: Sequence[Row], rest: Iterator[Row], rows: Reading) -> None:
        self.separator, self.understanding, self.warnings = rows.separator, rows.understanding, rows.warnings
        self._rows = chain(first, rest)

    def __iter__(self) -> Iterator[Row]:
        return self._rows


_PEEKED: Final = 262_144  #: bytes


def peeked(rows: Reading) -> tuple[Sequence[Row], Reading]:
    """The first rows, and all of them. A fault among the first comes again when all are read."""
    rest = iter(rows)
    first: list[Row] = []
    size = 0
    try:
        for row in rest:
            first.append(row)
            size += len(row.raw)
            if len(first) == SAMPLE or size > _PEEKED:
                break
    except ConnectorError as fault:
        rest = _raising(fault)
    return first, _Again(first, rest, rows)


def _raising(fault: ConnectorError) -> Iterator[Row]:
    raise fault
    yield


def grid_table(first: Sequence[Row], rows: Reading, weigh: Weigh, file: str) -> Table | None:
    """The table in an array of arrays, or of texts and numbers; None if it is not one."""
    if not first or not (all(row.raw.startswith(b"[") for row in first) or all(map(_is_scalar, first))):
        return None
    return table_of(map(_array_record, rows), weigh, file=file)


def _is_scalar(row: Row) -> bool:
    return row.raw[:1] in b'"+-0123456789'


def _array_record(row: Row) -> Record:
    try:
        cells = orjson.loads(row.raw)
    except orjson.JSONDecodeError:
        cells = None
    if isinstance(cells, str | int):
        cells = [cells]
    if not isinstance(cells, list):
        return Record(row.line, row.raw.decode(errors="replace"), [], "is no array, as the others are")
    return Record(row.line, row.raw.decode(errors="replace"), [_scalar(one) for one in cells])


def flat_table(first: Sequence[Row], rows: Reading, file: str) -> Table:
    """Objects as flat as rows, their keys being the titles; keys that only come later are added to them."""
    names = list(dict.fromkeys(name for row in first for name in _flattened(row) or ()))
    records = [_object_record(row, names) for row in first]
    rest = (_object_record(row, names) for row in islice(rows, len(first), None))
    return Table(file, names, 1, chain(records, rest), records)


def _object_record(row: Row, names: list[str]) -> Record:
    found = _flattened(row)
    text = row.raw.decode(errors="replace")
    if found is None:
        return Record(row.line, text, [], "is no object, as the others are")
    names += [name for name in found if name not in names]
    return Record(row.line, text, [found.get(name, "") for name in names])


def _flattened(row: Row) -> dict[str, str] | None:
    try:
        body = orjson.loads(row.raw)
    except orjson.JSONDecodeError:
        return None
    return {name: _scalar(value) for name, value in _leaves(body, "")} if isinstance(body, dict) else None


def _leaves(body: Mapping[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    for name, value in body.items():
        if isinstance(value, dict) and value and not before:
            yield from _leaves(value, f"{name}.")
        else:
            yield f"{before}{name}", value


def _scalar(value: Any) -> str:
    """A value of JSON as a cell has it."""
    if isinstance(value, str):
        return value
    if value is None or value in ([], {}):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return number_text(value)
    if isinstance(value, list) and all(isinstance(one, (str, int)) for one in value):
        return ", ".join(map(str, value))
    return orjson.dumps(value).decode()
