"""``POST /webhooks/<source>``: prove the origin, read, store, and only then answer."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Any, Final

import orjson
from flask import Response, request
from werkzeug.exceptions import MethodNotAllowed

from connector.core.errors import KeepsTooMuch, NotAuthentic, Unreadable, UnsupportedType
from connector.core.metrics import events
from connector.core.settings import Settings, Source, Verify
from connector.core.states import EventState
from connector.inbound import receiver as receive
from connector.inbound.committer import Reply
from connector.inbound.intake import Intake, PendingRequest
from connector.inbound.receiver import Receiver
from connector.inbound.signatures import Proof
from connector.inbound.source_limits import SourceLimits
from connector.inbound.spool.spooler import Spooled
from connector.store.arrivals import Arrival, Stored
from connector.web import handshakes, limits
from connector.web.access_log import because
from connector.web.app import BEGIN, Later
from connector.web.bearer import UNAUTHORISED
from connector.web.errors import NOTHING_HERE
from connector.web.request import Headers, body, query
from connector.web.responses import problem, reply
from mappings import PAYLOADS
from mappings.base import FieldError, Sender

NO_QUERY: Final[dict[str, str]] = {}
LONGEST_CHALLENGE: Final = 500  #: characters
#: The same for every source: which proof is wanted is nothing for strangers. Senders that wait to be asked for a
#: password are asked.
CHALLENGE: Final = {"WWW-Authenticate": 'Basic realm="webhooks", charset="UTF-8"'}
#: `Stored.status` -> the answer to the sender.
WORDS: Final = {
    "accepted": "accepted",
    EventState.WAITING: "accepted",
    "duplicate": "duplicate",
    "ignored": "ignored",
    "invalid": "invalid",
    "conflict": "invalid",
}


@dataclass(frozen=True, slots=True)
class Handshake:
    """The subscription request (GET) of a sender."""

    shown: str  #: the parameter with the agreed token
    answered: str  #: the parameter with the text that the sender wants back
    agreed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Door:
    """A source that takes webhooks: its proof of origin, and the answers that its sender expects."""

    source: Source
    needs_url: bool
    needs_query: bool
    has_segment: bool  #: the secret is the end of the address
    trusts_webhook_id: bool
    parks: bool  #: invalid events are answered 202
    gives_up: bool  #: no 4xx but 401 is of any use
    repeats: bool  #: what is answered 429 is sent again
    reply: bytes | None  #: the body of every 2xx
    handshake: Handshake | None
    takes_envelopes: bool  #: CloudEvents among them; their senders may ask for permission first
    largest_body: int  #: bytes


class Webhooks:
    """All sources that take webhooks. Thread-safe."""

    def __init__(
        self,
        settings: Settings,
        receiver: Receiver,
        intake: Intake,
        clock: Callable[[], float] = time.time,
        source_limits: SourceLimits | None = None,
    ) -> None:
        self._public_url: Final = settings.public_url.rstrip("/")
        self._receiver: Final = receiver
        self._intake: Final = intake
        self._clock: Final = clock
        self._limits: Final = source_limits or SourceLimits(settings.sources, None)
        self._doors: Final = {
            name: _door(source, source.verify, receiver.sender(source))
            for name, source in settings.sources.items()
            if source.verify
        }

    def take(self, source: str, secret: str = "") -> Response | Later:
        """The view. Faults of the request as a whole are raised, and answered in `connector.web.errors`."""
        door = self._doors.get(source)
        if door is None or (secret and not door.has_segment and not door.gives_up):
            return problem(404, NOTHING_HERE)
        if secret and not door.has_segment:
            return _refuse(door, NotAuthentic("the address goes on after the source's name"))
        return self._receive(door, secret)

    def take_slash(self, source: str) -> Response | Later:
        """The view of an address with a slash at its end: no source's, but a sender that gives up must not hear 404."""
        return self.take(source, "/")

    def largest_bodies(self) -> dict[str, int]:
        """The largest body of each source, in bytes."""
        return {name: door.largest_body for name, door in self._doors.items()}

    def subscribing(self) -> list[str]:
        """The sources with senders that subscribe by GET before they send."""
        return [name for name, door in self._doors.items() if door.handshake]

    def permitting(self) -> list[str]:
        """The sources with senders that may ask for permission by OPTIONS before they send."""
        return [name for name, door in self._doors.items() if door.takes_envelopes]

    def permit(self, source: str, secret: str = "") -> Response:
        """The view of that OPTIONS request; the secret in the address is checked only when something is sent."""
        if bool(secret) != self._doors[source].has_segment:
            return problem(404, NOTHING_HERE)
        permitted = handshakes.permission(Headers(request.environ))
        if permitted is None:
            raise MethodNotAllowed(valid_methods=["POST"])
        return permitted

    def shake_hands(self, source: str) -> Response:
        """The view of that GET: returns the sender's text if it shows the agreed token."""
        handshake = self._doors[source].handshake
        if handshake is None:
            raise MethodNotAllowed(valid_methods=["POST"])
        params = query(request.environ)
        shown, challenge = params.get(handshake.shown, ""), params.get(handshake.answered, "")
        if not compare_digest(shown.encode("utf-8", "replace"), handshake.agreed):
            because(f"{handshake.shown} does not have the agreed value")
            return problem(403, UNAUTHORISED)
        if not (challenge.isprintable() and 0 < len(challenge) <= LONGEST_CHALLENGE):
            return problem(400, f"{handshake.answered} is missing, or no short text")
        return Response(challenge, 200, content_type="text/plain; charset=utf-8")

    def _receive(self, door: Door, secret: str) -> Response | Later:
        environ = request.environ
        raw = body(environ, door.largest_body)
        headers = Headers(environ)
        try:
            proved = self._receiver.verify(door.source, self._proof(door, raw, headers, environ, secret))
        except NotAuthentic as refusal:
            return _refuse(door, refusal)
        content_type = environ.get("CONTENT_TYPE", "")
        try:
            decoded = self._receiver.payloads(
                door.source,
                raw,
                content_type=content_type,
                headers=headers,
                trusts_webhook_id=door.trusts_webhook_id,
                proved=proved,
                max_bytes=door.largest_body,
            )
        except Unreadable as fault:
            return self._keep_unreadable(door, raw, content_type, fault)
        except UnsupportedType as fault:
            if not door.gives_up:
                raise
            return self._keep_unreadable(door, raw, content_type, Unreadable((FieldError("body", str(fault)),)))
        if not decoded.payloads:
            return _answer_many((), ())
        if (validated := handshakes.validation(headers, decoded.payloads)) is not None:
            return validated
        wait_s = self._limits.wait_s(door.source.name, len(decoded.payloads), in_line=not door.repeats)
        if wait_s and door.repeats:
            return _too_many(door, wait_s)
        if wait_s:  # it is never sent again: it is kept, and waits until there is room
            events(door.source.name, "limited").inc(len(decoded.payloads))
        pending = PendingRequest(door.source, decoded.payloads, limited=bool(wait_s))
        if decoded.many:
            return self._stored(door, pending, lambda stored: _answer_many(stored, pending.arrivals))
        return self._stored(
            door, pending, lambda stored: _answer_one(door, stored[0], pending.arrivals[0], refusal=422)
        )

    def _keep_unreadable(self, door: Door, raw: bytes, content_type: str, fault: Unreadable) -> Response | Later:
        if door.source.is_open:
            raw = raw[: limits.INVALID_BYTES]
        if (wait_s := self._limits.wait_s(door.source.name, 1)) and door.repeats:
            return _too_many(door, wait_s)
        arrival = receive.unreadable(door.source, raw, content_type, fault)
        pending = PendingRequest(door.source, arrivals=[arrival])
        return self._stored(door, pending, lambda stored: _answer_one(door, stored[0], arrival, refusal=400))

    def _proof(self, door: Door, raw: bytes, headers: Headers, environ: dict[str, Any], secret: str) -> Proof:
        return Proof(
            raw,
            headers,
            now_s=self._clock(),
            url=self._url(environ) if door.needs_url else "",
            query=query(environ) if door.needs_query else NO_QUERY,
            segment=secret,
        )

    def _url(self, environ: dict[str, Any]) -> str:
        """The address as the sender called it, query untouched: what senders that sign it have signed.

        Its beginning is our own public address: a Host header is anybody's.
        """
        query_string = environ.get("QUERY_STRING", "")
        return f"{self._public_url}{environ['PATH_INFO']}{'?' if query_string else ''}{query_string}"

    def _stored(self, door: Door, pending: PendingRequest, say: Callable[[list[Stored]], Response]) -> Later:
        """Has it read and stored; the answer is for when it is durable."""
        begin: Callable[[PendingRequest], Reply] = request.environ.get(BEGIN) or self._intake.begin
        reply = begin(pending)

        def answer(patience_s: float) -> Response:
            try:
                stored = reply.result(patience_s)
            except Spooled:
                return _spooled(door)
            except KeepsTooMuch as fault:
                return _keeps_too_much(door, fault.wait_s)
            self._limits.keep(door.source.name, _kept_of_conflicts(stored, pending.arrivals))
            for status, count in Counter(one.status for one in stored).items() if len(stored) > 1 else _single(stored):
                events(door.source.name, status).inc(count)
            response = say(stored)
            if door.reply is not None and response.status_code < 300:
                return Response(door.reply, 200, content_type="application/json")
            return response

        return Later(answer)


def _spooled(door: Door) -> Response:
    """The answer to a spooled request: it is stored later, so its id, or an earlier copy, is not known yet."""
    if door.reply is not None:
        return Response(door.reply, 200, content_type="application/json")
    return reply({"status": "spooled"}, 202)


def _single(stored: Sequence[Stored]) -> tuple[tuple[str, int], ...]:
    return tuple((one.status, 1) for one in stored)


def _door(source: Source, verify: Verify, sender: Sender) -> Door:
    signs = verify.scheme == "hmac"
    return Door(
        source=source,
        needs_url=signs and ("{url}" in verify.signed or "{decoded_url}" in verify.signed),
        needs_query=verify.scheme == "query",
        has_segment=verify.scheme == "path",
        trusts_webhook_id=verify.scheme != "field",
        parks=source.on_invalid == "park" or sender.gives_up,
        gives_up=sender.gives_up,
        repeats=sender.repeats,
        reply=None if sender.reply is None else orjson.dumps(sender.reply),
        handshake=_handshake(verify, sender),
        takes_envelopes=sender.decode != "plain",
        largest_body=_largest_body(source, verify),
    )


def _largest_body(source: Source, verify: Verify) -> int:
    mapping = PAYLOADS[source.mapping]
    usual = limits.THIN_BODY if mapping.is_form or mapping.fetches else limits.WHOLE_BODY
    largest = source.max_body or usual
    return min(largest, limits.SECRET_BODY) if verify.scheme == "field" else largest


def _handshake(verify: Verify, sender: Sender) -> Handshake | None:
    if not (sender.handshake and verify.handshake):
        return None
    shown, answered = sender.handshake
    return Handshake(shown, answered, verify.handshake.reveal().encode("utf-8", "replace"))


def _refuse(door: Door, refusal: NotAuthentic) -> Response:
    events(door.source.name, "unauthentic").inc()
    because(str(refusal))
    return problem(401, UNAUTHORISED, headers=CHALLENGE)


def _too_many(door: Door, wait_s: int) -> Response:
    events(door.source.name, "limited").inc()
    because("its source sends more than its limit")
    return problem(
        429, "more events than this source may send: send it again later", headers={"Retry-After": f"{wait_s}"}
    )


def _keeps_too_much(door: Door, wait_s: int) -> Response:
    events(door.source.name, "limited").inc()
    because("its source has used up its room for what goes nowhere")
    detail = "this source sent more that goes nowhere than is kept of it in a day: correct what it sends"
    return problem(429, detail, headers={"Retry-After": f"{wait_s}"})


def _kept_of_conflicts(stored: Sequence[Stored], arrivals: Sequence[Arrival]) -> int:
    """Bytes."""
    return sum(
        len(arrival.payload)
        for one, arrival in zip(stored, arrivals, strict=True)
        if one.status == "conflict" and not arrival.is_left_out
    )


def _answer_one(door: Door, stored: Stored, arrival: Arrival, *, refusal: int) -> Response:
    """``refusal``: the status with which a source that refuses answers an invalid event."""
    word = WORDS[stored.status]
    if stored.status == "conflict" and arrival.is_left_out:
        return _keeps_too_much(door, limits.KEPT_WAIT_S)
    if word == "accepted":
        return reply({"status": word, "id": stored.event_id, "deliveries": stored.deliveries}, 202)
    if word == "duplicate":
        return reply({"status": word, "id": stored.event_id})
    if word == "ignored":
        return reply({"status": word})
    if door.parks:
        return reply({"status": word, "id": stored.event_id, "errors": arrival.errors}, 202)
    return problem(refusal, "the event is kept but goes nowhere: correct it and send it again", errors=arrival.errors)


def _answer_many(stored: Sequence[Stored], arrivals: Sequence[Arrival]) -> Response:
    events = [_element(one, arrival) for one, arrival in zip(stored, arrivals, strict=True)]
    counts = Counter(event["status"] for event in events)
    summary = {status: counts[status] for status in ("accepted", "duplicate", "ignored", "invalid")}
    return reply({**summary, "events": events}, 202)


def _element(stored: Stored, arrival: Arrival) -> dict[str, Any]:
    """One element of the answer to an array."""
    element: dict[str, Any] = {"status": WORDS[stored.status], "id": stored.event_id}
    if element["status"] == "accepted":
        element["deliveries"] = stored.deliveries
    if element["status"] == "invalid":
        element["errors"] = arrival.errors
        if stored.status == "conflict" and arrival.is_left_out:
            element["errors"] = [*arrival.errors, {"field": "payload", "message": "was not kept: too much was today"}]
    return element
