"""Why nobody is dialled: each obstacle is brought about, and is what the page names first; with nothing, it says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import insert, update

from connector.admin.status import status
from connector.console.app import create
from connector.core.reasons import Code, Reason
from connector.store import accounts, reasons, tables
from connector.store.database import Database, now_ms
from connector.store.processes import Role
from tests.connector_steps import World
from tests.test_console import Browser, console_settings, one

PLACE = "dialler/wolkvox.add_record/1042"
DAY_MS = 86_400_000


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    database = Database(sqlite_url)
    yield database
    database.close()


@pytest.fixture
def world(database: Database) -> World:
    made = World(console_settings(database.url), database)
    run(made)
    return made


def run(world: World) -> None:
    """A worker is alive, and one lead waits."""
    world.receive("landing", one(1))
    with world.database.write() as conn:
        accounts.ensure(conn, ["dialler"], [(PLACE, "dialler")], now_ms(conn))
        now = now_ms(conn)
        for number, role in enumerate((Role.WORKER, Role.WEB, Role.CONSUMER, Role.POLLER)):
            row = {"host": "h", "pid": number, "roles": role.value, "version": "1", "config": "", "since": now}
            conn.execute(insert(tables.processes).values(id=f"p{number}", seen_at=now, **row))


def verdict(world: World, place: str = PLACE) -> str:
    """The first line of the destination's page."""
    text = Browser(create(world.settings, world.database), "ana").get(f"/console/destinations/{place}").text
    return text.split('<p class="verdict')[1].split("</p>")[0]


def change(world: World, table: str, **values: object) -> None:
    with world.database.write() as conn:
        conn.execute(update(tables.metadata.tables[table]).values(values))


def no_worker(world: World) -> None:
    change(world, "processes", seen_at=1)


def blocked(world: World) -> None:
    with world.database.write() as conn:
        accounts.block(conn, "dialler", Reason(Code.BLOCKED_CREDENTIALS, {"words": "token"}), now_ms(conn))


def held(world: World) -> None:
    with world.database.write() as conn:
        facts = reasons.columns(Reason(Code.HELD_RATE, {"words": "slower", "status": 429}))
        values = {f"hold_{name}": value for name, value in facts.items() if name != "reason"}
        conn.execute(update(tables.accounts).values(hold_until=now_ms(conn) + 60_000, **values))


def stopped(world: World) -> None:
    facts = {"destination": PLACE, "account": "dialler", "count": 9, "words": "400 no"}
    change(world, "destinations", state="stopped", **reasons.columns(Reason(Code.STOPPED, facts)))


def calls(world: World, account: str, number: int) -> None:
    with world.database.write() as conn:
        now = now_ms(conn)
        row = {
            "account": account,
            "destination": f"{account}/x",
            "kind": "send",
            "worker": "w",
            "records": 1,
            "state": "accepted",
            "started_at": now - 1000,
            "deadline": now + 60_000,
            "ended_at": now - 500,
        }
        conn.execute(insert(tables.attempts), [row] * number)


def not_started(world: World) -> None:
    with world.database.write() as conn:
        now = now_ms(conn)
        row = {"account": "dialler", "asked_at": now, "read_at": now, "statuses": '{"1042": "stopped"}'}
        conn.execute(insert(tables.campaign_reports).values(row))


def no_budget(world: World) -> None:
    calls(world, "dialler", 10_000)


def not_now(world: World) -> None:
    with world.database.write() as conn:
        facts = reasons.columns(Reason(Code.HOURS_HELD, {"until": "tomorrow", "hours": "CO"}))
        conn.execute(update(tables.deliveries).values(due_at=now_ms(conn) + DAY_MS, **facts))


def unreadable(world: World) -> None:
    change(world, "events", state="invalid")


def unwanted(world: World) -> None:
    change(world, "events", state="ignored")


def silent(world: World) -> None:
    """Four came at this hour of each of the days before, and none today."""
    with world.database.write() as conn:
        now = now_ms(conn)
        row = dict(conn.execute(tables.events.select()).mappings().one())
        rows = []
        for day in range(7, 0, -1):
            for number in range(4):
                at = now - day * DAY_MS - 3_600_000
                rows.append(row | {"id": None, "key": f"{day}-{number}", "received_at": at})
        conn.execute(update(tables.events).values(received_at=now - 20 * DAY_MS))
        for each in rows:
            conn.execute(insert(tables.events).values({name: value for name, value in each.items() if name != "id"}))


OBSTACLES: dict[str, tuple[Callable[[World], None], str]] = {
    "worker": (no_worker, "no worker works"),
    "account": (blocked, "dialler is blocked"),
    "destination": (stopped, "accepted nothing yet and refused"),
    "held": (held, "dialler is held until"),
    "budget": (no_budget, "0 of 10,000 calls of the day are left"),
    "reaches": (not_started, "1042"),
    "hours": (not_now, "1 of 1 that wait are kept back"),
    "wanted": (unwanted, "no route wanted any of 1 events"),
    "read": (unreadable, "1 could not be read in 24 h"),
    "arrives": (silent, "sent nothing in the last 2 h"),
}


def test_with_nothing_in_the_way_it_says_so(world: World) -> None:
    assert "Nothing is in the way" in verdict(world)


@pytest.mark.parametrize("name", OBSTACLES)
def test_each_obstacle_is_named_first(world: World, name: str) -> None:
    bring, words = OBSTACLES[name]
    bring(world)
    assert words in verdict(world)


def test_calls_of_a_minute_that_are_used_up_are_named(world: World) -> None:
    found = status(world.database, world.settings)
    surveys = next(one for one in found["accounts"] if one["account"] == "surveys")
    place = next(one["destination"] for one in found["destinations"] if one["account"] == "surveys")
    shortest = min(surveys["windows"], key=lambda window: window["seconds"])
    calls(world, "surveys", shortest["limit"])
    assert f"{shortest['limit']} requests in {shortest['seconds']:g} s are used" in verdict(world, place)
