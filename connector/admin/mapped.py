"""A dry run of a payload: its events, records and the choices of routes, without a database and without sending."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass, replace
from datetime import UTC, datetime
from typing import Any

import orjson

from connector.admin import guards as guarded
from connector.admin.stored import StoredEvent
from connector.core.errors import ConnectorError, Unreadable, UnsupportedType
from connector.core.phrases import phrase
from connector.core.reasons import Code, Reason
from connector.core.settings import Settings, Source
from connector.core.states import DeliveryState, EventState
from connector.inbound.receiver import Receiver
from connector.inbound.router import Router, needs_a_person
from connector.store.arrivals import Arrival, NewDelivery
from connector.store.lanes import LIVE
from connector.vendors import destinations
from mappings.base import Ignored, Invalid
from mappings.events import Event, Phone, Thin


def mapped(
    settings: Settings, source: Source, raw: bytes, content_type: str, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Every payload in these bytes with its result. Raises `ConnectorError` if they hold no payload."""
    router = Router(settings, destinations.name_of)
    receiver = Receiver(settings, router)
    try:
        arrivals, _ = receiver.arrivals(source, raw, content_type=content_type, headers=headers or {})
    except (Unreadable, UnsupportedType) as fault:
        raise ConnectorError(phrase("it cannot be read: {fault}", fault=str(fault))) from fault
    return _result(settings, router, receiver, source, [(arrival, None) for arrival in arrivals])


def mapped_again(settings: Settings, stored: StoredEvent) -> dict[str, Any]:
    """The same for a stored event: a thin one with its fetched parts."""
    router = Router(settings, destinations.name_of)
    receiver = Receiver(settings, router)
    arrival = receiver.arrival(stored.source, stored.payload)
    fetched = stored.fetched if arrival.state == EventState.WAITING else None
    if fetched is not None:
        arrival = _completed(receiver, stored, arrival, fetched)
    return _result(settings, router, receiver, stored.source, [(arrival, fetched)])


def _completed(receiver: Receiver, stored: StoredEvent, thin: Arrival, fetched: Mapping[str, Any]) -> Arrival:
    """A thin event with the rest of it, under its own payload."""
    body, received_at = stored.payload.body, stored.received_at
    try:
        whole, _ = receiver.completed(
            stored.source, body, fetched, event_id=thin.event_id, received_at=received_at, lane=LIVE
        )
    except Invalid as invalid:
        return replace(thin, state=EventState.INVALID, errors=[asdict(error) for error in invalid.errors])
    except Ignored as ignored:
        return replace(thin, state=EventState.IGNORED, notes=(str(ignored),))
    return replace(whole, payload=thin.payload)


def _result(
    settings: Settings,
    router: Router,
    receiver: Receiver,
    source: Source,
    arrivals: Sequence[tuple[Arrival, Mapping[str, Any] | None]],
) -> dict[str, Any]:
    found = [_one(router, receiver, source, arrival, fetched) for arrival, fetched in arrivals]
    guards = {route.name: guarded.of_route(route) for route in settings.routes}
    for one in found:
        one["deliveries"] = [delivery | {"guards": guards[delivery["route"]]} for delivery in one["deliveries"]]
    return {"source": source.name, "events": found}


def _one(
    router: Router, receiver: Receiver, source: Source, arrival: Arrival, fetched: Mapping[str, Any] | None
) -> dict[str, Any]:
    payload = orjson.loads(arrival.payload)
    event = _read(receiver, source, payload, fetched) if arrival.state != EventState.INVALID else None
    for new in arrival.deliveries:
        if new.after and new.state == DeliveryState.PENDING and isinstance(event, Event):
            _leave_open(router, new, event)
    return {
        "status": arrival.state,
        "event_id": arrival.event_id,
        "type": arrival.type,
        "payload": payload,
        "event": None if event is None else _plain(event),
        "notes": list(arrival.notes),
        "errors": arrival.errors,
        "deliveries": [_delivery(new) for new in arrival.deliveries],
        "routes": _choices(router, source, event),
    }


def _choices(router: Router, source: Source, event: Event | Thin | None) -> list[dict[str, Any]]:
    """The result of each configured route; none if the event has to be fetched first."""
    if not isinstance(event, Event):
        return []
    choices = router.choices(source.name, event)
    return [{"route": c.route.name, "takes": not c.why_not, "why": c.why_not or None} for c in choices]


def _leave_open(router: Router, new: NewDelivery, event: Event) -> None:
    """The record of a dependent delivery, without the values of the one before."""
    try:
        rendered = router.left_open(new.route, event)
    except Invalid as invalid:
        new.state, new.reason = DeliveryState.DEAD, Reason(Code.NO_RECORD, {"words": str(invalid)})
        return
    new.record, new.notes = orjson.dumps(rendered.record).decode(), rendered.notes
    if rendered.hold:
        new.state, new.reason = DeliveryState.SUPPRESSED, needs_a_person(rendered)


def _read(receiver: Receiver, source: Source, payload: Any, fetched: Mapping[str, Any] | None) -> Event | Thin | None:
    """The event, the parts to fetch of a thin one, or None for test traffic."""
    try:
        return receiver.read(source, payload, fetched)
    except Ignored:
        return None


def _delivery(new: NewDelivery) -> dict[str, Any]:
    return {
        "route": new.route,
        "account": new.account,
        "destination": new.destination,
        "state": new.state,
        "reason": str(new.reason) if new.reason else None,
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
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value) if f.name not in ("notes", "hold")}
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value
