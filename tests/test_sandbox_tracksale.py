"""The simulated Tracksale over real sockets: every documented answer and every limit."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from connector.vendors.sandbox.exchange import Sandbox
from tests import sandbox_calls
from tests.sandbox_calls import ANA, TOKEN, control, dispatch, rules, survey, until

sb = sandbox_calls.sb
TAGS = [{"name": "Unidade", "value": "Centro"}]


# Tracksale


def test_a_scheduled_dispatch_is_settled_customer_by_customer(sb: Sandbox) -> None:
    answer = dispatch(sb, ANA | {"tags": TAGS}, ANA, {"name": "Sem Canal"}, schedule_time=int(time.time()))
    assert answer.status_code == 200
    assert answer.json() == {
        "msg": "Dispatch executed!",
        "dispatch_code": "LOT0000123",
        "status": {"duplicated": 1, "invalid": 1, "inserted": 1},
        "campaign": {"name": "Atención al cliente", "cod": 52},
        "duplicated_customers": [{"name": "Ana Exemplo", "email": "ana.exemplo@example.com"}],
        "invalid_customers": [{"name": "Sem Canal", "reason": "Invalid or empty main channel"}],
    }
    (customer,) = sb.tracksale.customers(52)
    assert (customer["email"], customer["tags"], customer["status"]) == (ANA["email"], TAGS, "Sent")
    assert sb.breaches == []


def test_without_get_not_inserted_only_the_counts_are_told(sb: Sandbox) -> None:
    answer = survey(sb, "/v2/campaign/52/dispatch", {"customers": [{"name": "Sem Canal"}], "schedule_time": 1})
    assert answer.json()["status"] == {"duplicated": 0, "invalid": 1, "inserted": 0}
    assert answer.json()["dispatch_code"] is None
    assert "invalid_customers" not in answer.json()


@pytest.mark.parametrize(
    "again",
    [
        {"email": "ANA@example.com", "phone": "11900000009"},
        {"phone": "11900000001"},
        {"phone": "11900000009", "identification": "I-1"},
    ],
)
def test_a_customer_is_a_duplicate_by_any_identification(sb: Sandbox, again: dict[str, str]) -> None:
    dispatch(sb, {"email": "ana@example.com", "phone": "11900000001", "identification": "I-1"}, schedule_time=1)
    assert dispatch(sb, again, schedule_time=1).json()["status"]["duplicated"] == 1
    elsewhere = survey(sb, "/v2/campaign/26/dispatch", {"customers": [again], "schedule_time": 1})
    assert elsewhere.json()["status"]["inserted"] == 1


def test_duplicates_are_forgotten_after_a_while(sb: Sandbox) -> None:
    sb.limits.change(recent_s=0)
    assert dispatch(sb, ANA, ANA, schedule_time=1).json()["status"]["duplicated"] == 1
    assert dispatch(sb, ANA, schedule_time=1).json()["status"]["inserted"] == 1


def test_the_main_channel_decides_who_is_invalid(sb: Sandbox) -> None:
    sb.tracksale.add_campaign(52, main_channel="Email")
    counts = dispatch(sb, {"phone": "11900000001"}, {"email": "a@example.com"}, schedule_time=1).json()["status"]
    assert counts == {"duplicated": 0, "invalid": 1, "inserted": 1}


def test_customers_without_a_time_share_one_draft_lot(sb: Sandbox) -> None:
    first = dispatch(sb, ANA).json()
    second = dispatch(sb, {"email": "b@example.com"}).json()
    code = first["dispatch_code"]
    assert (first["msg"], second["dispatch_code"]) == ("Customers have been successfully added!", code)
    (lot,) = survey(sb, "/v2/campaign/52/draft-lot").json()["lot"]
    assert (lot["code"], lot["total_dispatches"]) == (code, "2")
    fired = survey(sb, f"/v2/campaign/52/dispatch/{code}", {"time": 0})
    assert fired.json() == {"msg": "Dispatch executed!", "customers": "2"}
    assert survey(sb, "/v2/campaign/52/draft-lot").json() == {"lot": []}
    assert dispatch(sb, {"email": "c@example.com"}).json()["dispatch_code"] != code
    assert sb.breaches == []


def test_a_discarded_lot_lets_its_customers_in_again(sb: Sandbox) -> None:
    code = dispatch(sb, ANA).json()["dispatch_code"]
    assert survey(sb, f"/v2/campaign/52/discard-lot/{code}", {}).json() == {"success": True}
    assert sb.tracksale.customers(52) == []
    assert dispatch(sb, ANA).json()["status"]["inserted"] == 1
    gone = survey(sb, f"/v2/campaign/52/discard-lot/{code}", {})
    assert (gone.status_code, gone.json(), rules(sb)) == (400, {"error": "Lot not found"}, ["lot"])


def test_can_impact_says_no_to_who_was_surveyed(sb: Sandbox) -> None:
    dispatch(sb, ANA, schedule_time=1)
    assert survey(sb, "/v2/campaign/52/can-impact", {"email": ANA["email"]}).json() == {"can_impact": False}
    assert survey(sb, "/v2/campaign/26/can-impact", {"email": ANA["email"]}).json() == {"can_impact": True}
    assert survey(sb, "/v2/campaign/52/can-impact", {"phone": "11900000009"}).json() == {"can_impact": True}


NOW_MS = 1_795_190_460_000
FIFTY_ONE = [{"name": f"T{number}", "value": "x"} for number in range(51)]
PERIOD = {"start_date": "2026-11-01", "end_date": "2026-11-30"}
BAD_CALLS = [
    (
        "campaign/52/dispatch",
        {"customers": [{"email": f"{number}@example.com"} for number in range(501)]},
        "customers_per_call",
    ),
    ("campaign/52/dispatch", {"customers": [ANA], "schedule_time": NOW_MS}, "schedule_time"),
    ("campaign/52/dispatch", {"customers": [ANA], "schedule_time": "1795190460"}, "schedule_time"),
    ("campaign/52/dispatch", {"customers": [ANA], "schedule_time": True}, "schedule_time"),
    ("campaign/52/dispatch", {"customers": [{**ANA, "finish_time": NOW_MS}]}, "finish_time"),
    ("campaign/52/dispatch", {"customers": [ANA], "finish_time": 1}, "body"),
    ("campaign/52/dispatch", {"customers": {}}, "customer"),
    ("campaign/52/dispatch", {"customers": []}, "customer"),
    ("campaign/52/dispatch", {"customers": ["Ana"]}, "customer"),
    ("campaign/52/dispatch", {"customers": [ANA | {"phone": 11900000001}]}, "customer"),
    ("campaign/52/dispatch", {"customers": [ANA | {"city": "x"}]}, "customer"),
    ("campaign/52/dispatch", {"customers": [ANA | {"tags": {"Unidade": "Centro"}}]}, "tags"),
    ("campaign/52/dispatch", {"customers": [ANA | {"tags": [{"name": "Unidade", "value": 1}]}]}, "tags"),
    ("campaign/52/dispatch", {"customers": [ANA | {"tags": [{"name": "Unidade"}]}]}, "tags"),
    ("campaign/52/dispatch", [ANA], "body"),
    ("campaign/52/dispatch", {"customers": [ANA], "when": 0}, "body"),
    ("campaign/99/dispatch", {"customers": [ANA]}, "campaign"),
    ("campaign/x/dispatch", {"customers": [ANA]}, "campaign"),
    ("campaign/52/dispatch/NOLOT", {"time": 0}, "lot"),
    ("campaign/52/dispatch/NOLOT", {}, "time"),
    ("campaign/52/dispatch/NOLOT", {"time": NOW_MS}, "time"),
    ("campaign/52/can-impact", {}, "can_impact"),
    ("campaign/52/can-impact", {"email": "a@example.com", "phone": "1"}, "can_impact"),
    ("campaign/52/can-impact", {"email": ""}, "can_impact"),
    ("fill-empty-tags", {"answer_id": 1, "tags": FIFTY_ONE}, "tags_per_call"),
    ("fill-empty-tags", {"answer_id": 1, "tags": []}, "fill_empty_tags"),
    ("fill-empty-tags", {"answer_id": 1}, "tags"),
    ("fill-empty-tags", {"answer_id": 1, "tags": [{"name": "T", "value": 5}]}, "tags"),
    ("fill-empty-tags", {"answer_id": "1", "tags": TAGS}, "fill_empty_tags"),
    ("fill-empty-tags", {"tags": TAGS}, "fill_empty_tags"),
    ("fill-empty-tags", {"answer_id": 1, "customer": {"email": "a@example.com"}, "tags": TAGS}, "fill_empty_tags"),
    ("fill-empty-tags", {"customer": [{"email": "a@example.com"}], "tags": TAGS}, "fill_empty_tags"),
    ("fill-empty-tags", {"customer": {}, "tags": TAGS}, "fill_empty_tags"),
    ("fill-empty-tags", {"customer": {"email": "a@example.com"}, "campaign_code": 52, "tags": TAGS}, "campaign_code"),
    ("note", {"comment": "Hola"}, "note"),
    ("note", {"comment": "", "answer_id": 1}, "note"),
    ("note", {"answer_id": 1}, "note"),
    ("note", {"comment": "Hola", "answer_id": 0}, "note"),
    ("note", {"comment": "Hola", "filter": PERIOD}, "note"),
    ("note", {"comment": "Hola", "filter": {"email": "a@example.com", "start_date": "2026-11-01"}}, "note"),
    ("note", {"comment": "Hola", "filter": PERIOD | {"email": "a@example.com", "end_date": "30-11-2026"}}, "note"),
    ("note", {"comment": "Hola", "filter": PERIOD | {"email": "a@example.com", "end_date": "2026-10-01"}}, "note"),
    ("note", {"comment": "Hola", "filter": [PERIOD | {"email": "a@example.com"}]}, "note"),
    ("note", {"comment": "Hola", "filter": PERIOD | {"email": "a@example.com", "campaign_code": 5}}, "campaign_code"),
]


@pytest.mark.parametrize(("path", "body", "rule"), BAD_CALLS)
def test_tracksale_refuses_what_its_document_does_not_allow(sb: Sandbox, path: str, body: Any, rule: str) -> None:
    answer = survey(sb, f"/v2/{path}", body)
    assert answer.status_code == 400
    assert set(answer.json()) == {"error"}
    assert rules(sb) == [rule]
    assert (sb.tracksale.customers(52), sb.tracksale.notes, sb.tracksale.tags) == ([], [], {})


def test_a_body_that_is_no_json_is_refused(sb: Sandbox) -> None:
    headers = {"Authorization": f"bearer {TOKEN}"}
    answer = requests.post(f"{sb.url}/v2/note", data=b"{", headers=headers, timeout=60)
    assert (answer.status_code, answer.json(), rules(sb)) == (400, {"error": "Invalid JSON"}, ["body"])


def test_the_words_for_a_bad_time_are_the_vendors(sb: Sandbox) -> None:
    assert dispatch(sb, ANA, schedule_time=NOW_MS).json() == {"error": "Invalid Time"}


def test_only_empty_tags_are_filled(sb: Sandbox) -> None:
    answer_id = sb.tracksale.add_answer(email="ana@example.com", campaign_code=26, tags={"Unidade": "", "Canal": "web"})
    tags = [{"name": "Unidade", "value": "Centro"}, {"name": "Canal", "value": "fax"}]
    body = {"campaign_code": "26", "customer": {"email": "Ana@example.com"}, "tags": tags}
    answer = survey(sb, "/v2/fill-empty-tags", body)
    assert answer.json() == {"answer_id": answer_id, "msg": "Request received successfully!"}
    assert sb.tracksale.tags == {answer_id: {"Unidade": "Centro", "Canal": "web"}}
    again = survey(sb, "/v2/fill-empty-tags", {"answer_id": answer_id, "tags": [{"name": "Unidade", "value": "Sul"}]})
    assert again.status_code == 200
    assert sb.tracksale.tags[answer_id]["Unidade"] == "Centro"
    assert sb.breaches == []


def test_notes_go_by_answer_or_by_customer_and_dates(sb: Sandbox) -> None:
    by_id = survey(sb, "/v2/note", {"comment": "uno", "answer_id": 6805599})
    assert by_id.json() == {"msg": "Success", "answer_id": 6805599}
    wanted = PERIOD | {"email": "ana@example.com", "campaign_code": "26"}
    by_person = survey(sb, "/v2/note", {"comment": "dos", "filter": wanted}).json()["answer_id"]
    assert survey(sb, "/v2/note", {"comment": "dos", "filter": wanted}).json()["answer_id"] == by_person
    assert [(number["comment"], number["answer_id"]) for number in sb.tracksale.notes] == [
        ("uno", 6805599),
        ("dos", by_person),
        ("dos", by_person),
    ]
    assert control(sb, "GET", "notes")[1]["filter"] == wanted
    assert sb.breaches == []


def test_an_answer_that_is_not_there_can_be_refused(sb: Sandbox) -> None:
    sb.limits.change(auto_answers=False)
    answer = survey(sb, "/v2/note", {"comment": "uno", "answer_id": 1})
    assert (answer.status_code, answer.json(), sb.breaches) == (404, {"error": "Answer not found"}, [])


def test_campaigns_are_listed_and_one_may_come_as_a_list(sb: Sandbox) -> None:
    assert [one["code"] for one in survey(sb, "/v2/campaign").json()] == [26, 52]
    assert survey(sb, "/v2/campaign/52?dispatch_limits=1").json()["dispatch_limits"]["daily"]["limit"] is None
    sb.limits.change(single_campaign_as_list=True)
    assert survey(sb, "/v2/campaign/52").json()[0]["code"] == 52


def test_the_dispatch_report_shows_lots_with_their_customers(sb: Sandbox) -> None:
    code = dispatch(sb, ANA, schedule_time=int(time.time()) + 3600).json()["dispatch_code"]
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    (lot,) = survey(sb, f"/v2/report/dispatch?start={today}&end={today}&codes=52&channel=true").json()
    assert (lot["campaign"], lot["dispatch_code"]) == ({"name": "Atención al cliente", "code": 52}, code)
    assert (lot["status"], lot["channel"]) == ("Scheduled", "Email")
    (customer,) = lot["customers"]
    assert {name: customer[name] for name in ANA} == ANA
    assert survey(sb, "/v2/report/dispatch?start=2020-01-01&end=2020-01-31").json() == []
    assert survey(sb, "/v2/report/dispatch?codes=26").json() == []
    assert survey(sb, "/v2/report/dispatch?start=01-01-2020").status_code == 400
    assert rules(sb) == ["date"]


def test_the_dispatch_report_may_lag(sb: Sandbox) -> None:
    sb.limits.change(report_lag_s=1)
    dispatch(sb, ANA, schedule_time=1)
    assert survey(sb, "/v2/report/dispatch").json() == []
    assert survey(sb, "/dispatch").json()["data"] == []
    until(lambda: len(survey(sb, "/v2/report/dispatch").json()) == 1)


def test_the_paged_host_gives_a_page_of_customers(sb: Sandbox) -> None:
    people = [{"email": f"{number}@example.com", "tags": TAGS} for number in range(150)]
    code = dispatch(sb, *people, schedule_time=1).json()["dispatch_code"]
    first = survey(sb, "/dispatch?limit=100").json()
    assert (first["code"], len(first["data"])) == (200, 100)
    rest = survey(sb, f"/dispatch/{code}?page=2&limit=100&start=2020-01-01&end=2020-01-02&tags=true").json()["data"]
    assert (len(rest), rest[0]["customer"]["email"], rest[0]["tags"]) == (50, "100@example.com", TAGS)
    assert rest[0]["lot"]["dispatch_code"] == code
    assert survey(sb, "/dispatch/NOLOT").json()["data"] == []
    assert [survey(sb, f"/dispatch?limit={number}").status_code for number in ("99", "10001", "x")] == [400, 400, 400]
    assert rules(sb) == ["limit"] * 3


def test_the_answer_report_gives_ten_unless_told(sb: Sandbox) -> None:
    for number in range(12):
        sb.tracksale.add_answer(email=f"{number}@example.com", campaign_code=52, tags={"Unidade": "Centro"})
    assert len(survey(sb, "/v2/report/answer").json()) == 10
    everything = survey(sb, "/v2/report/answer?limit=-1&tags=true&codes=52").json()
    assert (len(everything), everything[0]["tags"], everything[0]["id"]) == (12, TAGS, 6805511)
    assert survey(sb, "/v2/report/answer?codes=26").json() == []


def test_past_the_window_every_call_meets_the_captcha_until_a_person_solves_it() -> None:
    with Sandbox(window_calls=3, window_s=600) as sb:
        assert [survey(sb, "/v2/campaign").status_code for _ in range(4)] == [200, 200, 200, 405]
        sb.limits.change(window_s=0.001)  # it is over
        captcha = survey(sb, "/v2/campaign")
        assert captcha.status_code == 405
        assert captcha.headers["Content-Type"].startswith("text/html")
        assert "captcha-container" in captcha.text
        assert rules(sb) == ["window", "captcha"]
        assert survey(sb, "/v2/campaign", headers={"Authorization": "bearer other"}).status_code == 200
        control(sb, "DELETE", "captcha")
        assert survey(sb, "/v2/campaign").status_code == 200


def test_calls_within_the_window_are_welcome() -> None:
    with Sandbox(window_calls=3, window_s=0.2) as sb:
        for _ in range(2):
            assert [survey(sb, "/v2/campaign").status_code for _ in range(3)] == [200, 200, 200]
            time.sleep(0.25)
        assert sb.breaches == []


def test_tracksale_wants_a_bearer_token(sb: Sandbox) -> None:
    for header in ({}, {"Authorization": f"Key {TOKEN}"}, {"Authorization": "bearer"}):
        answer = survey(sb, "/v2/campaign", headers=header)
        assert (answer.status_code, answer.json()) == (401, {"error": "Unauthorized"})
    assert rules(sb) == ["token"] * 3
    assert survey(sb, "/v2/campaign", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_an_unknown_path_is_not_found_and_never_a_405(sb: Sandbox) -> None:
    assert survey(sb, "/v2/note").status_code == 404
    assert survey(sb, "/v3/other").status_code == 404
    assert rules(sb) == ["unknown_call", "unknown_call"]
