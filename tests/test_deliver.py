"""The step out, against the simulated vendors: each record there once, whatever goes wrong on the way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from connector.core.errors import StoreUnavailable
from connector.core.http import Deadline, NoAnswer, NotSent
from connector.core.quota import Wait
from connector.core.reasons import Code, Reason
from connector.outbound import performers, send
from connector.outbound.claims import Claim
from connector.store import accounts, outbox, tables
from connector.store.database import Database, now_ms
from connector.vendors.sandbox.exchange import Sandbox
from connector.vendors.wolkvox.destinations import trace
from mappings.events import Customer, Phone
from tests import outbound_steps
from tests.outbound_steps import (
    Out,
    close,
    collect,
    dial,
    dialler,
    lead,
    leads,
    links,
    note,
    reassign,
    survey,
    surveys,
    tags,
    ticket,
)

store, database, sandbox = outbound_steps.store, outbound_steps.database, outbound_steps.sandbox


def update_of(number: int, **values: Any) -> Any:
    return ticket(number, type="ticket.updated", answer_id=number, channel="email", **values)


# --- what arrives ---------------------------------------------------------------------------------------------------


def test_whatever_waits_goes_in_one_call(database: Database, sandbox: Sandbox):
    out = Out(database, dial(), sandbox=sandbox)
    out.put(leads(300))
    [claimed] = out.drain()
    assert sandbox.wolkvox.customer_ids("1042") == {f"C-{number}" for number in range(1, 301)}
    assert out.states() == {"delivered": 300}
    [attempt] = out.attempts()
    assert (attempt.id, attempt.records, attempt.state, attempt.status) == (claimed.attempt.id, 300, "accepted", 201)


def test_more_than_a_batch_goes_in_full_batches(database: Database, sandbox: Sandbox):
    out = Out(database, survey(), sandbox=sandbox)
    out.put([ticket(number) for number in range(1100)])
    out.drain("surveys")
    assert [call.rows for call in sandbox.calls] == [500, 500, 100]
    assert out.states() == {"delivered": 1100}


def test_an_event_for_both_vendors_reaches_both(database: Database, sandbox: Sandbox):
    both = ("ticket.updated",)
    out = Out(database, survey(on=both), note(), tags(), sandbox=sandbox)
    out.put([update_of(7)])
    out.drain("surveys")
    assert out.states() == {"delivered": 3}
    assert len(sandbox.tracksale.customers(52)) == 1
    assert [note["comment"] for note in sandbox.tracksale.notes] == ["thanks"]
    assert sandbox.tracksale.tags == {7: {"Canal": "email"}}


def test_the_trace_travels_in_its_column(database: Database, sandbox: Sandbox):
    out = Out(database, dial(trace="opt12"), sandbox=sandbox)
    out.put(leads(2))
    out.drain()
    rows = out.deliveries()
    assert {row["opt12"] for row in sandbox.wolkvox.rows("1042")} == {trace("a1b2c3", row.id) for row in rows}


@pytest.mark.parametrize("status", ["started", "stopped"])
def test_a_campaign_on_auto_is_left_as_it_is(database: Database, sandbox: Sandbox, status: str):
    sandbox.wolkvox.add_campaign("1042", status=status)
    out = Out(database, dial(status="auto"), dial("1043", status="auto"), sandbox=sandbox)
    out.put(leads(3))
    out.drain()
    assert out.states() == {"delivered": 6}
    assert [call.operation for call in sandbox.calls].count("wolkvox.campaigns") == 1
    assert (sandbox.wolkvox.started_by_upload, sandbox.wolkvox.stopped_by_upload) == ([], [])


def test_a_campaign_that_the_report_does_not_know_is_held(database: Database, sandbox: Sandbox):
    out = Out(database, dial("77", status="auto"), sandbox=sandbox)
    out.put(leads(1))
    out.drain()
    assert out.states() == {"pending": 1}
    assert [call.operation for call in sandbox.calls] == ["wolkvox.campaigns"]


@pytest.mark.parametrize(
    ("kind", "values"),
    [("status", {"status": 500}), ("cut", {}), ("html_200", {}), ("garbage_json", {}), ("half_body", {})],
)
def test_a_report_that_fails_holds_the_delivery_and_is_not_asked_for_at_once(
    database: Database, sandbox: Sandbox, kind: str, values: dict[str, Any]
):
    out = Out(database, dial(status="auto"), sandbox=sandbox)
    sandbox.fault("wolkvox.campaigns", kind, **values)
    out.put(leads(1))
    out.drain()
    out.later(290)
    out.drain()
    assert [call.operation for call in sandbox.calls] == ["wolkvox.campaigns"]
    out.resume()
    out.later(20)
    sandbox.limits.change(report_interval_s=0)  # the sandbox's own clock has not moved
    out.drain()
    assert out.states() == {"delivered": 1}


def test_a_report_that_could_not_be_asked_for_is_asked_for_soon(database: Database, sandbox: Sandbox):
    out = Out(database, dial(status="auto"))
    out.put(leads(1))
    out.drain()
    assert out.kinds() == [("report", "not_sent")]
    mended = Out(database, dial(status="auto"), sandbox=sandbox)
    mended.later(3)
    mended.drain()
    assert mended.states() == {"delivered": 1}


# --- not sent: repeated at once -------------------------------------------------------------------------------------


def failing(line: send.Line, faults: list[Exception], operation: str) -> None:
    """The vendor's operation raises these first."""
    real: Callable[..., Any] = getattr(line.vendor, operation)

    def call(*args: Any, **kwargs: Any) -> Any:
        if faults:
            raise faults.pop(0)
        return real(*args, **kwargs)

    setattr(line.vendor, operation, call)


def test_what_was_not_sent_is_repeated_at_once_each_in_an_attempt_of_its_own(database: Database, sandbox: Sandbox):
    out = Out(database, dial(), sandbox=sandbox)
    failing(out.lines["dialler"], [NotSent("not sent: refused"), NotSent("not sent: refused")], "add_record")
    out.put(leads(2))
    out.step()
    assert out.kinds() == [("send", "not_sent"), ("send", "not_sent"), ("send", "accepted")]
    assert out.attempts()[0].words == "not sent: refused; repeated at once"
    assert sandbox.wolkvox.count("1042") == 2
    ids = [row.id for row in out.attempts()]
    assert {row.attempts for row in out.deliveries("delivered")} == {"".join(f",{number}" for number in ids)}


def test_after_three_tries_the_outboxs_clock_takes_over(database: Database):
    out = Out(database, dial())
    out.put(leads(1))
    out.step()
    assert out.kinds() == [("send", "not_sent")] * 3
    assert out.states() == {"pending": 1}
    assert str(out.account().hold_reason) == "not sent: the connection was refused"
    with database.read() as conn:
        assert conn.execute(select(tables.attempts.c.ended_at)).scalars().all() == [None] * 3


def test_a_repeat_does_not_need_the_slot_that_the_try_before_gave_back(database: Database, sandbox: Sandbox):
    out = Out(database, dial("1042"), dial("1043"), sandbox=sandbox)
    failing(out.lines["dialler"], [NotSent("not sent: refused")], "add_record")
    out.put(leads(1))
    out.claimed()  # the other slot is taken all the time
    out.step()
    assert out.kinds() == [("send", "started"), ("send", "not_sent"), ("send", "accepted")]


@pytest.mark.parametrize(
    ("stand_still", "why"),
    [(accounts.pause, "a person's word"), (accounts.hold, Reason(Code.HELD_SERVER, {"words": "503"}))],
    ids=["pause", "hold"],
)
def test_while_the_account_stands_still_nothing_is_repeated_and_nothing_is_lost(
    database: Database, sandbox: Sandbox, stand_still: Callable[..., Any], why: str | Reason
):
    out = Out(database, dial(), sandbox=sandbox)
    line = out.lines["dialler"]
    failing(line, [NotSent("not sent: refused")], "add_record")
    out.put(leads(1))
    claimed = out.claimed()
    with database.write() as conn:
        stand_still(conn, "dialler", why, now_ms(conn) + 60_000)
    out.make(claimed)
    assert out.kinds() == [("send", "not_sent")]
    assert out.states() == {"pending": 1}
    assert sandbox.calls == []


def test_tags_are_repeated_whatever_happened_and_what_may_have_arrived_is_counted(database: Database, sandbox: Sandbox):
    out = Out(database, tags(), sandbox=sandbox)
    sandbox.fault("tracksale.fill_empty_tags", "cut", where="after")
    out.put([update_of(7)])
    out.step("surveys")
    assert out.kinds() == [("send", "unknown"), ("send", "accepted")]
    assert out.attempts()[0].ended_at is not None
    assert sandbox.tracksale.tags == {7: {"Canal": "email"}}


def test_a_call_that_may_have_arrived_counts_even_when_no_slot_is_left_for_its_repeat(
    database: Database, sandbox: Sandbox
):
    account = surveys(sandbox.url, requests_per_window=1)
    out = Out(database, tags(), accounts=[account])
    sandbox.fault("tracksale.fill_empty_tags", "cut", where="after")
    out.put([update_of(7)])
    out.step("surveys")
    [attempt] = out.attempts()
    assert (attempt.state, attempt.ended_at) == ("unknown", attempt.deadline)
    assert out.states() == {"pending": 1}
    out.later(10)
    answer = out.claim("surveys")
    assert isinstance(answer, Wait)
    assert "1 requests in 300 s are used" in answer.why


def test_a_note_is_not_repeated_at_once_but_later_and_may_be_there_twice(database: Database, sandbox: Sandbox):
    out = Out(database, note(), sandbox=sandbox)
    sandbox.fault("tracksale.note", "cut", where="after")
    out.put([update_of(7)])
    out.step("surveys")
    assert out.kinds() == [("send", "unknown")]
    out.later(5)
    out.drain("surveys")
    assert out.states() == {"delivered": 1}
    assert len(sandbox.tracksale.notes) == 2


# --- links, answers, tickets ----------------------------------------------------------------------------------------


def in_the_sandbox(sandbox: Sandbox, number: int, **values: Any) -> Any:
    """A ticket that PostCenter has."""
    return ticket(number, ticket_id=sandbox.postcenter.add_ticket(number, "email"), **values)


def test_every_ticket_gets_a_link_of_its_own(database: Database, sandbox: Sandbox):
    out = Out(database, links(), sandbox=sandbox)
    out.put([ticket(number) for number in range(600)])
    out.drain("surveys")
    assert out.states() == {"delivered": 600}
    assert [call.rows for call in sandbox.calls] == [500, 100]
    assert {one["email"] for one in sandbox.tracksale.survey_links} == {
        f"zoe.{number}@example.com" for number in range(600)
    }


def test_whose_link_cannot_be_told_from_others_goes_alone_and_then_gets_it(database: Database, sandbox: Sandbox):
    """The vendor answers without their names: two who share a phone are asked for by themselves."""
    out = Out(database, links(), sandbox=sandbox)
    family = [
        ticket(number, customer=Customer(name=f"Zoë {number}", phone=Phone(57, "3000000001"))) for number in (1, 2)
    ]
    out.put([*family, ticket(3)])
    sandbox.limits.change(names_in_links=False)
    out.drain("surveys")
    assert out.states() == {"delivered": 3}
    assert [call.rows for call in sandbox.calls] == [3, 1, 1]


def test_a_link_whose_answer_was_cut_is_made_again(database: Database, sandbox: Sandbox):
    out = Out(database, links(), sandbox=sandbox)
    sandbox.fault("tracksale.survey_links", "cut", where="after")
    out.put([ticket(1)])
    out.drain("surveys")
    assert out.states() == {"delivered": 1}
    assert len(sandbox.tracksale.survey_links) == 2


def test_an_answer_that_was_cut_is_found_in_the_report_and_not_inserted_twice(database: Database, sandbox: Sandbox):
    out = Out(database, collect(), sandbox=sandbox)
    sandbox.fault("tracksale.answer", "cut", where="after")
    moment = datetime.now(UTC) - timedelta(hours=1)
    out.put(
        [lead(number, time=moment, email=f"ana.{number}@example.com", extra={"nps": number}) for number in range(3)]
    )
    out.drain("surveys")
    out.later(5)
    out.drain("surveys")
    assert out.states() == {"delivered": 3}
    assert out.kinds() == [("send", "accepted"), ("probe", "accepted")]
    assert [one["nps_answer"] for one in sandbox.tracksale.answers] == [0, 1, 2]


def test_tickets_are_closed_and_reassigned(database: Database, sandbox: Sandbox):
    out = Out(database, close(), reassign(), sandbox=sandbox)
    closed = in_the_sandbox(sandbox, 901)
    moved = in_the_sandbox(sandbox, 902, type="ticket.updated")
    out.put([closed, moved, ticket(903, ticket_id="5f00000000000000000fffff")])
    out.drain("helpdesk")
    assert out.states() == {"delivered": 2, "dead": 1}
    assert sandbox.postcenter.tickets[closed.ticket_id]["is_closed"]
    assert sandbox.postcenter.tickets[moved.ticket_id]["current_assignment"]["cmid"] == 27


@pytest.mark.parametrize(("where", "calls"), [("after", 1), ("before", 2)])
def test_whether_a_ticket_was_closed_is_read_before_it_is_closed_again(
    database: Database, sandbox: Sandbox, where: str, calls: int
):
    out = Out(database, close(), sandbox=sandbox)
    sandbox.fault("postcenter.close", "cut", where=where)
    out.put([in_the_sandbox(sandbox, 901), in_the_sandbox(sandbox, 902, type="ticket.created")])
    out.drain("helpdesk")
    out.later(10)
    out.drain("helpdesk")
    assert out.states() == {"delivered": 1}
    assert [call.operation for call in sandbox.calls].count("postcenter.close") == calls


def test_a_note_that_may_not_be_doubled_waits_for_a_person(database: Database, sandbox: Sandbox):
    out = Out(database, note(on_unknown="ask"), sandbox=sandbox)
    sandbox.fault("tracksale.note", "cut", where="after")
    out.put([update_of(7)])
    out.drain("surveys")
    out.later(600)
    out.drain("surveys")
    assert out.states() == {"uncertain": 1}
    assert len(sandbox.tracksale.notes) == 1


# --- unknown --------------------------------------------------------------------------------------------------------

FAULTS = [
    ("cut", {}),
    ("half_body", {}),
    ("garbage_json", {}),
    ("html_200", {}),
    ("status", {"status": 500}),
    ("status", {"status": 503, "body": {"code": "503"}, "headers": {"Retry-After": "4"}}),
]


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize(("kind", "values"), FAULTS)
def test_whatever_breaks_a_call_every_lead_is_there_once_in_the_end(
    database: Database, sandbox: Sandbox, kind: str, values: dict[str, Any], where: str
):
    out = Out(database, dial(), sandbox=sandbox)
    out.finds()
    sandbox.fault("wolkvox.add_record", kind, where=where, **values)
    out.put(leads(5))
    out.step()
    assert out.kinds() == [("send", "unknown")]
    assert out.states() == {"uncertain": 5}
    for _ in range(3):
        out.later(5)
        out.drain()
    assert out.states() == {"delivered": 5}
    assert sandbox.wolkvox.count("1042") == 5
    assert sandbox.wolkvox.duplicates("1042") == {}
    assert [kind for kind, _ in out.kinds()].count("send") == (1 if where == "after" else 2)


def test_a_vendor_that_hangs_is_given_up_at_the_deadline(database: Database, sandbox: Sandbox):
    out = Out(database, dial(), accounts=[dialler(sandbox.url, timeout_s=1.0)])
    sandbox.fault("wolkvox.add_record", "hang", where="after")
    out.put(leads(2))
    started = time.monotonic()
    out.step()
    assert 0.8 < time.monotonic() - started < 60
    assert out.states() == {"uncertain": 2}
    out.later(3)
    out.drain()
    assert out.states() == {"delivered": 2}
    assert sandbox.wolkvox.count("1042") == 2


def test_a_worker_that_wakes_after_its_deadline_writes_nothing(database: Database, sandbox: Sandbox):
    out = Out(database, dial(), sandbox=sandbox)
    out.put(leads(2))
    claimed = out.claimed()
    performers.perform(out.lines["dialler"], claimed, Deadline.after(-1))
    assert out.kinds()[0] == ("send", "not_sent")
    assert sandbox.wolkvox.count("1042") == 2, "repeated at once in a fresh attempt"
    assert sandbox.wolkvox.duplicates("1042") == {}


def test_a_worker_that_slept_past_its_deadline_does_not_send_what_others_have_sent(
    database: Database, sandbox: Sandbox
):
    out = Out(database, dial(), sandbox=sandbox)
    out.put(leads(2))
    sleeper = out.claimed()
    out.finds()
    late = Deadline.after(-1)
    place = out.places["dialler"][sleeper.attempt.destination]
    with database.read() as conn:
        records = outbox.members(conn, sleeper.attempt.id)
    out.later(6)
    out.drain()
    assert sandbox.wolkvox.count("1042") == 2
    call = send._Call(out.lines["dialler"], place, Claim(sleeper.attempt, records), late)
    assert call.outcome().attempt == "not_sent"
    performers.perform(out.lines["dialler"], sleeper, late)
    out.drain()
    assert sandbox.wolkvox.count("1042") == 2
    assert out.states() == {"delivered": 2}


# --- the database goes away -----------------------------------------------------------------------------------------


class Away:
    """Makes reads or writes of a Database fail a few times."""

    def __init__(self, database: Database, name: str, times: int, after: int = 0) -> None:
        self._real = getattr(database, name)
        self._left, self._after = times, after
        setattr(database, name, self)

    def __call__(self, **kwargs: Any) -> Any:
        self._after -= 1
        if self._after < 0 and self._left > 0:
            self._left -= 1
            raise StoreUnavailable("the database cannot be used now")
        return self._real(**kwargs)


def test_what_was_answered_is_written_down_once_the_database_is_back(database: Database, sandbox: Sandbox):
    out = Out(database, dial(), sandbox=sandbox)
    out.put(leads(2))
    claimed = out.claimed()
    Away(database, "write", 3)
    out.make(claimed)
    assert (out.states(), out.kinds()) == ({"delivered": 2}, [("send", "accepted")])


def test_what_was_not_sent_stays_so_when_the_database_leaves_between_two_tries(database: Database, sandbox: Sandbox):
    out = Out(database, dial(), sandbox=sandbox)
    failing(out.lines["dialler"], [NotSent("not sent: refused")], "add_record")
    out.put(leads(2))
    claimed = out.claimed()
    Away(database, "write", 2)
    out.make(claimed)
    assert (out.states(), out.kinds()) == ({"pending": 2}, [("send", "not_sent")])
    out.later(5)
    out.drain()
    assert out.states() == {"delivered": 2}


def test_no_answer_stays_unknown_when_the_database_leaves_between_two_tries(database: Database, sandbox: Sandbox):
    out = Out(database, tags(), sandbox=sandbox)
    failing(out.lines["surveys"], [NoAnswer("no answer: the connection was cut")], "fill_empty_tags")
    out.put([update_of(7)])
    claimed = out.claimed("surveys")
    Away(database, "write", 2)
    out.make(claimed)
    assert (out.states(), out.kinds()) == ({"pending": 1}, [("send", "unknown")])


# --- together -------------------------------------------------------------------------------------------------------


def test_several_threads_deliver_each_lead_once_within_the_vendors_limits(store: str, sandbox: Sandbox):
    first = Database(store)
    with first.write() as conn:
        for table in tables.metadata.tables.values():
            conn.execute(table.delete())
    sandbox.limits.change(latency_s={"*": 0.01})
    routes = [dial("1042"), dial("1043")]
    outs = [Out(Database(store), *routes, sandbox=sandbox) for _ in range(2)]
    done = threading.Event()

    def run(out: Out) -> None:
        while not done.is_set():
            if isinstance(out.step(), Wait):
                time.sleep(0.003)

    threads = [threading.Thread(target=run, args=(outs[number % 2],)) for number in range(6)]
    for thread in threads:
        thread.start()
    for number in range(40):
        outs[0].put([lead(10 * number + n) for n in range(5)])
    end = time.monotonic() + 180
    while outs[0].states() != {"delivered": 400} and time.monotonic() < end:
        time.sleep(0.05)
    done.set()
    for thread in threads:
        thread.join()
    assert outs[0].states() == {"delivered": 400}
    for campaign in ("1042", "1043"):
        assert sandbox.wolkvox.count(campaign) == 200
        assert sandbox.wolkvox.duplicates(campaign) == {}
    assert max(sandbox.max_in_flight.values()) <= 2
    for out in outs:
        out.database.close()
    first.close()
