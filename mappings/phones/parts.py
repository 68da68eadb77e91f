"""A number in an object: with its label, or in parts, as forms ask for them.

{"label": "work", "value": "300 1234567"}; {"area": "300", "phone": "1234567"}; {"country": "57", "area": …, "phone": …}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mappings.phones.hints import NO_HINTS, Hints, hints, kind_of_name

#: How CRMs and forms call the number in such an object.
NUMBER_KEYS: Final = (
    *("number", "value", "phone", "phone_number", "phoneNumber", "telefono", "celular", "e164", "full"),
    *("numero", "número", "telefone", "local_number", "localNumber", "subscriber"),
)
_MOST_KEYS: Final = 12


def number_in(value: Mapping[str, Any]) -> tuple[Any, Hints]:
    """The number of an object and what its other parts say of it; the object itself where there is none."""
    named = next((key for key in NUMBER_KEYS if _says(value.get(key))), None)
    if named is None or len(value) > _MOST_KEYS:
        return (value if named is None else value[named]), NO_HINTS
    found: dict[str, Any] = {}
    for name, part in value.items():
        if type(name) is str and name != named and _says(part) and (kind := _kind(name, part)):
            found.setdefault(kind, part)
    return value[named], hints(**found) if found else NO_HINTS


def is_in_parts(value: Mapping[str, Any]) -> bool:
    """Whether an object holds a number and a code beside it."""
    return number_in(value)[1] is not NO_HINTS


def _kind(name: str, part: Any) -> str:
    """Which part a key names: inside of a phone "country" is its name or its calling code."""
    if name.lower() in ("country", "pais", "país"):
        return "code" if str(part).strip().lstrip("+").isdecimal() else "country"
    return kind_of_name(name)


def _says(part: Any) -> bool:
    return isinstance(part, (str, int)) and not isinstance(part, bool) and str(part).strip() != ""
