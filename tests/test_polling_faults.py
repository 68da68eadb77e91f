"""Polling when something goes wrong: captchas, deadlines, two pollers, live deliveries."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from connector.outbound import poll as polling
from connector.outbound.poll import Step
from connector.outbound.poller import Poller
from connector.store import accounts, tables
from connector.store.database import Database, now_ms
from connector.vendors.sandbox.exchange import Sandbox
from tests import polled_sources
from tests.outbound_steps import note
from tests.polled_sources import ANSWERS, Asked, call_back, detractor, seconds, until

answers, database, sandbox, store = (
    polled_sources.answers,
    polled_sources.database,
    polled_sources.sandbox,
    polled_sources.store,
)


def test_a_captcha_in_the_midst_blocks_the_account_and_the_look_goes_on_from_there(
    database: Database, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "BLOCKED_LOOK_MS", 1)
    asked = Asked(database, sandbox, replace(ANSWERS, since=datetime.now(UTC) - timedelta(days=100)), call_back())
    for days in (90, 50, 20, 1):
        detractor(sandbox, time=seconds(days=days))
    sandbox.fault("tracksale.report_answer", "captcha_405", after=1)
    first = asked.look()
    assert [step.closed for step in first] == [False, True]
    assert asked.types() == {"answer.detractor": 1}
    asked.due()
    blocked = asked.polling.step()
    assert blocked.closed and "connector resume surveys" in blocked.why
    stand = asked.stand()
    assert "is blocked: 405 CAPTCHA" in str(stand.reason) and stand.cursor["at"] > stand.cursor["from"]
    made = asked.calls()
    asked.resume()
    asked.look()
    assert asked.calls() - made == 3, "the pages that were not read yet, and no other"
    assert asked.types() == {"answer.detractor": 4}
    assert asked.stand().reason is None


@pytest.mark.parametrize(
    ("fault", "standing_says", "poll_says"),
    [
        ({"kind": "status", "status": 429, "body": {"error": "slow"}, "headers": {"Retry-After": "7"}}, "held", "429"),
        ({"kind": "status", "status": 401, "body": {"error": "Unauthorized"}}, "blocked", "401"),
        ({"kind": "status", "status": 503}, "open", "503"),
        ({"kind": "html_200"}, "blocked", "web page"),
        ({"kind": "cut"}, "open", "no answer"),
        ({"kind": "status", "status": 200, "body": {"odd": 1}}, "blocked", "another"),
        ({"kind": "status", "status": 400, "body": {"error": "Invalid Time"}}, "open", "Invalid Time"),
        ({"kind": "status", "status": 200, "body": {"error": "Invalid Time"}}, "open", "Invalid Time"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_an_answer_means_for_the_account_but_a_failure_holds_only_the_poll(
    answers: Asked, sandbox: Sandbox, fault: dict[str, Any], standing_says: str, poll_says: str
) -> None:
    sandbox.fault("tracksale.report_answer", **fault)
    detractor(sandbox)
    step = answers.polling.step()
    assert step.cursor is None and step.why
    with answers.database.read() as conn:
        stand = accounts.account(conn, "surveys")
        now = now_ms(conn)
    state = "held" if stand.state == "open" and stand.hold_until > now else stand.state
    assert state == standing_says
    if fault.get("headers"):
        assert 5_000 < stand.hold_until - now <= 7_000
    assert poll_says in str(answers.stand().reason) or poll_says == "another"
    answers.resume()
    answers.look()
    assert answers.types() == {"answer.detractor": 1}


def test_a_page_that_only_another_process_may_read_is_left_to_it_until_its_deadline(
    answers: Asked, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One process freezes after the answer; another takes over; the first wakes, and nothing of its page counts."""
    detractor(sandbox)
    frozen, woken = threading.Event(), threading.Event()
    slow = answers.another()
    ask = slow._ask

    def freeze(*args: Any) -> Any:
        found = ask(*args)
        frozen.set()
        woken.wait(120)
        return found

    monkeypatch.setattr(slow, "_ask", freeze)
    steps: list[Step] = []
    thread = threading.Thread(target=lambda: steps.append(slow.step()))
    thread.start()
    assert frozen.wait(120)
    assert answers.polling.step().cursor is None, "it is in other hands"
    with answers.database.write() as conn:
        conn.execute(update(tables.polls).values(held_until=1))
    assert answers.polling.step().through
    before = answers.stand()
    woken.set()
    thread.join()
    assert steps[0].cursor is None
    assert answers.stand() == before
    assert len(answers.events()) == 1


def test_two_pollers_at_once_ask_once_and_lose_nothing(answers: Asked, sandbox: Sandbox) -> None:
    settings = replace(answers.settings, sources={"asked": replace(answers.source, poll=replace(ANSWERS, every_s=0.3))})
    pollers = [Poller(settings, answers.database) for _ in range(2)]
    began_s = time.monotonic()
    for one in pollers:
        one.start()
    for number in range(10):
        detractor(sandbox, phone=f"30000001{number:02}")
        time.sleep(0.1)
    until(lambda: len(answers.events()) == 10)
    stopped = [one.stop() for one in pollers]
    assert all(stopped)
    took_s = time.monotonic() - began_s
    assert answers.calls("tracksale.report_answer") <= took_s / 0.3 + 2
    assert answers.types() == {"answer.detractor": 10}
    assert len(answers.sent()) == 10


def test_live_deliveries_go_first_but_not_for_ever(
    database: Database, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "POLL_PATIENCE_S", 0.05)
    asked = Asked(database, sandbox, ANSWERS, note(on=("answer.detractor",)))
    asked.look()
    detractor(sandbox)
    asked.look()  # the note that it brings is due now
    detractor(sandbox, phone="3000000009")
    asked.due()
    yielding = asked.polling.step()
    assert yielding.cursor is None and "go first" in yielding.why
    assert asked.calls("tracksale.report_answer") == 2
    with database.write() as conn:
        late = now_ms(conn) - polling.OVERDUE_MS
        conn.execute(update(tables.polls).values(due_at=late))
    assert asked.polling.step().through
    assert asked.types() == {"answer.detractor": 2}


def test_half_of_the_window_is_left_to_others(database: Database, sandbox: Sandbox) -> None:
    asked = Asked(database, sandbox, ANSWERS, call_back(), requests_per_window=10)
    for _ in range(5):
        asked.look()
    asked.due()
    step = asked.polling.step()
    assert (step.cursor is None and "10 requests" in step.why) or "5" in step.why
    assert asked.calls() == 5
