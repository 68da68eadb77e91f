"""Polling: nothing lost, nothing twice, whatever the vendor's clock, its pages and its moods; and the past, behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select, update

from connector import configuration, enrich, polling, polls, standing, tables, waiting
from connector.client import Deadline
from connector.commands import connector as command
from connector.committer import Committer
from connector.db import Database, now_ms
from connector.deliver import Line, claim, perform
from connector.destinations import name_of, places
from connector.outbox import BULK, LIVE
from connector.pages import Span
from connector.poller import Poller
from connector.polling import Polling, Step
from connector.quota import Wait
from connector.receive import Receiver
from connector.routes import Router
from connector.sandbox import Sandbox
from connector.settings import Account, Poll, Route, Secret, Settings, Source, Verify
from connector.vendors import VENDORS
from connector.vendors.fetching import Fetching
from connector.web import create_app
from connector.worker import Worker, prepare
from tests import delivering
from tests.delivering import dial, note, survey

store, database, sandbox = delivering.store, delivering.database, delivering.sandbox

PROJECT = Path(__file__).resolve().parent.parent
ANSWERS = Poll(call="tracksale.answers", campaign_codes=("52",))
CLOSED = Poll(call="postcenter.tickets", state="closed")
EMAIL = Poll(call="postcenter.tickets", channel="email")
DAY_S = 86400


def seconds(**ago: float) -> int:
    """Unix seconds, so long ago."""
    return int(time.time() - timedelta(**ago).total_seconds())


def local(unix_s: float) -> str:
    """As PostCenter writes its times: the account's, without a zone."""
    zone = Settings().locale.timezone
    return datetime.fromtimestamp(unix_s, zone).replace(tzinfo=None, microsecond=0).isoformat()


class Asked:
    """Sources that are polled, and the routes that want what they bring, around one database and one sandbox."""

    def __init__(self, database: Database, sandbox: Sandbox, poll: Poll, *routes: Route, **values: Any) -> None:
        self.database, self.sandbox = database, sandbox
        answers = poll.call == "tracksale.answers"
        self.account = "surveys" if answers else "helpdesk"
        mapping = "tracksale_answer" if answers else "postcenter"
        account = Account(
            name=self.account,
            vendor="tracksale" if answers else "postcenter",
            token=Secret("invented-3"),
            base_url=sandbox.url,
            timeout_s=3,
            **values,
        )
        others = [delivering.dialler(sandbox.url), delivering.surveys(sandbox.url)]
        proof = Verify(scheme="token", header="X-Token", secrets=(Secret("invented-4"),))
        self.source = Source(name="asked", mapping=mapping, account=self.account, poll=poll, verify=proof)
        self.settings = Settings(
            accounts={one.name: one for one in [*others, account]},
            sources={"asked": self.source},
            routes=routes,
            database_url=database.url,
        )
        self.places = places(self.settings)
        prepare(self.settings, database, self.places)
        self.polling = self.another()

    def another(self, span: Span | None = None) -> Polling:
        """One more process that polls."""
        return Polling(self.settings, self.database, self.source, span)

    def look(self, one: Polling | None = None, *, most: int = 50) -> list[Step]:
        """A whole look, now."""
        self.due(one, late=True)
        made: list[Step] = []
        for _ in range(most):
            step = (one or self.polling).step()
            made.append(step)
            if step.through or step.closed:
                return made
            assert step.cursor is not None, step
        raise AssertionError(f"no end of pages: {made[-1]}")

    def due(self, one: Polling | None = None, *, late: bool = False) -> None:
        """Now, or for so long that it yields to nobody any more."""
        name = (one or self.polling).name
        with self.database.write() as conn:
            now = now_ms(conn) - late * polling.OVERDUE_MS
            conn.execute(update(tables.polls).where(tables.polls.c.name == name).values(due_at=now))

    def stand(self, name: str = "asked") -> polls.Stand:
        with self.database.read() as conn:
            found = polls.get(conn, name)
        assert found is not None
        return found

    def rows(self, table: Any = tables.events) -> list[Any]:
        with self.database.read() as conn:
            return list(conn.execute(select(table).order_by(table.c[0])))

    def events(self) -> list[tuple[str, str]]:
        """(event id, state), in the order they came."""
        return [(row.event_id, row.state) for row in self.rows()]

    def types(self) -> dict[str, int]:
        return dict(Counter(row.type for row in self.rows()))

    def sent(self) -> list[tuple[str, str, int]]:
        """(route, state, lane) of every delivery."""
        return [(row.route, row.state, row.lane) for row in self.rows(tables.deliveries)]

    def calls(self, begins: str = "") -> int:
        return sum(call.operation.startswith(begins) for call in self.sandbox.calls)

    def fetch(self) -> None:
        """As a worker does, until nothing waits."""
        worker = Worker(self.settings, self.database)
        worker.start()
        try:
            until(lambda: all(row.state != "waiting" for row in self.rows()))
        finally:
            assert worker.stop()

    def resume(self) -> None:
        with self.database.write() as conn:
            standing.resume(conn, self.account, now_ms(conn))


def until(fulfilled: Callable[[], bool], seconds: float = 40) -> None:
    end = time.monotonic() + seconds
    while not fulfilled():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def call_back(*types: str, **values: Any) -> Route:
    return dial(name="call back", on=types or ("answer.detractor",), **values)


@pytest.fixture
def answers(database: Database, sandbox: Sandbox) -> Asked:
    return Asked(database, sandbox, ANSWERS, call_back())


def detractor(sandbox: Sandbox, **values: Any) -> int:
    given = {"campaign_code": 52, "name": "Ana Núñez", "phone": "3000000001", "nps_answer": 2, "nps_comment": "Nadie"}
    return sandbox.tracksale.add_answer(**given | values)


# --- Tracksale's answers --------------------------------------------------------------------------------------------


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
    client = create_app(answers.settings, answers.database, committer).test_client()
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
    for n in range(30):
        detractor(sandbox, phone=f"30000000{n:02}")
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
    line = Line(database, account, dict(asked.places["surveys"]), VENDORS["tracksale"](account), "a1b2c3")
    while not isinstance(claimed := claim(line), Wait):
        perform(line, claimed, Deadline.after(3))
    assert sorted((one["answer_id"], one["comment"]) for one in sandbox.tracksale.notes) == [
        (number, "Nadie"),
        (number, "Se llamará hoy"),
    ]


# --- what goes wrong ------------------------------------------------------------------------------------------------


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
    assert "is blocked: 405 CAPTCHA" in str(stand.error) and stand.cursor["at"] > stand.cursor["from"]
    made = asked.calls()
    asked.resume()
    asked.look()
    assert asked.calls() - made == 3, "the pages that were not read yet, and no other"
    assert asked.types() == {"answer.detractor": 4}
    assert asked.stand().error is None


@pytest.mark.parametrize(
    ("fault", "standing_says", "poll_says"),
    [
        ({"kind": "status", "status": 429, "body": {"error": "slow"}, "headers": {"Retry-After": "7"}}, "held", "429"),
        ({"kind": "status", "status": 401, "body": {"error": "Unauthorized"}}, "blocked", "401"),
        ({"kind": "status", "status": 503}, "held", "503"),
        ({"kind": "html_200"}, "blocked", "web page"),
        ({"kind": "cut"}, "held", "no answer"),
        ({"kind": "status", "status": 200, "body": {"odd": 1}}, "blocked", "another"),
        ({"kind": "status", "status": 400, "body": {"error": "Invalid Time"}}, "open", "Invalid Time"),
        ({"kind": "status", "status": 200, "body": {"error": "Invalid Time"}}, "open", "Invalid Time"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_an_answer_means_for_the_account_is_what_it_means_everywhere(
    answers: Asked, sandbox: Sandbox, fault: dict[str, Any], standing_says: str, poll_says: str
) -> None:
    sandbox.fault("tracksale.report_answer", **fault)
    detractor(sandbox)
    step = answers.polling.step()
    assert step.cursor is None and step.why
    with answers.database.read() as conn:
        stand = standing.account(conn, "surveys")
        now = now_ms(conn)
    state = "held" if stand.state == "open" and stand.hold_until > now else stand.state
    assert state == standing_says
    if fault.get("headers"):
        assert 5_000 < stand.hold_until - now <= 7_000
    assert poll_says in str(answers.stand().error) or poll_says == "another"
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
        woken.wait(20)
        return found

    monkeypatch.setattr(slow, "_ask", freeze)
    steps: list[Step] = []
    thread = threading.Thread(target=lambda: steps.append(slow.step()))
    thread.start()
    assert frozen.wait(10)
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
    for n in range(10):
        detractor(sandbox, phone=f"30000001{n:02}")
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
    monkeypatch.setattr(polling, "PATIENCE_S", 0.05)
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


# --- PostCenter's tickets by state ----------------------------------------------------------------------------------


def ref(number: int, created_s: float) -> str:
    """A ticket's id holds when it was created."""
    return f"{int(created_s):08x}{number:016x}"


def ticket(sandbox: Sandbox, number: int, *, closed: bool = True, created_s: float = 0, **values: Any) -> str:
    created_s = created_s or time.time()
    given = {"id": ref(number, created_s), "created": local(created_s), "updated_time": local(created_s)}
    given |= {"is_closed": closed, "account": f"cliente.{number}@example.com"}
    return sandbox.postcenter.add_ticket(number, "email", **given | values)


def change(sandbox: Sandbox, ref: str, updated_s: float = 0, **values: Any) -> None:
    sandbox.postcenter.tickets[ref] |= {"updated_time": local(updated_s or time.time()), **values}


@pytest.fixture
def closed(database: Database, sandbox: Sandbox) -> Asked:
    return Asked(database, sandbox, CLOSED, survey())


def test_of_the_first_list_only_what_is_new_is_read(closed: Asked, sandbox: Sandbox) -> None:
    for number in range(300, 340):
        ticket(sandbox, number, created_s=seconds(days=30))
    fresh = ticket(sandbox, 400, created_s=seconds(hours=3))
    closed.look()
    assert [name for name, _ in closed.events()] == [f"{fresh} closed 0"]
    assert closed.stand().seen == {one["id"] for one in sandbox.postcenter.tickets.values() if one["is_closed"]}


def test_an_id_that_was_seen_costs_no_call_and_one_that_came_back_is_news(closed: Asked, sandbox: Sandbox) -> None:
    old = ticket(sandbox, 300, created_s=seconds(days=30))
    closed.look()
    number = ticket(sandbox, 301, closed=False)
    closed.look()
    assert closed.events() == []
    change(sandbox, number, seconds(minutes=30), is_closed=True)
    closed.look()
    closed.fetch()
    asked = closed.calls("postcenter.")
    for _ in range(3):
        closed.look()
    closed.fetch()
    assert closed.calls("postcenter.") == asked + 3, "one list each, and nothing else"
    for minutes in (20, 10):
        change(sandbox, number, seconds(minutes=minutes), is_closed=False)
        closed.look()
        change(sandbox, number, seconds(minutes=minutes - 5), is_closed=True)
        closed.look()
        closed.fetch()
    change(sandbox, old, is_closed=False)
    closed.look()
    change(sandbox, old, is_closed=True)
    closed.look()
    closed.fetch()
    assert closed.types() == {"ticket.closed": 4}
    assert {row.state for row in closed.rows()} == {"accepted"}
    assert len(closed.sent()) == 4


def test_what_is_fetched_after_it_was_reopened_is_no_closed_ticket(closed: Asked, sandbox: Sandbox) -> None:
    closed.look()
    number = ticket(sandbox, 301)
    closed.look()
    change(sandbox, number, is_closed=False)
    closed.fetch()
    assert closed.sent() == []
    assert closed.types() == {"ticket.updated": 1}


def test_the_list_is_small_in_the_database(closed: Asked, sandbox: Sandbox) -> None:
    for number in range(3000):
        ticket(sandbox, 1000 + number, created_s=seconds(days=5) + number)
    closed.look()
    (row,) = closed.rows(tables.polls)
    assert len(row.seen) < 3000 * 24
    assert len(closed.stand().seen) == 3001
    assert closed.events() == []


def test_a_state_that_the_account_does_not_have_is_said_and_asked_again_later(
    database: Database, sandbox: Sandbox
) -> None:
    asked = Asked(database, sandbox, replace(CLOSED, state="closed"), survey())
    sandbox.fault(
        "postcenter.tickets_by_state", "status", status=404, body={"message": "Non-existent status", "status": 404}
    )
    step = asked.polling.step()
    assert step.closed and "Non-existent status" in step.why
    assert asked.stand().due_at - time.time() * 1000 > 200_000
    with database.read() as conn:
        assert standing.account(conn, "helpdesk").state == "open"
    asked.look()


# --- PostCenter's tickets by channel --------------------------------------------------------------------------------


@pytest.fixture
def email(database: Database, sandbox: Sandbox) -> Asked:
    return Asked(database, sandbox, EMAIL, survey())


def closed_ids(asked: Asked) -> set[str]:
    return {json.loads(row.payload)["id"] for row in asked.rows() if row.type == "ticket.closed"}


def test_pages_may_shift_while_they_are_read(email: Asked, sandbox: Sandbox) -> None:
    email.look()
    there = {ticket(sandbox, 1000 + n, created_s=seconds(hours=5) + n) for n in range(250)}
    email.due()
    steps = []
    for n in range(10):
        steps.append(email.polling.step())
        if steps[-1].through:
            break
        there |= {ticket(sandbox, 2000 + 50 * n + m) for m in range(30)}  # new ones come first
    assert [step.read for step in steps[:2]] == [100, 100]
    email.look()
    assert closed_ids(email) == there
    assert len(email.rows()) == len(there), "and none twice"


def test_a_page_that_is_gone_begins_the_look_anew(email: Asked, sandbox: Sandbox) -> None:
    email.look()
    there = {ticket(sandbox, 1000 + n, created_s=seconds(hours=5) + n) for n in range(150)}
    email.due()
    assert email.polling.step().read == 100
    sandbox.fault("postcenter.paginated", "status", status=400, body={"message": "Bad request", "status": 400})
    email.due()
    refused = email.polling.step()
    assert refused.cursor is None and not refused.closed and "to" not in email.stand().cursor
    email.look()
    assert closed_ids(email) == there
    assert len(email.rows()) == 150


def test_each_state_of_a_ticket_is_an_event_and_the_same_state_is_none(email: Asked, sandbox: Sandbox) -> None:
    email.look()
    number = ticket(sandbox, 300, created_s=seconds(days=3), closed=False, updated_time=local(seconds(hours=2)))
    email.look()
    assert [row.state for row in email.rows()] == ["ignored"], "nobody wants it open: it is not fetched"
    assert [call.operation for call in sandbox.calls].count("postcenter.ticket") == 0
    for minutes in (50, 30):
        change(sandbox, number, seconds(minutes=minutes), is_closed=True)
        email.look()
        email.look()
        email.fetch()
        change(sandbox, number, seconds(minutes=minutes - 10), is_closed=False)
        email.look()
    assert [row.state for row in email.rows()].count("accepted") == 2
    assert len(email.sent()) == 2
    assert [call.operation for call in sandbox.calls].count("postcenter.ticket") == 2


def test_what_last_changed_before_the_first_look_is_left_alone(email: Asked, sandbox: Sandbox) -> None:
    ticket(sandbox, 300, created_s=seconds(days=3))
    number = ticket(sandbox, 301, created_s=seconds(days=3), updated_time=local(seconds(hours=1)))
    email.look()
    assert closed_ids(email) == {number}


def test_a_ticket_of_an_account_far_in_the_east_is_not_overlooked(email: Asked, sandbox: Sandbox) -> None:
    email.look()
    number = ticket(sandbox, 300, created=local(seconds(hours=-13)), updated_time=local(seconds(hours=-13)))
    email.look()
    assert closed_ids(email) == {number}


def test_a_poller_that_was_away_for_weeks_loses_nothing(email: Asked, sandbox: Sandbox) -> None:
    email.look()
    with email.database.write() as conn:
        cursor = json.dumps(dict(email.stand().cursor) | {"reached": seconds(days=30), "floor": seconds(days=60)})
        conn.execute(update(tables.polls).values(cursor=cursor))
    number = ticket(sandbox, 300, created_s=seconds(days=28))
    email.look()
    assert closed_ids(email) == {number}


# --- processes ------------------------------------------------------------------------------------------------------

TOML = """
[accounts.helpdesk]
vendor = "postcenter"
base_url = "{url}"
token = "invented-3"
timeout_s = 3

[accounts.surveys]
vendor = "tracksale"
base_url = "{url}"
token = "invented-2"

[sources.tickets]
mapping = "postcenter"
account = "helpdesk"
poll = {{ call = "postcenter.tickets", channel = "email", every = "1s", since = "2026-01-01" }}

[sources.answers]
mapping = "tracksale_answer"
account = "surveys"
poll = {{ call = "tracksale.answers", campaign_code = 52, every = "1h" }}

[[routes]]
name = "survey"
on = "ticket.closed"
to = "tracksale.dispatch"
account = "surveys"
campaign_code = "52"

[[routes]]
name = "note"
on = ["answer.detractor"]
to = "tracksale.note"
account = "surveys"
text = "Se llamará hoy"
"""


@pytest.fixture
def environ(tmp_path: Path, database_url: str, sandbox: Sandbox) -> dict[str, str]:
    (tmp_path / "connector.toml").write_text(TOML.format(url=sandbox.url))
    plain = database_url.replace("+psycopg", "")
    return {"CONNECTOR_CONFIG": str(tmp_path / "connector.toml"), "DATABASE_URL": plain, "CONNECTOR_SECRET_KEY": "k"}


@contextmanager
def process(
    environ: Mapping[str, str], *args: str, module: str = "connector", **more: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A command as its own process, in a session of its own."""
    env = {**os.environ, **environ, **more}
    running = subprocess.Popen(
        [sys.executable, "-m", module, *args], cwd=PROJECT, env=env, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        yield running
    finally:
        if running.poll() is None:
            running.kill()
        running.communicate()


def count(database: Database, table: Any = tables.events) -> int:
    with database.read() as conn:
        return len(conn.execute(select(table.c[0])).all())


def test_a_poller_that_is_killed_between_pages_goes_on_from_there(
    environ: dict[str, str], database_url: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    """The answer to a page is there, and the process dies before it is stored. One ticket is the sandbox's own."""
    for n in range(350):
        ticket(sandbox, 1000 + n, created_s=seconds(hours=20) + n)
    database = Database(database_url)
    dying = {"KILL_STEP": "answered", "KILL_NTH": "4", "KILL_COUNT": str(tmp_path / "count")}  # one is of the answers
    with process(environ, "poll", module="tests.killable", **dying) as running:
        assert running.wait(60) == -signal.SIGKILL
    stored = count(database)
    assert stored in (200, 300)
    made = [call.operation for call in sandbox.calls].count("postcenter.paginated")
    with database.write() as conn:
        conn.execute(update(tables.polls).values(held_until=1))  # its deadline passes
    with process(environ, "poll") as running:
        until(lambda: count(database) == 351)
        until(lambda: [call.operation for call in sandbox.calls].count("postcenter.paginated") > made + 4)
        running.send_signal(signal.SIGTERM)
        began_s = time.monotonic()
        assert running.wait(30) == 0
        assert time.monotonic() - began_s < 25
    assert count(database) == 351
    database.close()


def invoke(environ: Mapping[str, str], *args: str) -> Result:
    return CliRunner().invoke(command, args, env=environ)


def test_a_backfill_is_of_the_past_behind_what_is_live_and_may_be_repeated(
    environ: dict[str, str], database_url: str, sandbox: Sandbox
) -> None:
    zone = Settings().locale.timezone
    noon = datetime.now(zone).replace(hour=12, minute=0, second=0, microsecond=0)
    for days in range(10):
        when = (noon - timedelta(days=days + 2)).timestamp()
        detractor(sandbox, time=int(when), phone=f"30000000{days:02}")
    first, last = (f"{noon - timedelta(days=days):%Y-%m-%d}" for days in (8, 3))
    shown = invoke(environ, "backfill", "answers", "--from", first, "--to", last, "--json")
    assert shown.exit_code == 0, shown.output
    told = json.loads(shown.stdout)
    assert (told["pages"], told["read"], told["stored"]) == (6, 6, 6)
    again = json.loads(invoke(environ, "backfill", "answers", "--from", first, "--to", last, "--json").stdout)
    assert (again["read"], again["stored"]) == (6, 0)
    database = Database(database_url)
    with database.read() as conn:
        lanes = set(conn.execute(select(tables.deliveries.c.lane)).scalars())
        assert conn.execute(select(tables.polls)).all() == [], "nothing is left of it"
    assert lanes == {BULK}
    database.close()


def test_a_backfill_that_was_killed_goes_on_from_there(
    environ: dict[str, str], database_url: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    for days in range(20):
        detractor(sandbox, time=seconds(days=days + 1), phone=f"30000000{days:02}")
    args = ("backfill", "answers", "--from", _day(30), "--to", _day(0))
    dying = {"KILL_STEP": "answered", "KILL_NTH": "20", "KILL_COUNT": str(tmp_path / "count")}
    invoke(environ, "migrate")
    with process(environ, *args, module="tests.killable", **dying) as running:
        assert running.wait(60) == -signal.SIGKILL
    database = Database(database_url)
    before = count(database)
    assert 0 < before < 20
    with database.write() as conn:
        conn.execute(update(tables.polls).values(held_until=1))
    made = len(sandbox.calls)
    shown = invoke(environ, *args)
    assert shown.exit_code == 0, shown.output
    assert len(sandbox.calls) - made == 31 - 19, "only what was not stored yet"
    assert count(database) == 20
    database.close()


def _day(ago: int) -> str:
    return f"{datetime.now(Settings().locale.timezone) - timedelta(days=ago):%Y-%m-%d}"


def test_backfilled_tickets_wait_behind_those_that_are_live(database: Database, sandbox: Sandbox) -> None:
    asked = Asked(database, sandbox, EMAIL, survey())
    asked.look()
    for n in range(120):
        ticket(sandbox, 1000 + n, created_s=seconds(days=4) + n)
    past = asked.another(Span(seconds(days=5), seconds(days=3)))
    asked.look(past)
    live = ticket(sandbox, 300)
    asked.look()
    with database.read() as conn:
        found = waiting.next_due(conn, "helpdesk", now_ms(conn))
        assert found is not None
        one = waiting.get(conn, found[1])
        assert one is not None and one.payload["id"] == live and not one.behind
    asked.look(past)
    assert len(asked.rows()) == 121, "what was read before is not read again"
    asked.fetch()
    assert Counter(lane for _, _, lane in asked.sent()) == {BULK: 120, LIVE: 1}


def test_what_is_fetched_of_the_past_comes_after_every_delivery(database: Database, sandbox: Sandbox) -> None:
    close = Route(name="close", on=("ticket.updated",), to="postcenter.close", account="helpdesk")
    asked = Asked(database, sandbox, EMAIL, survey(), close)
    asked.look()
    past = ticket(sandbox, 1000, created_s=seconds(days=4))
    asked.look(asked.another(Span(seconds(days=5), seconds(days=3))))
    ticket(sandbox, 300, closed=False)
    asked.look()  # this one is fetched, and is to be closed
    account = asked.settings.accounts["helpdesk"]
    vendor = VENDORS["postcenter"](account)
    line = Line(database, account, dict(asked.places["helpdesk"]), vendor, "a1b2c3")
    receiver = Receiver(asked.settings, Router(asked.settings, name_of))
    kinds = []
    while not isinstance(claimed := claim(line), Wait):
        kinds.append(claimed.attempt.kind)
        if claimed.attempt.kind == "fetch":
            source = enrich.Source(database, asked.settings, account, receiver, cast(Fetching, vendor))
            enrich.enrich(source, claimed, Deadline.after(3))
        else:
            perform(line, claimed, Deadline.after(3))
    assert kinds == ["fetch", "fetch", "send", "fetch", "fetch"]
    assert [row.state for row in asked.rows() if json.loads(row.payload)["id"] == past] == ["accepted"]


def test_a_refused_backfill_keeps_what_it_has(environ: dict[str, str], sandbox: Sandbox) -> None:
    args = ("backfill", "answers", "--from", _day(6), "--to", _day(1))
    invoke(environ, "migrate")
    refusal = {"status": 400, "body": {"error": "Invalid Time"}}
    sandbox.fault("tracksale.report_answer", "status", after=4, **refusal)
    shown = invoke(environ, *args)
    assert shown.exit_code == 1 and "Invalid Time" in shown.stderr
    database = Database(configuration.database_url(environ))
    with database.write() as conn:
        conn.execute(update(tables.polls).values(due_at=0))
    database.close()
    made = len(sandbox.calls)
    assert invoke(environ, *args).exit_code == 0
    assert len(sandbox.calls) - made == 2


def test_a_backfill_by_state_takes_what_was_created_then(database: Database, sandbox: Sandbox) -> None:
    asked = Asked(database, sandbox, CLOSED, survey())
    wanted = ticket(sandbox, 300, created_s=seconds(days=40))
    ticket(sandbox, 301, created_s=seconds(days=50))
    asked.look()
    past = asked.another(Span(seconds(days=41), seconds(days=39)))
    asked.look(past)
    asked.look(past)
    assert [name for name, _ in asked.events()] == [f"{wanted} closed 0"]


def test_a_blocked_account_ends_a_backfill_in_one_line(environ: dict[str, str], sandbox: Sandbox) -> None:
    sandbox.fault("tracksale.report_answer", "captcha_405")
    args = ("backfill", "answers", "--from", _day(3), "--to", _day(1))
    invoke(environ, "migrate")
    shown = invoke(environ, *args)
    assert shown.exit_code == 1
    (line,) = shown.stderr.strip().splitlines()
    assert "CAPTCHA" in line and "goes on from there" in line
    assert invoke(environ, "resume", "surveys").exit_code == 0
    until(lambda: invoke(environ, *args).exit_code == 0)


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("nothing", "--from", "2026-01-01", "--to", "2026-01-02"), 1, "no source is called"),
        (("answers", "--from", "x", "--to", "2026-01-02"), 2, "--from takes a day"),
        (("answers", "--from", "2026-01-03", "--to", "2026-01-02"), 2, "not before"),
        (("answers",), 2, "--from"),
    ],
)
def test_a_backfill_that_cannot_be_meant_says_so(
    environ: dict[str, str], args: tuple[str, ...], code: int, said: str
) -> None:
    invoke(environ, "migrate")
    shown = invoke(environ, "backfill", *args)
    assert shown.exit_code == code
    assert said in shown.stderr


def test_status_and_explain_tell_of_polls(environ: dict[str, str], database_url: str, sandbox: Sandbox) -> None:
    number = detractor(sandbox)
    invoke(environ, "migrate")
    told = json.loads(invoke(environ, "status", "--json").stdout)["polls"]
    assert [(one["poll"], one["last_at"]) for one in told] == [("tickets", None), ("answers", None)]
    with process(environ, "poll"):
        database = Database(database_url)
        until(lambda: invoke(environ, "status", "--json").stdout.count('"last_at": null') == 0)
        database.close()
    (tickets, answers) = json.loads(invoke(environ, "status", "--json").stdout)["polls"]
    assert (answers["call"], answers["stored"], answers["error"]) == ("tracksale.answers 52", 1, None)
    assert answers["next_at"] > answers["last_at"] and answers["reached"]
    assert tickets["call"] == "postcenter.tickets email"
    assert "tracksale.answers 52" in invoke(environ, "status").stdout
    story = invoke(environ, "explain", f"{number}.detractor").stdout
    assert "polled (tracksale.answers 52) by answers: answer.detractor" in story


def test_run_polls_and_delivers_what_it_brings(environ: dict[str, str], sandbox: Sandbox) -> None:
    number = detractor(sandbox)
    with process(environ, "run", PORT="0") as running:
        until(lambda: bool(sandbox.tracksale.notes))
        running.send_signal(signal.SIGTERM)
        assert running.wait(30) == 0
    assert [(one["answer_id"], one["comment"]) for one in sandbox.tracksale.notes] == [(number, "Se llamará hoy")]


def test_without_a_poll_there_is_nothing_to_poll(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "connector.toml").write_text("")
    shown = invoke(environ, "poll")
    assert shown.exit_code == 1
    assert "give one a `poll`" in shown.stderr
