"""Contact hours on the person's clock, and the calendars that they are read from."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from connector.admin.contact_findings import findings
from connector.core import calendars, contact_hours
from connector.core.contact_hours import PRESETS, longest_closed, opening
from connector.core.settings import ContactHours, Settings
from connector.outbound.guards.contact_hours import closed
from connector.vendors.destinations import places
from mappings.base import Locale
from tests.outbound_steps import DIAL, dial, dialler

BOGOTA = ZoneInfo("America/Bogota")
OWN = ContactHours(name="own", weekdays=(480, 1080), saturday=None, sunday=None, holidays=None, country="")


def at(moment: str, zone: ZoneInfo = BOGOTA) -> int:
    return int(datetime.fromisoformat(moment).replace(tzinfo=zone).timestamp() * 1000)


@pytest.mark.parametrize(
    ("moment", "opens"),
    [
        ("2026-07-13T09:00", 1784030400000),  # a holiday by a law of June 2026
        ("2026-07-09T09:00", None),
        ("2026-11-14T14:59:59", None),
        ("2026-11-14T15:00", 1794916800000),
        ("2027-03-24T19:00", 1806152400000),
    ],
)
def test_colombia_s_hours_follow_its_newest_holidays(moment, opens):
    assert opening(PRESETS["CO"], BOGOTA, at(moment)) == opens


@pytest.mark.parametrize("zone", ["America/Mexico_City", "America/Sao_Paulo", "Europe/Madrid"])
def test_a_country_s_preset_brings_its_own_clock(zone):
    route = dial(contact_hours=PRESETS["CO"])
    settings = Settings(locale=Locale("CO", ZoneInfo(zone)), accounts={"dialler": dialler()}, routes=(route,))
    place = places(settings)["dialler"][DIAL]
    assert closed(place, at("2026-11-19T19:30"))[route.name][0] == 1795176000000
    assert closed(place, at("2026-11-19T07:00")) == {}
    assert closed(place, at("2026-11-19T05:00"))[route.name][0] == at("2026-11-19T07:00")


def test_hours_of_one_s_own_follow_the_configured_clock():
    assert OWN.zone is None


def test_the_longest_closed_time_of_colombia_is_a_long_weekend():
    ends, opens = longest_closed(PRESETS["CO"], BOGOTA, at("2026-11-01T00:00"))
    assert (opens - ends) // 3_600_000 == 64
    assert datetime.fromtimestamp(ends / 1000, BOGOTA).hour == 15


def test_hours_that_last_until_midnight_end_there():
    late = ContactHours(name="own", weekdays=(0, 1440), saturday=None, sunday=None, holidays=None, country="")
    ends, opens = longest_closed(late, BOGOTA, at("2026-11-02T00:00"))
    assert (opens - ends) // 3_600_000 == 48


def told(settings, moment="2026-11-20T12:00"):
    return [(state, words) for _, state, words in findings(settings, at(moment))]


def test_check_tells_the_calendars_versions():
    (holidays, words), (zones, version), *_ = told(Settings())
    assert (holidays, zones) == ("ok", "ok")
    assert words == f"version {calendars.public_holidays().version}"
    assert version == f"version {calendars.time_zones().version}"


def test_check_warns_of_a_calendar_that_is_older_than_a_year():
    known = calendars.public_holidays()
    assert known.since is not None
    assert known.warning(known.since.replace(year=known.since.year + 2)).endswith("update the package")
    assert known.warning(known.since) == ""
    assert calendars.Calendar("public holidays", "1.4", None).warning(date(2030, 1, 1)) == ""


@pytest.mark.parametrize(("version", "old"), [("2024a", True), ("", True), ("2025b", False), ("2026f", False)])
def test_check_warns_of_time_zones_that_are_known_to_be_wrong(version, old):
    warning = calendars.Calendar("time zones", version, None).warning(date(2026, 11, 30))
    assert bool(warning) is old
    assert not old or "tzdata" in warning


def test_check_warns_where_people_are_let_go_before_they_may_be_contacted():
    brief = dial(contact_hours=PRESETS["CO"], expires_after_s=86400)
    enough = dial("1043", contact_hours=PRESETS["CO"], expires_after_s=65 * 3600)
    found = told(Settings(routes=(brief, enough)))[2:]
    assert len(found) == 1
    assert found[0][0] == "warning"
    assert 'expires_after = "88h"' in found[0][1]
    assert contact_hours.longest_closed(OWN, BOGOTA, at("2026-11-20T12:00"))[1]
