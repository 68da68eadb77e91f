"""The reader of a page: language, the country's form of times and numbers, time zone."""

from __future__ import annotations

import functools
import re
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal
from markupsafe import Markup

from connector.core.phrases import plural
from connector.languages.catalogue import Catalogue, catalogue

_MONDAY: Final = date(2026, 11, 30)
_ISO: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z")


class Reader:
    """One language in one region and zone."""

    def __init__(self, language: str, region: str, zone: ZoneInfo) -> None:
        self.language = language
        self.catalogue: Catalogue = catalogue(language)
        self.zone = zone
        self.locale = _locale(language, region)

    @property
    def tag(self) -> str:
        """For the ``lang`` of the page."""
        return str(self.locale).replace("_", "-")

    def say(self, text: object) -> str:
        """A phrase in the reader's language, with times in the reader's zone."""
        if text is None:
            return ""
        return _ISO.sub(lambda found: self.moment(found[0]), self.catalogue.say(text))

    def moment(self, iso: str | None) -> str:
        """ "30 nov 2026, 10:01:02", in the reader's words; "" for none."""
        if not iso:
            return ""
        return _moment(iso, self.zone, str(self.locale))

    def exact(self, iso: str) -> str:
        """ "2026-11-30 10:01:02", in the reader's zone, for programs."""
        return datetime.fromisoformat(iso).astimezone(self.zone).strftime("%Y-%m-%d %H:%M:%S")

    def day(self, iso: str) -> str:
        """ "lunes, 30 de noviembre de 2026"."""
        return str(format_date(datetime.fromisoformat(iso).astimezone(self.zone), "full", locale=self.locale))

    def date(self, day: str) -> str:
        """ "30 nov 2026" of "2026-11-30"."""
        return str(format_date(date.fromisoformat(day), "d MMM y", locale=self.locale))

    def time(self, iso: str | None) -> Markup:
        """The same as an element that also has the time in UTC."""
        if not iso:
            return Markup("")
        return _time(iso, self.zone, str(self.locale))

    def weekday(self, number: int) -> str:
        """ "lunes" of 0."""
        return str(format_date(_MONDAY + timedelta(days=number), "EEEE", locale=self.locale))

    def number(self, value: float | None) -> str:
        return "" if value is None else str(format_decimal(value, locale=self.locale))

    def duration(self, seconds: float | None) -> str:
        """ "18 s", "2 min", "3 h", "4 días"."""
        if seconds is None:
            return ""
        if seconds < 1:
            return f"{seconds * 1000:.0f} ms"
        if seconds < 60:
            return f"{self.number(round(seconds, 1))} s"
        if seconds < 3600:
            return f"{seconds // 60:.0f} min"
        if seconds < 48 * 3600:
            return f"{seconds // 3600:.0f} h"
        return self.catalogue.say(plural("{number} day", "{number} days", int(seconds // 86400)))


@functools.lru_cache(maxsize=4096)
def _moment(iso: str, zone: ZoneInfo, locale: str) -> str:
    """A page of a list has a hundred of them, and the next look at it the same."""
    local = datetime.fromisoformat(iso).astimezone(zone)
    return str(format_datetime(local, "d MMM y, HH:mm:ss", locale=Locale.parse(locale)))


@functools.lru_cache(maxsize=4096)
def _time(iso: str, zone: ZoneInfo, locale: str) -> Markup:
    return Markup('<time datetime="{}" title="{}">{}</time>').format(iso, iso, _moment(iso, zone, locale))


@functools.cache
def _locale(language: str, region: str) -> Locale:
    try:
        return Locale(language, region)
    except UnknownLocaleError:
        return Locale(language)
