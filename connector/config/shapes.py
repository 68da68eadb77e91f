"""The shape of each table of the file: keys, types and defaults."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo, available_timezones

from marshmallow import Schema, ValidationError, fields, validates_schema

from connector.config.conditions import Conditions
from connector.core import contact_hours as guards
from connector.core.caps import CHANNELS, PURPOSES
from connector.core.fields import (
    AccountOptions,
    Ceilings,
    Checked,
    Duration,
    Flag,
    Limit,
    Path,
    PollOptions,
    Share,
    Size,
    Strict,
    Text,
    Whole,
    Words,
    choice,
    known_numbers,
    known_regions,
)
from connector.core.regions import REGIONS
from connector.core.settings import TRUST, ContactHours, Secret, Span
from connector.core.text import did_you_mean, listed, quote
from connector.vendors import VENDORS
from mappings.base import Locale

#: By vendor: the keys of its accounts.
ACCOUNTS: Final[dict[str, type[Strict]]] = {name: vendor.account_options for name, vendor in VENDORS.items()}
#: By call ("vendor.operation"): the vendor of its account, and its keys.
POLLS: Final[dict[str, tuple[str, type[Strict]]]] = {
    f"{name}.{operation}": (name, call.options)
    for name, vendor in VENDORS.items()
    for operation, call in vendor.polls.items()
}


class DestinationSpec(Protocol):
    """The facts about a destination that the loader needs. `connector.vendors.destinations` has the table of them."""

    @property
    def vendor(self) -> str:
        """The vendor of its accounts."""

    @property
    def options(self) -> type[Schema]:
        """The keys of a route that are its own."""

    @property
    def on_unknown(self) -> str:
        """The treatment of unknown outcomes if a route does not set it: "ask" or "resend"."""

    @property
    def contacts_people(self) -> bool:
        """Whether its records contact people."""

    @property
    def by_channel(self) -> str:
        """The channel of the contact, if it is certain."""

    @property
    def expires_after_s(self) -> float:
        """The largest age of an event if a route does not set it."""

    @property
    def results(self) -> tuple[str, ...]:
        """The parts of the vendor's answer that are kept for dependent routes."""


def text_of(table: Any, key: str) -> str:
    """A text of a table, or "" if it is not a text or not a table."""
    value = table.get(key) if isinstance(table, dict) else None
    return value if isinstance(value, str) else ""


def words_of(table: Any, key: str) -> list[str]:
    """The texts of a table's list, or of a single text; other values are left out."""
    value = table.get(key) if isinstance(table, dict) else None
    words = value if isinstance(value, list) else [value]
    return [word for word in words if isinstance(word, str) and word.strip()]


class _Table(fields.Field[dict[str, Any]]):
    """A table with its own shape, which is checked later, key by key."""

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
        if not isinstance(value, str) or value not in REGIONS:
            raise ValidationError(f'{quote(value)} is no region, write a country\'s two capital letters, like "CO"')
        return value


class _Regions(Checked[tuple[str, ...]]):
    """A list of countries."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> tuple[str, ...]:
        regions = value if isinstance(value, list) and value else [value]
        return tuple(dict.fromkeys(str(_Region().deserialize(region)) for region in regions))


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
        fault = "must be the sender's name of it, or a list of names"
        wrong = {ours: [fault] for ours, name in names.items() if not _is_named(name)}
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


class TopShape(Strict):
    """The file itself."""

    timezone = _Timezone(load_default=lambda: Locale().timezone)
    region = _Region(load_default=Locale().region)
    accounts = _Table(load_default=dict)
    sources = _Table(load_default=dict)
    routes = _RouteList(load_default=list)
    retention = _Table(load_default=None)
    contact = _Table(load_default=None)
    metrics = _Table(load_default=None)
    console = _Table(load_default=None)
    alarms = _Table(load_default=None)
    spool = _Table(load_default=None)
    plaintext = Text(load_default="", validate=choice("I accept"))


class MetricsShape(Strict):
    """The readers of /metrics and /readyz."""

    public = Flag(load_default=False)
    port = Whole(least=1, load_default=0)


class RetentionShape(Strict):
    """How long personal data is kept."""

    purge_after = Duration(required=True, needed='is required: purge_after = "90d"')
    every = Duration(load_default=3600.0)


class AccountShape(AccountOptions):
    """An account before its vendor is known."""

    vendor = Text(required=True, validate=choice(*VENDORS), needed=f"is required: one of {listed(VENDORS)}")


class SourceShape(Strict):
    """The source of events, and their proof of origin."""

    mapping = Text(required=True, needed='is required: mapping = "lead"')
    verify = _Table(load_default=None)
    on_invalid = Text(load_default="park", validate=choice("refuse", "park"))
    queue = Text(
        load_default="",
        pattern=r"(?!amq\.)\S{1,200}",
        says='must be a queue\'s name without spaces (at most 200 letters, and not beginning with "amq.")',
    )
    declare = Flag(load_default=True)
    max_body = Size(most=32 * 1024 * 1024, load_default=0)
    max_events = Whole(least=1, load_default=10_000)
    countries = Words(load_default=(), validate=known_regions)
    numbers = Words(load_default=(), validate=known_numbers)
    phones_per_lead = Whole(least=1, load_default=0)
    calls_per_day = Ceilings(load_default=())
    limit = Limit(load_default=None)
    share = Share(load_default=None)
    trust = Text(load_default=None, validate=choice(*TRUST))
    account = Text(load_default="")
    poll = _Table(load_default=None)
    closed = Words(load_default=())
    region = _Region(load_default=None)
    timezone = _Timezone(load_default=None)
    extra_countries = _Regions(load_default=())
    fields = _Names(load_default=dict)  # type: ignore[assignment] # marshmallow takes it out of the class


class PollShape(PollOptions):
    """A poll before its call is known."""

    call = Text(required=True, needed=f"is required: one of {listed(POLLS)}")


class VerifyShape(Strict):
    """The keys of every proof of origin."""

    scheme = Text(required=True, needed='is required: scheme = "standard-webhooks"')
    handshake = Text(load_default="")


class _SecretShape(VerifyShape):
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


SCHEMES: dict[str, type[Strict]] = {
    "standard-webhooks": _StandardWebhooksShape,
    "hmac": _HmacShape,
    "token": _TokenShape,
    "basic": _SecretShape,
    "query": _QueryShape,
    "field": _FieldShape,
    "path": _SecretShape,
    "none": VerifyShape,
}


class OncePerShape(Strict):
    """How many records of one person a route lets pass."""

    key = Path(required=True, needed='is required: "phone", "email" or a path into the event')
    within = Duration(required=True, needed='is required: a time like "24h"')


class SpanText(Checked[Span]):
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


class OwnHoursShape(Strict):
    """Contact hours of a route's own."""

    weekdays = SpanText(required=True, needed='is required: "08:00-18:00", or "" for not at all')
    saturday = SpanText(load_default=None)
    sunday = SpanText(load_default=None)
    holidays = SpanText(load_default=None)
    country = Text(load_default="", pattern="[A-Z]{2}", says='must be a country\'s two capital letters, like "CL"')

    @validates_schema(skip_on_field_errors=True)
    def _can_be_kept(self, data: dict[str, Any], **_: Any) -> None:
        if not any(data[name] for name in ("weekdays", "saturday", "sunday")):
            raise ValidationError("never open: nobody could ever be contacted", "weekdays")
        if data["country"] and not guards.has_holidays(data["country"]):
            fault = f"the public holidays of {quote(data['country'])} are not known: take it out"
            raise ValidationError(fault, "country")
        if data["holidays"] and not data["country"]:
            raise ValidationError('whose? Say so: country = "CL"', "holidays")


class _ContactHours(Checked[ContactHours]):
    """A country with known hours, or a table of hours."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> ContactHours:
        if isinstance(value, dict):
            own = OwnHoursShape().load(value)
            return ContactHours(name="its own", **own)
        if value not in guards.PRESETS:
            fault = f"{quote(value)} has no hours that are known here"
            offer = 'write your own: { weekdays = "08:00-18:00", saturday = "09:00-13:00", country = "CL" }'
            raise ValidationError(f"{fault} (there is {listed(guards.PRESETS)}): {offer}")
        return guards.PRESETS[value]


class RouteShape(Strict):
    """The keys of every route; its destination adds its own."""

    name = Text(required=True, needed='is required, and is kept with every delivery: name = "dial new leads"')
    on = Words(required=True, needed='is required: an event type like "lead.created", or a list of them')
    sources = Words(load_default=None)
    to = Text(required=True, needed='is required: a destination, "vendor.operation"')
    account = Text(required=True, needed="is required: the name of one of the accounts")
    expires_after = Duration(load_default=None)
    contact_hours = _ContactHours(load_default=None)
    once_per = fields.Nested(OncePerShape, load_default=None)
    on_unknown = Text(load_default="", validate=choice("ask", "resend"))
    after = Text(load_default="")
    when = Conditions(load_default=())
    otherwise = Flag(load_default=False)
    purpose = Text(load_default="", validate=choice(*PURPOSES))
    channel = Text(load_default="", validate=choice(*CHANNELS))
    proof = _Table(load_default=None)
    demand = Text(load_default="", validate=choice("proof"))
    hours = Text(load_default="", validate=choice("as asked"))


class RefusalShape(Strict):
    """A route that puts people on the do-not-contact list."""

    name = Text(required=True, needed='is required, and is kept with every delivery: name = "who said no"')
    on = Words(required=True, needed='is required: an event type like "contact.refused"')
    sources = Words(load_default=None)
    to = Text(required=True)
    tell = Words(load_default=())


def loose(shape: type[Strict], others: Collection[type[Schema]]) -> type[Strict]:
    """``shape`` extended by all keys of the others, for when it is unknown which of them is meant."""
    keys = {key for other in others for key in other().fields} - shape().fields.keys()
    return type(f"_Loose{shape.__name__}", (shape,), {key: fields.Raw() for key in keys})


def with_options(to: str, destinations: Mapping[str, DestinationSpec]) -> type[Strict]:
    """A route's shape: the keys of every route and the options of its destination."""
    own = destinations[to].options
    own_keys = own().fields.keys() | RouteShape().fields.keys()
    elsewhere = {
        key: name for name, spec in destinations.items() for key in spec.options().fields if key not in own_keys
    }
    return type("_RouteWithOptions", (RouteShape, own), {"elsewhere": elsewhere})
