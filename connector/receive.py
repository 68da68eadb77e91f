"""The step in: prove the origin on the raw bytes, read payloads into events, find their routes. Storing comes after."""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict
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
from mappings import PAYLOADS
from mappings.base import FieldError, Invalid, PayloadMapping, fingerprint
from mappings.events import Event


class Receiver:
    """Everything of a configuration that arriving payloads need, prepared once. Thread-safe."""

    def __init__(self, settings: Settings, router: Router) -> None:
        self._router = router
        self._mappings: Final[dict[str, PayloadMapping]] = {
            name: PAYLOADS[source.mapping](settings.locale) for name, source in settings.sources.items()
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
        decoded: Decoded = decode(raw, content_type=content_type, headers=headers, message_id=message_id)
        return [self.arrival(source, payload) for payload in decoded.payloads], decoded.many

    def arrival(self, source: Source, payload: Payload, *, lane: int = LIVE) -> Arrival:
        """One payload, mapped and routed; invalid, with every fault of its fields, when it is no event."""
        text = as_text(orjson.dumps(payload.body))
        if payload.error is not None:
            return _invalid(source, payload, text, payload.error.errors)
        try:
            event = self._mappings[source.name].read(payload.body)
        except Invalid as invalid:
            return _invalid(source, payload, text, invalid.errors)
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

    def read(self, source: Source, body: Any) -> Event:
        """The event of a stored payload, for replay and `connector map`. Raises `Invalid`."""
        return self._mappings[source.name].read(body)


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


def _ms(event: Event) -> int:
    return int((event.time.timestamp() if event.time else time.time()) * 1000)
