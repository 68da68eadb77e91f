"""The configuration file and the environment, checked whole: `load` gives `Settings`, or every fault at once."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from datetime import date, datetime
from ipaddress import ip_address
from typing import Any, Protocol
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

import phonenumbers
from marshmallow import Schema, ValidationError, fields, validates_schema
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

import mappings
from connector import guards
from connector.errors import ConfigError
from connector.options import (
    RESULT,
    Checked,
    Codes,
    Duration,
    Flag,
    HoursOfDay,
    Path,
    Seconds,
    Strict,
    Text,
    Whole,
    Words,
    choice,
    did_you_mean,
    listed,
    quote,
    results_in,
)
from connector.settings import (
    Account,
    ContactHours,
    OncePer,
    Poll,
    Retention,
    Route,
    Secret,
    Settings,
    Source,
    Span,
    Verify,
    WorkingHours,
)
from connector.signatures import problems
from mappings.base import Locale

DEFAULT_CONFIG = "config/connector.toml"
DEFAULT_DATABASE_URL = "sqlite:///var/connector.db"
#: vendor -> its own address; wolkvox's is made of the account's server.
VENDOR_URLS = {
    "wolkvox": "https://wv{server}.wolkvox.com",
    "tracksale": "https://api.tracksale.co",
    "postcenter": "https://api-cluster.postcenter.io",
    "hubspot": "https://api.hubapi.com",
    "meta": "https://graph.facebook.com",
}
PAGED_URL = "https://apiv3.track.co"  #: where Tracksale serves dispatches by the page

STATES = ("open", "closed", "ignored", "inProgress")  #: of PostCenter's tickets, as `connector.vendors.postcenter`

_NAME = "[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
_NAME_SAYS = "may hold letters, digits, - and _ only (at most 64), and starts with a letter or a digit"
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_QUOTED = re.compile(r""""(?:[^"\\]|\\.)*"|'[^']*'""")
_TELLING = 6  #: shorter values are hidden only where they stand alone: "1" is part of many a word
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class DestinationSpec(Protocol):
    """What the loader must know of a destination. `connector.destinations` has the table of them."""

    @property
    def vendor(self) -> str:
        """Whose accounts it needs: "wolkvox"."""

    @property
    def options(self) -> type[Schema]:
        """The keys of a route that are its own."""

    @property
    def on_unknown(self) -> str:
        """What becomes of unknown outcomes where a route does not say: "ask" or "resend"."""

    @property
    def contacts_people(self) -> bool:
        """Whether a person hears of what is sent there."""

    @property
    def results(self) -> tuple[str, ...]:
        """What of its vendor's answer is kept for routes after it."""


class Faults:
    """Every fault found so far, one line each with its place. A value that came from a variable is never shown."""

    def __init__(self) -> None:
        self._lines: list[tuple[tuple[str | int, ...], str]] = []
        self._unset: set[tuple[str | int, ...]] = set()
        self._filled: dict[str, str] = {}
        self._route_names: tuple[str, ...] = ()

    def add(self, place: tuple[str | int, ...], message: str) -> None:
        """Note a fault, unless the same value has a variable missing: one cause is told once."""
        if place not in self._unset and (place, message) not in self._lines:
            self._lines.append((place, message))

    def add_unset(self, place: tuple[str | int, ...], message: str) -> None:
        """Note a variable that is missing, after which nothing else can be said of that value."""
        self.add(place, message)
        self._unset.add(place)

    def hide(self, variable: str, value: str) -> None:
        """Show ``${variable}`` where a message would quote its value."""
        for written in (value, repr(value)[1:-1], quote(value)[1:-1]):
            self._filled[written] = f"${{{variable}}}"

    def name_routes(self, names: tuple[str, ...]) -> None:
        """Let routes be called by their names, where these are unique."""
        self._route_names = names

    def under(self, *place: str | int) -> bool:
        """Whether anything at this place, or within it, is wrong."""
        return any(found[: len(place)] == place for found, _ in self._lines)

    def lines(self) -> list[str]:
        """``accounts.dialler.token: ${WOLKVOX_TOKEN} is not set``, in the order they were found."""
        return [f"{self._at(place)}: {_QUOTED.sub(self._shown, message)}" for place, message in self._lines]

    def _shown(self, quoted: re.Match[str]) -> str:
        text = quoted[0]
        for value in sorted(self._filled, key=len, reverse=True):
            if len(value) >= _TELLING or value == quoted[0][1:-1]:
                text = text.replace(value, self._filled[value])
        return text

    def _at(self, place: tuple[str | int, ...]) -> str:
        route = place[1] if place[:1] == ("routes",) and len(place) > 1 else None
        name = self._route_names[route] if isinstance(route, int) and route < len(self._route_names) else ""
        if name and self._route_names.count(name) == 1:
            place = ("routes", name, *place[2:])
        return "".join(_step(step, first=index == 0) for index, step in enumerate(place))


def _step(step: str | int, *, first: bool) -> str:
    if isinstance(step, int):
        return f" #{step + 1}"
    plain = re.fullmatch("[A-Za-z0-9_-]+", step) or (first and step.isprintable())
    return ("" if first else ".") + (step if plain else quote(step))


def load(
    environ: Mapping[str, str], *, config_path: str | None = None, destinations: Mapping[str, DestinationSpec]
) -> Settings:
    """The configuration at ``config_path``, else ``CONNECTOR_CONFIG``, else config/connector.toml, with its variables.

    Raises `ConfigError` with every fault of file and environment.
    """
    faults = Faults()
    surroundings = _environment(environ, faults)
    document = _document(config_path or environ.get("CONNECTOR_CONFIG") or DEFAULT_CONFIG, faults)
    document = _fill(document, environ, faults)
    parts = _parts(document, destinations, faults)
    if not surroundings["amqp_url"]:
        _refuse_queues_without_broker(document, faults)
    if "retention" in document and not surroundings["secret_key"]:
        faults.add(("retention",), "needs CONNECTOR_SECRET_KEY: without it what is kept of a person could be guessed")
    if lines := faults.lines():
        raise ConfigError(lines)
    return Settings(**parts, **surroundings)


def database_url(environ: Mapping[str, str]) -> str:
    """Where the store is, as SQLAlchemy wants it: all that ``connector migrate`` needs. Raises `ConfigError`."""
    faults = Faults()
    url = _database_url(environ, faults)
    if lines := faults.lines():
        raise ConfigError(lines)
    return url


# --- the environment ---


def _environment(environ: Mapping[str, str], faults: Faults) -> dict[str, Any]:
    return {
        "database_url": _database_url(environ, faults),
        "amqp_url": Secret(_amqp_url(environ, faults)),
        "port": _port(environ, faults),
        "admin_token": Secret(environ.get("CONNECTOR_ADMIN_TOKEN", "")),
        "secret_key": Secret(environ.get("CONNECTOR_SECRET_KEY", "")),
        "public_url": _public_url(environ, faults),
        "log_level": _log_level(environ, faults),
    }


def _database_url(environ: Mapping[str, str], faults: Faults) -> str:
    text = environ.get("DATABASE_URL") or DEFAULT_DATABASE_URL
    try:
        url = make_url(re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", text))
    except (ArgumentError, ValueError):
        faults.add(
            ("DATABASE_URL",), "is no address: write postgres://user:password@host/name or sqlite:///var/name.db"
        )
        return ""
    if fault := _database_fault(url, environ):
        faults.add(("DATABASE_URL",), fault)
    return url.render_as_string(hide_password=False)


def _database_fault(url: URL, environ: Mapping[str, str]) -> str:
    if url.drivername in ("sqlite", "sqlite+pysqlite"):
        if environ.get("DYNO") and environ.get("CONNECTOR_ALLOW_SQLITE") != "1":
            return (
                "a dyno loses its disk every day, and SQLite's leads with it: add a Postgres database"
                " (or set CONNECTOR_ALLOW_SQLITE=1 to lose them knowingly)"
            )
        if not url.database or url.database == ":memory:":
            return "names no file, and what is only in memory is lost: write sqlite:///var/connector.db"
    elif url.drivername != "postgresql+psycopg":
        return "is neither Postgres nor SQLite: write postgres://user:password@host/name or sqlite:///var/name.db"
    elif not url.database:
        return "names no database: write postgres://user:password@host/name"
    return ""


def _amqp_url(environ: Mapping[str, str], faults: Faults) -> str:
    variable = "AMQP_URL" if environ.get("AMQP_URL") else "CLOUDAMQP_URL"
    url = environ.get(variable, "")
    if url and not _is_url(url, "amqp", "amqps"):
        faults.add((variable,), "is no broker's address: write amqp://user:password@host/vhost (or amqps://)")
    return url


def _port(environ: Mapping[str, str], faults: Faults) -> int:
    text = environ.get("PORT") or "8000"
    if not re.fullmatch("[0-9]{1,5}", text) or int(text) > 65535:
        faults.add(("PORT",), f"{quote(text)} is no port: write a number up to 65535")
        return 0
    return int(text)


def _public_url(environ: Mapping[str, str], faults: Faults) -> str:
    url = environ.get("CONNECTOR_PUBLIC_URL", "").rstrip("/")
    if url and not _is_url(url, "https", "http"):
        faults.add(("CONNECTOR_PUBLIC_URL",), "is no address: write https://host as senders see it")
    return url


def _log_level(environ: Mapping[str, str], faults: Faults) -> str:
    level = (environ.get("LOG_LEVEL") or "INFO").upper()
    if level not in _LEVELS:
        faults.add(("LOG_LEVEL",), f"{quote(level)} is none of {listed(_LEVELS)}{did_you_mean(level, _LEVELS)}")
    return level


def _is_url(text: str, *schemes: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0 and text.isprintable()
    except ValueError:
        return False


# --- the file ---


def _document(path: str, faults: Faults) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            document = tomllib.load(file)
    except OSError as error:
        said = (error.strerror or "cannot be read").lower()
        faults.add((path,), f"{said}: name the configuration file in CONNECTOR_CONFIG")
    except tomllib.TOMLDecodeError as error:
        faults.add((path,), f"is not TOML: {str(error).splitlines()[0]}")
    except (UnicodeDecodeError, ValueError, RecursionError):
        faults.add((path,), "is not TOML: save it as UTF-8 text")
    else:
        return document
    return {}


def _fill(document: dict[str, Any], environ: Mapping[str, str], faults: Faults) -> dict[str, Any]:
    """The document with every ``${NAME}`` replaced."""
    faults.name_routes(tuple(_text(route, "name") for route in _tables(document)))
    filled: dict[str, Any] = _filled(document, (), environ, faults)
    return filled


def _filled(value: Any, place: tuple[str | int, ...], environ: Mapping[str, str], faults: Faults) -> Any:
    if isinstance(value, dict):
        return {key: _filled(inner, (*place, key), environ, faults) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, (*place, index), environ, faults) for index, inner in enumerate(value)]
    if not isinstance(value, str):
        return value

    def variable(found: re.Match[str]) -> str:
        name, text = found[1], environ.get(found[1], "")
        if not text.strip():
            said = "is empty" if name in environ else "is not set"
            faults.add_unset(place, f"{found[0]} {said}: export it or put it in the environment")
            return found[0]
        faults.hide(name, text)
        return text

    if "${" in _VARIABLE.sub("", value):
        faults.add_unset(place, "holds ${ without a name and }: write ${NAME}, with letters, digits and _")
    return _VARIABLE.sub(variable, value)


def _tables(document: Mapping[str, Any]) -> list[Any]:
    routes = document.get("routes", [])
    return routes if isinstance(routes, list) else []


def _text(table: Any, key: str) -> str:
    """A text of a table, or "" while nobody knows yet that it is a table and a text."""
    value = table.get(key) if isinstance(table, dict) else None
    return value if isinstance(value, str) else ""


# --- the shape of each table ---


class _Table(fields.Field[dict[str, Any]]):
    """A table whose own shape is checked later, key by key."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValidationError("must be a table")
        return value


class _RouteList(fields.Field[list[Any]]):
    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> list[Any]:
        if not isinstance(value, list):
            raise ValidationError("must be a list of tables: begin each with [[routes]]")
        return value


class _Timezone(Checked[ZoneInfo]):
    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> ZoneInfo:
        try:
            return ZoneInfo(value)
        except (ValueError, TypeError, AttributeError, LookupError, OSError):
            hint = did_you_mean(value, available_timezones()) or ', write one like "America/Bogota"'
            raise ValidationError(f"{quote(value)} is no timezone{hint}") from None


class _Region(Checked[str]):
    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> str:
        if not isinstance(value, str) or value not in phonenumbers.SUPPORTED_REGIONS:
            raise ValidationError(f'{quote(value)} is no region, write a country\'s two capital letters, like "CO"')
        return value


class _Address(Text):
    """An http(s) address to which a path can be added."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> str:
        if not isinstance(value, str) or not _is_url(value, "http", "https") or set(value) & set("?#@ "):
            raise ValidationError('must be an address like "https://api.example.com", without name, password or query')
        if value.endswith("/"):
            raise ValidationError("ends with a slash: take it off")
        return value


class _Since(Checked[datetime]):
    """A day or a moment, without a zone where none is said; TOML's own, or in quotes."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> datetime:
        try:
            return datetime.fromisoformat(value.isoformat() if isinstance(value, date) else value)
        except (TypeError, ValueError):
            raise ValidationError('must be a day or a moment, like "2026-11-01" or "2026-11-01T08:00"') from None


class _Secrets(Checked[tuple[Secret, ...]]):
    """A list of secret texts, at least one; several while one is being replaced."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any
    ) -> tuple[Secret, ...]:
        if not isinstance(value, list) or not value:
            raise ValidationError('must be a list of at least one secret, ["${NAME}"]')
        wrong = {
            index: ["is empty" if secret == "" else "must be a text in quotes, on one line"]
            for index, secret in enumerate(value)
            if not isinstance(secret, str) or not secret.strip() or not secret.isprintable()
        }
        if wrong:
            raise ValidationError(wrong)
        return tuple(Secret(secret) for secret in value)


class _Names(Checked[dict[str, str | tuple[str, ...]]]):
    """Our field -> the sender's name of it, or several. ``extra.x = "y"`` without quotes, a table to TOML, will do."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any
    ) -> dict[str, str | tuple[str, ...]]:
        if not isinstance(value, dict) or not value:
            raise ValidationError('must be a table of our fields and the sender\'s names, { phones = "celular" }')
        names = dict(_flat(value, ""))
        said = "must be the sender's name of it, or a list of names"
        wrong = {ours: [said] for ours, name in names.items() if not _is_named(name)}
        if wrong:
            raise ValidationError(wrong)
        return {ours: name if isinstance(name, str) else tuple(name) for ours, name in names.items()}


def _flat(table: dict[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{before}{key}.")
        else:
            yield before + key, value


def _is_named(value: Any) -> bool:
    names = value if isinstance(value, list) else [value]
    return bool(names) and all(isinstance(name, str) and name.strip() for name in names)


class _TopShape(Strict):
    timezone = _Timezone(load_default=lambda: Locale().timezone)
    region = _Region(load_default=Locale().region)
    accounts = _Table(load_default=dict)
    sources = _Table(load_default=dict)
    routes = _RouteList(load_default=list)
    retention = _Table(load_default=None)


class _RetentionShape(Strict):
    purge_after = Duration(required=True, needed='is required: purge_after = "90d"')
    every = Duration(load_default=3600.0)


class _AccountShape(Strict):
    vendor = Text(required=True, validate=choice(*VENDOR_URLS), needed=f"is required: one of {listed(VENDOR_URLS)}")
    token = Text(
        required=True,
        pattern="[!-~]+",
        says="holds a space or a letter that no header can carry",
        needed='is required: token = "${NAME}"',
    )
    base_url = _Address(load_default="")
    timeout_s = Seconds(least=1, load_default=65.0)
    working_hours = HoursOfDay(load_default=(7 * 60, 19 * 60))


class _WolkvoxAccount(_AccountShape):
    server = Text(load_default="", pattern="[0-9]{4}", says='must be the four digits in quotes, server = "0011"')
    licences = Whole(least=1, load_default=1)
    dial_prefix = Text(load_default="", empty=True, pattern="[0-9]*", says='must be digits in quotes, like "9"')
    phone_format = Text(load_default="national", validate=choice("national", "e164", "international"))

    @validates_schema(skip_on_field_errors=False)
    def _has_an_address(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("server") == "" and data.get("base_url") == "":
            raise ValidationError('is required: server = "0011" (or base_url)', "server")

    @validates_schema(skip_on_field_errors=False)
    def _waits_longer_than_the_vendor(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("timeout_s", 65) <= 60 and not _is_loopback(data.get("base_url", "")):
            raise ValidationError("must be more than 60: the vendor itself takes up to 60 s to answer", "timeout_s")


class _TracksaleAccount(_AccountShape):
    paged_base_url = _Address(load_default="")
    requests_per_window = Whole(least=1, load_default=1000)
    window_seconds = Seconds(least=1, load_default=300.0)
    phone_format = Text(load_default="national", validate=choice("national", "e164", "international"))


class _HubSpotAccount(_AccountShape):
    # What every app may do; private apps of the dearer plans may do 190.
    requests_per_window = Whole(least=1, load_default=100)
    window_seconds = Seconds(least=1, load_default=10.0)
    timeout_s = Seconds(least=1, load_default=30.0)


class _MetaAccount(_AccountShape):
    # Meta's own limit grows with the page's leads and is nowhere written down as a number: this stays far below it.
    requests_per_window = Whole(least=1, load_default=100)
    window_seconds = Seconds(least=1, load_default=60.0)
    timeout_s = Seconds(least=1, load_default=30.0)
    api_version = Text(load_default="25.0", pattern=r"[0-9]{1,3}\.[0-9]", says='must be like "25.0", in quotes')


_ACCOUNTS: dict[str, type[Strict]] = {
    "wolkvox": _WolkvoxAccount,
    "tracksale": _TracksaleAccount,
    "postcenter": _AccountShape,
    "hubspot": _HubSpotAccount,
    "meta": _MetaAccount,
}


class _SourceShape(Strict):
    mapping = Text(required=True, needed='is required: mapping = "lead"')
    verify = _Table(load_default=None)
    on_invalid = Text(load_default="park", validate=choice("refuse", "park"))
    queue = Text(
        load_default="",
        pattern=r"(?!amq\.)\S{1,200}",
        says='must be a queue\'s name without spaces (at most 200 letters, and not beginning with "amq.")',
    )
    declare = Flag(load_default=True)
    account = Text(load_default="")
    poll = _Table(load_default=None)
    fields = _Names(load_default=dict)  # type: ignore[assignment] # marshmallow takes it out of the class


class _PollShape(Strict):
    call = Text(required=True, needed='is required: call = "tracksale.answers" or "postcenter.tickets"')
    every = Duration(load_default=300.0)
    overlap = Duration(load_default=7 * 86400.0)
    since = _Since(load_default=None)


class _AnswersPoll(_PollShape):
    campaign_code = Codes(load_default=())


class _TicketsPoll(_PollShape):
    state = Text(load_default="", validate=choice(*STATES))
    channel = Text(load_default="")

    @validates_schema(skip_on_field_errors=True)
    def _by_one_of_them(self, data: dict[str, Any], **_: Any) -> None:
        if bool(data["state"]) == bool(data["channel"]):
            raise ValidationError(f'needs either state (one of {listed(STATES)}) or channel = "email"')

    @validates_schema(pass_original=True)
    def _overlaps_by_dates_only(self, data: dict[str, Any], original: Any, **_: Any) -> None:
        if data.get("state") and "overlap" in original:
            raise ValidationError(
                "is of no use with state: the whole list comes with every look; take it off", "overlap"
            )


#: By call: whose accounts it needs, what it may say.
_POLLS: dict[str, tuple[str, type[Strict]]] = {
    "tracksale.answers": ("tracksale", _AnswersPoll),
    "postcenter.tickets": ("postcenter", _TicketsPoll),
}


class _VerifyShape(Strict):
    scheme = Text(required=True, needed='is required: scheme = "standard-webhooks"')
    handshake = Text(load_default="")


class _SecretShape(_VerifyShape):
    secrets = _Secrets(required=True, needed='is required: secrets = ["${NAME}"]')


class _StandardWebhooksShape(_SecretShape):
    tolerance_s = Whole(least=1, load_default=300)


class _HmacShape(_SecretShape):
    header = Text(required=True, needed='is required: the header of the signature, like "X-Signature"')
    algorithm = Text(load_default="sha256")
    encoding = Text(load_default="hex")
    prefix = Text(load_default="", empty=True)
    signed = Text(load_default="{body}")
    timestamp_header = Text(load_default="", empty=True)
    id_header = Text(load_default="", empty=True)
    tolerance_s = Whole(least=1, load_default=300)


class _TokenShape(_SecretShape):
    header = Text(required=True, needed='is required: the header of the token, like "X-Token"')
    prefix = Text(load_default="", empty=True)


class _QueryShape(_SecretShape):
    parameter = Text(required=True, needed='is required: the parameter of the token, like "key"')


class _FieldShape(_SecretShape):
    field = Text(required=True, needed='is required: the body\'s field that holds the secret, like "key"')


_SCHEMES: dict[str, type[Strict]] = {
    "standard-webhooks": _StandardWebhooksShape,
    "hmac": _HmacShape,
    "token": _TokenShape,
    "basic": _SecretShape,
    "query": _QueryShape,
    "field": _FieldShape,
    "path": _SecretShape,
    "none": _VerifyShape,
}


class _OncePerShape(Strict):
    key = Path(required=True, needed='is required: "phone", "email" or a path into the event')
    within = Duration(required=True, needed='is required: a time like "24h"')


class _Span(Checked[Span]):
    """ "08:00-18:00"; "" for not at all."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> Span:
        if value == "":
            return None
        found = re.fullmatch(r"([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})", value) if isinstance(value, str) else None
        hours = [int(part) for part in found.groups()] if found else []
        opens, closes = (hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]) if hours else (0, 0)
        if not opens < closes <= guards.DAY or hours[1] > 59 or hours[3] > 59:
            raise ValidationError('must be hours of one day like "08:00-18:00", or "" for not at all')
        return opens, closes


class _OwnHours(Strict):
    weekdays = _Span(required=True, needed='is required: "08:00-18:00", or "" for not at all')
    saturday = _Span(load_default=None)
    sunday = _Span(load_default=None)
    holidays = _Span(load_default=None)
    country = Text(load_default="", pattern="[A-Z]{2}", says='must be a country\'s two capital letters, like "CL"')

    @validates_schema(skip_on_field_errors=True)
    def _can_be_kept(self, data: dict[str, Any], **_: Any) -> None:
        if not any(data[name] for name in ("weekdays", "saturday", "sunday")):
            raise ValidationError("never open: nobody could ever be contacted", "weekdays")
        if data["country"] and not guards.has_holidays(data["country"]):
            said = f"the public holidays of {quote(data['country'])} are not known: take it out"
            raise ValidationError(said, "country")
        if data["holidays"] and not data["country"]:
            raise ValidationError('whose? Say so: country = "CL"', "holidays")


class _ContactHours(Checked[ContactHours]):
    """A country whose law is known, or a table of hours."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> ContactHours:
        if isinstance(value, dict):
            own = _OwnHours().load(value)
            return ContactHours(name="its own", **own)
        if value not in guards.PRESETS:
            said = f"{quote(value)} has no hours that are known here"
            offer = 'write your own: { weekdays = "08:00-18:00", saturday = "09:00-13:00", country = "CL" }'
            raise ValidationError(f"{said} (there is {listed(guards.PRESETS)}): {offer}")
        return guards.PRESETS[value]


class _RouteShape(Strict):
    name = Text(required=True, needed='is required, and is kept with every delivery: name = "dial new leads"')
    on = Words(required=True, needed='is required: an event type like "lead.created", or a list of them')
    sources = Words(load_default=None)
    to = Text(required=True, needed='is required: a destination like "wolkvox.add_record"')
    account = Text(required=True, needed="is required: the name of one of the accounts")
    expires_after = Duration(load_default=7 * 86400.0)
    contact_hours = _ContactHours(load_default=None)
    once_per = fields.Nested(_OncePerShape, load_default=None)
    on_unknown = Text(load_default="", validate=choice("ask", "resend"))
    after = Text(load_default="")


def _loose(shape: type[Strict], others: Collection[type[Schema]]) -> type[Strict]:
    """``shape`` that also lets every key of the others pass: for when nobody can tell which of them is meant."""
    keys = {key for other in others for key in other().fields} - shape().fields.keys()
    return type(f"_Loose{shape.__name__}", (shape,), {key: fields.Raw() for key in keys})


def _with_options(to: str, destinations: Mapping[str, DestinationSpec]) -> type[Strict]:
    """A route's shape: what every route has, and the options of its destination."""
    own = destinations[to].options
    mine = own().fields.keys() | _RouteShape().fields.keys()
    elsewhere = {key: name for name, spec in destinations.items() for key in spec.options().fields if key not in mine}
    return type("_RouteWithOptions", (_RouteShape, own), {"elsewhere": elsewhere})


# --- file to settings ---


def _parts(document: dict[str, Any], destinations: Mapping[str, DestinationSpec], faults: Faults) -> dict[str, Any]:
    top = _read(_TopShape(), document, (), faults)
    tables: dict[str, Any] = {"accounts": {}, "sources": {}, "routes": [], **top}
    locale = Locale(top["region"], top["timezone"]) if {"region", "timezone"} <= top.keys() else Locale()
    accounts = {name: _account(name, table, locale, faults) for name, table in tables["accounts"].items()}
    sources = {name: _source(name, table, locale.timezone, faults) for name, table in tables["sources"].items()}
    routes = tuple(_route(index, table, destinations, faults) for index, table in enumerate(tables["routes"]))
    _refuse_shared_tokens(tables["accounts"], faults)
    _refuse_shared_queues(tables["sources"], faults)
    _refuse_shared_names(tables["routes"], faults)
    for name, table in tables["sources"].items():
        _check_fetching(name, table, tables["accounts"], faults)
    for index, table in enumerate(tables["routes"]):
        _check_references(index, table, tables, destinations, faults)
        _check_after(index, tables, destinations, faults)
    retention = _retention(tables.get("retention"), faults)
    return {"locale": locale, "accounts": accounts, "sources": sources, "routes": routes, "retention": retention}


def _read(shape: Schema, table: Any, place: tuple[str | int, ...], faults: Faults) -> dict[str, Any]:
    """What is right in a table; what is wrong goes to the faults."""
    try:
        read: dict[str, Any] = shape.load(table)
    except ValidationError as error:
        for where, message in _messages(error.messages, place):
            faults.add(where, message)
        return error.valid_data if isinstance(error.valid_data, dict) else {}
    return read


def _messages(errors: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(errors, dict):
        for key, inner in errors.items():
            yield from _messages(inner, path if key == "_schema" and path else (*path, key))
    elif isinstance(errors, list):
        for inner in errors:
            yield from _messages(inner, path)
    else:
        yield path, str(errors)


def _retention(table: Any, faults: Faults) -> Retention | None:
    data = {} if table is None else _read(_RetentionShape(), table, ("retention",), faults)
    return Retention(purge_after_s=data["purge_after"], every_s=data["every"]) if len(data) == 2 else None


def _account(name: str, table: Any, locale: Locale, faults: Faults) -> Account | None:
    place = ("accounts", name)
    _check_name(name, place, faults)
    vendor = _text(table, "vendor")
    shape = _ACCOUNTS.get(vendor) or _loose(_AccountShape, _ACCOUNTS.values())
    data = _read(shape(), table, place, faults)
    if faults.under(*place):
        return None
    if vendor == "tracksale":
        # Paged calls follow base_url: an account that points at a stand-in must not show its token to the real vendor.
        data["paged_base_url"] = data["paged_base_url"] or data["base_url"] or PAGED_URL
    data["base_url"] = data["base_url"] or VENDOR_URLS[vendor].format(server=data.get("server"))
    opens, closes = data["working_hours"]
    hours = WorkingHours(opens, closes, locale.timezone)
    return Account(name=name, **{**data, "token": Secret(data["token"]), "working_hours": hours})


def _source(name: str, table: Any, timezone: ZoneInfo, faults: Faults) -> Source | None:
    place = ("sources", name)
    _check_name(name, place, faults)
    data = _read(_SourceShape(), table, place, faults)
    _check_known("mapping", data.get("mapping"), mappings.EVENT_TYPES, (*place, "mapping"), faults)
    if isinstance(table, dict) and not {"verify", "queue", "poll"} & table.keys():
        faults.add(
            place, "nothing can reach it: add verify (for webhooks), queue (for RabbitMQ), poll (to ask), or several"
        )
    mapping = mappings.PAYLOADS.get(data.get("mapping", ""))
    if data.get("verify") is not None:
        data["verify"] = _verify(data["verify"], (*place, "verify"), faults)
        _check_handshake(mapping, data["verify"], (*place, "verify", "handshake"), faults)
    if data.get("poll") is not None:
        data["poll"] = _poll(data["poll"], data.get("mapping", ""), (*place, "poll"), timezone, faults)
    _check_fields(mapping, data.get("mapping", ""), data.get("fields", {}), (*place, "fields"), faults)
    return None if faults.under(*place) else Source(name=name, **data)


def _verify(table: dict[str, Any], place: tuple[str | int, ...], faults: Faults) -> Verify | None:
    given = {**table, **_spelt_out(table)}
    scheme = _text(given, "scheme")
    shape = _SCHEMES.get(scheme) or _loose(_VerifyShape, _SCHEMES.values())
    data = _read(shape(), given, place, faults)
    _check_known("scheme", data.get("scheme"), [*_SCHEMES, *mappings.PROOFS], (*place, "scheme"), faults)
    if scheme not in _SCHEMES:
        return None
    verify = Verify(**{**data, "handshake": Secret(data.get("handshake", ""))})
    for problem in problems(verify):
        key, _, said = problem.partition(": ")
        where = (*place, *(int(step) if step.isdecimal() else step for step in key.split(".")))
        if not faults.under(*where):
            faults.add(where, said)
    return verify


def _poll(
    table: dict[str, Any], mapping: str, place: tuple[str | int, ...], timezone: ZoneInfo, faults: Faults
) -> Poll | None:
    call = _text(table, "call")
    shape = _POLLS[call][1] if call in _POLLS else _loose(_PollShape, [one for _, one in _POLLS.values()])
    data = _read(shape(), table, place, faults)
    _check_known("call", data.get("call"), _POLLS, (*place, "call"), faults)
    read_by = {name for name, one in mappings.PAYLOADS.items() if one.polled_by == call}
    if call in _POLLS and mapping in mappings.PAYLOADS and mapping not in read_by:
        said = f"brings what {listed(sorted(read_by))} reads, not {quote(mapping)}: change the source's mapping"
        faults.add((*place, "call"), said)
    if faults.under(*place):
        return None
    since: datetime | None = data["since"]
    codes: tuple[str, ...] = data.get("campaign_code", ())
    return Poll(
        call=call,
        every_s=data["every"],
        overlap_s=data["overlap"],
        since=since.replace(tzinfo=since.tzinfo or timezone) if since else None,
        campaign_codes=codes,
        state=data.get("state", ""),
        channel=data.get("channel", ""),
    )


def _spelt_out(table: dict[str, Any]) -> dict[str, Any]:
    """What a sender's own scheme stands for, where the table does not say otherwise."""
    proof = mappings.PROOFS.get(_text(table, "scheme"), {})
    return {key: value for key, value in proof.items() if key == "scheme" or key not in table}


def _check_handshake(mapping: Any, verify: Verify | None, place: tuple[str | int, ...], faults: Faults) -> None:
    if verify is None or mapping is None:
        return
    if mapping.sender.handshake and not verify.handshake:
        shown = mapping.sender.handshake[0]
        faults.add(place, f'is required: handshake = "${{NAME}}", what the sender is to show as {shown}')
    elif verify.handshake and not mapping.sender.handshake:
        faults.add(place, "is of no use: this sender subscribes without one; take it out")


def _check_fields(
    mapping: Any, name: str, named: Mapping[str, Any], place: tuple[str | int, ...], faults: Faults
) -> None:
    """Only what the mapping can fill is named, and something is where nothing could be read without."""
    if mapping is None or faults.under(*place):
        return
    if mapping.needs_fields and not named:
        faults.add(place, 'is required: say what the sender calls our fields, { phones = "celular" }')
    if named and not mapping.takes_fields:
        faults.add(place, f"is of no use: {quote(name)} knows its fields; take it out")
        return
    for ours in named:
        if not re.fullmatch(r"extra\..*\S.*", ours):
            _check_known("field", ours, [*mapping.field_names, "extra.…"], (*place, ours), faults)


def _route(index: int, table: Any, destinations: Mapping[str, DestinationSpec], faults: Faults) -> Route | None:
    place = ("routes", index)
    to = _text(table, "to")
    if to in destinations:
        data = _read(_with_options(to, destinations)(), table, place, faults)
    else:
        data = _read(_loose(_RouteShape, [spec.options for spec in destinations.values()])(), table, place, faults)
        _check_known("destination", data.get("to"), destinations, (*place, "to"), faults)
    if faults.under(*place):
        return None
    return _built_route(data, destinations[to])


def _built_route(data: dict[str, Any], spec: DestinationSpec) -> Route:
    once = data["once_per"]
    return Route(
        name=data["name"],
        on=data["on"],
        to=data["to"],
        account=data["account"],
        sources=data["sources"],
        options={key: data[key] for key in spec.options().fields if key in data},
        expires_after_s=data["expires_after"],
        contact_hours=data["contact_hours"],
        once_per=OncePer(key=once["key"], within_s=once["within"]) if once else None,
        on_unknown="resend" if (data["on_unknown"] or spec.on_unknown) == "resend" else "ask",
        after=data["after"],
    )


# --- what must hold between the tables ---


def _check_references(
    index: int,
    table: Any,
    tables: Mapping[str, Any],
    destinations: Mapping[str, DestinationSpec],
    faults: Faults,
) -> None:
    """A route's account, sources and event types exist and go together."""
    place = ("routes", index)
    account = _text(table, "account")
    _check_known("account", account or None, tables["accounts"], (*place, "account"), faults)
    vendor, spec = _text(tables["accounts"].get(account), "vendor"), destinations.get(_text(table, "to"))
    if spec and vendor in VENDOR_URLS and vendor != spec.vendor:
        said = f"{quote(account)} is an account of {vendor}, and {table['to']} needs one of {spec.vendor}"
        faults.add((*place, "account"), said)
    if spec and not spec.contacts_people and isinstance(table, dict) and "contact_hours" in table:
        faults.add((*place, "contact_hours"), f"is of no use: {table['to']} contacts nobody; take it out")
    named = _words(table, "sources")
    for source in named:
        _check_known("source", source, tables["sources"], (*place, "sources"), faults)
    _check_types(_words(table, "on"), [tables["sources"].get(source) for source in named], place, faults)


def _check_after(
    index: int, tables: Mapping[str, Any], destinations: Mapping[str, DestinationSpec], faults: Faults
) -> None:
    """The route that another comes after is there, meets the same events, and brings what is wanted of it."""
    routes, place = tables["routes"], ("routes", index)
    table, name = routes[index], _text(routes[index], "after")
    named = {_text(route, "name"): route for route in routes if _text(route, "name")}
    if name:
        _check_known("route", name, named, (*place, "after"), faults)
        if _comes_after_itself(_text(table, "name"), named):
            faults.add((*place, "after"), "goes in a circle: one of the routes has to come first")
        elif name in named and not _may_meet(table, named[name], tables["sources"]):
            faults.add(
                (*place, "after"), f"no event goes to {quote(name)} and here: give both an event type and a source"
            )
    spec = destinations.get(_text(named.get(name), "to"))
    for option, value in table.items() if isinstance(table, dict) else ():
        for wanted in sorted(results_in(value)):
            _check_result(wanted, name, spec, (*place, option), faults)


def _check_result(
    wanted: str, after: str, spec: DestinationSpec | None, place: tuple[str | int, ...], faults: Faults
) -> None:
    if place[-1] == "once_per":
        faults.add(place, "result is not known before the delivery's turn comes: choose another key")
    elif not after:
        own = f"a sender's own field is extra.{RESULT}{wanted}"
        faults.add(place, f'{RESULT}{wanted} needs after = "the route that brings it"; {own}')
    elif spec is not None and wanted.partition(".")[0] not in spec.results:
        brings = f"that brings {listed(spec.results)}" if spec.results else "that brings nothing"
        faults.add(place, f"{RESULT}{wanted} does not come of {quote(after)}: {brings}")


def _comes_after_itself(name: str, named: Mapping[str, Any]) -> bool:
    seen: set[str] = set()
    before = _text(named.get(name), "after")
    while before and before not in seen:
        seen.add(before)
        before = _text(named.get(before), "after")
    return name in seen


def _may_meet(route: Any, before: Any, sources: Mapping[str, Any]) -> bool:
    """Whether one event of one source can go to both."""
    types = {*_words(route, "on")} & {*_words(before, "on")}
    among = [{*_words(one, "sources")} or {*sources} for one in (route, before)]
    read = [mappings.EVENT_TYPES.get(_text(sources.get(source), "mapping"), types) for source in among[0] & among[1]]
    return not sources or any(types & {*some} for some in read)


def _check_fetching(name: str, table: Any, accounts: Mapping[str, Any], faults: Faults) -> None:
    """A source whose events are thin has an account that can read the rest; no other source has one."""
    place = ("sources", name, "account")
    mapping, account = _text(table, "mapping"), _text(table, "account")
    if mapping not in mappings.PAYLOADS:
        return
    call = _text(table.get("poll"), "call")
    vendor = _POLLS[call][0] if call in _POLLS else mappings.PAYLOADS[mapping].fetches
    if not vendor:
        if account:
            faults.add(place, f"is of no use: what {quote(mapping)} reads is whole; take it off")
        return
    if not account:
        fit = [known for known, one in accounts.items() if _text(one, "vendor") == vendor]
        todo = f"account = {quote(fit[0])}" if fit else f'add an account with vendor = "{vendor}", and name it here'
        why = (
            f"{quote(call)} asks {vendor}"
            if call
            else f"{quote(mapping)} brings only ids, {vendor} is asked for the rest"
        )
        faults.add(place, f"is required: {why}: {todo}")
        return
    _check_known("account", account, accounts, place, faults)
    other = _text(accounts.get(account), "vendor")
    if other in VENDOR_URLS and other != vendor:
        needs = quote(call or mapping)
        faults.add(place, f"{quote(account)} is an account of {other}, and {needs} needs one of {vendor}")


def _check_types(types: list[str], sources: list[Any], place: tuple[str | int, ...], faults: Faults) -> None:
    every = {name for names in mappings.EVENT_TYPES.values() for name in names}
    read_by = [mappings.EVENT_TYPES.get(_text(source, "mapping")) for source in sources]
    for event_type in types:
        _check_known("event type", event_type, every, (*place, "on"), faults)
        if event_type in every and sources and all(names and event_type not in names for names in read_by):
            faults.add((*place, "on"), f"{quote(event_type)} never comes from the sources of this route")


def _words(table: Any, key: str) -> list[str]:
    value = table.get(key) if isinstance(table, dict) else None
    words = value if isinstance(value, list) else [value]
    return [word for word in words if isinstance(word, str) and word.strip()]


def _check_known(what: str, name: Any, known: Collection[str], place: tuple[str | int, ...], faults: Faults) -> None:
    if name is None or name in known:
        return
    hint = did_you_mean(name, known) or (f", known are {listed(sorted(known))}" if known else ", and there is none")
    faults.add(place, f"unknown {what} {quote(name)}{hint}")


def _check_name(name: str, place: tuple[str | int, ...], faults: Faults) -> None:
    if not re.fullmatch(_NAME, name):
        faults.add(place, f"a name {_NAME_SAYS}")


def _refuse_shared_tokens(accounts: Mapping[str, Any], faults: Faults) -> None:
    """A vendor counts by token, so two accounts with one token would each spend the other's quota."""
    first: dict[tuple[str, str], str] = {}
    for name, table in accounts.items():
        credential = (_text(table, "vendor"), _text(table, "token"))
        other = first.setdefault(credential, name)
        if all(credential) and other != name:
            faults.add(("accounts", name, "token"), f"is the token of account {quote(other)} too: use that account")


def _refuse_shared_queues(sources: Mapping[str, Any], faults: Faults) -> None:
    """A message of a shared queue would go to either source, by chance."""
    first: dict[str, str] = {}
    for name, table in sources.items():
        if queue := _text(table, "queue"):
            for taken in (queue, f"{queue}.dead"):
                other = first.setdefault(taken, name)
                if other != name:
                    faults.add(("sources", name, "queue"), f"{quote(taken)} belongs to source {quote(other)} already")


def _refuse_shared_names(routes: list[Any], faults: Faults) -> None:
    first: dict[str, int] = {}
    for index, table in enumerate(routes):
        name = _text(table, "name")
        if name and (other := first.setdefault(name, index)) != index:
            faults.add(
                ("routes", index, "name"), f"{quote(name)} is the name of route #{other + 1} too: choose another"
            )


def _refuse_queues_without_broker(document: Mapping[str, Any], faults: Faults) -> None:
    sources = document.get("sources")
    for name, table in sources.items() if isinstance(sources, dict) else ():
        if _text(table, "queue"):
            faults.add(("sources", name, "queue"), "needs a broker: set AMQP_URL (or CLOUDAMQP_URL)")


def _is_loopback(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
