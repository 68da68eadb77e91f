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

from connector import receive
from connector.committer import Reply
from connector.errors import NotAuthentic, Unreadable, UnsupportedType
from connector.inbox import Arrival, Stored
from connector.intake import Intake, Taken
from connector.metrics import EVENTS
from connector.receive import Receiver
from connector.settings import Settings, Source, Verify
from connector.signatures import Proof
from connector.web.answers import problem, reply
from connector.web.application import BEGIN, Later
from connector.web.asked import Headers, body, query
from mappings.base import FieldError, Sender

NO_QUERY: Final[dict[str, str]] = {}
LONGEST_CHALLENGE: Final = 500  #: characters
#: A browser must not take what somebody else wrote for anything but text.
NOTHING_ELSE: Final = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
UNKNOWN: Final = "no source of this name takes webhooks here: check the address"
#: `Stored.status` -> what the sender is told.
WORDS: Final = {
    "accepted": "accepted",
    "waiting": "accepted",
    "duplicate": "duplicate",
    "ignored": "ignored",
    "invalid": "invalid",
    "conflict": "invalid",
}


@dataclass(frozen=True, slots=True)
class Handshake:
    """What a sender says in a GET before it sends anything."""

    shown: str  #: the parameter with what was agreed
    answered: str  #: the parameter with what it wants to read
    agreed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Door:
    """A source that takes webhooks, what its proof of origin needs of a request, what its sender wants to hear."""

    source: Source
    id_header: str  #: its value is signed, and is the event id; "" if none
    needs_url: bool
    needs_query: bool
    has_segment: bool  #: the secret is the end of the address
    trusts_webhook_id: bool
    parks: bool  #: what is invalid is answered 202
    gives_up: bool  #: no 4xx but 401 is of any use
    reply: bytes | None  #: the body of every 2xx
    handshake: Handshake | None
    challenge: str  #: for ``WWW-Authenticate``


class Webhooks:
    """All sources that take webhooks. Thread-safe."""

    def __init__(
        self, settings: Settings, receiver: Receiver, intake: Intake, clock: Callable[[], float] = time.time
    ) -> None:
        self._public_url: Final = settings.public_url.rstrip("/")
        self._receiver: Final = receiver
        self._intake: Final = intake
        self._clock: Final = clock
        self._doors: Final = {
            name: _door(source, source.verify, receiver.sender(source))
            for name, source in settings.sources.items()
            if source.verify
        }

    def take(self, source: str, secret: str = "") -> Response | Later:
        """The view. Whatever is wrong with the request as a whole is raised, and answered in `connector.web.faults`."""
        door = self._doors.get(source)
        if door is None or (secret and not door.has_segment and not door.gives_up):
            return problem(404, UNKNOWN)
        if secret and not door.has_segment:
            return _refuse(door, NotAuthentic("the address goes on after the source's name"))
        return self._taken(door, secret)

    def take_slash(self, source: str) -> Response | Later:
        """The view of an address with a slash at its end: no source's, but a sender that gives up must not hear 404."""
        return self.take(source, "/")

    def subscribing(self) -> list[str]:
        """The sources whose senders ask by a GET before they send anything."""
        return [name for name, door in self._doors.items() if door.handshake]

    def shake_hands(self, source: str) -> Response:
        """The view of that GET: the text that the sender wants to read, if it shows what was agreed."""
        handshake = self._doors[source].handshake
        if handshake is None:
            raise MethodNotAllowed(valid_methods=["POST"])
        asked = query(request.environ)
        shown, wanted = asked.get(handshake.shown, ""), asked.get(handshake.answered, "")
        if not compare_digest(shown.encode("utf-8", "replace"), handshake.agreed):
            return problem(403, f"{handshake.shown} is not what was agreed")
        if not (wanted.isprintable() and 0 < len(wanted) <= LONGEST_CHALLENGE):
            return problem(400, f"{handshake.answered} is missing, or no short text")
        return Response(wanted, 200, content_type="text/plain; charset=utf-8", headers=NOTHING_ELSE)

    def _taken(self, door: Door, secret: str) -> Response | Later:
        environ = request.environ
        raw = body(environ)
        headers = Headers(environ)
        try:
            self._receiver.verify(door.source, self._proof(door, raw, headers, environ, secret))
        except NotAuthentic as refusal:
            return _refuse(door, refusal)
        content_type = environ.get("CONTENT_TYPE", "")
        message_id = (headers.get(door.id_header) or "") if door.id_header else ""
        try:
            decoded = self._receiver.payloads(
                door.source,
                raw,
                content_type=content_type,
                headers=headers,
                message_id=message_id,
                trusts_webhook_id=door.trusts_webhook_id,
            )
        except Unreadable as fault:
            return self._keep_unreadable(door, raw, content_type, fault)
        except UnsupportedType as fault:
            if not door.gives_up:
                raise
            return self._keep_unreadable(door, raw, content_type, Unreadable((FieldError("body", str(fault)),)))
        if not decoded.payloads:
            return _answer_many((), ())
        taken = Taken(door.source, decoded.payloads)
        if decoded.many:
            return self._stored(door, taken, lambda stored: _answer_many(stored, taken.arrivals))
        return self._stored(door, taken, lambda stored: _answer_one(door, stored[0], taken.arrivals[0], refusal=422))

    def _keep_unreadable(self, door: Door, raw: bytes, content_type: str, fault: Unreadable) -> Response | Later:
        kept = receive.unreadable(door.source, raw, content_type, fault)
        taken = Taken(door.source, arrivals=[kept])
        return self._stored(door, taken, lambda stored: _answer_one(door, stored[0], kept, refusal=400))

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
        """The address as the sender called it, query untouched: what senders that sign it have signed."""
        base = self._public_url or f"{environ['wsgi.url_scheme']}://{environ.get('HTTP_HOST', '')}"
        asked = environ.get("QUERY_STRING", "")
        return f"{base}{environ['PATH_INFO']}{'?' if asked else ''}{asked}"

    def _stored(self, door: Door, taken: Taken, say: Callable[[list[Stored]], Response]) -> Later:
        """Has it read and stored; the answer is for when it is durable."""
        begin: Callable[[Taken], Reply] = request.environ.get(BEGIN) or self._intake.begin
        reply = begin(taken)

        def answer(patience_s: float) -> Response:
            stored = reply.result(patience_s)
            for status, count in Counter(one.status for one in stored).items() if len(stored) > 1 else _single(stored):
                EVENTS.labels(door.source.name, status).inc(count)
            said = say(stored)
            if door.reply is not None and said.status_code < 300:
                return Response(door.reply, 200, content_type="application/json")
            return said

        return Later(answer)


def _single(stored: Sequence[Stored]) -> tuple[tuple[str, int], ...]:
    return tuple((one.status, 1) for one in stored)


def _door(source: Source, verify: Verify, sender: Sender) -> Door:
    signs = verify.scheme == "hmac"
    return Door(
        source=source,
        id_header=verify.id_header if signs else "",
        needs_url=signs and ("{url}" in verify.signed or "{decoded_url}" in verify.signed),
        needs_query=verify.scheme == "query",
        has_segment=verify.scheme == "path",
        trusts_webhook_id=verify.scheme not in ("hmac", "field"),
        parks=source.on_invalid == "park" or sender.gives_up,
        gives_up=sender.gives_up,
        reply=None if sender.reply is None else orjson.dumps(sender.reply),
        handshake=_handshake(verify, sender),
        challenge='Basic realm="webhooks", charset="UTF-8"' if verify.scheme == "basic" else "Webhook",
    )


def _handshake(verify: Verify, sender: Sender) -> Handshake | None:
    if not (sender.handshake and verify.handshake):
        return None
    shown, answered = sender.handshake
    return Handshake(shown, answered, verify.handshake.reveal().encode("utf-8", "replace"))


def _refuse(door: Door, refusal: NotAuthentic) -> Response:
    EVENTS.labels(door.source.name, "unauthentic").inc()
    return problem(401, str(refusal), headers={"WWW-Authenticate": door.challenge})


def _answer_one(door: Door, stored: Stored, arrival: Arrival, *, refusal: int) -> Response:
    """``refusal``: the status with which a source that refuses says what is wrong."""
    said = WORDS[stored.status]
    if said == "accepted":
        return reply({"status": said, "id": stored.event_id, "deliveries": stored.deliveries}, 202)
    if said == "duplicate":
        return reply({"status": said, "id": stored.event_id})
    if said == "ignored":
        return reply({"status": said})
    if door.parks:
        return reply({"status": said, "id": stored.event_id, "errors": arrival.errors}, 202)
    return problem(refusal, "the event is kept but goes nowhere: correct it and send it again", errors=arrival.errors)


def _answer_many(stored: Sequence[Stored], arrivals: Sequence[Arrival]) -> Response:
    events = [_told(one, arrival) for one, arrival in zip(stored, arrivals, strict=True)]
    counts = Counter(event["status"] for event in events)
    summary = {status: counts[status] for status in ("accepted", "duplicate", "ignored", "invalid")}
    return reply({**summary, "events": events}, 202)


def _told(stored: Stored, arrival: Arrival) -> dict[str, Any]:
    """One element of the answer to an array."""
    told: dict[str, Any] = {"status": WORDS[stored.status], "id": stored.event_id}
    if told["status"] == "accepted":
        told["deliveries"] = stored.deliveries
    if told["status"] == "invalid":
        told["errors"] = arrival.errors
    return told
