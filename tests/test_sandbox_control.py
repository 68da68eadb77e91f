"""The sandbox's ledger and control, and how it serves: connections, bodies, its end."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from connector.core.errors import ConnectorError
from connector.vendors.sandbox.exchange import Sandbox, serve
from tests import sandbox_calls
from tests.sandbox_calls import ADD, ANA, TOKEN, add, control, dispatch, find, row, until

sb = sandbox_calls.sb


# The ledger, and the face under /_sandbox/


def test_every_call_is_on_the_ledger(sb: Sandbox) -> None:
    before = time.time()
    add(sb, [row(1), row(2)])
    dispatch(sb, ANA, schedule_time=1)
    find(sb, customer_id="C-9")
    assert [(one.operation, one.token, one.status, one.rows) for one in sb.calls] == [
        ("wolkvox.add_record", TOKEN, 201, 2),
        ("tracksale.dispatch", TOKEN, 200, 1),
        ("wolkvox.find_record", TOKEN, 404, 0),
    ]
    assert all(one.finished is not None and before <= one.started <= one.finished <= time.time() for one in sb.calls)
    assert TOKEN not in repr(sb.calls)


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("campaigns", {"id": "1042"}, "id is unknown; there are campaign_id, status, name"),
        ("campaigns", {"status": "stopped"}, "campaign_id is missing"),
        ("campaigns", {"vendor": "tracksale", "name": "x"}, "code is missing"),
        ("faults", {"kinds": "status"}, "kinds is unknown; there are operation, kind, "),
        ("faults", {"operation": "*"}, "kind is missing"),
        ("tickets", {"channel": "email"}, "number is missing"),
    ],
)
def test_a_wrong_field_is_named_with_those_there_are(sb: Sandbox, path: str, body: dict[str, str], said: str) -> None:
    answer = requests.post(f"{sb.url}/_sandbox/{path}", json=body, timeout=60)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(said)


def test_the_state_counts_everything_and_shows_no_token(sb: Sandbox) -> None:
    add(sb, [row(1), row(1)])
    add(sb, [row(age=1)])
    dispatch(sb, ANA, schedule_time=1)
    answer = requests.get(f"{sb.url}/_sandbox/state?calls=2", timeout=60)
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
    assert requests.get(f"{sb.url}/_sandbox/rows/9999", timeout=60).status_code == 404


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
    answer = requests.post(f"{sb.url}/_sandbox/limits", json=wrong, timeout=60)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_an_unknown_command_names_the_known_ones(sb: Sandbox) -> None:
    answer = requests.get(f"{sb.url}/_sandbox/nothing", timeout=60)
    assert answer.status_code == 404
    assert "GET /_sandbox/state" in answer.json()["commands"]


# The wire


def talk(sb: Sandbox, *parts: bytes) -> bytes:
    """Raw bytes to the sandbox and all that it says until it closes."""
    port = int(sb.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=60) as line:
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
        hanging = pool.submit(add, sb, [row()], timeout=90)
        until(lambda: len(sb.calls) == 1 and sb.calls[0].fault == "hang")
        started = time.monotonic()
        sb._server.close()
        assert isinstance(hanging.exception(timeout=120), requests.ConnectionError)
    assert time.monotonic() - started < 55


def test_many_callers_at_once_are_all_counted(sb: Sandbox) -> None:
    sb.limits.change(simultaneous=100)
    with ThreadPoolExecutor(16) as pool:
        answers = pool.map(
            lambda number: add(sb, [row(one) for one in range(number * 20, number * 20 + 20)]).status_code, range(60)
        )
        assert set(answers) == {201}
    assert (sb.wolkvox.count("1042"), sb.wolkvox.duplicates("1042"), len(sb.calls)) == (1200, {}, 60)


def test_a_port_in_use_is_one_clear_error(sb: Sandbox) -> None:
    port = int(sb.url.rpartition(":")[2])
    with pytest.raises(ConnectorError, match=f"port {port} .*choose another with --port"):
        serve(port)


def test_the_sandbox_serves_as_a_process_of_its_own() -> None:
    # A shell that starts the tests in the background has them ignore Ctrl-C, and children inherit that.
    heeds = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{heeds}; from connector.vendors.sandbox.exchange import serve; serve(0)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split("simulated: ")[1].split()[0]
        assert requests.get(f"{url}/_sandbox/state", timeout=60).json()["breaches"] == []
        process.send_signal(2)
        assert process.wait(timeout=90) == 0
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
