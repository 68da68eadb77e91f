"""The step in: prove the origin on the raw bytes, read payloads into events, find their routes. Storing comes after."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from connector import signatures
from connector.decode import Decoded, Lookup, Payload, decode, event_key
from connector.errors import NotAuthentic, Unreadable
from connector.inbox import HASHED, Arrival, as_text
from connector.outbox import LIVE
from connector.routes import Router
from connector.settings import Settings, Source
from connector.signatures import Proof
from mappings import payload_mapping
from mappings.base import FieldError, Ignored, Invalid, PayloadMapping, fingerprint
from mappings.events import Event, Thin


class Receiver:
    """Everything of a configuration that arriving payloads need, prepared once. Thread-safe."""

    def __init__(self, settings: Settings, router: Router) -> None:
        self._router = router
        self._mappings: Final[dict[str, PayloadMapping]] = {
            name: payload_mapping(source.mapping, settings.locale, source.fields)
            for name, source in settings.sources.items()
        }

    def verify(self, source: Source, proof: Proof) -> None:
        """Raises `NotAuthentic`. A source without a proof of origin takes nothing over HTTP."""
        if source.verify is None:
            raise NotAuthentic(f"{source.name} takes no webhooks")
        signatures.verify(source.verify, proof)

    def arrivals(
        self, source: Source, raw: bytes, *, content_type: str, headers: Lookup, message_id: str = ""
    ) -> tuple[list[Arrival], bool]:
        """What is to be stored, and whether the sender sent many at once (an array, were it of one element).

        Raises `Unreadable` (keep it with `unreadable`) and `UnsupportedType`.
        """
        mapping = self._mappings[source.name]
        sender = mapping.sender
        message_id = message_id or (headers.get(sender.id_header) or "" if sender.id_header else "")
        decoded: Decoded = decode(
            raw, content_type=content_type, headers=headers, message_id=message_id, as_sent=sender.decode == "plain"
        )
        payloads = [part for payload in decoded.payloads for part in _parts(mapping, payload)]
        return [self.arrival(source, payload) for payload in payloads], decoded.many or len(payloads) != 1

    def arrival(self, source: Source, payload: Payload, *, lane: int = LIVE) -> Arrival:
        """One payload, mapped and routed; invalid, with every fault of its fields, when it is no event."""
        text = as_text(orjson.dumps(payload.body))
        if payload.error is not None:
            return _invalid(source, payload, text, payload.error.errors)
        try:
            event = self.read(source, payload.body)
        except Invalid as invalid:
            return _invalid(source, payload, text, invalid.errors)
        except Ignored as ignored:
            return _ignored(source, payload, text, str(ignored))
        if isinstance(event, Thin):
            return _waiting(source, payload, text, event)
        deliveries = self._router.deliveries(source.name, event, lane=lane)
        return Arrival(
            source=source.name,
            event_id=_event_id(payload, event.id, text),
            type=event.type,
            state="accepted" if deliveries else "ignored",
            payload=text,
            occurred_at=_ms(event),
            fingerprint=fingerprint(event).hex(),
            notes=event.notes,
            deliveries=deliveries,
        )

    def completed(
        self, source: Source, body: Any, fetched: Mapping[str, Any], *, event_id: str, received_at: int
    ) -> tuple[Arrival, str]:
        """A thin event's arrival once the rest is there, and its second key. Raises `Invalid` and `Ignored`.

        ``received_at`` (unix ms) is its time if it has none of its own: fetching may have taken days.
        """
        mapping = self._mappings[source.name]
        event = mapping.complete(body, fetched)
        if event.time is None:
            event = replace(event, time=datetime.fromtimestamp(received_at / 1000, UTC))
        deliveries = self._router.deliveries(source.name, event)
        arrival = Arrival(
            source=source.name,
            event_id=event_id,
            type=event.type,
            state="accepted" if deliveries else "ignored",
            payload="",
            notes=event.notes,
            deliveries=deliveries,
        )
        return arrival, mapping.second_key(event)

    def read(self, source: Source, body: Any, fetched: Mapping[str, Any] | None = None) -> Event | Thin:
        """The event of a stored payload, with what was fetched for a thin one. Raises `Invalid` and `Ignored`."""
        mapping = self._mappings[source.name]
        return mapping.read(body) if fetched is None else mapping.complete(body, fetched)


def unreadable(source: Source, raw: bytes, content_type: str, fault: Unreadable) -> Arrival:
    """Authentic bytes that are no payload, as they are kept."""
    text = as_text(raw)
    return Arrival(
        source=source.name,
        event_id=_hashed(text),
        type="",
        state="invalid",
        payload=text,
        content_type=content_type[:200] or "application/octet-stream",
        errors=[asdict(e) for e in fault.errors],
    )


def _parts(mapping: PayloadMapping, payload: Payload) -> list[Payload]:
    """A body's events, without what secrets it carries; an envelope's id is counted out among several."""
    if payload.error is not None:
        return [payload]
    body = payload.body
    if mapping.sender.secret_fields and isinstance(body, dict):
        body = {key: value for key, value in body.items() if key not in mapping.sender.secret_fields}
    parts = mapping.parts(body)
    one = len(parts) == 1
    shared = payload.event_id
    return [Payload(part, shared if one or not shared else f"{shared}.{index}") for index, part in enumerate(parts)]


def _waiting(source: Source, payload: Payload, text: str, thin: Thin) -> Arrival:
    """A thin event, to be fetched by the source's account."""
    # Without an id two notifications of one object may be the same byte for byte and yet mean two changes.
    event_id = _event_id(payload, thin.id, text)
    return Arrival(
        source=source.name,
        event_id=f"{event_id}.{time.time_ns()}" if event_id.startswith(HASHED) else event_id,
        type=thin.type,
        state="waiting",
        payload=text,
        occurred_at=_ms(thin),
        fingerprint=hashlib.blake2b(f"{thin.type} {thin.what} {thin.ref}".encode(), digest_size=16).hexdigest(),
        notes=thin.notes,
        account=source.account,
    )


def _ignored(source: Source, payload: Payload, text: str, why: str) -> Arrival:
    return Arrival(
        source=source.name,
        event_id=_event_id(payload, None, text),
        type="",
        state="ignored",
        payload=text,
        notes=(why,),
    )


def _invalid(source: Source, payload: Payload, text: str, errors: tuple[FieldError, ...]) -> Arrival:
    body = payload.body if isinstance(payload.body, dict) else {}
    given_type = body.get("type")
    return Arrival(
        source=source.name,
        event_id=_event_id(payload, body.get("id"), text),
        type=event_key(given_type) if isinstance(given_type, str) else "",
        state="invalid",
        payload=text,
        errors=[asdict(e) for e in errors],
    )


def _event_id(payload: Payload, own: object, text: str) -> str:
    """The envelope's id, else the body's own, else a hash of the body."""
    if payload.event_id:
        return event_key(payload.event_id)
    if isinstance(own, str | int) and not isinstance(own, bool) and str(own).strip():
        return event_key(str(own).strip())
    return _hashed(text)


def _hashed(text: str) -> str:
    return HASHED + hashlib.sha256(text.encode()).hexdigest()


def _ms(event: Event | Thin) -> int:
    return int((event.time.timestamp() if event.time else time.time()) * 1000)
