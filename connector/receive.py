"""The step in: prove the origin on the raw bytes, read payloads into events, find their routes. Storing comes after."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import orjson

from connector import signatures
from connector.decode import Decoded, Lookup, Payload, decode, event_key
from connector.errors import NotAuthentic, Unreadable
from connector.inbox import HASHED, Arrival, as_text
from connector.outbox import BULK, LIVE, NewDelivery
from connector.routes import Router
from connector.settings import Settings, Source
from connector.signatures import Proof
from mappings import payload_mapping
from mappings.base import FieldError, Ignored, Invalid, PayloadMapping, Sender, fingerprint
from mappings.events import Event, Thin

#: Payloads that take each step together: going through all steps with one after the other costs half as much again,
#: as the code and the tables of none of them stay in the processor's caches meanwhile.
_AT_ONCE: Final = 64

Verdict = Event | Thin | Invalid | Ignored | Unreadable


class Receiver:
    """Everything of a configuration that arriving payloads need, prepared once. Thread-safe."""

    def __init__(self, settings: Settings, router: Router) -> None:
        self._router = router
        self._mappings: Final[dict[str, PayloadMapping]] = {
            name: payload_mapping(source.mapping, settings.locale, source.fields)
            for name, source in settings.sources.items()
        }

    def sender(self, source: Source) -> Sender:
        """How whoever sends to that source speaks."""
        return self._mappings[source.name].sender

    def verify(self, source: Source, proof: Proof) -> None:
        """Raises `NotAuthentic`. A source without a proof of origin takes nothing over HTTP."""
        if source.verify is None:
            raise NotAuthentic(f"{source.name} takes no webhooks")
        signatures.verify(source.verify, proof)

    def arrivals(
        self,
        source: Source,
        raw: bytes,
        *,
        content_type: str,
        headers: Lookup,
        message_id: str = "",
        trusts_webhook_id: bool = True,
    ) -> tuple[list[Arrival], bool]:
        """What is to be stored, and whether the sender sent many at once (an array, were it of one element).

        What proves the origin inside a body is taken out of it. A ``webhook-id`` that is not `trusts_webhook_id`, as
        nothing proves it, names no event. Raises `Unreadable` (keep it with `unreadable`) and `UnsupportedType`.
        """
        decoded = self.payloads(
            source,
            raw,
            content_type=content_type,
            headers=headers,
            message_id=message_id,
            trusts_webhook_id=trusts_webhook_id,
        )
        return self.read_all(source, decoded.payloads), decoded.many

    def payloads(
        self,
        source: Source,
        raw: bytes,
        *,
        content_type: str,
        headers: Lookup,
        message_id: str = "",
        trusts_webhook_id: bool = True,
    ) -> Decoded:
        """The first half of `arrivals`: what is to be read. Raises the same."""
        mapping = self._mappings[source.name]
        decoded = decode(
            raw,
            content_type=content_type,
            headers=headers,
            message_id=message_id,
            as_sent=mapping.sender.decode == "plain",
            trusts_webhook_id=trusts_webhook_id,
        )
        payloads = [part for payload in decoded.payloads for part in _parts(mapping, _bare(source, mapping, payload))]
        many = decoded.many or len(payloads) != 1
        if mapping.sender.id_header and (spare_id := headers.get(mapping.sender.id_header)):
            payloads = [replace(p, spare_id=f"{spare_id}.{n}" if many else spare_id) for n, p in enumerate(payloads)]
        return Decoded(payloads, many)

    def read_all(self, source: Source, payloads: Sequence[Payload], *, lane: int = LIVE) -> list[Arrival]:
        """The second half: each mapped and routed; invalid, with every fault of its fields, when it is no event."""
        found: list[Arrival] = []
        for at in range(0, len(payloads), _AT_ONCE):
            found += self._read_some(source, payloads[at : at + _AT_ONCE], lane)
        return found

    def _read_some(self, source: Source, payloads: Sequence[Payload], lane: int) -> list[Arrival]:
        texts = [as_text(orjson.dumps(payload.body)) for payload in payloads]
        verdicts = [self._verdict(source, payload) for payload in payloads]
        deliveries = [
            self._router.deliveries(source.name, verdict, lane=lane) if isinstance(verdict, Event) else ()
            for verdict in verdicts
        ]
        arrivals = list(map(partial(_arrival, source, lane), payloads, texts, verdicts, deliveries))
        if not self._mappings[source.name].revisable:
            return arrivals
        return [
            self._revisable(source, payload, arrival, verdict, lane) if isinstance(verdict, Event) else arrival
            for payload, arrival, verdict in zip(payloads, arrivals, verdicts, strict=True)
        ]

    def _verdict(self, source: Source, payload: Payload) -> Verdict:
        if payload.error is not None:
            return payload.error
        try:
            return self.read(source, payload.body)
        except (Invalid, Ignored) as verdict:
            return verdict.with_traceback(None)  # which would hold on to the body

    def arrival(self, source: Source, payload: Payload, *, lane: int = LIVE) -> Arrival:
        """One payload, as `read_all` reads many."""
        return self.read_all(source, (payload,), lane=lane)[0]

    def _revisable(self, source: Source, payload: Payload, arrival: Arrival, event: Event, lane: int) -> Arrival:
        """With what it is if it was stored before and said something else."""
        mapping = self._mappings[source.name]

        def revised() -> Arrival:
            return replace(self.arrival(source, Payload(mapping.revised(payload.body)), lane=lane), revised=None)

        return replace(arrival, event_id=event_key(event.id), others=mapping.others(event), revised=revised)

    def completed(
        self,
        source: Source,
        body: Any,
        fetched: Mapping[str, Any],
        *,
        event_id: str,
        received_at: int,
        lane: int = LIVE,
    ) -> tuple[Arrival, str]:
        """A thin event's arrival once the rest is there, and its second key. Raises `Invalid` and `Ignored`.

        ``received_at`` (unix ms) is its time if it has none of its own: fetching may have taken days.
        """
        mapping = self._mappings[source.name]
        event = mapping.complete(body, fetched)
        if event.time is None:
            event = replace(event, time=datetime.fromtimestamp(received_at / 1000, UTC))
        deliveries = self._router.deliveries(source.name, event, lane=lane)
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


def _arrival(
    source: Source, lane: int, payload: Payload, text: str, verdict: Verdict, deliveries: tuple[NewDelivery, ...]
) -> Arrival:
    if isinstance(verdict, Invalid | Unreadable):
        return _invalid(source, payload, text, verdict.errors)
    if isinstance(verdict, Ignored):
        return _ignored(source, payload, text, str(verdict))
    if isinstance(verdict, Thin):
        return _waiting(source, payload, text, verdict, lane)
    return Arrival(
        source=source.name,
        event_id=_event_id(payload, verdict.id, text),
        type=verdict.type,
        state="accepted" if deliveries else "ignored",
        payload=text,
        occurred_at=_ms(verdict),
        fingerprint=fingerprint(verdict).hex(),
        notes=verdict.notes,
        deliveries=deliveries,
    )


def unreadable(source: Source, raw: bytes, content_type: str, fault: Unreadable) -> Arrival:
    """Authentic bytes that are no payload, as they are kept: a secret of the source that stands in there is not."""
    text = as_text(_without_secrets(source, raw))
    return Arrival(
        source=source.name,
        event_id=_hashed(text),
        type="",
        state="invalid",
        payload=text,
        content_type=content_type[:200] or "application/octet-stream",
        errors=[asdict(e) for e in fault.errors],
    )


def _without_secrets(source: Source, raw: bytes) -> bytes:
    for secret in source.verify.secrets if source.verify else ():
        raw = raw.replace(secret.reveal().encode("utf-8", "surrogateescape"), b"***")
    return raw


def _bare(source: Source, mapping: PayloadMapping, payload: Payload) -> Payload:
    """The payload without what proves its origin: nobody needs that again, and it must not be stored."""
    names, secrets = mapping.sender.secret_fields, frozenset[str]()
    if source.verify is not None and source.verify.scheme == "field":
        names, secrets = (*names, source.verify.field), frozenset(one.reveal() for one in source.verify.secrets)
    return replace(payload, body=_cut(payload.body, names, secrets)) if names else payload


def _cut(value: Any, names: tuple[str, ...], secrets: frozenset[str]) -> Any:
    """A value without the fields of these names and those texts, wherever a sender or an envelope has put them."""
    if isinstance(value, dict):
        return {key: _cut(inner, names, secrets) for key, inner in value.items() if key not in names}
    if isinstance(value, list):
        return [_cut(inner, names, secrets) for inner in value]
    return "***" if isinstance(value, str) and value in secrets else value


def _parts(mapping: PayloadMapping, payload: Payload) -> list[Payload]:
    """A body's events; an envelope's id is counted out among several."""
    if payload.error is not None:
        return [payload]
    parts = mapping.parts(payload.body)
    one = len(parts) == 1
    if one and parts[0] is payload.body:
        return [payload]
    shared = payload.event_id
    return [Payload(part, shared if one or not shared else f"{shared}.{index}") for index, part in enumerate(parts)]


def _waiting(source: Source, payload: Payload, text: str, thin: Thin, lane: int) -> Arrival:
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
        behind=lane == BULK,
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
    """The envelope's id, else the body's own, else the one that came beside it, else a hash of the body."""
    if payload.event_id:
        return event_key(payload.event_id)
    if isinstance(own, str | int) and not isinstance(own, bool) and str(own).strip():
        return event_key(str(own).strip())
    return event_key(payload.spare_id) if payload.spare_id else _hashed(text)


def _hashed(text: str) -> str:
    return HASHED + hashlib.sha256(text.encode()).hexdigest()


def _ms(event: Event | Thin) -> int:
    return int((event.time.timestamp() if event.time else time.time()) * 1000)
