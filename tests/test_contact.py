"""The hours of a place in real claims on both stores; what `connector may` says of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connector.core.settings import ContactHours, ContactRules, OwnHours
from connector.store import suppression_list
from connector.store.suppression_list import Entry
from tests.contact_people import (
    CO,
    ES,
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
pytestmark = pytest.mark.timeout(600)


# --- hours of a place ------------------------------------------------------------------------------------------------


def test_a_backlog_of_closed_places_is_put_off_at_once_and_open_ones_go(database, clock):
    out = People(database, clock, dial(expires_after_s=30 * 86400))
    clock.now = at("2026-11-19T06:30")
    out.put([person(CO) for _ in range(20)] + [person("51 987654321", ES) for _ in range(3)] + [person("1 2122345678")])
    out.put([person("54 91123456789") for _ in range(2)])
    assert out.tries()
    assert out.due().count(at("2026-11-19T07:00")) == 23
    assert out.states() == {"pending": 24, "delivered": 2}


def test_what_a_changed_configuration_holds_follows_it(database, clock):
    out = People(database, clock, dial())
    clock.now = at("2026-11-19T19:30")
    out.put([person(CO)])
    assert not out.tries()
    assert out.due() == [at("2026-11-20T07:00")]
    own = OwnHours(
        hours=ContactHours(name="own", weekdays=(540, 1080), saturday=None, sunday=None, holidays=None, country="")
    )
    out.reload(replace(out.settings, contact=ContactRules(hours={"CO": own})))
    assert out.due() == [at("2026-11-20T09:00")]
    out.reload(replace(out.settings, contact=ContactRules(law=False, why="a test")))
    assert out.tries()


def test_without_a_table_contact_nothing_changes(database, clock):
    out = People(database, clock, dial())
    out.reload(replace(out.settings, contact=None))
    clock.now = at("2026-11-22T03:00")
    out.put([person(CO), person(CO)])
    assert out.tries()
    assert out.states() == {"delivered": 2}
    assert out.ledger() == []


def test_a_survey_that_leaves_later_is_judged_by_when_it_leaves(database, clock):
    later = {"campaign_code": "52", "schedule": "+2h", "tags": {}}
    out = People(database, clock, mailed(options=later))
    clock.now = at("2026-11-23T17:30")
    out.put([case("ana@example.com")])
    assert not out.tries("surveys")
    assert out.due() == [at("2026-11-24T05:00")]
    clock.now = at("2026-11-24T05:00")
    assert out.tries("surveys")
    assert [row.at for row in out.ledger()] == [at("2026-11-24T07:00")]


# --- asked without sending -------------------------------------------------------------------------------------------


def test_may_says_what_a_claim_would_do_and_leaves_nothing(database, clock):
    out = People(database, clock, dial(), other(), mailed(expires_after_s=30 * 86400))
    out.put([person(CO, email="ana@example.com")])
    assert asked(out, CO, "dial 1042").may
    assert out.tries()
    before = (out.deliveries(), out.attempts(), out.ledger())
    answer = asked(out, CO, "other", at("2026-11-23T18:00"))
    assert (answer.may, answer.not_before) == (False, 1795521600000)
    assert [(one.guard, one.may) for one in answer.verdicts] == [
        ("do_not_contact", True),
        ("lists", True),
        ("proof", True),
        ("hours", True),
        ("caps", False),
    ]
    later = asked(out, "ana@example.com", "survey", at("2026-11-25T11:00"))
    assert later.not_before == 1796050800000
    assert (out.deliveries(), out.attempts(), out.ledger()) == before


def test_may_says_never_where_waiting_does_not_help(database, clock):
    out = People(database, clock, dial())
    with database.write() as conn:
        suppression_list.add(conn, [Entry(str(out.router.contact_hash("+573001234567")), "hint", "", 1)])
    answer = asked(out, CO, "dial 1042", at("2026-11-23T22:00"))
    assert (answer.may, answer.not_before) == (False, None)
    assert answer.verdicts[0].why == "on the do-not-contact list"
    assert answer.verdicts[3].until == at("2026-11-24T07:00")


def test_may_knows_hours_of_a_route_without_a_table_contact(database, clock):
    hours = ContactHours(name="own", weekdays=(540, 1080), saturday=None, sunday=None, holidays=None, country="")
    out = People(database, clock, dial(contact_hours=hours))
    out.reload(replace(out.settings, contact=None))
    answer = asked(out, CO, "dial 1042", at("2026-11-23T08:00"))
    assert (answer.may, answer.not_before) == (False, at("2026-11-23T09:00"))
