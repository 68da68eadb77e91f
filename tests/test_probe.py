"""Asking what became of an unknown attempt: believed when it proves something, left to a person when it does not."""

from __future__ import annotations

from array import array
from typing import Any

import pytest
import requests
from sqlalchemy import update

from connector.core.http import NoAnswer, NotSent
from connector.core.quota import Wait
from connector.core.reasons import Code
from connector.outbound import probe_decisions
from connector.store import attempts, looks, tables
from connector.store import reasons as stored
from connector.store.database import Database
from connector.vendors.sandbox.exchange import Sandbox
from connector.vendors.wolkvox.sandbox_rows import FIELDS
from mappings.events import Customer
from tests import outbound_steps
from tests.outbound_steps import DIAL, Out, code, dial, dialler, lead, leads, survey, ticket, words

store, database, sandbox = outbound_steps.store, outbound_steps.database, outbound_steps.sandbox

FIND = "wolkvox.find_record"
REPORT = "tracksale.report_dispatch"


def asked(sandbox: Sandbox, operation: str = FIND) -> int:
    return [call.operation for call in sandbox.calls].count(operation)


def cut(out: Out, sandbox: Sandbox, count: int, *, where: str) -> None:
    """Sends ``count`` leads in a call whose connection is cut. find_record has found somebody who is there lately."""
    out.finds()
    sandbox.fault("wolkvox.add_record", "cut", where=where)
    out.put(leads(count))
    out.step()
    assert out.states() == {"uncertain": count}


def reasons(out: Out) -> set[Code | None]:
    return {code(row) for row in out.deliveries()}


# --- wolkvox --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trace", ["", "opt12"])
@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("count", [1, 2, 40])
def test_a_cut_call_ends_with_every_lead_there_once(
    database: Database, sandbox: Sandbox, count: int, where: str, trace: str
):
    out = Out(database, dial(trace=trace), sandbox=sandbox)
    cut(out, sandbox, count, where=where)
    out.later(5)
    out.drain()
    assert out.states() == {"delivered": count}
    assert sandbox.wolkvox.count("1042") == count
    assert sandbox.wolkvox.duplicates("1042") == {}
    assert asked(sandbox) == (1 if trace else min(count, probe_decisions.SAMPLE))
    if where == "after":
        assert reasons(out) == {Code.PROBE_LANDED}
        assert out.kinds()[0] == ("send", "accepted")
    else:
        assert out.kinds()[0] == ("send", "rejected")


def test_presence_is_believed_at_once(database: Database, sandbox: Sandbox):
    out = Out(database, dial(), sandbox=sandbox)
    cut(out, sandbox, 3, where="after")
    out.later(2.1)  # the account's hold is over, the attempt's deadline is not
    out.drain()
    assert reasons(out) == {Code.PROBE_LANDED}


def test_absence_is_not_believed_before_the_attempts_deadline(database: Database, sandbox: Sandbox):
    """The vendor is slow to insert: the row is not there when first asked, and is a moment later."""
    sandbox.limits.change(insert_delay_s=3600)
    out = Out(database, dial(), sandbox=sandbox, accounts=[dialler(sandbox.url, timeout_s=300.0)])
    cut(out, sandbox, 2, where="after")
    out.later(2.1)
    out.drain()
    assert asked(sandbox) == 1
    assert out.states() == {"uncertain": 2}
    answer = out.claim()
    assert isinstance(answer, Wait)
    assert answer.seconds is not None
    assert 200 < answer.seconds < 299.5, "what is left to the deadline, and a second"
    for campaign in sandbox.wolkvox.campaigns.values():  # the rows are inserted
        campaign.visible_at = array("d", [0.0] * len(campaign.visible_at))
    out.later(0.7)
    assert isinstance(out.claim(), Wait), "not a moment too early"
    out.later(300)
    out.drain()
    assert out.states() == {"delivered": 2}
    assert sandbox.wolkvox.count("1042") == 2


def test_an_insertion_under_way_is_no_disagreement(database: Database, sandbox: Sandbox):
    """Before the deadline some of the sample may be there and some not yet."""
    out = Out(database, dial(), sandbox=sandbox)
    cut(out, sandbox, 3, where="after")
    out.later(2.1)
    out.step()
    no_data = {"code": "404", "error": "Not Found", "msg": "No data"}
    sandbox.fault(FIND, "status", status=404, body=no_data)
    out.drain()
    assert reasons(out) != {Code.PROBE_DISAGREES}
    out.later(5)
    out.drain()
    assert out.states() == {"delivered": 3}
    assert sandbox.wolkvox.count("1042") == 3


def upload_by_hand(sandbox: Sandbox, number: int) -> None:
    person = {"customer_id": f"C-{number}", "tel1": f"3{number:09d}"}
    query = {"api": "add_record", "type_campaign": "predictive", "campaign_id": "1042", "campaign_status": "start"}
    answer = requests.post(
        f"{sandbox.url}/api/v2/campaign.php",
        params=query,
        json=[dict.fromkeys(FIELDS, "") | person],
        headers={"wolkvox-token": "by-hand"},
        timeout=5,
    )
    assert answer.status_code == 201


def test_answers_that_disagree_leave_it_to_a_person(database: Database, sandbox: Sandbox):
    upload_by_hand(sandbox, 2)
    out = Out(database, dial(), sandbox=sandbox)
    cut(out, sandbox, 3, where="before")
    out.later(5)
    out.drain()
    assert out.states() == {"uncertain": 3}
    assert reasons(out) == {Code.PROBE_DISAGREES}
    out.later(3600)
    assert out.drain() == [], "it is not asked again"
    assert sandbox.wolkvox.count("1042") == 1


def test_with_a_trace_a_hand_made_row_does_not_confuse(database: Database, sandbox: Sandbox):
    for number in (1, 2, 3):
        upload_by_hand(sandbox, number)
    out = Out(database, dial(trace="opt12"), sandbox=sandbox)
    cut(out, sandbox, 3, where="before")
    out.later(5)
    out.drain()
    assert out.states() == {"delivered": 3}
    assert sandbox.wolkvox.count("1042") == 6


@pytest.mark.parametrize("where", ["before", "after"])
def test_people_sent_to_the_campaign_before_prove_nothing(database: Database, sandbox: Sandbox, where: str):
    out = Out(database, dial(), sandbox=sandbox)
    out.put([lead(1), lead(2)])
    out.drain()
    sandbox.fault("wolkvox.add_record", "cut", where=where)
    out.put([lead(1, id="again 1"), lead(2, id="again 2")])
    out.drain()
    out.later(5)
    out.drain()
    assert out.states() == {"delivered": 2, "uncertain": 2}
    assert {code(row) for row in out.deliveries("uncertain")} == {Code.PROBE_NOBODY_NEW}
    assert asked(sandbox) == 0, "no call is spent on it"


def test_those_who_are_new_decide_for_those_who_are_not(database: Database, sandbox: Sandbox):
    out = Out(database, dial(), sandbox=sandbox)
    out.put(leads(8))
    out.drain()
    sandbox.fault("wolkvox.add_record", "cut", where="before")
    out.put([*(lead(number, id=f"again {number}") for number in range(1, 9)), lead(50)])
    out.step()
    out.later(5)
    out.drain()
    assert out.states() == {"delivered": 17}
    assert asked(sandbox) == 2, "and about one who is surely there"
    assert sandbox.wolkvox.count("1042") == 17


def test_with_a_trace_people_sent_before_are_no_hindrance(database: Database, sandbox: Sandbox):
    out = Out(database, dial(trace="opt12"), sandbox=sandbox)
    out.put([lead(1)])
    out.drain()
    sandbox.fault("wolkvox.add_record", "cut", where="before")
    out.put([lead(1, id="again")])
    out.step()
    out.later(5)
    out.drain()
    assert out.states() == {"delivered": 2}
    assert sandbox.wolkvox.count("1042") == 2


def test_rows_without_the_traces_column_prove_nothing(database: Database, sandbox: Sandbox):
    out = Out(database, dial(trace="opt12"), sandbox=sandbox)
    cut(out, sandbox, 2, where="after")
    body = {"code": "200", "error": None, "data": [{"customer_id": "C-1", "tel1": "3000000001"}]}
    sandbox.fault(FIND, "status", status=200, body=body)
    out.later(3)
    out.drain()
    assert out.states() == {"uncertain": 2}
    assert {words(row) for row in out.deliveries()} == {"the rows that wolkvox shows have no opt12"}


def test_rows_of_somebody_else_prove_nothing(database: Database, sandbox: Sandbox):
    out = Out(database, dial(), sandbox=sandbox)
    cut(out, sandbox, 2, where="after")
    for row in ({"total_registers": "77"}, {"customer_id": "C-9", "tel1": "3000000099"}):
        body = {"code": "200", "error": None, "data": [row]}
        sandbox.fault(FIND, "status", status=200, body=body)
    out.later(3)
    out.drain()
    assert out.states() == {"uncertain": 2}
    assert {words(row) for row in out.deliveries()} == {"the rows that wolkvox shows are of somebody else"}


def test_an_answer_that_comes_after_the_matter_is_settled_asks_nothing_for_ever(database: Database, sandbox: Sandbox):
    out = Out(database, dial(), sandbox=sandbox)
    out.put([lead(1)])
    out.drain()
    attempt = out.attempts()[-1].id
    with database.write() as conn:
        attempts.ask_later(conn, attempt, 1, {"present": {"1": False}, "control": True})
    out.drain()
    assert asked(sandbox) == 0
    with database.read() as conn:
        assert looks.moments(conn, "dialler", list(out.places["dialler"])).probe_at is None
    assert out.states() == {"delivered": 1}


# --- a positive control ---------------------------------------------------------------------------------------------

#: What a server may say to a call that it does not know.
NOT_KNOWN = {
    "the envelope's 404": {"status": 404, "body": {"code": "404", "error": "Not Found", "msg": "No data"}},
    "a web server's 404": {"status": 404},
    "405": {"status": 405},
    "does not exist": {"status": 400, "body": {"code": "400", "error": "THE API YOU WANT TO CONSULT DOES NOT EXIST"}},
}


def cut_before(out: Out, sandbox: Sandbox, number: int) -> None:
    """One lead, whose call never arrives."""
    sandbox.fault("wolkvox.add_record", "cut", where="before")
    out.put(leads(1, first=number))
    out.step()


def waiting_out(out: Out, hours: int = 3) -> None:
    for _ in range(hours * 12):
        out.drain()
        out.later(300)


@pytest.mark.parametrize("answer", NOT_KNOWN)
@pytest.mark.parametrize("known", [0, 3])
def test_where_nobody_can_be_found_nobody_is_sent_twice(database: Database, sandbox: Sandbox, answer: str, known: int):
    out = Out(database, dial(), sandbox=sandbox)
    if known:
        out.put(leads(known, first=800))
        out.drain()
    sandbox.fault(FIND, "status", times=None, **NOT_KNOWN[answer])
    cut_before(out, sandbox, 1)
    waiting_out(out)
    assert out.states() == {"uncertain": 1} | ({"delivered": known} if known else {})
    assert "connector resolve" in str(stored.of(out.deliveries("uncertain")[0]))
    assert sandbox.wolkvox.count("1042") == known
    assert out.account().state == "open"
    assert asked(sandbox) < 12


def test_absence_is_believed_once_one_who_is_there_was_found(database: Database, sandbox: Sandbox):
    out = Out(database, dial(), sandbox=sandbox)
    out.put(leads(1, first=900))
    out.drain()
    cut_before(out, sandbox, 1)
    out.later(5)
    out.drain()
    assert out.states() == {"delivered": 2}
    assert asked(sandbox) == 2
    cut_before(out, sandbox, 2)
    out.later(5)
    out.drain()
    assert out.states() == {"delivered": 3}
    assert asked(sandbox) == 3, "one was found within the hour"


def test_a_lead_delivered_later_is_the_control_of_the_first(database: Database, sandbox: Sandbox):
    out = Out(database, dial(), sandbox=sandbox)
    cut_before(out, sandbox, 1)
    out.later(5)
    out.drain()
    assert out.states() == {"uncertain": 1}
    out.put(leads(1, first=2))
    out.drain()
    out.later(70)
    out.drain()
    assert out.states() == {"delivered": 2}


# --- faults while asking --------------------------------------------------------------------------------------------

TROUBLES = [
    ("status", {"status": 500}),
    ("status", {"status": 429, "body": {"code": "429"}, "headers": {"Retry-After": "9"}}),
    ("cut", {}),
    ("half_body", {}),
    ("html_200", {}),
    ("garbage_json", {}),
    ("concurrency_403", {}),
    ("token_limit_403", {}),
    ("bad_token_403", {}),
    ("licence_cap_404", {}),
    ("redirect", {}),
]


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize(("kind", "values"), TROUBLES)
def test_whatever_breaks_the_question_it_is_put_again_and_settles_in_the_end(
    database: Database, sandbox: Sandbox, kind: str, values: dict[str, Any], where: str
):
    out = Out(database, dial(), sandbox=sandbox)
    cut(out, sandbox, 2, where=where)
    sandbox.fault(FIND, kind, **values)
    out.later(5)
    out.step()
    assert asked(sandbox) == 1
    assert out.states() == {"uncertain": 2}
    assert isinstance(out.claim(), Wait)
    out.resume()
    out.later(5)
    out.drain()
    assert out.states() == {"delivered": 2}
    assert sandbox.wolkvox.count("1042") == 2


@pytest.mark.parametrize("fault", [NotSent("not sent: refused"), NoAnswer("no answer: cut")])
def test_a_question_that_did_not_get_through_is_put_again(database: Database, sandbox: Sandbox, fault: Exception):
    out = Out(database, dial(), sandbox=sandbox)
    cut(out, sandbox, 1, where="after")
    vendor, faults = out.lines["dialler"].vendor, [fault]
    real = vendor.find_record

    def find(*args: Any, **kwargs: Any) -> Any:
        if faults:
            raise faults.pop()
        return real(*args, **kwargs)

    vendor.find_record = find  # type: ignore[method-assign, union-attr]
    out.later(3)
    out.step()
    assert out.states() == {"uncertain": 1}
    out.later(8)
    out.drain()
    assert out.states() == {"delivered": 1}


def test_a_question_that_the_vendor_refuses_is_not_put_for_ever(database: Database, sandbox: Sandbox):
    """The campaign is gone: find_record answers 400, and each try costs a call of the day's budget."""
    out = Out(database, dial(), sandbox=sandbox)
    cut(out, sandbox, 2, where="after")
    wrong = {"code": "400", "error": "Bad Request", "msg": "SOME PARAMETERS ARE REQUIRED"}
    sandbox.fault(FIND, "status", status=400, body=wrong, times=None)
    for _ in range(20):
        out.drain()
        out.later(60)
    assert asked(sandbox) == 1
    assert {words(row) for row in out.deliveries()} == {
        "the vendor refused the question (400 SOME PARAMETERS ARE REQUIRED)"
    }


def test_a_vendor_that_fails_every_question_is_asked_ever_more_rarely(database: Database, sandbox: Sandbox):
    out = Out(database, dial(), sandbox=sandbox)
    cut(out, sandbox, 1, where="after")
    sandbox.fault(FIND, "status", status=502, times=None)
    for _ in range(60):
        out.drain()
        out.later(60)
    assert asked(sandbox) < 20


def test_leads_go_on_while_a_question_waits_for_the_deadline(database: Database, sandbox: Sandbox):
    out = Out(database, dial(), sandbox=sandbox)
    cut(out, sandbox, 2, where="before")
    out.later(2)  # the account's hold is over, the attempt's deadline is not
    out.put(leads(1, first=9))
    out.drain()
    assert "C-9" in sandbox.wolkvox.customer_ids("1042")
    assert out.states() == {"uncertain": 2, "delivered": 1}


# --- others were faster ---------------------------------------------------------------------------------------------


def test_nobody_is_asked_about_what_a_person_has_resolved(database: Database, sandbox: Sandbox):
    out = Out(database, dial(), sandbox=sandbox)
    cut(out, sandbox, 2, where="after")
    deliveries = tables.deliveries
    with database.write() as conn:
        conn.execute(update(deliveries).values(state="delivered", reason_code="resolved.landed"))
    out.later(3)
    out.drain()
    assert asked(sandbox) == 0
    assert reasons(out) == {Code.RESOLVED_LANDED}
    assert out.attempts()[0].probe_at is None


def test_a_late_answer_during_the_question_stands(database: Database, sandbox: Sandbox):
    out = Out(database, dial(), sandbox=sandbox)
    out.put(leads(2))
    late = out.claimed()
    out.later(6)
    question = out.claimed()
    assert question.attempt.kind == "probe"
    out.settle(late, outbound_steps.accepted())
    out.make(question)
    out.later(3)
    out.drain()
    assert out.states() == {"delivered": 2}
    assert sandbox.wolkvox.count("1042") == 0, "not sent in this test, and not sent again"


def test_several_unknown_attempts_are_settled_each_for_itself(database: Database, sandbox: Sandbox):
    out = Out(database, dial(), sandbox=sandbox)
    for first, where in ((1, "after"), (11, "before"), (21, "after")):
        sandbox.fault("wolkvox.add_record", "cut", where=where)
        out.put(leads(2, first=first))
        out.later(5)
        while (claimed := out.claimed()).attempt.kind != "send":
            out.make(claimed)
        out.make(claimed)
    out.later(5)
    out.drain()
    out.later(5)
    out.drain()
    assert out.states() == {"delivered": 6}
    assert sandbox.wolkvox.count("1042") == 6
    assert sandbox.wolkvox.duplicates("1042") == {}


# --- Tracksale ------------------------------------------------------------------------------------------------------


def lost(out: Out, sandbox: Sandbox, people: list[Any], *, where: str) -> None:
    sandbox.fault("tracksale.dispatch", "cut", where=where)
    out.put(people)
    out.step("surveys")
    assert {row.state for row in out.deliveries()[-len(people) :]} == {"uncertain"}


def test_a_dispatch_is_looked_for_in_the_report(database: Database, sandbox: Sandbox):
    out = Out(database, survey(), sandbox=sandbox)
    lost(out, sandbox, [ticket(number) for number in range(30)], where="after")
    out.later(3)
    out.drain("surveys")
    assert out.states() == {"delivered": 30}
    assert asked(sandbox, REPORT) == 1
    assert len(sandbox.tracksale.customers(52)) == 30


def test_a_report_that_lags_is_looked_at_again(database: Database, sandbox: Sandbox):
    sandbox.limits.change(report_lag_s=3600.0)
    out = Out(database, survey(), sandbox=sandbox)
    lost(out, sandbox, [ticket(number) for number in range(3)], where="after")
    out.later(5)
    out.drain("surveys")
    assert out.states() == {"uncertain": 3}
    out.later(50)
    assert out.drain("surveys") == []
    sandbox.limits.change(report_lag_s=0.0)
    out.later(11)
    out.drain("surveys")
    assert out.states() == {"delivered": 3}
    assert len(sandbox.tracksale.customers(52)) == 3


def test_absence_from_the_report_proves_nothing_and_is_left_to_a_person(database: Database, sandbox: Sandbox):
    out = Out(database, survey(), sandbox=sandbox)
    lost(out, sandbox, [ticket(number) for number in range(3)], where="before")
    for _ in range(10):
        out.later(3601)
        out.drain("surveys")
    assert out.states() == {"uncertain": 3}
    assert reasons(out) == {Code.PROBE_NOT_SEEN}
    assert asked(sandbox, REPORT) == 1 + len(probe_decisions.LOOKS_AFTER_S)
    assert sandbox.tracksale.customers(52) == []


def test_a_customer_dispatched_before_proves_nothing_in_the_report(database: Database, sandbox: Sandbox):
    out = Out(database, survey(), sandbox=sandbox)
    out.put([ticket(1)])
    out.drain("surveys")
    lost(out, sandbox, [ticket(1, id="T-1 again")], where="before")
    out.later(5)
    out.drain("surveys")
    assert out.states() == {"delivered": 1, "uncertain": 1}
    assert code(out.deliveries("uncertain")[0]) is Code.PROBE_NOBODY_NEW


def test_customers_are_found_by_any_of_their_identities(database: Database, sandbox: Sandbox):
    out = Out(database, survey(), sandbox=sandbox)
    shouting = ticket(1, customer=Customer(name="Ana", email="ANA@EXAMPLE.COM"))
    known = ticket(2, customer=Customer(name="Bo", identification="900", email="bo@example.com"))
    lost(out, sandbox, [shouting, known], where="after")
    out.later(3)
    out.drain("surveys")
    assert out.states() == {"delivered": 2}


@pytest.mark.parametrize(("kind", "values"), [("status", {"status": 500}), ("captcha_405", {}), ("garbage_json", {})])
def test_a_report_that_fails_is_looked_at_again(
    database: Database, sandbox: Sandbox, kind: str, values: dict[str, Any]
):
    out = Out(database, survey(), sandbox=sandbox)
    lost(out, sandbox, [ticket(1)], where="after")
    sandbox.fault(REPORT, kind, **values)
    out.later(5)
    out.drain("surveys")
    assert out.states() == {"uncertain": 1}
    out.resume("surveys")
    out.later(8)
    out.drain("surveys")
    assert out.states() == {"delivered": 1}


def test_a_question_takes_a_slot_like_any_call(database: Database, sandbox: Sandbox):
    out = Out(database, dial(), accounts=[dialler(sandbox.url, licences=1)])
    cut(out, sandbox, 1, where="after")
    with database.write() as conn:
        started = tables.attempts
        row = {"account": "dialler", "destination": DIAL, "kind": "send", "state": "accepted", "worker": "w"}
        row |= {"records": 1, "started_at": 1, "deadline": 2, "ended_at": out.attempts()[0].started_at}
        conn.execute(started.insert(), [row] * 999)
    out.later(10)
    answer = out.claim()
    assert isinstance(answer, Wait)
    assert "1000 calls are used" in answer.why
    assert asked(sandbox) == 0
