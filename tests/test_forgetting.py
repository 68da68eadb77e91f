"""Forgetting: what is old or erased is nowhere any more, and nobody is sent anything twice because of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from connector import configuration, destinations, tables
from connector.claims import Claim
from connector.commands import connector as command
from connector.db import Database
from connector.outbox import ERASED
from connector.sandbox import Sandbox
from tests.delivering import refused, unknown
from tests.telling import World, environment, lead, ticket

DAY_S = 24 * 3600
LANDING = "landing"

#: Whatever must not be found of lead 7 once it is forgotten, in any spelling that was ever stored.
SEVEN = ("3000000007", "300 000 0007", "inigo7@example", "C-7", "L-7", "Íñigo", "Conceição", "Medell")

Run = Callable[..., Result]


@pytest.fixture
def environ(tmp_path: Path, database_url: str, sandbox: Sandbox) -> dict[str, str]:
    return environment(tmp_path, database_url, sandbox.url)


@pytest.fixture
def run(environ: dict[str, str]) -> Run:
    """Runs a command in this process."""

    def run(*args: str, given: str | None = None, **more: str) -> Result:
        return CliRunner().invoke(command, args, env=environ | more, input=given)

    return run


@pytest.fixture
def world(environ: dict[str, str]) -> Iterator[World]:
    settings = configuration.load(environ, destinations=destinations.SPECS)
    database = Database(settings.database_url)
    yield World(settings, database)
    database.close()


def done(result: Result) -> dict[str, Any]:
    """The JSON it printed."""
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def purge(run: Run, older_than: str = "90d", *more: str) -> dict[str, Any]:
    return done(run("purge", "--older-than", older_than, "--json", *more))


def erase(run: Run, who: str, *more: str) -> dict[str, Any]:
    return done(run("erase", who, "--json", *more))


def kept_of(world: World, *signs: str) -> set[str]:
    """Which of these texts the database still holds: in any column, and on SQLite in any byte of its files."""
    held = "\n".join(str(tuple(row)) for table in tables.metadata.tables.values() for row in rows_of(world, table))
    if world.database.path is not None:
        files = (world.database.path, Path(f"{world.database.path}-wal"))
        held += "".join(file.read_bytes().decode("utf-8", "replace") for file in files if file.exists())
    assert "dial new leads" in held, "it looks in the right place"
    return {sign for sign in signs if sign.casefold() in held.casefold()}


def rows_of(world: World, table: Any = tables.deliveries) -> list[Any]:
    with world.database.read() as conn:
        return list(conn.execute(select(table).order_by(*table.primary_key.columns)))


def in_a_call(world: World) -> Claim:
    """A call with all that is due, once the campaign's status is known."""
    claimed = world.claimed()
    if claimed.attempt.kind == "report":
        world.make(claimed)
        claimed = world.claimed()
    assert claimed.attempt.kind == "send"
    return claimed


# --- purge ----------------------------------------------------------------------------------------------------------


def test_what_is_old_and_settled_is_forgotten_down_to_the_bytes(run: Run, world: World) -> None:
    world.receive(LANDING, lead(7))
    world.drain()
    world.later(91 * DAY_S)
    world.receive(LANDING, lead(8))
    assert kept_of(world, *SEVEN) == set(SEVEN)
    assert purge(run) == {"dry_run": False, "events": 1, "deliveries": 1, "left": 0}
    assert kept_of(world, "3000000007", "300 000 0007", "inigo7@example", "C-7", "L-7") == set()
    old, new = rows_of(world)
    assert (old.state, new.state) == ("delivered", "pending")
    assert [row.record != "" for row in rows_of(world, tables.records)] == [False, True]
    assert purge(run)["events"] == 0


def test_nothing_is_left_of_anything_that_was_ever_said(run: Run, world: World) -> None:
    """Invalid, ignored, dead, with words of the vendor that name the person."""
    world.works()
    world.receive(LANDING, lead(7), {"id": "L-7", "type": "Íñigo", "data": {"phones": ["3000000007"]}})
    world.receive(LANDING, lead(7, first_name="Íñigo Conceição"))
    world.receive("tickets", ticket(7, "ticket.created", comment="C-7 inigo7@example.com 300 000 0007"))
    claimed = in_a_call(world)
    world.settle(claimed, refused("400 Íñigo da Conceição of Medellín is on no list"))
    world.later(91 * DAY_S)
    assert [row.state for row in world.events()] == ["accepted", "invalid", "invalid", "ignored"]
    assert purge(run)["events"] == 4
    assert kept_of(world, *SEVEN, "Zoë", "Mu\u00f1oz") == set()
    [row] = rows_of(world)
    assert (row.state, row.reason) == ("dead", "400 (the rest was forgotten)")


def test_what_is_young_or_unsettled_stays_until_it_is_settled(run: Run, world: World) -> None:
    world.receive(LANDING, lead(1), lead(2), lead(3))
    claimed = in_a_call(world)
    world.settle(claimed, unknown())
    world.receive(LANDING, lead(4))
    world.later(91 * DAY_S)
    world.receive(LANDING, lead(5))
    assert purge(run) == {"dry_run": False, "events": 0, "deliveries": 0, "left": 4}
    assert kept_of(world, "inigo1@", "inigo4@", "inigo5@") == {"inigo1@", "inigo4@", "inigo5@"}
    assert run("resolve", "d1", "--landed").exit_code == 0
    assert purge(run) == {"dry_run": False, "events": 1, "deliveries": 0, "left": 3}
    assert kept_of(world, "inigo1@", "inigo2@") == {"inigo2@"}


def test_a_dry_run_counts_and_changes_nothing(run: Run, world: World) -> None:
    world.receive(LANDING, lead(1), lead(2))
    world.drain()
    world.receive(LANDING, lead(3))
    world.later(91 * DAY_S)
    before = world.everything()
    assert purge(run, "90d", "--dry-run") == {"dry_run": True, "events": 2, "deliveries": 2, "left": 1}
    assert world.everything() == before


def test_copies_of_what_was_purged_change_nothing(run: Run, world: World) -> None:
    world.receive(LANDING, lead(1), lead(2))
    world.drain()
    world.later(91 * DAY_S)
    purge(run)
    assert [one.status for one in world.receive(LANDING, lead(1), lead(2), lead(1, first_name="Eva"), lead(3))] == [
        *("duplicate", "duplicate", "conflict", "accepted")
    ]
    assert len(rows_of(world)) == 3


def test_once_per_holds_over_a_purge(run: Run, world: World) -> None:
    world.receive(LANDING, lead(1))
    world.drain()
    world.later(3600)
    assert purge(run, "1m")["events"] == 1
    world.receive(LANDING, lead(1) | {"id": "L-another"})
    world.drain()
    assert [row.state for row in rows_of(world)] == ["delivered", "suppressed"]
    assert rows_of(world)[1].reason == "once_per: the same person is in delivery d1"


def test_a_forgotten_copy_takes_nobodys_place(run: Run, world: World) -> None:
    world.works()
    world.receive(LANDING, lead(1))
    first = in_a_call(world)
    world.receive(LANDING, lead(1) | {"id": "L-another"})
    assert not isinstance(world.claim(), Claim)
    world.later(120)
    assert purge(run, "1m")["events"] == 1
    world.settle(first, refused("400 wrong"))
    assert [row.state for row in rows_of(world)] == ["dead", "suppressed"]
    assert rows_of(world)[1].reason == "once_per had the same person in delivery d1"


def test_a_purge_goes_on_where_it_stopped(run: Run, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector.purging.AT_ONCE", 3)
    world.receive(LANDING, *map(lead, range(10)))
    world.drain()
    world.later(91 * DAY_S)
    calls = iter((False, False, True))
    from connector.purging import Purging

    half = Purging(world.settings, world.database, 90 * DAY_S * 1000, stop=lambda: next(calls))
    list(half.run())
    assert half.purged.events == 6
    assert purge(run)["events"] == 4
    assert purge(run)["events"] == 0
    assert kept_of(world, *(f"inigo{n}@" for n in range(10))) == set()


# --- what can still be told -----------------------------------------------------------------------------------------


def test_the_story_of_what_was_forgotten_is_still_told(run: Run, world: World) -> None:
    world.receive(LANDING, lead(7))
    world.drain()
    world.later(91 * DAY_S)
    purge(run)
    told = done(run("explain", "L-7", "--json"))
    [event] = told["events"]
    assert (event["event"], event["event_id"], event["state"]) == ("e1", "", "accepted")
    assert event["forgotten_at"]
    story = " | ".join(line["said"] for line in event["story"])
    for words in ("received from landing", "whose id is forgotten", "was accepted", "its data was forgotten"):
        assert words in story
    assert event["deliveries"][0]["now"].startswith("delivered at")
    assert event["deliveries"][0]["next"] == []
    assert "its data was forgotten" in run("explain", "d1").stdout
    [found] = json.loads(run("deliveries", "--find", "+57 300 000 0007", "--json").stdout)
    assert found["delivery"] == "d1"


def test_what_was_forgotten_cannot_be_replayed_and_says_why(run: Run, world: World) -> None:
    world.works()
    world.receive(LANDING, lead(1), {"id": "L-2", "type": "lead.created", "data": {}})
    world.settle(in_a_call(world), refused("400 wrong"))
    world.later(91 * DAY_S)
    purge(run)
    for args in (("--delivery", "d1"), ("--event", "e1"), ("--event", "L-1"), ("--event", "e2")):
        result = run("replay", *args)
        assert result.exit_code == 1
        assert "its data was forgotten on " in result.stdout
    assert [row.state for row in rows_of(world)] == ["dead"]


def test_an_invalid_copy_of_a_forgotten_event_cannot_be_replayed_into_a_second_one(run: Run, world: World) -> None:
    world.receive(LANDING, lead(1))
    world.drain()
    world.later(91 * DAY_S)
    world.receive(LANDING, lead(1, first_name="Eva"))
    purge(run)
    result = run("replay", "--event", f"e{world.events()[-1].id}")
    assert "a copy of it was accepted, and forgotten since" in result.stdout
    assert len(rows_of(world)) == 1


# --- erase ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "who", ["3000000007", "+57 300 000 0007", "(300) 000-0007", "93000000007", "INIGO7@example.com"]
)
def test_a_person_is_erased_whatever_they_are_called_by(run: Run, world: World, who: str) -> None:
    world.receive(LANDING, lead(7), lead(8))
    world.drain()
    world.receive(LANDING, lead(7) | {"id": "L-7b"})
    world.receive(LANDING, {"id": "L-7c", "data": {"phones": ["300.000.0007"], "email": "inigo7@example.com"}})
    found = erase(run, who)
    assert found == {"dry_run": False, "events": 3, "deliveries": 1, "ended": 1, "in_hand": 0, "uncertain": 0}
    assert kept_of(world, "3000000007", "000 0007", "000.0007", "inigo7", "C-7", "L-7") == set()
    assert kept_of(world, "inigo8@", "C-8") == {"inigo8@", "C-8"}
    assert [(row.state, row.reason) for row in rows_of(world)][2] == ("suppressed", ERASED)
    assert erase(run, who)["events"] == 0
    world.drain()
    assert [row.state for row in rows_of(world)] == ["delivered", "delivered", "suppressed"]
