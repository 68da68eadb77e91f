"""The simulated wolkvox over real sockets: every documented answer and every limit."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from connector.vendors.sandbox.exchange import Sandbox
from tests import sandbox_calls
from tests.sandbox_calls import ADD, TOKEN, add, ask, control, find, row, rules, until

sb = sandbox_calls.sb
MISSING = {"code": "400", "error": "Bad Request", "msg": "SOME PARAMETERS ARE REQUIRED"}


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
    assert [(one["customer_id"], one["opt12"], one["city"]) for one in kept] == [("C-1", "", ""), ("C-2", "d-7", "")]
    assert all(before <= one["arrived_s"] <= time.time() for one in kept)
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
    rows = [row(number) for number in range(10_001)]
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
    assert [one["opt12"] for one in find(sb, customer_id="C-1").json()["data"]] == ["", "again"]
    assert sb.wolkvox.duplicates("1042") == {"C-1": 2, "93000000001": 2, "93000000002": 2}
    assert sb.wolkvox.duplicates("1043") == {}
    assert control(sb, "GET", "duplicates/1042")["C-1"] == 2


def test_a_phone_shared_as_second_number_is_no_duplicate(sb: Sandbox) -> None:
    add(sb, [row(1, tel2="93555555555"), row(2, tel2="93555555555"), row(3, tel2="93000000003")])
    assert sb.wolkvox.duplicates("1042") == {}


def test_rows_appear_later_when_the_vendor_is_slow_to_insert() -> None:
    with Sandbox(insert_delay_s=3) as sb:
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
        assert [one["tel1"] for one in sb.wolkvox.rows("1042")] == ["", "", ""]
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
    assert [(one.rule, one.detail, one.operation) for one in sb.breaches] == [(rule, detail, "wolkvox.add_record")]
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
    sb.limits.change(latency_s={"wolkvox.add_record": 3})
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda number: add(sb, [row(number)]), range(3)))
    refused = [answer for answer in answers if answer.status_code == 403]
    words = ["EXCEEDS THE LIMIT OF SIMULTANEOUS REQUESTS PER TOKEN (2)"]
    assert [answer.json()["msg"] for answer in refused] == words
    assert (rules(sb), sb.max_in_flight[TOKEN], sb.wolkvox.count("1042")) == (["simultaneous"], 3, 2)


def test_two_lanes_of_calls_back_to_back_never_count_as_three(sb: Sandbox) -> None:
    def lane(start: int) -> None:
        with requests.Session() as session:
            for number in range(start, start + 100):
                url, headers = f"{sb.url}/api/v2/campaign.php?{ADD}", {"wolkvox-token": TOKEN}
                assert session.post(url, json=[row(number)], headers=headers, timeout=60).status_code == 201

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lane, (0, 1000)))
    assert (sb.breaches, sb.max_in_flight[TOKEN], sb.wolkvox.count("1042")) == ([], 2, 200)


def test_each_token_has_its_own_slots(sb: Sandbox) -> None:
    sb.limits.change(latency_s=3)
    with ThreadPoolExecutor(4) as pool:
        tokens = ("one", "one", "two", "two")
        answers = pool.map(lambda token: add(sb, [row()], headers={"wolkvox-token": token}), tokens)
        assert {answer.status_code for answer in answers} == {201}
    assert sb.max_in_flight == {"one": 2, "two": 2}


def hang_up_twice(sb: Sandbox) -> None:
    """Two calls that the sandbox holds and whose caller leaves."""
    sb.fault("wolkvox.add_record", "hang", times=2, seconds=6)
    for number in range(2):
        with pytest.raises(requests.Timeout):
            add(sb, [row(number)], timeout=(5, 0.3))


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
    with Sandbox(licences=1, calls_per_licence=2, day_s=600) as sb:
        assert [add(sb, [row(number)]).status_code for number in range(3)] == [201, 201, 403]
        assert find(sb, customer_id="C-1").json()["msg"] == "TOKEN LIMIT EXCEEDED"
        assert rules(sb) == ["daily_budget", "daily_budget"]
        sb.limits.change(day_s=0.001)  # it is over
        assert add(sb, [row(9)]).status_code == 201


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
    assert add(sb, [row(number) for number in range(5)]).json() == MISSING
    sb.limits.change(poison=[], poison_if=lambda one: one["city"] == "Atlantis")
    assert add(sb, [row(city="Atlantis")]).json() == MISSING
    assert add(sb, [row(3)]).status_code == 201
    assert sb.breaches == []
