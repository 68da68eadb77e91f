"""The sandbox over real sockets: every documented answer, every limit, every fault."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from connector.errors import ConnectorError
from connector.sandbox import Sandbox, serve
from connector.sandbox.rows import FIELDS

TOKEN = "invented-token"
ADD = "api=add_record&type_campaign=predictive&campaign_id=1042&campaign_status=start"
MISSING = {"code": "400", "error": "Bad Request", "msg": "SOME PARAMETERS ARE REQUIRED"}
ANA = {"name": "Ana Exemplo", "email": "ana.exemplo@example.com", "identification": None, "phone": "11900000001"}
TAGS = [{"name": "Unidade", "value": "Centro"}]


@pytest.fixture
def sb() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def row(number: int = 1, **values: Any) -> dict[str, Any]:
    """A row as it is meant to be: every field a string."""
    filled = {"customer_name": "Ana", "customer_id": f"C-{number}", "tel1": f"93{number:09d}"}
    return dict.fromkeys(FIELDS, "") | filled | values


def add(sb: Sandbox, rows: Any, query: str = ADD, **options: Any) -> requests.Response:
    options = {"headers": {"wolkvox-token": TOKEN}, "timeout": 10, "allow_redirects": False} | options
    data = rows if isinstance(rows, bytes) else json.dumps(rows).encode()
    return requests.post(f"{sb.url}/api/v2/campaign.php?{query}", data=data, **options)


def ask(sb: Sandbox, page: str, query: str, **options: Any) -> requests.Response:
    options = {"headers": {"wolkvox-token": TOKEN}, "timeout": 10} | options
    return requests.get(f"{sb.url}/api/v2/{page}.php?{query}", **options)


def find(sb: Sandbox, **query: str) -> requests.Response:
    return ask(sb, "campaign", "api=find_record&campaign_id=1042", params=query)


def survey(sb: Sandbox, path: str, body: Any = None, **options: Any) -> requests.Response:
    """A Tracksale call: POST when there is a body."""
    options = {"headers": {"Authorization": f"bearer {TOKEN}"}, "timeout": 10} | options
    if body is None:
        return requests.get(f"{sb.url}{path}", **options)
    return requests.post(f"{sb.url}{path}", data=json.dumps(body).encode(), **options)


def dispatch(sb: Sandbox, *customers: Any, **body: Any) -> requests.Response:
    return survey(sb, "/v2/campaign/52/dispatch?getNotInserted=1", {"customers": list(customers)} | body)


def ticket(sb: Sandbox, method: str, path: str, key: str = f"Key {TOKEN}") -> requests.Response:
    return requests.request(method, f"{sb.url}{path}", headers={"Authorization": key}, timeout=10)


def control(sb: Sandbox, method: str, name: str, body: Any = None) -> Any:
    answer = requests.request(method, f"{sb.url}/_sandbox/{name}", json=body, timeout=10)
    assert answer.status_code == 200, answer.text
    return answer.json()


def rules(sb: Sandbox) -> list[str]:
    return [breach.rule for breach in sb.breaches]


def until(true: Callable[[], bool], seconds: float = 5.0) -> None:
    """Waits for what another thread does; fails when it does not."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


# wolkvox: what goes well


def test_rows_are_added_and_answered_in_the_documented_envelope(sb: Sandbox) -> None:
    before = time.time()
    answer = add(sb, [row(1), row(2, opt12="d-7")])
    assert answer.status_code == 201
    assert answer.json() == {
        "code": "201",
        "error": None,
        "msg": "All records has been added successfully",
        "data": [{"total_registers": "2"}],
    }
    kept = sb.wolkvox.rows("1042")
    assert [(r["customer_id"], r["opt12"], r["city"]) for r in kept] == [("C-1", "", ""), ("C-2", "d-7", "")]
    assert all(before <= r["arrived_s"] <= time.time() for r in kept)
    assert sb.breaches == []


def test_a_chunked_body_is_read_too(sb: Sandbox) -> None:
    whole = json.dumps([row()]).encode()
    headers = {"wolkvox-token": TOKEN}
    answer = requests.post(
        f"{sb.url}/api/v2/campaign.php?{ADD}", data=iter([whole[:99], whole[99:]]), headers=headers, timeout=10
    )
    assert answer.status_code == 201
    assert sb.wolkvox.count("1042") == 1


def test_ten_thousand_rows_go_up_and_one_more_does_not(sb: Sandbox) -> None:
    rows = [row(n) for n in range(10_001)]
    assert add(sb, rows).json() == MISSING
    assert rules(sb) == ["rows_per_call"]
    assert add(sb, rows[1:]).status_code == 201
    assert sb.wolkvox.count("1042") == 10_000
    assert [call.rows for call in sb.calls] == [10_001, 10_000]


def test_find_record_gives_the_whole_row_of_a_phone_or_an_id(sb: Sandbox) -> None:
    add(sb, [row(1, opt12="d-1"), row(2, tel3="93999999999", opt12="d-2")])
    expected = [row(2, tel3="93999999999", opt12="d-2")]
    assert find(sb, customer_id="C-2").json()["data"] == expected
    assert find(sb, customer_phone="93999999999", customer_id="").json()["data"] == expected
    assert find(sb, customer_phone="93999999999", customer_id="C-2").json()["data"] == expected
    assert find(sb, customer_phone="93999999999", customer_id="C-1").status_code == 404
    absent = find(sb, customer_phone="93777777777")
    assert (absent.status_code, absent.json()) == (404, {"code": "404", "error": "Not Found", "msg": "No data"})
    assert sb.breaches == []


def test_every_copy_of_a_row_is_found_and_shown_as_duplicate(sb: Sandbox) -> None:
    add(sb, [row(1), row(2), row(1, opt12="again")])
    add(sb, [row(3, tel1="93000000002"), row(4, tel2="93000000002")])
    assert [r["opt12"] for r in find(sb, customer_id="C-1").json()["data"]] == ["", "again"]
    assert sb.wolkvox.duplicates("1042") == {"C-1": 2, "93000000001": 2, "93000000002": 2}
    assert sb.wolkvox.duplicates("1043") == {}
    assert control(sb, "GET", "duplicates/1042")["C-1"] == 2


def test_a_phone_shared_as_second_number_is_no_duplicate(sb: Sandbox) -> None:
    add(sb, [row(1, tel2="93555555555"), row(2, tel2="93555555555"), row(3, tel2="93000000003")])
    assert sb.wolkvox.duplicates("1042") == {}


def test_rows_appear_later_when_the_vendor_is_slow_to_insert() -> None:
    with Sandbox(insert_delay_s=1) as sb:
        assert add(sb, [row()]).status_code == 201
        assert find(sb, customer_id="C-1").status_code == 404
        assert sb.wolkvox.rows("1042") == []
        until(lambda: find(sb, customer_id="C-1").status_code == 200)
        assert len(sb.wolkvox.rows("1042")) == 1


def test_only_customer_ids_are_kept_when_rows_are_not() -> None:
    with Sandbox(keep_rows=False) as sb:
        add(sb, [row(1), row(2), row(2)])
        assert sb.wolkvox.count("1042") == 3
        assert sb.wolkvox.customer_ids("1042") == {"C-1", "C-2"}
        assert sb.wolkvox.duplicates("1042") == {"C-2": 2}
        assert [r["tel1"] for r in sb.wolkvox.rows("1042")] == ["", "", ""]
        assert find(sb, customer_id="C-1").status_code == 200
        assert find(sb, customer_phone="93000000001").status_code == 404


@pytest.mark.parametrize("envelope", [False, True])
def test_the_real_time_report_has_texts_and_the_id_inside_the_name(sb: Sandbox, envelope: bool) -> None:
    sb.limits.change(report_envelope=envelope)
    sb.wolkvox.add_campaign("1043", status="stopped", name="Import")
    add(sb, [row()])
    answer = ask(sb, "real_time", "api=campaigns").json()
    first, second = answer["data"] if envelope else answer
    assert first["campaign"].split(" - ")[0] == "1042"
    assert (first["status"], first["records"], second["status"]) == ("started", "1", "stopped")
    assert all(isinstance(value, str) for value in first.values())
    assert "busy/congestion/failed" in first


def test_token_info_tells_what_is_used(sb: Sandbox) -> None:
    sb.limits.change(licences=3, budget_used=40)
    add(sb, [row()])
    used = ask(sb, "information", "api=token_info").json()["data"][0]
    assert used == {"token_limit": "3000", "token_use_today": "42"}


# wolkvox: what is refused


@pytest.mark.parametrize(
    ("rows", "rule", "detail"),
    [
        (b"\xff\xfe", "body", "the body is no JSON list of rows"),
        (b"", "body", "the body is no JSON list of rows"),
        ({"tel1": "93000000001"}, "body", "the body is no JSON list of rows"),
        ([], "body", "the body is no JSON list of rows"),
        ([row(), "text"], "row", "row 1 is no object"),
        ([row(age=34)], "row", "row 0: age is no string"),
        ([row(age=None)], "row", "row 0: age is no string"),
        ([row(age=["34"])], "row", "row 0: age is no string"),
        ([row(opt13="")], "row", "row 0: unknown field 'opt13'"),
        ([row(city="None")], "row", "row 0: city holds the word of an absent value"),
        ([row(), row(city="nan")], "row", "row 1: city holds the word of an absent value"),
        ([row(tel1="")], "row", "row 0: tel1 is missing"),
        ([{"customer_id": "C-1"}], "row", "row 0: tel1 is missing"),
        ([row(opt6="x" * 101)], "row", "row 0: opt6 has more than 100 characters"),
        ([row(opt7="x" * 201)], "row", "row 0: opt7 has more than 200 characters"),
        ([row(recall_date="2026-11-20")], "row", "row 0: recall_date is no yyyymmddhhmmss"),
        ([row(recall_date="20261320103000")], "row", "row 0: recall_date is no yyyymmddhhmmss"),
        ([row(recall_date="2026112010300٣")], "row", "row 0: recall_date is no yyyymmddhhmmss"),
    ],
)
def test_a_bad_row_refuses_the_whole_batch(sb: Sandbox, rows: Any, rule: str, detail: str) -> None:
    answer = add(sb, rows)
    assert (answer.status_code, answer.json()) == (400, MISSING)
    assert [(b.rule, b.detail, b.operation) for b in sb.breaches] == [(rule, detail, "wolkvox.add_record")]
    assert sb.wolkvox.count("1042") == 0


def test_the_longest_allowed_texts_pass(sb: Sandbox) -> None:
    full = row(opt1="é" * 100, opt12="é" * 200, address="x" * 500, recall_date="20261120103000")
    assert add(sb, [full]).status_code == 201
    assert {name: sb.wolkvox.rows("1042")[0][name] for name in full} == full


@pytest.mark.parametrize(
    ("query", "rule"),
    [
        (ADD.replace("1042", "9999"), "campaign"),
        (ADD.replace("&campaign_id=1042", ""), "campaign"),
        (ADD.replace("=start", "=running"), "campaign_status"),
        (ADD.replace("&campaign_status=start", ""), "campaign_status"),
        (ADD.replace("predictive", "preview"), "type_campaign"),
    ],
)
def test_a_wrong_or_missing_parameter_is_refused(sb: Sandbox, query: str, rule: str) -> None:
    answer = add(sb, [row()], query)
    assert (answer.status_code, answer.json(), rules(sb)) == (400, MISSING, [rule])


def test_find_record_needs_a_phone_or_an_id(sb: Sandbox) -> None:
    assert find(sb, customer_phone="", customer_id="").json() == MISSING
    assert rules(sb) == ["find_record"]


def test_an_unknown_api_does_not_exist(sb: Sandbox) -> None:
    answer = ask(sb, "campaign", "api=add_record")
    assert (answer.status_code, answer.json()["msg"]) == (400, "THE API YOU WANT TO CONSULT DOES NOT EXIST")
    assert rules(sb) == ["unknown_call"]


def test_a_missing_and_a_wrong_token_are_told_apart(sb: Sandbox) -> None:
    sb.limits.change(tokens=[TOKEN])
    missing, wrong = add(sb, [row()], headers={}), add(sb, [row()], headers={"wolkvox-token": "other"})
    assert (missing.status_code, missing.json()["msg"]) == (401, "PLEASE ENTER THE WOLKVOX-TOKEN")
    assert (wrong.status_code, wrong.json()["msg"]) == (403, "PLEASE VALIDATE TOKEN")
    assert add(sb, [row()]).status_code == 201
    assert rules(sb) == ["token", "token"]


def test_start_on_a_stopped_campaign_starts_it_and_is_remembered(sb: Sandbox) -> None:
    sb.wolkvox.add_campaign("1042", status="stopped")
    add(sb, [row(1)], ADD.replace("=start", "=stop"))
    assert (sb.wolkvox.campaigns["1042"].status, sb.wolkvox.started_by_upload) == ("stopped", [])
    add(sb, [row(2)])
    assert (sb.wolkvox.campaigns["1042"].status, sb.wolkvox.started_by_upload) == ("started", ["1042"])
    add(sb, [row(3)], ADD.replace("=start", "=stop"))
    assert sb.wolkvox.stopped_by_upload == ["1042"]
    assert sb.breaches == []


def test_a_refused_upload_starts_nothing(sb: Sandbox) -> None:
    sb.wolkvox.add_campaign("1042", status="stopped")
    add(sb, [row(age=1)])
    assert sb.wolkvox.campaigns["1042"].status == "stopped"


def test_the_third_call_at_once_is_refused_and_recorded(sb: Sandbox) -> None:
    sb.limits.change(latency_s={"wolkvox.add_record": 0.6})
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda n: add(sb, [row(n)]), range(3)))
    refused = [answer for answer in answers if answer.status_code == 403]
    words = ["EXCEEDS THE LIMIT OF SIMULTANEOUS REQUESTS PER TOKEN (2)"]
    assert [answer.json()["msg"] for answer in refused] == words
    assert (rules(sb), sb.max_in_flight[TOKEN], sb.wolkvox.count("1042")) == (["simultaneous"], 3, 2)


def test_two_lanes_of_calls_back_to_back_never_count_as_three(sb: Sandbox) -> None:
    def lane(start: int) -> None:
        with requests.Session() as session:
            for n in range(start, start + 100):
                url, headers = f"{sb.url}/api/v2/campaign.php?{ADD}", {"wolkvox-token": TOKEN}
                assert session.post(url, json=[row(n)], headers=headers, timeout=10).status_code == 201

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lane, (0, 1000)))
    assert (sb.breaches, sb.max_in_flight[TOKEN], sb.wolkvox.count("1042")) == ([], 2, 200)


def test_each_token_has_its_own_slots(sb: Sandbox) -> None:
    sb.limits.change(latency_s=0.2)
    with ThreadPoolExecutor(4) as pool:
        tokens = ("one", "one", "two", "two")
        answers = pool.map(lambda token: add(sb, [row()], headers={"wolkvox-token": token}), tokens)
        assert {answer.status_code for answer in answers} == {201}
    assert sb.max_in_flight == {"one": 2, "two": 2}


def hang_up_twice(sb: Sandbox) -> None:
    """Two calls that the sandbox holds and whose caller leaves."""
    sb.fault("wolkvox.add_record", "hang", times=2, seconds=6)
    for n in range(2):
        with pytest.raises(requests.Timeout):
            add(sb, [row(n)], timeout=(5, 0.3))


def test_a_slot_whose_caller_has_left_is_free(sb: Sandbox) -> None:
    hang_up_twice(sb)
    assert add(sb, [row(9)]).status_code == 201
    assert sb.breaches == []


def test_a_slot_whose_caller_has_left_can_be_held(sb: Sandbox) -> None:
    sb.limits.change(hold_abandoned=True)
    hang_up_twice(sb)
    assert add(sb, [row(9)]).status_code == 403
    assert rules(sb) == ["simultaneous"]


def test_the_day_has_licences_times_a_thousand_calls() -> None:
    with Sandbox(licences=1, calls_per_licence=2, day_s=1.5) as sb:
        assert [add(sb, [row(n)]).status_code for n in range(3)] == [201, 201, 403]
        assert find(sb, customer_id="C-1").json()["msg"] == "TOKEN LIMIT EXCEEDED"
        assert rules(sb) == ["daily_budget", "daily_budget"]
        until(lambda: add(sb, [row(9)]).status_code == 201)


def test_a_second_real_time_report_within_five_minutes_is_answered_and_recorded(sb: Sandbox) -> None:
    assert [ask(sb, "real_time", "api=campaigns").status_code for _ in range(2)] == [200, 200]
    assert rules(sb) == ["report_interval"]
    sb.reset()
    sb.limits.change(report_interval_s=0)
    assert [ask(sb, "real_time", "api=campaigns").status_code for _ in range(2)] == [200, 200]
    assert sb.breaches == []


def test_the_licence_cap_refuses_even_one_row(sb: Sandbox) -> None:
    sb.limits.change(licence_cap=2)
    add(sb, [row(1), row(2)])
    answer = add(sb, [row(3)])
    assert answer.status_code == 404
    assert answer.json()["msg"] == (
        "You are uploading (3) records to the system. According to quantity active licenses, "
        "You can upload 2 records. Try again."
    )
    assert (sb.wolkvox.count("1042"), sb.breaches) == (2, [])


def test_a_poisoned_row_spoils_its_batch_without_a_breach(sb: Sandbox) -> None:
    sb.limits.change(poison=["C-3"])
    assert add(sb, [row(n) for n in range(5)]).json() == MISSING
    sb.limits.change(poison=[], poison_if=lambda r: r["city"] == "Atlantis")
    assert add(sb, [row(city="Atlantis")]).json() == MISSING
    assert add(sb, [row(3)]).status_code == 201
    assert sb.breaches == []


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
FIFTY_ONE = [{"name": f"T{n}", "value": "x"} for n in range(51)]
PERIOD = {"start_date": "2026-11-01", "end_date": "2026-11-30"}
BAD_CALLS = [
    ("campaign/52/dispatch", {"customers": [{"email": f"{n}@example.com"} for n in range(501)]}, "customers_per_call"),
    ("campaign/52/dispatch", {"customers": [ANA], "schedule_time": NOW_MS}, "schedule_time"),
    ("campaign/52/dispatch", {"customers": [ANA], "schedule_time": "1795190460"}, "schedule_time"),
    ("campaign/52/dispatch", {"customers": [ANA], "schedule_time": True}, "schedule_time"),
    ("campaign/52/dispatch", {"customers": [ANA], "finish_time": NOW_MS}, "finish_time"),
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
    answer = requests.post(f"{sb.url}/v2/note", data=b"{", headers=headers, timeout=10)
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
    assert [(n["comment"], n["answer_id"]) for n in sb.tracksale.notes] == [
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
    assert [c["code"] for c in survey(sb, "/v2/campaign").json()] == [26, 52]
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
    people = [{"email": f"{n}@example.com", "tags": TAGS} for n in range(150)]
    code = dispatch(sb, *people, schedule_time=1).json()["dispatch_code"]
    first = survey(sb, "/dispatch?limit=100").json()
    assert (first["code"], len(first["data"])) == (200, 100)
    rest = survey(sb, f"/dispatch/{code}?page=2&limit=100&start=2020-01-01&end=2020-01-02&tags=true").json()["data"]
    assert (len(rest), rest[0]["customer"]["email"], rest[0]["tags"]) == (50, "100@example.com", TAGS)
    assert rest[0]["lot"]["dispatch_code"] == code
    assert survey(sb, "/dispatch/NOLOT").json()["data"] == []
    assert [survey(sb, f"/dispatch?limit={n}").status_code for n in ("99", "10001", "x")] == [400, 400, 400]
    assert rules(sb) == ["limit"] * 3


def test_the_answer_report_gives_ten_unless_told(sb: Sandbox) -> None:
    for n in range(12):
        sb.tracksale.add_answer(email=f"{n}@example.com", campaign_code=52, tags={"Unidade": "Centro"})
    assert len(survey(sb, "/v2/report/answer").json()) == 10
    everything = survey(sb, "/v2/report/answer?limit=-1&tags=true&codes=52").json()
    assert (len(everything), everything[0]["tags"], everything[0]["id"]) == (12, TAGS, 6805511)
    assert survey(sb, "/v2/report/answer?codes=26").json() == []


def test_past_the_window_every_call_meets_the_captcha_until_a_person_solves_it() -> None:
    with Sandbox(window_calls=3, window_s=1) as sb:
        assert [survey(sb, "/v2/campaign").status_code for _ in range(4)] == [200, 200, 200, 405]
        time.sleep(1.05)
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


# PostCenter


def test_a_ticket_is_read_and_closed(sb: Sandbox) -> None:
    ticket_id = next(iter(sb.postcenter.tickets))
    assert ticket(sb, "GET", "/v2/ping/").json() == {"message": "pong"}
    detail = ticket(sb, "GET", f"/v2/ticket/{ticket_id}/").json()
    assert (detail["id"], detail["identifier"], detail["is_closed"]) == (ticket_id, "261", False)
    messages = ticket(sb, "GET", f"/v2/ticket/{ticket_id}/messages/").json()
    assert (messages["status"], messages["messages"][0]["author_account"]) == (200, "cejemplo")
    assert ticket(sb, "POST", f"/v2/ticket/{ticket_id}/close/").json() == {"status": 200, "message": "Ok"}
    assert ticket(sb, "GET", f"/v2/ticket/{ticket_id}/").json()["is_closed"] is True
    sb.reset()
    assert ticket(sb, "GET", f"/v2/ticket/{ticket_id}/").json()["is_closed"] is False


def test_postcenter_wants_a_key_and_a_slash_at_the_end(sb: Sandbox) -> None:
    assert ticket(sb, "GET", "/v2/ping/", key=f"bearer {TOKEN}").status_code == 401
    assert ticket(sb, "GET", "/v2/ticket/5f0/messages/").status_code == 404
    assert rules(sb) == ["token"]
    assert ticket(sb, "GET", "/v2/ping").status_code == 404
    assert rules(sb) == ["token", "unknown_call"]


# Faults


def test_a_fault_strikes_as_often_as_told_after_as_many_as_told(sb: Sandbox) -> None:
    fault = sb.fault("wolkvox.add_record", "status", times=2, after=1, status=502)
    assert [add(sb, [row(n)]).status_code for n in range(4)] == [201, 502, 502, 201]
    assert (fault.seen, fault.used, sb.wolkvox.count("1042")) == (4, 2, 2)
    assert [call.fault for call in sb.calls] == ["", "status", "status", ""]


def test_faults_strike_in_the_order_they_were_added_and_go_when_cleared(sb: Sandbox) -> None:
    sb.fault("*", "status", status=500)
    sb.fault("wolkvox.*", "status", status=503, times=None)
    assert [add(sb, [row(n)]).status_code for n in range(3)] == [500, 503, 503]
    assert survey(sb, "/v2/campaign").status_code == 200
    sb.faults.clear()
    assert add(sb, [row()]).status_code == 201


@pytest.mark.parametrize(("where", "landed"), [("before", 0), ("after", 1)])
def test_a_fault_strikes_before_or_after_the_effect(sb: Sandbox, where: str, landed: int) -> None:
    sb.fault("wolkvox.add_record", "status", where=where, status=504, headers={"Retry-After": "7"})
    answer = add(sb, [row()])
    assert (answer.status_code, answer.headers["Retry-After"]) == (504, "7")
    assert answer.headers["Content-Type"].startswith("text/html")
    assert sb.wolkvox.count("1042") == landed


def test_a_status_fault_may_bring_json(sb: Sandbox) -> None:
    body = {"code": 201, "error": None, "msg": "ok", "data": {"total_registers": 1}}
    sb.fault("wolkvox.add_record", "status", status=200, body=body, where="after")
    answer = add(sb, [row()])
    assert (answer.status_code, answer.headers["Content-Type"], answer.json()) == (200, "application/json", body)


@pytest.mark.parametrize(
    ("kind", "status", "words"),
    [
        ("html_200", 200, "<!DOCTYPE html>"),
        ("captcha_405", 405, "captcha-container"),
        ("concurrency_403", 403, "EXCEEDS THE LIMIT OF SIMULTANEOUS REQUESTS PER TOKEN (2)"),
        ("token_limit_403", 403, "TOKEN LIMIT EXCEEDED"),
        ("bad_token_403", 403, "PLEASE VALIDATE TOKEN"),
        ("licence_cap_404", 404, "You are uploading (66401) records"),
    ],
)
def test_a_fault_speaks_in_the_vendors_words(sb: Sandbox, kind: str, status: int, words: str) -> None:
    sb.fault("*", kind)
    answer = add(sb, [row()])
    assert answer.status_code == status
    assert words in answer.text
    assert (sb.wolkvox.count("1042"), sb.breaches) == (0, [])


def test_garbage_is_no_json(sb: Sandbox) -> None:
    sb.fault("*", "garbage_json", where="after")
    with pytest.raises(requests.JSONDecodeError):
        add(sb, [row()]).json()
    assert sb.wolkvox.count("1042") == 1


def test_a_followed_redirect_is_a_breach(sb: Sandbox) -> None:
    sb.fault("*", "redirect", times=2)
    assert add(sb, [row()]).headers["Location"] == "/_sandbox/elsewhere"
    assert sb.breaches == []
    add(sb, [row()], allow_redirects=True)
    assert [(b.rule, b.detail) for b in sb.breaches] == [("redirect", "a redirect was followed with the token")]


@pytest.mark.parametrize(("where", "landed"), [("before", 0), ("after", 1)])
def test_a_cut_line_is_reset(sb: Sandbox, where: str, landed: int) -> None:
    sb.fault("wolkvox.add_record", "cut", where=where)
    with pytest.raises(requests.ConnectionError) as caught:
        add(sb, [row()])
    assert "reset" in str(caught.value).lower()
    assert (sb.wolkvox.count("1042"), sb.calls[0].status) == (landed, 0)
    assert add(sb, [row(2)]).status_code == 201


@pytest.mark.parametrize(("where", "landed"), [("before", 0), ("after", 1)])
def test_a_hanging_call_never_answers_and_is_cut(sb: Sandbox, where: str, landed: int) -> None:
    sb.fault("wolkvox.add_record", "hang", where=where, seconds=0.3)
    started = time.monotonic()
    with pytest.raises(requests.ConnectionError):
        add(sb, [row()])
    assert 0.3 <= time.monotonic() - started < 2
    assert sb.wolkvox.count("1042") == landed


def test_a_slow_call_takes_effect_although_its_caller_has_left(sb: Sandbox) -> None:
    sb.fault("wolkvox.add_record", "slow", seconds=1)
    with pytest.raises(requests.Timeout):
        add(sb, [row()], timeout=(5, 0.1))
    assert sb.wolkvox.count("1042") == 0
    until(lambda: sb.wolkvox.count("1042") == 1)


def test_a_slow_answer_comes_after_its_effect(sb: Sandbox) -> None:
    sb.fault("wolkvox.add_record", "slow", seconds=0.4, where="after")
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(add, sb, [row()])
        until(lambda: sb.wolkvox.count("1042") == 1)
        assert not pending.done()
        assert pending.result().status_code == 201


@pytest.mark.parametrize(("where", "landed"), [("before", 0), ("after", 1)])
def test_half_a_body_ends_too_soon(sb: Sandbox, where: str, landed: int) -> None:
    sb.fault("wolkvox.add_record", "half_body", where=where)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        add(sb, [row()])
    assert sb.wolkvox.count("1042") == landed


def test_latency_is_per_operation(sb: Sandbox) -> None:
    sb.limits.change(latency_s={"wolkvox.find_record": 0.2})
    started = time.monotonic()
    find(sb, customer_id="C-1")
    assert time.monotonic() - started >= 0.2
    assert sb.calls[0].finished is not None
    assert sb.calls[0].finished - sb.calls[0].started >= 0.2


@pytest.mark.parametrize(
    "wrong",
    [
        {"operation": "wolkvox.addrecord", "kind": "cut"},
        {"operation": "*", "kind": "explode"},
        {"operation": "*", "kind": "cut", "where": "during"},
        {"operation": "*", "kind": "status", "status": 42},
        {"operation": "*", "kind": "cut", "times": "often"},
        {"operation": "*", "kind": "cut", "after": -1},
        {"operation": "*", "kind": "hang", "seconds": True},
        {"operation": "*"},
        {"operation": "*", "kind": "cut", "colour": "red"},
        "cut",
    ],
)
def test_a_fault_that_cannot_be_is_refused_with_the_reason(sb: Sandbox, wrong: Any) -> None:
    answer = requests.post(f"{sb.url}/_sandbox/faults", json=wrong, timeout=10)
    assert answer.status_code == 400
    assert answer.json()["error"]


# The ledger, and the face under /_sandbox/


def test_every_call_is_on_the_ledger(sb: Sandbox) -> None:
    before = time.time()
    add(sb, [row(1), row(2)])
    dispatch(sb, ANA, schedule_time=1)
    find(sb, customer_id="C-9")
    assert [(c.operation, c.token, c.status, c.rows) for c in sb.calls] == [
        ("wolkvox.add_record", TOKEN, 201, 2),
        ("tracksale.dispatch", TOKEN, 200, 1),
        ("wolkvox.find_record", TOKEN, 404, 0),
    ]
    assert all(c.finished is not None and before <= c.started <= c.finished <= time.time() for c in sb.calls)
    assert TOKEN not in repr(sb.calls)


def test_the_state_counts_everything_and_shows_no_token(sb: Sandbox) -> None:
    add(sb, [row(1), row(1)])
    add(sb, [row(age=1)])
    dispatch(sb, ANA, schedule_time=1)
    answer = requests.get(f"{sb.url}/_sandbox/state?calls=2", timeout=10)
    state = answer.json()
    campaign = {"status": "started", "rows": 2, "duplicates": 2}
    assert state["wolkvox"]["campaigns"]["1042"] == campaign
    assert state["tracksale"]["campaigns"]["52"] == {"customers": 1}
    assert state["breach_counts"] == {"row": 1}
    assert state["breaches"][0]["detail"] == "row 0: age is no string"
    assert list(state["max_in_flight"].values()) == [1]
    assert state["call_counts"]["wolkvox.add_record"] == {"201": 1, "400": 1}
    assert [call["operation"] for call in state["calls"]] == ["wolkvox.add_record", "tracksale.dispatch"]
    assert TOKEN not in answer.text
    assert len(sb.calls) == 3


def test_rows_and_customers_can_be_fetched(sb: Sandbox) -> None:
    add(sb, [row(1, opt12="d-1")])
    dispatch(sb, ANA, schedule_time=1)
    assert control(sb, "GET", "rows/1042")[0]["tel1"] == "93000000001"
    assert control(sb, "GET", "rows/1042?fields=customer_id,opt12") == [{"customer_id": "C-1", "opt12": "d-1"}]
    assert control(sb, "GET", "customers/52")[0]["email"] == ANA["email"]
    assert requests.get(f"{sb.url}/_sandbox/rows/9999", timeout=10).status_code == 404


def test_faults_limits_and_campaigns_are_set_over_http(sb: Sandbox) -> None:
    control(sb, "POST", "campaigns", {"campaign_id": "77", "status": "stopped", "name": "New"})
    assert control(sb, "POST", "campaigns", {"vendor": "tracksale", "code": 77})["77"] == {"customers": 0}
    assert add(sb, [row()], ADD.replace("1042", "77")).status_code == 201
    assert control(sb, "GET", "state")["wolkvox"]["started_by_upload"] == ["77"]
    control(sb, "POST", "faults", [{"operation": "wolkvox.add_record", "kind": "status", "status": 503}])
    assert add(sb, [row()]).status_code == 503
    assert control(sb, "GET", "faults")[0]["used"] == 1
    assert control(sb, "DELETE", "faults") == []
    assert control(sb, "POST", "limits", {"rows_per_call": 1, "poison": ["C-5"]})["poison"] == ["C-5"]
    assert add(sb, [row(1), row(2)]).status_code == 400
    answer_id = control(sb, "POST", "answers", {"email": "a@example.com", "tags": {"Canal": ""}})["answer_id"]
    assert control(sb, "GET", "tags") == {str(answer_id): {"Canal": ""}}


def test_a_reset_forgets_what_came_and_keeps_limits_and_campaigns(sb: Sandbox) -> None:
    sb.limits.change(window_calls=1)
    sb.wolkvox.add_campaign("77")
    add(sb, [row(age=1)])
    add(sb, [row()])
    dispatch(sb, ANA, schedule_time=1)
    dispatch(sb, ANA, schedule_time=1)
    sb.fault("*", "cut")
    control(sb, "POST", "reset")
    assert (sb.calls, sb.breaches, sb.wolkvox.count("1042"), sb.tracksale.customers(52)) == ([], [], 0, [])
    assert find(sb, customer_id="C-1").status_code == 404
    assert dispatch(sb, ANA, schedule_time=1).json()["status"]["inserted"] == 1
    assert sb.limits.window_calls == 1
    assert add(sb, [row()], ADD.replace("1042", "77")).status_code == 201


@pytest.mark.parametrize(
    "wrong",
    [
        {"speed": 1},
        {"licences": "many"},
        {"licences": True},
        {"window_s": -1},
        {"keep_rows": 1},
        {"latency_s": {"*": "slow"}},
        {"tokens": "one"},
        {"poison": [1]},
        {"poison_if": "x"},
        [],
    ],
)
def test_a_limit_that_cannot_be_is_refused_with_the_reason(sb: Sandbox, wrong: Any) -> None:
    answer = requests.post(f"{sb.url}/_sandbox/limits", json=wrong, timeout=10)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_an_unknown_command_names_the_known_ones(sb: Sandbox) -> None:
    answer = requests.get(f"{sb.url}/_sandbox/nothing", timeout=10)
    assert answer.status_code == 404
    assert "GET /_sandbox/state" in answer.json()["commands"]


# The wire


def talk(sb: Sandbox, *parts: bytes) -> bytes:
    """Raw bytes to the sandbox and all that it says until it closes."""
    port = int(sb.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as line:
        for part in parts:
            line.sendall(part)
        line.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: line.recv(65536), b""))


def test_one_connection_carries_many_calls(sb: Sandbox) -> None:
    ping = f"GET /v2/ping/ HTTP/1.1\r\nHost: x\r\nAuthorization: Key {TOKEN}\r\n\r\n".encode()
    assert talk(sb, ping, ping + ping).count(b"HTTP/1.1 200 OK") == 3


def test_a_caller_that_dies_within_its_body_changes_nothing(sb: Sandbox) -> None:
    head = f"POST /api/v2/campaign.php?{ADD} HTTP/1.1\r\nHost: x\r\nwolkvox-token: {TOKEN}\r\n"
    assert talk(sb, head.encode() + b"Content-Length: 500\r\n\r\n[{") == b""
    until(lambda: sb.calls[0].finished is not None)
    assert (sb.calls[0].status, sb.wolkvox.count("1042"), sb.breaches) == (0, 0, [])


@pytest.mark.parametrize("length", ["999999999999", "-1", "many"])
def test_a_body_without_bounds_is_refused_unread(sb: Sandbox, length: str) -> None:
    head = f"POST /v2/note HTTP/1.1\r\nHost: x\r\nAuthorization: bearer {TOKEN}\r\nContent-Length: {length}\r\n\r\n"
    assert talk(sb, head.encode()).startswith(b"HTTP/1.1 413 ")


def test_closing_ends_what_hangs(sb: Sandbox) -> None:
    sb.fault("*", "hang", seconds=60)
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(add, sb, [row()], timeout=30)
        until(lambda: len(sb.calls) == 1 and sb.calls[0].fault == "hang")
        started = time.monotonic()
        sb._server.close()
        assert isinstance(hanging.exception(timeout=5), requests.ConnectionError)
    assert time.monotonic() - started < 3


def test_many_callers_at_once_are_all_counted(sb: Sandbox) -> None:
    sb.limits.change(simultaneous=100)
    with ThreadPoolExecutor(16) as pool:
        answers = pool.map(lambda n: add(sb, [row(k) for k in range(n * 20, n * 20 + 20)]).status_code, range(60))
        assert set(answers) == {201}
    assert (sb.wolkvox.count("1042"), sb.wolkvox.duplicates("1042"), len(sb.calls)) == (1200, {}, 60)


def test_a_port_in_use_is_one_clear_error(sb: Sandbox) -> None:
    port = int(sb.url.rpartition(":")[2])
    with pytest.raises(ConnectorError, match=f"port {port} .*choose another with --port"):
        serve(port)


def test_the_sandbox_serves_as_a_process_of_its_own() -> None:
    code = "from connector.sandbox import serve; serve(0)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split("simulated: ")[1].split()[0]
        assert requests.get(f"{url}/_sandbox/state", timeout=10).json()["breaches"] == []
        process.send_signal(2)
        assert process.wait(timeout=10) == 0
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def test_nothing_of_the_sandbox_outlives_it() -> None:
    with Sandbox() as sb:
        add(sb, [row()])
    with pytest.raises(requests.ConnectionError):
        add(sb, [row()])
    until(lambda: not any(thread.name == "sandbox" for thread in threading.enumerate()))
