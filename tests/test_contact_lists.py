"""Registries, the list of our own and proof of consent, in real claims on both stores."""

from __future__ import annotations

import orjson
import pytest

from connector.core.settings import ContactRules
from connector.store import contacts, registries, suppression_list
from connector.store.suppression_list import Entry
from tests.contact_people import (
    CO,
    ES,
    HOUR,
    MONDAY,
    NY,
    PATHS,
    RNE,
    People,
    at,
    case,
    clock,
    consenting,
    imported,
    listing,
    mailed,
    other,
    person,
)
from tests.outbound_steps import database, dial, store

__all__ = ["clock", "database", "store"]
pytestmark = pytest.mark.timeout(600)


# --- lists -----------------------------------------------------------------------------------------------------------


def test_who_is_on_a_registry_ends_and_the_others_go(database, clock):
    out = listing(database, clock)
    imported(out, CO, of=clock.now)
    out.put([person(CO), person("57 3009999999")])
    assert out.tries()
    assert [row.state for row in out.deliveries()] == ["suppressed", "delivered"]
    assert out.reasons()[0] == "on the list rne"


def test_a_registry_speaks_only_of_what_it_is_for(database, clock):
    out = listing(database, clock, dial(purpose="collection"))
    imported(out, CO, of=clock.now)
    out.put([person(CO)])
    assert out.tries()


def test_a_registry_that_is_too_old_holds_what_it_speaks_of(database, clock):
    out = listing(database, clock, dial(expires_after_s=90 * 86400), other(purpose="service"))
    imported(out, CO, of=at("2026-11-02T09:00"))
    clock.now = 1796220000000 - 1
    out.put([person("57 3009999999")])
    assert out.tries()
    clock.now = 1796220000000
    out.put([person("57 3008888888"), person("57 3008888888", type="lead.updated"), person(NY)])
    assert out.tries()
    assert out.reasons()[1] == "held: the list rne is of 2026-11-02"
    assert out.tries("other")
    imported(out, CO, of=clock.now)
    clock.now = at("2026-12-03T09:00")
    assert out.tries()


def test_a_registry_that_was_never_imported_holds_and_says_how(database, clock):
    out = listing(database, clock)
    out.put([person(CO)])
    assert not out.tries()
    assert "was never imported: connector suppress import FILE --list rne --of DATE" in out.reasons()[0]


def test_an_entry_counts_from_its_day_of_effect_on(database, clock):
    out = listing(database, clock, counts_after_s=30 * 86400, max_age_s=60 * 86400)
    imported(out, CO, of=clock.now - 30 * 86_400_000 + 1)
    out.put([person(CO)])
    assert out.tries()
    imported(out, CO, of=clock.now)  # named again: its day stays
    clock.now = at("2026-11-24T10:00")
    out.put([person(CO)])
    assert not out.tries()
    assert out.states() == {"delivered": 1, "suppressed": 1}


def test_a_new_import_takes_off_whom_it_does_not_name(database, clock):
    out = listing(database, clock)
    imported(out, CO, "57 3009999999", of=clock.now - HOUR)
    imported(out, "57 3009999999", of=clock.now)
    out.put([person(CO), person("57 3009999999")])
    assert out.tries()
    assert [row.state for row in out.deliveries()] == ["delivered", "suppressed"]
    with database.read() as conn:
        assert [(one.name, one.size) for one in registries.all_of(conn)] == [("rne", 1)]
    with database.write() as conn:
        assert registries.sweep(conn, "rne") == 1
        assert registries.sweep(conn, "rne") == 0


def test_half_an_import_leaves_the_old_list_whole(database, clock):
    out = listing(database, clock)
    imported(out, CO, of=clock.now - HOUR)
    imported(out, "57 3009999999", of=clock.now, whole=False)
    out.put([person(CO), person("57 3009999999")])
    assert out.tries()
    assert [row.state for row in out.deliveries()] == ["suppressed", "delivered"]
    imported(out, "57 3007777777", of=clock.now)  # the killed one left nothing behind
    clock.now = at("2026-11-24T10:00")
    out.put([person(CO), person("57 3009999999"), person("57 3007777777")])
    assert out.tries()
    assert [row.state for row in out.deliveries()][2:] == ["delivered", "delivered", "suppressed"]


def test_the_own_list_comes_first_and_knows_channels(database, clock):
    out = listing(database, clock, dial(expires_after_s=90 * 86400), mailed(purpose="service"))
    imported(out, of=clock.now)
    with database.write() as conn:
        entry = Entry(str(out.router.contact_hash("+573001234567")), "hint", "", 1, ("voice",))
        suppression_list.add(conn, [entry])
    out.put([person(CO), case("ana@example.com", CO)])
    assert not out.tries()
    assert out.states() == {"suppressed": 1, "pending": 1}
    assert out.tries("surveys")


# --- proof -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "values", "state"),
    [
        (MONDAY - 730 * 86_400_000, {}, "delivered"),
        (MONDAY - 730 * 86_400_000 - 60_000, {}, "suppressed"),
        (MONDAY - 1000, {"consent": "no"}, "suppressed"),
        (MONDAY - 1000, {"consent": False}, "suppressed"),
        (None, {}, "suppressed"),
        (MONDAY + 3_600_000, {}, "suppressed"),
    ],
)
def test_a_route_that_demands_proof_contacts_nobody_without(database, clock, given, values, state):
    out = People(database, clock, dial(proof=PATHS, demands_proof=True))
    out.put([consenting(CO, given=given, **values)])
    out.tries()
    assert out.states() == {state: 1}
    assert (state == "delivered") or out.reasons()[0].startswith("no proof of consent: ")


@pytest.mark.parametrize(("number", "state"), [(ES, "suppressed"), ("51 987654321", "suppressed"), (CO, "delivered")])
def test_the_law_of_some_countries_demands_proof_for_advertising(database, clock, number, state):
    out = People(database, clock, dial(), other(purpose="service"))
    out.put([person(number)])
    out.tries()
    assert out.states() == {state: 1}
    out.put([person(number, type="lead.updated")])
    assert out.tries("other") or number == CO


def test_why_somebody_was_contacted_is_kept_without_the_person(database, clock):
    out = People(database, clock, dial(proof=PATHS), rules=ContactRules(lists={"rne": RNE}))
    imported(out, of=clock.now - HOUR)
    out.put([consenting(CO, given=clock.now - 60_000)])
    assert out.tries()
    with database.read() as conn:
        ((attempt, when, proof),) = contacts.proofs(conn, out.deliveries()[0].id)
    assert attempt == out.deliveries()[0].attempt
    assert when == clock.now
    assert proof["place"] == "CO"
    assert proof["zones"] == ["America/Bogota"]
    assert proof["local"].startswith("2026-11-23T10:00:00")
    assert proof["purpose"] == "marketing"
    assert proof["caps"] == ["Ley 2300: once a day: 1 of 1", "Ley 2300: one channel a week: 1 of 1"]
    assert proof["lists"] == {"rne": [clock.now - HOUR, 0]}
    assert proof["consent"]["where"] == "https://x.example"
    assert proof["consent"]["at"] == clock.now - 60_000
    said = orjson.dumps(proof).decode()
    assert "3001234567" not in said
    assert "ana" not in said.casefold().replace("america", "")
