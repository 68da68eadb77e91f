"""Hours: counted behind the deliveries, equal to the raw rows; a pace without hours in which nobody may be called."""

from __future__ import annotations

import json
from collections import Counter as Tally
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select, update

from connector.admin.forecast import ahead, lasts_until
from connector.admin.hours import Counter
from connector.admin.lawful import Lawful
from connector.admin.pace import pace
from connector.cli.root import connector as command
from connector.core.settings import ContactHours
from connector.core.states import DeliveryState, Kind
from connector.core.times import DAY_MS, HOUR_MS, unix_ms
from connector.outbound import budget
from connector.store import accounts, hours, tables
from connector.store.database import now_ms
from connector.store.hours import bucket, seconds_of
from connector.vendors.sandbox.exchange import Sandbox
from tests.configured_world import environ, world
from tests.connector_steps import World, lead, ticket

__all__ = ["environ", "world"]

TUESDAY = int(datetime(2026, 11, 24, 15, 0, tzinfo=UTC).timestamp() * 1000)  # 10:00 in Bogotá


def this_hour(world: World) -> int:
    with world.database.read() as conn:
        now = now_ms(conn)
    return now - now % HOUR_MS


def count(world: World, *some: int) -> None:
    counter = Counter(world.settings, world.database)
    for hour in some or (this_hour(world) - HOUR_MS, this_hour(world)):
        counter.count(hour)


def counted(world: World) -> dict[tuple[str, str, str, str], int]:
    with world.database.read() as conn:
        rows = hours.since(conn, 0)
    found: Tally[tuple[str, str, str, str]] = Tally()
    for row in rows:
        found[row.source, row.route, row.account, row.state] += row.number
    return dict(found)


def raw(world: World) -> dict[tuple[str, str, str, str], int]:
    d, e = tables.deliveries.c, tables.events.c
    joined = tables.deliveries.join(tables.events, e.id == d.event)
    with world.database.read() as conn:
        rows = conn.execute(select(e.source, d.route, d.account, d.state).select_from(joined)).all()
    return dict(Tally(tuple(row) for row in rows))


def test_the_counts_are_those_of_the_raw_rows_whatever_became_of_them(world: World, sandbox: Sandbox) -> None:
    world.receive("landing", *(lead(number) for number in range(1, 8)))
    world.receive("tickets", *(ticket(number) for number in range(1, 4)))
    count(world)
    assert counted(world) == raw(world)
    world.drain()
    with world.database.write() as conn:
        for number, state in enumerate(DeliveryState, 1):
            conn.execute(update(tables.deliveries).where(tables.deliveries.c.id == number).values(state=state))
    count(world)
    count(world)
    assert counted(world) == raw(world)
    assert sum(counted(world).values()) >= 10


def test_hours_are_told_apart_and_read_page_by_page(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hours, "AT_ONCE", 2)
    world.receive("landing", *(lead(number) for number in range(1, 10)))
    with world.database.write() as conn:
        for number in range(1, 10):
            at = TUESDAY + (number // 4) * HOUR_MS
            conn.execute(update(tables.deliveries).where(tables.deliveries.c.id == number).values(created_at=at))
    count(world, TUESDAY, TUESDAY + HOUR_MS, TUESDAY + 2 * HOUR_MS, TUESDAY + 3 * HOUR_MS)
    with world.database.read() as conn:
        rows = hours.since(conn, 0)
    assert [(row.hour - TUESDAY, row.number) for row in rows] == [(0, 3), (HOUR_MS, 4), (2 * HOUR_MS, 2)]


def test_a_counter_that_begins_late_catches_up_and_then_counts_what_changes(world: World) -> None:
    world.receive("landing", lead(1), lead(2))
    with world.database.write() as conn:
        now = now_ms(conn)
        conn.execute(update(tables.deliveries).where(tables.deliveries.c.id == 1).values(created_at=now - 5 * HOUR_MS))
    counter = Counter(world.settings, world.database)
    for _ in range(5):
        if counter.step() > 1:
            break
    assert counted(world) == raw(world)
    with world.database.write() as conn:
        conn.execute(update(tables.deliveries).values(state=DeliveryState.DEAD))
        conn.execute(update(tables.hours).values(folded_at=tables.hours.c.folded_at - 2 * HOUR_MS))
    counter.step()
    assert counted(world) == raw(world)


def test_an_hour_stays_when_its_deliveries_are_forgotten(world: World) -> None:
    world.receive("landing", lead(1), lead(2))
    count(world)
    before = counted(world)
    with world.database.write() as conn:
        conn.execute(tables.deliveries.delete())
    count(world)
    assert counted(world) == before


def delivered(world: World, start: int, end: int, number: int = 3) -> None:
    """Live leads that came and were accepted at these moments."""
    world.receive("landing", *(lead(one) for one in range(1, number + 1)))
    with world.database.write() as conn:
        call = {"account": "dialler", "destination": "x", "kind": Kind.SEND, "state": "accepted", "worker": "w"}
        call |= {"records": 1, "started_at": end, "deadline": end, "ended_at": end}
        attempt = conn.execute(tables.attempts.insert().values(call).returning(tables.attempts.c.id)).scalar_one()
        values = {"state": DeliveryState.DELIVERED, "created_at": start, "attempt": attempt}
        conn.execute(update(tables.deliveries).values(values))
    count(world, start - start % HOUR_MS)


def waited_s(world: World) -> float:
    with world.database.read() as conn:
        rows = [row for row in hours.since(conn, 0) if row.state == DeliveryState.DELIVERED]
    [at] = {int(at) for row in rows for at in json.loads(row.waits)}
    return seconds_of(at)


def test_a_wait_is_kept_to_the_root_of_two() -> None:
    assert [bucket(ms) for ms in (0, 1000, 1001, 1414, 1500, 2000, 2001)] == [0, 0, 1, 1, 2, 2, 3]
    assert seconds_of(bucket(60_000)) == pytest.approx(64)


def test_what_the_night_keeps_back_is_no_slowness(world: World) -> None:
    daily = (7 * 60, 19 * 60)
    own = ContactHours(name="days", weekdays=daily, saturday=daily, sunday=daily, holidays=daily, country="")
    routes = tuple(replace(one, contact_hours=own) for one in world.settings.routes)
    world.settings = replace(world.settings, routes=routes)
    evening = int(datetime(2026, 11, 24, 23, 50, tzinfo=UTC).timestamp() * 1000)  # 18:50 in Bogotá
    delivered(world, evening, evening + 10 * 60_000 + 12 * HOUR_MS + 60_000)  # 07:01
    assert 11 * 60 <= waited_s(world) < 11 * 60 * hours.FACTOR


def test_pace_is_by_weekday_and_hour_of_the_configured_zone(world: World) -> None:
    with world.database.read() as conn:
        now = now_ms(conn)
    start = now - now % DAY_MS - 7 * DAY_MS + 15 * HOUR_MS
    delivered(world, start, start + 20_000)
    then = datetime.fromtimestamp(start / 1000, world.settings.locale.timezone)
    found = pace(world.database, world.settings)
    [cell] = found["cells"]
    assert (cell["weekday"], cell["hour"], cell["number"]) == (then.weekday(), then.hour, 3)
    assert 20 <= cell["p50_s"] < 20 * hours.FACTOR
    assert pace(world.database, world.settings, route="another")["cells"] == []


def test_two_clocks_count_from_when_it_reached_us_and_from_the_sender_s_own_time(world: World) -> None:
    start = this_hour(world)
    delivered(world, start, start + 20_000)
    with world.database.write() as conn:
        conn.execute(update(tables.events).values(occurred_at=start - 100_000))
    count(world, start)
    [cell] = pace(world.database, world.settings)["cells"]
    assert 20 <= cell["p50_s"] < 20 * hours.FACTOR and 120 <= cell["sent_p50_s"] < 120 * hours.FACTOR
    with world.database.write() as conn:
        conn.execute(update(tables.events).values(occurred_at=start + 60_000))  # its clock is ahead
    count(world, start)
    [cell] = pace(world.database, world.settings)["cells"]
    assert cell["sent_p50_s"] == cell["p50_s"]
    with world.database.write() as conn:
        conn.execute(update(tables.hours).values(sent_waits=None))  # as an earlier release counted
    [cell] = pace(world.database, world.settings)["cells"]
    assert cell["sent_p50_s"] is None and cell["p50_s"]


def test_own_times_of_days_ago_are_measured_once_for_many(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    closed = Lawful._closed_until

    def counted(self: Lawful, destination: str, route: str, place: str | None, moment: int) -> int | None:
        asked.append(moment)
        return closed(self, destination, route, place, moment)

    monkeypatch.setattr(Lawful, "_closed_until", counted)
    start, number = this_hour(world), 60
    delivered(world, start, start + 20_000, number)
    before = len(asked)
    with world.database.write() as conn:
        days_ago = start - 10 * DAY_MS - 1000 * tables.events.c.id
        conn.execute(update(tables.events).values(occurred_at=days_ago))
    count(world, start)
    assert len(asked) - before < before + 3 * 10 * DAY_MS // (15 * 60_000), "not once for each"
    [cell] = pace(world.database, world.settings)["cells"]
    assert 10 * DAY_MS / 1000 / hours.FACTOR < cell["sent_p50_s"] < 10 * DAY_MS / 1000 * hours.FACTOR**2


def test_two_are_too_few_to_say_how_soon(world: World) -> None:
    start = this_hour(world)
    delivered(world, start, start + 20_000, 2)
    found = pace(world.database, world.settings)
    assert [(one["number"], one["p50_s"]) for one in found["cells"]] == [(2, None)]
    assert found["last_24h"][-1]["delivered"] == 2


def test_calls_that_become_free_again_make_the_budget_last(world: World) -> None:
    account = world.settings.accounts["dialler"]
    with world.database.write() as conn:
        now = now_ms(conn)
        limit = 1000 * account.licences

        def call(ago_ms: int) -> dict[str, Any]:
            at = now - ago_ms
            row = {"account": "dialler", "destination": "x", "kind": Kind.SEND, "state": "accepted", "worker": "w"}
            return row | {"records": 1, "started_at": at, "deadline": at, "ended_at": at}

        conn.execute(tables.attempts.insert().values([call(30 * 60_000)] * (limit // 2)))
        (stand,) = (one for one in accounts.all_accounts(conn) if one.name == "dialler")
        lasts = lasts_until(conn, budget.read_room(conn, account, stand, now))
        assert lasts is not None and abs(lasts - now - HOUR_MS) < 60_000
        freed = [call(DAY_MS - 20 * 60_000)] * (limit // 4)  # a quarter was spent yesterday, and is free in 20 minutes
        conn.execute(tables.attempts.insert().values(freed))
        lasts = lasts_until(conn, budget.read_room(conn, account, stand, now))
        assert lasts is not None and abs(lasts - now - HOUR_MS) < 60_000


def test_the_next_day_is_told_hour_by_hour_with_what_becomes_free(world: World) -> None:
    account = world.settings.accounts["dialler"]
    limit = 1000 * account.licences
    with world.database.write() as conn:
        now = now_ms(conn)

        def calls(number: int, ago_ms: int) -> list[dict[str, Any]]:
            at = now - ago_ms
            row = {"account": "dialler", "destination": "x", "kind": Kind.SEND, "state": "accepted", "worker": "w"}
            return [row | {"records": 1, "started_at": at, "deadline": at, "ended_at": at}] * number

        for rows in (calls(limit // 20, 30 * 60_000), calls(limit // 4, DAY_MS - 150 * 60_000)):
            conn.execute(tables.attempts.insert().values(rows))
    (told,) = (one for one in ahead(world.database, world.settings) if one["account"] == "dialler")
    assert (told["limit"], told["now"], len(told["hours"])) == (limit, limit * 7 // 10, 24)
    left = [one["left"] for one in told["hours"]]
    assert [one["freed"] for one in told["hours"]][:4] == [0, 0, limit // 4, 0]
    assert left[:4] == [limit * part // 100 for part in (65, 60, 80, 75)] and left[-2] == 0
    assert all(0 <= one <= limit for one in left)
    assert unix_ms(told["hours"][1]["at"]) - unix_ms(told["hours"][0]["at"]) == HOUR_MS


def test_the_command_shows_it(world: World, environ: dict[str, str]) -> None:
    assert "not counted yet" in CliRunner().invoke(command, ["pace"], env=environ).output
    start = this_hour(world)
    delivered(world, start, start + 20_000)
    shown = CliRunner().invoke(command, ["pace", "--route", "dial new leads"], env=environ)
    assert shown.exit_code == 0, shown.output
    assert "Half within" in shown.output
    assert "22.6 s" in shown.output
