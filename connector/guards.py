"""Reasons not to send now: pure decisions, made anew at every claim, for first sends, retries, replays and imports.

Expiry, once_per and the do-not-contact list are questions to the outbox, and asked there in one statement each.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from connector.settings import ContactHours, Span

DAY: Final = 24 * 60  #: minutes
LONGEST_WAIT_DAYS: Final = 400  #: a year of closed days and more: whoever is closed for longer never opens

#: Hours that a law lays down. CO: Law 2300 of 2023, article 3: Mondays to Fridays 7 to 19, Saturdays 8 to 15, never on
#: Sundays and public holidays.
PRESETS: Final[Mapping[str, ContactHours]] = {
    "CO": ContactHours(
        name="CO", weekdays=(7 * 60, 19 * 60), saturday=(8 * 60, 15 * 60), sunday=None, holidays=None, country="CO"
    ),
}


def opening(hours: ContactHours, zone: ZoneInfo, now: int) -> int | None:
    """When people may be contacted again (unix ms); None: they may be now.

    What counts is the moment of the claim: a call that begins in the last second is made.
    """
    today = datetime.fromtimestamp(now / 1000, UTC).astimezone(zone).date()
    for ahead in range(-1, LONGEST_WAIT_DAYS):  # yesterday: a clock that is put back may make it long
        day = today + timedelta(days=ahead)
        opens, closes = _moments(span_of(hours, day), day, zone)
        if opens <= now < closes:
            return None
        if now < opens < closes:
            return opens
    return now + LONGEST_WAIT_DAYS * DAY * 60_000


def span_of(hours: ContactHours, day: date) -> Span:
    """The minutes of that day in which people may be contacted."""
    if hours.country and day in _holidays(hours.country, day.year):
        return hours.holidays
    return (*[hours.weekdays] * 5, hours.saturday, hours.sunday)[day.weekday()]


def held(hours: ContactHours, zone: ZoneInfo, until: int) -> str:
    """Why a delivery waits, in words for a person."""
    when = datetime.fromtimestamp(until / 1000, UTC).astimezone(zone)
    return f"{HELD}{when:%A %Y-%m-%d %H:%M}: outside the contact hours ({hours.name})"


HELD: Final = "held until "


def _moments(span: Span, day: date, zone: ZoneInfo) -> tuple[int, int]:
    """Unix ms at which the day opens and closes; both 0 when it does not open."""
    return (_moment(span[0], day, zone), _moment(span[1], day, zone)) if span else (0, 0)


def _moment(minutes: int, day: date, zone: ZoneInfo) -> int:
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    return int((midnight + timedelta(minutes=minutes)).timestamp() * 1000)  # on the wall clock, as people read it


@functools.cache
def _holidays(country: str, year: int) -> frozenset[date]:
    import holidays  # only where somebody asks: it is large

    return frozenset(holidays.country_holidays(country, years=year))


def has_holidays(country: str) -> bool:
    """Whether the public holidays of a country ("CO") are known."""
    import holidays

    return country in holidays.list_supported_countries()
