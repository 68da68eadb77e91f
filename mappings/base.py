"""The contracts of mappings: `read` makes an event from a payload, `render` makes a record from an event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from hashlib import blake2b
from operator import attrgetter
from typing import Any, ClassVar, Final, Protocol
from zoneinfo import ZoneInfo

import orjson

from mappings.events import Agent, Customer, Event, Lead, Phone, Thin, Ticket


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault of one field. ``field`` is a path ("phones.0"); ``message`` shows no phone or e-mail in full."""

    field: str
    message: str


#: Kinds of numbers that cost the caller extra: read, and called, only where an account names them.
COSTLY: Final = ("premium", "shared_cost", "satellite", "personal", "international_premium")


class Hold(str):
    """A fault that an operator must look at before anybody is called."""

    __slots__ = ()


class Invalid(Exception):  # noqa: N818 - it is read as a verdict: "raises Invalid"
    """The payload is not an event, or the event makes no record. Carries every fault at once."""

    def __init__(self, errors: tuple[FieldError, ...]) -> None:
        super().__init__("; ".join(f"{e.field}: {e.message}" for e in errors))
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Locale:
    """How a source's loose values are understood: phones without a country code, times without an offset."""

    region: str = "CO"
    timezone: ZoneInfo = field(default_factory=lambda: ZoneInfo("America/Bogota"))
    #: countries of numbers without a +; empty: neighbours' mobiles that cannot be typing errors
    extra_countries: tuple[str, ...] = ()
    dial_prefixes: tuple[str, ...] = ()  #: what accounts dial before a number, and dialler reports write
    costly: tuple[str, ...] = ()  #: kinds of numbers that cost extra and are read all the same: "premium"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """Everything that a record needs besides the event: the account's dial plan and the route's paths."""

    locale: Locale = field(default_factory=Locale)
    phone_format: str = "national"  #: "national" | "e164" | "international" (no plus)
    dial_prefix: str = ""
    opt: tuple[str, ...] = ()  #: paths into the event's extra, for opt1, opt2, …
    tags: Mapping[str, str] = field(default_factory=dict)  #: tag name -> path into the event
    campaign_code: str = ""  #: narrows fill-empty-tags and notes when set
    score: str = ""  #: path to the one score of an answer
    justification: str = ""  #: path to the justification of the score
    #: of an answer to several questions, in the campaign's order: {"id", and a path as "score", "option" or "comment"}
    questions: tuple[Mapping[str, Any], ...] = ()
    text: str = ""  #: the text of a note, instead of the event's comment


@dataclass(frozen=True, slots=True)
class Rendered:
    """A record as it will be sent, and the parts that were cut or left out."""

    record: dict[str, Any]
    notes: tuple[str, ...] = ()
    hold: str = ""  #: why an operator must look before it is sent


class Ignored(Exception):  # noqa: N818 - a verdict, as `Invalid` is
    """The payload is authentic and valid, but test traffic or a ping: acknowledged, never acted on.

    The message says which.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """The manner of a sender, and the answers it expects. The defaults are those of our own JSON."""

    decode: str = "own"  #: "own": envelopes are unwrapped, form fields nested; "plain": everything as it was sent
    #: what ``verify = { scheme = "<the mapping's name>" }`` stands for: a scheme of ours, with its options
    proof: Mapping[str, Any] = field(default_factory=dict)
    secret_fields: tuple[str, ...] = ()  #: keys of the body that hold a secret: removed before anything is stored
    id_header: str = ""  #: a header with an event id, if the body has none
    makes_secret: bool = False  #: its system makes the secret; nobody can choose it
    handshake: tuple[str, str] | None = None  #: a GET's parameters: the token to check, and the text to answer
    reply: Mapping[str, Any] | None = None  #: the body of every 2xx, where the sender expects its own; then with 200
    repeats: bool = True  #: what is answered 429 is sent again; else it is kept until its source's limit has room
    gives_up: bool = False  #: a 4xx loses the event or the hook: unmappable payloads are parked in any configuration


class PayloadMapping(Protocol):
    """Built once for a source, used for every payload. Thread-safe."""

    @property
    def sender(self) -> Sender:
        """The manner of the sender of these payloads."""

    def parts(self, body: Any) -> Sequence[Any]:
        """The payloads of single events inside a decoded body."""

    def read(self, payload: Any) -> Event | Thin:
        """The event, or a thin event. Raises `Invalid` with every fault, or `Ignored`."""

    def complete(self, payload: Any, fetched: Mapping[str, Any]) -> Event:
        """The event of a thin payload and its fetched parts, by name. Raises `Invalid` or `Ignored` like `read`."""

    def second_key(self, event: Event) -> str:
        """The business key: equal for two thin events that turn out to be one, besides their type; "" if there is
        none.

        Of events that share it, each type counts once, and each route gets one.
        """

    @property
    def revisable(self) -> bool:
        """Whether the content of an event may change later; then the id inside the body counts, not the envelope's."""

    def revised(self, payload: Any) -> Any:
        """The payload of the change, for an event that is known with another content."""

    def others(self, event: Event) -> tuple[str, ...]:
        """Other event ids of the same thing: a route that has one of them gets no other."""


class PlainSender:
    """The default payload mapping: one event a body, in the manner of our own JSON."""

    sender: ClassVar[Sender] = Sender()
    event_types: ClassVar[tuple[str, ...]]
    takes_fields: ClassVar[bool] = False  #: whether a source may name its fields in the configuration
    needs_fields: ClassVar[bool] = False  #: whether nothing can be read without
    takes_closed: ClassVar[bool] = False  #: whether a source may name the states that count as closed
    field_names: ClassVar[tuple[str, ...]] = ()  #: our fields that may be renamed, besides everything under "extra."
    is_form: ClassVar[bool] = False  #: whether a person fills in what it reads: its bodies are small
    fetches: ClassVar[str] = ""  #: the vendor that knows the rest of a thin event: the source needs an account there
    polled_by: ClassVar[str] = ""  #: the poll with entries that are such payloads
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
        """Only revisable events are revised."""
        raise NotImplementedError

    def others(self, event: Event) -> tuple[str, ...]:
        """Most things are one event."""
        return ()


class RecordMapping(Protocol):
    """Built once for a route, used for every event. Thread-safe."""

    def render(self, event: Event) -> Rendered:
        """The record, validated, or `Invalid` with every fault."""


def lookup(event: Event, path: str) -> Any:
    """The value of `path` ("agent.name", "utm.source", "phone"): in the event's own fields, otherwise in its extra.

    None if absent or empty. "phone" and "email" are the person's first ones in every kind of event. A phone is its
    E.164 text, times are datetimes, values of extra are unchanged.
    """
    found = _PERSON[path](event) if path in _PERSON else walk(event, path)
    if found in ("", None):
        found = walk(event.extra, path)
    return walk(event.extra.get(PASSING), path) if found is None and PASSING in event.extra else found


#: The part of an event's extra with values that differ between reads without a change: addresses of pictures, ages.
PASSING = "passing"


def with_result(event: Event, result: Mapping[str, Any]) -> Event:
    """The event with ``result.…`` available to paths: a vendor's answer for another delivery of the same event."""
    return replace(event, extra={**event.extra, "result": result})


def walk(value: Any, path: str) -> Any:
    """The value at `path` inside fields, objects and lists ("items.0.name"); None if absent or empty.

    A key that contains dots itself comes first: form builders send such keys. False and 0 are values.
    """
    if (type(value) is dict or isinstance(value, Mapping)) and path in value:
        return _plain(value[path])
    if "." not in path:
        return _plain(_step(value, path))
    part, _, rest = path.partition(".")
    value = _step(value, part)
    return walk(value, rest) if rest and value is not None else _plain(value)


def _step(value: Any, part: str) -> Any:
    if type(value) is dict or isinstance(value, Mapping):
        return value.get(part)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return value[int(part)] if part.isdecimal() and len(part) < 6 and int(part) < len(value) else None
    return getattr(value, part) if part in _FIELDS.get(type(value), ()) else None


def _plain(value: Any) -> Any:
    if type(value) is str:
        return value or None
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
    **{kind: frozenset(f.name for f in fields(kind)) - {"notes", "hold"} for kind in (Lead, Ticket, Agent, Customer)},
    Phone: frozenset({"country_code", "national", "e164"}),
}
_WHAT_MATTERS = {
    kind: attrgetter(*(f.name for f in fields(kind) if f.name not in ("notes", "hold"))) for kind in (Lead, Ticket)
}


def fingerprint(event: Event) -> bytes:
    """16 bytes that are equal for two events exactly if their contents are; notes do not count."""
    if PASSING in event.extra:
        event = replace(event, extra={name: value for name, value in event.extra.items() if name != PASSING})
    content = orjson.dumps(_WHAT_MATTERS[type(event)](event), option=orjson.OPT_SORT_KEYS)
    return blake2b(content, digest_size=16).digest()
