"""Shared parts of record mappings: drafts, cells that check while they are dumped, phones and values as texts.

marshmallow's dump checks nothing, and validating its result costs three times the dump. So a cell checks, cuts and
notes while it is written, and a record is dumped from a `Draft` that collects the findings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from marshmallow import Schema, fields, missing

from mappings.base import FieldError, Invalid, Rendered, Rendering, walk
from mappings.events import Event, Lead, Phone
from mappings.fields import clean, number_text

#: Empty values of programs. They must not be read out to a person.
NOTHING = frozenset({"None", "none", "NONE", "nan", "NaN", "NAN"})


PHONE_FORMATS = ("national", "e164", "international")


def meaningful(text: str) -> str:
    """`text`, unless it is one of `NOTHING`."""
    return "" if text in NOTHING else text


class Draft(dict[str, Any]):
    """A record's values before they are written, and the faults found on the way."""

    __slots__ = ("faults", "hold", "notes")

    def __init__(self, *args: Any, **values: Any) -> None:
        super().__init__(*args, **values)
        self.notes: list[str] = []
        self.faults: list[FieldError] = []
        self.hold = ""  #: why an operator must look before it is sent

    def note(self, name: str, message: str) -> None:
        """Notes a value that was cut or left out; the record is sent nevertheless."""
        self.notes.append(f"{name}: {message}")

    def fault(self, name: str, message: str) -> None:
        """Adds a fault: there can be no record."""
        self.faults.append(FieldError(name, message))

    def written(self, schema: Schema) -> Rendered:
        """The record, or `Invalid` with every fault of the draft."""
        record = schema.written(self) if isinstance(schema, Sheet) else schema.dump(self)
        if self.faults:
            raise Invalid(tuple(self.faults))
        return Rendered(record, tuple(self.notes), self.hold)


class Cell(fields.Field[str]):
    """A text of the record, written as `absent` if there is none and cut, with a note, to `max_length`."""

    def __init__(self, *, max_length: int = 0, absent: Any = "") -> None:
        super().__init__()
        self.max_length = max_length  #: characters; 0: the vendor names no limit
        self.absent = absent

    def serialize(self, attr: str, obj: Any, accessor: Any = None, **kwargs: Any) -> Any:
        """The text for this cell out of the `Draft` that is dumped."""
        value = obj.get(attr)
        if not value:
            return self.absent
        if value in NOTHING:
            obj.note(attr, f"left empty: “{value}” is no value")
            return self.absent
        if self.max_length and len(value) > self.max_length:
            obj.note(attr, f"cut to {self.max_length} characters")
            return value[: self.max_length]
        return value


class Sheet(Schema):
    """A record of cells only, most of them empty: only those that the draft fills are written."""

    def __init__(self) -> None:
        super().__init__()
        self._cells: dict[str, Cell] = {name: cell for name, cell in self.dump_fields.items() if isinstance(cell, Cell)}
        assert self._cells.keys() == self.dump_fields.keys(), "a sheet holds nothing but cells"
        self._blank = {name: cell.absent for name, cell in self._cells.items()}
        self._unlimited = frozenset(name for name, cell in self._cells.items() if not cell.max_length)

    def written(self, draft: Draft) -> dict[str, Any]:
        """The same result as `dump`."""
        record = self._blank.copy()
        for name, value in draft.items():
            if value:
                as_it_is = name in self._unlimited and value not in NOTHING
                record[name] = value if as_it_is else self._cells[name].serialize(name, draft)
        return record


class Given(fields.Field[Any]):
    """A value already in the vendor's shape, left out if there is none."""

    def serialize(self, attr: str, obj: Any, accessor: Any = None, **kwargs: Any) -> Any:
        """The value as the `Draft` has it."""
        return obj.get(attr, missing)


class Dialling:
    """The way in which an account writes phone numbers."""

    def __init__(self, rendering: Rendering, *, prefixed: bool) -> None:
        if rendering.phone_format not in PHONE_FORMATS:
            raise ValueError(f"phone_format {rendering.phone_format!r} is none of {', '.join(PHONE_FORMATS)}")
        national = rendering.phone_format == "national"
        self._before = rendering.dial_prefix if prefixed else ""
        if rendering.phone_format == "e164":
            self._before = "+"
        import phonenumbers

        #: the only country that can be dialled; None: all, with their codes
        self._home = phonenumbers.country_code_for_region(rendering.locale.region) if national else None

    def text(self, phone: Phone) -> str | None:
        """The digits to dial; None if a national number would be read as one of the account's own country."""
        if self._home is None:
            return f"{self._before}{phone.country_code}{phone.national}"
        return self._before + dialled_at_home(phone) if phone.country_code == self._home else None

    def each(self, named: Iterator[tuple[str, Phone | None]], draft: Draft) -> Iterator[str]:
        """The numbers that can be dialled; the others are noted under their names."""
        for name, phone in named:
            if phone is None:
                continue
            text = self.text(phone)
            if text is None:
                draft.note(name, foreign(phone))
            else:
                yield text


#: Countries where some numbers are dialled in another form at home than behind the country code: that form -> at home.
_AT_HOME: dict[int, tuple[re.Pattern[str], str]] = {
    54: (re.compile(r"9(\d{10})"), r"\1"),  # Argentina's 9 before mobiles is for calls from abroad
    51: (re.compile(r"([1-8]\d{7})"), r"0\1"),  # Peru: fixed lines have a 0 before the area code, mobiles none
    598: (re.compile(r"(9\d{7})"), r"0\1"),  # Uruguay: mobiles have a 0, fixed lines none
}


def dialled_at_home(phone: Phone) -> str:
    """The digits by which a number is called inside its country, mobiles and fixed lines alike."""
    rule = _AT_HOME.get(phone.country_code)
    return rule[0].sub(rule[1], phone.national) if rule and rule[0].fullmatch(phone.national) else phone.national


def foreign(phone: Phone) -> str:
    """Why a number was left out, and what to do."""
    return (
        f"a number of +{phone.country_code} cannot be written as national: "
        "set the account's phone_format to international or e164"
    )


def phones_of(event: Event) -> Iterator[tuple[str, Phone | None]]:
    """The person's numbers with the names of the fields they came from."""
    if isinstance(event, Lead):
        return ((f"phones.{i}", phone) for i, phone in enumerate(event.phones))
    return iter((("customer.phone", event.customer.phone),))


def value_text(value: Any, timezone: ZoneInfo) -> str:
    """Any value in one line of text: lists and objects as compact JSON, times in `timezone`, nothing as "".

    A list of one is that one: selects and checkboxes send such lists.
    """
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list) and len(value) == 1:
        return value_text(value[0], timezone)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return number_text(value)
    if isinstance(value, datetime):
        local = local_time(value, timezone)
        return local.isoformat(timespec="seconds") if local else ""
    return clean(orjson.dumps(value, default=str).decode())


def extra_or_field(event: Event, path: str) -> Any:
    """The value at `path` in the event's extra, otherwise in its own fields; None if absent."""
    found = walk(event.extra, path)
    return walk(event, path) if found is None else found


def local_time(moment: datetime, timezone: ZoneInfo) -> datetime | None:
    """`moment` on the clocks of `timezone`; None at both ends of the calendar, where there is no such time."""
    try:
        return moment.astimezone(timezone)
    except OverflowError:
        return None
