"""Writes the files of a new sender: mapping, line in a table or place in a project, payload as a test."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode
from xml.sax.saxutils import escape

from connector.admin.invented import Invented
from connector.admin.new_sender.guess import Guess, Value
from connector.core.errors import ConnectorError
from connector.core.phrases import phrase
from connector.core.text import quote
from connector.inbound.captured import Captured
from mappings.base import Locale
from mappings.events import Lead

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{1,40}")
_BOUNDARY: Final = "----fixture"
CLOCK: Final = 1795186862  #: unix s of the kept request
_KEPT: Final = 40  #: values that go into extra by name


@dataclass(frozen=True, slots=True)
class Sender:
    """The sender to write."""

    name: str
    event_type: str
    guess: Guess
    payload: dict[str, Any]
    request: Captured


def demand_name(name: str) -> None:
    """Raises `ConnectorError` if it cannot be the name of a Python file."""
    if not _NAME.fullmatch(name):
        raise ConnectorError(
            phrase("{name} is no name of a sender: small letters, digits and _, a letter first", name=quote(name))
        )


def mapping_text(sender: Sender) -> str:
    """The Python file."""
    guess, insides = (
        sender.guess,
        {path: f"inside_{at}" if at else "answers" for at, path in enumerate(_used(sender.guess))},
    )
    lead = [f'            "{ours}": {_source(values, ours, insides)},' for ours, values in _ordered(guess)]
    extra = [f"                {_quoted(key)}: {_walk(value, insides)}," for key, value in _extra(guess)]
    body = ["        data = {", *lead]
    body += ['            "extra": {', *extra, "            },"] if extra else []
    envelope = {ours: _source(guess.fields[ours], ours, insides) for ours in ("id", "time") if ours in guess.fields}
    envelope_text = ", ".join([f'"{name}": {text}' for name, text in envelope.items()])
    members = ", ".join(part for part in (envelope_text, f'"type": "{sender.event_type}"', '"data": data') if part)
    opened = [f"        {name} = inside(payload, {_quoted(path)})" for path, name in insides.items()]
    imports = "LeadSender, inside" if insides else "LeadSender"
    return "\n".join(
        [
            f'"""{_title(sender.name)}: what it is, how its payload looks, and where that is documented.',
            "",
            "Guessed from a caught payload: read each line, and correct what is wrong.",
            '"""',
            "",
            "from __future__ import annotations",
            "",
            "from typing import Any",
            "",
            "from mappings.base import walk",
            f"from mappings.translated import {imports}",
            "",
            "",
            f"class {_title(sender.name)}Mapping(LeadSender):",
            '    """Reads one payload."""',
            "",
            f'    event_types = ("{sender.event_type}",)',
            "",
            "    def own(self, payload: dict[str, Any]) -> dict[str, Any]:",
            '        """Our own lead JSON."""',
            *opened,
            *body,
            "        }",
            f"        return {{{members}}}",
            "",
        ]
    )


def _title(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _used(guess: Guess) -> list[str]:
    """The texts with JSON of which some value is read."""
    values = [value for some in guess.fields.values() for value in some] + guess.rest[:_KEPT]
    return [path for path in guess.insides if any(value.inside == path for value in values)]


def _ordered(guess: Guess) -> Sequence[tuple[str, list[Value]]]:
    """The lead's own fields, as our JSON has them in order."""
    return [
        (ours, guess.fields[ours])
        for ours in Lead.__dataclass_fields__
        if ours in guess.fields and ours not in ("id", "time")
    ]


def _source(values: Sequence[Value], ours: str, insides: Mapping[str, str]) -> str:
    if ours == "phones" and len(values) > 1:
        return f"[{', '.join(_walk(value, insides) for value in values)}]"
    return _walk(values[0], insides)


def _walk(value: Value, insides: Mapping[str, str]) -> str:
    return f"walk({insides.get(value.inside, 'payload')}, {_quoted(value.path)})"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _extra(guess: Guess) -> list[tuple[str, Value]]:
    """The other values of the payload, each under a name of its own."""
    found: dict[str, Value] = {}
    for value in guess.rest[:_KEPT]:
        parts = value.names
        name = parts[0] if parts and parts[0] not in found else "_".join(reversed(parts)) or value.path
        if name and name not in found:
            found[name] = value
    return list(found.items())


def with_line(table: str, name: str) -> str:
    """The table of mappings with one more line and its import. Raises `ConnectorError` if it has another form."""
    imports = re.search(r"(?<=from mappings\.senders import \(\n)(?:    \w+,\n)+", table)
    lines = re.search(r"(?<=PAYLOADS: dict\[str, type\[PlainSender\]\] = \{\n)(?:    .+\n)+", table)
    if imports is None or lines is None:
        raise ConnectorError(phrase("mappings/__init__.py looks otherwise than it did: add the line by hand"))
    named = "".join(sorted([*imports[0].splitlines(True), f"    {name},\n"]))
    line = f'    "{name}": {name}.{_title(name)}Mapping,\n'
    return table.replace(imports[0], named, 1).replace(lines[0], lines[0] + line, 1)


def snippet(name: str) -> str:
    """The table of the configuration."""
    return (
        f"\n[sources.{name}]                       # POST /webhooks/{name}\n"
        f'mapping = "{name}"\n'
        f'verify = {{ scheme = "token", header = "X-Token", secrets = ["${{{secret_name(name)}}}"] }}\n'
    )


def secret_name(name: str) -> str:
    return f"{name.upper()}_TOKEN"


def new_secret() -> str:
    return secrets.token_hex(24)


# --- the payload as a test --------------------------------------------------------------------------------------------


def fixtures(sender: Sender, event: Any, locale: Locale) -> tuple[dict[str, Any], dict[str, Any]]:
    """The payload with invented persons, and its request."""
    invented = Invented(event, locale)
    invented.value(sender.payload)  # a name that comes late may occur in an earlier text
    payload: dict[str, Any] = invented.value(sender.payload)
    kind, body = _body(sender.request, payload, invented)
    token = f"fixture-{sender.name}-token"
    request = {
        "method": "POST",
        "path": f"/webhooks/{sender.name}",
        "headers": {"Content-Type": kind, "X-Token": token},
        "verify": {"scheme": "token", "header": "X-Token"},
        "secrets": [token],
        "clock": CLOCK,
        "body_text": body,
    }
    return payload, request


def _body(request: Captured, payload: dict[str, Any], invented: Invented) -> tuple[str, str]:
    kind = request.content_type.lower()
    if "multipart/" in kind:
        return f"multipart/form-data; boundary={_BOUNDARY}", _multipart(payload)
    if "urlencoded" in kind:
        return "application/x-www-form-urlencoded", urlencode(_pairs(payload))
    if "xml" in kind:
        return "application/xml", invented.value(request.body.decode("utf-8", "replace"))
    return "application/json", json.dumps(payload, ensure_ascii=False)


def _pairs(payload: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (name, str(one)) for name, value in payload.items() for one in (value if isinstance(value, list) else [value])
    ]


def _multipart(payload: Mapping[str, Any]) -> str:
    parts = (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{escape(name)}"\r\n\r\n{value}\r\n'
        for name, value in _pairs(payload)
    )
    return "".join(parts) + f"--{_BOUNDARY}--\r\n"


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
