"""Resolves a name inside any JSON that a form, a relay or a CRM sends.

A name is first searched as it is written, including dots and brackets, then as a path. A path continues into a JSON
text (``payload={…}``), and into a list, or an object of numbered fields, by the name of its element: ``[{"name":
"Teléfono", "values": ["…"]}]``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Any, Final

import orjson

from mappings.base import walk
from mappings.names import folded

#: How lists of fields call the name of one, and its value.
NAME_KEYS: Final = (
    *(
        "name",
        "field",
        "key",
        "label",
        "title",
        "id",
        "question",
        "column_id",
        "column_name",
        "field_name",
        "fieldName",
    ),
    *(
        "field_id",
        "fieldId",
        "ref",
        "slug",
        "code",
        "campo",
        "nombre",
        "nome",
        "custom_field",
        "custom_field_id",
        "attribute",
    ),
    *("prompt", "header", "pregunta", "pergunta", "etiqueta", "rotulo", "field_label", "fieldLabel", "property"),
)
VALUE_KEYS: Final = (
    *(
        "value",
        "values",
        "answer",
        "answers",
        "string_value",
        "stringValue",
        "text",
        "response",
        "content",
        "val",
        "valor",
    ),
    *("user_input", "display_value", "raw_value", "field_value", "fieldValue", "respuesta", "resposta"),
)
_MOST: Final = 1000  #: elements of a list that are searched
_TEXTS_IN_TEXTS: Final = 3  #: levels of JSON in a JSON text
_LONGEST: Final = 1_000_000  #: characters of a JSON text inside
_STEPS: Final = re.compile(r"[.\[\]]+")


def at(payload: Any, name: str) -> Any:
    """The value under exactly that name, or at it as a path: "a.b", "a[b]", "a[]", "a.0". None: not found."""
    if isinstance(payload, dict) and name in payload:
        return value_of(payload[name])
    steps = tuple(filter(None, _STEPS.split(name)))
    return value_of(_within(payload, steps)) if steps else None


def value_of(found: Any) -> Any:
    """The value of an object that names a field and its value, the values of a list of them; others as they are."""
    if isinstance(found, list) and found and all(isinstance(one, dict) for one in found[:_MOST]):
        values = [value_of(one) for one in found[:_MOST]]
        return found if any(isinstance(one, dict) for one in values) else values
    if not isinstance(found, dict):
        return found
    if "type" in found and isinstance(found["type"], str) and found["type"] in found:  # {"type": "email", "email": …}
        return found[found["type"]]
    key = next((key for key in VALUE_KEYS if key in found), "")
    return found[key] if key else found


def _within(value: Any, steps: tuple[str, ...]) -> Any:
    """The first that is there, longer keys before shorter ones: a key may hold dots itself."""
    if not steps:
        return value
    value = _opened(value)
    for count in range(len(steps), 0, -1):
        child = _child(value, steps[:count])
        if child is not None and (found := _within(child, steps[count:])) is not None:
            return found
    return None


def _opened(value: Any) -> Any:
    """The object or the list in a JSON text; everything else as it is."""
    for _ in range(_TEXTS_IN_TEXTS):
        text = value.strip() if isinstance(value, str) and len(value) <= _LONGEST else ""
        if text[:1] + text[-1:] not in ("{}", "[]", '""'):
            return value
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            return value
    return value


def _child(value: Any, steps: tuple[str, ...]) -> Any:
    """The value under these steps as one key, in any of its spellings, or of the element with that name."""
    if isinstance(value, dict):
        bracketed = steps[0] + "".join(f"[{step}]" for step in steps[1:])
        spelt = (".".join(steps), bracketed, f"{bracketed}[]")
        key = next((name for name in spelt if name in value), None)
        if key is None:
            return _numbered(value, bracketed) or _named(iter(value.values()), spelt[0])
        return value[key]
    if not isinstance(value, list):
        return None
    found = walk(value, steps[0]) if len(steps) == 1 else None
    return _named(iter(value[:_MOST]), ".".join(steps)) if found is None else found


def _numbered(value: Mapping[str, Any], bracketed: str) -> list[Any]:
    """The values of the keys "name[0]", "name[1]", …"""
    keys = takewhile(lambda key: key in value, (f"{bracketed}[{index}]" for index in range(_MOST)))
    return [value[key] for key in keys]


def _named(elements: Iterator[Any], name: str) -> Any:
    """The value of the element that is called so: {"name", "value"}, {"<name>": value} or ["<name>", value]."""
    folded_name = folded(name)
    for element in elements:
        if isinstance(element, Mapping):
            if any(_is_called(element[key], name, folded_name) for key in NAME_KEYS if key in element):
                value = value_of(element)
                return None if value is element else value
            if len(element) == 1 and name in element:
                return element[name]
        elif isinstance(element, list) and len(element) == 2 and _is_called(element[0], name, folded_name):
            return element[1]
    return None


def _is_called(value: Any, name: str, folded_name: str) -> bool:
    """A name, or an object that has one: {"custom_field": {"label": …}}."""
    if isinstance(value, Mapping):
        return any(_is_called(value[key], name, folded_name) for key in NAME_KEYS if key in value)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return isinstance(value, str) and (value == name or (folded_name != "" and folded(value) == folded_name))
