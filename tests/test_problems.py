"""The all-clear is true: what did not happen is told, in status, check, /readyz and metrics."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import update

from connector.admin.explain import explain
from connector.admin.problems import Code, problems
from connector.admin.status import status
from connector.cli.heartbeat import Heartbeat
from connector.config import loader
from connector.core.settings import Settings
from connector.core.times import DAY_MS, HOUR_MS
from connector.inbound.committer import Committer
from connector.store import accounts, helps, processes, tables
from connector.store.database import now_ms
from connector.store.processes import ALIVE_MS, Process, Role
from connector.vendors import destinations
from connector.vendors.destinations import name_of
from connector.vendors.sandbox.exchange import Sandbox
from connector.web.wsgi import create_app
from tests.configured_world import environ, world
from tests.connector_steps import World, lead

__all__ = ["environ", "world"]


def found(world: World, *, now: int | None = None, settings: Settings | None = None) -> list[tuple[Code, str]]:
    with world.database.read() as conn:
        some = problems(conn, settings or world.settings, now or now_ms(conn))
    return [(one.code, one.about) for one in some]


def said(world: World, code: Code, about: str) -> str:
    with world.database.read() as conn:
        (one,) = (one for one in problems(conn, world.settings, now_ms(conn)) if (one.code, one.about) == (code, about))
    return f"{one.said} {one.urgent}"


def beat(world: World, *roles: Role, ago_ms: int = 0, config: str | None = None, stopped: bool = False) -> None:
    with world.database.write() as conn:
        at = now_ms(conn) - ago_ms
        config = world.settings.config_hash if config is None else config
        one = Process(f"{roles}{ago_ms}{config}", roles, "vm", 7, "0.1.0", config, at, at)
        processes.beat(conn, one, at)
        if stopped:
            processes.stopped(conn, one.id, at)


def test_a_worker_that_gives_no_sign_is_told_with_its_last_and_what_waits(world: World) -> None:
    beat(world, Role.WEB, Role.WORKER)
    assert found(world) == []
    with world.database.write() as conn:
        conn.execute(update(tables.processes).values(seen_at=now_ms(conn) - ALIVE_MS - 1))
    world.receive("landing", lead(1), lead(2))
    assert (Code.NOBODY_WORKS, "worker") in found(world)
    told = said(world, Code.NOBODY_WORKS, "worker")
    assert "the last sign, from vm, is of " in told
    assert "2 deliveries wait" in told
    assert told.endswith("True")


def test_only_processes_that_nothing_replaces_are_gone(world: World) -> None:
    """As after a restore: the processes of the backup's time never stopped in order, and others run instead."""
    hour = int(HOUR_MS)
    for ago in (3 * hour, 2 * hour):
        beat(world, Role.WORKER, ago_ms=ago)
    with world.database.write() as conn:
        processes.beat(conn, processes.every(conn)[-1], now_ms(conn) - hour)  # the older one ran beside the other
    beat(world, Role.WEB, ago_ms=hour)
    beat(world, Role.WEB)
    beat(world, Role.WORKER)
    shown = status(world.database, world.settings)["processes"]
    assert sorted((one["roles"], one["alive"]) for one in shown) == [
        (["web"], True),
        (["worker"], False),  # two were there, and one came instead
        (["worker"], True),
    ]


def test_one_process_for_all_replaces_those_that_had_a_role_each(world: World) -> None:
    for role in (Role.WEB, Role.WORKER):
        beat(world, role, ago_ms=int(HOUR_MS))
    beat(world, Role.WEB, Role.WORKER)
    shown = status(world.database, world.settings)["processes"]
    assert [(one["roles"], one["alive"]) for one in shown] == [(["web", "worker"], True)]


def test_one_that_was_replaced_stays_so_when_its_successor_is_replaced(world: World) -> None:
    for minutes in (60, 40, 20, 0):  # killed and started again, three times
        beat(world, Role.WORKER, ago_ms=minutes * 60_000)
    assert [one["alive"] for one in status(world.database, world.settings)["processes"]] == [True]


def test_one_that_began_before_another_went_does_not_replace_it(world: World) -> None:
    beat(world, Role.WORKER, ago_ms=2 * int(HOUR_MS))
    beat(world, Role.WORKER, ago_ms=int(HOUR_MS))
    with world.database.write() as conn:
        first = processes.every(conn)[-1]
        processes.beat(conn, first, now_ms(conn))  # the older one is alive
    assert [one["alive"] for one in status(world.database, world.settings)["processes"]] == [True, False]


def test_one_that_was_stopped_in_order_is_urgent_only_while_something_waits(world: World) -> None:
    beat(world, Role.WEB, Role.WORKER, stopped=True)
    assert said(world, Code.NOBODY_WORKS, "worker").endswith("False")
    assert "was stopped at" in said(world, Code.NOBODY_WORKS, "worker")
    world.receive("landing", lead(1))
    assert said(world, Code.NOBODY_WORKS, "worker").endswith("True")


def test_each_role_that_the_configuration_needs_is_missed(world: World) -> None:
    beat(world, Role.WEB, Role.WORKER)
    sources = dict(world.settings.sources)
    sources["landing"] = replace(sources["landing"], queue="leads")
    assert found(world, settings=replace(world.settings, sources=sources)) == [(Code.NOBODY_WORKS, "consumer")]


def test_a_configuration_that_changed_and_does_not_run_is_told(world: World) -> None:
    beat(world, Role.WEB, Role.WORKER, config="another")
    assert found(world) == [(Code.OTHER_CONFIGURATION, "web and worker")]


def test_the_hash_of_a_configuration_follows_the_file_and_not_its_secrets(environ: dict[str, str]) -> None:
    def hashed(**more: str) -> str:
        return loader.load(environ | more, destinations=destinations.SPECS).config_hash

    before = hashed()
    assert before == hashed(CONNECTOR_SECRET_KEY="another", PORT="1")
    with Path(environ["CONNECTOR_CONFIG"]).open("a") as file:
        file.write("# changed\n")
    assert hashed() != before


def test_a_stopped_campaign_is_told_where_its_rows_wait_and_in_the_story(world: World, sandbox: Sandbox) -> None:
    beat(world, Role.WEB, Role.WORKER)
    world.receive("landing", lead(1))
    world.drain()
    assert world.states() == {"delivered": 1}
    assert found(world) == []
    with world.database.write() as conn:
        accounts.report_ended(conn, "dialler", "accepted", {"1042": "stopped"}, [], now_ms(conn))
    told = said(world, Code.REACHES_NOBODY, "dialler/wolkvox.add_record/1042")
    assert "campaign 1042 is stopped at wolkvox" in told
    assert "1 records delivered to it in the last 24 h wait there" in told
    (event,) = explain(world.database, world.settings, "d1")["events"]
    assert "it dials nobody" in event["deliveries"][0]["now"]


def test_a_source_that_usually_sends_at_this_hour_and_did_not_is_told(world: World) -> None:
    beat(world, Role.WEB, Role.WORKER)
    friday = 1_764_345_600_000  # 2025-11-28 11:00 in Bogota
    number = 0
    for days in range(7, 0, -1):
        for minutes in range(0, 100, 20):
            number += 1
            world.receive("landing", lead(number))
            at = friday - days * DAY_MS - minutes * 60_000
            with world.database.write() as conn:
                row = tables.events.c.id == number
                conn.execute(update(tables.events).where(row).values(received_at=at - 60_000))
    silent = (Code.SOURCE_SILENT, "landing")
    assert silent in found(world, now=friday)
    assert silent not in found(world, now=friday - 6 * HOUR_MS), "nobody sends at five in the morning"
    assert silent not in found(world, now=friday + 10 * DAY_MS), "it did not send lately either: it is not usual"
    world.receive("landing", lead(99))
    with world.database.write() as conn:
        row = tables.events.c.id == number + 1
        conn.execute(update(tables.events).where(row).values(received_at=friday - 60_000))
    assert silent not in found(world, now=friday)


def test_readyz_and_metrics_say_what_status_says(world: World) -> None:
    world.receive("landing", lead(1))
    committer = Committer(world.database, world.settings.hash_key)
    client = create_app(world.settings, world.database, name_of, committer).test_client()
    answer = client.get("/readyz")
    assert (answer.status_code, answer.get_json()["status"]) == (200, "degraded")
    assert [one["code"] for one in answer.get_json()["problems"]] == ["nobody_works", "nobody_works"]
    shown = client.get("/metrics").get_data(as_text=True)
    assert 'connector_problem{about="worker",code="nobody_works",urgent="yes"} 1.0' in shown
    assert 'connector_processes{role="worker"} 0.0' in shown
    committer.close()


def test_a_process_gives_signs_and_says_its_end(world: World) -> None:
    heartbeat = Heartbeat(world.settings, world.database, Role.WORKER)
    heartbeat.start()

    def rows() -> list[Mapping[str, Any]]:
        with world.database.read() as conn:
            return [row._mapping for row in conn.execute(tables.processes.select())]

    end = time.monotonic() + 120
    while not rows():
        assert time.monotonic() < end
        time.sleep(0.02)
    (row,) = rows()
    assert (row["roles"], row["config"], row["stopped_at"]) == ("worker", world.settings.config_hash, None)
    heartbeat.stop()
    assert rows()[0]["stopped_at"] is not None


def test_a_question_that_failed_is_told_only_while_somebody_asks_it(world: World) -> None:
    """Nobody asks about a delivery that a person has resolved: whether the vendor would answer is of no interest."""
    beat(world, Role.WEB, Role.WORKER)
    world.receive("landing", lead(1))
    destination = name_of(next(route for route in world.settings.routes if route.to == "wolkvox.add_record"))
    control = world.places["dialler"][destination].control
    with world.database.write() as conn:
        helps.note(conn, "dialler", control, helps.HelpState.UNKNOWN, now_ms(conn), "wolkvox failed (500)")
        helps.note(conn, "dialler", "report", helps.HelpState.UNKNOWN, now_ms(conn), "wolkvox failed (500)")
    both = [(Code.QUESTION_FAILS, f"dialler {name}") for name in sorted((control, "report"))]
    assert found(world) == both[1:] == [(Code.QUESTION_FAILS, "dialler report")]

    def become(state: str) -> None:
        with world.database.write() as conn:
            of_it = tables.deliveries.c.destination == destination
            conn.execute(update(tables.deliveries).where(of_it).values(state=state))

    become("uncertain")
    assert found(world) == both
    become("delivered")
    assert found(world) == both[1:]
    shown = next(one for one in status(world.database, world.settings)["accounts"] if one["account"] == "dialler")
    assert [one["name"] for one in shown["helps"]] == ["report"]
