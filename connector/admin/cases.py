"""A stored event as a case: a pair of files that the tests read, with invented persons.

``NAME.json`` is the payload, ``NAME.expected.json`` holds the source's options (region, timezone, fields, closed), the
fetched parts, and the result of today: the event, its errors, or why it is ignored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson

from connector.admin.invented import Invented, remains
from connector.admin.stored import StoredEvent
from connector.core.errors import ConnectorError
from connector.core.phrases import phrase
from connector.core.settings import Settings
from connector.core.text import quote
from mappings.base import Ignored, Invalid, Locale
from mappings.configured import payload_mapping
from mappings.events import Lead, Phone, Thin, Ticket

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,80}")


@dataclass(frozen=True, slots=True)
class Case:
    """The files to write."""

    mapping: str
    payload: Any
    expected: Mapping[str, Any]
    differs: str  #: how the invented one is read otherwise than the real one; "" when it is not


def case_of(settings: Settings, stored: StoredEvent) -> Case:
    """The case of an event. Raises `ConnectorError` when a real person would be left in it."""
    source = stored.source
    locale = source.locale or settings.locale
    mapping = payload_mapping(source.mapping, locale, source.fields, source.closed)
    real = outcome(mapping, stored.payload.body, stored.fetched)
    event = real["event"] if isinstance(real.get("event"), Lead | Ticket) else None
    invented = Invented(event, locale)
    invented.value([stored.payload.body, stored.fetched])  # a name that comes late may occur in an earlier text
    payload = invented.value(stored.payload.body)
    fetched = None if stored.fetched is None else invented.value(stored.fetched)
    made = outcome(mapping, payload, fetched)
    options = _given(source.fields, source.closed, locale, fetched)
    expected = options | {name: plain(value) for name, value in made.items()}
    if left := remains(invented, [payload, expected]):
        raise ConnectorError(
            phrase("{number} real names or numbers would be left in it: nothing was written", number=len(left))
        )
    return Case(source.mapping, payload, expected, _difference(real, made))


def outcome(mapping: Any, payload: Any, fetched: Any) -> dict[str, Any]:
    """The result of a payload: thin, event, errors or ignored."""
    become: dict[str, Any] = {}
    try:
        event = mapping.read(payload)
        if isinstance(event, Thin):
            become["thin"] = event
            if fetched is None:
                return become
            event = mapping.complete(payload, fetched)
    except Invalid as invalid:
        return become | {"errors": {error.field: error.message for error in invalid.errors}}
    except Ignored as ignored:
        return become | {"ignored": str(ignored)}
    return become | {"event": event}


def _given(named: Mapping[str, Any], closed: tuple[str, ...], locale: Locale, fetched: Any) -> dict[str, Any]:
    options: dict[str, Any] = {"region": locale.region, "timezone": locale.timezone.key}
    options |= {"extra_countries": list(locale.extra_countries)} if locale.extra_countries else {}
    options |= {"fields": {k: list(v) if isinstance(v, tuple) else v for k, v in named.items()}} if named else {}
    options |= {"closed": list(closed)} if closed else {}
    return options | ({"fetched": fetched} if fetched is not None else {})


def plain(value: Any) -> Any:
    """An event as JSON: phones as E.164, times as ISO 8601, empty values left out."""
    if isinstance(value, Phone):
        return value.e164
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    if is_dataclass(value):
        named = {f.name: plain(getattr(value, f.name)) for f in fields(value)}
        return {name: one for name, one in named.items() if one not in ("", None, [], {})}
    return value


def _difference(real: Mapping[str, Any], made: Mapping[str, Any]) -> str:
    """Which fields the invented person has and the real one has not, or the other way round."""
    before, after = (_shape({name: plain(value) for name, value in one.items()}) for one in (real, made))
    return ", ".join(sorted(before ^ after)[:5])


def _shape(value: Any, path: str = "") -> set[str]:
    if isinstance(value, dict):
        return {found for key, inner in value.items() for found in _shape(inner, f"{path}.{key}".strip("."))}
    if isinstance(value, list):
        return {f"{path}[{len(value)}]"}
    return {path}


def write(case: Case, name: str, folder: Path) -> tuple[Path, Path]:
    """The two files. Raises `ConnectorError` when they are there, or cannot be written."""
    if not _NAME.fullmatch(name):
        raise ConnectorError(
            phrase("{name} is no name of a file: write small letters, digits, - and _", name=quote(name))
        )
    place = folder / case.mapping
    payload, expected = place / f"{name}.json", place / f"{name}.expected.json"
    if payload.exists() or expected.exists():
        raise ConnectorError(phrase("{payload} is there already: choose another name", payload=payload))
    try:
        place.mkdir(parents=True, exist_ok=True)
        payload.write_bytes(orjson.dumps(case.payload, option=orjson.OPT_INDENT_2) + b"\n")
        expected.write_bytes(orjson.dumps(case.expected, option=orjson.OPT_INDENT_2) + b"\n")
    except OSError as fault:
        raise ConnectorError(
            phrase("{place} cannot be written: {why}", place=place, why=fault.strerror or "")
        ) from fault
    return payload, expected
