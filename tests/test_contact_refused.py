"""A "no" that arrives as an event: at once on the list, told to the dialler, weighed against consent."""

from __future__ import annotations

import pytest

from connector.store import reasons, suppression_list
from tests.contact_people import CO, HOUR, PATHS, clock, consenting, no, person, refusing
from tests.outbound_steps import database, dial, store, unknown

__all__ = ["clock", "database", "store"]
pytestmark = pytest.mark.timeout(600)


# --- a "no" travels --------------------------------------------------------------------------------------------------


def test_a_no_that_arrives_as_an_event_holds_at_once_and_is_told_to_the_dialler(database, clock):
    out = refusing(database, clock)
    out.put([person(CO, email="ana@example.com")])
    out.put([no(CO, moment=clock.now, reason="no me llamen más")])
    kept = {row.route: str(reasons.of(row) or "") for row in out.deliveries("delivered")}
    assert kept == {"who said no": "on the do-not-contact list from now on"}
    assert out.states() == {"pending": 2, "delivered": 1}
    assert out.tries()  # it is the dialler that is told
    assert not out.tries()
    assert out.states() == {"suppressed": 1, "delivered": 2}
    with database.read() as conn:
        (entry,) = suppression_list.entries(conn)
    assert (entry.reason, entry.since, entry.channels) == ("no me llamen más", clock.now, ())


@pytest.mark.parametrize(("said", "stops"), [("llamadas", True), ("e-mail", False), ("WhatsApp", False), ("?", True)])
def test_a_no_to_a_channel_is_kept_for_that_channel(database, clock, said, stops):
    out = refusing(database, clock, dial())
    out.put([no(CO, moment=clock.now, channel=said)])
    while out.tries():
        pass
    out.put([person(CO)])
    assert out.tries() is not stops


@pytest.mark.parametrize("consent_first", [True, False])
@pytest.mark.parametrize("no_is_later", [True, False])
def test_of_a_no_and_a_consent_the_later_by_its_own_time_holds(database, clock, consent_first, no_is_later):
    out = refusing(database, clock, dial(proof=PATHS, demands_proof=True, expires_after_s=5 * 86400))
    said = clock.now - HOUR if no_is_later else clock.now - 3 * HOUR
    given = consenting(CO, given=clock.now - 2 * HOUR)
    for event in (given, no(CO, moment=said)) if consent_first else (no(CO, moment=said), given):
        out.put([event])
    while out.tries():
        pass
    contacted = next(row for row in out.deliveries() if row.route == "dial 1042").state == "delivered"
    # Who is on the list and comes again stays on it, until a person takes them off.
    assert contacted is (consent_first and not no_is_later)


def test_a_no_while_a_call_is_in_hand_lets_it_end_and_stops_the_next(database, clock):
    out = refusing(database, clock, dial(on_unknown="resend"))
    out.put([person(CO)])
    claimed = out.claimed()
    while claimed.attempt.kind == "budget":
        out.settle_budget(claimed)
        claimed = out.claimed()
    out.put([no(CO, moment=clock.now)])
    out.settle(claimed, unknown())
    clock.now += 120_000
    while out.tries():
        pass
    assert [row.state for row in out.deliveries() if row.route == "dial 1042"] == ["suppressed"]


def test_what_a_stranger_gives_as_a_reason_names_nobody(database, clock):
    out = refusing(database, clock)
    out.put([no(CO, moment=clock.now, reason="soy ana@example.com 3001234567")])
    with database.read() as conn:
        assert [one.reason for one in suppression_list.entries(conn)] == [""]
