"""Polling Tracksale's answers: nothing lost, nothing twice, whatever the vendor's clock says."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from connector.core.http import Deadline
from connector.core.quota import Wait
from connector.inbound.committer import Committer
from connector.outbound import poll as polling
from connector.outbound.performers import perform
from connector.outbound.send import Line, claim
from connector.store import tables
from connector.store.database import Database
from connector.store.lanes import BULK, LIVE
from connector.vendors import VENDORS
from connector.vendors.destinations import name_of
from connector.vendors.sandbox.exchange import Sandbox
from connector.web.wsgi import create_app
from tests import polled_sources
from tests.outbound_steps import dial, note
from tests.polled_sources import ANSWERS, Asked, call_back, detractor, seconds

answers, database, sandbox, store = (
    polled_sources.answers,
    polled_sources.database,
    polled_sources.sandbox,
    polled_sources.store,
)


def test_a_detractors_answer_becomes_a_lead_to_call_back_once(answers: Asked, sandbox: Sandbox) -> None:
    number = detractor(sandbox)
    detractor(sandbox, campaign_code=26)  # of a campaign that is not asked for
    for _ in range(3):
        answers.look()
    assert answers.events() == [(f"{number}.detractor", "accepted")]
    assert [(route, state) for route, state, _ in answers.sent()] == [("call back", "pending")]
    record = json.loads(answers.rows(tables.records)[0].record)
    assert (record["customer_name"], record["tel1"]) == ("Ana Núñez", "3000000001")
    assert {(row.kind, row.state, row.destination) for row in answers.rows(tables.attempts)} == {
        ("poll", "accepted", "surveys/poll")
    }
    assert answers.stand().stored == 1


def test_each_category_is_a_type_of_its_own(answers: Asked, sandbox: Sandbox) -> None:
    for score in range(11):
        detractor(sandbox, nps_answer=score)
    answers.look()
    assert answers.types() == {"answer.detractor": 7, "answer.passive": 2, "answer.promoter": 2}


@pytest.mark.parametrize("ago", [{"hours": 20}, {"minutes": 4}, {"minutes": -7}, {"hours": -14}], ids=str)
def test_an_answer_that_appears_late_or_by_another_clock_is_seen(
    answers: Asked, sandbox: Sandbox, ago: dict[str, float]
) -> None:
    answers.look()
    number = detractor(sandbox, time=seconds(**ago))
    answers.look()
    answers.look()
    assert answers.events() == [(f"{number}.detractor", "accepted")]


def test_what_is_older_than_the_first_look_reaches_back_is_left_alone(database: Database, sandbox: Sandbox) -> None:
    asked = Asked(database, sandbox, ANSWERS, call_back())
    detractor(sandbox, time=seconds(days=2))
    asked.look()
    asked.look()
    assert asked.events() == []
    since = replace(ANSWERS, since=datetime.now(UTC) - timedelta(days=3))
    asked = Asked(database, sandbox, replace(since, campaign_codes=("26", "52")), call_back())
    asked.look()
    assert asked.types() == {"answer.detractor": 1}, "what is asked for is another thing: it begins anew"


def test_the_first_look_is_sent_behind_what_is_live(answers: Asked, sandbox: Sandbox) -> None:
    detractor(sandbox, time=seconds(hours=3))
    answers.look()
    detractor(sandbox)
    answers.look()
    assert [lane for _, _, lane in answers.sent()] == [BULK, LIVE]


def test_an_edit_is_an_event_of_its_own_and_calls_nobody_again(answers: Asked, sandbox: Sandbox) -> None:
    number = detractor(sandbox)
    answers.look()
    for comment in ("Ya me llamaron", "Gracias"):
        sandbox.tracksale.change_answer(number, nps_comment=comment)
        answers.look()
        answers.look()
    assert answers.types() == {"answer.detractor": 1, "answer.updated": 2}
    assert len(answers.sent()) == 1
    assert {row.state for row in answers.rows()} == {"accepted", "ignored"}, "nothing of it is a conflict"


def test_only_a_changed_update_time_is_an_edit_too(answers: Asked, sandbox: Sandbox) -> None:
    number = detractor(sandbox)
    answers.look()
    sandbox.tracksale.change_answer(number, update_time=seconds(hours=-1))
    answers.look()
    assert answers.types() == {"answer.detractor": 1, "answer.updated": 1}


def test_pictures_and_reminders_are_no_edits(answers: Asked, sandbox: Sandbox) -> None:
    number = detractor(sandbox)
    answers.look()
    same = sandbox.tracksale.answers[0]["update_time"]
    sandbox.tracksale.change_answer(number, picture="https://example.com/2", reminder_time=5, update_time=same)
    answers.look()
    assert answers.types() == {"answer.detractor": 1}


def test_a_score_that_moves_is_an_event_of_its_new_category(database: Database, sandbox: Sandbox) -> None:
    thanks = dial("1043", name="thank", on=("answer.promoter",))
    both = dial("1044", name="both", on=("answer.detractor", "answer.promoter", "answer.updated"))
    asked = Asked(database, sandbox, ANSWERS, call_back(), thanks, both)
    number = detractor(sandbox)
    asked.look()
    for score in (9, 3, 10):  # and back: it was a detractor before
        sandbox.tracksale.change_answer(number, nps_answer=score, update_time=seconds(hours=-score))
        asked.look()
        asked.look()
    assert asked.types() == {"answer.detractor": 1, "answer.promoter": 1, "answer.updated": 2}
    assert sorted(route for route, _, _ in asked.sent()) == ["both", "call back", "thank"], "each route has it once"
    assert not [row for row in asked.rows() if row.state == "invalid"]


def test_a_route_of_edits_gets_each_of_them(database: Database, sandbox: Sandbox) -> None:
    asked = Asked(database, sandbox, ANSWERS, call_back(), note(on=("answer.updated",)))
    number = detractor(sandbox)
    asked.look()
    for comment in ("Uno", "Dos"):
        sandbox.tracksale.change_answer(number, nps_comment=comment)
        asked.look()
    assert sorted(route for route, _, _ in asked.sent()) == ["call back", "note", "note"]


def test_what_is_posted_as_well_as_polled_is_one(answers: Asked, sandbox: Sandbox) -> None:
    number = detractor(sandbox)
    answers.look()
    rows = sandbox.tracksale.answers
    committer = Committer(answers.database)
    client = create_app(answers.settings, answers.database, name_of, committer).test_client()
    try:
        for webhook_id in ("m-1", "m-2"):
            answer = client.post(
                "/webhooks/asked", json=rows, headers={"X-Token": "invented-4", "webhook-id": webhook_id}
            )
            assert answer.json["duplicate"] == 1, answer.json
        edited = [rows[0] | {"nps_comment": "Otra cosa"}]
        answer = client.post("/webhooks/asked", json=edited, headers={"X-Token": "invented-4"})
        assert (answer.status_code, answer.json["invalid"]) == (202, 0)
    finally:
        committer.close()
    assert [name.partition(".")[0] for name, _ in answers.events()] == [str(number)] * 2
    assert answers.types() == {"answer.detractor": 1, "answer.updated": 1}


def test_a_row_that_is_no_answer_is_kept_once_and_harms_no_other(answers: Asked, sandbox: Sandbox) -> None:
    wrong, unscored = detractor(sandbox, nps_answer=11), detractor(sandbox, nps_answer=None)
    good = detractor(sandbox)
    for _ in range(3):
        answers.look()
    assert sorted(answers.events()) == sorted(
        [(str(wrong), "invalid"), (f"answer {unscored}", "ignored"), (f"{good}.detractor", "accepted")]
    )
    sandbox.tracksale.change_answer(unscored, nps_answer=1)
    answers.look()
    assert answers.events()[-1] == (f"{unscored}.detractor", "accepted")


def test_thousands_are_stored_by_the_hundreds(
    answers: Asked, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "AT_ONCE", 7)
    for index in range(30):
        detractor(sandbox, phone=f"30000000{index:02}")
    answers.look()
    answers.look()
    assert answers.types() == {"answer.detractor": 30}
    assert (len(answers.sent()), answers.stand().stored) == (30, 30)


def test_a_note_of_literal_words_goes_to_the_answer(database: Database, sandbox: Sandbox) -> None:
    said = note(name="said", on=("answer.detractor",), options={"campaign_code": "", "text": "Se llamará hoy"})
    asked = Asked(database, sandbox, ANSWERS, said, note(on=("answer.detractor",)))
    number = detractor(sandbox)
    asked.look()
    account = asked.settings.accounts["surveys"]
    line = Line(database, account, dict(asked.places["surveys"]), VENDORS["tracksale"].client(account), "a1b2c3")
    while not isinstance(claimed := claim(line), Wait):
        perform(line, claimed, Deadline.after(3))
    assert sorted((one["answer_id"], one["comment"]) for one in sandbox.tracksale.notes) == [
        (number, "Nadie"),
        (number, "Se llamará hoy"),
    ]
