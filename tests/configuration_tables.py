"""The tables of keys in docs/configuration.md: type and default from the shapes, the meaning written by hand."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import marshmallow
from marshmallow import fields

from connector.config import alarms, console, contact, shapes, spool
from connector.core.fields import AccountOptions, Choice, PollOptions
from connector.vendors import VENDORS
from connector.vendors.tracksale.options import QuestionOptions

#: How a table of keys begins and ends in the page.
BLOCK: Final = re.compile(r"<!-- keys: (?P<name>[^>]+?) -->\n(?P<rows>.*?)<!-- end -->\n", re.S)
HEAD: Final = "| key | value | default | meaning |\n|---|---|---|---|\n"
DAY_S: Final = 86400

#: How a field's value is written, by the name of its class.
TYPES: Final[dict[str, str | Callable[[Any], str]]] = {
    "Text": "text",
    "Code": "number of a campaign, as text or number",
    "Codes": "number of a campaign, or a list of them",
    "Whole": lambda field: f"whole number, {field._least} or more",
    "Seconds": lambda field: f"seconds, {field._least:g} or more",
    "Duration": 'time with its unit, "24h"',
    "Size": lambda field: f'size with its unit, "1MB"; at most {field._most >> 20} MB',
    "Share": "number above 0, up to 1",
    "Ceilings": "number of people, or a table of prefixes",
    "Limit": 'events in a time, "60/m, 2000/d"',
    "HoursOfDay": 'hours, "07:00-19:00"',
    "Flag": "true or false",
    "Words": "text, or a list of texts",
    "Path": "path into the event",
    "Paths": lambda field: f"list of at most {field._most} paths into the event",
    "Address": "address, https://…",
    "Moment": 'day or moment, "2026-11-01T08:00"',
    "Tags": "table of names and paths, at most 50",
    "Schedule": '"now", "draft", or a time from then, "+2h"',
    "Finish": 'time after the survey leaves, "+7d"',
    "Questions": "list of tables",
    "Conditions": "table of paths and conditions",
    "Dict": "table",
    "List": "list of tables",
    "Nested": "table",
    "SpanText": 'hours, "08:00-18:00"; "" for closed',
    "Areas": 'countries or regions, "CO", "BR-SP"',
    "Several": lambda field: f"one or several of {_listed(field._known)}",
    "_Table": "table",
    "_RouteList": "list of tables",
    "_Timezone": 'IANA time zone, "America/Bogota"',
    "_Region": 'country, "CO"',
    "_Regions": "list of countries",
    "_People": "table of people",
    "_Roles": "table of names and roles",
    "_Addressees": "list of tables",
    "_Kinds": "list of kinds of alarms",
    "_Secrets": "list of secrets",
    "_Names": "table of our fields and the sender's names",
    "_ContactHours": "country with known hours, or a table",
    "_LongTime": 'time with its unit, "90d", "5y"',
    "_Wait": 'time with its unit, "0d" for none',
    "_Per": '"day", "week", or a time, "24h"',
    "_Days": "list of days",
    "_Categories": f"list of {', '.join(contact.CATEGORIES)}",
    "_Place": '"strictest", "number", or a time zone',
}


def tables() -> dict[str, dict[str, fields.Field[Any]]]:
    """Every table of the configuration with its fields, in the order of the page."""
    found: dict[str, dict[str, fields.Field[Any]]] = {
        "top level": _fields(shapes.TopShape),
        "[retention]": _fields(shapes.RetentionShape),
        "[metrics]": _fields(shapes.MetricsShape),
        "[spool]": _fields(spool.SpoolShape),
        "[console]": _fields(console.ConsoleShape),
        "[console.people.NAME]": _fields(console.PersonShape),
        "[console.oidc]": _fields(console.OidcShape),
        "[alarms]": _fields(alarms.AlarmsShape),
        "[[alarms.to]]": _fields(alarms.AddresseeShape),
        "[accounts.NAME]": _fields(AccountOptions),
    }
    for name, vendor in VENDORS.items():
        found[f"account of {name}"] = _beside(AccountOptions, vendor.account_options)
    found["[sources.NAME]"] = _fields(shapes.SourceShape)
    found["verify"] = _fields(shapes.VerifyShape)
    for scheme, shape in shapes.SCHEMES.items():
        if own := _beside(shapes.VerifyShape, shape):
            found[f"verify: {scheme}"] = own
    found["poll"] = _fields(PollOptions)
    found |= {f"poll: {call}": _beside(PollOptions, shape) for call, (_, shape) in shapes.POLLS.items()}
    found |= _of_routes()
    found |= {
        "[contact]": _fields(contact.ContactShape),
        "[contact.hours.PLACE]": _fields(contact.HoursShape),
        "[[contact.caps]]": _fields(contact.CapShape),
        "[contact.lists.NAME]": _fields(contact.ListShape),
    }
    return found


def _of_routes() -> dict[str, dict[str, fields.Field[Any]]]:
    found = {
        "[[routes]]": _fields(shapes.RouteShape),
        "contact_hours": _fields(shapes.OwnHoursShape),
        "once_per": _fields(shapes.OncePerShape),
        "proof": _fields(contact.ProofShape),
        "route to do_not_contact.add": _beside(shapes.RouteShape, shapes.RefusalShape),
    }
    for name, vendor in VENDORS.items():
        for operation, destination in vendor.destinations.items():
            if options := _fields(destination.options_schema):
                found[f"route to {name}.{operation}"] = options
    found["question of tracksale.answers"] = _fields(QuestionOptions)
    return found


def _fields(shape: type[marshmallow.Schema]) -> dict[str, fields.Field[Any]]:
    return dict(shape().fields)


def _beside(base: type[marshmallow.Schema], shape: type[marshmallow.Schema]) -> dict[str, fields.Field[Any]]:
    """The fields that a shape has beside its base, and those whose default it changes."""
    known = base().fields
    return {
        key: field
        for key, field in shape().fields.items()
        if key not in known or default_of(field) != default_of(known[key])
    }


def type_of(field: fields.Field[Any]) -> str:
    """How a value is written. A class that TYPES does not know says it in its docstring."""
    for validator in field.validators:
        if isinstance(validator, Choice):
            return _listed(word for word in validator.words if word)
    said = TYPES.get(type(field).__name__) or (type(field).__doc__ or "").strip().splitlines()[0].rstrip(".")
    return said(field) if callable(said) else said


def _listed(words: Any) -> str:
    return ", ".join(f'"{word}"' for word in words)


def default_of(field: fields.Field[Any]) -> str:
    """The default as the file would have it; "—" for nothing."""
    if field.required:
        return "required"
    value = field.load_default() if callable(field.load_default) else field.load_default
    if value is marshmallow.missing or value is None or value in ("", (), [], {}, frozenset()):
        return "—"
    return _shown(type(field).__name__, value)


def _shown(kind: str, value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if kind == "HoursOfDay":
        return "-".join(f"{minutes // 60:02}:{minutes % 60:02}" for minutes in value)
    if kind in ("Duration", "_LongTime", "_Wait"):
        return _duration(int(value))
    if kind == "Size":
        return f"{value >> 20}MB" if value else "—"
    if isinstance(value, tuple | frozenset):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _duration(seconds: int) -> str:
    for unit, length in (("y", 365 * DAY_S), ("d", DAY_S), ("h", 3600), ("m", 60)):
        if seconds and seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s" if seconds else "none"


def rows(name: str, meanings: Mapping[str, str]) -> Iterator[str]:
    """The rows of one table: what the shape says, and the meaning that the page has for the key."""
    for key, field in tables()[name].items():
        cells = (f"`{key}`", type_of(field), default_of(field), meanings.get(key, ""))
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def filled(page: str) -> str:
    """The page with every table of keys as the shapes have it, meanings kept."""

    def table(block: re.Match[str]) -> str:
        name = block["name"]
        return f"<!-- keys: {name} -->\n{HEAD}{''.join(rows(name, meanings_of(block['rows'])))}<!-- end -->\n"

    return BLOCK.sub(table, page)


def meanings_of(written: str) -> dict[str, str]:
    """The meaning of each key of a written table."""
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in written.splitlines() if line.startswith("| `")]
    return {row[0].strip().strip("`"): row[3].strip().replace("\\|", "|") for row in cells if len(row) == 4}
