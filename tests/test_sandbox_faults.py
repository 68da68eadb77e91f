"""The simulated PostCenter, and the faults that any simulated vendor can be told to have."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from connector.vendors.sandbox.exchange import Sandbox
from tests import sandbox_calls
from tests.sandbox_calls import TOKEN, add, find, row, rules, survey, until

sb = sandbox_calls.sb


def ticket(sb: Sandbox, method: str, path: str, key: str = f"Key {TOKEN}") -> requests.Response:
    return requests.request(method, f"{sb.url}{path}", headers={"Authorization": key}, timeout=60)


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
    assert [add(sb, [row(number)]).status_code for number in range(4)] == [201, 502, 502, 201]
    assert (fault.seen, fault.used, sb.wolkvox.count("1042")) == (4, 2, 2)
    assert [call.fault for call in sb.calls] == ["", "status", "status", ""]


def test_faults_strike_in_the_order_they_were_added_and_go_when_cleared(sb: Sandbox) -> None:
    sb.fault("*", "status", status=500)
    sb.fault("wolkvox.*", "status", status=503, times=None)
    assert [add(sb, [row(number)]).status_code for number in range(3)] == [500, 503, 503]
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
    assert [(one.rule, one.detail) for one in sb.breaches] == [("redirect", "a redirect was followed with the token")]


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
    assert 0.3 <= time.monotonic() - started < 60
    assert sb.wolkvox.count("1042") == landed


def test_a_slow_call_takes_effect_although_its_caller_has_left(sb: Sandbox) -> None:
    sb.fault("wolkvox.add_record", "slow", seconds=3)
    with pytest.raises(requests.Timeout):
        add(sb, [row()], timeout=(5, 0.1))
    assert sb.wolkvox.count("1042") == 0
    until(lambda: sb.wolkvox.count("1042") == 1)


def test_a_slow_answer_comes_after_its_effect(sb: Sandbox) -> None:
    sb.fault("wolkvox.add_record", "slow", seconds=2, where="after")
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
    answer = requests.post(f"{sb.url}/_sandbox/faults", json=wrong, timeout=60)
    assert answer.status_code == 400
    assert answer.json()["error"]
