"""A worker that dies is known at once; one that lives, however it looks from outside, sends nobody twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from connector.core.reasons import Code, Reason
from connector.core.settings import Account, Route
from connector.outbound.presence import Presence
from connector.store import attempts, reasons
from connector.store.database import Database, now_ms
from connector.store.worker_locks import UNLOCKED, SessionLock, WorkerLock, has_lock, worker_lock, worker_name
from connector.vendors.destinations import places
from connector.vendors.sandbox.exchange import Sandbox
from tests.outbound_steps import Out, accepted, code, dial, dialler, lead, leads, note, surveys, tags, ticket
from tests.test_processes import wait_until

ROOT = Path(__file__).parent.parent


class Worker:
    """A worker of its own on the same database: steps by hand, and a death that leaves what a kill leaves."""

    def __init__(self, url: str, *routes: Route, **given: object) -> None:
        self.database = Database(url)
        self.out = Out(self.database, *routes, **given)  # type: ignore[arg-type]
        self.presence = Presence(self.out.settings, self.database, places(self.out.settings))
        self.presence.run_once()

    @property
    def lock(self) -> WorkerLock:
        return self.presence._lock

    def dies(self) -> None:
        """As the system ends what a killed process held: nothing is written, no file is removed."""
        if isinstance(self.lock, SessionLock):
            session = self.lock._session
            assert session is not None
            serving = session.info.backend_pid
            session.close()
            wait_until(lambda: not self._is_served(serving))  # the server ends it when it comes to it
        else:
            os.close(self.lock._fd)  # type: ignore[attr-defined]
            self.lock._fd = None  # type: ignore[attr-defined]

    def _is_served(self, process: int) -> bool:
        with self.database.read() as conn:
            return bool(conn.execute(text(f"SELECT count(*) FROM pg_stat_activity WHERE pid = {process}")).scalar())

    def looks(self) -> None:
        """Often enough to be sure."""
        for _ in range(self.lock.looks + 1):
            self.presence.run_once()


@pytest.fixture
def workers(database_url: str) -> Iterator[Callable[..., Worker]]:
    made: list[Worker] = []

    def make(*routes: Route, **given: object) -> Worker:
        made.append(Worker(database_url, *routes, **given))
        return made[-1]

    yield make
    for worker in made:
        worker.presence.leave()
        worker.database.close()


Make = Callable[..., Worker]
LONG = {"timeout_s": 65.0}


def long_lasting(**values: object) -> Account:
    return dialler(**LONG | values)


def test_the_calls_of_a_dead_worker_are_asked_about_at_once(workers: Make) -> None:
    first, second = (workers(dial(), accounts=[long_lasting()]) for _ in range(2))
    first.out.put(leads(3))
    dead = first.out.claimed()
    second.looks()
    assert second.out.kinds() == [("send", "started")]
    first.dies()
    second.looks()
    assert second.out.kinds() == [("send", "unknown")]
    assert second.out.states() == {"uncertain": 3}
    assert str(reasons.of(second.out.deliveries()[0])) == f"{Reason(Code.WORKER_GONE)}; the vendor is asked"
    asked = second.out.claimed()
    assert (asked.attempt.kind, asked.attempt.about) == ("probe", dead.attempt.id)


def test_its_slot_is_held_while_the_vendor_may_count_the_call(workers: Make) -> None:
    """Its documented 60 s, from when the request was written at the latest."""
    first, second = (workers(dial(), accounts=[long_lasting(timeout_s=90.0)]) for _ in range(2))
    first.out.put(leads(1))
    first.out.claimed()
    first.dies()
    second.looks()
    [row] = second.out.attempts()
    assert (row.ended_at - row.started_at, row.deadline - row.started_at) == (65_000, 90_000)


@pytest.mark.parametrize(("usual_ms", "held_ms"), [(40, 5_000), (900, 9_000), (30_000, 65_000), (None, 65_000)])
def test_or_for_ten_times_the_usual_answer_if_the_account_says_so(
    workers: Make, usual_ms: int | None, held_ms: int
) -> None:
    first, second = (workers(dial(), accounts=[long_lasting(lost_call_holds="measured")]) for _ in range(2))
    if usual_ms is not None:
        for number in range(3):
            first.out.put([lead(100 + number)])
            first.out.settle(first.out.claimed(), accepted())
        with first.database.write() as conn:
            conn.execute(text(f"UPDATE attempts SET started_at = ended_at - {usual_ms}"))
    first.out.put(leads(1))
    first.out.claimed()
    first.dies()
    second.looks()
    row = second.out.attempts()[-1]
    assert (row.state, row.ended_at - row.started_at) == ("unknown", held_ms)


def test_a_call_that_is_older_than_that_gives_its_slot_back_now(workers: Make) -> None:
    first, second = (workers(dial(), accounts=[long_lasting(timeout_s=90.0)]) for _ in range(2))
    first.out.put(leads(1))
    first.out.claimed()
    first.out.later(67)
    first.dies()
    second.looks()
    [row] = second.out.attempts()
    with second.database.read() as conn:
        assert row.started_at + 67_000 <= row.ended_at <= now_ms(conn)


def test_absence_is_still_not_believed_before_the_deadline(workers: Make, sandbox: Sandbox) -> None:
    account = dialler(sandbox.url, timeout_s=900.0)
    first, second = (workers(dial(), accounts=[account]) for _ in range(2))
    second.out.finds()
    first.out.put(leads(1))
    first.out.claimed()
    first.dies()
    second.looks()
    second.out.drain()
    assert second.out.kinds() == [("send", "unknown"), ("probe", "accepted")]
    second.out.later(600)
    assert second.out.drain() == []
    second.out.later(302)
    second.out.drain()
    assert second.out.kinds()[2:] == [("probe", "accepted"), ("send", "accepted")]
    assert sandbox.wolkvox.count("1042") == 1


def test_what_a_worker_brings_that_was_thought_dead_settles_the_call(workers: Make, sandbox: Sandbox) -> None:
    account = dialler(sandbox.url, timeout_s=65.0)
    first, second = (workers(dial(), accounts=[account]) for _ in range(2))
    first.out.put(leads(2))
    claimed = first.out.claimed()
    first.dies()  # only its connection did
    second.looks()
    second.out.step()
    assert second.out.states() == {"uncertain": 2}
    first.out.make(claimed)
    assert second.out.states() == {"delivered": 2}
    second.out.later(70)
    second.out.drain()
    assert sandbox.wolkvox.count("1042") == 2


@pytest.mark.parametrize("route", [note(), dial(on_unknown="resend")])
def test_what_would_be_sent_again_without_a_question_waits_for_the_deadline(workers: Make, route: Route) -> None:
    accounts = [long_lasting(), surveys(**LONG)]
    first, second = (workers(route, accounts=accounts) for _ in range(2))
    first.out.put([ticket(1, type="ticket.updated", answer_id=5), lead(1)])
    first.out.claimed(route.account)
    first.dies()
    second.looks()
    assert (second.out.kinds(), second.out.states()) == ([("send", "started")], {"sending": 1})
    second.out.later(66)
    second.out.claim(route.account)
    assert code(second.out.deliveries()[0]) is Code.UNKNOWN_RESENT


def test_what_may_be_sent_twice_is_sent_at_once(workers: Make) -> None:
    first, second = (workers(tags(), accounts=[surveys(**LONG)]) for _ in range(2))
    first.out.put([ticket(1, type="ticket.updated", answer_id=5, channel="email")])
    first.out.claimed("surveys")
    first.dies()
    second.looks()
    assert second.out.states() == {"pending": 1}


def test_a_question_of_a_dead_worker_is_put_again(workers: Make) -> None:
    first, second = (workers(dial(), accounts=[long_lasting()]) for _ in range(2))
    first.out.put(leads(1))
    dead = first.out.claimed()
    first.out.later(66)
    asked = first.out.claimed()
    assert (asked.attempt.kind, asked.attempt.about) == ("probe", dead.attempt.id)
    first.dies()
    second.looks()
    assert second.out.attempts()[0].probe_at <= second.out.attempts()[1].deadline - 60_000
    second.out.later(65)  # its question has a slot until then
    again = second.out.claimed()
    assert (again.attempt.kind, again.attempt.about) == ("probe", dead.attempt.id)


def test_the_report_that_a_dead_worker_read_is_read_again(workers: Make) -> None:
    first, second = (workers(dial(status="auto"), accounts=[long_lasting()]) for _ in range(2))
    first.out.put(leads(1))
    kind = first.out.claimed().attempt.kind
    assert kind != "send"
    first.dies()
    second.looks()
    assert second.out.claimed().attempt.kind == kind


def test_calls_without_a_lock_wait_for_their_deadline(database: Database, workers: Make) -> None:
    """Of commands, and of the versions before."""
    out = Out(database, dial(), accounts=[long_lasting()])
    out.put(leads(1))
    out.claimed()
    with database.read() as conn:
        assert attempts.workers(conn) == {UNLOCKED}
    second = workers(dial(), accounts=[long_lasting()])
    second.looks()
    assert out.kinds() == [("send", "started")]


def test_a_worker_that_ended_in_order_leaves_nothing(workers: Make, database_url: str) -> None:
    first, second = (workers(dial(), accounts=[long_lasting()]) for _ in range(2))
    first.presence.leave()
    with first.database.read() as conn:
        assert worker_name(conn) == UNLOCKED
    second.looks()
    if database_url.startswith("sqlite"):
        folder = Path(f"{second.database.path}.workers")
        assert [path.name for path in folder.iterdir()] == [second.lock.name.rpartition("/")[2]]
        assert (folder.stat().st_mode & 0o777, next(folder.iterdir()).stat().st_mode & 0o777) == (0o700, 0o600)


def test_files_of_the_dead_are_removed_once_nothing_is_left_of_them(workers: Make, database_url: str) -> None:
    if not database_url.startswith("sqlite"):
        pytest.skip("only SQLite's locks are files")
    first, second = (workers(dial(), accounts=[long_lasting()]) for _ in range(2))
    file = Path(f"{second.database.path}.workers") / first.lock.name.rpartition("/")[2]
    first.dies()
    second.lock.tidy({first.lock.name})
    assert file.exists()
    second.lock.tidy({second.lock.name})
    assert not file.exists()
    assert second.lock.is_held


def test_a_worker_whose_connection_breaks_takes_its_lock_again(postgres_url: str) -> None:
    first, second = (Worker(postgres_url, dial(), accounts=[long_lasting()]) for _ in range(2))
    first.out.put(leads(1))
    first.out.claimed()
    name = first.lock.name
    with second.database.write() as conn:
        conn.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> :mine"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            ),
            {"mine": conn.execute(text("SELECT pg_backend_pid()")).scalar_one()},
        )
    second.presence.run_once()  # its own broke as well: from now on it says nothing for a while
    first.presence.run_once()
    assert (first.lock.name, first.lock.is_held) == (name, True)
    first.dies()
    second.looks()
    assert second.out.kinds() == [("send", "started")]
    for worker in (first, second):
        worker.database.close()


# --- real processes -------------------------------------------------------------------------------------------------

HOLDS = """
import sys, time
from connector.store.database import Database
from connector.store.worker_locks import worker_lock

lock = worker_lock(Database(sys.argv[1]))
lock.keep()
print(lock.name, flush=True)
time.sleep(60)
"""


@pytest.mark.slow
def test_a_paused_process_is_alive_and_a_killed_one_is_not(database: Database) -> None:
    argv = [sys.executable, "-c", HOLDS, database.url]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        name = process.stdout.readline().strip()
        assert has_lock(name)
        mine = worker_lock(database)
        mine.keep()
        try:
            process.send_signal(signal.SIGSTOP)
            assert mine.free([name]) == set()
            process.send_signal(signal.SIGCONT)
            assert mine.free([name]) == set()
        finally:
            process.kill()
        process.wait()
        wait_until(lambda: mine.free([name]) == {name})
        mine.release()
