"""Any form or JSON with configured fields: ``fields = { phones = "celular", "extra.curso" = "curso" }``.

A name is first searched as it is written, including dots and brackets, then as a path into objects, lists and JSON
texts (`mappings.reach`). Of several names: all of them for phones, otherwise the first filled one. Other fields are not
read; a note reports a phone number among them if the lead has none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from mappings.base import FieldError, Ignored, Locale
from mappings.reach import NAME_KEYS, at, value_of
from mappings.senders.lead import EVENT_TYPES
from mappings.translated import EXTRA, MOST_REMARKS, LeadSender, as_names, is_empty, unforeseen

_ENVELOPE: Final = ("id", "time")
_DEEPEST: Final = 4  #: nested objects that are searched for a phone without a name
_MOST: Final = 200  #: values that are searched


class FormMapping(LeadSender):
    """``type`` is an event type, or names the field that has it; "lead.created" otherwise."""

    event_types = EVENT_TYPES
    takes_fields = True
    needs_fields = True

    def __init__(self, locale: Locale, fields: Mapping[str, Any] | None = None) -> None:
        super().__init__(locale)
        named = {ours: as_names(names) for ours, names in (fields or {}).items()}
        self._types, self._phone_fields = named.pop("type", ()), named.pop("phones", ())
        self._fields = named

    def own(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Our own lead JSON. `Ignored`: a payload marked as a test."""
        if payload.get("is_test") in (True, "true", "1"):
            raise Ignored("a test lead")
        envelope: dict[str, Any] = {"type": self._type(payload)}
        data: dict[str, Any] = {"phones": self._numbers(payload)}
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

    def remarks(self, payload: dict[str, Any], own: dict[str, Any], *, reached: bool) -> Sequence[FieldError]:
        """The place of a number without a name, if the lead has none."""
        if reached:
            return ()
        named = {*self._phone_fields, *(name for names in self._fields.values() for name in names)}
        found = [(path, value) for path, value in _leaves(payload, "", _DEEPEST) if path not in named]
        left = [path for path, value in found[:_MOST] if self.is_phone(value)]
        return [unforeseen(path, path) for path in left[:MOST_REMARKS]]

    def _type(self, payload: dict[str, Any]) -> Any:
        constant = next((name for name in self._types if name in EVENT_TYPES), EVENT_TYPES[0])
        value = _first(payload, self._types)
        return constant if is_empty(value) else value

    def _numbers(self, payload: dict[str, Any]) -> Any:
        """One text may hold several numbers, as long as it is alone."""
        values = [value for name in self._phone_fields if not is_empty(value := at(payload, name))]
        if len(values) == 1:
            return values[0]
        return [number for value in values for number in _each(value)]


def _each(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _first(payload: dict[str, Any], names: Sequence[str]) -> Any:
    return next((value for name in names if not is_empty(value := at(payload, name))), None)


def _leaves(value: Any, path: str, levels: int) -> Iterator[tuple[str, Any]]:
    """(path as ``fields`` would have it, text or number) of everything inside."""
    if isinstance(value, dict) and levels:
        content = value_of(value)
        if content is not value:
            name = next((value[key] for key in NAME_KEYS if isinstance(value.get(key), str)), "")
            yield from _leaves(content, f"{path.rpartition('.')[0]}.{name}".strip(".") if name else path, levels - 1)
            return
        for key, inner in list(value.items())[:_MOST]:
            yield from _leaves(inner, f"{path}.{key}" if path else key, levels - 1)
    elif isinstance(value, list) and levels:
        for index, inner in enumerate(value[:_MOST]):
            yield from _leaves(inner, f"{path}.{index}", levels - 1)
    elif isinstance(value, str | int):
        yield path, value
