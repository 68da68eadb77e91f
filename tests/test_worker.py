"""The loop out, with its threads: everything arrives once, stops in order, and survives what happens around it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy.engine import make_url

from connector.core.quota import Wait
from connector.core.reasons import Code, Reason, because
from connector.core.states import Kind
from connector.outbound.claims import Claim
from connector.outbound.send import Line, claim
from connector.outbound.worker import Worker
from connector.store import accounts as standing
from connector.store import reasons
from connector.store.database import Database, now_ms
from connector.vendors.sandbox.exchange import Sandbox
from tests import outbound_steps
from tests.outbound_steps import DIAL, Out, dial, dialler, lead, leads, note, once, survey, surveys, tags, ticket

store, database, sandbox = outbound_steps.store, outbound_steps.database, outbound_steps.sandbox


class Crew:
    """Starts workers, and stops those that the test left running."""

    def __init__(self) -> None:
        self._workers: list[Worker] = []

    def start(self, out: Out, database: Database | None = None) -> Worker:
        worker = Worker(out.settings, database or out.database)
        self._workers.append(worker)
        worker.start()
        return worker

    def stop(self) -> None:
        threads = [threading.Thread(target=worker.stop, args=(10,)) for worker in self._workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


@pytest.fixture
def crew(database: Database) -> Iterator[Crew]:
    crew = Crew()
    yield crew
    crew.stop()


def until(true: Callable[[], Any], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to be in time"
        time.sleep(0.02)


def finished(out: Out, **states: int) -> Callable[[], bool]:
    return lambda: out.states() == states


def test_everything_arrives_everywhere_once(database: Database, sandbox: Sandbox, crew: Crew):
    out = Out(database, dial("1042"), dial("1043"), survey(), note(), tags(), sandbox=sandbox)
    out.put(leads(30))
    crew.start(out)
    out.put([ticket(number) for number in range(1, 21)])
    out.put(
        [
            ticket(number, id=f"U-{number}", type="ticket.updated", answer_id=number, channel="chat")
            for number in range(1, 6)
        ]
    )
    out.put(leads(30, first=100))
    until(finished(out, delivered=60 * 2 + 20 + 5 + 5))
    for campaign in ("1042", "1043"):
        assert (sandbox.wolkvox.count(campaign), sandbox.wolkvox.duplicates(campaign)) == (60, {})
    assert len(sandbox.tracksale.customers(52)) == 20
    assert len(sandbox.tracksale.notes) == 5
    assert len(sandbox.tracksale.tags) == 5


def test_what_another_process_stores_wakes_it(store: str, database: Database, sandbox: Sandbox, crew: Crew):
    out = Out(database, dial(), sandbox=sandbox)
    crew.start(out)
    elsewhere = Out(Database(store), dial(), sandbox=sandbox)
    for number in range(5):
        elsewhere.put([lead(number)])
        until(finished(out, delivered=number + 1))
    elsewhere.database.close()


def test_leads_that_come_one_by_one_are_claimed_without_claims_that_find_nothing(
    database: Database, sandbox: Sandbox, crew: Crew, monkeypatch: pytest.MonkeyPatch
):
    found: list[Claim | Wait] = []

    def counted(line: Line) -> Claim | Wait:
        found.append(claim(line))
        return found[-1]

    monkeypatch.setattr("connector.outbound.worker.claim", counted)
    monkeypatch.setattr("connector.outbound.worker.IDLE_S", 600.0)  # on a slow machine no wait ends by itself
    out = Out(database, dial(), sandbox=sandbox)
    crew.start(out)
    for number in range(10):
        out.put([lead(number)])
        until(finished(out, delivered=number + 1))
    sends = [one for one in found if isinstance(one, Claim) and one.attempt.kind == Kind.SEND]
    assert len(sends) == 10
    # Each thread's first claims find nothing.
    assert len(found) - len(sends) < 10


@pytest.mark.parametrize("accounts", ["none left", "one without routes"])
def test_what_died_with_its_worker_is_told_although_its_routes_have_left(
    database: Database, sandbox: Sandbox, crew: Crew, accounts: str
):
    before = Out(database, dial(), sandbox=sandbox)
    before.put([lead(1)])
    before.claimed()
    before.later(10)
    left = [surveys(sandbox.url)] if accounts == "none left" else [surveys(sandbox.url), dialler(sandbox.url)]
    crew.start(Out(database, survey(), accounts=left))
    until(finished(before, uncertain=1))
    (row,) = before.deliveries()
    assert reasons.of(row) == Reason(Code.UNKNOWN_KEPT, because(Reason(Code.LAPSED)))
    assert before.kinds() == [("send", "unknown")]
    assert sandbox.calls == []


def test_two_workers_share_the_vendors_limits(store: str, database: Database, sandbox: Sandbox, crew: Crew):
    sandbox.limits.change(latency_s={"*": 0.02}, window_calls=8, window_s=0.5)
    accounts = [dialler(sandbox.url), surveys(sandbox.url, requests_per_window=8, window_seconds=0.5)]
    out = Out(database, dial("1042"), dial("1043"), note(), accounts=accounts)
    second = Database(store)
    crew.start(out)
    crew.start(out, second)
    out.put([ticket(number, type="ticket.updated", answer_id=number) for number in range(1, 21)])
    for number in range(30):
        out.put([lead(number)])
    until(finished(out, delivered=80))
    assert max(sandbox.max_in_flight.values()) <= 4
    assert sandbox.wolkvox.duplicates("1042") == {}
    assert len(sandbox.tracksale.notes) == 20
    crew.stop()
    second.close()


def test_a_poisoned_batch_is_halved_by_several_threads_at_once(database: Database, sandbox: Sandbox, crew: Crew):
    out = Out(database, dial(), sandbox=sandbox)
    sandbox.limits.change(poison=["C-5", "C-23"], latency_s={"*": 0.01})
    out.put(leads(32))
    crew.start(out)
    until(finished(out, delivered=30, dead=2))
    assert (sandbox.wolkvox.count("1042"), sandbox.wolkvox.duplicates("1042")) == (30, {})


def test_double_submissions_in_a_stream_are_dialled_once(database: Database, sandbox: Sandbox, crew: Crew):
    out = Out(database, dial(once_per=once()), sandbox=sandbox)
    crew.start(out)
    for number in range(40):
        out.put([lead(number % 4, id=f"E-{number}")])
    until(lambda: "pending" not in out.states() and "sending" not in out.states())
    assert out.states() == {"delivered": 4, "suppressed": 36}
    assert sandbox.wolkvox.count("1042") == 4


# --- stopping -------------------------------------------------------------------------------------------------------


def test_stopping_lets_the_call_in_flight_finish_and_takes_no_new_work(
    database: Database, sandbox: Sandbox, crew: Crew
):
    sandbox.limits.change(latency_s={"*": 0.6})
    out = Out(database, dial(), sandbox=sandbox)
    worker = crew.start(out)
    out.put(leads(3))
    until(lambda: any(call.operation == "wolkvox.add_record" for call in sandbox.calls))
    stopping = threading.Thread(target=worker.stop)
    stopping.start()
    until(worker._loops.stopping.is_set)
    out.put(leads(2, first=10))
    stopping.join(timeout=60)
    assert out.states() == {"delivered": 3, "pending": 2}
    assert out.kinds() == [("send", "accepted")]


def test_stopping_an_idle_worker_is_quick_and_leaves_no_thread(database: Database, sandbox: Sandbox, crew: Crew):
    before = set(threading.enumerate())
    out = Out(database, dial(), survey(), sandbox=sandbox)
    worker = crew.start(out)
    out.put(leads(1))
    until(finished(out, delivered=1))
    started = time.monotonic()
    assert worker.stop() is True
    assert time.monotonic() - started < 60
    assert {
        one.name for one in set(threading.enumerate()) - before if one.name.startswith(("deliver", "wake"))
    } == set()


def test_a_worker_that_never_started_can_be_stopped(database: Database, sandbox: Sandbox):
    assert Worker(Out(database, dial(), sandbox=sandbox).settings, database).stop() is True


def test_another_worker_settles_what_one_had_to_leave_behind(
    store: str, database: Database, sandbox: Sandbox, crew: Crew, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("connector.outbound.worker.IDLE_S", 0.3)
    out = Out(database, dial(), accounts=[dialler(sandbox.url, timeout_s=1.5)])
    sandbox.fault("wolkvox.add_record", "hang", where="after")
    worker = crew.start(out)
    out.put(leads(3))
    until(lambda: any(call.operation == "wolkvox.add_record" for call in sandbox.calls))
    assert worker.stop(0.1) is False
    second = Database(store)
    crew.start(out, second)
    until(finished(out, delivered=3))
    assert sandbox.wolkvox.count("1042") == 3
    crew.stop()
    second.close()


# --- trouble --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_call_that_hangs_past_its_deadline_ends_with_each_lead_there_once(
    database: Database, sandbox: Sandbox, crew: Crew, where: str
):
    out = Out(database, dial(), accounts=[dialler(sandbox.url, timeout_s=1.0)])
    out.finds()
    sandbox.fault("wolkvox.add_record", "hang", where=where)
    out.put(leads(3))
    crew.start(out)
    until(finished(out, delivered=3))
    assert (sandbox.wolkvox.count("1042"), sandbox.wolkvox.duplicates("1042")) == (3, {})


def test_an_account_that_is_resumed_goes_on_by_itself(database: Database, sandbox: Sandbox, crew: Crew):
    out = Out(database, dial(), sandbox=sandbox)
    sandbox.fault("wolkvox.add_record", "bad_token_403")
    out.put(leads(2))
    crew.start(out)
    until(lambda: out.account().state == "blocked")
    out.put(leads(2, first=5))
    time.sleep(0.2)
    assert out.states() == {"pending": 4}
    out.resume()
    until(finished(out, delivered=4))


def test_one_blocked_account_does_not_hold_up_the_other(database: Database, sandbox: Sandbox, crew: Crew):
    out = Out(database, dial(), survey(), sandbox=sandbox)
    with database.write() as conn:
        standing.block(conn, "dialler", Reason(Code.BLOCKED_CREDENTIALS, {"words": "bad token"}), now_ms(conn))
    crew.start(out)
    out.put(leads(2))
    out.put([ticket(1)])
    until(finished(out, pending=2, delivered=1))


def test_a_fault_of_our_own_ends_no_thread_and_loses_nothing(
    database: Database, sandbox: Sandbox, crew: Crew, monkeypatch: pytest.MonkeyPatch
):
    out = Out(database, dial(), accounts=[dialler(sandbox.url, timeout_s=1.0)])
    place = out.places["dialler"][DIAL]
    real, faults = type(place).classify, [RuntimeError("a bug"), RuntimeError("another")]

    def classify(self: Any, *args: Any) -> Any:
        if faults:
            raise faults.pop()
        return real(self, *args)

    monkeypatch.setattr(type(place), "classify", classify)
    monkeypatch.setattr("connector.core.loops.FAULT_S", 0.05)
    monkeypatch.setattr("connector.outbound.worker.IDLE_S", 0.3)
    crew.start(out)
    out.put(leads(2))
    out.put(leads(2, first=5))
    until(finished(out, delivered=4))
    assert (sandbox.wolkvox.count("1042"), sandbox.wolkvox.duplicates("1042")) == (4, {})


def allow(server: psycopg.Connection, name: str, allowed: bool) -> None:
    server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {allowed}".encode())
    if not allowed:
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])


def test_a_database_that_goes_away_during_a_call_learns_what_became_of_it(
    postgres_server: psycopg.Connection, postgres_url: str, sandbox: Sandbox
):
    database = Database(postgres_url)
    name = str(make_url(postgres_url).database)
    sandbox.limits.change(latency_s={"*": 0.4})
    out = Out(database, dial(), sandbox=sandbox)
    worker = Worker(out.settings, database)
    worker.start()
    out.put(leads(3))
    until(lambda: sandbox.wolkvox.count("1042") == 3)
    allow(postgres_server, name, False)
    until(lambda: all(call.finished for call in sandbox.calls))
    time.sleep(0.6)
    allow(postgres_server, name, True)
    until(finished(out, delivered=3))
    assert out.kinds() == [("send", "accepted")]
    out.put(leads(2, first=10))
    until(finished(out, delivered=5))
    assert (sandbox.wolkvox.count("1042"), sandbox.wolkvox.duplicates("1042")) == (5, {})
    assert worker.stop() is True
    database.close()


def test_a_database_that_is_away_for_a_while_stops_nothing_for_good(
    postgres_server: psycopg.Connection, postgres_url: str, sandbox: Sandbox
):
    database = Database(postgres_url)
    name = str(make_url(postgres_url).database)
    out = Out(database, dial(), sandbox=sandbox)
    worker = Worker(out.settings, database)
    worker.start()
    allow(postgres_server, name, False)
    time.sleep(0.5)
    allow(postgres_server, name, True)
    out.put(leads(2))
    until(finished(out, delivered=2))
    assert worker.stop() is True
    database.close()


def test_workers_may_start_together(store: str, database: Database, sandbox: Sandbox, crew: Crew):
    out = Out(database, dial(), survey(), sandbox=sandbox)
    out.put(leads(5))
    databases = [Database(store) for _ in range(4)]
    threads = [threading.Thread(target=crew.start, args=(out, one)) for one in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(finished(out, delivered=5))
    assert sandbox.wolkvox.count("1042") == 5
    crew.stop()
    for one in databases:
        one.close()
