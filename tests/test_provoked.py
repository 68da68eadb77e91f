"""Answers that no table knows: one record cannot stop an account, and what provoked one is not repeated by itself."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import orjson
import pytest

from connector.core.http import Answer
from connector.core.outcomes import Fate, Outcome, Verdict
from connector.core.reasons import Code, Reason, answer_facts
from connector.outbound.provoked import Answered, Past, Step, is_plain, next_step, samples, speaks_for_the_account
from connector.store.database import Database
from connector.vendors.sandbox.exchange import Sandbox
from mappings.events import Lead
from tests import outbound_steps
from tests.outbound_steps import Out, accepted, code, dial, lead, leads, note, ticket, words

store, database, sandbox = outbound_steps.store, outbound_steps.database, outbound_steps.sandbox


def scripted(number: int) -> Lead:
    return lead(number, first_name=f"<script>alert({number})</script>")


class Filtered:
    """The dialler's own class behind a filter, which answers with a page of its own to what it dislikes."""

    def __init__(self, vendor: Any, dislikes: str, says: Answer) -> None:
        self.vendor, self.dislikes, self.says = vendor, dislikes, says
        self.seen: list[str] = []  #: each body that reached it

    def __getattr__(self, name: str) -> Any:
        return getattr(self.vendor, name)

    def add_record(self, campaign_id: str, rows: Any, **values: Any) -> Answer:
        body = orjson.dumps(rows).decode()
        self.seen.append(body)
        return self.says if self.dislikes in body else self.vendor.add_record(campaign_id, rows, **values)


PAGE = Answer(403, {"content-type": "text/html"}, b"<html>Request blocked</html>")


def behind_a_filter(out: Out, dislikes: str = "<script", says: Answer = PAGE) -> Filtered:
    line = out.lines["dialler"]
    vendor = Filtered(line.vendor, dislikes, says)
    out.lines["dialler"] = replace(line, vendor=vendor)
    return vendor


def goes_on(out: Out, rounds: int = 60) -> None:
    """Until everything is settled, or no call can be made; a minute between two holds."""
    for _ in range(rounds):
        out.drain(most=120)
        out.later(70)
        if out.states().keys() <= {"delivered", "dead"}:
            return


# --- decisions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "others_pass", "step"),
    [(16, True, Step.HALVE), (16, False, Step.SAMPLE), (1, True, Step.SET_APART), (1, False, Step.KEEP)],
)
def test_what_brought_an_unknown_answer_goes_again_in_parts(size: int, others_pass: bool, step: Step) -> None:
    past = Past(first=1, since=1000, times=1)
    assert next_step(size, past, 2000 if others_pass else 900, failed=False, has_status=True) is step


@pytest.mark.parametrize(
    ("size", "times", "others_pass", "has_status", "step"),
    [
        (16, 1, False, True, Step.WHOLE),
        (16, 5, False, True, Step.SAMPLE),
        (16, 6, False, True, Step.WHOLE),
        (16, 5, False, False, Step.WHOLE),
        (1, 5, False, True, Step.WHOLE),
        (16, 1, True, True, Step.HALVE),
        (16, 1, True, False, Step.HALVE),
        (1, 4, True, True, Step.WHOLE),
        (1, 5, True, True, Step.SET_APART),
        (1, 50, True, False, Step.WHOLE),
        (1, 50, False, True, Step.WHOLE),
    ],
)
def test_a_failing_vendor_is_given_more_patience(
    size: int, times: int, others_pass: bool, has_status: bool, step: Step
) -> None:
    past = Past(first=1, since=1000, times=times)
    assert next_step(size, past, 2000 if others_pass else 900, failed=True, has_status=has_status) is step


@pytest.mark.parametrize(
    ("answered", "speaks"),
    [
        ([Answered("pub", is_plain=True)] * 2, False),
        ([Answered("pub", is_plain=True)] * 3, True),
        ([Answered("pub", is_plain=False)] * 50, False),
        ([Answered("pub", is_plain=False)] * 9 + [Answered("crm", is_plain=False)], True),
        ([Answered("", is_plain=False)] * 50, False),
    ],
)
def test_content_does_not_speak_for_the_account(answered: list[Answered], speaks: bool) -> None:
    assert speaks_for_the_account(answered) is speaks


@pytest.mark.parametrize(
    "name", ["Íñigo Núñez-O Neill", "Ana, de Perez", "https://shop.example/?utm=a&b=2", "50 % ¿sí?"]
)
def test_what_people_write_is_plain(name: str) -> None:
    assert is_plain(json.dumps({"customer_name": name, "opt1": ""}, ensure_ascii=False))


@pytest.mark.parametrize("name", ["<b>x", "a'; DROP", 'x" onload=', "../../etc", "${jndi}", "%3Cscript", "1--"])
def test_what_filters_look_for_is_not(name: str) -> None:
    assert not is_plain(json.dumps({"customer_name": name}))


def test_plain_records_are_tried_first() -> None:
    records = [(number, '{"a": "<b>"}' if number != 7 else '{"a": "Ana"}') for number in range(1, 11)]
    assert 7 in samples(records)
    assert samples([(5, "{}")]) == [5]
    assert samples([(number, "{}") for number in range(1, 11)]) == [1, 6, 10]


# --- one record -----------------------------------------------------------------------------------------------------


def test_one_record_is_set_apart_with_the_vendors_words_and_the_others_go_once(
    database: Database, sandbox: Sandbox
) -> None:
    out = Out(database, dial(), sandbox=sandbox)
    out.put([lead(99)])
    out.drain()
    behind_a_filter(out)
    out.put([*leads(7), scripted(8), *leads(8, first=9)])
    goes_on(out)
    assert out.states() == {"delivered": 16, "dead": 1}
    [dead] = out.deliveries("dead")
    assert (code(dead), words(dead)) == (Code.PROVOKED_END, "HTTP 403")
    assert out.account().state == "open"
    assert sandbox.wolkvox.duplicates("1042") == {}


def test_a_lone_record_waits_until_another_shows_whose_fault_it_is(database: Database, sandbox: Sandbox) -> None:
    out = Out(database, dial(), sandbox=sandbox)
    out.put([lead(99)])
    out.drain()
    out.later(70)
    behind_a_filter(out)
    out.put([scripted(1)])
    goes_on(out, 3)
    assert out.account().state == "open"
    assert out.deliveries("dead") == []
    out.put([lead(2)])
    goes_on(out)
    assert out.states() == {"delivered": 2, "dead": 1}


def test_a_flood_of_them_neither_blocks_the_account_nor_holds_up_the_others(
    database: Database, sandbox: Sandbox
) -> None:
    out = Out(database, dial(), sandbox=sandbox)
    out.put([lead(99)])
    out.drain()
    out.later(70)
    behind_a_filter(out)
    out.put([scripted(number) for number in range(1, 9)])
    goes_on(out, 4)
    assert out.account().state == "open"
    out.put([lead(50)])
    goes_on(out)
    assert out.account().state == "open"
    assert out.states() == {"delivered": 2, "dead": 8}


def test_an_answer_that_comes_whatever_is_sent_blocks_and_is_not_provoked_again_by_itself(
    database: Database, sandbox: Sandbox
) -> None:
    out = Out(database, dial(), sandbox=sandbox)
    out.put([lead(99)])
    out.drain()
    out.later(70)
    vendor = behind_a_filter(out, dislikes="")  # everything
    out.put(leads(6))
    goes_on(out, 6)
    stand = out.account()
    assert stand.state == "blocked"
    assert stand.reason is not None and stand.reason.code is Code.BLOCKED_UNKNOWN_ANSWER
    provokers = {row.id for row in out.deliveries() if code(row) is Code.PROVOKED_BLOCK}
    assert len(provokers) == 3
    vendor.dislikes, vendor.seen = "nothing of it", []
    out.resume()
    goes_on(out, 4)
    assert {row.id for row in out.deliveries("dead")} == provokers
    assert out.states() == {"delivered": 4, "dead": 3}
    assert sandbox.wolkvox.count("1042") == 4


def test_a_failure_for_one_record_alone_is_halved_down_too(database: Database, sandbox: Sandbox) -> None:
    out = Out(database, dial(), sandbox=sandbox)
    out.put([lead(99)])
    out.drain()
    behind_a_filter(out, says=Answer(500, {}, b"oops"))
    out.put([*leads(3), scripted(4)])
    for number in range(10, 22):
        out.put([lead(number)])
        goes_on(out, 4)
    assert out.states() == {"delivered": 16, "dead": 1}
    assert sandbox.wolkvox.duplicates("1042") == {}


def test_a_batch_that_alone_is_there_is_not_held_up_by_the_record_at_which_the_vendor_fails(
    database: Database, sandbox: Sandbox
) -> None:
    """Nothing else is accepted meanwhile, which could show that the vendor works."""
    out = Out(database, dial(), sandbox=sandbox)
    out.put([lead(99)])
    out.drain()
    behind_a_filter(out, says=Answer(500, {}, b"oops"))
    out.put([*leads(7), scripted(8), *leads(8, first=9)])
    for _ in range(120):
        out.drain(most=120)
        out.later(600)
        if out.states().get("delivered") == 16:
            break
    assert out.states()["delivered"] == 16
    assert sandbox.wolkvox.duplicates("1042") == {}


def test_a_vendor_that_fails_for_all_is_tried_with_few_calls(database: Database, sandbox: Sandbox) -> None:
    out = Out(database, dial(), sandbox=sandbox)
    out.put([lead(99)])
    out.drain()
    vendor = behind_a_filter(out, dislikes="", says=Answer(500, {}, b"oops"))  # everything
    out.put(leads(40))
    for _ in range(40):
        out.drain(most=120)
        out.later(600)
    sizes = {len(orjson.loads(body)) for body in vendor.seen}
    assert {40, 1} <= sizes <= {40, 37, 1}  # three single ones are tried, once, and no further parts are made
    vendor.dislikes = "nothing of it"
    goes_on(out)
    assert out.states() == {"delivered": 41}


# --- without a question ---------------------------------------------------------------------------------------------


def odd(**values: Any) -> Outcome:
    """An answer that no table knows."""
    given = {"attempt": "unknown", "verdict": Verdict(Fate.DOUBTFUL, "HTTP 403"), "status": 403, "words": "HTTP 403"}
    block = Reason(Code.BLOCKED_UNKNOWN_ANSWER, answer_facts("HTTP 403", 403))
    return Outcome(**given | {"block": block, "suspect": True} | values)


def test_what_cannot_be_asked_about_waits_for_a_person_and_speaks_for_the_account_too(database: Database) -> None:
    out = Out(database, note(on_unknown="ask"))
    for number in range(1, 4):
        assert out.account("surveys").state == "open"
        out.put([ticket(number, type="ticket.updated", answer_id=number)])
        out.later(700)
        out.settle(out.claimed("surveys"), odd())
    assert out.account("surveys").state == "blocked"
    assert out.states() == {"uncertain": 3}
    assert {code(row) for row in out.deliveries()} == {Code.PROVOKED_BLOCK}


def test_where_it_is_sure_that_nothing_landed_nothing_is_asked(database: Database) -> None:
    out = Out(database, dial())
    out.put(leads(2))
    out.settle(out.claimed(), odd(attempt="rejected", verdict=Verdict(Fate.AGAIN, "a page")))
    assert {code(row) for row in out.deliveries()} == {Code.PROVOKED_SAMPLED}
    out.later(5)
    out.settle(out.claimed(), accepted())
    out.settle(out.claimed(), odd(attempt="rejected", verdict=Verdict(Fate.AGAIN, "a page")))
    assert out.states() == {"delivered": 1, "dead": 1}
    assert "probe" not in {kind for kind, _ in out.kinds()}
