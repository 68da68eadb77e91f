"""Contact hours: pure decisions, made again at every claim, for first sends, retries, replays and imports.

Expiry, once_per and the suppression list are queries on the outbox; each guard runs them in one statement.
"""

from __future__ import annotations

import functools
from bisect import bisect_left
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any, Final
from zoneinfo import ZoneInfo

from connector.core.settings import ContactHours, Span

DAY: Final = 24 * 60  #: minutes
LONGEST_WAIT_DAYS: Final = 400  #: a year of closed days and more; hours that stay closed for longer never open
MINUTE_MS: Final = 60_000

#: Hours that a law lays down. CO: Law 2300 of 2023, article 3: Mondays to Fridays 7 to 19, Saturdays 8 to 15, never on
#: Sundays and public holidays. The hours are those of the person's clock, so a preset names its own zone.
PRESETS: Final[Mapping[str, ContactHours]] = {
    "CO": ContactHours(
        name="CO",
        weekdays=(7 * 60, 19 * 60),
        saturday=(8 * 60, 15 * 60),
        sunday=None,
        holidays=None,
        country="CO",
        zone=ZoneInfo("America/Bogota"),
    ),
}


def opening(hours: ContactHours, zone: ZoneInfo, now: int) -> int | None:
    """The time (unix ms) at which people may be contacted again; None if they may be contacted now.

    People may be contacted while the local wall clock shows a time within the hours of that date, also on the days on
    which the clock is changed. The moment of the claim counts: a call that begins in the last second is made.
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


def longest_closed(hours: ContactHours, zone: ZoneInfo, now: int) -> tuple[int, int]:
    """The longest closed period of the coming year: from and until (unix ms)."""
    edges = _edges(hours, zone, now)
    closed = [(ends, opens) for (_, ends), (opens, _) in pairwise(edges)]
    return max(closed, key=lambda one: one[1] - one[0], default=(now, now + LONGEST_WAIT_DAYS * DAY * MINUTE_MS))


def _edges(hours: ContactHours, zone: ZoneInfo, now: int) -> list[tuple[int, int]]:
    """When contact begins and ends on each open day of the coming year."""
    days = [_local(now, zone).date() + timedelta(days=ahead) for ahead in range(366)]
    spans = [(day, span_of(hours, day)) for day in days]
    return [(_moment(day, span[0], zone), _moment(day, span[1], zone)) for day, span in spans if span is not None]


def span_of(hours: ContactHours, day: date) -> Span:
    """The minutes of that day in which people may be contacted."""
    if day in hours.closed:
        return None
    if holiday(hours, day):
        return hours.holidays
    return (*[hours.weekdays] * 5, hours.saturday, hours.sunday)[day.weekday()]


def local_time(moment: int, zone: ZoneInfo) -> str:
    """A moment (unix ms) as a person reads it: "Monday 2026-11-30 07:00"."""
    return f"{_local(moment, zone):%A %Y-%m-%d %H:%M}"


def _local(moment: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(moment / 1000, zone)


def _is_open(hours: ContactHours, at: datetime) -> bool:
    span = span_of(hours, at.date())
    return span is not None and span[0] <= at.hour * 60 + at.minute < span[1]


def _beginnings(span: Span, day: date, zone: ZoneInfo) -> list[int]:
    """The moments (unix ms) at which contact may begin that day: at the hour itself, or when the clock jumps to it."""
    if span is None:
        return []
    opens = [_moment(day, span[0], zone, fold=fold) for fold in (0, 1)]  # twice, where the clock is put back over it
    return sorted({*opens, *_jump(day, zone)})


def _moment(day: date, minutes: int, zone: ZoneInfo, *, fold: int = 0) -> int:
    """The moment of a wall-clock time; a time that is skipped lies an hour off."""
    if minutes == DAY:  # the end of a day is the beginning of the next one
        day, minutes = day + timedelta(days=1), 0
    at = datetime(day.year, day.month, day.day, minutes // 60, minutes % 60, tzinfo=zone, fold=fold)
    return int(at.timestamp() * 1000)


def _jump(day: date, zone: ZoneInfo) -> list[int]:
    """The moment at which the clock is changed on that day, if it is."""

    def offset(minute: int) -> timedelta | None:
        return _local(minute * MINUTE_MS, zone).utcoffset()

    midnight = _moment(day, 0, zone) // MINUTE_MS
    around = range(midnight - 2 * 60, midnight + DAY + 2 * 60)
    before = offset(around[0])
    if offset(around[-1]) == before:
        return []
    first = bisect_left(around, True, key=lambda minute: offset(minute) != before)
    return [around[first] * MINUTE_MS]


def holiday(hours: ContactHours, day: date) -> str:
    """The name of the holiday that these hours observe on that day; "" if there is none."""
    if not hours.country:
        return ""
    return _holidays(hours.country, hours.region, hours.categories, day.year).get(day, "")


@functools.cache
def _holidays(country: str, region: str, categories: tuple[str, ...], year: int) -> Mapping[date, str]:
    import holidays  # imported late because it is large

    calendar: Any = getattr(holidays, country)
    found = holidays.country_holidays(
        country,
        subdiv=region if region in calendar.subdivisions else None,
        years=year,
        categories=tuple(one for one in categories if one in calendar.supported_categories) or None,
        language="en_US" if "en_US" in calendar.supported_languages else None,
    )
    return {day: str(name) for day, name in found.items()}


def has_holidays(country: str) -> bool:
    """Whether the public holidays of a country ("CO") are known."""
    import holidays

    return country in holidays.list_supported_countries()


def has_region(country: str, region: str) -> bool:
    """Whether a country has a region of that code: "SP" of "BR"."""
    import holidays

    return has_holidays(country) and region in holidays.list_supported_countries()[country]
