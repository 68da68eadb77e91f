"""Values in doubt of Tracksale's answers: texts, numbers, flags, objects and lists in whichever type they come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final, TypeVar

from connector.core.errors import ConnectorError
from connector.core.log import masked
from connector.vendors.numbers import figure_of, number_of


class TracksaleError(ConnectorError):
    """Tracksale refused, or answered what cannot be read: in its own words, which may be Portuguese."""


def text_of(value: Any) -> str:
    """A text or a number as a text; "" for null and all else."""
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def flag_of(value: Any) -> bool | None:
    """true, 1, "1" or "true", and their opposites; None otherwise."""
    word = str(value).strip().lower() if isinstance(value, bool | int | str) else ""
    return _FLAGS.get(word)


_FLAGS: Final = dict.fromkeys(("true", "1", "yes", "sim"), True) | dict.fromkeys(("false", "0", "no", "não"), False)


#: By the type that a field is declared to have.
_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "str": text_of,
    "int | None": number_of,
    "float | None": figure_of,
    "bool | None": flag_of,
}
_Read = TypeVar("_Read")


def read_as(kind: type[_Read], found: Mapping[str, Any], **more: Any) -> _Read:
    """A dataclass of the values that have its fields' names; ``more`` are those that are not simply read."""
    names = {field.name: str(field.type) for field in fields(kind) if field.name not in more}  # type: ignore[arg-type]
    return kind(**{name: _READERS[declared](found.get(name)) for name, declared in names.items()}, **more)


def object_of(value: Any) -> Mapping[str, Any]:
    """An object, alone or the only one of a list; else an empty one."""
    if isinstance(value, list) and len(value) == 1:
        return object_of(value[0])
    return value if isinstance(value, dict) else {}


def objects_of(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list, or the one that stands alone."""
    found = [value] if isinstance(value, dict) else value
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def list_of(value: Any, key: str) -> list[Mapping[str, Any]]:
    """A list of objects, or a single one (recognised by its key) in its place; anything else is not an answer."""
    if isinstance(value, list) and all(isinstance(one, dict) for one in value):
        return value
    if isinstance(value, dict) and key in value:
        return [value]
    raise TracksaleError("Tracksale answered something else than a list: look at what it changed")


def short(words: Any) -> str:
    """The vendor's words on one line, short, without addresses of persons."""
    return masked(" ".join(str(words or "").split())[:300])
