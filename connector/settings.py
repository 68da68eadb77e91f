"""What a process needs to know, as frozen values. `connector.configuration.load` makes them of file and environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any, Literal
from zoneinfo import ZoneInfo

from mappings.base import Locale


class Secret:
    """A text that prints as ``***``; `reveal` is the only way to its value."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


NO_SECRET = Secret("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify:
    """How a source proves its origin. Fields that a scheme does not use stay at their defaults."""

    scheme: str  #: standard-webhooks | hmac | token | basic | query | field | path | none
    secrets: tuple[Secret, ...] = ()  #: any of them passes (rotation); basic: "user:password"
    header: str = ""  #: token: where it travels; hmac: where the signature travels
    algorithm: str = "sha256"  #: hmac: sha256 | sha1 | sha512
    encoding: str = "hex"  #: hmac: hex | base64
    prefix: str = ""  #: hmac: what stands before the signature, "sha256="
    #: hmac: what is signed: {body} {timestamp} {id} {method} {url} {decoded_url} and literals between them
    signed: str = "{body}"
    timestamp_header: str = ""  #: hmac: unix seconds or ms, or ISO 8601; checked against tolerance_s
    id_header: str = ""  #: hmac: fills {id}, and is the event id
    parameter: str = ""  #: query: the parameter's name
    field: str = ""  #: field: the name of the body's field
    handshake: Secret = NO_SECRET  #: what a sender shows when it subscribes by a GET, whatever the scheme
    tolerance_s: int = 300  #: replay window, both ways


@dataclass(frozen=True, slots=True)
class WorkingHours:
    """The part of each day over which a day's calls are spread. Minutes after midnight; it may end the day after."""

    opens: int = 7 * 60
    closes: int = 19 * 60
    zone: ZoneInfo = field(default_factory=lambda: Locale().timezone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A vendor credential and its quota."""

    name: str
    vendor: Literal["wolkvox", "tracksale", "postcenter", "hubspot", "meta"]
    token: Secret
    base_url: str  #: no trailing slash; wolkvox's is made of `server` when not given
    paged_base_url: str = ""  #: tracksale only
    server: str = ""  #: wolkvox only, "0011"
    licences: int = 1  #: wolkvox: daily budget = licences × 1,000 calls
    dial_prefix: str = ""
    phone_format: str = "national"  #: national | e164 | international
    requests_per_window: int = 1000  #: tracksale, hubspot, meta
    window_seconds: float = 300  #: tracksale, hubspot, meta
    api_version: str = ""  #: meta only, "25.0"
    timeout_s: float = 65  #: the whole call; longer than the vendor's own 60 s
    working_hours: WorkingHours = field(default_factory=WorkingHours)  #: for pacing, where a day's calls are limited


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """What a source's account is asked for every so often: `connector.pages` has what each call means."""

    call: str  #: "tracksale.answers" | "postcenter.tickets"
    every_s: float = 300
    overlap_s: float = 7 * 86400  #: how far each look reaches back behind the one before
    since: datetime | None = None  #: how far the first look reaches back; None: a day
    campaign_codes: tuple[str, ...] = ()  #: tracksale: empty for all
    state: str = ""  #: postcenter: this, or a channel
    channel: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Who sends events: by webhook when `verify` is set, by RabbitMQ when `queue` is, by being asked when `poll` is."""

    name: str
    mapping: str
    verify: Verify | None = None
    on_invalid: Literal["refuse", "park"] = "park"
    queue: str = ""
    account: str = ""  #: whose API says the rest of a thin event, or is polled
    poll: Poll | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)  #: our field -> the payload's, for mappings that take them
    declare: bool = True  #: declare the queue and its dead-letter queue at start


@dataclass(frozen=True, slots=True, kw_only=True)
class OncePer:
    """The double-submit guard: one delivery for each value of `key` within `within_s` seconds."""

    key: str  #: "phone", "email", or a path into the event
    within_s: float


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


Span = tuple[int, int] | None  #: minutes of a day, from and until (exclusive); None: not at all


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactHours:
    """When a route may contact people, by the configured timezone."""

    name: str  #: for a person who reads why something waits: "CO"
    weekdays: Span
    saturday: Span
    sunday: Span
    holidays: Span
    country: str  #: whose public holidays; "": no day is one

    def in_words(self) -> str:
        """ "CO: weekdays 07:00-19:00, saturday 08:00-15:00, never on sunday and holidays"."""
        spans = {name: getattr(self, name) for name in ("weekdays", "saturday", "sunday", "holidays")}
        if not self.country:
            del spans["holidays"]
        opens = [f"{name} {_clock(span[0])}-{_clock(span[1])}" for name, span in spans.items() if span]
        never = " and ".join(name for name, span in spans.items() if not span)
        return f"{self.name}: {', '.join(opens)}" + (f", never on {never}" if never else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Which events go to which destination, and how."""

    name: str
    on: tuple[str, ...]
    to: str  #: "wolkvox.add_record"
    account: str
    sources: tuple[str, ...] | None = None  #: None: all
    options: Mapping[str, Any] = field(default_factory=dict)  #: the destination's own, checked by its option schema
    expires_after_s: float = 7 * 86400
    once_per: OncePer | None = None
    on_unknown: Literal["ask", "resend"] = "ask"
    contact_hours: ContactHours | None = None  #: None: at any time
    after: str = ""  #: another route: this one's delivery is made once that one's, of the same event, is delivered


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long personal data is kept, and how often it is looked what is old enough to go."""

    purge_after_s: float
    every_s: float = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a process needs to know. Built by `connector.configuration.load`, or by hand in tests."""

    locale: Locale = field(default_factory=lambda: Locale("CO", ZoneInfo("America/Bogota")))
    accounts: Mapping[str, Account] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    routes: tuple[Route, ...] = ()
    retention: Retention | None = None  #: None: nothing is purged by itself
    #: As SQLAlchemy wants it; may hold a password.
    database_url: str = field(default="sqlite:///var/connector.db", repr=False)
    amqp_url: Secret = NO_SECRET
    port: int = 8000
    admin_token: Secret = NO_SECRET
    secret_key: Secret = NO_SECRET
    public_url: str = ""
    log_level: str = "INFO"

    @property
    def followers(self) -> frozenset[str]:
        """The routes that come after another."""
        return frozenset(route.name for route in self.routes if route.after)

    @property
    def hash_key(self) -> bytes:
        """What keys the hashes of persons and of what was forgotten, as blake2b takes it; empty when nothing is set."""
        return self.secret_key.reveal().encode()[:64]

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """Every secret text there is, for what must never print one."""
        proofs = [(*one.verify.secrets, one.verify.handshake) for one in self.sources.values() if one.verify]
        own = (self.amqp_url, self.admin_token, self.secret_key)
        tokens = tuple(account.token for account in self.accounts.values())
        return tuple(secret for secret in chain(tokens, *proofs, own) if secret)
