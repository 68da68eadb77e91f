"""Places, hours by the law of a place, and caps: the pure parts, to the millisecond."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from connector.core import law, places
from connector.core.caps import Cap, Contact, beginning, room, used
from connector.core.openings import PlaceRules
from connector.core.places import areas, place_of
from connector.core.settings import ContactHours, ContactRules, OwnHours, Registry

RULES = PlaceRules(ContactRules(), "CO")
HOUR = 3_600_000


def at(moment: str, zone: str) -> int:
    return int(
        datetime.fromisoformat(moment)
        .replace(tzinfo=ZoneInfo(f"America/{zone}" if "/" not in zone else zone))
        .timestamp()
        * 1000
    )


def where(*numbers: str) -> str:
    """ "57 300…" as a place."""
    return place_of([(int(code), national) for code, national in (number.split() for number in numbers)])


CO, ES, CL_MOBILE, CL_61 = "57 3001234567", "34 612345678", "56 961234567", "56 612123456"
BR_81, BR_92, BR_11, BR_21 = "55 81987654321", "55 92987654321", "55 11987654321", "55 21987654321"
MX_664, MX_614, MX_55 = "52 6641234567", "52 6141234567", "52 5512345678"
FL, NY, EC, CANARY = "1 3052345678", "1 2122345678", "593 991234567", "34 922123456"


@pytest.mark.parametrize(
    ("numbers", "purpose", "moment", "zone", "opens"),
    [
        ([CO], "marketing", "2026-07-13T09:00", "Bogota", 1784030400000),
        ([CO], "marketing", "2026-07-09T09:00", "Bogota", None),
        ([CO], "marketing", "2026-11-14T14:59:59", "Bogota", None),
        ([CO], "marketing", "2026-11-14T15:00", "Bogota", 1794916800000),
        ([CO], "marketing", "2027-03-24T19:00", "Bogota", 1806152400000),
        ([CO], "marketing", "2026-11-19T18:30", "Mexico_City", 1795176000000),
        ([CL_61], "collection", "2026-09-05T20:00", "Santiago", at("2026-09-07T08:00", "Santiago")),
        (["56 221234567"], "collection", "2026-09-05T20:00", "Santiago", 1788778800000),
        (["56 221234567"], "collection", "2026-04-03T12:00", "Santiago", 1775476800000),
        ([CL_61], "collection", "2026-07-17T19:30", "Santiago", 1784372400000),
        ([CL_MOBILE], "collection", "2026-07-17T07:30", "Santiago", 1784289600000),
        ([CL_MOBILE], "collection", "2026-07-17T18:59:59", "Santiago", None),
        ([CL_MOBILE], "collection", "2026-07-17T19:00", "Santiago", at("2026-07-18T08:00", "Santiago")),
        ([BR_81], "marketing", "2026-11-19T07:30", "Recife", 1795086000000),
        ([BR_92], "marketing", "2026-11-19T07:30", "Manaus", 1795089600000),
        ([BR_11], "marketing", "2026-11-20T10:00", "Sao_Paulo", 1795258800000),
        ([BR_11], "collection", "2026-11-20T10:00", "Sao_Paulo", 1795258800000),
        ([BR_11], "marketing", "2026-07-09T10:00", "Sao_Paulo", 1783681200000),
        ([BR_21], "marketing", "2026-07-09T10:00", "Sao_Paulo", None),
        ([ES], "survey", "2026-10-23T09:30", "Europe/Madrid", 1792742400000),
        ([ES], "survey", "2026-10-23T21:30", "Europe/Madrid", 1793005200000),
        ([CANARY], "survey", "2026-10-23T21:30", "Europe/Madrid", None),
        ([ES], "survey", "2026-10-09T21:00", "Europe/Madrid", 1791878400000),
        ([MX_664], "collection", "2026-10-30T22:00", "Tijuana", 1793631600000),
        ([MX_614], "collection", "2026-11-19T22:30", "Chihuahua", 1795179600000),
        ([MX_55], "collection", "2026-11-13T22:00", "Mexico_City", 1794920400000),
        ([CO, ES], "marketing", "2026-11-19T06:30", "Bogota", 1795089600000),
        ([CO, ES], "marketing", "2026-11-19T15:00", "Bogota", 1795176000000),
        ([CO, ES], "marketing", "2026-11-13T15:00", "Bogota", 1794916800000),
        ([NY], "marketing", "2026-11-01T07:59", "New_York", 1793538000000),
        ([NY], "marketing", "2026-11-01T20:30", "New_York", None),
        ([FL], "marketing", "2026-11-01T20:30", "New_York", 1793624400000),
        ([EC], "collection", "2026-10-30T20:00", "Guayaquil", 1793793600000),
    ],
)
def test_a_person_is_contacted_only_while_every_clock_of_theirs_is_open(numbers, purpose, moment, zone, opens):
    closed = RULES.closed(where(*numbers), purpose, at(moment, zone))
    assert (closed and closed.until) == opens


def test_the_length_of_what_is_closed_is_the_clock_s_and_not_the_day_s():
    start = at("2026-09-05T20:00", "Santiago")
    closed = RULES.closed(where("56 221234567"), "collection", start)
    assert closed is not None
    assert (closed.until - start) // HOUR == 35
    start = at("2026-10-30T20:00", "Guayaquil")
    closed = RULES.closed(where(EC), "collection", start)
    assert closed is not None
    assert (closed.until - start) // HOUR == 107


def test_why_somebody_waits_names_the_law_the_clock_and_the_holiday():
    closed = RULES.closed(where(CO), "marketing", at("2026-07-13T09:00", "Bogota"))
    assert closed is not None
    assert closed.why.startswith("the law of CO; it is Monday 09:00 in Bogota, ")
    assert "Chiquinquir" in closed.why


@pytest.mark.parametrize(
    ("number", "place", "region", "zones"),
    [
        (BR_81, "BR/81", "BR-PE", ("America/Recife",)),
        ("55 97981234567", "BR/97", "BR-AM", ("America/Manaus", "America/Eirunepe")),
        ("55 93981234567", "BR/93", "BR-PA", ("America/Belem",)),
        (MX_614, "MX/614", "", ("America/Chihuahua",)),
        ("52 8681234567", "MX/868", "", ("America/Matamoros",)),
        ("52 6561234567", "MX/656", "", ("America/Ciudad_Juarez",)),
        ("52 9981234567", "MX/998", "", ("America/Cancun",)),
        (CL_61, "CL/61", "CL-MA", ("America/Punta_Arenas",)),
        ("56 672123456", "CL/67", "CL-AI", ("America/Coyhaique",)),
        (CL_MOBILE, "CL", "", ("America/Santiago", "America/Punta_Arenas", "America/Coyhaique")),
        (ES, "ES", "", ("Europe/Madrid", "Atlantic/Canary")),
        ("34 828123456", "ES/828", "ES-CN", ("Atlantic/Canary",)),
        ("34 931234567", "ES/931", "ES-CT", ("Europe/Madrid",)),
        ("1 7872345678", "PR", "", ("America/Puerto_Rico",)),
        ("1 8092345678", "DO", "", ("America/Santo_Domingo",)),
        (FL, "US/305", "US-FL", ("America/New_York",)),
        ("1 8502345678", "US/850", "US-FL", ("America/New_York", "America/Chicago")),
        (EC, "EC", "", ("America/Guayaquil",)),
        ("593 52520123", "EC/525", "", ("Pacific/Galapagos",)),
        ("51 987654321", "PE", "", ("America/Lima",)),
        ("44 7400123456", "GB", "", ("Europe/London",)),
    ],
)
def test_a_number_tells_its_country_its_region_and_every_zone_it_may_be_in(number, place, region, zones):
    assert where(number) == place
    (area,) = areas(place)
    assert (area.region, area.zones) == (region, zones)


def test_every_area_code_of_brazil_has_a_state():
    codes = [code for codes in places._BR_STATES.values() for code in codes.split()]
    assert len(codes) == len({*codes}) == 67
    assert len(places._BR_STATES) == 27


@pytest.mark.parametrize("state", ["FL", "OK", "WA", "MD", "MA", "CT", "NV", "KY", "AL", "LA", "MS"])
def test_the_area_codes_of_states_with_a_law_are_those_the_library_knows(state):
    import phonenumbers
    from phonenumbers import geocoder

    for code in places._US_STATES[state].split():
        told = geocoder.description_for_number(phonenumbers.parse(f"+1{code}2345678"), "en")
        assert told in ("", "United States") or told.endswith((STATES[state], f", {state}")), (code, told)


STATES = {
    "FL": "Florida",
    "OK": "Oklahoma",
    "WA": "Washington State",
    "MD": "Maryland",
    "MA": "Massachusetts",
    "CT": "Connecticut",
    "NV": "Nevada",
    "KY": "Kentucky",
    "AL": "Alabama",
    "LA": "Louisiana",
    "MS": "Mississippi",
}


def test_the_place_of_a_person_is_that_of_all_their_phones():
    assert where(CO, ES) == where(ES, CO) == "CO+ES"
    assert where(CO, "57 6011234567") == "CO"
    assert where() == ""


def test_somebody_without_a_phone_is_where_the_configuration_says():
    moment = at("2026-11-19T06:30", "Bogota")
    assert RULES.closed("", "survey", moment) is not None
    spanish = PlaceRules(ContactRules(without_number="ES"), "CO")
    assert spanish.closed("", "survey", moment) is None
    assert spanish.names(None) == ("ES",)


def test_a_place_may_be_its_likeliest_zone_or_one_for_all():
    evening = at("2026-07-17T19:30", "Santiago")
    mobile = where(CL_MOBILE)
    assert PlaceRules(ContactRules(place="number"), "CL").closed(mobile, "collection", evening) is None
    fixed = PlaceRules(ContactRules(place="America/Punta_Arenas"), "CL").closed(mobile, "collection", evening)
    assert fixed is not None


def test_a_zone_that_this_machine_does_not_know_keeps_people_waiting_and_says_so():
    rules = PlaceRules(ContactRules(place="America/Nowhere"), "CO")
    closed = rules.closed("CO", "marketing", 0)
    assert closed is not None
    assert "America/Nowhere is not known to this machine" in closed.why
    known = PlaceRules(ContactRules(hours={"XK": OwnHours(hours=OWN)}), "CO").closed("XK", "marketing", 0)
    assert known is not None


def test_a_calendar_that_cannot_be_read_keeps_people_waiting_and_says_so():
    unknown = OwnHours(hours=ContactHours(**{**OWN_FIELDS, "country": "ZZ"}))
    closed = PlaceRules(ContactRules(law=False, hours={"CO": unknown}), "CO").closed("CO", "marketing", 0)
    assert closed is not None
    assert "the calendar of CO cannot be read" in closed.why


OWN_FIELDS = {"name": "own", "weekdays": (540, 1140), "saturday": (540, 780), "sunday": None, "holidays": None}
OWN = ContactHours(**OWN_FIELDS, country="")


def test_own_hours_narrow_the_law_and_speak_where_it_is_silent():
    own = OwnHours(hours=ContactHours(**OWN_FIELDS, country="CO"), purposes=("marketing",))
    rules = PlaceRules(ContactRules(hours={"CO": own, "DE": OwnHours(hours=OWN)}), "CO")
    early = at("2026-11-19T08:00", "Bogota")
    closed = rules.closed("CO", "marketing", early)
    assert closed is not None
    assert closed.until == at("2026-11-19T09:00", "Bogota")
    assert rules.closed("CO", "survey", early) is None
    sunday = at("2026-11-22T12:00", "Europe/Berlin")
    assert rules.closed("DE", "marketing", sunday) is not None
    assert RULES.closed("DE", "marketing", sunday) is None


def test_own_hours_of_a_region_hold_there_alone():
    own = OwnHours(hours=ContactHours(**OWN_FIELDS, country="BR", region="SP"))
    rules = PlaceRules(ContactRules(law=False, hours={"BR-SP": own}), "BR")
    night = at("2026-11-19T22:00", "Sao_Paulo")
    assert rules.closed(where(BR_11), "marketing", night) is not None
    assert rules.closed(where(BR_21), "marketing", night) is None


@pytest.mark.parametrize(("categories", "closed"), [(("public",), False), (("public", "optional"), True), ((), False)])
def test_optional_holidays_are_kept_where_somebody_says_so(categories, closed):
    own = ContactHours(**OWN_FIELDS, country="BR" if categories else "", categories=categories)
    rules = PlaceRules(ContactRules(law=False, hours={"BR": OwnHours(hours=own)}), "BR")
    carnival = at("2026-02-16T10:00", "Sao_Paulo")
    assert (rules.closed(where(BR_11), "marketing", carnival) is not None) is closed


def test_days_of_one_s_own_are_closed_and_cure_a_calendar_that_is_too_old():
    own = ContactHours(**OWN_FIELDS, country="CO", closed=frozenset({date(2026, 12, 24)}))
    rules = PlaceRules(ContactRules(hours={"CO": OwnHours(hours=own)}), "CO")
    closed = rules.closed("CO", "marketing", at("2026-12-24T10:00", "Bogota"))
    assert closed is not None
    assert closed.until == at("2026-12-26T09:00", "Bogota")


def test_two_holidays_of_one_day_and_one_on_a_sunday_close_once():
    calendar = ContactHours(**OWN_FIELDS, country="AR")
    rules = PlaceRules(ContactRules(law=False, hours={"AR": OwnHours(hours=calendar)}), "AR")
    closed = rules.closed("AR", "marketing", at("2026-04-02T10:00", "America/Argentina/Buenos_Aires"))
    assert closed is not None
    assert closed.until == at("2026-04-04T09:00", "America/Argentina/Buenos_Aires")
    sunday = rules.closed("AR", "marketing", at("2026-05-31T10:00", "America/Argentina/Buenos_Aires"))
    assert sunday is not None


def test_every_row_of_the_law_says_its_source_and_its_day():
    for row in law.ROWS:
        assert row.source and row.as_of.year >= 2026
        assert row.hours or row.caps or row.lists or row.demands_proof
        assert places.areas(row.place.partition("-")[0])[0].zones
    assert {*law.countries()} == {"CO", "BR", "MX", "PE", "CL", "AR", "UY", "PY", "EC", "ES", "US"}


# --- caps ---------------------------------------------------------------------------------------------------------

BOGOTA = (ZoneInfo("America/Bogota"),)
MONDAY = 1795446000000  # 2026-11-23 10:00 in Bogotá


def contact(moment: int, channel: str = "voice", purpose: str = "marketing", delivery: int = 1) -> Contact:
    return Contact(delivery, 1, moment, channel, purpose)


def test_colombia_allows_one_contact_a_day():
    found = RULES.room("CO", "marketing", "voice", [contact(MONDAY)], MONDAY + 8 * HOUR)
    assert found is not None
    assert found[0] == 1795521600000
    assert found[1].name == "Ley 2300: once a day"
    assert RULES.room("CO", "marketing", "voice", [contact(MONDAY)], 1795521600000) is None
    assert RULES.room("CO", "marketing", "voice", [], MONDAY) is None


@pytest.mark.parametrize(("week", "until"), [("calendar", 1796040000000), ("rolling", 1796050800000)])
def test_colombia_allows_one_channel_a_week(week, until):
    rules = PlaceRules(ContactRules(week=week), "CO")
    wednesday = at("2026-11-25T11:00", "Bogota")
    found = rules.room("CO", "survey", "email", [contact(MONDAY)], wednesday)
    assert found is not None
    assert found[0] == until
    assert rules.room("CO", "survey", "voice", [contact(MONDAY)], wednesday) is None
    assert rules.room("CO", "requested", "email", [contact(MONDAY)], wednesday) is None
    assert rules.room("CO", "survey", "email", [contact(MONDAY, purpose="requested")], wednesday) is not None
    assert rules.room("CO", "survey", "email", [contact(MONDAY, purpose="service")], wednesday) is None


def test_a_day_is_the_person_s_and_not_that_of_utc():
    evening = at("2026-11-23T18:30", "Bogota")  # the 23rd in UTC too
    late = Cap(name="own", most=1, per="day")
    assert room(late, [contact(at("2026-11-23T19:30", "Bogota"))], "voice", evening, BOGOTA) is not None
    assert room(late, [contact(at("2026-11-22T19:30", "Bogota"))], "voice", evening, BOGOTA) is None


def test_a_stretch_of_24_hours_is_no_day_where_the_clock_is_put_back():
    past = [contact(at(f"2026-10-31T{clock}", "New_York")) for clock in ("15:00", "18:00", "19:30")]
    found = RULES.room(where(FL), "marketing", "voice", past, at("2026-10-31T19:45", "New_York"))
    assert found is not None
    assert found[0] == at("2026-11-01T14:00", "New_York") == at("2026-11-01T19:00", "Etc/UTC")
    assert RULES.room(where(FL), "marketing", "voice", past[:2], at("2026-10-31T19:45", "New_York")) is None
    assert RULES.room(where(NY), "marketing", "voice", past, at("2026-10-31T19:45", "New_York")) is None


def test_a_day_without_a_midnight_begins_when_its_clock_does():
    santiago = ZoneInfo("America/Santiago")
    assert beginning(date(2026, 9, 6), santiago) == at("2026-09-06T01:00", "Santiago")
    cap = Cap(name="own", most=1, per="day")
    saturday = at("2026-09-05T12:00", "Santiago")
    assert room(cap, [contact(saturday)], "voice", saturday, (santiago,)) == at("2026-09-06T01:00", "Santiago")


def test_a_week_with_a_moved_clock_has_167_hours_and_ends_on_monday():
    santiago = ZoneInfo("America/Santiago")
    cap = Cap(name="own", most=1, per="week")
    monday = at("2026-08-31T00:00", "Santiago")
    until = room(cap, [contact(monday)], "voice", monday, (santiago,))
    assert until is not None
    assert (until - monday) // HOUR == 167
    assert room(cap, [contact(monday)], "voice", until, (santiago,)) is None


def test_the_hour_that_comes_twice_is_one_day():
    new_york = ZoneInfo("America/New_York")
    cap = Cap(name="own", most=1, per="day")
    first = int(datetime(2026, 11, 1, 1, 30, tzinfo=new_york, fold=0).timestamp() * 1000)
    second = int(datetime(2026, 11, 1, 1, 30, tzinfo=new_york, fold=1).timestamp() * 1000)
    assert second - first == HOUR
    assert room(cap, [contact(first)], "voice", second, (new_york,)) == at("2026-11-02T00:00", "New_York")


def test_who_may_be_in_two_zones_has_two_days():
    zones = (ZoneInfo("Europe/Madrid"), ZoneInfo("Atlantic/Canary"))
    cap = Cap(name="own", most=1, per="day")
    morning = at("2026-11-19T12:00", "Europe/Madrid")
    assert room(cap, [contact(morning)], "voice", morning, zones) == at("2026-11-20T00:00", "Atlantic/Canary")


def test_a_contact_that_leaves_later_counts_from_now_on():
    cap = Cap(name="own", most=1, per="", stretch_ms=24 * HOUR)
    assert room(cap, [contact(MONDAY + 2 * HOUR)], "voice", MONDAY, BOGOTA) == MONDAY + 26 * HOUR


def test_of_several_channels_the_oldest_has_to_leave_the_window():
    cap = Cap(name="own", most=2, per="", stretch_ms=7 * 24 * HOUR, of="channels")
    past = [contact(MONDAY, "voice"), contact(MONDAY + HOUR, "email"), contact(MONDAY + 2 * HOUR, "voice")]
    assert room(cap, past, "voice", MONDAY + 3 * HOUR, BOGOTA) is None
    assert room(cap, past, "sms", MONDAY + 3 * HOUR, BOGOTA) == MONDAY + HOUR + 7 * 24 * HOUR
    assert used(cap, past, MONDAY + 3 * HOUR, BOGOTA[0]) == 2


def test_a_channel_that_is_used_already_does_not_go_beside_more_than_the_cap_allows():
    cap = Cap(name="own", most=1, per="", stretch_ms=7 * 24 * HOUR, of="channels")
    past = [contact(MONDAY, "email"), contact(MONDAY + HOUR, "voice", "requested")]
    assert room(cap, past, "voice", MONDAY + 2 * HOUR, BOGOTA) == MONDAY + 7 * 24 * HOUR
    assert room(cap, past, "email", MONDAY + 2 * HOUR, BOGOTA) == MONDAY + HOUR + 7 * 24 * HOUR
    assert room(cap, past, "voice", MONDAY + 7 * 24 * HOUR, BOGOTA) is None


def test_a_cap_limits_the_channels_purposes_and_countries_that_it_names():
    cap = Cap(name="own", most=1, per="day", channels=("voice",), purposes=("collection",), countries=("CL",))
    assert cap.limits(("CL", "CL-MA"), "voice", "collection")
    assert not cap.limits(("CO",), "voice", "collection")
    assert not cap.limits(("CL",), "email", "collection")
    assert not cap.limits(("CL",), "voice", "marketing")
    assert room(cap, [contact(MONDAY, "email", "collection")], "voice", MONDAY, BOGOTA) is None


def test_a_registry_speaks_of_the_countries_and_purposes_that_it_names():
    rne = Registry(name="rne", countries=("CO",), purposes=("marketing",))
    rules = PlaceRules(ContactRules(lists={"rne": rne}), "CO")
    assert rules.lists("CO+ES", "voice", "marketing") == (rne,)
    assert rules.lists("ES", "voice", "marketing") == ()
    assert rules.lists("CO", "voice", "survey") == ()
