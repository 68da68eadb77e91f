"""The mapping of a source, as its configuration wants it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mappings import PAYLOADS
from mappings.base import Locale, PayloadMapping


def payload_mapping(
    name: str, locale: Locale, fields: Mapping[str, Any] | None = None, closed: Sequence[str] = ()
) -> PayloadMapping:
    """The mapping of a source, with its ``fields`` and its ``closed`` states."""
    build: Callable[..., PayloadMapping] = PAYLOADS[name]  # type: ignore[assignment]
    options: dict[str, Any] = {"fields": fields or {}} if PAYLOADS[name].takes_fields else {}
    if PAYLOADS[name].takes_closed:
        options["closed"] = closed
    return build(locale, **options)
