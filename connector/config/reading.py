"""Reads one table of the file with its shape: the valid values, and the places of the faults."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from marshmallow import Schema, ValidationError

from connector.config.faults import Faults


def read_shape(shape: Schema, table: Any, place: tuple[str | int, ...], faults: Faults) -> dict[str, Any]:
    """The valid values of a table; its faults are collected."""
    try:
        read: dict[str, Any] = shape.load(table)
    except ValidationError as error:
        for where, message in _messages(error.messages, place):
            faults.add(where, message)
        return error.valid_data if isinstance(error.valid_data, dict) else {}
    return read


def _messages(errors: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(errors, dict):
        for key, inner in errors.items():
            yield from _messages(inner, path if key == "_schema" and path else (*path, key))
    elif isinstance(errors, list):
        for inner in errors:
            yield from _messages(inner, path)
    else:
        yield path, str(errors)
