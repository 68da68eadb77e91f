"""How often one person is contacted: real claims on both stores, over accounts, channels and lanes."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from connector.admin.acts import By
from connector.core.caps import Cap
from connector.core.settings import ContactRules
from tests.contact_people import BOGOTA, CO, FL, HOUR, People, at, case, clock, mailed, not_sent, other, person
from tests.outbound_steps import accepted, database, dial, refused, store, unknown

__all__ = ["clock", "database", "store"]
pytestmark = pytest.mark.timeout(600)


# --- caps ------------------------------------------------------------------------------------------------------------


def test_colombia_allows_one_call_a_day_over_all_accounts(database, clock):
    out = People(database, clock, dial(), other())
    out.put([person(CO)])
    assert out.tries()
    clock.now = at("2026-11-23T18:00")
    out.put([person(CO, type="lead.updated")])
    assert not out.tries("other")
    assert out.due() == [1795521600000]
    assert out.reasons()[1].startswith(
        "held until Tuesday 2026-11-24 07:00 in Bogota: contacted as often as they may be (Ley 2300: once a day)"
    )
    clock.now = 1795521600000 - 1
    assert not out.tries("other")
    clock.now = 1795521600000
    assert out.tries("other")
    assert [row.day for row in out.ledger()] == ["2026-11-23", "2026-11-24"]
    assert {row.week for row in out.ledger()} == {"2026-W48"}


@pytest.mark.parametrize(("week", "until"), [("calendar", 1796040000000), ("rolling", 1796050800000)])
@pytest.mark.parametrize("first", ["accepted", "unknown"])
def test_colombia_allows_one_channel_a_week(database, clock, week, until, first):
    out = People(database, clock, dial(), mailed(expires_after_s=30 * 86400), rules=ContactRules(week=week))
    out.put([person(CO, email="ana@example.com")])
    assert out.tries(outcome=accepted() if first == "accepted" else unknown())
    clock.now = at("2026-11-25T11:00")
    out.put([case("ana@example.com")])
    assert not out.tries("surveys")
    assert out.due() == [until]
    assert "one channel a week" in out.reasons()[1]
    clock.now = until
    assert out.tries("surveys")


def test_what_was_provably_not_sent_counts_for_nobody_and_frees_who_waits(database, clock):
    out = People(database, clock, dial(), other(), mailed())
    out.put([person(CO, email="ana@example.com")])
    claimed = out.claimed()
    while claimed.attempt.kind == "budget":
        out.settle_budget(claimed)
        claimed = out.claimed()
    clock.now = at("2026-11-23T11:00")
    out.put([person(CO, type="lead.updated"), case("ana@example.com")])
    assert not out.tries("other")
    assert not out.tries("surveys")
    out.settle(claimed, not_sent())
    assert out.ledger() == []
    assert out.due()[1:] == [clock.now, clock.now]
    assert out.tries("surveys")


def test_the_same_channel_goes_the_next_day_and_what_was_asked_for_goes_at_once(database, clock):
    asked = dial("3042", name="asked", on=("lead.asked",), purpose="requested")
    out = People(database, clock, dial(), other(), asked)
    out.put([person(CO)])
    assert out.tries()
    clock.now += HOUR
    out.put([person(CO, type="lead.asked")])
    assert out.tries()
    clock.now = at("2026-11-24T10:00")
    out.put([person(CO, type="lead.updated")])
    assert out.tries("other")
    assert [row.purpose for row in out.ledger()] == ["marketing", "requested", "marketing"]


def test_a_call_that_was_asked_for_opens_its_channel_for_no_advertising(database, clock):
    asked = dial("3042", name="asked", on=("lead.asked",), purpose="requested")
    out = People(database, clock, dial(expires_after_s=30 * 86400), asked, mailed())
    out.put([case("ana@example.com")])
    assert out.tries("surveys")
    clock.now = at("2026-11-24T10:00")
    out.put([person(CO, email="ana@example.com", type="lead.asked")])
    assert out.tries()
    clock.now = at("2026-11-25T10:00")
    out.put([person(CO, email="ana@example.com")])
    assert not out.tries()
    assert out.due() == [at("2026-11-30T10:00")]
    assert "one channel a week" in out.reasons()[-1]


def test_what_was_asked_for_too_long_ago_is_advertising(database, clock):
    asked = dial("3042", name="asked", on=("lead.asked",), purpose="requested")
    out = People(database, clock, dial(), asked)
    out.put([person(CO)])
    assert out.tries()
    old = datetime.fromtimestamp(clock.now / 1000, BOGOTA) - timedelta(hours=24, seconds=1)
    out.put([person(CO, type="lead.asked", time=old)])
    assert not out.tries()
    assert "once a day" in out.reasons()[1]


def test_the_cap_of_florida_is_24_hours_where_the_clock_is_put_back(database, clock):
    out = People(database, clock, dial(expires_after_s=86400 * 3))
    for moment in ("15:00", "18:00", "19:30"):
        clock.now = at(f"2026-10-31T{moment}", "America/New_York")
        out.put([person(FL)])
        assert out.tries()
    clock.now += 60_000
    out.put([person(FL)])
    assert not out.tries()
    assert out.due() == [at("2026-11-01T14:00", "America/New_York")] == [at("2026-11-01T19:00", "Etc/UTC")]


def test_of_one_person_twice_in_a_batch_the_oldest_goes(database, clock):
    out = People(database, clock, dial())
    out.put([person(CO, email="first@example.com"), person(CO), person("57 3009999999")])
    assert out.tries()
    assert [row.state for row in out.deliveries()] == ["delivered", "pending", "delivered"]
    assert out.due() == [at("2026-11-24T07:00")]


def test_a_cap_may_end_instead_of_wait(database, clock):
    cap = Cap(name="mine", most=1, per="", stretch_ms=7 * 24 * HOUR, then="end")
    out = People(database, clock, dial(), rules=ContactRules(law=False, why="a test", caps=(cap,)))
    out.put([person(CO), person(CO)])
    assert out.tries()
    assert [row.state for row in out.deliveries()] == ["delivered", "suppressed"]
    assert out.reasons()[1] == "contacted as often as they may be (mine)"


def test_a_person_is_known_by_every_way_and_by_who_links_them(database, clock):
    out = People(database, clock, dial(), other(), mailed(expires_after_s=30 * 86400))
    out.put([person(CO)])
    assert out.tries()
    clock.now = at("2026-11-24T10:00")
    out.put([person(CO, email="ana@example.com", type="lead.updated")])  # links the two
    assert out.tries("other")
    out.put([case("ana@example.com")])
    assert not out.tries("surveys")
    clock.now = at("2026-11-24T11:00")
    out.put([case("", "57 3001234567", id="T-by-phone")])
    assert not out.tries("surveys")


def test_who_waits_for_a_cap_links_their_ways_as_well(database, clock):
    out = People(database, clock, dial(), other(), mailed(expires_after_s=30 * 86400))
    out.put([person(CO)])
    assert out.tries()
    clock.now += HOUR
    out.put([person(CO, email="ana@example.com", type="lead.updated")])
    assert not out.tries("other")
    out.put([case("ana@example.com")])
    assert not out.tries("surveys")


def test_a_refused_record_is_freed_and_a_halved_batch_counts_once(database, clock):
    out = People(database, clock, dial())
    out.works()
    out.put([person(CO), person("57 3009999999")])
    assert out.tries(outcome=refused())
    assert out.ledger() == []
    assert out.tries(outcome=refused())
    assert out.tries()
    assert out.states() == {"dead": 1, "delivered": 1}
    assert len(out.ledger()) == 1


def test_a_kill_after_the_claim_counts_until_it_is_known(database, clock):
    out = People(database, clock, dial(), other())
    out.put([person(CO)])
    claimed = out.claimed()
    while claimed.attempt.kind == "budget":
        out.settle_budget(claimed)
        claimed = out.claimed()
    clock.now += HOUR  # the worker died: its deadline passes
    out.put([person(CO, type="lead.updated")])
    assert not out.tries("other")
    out.claim()  # finds that the call has lapsed
    assert out.states() == {"uncertain": 1, "pending": 1}
    assert not out.tries("other")
    assert len(out.ledger()) == 1


@pytest.mark.parametrize("landed", [True, False])
def test_a_person_s_word_settles_what_counts(database, clock, landed):
    from connector.admin.resolve import resolve

    out = People(database, clock, dial(on_unknown="ask"), other())
    out.put([person(CO)])
    assert out.tries(outcome=unknown(ask=False))
    clock.now += HOUR
    out.put([person(CO, type="lead.updated")])
    assert not out.tries("other")
    resolve(out.settings, database, out.deliveries()[0].id, By(who="test"), landed=landed)
    assert len(out.ledger()) == landed
    assert out.tries("other") is not landed


def test_sent_again_on_purpose_counts_again(database, clock):
    out = People(database, clock, dial(on_unknown="resend"))
    out.put([person(CO)])
    assert out.tries(outcome=unknown())
    assert out.states() == {"pending": 1}
    clock.now += HOUR
    assert not out.tries()
    assert "once a day" in out.reasons()[0]


def test_bulk_and_live_share_the_cap(database, clock):
    out = People(database, clock, dial())
    out.put([person(CO)], lane=1)
    assert out.tries()
    out.put([person(CO)])
    assert not out.tries()


def test_a_cap_that_outlasts_the_expiry_is_named_by_it(database, clock):
    out = People(database, clock, dial(expires_after_s=7200))
    out.put([person(CO), person(CO)])
    assert out.tries()
    clock.now = out.due()[0]
    assert not out.tries()
    assert out.states() == {"delivered": 1, "suppressed": 1}
    assert "once a day" in out.reasons()[1]
