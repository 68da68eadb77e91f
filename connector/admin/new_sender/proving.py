"""Proves a sender's kept payloads: each has its expected result, and no forged request passes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from connector.admin.cases import outcome, plain
from connector.core.errors import ConnectorError, NotAuthentic, Unreadable
from connector.core.phrases import phrase
from connector.core.settings import Secret, Verify
from connector.core.states import EventState
from connector.inbound.captured import captured
from connector.inbound.payloads.decode import decode
from connector.inbound.signatures import Proof, verify
from mappings.base import Locale
from mappings.configured import payload_mapping


def prove(name: str, folder: Path) -> Iterator[tuple[str, str]]:
    """(subject, fault or "") of each file. Raises `ConnectorError` if there is none."""
    files = sorted(
        file
        for file in folder.glob("*.json")
        if not file.name.endswith((".expected.json", ".request.json", ".steps.json"))
    )
    if not files:
        raise ConnectorError(
            phrase("{folder} has no payload: connector new sender {name} PAYLOAD writes one", folder=folder, name=name)
        )
    for file in files:
        yield file.name, _reads(name, file)
        request = file.with_name(f"{file.stem}.request.json")
        if request.exists():
            yield request.name, _arrives(request, file)
            yield f"{request.name}, forged", _is_refused(request)


def outcome_of(name: str, payload: Any, expected: Mapping[str, Any]) -> dict[str, Any]:
    """The result of a payload in the form of an expected file."""
    region, zone = str(expected.get("region", "CO")), ZoneInfo(str(expected.get("timezone", "America/Bogota")))
    locale = Locale(region, zone, tuple(expected.get("extra_countries", ())))
    fields = {ours: one if isinstance(one, str) else tuple(one) for ours, one in (expected.get("fields") or {}).items()}
    mapping = payload_mapping(name, locale, fields, tuple(expected.get("closed", ())))
    return {key: plain(value) for key, value in outcome(mapping, payload, expected.get("fetched")).items()}


def read(name: str, payload: Any, locale: Locale) -> Any:
    """The event of a payload; None if there is none."""
    return outcome(payload_mapping(name, locale, {}), payload, None).get("event")


def _reads(name: str, file: Path) -> str:
    beside = file.with_name(f"{file.stem}.expected.json")
    if not beside.exists():
        return f"{beside.name} is missing"
    expected = orjson.loads(beside.read_bytes())
    become = outcome_of(name, orjson.loads(file.read_bytes()), expected)
    wanted = {key: expected[key] for key in ("event", "errors", EventState.IGNORED, "thin") if key in expected}
    if become == wanted:
        return ""
    lines = _differences(wanted, become)
    return "; ".join(lines[:5])


def _differences(wanted: Any, become: Any, path: str = "") -> list[str]:
    if isinstance(wanted, dict) and isinstance(become, dict):
        return [
            line
            for key in {**wanted, **become}
            for line in _differences(wanted.get(key), become.get(key), f"{path}.{key}".strip("."))
        ]
    return [] if wanted == become else [f"{path} should be {wanted!r}, and is {become!r}"]


def _arrives(request: Path, file: Path) -> str:
    """Checks that the request is proved and its body is the payload."""
    example = orjson.loads(request.read_bytes())
    if _refusal(example, example["headers"], example["body_text"]):
        return "its own secret does not open it"
    arrival = captured(request.read_bytes(), ".json")
    try:
        found = decode(arrival.body, content_type=arrival.content_type, headers={}, as_sent=True)
    except Unreadable as fault:
        return f"it cannot be read: {fault}"
    return "" if found.payloads[0].body == orjson.loads(file.read_bytes()) else f"its body is not {file.name}"


def _is_refused(request: Path) -> str:
    example = orjson.loads(request.read_bytes())
    secrets = set(example["secrets"])
    forged = {name: "forged" if value in secrets else value for name, value in example["headers"].items()}
    return "" if _refusal(example, forged, example["body_text"]) else "a request without the secret passes"


def _refusal(example: Mapping[str, Any], headers: Mapping[str, str], body: str) -> str:
    spec = Verify(**example["verify"], secrets=tuple(map(Secret, example["secrets"])))
    lower = {name.lower(): value for name, value in headers.items()}
    try:
        verify(
            spec,
            Proof(body.encode(), lower, now_s=float(example["clock"]), url=f"https://example.com{example['path']}"),
        )
    except NotAuthentic as fault:
        return str(fault)
    return ""
