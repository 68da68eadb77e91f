"""Guesses which value of a captured payload is which field of a lead, by names and values. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from mappings import names
from mappings.base import Locale
from mappings.phones.parts import is_in_parts
from mappings.phones.reader import read_phones
from mappings.texts import is_blank
from mappings.times import read_time

MOST: Final = 60  #: values that are searched
DEEPEST: Final = 6
_ID: Final = re.compile(
    r"(?:(?:event|submission|response|entry|lead|leadgen|request|record|message)_?)?(?:id|uuid|guid)"
)
_TIME: Final = re.compile(r"(?:.*_)?(?:time|timestamp|date|created|submitted|sent|fecha|data)(?:_(?:at|on|time|date))?")
#: Of several ids, the one with the first of these names is the event's.
_IDS: Final = ("submission", "response", "entry", "leadgen", "lead", "event", "request", "record", "message")
_PREFIX: Final = re.compile(r"^(?:q\d+|field_?\d+|input_?\d+)_")
_EMAIL: Final = re.compile(r"[^@\s]+@[\w-]+(?:\.[\w-]+)+")
_OURS: Final = ("first_name", "last_name", "id_type", "id_number", "age", "gender", "country", "state", "city", "zone")
#: A part of a name or a number below a field of that name.
_PARTS: Final = {
    "first": "first_name",
    "middle": "",
    "last": "last_name",
    "full": "phones",
    "nombre": "first_name",
    "apellido": "last_name",
}


@dataclass(frozen=True, slots=True)
class Value:
    """A text or a number of the payload."""

    path: str  #: "contact.phone", as for `mappings.base.walk`
    value: Any
    inside: str = ""  #: the path of the JSON text that holds it

    @property
    def names(self) -> tuple[str, ...]:
        """Its name and the names above it, as for `names.guess`."""
        parts = [part for part in self.path.split(".") if not part.isdecimal()]
        return tuple(_PREFIX.sub("", names.snake(part)) for part in reversed(parts))


@dataclass(slots=True)
class Guess:
    """Our field -> its values, and all other values."""

    fields: dict[str, list[Value]] = field(default_factory=dict)
    rest: list[Value] = field(default_factory=list)
    insides: list[str] = field(default_factory=list)  #: texts that hold JSON

    @property
    def reaches(self) -> bool:
        """Whether the found fields suffice to reach a person."""
        return bool(self.fields.get("phones") or self.fields.get("email"))


def guess(payload: dict[str, Any], locale: Locale) -> Guess:
    """The fields of a payload. Values inside JSON texts come before the same values beside them."""
    found = Guess()
    values = list(_values(payload, found.insides))
    own_id = min(filter(_is_id, values), key=_id_rank, default=None)
    inner = {(value.names[:1], str(value.value)) for value in values if value.inside}
    for value in sorted(values, key=lambda one: not one.inside):
        if not value.inside and (value.names[:1], str(value.value)) in inner:
            continue  # repeated beside the JSON that holds it
        ours = "id" if value is own_id else _field_of(value, locale)
        before = found.fields.get(ours)
        if ours and (ours == "phones" or not before):
            found.fields.setdefault(ours, []).append(value)
        elif not is_blank(str(value.value)):
            found.rest.append(value)
    _any_email(found)
    if not found.reaches:
        _any_phone(found, locale)
    return found


def _is_id(value: Value) -> bool:
    named = value.names[0] if value.names and value.path.count(".") < 2 else ""
    return bool(_ID.fullmatch(named)) and bool(str(value.value).strip())


def _id_rank(value: Value) -> tuple[int, int]:
    name = value.names[0]
    rank = next((at for at, part in enumerate(_IDS) if name.startswith(part)), len(_IDS))
    return (-1 if name in ("id", "uuid", "guid") and not value.path.count(".") else rank, value.path.count("."))


def _any_email(found: Guess) -> None:
    """If no name decides: the first value that is an e-mail."""
    if "email" in found.fields:
        return
    for value in found.rest:
        if _EMAIL.fullmatch(str(value.value).strip()) and not names.speaks_of_another(" ".join(value.names)):
            found.fields["email"] = [value]
            found.rest.remove(value)
            return


def _any_phone(found: Guess, locale: Locale) -> None:
    """If no name decides: the first value that is written as a phone."""
    for value in found.rest:
        text = str(value.value)
        if re.fullmatch(r"\+?[\d\s().-]{7,20}", text) and read_phones(text, locale).numbers:
            found.fields["phones"] = [value]
            found.rest.remove(value)
            return


def _field_of(value: Value, locale: Locale) -> str:
    called = value.names
    if not called or names.speaks_of_another(" ".join(called)):
        return ""
    if isinstance(value.value, dict):
        return "phones" if read_phones(value.value, locale).numbers else ""
    if isinstance(value.value, str) and _EMAIL.fullmatch(value.value.strip()):
        return "email" if any("mail" in name or "correo" in name for name in called) else ""
    if called[0] in _PARTS and len(called) > 1:
        return _part(called, value, locale)
    for name in called[:2]:
        ours = names.guess(name, value.value)
        if ours == "phones" and not read_phones(value.value, locale).numbers:
            continue
        if ours in (*_OURS, "phones", "address"):
            return ours
    return _of_the_envelope(value, locale)


def _part(called: Sequence[str], value: Value, locale: Locale) -> str:
    ours, above = _PARTS[called[0]], names.guess(called[1], "")
    if ours == "phones":
        return ours if read_phones(value.value, locale).numbers else ""
    is_name = above == "first_name" or any(part in called[1] for part in ("name", "nombre", "nome"))
    return ours if is_name else ""


def _of_the_envelope(value: Value, locale: Locale) -> str:
    last = value.names[0]
    if _TIME.fullmatch(last) and value.path.count(".") < 2 and read_time(value.value, locale).moment is not None:
        return "time"
    return ""


def _values(json_value: Any, insides: list[str], path: str = "", inside: str = "", depth: int = 0) -> Iterator[Value]:
    if isinstance(json_value, dict) and depth and is_in_parts(json_value):
        yield Value(path, json_value, inside)
    elif isinstance(json_value, dict) and depth < DEEPEST:
        for key, inner in list(json_value.items())[:MOST]:
            yield from _values(inner, insides, f"{path}.{key}" if path else str(key), inside, depth + 1)
    elif isinstance(json_value, list) and depth < DEEPEST:
        for index, inner in enumerate(json_value[:10]):
            yield from _values(inner, insides, f"{path}.{index}" if path else str(index), inside, depth + 1)
    elif isinstance(json_value, str) and not inside and (body := _json(json_value)) is not None:
        insides.append(path)
        yield from _values(body, insides, "", path, depth + 1)
    elif isinstance(json_value, str | int | float) and not isinstance(json_value, bool):
        yield Value(path, json_value, inside)


def _json(text: str) -> dict[str, Any] | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) and found else None
