"""Reasons not to send now: pure decisions, made anew at every claim, for first sends, retries, replays and imports.

Expiry, once_per and the do-not-contact list are questions to the outbox, and asked there in one statement each.
"""

from __future__ import annotations

import functools
from bisect import bisect_left
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from connector.settings import ContactHours, Span

DAY: Final = 24 * 60  #: minutes
LONGEST_WAIT_DAYS: Final = 400  #: a year of closed days and more: whoever is closed for longer never opens
MINUTE_MS: Final = 60_000

#: Hours that a law lays down. CO: Law 2300 of 2023, article 3: Mondays to Fridays 7 to 19, Saturdays 8 to 15, never on
#: Sundays and public holidays.
PRESETS: Final[Mapping[str, ContactHours]] = {
    "CO": ContactHours(
        name="CO", weekdays=(7 * 60, 19 * 60), saturday=(8 * 60, 15 * 60), sunday=None, holidays=None, country="CO"
    ),
}


def opening(hours: ContactHours, zone: ZoneInfo, now: int) -> int | None:
    """When people may be contacted again (unix ms); None: they may be now.

    They may while the clock on the wall shows a time within the hours of the date that it shows; on the day on which it
    is moved too. What counts is the moment of the claim: a call that begins in the last second is made.
    """
    today = _local(now, zone)
    if _is_open(hours, today):
        return None
    for ahead in range(LONGEST_WAIT_DAYS):
        day = today.date() + timedelta(days=ahead)
        for moment in _beginnings(span_of(hours, day), day, zone):
            if moment > now and _is_open(hours, _local(moment, zone)):
                return moment
    return now + LONGEST_WAIT_DAYS * DAY * MINUTE_MS


def span_of(hours: ContactHours, day: date) -> Span:
    """The minutes of that day in which people may be contacted."""
    if hours.country and day in _holidays(hours.country, day.year):
        return hours.holidays
    return (*[hours.weekdays] * 5, hours.saturday, hours.sunday)[day.weekday()]


def held(hours: ContactHours, zone: ZoneInfo, until: int) -> str:
    """Why a delivery waits, in words for a person."""
    return f"{HELD}{_local(until, zone):%A %Y-%m-%d %H:%M}: outside the contact hours ({hours.name})"


HELD: Final = "held until "


def _local(moment: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(moment / 1000, zone)


def _is_open(hours: ContactHours, at: datetime) -> bool:
    span = span_of(hours, at.date())
    return span is not None and span[0] <= at.hour * 60 + at.minute < span[1]


def _beginnings(span: Span, day: date, zone: ZoneInfo) -> list[int]:
    """Moments (unix ms) at which contact may begin that day: at the hour itself, or where the clock jumps to it."""
    if span is None:
        return []
    opens = [_moment(day, span[0], zone, fold=fold) for fold in (0, 1)]  # twice, where the clock is put back over it
    return sorted({*opens, *_jump(day, zone)})


def _moment(day: date, minutes: int, zone: ZoneInfo, *, fold: int = 0) -> int:
    """When the clock on the wall shows it; a time that is skipped lies an hour off."""
    at = datetime(day.year, day.month, day.day, minutes // 60, minutes % 60, tzinfo=zone, fold=fold)
    return int(at.timestamp() * 1000)


def _jump(day: date, zone: ZoneInfo) -> list[int]:
    """The moment at which the clock is moved on that day, if it is."""

    def offset(minute: int) -> timedelta | None:
        return _local(minute * MINUTE_MS, zone).utcoffset()

    midnight = _moment(day, 0, zone) // MINUTE_MS
    around = range(midnight - 2 * 60, midnight + DAY + 2 * 60)
    before = offset(around[0])
    if offset(around[-1]) == before:
        return []
    first = bisect_left(around, True, key=lambda minute: offset(minute) != before)
    return [around[first] * MINUTE_MS]


@functools.cache
def _holidays(country: str, year: int) -> frozenset[date]:
    import holidays  # only where somebody asks: it is large

    return frozenset(holidays.country_holidays(country, years=year))


def has_holidays(country: str) -> bool:
    """Whether the public holidays of a country ("CO") are known."""
    import holidays

    return country in holidays.list_supported_countries()
