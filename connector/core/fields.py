"""The strict tables and the field types that the configuration is made of, of accounts and of routes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, ClassVar, Final, Generic, TypeVar

from marshmallow import RAISE, Schema, ValidationError, fields

from connector.core.regions import REGIONS
from connector.core.text import LONGEST_S, did_you_mean, is_loopback, is_url, listed, quote, seconds
from mappings.base import COSTLY

Kind = TypeVar("Kind")
_HOURS = re.compile(r"([0-9]{2}):([0-5][0-9])-([0-9]{2}):([0-5][0-9])")
_DAY_MINUTES = 24 * 60
_CODE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DIGITS = re.compile(r"[0-9]{1,15}")


def is_path(value: object) -> bool:
    """Whether a value can be a path into an event: texts between dots, none of them empty."""
    return isinstance(value, str) and all(part.strip() for part in value.split("."))


RESULT = "result."  #: prefix of a path into the vendor's answer for the previous route of the chain


def results_in(options: object) -> set[str]:
    """The keys of a vendor's answer that a route's options refer to: {"survey_link"} for ["result.survey_link"]."""
    if isinstance(options, str):
        return {options.removeprefix(RESULT)} if options.startswith(RESULT) else set()
    inner = options.values() if isinstance(options, Mapping) else options if isinstance(options, list | tuple) else ()
    return {name for one in inner for name in results_in(one)}


@dataclass(frozen=True)
class Choice:
    """A validator that lets only these words pass."""

    words: tuple[str, ...]

    def __call__(self, value: str) -> None:
        if value not in self.words:
            raise ValidationError(f"{quote(value)} is none of {listed(self.words)}{did_you_mean(value, self.words)}")


def choice(*words: str) -> Choice:
    """The validator of these words."""
    return Choice(words)


class Strict(Schema):
    """A table in which every key must be known; for an unknown one the message offers the nearest known key."""

    class Meta:
        unknown = RAISE

    #: Keys that belong elsewhere -> the place, for a clearer message than "unknown".
    elsewhere: ClassVar[Mapping[str, str]] = {}
    error_messages = {"type": "must be a table", "unknown": "unknown key"}  # noqa: RUF012 - how marshmallow is told

    def handle_error(self, error: ValidationError, data: Any, *, many: bool, **_: Any) -> None:
        """Add the nearest known key to the message about an unknown key."""
        if isinstance(error.messages, dict):
            for key in error.messages.keys() - self.fields.keys() - {"_schema"}:
                error.messages[key] = [self._unknown(key)]

    def _unknown(self, key: str) -> str:
        if key in self.elsewhere:
            return f"belongs to {self.elsewhere[key]}: take it out"
        return f"unknown key{did_you_mean(key, self.fields)}"


class Checked(fields.Field[Kind], Generic[Kind]):
    """A field with the message ``needed`` if it is required and missing."""

    def __init__(self, *, needed: str = "is required", **kwargs: Any) -> None:
        verbatim = needed.replace("{", "{{").replace("}", "}}")  # marshmallow formats its messages
        super().__init__(error_messages={"required": verbatim}, **kwargs)


class Text(Checked[str]):
    """A text on one line that is not empty (or may be, with ``empty``)."""

    def __init__(self, *, empty: bool = False, pattern: str = ".*", says: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._empty = empty
        self._pattern = re.compile(pattern)
        self._says = says

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError(f"must be a text in quotes{self._says and ': '}{self._says}")
        if not value.strip() and not self._empty:
            raise ValidationError("is empty")
        if not value.isprintable():
            raise ValidationError("holds a line break or another control character")
        if not self._pattern.fullmatch(value):
            raise ValidationError(self._says)
        return value


class Code(Text):
    """A vendor's campaign number; written as text or as a whole number."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> str:
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if not isinstance(text, str) or not _CODE.fullmatch(text):
            raise ValidationError('must be the campaign\'s number, like "1042"')
        return text


class Codes(Checked[tuple[str, ...]]):
    """One vendor's campaign number, or a list of them."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> tuple[str, ...]:
        codes = value if isinstance(value, list) and value else [value]
        return tuple(dict.fromkeys(str(Code().deserialize(code)) for code in codes))


class Whole(Checked[int]):
    """A whole number of at least ``least``; digits in quotes will do, as variables give them."""

    def __init__(self, *, least: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._least = least

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> int:
        if isinstance(value, str) and _DIGITS.fullmatch(value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not self._least <= value < 10**15:
            raise ValidationError(f"must be a whole number of at least {self._least}")
        return value


class Seconds(Checked[float]):
    """A plain number of seconds of at least ``least``, whole or not."""

    def __init__(self, *, least: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._least = least

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> float:
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not self._least <= number <= LONGEST_S:
            raise ValidationError(f"must be a number of seconds of at least {self._least:g}")
        return number


class Duration(Checked[float]):
    """A time with its unit, "24h", loaded as seconds."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> float:
        try:
            return seconds(value)
        except (TypeError, ValueError):
            raise ValidationError('must be a time with its unit, like "90s", "30m", "24h" or "7d"') from None


_SIZE = re.compile(r"([0-9]{1,7}) ?([KM])i?B")


class Size(Checked[int]):
    """A size with its unit, "64KB" or "1MB" (of 1,024), at most ``most`` bytes; loaded as bytes."""

    def __init__(self, *, most: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._most = most

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> int:
        found = _SIZE.fullmatch(value) if isinstance(value, str) else None
        size = int(found[1]) * (1024 if found[2] == "K" else 1024 * 1024) if found else 0
        if not 0 < size <= self._most:
            raise ValidationError(f'must be a size with its unit, like "64KB" or "1MB", {self._most >> 20} MB at most')
        return size


class Limit(Checked[tuple[tuple[int, int], ...]]):
    """ "60/m, 2000/d", loaded as ((60, 60), (2000, 86400)): events and seconds."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any
    ) -> tuple[tuple[int, int], ...]:
        parts = [_LIMIT.fullmatch(part.strip()) for part in value.split(",")] if isinstance(value, str) else [None]
        found = tuple((int(part[1]), _LIMIT_S[part[2]]) for part in parts if part)
        if len(found) != len(parts) or not all(most for most, _ in found):
            raise ValidationError('must be events in a time, s, m, h or d, like "60/m" or "60/m, 2000/d"')
        return found


_LIMIT: Final = re.compile(r"([0-9]{1,9})\s*/\s*([smhd])")
_LIMIT_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class Share(Checked[float]):
    """0.25: a part of something, above 0 and up to 1."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
            raise ValidationError("must be a part of a day between 0 and 1, like 0.25")
        return float(value)


class Ceilings(Checked[tuple[tuple[str, int], ...]]):
    """2000, or { "+57" = 2000, CO = 500, other = 50, all = 3000 }: the most of a day, in all and by prefix."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any
    ) -> tuple[tuple[str, int], ...]:
        table = value if isinstance(value, dict) else {"all": value}
        if not table or not isinstance(value, dict | int) or isinstance(value, bool):
            raise ValidationError('must be a number of people, or a table of prefixes: { "+57" = 2000, other = 50 }')
        wrong = {key: [fault] for key, most in table.items() if (fault := _ceiling_fault(key, most))}
        if wrong:
            raise ValidationError(next(iter(wrong.values())) if table is not value else wrong)
        return tuple(table.items())


def _ceiling_fault(key: str, most: Any) -> str:
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        return "must be a whole number of people, 1 or more"
    if key in (*CEILINGS, *REGIONS) or countries_of(key):
        return ""
    return f'{quote(key)} is no prefix: write one like "+57", a country like "CO", "other" or "all"'


CEILINGS: Final = ("all", "other")  #: the words beside prefixes and countries


def countries_of(prefix: str) -> tuple[str, ...]:
    """The countries of a calling code: "+1" is US, CA and others. Empty: there is no such code."""
    import phonenumbers  # slow to import

    code = prefix.removeprefix("+")
    known = code.isascii() and code.isdigit() and prefix.startswith("+") and not code.startswith("0") and len(code) < 4
    return tuple(phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(code), ())) if known else ()


class HoursOfDay(Checked[tuple[int, int]]):
    """ "07:00-19:00", loaded as minutes after midnight; "22:00-06:00" ends on the next day, "00:00-24:00" never."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> tuple[int, int]:
        found = _HOURS.fullmatch(value) if isinstance(value, str) else None
        opens, closes = (int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])) if found else (0, 0)
        if found is None or opens >= _DAY_MINUTES or closes > _DAY_MINUTES or opens == closes:
            raise ValidationError('must be when work begins and ends, like "07:00-19:00"')
        return opens, closes


class Flag(Checked[bool]):
    """true or false; in quotes too, as variables give them."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> bool:
        known = {True: True, False: False, "true": True, "false": False}
        if not isinstance(value, bool | str) or value not in known:
            raise ValidationError("must be true or false")
        return known[value]


class Words(Checked[tuple[str, ...]]):
    """One text or a list of distinct texts; never empty."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> tuple[str, ...]:
        words = [value] if isinstance(value, str) else value
        if not isinstance(words, list) or not words:
            raise ValidationError("must be a text or a list of texts, not none")
        wrong = {index: ["must be a text that is not empty"] for index, word in enumerate(words) if not is_word(word)}
        if wrong:
            raise ValidationError(wrong)
        return tuple(dict.fromkeys(words))


class Path(Text):
    """A path into an event, "agent.name"."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> str:
        if not is_path(value):
            raise ValidationError('must be a path into the event, like "phone" or "utm.source"')
        return str(value)


class Paths(Checked[tuple[str, ...]]):
    """At most ``most`` paths into an event, in the order of the columns they fill."""

    def __init__(self, *, most: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._most = most

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise ValidationError('must be a list of paths, like ["utm.source", "program"]')
        if len(value) > self._most:
            raise ValidationError(f"has {len(value)} paths where at most {self._most} fit")
        wrong = {i: ['must be a path like "utm.source"'] for i, path in enumerate(value) if not is_path(path)}
        if wrong:
            raise ValidationError(wrong)
        return tuple(value)


class Address(Text):
    """An http(s) address to which a path can be added."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> str:
        if not isinstance(value, str) or not is_url(value, "http", "https") or set(value) & set("?#@ "):
            raise ValidationError('must be an address like "https://api.example.com", without name, password or query')
        if value.endswith("/"):
            raise ValidationError("ends with a slash: take it off")
        if value.startswith("http://") and not is_loopback(value):
            raise ValidationError(
                "would carry the token in clear: it must begin with https:// (http is for this machine)"
            )
        return value


class AccountOptions(Strict):
    """The keys of every account. A vendor's own shape extends them and may tighten a key."""

    vendor = Text(required=True)
    token = Text(
        required=True,
        pattern="[!-~]+",
        says="holds a space or a letter that no header can carry",
        needed='is required: token = "${NAME}"',
    )
    base_url = Address(load_default="")
    in_flight = Whole(least=1, load_default=None)
    timeout_s = Seconds(least=1, load_default=65.0)
    lost_call_holds = Text(load_default="documented", validate=choice("documented", "measured"))
    plaintext = Text(load_default="", validate=choice("I accept"))
    safe_text = Text(load_default="", validate=choice("spreadsheet"))
    working_hours = HoursOfDay(load_default=(7 * 60, 19 * 60))


def known_regions(value: Sequence[str]) -> None:
    """Validates a list of countries by their two letters."""
    for region in value:
        if region not in REGIONS:
            raise ValidationError(f'{quote(region)} is no country: write two letters, like "CO"')


def known_numbers(value: Sequence[str]) -> None:
    """Validates a list of kinds of numbers."""
    for kind in value:
        if kind not in NUMBERS:
            raise ValidationError(f"{quote(kind)} is no kind of number: choose of {listed(NUMBERS)}")


NUMBERS: Final = ("mobile", "fixed", "toll_free", "voip", *COSTLY)


class Moment(Checked[datetime]):
    """A date or a date-time, naive if no zone is written; TOML's own type, or quoted."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> datetime:
        try:
            return datetime.fromisoformat(value.isoformat() if isinstance(value, date) else value)
        except (TypeError, ValueError):
            raise ValidationError('must be a day or a moment, like "2026-11-01" or "2026-11-01T08:00"') from None


class PollOptions(Strict):
    """The keys of every poll. A vendor's own shape extends them."""

    call = Text(required=True)
    every = Duration(load_default=300.0)
    overlap = Duration(load_default=7 * 86400.0)
    since = Moment(load_default=None)


def is_word(value: object) -> bool:
    """Whether a value is a text on one line that is not empty."""
    return isinstance(value, str) and bool(value.strip()) and value.isprintable()
