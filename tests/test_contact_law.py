"""The table of the law against the paper it was made from: hours, caps, registries and proof, a row for each place."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connector.core import law
from connector.core.openings import PlaceRules
from connector.core.phrases import Phrase
from connector.core.places import areas
from connector.core.settings import ContactRules

RULES = PlaceRules(ContactRules(), "CO")
#: A week in which no country here has a public holiday: Monday to Sunday, 21 to 27 September 2026.
MONDAY, SATURDAY, SUNDAY = date(2026, 9, 21), date(2026, 9, 26), date(2026, 9, 27)
EVERY = ("marketing", "survey", "requested", "service", "collection")

#: place as a delivery keeps it, purpose, hours of weekdays, Saturdays and Sundays, a public holiday and its hours.
HOURS: list[tuple[str, str, str, str, str, str, str]] = [
    *(("CO", purpose, "7-19", "8-15", "", "2026-07-13", "") for purpose in EVERY),
    ("BR/31", "marketing", "8-20", "8-14", "", "2026-11-20", ""),
    ("BR/21", "marketing", "8-18", "", "", "2026-04-23", ""),
    ("BR/21", "collection", "9-19", "", "", "2026-04-23", ""),
    ("BR/85", "marketing", "8-18", "", "", "2026-11-20", ""),
    ("BR/81", "marketing", "8-20", "9-14", "", "2026-03-06", ""),
    ("BR/67", "marketing", "8-18", "", "", "2026-11-20", ""),
    ("BR/11", "collection", "8-20", "8-14", "", "2026-07-09", ""),
    ("BR/27", "collection", "8-19", "", "", "2026-11-20", ""),
    ("BR/92", "collection", "8-19", "", "", "2026-11-20", ""),
    ("BR/82", "collection", "8-20", "8-14", "", "2026-11-20", ""),
    ("MX/55", "collection", "7-22", "", "", "2026-11-16", ""),
    ("PE", "collection", "7-20", "", "", "2026-07-28", ""),
    ("CL/2", "collection", "8-20", "8-20", "", "2026-04-03", ""),
    ("AR/11", "marketing", "8-20", "9-13", "", "2026-07-09", ""),
    ("UY", "marketing", "9-21", "9-17", "", "2026-08-25", ""),
    ("PY", "marketing", "8-18", "", "", "2026-05-15", ""),
    ("EC", "collection", "7-20", "", "", "2026-11-03", ""),
    *(("ES/91", purpose, "9-21", "", "", "2026-10-12", "") for purpose in ("marketing", "service")),
    ("US/212", "marketing", "8-21", "8-21", "8-21", "2026-07-04", "8-21"),
    *((f"US/{code}", "marketing", "8-20", "8-20", "8-20", "2026-07-04", "8-20") for code in (305, 405, 206, 410, 617)),
    *((f"US/{code}", "marketing", "9-20", "9-20", "9-20", "2026-07-04", "9-20") for code in (203, 702)),
    ("US/502", "marketing", "10-21", "10-21", "10-21", "2026-07-04", "10-21"),
    *((f"US/{code}", "marketing", "8-21", "8-21", "", "2026-07-04", "8-21") for code in (205, 504, 601)),
]

#: place, purpose, channel -> (most, of what, in which time) of each cap.
DAY, WEEK, TWO_DAYS = "day", "7d", "2d"
CAPS: list[tuple[str, str, str, set[tuple[int, str, str]]]] = [
    *(("CO", purpose, "voice", {(1, "contacts", DAY), (1, "channels", WEEK)}) for purpose in ("marketing", "survey")),
    ("CO", "collection", "whatsapp", {(1, "contacts", DAY), (1, "channels", WEEK)}),
    ("CO", "service", "voice", set()),
    ("CO", "requested", "voice", set()),
    ("CL", "collection", "voice", {(1, "contacts", WEEK)}),
    ("CL", "collection", "sms", {(2, "contacts", WEEK), (1, "contacts", TWO_DAYS)}),
    ("CL", "marketing", "voice", set()),
    ("EC", "collection", "voice", {(1, "contacts", DAY)}),
    ("US/305", "marketing", "voice", {(3, "contacts", "1d")}),
    ("US/405", "marketing", "voice", {(3, "contacts", "1d")}),
    ("US/212", "marketing", "voice", set()),
    ("US/212", "collection", "voice", {(7, "contacts", WEEK)}),
    *((place, "marketing", "voice", set()) for place in ("BR/11", "MX/55", "PE", "AR", "UY", "PY", "ES")),
]
LISTS = {
    "CO": {"rne"},
    "BR": {"nao_me_perturbe"},
    "BR-SP": {"procon_sp"},
    "MX": {"repep", "reus"},
    "ES": {"lista_robinson"},
    "CL": {"no_molestar"},
    "AR": {"no_llame"},
    "UY": {"no_llame"},
    "PY": {"no_molestar"},
    "US": {"national_dnc"},
}


def opened(place: str, purpose: str, day: date) -> str:
    """The hours of that day in which somebody there may be contacted, "7-19"; "" for none."""
    zone = ZoneInfo(areas(place)[0].zones[0])
    moments = [
        datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone) for hour in range(24) for minute in (0, 59)
    ]
    free = [moment for moment in moments if RULES.closed(place, purpose, int(moment.timestamp() * 1000)) is None]
    return f"{free[0].hour}-{free[-1].hour + 1}" if free else ""


@pytest.mark.parametrize(("place", "purpose", "weekdays", "saturday", "sunday", "holiday", "kept"), HOURS)
def test_the_hours_of_a_place_are_those_of_its_law(place, purpose, weekdays, saturday, sunday, holiday, kept):
    days = (MONDAY, SATURDAY, SUNDAY, date.fromisoformat(holiday))
    assert [opened(place, purpose, day) for day in days] == [weekdays, saturday, sunday, kept]


@pytest.mark.parametrize(("place", "purpose", "channel", "caps"), CAPS)
def test_the_caps_of_a_place_are_those_of_its_law(place, purpose, channel, caps):
    found = RULES.caps(place, channel, purpose) if purpose != "requested" else ()
    assert {(cap.most, cap.of, cap.per or f"{cap.stretch_ms // 86_400_000}d") for cap in found} == caps


@pytest.mark.parametrize(
    "place", ["CO", "BR/11", "MX/55", "PE", "CL", "AR", "UY", "PY", "EC", "ES", "US/212", "US/305"]
)
def test_advertising_needs_consent_where_the_law_says_so_and_nothing_else_does(place):
    country = place.partition("/")[0]
    assert bool(RULES.demands_proof(place, "marketing")) is (country in ("PE", "ES"))
    for purpose in EVERY[1:]:
        assert RULES.demands_proof(place, purpose) == ""


def test_every_registry_that_a_law_wants_is_known_by_name():
    found: dict[str, Any] = {}
    for row in law.ROWS:
        if row.lists:
            found.setdefault(row.place, set()).update(row.lists)
            assert row.purposes == ("marketing",)
    assert found == LISTS
    ages = {row.place: row.lists_days for row in law.ROWS if row.lists_days}
    assert ages == {"BR-SP": 30, "CL": 1, "AR": 30, "UY": 30, "PY": 14, "US": 31}


def test_where_nothing_is_known_of_a_law_nobody_waits():
    night = int(datetime(2026, 11, 22, 3, tzinfo=ZoneInfo("America/Puerto_Rico")).timestamp() * 1000)
    for place in ("PR", "DO", "GB", "DE"):
        assert RULES.closed(place, "marketing", night) is None
        assert RULES.caps(place, "voice", "marketing") == ()


def test_what_is_unclear_in_a_law_can_be_said_in_every_language() -> None:
    unclear = [row.unclear for row in law.ROWS if row.unclear]
    assert unclear and all(isinstance(one, Phrase) for one in unclear)
