"""`connector map`: what a payload would become, without a database and without sending anything."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click
import orjson

from connector import destinations
from connector.commands import face, show
from connector.errors import ConnectorError, Unreadable, UnsupportedType
from connector.inbox import Arrival
from connector.options import did_you_mean, listed, quote
from connector.outbox import NewDelivery
from connector.receive import Receiver
from connector.routes import Router
from connector.settings import Settings, Source
from connector.stories import guarded
from mappings.base import Ignored, Invalid
from mappings.events import Event, Phone, Thin

#: A file's extension -> the content type its sender would give.
CONTENT_TYPES: Final = {
    ".json": "application/json",
    ".ndjson": "application/x-ndjson",
    ".jsonl": "application/x-ndjson",
    ".xml": "application/xml",
    ".txt": "application/x-www-form-urlencoded",
    ".form": "application/x-www-form-urlencoded",
}


@click.command("map")
@click.argument("source")
@click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@face.json_option
def map_(source: str, file: str, as_json: bool) -> None:
    """Shows what a payload would become.

    The event and each route's record, or every field's error.

    FILE is .json, .ndjson, .xml or .txt (a form), or - for JSON on stdin. Nothing is stored or sent.
    """
    settings = face.settings()
    if source not in settings.sources:
        hint = did_you_mean(source, settings.sources) or f": the configuration has {listed(tuple(settings.sources))}"
        raise ConnectorError(f"no source is called {quote(source)}{hint}")
    found = mapped(settings, settings.sources[source], _bytes(file), CONTENT_TYPES.get(Path(file).suffix.lower(), ""))
    if as_json:
        show.as_json(found)
    else:
        for one in found["events"]:
            _tell(one)
    if any(
        one["status"] == "invalid" or any(d["state"] == "dead" for d in one["deliveries"]) for one in found["events"]
    ):
        sys.exit(1)


def _bytes(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as fault:
        raise ConnectorError(f"{file} cannot be read: {fault.strerror}") from fault


def mapped(settings: Settings, source: Source, raw: bytes, content_type: str) -> dict[str, Any]:
    """Every payload in these bytes with what it becomes. Raises `ConnectorError` when they are no payload at all."""
    router = Router(settings, destinations.name_of)
    receiver = Receiver(settings, router)
    try:
        arrivals, _ = receiver.arrivals(source, raw, content_type=content_type, headers={})
    except (Unreadable, UnsupportedType) as fault:
        raise ConnectorError(f"it cannot be read: {fault}") from fault
    found = [_one(router, receiver, source, arrival) for arrival in arrivals]
    guards = {route.name: guarded.of_route(route) for route in settings.routes}
    for one in found:
        one["deliveries"] = [delivery | {"guards": guards[delivery["route"]]} for delivery in one["deliveries"]]
    return {"source": source.name, "events": found}


def _one(router: Router, receiver: Receiver, source: Source, arrival: Arrival) -> dict[str, Any]:
    payload = orjson.loads(arrival.payload)
    for new in arrival.deliveries:
        if new.after and new.state == "pending":
            _leave_open(router, new, receiver.read(source, payload))
    return {
        "status": arrival.state,
        "event_id": arrival.event_id,
        "type": arrival.type,
        "payload": payload,
        "event": _event(receiver, source, payload) if arrival.state != "invalid" else None,
        "notes": list(arrival.notes),
        "errors": arrival.errors,
        "deliveries": [_delivery(new) for new in arrival.deliveries],
    }


def _leave_open(router: Router, new: NewDelivery, event: Event | Thin) -> None:
    """The record of what waits for another delivery, without what only that one will bring."""
    if isinstance(event, Thin):
        return
    try:
        rendered = router.left_open(new.route, event)
    except Invalid as invalid:
        new.state, new.reason = "dead", f"no record can be made of it: {invalid}"
        return
    new.record, new.notes = orjson.dumps(rendered.record).decode(), rendered.notes


def _event(receiver: Receiver, source: Source, payload: Any) -> Any:
    """The event, what a thin one points at, or None for test traffic."""
    try:
        return _plain(receiver.read(source, payload))
    except Ignored:
        return None


def _delivery(new: NewDelivery) -> dict[str, Any]:
    return {
        "route": new.route,
        "account": new.account,
        "destination": new.destination,
        "state": new.state,
        "reason": new.reason,
        "after": new.after or None,
        "record": orjson.loads(new.record) if new.record else None,
        "notes": list(new.notes),
    }


def _plain(value: Any) -> Any:
    """An event as JSON: phones in E.164, times in UTC; its notes stand beside it."""
    if isinstance(value, Phone):
        return value.e164
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value) if f.name != "notes"}
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _tell(one: Mapping[str, Any]) -> None:
    show.line(f"{one['event_id']} {one['type']}: {one['status']}", show.STYLES.get(one["status"], "bold"))
    if one["errors"]:
        show.table(("field", "error"), [(error["field"], error["message"]) for error in one["errors"]])
    for note in one["notes"]:
        show.line(f"noted: {note}", "yellow")
    if one["event"]:
        show.table(("field", "value"), _filled(one["event"]), title="The event")
    for delivery in one["deliveries"]:
        _tell_delivery(delivery)
    if one["status"] == "ignored":
        why = "no route wants it" if one["event"] else "it is not to be acted on"
        show.line(f"{why}: it would be kept, and sent nowhere", "yellow")


def _tell_delivery(one: Mapping[str, Any]) -> None:
    after = f", after “{one['after']}”" if one["after"] else ""
    title = f"Route “{one['route']}” → {one['destination']}{after}"
    if one["record"] is None:
        show.line(title, "bold")
        show.line(one["reason"], "red")
        return
    show.table(("field", "value"), _filled(one["record"]), title=title)
    for guard in one["guards"]:
        show.line(f"looked at when its turn comes: {guard}")
    for note in one["notes"]:
        show.line(f"noted: {note}", "yellow")


def _filled(record: Mapping[str, Any]) -> Sequence[tuple[str, Any]]:
    return [(name, value) for name, value in record.items() if value not in ("", None, [], {})]
