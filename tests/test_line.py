"""Storing takes turns: what one source sends many of delays no other by more than a transaction."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest

from connector.core.errors import StoreUnavailable
from connector.inbound import line as line_module
from connector.inbound.committer import Committer
from connector.inbound.line import GROUP, LASTS_S, LEAST_OF_ONE, OF_ONE, Line, Room
from connector.store import inbox
from connector.store.arrivals import Stored
from connector.store.database import Database
from tests import outbound_steps
from tests.test_committer import Counting, arrival, count, locked

store, database = outbound_steps.store, outbound_steps.database


def waiting(source: str, number: int, first: int = 0) -> tuple[list[Any], Future[list[Stored]]]:
    return [arrival(one, source=source) for one in range(first, first + number)], Future()


def sizes(line: Line) -> dict[str, int]:
    """How many of each source the next transaction takes."""
    found: dict[str, int] = {}
    for _, some in line.take(Room()):
        for one in some:
            found[one.source] = found.get(one.source, 0) + 1
    return found


def test_every_source_that_waits_is_in_the_next_transaction() -> None:
    line = Line()
    line.add([waiting("pub", 5 * GROUP), waiting("crm", 1), waiting("form", OF_ONE)])
    assert sizes(line) == {"pub": OF_ONE, "crm": 1, "form": OF_ONE}
    line.add([waiting("crm", 2)])
    assert sizes(line) == {"pub": OF_ONE, "crm": 2}
    line.add([waiting(f"s{number}", OF_ONE) for number in range(9)])
    first, second = sizes(line), sizes(line)
    assert sum(first.values()) == GROUP == sum(second.values())
    assert "pub" in first and "pub" not in second, "who had a turn waits for the others'"


def test_a_slow_database_stores_fewer_of_one_source_at_once() -> None:
    line = Line()
    line.lasted(OF_ONE, 10 * LASTS_S)
    line.add([waiting("pub", GROUP), waiting("crm", 1)])
    assert sizes(line) == {"pub": max(LEAST_OF_ONE, OF_ONE // 10), "crm": 1}
    line.lasted(3, 60.0)  # of so few nothing is learnt
    for _ in range(4):
        line.lasted(OF_ONE, LASTS_S / 100)
    assert sizes(line) == {"pub": OF_ONE}


@pytest.fixture
def any_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow this machine is."""
    monkeypatch.setattr(line_module, "LASTS_S", 1e9)


@pytest.mark.usefixtures("any_speed")
def test_a_body_is_answered_once_all_its_parts_are_durable(database: Database) -> None:
    committer = Committer(database)
    counting = Counting(database)
    several, reply = waiting("pub", 2 * OF_ONE + 7)
    few, quick = waiting("crm", 1)
    order: list[str] = []
    reply.add_done_callback(lambda _: order.append("pub"))
    quick.add_done_callback(lambda _: order.append("crm"))
    with locked(str(database_url_of(database))):
        committer.hand_over([(several, reply)])
        committer.hand_over([(few, quick)])
    assert [one.event_id for one in reply.result(300)] == [one.event_id for one in several]
    committer.close()
    assert order == ["crm", "pub"]
    assert counting.begun == 3
    assert count(database) == len(several) + 1


@pytest.mark.usefixtures("any_speed")
def test_a_body_whose_part_fails_is_told_once_and_the_rest_is_not_tried(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = inbox.store, []

    def failing(*args: Any, **values: Any) -> Any:
        calls.append(len(args[1]))
        if len(calls) == 2:
            raise StoreUnavailable("the database cannot be used now")
        return real(*args, **values)

    monkeypatch.setattr(inbox, "store", failing)
    committer = Committer(database)
    several, reply = waiting("pub", 3 * OF_ONE)
    committer.hand_over([(several, reply)])
    with pytest.raises(StoreUnavailable):
        reply.result(300)
    assert len(committer.put([arrival(1, source="crm")])) == 1
    committer.close()
    assert calls == [OF_ONE, OF_ONE, 1]


def test_what_brought_nothing_is_answered(database: Database) -> None:
    committer = Committer(database)
    assert committer.put([]) == []
    committer.close()


def database_url_of(database: Database) -> str:
    with database.read() as conn:
        return conn.engine.url.render_as_string(hide_password=False)
