"""Further edges of contacting people: each is asked through `connector may` and then tried by a claim."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connector.core.caps import Cap
from connector.core.settings import ContactRules, OncePer
from tests.contact_people import (
    BR_92,
    CL_61,
    CO,
    EC,
    ES,
    FL,
    MX_664,
    People,
    asked,
    at,
    case,
    clock,
    mailed,
    other,
    person,
)
from tests.outbound_steps import database, dial, store

__all__ = ["clock", "database", "store"]

COLLECTS = {"purpose": "collection"}
LONG = 90 * 86400


def opens(out: People, who: str, numbers: tuple[str, ...], moment: int, until: int | None) -> None:
    """Whether `may` and a claim at that moment agree: now (None), or not before ``until`` and then at once."""
    out.clock.now = moment
    if len(numbers) == 1:
        assert asked(out, who, "dial", moment).not_before == until
    out.put([person(*numbers)])
    went = out.tries()
    assert went is (until is None)
    if until is not None:
        assert out.due()[-1:] == [until]
        out.clock.now = until - 1
        assert not out.tries()
        out.clock.now = until
        assert out.tries()


CASES = [
    # a country each: the last minute, the first, a weekend, a holiday of its own
    (
        "PE on Saturday",
        COLLECTS,
        ("51 987654321",),
        at("2026-11-21T10:00", "America/Lima"),
        at("2026-11-23T07:00", "America/Lima"),
    ),
    (
        "UY at nine in the evening",
        {},
        ("598 94123456",),
        at("2026-11-20T21:00", "America/Montevideo"),
        at("2026-11-21T09:00", "America/Montevideo"),
    ),
    (
        "PY before eight",
        {},
        ("595 981123456",),
        at("2026-11-20T07:59", "America/Asuncion"),
        at("2026-11-20T08:00", "America/Asuncion"),
    ),
    (
        "AR on the day of the Pope's decree",
        {},
        ("54 1123456789",),
        at("2026-11-21T13:00", "America/Argentina/Buenos_Aires"),
        at("2026-11-24T08:00", "America/Argentina/Buenos_Aires"),
    ),
    (
        "EC on Friday evening",
        COLLECTS,
        (EC,),
        at("2026-10-30T20:00", "America/Guayaquil"),
        at("2026-11-04T07:00", "America/Guayaquil"),
    ),
    # midnight of a new year, where the next day is a holiday too
    ("CO at midnight of the year", {}, (CO,), at("2027-01-01T00:00"), at("2027-01-02T08:00")),
    # the clock moves while people wait: the time is that of the new clock
    (
        "US when the clock goes forward",
        {},
        (FL,),
        at("2027-03-13T20:00", "America/New_York"),
        at("2027-03-14T08:00", "America/New_York"),
    ),
    (
        "ES when the clock goes forward",
        COLLECTS,
        (ES,),
        at("2027-03-26T21:00", "Europe/Madrid"),
        at("2027-03-29T09:00", "Atlantic/Canary"),
    ),
    # several phones in several zones: the hours that all of them share
    (
        "Tijuana and Manaus",
        COLLECTS,
        (MX_664, BR_92),
        at("2026-11-19T06:30", "America/Tijuana"),
        at("2026-11-19T07:00", "America/Tijuana"),
    ),
    (
        "Punta Arenas and Madrid",
        COLLECTS,
        (CL_61, ES),
        at("2026-11-19T07:59", "America/Punta_Arenas"),
        at("2026-11-19T08:00", "America/Punta_Arenas"),
    ),
]


@pytest.mark.parametrize(("_name", "route", "numbers", "moment", "until"), CASES, ids=[one[0] for one in CASES])
def test_a_claim_waits_for_the_moment_that_may_names(database, clock, _name, route, numbers, moment, until):
    out = People(database, clock, dial(expires_after_s=LONG, name="dial", **({"purpose": "survey"} | route)))
    opens(out, "" if len(numbers) > 1 else numbers[0], numbers, moment, until)


def test_who_has_only_an_email_is_held_by_the_clock_of_the_region(database, clock):
    out = People(database, clock, mailed(expires_after_s=LONG))
    clock.now = at("2026-11-21T15:00")  # Saturday
    assert asked(out, "ana@example.com", "survey", clock.now).not_before == at("2026-11-23T07:00")
    out.put([case("ana@example.com")])
    assert not out.tries("surveys")
    clock.now = at("2026-11-23T07:00")
    assert out.tries("surveys")


def test_what_was_asked_for_is_free_of_caps_until_it_is_too_old_and_never_of_hours(database, clock):
    out = People(
        database, clock, dial(name="dial", purpose="requested", expires_after_s=LONG), other(expires_after_s=LONG)
    )
    out.put([person(CO, type="lead.updated")])
    assert out.tries("other")
    out.put([person(CO)])
    assert out.tries(), "it was asked for, and the cap is not asked"
    clock.now = at("2026-11-23T19:00")
    out.put([person(CO)])
    assert not out.tries()
    assert out.due() == [at("2026-11-24T07:00")]


def test_a_thousand_of_one_place_wait_for_the_morning_by_one_reason(database, clock):
    """A batch is decided about together: nobody of another place or purpose is held with it."""
    out = People(database, clock, dial(expires_after_s=LONG))
    clock.now = at("2026-11-23T18:59")
    out.put([person(f"57 30012{number:05}") for number in range(40)] + [person(MX_664)])
    clock.now = at("2026-11-23T19:00")
    while out.tries():
        pass
    states = [row.state for row in out.deliveries()]
    assert states == ["pending"] * 40 + ["delivered"]
    assert {*out.due()} == {at("2026-11-24T07:00")}


def test_of_three_of_one_person_in_a_call_as_many_go_as_the_cap_allows(database, clock):
    rules = ContactRules(law=False, why="a test", caps=(Cap(name="mine", most=2, per="day"),))
    out = People(database, clock, dial(expires_after_s=LONG), rules=rules)
    out.put([person(CO), person(ES), replace(person(CO, ES), first_name="Both"), person(CO)])
    while out.tries():
        pass
    # The third has both phones: it links the two persons, who were contacted twice by then.
    assert [row.state for row in out.deliveries()] == ["delivered", "delivered", "pending", "delivered"]


def test_whom_a_later_guard_ends_is_not_in_the_ledger(database, clock):
    rules = ContactRules(law=False, why="a test", caps=(Cap(name="mine", most=9, per="day"),))
    out = People(database, clock, dial(once_per=OncePer(key="phone", within_s=3600), expires_after_s=LONG), rules=rules)
    out.put([person(CO), person(CO), person(ES)])
    while out.tries():
        pass
    assert [row.state for row in out.deliveries()] == ["delivered", "suppressed", "delivered"]
    assert [row.delivery for row in out.ledger()].count(out.deliveries()[1].id) == 0
    assert len({row.hash for row in out.ledger()}) == len(out.ledger()) > 1
