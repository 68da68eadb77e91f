"""Shared parts of payload mappings: schemas bound to a locale, and loading that keeps valid fields."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, missing

from mappings.base import FieldError, Hold, Locale
from mappings.fields import Loose

#: marshmallow's messages: for each field, or for the whole object.
Messages = dict[str, Any] | list[str]


class PayloadSchema(Schema):
    """A schema with fields that know the locale. Built once for a source; unknown keys are ignored."""

    class Meta:
        """marshmallow's options."""

        unknown = EXCLUDE

    error_messages = {"type": "must be an object"}  # noqa: RUF012 - marshmallow's way

    def __init__(self, locale: Locale) -> None:
        self.locale = locale
        super().__init__()
        self._reading = tuple((name, _reader(field)) for name, field in self.load_fields.items())
        self._required = frozenset(name for name, field in self.load_fields.items() if field.required)
        absent = {name: _absent(field) for name, field in self.load_fields.items() if not field.required}
        self._made = tuple((name, value) for name, value in absent.items() if callable(value))
        self._absent = {name: value for name, value in absent.items() if not callable(value)}

    def read(self, payload: Any) -> tuple[dict[str, Any], Messages]:
        """The fields that are good, and marshmallow's messages for the others; nothing is raised.

        The short way past marshmallow's own loop, which costs as much as all that the fields do. It knows neither
        hooks nor ``data_key``: no payload schema has any.
        """
        if not isinstance(payload, Mapping):
            return {}, [self.error_messages["type"]]
        good: dict[str, Any] = self._absent.copy()
        for name, make in self._made:
            good[name] = make()
        messages: dict[str, Any] = {}
        get = payload.get
        for name, deserialize in self._reading:
            value = get(name)
            if value is None and name not in self._required:
                continue
            try:
                good[name] = deserialize(value, name, payload)
            except ValidationError as fault:
                messages[name] = fault.messages
                if fault.valid_data:
                    good[name] = fault.valid_data
                else:
                    good.pop(name, None)
        return good, messages


def _reader(field: fields.Field[Any]) -> Callable[[Any, str, Mapping[str, Any]], Any]:
    """What reads a value of the field. Only a required field is given null: that takes the step of `Loose`."""
    return field._deserialize if isinstance(field, Loose) and not field.required else field.deserialize


def _absent(field: fields.Field[Any]) -> Any:
    """The default of a field that was not sent: a value, or its factory."""
    return dict if isinstance(field, Part) else field.load_default


class Part(fields.Nested):
    """An object inside the payload, read by a `PayloadSchema` with the same locale. Null is absent."""

    default_error_messages = {"required": "is missing"}  # noqa: RUF012 - marshmallow's way

    def __init__(self, part: type[PayloadSchema], *, required: bool = False) -> None:
        super().__init__(part, required=required)
        self.part = part

    def _bind_to_schema(self, field_name: str, parent: Any) -> None:
        super()._bind_to_schema(field_name, parent)
        self._schema = self._reader = self.part(parent.locale)

    def deserialize(
        self, value: Any, attr: str | None = None, data: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> Any:
        if value is None or value is missing:
            if self.required:
                raise self.make_error("required")
            return {}
        good, messages = self._reader.read(value)
        if messages:
            raise ValidationError(messages, valid_data=good)
        return good


def load(schema: PayloadSchema, payload: Any) -> tuple[dict[str, Any], tuple[FieldError, ...]]:
    """The valid fields, and the faults of the others.

    A faulty field is absent from the result, so the caller needs a default of its own.
    """
    good, messages = schema.read(payload)
    return good, tuple(_faults(messages, ())) if messages else ()


def _faults(messages: Any, path: tuple[str, ...]) -> Iterator[FieldError]:
    """marshmallow's nested messages as flat paths, without the envelope's "data.", which events do not have."""
    if isinstance(messages, dict):
        for key, inner in messages.items():
            yield from _faults(inner, (*path, str(key)))
        return
    if len(path) > 1 and path[0] == "data":
        path = path[1:]
    for message in messages:
        yield FieldError(".".join(path) or "payload", message)


def as_notes(faults: tuple[FieldError, ...]) -> tuple[str, ...]:
    """Faults that an event could live with, as it keeps them: "phones.1: …"."""
    if not faults:
        return ()
    return tuple(f"{fault.field}: {fault.message}" for fault in faults)


def holds(faults: tuple[FieldError, ...]) -> tuple[str, ...]:
    """The faults that an operator must look at before anybody is called."""
    if not faults:
        return ()
    return as_notes(tuple(fault for fault in faults if isinstance(fault.message, Hold)))


def decisive(faults: tuple[FieldError, ...], *names: str) -> bool:
    """Whether a fault lies in a field without which there is no event."""
    return bool(faults) and any(fault.field in names for fault in faults)
