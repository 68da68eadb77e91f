"""What a payload's fields may look like: forgiving in form, strict in meaning.

Every field takes null as absent and has a default or is required. A field that could save part of its value (a text
cut to length, the good phones of a list) raises with ``valid_data``, which marshmallow keeps beside the fault.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

import orjson
import phonenumbers
from marshmallow import ValidationError, fields, missing

from mappings import events
from mappings.base import Locale

T = TypeVar("T")

_UNSEEN = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\ud800-\udfff]"
)
_BREAK = re.compile(r"\r\n?|[\x85\u2028\u2029]")
_EMAIL = re.compile(r"[^@\s,;<>]+@[^@\s,;<>.]+(?:\.[^@\s,;<>.]+)+")
_SEVERAL_PHONES = re.compile(r"[,;|\n/]+")
_SPREADSHEET_NUMBER = re.compile(r"\d{7,}\.0")

#: How people still write numbers whose form has changed: region -> (what the national part looks like, what it is now).
OLD_NUMBERS: dict[str, tuple[re.Pattern[str], str]] = {
    "CL": (re.compile(r"0?9(\d{8})"), r"9\1"),  # 09 before mobiles, until 2016
    "CO": (re.compile(r"([124-8])(\d{7})"), r"60\1\2"),  # one-digit area codes, until 2021
    "MX": (re.compile(r"(?:1|01|04[45])(\d{10})"), r"\1"),  # 1, 044, 045 before mobiles, 01 before the rest, until 2019
}
MAX_PHONES = 20  #: of one payload; wolkvox takes 11
_LONGEST_PHONE = 250  #: characters; phonenumbers reads no more
_MAX_NUMBER_BITS = 256  #: a longer integer is no identifier, and writing it out costs time
_FIRST_YEAR, _LAST_YEAR = 1970, 2200


def clean(text: str, *, lines: bool = False) -> str:
    """`text` stripped and NFC, without control characters, invisible marks or lone surrogates.

    Tabs and hard spaces become spaces; line breaks too, unless `lines` keeps them as ``\\n``.
    """
    if text.isprintable():
        return (text if text.isascii() else unicodedata.normalize("NFC", text)).strip()
    text = _UNSEEN.sub("", _BREAK.sub("\n", text)).replace("\t", " ").replace("\xa0", " ")
    if not lines:
        text = " ".join(filter(None, map(str.strip, text.split("\n"))))
    return unicodedata.normalize("NFC", text).strip()


def number_text(value: int | float) -> str:
    """A number as a person writes it: 34.0 is "34" (spreadsheets send those); "" for nan, infinity and giants."""
    if isinstance(value, int):
        return str(value) if value.bit_length() <= _MAX_NUMBER_BITS else ""
    if not math.isfinite(value):
        return ""
    return str(int(value)) if value.is_integer() and abs(value) < 1e16 else repr(value)


def kept(message: str | dict[int | str, list[str]], value: object) -> ValidationError:
    """A fault that leaves a usable value: marshmallow puts `value` in its place and the fault beside it."""
    return ValidationError(cast(Any, message), valid_data=cast(Any, value))


class Loose(fields.Field[T]):
    """The base: null is absent, and absent is `absent`. A class checks by itself: marshmallow validators do not run."""

    default_error_messages = {"required": "is missing"}  # noqa: RUF012 - marshmallow's way
    absent: Any = None  #: a value, or a callable that makes one

    def __init__(self, *, required: bool = False) -> None:
        super().__init__(required=required, load_default=missing if required else self.absent)

    def deserialize(
        self, value: Any, attr: str | None = None, data: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> Any:
        """The checked value. The short way past marshmallow's own, which costs three times as much."""
        if value is None or value is missing:
            if self.required:
                raise self.make_error("required")
            default = self.load_default
            return default() if callable(default) else default
        return self._deserialize(value, attr, data)

    @property
    def locale(self) -> Locale:
        """The locale of the schema this field is bound to."""
        return cast(Any, self.root).locale  # type: ignore[no-any-return]


class Text(Loose[str]):
    """One line of text (`lines=True`: several). Numbers are taken, booleans, lists and objects are not."""

    absent = ""

    def __init__(self, *, max_length: int = 500, lines: bool = False, required: bool = False) -> None:
        super().__init__(required=required)
        self.max_length = max_length
        self.lines = lines

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = self._text(value)
        if len(text) > self.max_length:
            raise kept(f"cut to {self.max_length} characters", text[: self.max_length].rstrip())
        return text

    def _text(self, value: Any) -> str:
        if isinstance(value, str):
            return clean(value, lines=self.lines)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            text = number_text(value)
            if text:
                return text
            raise ValidationError("is no usable number")
        raise ValidationError("must be text")


class OneOf(Text):
    """A text out of a short list, exactly as written there."""

    def __init__(self, *choices: str, required: bool = False) -> None:
        super().__init__(required=required)
        self.choices = choices

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        if isinstance(value, str) and (text := clean(value)) in self.choices:
            return text
        raise ValidationError(f"must be one of {', '.join(self.choices)}")


class Age(Text):
    """Whole years as text, "34"."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = self._text(value)
        if not text:
            return ""
        if text.isdecimal() and len(text) <= 3 and int(text) <= 130:
            return str(int(text))
        raise ValidationError("must be whole years, 0 to 130")


class Email(Text):
    """An e-mail address, lightly checked: one @, a domain with a dot, no blanks. Its case is kept."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = self._text(value).removeprefix("mailto:")
        if not text or (len(text) <= 254 and _EMAIL.fullmatch(text)):
            return text
        raise ValidationError(f"“{text[0]}…” is no e-mail address: name@domain is expected")


class Whole(Loose[int | None]):
    """A positive whole number, also as text; fits a database's 64 bits."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int | None:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            value = number_text(value) or "?"
        text = clean(value) if isinstance(value, str) else "?"
        if not text:
            return None
        if text.isdecimal() and len(text) <= 19 and 0 < int(text) < 2**63:
            return int(text)
        raise ValidationError("must be a whole number above 0")


class Extra(Loose[dict[str, Any]]):
    """Whatever else the sender knows: an object, kept as it is as long as it can be written as JSON."""

    absent = dict

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValidationError("must be an object")
        try:
            orjson.dumps(((((value,),),),))  # a few levels more than an event puts around it
        except orjson.JSONEncodeError as fault:
            raise ValidationError("holds a number, a text or a depth that JSON cannot carry") from fault
        return value


class Time(Loose[datetime | None]):
    """A moment, aware and in UTC: ISO 8601 (without an offset: the locale's), or unix seconds or milliseconds."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> datetime | None:
        text = clean(value) if isinstance(value, str) else value
        if text == "":
            return None
        try:
            moment = self._moment(text)
        except (OverflowError, OSError) as fault:
            raise ValidationError("is out of range") from fault
        except ValueError as fault:
            raise ValidationError("is no ISO 8601 time, as 2026-11-20T15:01:02-05:00") from fault
        if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
            raise ValidationError(f"is out of range ({_FIRST_YEAR} to {_LAST_YEAR})")
        return moment

    def _moment(self, value: Any) -> datetime:
        if isinstance(value, str):
            if value.isascii() and value.isdigit() and len(value) in (10, 13):
                return _unix(int(value))
            moment = datetime.fromisoformat(value)
            return (moment if moment.tzinfo else moment.replace(tzinfo=self.locale.timezone)).astimezone(UTC)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return _unix(value)
        raise ValueError


def _unix(value: float) -> datetime:
    """Seconds, or milliseconds from 10^11 on: as seconds those would be the year 5138."""
    return datetime.fromtimestamp(value / 1000 if abs(value) >= 1e11 else value, UTC)


class Phone(Loose[events.Phone | None]):
    """A number that exists; without a country code it belongs to the locale's region."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> events.Phone | None:
        return read_phone(value, self.locale.region)


class Phones(Loose[tuple[events.Phone, ...]]):
    """A list of numbers, or one text with one or several. The good ones are kept, each once, in their order."""

    absent = ()

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> tuple[events.Phone, ...]:
        region = self.locale.region
        found: dict[events.Phone, None] = {}
        faults: dict[int | str, list[str]] = {}
        numbers = _numbers(value)
        for index, number in enumerate(numbers[:MAX_PHONES]):
            try:
                phone = read_phone(number, region) if number is not None else None
            except ValidationError as fault:
                faults[index] = cast(list[str], fault.messages)
                phone = cast(Any, fault.valid_data)
            if phone is not None:
                found[phone] = None
        if len(numbers) > MAX_PHONES:
            faults[MAX_PHONES] = [f"only the first {MAX_PHONES} numbers are read"]
        if faults:
            raise kept(faults, tuple(found))
        return tuple(found)


def _numbers(value: Any) -> Sequence[Any]:
    if isinstance(value, list):
        return value
    if isinstance(value, str) and not value.startswith("tel:"):
        return _SEVERAL_PHONES.split(value)
    return [value]


def read_phone(value: Any, region: str) -> events.Phone | None:
    """The number that `value` means in `region`; None for an empty text. Raises ValidationError, its text masked."""
    text = _phone_text(value)
    if not text:
        return None
    fault: ValidationError | None = None
    for candidate in _candidates(text):
        try:
            return _valid_phone(candidate, region)
        except ValidationError as error:
            if error.valid_data is not None:
                raise
            fault = fault or error
    raise cast(ValidationError, fault)


def _phone_text(value: Any) -> str:
    if isinstance(value, str):
        text = clean(value)
        if len(text) > _LONGEST_PHONE:
            raise ValidationError(f"a text of {len(text)} characters is no phone number")
        return text[:-2] if _SPREADSHEET_NUMBER.fullmatch(text) else text
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return number_text(value) or "?"
    raise ValidationError("must be text or a number")


def _candidates(text: str) -> tuple[str, ...]:
    """00 is the world's +, but Colombia and Brazil dial a carrier after it, which phonenumbers would cut off."""
    return (f"+{text[2:].lstrip()}", text) if text.startswith("00") else (text,)


def _valid_phone(text: str, region: str) -> events.Phone:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException as fault:
        raise ValidationError(_parse_fault(text, fault)) from fault
    if not phonenumbers.is_valid_number(number):
        number = _renewed(number)
        if not phonenumbers.is_valid_number(number):
            raise ValidationError(_phone_fault(number))
    phone = events.Phone(cast(int, number.country_code), phonenumbers.national_significant_number(number))
    if number.extension:
        raise kept(f"{_masked(number)}: the extension was left out", phone)
    return phone


def _renewed(number: phonenumbers.PhoneNumber) -> phonenumbers.PhoneNumber:
    """The number in today's form if it is written in one of `OLD_NUMBERS`, else as it is."""
    region = phonenumbers.region_code_for_country_code(cast(int, number.country_code))
    if region not in OLD_NUMBERS:
        return number
    old, new = OLD_NUMBERS[region]
    national = phonenumbers.national_significant_number(number)
    if not old.fullmatch(national):
        return number
    return phonenumbers.PhoneNumber(
        country_code=number.country_code, national_number=int(old.sub(new, national)), extension=number.extension
    )


def _parse_fault(text: str, fault: phonenumbers.NumberParseException) -> str:
    digits = sum(c.isdecimal() for c in text)
    if fault.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE:
        return f"a number of {digits} digits has no known country code"
    if digits == 0:
        return "is no phone number"
    return f"a text with {digits} digits is no phone number"


_LENGTHS = {
    phonenumbers.ValidationResult.TOO_SHORT: "is too short for",
    phonenumbers.ValidationResult.TOO_LONG: "is too long for",
    phonenumbers.ValidationResult.INVALID_LENGTH: "has a wrong number of digits for",
    phonenumbers.ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "lacks its area code in",
}


def _phone_fault(number: phonenumbers.PhoneNumber) -> str:
    region = phonenumbers.region_code_for_country_code(cast(int, number.country_code))
    what = _LENGTHS.get(phonenumbers.is_possible_number_with_reason(number), "is no number in use in")
    return f"{_masked(number)} {what} {region}"


def _masked(number: phonenumbers.PhoneNumber) -> str:
    """The country code, two digits, and how many there are: "+5730… (10 digits)"."""
    national = phonenumbers.national_significant_number(number)
    return f"+{number.country_code}{national[:2]}… ({len(national)} digits)"
