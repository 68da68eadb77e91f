"""The table [contact]: the rules that hold for every route that reaches people."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any, Final, cast

from marshmallow import ValidationError, fields, validates_schema

from connector.config.shapes import SpanText
from connector.core import contact_hours, law
from connector.core.caps import CHANNELS, PURPOSES, Cap
from connector.core.fields import Address, Checked, Duration, Flag, Path, Strict, Text, Whole, Words, choice
from connector.core.places import known_zone
from connector.core.regions import REGIONS
from connector.core.settings import ContactHours, ContactRules, OwnHours, ProofPaths, Registry, Secret, Span
from connector.core.text import did_you_mean, quote, seconds

CATEGORIES: Final = ("public", "optional", "bank", "government", "school", "workday", "unofficial")


class Several(Words):
    """One of some words, or a list of them."""

    def __init__(self, known: tuple[str, ...], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._known = known

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> tuple[str, ...]:
        words = super()._deserialize(value, attr, data)
        for word in words:
            choice(*self._known)(word)
        return words


class Areas(Words):
    """Countries, or regions of them: "CO", "BR-SP"."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> tuple[str, ...]:
        words = super()._deserialize(value, attr, data)
        for word in words:
            if fault := wrong_area(word):
                raise ValidationError(fault)
        return words


def wrong_area(name: str) -> str:
    """The fault in the name of a country or region; "" if there is none."""
    country, _, region = name.partition("-")
    if country not in REGIONS:
        return f'{quote(name)} is no country or region: write "CO", or "BR-SP"'
    known = any(row.place == name for row in law.ROWS) or contact_hours.has_region(country, region)
    return f"{quote(region)} is no region of {country}" if "-" in name and not known else ""


class _LongTime(Duration):
    """A time with its unit; years, "5y", too."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> float:
        found = re.fullmatch(r"([0-9]{1,2})y", value) if isinstance(value, str) else None
        return int(found[1]) * 365 * 86400.0 if found else super()._deserialize(value, attr, data)


class _Wait(Checked[float]):
    """A time that may be zero, "0d"."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> float:
        if isinstance(value, str) and re.fullmatch(r"0[smhd]?", value):
            return 0.0
        return float(Duration()._deserialize(value, attr, data))


class _Per(Checked[tuple[str, int]]):
    """ "day" or "week" on the person's calendar, or any stretch of time, "24h"."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> tuple[str, int]:
        if value in ("day", "week"):
            return value, 0
        try:
            return "", int(seconds(value) * 1000)
        except (TypeError, ValueError):
            raise ValidationError('must be "day", "week", or any stretch of time like "24h" or "7d"') from None


class _Days(Checked[frozenset[date]]):
    """Days of one's own: ["2026-12-24"]."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> frozenset[date]:
        if not isinstance(value, list):
            raise ValidationError('must be a list of days, ["2026-12-24"]')
        try:
            return frozenset(one if type(one) is date else date.fromisoformat(one) for one in value)
        except (TypeError, ValueError):
            raise ValidationError('holds what is no day: write "2026-12-24"') from None


class _Categories(Checked[tuple[str, ...]]):
    """The observed kinds of holidays; [] for none."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise ValidationError('must be a list, ["public"], or [] for none')
        for one in value:
            choice(*CATEGORIES)(str(one))
        return tuple(value)


class _Place(Text):
    """How the place of a number is read."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> str:
        text = super()._deserialize(value, attr, data)
        if text not in ("strictest", "number") and not known_zone(text):
            hint = did_you_mean(text, ("strictest", "number")) or ', or one zone for all, "America/Bogota"'
            raise ValidationError(f'{quote(text)} is neither "strictest" nor "number"{hint}')
        return text


class ContactShape(Strict):
    """The keys of [contact]."""

    law = Flag(load_default=True)
    why = Text(load_default="")
    place = _Place(load_default="strictest")
    without_number = Text(load_default="")
    week = Text(load_default="rolling", validate=choice("rolling", "calendar"))
    asked_within = Duration(load_default=86400.0)
    keep_proof = _LongTime(load_default=5 * 365 * 86400.0)
    hours = fields.Dict(load_default=dict)
    caps = fields.List(fields.Raw(), load_default=list)
    lists = fields.Dict(load_default=dict)

    @validates_schema(skip_on_field_errors=True)
    def _says_why(self, data: dict[str, Any], **_: Any) -> None:
        if not data["law"] and not data["why"]:
            raise ValidationError('is required: who leaves the law out says why = "…"', "why")
        if data["without_number"] and (fault := wrong_area(data["without_number"])):
            raise ValidationError(fault, "without_number")


class HoursShape(Strict):
    """Hours of a country or region."""

    weekdays = SpanText(required=True, needed='is required: "08:00-18:00", or "" for not at all')
    saturday = SpanText(load_default=None)
    sunday = SpanText(load_default=None)
    holidays = _Categories(load_default=("public",))
    closed = _Days(load_default=frozenset())
    purposes = Several(PURPOSES, load_default=())

    @validates_schema(skip_on_field_errors=True)
    def _opens(self, data: dict[str, Any], **_: Any) -> None:
        if not any(data[name] for name in ("weekdays", "saturday", "sunday")):
            raise ValidationError("never open: nobody could ever be contacted", "weekdays")


class CapShape(Strict):
    """How often a person may be contacted."""

    most = Whole(least=1, required=True, needed="is required: most = 3")
    per = _Per(required=True, needed='is required: "day", "week", or a stretch of time like "7d"')
    of = Text(load_default="contacts", validate=choice("contacts", "channels"))
    countries = Areas(load_default=())
    channels = Several(CHANNELS, load_default=())
    purposes = Several(PURPOSES, load_default=())
    then = Text(load_default="wait", validate=choice("wait", "end"))


class ListShape(Strict):
    """A registry of people who refused contact by others."""

    countries = Areas(load_default=())
    purposes = Several(PURPOSES, load_default=())
    channels = Several(CHANNELS, load_default=())
    max_age = Duration(load_default=30 * 86400.0)
    counts_after = _Wait(load_default=0.0)
    asked = Text(load_default="", validate=choice("crc"))
    token = Text(load_default="")
    base_url = Address(load_default="")

    @validates_schema(skip_on_field_errors=True)
    def _can_be_asked(self, data: dict[str, Any], **_: Any) -> None:
        if data["asked"] and not data["token"]:
            raise ValidationError('is required: token = "${NAME}", the registry\'s own', "token")


class ProofShape(Strict):
    """The paths at which an event has the proof of consent."""

    of = Path(load_default="")
    at = Path(load_default="")
    words = Path(load_default="")
    where = Path(load_default="")
    good_for = _LongTime(load_default=730 * 86400.0)


def proof_paths(data: dict[str, Any] | None) -> ProofPaths | None:
    """A route's paths, of its table as it was read."""
    if data is None:
        return None
    return ProofPaths(**{key: data[key] for key in ("of", "at", "words", "where")}, good_for_s=data["good_for"])


def rules_of(
    data: dict[str, Any], hours: dict[str, dict[str, Any]], caps: list[dict[str, Any]], lists: dict[str, dict[str, Any]]
) -> ContactRules:
    """The rules, of tables that have no fault."""
    return ContactRules(
        law=data["law"],
        why=data["why"],
        place=data["place"],
        without_number=data["without_number"],
        week=data["week"],
        asked_within_s=data["asked_within"],
        keep_proof_s=data["keep_proof"],
        hours={area: _own_hours(area, one) for area, one in hours.items()},
        caps=tuple(_cap(one) for one in caps),
        lists={name: _registry(name, one) for name, one in lists.items()},
    )


def _own_hours(area: str, data: dict[str, Any]) -> OwnHours:
    country, _, region = area.partition("-")
    holidays = data["holidays"] if contact_hours.has_holidays(country) else ()
    hours = ContactHours(
        name=f"hours of {area}",
        weekdays=cast(Span, data["weekdays"]),
        saturday=data["saturday"],
        sunday=data["sunday"],
        holidays=None,
        country=country if holidays else "",
        region=region,
        categories=holidays or ("public",),
        closed=data["closed"],
    )
    return OwnHours(hours=hours, purposes=data["purposes"])


def _cap(data: dict[str, Any]) -> Cap:
    per, stretch_ms = data["per"]
    return Cap(
        name=f"at most {data['most']} {data['of']} per {per or _stretch(stretch_ms)}",
        most=data["most"],
        per=per,
        stretch_ms=stretch_ms,
        of=data["of"],
        countries=data["countries"],
        channels=data["channels"],
        purposes=data["purposes"],
        then=data["then"],
    )


def _stretch(ms: int) -> str:
    hours = ms // 3_600_000
    return f"{hours // 24} days" if hours % 24 == 0 and hours > 24 else f"{hours} h" if hours else f"{ms // 60_000} min"


def _registry(name: str, data: dict[str, Any]) -> Registry:
    return Registry(
        name=name,
        countries=data["countries"],
        purposes=data["purposes"],
        channels=data["channels"],
        max_age_s=data["max_age"],
        counts_after_s=data["counts_after"],
        asked=data["asked"],
        token=Secret(data["token"]),
        base_url=data["base_url"],
    )
