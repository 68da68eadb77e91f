"""What every mapping is: `read` makes an event of a payload, `render` makes a record of an event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from hashlib import blake2b
from operator import attrgetter
from typing import Any, ClassVar, Protocol
from zoneinfo import ZoneInfo

import orjson

from mappings.events import Agent, Customer, Event, Lead, Phone, Thin, Ticket


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault of one field. ``field`` is a path ("phones.0"); ``message`` shows no phone or e-mail in full."""

    field: str
    message: str


class Invalid(Exception):  # noqa: N818 - it is read as a verdict: "raises Invalid"
    """The payload is no event, or the event makes no record. Carries every fault at once."""

    def __init__(self, errors: tuple[FieldError, ...]) -> None:
        super().__init__("; ".join(f"{e.field}: {e.message}" for e in errors))
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Locale:
    """How a source's loose values are understood: phones without a country code, times without an offset."""

    region: str = "CO"
    timezone: ZoneInfo = field(default_factory=lambda: ZoneInfo("America/Bogota"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """Everything a record needs besides the event: the account's dial plan and the route's paths."""

    locale: Locale = field(default_factory=Locale)
    phone_format: str = "national"  #: "national" | "e164" | "international" (no plus)
    dial_prefix: str = ""
    opt: tuple[str, ...] = ()  #: paths into the event's extra, for opt1, opt2, …
    tags: Mapping[str, str] = field(default_factory=dict)  #: tag name -> path into the event
    campaign_code: str = ""  #: narrows fill-empty-tags and notes when set
    score: str = ""  #: path to the one score of an answer
    justification: str = ""  #: path to what was said to it
    #: of an answer to several questions, in the campaign's order: {"id", and a path as "score", "option" or "comment"}
    questions: tuple[Mapping[str, Any], ...] = ()
    text: str = ""  #: what a note says, instead of the event's own comment


@dataclass(frozen=True, slots=True)
class Rendered:
    """A record as it will be sent, and what had to be cut or left out to make it fit."""

    record: dict[str, Any]
    notes: tuple[str, ...] = ()


class Ignored(Exception):  # noqa: N818 - a verdict, as `Invalid` is
    """The payload is authentic and well, but test traffic or a ping: acknowledged, never acted on. Says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """How a sender speaks and what it wants to hear. The defaults are those of our own JSON."""

    decode: str = "own"  #: "own": envelopes are unwrapped, form fields nested; "plain": everything as it was sent
    #: what ``verify = { scheme = "<the mapping's name>" }`` stands for: a scheme of ours, with its options
    proof: Mapping[str, Any] = field(default_factory=dict)
    secret_fields: tuple[str, ...] = ()  #: keys of the body that hold a secret: taken out before anything is stored
    id_header: str = ""  #: a header with an event id, where the body has none
    handshake: tuple[str, str] | None = None  #: a GET's parameters: the token to check, and the text to answer
    reply: Mapping[str, Any] | None = None  #: the body of every 2xx, where the sender expects its own; then with 200
    gives_up: bool = (
        False  #: a 4xx loses the event or the hook: what cannot be mapped is parked, whatever is configured
    )


class PayloadMapping(Protocol):
    """Built once for a source, used for every payload. Thread-safe."""

    @property
    def sender(self) -> Sender:
        """How whoever sends these payloads speaks."""

    def parts(self, body: Any) -> Sequence[Any]:
        """The payloads of single events inside a decoded body."""

    def read(self, payload: Any) -> Event | Thin:
        """The event, or what it takes to fetch it. `Invalid` with every fault, or `Ignored`."""

    def complete(self, payload: Any, fetched: Mapping[str, Any]) -> Event:
        """The event of a thin payload and of what was fetched for it, by name. `Invalid` or `Ignored` like `read`."""

    def second_key(self, event: Event) -> str:
        """What two thin events that turn out to be one have in common, beside their type; "" when nothing does.

        Of those that share it, each type counts once, and each route gets one.
        """

    @property
    def revisable(self) -> bool:
        """Whether what an event says may change later; then the id inside the body counts, whatever envelopes say."""

    def revised(self, payload: Any) -> Any:
        """The payload of the change, for one whose event is known and said something else."""

    def others(self, event: Event) -> tuple[str, ...]:
        """Other event ids of the same thing: a route that has one of them gets no other."""


class PlainSender:
    """What most payload mappings are: one event a body, and our own JSON's manner."""

    sender: ClassVar[Sender] = Sender()
    event_types: ClassVar[tuple[str, ...]]
    takes_fields: ClassVar[bool] = False  #: whether a source may name its fields in the configuration
    needs_fields: ClassVar[bool] = False  #: whether nothing can be read without
    field_names: ClassVar[tuple[str, ...]] = ()  #: ours that may be named, besides everything under "extra."
    fetches: ClassVar[str] = ""  #: the vendor that knows the rest of a thin event: the source needs an account there
    polled_by: ClassVar[str] = ""  #: the call whose answers hold such payloads, for sources that poll
    revisable: ClassVar[bool] = False

    def parts(self, body: Any) -> Sequence[Any]:
        """The body is the event."""
        return (body,)

    def complete(self, payload: Any, fetched: Mapping[str, Any]) -> Event:
        """Only thin events are completed."""
        raise NotImplementedError

    def second_key(self, event: Event) -> str:
        """A lead is one lead however often its contact changes; a ticket is another one with every change."""
        if isinstance(event, Lead):
            return f"lead {event.id}"
        return f"ticket {event.ticket_id} {event.updated_at.isoformat() if event.updated_at else ''}"

    def revised(self, payload: Any) -> Any:
        """Only what is revisable is revised."""
        raise NotImplementedError

    def others(self, event: Event) -> tuple[str, ...]:
        """Most things are one event."""
        return ()


class RecordMapping(Protocol):
    """Built once for a route, used for every event. Thread-safe."""

    def render(self, event: Event) -> Rendered:
        """The record, validated, or `Invalid` with every fault."""


def lookup(event: Event, path: str) -> Any:
    """What `path` ("agent.name", "utm.source", "phone") leads to: in the event's own fields, else in its extra.

    None when it is absent or empty. "phone" and "email" are the person's first ones in every kind of event. A phone
    comes as its e164 text, times as datetimes, whatever is in extra as it is.
    """
    found = _PERSON[path](event) if path in _PERSON else walk(event, path)
    return walk(event.extra, path) if found in ("", None) else found


def with_result(event: Event, result: Mapping[str, Any]) -> Event:
    """The event with ``result.…`` in reach of paths: what a vendor answered for another delivery of the same event."""
    return replace(event, extra={**event.extra, "result": result})


def walk(value: Any, path: str) -> Any:
    """The value at `path` inside fields, objects and lists ("items.0.name"); None when absent or empty.

    A key that holds dots itself comes first: form builders send such keys. False and 0 are values.
    """
    if isinstance(value, Mapping) and path in value:
        return _plain(value[path])
    part, _, rest = path.partition(".")
    value = _step(value, part)
    return walk(value, rest) if rest and value is not None else _plain(value)


def _step(value: Any, part: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(part)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return value[int(part)] if part.isdecimal() and len(part) < 6 and int(part) < len(value) else None
    return getattr(value, part) if part in _FIELDS.get(type(value), ()) else None


def _plain(value: Any) -> Any:
    if isinstance(value, Phone):
        return value.e164
    if isinstance(value, tuple):
        return [_plain(v) for v in value] or None
    return None if value in ("", [], {}) else value


def _first_phone(event: Event) -> str:
    phone = next(iter(event.phones), None) if isinstance(event, Lead) else event.customer.phone
    return phone.e164 if phone else ""


def _email(event: Event) -> str:
    return event.email if isinstance(event, Lead) else event.customer.email


_PERSON = {"phone": _first_phone, "email": _email}
_FIELDS: dict[type, frozenset[str]] = {
    **{kind: frozenset(f.name for f in fields(kind)) - {"notes"} for kind in (Lead, Ticket, Agent, Customer)},
    Phone: frozenset({"country_code", "national", "e164"}),
}
_WHAT_MATTERS = {kind: attrgetter(*(f.name for f in fields(kind) if f.name != "notes")) for kind in (Lead, Ticket)}


def fingerprint(event: Event) -> bytes:
    """16 bytes that are the same for two events exactly when they say the same; notes say nothing of the person."""
    said = orjson.dumps(_WHAT_MATTERS[type(event)](event), option=orjson.OPT_SORT_KEYS)
    return blake2b(said, digest_size=16).digest()
