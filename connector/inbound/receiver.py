"""Ingestion: proves the origin on the raw bytes, reads payloads into events, finds their routes.

Storing comes after.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import orjson

from connector.core.errors import ConnectorError, NotAuthentic, Unreadable
from connector.core.keyed_hash import PROVED
from connector.core.log import get
from connector.core.log_throttle import LogThrottle
from connector.core.payload import Payload, as_text
from connector.core.settings import Settings, Source
from connector.core.states import EventState
from connector.inbound import signatures
from connector.inbound.believed import believed
from connector.inbound.payloads.cloudevents import attribute_text, type_beside
from connector.inbound.payloads.contract import Decoded, Lookup
from connector.inbound.payloads.decode import decode, event_key
from connector.inbound.payloads.encodings import MOST, plain
from connector.inbound.payloads.sniff import begins_as_text, content_type_of
from connector.inbound.router import Router
from connector.inbound.signatures import Proof, Proved
from connector.store.arrivals import Arrival, NewDelivery
from connector.store.inbox import HASHED
from connector.store.lanes import BULK, LIVE
from mappings.base import FieldError, Ignored, Invalid, PayloadMapping, Sender, fingerprint
from mappings.configured import payload_mapping
from mappings.events import Event, Thin

#: Payloads that take each step together: taking all steps one payload after the other costs half as much again,
#: because code and tables of each step leave the processor's caches meanwhile.
_AT_ONCE: Final = 64

_FAILURE_EVERY_S: Final = 60.0  #: one log line a minute for each mapping that fails

Verdict = Event | Thin | Invalid | Ignored | Unreadable

log = get("receiver")


class Receiver:
    """Everything of a configuration that arriving payloads need, prepared once. Thread-safe."""

    def __init__(self, settings: Settings, router: Router) -> None:
        self._router = router
        self._mappings: Final[dict[str, PayloadMapping]] = {
            name: payload_mapping(
                source.mapping,
                replace(
                    source.locale or settings.locale,
                    dial_prefixes=settings.dial_prefixes,
                    costly=settings.costly,
                ),
                source.fields,
                source.closed,
            )
            for name, source in settings.sources.items()
        }
        self._failures = LogThrottle(_FAILURE_EVERY_S)

    def sender(self, source: Source) -> Sender:
        """The manner of the source's sender."""
        return self._mappings[source.name].sender

    def verify(self, source: Source, proof: Proof) -> Proved | None:
        """The proved parts of a request. Raises `NotAuthentic`.

        A source without a proof of origin takes nothing over HTTP.
        """
        if source.verify is None:
            raise NotAuthentic(f"{source.name} takes no webhooks")
        return signatures.verify(source.verify, proof)

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
        """The arrivals of a body, and whether the sender sent many at once (an array, even of one element).

        A proof of origin inside a body is removed from it. If not `trusts_webhook_id`, an unproved ``webhook-id`` names
        no event. Raises `Unreadable` (keep it with `unreadable`) and `UnsupportedType`.
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
        proved: Proved | None = None,
        max_bytes: int = MOST,
    ) -> Decoded:
        """The first half of `arrivals`: the payloads. Raises the same, for any bytes.

        If something was `proved`, that alone identifies the events. A CloudEvent's headers may give the type of a body
        without one; content type and other headers do not count.
        """
        try:
            if proved is not None:
                return self._signed(source, raw, headers, proved, max_bytes)
            return self._decoded(
                source,
                raw,
                content_type=content_type,
                headers=headers,
                message_id=message_id,
                trusts_webhook_id=trusts_webhook_id,
                max_bytes=max_bytes,
            )
        except ConnectorError:
            raise
        except Exception as surprise:  # noqa: BLE001 - authentic bytes are kept, also after a bug
            raise Unreadable(self._kept_errors(source, surprise, "body")) from None

    def _signed(self, source: Source, raw: bytes, headers: Lookup, proved: Proved, max_bytes: int) -> Decoded:
        mapping = self._mappings[source.name]
        as_sent = mapping.sender.decode == "plain"
        # The header of an encoding is not signed: it counts only for bytes that cannot be anything else.
        encoding = "" if begins_as_text(raw) else attribute_text(headers.get("content-encoding"))
        raw = plain(raw, encoding, max_bytes)
        content_type = content_type_of(raw, as_sent=as_sent)
        beside = {} if as_sent else type_beside(headers)
        decoded = decode(
            raw,
            content_type=content_type,
            headers=beside,
            as_sent=as_sent,
            max_elements=source.max_events,
            trusts_webhook_id=False,
            signed_id=proved.message_id,
        )
        payloads = [part for payload in decoded.payloads for part in _parts(mapping, _bare(source, mapping, payload))]
        spare = f"{PROVED}{proved.digest}"
        for number, payload in enumerate(payloads):
            payload.spare_id = f"{spare}.{number}" if number else spare
        return Decoded(payloads, decoded.many or len(payloads) != 1)

    def _decoded(
        self,
        source: Source,
        raw: bytes,
        *,
        content_type: str,
        headers: Lookup,
        message_id: str,
        trusts_webhook_id: bool,
        max_bytes: int,
    ) -> Decoded:
        mapping = self._mappings[source.name]
        decoded = decode(
            raw,
            content_type=content_type,
            headers=headers,
            message_id=message_id,
            max_elements=source.max_events,
            as_sent=mapping.sender.decode == "plain",
            trusts_webhook_id=trusts_webhook_id,
            max_bytes=max_bytes,
        )
        payloads = [part for payload in decoded.payloads for part in _parts(mapping, _bare(source, mapping, payload))]
        many = decoded.many or len(payloads) != 1
        if mapping.sender.id_header and (spare_id := headers.get(mapping.sender.id_header)):
            for number, payload in enumerate(payloads):
                payload.spare_id = f"{spare_id}.{number}" if many else spare_id
        return Decoded(payloads, many)

    def _kept_errors(self, source: Source, surprise: Exception, field: str) -> tuple[FieldError, ...]:
        """The error that is kept beside the payload of an internal failure, after a line in the log."""
        name = type(surprise).__name__
        if (left_out := self._failures.due((source.name, name))) is not None:
            log.error(
                "a mapping failed; its payload is kept as invalid",
                source=source.name,
                mapping=source.mapping,
                exc_info=surprise,
                left_out=left_out,
            )
        why = f"could not be read: the mapping {source.mapping} failed ({name}); replay it once that is corrected"
        return (FieldError(field, why),)

    def read_all(self, source: Source, payloads: Sequence[Payload], *, lane: int = LIVE) -> list[Arrival]:
        """The second half: each payload mapped and routed; invalid, with every fault of its fields, if it is not an
        event.
        """
        found: list[Arrival] = []
        for at in range(0, len(payloads), _AT_ONCE):
            found += self._read_some(source, payloads[at : at + _AT_ONCE], lane)
        return found

    def _read_some(self, source: Source, payloads: Sequence[Payload], lane: int) -> list[Arrival]:
        """Together, unless one fails; then one by one, and the failing one is kept as invalid."""
        try:
            return self._read_together(source, payloads, lane)
        except Exception as surprise:  # noqa: BLE001 - authentic bytes are kept, also after a bug
            if len(payloads) == 1:
                errors = self._kept_errors(source, surprise, "payload")
                return [_invalid(source, payloads[0], _text_of(payloads[0].body), errors)]
        return [arrival for payload in payloads for arrival in self._read_some(source, (payload,), lane)]

    def _read_together(self, source: Source, payloads: Sequence[Payload], lane: int) -> list[Arrival]:
        texts = [as_text(orjson.dumps(payload.body)) for payload in payloads]
        verdicts = [self._verdict(source, payload) for payload in payloads]
        deliveries = [
            self._router.deliveries(source.name, verdict, lane=lane, received_ms=payload.received_ns // 1_000_000)
            if isinstance(verdict, Event)
            else ()
            for payload, verdict in zip(payloads, verdicts, strict=True)
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
        """The arrival with its form for the case that its id is stored with another content."""
        mapping = self._mappings[source.name]
        if not event.id:  # identified by the hash of its body: another content is another event
            return arrival

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
        """A thin event's arrival once the rest is fetched, and its business key. Raises `Invalid` and `Ignored`.

        ``received_at`` (unix ms) is its time if it has none of its own: fetching may have taken days.
        """
        mapping = self._mappings[source.name]
        event = believed(self._event(source, body, fetched))
        if event.time is None:
            event = replace(event, time=datetime.fromtimestamp(received_at / 1000, UTC))
        deliveries = self._router.deliveries(source.name, event, lane=lane)
        arrival = Arrival(
            source=source.name,
            event_id=event_id,
            type=event.type,
            state=EventState.ACCEPTED if deliveries else EventState.IGNORED,
            payload="",
            notes=event.notes,
            deliveries=deliveries,
        )
        return arrival, mapping.second_key(event)

    def chooses(self, route: str) -> bool:
        """Whether a route has conditions on the content of events."""
        return self._router.chooses(route)

    def read(self, source: Source, body: Any, fetched: Mapping[str, Any] | None = None) -> Event | Thin:
        """The event of a stored payload, with the fetched parts of a thin one. Raises `Invalid` and `Ignored`."""
        if fetched is not None:
            return self._event(source, body, fetched)
        try:
            return self._mappings[source.name].read(body)
        except (Invalid, Ignored):
            raise
        except Exception as surprise:  # noqa: BLE001 - authentic bytes are kept, also after a bug
            raise Invalid(self._kept_errors(source, surprise, "payload")) from None

    def _event(self, source: Source, body: Any, fetched: Mapping[str, Any]) -> Event:
        try:
            return self._mappings[source.name].complete(body, fetched)
        except (Invalid, Ignored):
            raise
        except Exception as surprise:  # noqa: BLE001 - fetched parts are kept too
            raise Invalid(self._kept_errors(source, surprise, "payload")) from None


def _arrival(
    source: Source, lane: int, payload: Payload, text: str, verdict: Verdict, deliveries: tuple[NewDelivery, ...]
) -> Arrival:
    if isinstance(verdict, Invalid | Unreadable):
        return _invalid(source, payload, text, verdict.errors)
    if isinstance(verdict, Ignored):
        return _ignored(source, payload, text, str(verdict))
    if isinstance(verdict, Thin):
        return _waiting(source, payload, text, verdict, lane)
    event = believed(verdict)
    return Arrival(
        source=source.name,
        event_id=_event_id(payload, verdict.id, text),
        type=verdict.type,
        state=EventState.ACCEPTED if deliveries else EventState.IGNORED,
        payload=text,
        occurred_at=_ms(event, payload),
        fingerprint=fingerprint(verdict).hex(),  # of the sent payload: a copy may come when its time is no longer ahead
        notes=event.notes,
        deliveries=deliveries,
    )


def unreadable(source: Source, raw: bytes, content_type: str, fault: Unreadable) -> Arrival:
    """Authentic bytes that are not a payload, as they are kept: without the source's secrets."""
    text = as_text(_without_secrets(source, raw))
    return Arrival(
        source=source.name,
        event_id=_hashed(text),
        type="",
        state=EventState.INVALID,
        payload=text,
        content_type=content_type[:200] or "application/octet-stream",
        errors=[asdict(e) for e in fault.errors],
    )


def _text_of(body: Any) -> str:
    """The stored text of a payload, even if it is not JSON."""
    try:
        return as_text(orjson.dumps(body))
    except (TypeError, ValueError, RecursionError):
        return as_text(repr(body).encode("utf-8", "replace"))


def _without_secrets(source: Source, raw: bytes) -> bytes:
    for secret in source.verify.secrets if source.verify else ():
        raw = raw.replace(secret.reveal().encode("utf-8", "surrogateescape"), b"***")
    return raw


def _bare(source: Source, mapping: PayloadMapping, payload: Payload) -> Payload:
    """The payload without its proof of origin, which is not needed again and must not be stored."""
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
        event_id=f"{event_id}.{payload.received_ns or time.time_ns()}" if event_id.startswith(HASHED) else event_id,
        type=thin.type,
        state=EventState.WAITING,
        payload=text,
        occurred_at=_ms(thin, payload),
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
        state=EventState.IGNORED,
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
        state=EventState.INVALID,
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


def _ms(event: Event | Thin, payload: Payload) -> int:
    if event.time is None and payload.received_ns:
        return payload.received_ns // 1_000_000
    return int((event.time.timestamp() if event.time else time.time()) * 1000)
