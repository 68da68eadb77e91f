"""The day's budget as wolkvox itself counts it: asked for when it may matter, believed where that is the safe side."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import update

from connector.admin.explain import explain as explain_event
from connector.admin.status import status as read_status
from connector.cli.status import budget_in_words
from connector.core.pacing import Credit
from connector.core.quota import Wait
from connector.core.settings import WorkingHours
from connector.core.times import unix_ms
from connector.outbound import budget, claims, look
from connector.outbound.claims import Claim
from connector.outbound.worker import ask_budgets
from connector.store import accounts, helps
from connector.store.accounts import UsageReport
from connector.store.database import Database, now_ms
from connector.store.lanes import BULK
from connector.store.tables import attempts
from connector.vendors.sandbox.exchange import Sandbox
from tests import outbound_steps
from tests.outbound_steps import Out, accepted, dial, dialler, leads, surveys
from tests.test_claims import put_rows, waits

store, database, sandbox = outbound_steps.store, outbound_steps.database, outbound_steps.sandbox

HOUR_S = 3600
DAY_S = 24 * HOUR_S


@pytest.fixture
def out(database: Database, sandbox: Sandbox) -> Out:
    sandbox.limits.change(licences=1)
    return Out(database, dial(), accounts=[dialler(sandbox.url, licences=1)])


def start_worker(out: Out) -> None:
    ask_budgets(out.settings, out.database)


def told(out: Out) -> UsageReport:
    return out.account().usage


def answers(sandbox: Sandbox, status: int, body: dict[str, Any]) -> None:
    """What token_info answers, once."""
    sandbox.fault("wolkvox.token_info", "status", status=status, body=body)


# --- when it is asked for -------------------------------------------------------------------------------------------


def test_a_worker_that_starts_asks_and_others_that_start_with_it_do_not(out: Out, sandbox: Sandbox) -> None:
    start_worker(out)
    start_worker(out)
    claimed = out.claimed()
    assert (claimed.attempt.kind, claimed.attempt.destination) == ("budget", "dialler/budget")
    waits(out.claim())
    out.make(claimed)
    start_worker(out)
    waits(out.claim())
    [row] = out.attempts()
    assert (row.state, row.words) == ("accepted", "1 of 1000 calls used today, by wolkvox's own count")
    assert [call.operation for call in sandbox.calls] == ["wolkvox.token_info"]
    out.later(HOUR_S + 1)
    start_worker(out)
    assert out.claimed().attempt.kind == "budget"


def test_a_lead_does_not_wait_for_the_answer(out: Out) -> None:
    start_worker(out)
    out.put(leads(1))
    assert [out.claimed().attempt.kind for _ in range(2)] == ["budget", "send"]


def test_it_is_asked_again_each_day(out: Out) -> None:
    start_worker(out)
    out.step()
    out.later(DAY_S - 60)
    waits(out.claim())
    out.later(120)
    assert out.claimed().attempt.kind == "budget"


def test_a_worker_that_dies_asking_does_not_keep_others_from_it_for_good(out: Out) -> None:
    start_worker(out)
    out.claimed()
    out.later(HOUR_S - 60)
    waits(out.claim())
    out.later(120)
    assert out.claimed().attempt.kind == "budget"


def test_nobody_is_asked_whose_calls_are_not_counted_by_the_day(database: Database, sandbox: Sandbox) -> None:
    out = Out(database, outbound_steps.survey(), accounts=[surveys(sandbox.url)])
    start_worker(out)
    waits(out.claim("surveys"))


def test_a_sleeping_worker_wakes_to_ask(out: Out) -> None:
    start_worker(out)
    line = out.lines["dialler"]
    with out.database.read() as conn:
        assert look.next_look(conn, line.account, line.places) == 0
    out.step()
    with out.database.read() as conn:
        assert look.next_look(conn, line.account, line.places) == pytest.approx(DAY_S, abs=60)


# --- what it changes ------------------------------------------------------------------------------------------------


def test_our_own_calls_are_nobody_elses(out: Out) -> None:
    out.put(leads(1))
    out.step()
    start_worker(out)
    out.step()
    assert told(out).others == 0


def test_what_another_program_used_counts_too(out: Out, sandbox: Sandbox) -> None:
    sandbox.limits.change(budget_used=600)
    start_worker(out)
    out.step()
    assert told(out).others in (600, 601), "the question itself may have been seen before midnight, and ours after"
    put_rows(out, 999 - told(out).others)
    out.put(leads(1))
    wait = waits(out.claim())
    assert wait.why == "the day's 1000 calls are used"
    out.later(DAY_S + 60)
    assert out.claimed().attempt.kind == "budget", "by now it has run out, and whether there is more is asked"
    assert out.claimed().attempt.kind == "send"


def test_while_another_program_uses_the_token_it_is_asked_more_often(out: Out, sandbox: Sandbox) -> None:
    sandbox.limits.change(budget_used=600)
    start_worker(out)
    out.step()
    out.later(2 * HOUR_S + 1)
    assert out.claimed().attempt.kind == "budget"


def test_a_budget_that_others_used_up_is_not_asked_about_before_midnight(out: Out, sandbox: Sandbox) -> None:
    sandbox.limits.change(budget_used=999)
    start_worker(out)
    out.step()
    asks_at, at = told(out).ask_at, told(out).at
    local = datetime.fromtimestamp(asks_at / 1000, dialler().working_hours.zone)
    assert (local.hour, local.minute) == (0, 5)
    assert at < asks_at <= at + DAY_S * 1000 + budget.AFTER_MIDNIGHT_MS
    out.put(leads(1))
    waits(out.claim())
    sandbox.limits.change(budget_used=0)
    out.later((asks_at - at) / 1000 + 1)
    assert isinstance(made := out.step(), Claim) and made.attempt.kind == "budget"
    assert isinstance(made := out.step(), Claim) and made.attempt.kind == "send"


@pytest.mark.parametrize(
    ("use", "others", "limit"),
    [
        ({"token_limit": "800", "token_use_today": "1"}, 0, 800),
        ({"token_limit": 5000, "token_use_today": 1}, 0, 1000),
        ({"token_limit": "0", "token_use_today": "0"}, 0, 1000),
        ({"token_limit": " ", "token_use_today": "many"}, 0, 1000),
        ({"token_limit": None, "token_use_today": 300}, 299, 1000),
        ({}, 0, 1000),
    ],
)
def test_the_safer_number_is_believed(out: Out, sandbox: Sandbox, use: dict[str, Any], others: int, limit: int) -> None:
    answers(sandbox, 200, {"code": "200", "error": None, "msg": "Token information", "data": [use]})
    start_worker(out)
    out.step()
    assert told(out).others in (others, others + 1)
    with out.database.read() as conn:
        room = budget.read_room(conn, dialler(licences=1), accounts.account(conn, "dialler"), now_ms(conn))
    assert room.budget == limit
    put_rows(out, limit - 1 - told(out).others)
    out.put(leads(1))
    assert waits(out.claim()).why == f"the day's {limit} calls are used"


# --- answers that are none ------------------------------------------------------------------------------------------


def test_an_answer_that_no_table_knows_stops_nobody(out: Out, sandbox: Sandbox) -> None:
    """No document names token_info."""
    answers(sandbox, 418, {"code": 418})
    start_worker(out)
    out.step()
    assert out.account().state == "open"
    assert told(out).at == 0
    with out.database.read() as conn:
        [known] = helps.of_account(conn, "dialler")
    assert (known.name, known.state) == ("token_info", "unknown")


def test_a_vendor_that_does_not_know_the_question_changes_nothing(out: Out, sandbox: Sandbox) -> None:
    answers(sandbox, 400, {"code": "400", "error": "THE API YOU WANT TO CONSULT DOES NOT EXIST"})
    start_worker(out)
    out.step()
    out.put(leads(1))
    out.claimed()
    assert (out.account().state, told(out).at) == ("open", 0)


def test_after_the_budget_was_said_to_be_exceeded_it_is_asked_for_first(out: Out, sandbox: Sandbox) -> None:
    """Until midnight nothing is asked: each question would be one more call beyond the limit."""
    sandbox.fault("wolkvox.add_record", "token_limit_403")
    out.put(leads(2))
    out.step()
    wait = waits(out.claim())
    assert wait.seconds is not None and "TOKEN LIMIT EXCEEDED" in wait.why
    out.later(wait.seconds + 1)
    assert isinstance(made := out.step(), Claim) and made.attempt.kind == "budget"
    assert isinstance(made := out.step(), Claim) and made.attempt.kind == "send"
    assert out.states() == {"delivered": 2}


def test_a_day_that_begins_later_than_midnight_is_waited_for_in_steps(
    out: Out, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.fault("wolkvox.token_info", "token_limit_403")
    monkeypatch.setattr("connector.vendors.wolkvox.answers.datetime", Midnight)
    start_worker(out)
    out.step()
    assert waits(out.claim()).seconds == pytest.approx(3 * HOUR_S, abs=5)


class Midnight(datetime):
    """Five past midnight."""

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return super().now(tz).replace(hour=0, minute=5)


# --- what is kept for whom ------------------------------------------------------------------------------------------


def test_bulk_leaves_the_last_calls_of_the_day_to_leads(database: Database) -> None:
    out = Out(database, dial(), accounts=[dialler(licences=1)])
    put_rows(out, 995)
    out.put(leads(1), lane=BULK)
    assert waits(out.claim()).why == "the last 5 of 1000 calls are kept for live leads"
    out.put(leads(1, first=2))
    claimed = out.claimed()
    assert {row.lane for row in out.deliveries("sending") if row.attempt == claimed.attempt.id} == {0, BULK}


def test_bulk_leaves_the_last_requests_of_tracksales_window(database: Database) -> None:
    out = Out(database, outbound_steps.survey(), accounts=[surveys(requests_per_window=40)])
    put_rows(out, 38, account="surveys")
    out.put([outbound_steps.ticket(1)], lane=BULK)
    assert waits(out.claim("surveys")).why == "the last 2 of 40 calls are kept for live leads"
    out.put([outbound_steps.ticket(2)])
    out.settle(out.claimed("surveys"), accepted())


def test_where_bulk_is_due_its_tenth_call_it_takes_what_is_kept(database: Database) -> None:
    out = Out(database, dial(), accounts=[dialler(licences=1)])
    put_rows(out, 995)
    with database.write() as conn:
        for _ in range(claims.BULK_EVERY):
            accounts.count_call(conn, "dialler", bulk=False)
    out.put(leads(1), lane=BULK)
    out.claimed()


def test_a_sleeping_worker_looks_again_when_bulk_may_go_and_at_once_for_a_lead(database: Database) -> None:
    out = Out(database, dial(), accounts=[dialler(licences=1)])
    out.put(leads(1), lane=BULK)
    line = out.lines["dialler"]
    with database.write() as conn:
        now = now_ms(conn)
        accounts.paced(conn, "dialler", Credit(10.0, 0.0, now, 1 / 43_200, now))
    wait = waits(out.claim())
    assert "live leads go first" in wait.why
    with database.read() as conn:
        soon = look.next_look(conn, line.account, line.places)
    assert soon is not None and wait.seconds is not None and 1 < soon <= wait.seconds
    out.put(leads(1, first=2))
    with database.read() as conn:
        assert look.next_look(conn, line.account, line.places) == 0
    assert not isinstance(out.claim(), Wait)


# --- what an operator reads -----------------------------------------------------------------------------------------


def read(out: Out) -> tuple[dict[str, Any], str]:
    """The budget as status has it for machines, and as it tells it."""
    found = read_status(out.database, out.settings)["accounts"][0]["budget"]
    return found, budget_in_words(found)


def test_status_tells_a_budget_that_nobody_used(database: Database) -> None:
    out = Out(database, dial(), accounts=[dialler(licences=1)])
    found, words = read(out)
    assert (found["used"], found["left"], found["kept_for_live"]) == (0, 1_000, 5)
    assert found["in_hand"] == {"live": 250, "bulk": 150}
    assert words == (
        "0 of 1,000 calls used in the last 24 h, 1,000 left; live leads leave at once (up to 250 calls), "
        "bulk leaves at once (up to 150 calls)"
    )


def test_status_tells_how_bulk_is_spaced(database: Database) -> None:
    round_the_clock = WorkingHours(0, 24 * 60)
    out = Out(database, dial(), accounts=[dialler(licences=1, working_hours=round_the_clock)])
    put_rows(out, 732)
    with database.write() as conn:
        now = now_ms(conn)
        accounts.paced(conn, "dialler", Credit(57.0, 0.0, now, 1 / 41_000, now))
    found, words = read(out)
    assert found["spacing_s"] == pytest.approx(41)
    assert 0 < found["waits_s"]["bulk"] <= 41 and found["waits_s"]["live"] == 0
    assert words == (
        "732 of 1,000 calls used in the last 24 h, 268 left; live leads leave at once (up to 57 calls), "
        "bulk waits 41.0 s between calls"
    )


def test_status_tells_whose_the_last_calls_are(database: Database) -> None:
    out = Out(database, dial(), accounts=[dialler(licences=1)])
    put_rows(out, 997)
    assert read(out)[1].endswith("bulk waits until calls are free again (the last 3 are kept for live leads)")
    put_rows(out, 3)
    assert read(out)[1].endswith("live leads wait until calls are free again, bulk waits until calls are free again")


def test_status_tells_what_the_vendor_told(database: Database) -> None:
    out = Out(database, dial(), accounts=[dialler(licences=2)])
    with database.write() as conn:
        now = now_ms(conn)
        accounts.set_usage(conn, "dialler", UsageReport(others=120, limit=800, at=now, ask_at=now + 1))
    found, words = read(out)
    assert (found["limit"], found["used_by_others"], found["vendor_limit"]) == (800, 120, 800)
    assert "120 of 800 calls used" in words and "(120 by other programs with this token, as the vendor told)" in words
    assert "the vendor allows this token 800 a day, fewer than its licences say" in words


def test_explain_tells_that_a_delivery_waits_for_its_pace(database: Database) -> None:
    out = Out(database, dial(), accounts=[dialler(licences=1)])
    out.put(leads(1), lane=BULK)
    with database.write() as conn:
        now = now_ms(conn)
        accounts.paced(conn, "dialler", Credit(10.0, 0.0, now, 1 / 43_200, now))
    [event] = explain_event(database, out.settings, "d" + str(out.deliveries()[0].id))["events"]
    assert "0 of the day's 1000 calls are used, the rest is spread over the day" in event["deliveries"][0]["now"]


def test_status_says_until_when_the_calls_last_at_the_pace_of_the_last_hour(database: Database) -> None:
    out = Out(database, dial(), accounts=[dialler(licences=1)])
    found, _ = read(out)
    assert (found["calls_last_hour"], found["lasts_until"]) == (0, None)
    put_rows(out, 800)
    with database.write() as conn:
        conn.execute(update(attempts).values(ended_at=now_ms(conn) - 60_000))
        now = now_ms(conn)
    found, _ = read(out)
    assert found["calls_last_hour"] == 800
    lasts_s = unix_ms(found["lasts_until"]) / 1000 - now / 1000
    assert lasts_s == pytest.approx(found["left"] * HOUR_S / 800, abs=60)
