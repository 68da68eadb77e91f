"""The settings of a process as frozen values. `connector.config.load` makes them from file and environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from connector.core.alarms import KINDS, AlarmKind, Severity
from connector.core.caps import Cap
from connector.core.phrases import joined, phrase, with_and, with_or
from mappings.base import COSTLY, Locale


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
    prefix: str = ""  #: hmac: text before the signature, "sha256="
    #: hmac: the signed text, with {body} {timestamp} {id} {method} {url} {decoded_url} and literals
    signed: str = "{body}"
    timestamp_header: str = ""  #: hmac: unix seconds or ms, or ISO 8601; checked against tolerance_s
    id_header: str = ""  #: hmac: fills {id}, and is the event id
    parameter: str = ""  #: query: the parameter's name
    field: str = ""  #: field: the name of the body's field
    handshake: Secret = NO_SECRET  #: the token that a sender shows when it subscribes by GET, with any scheme
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
    vendor: str  #: a name of `connector.vendors.VENDORS`
    token: Secret
    base_url: str  #: no trailing slash
    paged_base_url: str = ""  #: of a report that is served elsewhere
    server: str = ""  #: where the address depends on it, "0011"
    licences: int = 1  #: where the day's budget depends on them
    dial_prefix: str = ""
    phone_format: str = "national"  #: national | e164 | international
    countries: tuple[str, ...] = ()  #: countries whose numbers are called; empty: the region's
    numbers: tuple[str, ...] = ()  #: kinds that are called: "mobile", "fixed"; empty: the account calls nobody
    phones_per_lead: int = 5  #: of one person
    calls_per_day: tuple[tuple[str, int], ...] = ()  #: ("all", a prefix, a country or "other"; people) each
    requests_per_window: int = 1000
    window_seconds: float = 300
    window_shared_with: str = ""  #: the account in whose window these calls count as well
    shares_window: tuple[str, ...] = ()  #: all other accounts whose calls count in the same window
    in_flight: int | None = None  #: concurrent calls; None: as many as the vendor allows
    api_version: str = ""  #: "25.0"
    app_secret: Secret = NO_SECRET  #: where the app requires a proof of it
    properties: tuple[str, ...] = ()  #: custom properties that are fetched as well
    options: Mapping[str, Any] = field(default_factory=dict)  #: the remaining options of the vendor's own shape
    plaintext: str = ""  #: "I accept": its address may be http:// outside private networks
    safe_text: str = ""  #: "spreadsheet": formulas and tags in texts of its records are made harmless
    lost_call_holds: Literal["documented", "measured"] = "documented"  #: a slot, once its worker is gone
    timeout_s: float = 65  #: the whole call; longer than the vendor's own 60 s
    working_hours: WorkingHours = field(default_factory=WorkingHours)  #: for pacing, where a day's calls are limited


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """A regular read of a source's account: the vendor's `polls` define each call."""

    call: str  #: "vendor.operation"
    every_s: float = 300
    overlap_s: float = 7 * 86400  #: how far each run reaches back behind the one before
    since: datetime | None = None  #: how far the first run reaches back; None: one day
    campaign_codes: tuple[str, ...] = ()  #: empty for all
    state: str = ""  #: this, or a channel
    channel: str = ""


Trust = Literal["signed", "secret", "none"]
TRUST: Final[tuple[Trust, ...]] = ("none", "secret", "signed")  #: the least first
SIGNING: Final = ("standard-webhooks", "hmac")  #: schemes whose proof cannot be replayed for another body


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A sender of events: by webhook if `verify` is set, by RabbitMQ if `queue` is, polled if `poll` is."""

    name: str
    mapping: str
    verify: Verify | None = None
    on_invalid: Literal["refuse", "park"] = "park"
    queue: str = ""
    account: str = ""  #: the account that fetches thin events, or is polled
    poll: Poll | None = None
    #: our field -> the payload's field, for mappings that accept them
    fields: Mapping[str, Any] = field(default_factory=dict)
    closed: tuple[str, ...] = ()  #: which of the sender's states count as closed; empty: those that usually do
    locale: Locale | None = None  #: region and timezone of ambiguous values; None: those of the top level
    declare: bool = True  #: declare the queue and its dead-letter queue at start
    max_body: int = 0  #: bytes of a webhook's body; 0: as much as its mapping usually needs
    max_events: int = 10_000  #: of one body
    countries: tuple[str, ...] = ()  #: narrows the account's; empty: it does not
    numbers: tuple[str, ...] = ()  #: the same
    phones_per_lead: int = 0  #: the same; 0: it does not
    calls_per_day: tuple[tuple[str, int], ...] = ()  #: as of accounts, of its own people at each account
    limit: tuple[tuple[int, int], ...] = ()  #: (events, seconds) each; empty: none
    share: float = 1.0  #: of an account's day of calls and records, at most; 1: all of it
    trusted_as: Trust | None = None  #: less than its webhooks prove; None: as they prove

    @property
    def trust(self) -> Trust:
        """How well its webhooks prove who sent them: by a signature, by a secret that travels with them, or not."""
        scheme = self.verify.scheme if self.verify else "standard-webhooks"
        proved: Trust = "none" if scheme == "none" else "signed" if scheme in SIGNING else "secret"
        return min(proved, self.trusted_as or proved, key=TRUST.index)

    @property
    def is_open(self) -> bool:
        """Whether anybody who knows its address may send."""
        return self.verify is not None and self.verify.scheme == "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class OncePer:
    """The double-submit guard: one delivery for each value of `key` within `within_s` seconds."""

    key: str  #: "phone", "email", or a path into the event
    within_s: float


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


Span = tuple[int, int] | None  #: minutes of a day, from and until (exclusive); None: closed


#: Kinds of days as words of a sentence.
DAYS: Final[Mapping[str, str]] = {
    "weekdays": phrase("weekdays"),
    "saturday": phrase("saturday"),
    "sunday": phrase("sunday"),
    "holidays": phrase("holidays"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactHours:
    """The hours in which people may be contacted."""

    name: str  #: for a person who reads why something waits: "CO"
    weekdays: Span
    saturday: Span
    sunday: Span
    holidays: Span
    country: str  #: country of the public holidays that count; "": no holidays
    region: str = ""  #: region whose own holidays count as well: "SP"
    categories: tuple[str, ...] = ("public",)  #: of holidays, as the calendar has them
    closed: frozenset[date] = frozenset()  #: configured days without contact
    zone: ZoneInfo | None = None  #: the time zone of the hours; None: the configured timezone

    def in_words(self) -> str:
        """ "CO: weekdays 07:00-19:00, saturday 08:00-15:00, never on sunday and holidays"."""
        spans = {name: getattr(self, name) for name in ("weekdays", "saturday", "sunday", "holidays")}
        if not self.country:
            del spans["holidays"]
        opens = [joined([DAYS[at], f"{_clock(span[0])}-{_clock(span[1])}"], " ") for at, span in spans.items() if span]
        never = with_and(DAYS[name] for name, span in spans.items() if not span)
        closed = phrase(", never on {days}", days=never) if never else ""
        return joined([f"{self.name}: ", joined(opens, ", "), closed])


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnHours:
    """Hours of a country or region that narrow the law's, or apply where the law is silent. Empty `purposes`: all."""

    hours: ContactHours
    purposes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """A list of people who refused contact by others: the people that it covers, and its greatest age."""

    name: str
    countries: tuple[str, ...] = ()  #: empty: all
    purposes: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    max_age_s: float = 30 * 86400
    counts_after_s: float = 0  #: an entry's day of effect
    asked: str = ""  #: "crc": it cannot be downloaded, so it is queried for each person
    token: Secret = NO_SECRET  #: for `asked`: the registry's token
    base_url: str = ""  #: for `asked`: another address than the registry's

    def speaks_of(self, countries: Sequence[str], channel: str, purpose: str) -> bool:
        """Whether the registry applies to a contact of a person in these countries and regions."""
        return (
            (not self.countries or bool({*self.countries} & {*countries}))
            and (not self.purposes or purpose in self.purposes)
            and (not self.channels or channel in self.channels)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactRules:
    """The rules that hold for every route that reaches people."""

    law: bool = True  #: the rules known here for the person's country and the route's purpose
    why: str = ""  #: why not
    place: str = "strictest"  #: strictest: every zone a number may be in; number: its likeliest; or one zone for all
    without_number: str = ""  #: the country of a person without a phone; "": the region
    week: Literal["rolling", "calendar"] = "rolling"  #: how the week of a law is read if the law does not say
    asked_within_s: float = 86400  #: how long a requested contact is exempt from caps and registries
    keep_proof_s: float = 5 * 365 * 86400
    hours: Mapping[str, OwnHours] = field(default_factory=dict)  #: by country or region: "CL", "BR-SP"
    caps: tuple[Cap, ...] = ()
    lists: Mapping[str, Registry] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofPaths:
    """Paths to the proof of consent within an event. Empty: the event has none."""

    of: str = ""  #: whether they consented
    at: str = ""  #: when
    words: str = ""  #: the text that the person agreed to
    where: str = ""  #: the page
    good_for_s: float = 730 * 86400


Limit = float | datetime  #: aware


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A test of the value at a path into an event. All parts must hold."""

    path: str
    among: tuple[str | float | bool, ...] = ()  #: one of these
    unlike: tuple[str | float | bool, ...] = ()  #: none of these values
    like: tuple[str, ...] = ()  #: one of these patterns, with * and ?
    start: Limit | None = None  #: no less
    end: Limit | None = None  #: upper bound
    exists: bool | None = None

    def in_words(self) -> str:
        """ "be one of “MBA”, “Derecho”", for "city must …"."""
        parts: list[str] = [phrase("be {values}", values=_one_of(self.among))] if self.among else []
        parts += [phrase("not be {values}", values=_one_of(self.unlike))] if self.unlike else []
        parts += [phrase("be like {values}", values=with_or(map(_quoted, self.like)))] if self.like else []
        parts += [phrase("be at least {start}", start=self.start)] if self.start is not None else []
        parts += [phrase("be at most {end}", end=self.end)] if self.end is not None else []
        parts += [phrase("be filled") if self.exists else phrase("be empty")] if self.exists is not None else []
        return with_and(parts)


def _quoted(text: str) -> str:
    return f"“{text}”"


def _one_of(values: tuple[str | float | bool, ...]) -> str:
    words = ", ".join(_quoted(one) if isinstance(one, str) else str(one).lower() for one in values)
    return phrase("one of {values}", values=words) if len(values) > 1 else words


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A route of events to a destination."""

    name: str
    on: tuple[str, ...]
    to: str  #: "vendor.operation"
    account: str
    sources: tuple[str, ...] | None = None  #: None: all sources
    options: Mapping[str, Any] = field(default_factory=dict)  #: the destination's own, checked by its option schema
    expires_after_s: float = 7 * 86400
    once_per: OncePer | None = None
    on_unknown: Literal["ask", "resend"] = "ask"
    contact_hours: ContactHours | None = None  #: None: at any time
    purpose: str = "marketing"  #: marketing | requested | service | survey | collection
    channel: str = ""  #: voice | sms | whatsapp | email; "": the destination's own
    proof: ProofPaths | None = None
    demands_proof: bool = False  #: no contact without it
    hours_as_asked: bool = False  #: a requested time outside lawful hours is kept
    after: str = ""  #: another route: this one's delivery is made once that one's, of the same event, is delivered
    when: tuple[Condition, ...] = ()  #: all must hold
    otherwise: bool = False  #: takes only events that no other route to the same operation took


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A route of events that put their person on the do-not-contact list."""

    name: str
    on: tuple[str, ...]
    sources: tuple[str, ...] | None = None  #: None: all sources
    tell: tuple[str, ...] = ()  #: accounts whose vendors are told as well, each by a route of its own


class Role(StrEnum):
    """The rights of a person: to look, persons masked; to act; to make irreversible changes."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def covers(self, other: Role) -> bool:
        """Whether this one may do all that the other may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


ADMIN: Final = "admin token"  #: the name of the person who shows CONNECTOR_ADMIN_TOKEN


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a key of their own, or with the hash of one (``token_hash``, as werkzeug writes it)."""

    name: str
    role: Role
    token: Secret = NO_SECRET
    token_hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Oidc:
    """The company's own sign-in, by OpenID Connect. A group or a verified e-mail gives a role."""

    issuer: str
    client_id: str
    client_secret: Secret = NO_SECRET
    scope: str = "openid profile email"
    groups_claim: str = "groups"
    methods: tuple[str, ...] = ()  #: one of them must be shown to the provider: "mfa"; empty: as the provider demands
    groups: Mapping[str, Role] = field(default_factory=dict)
    emails: Mapping[str, Role] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """The pages for people, and who may use them and ``/api``."""

    enabled: bool = False
    plain_http: bool = False  #: serve them without TLS to other machines too
    people: Mapping[str, Person] = field(default_factory=dict)
    oidc: Oidc | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long personal data is kept, and how often the purge runs."""

    purge_after_s: float
    every_s: float = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressee:
    """Somebody who is told of alarms. ``secret``: the address takes signed webhooks; without it `apprise` sends."""

    name: str
    url: Secret
    secret: Secret = NO_SECRET
    language: str = "en"
    kinds: tuple[AlarmKind, ...] = KINDS
    severity: Severity = Severity.WARNING  #: the least


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarms:
    """The rules by which people are told of faults."""

    account_after_s: float = 600  #: an account that is blocked, paused or held for longer
    leads_wait_s: float = 600  #: within contact hours
    dead_percent: int = 5  #: of an hour's deliveries of a destination
    dead_least: int = 5  #: fewer dead ones are no alarm
    again_s: float = 86400  #: between two reminders
    to: tuple[Addressee, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spool:
    """The store of webhooks while the database is away."""

    kind: Literal["queue", "file"]
    queue: str = "connector.spool"
    path: Path = Path("var/spool.db")
    max_bytes: int = 1024**3  #: of the file


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a process needs to know. Built by `connector.configuration.load`, or by hand in tests."""

    locale: Locale = field(default_factory=lambda: Locale("CO", ZoneInfo("America/Bogota")))
    accounts: Mapping[str, Account] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    routes: tuple[Route, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    retention: Retention | None = None  #: None: no automatic purge
    contact: ContactRules | None = None  #: None: only the rules of the routes apply
    #: As SQLAlchemy wants it; may hold a password.
    database_url: str = field(default="sqlite:///var/connector.db", repr=False)
    amqp_url: Secret = NO_SECRET
    port: int = 8000
    admin_token: Secret = NO_SECRET
    metrics_token: Secret = NO_SECRET  #: opens /metrics and /readyz
    metrics_public: bool = False  #: they are open to all
    metrics_port: int = 0  #: a port of their own; 0: none
    plaintext: str = ""  #: "I accept": broker and database may be reached without encryption
    secret_key: Secret = NO_SECRET  #: one, or several separated by commas, the newest first
    data_key: Secret = NO_SECRET  #: one, or several with commas between them, the newest first
    database_key: bytes = field(default=b"", repr=False)  #: of the hashes in the database, if it is known
    public_url: str = ""
    console: Console | None = None  #: None: there is none
    alarms: Alarms | None = None  #: None: nobody looks for any
    spool: Spool | None = None  #: None: while the database is away, webhooks are answered 503
    log_level: str = "INFO"
    config_hash: str = ""  #: of the configuration file as it was read, without the values of its variables

    @property
    def dial_prefixes(self) -> tuple[str, ...]:
        """The prefixes that accounts dial before a number; dialler reports and people who copy them write them."""
        return tuple(sorted({account.dial_prefix for account in self.accounts.values()} - {""}))

    @property
    def costly(self) -> tuple[str, ...]:
        """The kinds of numbers that cost extra and that an account calls all the same."""
        return tuple(one for one in COSTLY if any(one in account.numbers for account in self.accounts.values()))

    @property
    def people(self) -> Mapping[str, Person]:
        """Everybody who has a key, by name."""
        named = dict(self.console.people) if self.console else {}
        return named | ({ADMIN: Person(ADMIN, Role.ADMIN, self.admin_token)} if self.admin_token else {})

    @property
    def followers(self) -> frozenset[str]:
        """The routes that come after another."""
        return frozenset(route.name for route in self.routes if route.after)

    @property
    def secret_keys(self) -> tuple[Secret, ...]:
        """The keys of the hashes, the newest first."""
        return tuple(Secret(part.strip()) for part in self.secret_key.reveal().split(",") if part.strip())

    @property
    def data_keys(self) -> tuple[Secret, ...]:
        """The keys of what is encrypted at rest, the newest first; none: nothing is."""
        return tuple(Secret(part.strip()) for part in self.data_key.reveal().split(",") if part.strip())

    @property
    def hash_key(self) -> bytes:
        """The key of the hashes of persons and forgotten data, as blake2b takes it; empty if none is set."""
        newest = self.secret_keys[0].reveal().encode()[:64] if self.secret_keys else b""
        return self.database_key or newest

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """Every secret text, for redaction."""
        proofs = [(*one.verify.secrets, one.verify.handshake) for one in self.sources.values() if one.verify]
        own = (
            self.amqp_url,
            self.admin_token,
            self.metrics_token,
            self.secret_key,
            *self.secret_keys,
            *self.data_keys,
            *(one.token for one in self.people.values()),
            *([self.console.oidc.client_secret] if self.console and self.console.oidc else []),
            *(secret for one in (self.alarms.to if self.alarms else ()) for secret in (one.url, one.secret)),
        )
        tokens = tuple(one for account in self.accounts.values() for one in (account.token, account.app_secret))
        return tuple(secret for secret in chain(tokens, *proofs, own) if secret)
