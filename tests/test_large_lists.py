"""What overviews and lists of a large database read: bounded, along indexes, and said where it is not all."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from sqlalchemy import text, update

from connector.admin import backlog, groups, problems
from connector.admin.deliveries import Search, deliveries
from connector.admin.privacy import erase
from connector.admin.privacy.person import person
from connector.admin.search import Who
from connector.admin.status import status
from connector.console.application import ConsoleApp
from connector.core.reasons import Code, Reason
from connector.core.times import DAY_MS, HOUR_MS
from connector.store import reasons, tables
from connector.store.database import Database, now_ms
from tests.connector_steps import World, ticket
from tests.test_console import Browser, app, database, one, settings

__all__ = ["app", "database", "settings"]  # fixtures


@pytest.fixture
def world(settings: Any, database: Database) -> World:
    return World(settings, database)


def waiting(world: World) -> int:
    return sum(int(one["pending"]) for one in status(world.database, world.settings)["destinations"])


def die(world: World, words: str, number: int, at: int) -> None:
    """Lets a delivery be refused at a time, in unix ms."""
    values = reasons.columns(Reason(Code.REFUSED, {"words": words, "status": 400}))
    change = update(tables.deliveries).where(tables.deliveries.c.id == number)
    with world.database.write() as conn:
        conn.execute(change.values(state="dead", updated_at=at, **values))


def test_a_count_of_very_many_is_used_again_for_a_while(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    now = itertools.count()  # each look at the clock is a second later: so a count takes one
    monkeypatch.setattr(backlog, "_clock", lambda: float(next(now)))
    for number in (1, 2):
        world.receive("landing", one(number))
        assert waiting(world) == number, "few are counted every time"
    monkeypatch.setattr(backlog, "MANY", 1)
    assert waiting(world) == 2
    world.receive("landing", one(3))
    assert waiting(world) == 2, "it rests nineteen times as long as it took"
    for _ in range(int(backlog.REST)):
        next(now)
    assert waiting(world) == 3


def test_what_was_refused_is_counted_along_the_index_alone(database: Database) -> None:
    with database.read() as conn:
        plan = str(conn.execute(text(f"EXPLAIN QUERY PLAN {backlog._ENDED}")).all())
    assert "COVERING INDEX ix_deliveries_troubled" in plan


def test_no_source_is_called_silent_where_not_all_was_looked_at(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(problems, "SEEN_SOON", 2)
    sources = {*world.settings.sources}

    def quiet() -> set[str]:
        with world.database.read() as conn:
            return {*problems._quiet(conn, world.settings, now_ms(conn))}

    assert quiet() == sources
    world.receive("landing", one(1))
    world.receive("tickets", ticket(1))
    world.receive("landing", one(2), one(3))
    assert quiet() == sources - {"landing", "tickets"}, "the newest are of one source: more are looked at"
    monkeypatch.setattr(problems, "COUNTED", 3)
    assert quiet() == set(), "what is older than those looked at may be of any source"


def test_where_very_much_failed_the_newest_are_counted_and_the_page_says_back_to_when(
    app: ConsoleApp, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.receive("landing", one(1), one(2), one(3))
    with world.database.read() as conn:
        now = now_ms(conn)
    for number in (1, 2, 3):
        die(world, "400 wrong", number, now - (5 - number) * HOUR_MS)
    whole = groups.causes(world.database, DAY_MS)
    assert [(one.number, one.first) for one in whole.groups] == [(3, now - 4 * HOUR_MS)]
    assert whole.looked_back_to is None
    assert "looked back to" not in Browser(app, "ana").get("/console/problems").text
    monkeypatch.setattr(groups, "LOOKED_AT", 2)
    some = groups.causes(world.database, DAY_MS)
    [group] = some.groups
    assert (group.number, group.first, some.looked_back_to) == (2, now - 3 * HOUR_MS, now - 3 * HOUR_MS)
    assert "looked back to" in Browser(app, "ana").get("/console/problems").text
    with world.database.read() as conn:
        assert list(groups.members(conn, group, now - DAY_MS)) == [2, 3], "what is planned is what was counted"


def test_a_person_of_a_list_is_read_once_and_not_remembered_when_forgotten(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.receive("landing", one(1, first_name="Ana", last_name="Nieto"), one(2, first_name="Iris", last_name="Gil"))
    read, reads = Who._read, []
    monkeypatch.setattr(Who, "_read", lambda who, row: reads.append(row.event_id) or read(who, row))

    def names() -> set[str | None]:
        return {shown["who"] for shown in deliveries(world.database, world.settings, Search())}

    assert names() == {"Ana N., +57 *** **01", "Iris G., +57 *** **02"} == names()
    assert sorted(reads) == ["L-1", "L-2"]
    for _ in erase.Erasing(world.settings, world.database, person("300 000 0001", world.settings)).run():
        pass
    assert names() == {None, "Iris G., +57 *** **02"}
