"""``POST /webhooks/<source>``: prove the origin, read, store, and only then answer."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from flask import Response, request

from connector import receive
from connector.committer import Committer
from connector.errors import NotAuthentic, StoreUnavailable, Unreadable
from connector.inbox import Arrival, Stored
from connector.metrics import EVENTS
from connector.receive import Receiver
from connector.settings import Settings, Source, Verify
from connector.signatures import Proof
from connector.web.answers import problem, reply
from connector.web.asked import Headers, body, query

NO_QUERY: Final[dict[str, str]] = {}
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
class Door:
    """A source that takes webhooks, and what its proof of origin needs of a request."""

    source: Source
    id_header: str  #: its value is signed, and is the event id; "" if none
    needs_url: bool
    needs_query: bool
    parks: bool  #: what is invalid is answered 202
    challenge: str  #: for ``WWW-Authenticate``


class Webhooks:
    """All sources that take webhooks. Thread-safe."""

    def __init__(self, settings: Settings, receiver: Receiver, committer: Committer) -> None:
        self._public_url: Final = settings.public_url.rstrip("/")
        self._receiver: Final = receiver
        self._committer: Final = committer
        self._doors: Final = {
            name: _door(source, source.verify) for name, source in settings.sources.items() if source.verify
        }

    def take(self, source: str) -> Response:
        """The view. Whatever is wrong with the request as a whole is raised, and answered in `connector.web.faults`."""
        door = self._doors.get(source)
        if door is None:
            return problem(404, UNKNOWN)
        environ = request.environ
        raw = body(environ)
        headers = Headers(environ)
        try:
            self._receiver.verify(door.source, self._proof(door, raw, headers, environ))
        except NotAuthentic as refusal:
            return _refuse(door, refusal)
        content_type = environ.get("CONTENT_TYPE", "")
        message_id = (headers.get(door.id_header) or "") if door.id_header else ""
        try:
            arrivals, many = self._receiver.arrivals(
                door.source, raw, content_type=content_type, headers=headers, message_id=message_id
            )
        except Unreadable as fault:
            arrivals, many = [receive.unreadable(door.source, raw, content_type, fault)], False
            return _answer_one(door, self._store(door, arrivals)[0], arrivals[0], refusal=400)
        stored = self._store(door, arrivals)
        return _answer_many(stored, arrivals) if many else _answer_one(door, stored[0], arrivals[0], refusal=422)

    def _proof(self, door: Door, raw: bytes, headers: Headers, environ: dict[str, Any]) -> Proof:
        return Proof(
            raw,
            headers,
            now_s=time.time(),
            url=self._url(environ) if door.needs_url else "",
            query=query(environ) if door.needs_query else NO_QUERY,
        )

    def _url(self, environ: dict[str, Any]) -> str:
        """The address as the sender called it, query untouched: what senders that sign it have signed."""
        base = self._public_url or f"{environ['wsgi.url_scheme']}://{environ.get('HTTP_HOST', '')}"
        asked = environ.get("QUERY_STRING", "")
        return f"{base}{environ['PATH_INFO']}{'?' if asked else ''}{asked}"

    def _store(self, door: Door, arrivals: list[Arrival]) -> list[Stored]:
        if not arrivals:
            return []
        try:
            stored = self._committer.put(arrivals)
        except TimeoutError as fault:
            raise StoreUnavailable("the database took too long") from fault
        for status, count in Counter(one.status for one in stored).items() if len(stored) > 1 else _single(stored):
            EVENTS.labels(door.source.name, status).inc(count)
        return stored


def _single(stored: Sequence[Stored]) -> tuple[tuple[str, int], ...]:
    return ((stored[0].status, 1),)


def _door(source: Source, verify: Verify) -> Door:
    signs = verify.scheme == "hmac"
    return Door(
        source=source,
        id_header=verify.id_header if signs else "",
        needs_url=signs and "{url}" in verify.signed,
        needs_query=verify.scheme == "query",
        parks=source.on_invalid == "park",
        challenge='Basic realm="webhooks", charset="UTF-8"' if verify.scheme == "basic" else "Webhook",
    )


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
