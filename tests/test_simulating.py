"""Try: the answer is what then happens to the same lead; nothing is stored, and no person is shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connector.admin import accounts, suppression
from connector.admin.acts import By
from connector.admin.simulating import simulate
from connector.admin.status import status
from connector.config import loader
from connector.console.application import ConsoleApp
from connector.core.errors import ConnectorError
from connector.core.settings import ContactHours
from connector.store import processes
from connector.store.database import Database, now_ms
from connector.store.processes import Process, Role
from connector.vendors import destinations
from connector.vendors.sandbox.exchange import Sandbox
from tests.connector_steps import World, environment, lead
from tests.test_console import Browser, app, settings

__all__ = ["app", "settings"]  # fixtures
DAILY = (7 * 60, 19 * 60)


@pytest.fixture
def world(tmp_path: Path, database_url: str, sandbox: Sandbox) -> Iterator[World]:
    environ = environment(tmp_path, database_url, sandbox.url)
    made = World(loader.load(environ, destinations=destinations.SPECS), Database(database_url))
    with made.database.write() as conn:
        at = now_ms(conn)
        roles = (Role.WEB, Role.WORKER, Role.CONSUMER, Role.POLLER)
        processes.beat(conn, Process("p", roles, "vm", 7, "0.1.0", "", at, at), at)
    yield made
    made.database.close()


def tried(world: World, payload: Any, at: int | None = None, source: str = "landing") -> dict[str, Any]:
    stand = status(world.database, world.settings)
    with world.database.read() as conn:
        moment = at or now_ms(conn)
    text = payload if isinstance(payload, str) else json.dumps(payload)
    before = world.everything()
    [found] = simulate(world.settings, world.database, stand, source, text, moment)
    assert world.everything() == before
    return found


def first(found: dict[str, Any]) -> str:
    return str(found["deliveries"][0]["verdict"])


def test_a_lead_that_nothing_stops_goes_at_once_and_then_does(world: World) -> None:
    found = tried(world, lead(1))
    assert first(found) == "It would go to dialler/wolkvox.add_record/1042 at once."
    assert found["deliveries"][0]["good"]
    world.receive("landing", lead(1))
    world.drain()
    assert world.states() == {"delivered": 1}


def test_who_must_not_be_called_would_not_be_and_is_not(world: World) -> None:
    suppression.add(world.database, world.settings, "300 000 0001", By("ana", "asked not to be called"))
    assert first(tried(world, lead(1))).startswith("It would not go to dialler/wolkvox.add_record/1042: ")
    world.receive("landing", lead(1))
    world.drain()
    assert world.states() == {"suppressed": 1}


def test_outside_the_hours_it_says_from_when_on(world: World) -> None:
    own = ContactHours(name="days", weekdays=DAILY, saturday=DAILY, sunday=DAILY, holidays=DAILY, country="")
    routes = tuple(replace(one, contact_hours=own) for one in world.settings.routes)
    world.settings = replace(world.settings, routes=routes)
    evening = int(datetime(2026, 11, 25, 0, 4, tzinfo=UTC).timestamp() * 1000)  # 19:04 in Bogotá
    said = first(tried(world, lead(1), evening))
    assert said.endswith("from 2026-11-25T12:00:00.000Z on.")
    noon = evening - 7 * 3600_000
    assert first(tried(world, lead(1), noon)).endswith(" at once.")


def test_a_paused_account_is_what_it_would_wait_for_and_does(world: World) -> None:
    accounts.pause(world.database, world.settings, "dialler", By("ana", "maintenance"))
    found = tried(world, lead(1))
    assert first(found).startswith("It would wait for dialler/wolkvox.add_record/1042: dialler is paused")
    assert not found["deliveries"][0]["good"]
    world.receive("landing", lead(1))
    world.drain()
    assert world.states() == {"pending": 1}


def test_what_cannot_be_read_or_is_not_wanted_is_said(world: World) -> None:
    found = tried(world, {"id": "L-1", "type": "lead.created", "data": {"first_name": "Ana"}})
    assert found["status"] == "invalid" and found["errors"] and found["deliveries"] == []
    assert tried(world, {**lead(1), "type": "lead.updated"})["deliveries"] == []
    with pytest.raises(ConnectorError):
        tried(world, "{")
    with pytest.raises(ConnectorError):
        tried(world, " ")
    with pytest.raises(ConnectorError):
        tried(world, "x" * 70_000)


def test_no_person_is_shown(world: World) -> None:
    shown = json.dumps(tried(world, lead(1)), ensure_ascii=False, default=str)
    assert not [
        part for part in ("Íñigo", "Conceição", "3000000001", "inigo1@example.com", "Medellín") if part in shown
    ]
    assert "1042" in shown


def test_operators_try_at_the_console_and_viewers_do_not(app: ConsoleApp) -> None:
    browser = Browser(app, "ana", "es")
    assert "Nada se guarda" in browser.get("/console/try").text
    answer = browser.post("/console/try", source="landing", text=json.dumps(lead(1)), when="")
    assert answer.status_code == 200
    assert "dialler/wolkvox.add_record/1042" in answer.text
    assert browser.post("/console/try", source="nobody", text="{}").status_code == 400
    assert browser.post("/console/try", source="landing", text=json.dumps(lead(1)), when="soon").status_code == 400
    viewer = Browser(app, "vera", "es")
    assert "<textarea" not in viewer.get("/console/try").text
    assert viewer.post("/console/try", source="landing", text=json.dumps(lead(1))).status_code == 403
