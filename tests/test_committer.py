"""Group commit: durable before it returns, together when many wait, and one bad row harms no other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, func, select, text

from connector.core.errors import StoreUnavailable
from connector.inbound.committer import Committer
from connector.store import inbox, tables
from connector.store.arrivals import Arrival, NewDelivery, Stored
from connector.store.database import Database
from tests import outbound_steps

store, database = outbound_steps.store, outbound_steps.database


@pytest.fixture
def committer(database: Database) -> Iterator[Committer]:
    committer = Committer(database)
    yield committer
    committer.close()


def arrival(number: int = 1, **values: Any) -> Arrival:
    delivery = NewDelivery(route="dial", account="a", destination="a/b/c", record="{}", expires_at=9 * 10**12)
    given = {"source": "landing", "event_id": f"L-{number}", "type": "lead.created", "state": "accepted"}
    return Arrival(**given | {"payload": "{}", "fingerprint": f"f{number}", "deliveries": (delivery,)} | values)


def count(database: Database, table: Any = tables.events) -> int:
    with database.read() as conn:
        return conn.execute(select(func.count()).select_from(table)).scalar_one()


class Counting:
    """Counts the transactions of a Database, and makes some fail."""

    def __init__(self, database: Database, faults: int = 0) -> None:
        self.begun, self._faults, self._real = 0, faults, database.write
        database.write = self  # type: ignore[method-assign, assignment]

    def __call__(self, **kwargs: Any) -> Any:
        self.begun += 1
        if self.begun <= self._faults:
            raise StoreUnavailable("the database cannot be used now")
        return self._real(**kwargs)


@contextmanager
def locked(store: str) -> Iterator[Connection]:
    """Somebody else holds what every store needs."""
    other = Database(store)
    with other.write() as conn:
        if not other.is_sqlite:
            conn.execute(text("LOCK TABLE events IN ACCESS EXCLUSIVE MODE"))
        yield conn
    other.close()


def test_what_was_put_is_durable_and_answered_in_order(database: Database, committer: Committer):
    stored = committer.put([arrival(3), arrival(1), arrival(3)])
    assert [(one.status, one.event_id) for one in stored] == [
        ("accepted", "L-3"),
        ("accepted", "L-1"),
        ("duplicate", "L-3"),
    ]
    assert (count(database), count(database, tables.deliveries)) == (2, 2)


def test_whoever_waits_commits_together_and_each_gets_their_own_answer(
    store: str, database: Database, committer: Committer
):
    counting = Counting(database)
    with locked(store):
        futures = [committer.submit([arrival(number), arrival(number)]) for number in range(200)]
    answers = [future.result(timeout=120) for future in futures]
    for number, answer in enumerate(answers):
        assert [(one.status, one.event_id) for one in answer] == [
            ("accepted", f"L-{number}"),
            ("duplicate", f"L-{number}"),
        ]
    assert counting.begun <= 3
    assert count(database) == 200


def test_many_threads_putting_the_same_events_store_each_once(database: Database, committer: Committer):
    def put(_: int) -> list[str]:
        return [committer.put([arrival(number)])[0].status for number in range(40)]

    with ThreadPoolExecutor(8) as pool:
        statuses = [status for some in pool.map(put, range(8)) for status in some]
    assert statuses.count("accepted") == 40
    assert statuses.count("duplicate") == 280


def test_a_row_that_the_database_refuses_is_kept_as_invalid_and_harms_no_other(
    store: str, database: Database, committer: Committer
):
    with locked(store):
        good = [committer.submit([arrival(number)]) for number in range(5)]
        mixed = committer.submit([arrival(10), arrival(11, type=None), arrival(12)])
        more = [committer.submit([arrival(number)]) for number in range(20, 25)]
    assert {future.result(timeout=120)[0].status for future in good + more} == {"accepted"}
    assert [one.status for one in mixed.result(timeout=120)] == ["accepted", "invalid", "accepted"]
    assert count(database, tables.deliveries) == 12
    assert count(database) == 13


def test_a_row_that_cannot_even_be_written_down_is_not_acknowledged(
    store: str, database: Database, committer: Committer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(inbox, "unstorable", lambda bad: bad)
    with locked(store):
        good = committer.submit([arrival(1)])
        bad = committer.submit([arrival(2, occurred_at=10**40)])
    assert good.result(timeout=120)[0].status == "accepted"
    with pytest.raises(StoreUnavailable):
        bad.result(timeout=120)
    assert committer.put([arrival(3)])[0].status == "accepted", "and the thread lives on"


def test_while_the_database_is_away_nothing_is_acknowledged(database: Database):
    counting = Counting(database, faults=3)
    committer = Committer(database)
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            committer.put([arrival()])
    assert committer.put([arrival()])[0].status == "accepted"
    assert counting.begun == 4
    committer.close()


def test_what_takes_too_long_is_not_acknowledged_and_its_repeat_is_a_duplicate(
    store: str, database: Database, committer: Committer
):
    with locked(store), pytest.raises(StoreUnavailable, match="could not be stored in time"):
        committer.put([arrival()], timeout_s=0.1)
    assert committer.put([arrival()])[0].status == "duplicate"
    assert count(database, tables.deliveries) == 1


def test_closing_stores_what_was_handed_over_and_takes_nothing_more(store: str, database: Database):
    committer = Committer(database)
    with locked(store):
        futures = [committer.submit([arrival(number)]) for number in range(50)]
        closing = threading.Thread(target=committer.close)
        closing.start()
    closing.join(timeout=60)
    assert {future.result(timeout=0)[0].status for future in futures} == {"accepted"}
    with pytest.raises(StoreUnavailable, match="stopping"):
        committer.put([arrival(99)])
    committer.close()
    assert count(database) == 50


def test_nobody_waits_for_ever_who_hands_over_while_it_closes(database: Database):
    for turn in range(15):
        committer = Committer(database)
        start = threading.Barrier(4)
        handed: list[Future[list[Stored]]] = []

        def hand_over(number: int, turn: int = turn, committer: Committer = committer) -> None:
            start.wait()  # noqa: B023 - joined within its turn
            handed.extend(committer.submit([arrival(1000 * turn + 10 * number + n)]) for n in range(10))  # noqa: B023

        threads = [threading.Thread(target=hand_over, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        start.wait()
        committer.close()
        for thread in threads:
            thread.join()
        outcomes = [future.exception(timeout=120) for future in handed]
        assert all(fault is None or isinstance(fault, StoreUnavailable) for fault in outcomes)
        assert len(outcomes) == 30
