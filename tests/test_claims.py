"""The claim: limits held exactly by any number of claimers, the right batch first, guards, waits."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import insert, update

from connector.core.quota import Wait
from connector.core.reasons import Code, Reason
from connector.outbound import refusals
from connector.outbound.claims import Claim
from connector.outbound.look import next_look
from connector.store import accounts, attempts, reasons, tables
from connector.store.database import Database, now_ms
from connector.store.lanes import BULK, LIVE, LIVE_SPLIT
from connector.vendors.limits import limits
from mappings.events import Event
from tests import outbound_steps
from tests.outbound_steps import (
    DIAL,
    SURVEY,
    Out,
    accepted,
    code,
    dial,
    dialler,
    lead,
    leads,
    note,
    once,
    refused,
    survey,
    surveys,
    ticket,
    unknown,
)

store, database = outbound_steps.store, outbound_steps.database

DAY_S = 24 * 3600


@pytest.fixture
def out(database: Database) -> Out:
    return Out(database, dial())


def waits(answer: Claim | Wait) -> Wait:
    assert isinstance(answer, Wait), answer
    return answer


def put_rows(out: Out, count: int, **values: Any) -> None:
    """Attempts made before."""
    with out.database.write() as conn:
        now = now_ms(conn)
        row = {"account": "dialler", "destination": DIAL, "kind": "send", "state": "accepted", "worker": "w"}
        row |= {"records": 1, "started_at": now - 5000, "deadline": now + 60_000, "ended_at": now - 4000} | values
        conn.execute(insert(tables.attempts), [row] * count)


_test = {"begun": 0.0}


@pytest.fixture(autouse=True)
def begun() -> None:
    _test["begun"] = time.monotonic()


def is_left(seconds: float | None, of: float, *, within: float) -> bool:
    """Whether a wait is so long, less what this test has taken until now: a slow machine is no fault."""
    taken = time.monotonic() - _test["begun"]
    return seconds is not None and of - within - taken <= seconds <= of + within


# --- limits ---------------------------------------------------------------------------------------------------------


PATIENT_S = 120.0  #: of a call: however slow the machine is, no slot is given back because a deadline has passed


def claim_at_once(
    store: str, make: Callable[[Database], Out], account: str, feed: Callable[[int], Event], *, calls: int
) -> list[Any]:
    """Six threads over two Databases store, claim and settle a moment later, so many calls. Gives all attempts."""
    outs = [make(Database(store)) for _ in range(2)]
    numbers = itertools.count(1)
    made: list[Claim] = []

    def run(number: int) -> None:
        mine = outs[number % 2]
        while len(made) < calls:
            mine.put([feed(next(numbers))])
            answer = mine.claim(account)
            if isinstance(answer, Claim):
                time.sleep(0.002 * (number % 3))
                mine.settle(answer, accepted())
                made.append(answer)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(run, range(6)))
    rows = outs[0].attempts()
    for out in outs:
        out.database.close()
    return rows


def test_two_calls_of_a_wolkvox_token_are_in_flight_and_never_three(store: str, database: Database):
    routes = [dial("1042"), dial("1043")]
    patient = dialler(timeout_s=PATIENT_S)
    rows = claim_at_once(store, lambda one: Out(one, *routes, accounts=[patient]), "dialler", lead, calls=30)
    calls = [(row.started_at, row.ended_at) for row in rows]
    assert len(calls) >= 30
    assert max(sum(s <= started < e for s, e in calls) for started, _ in calls) <= 2


def test_tracksales_window_slides_and_is_never_exceeded(store: str, database: Database):
    account = surveys(requests_per_window=6, window_seconds=0.3)
    rows = claim_at_once(store, lambda one: Out(one, note(), accounts=[account]), "surveys", update_of, calls=18)
    calls = [(row.started_at, row.ended_at) for row in rows]
    assert len(calls) >= 18
    for at, (started, _) in enumerate(calls):  # any of them may have arrived as late as its end
        assert sum(one > started - 300 for _, one in calls[: at + 1]) <= 6


def update_of(number: int) -> Event:
    return ticket(number, type="ticket.updated", answer_id=number)


def test_two_in_flight_hold_across_databases_while_nobody_answers(store: str, database: Database):
    routes = [dial(str(one)) for one in range(1000, 1010)]
    patient = dialler(timeout_s=PATIENT_S)
    out = Out(database, *routes, accounts=[patient])
    out.put([lead(1)])
    others = [Out(Database(store), *routes, accounts=[patient]) for _ in range(2)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: others[number % 2].claim(), range(24)))
    taken = [one for one in answers if isinstance(one, Claim)]
    assert len(taken) == 2
    assert {waits(one).why for one in answers if not isinstance(one, Claim)} == {"2 calls are in flight"}
    out.settle(taken[0], accepted())
    assert out.claimed().attempt.id not in {one.attempt.id for one in taken}
    waits(out.claim())
    for other in others:
        other.database.close()


def test_the_daily_budget_ends_at_its_last_call(out: Out):
    out = Out(out.database, dial(), accounts=[dialler(licences=1)])
    put_rows(out, 999)
    out.put(leads(1))
    out.settle(out.claimed(), accepted())
    out.put(leads(1, first=2))
    wait = waits(out.claim())
    assert wait.why == "the day's 1000 calls are used"
    assert is_left(wait.seconds, DAY_S - 4, within=1)
    out.later(DAY_S)
    out.claimed()


def test_a_call_counts_from_its_start_until_the_window_after_its_end(out: Out):
    out = Out(out.database, note(), accounts=[surveys(requests_per_window=1, window_seconds=300)])
    out.put([ticket(number, type="ticket.updated", answer_id=number + 1) for number in range(3)])
    first = out.claimed("surveys")
    assert "1 requests in 300 s" in waits(out.claim("surveys")).why
    out.later(2)
    out.settle(first, accepted())
    wait = waits(out.claim("surveys"))
    assert is_left(wait.seconds, 300, within=1)
    out.later(200)
    assert is_left(waits(out.claim("surveys")).seconds, 100, within=1)
    out.later(101)
    out.claimed("surveys")


def test_what_was_provably_not_sent_counts_nowhere(out: Out):
    put_rows(out, 5, state="not_sent", ended_at=None)
    out.put(leads(1))
    out.claimed()
    with out.database.read() as conn:
        used, [day] = attempts.usage(conn, "dialler", limits(dialler()), now_ms(conn))
    assert (used.calls, day.calls) == (1, 1)


def test_an_unknown_call_keeps_its_slot_until_its_deadline(out: Out):
    put_rows(out, 2, state="unknown", ended_at=None)
    with out.database.write() as conn:
        conn.execute(update(tables.attempts).values(ended_at=tables.attempts.c.deadline))
    out.put(leads(1))
    wait = waits(out.claim())
    assert wait.why == "2 calls are in flight"
    assert is_left(wait.seconds, 60, within=2)
    out.later(61)
    out.claimed()


def test_a_batch_holds_what_the_vendor_takes_and_no_more(out: Out):
    out = Out(out.database, survey())
    out.put([ticket(number) for number in range(501)])
    first, second = out.claimed("surveys"), out.claimed("surveys")
    rows = {row.id: row.records for row in out.attempts()}
    assert [rows[one.attempt.id] for one in (first, second)] == [500, 1]


# --- order ----------------------------------------------------------------------------------------------------------


def lane_of(out: Out, claimed: Claim) -> set[int]:
    return {row.lane for row in out.deliveries("sending") if row.attempt == claimed.attempt.id}


def test_live_destinations_take_turns(database: Database):
    out = Out(database, dial("1042"), dial("1043"), dial("1044"))
    served = []
    for number in range(6):
        out.put([lead(number)])
        claimed = out.claimed()
        served.append(claimed.attempt.destination[-4:])
        out.settle(claimed, accepted())
        out.later(1)
    assert sorted(served[:3]) == ["1042", "1043", "1044"]
    assert served[3:] == served[:3]


def test_live_goes_before_bulk_and_bulk_fills_the_room_it_leaves(out: Out):
    out.put(leads(3), lane=BULK)
    out.put(leads(2, first=10))
    claimed = out.claimed()
    assert lane_of(out, claimed) == {LIVE, BULK}
    assert out.states() == {"sending": 5}


def test_bulk_waits_while_live_fills_whole_batches_but_gets_every_tenth_call(database: Database):
    out = Out(database, note())
    out.put([ticket(number, type="ticket.updated", answer_id=number + 1) for number in range(100, 103)], lane=BULK)
    out.put([ticket(number, type="ticket.updated", answer_id=number + 1) for number in range(25)])
    lanes = []
    for _ in range(22):
        claimed = out.claimed("surveys")
        lanes += lane_of(out, claimed)
        out.settle(claimed, accepted())
    assert [at for at, lane in enumerate(lanes, start=1) if lane == BULK] == [10, 20]


def test_bulk_of_one_destination_waits_for_live_of_another(database: Database):
    out = Out(database, dial("1042"), dial("1043", on=("lead.updated",)))
    out.put(leads(2), lane=BULK)
    out.put([lead(9, type="lead.updated")])
    assert out.claimed().attempt.destination.endswith("1043")
    assert out.claimed().attempt.destination.endswith("1042")


def test_a_question_about_an_unknown_attempt_comes_first_but_not_into_the_last_slot(out: Out):
    out.put(leads(2))
    out.settle(out.claimed(), unknown())  # nobody answered: it has one of the two slots
    out.put(leads(2, first=5))
    sent = out.claimed()
    assert sent.attempt.kind == "send"
    out.settle(sent, accepted())
    asked = out.claimed()
    assert (asked.attempt.kind, asked.attempt.destination) == ("probe", DIAL)
    out.settle(asked, accepted())


def test_where_two_slots_are_free_the_question_goes_before_live_deliveries(out: Out):
    out.put(leads(2))
    out.settle(out.claimed(), unknown(status=500))  # answered: its slot is free
    out.put(leads(2, first=5))
    assert [out.claimed().attempt.kind for _ in range(2)] == ["probe", "send"]


def test_questions_never_have_all_slots_and_nobody_looks_in_vain_meanwhile(out: Out):
    sent = []
    for first in (0, 10):
        out.put(leads(1, first=first))
        sent.append(out.claimed())
    for claimed in sent:
        out.settle(claimed, unknown(status=500))
    assert out.claimed().attempt.kind == "probe"
    assert is_left(waits(out.claim()).seconds, 3, within=0.5)
    assert is_left(look(out), 3, within=0.5)
    out.put(leads(1, first=20))
    assert look(out) == 0
    assert out.claimed().attempt.kind == "send"


def test_a_question_that_died_with_its_worker_is_put_again(out: Out):
    out.put(leads(1))
    out.settle(out.claimed(), unknown())
    first = out.claimed()
    assert first.attempt.about is not None
    assert isinstance(out.claim(), Wait)
    out.later(4)
    again = out.claimed()
    assert (again.attempt.kind, again.attempt.about) == ("probe", first.attempt.about)
    assert out.kinds() == [("send", "unknown"), ("probe", "unknown"), ("probe", "started")]


def test_a_question_about_a_place_that_left_the_configuration_takes_no_slot(database: Database):
    out = Out(database, dial("1042"), dial("1043", on=("lead.updated",)))
    out.put(leads(1))
    out.settle(out.claimed(), unknown())
    after = Out(database, dial("1043", on=("lead.updated",)))
    after.later(10)
    assert waits(after.claim()).seconds is None
    with database.read() as conn:
        assert next_look(conn, after.lines["dialler"].account, after.lines["dialler"].places) is None
    assert after.states() == {"uncertain": 1}
    back = Out(database, dial("1042"), dial("1043", on=("lead.updated",)))
    assert back.claimed().attempt.kind == "probe"


def test_a_started_attempt_of_a_place_that_left_the_configuration_ends_uncertain(database: Database):
    out = Out(database, dial("1042"), dial("1043", on=("lead.updated",)))
    out.put(leads(1))
    out.claimed()
    after = Out(database, dial("1043", on=("lead.updated",)))
    after.later(10)
    waits(after.claim())
    [row] = after.deliveries()
    assert row.state == "uncertain"
    assert code(row) is Code.UNKNOWN_KEPT


def test_a_refused_batchs_halves_take_turns_with_fresh_leads(out: Out):
    out.works()
    out.put(leads(8))
    out.settle(out.claimed(), refused())
    out.put(leads(2, first=50))
    first = out.claimed()
    second = out.claimed()
    assert lane_of(out, first) | lane_of(out, second) == {LIVE, LIVE_SPLIT}


# --- waits ----------------------------------------------------------------------------------------------------------


def test_with_nothing_waiting_the_claim_says_so_and_leaves_no_trace(out: Out):
    wait = waits(out.claim())
    assert (wait.seconds, wait.why) == (None, "nothing is due")
    assert out.attempts() == []


def test_the_wait_ends_when_the_next_delivery_is_due(out: Out):
    out.put(leads(1))
    out.settle(out.claimed(), refused())
    assert is_left(waits(out.claim()).seconds, refusals.SAMPLE_WAIT_MS / 1000, within=1)
    out.later(refusals.SAMPLE_WAIT_MS / 1000)
    out.claimed()


def test_the_wait_ends_when_the_next_question_may_be_put(out: Out):
    out.put(leads(1))
    out.settle(out.claimed(), unknown())
    with out.database.write() as conn:
        conn.execute(update(tables.attempts).values(probe_at=now_ms(conn) + 30_000))
    assert is_left(waits(out.claim()).seconds, 30, within=1)


def look(out: Out) -> float | None:
    """What one sees without the lock."""
    with out.database.read() as conn:
        return next_look(conn, out.lines["dialler"].account, out.lines["dialler"].places)


@pytest.mark.parametrize("lane", [LIVE, BULK])
def test_a_look_without_the_lock_sees_what_a_claim_would_find(out: Out, lane: int):
    assert look(out) is None
    out.put(leads(1), lane=lane)
    assert look(out) == 0
    claimed = out.claimed()
    assert look(out) is None
    out.later(4)
    assert look(out) == 0, "an attempt has lapsed"
    out.settle(claimed, refused())
    assert is_left(look(out), refusals.SAMPLE_WAIT_MS / 1000, within=1)
    out.later(61)
    assert look(out) == 0
    with out.database.write() as conn:
        accounts.hold(conn, "dialler", Reason(Code.HELD_RATE, {"words": "429"}), now_ms(conn) + 7000)
    assert is_left(look(out), 7, within=1)
    with out.database.write() as conn:
        accounts.block(conn, "dialler", Reason(Code.BLOCKED_CREDENTIALS, {"words": "why"}), now_ms(conn))
    assert look(out) is None


def test_a_look_sees_when_a_question_may_be_put_and_when_a_slot_is_free(out: Out):
    out.put(leads(1))
    out.settle(out.claimed(), unknown())
    assert look(out) == 0
    out.claimed()
    assert is_left(look(out), 3, within=0.5), "both slots are taken until a deadline"


# --- accounts and destinations that stand still ---------------------------------------------------------------------


BAD_TOKEN = Reason(Code.BLOCKED_CREDENTIALS, {"words": "bad token"})


def test_a_paused_or_blocked_account_makes_no_call_until_it_is_resumed(out: Out):
    out.put(leads(1))
    with out.database.write() as conn:
        accounts.pause(conn, "dialler", "after a restore", now_ms(conn))
    assert waits(out.claim()).why == "dialler is paused: after a restore"
    with out.database.write() as conn:
        accounts.block(conn, "dialler", BAD_TOKEN, now_ms(conn))
    assert out.account().state == "paused", "a person's word stands"
    out.resume()
    with out.database.write() as conn:
        accounts.block(conn, "dialler", BAD_TOKEN, now_ms(conn))
    assert waits(out.claim()).why == f"dialler is blocked: {BAD_TOKEN}"
    assert waits(out.claim()).seconds is None
    out.resume()
    out.claimed()


def test_a_held_account_waits_the_hold_out(out: Out):
    out.put(leads(1))
    with out.database.write() as conn:
        accounts.hold(conn, "dialler", Reason(Code.HELD_RATE, {"words": "429 slow down"}), now_ms(conn) + 90_000)
        accounts.hold(
            conn, "dialler", Reason(Code.HELD_RATE, {"words": "503 later, but shorter"}), now_ms(conn) + 5_000
        )
    wait = waits(out.claim())
    assert wait.why == "dialler is held: 429 slow down"
    assert is_left(wait.seconds, 90, within=1)
    out.later(91)
    out.claimed()


def test_a_success_of_an_older_call_does_not_end_a_hold(database: Database):
    out = Out(database, dial("1042"), dial("1043"))
    out.put(leads(1))
    older = out.claimed()
    with database.write() as conn:
        accounts.hold(
            conn, "dialler", Reason(Code.HELD_RATE, {"words": "403 TOKEN LIMIT EXCEEDED"}), now_ms(conn) + 3_600_000
        )
    out.settle(older, accepted())
    assert waits(out.claim()).seconds > 3000
    out.later(3601)
    out.settle(out.claimed(), accepted())
    assert out.account().faults == 0


def test_a_lapsed_attempt_is_seen_even_while_the_account_stands_still(out: Out):
    out.put(leads(1))
    out.claimed()
    with out.database.write() as conn:
        accounts.pause(conn, "dialler", "later", now_ms(conn))
    out.later(4)
    waits(out.claim())
    assert (out.kinds(), out.states()) == ([("send", "unknown")], {"uncertain": 1})


def test_a_stopped_destination_keeps_its_deliveries_and_the_others_go_on(database: Database):
    out = Out(database, dial("1042"), dial("1043"))
    out.put(leads(2))
    with database.write() as conn:
        accounts.stop(conn, DIAL, Reason(Code.OTHER, {"words": "look at the campaign"}), now_ms(conn))
    out.settle(out.claimed(), accepted())
    assert waits(out.claim()).why == "look at the campaign"
    assert {(row.destination[-4:], row.state) for row in out.deliveries()} == {
        ("1042", "pending"),
        ("1043", "delivered"),
    }
    out.resume()
    assert out.claimed().attempt.destination == DIAL


# --- lapse ----------------------------------------------------------------------------------------------------------


def test_a_started_attempt_past_its_deadline_is_unknown_and_asked_about(out: Out):
    out.put(leads(2))
    dead = out.claimed()
    out.later(2.9)
    assert out.kinds() == [("send", "started")]
    out.later(0.2)
    asked = out.claimed()
    assert (asked.attempt.kind, asked.attempt.about) == ("probe", dead.attempt.id)
    assert out.states() == {"uncertain": 2}
    assert str(reasons.of(out.deliveries()[0])) == f"{Reason(Code.LAPSED)}; the vendor is asked"


def test_a_lapsed_note_is_sent_again_as_its_route_says(database: Database):
    out = Out(database, note())
    out.put([ticket(1, type="ticket.updated", answer_id=5)])
    out.claimed("surveys")
    out.later(4)
    assert waits(out.claim("surveys")).seconds < 3
    [row] = out.deliveries()
    assert row.state == "pending"
    assert code(row) is Code.UNKNOWN_RESENT
    out.later(3)
    out.claimed("surveys")


# --- the campaign's status ------------------------------------------------------------------------------------------


@pytest.fixture
def auto(database: Database) -> Out:
    return Out(database, dial(status="auto"), accounts=[dialler(timeout_s=3.0)])


def told(out: Out, claimed: Claim, **statuses: str) -> None:
    """The report answered."""
    with out.database.write() as conn:
        now = now_ms(conn)
        attempts.finish(conn, claimed.attempt.id, state="accepted", now=now)
        found = {name.lstrip("c"): status for name, status in statuses.items()}
        accounts.report_ended(conn, "dialler", "accepted", found, [], now)


def test_the_report_is_read_once_in_five_minutes_whoever_claims(store: str, auto: Out):
    auto.put(leads(1))
    others = [Out(Database(store), dial(status="auto")) for _ in range(2)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda number: others[number % 2].claim(), range(12)))
    [report] = [one for one in answers if isinstance(one, Claim)]
    assert report.attempt.kind == "report"
    told(auto, report, c1042="started")
    auto.later(299)
    auto.settle(auto.claimed(), accepted())
    auto.put(leads(1, first=2))
    assert auto.claimed().attempt.kind == "send"
    auto.later(4)
    assert auto.claimed().attempt.kind in ("probe", "report")
    for other in others:
        other.database.close()


@pytest.mark.parametrize(("status", "sent"), [("started", "start"), ("stopped", "stop")])
def test_a_campaign_is_sent_what_it_already_is(auto: Out, status: str, sent: str):
    auto.put(leads(1))
    told(auto, auto.claimed(), c1042=status)
    assert auto.claimed().prepared == sent


@pytest.mark.parametrize("statuses", [{}, {"c1043": "started"}, {"c1042": "paused"}, {"c1042": ""}])
def test_an_unknown_status_holds_the_delivery_until_the_next_report(auto: Out, statuses: dict[str, str]):
    auto.put(leads(1))
    told(auto, auto.claimed(), **statuses)
    assert is_left(waits(auto.claim()).seconds, 300, within=2)
    assert auto.states() == {"pending": 1}
    auto.later(301)
    assert auto.claimed().attempt.kind == "report"


def test_an_old_report_is_not_believed(auto: Out):
    auto.put(leads(1))
    told(auto, auto.claimed(), c1042="started")
    auto.later(301)
    again = auto.claimed()
    assert again.attempt.kind == "report"
    sent = auto.claimed()
    assert sent.prepared == "start", "deliveries go on while a fresh one is read"
    auto.settle(sent, accepted())
    auto.put(leads(1, first=2))
    auto.later(60)
    waits(auto.claim())
    assert auto.states() == {"delivered": 1, "pending": 1}


def test_a_report_whose_worker_died_is_asked_for_five_minutes_after_its_deadline(auto: Out):
    auto.put(leads(1))
    auto.claimed()
    auto.later(301)
    assert is_left(waits(auto.claim()).seconds, 2, within=1), "it may have arrived as late as its deadline"
    auto.later(3)
    assert auto.claimed().attempt.kind == "report"


# --- guards ---------------------------------------------------------------------------------------------------------


def test_an_expired_delivery_ends_suppressed_and_costs_no_call(database: Database):
    out = Out(database, dial(expires_after_s=60))
    out.put(leads(2))
    out.later(61)
    assert waits(out.claim()).seconds == 0
    assert out.attempts() == []
    assert {code(row) for row in out.deliveries("suppressed")} == {Code.EXPIRED}
    out.put(leads(1, first=3))
    claimed = out.claimed()
    assert {row.state for row in out.deliveries() if row.attempt == claimed.attempt.id} == {"sending"}


def test_expired_and_fresh_ones_of_one_batch_part_ways(database: Database):
    out = Out(database, dial(expires_after_s=60))
    out.put(leads(2))
    out.later(61)
    out.put(leads(3, first=3))
    out.claimed()
    assert out.states() == {"suppressed": 2, "sending": 3}
    assert out.attempts()[0].records == 3


@pytest.fixture
def guarded(database: Database) -> Out:
    return Out(database, dial(once_per=once()))


def submit(out: Out, person: int, event: str) -> None:
    out.put([lead(person, id=event)])


def fate(out: Out) -> list[str]:
    return [row.state for row in out.deliveries()]


def test_of_several_submissions_in_one_batch_the_first_goes(guarded: Out):
    for number in range(3):
        submit(guarded, 1, f"E-{number}")
    submit(guarded, 2, "other")
    guarded.claimed()
    assert fate(guarded) == ["sending", "suppressed", "suppressed", "sending"]
    first = guarded.deliveries()[0].id
    assert reasons.of(guarded.deliveries()[1]) == Reason(Code.ONCE, {"other": first})


def test_a_submission_across_batches_is_suppressed_while_the_first_is_in_flight_or_delivered(guarded: Out):
    submit(guarded, 1, "E-1")
    claimed = guarded.claimed()
    submit(guarded, 1, "E-2")
    assert waits(guarded.claim()).seconds == 0
    guarded.settle(claimed, accepted())
    submit(guarded, 1, "E-3")
    assert waits(guarded.claim()).seconds == 0
    assert fate(guarded) == ["delivered", "suppressed", "suppressed"]


def test_an_uncertain_one_counts(guarded: Out):
    submit(guarded, 1, "E-1")
    guarded.settle(guarded.claimed(), unknown(ask=False))
    submit(guarded, 1, "E-2")
    waits(guarded.claim())
    assert fate(guarded) == ["uncertain", "suppressed"]


def test_a_day_later_the_person_is_welcome_again(guarded: Out):
    submit(guarded, 1, "E-1")
    guarded.settle(guarded.claimed(), accepted())
    guarded.later(DAY_S - 60)
    submit(guarded, 1, "E-2")
    waits(guarded.claim())
    guarded.later(120)
    submit(guarded, 1, "E-3")
    guarded.claimed()
    assert fate(guarded) == ["delivered", "suppressed", "sending"]


def test_when_the_first_dies_the_latest_copy_takes_its_place(guarded: Out):
    guarded.works()
    for number in range(3):
        submit(guarded, 1, f"E-{number}")
    guarded.settle(guarded.claimed(), refused())
    assert fate(guarded) == ["dead", "suppressed", "pending"]
    guarded.settle(guarded.claimed(), refused())
    assert fate(guarded) == ["dead", "pending", "dead"], "and if that one dies too, the one before it"
    guarded.settle(guarded.claimed(), accepted())
    assert fate(guarded) == ["dead", "delivered", "dead"]


def test_a_copy_that_comes_after_the_death_is_sent_like_any(guarded: Out):
    guarded.works()
    submit(guarded, 1, "E-1")
    guarded.settle(guarded.claimed(), refused())
    submit(guarded, 1, "E-2")
    guarded.claimed()
    assert fate(guarded) == ["dead", "sending"]


def test_when_the_first_expires_unsent_a_copy_that_has_not_takes_its_place(database: Database):
    out = Out(database, dial(once_per=once(), expires_after_s=3600))
    submit(out, 1, "E-1")
    with database.write() as conn:
        first_due = now_ms(conn) + 3_600_000
        conn.execute(update(tables.deliveries).values(due_at=first_due))
    out.later(1800)
    submit(out, 1, "E-2")
    waits(out.claim())
    assert fate(out) == ["pending", "suppressed"]
    out.later(1801)
    waits(out.claim())
    assert fate(out) == ["suppressed", "pending"]
    out.claimed()


def test_whichever_was_claimed_first_counts_whatever_the_order_of_ids(guarded: Out):
    """Two stores at once: the later id may be committed, claimed and sent before the earlier one can be seen."""
    submit(guarded, 1, "E-1")
    with guarded.database.write() as conn:
        conn.execute(update(tables.deliveries).values(state="suppressed"))  # not to be seen yet
    submit(guarded, 1, "E-2")
    claimed = guarded.claimed()
    with guarded.database.write() as conn:
        conn.execute(update(tables.deliveries).where(tables.deliveries.c.state == "suppressed").values(state="pending"))
    waits(guarded.claim())
    guarded.settle(claimed, accepted())
    assert fate(guarded) == ["suppressed", "delivered"]


def test_a_guard_of_one_route_is_no_guard_of_another(database: Database):
    out = Out(database, dial(once_per=once()), dial(name="free", on=("lead.updated",)), dial("1043", once_per=once()))
    submit(out, 1, "E-1")
    out.put([lead(1, id="U-1", type="lead.updated")])
    for claimed in (out.claimed(), out.claimed()):
        out.settle(claimed, accepted())
    assert set(fate(out)) == {"delivered"}


def test_a_person_who_submits_from_many_threads_is_dialled_once(store: str, guarded: Out):
    def submit_and_claim(number: int) -> Claim | Wait:
        mine = Out(Database(store), dial(once_per=once()))
        submit(mine, 1, f"E-{number}")
        answer = mine.claim()
        if isinstance(answer, Claim):
            mine.settle(answer, accepted())
        mine.database.close()
        return answer

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(submit_and_claim, range(12)))
    while not isinstance(answer := guarded.claim(), Wait) or answer.seconds == 0:
        if isinstance(answer, Claim):
            guarded.settle(answer, accepted())
    assert guarded.states() == {"delivered": 1, "suppressed": 11}


def test_two_claimers_never_share_a_delivery(store: str, database: Database):
    out = Out(database, survey(), accounts=[surveys(requests_per_window=1000)])
    out.put([ticket(number) for number in range(2000)])
    others = [Out(Database(store), survey(), accounts=[surveys()]) for _ in range(2)]
    with ThreadPoolExecutor(4) as pool:
        taken = [
            one
            for one in pool.map(lambda number: others[number % 2].claim("surveys"), range(8))
            if isinstance(one, Claim)
        ]
    assert len(taken) == 4
    rows = out.deliveries("sending")
    assert len(rows) == 2000
    assert {row.attempts for row in rows} == {f",{claimed.attempt.id}" for claimed in taken}
    assert SURVEY in {row.destination for row in rows}
    for other in others:
        other.database.close()
