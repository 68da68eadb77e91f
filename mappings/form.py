"""Any form or JSON whose fields the configuration names: ``fields = { phones = "celular", "extra.curso" = "curso" }``.

A name is first looked for as it is written, dots, brackets and all, then as a path into objects and lists. Several
names: all of them for phones, else the first that is filled. What is not named is not read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mappings.base import Locale, walk
from mappings.lead import EVENT_TYPES
from mappings.translated import EXTRA, LeadSender, as_names, is_empty

_ENVELOPE: Final = ("id", "time")


class FormMapping(LeadSender):
    """``type`` is an event type, or names the field that says it; "lead.created" where neither does."""

    event_types = EVENT_TYPES
    takes_fields = True
    needs_fields = True

    def __init__(self, locale: Locale, fields: Mapping[str, Any] | None = None) -> None:
        super().__init__(locale)
        named = {ours: as_names(names) for ours, names in (fields or {}).items()}
        self._types, self._phone_fields = named.pop("type", ()), named.pop("phones", ())
        self._fields = named

    def own(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Our own lead JSON."""
        envelope: dict[str, Any] = {"type": self._type(payload)}
        data: dict[str, Any] = {"phones": self._phones(payload)}
        extra: dict[str, Any] = {}
        for ours, names in self._fields.items():
            value = _first(payload, names)
            if ours in _ENVELOPE:
                envelope[ours] = value
            elif ours.startswith(EXTRA) and value is not None:
                extra[ours.removeprefix(EXTRA)] = value
            elif not ours.startswith(EXTRA):
                data.setdefault(ours, value)
        return {**envelope, "data": {**data, "extra": extra}}

    def _type(self, payload: dict[str, Any]) -> Any:
        constant = next((name for name in self._types if name in EVENT_TYPES), EVENT_TYPES[0])
        said = _first(payload, self._types)
        return constant if is_empty(said) else said

    def _phones(self, payload: dict[str, Any]) -> Any:
        """One text may hold several numbers, as long as it is alone."""
        given = [value for name in self._phone_fields if not is_empty(value := at(payload, name))]
        if len(given) == 1:
            return given[0]
        return [number for value in given for number in (value if isinstance(value, list) else [value])]


def _first(payload: dict[str, Any], names: Sequence[str]) -> Any:
    return next((value for name in names if not is_empty(value := at(payload, name))), None)


def at(payload: Any, name: str) -> Any:
    """The value under that very name, or where it leads as a path: "a.b", "a[b]", "a[]", "a.0". None: nowhere."""
    if isinstance(payload, dict) and name in payload:
        return payload[name]
    steps = tuple(filter(None, re.split(r"[.\[\]]+", name)))
    return _within(payload, steps) if steps else None


def _within(value: Any, steps: tuple[str, ...]) -> Any:
    """The first that is there, longer keys before shorter ones: a key may hold dots itself."""
    if not steps:
        return value
    for count in range(len(steps), 0, -1):
        child = _child(value, steps[:count])
        if child is not None and (found := _within(child, steps[count:])) is not None:
            return found
    return None


def _child(value: Any, steps: tuple[str, ...]) -> Any:
    """What stands under these steps as one key, in any of its spellings."""
    if isinstance(value, list):
        return walk(value, steps[0]) if len(steps) == 1 else None
    if not isinstance(value, dict):
        return None
    bracketed = steps[0] + "".join(f"[{step}]" for step in steps[1:])
    return next((value[name] for name in (".".join(steps), bracketed, f"{bracketed}[]") if name in value), None)
