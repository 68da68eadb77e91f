"""What could not be read and what queues gave back, on the console; a person's last contact; the history as a file."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, update

from connector.admin import groups
from connector.console.app import create
from connector.console.application import ConsoleApp
from connector.core.reasons import Code, Reason
from connector.core.settings import Route, Settings, Source
from connector.core.times import DAY_MS, HOUR_MS
from connector.inbound.rabbitmq import dead_letters
from connector.inbound.rabbitmq import redrive as rabbitmq
from connector.store import reasons, tables
from connector.store.database import Database, now_ms
from connector.vendors.destinations import name_of
from tests.connector_steps import World
from tests.test_console import Browser, app, database, one, settings

__all__ = ["app", "database", "settings"]  # fixtures


@pytest.fixture
def world(settings: Settings, database: Database) -> World:
    return World(settings, database)


def decided(world: World) -> list[tuple[str, str, str, Any]]:
    with world.database.read() as conn:
        rows = conn.execute(select(tables.acts).order_by(tables.acts.c.id)).all()
    return [(row.who, row.what, row.about, row.number) for row in rows]


def test_what_could_not_be_read_is_grouped_by_its_source_and_its_fault(app: ConsoleApp, world: World) -> None:
    browser = Browser(app, "vera")
    assert "Everything that came could be read" in browser.get("/console/problems").text
    for number in (1, 2):
        world.receive("landing", {"type": "lead.created", "id": f"bad-{number}"})
    world.receive("tickets", {"type": "ticket.closed", "id": "bad-3"})
    world.receive("landing", one(4))
    shown = browser.get("/console/problems?since=7d").text
    found = re.findall(r'<a href="(/console/unread/[0-9a-f]{12}\?since=7d)">(\d+)</a>', shown)
    assert [number for _, number in found] == ["2", "1"]
    fault = browser.get(found[0][0]).text
    assert 'href="/console/events/e1"' in fault and 'href="/console/events/e2"' in fault
    assert "landing: " in fault and "/console/events/e3" not in fault
    assert browser.get("/console/unread/000000000000").status_code == 404


def test_a_cause_shows_when_it_failed(app: ConsoleApp, world: World) -> None:
    world.receive("landing", one(1), one(2))
    columns = tables.deliveries.c
    with world.database.write() as conn:
        now = now_ms(conn)
        for number, hours in ((1, 23.5), (2, 0.5)):
            row = update(tables.deliveries).where(columns.id == number)
            conn.execute(row.values(state="dead", updated_at=now - int(hours * HOUR_MS)))
    [group] = groups.causes(world.database, 24 * HOUR_MS).groups
    assert group.by_time == [1, *[0] * 10, 1]
    shown = Browser(app, "vera").get("/console/problems").text
    assert 'aria-label="how many in each twelfth of the time: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1"' in shown


@pytest.fixture
def queued(settings: Settings, database: Database) -> ConsoleApp:
    known = {**settings.sources, "crm": Source(name="crm", mapping="lead", queue="crm.leads")}
    return create(replace(settings, sources=known), database)


def test_what_queues_gave_back_is_counted_and_put_back_as_counted(
    app: ConsoleApp, queued: ConsoleApp, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "No source has a queue" in Browser(app, "ana").get("/console/queues").text
    assert "/console/queues" not in Browser(app, "ana").get("/console/problems").text
    counts: list[dict[str, int] | None] = [{"crm": 3}]
    moved = []
    monkeypatch.setattr(dead_letters, "counted", lambda _, *, timeout_s: counts[0])
    monkeypatch.setattr(rabbitmq, "redrive", lambda _, source, *, most: moved.append((source, most)) or most)
    browser = Browser(queued, "ana")
    assert "/console/queues" in browser.get("/console/problems").text
    shown = browser.get("/console/queues").text
    assert "crm.leads.dead: 3 messages" in shown and "Put 3 messages back" in shown
    assert "Put 3 messages back" not in Browser(queued, "vera").get("/console/queues").text
    assert browser.post("/console/queues/crm/redrive", number="x").status_code == 400
    assert browser.post("/console/queues/landing/redrive", number="1").status_code == 404
    answer = browser.post("/console/queues/crm/redrive", number="3", why="mapping corrected")
    assert answer.headers["Location"] == "/console/queues?done=3"
    assert "3 messages were put back" in browser.get("/console/queues?done=3").text
    assert moved == [("crm", 3)] and decided(world) == [("ana", "redrive", "crm", 3)]
    counts[0] = None
    assert "The broker does not answer" in browser.get("/console/queues").text


def test_a_person_s_page_tells_the_last_contact(app: ConsoleApp, world: World) -> None:
    phones = ["315 222 3344"]
    world.receive("landing", one(1, phones=phones), one(2, phones=phones))
    browser = Browser(app, "vera")
    address = browser.post("/console/search", text="315 222 3344").headers["Location"]
    assert "No delivery of this person has reached a vendor" in browser.get(address).text
    with world.database.write() as conn:
        conn.execute(update(tables.deliveries).where(tables.deliveries.c.id == 1).values(state="delivered"))
    shown = browser.get(address).text
    assert "Last contacted:" in shown and 'href="/console/deliveries/d1"' in shown


def test_a_person_s_page_tells_when_the_next_survey_may_go(
    settings: Settings, database: Database, world: World
) -> None:
    def asking(route: Route) -> Route:
        return replace(route, options={**route.options, "ninety_day_rule": True})

    routes = tuple(asking(route) if route.to == "tracksale.dispatch" else route for route in settings.routes)
    browser = Browser(create(replace(settings, routes=routes), database), "vera")
    phones = ["315 222 3344"]
    world.receive("landing", one(1, phones=phones), one(2, phones=phones))
    address = browser.post("/console/search", text="315 222 3344").headers["Location"]
    survey = next(name_of(route) for route in routes if route.to == "tracksale.dispatch")
    row = tables.deliveries.c
    with world.database.write() as conn:
        conn.execute(
            update(tables.deliveries).where(row.id == 1).values(state="delivered", updated_at=1_796_000_000_000)
        )
    assert "surveyed again" not in browser.get(address).text, "that was a call"
    with world.database.write() as conn:
        conn.execute(update(tables.deliveries).where(row.id == 1).values(destination=survey))
    shown = browser.get(address).text
    assert re.search(r"surveyed again at the earliest:\s*<time[^>]*>[^<]*27 Feb 2027", shown), shown
    with world.database.write() as conn:
        long_ago = now_ms(conn) - 91 * DAY_MS
        conn.execute(update(tables.deliveries).where(row.id == 1).values(updated_at=long_ago))
    shown = browser.get(address).text
    assert "more than 90 days ago" in shown and "surveyed again" not in shown


def test_a_person_s_page_tells_what_waits_for_them_by_which_channel_and_what_holds_it(
    app: ConsoleApp, world: World
) -> None:
    phones = ["315 222 3344"]
    world.receive("landing", one(1, phones=phones), one(2, phones=phones))
    address = Browser(app, "vera").post("/console/search", text="315 222 3344").headers["Location"]
    row = tables.deliveries.c
    with world.database.write() as conn:
        due_at = now_ms(conn) + HOUR_MS
        values = {"due_at": due_at, **reasons.columns(Reason(Code.HOURS_HELD, {"until": "07:00", "hours": "CO"}))}
        conn.execute(update(tables.deliveries).values(due_at=due_at + HOUR_MS))
        conn.execute(update(tables.deliveries).where(row.id == 2).values(values))
    shown = " ".join(Browser(app, "vera", "es").get(address).text.split())
    told = shown[shown.index("Próximo contacto:") :]
    told = told[: told.index("</p>")]
    assert "<time" in told and "dial new leads" in told and "(voice)" in told and "/console/deliveries/d2" in told
    assert "fuera del horario de contacto (CO)" in told
    with world.database.write() as conn:
        conn.execute(update(tables.deliveries).values(state="delivered"))
    assert "Próximo contacto:" not in Browser(app, "vera", "es").get(address).text


def test_the_history_is_a_file_of_an_administrator(app: ConsoleApp, world: World) -> None:
    Browser(app, "ana").post("/console/accounts/dialler/pause", why="=SUM(A1)")
    assert "/console/history/file" not in Browser(app, "ana").get("/console/history").text
    admin = Browser(app, "root")
    assert "/console/history/file" in admin.get("/console/history").text
    answer = admin.post("/console/history/file")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="history.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert [(row["who"], row["what"].partition(":")[0]) for row in rows] == [
        ("root", "root took the history as a file"),
        ("ana", "ana paused dialler"),
    ]
    assert rows[1]["why"] == "'=SUM(A1)"
