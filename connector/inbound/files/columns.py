"""Which column of a table is which field of a source's payload."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count
from typing import Any, Final, Protocol

from connector.core.errors import ConnectorError
from connector.core.phrases import phrase
from connector.core.settings import Source
from connector.core.text import did_you_mean, listed, quote
from connector.inbound.files.encodings import once_encoded
from connector.inbound.files.headers import REACH, Meaning, borne_out, meaning, not_to_call, reaches, weight
from connector.inbound.files.phone_codes import codes_before, with_codes
from connector.inbound.files.rows import Understanding
from connector.inbound.files.table import Table, Weigh
from mappings import PAYLOADS, names
from mappings.names import folded
from mappings.translated import LEAD_FIELDS, TICKET_FIELDS, as_names


class Columns(Protocol):
    understanding: Understanding

    def body(self, cells: Sequence[Any]) -> dict[str, Any]:
        """A row as the payload that its source's mapping reads."""


@dataclass(frozen=True, slots=True)
class Wish:
    """The options of an import about a file's columns."""

    columns: Mapping[str, str]  #: a column's title, folded -> our field; "" to leave it aside
    ids: str = "file"  #: "file": ids count within the file; "global": they are the events' own
    event_type: str = ""


NO_WISH: Final = Wish({})


@dataclass(frozen=True, slots=True)
class _Own:
    """Our own JSON: its fields, folded; the fields of a person; those by which the person is reached."""

    fields: Mapping[str, str]
    persons: Mapping[str, str]
    reach: frozenset[str]


_OF_A_TICKET: Final = {
    "first_name": "customer.name",
    "email": "customer.email",
    "phones": "customer.phone",
    "id_number": "customer.identification",
    "id": "id",
    "time": "time",
}
_OWN: Final[dict[str, _Own]] = {
    "lead": _Own(
        fields={folded(name): name for name in LEAD_FIELDS},
        persons={name: name for name in LEAD_FIELDS},
        reach=REACH,
    ),
    "ticket": _Own(
        fields={folded(name): name for name in TICKET_FIELDS},
        persons=_OF_A_TICKET,
        reach=frozenset({"customer.email", "customer.phone", "customer.identification", "answer_id"}),
    ),
}
#: The mappings that read objects as flat as a row.
FLAT: Final = ("form", "elementor")
#: The mappings that read tables.
TABULAR: Final = (*_OWN, *FLAT)
_ENVELOPE: Final = ("id", "type", "time")
_PHONES: Final = ("phones", "customer.phone")
_JOINED: Final = ("first_name", "last_name", "customer.name")
_EXTRA: Final = re.compile(r"extra[._ ]+(.+)", re.IGNORECASE)
_EVENT_TYPE: Final = re.compile(r"(lead|ticket)\.\w+")
_ASIDE: Final = ("", "-", "extra", "none")
_UTC: Final = re.compile(r"\b(?:UTC|GMT)\b(?!\s*[+-])")
_NAIVE: Final = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?")


def wish_of(pairs: Sequence[str], *, ids: str = "file", event_type: str = "") -> Wish:
    """Parses ``--columns "phones=Nº de celular"``. Raises `ConnectorError` if it is not such a pair."""
    columns: dict[str, str] = {}
    for pair in pairs:
        field, separator, title = pair.partition("=")
        if not separator or not title.strip():
            raise ConnectorError(
                phrase('--columns {pair} is no “field=column”, as --columns "phones=Nº de celular"', pair=quote(pair))
            )
        columns[title_key(title)] = "" if field.strip().lower() in _ASIDE else field.strip()
    return Wish(columns, ids, event_type)


def title_key(text: str) -> str:
    """A title as it is compared: folded, or as it is where nothing is left of it."""
    return folded(text) or text.strip()


def weigh_persons(wish: Wish = NO_WISH) -> Weigh:
    """How a cell is weighed as a title of a list of people."""

    def weigh(cell: str) -> tuple[int, bool]:
        title = title_key(cell)
        return (8, wish.columns[title] in REACH) if title in wish.columns else (weight(cell), reaches(cell))

    return weigh


def weigher(source: Source, wish: Wish = NO_WISH) -> Weigh:
    """How a cell is weighed as a title of this source's table."""
    named = {title_key(name) for value in source.fields.values() for name in as_names(value)}
    own = _OWN.get(source.mapping)
    always = source.mapping in FLAT and PAYLOADS[source.mapping].needs_fields

    def weigh(cell: str) -> tuple[int, bool]:
        title = title_key(cell)
        if title in wish.columns:
            return 8, wish.columns[title] != ""
        if title in named:
            return 8, True
        if own and title in own.fields:
            return 4, own.fields[title] in own.reach
        if not (found := weight(cell)):
            return (1, False) if _EXTRA.fullmatch(cell.strip()) else (0, False)
        reaching = reaches(cell) or (own is not None and _field_of(own, meaning(cell)) in own.reach)
        return found, reaching and not always

    return weigh


def columns_of(source: Source, table: Table, wish: Wish = NO_WISH) -> Columns:
    """How this source's rows are read. Raises `ConnectorError` when they cannot be."""
    mapping = PAYLOADS[source.mapping]
    _demand_columns(table, wish)
    if own := _OWN.get(source.mapping):
        if wish.event_type and wish.event_type not in mapping.event_types:
            raise ConnectorError(
                phrase(
                    "--type must be one of {event_types} for source {name}",
                    event_types=listed(mapping.event_types),
                    name=quote(source.name),
                )
            )
        return _OwnColumns(own, table, wish, wish.event_type or mapping.event_types[0])
    if wish.event_type:
        raise ConnectorError(
            phrase(
                "--type is for the mappings lead and ticket; {name} has {mapping}",
                name=quote(source.name),
                mapping=source.mapping,
            )
        )
    if source.mapping in FLAT:
        return _NamedColumns(source, table, wish)
    raise ConnectorError(
        phrase(
            "the mapping {mapping} reads no tables: send JSON as its sender does, or import to a source with "
            'mapping = "lead", "ticket" or "form"',
            mapping=source.mapping,
        )
    )


def _demand_columns(table: Table, wish: Wish) -> None:
    """Raises `ConnectorError` for a column that ``--columns`` names and the file does not have."""
    there = {title_key(name): name for name in table.names}
    for title in wish.columns:
        if title not in there:
            titles = listed(tuple(n for n in table.names if n)[:20])
            has = phrase(": it has {names}", names=titles) if titles else phrase(": it has no titles")
            hint = did_you_mean(title, there) or has
            raise ConnectorError(
                phrase("{place} has no column {title}{hint}", place=table.place, title=quote(title), hint=hint)
            )


@dataclass(frozen=True, slots=True)
class _Column:
    index: int
    field: str  #: "" for one that is kept in extra
    key: str  #: its name in extra
    rank: tuple[int, int, int]
    part: int = 0
    is_utc: bool = False

    def order(self) -> tuple[int, ...]:
        """Which of several columns with the same field comes first."""
        return (self.part, *self.rank, self.index)


class _OwnColumns:
    """Columns, by their titles, as our own JSON; a column without a field of ours goes into extra, by its folded
    title.
    """

    def __init__(self, own: _Own, table: Table, wish: Wish, event_type: str) -> None:
        self._type = event_type
        self._titles = table.names
        self._known = len(table.names)
        keys: set[str] = set()
        self._column: Callable[[int], _Column] = lambda index: _column(own, table, wish, index, keys)
        found = [self._column(index) for index in range(self._known)]
        self._columns = sorted(found, key=_Column.order)
        titles = ["" if one.field else table.names[one.index] for one in found]
        self._codes = codes_before(titles, [one.index for one in found if one.field in _PHONES])
        if not own.reach & {one.field for one in found}:
            # Titles are not logged: without a header row they are personal data.
            hint = "phone, email" if "phones" in own.reach else "customer.phone, customer.email, answer_id"
            raise ConnectorError(
                phrase(
                    "{place} has no header row that names a column to reach people by: {hint}; "
                    '--columns "phones=…" names one',
                    place=table.place,
                    hint=hint,
                )
            )
        self.understanding = Understanding(
            read=[(one.field, table.names[one.index]) for one in self._columns if one.field],
            aside=[table.names[one.index] for one in found if not one.field and table.names[one.index]],
            place=table.line_of_titles,
        )

    def body(self, cells: Sequence[Any]) -> dict[str, Any]:
        """Of several columns for one field, the first filled one; phones are all kept, parts of names are joined."""
        found: dict[str, Any] = {"type": self._type}
        phones: list[Any] = []
        extra: dict[str, Any] = {}
        if len(self._titles) > self._known:
            self._grow(len(self._titles))
        for column in self._columns:
            value = cell(cells[column.index]) if column.index < len(cells) else ""
            if not value:
                continue
            ours = column.field
            if codes := self._codes.get(column.index):
                value = with_codes(value, cells, codes)
            if ours == "phones":
                phones.append(value)
            elif ours == "type" and _EVENT_TYPE.fullmatch(value):
                found["type"] = value
            elif ours and ours not in found:
                found[ours] = f"{value}Z" if column.is_utc and _NAIVE.fullmatch(value) else value
            elif column.part and ours in _JOINED:
                found[ours] = f"{found[ours]} {value}"
            else:
                extra[column.key] = value
        if phones:
            found["phones"] = phones[0] if len(phones) == 1 else phones
        return _nested(found, extra)

    def _grow(self, width: int) -> None:
        """Adds the titles that appeared later in a table of objects."""
        self._columns = sorted([*self._columns, *map(self._column, range(self._known, width))], key=_Column.order)
        self._known = width


def _column(own: _Own, table: Table, wish: Wish, index: int, keys: set[str]) -> _Column:
    title = table.names[index]
    values = [cell(row.cells[index]) for row in table.sample if not row.fault and index < len(row.cells)]
    ours, rank, part = _place(own, wish, title, values)
    if ours == "id" and wish.ids == "file":
        ours = ""
    named = _EXTRA.fullmatch(ours)
    key = _unique(named[1] if named else _extra_key(title, index), keys)
    return _Column(index, "" if named else ours, key, rank, part, bool(ours == "time" and _UTC.search(title)))


def _place(own: _Own, wish: Wish, title: str, values: Sequence[str]) -> tuple[str, tuple[int, int, int], int]:
    """The field of a column, "" for none; its rank among columns of that field; the part of the field."""
    plain = title_key(title)
    if plain in wish.columns:
        return _wished(own, wish.columns[plain]), (0, 0, 0), 0
    if _EXTRA.fullmatch(title):
        return "", (1, 0, 0), 0
    if plain in own.fields:
        ours = own.fields[plain]
        return ours, (0, 0, 0), 0
    found = meaning(title)
    found = borne_out(found, title, values) if found else None
    ours = _field_of(own, found)
    if found is None or not ours or (ours in _PHONES and not_to_call(title)):
        return "", (1, 0, 0), 0
    # The rank of a number is that of its kind; for other fields our own name comes before its synonyms.
    return ours, (int(ours not in _PHONES), *found.rank), found.part


def _wished(own: _Own, field: str) -> str:
    if field == "" or _EXTRA.fullmatch(field):
        return field
    ours = own.fields.get(folded(field)) or own.persons.get(field, "")
    if not ours:
        raise ConnectorError(
            phrase(
                "--columns: {field} is no field of ours: {names}",
                field=quote(field),
                names=listed(tuple(own.fields.values())),
            )
        )
    return ours


def _field_of(own: _Own, found: Meaning | None) -> str:
    return own.persons.get(found.field, "") if found else ""


def _nested(found: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    body = {name: found[name] for name in _ENVELOPE if name in found}
    data: dict[str, Any] = {"extra": extra} if extra else {}
    for name, value in found.items():
        part, _, inner = name.rpartition(".")
        if name not in _ENVELOPE:
            (data.setdefault(part, {}) if part else data)[inner] = value
    return {**body, "data": data}


def _extra_key(name: str, index: int) -> str:
    """The name of a column in extra: "Programa académico" becomes programa_academico, "utm.source" stays."""
    named = _EXTRA.fullmatch(name)
    parts = (named[1] if named else name).split(".")
    return ".".join(map(folded, parts)) if all(map(folded, parts)) else name or f"column_{index + 1}"


def _unique(name: str, used: set[str]) -> str:
    """``name``, or the first of name_2, name_3, … that is not in ``taken``."""
    found = next(n for n in chain((name,), (f"{name}_{number}" for number in count(2))) if n not in used)
    used.add(found)
    return found


class _NamedColumns:
    """Columns under the names by which the source's ``fields`` call them, however they are written in the file."""

    def __init__(self, source: Source, table: Table, wish: Wish) -> None:
        wanted = {name: ours for ours, named in source.fields.items() for name in as_names(named)}
        called = {title_key(name): name for name in wanted} | {name: name for name in wanted}
        for title, ours in wish.columns.items():
            called[title] = next((name for name, field in wanted.items() if field == ours), ours)
        needs = PAYLOADS[source.mapping].needs_fields
        known = [n for n in table.names if n in called or title_key(n) in called or (not needs and names.known(n))]
        if not known:
            as_fields = "{place} has no header row with a column called as the fields of {source} are: {names}"
            template = as_fields if wanted else "{place} has no header row with a column called phone or email"
            facts = {"place": table.place, "source": quote(source.name), "names": listed(tuple(wanted))}
            raise ConnectorError(phrase(template, **facts))
        self._names = [
            called.get(name) or called.get(title_key(name)) or name or f"column_{index + 1}"
            for index, name in enumerate(table.names)
        ]
        read = [
            (wanted.get(name) or names.known(title), title)
            for name, title in zip(self._names, table.names, strict=True)
        ]
        self.understanding = Understanding(
            read=[(ours, title) for ours, title in read if ours],
            aside=[title for ours, title in read if not ours and title],
            place=table.line_of_titles,
        )

    def body(self, cells: Sequence[Any]) -> dict[str, Any]:
        """Name -> cell; of several columns of one name, a list. Empty cells are left out."""
        found: dict[str, Any] = {}
        for name, content in zip(self._names, cells, strict=False):
            if value := cell(content):
                earlier = found.get(name)
                found[name] = (
                    value if earlier is None else [*(earlier if isinstance(earlier, list) else [earlier]), value]
                )
        return found


#: Around a cell, where a program has no other quotes.
_QUOTES: Final = {"'": "'", "`": "`", "“": "”", "”": "”", "„": "“", "‘": "’", "«": "»", '"': '"'}
_FORMULA: Final = re.compile(r'="([^"]*)"')
_MARKED_TEXT: Final = re.compile(r"'[+\d(]")
_META: Final = re.compile(r"(?:p:(?=\+)|[lf]:(?=\d))")  #: prefixes by which Meta's exports mark phones and ids as text
_FAULTY: Final = re.compile(r"#(N/[AD]|¡?(NULL|NULO|NUM|REF|VALUE|VALOR|DIV/0)!|¿?(NAME|NOMBRE)\?)")


def cell(value: Any) -> str:
    """A cell's text without what only spreadsheets mean: ``="300"`` and ``'300`` are 300, ``#N/A`` is nothing."""
    text = value.strip()
    if not text:
        return ""
    if "Ã" in text or "Â" in text:
        text = once_encoded(text)
    first = text[0]
    if first in _QUOTES and text[-1] == _QUOTES[first] and len(text) > 2:
        text = text[1:-1].strip()
        first = text[:1]
    if first == "=" and (formula := _FORMULA.fullmatch(text)):
        text = formula[1].strip()
    if first == "'" and _MARKED_TEXT.match(text):
        return str(text[1:])
    if first in "plf" and (meta := _META.match(text)):
        return str(text[meta.end() :])
    return "" if text in ("", "''") or (first == "#" and _FAULTY.fullmatch(text)) else str(text)
