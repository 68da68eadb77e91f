"""Settling: a bad record is found and dies alone, a bad destination condemns nobody, what is unknown stays unknown."""

from __future__ import annotations

import math
from typing import Any

import pytest
from sqlalchemy import update

from connector.core.outcomes import Fate, Outcome, Verdict
from connector.core.quota import Wait
from connector.core.reasons import Code, Reason
from connector.outbound import claims, refusals
from connector.outbound.claims import Claim
from connector.store import accounts, attempts, inbox, outbox, tables
from connector.store.database import Database, now_ms
from connector.store.lanes import LIVE
from connector.vendors.sandbox.exchange import Sandbox
from mappings.events import Customer, Phone
from tests import outbound_steps
from tests.outbound_steps import (
    DIAL,
    REFUSAL,
    SURVEY,
    Out,
    accepted,
    code,
    dial,
    lead,
    leads,
    note,
    refused,
    survey,
    ticket,
    unknown,
    words,
)

store, database, sandbox = outbound_steps.store, outbound_steps.database, outbound_steps.sandbox


def poisoned(*numbers: int) -> dict[str, Any]:
    return {"poison": [f"C-{number}" for number in numbers]}


def dead_ones(out: Out) -> dict[str, str]:
    """Event id -> the vendor's words."""
    events, deliveries = tables.events.c, tables.deliveries.c
    with out.database.read() as conn:
        joined = tables.deliveries.join(tables.events, events.id == deliveries.event)
        rows = conn.execute(
            joined.select()
            .with_only_columns(events.event_id, deliveries.reason_code, deliveries.reason_facts, deliveries.reason)
            .where(deliveries.state == "dead")
        )
        return {row.event_id: words(row) for row in rows}


# --- one bad record -------------------------------------------------------------------------------------------------


def test_a_refused_batch_of_sixteen_is_halved_to_its_one_bad_row(database: Database, sandbox: Sandbox):
    out = Out(database, dial(), sandbox=sandbox)
    out.put([lead(99)])
    out.drain()
    sandbox.limits.change(**poisoned(11))
    out.put(leads(16))
    calls = out.drain()
    assert out.states() == {"delivered": 16, "dead": 1}
    assert dead_ones(out) == {"L-11": f"400 {REFUSAL}"}
    assert len(calls) - 1 <= 2 * math.log2(16)
    assert sandbox.wolkvox.count("1042") == 16
    assert sandbox.wolkvox.duplicates("1042") == {}


@pytest.mark.parametrize("bad", [{1}, {16}, {1, 2}, {3, 9, 14}, set(range(1, 17, 2)), set(range(1, 17))])
def test_several_bad_rows_are_each_found_and_nobody_else_suffers(database: Database, sandbox: Sandbox, bad: set[int]):
    out = Out(database, dial(), sandbox=sandbox)
    out.put([lead(99)])
    out.drain()
    sandbox.limits.change(**poisoned(*bad))
    out.put(leads(16))
    calls = out.drain()
    assert set(dead_ones(out)) == {f"L-{number}" for number in bad}
    assert sandbox.wolkvox.customer_ids("1042") == {f"C-{number}" for number in range(1, 17) if number not in bad} | {
        "C-99"
    }
    assert sandbox.wolkvox.duplicates("1042") == {}
    assert len(calls) <= 1 + 8 * len(bad)


def test_a_destination_that_never_accepted_anything_finds_its_bad_row_too(database: Database, sandbox: Sandbox):
    sandbox.limits.change(**poisoned(9))
    out = Out(database, dial(), sandbox=sandbox)
    out.put(leads(16))
    calls = out.drain()
    assert out.states() == {"delivered": 15, "dead": 1}
    assert set(dead_ones(out)) == {"L-9"}
    assert len(calls) <= 1 + refusals.SAMPLES + 1 + 1 + 2 * math.log2(16)


def test_a_bad_record_among_the_first_samples_is_kept_until_another_is_accepted(database: Database, sandbox: Sandbox):
    sandbox.limits.change(**poisoned(1))
    out = Out(database, dial(), sandbox=sandbox)
    out.put(leads(16))
    out.drain()
    assert out.states() == {"delivered": 15, "dead": 1}
    assert set(dead_ones(out)) == {"L-1"}


def test_the_halves_survive_a_429_and_a_dead_worker_in_between(database: Database, sandbox: Sandbox):
    out = Out(database, dial(), sandbox=sandbox)
    out.put([lead(99)])
    out.drain()
    sandbox.limits.change(**poisoned(6))
    out.put(leads(8))
    out.step()
    sandbox.fault("wolkvox.add_record", "status", status=429, body={"code": "429"}, headers={"Retry-After": "30"})
    out.step()
    assert out.account().hold_until > 0
    out.later(31)
    out.claimed()  # and its worker dies
    out.later(4)
    out.drain()
    out.later(5)
    out.drain()
    assert out.states() == {"delivered": 8, "dead": 1}
    assert set(dead_ones(out)) == {"L-6"}
    assert sandbox.wolkvox.duplicates("1042") == {}


def test_fresh_leads_are_not_held_up_by_a_batch_that_is_being_halved(database: Database, sandbox: Sandbox):
    out = Out(database, dial(), sandbox=sandbox)
    out.put([lead(999)])
    out.drain()
    sandbox.limits.change(**poisoned(100))
    out.put(leads(256))
    out.step()
    out.put([lead(500)])
    out.step()
    out.step()
    assert "C-500" in sandbox.wolkvox.customer_ids("1042")
    out.drain()
    assert set(dead_ones(out)) == {"L-100"}


def test_a_dead_letter_carries_the_vendors_words_and_its_attempts(database: Database, sandbox: Sandbox):
    out = Out(database, dial(), sandbox=sandbox)
    out.put([lead(99)])
    out.drain()
    sandbox.limits.change(**poisoned(2))
    out.put(leads(2))
    out.drain()
    [dead] = out.deliveries("dead")
    assert (code(dead), words(dead)) == (Code.REFUSED, f"400 {REFUSAL}")
    assert dead.attempts.count(",") == 2
    assert {row.words for row in out.attempts() if row.state == "rejected"} == {f"400 {REFUSAL}"}


# --- a bad destination ----------------------------------------------------------------------------------------------


def test_when_nothing_was_ever_accepted_and_all_is_refused_the_destination_stops(database: Database, sandbox: Sandbox):
    out = Out(database, dial("77"), sandbox=sandbox)
    out.put(leads(16))
    calls = out.drain()
    place = out.destination("dialler/wolkvox.add_record/77")
    assert place.state == "stopped"
    assert REFUSAL in str(place.reason)
    assert "connector resume dialler" in str(place.reason)
    assert out.states() == {"pending": 16}, "no record paid"
    assert len(calls) == 1 + refusals.SAMPLES
    out.later(3600)
    assert out.drain() == []
    sandbox.breaches.clear()  # of rule "campaign", as this is what was tried


def test_resume_after_the_campaign_was_mended_goes_on_and_loses_nobody(database: Database, sandbox: Sandbox):
    out = Out(database, dial("77"), sandbox=sandbox)
    out.put(leads(16))
    out.drain()
    sandbox.breaches.clear()
    sandbox.wolkvox.add_campaign("77")
    out.resume()
    out.later(refusals.SAMPLE_WAIT_MS / 1000)
    out.drain()
    assert out.states() == {"delivered": 16}
    assert sandbox.wolkvox.duplicates("77") == {}


def test_resume_of_a_campaign_that_is_still_wrong_stops_again(database: Database, sandbox: Sandbox):
    out = Out(database, dial("77"), sandbox=sandbox)
    out.put(leads(16))
    for _ in range(2):
        out.drain()
        assert out.destination("dialler/wolkvox.add_record/77").state == "stopped"
        out.resume()
        out.later(refusals.SAMPLE_WAIT_MS / 1000)
    assert out.states() == {"pending": 16}
    sandbox.breaches.clear()


def test_a_lone_record_refused_before_anything_was_accepted_is_kept_then_condemned(database: Database):
    out = Out(database, dial())
    out.put([lead(1)])
    out.settle(out.claimed(), refused())
    [row] = out.deliveries()
    assert (row.state, row.lane) == ("pending", LIVE)
    assert (code(row), words(row)) == (Code.REFUSAL_KEPT, "400 wrong")
    out.put([lead(2)])
    out.settle(out.claimed(), accepted())
    out.later(61)
    out.settle(out.claimed(), refused())
    assert out.states() == {"dead": 1, "delivered": 1}


def test_what_was_accepted_over_a_day_ago_condemns_nobody(database: Database):
    out = Out(database, dial())
    out.works()
    out.later(25 * 3600)
    out.put([lead(1)])
    out.settle(out.claimed(), refused())
    assert out.states() == {"pending": 1}
    assert out.destination().state == "open"


def test_the_same_lone_refusals_stop_the_destination_and_an_acceptance_forgets_them(database: Database):
    out = Out(database, dial())
    for number in range(refusals.SAMPLES - 1):
        out.put([lead(number)])
        out.settle(out.claimed(), refused())
    assert out.destination().state == "open"
    out.put([lead(50)])
    out.settle(out.claimed(), accepted())
    assert accounts.refusals(out.destination()) == []
    out.later(25 * 3600)
    for number in range(60, 60 + refusals.SAMPLES):
        with database.write() as conn:
            conn.execute(update(tables.deliveries).where(tables.deliveries.c.state == "pending").values(state="dead"))
        out.put([lead(number)])
        out.settle(out.claimed(), refused())
    assert out.destination().state == "stopped"


def test_refusals_in_ever_other_words_stop_it_too_before_the_budget_is_gone(database: Database):
    out = Out(database, dial())
    out.put(leads(30))
    calls = 0
    for _ in range(20):
        while isinstance(claimed := out.claim(), Claim):
            calls += 1
            out.settle(claimed, refused(f"row {claimed.attempt.id} is wrong"))
        out.later(61)
    assert out.destination().state == "stopped"
    assert out.states() == {"pending": 30}
    assert calls < 25


# --- unknown --------------------------------------------------------------------------------------------------------


def test_an_unknown_outcome_is_uncertain_and_never_blindly_repeated(database: Database, sandbox: Sandbox):
    out = Out(database, dial(), sandbox=sandbox)
    sandbox.fault("wolkvox.add_record", "cut", where="after")
    sandbox.fault("wolkvox.find_record", "status", status=500, times=None)
    out.put(leads(3))
    out.step()
    assert out.states() == {"uncertain": 3}
    row = out.deliveries()[0]
    assert (code(row), words(row)) == (Code.UNKNOWN_ASKED, "no answer: the connection was cut")
    for _ in range(5):
        out.later(700)
        out.drain()
    assert sandbox.wolkvox.count("1042") == 3
    assert [kind for kind, _ in out.kinds()].count("send") == 1


def test_an_answer_that_comes_late_settles_what_was_unknown(database: Database):
    out = Out(database, dial())
    out.put(leads(2))
    claimed = out.claimed()
    out.later(10)
    asked = out.claimed()  # lapses the first and asks about it
    assert out.states() == {"uncertain": 2}
    out.settle(claimed, accepted())
    assert out.states() == {"delivered": 2}
    assert out.kinds() == [("send", "accepted"), ("probe", "started")]
    assert asked.attempt.about == claimed.attempt.id


def test_an_answer_that_comes_after_it_was_settled_changes_nothing(database: Database):
    out = Out(database, dial())
    out.works()
    out.put(leads(2))
    claimed = out.claimed()
    out.settle(claimed, accepted())
    out.settle(claimed, refused())
    out.settle(claimed, unknown())
    assert out.states() == {"delivered": 2}
    assert out.kinds() == [("send", "accepted")]


def test_what_cannot_be_asked_waits_for_a_person(database: Database):
    out = Out(database, note(on_unknown="ask"))
    out.put([ticket(1, type="ticket.updated", answer_id=5)])
    out.settle(out.claimed("surveys"), unknown())
    [row] = out.deliveries("uncertain")
    assert code(row) is Code.UNKNOWN_KEPT
    assert out.attempts()[0].probe_at is None


def test_a_route_may_have_the_unknown_sent_again(database: Database):
    out = Out(database, dial(on_unknown="resend"))
    out.put(leads(1))
    out.settle(out.claimed(), unknown())
    assert out.states() == {"pending": 1}
    assert isinstance(out.claim(), Wait)
    out.later(4)
    out.settle(out.claimed(), accepted())
    assert out.kinds() == [("send", "unknown"), ("send", "accepted")]


def test_not_sent_costs_nothing_and_goes_again(database: Database):
    out = Out(database, dial())
    out.put(leads(2))
    words = "not sent: the connection was refused"
    held_for = Reason(Code.HELD_NETWORK, {"fault": words})
    out.settle(
        out.claimed(), Outcome(attempt="not_sent", verdict=Verdict(Fate.AGAIN, words), words=words, hold=held_for)
    )
    assert out.states() == {"pending": 2}
    assert out.attempts()[0].ended_at is None
    assert out.account().hold_reason == held_for
    out.later(3)
    out.claimed()


# --- the account's faults -------------------------------------------------------------------------------------------

TROUBLES = [
    ("status", {"status": 401, "body": {"code": "401", "msg": "PLEASE ENTER THE WOLKVOX-TOKEN"}}, "blocked"),
    ("bad_token_403", {}, "blocked"),
    ("licence_cap_404", {}, "blocked"),
    ("redirect", {}, "held"),
    ("token_limit_403", {}, "held"),
    ("concurrency_403", {}, "held"),
    ("status", {"status": 429, "body": {"code": "429"}, "headers": {"Retry-After": "7"}}, "held"),
]


@pytest.mark.parametrize(("kind", "values", "what"), TROUBLES)
def test_an_accounts_fault_costs_no_record_and_ends_when_a_person_or_time_ends_it(
    database: Database, sandbox: Sandbox, kind: str, values: dict[str, Any], what: str
):
    out = Out(database, dial(), sandbox=sandbox)
    out.put(leads(1, first=9))
    out.drain()
    sandbox.fault("wolkvox.add_record", kind, **values)
    out.put(leads(4))
    before = len(sandbox.calls)
    out.step()
    stand = out.account()
    assert (stand.state == "blocked", stand.hold_until > 0) == (what == "blocked", what == "held")
    assert isinstance(out.claim(), Wait)
    assert len(sandbox.calls) == before + 1
    assert sum(out.states().get(state, 0) for state in ("pending", "uncertain")) == 4
    out.resume() if what == "blocked" else out.later(25 * 3600)
    out.drain()
    out.later(5)
    out.drain()
    assert out.states() == {"delivered": 5}
    assert sandbox.wolkvox.duplicates("1042") == {}
    assert out.account().faults == 0


def test_a_cap_that_is_reached_says_which_sources_filled_it(database: Database) -> None:
    out = Out(database, dial())
    out.put(leads(2))
    with database.write() as conn:
        inbox.store(conn, [out.arrival(lead(9), source="crm")])
    out.settle(out.claimed(), accepted())
    out.put([lead(10)])
    cap = Reason(Code.BLOCKED_LICENCES, {"words": "YOU CAN UPLOAD 0", "status": 404})
    out.settle(out.claimed(), Outcome(attempt="rejected", verdict=Verdict(Fate.AGAIN, "cap"), status=404, block=cap))
    assert "YOU CAN UPLOAD 0; filled lately by landing 2, crm 1" in str(out.account().reason)


def test_faults_in_a_row_are_waited_for_ever_longer_up_to_ten_minutes(database: Database):
    out = Out(database, dial())
    out.put(leads(1))
    waits = []
    for _ in range(13):
        busy = Outcome(
            attempt="rejected",
            verdict=Verdict(Fate.AGAIN, "503"),
            status=503,
            words="503",
            hold=Reason(Code.HELD_SERVER, {"words": "503"}),
        )
        out.settle(out.claimed(), busy)
        answer = out.claim()
        assert isinstance(answer, Wait)
        waits.append(answer.seconds)
        out.later(answer.seconds + 0.1)
    assert waits[0] < 3
    assert waits[5] > 20
    assert 500 < waits[-1] <= 601
    assert waits[:8] == sorted(waits[:8])


def test_a_captcha_stops_tracksale_and_every_customer_waits(database: Database, sandbox: Sandbox):
    out = Out(database, survey(), note(), sandbox=sandbox)
    sandbox.fault("tracksale.dispatch", "captcha_405")
    out.put([ticket(number) for number in range(3)])
    out.drain("surveys")
    assert "CAPTCHA" in str(out.account("surveys").reason)
    assert out.states() == {"pending": 3}
    out.put([ticket(9, type="ticket.updated", answer_id=9)])
    assert out.drain("surveys") == []
    out.resume("surveys")
    out.drain("surveys")
    assert out.states() == {"delivered": 4}


def test_an_answer_that_no_table_knows_fails_closed(database: Database, sandbox: Sandbox):
    out = Out(database, dial(), sandbox=sandbox)
    out.put(leads(1, first=9))
    out.drain()
    sandbox.fault("wolkvox.add_record", "status", status=418, body={"code": "418", "msg": "TEAPOT"})
    out.put(leads(2))
    out.step()
    stand = out.account()
    assert stand.hold_reason is not None and stand.hold_reason.code is Code.HELD_UNKNOWN_ANSWER
    assert "HTTP 418 TEAPOT" in str(stand.hold_reason)
    assert out.states() == {"delivered": 1, "uncertain": 2}
    for _ in range(3):
        out.later(5)
        out.drain()
    assert out.states() == {"delivered": 3}, "the one that is there is found, so the others are surely not there"
    assert sandbox.wolkvox.count("1042") == 3


def test_where_nothing_is_known_to_be_there_an_unknown_answer_waits_for_a_person(database: Database, sandbox: Sandbox):
    out = Out(database, dial(), sandbox=sandbox)
    sandbox.fault("wolkvox.add_record", "status", status=418, body={"code": "418", "msg": "TEAPOT"})
    out.put(leads(2))
    out.step()
    out.resume()
    for _ in range(8):
        out.later(3700)
        out.drain()
    assert out.states() == {"uncertain": 2}
    assert {code(row) for row in out.deliveries()} == {Code.PROBE_NO_CONTROL}
    assert sandbox.wolkvox.count("1042") == 0


# --- each its own ---------------------------------------------------------------------------------------------------


def test_a_partial_answer_settles_every_customer_of_its_own(database: Database, sandbox: Sandbox):
    out = Out(database, survey(), sandbox=sandbox)
    out.put([ticket(1)])
    out.drain("surveys")
    sandbox.tracksale.add_campaign(52, main_channel="Email")
    unreachable = Customer(name="Nils", phone=Phone(57, "3000000077"))
    people = [ticket(1, id="T-1 again"), ticket(2), ticket(3, customer=unreachable), ticket(4)]
    out.put(people)
    out.drain("surveys")
    assert [row.state for row in out.deliveries()] == ["delivered", "suppressed", "delivered", "dead", "delivered"]
    assert "Invalid or empty main channel" in words(out.deliveries("dead")[0])
    assert "already" in words(out.deliveries("suppressed")[0])
    assert len(sandbox.tracksale.customers(52)) == 3


def test_a_duplicate_after_an_unknown_attempt_is_our_own_and_delivered(database: Database, sandbox: Sandbox):
    out = Out(database, survey(on_unknown="resend"), sandbox=sandbox)
    sandbox.fault("tracksale.dispatch", "cut", where="after")
    out.put([ticket(number) for number in range(3)])
    out.step("surveys")
    assert out.states() == {"pending": 3}
    out.put([ticket(2, id="somebody else's")])
    out.later(5)
    out.drain("surveys")
    rows = out.deliveries()
    assert [row.state for row in rows] == ["delivered"] * 3 + ["suppressed"]
    assert code(rows[0]) is Code.LANDED_BEFORE
    assert len(sandbox.tracksale.customers(52)) == 3


def test_a_duplicate_of_everybody_is_suppressed_when_no_attempt_was_unknown(database: Database, sandbox: Sandbox):
    out = Out(database, survey(), sandbox=sandbox)
    out.put([ticket(number) for number in range(2)])
    out.drain("surveys")
    out.put([ticket(number, id=f"again {number}") for number in range(2)])
    out.drain("surveys")
    assert out.states() == {"delivered": 2, "suppressed": 2}


def test_those_in_doubt_after_a_partial_answer_are_asked_about(database: Database):
    out = Out(database, survey())
    out.put([ticket(number) for number in range(4)])
    each = {0: Verdict(Fate.DUPLICATE, "there"), 2: Verdict(Fate.DOUBTFUL, "some"), 3: Verdict(Fate.REFUSED, "bad")}
    out.settle(out.claimed("surveys"), accepted(each=each))
    assert [row.state for row in out.deliveries()] == ["suppressed", "delivered", "uncertain", "dead"]
    asked = out.claimed("surveys")
    assert asked.attempt.kind == "probe"


def test_invalid_customers_condemn_nobody_before_one_was_accepted(database: Database):
    out = Out(database, survey())
    out.put([ticket(number) for number in range(2)])
    each = dict.fromkeys((0, 1), Verdict(Fate.REFUSED, "Invalid or empty main channel"))
    out.settle(out.claimed("surveys"), accepted(each=each))
    assert out.states() == {"pending": 2}
    assert out.destination(SURVEY).state == "open"


# --- copies ---------------------------------------------------------------------------------------------------------


def test_the_attempt_before_a_repeat_is_told_from_the_repeat(database: Database):
    out = Out(database, dial())
    out.put(leads(2))
    before = out.claimed()
    line = out.lines["dialler"]
    with database.write(serialise="dialler") as conn:
        attempts.finish(conn, before.attempt.id, state="not_sent", now=now_ms(conn))
        records = outbox.members(conn, before.attempt.id)
        after = claims.again(conn, line.account, Claim(before.attempt, records), line.places)
    assert isinstance(after, Claim)
    out.settle(before, accepted())
    assert out.states() == {"sending": 2}
    out.settle(after, accepted())
    assert out.states() == {"delivered": 2}
    assert out.kinds() == [("send", "not_sent"), ("send", "accepted")]


def test_what_others_took_further_is_not_repeated(database: Database):
    """A worker wakes from a long sleep: its attempt had lapsed, was asked about, and the records were sent again."""
    out = Out(database, dial())
    out.put(leads(2))
    before = out.claimed()
    with database.read() as conn:
        records = outbox.members(conn, before.attempt.id)
    out.later(4)
    asked = out.claimed()
    with database.write(serialise="dialler") as conn:
        now = now_ms(conn)
        attempts.finish(conn, asked.attempt.id, state="accepted", now=now)
        attempts.finish(conn, before.attempt.id, state="rejected", now=now)
        outbox.settle(conn, before.attempt.id, state="pending", now=now, due_at=now)
    out.claimed()
    line = out.lines["dialler"]
    with database.write(serialise="dialler") as conn:
        assert isinstance(claims.again(conn, line.account, Claim(before.attempt, records), line.places), Wait)
        conn.rollback()
    assert DIAL in {row.destination for row in out.deliveries("sending")}
