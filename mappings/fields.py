"""The fields of payloads: forgiving in form, strict in meaning.

Every field accepts null as absent and has a default or is required. A field that could save part of its value (a text
cut to length, the valid phones of a list) raises with ``valid_data``, which marshmallow keeps beside the fault.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast

import orjson
from marshmallow import ValidationError, fields, missing

from mappings import events, texts
from mappings.base import Hold, Locale
from mappings.emails import addresses, is_chat
from mappings.normalisation import nfc, nfkc
from mappings.times import read_time

if TYPE_CHECKING:  # the reader of phones is large, and most commands read none
    from mappings.phones.result import Reading

T = TypeVar("T")

_UNSEEN = re.compile(
    r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\ud800-\udfff"
    r"\ufffa\ufffb\U000e0000-\U000e007f]|\ufff9\w*"
)
_BREAK = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_BLANK = re.compile(r"[^\S\n]")
_EMAIL = re.compile(r"[^@\s,;:<>()\[\]\"'/|\\]+@[\w-]+(?:\.[\w-]+)+")
#: A cell's apostrophe or formula, and the ".0" of a number read as a fraction.
_OF_A_CELL = re.compile(r"(?:['`´’]+|=\s*)?(\"?)(?:([0-9]+)[.,]0+|(.+?))\1", re.DOTALL)
_THOUSANDS = re.compile(r"\d{1,3}([.,’' ])\d{3}(?:\1\d{3}){1,3}")
_EXPONENT = re.compile(r"(\d)(?:[.,](\d{1,17}))?[eE]\+?(\d{1,2})")
_COUNTED = "01234567890"
_YEARS = re.compile(
    r"(?:(?:edad|age|idade|a[ñn]os?)[\s:.=]*)?(\d{1,3})(?:[.,]0+)?\s*(?:a[ñn]os?|a|years?(?: old)?|yrs?\.?|y/?o)?"
    r"(?:\s*(?:y|e|and|,)?\s*\d{1,2}\s*(?:m|mes|meses|months?))?",
    re.IGNORECASE,
)
_FEWEST = 6  #: digits of a document; fewer may be a number of a list of one's own
MAX_PHONES = 20  #: of one payload, and of one field
ROOM = 4  #: factor of a field's length up to which a text is read, because cleaning shortens it
MAX_CHARACTERS = ROOM * 10_000  #: of any text that is cleaned; the longest field, a comment, has 10,000
_LONGEST_EMAIL = 2000  #: characters; several, with their names
_MAX_NUMBER_BITS = 256  #: a longer integer is not an identifier, and formatting it is slow


def clean(text: str, *, lines: bool = False, most: int = MAX_CHARACTERS) -> str:
    """`text` stripped and NFC, without control characters, invisible marks or lone surrogates.

    Tabs and hard spaces become spaces; line breaks too, unless `lines` keeps them as ``\\n``. Only the first `most`
    characters are read.
    """
    if len(text) > most:
        text = text.strip()[:most]
    if text.isprintable():
        return (text if text.isascii() else nfc(text)).strip()
    text = _BLANK.sub(" ", _UNSEEN.sub("", _BREAK.sub("\n", text)))
    if not lines:
        text = " ".join(filter(None, map(str.strip, text.split("\n"))))
    return nfc(text).strip()


def number_text(value: int | float) -> str:
    """A number as a person writes it: 34.0 is "34" (spreadsheets send those); "" for nan, infinity and giants."""
    if isinstance(value, int):
        return str(value) if value.bit_length() <= _MAX_NUMBER_BITS else ""
    if not math.isfinite(value):
        return ""
    return str(int(value)) if value.is_integer() and abs(value) < 1e16 else repr(value)


def faulty_but_usable(message: str | dict[int | str, list[str]], value: object) -> ValidationError:
    """A fault that leaves a usable value: marshmallow stores `value` in its place and the fault beside it."""
    return ValidationError(cast(Any, message), valid_data=cast(Any, value))


def _flat(values: list[Any]) -> list[Any]:
    """A list without the lists that a program put around single values in it."""
    if not any(isinstance(one, list) for one in values):
        return values
    return [inner for one in values for inner in (one if isinstance(one, list) else (one,))]


def _is_numbered(value: Mapping[str, Any]) -> bool:
    """Whether it is a list that a program wrote as an object: {"0": …, "1": …}."""
    return bool(value) and all(key.isdecimal() for key in value)


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
    """One line of text (`lines=True`: several). Numbers are accepted, booleans and objects are not.

    A list counts as its first non-empty text: checkboxes and relays send lists of one.
    """

    absent = ""

    def __init__(self, *, max_length: int = 500, lines: bool = False, required: bool = False) -> None:
        super().__init__(required=required)
        self.max_length = max_length
        self.lines = lines

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        if type(value) is str and len(value) <= self.max_length:
            text = value.strip()
            if texts.is_plain(text):
                return text
            if text.isprintable() and texts.is_clean(text):
                return nfc(text)
        return self._noted(value, self._text(value))

    def _noted(self, value: Any, text: str) -> str:
        """The text; raises ValidationError with it where something is to be said of it."""
        if len(text) > self.max_length or (isinstance(value, str) and self._is_cut(value)):
            raise faulty_but_usable(f"cut to {self.max_length} characters", text[: self.max_length].rstrip())
        if note := self._note(value, text):
            raise faulty_but_usable(note, text)
        return text

    def _note(self, value: Any, text: str) -> str:
        """A note on how a text was read."""
        if not text and isinstance(value, str) and clean(value):
            return "is left out: a program wrote it where it had no value"
        if texts.LOST in text:
            return "a letter was lost on the way (\ufffd)"
        return "markup was taken out" if isinstance(value, str) and texts.has_markup(value) else ""

    def _is_cut(self, value: str) -> bool:
        return len(value) > self.max_length * ROOM and len(value.strip()) > self.max_length * ROOM

    def _text(self, value: Any) -> str:
        if isinstance(value, str):
            text = clean(texts.encoded_right(value), lines=self.lines, most=self.max_length * ROOM)
            whole = texts.whole(texts.written(text if self.lines else texts.spoken(text)))
            return text if whole is text else clean(whole, lines=self.lines)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            text = number_text(value)
            if text:
                return text
            raise ValidationError("is no usable number")
        if isinstance(value, list):
            return self._first(value)
        if isinstance(value, dict):
            if isinstance(value.get("value"), (str, int, float)):
                return self._text(value["value"])
            if _is_numbered(value):
                return self._first([*value.values()])
        raise ValidationError("must be text")

    def _first(self, values: list[Any]) -> str:
        all_texts = [text for one in _flat(values) if one is not None and (text := self._text(one))]
        if len(set(all_texts)) > 1:
            raise faulty_but_usable(
                f"has {len(all_texts)} values: the first is taken", all_texts[0][: self.max_length].rstrip()
            )
        return all_texts[0] if all_texts else ""


class OneOf(Text):
    """A text out of a short list, exactly as written there."""

    def __init__(self, *choices: str, required: bool = False) -> None:
        super().__init__(required=required)
        self.choices = choices

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        if isinstance(value, str) and (text := clean(value)) in self.choices:
            return text
        raise ValidationError(f"must be one of {', '.join(self.choices)}")


class Identity(Text):
    """The number of a person's document, without additions of spreadsheets; zeros alone are empty."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data)
        if not text.isdecimal() or not text.isascii():
            text = self._uncelled(text)
        if not text.strip("0"):
            return self._left_out("zeros are nobody's number") if text else ""
        if len(text) >= _FEWEST and (text == text[0] * len(text) or text in _COUNTED):
            return self._left_out("it only fills the field")
        return text

    def _uncelled(self, text: str) -> str:
        """Without what spreadsheets and people put around a number, or between its digits."""
        if match := _OF_A_CELL.fullmatch(nfkc(text)):
            text = match[2] or match[3]
        if _THOUSANDS.fullmatch(text):
            return re.sub(r"\D", "", text)
        if match := _EXPONENT.fullmatch(text):
            text = match[1] + (match[2] or "")
            if len(text) != int(match[3]) + 1:
                return self._left_out("a spreadsheet has rounded it, write the column as text")
        return text if not text or any(map(str.isdecimal, text)) else self._left_out("a document has a number")

    def _left_out(self, why: str) -> str:
        raise faulty_but_usable(f"is left out: {why}", "")


class Age(Text):
    """Whole years as text, "34", also "34.0" and "34 años"."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = self._text(value)
        if not text:
            return ""
        match = _YEARS.fullmatch(text)
        if match and int(match[1]) <= 130:
            return str(int(match[1]))
        raise ValidationError("must be whole years, 0 to 130")


class Email(Text):
    """An e-mail address, lightly checked: the first in the text, the list or the object that was sent."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        if isinstance(value, str):
            address = value.strip()[:_LONGEST_EMAIL]
            if len(address) <= 254 and _EMAIL.fullmatch(address) and not is_chat(address):
                return address
            value = address
        found = addresses(value if isinstance(value, list | dict) else self._text(value))
        if len(found) > 1:
            raise faulty_but_usable(f"holds {len(found)} addresses: the first is taken", found[0])
        if found:
            return found[0]
        text = "" if isinstance(value, dict) else self._text(value)
        if text:
            raise ValidationError(f"“{text[0]}…” is no e-mail address: name@domain is expected")
        return ""


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


_AROUND = 4  #: levels around an extra when it is tested: a few more than in an event


class Extra(Loose[dict[str, Any]]):
    """All other fields of the sender: an object that can be written as JSON, its texts as in `mappings.texts`."""

    absent = dict

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValidationError("must be an object")
        try:
            raw = orjson.dumps(((((value,),),),))[_AROUND:-_AROUND]
        except orjson.JSONEncodeError as fault:
            raise ValidationError("holds a number, a text or a depth that JSON cannot carry") from fault
        return texts.mended(value) if texts.suspect(raw) else value


class Time(Loose[datetime | None]):
    """A moment, aware and in UTC, in any form that `mappings.times` reads; without a zone it is the locale's.

    ``wish``: the moment is a requested call time. An unreadable one is `Hold`: a person who asked for another hour must
    not be called at once.
    """

    def __init__(self, *, wish: bool = False, required: bool = False) -> None:
        super().__init__(required=required)
        self.wish = wish

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> datetime | None:
        reading = read_time(value, self.locale, days=self.wish)
        if reading.fault and self.wish:
            raise ValidationError(Hold(reading.fault))
        if reading.fault or reading.note:
            raise ValidationError(reading.fault or reading.note)
        return reading.moment


class Phone(Loose[events.Phone | None]):
    """A number that may be dialled, the first of its text; without a country code it belongs to the locale's region."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> events.Phone | None:
        if value == "":
            return None
        from mappings.phones.reader import read_each

        reading = next(read_each((value,), self.locale, beside=data))
        messages = _messages(reading)
        if len(reading.numbers) > 1:
            messages.append(f"the first of {len(reading.numbers)} numbers was taken")
        phone = next(iter(reading.phones), None)
        if messages:
            raise faulty_but_usable(cast(Any, messages), phone)
        return phone


class Phones(Loose[tuple[events.Phone, ...]]):
    """A list of numbers, or of texts with several. The good ones are kept, each once, in their order."""

    absent = ()

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> tuple[events.Phone, ...]:
        from mappings.phones.reader import read_each

        if isinstance(value, dict) and _is_numbered(value):
            value = [*value.values()]
        values = [*_flat(value)] if isinstance(value, list) else (value,)
        found: dict[events.Phone, None] = {}
        faults: dict[int | str, list[str]] = {}
        for index, reading in enumerate(read_each(values[:MAX_PHONES], self.locale, beside=data)):
            found.update(dict.fromkeys(reading.phones))
            if messages := _messages(reading):
                faults[index] = messages
        if len(values) > MAX_PHONES or len(found) > MAX_PHONES:
            faults[MAX_PHONES] = [f"only the first {MAX_PHONES} numbers are read"]
        if faults:
            raise faulty_but_usable(faults, tuple(found)[:MAX_PHONES])
        return tuple(found)


def _messages(reading: Reading) -> list[str]:
    """The messages of a reading; a remark that asks not to call comes as `Hold`."""
    if reading.negative and reading.numbers:
        return [Hold(reading.negative), *reading.refused, *reading.notes]
    return [*reading.refused, *reading.notes]


def read_phone(value: Any, region: str) -> events.Phone | None:
    """The first number in `value`, read in `region`; None for an empty text. Raises ValidationError, masked."""
    from mappings.phones.reader import read_phones

    reading = read_phones(value, Locale(region))
    phone = next(iter(reading.phones), None)
    if messages := _messages(reading):
        raise faulty_but_usable(cast(Any, messages), phone)
    return phone
