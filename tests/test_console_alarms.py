"""Alarms and pace at the console: on Now, and on pages of their own."""

from __future__ import annotations

from dataclasses import replace

from connector.console.app import create
from connector.console.application import ConsoleApp
from connector.core.alarms import AlarmKind, Occasion, Severity
from connector.core.settings import Addressee, Alarms, Secret, Settings
from connector.store import alarms
from connector.store.alarms import Alarm
from connector.store.database import Database, now_ms
from connector.store.hour_tables import hours
from tests.connector_steps import World
from tests.test_console import Browser, app, database, settings, world

__all__ = ["app", "database", "settings", "world"]  # fixtures


def begun(world: World, about: str, *, told: bool = True) -> Alarm:
    with world.database.write() as conn:
        now = now_ms(conn)
        facts = {"destination": about, "minutes": 12}
        made = alarms.add(conn, AlarmKind.LEADS_WAIT, about, Severity.URGENT, facts, now, now)
        alarms.begin(conn, made, now)
        alarms.add_notices(conn, made.id, ["turno"], Occasion.BEGUN, 0, now)
        notice = alarms.lease(conn, now, 1000)
        assert notice is not None
        if told:
            alarms.sent(conn, notice, now)
        else:
            alarms.put_off(conn, notice, now + 60_000, "HTTP 503")
    return made


def test_now_names_what_is_wrong_and_leads_to_it(app: ConsoleApp, world: World) -> None:
    begun(world, "dialler/wolkvox.add_record/1042")
    text = Browser(app, "vera", "es").get("/console/").text
    assert "1 alarma<" in text
    assert "un lead para dialler/wolkvox.add_record/1042 espera desde hace 12 minutos de horario permitido" in text
    assert '<a href="/console/destinations/dialler/wolkvox.add_record/1042">' in text


def test_who_was_not_reached_is_said_on_now_and_on_the_page(app: ConsoleApp, world: World) -> None:
    begun(world, "here", told=False)
    browser = Browser(app, "vera", "en")
    assert "1 message about alarms could not be sent yet" in browser.get("/console/").text
    text = browser.get("/console/alarms").text
    assert "turno: begun – waiting" in text and "(HTTP 503, 1 try)" in text


def test_past_alarms_tell_who_was_told_page_by_page(app: ConsoleApp, world: World) -> None:
    for number in range(52):
        made = begun(world, f"place{number}")
        with world.database.write() as conn:
            alarms.end(conn, made, now_ms(conn))
    browser = Browser(app, "vera", "en")
    text = browser.get("/console/alarms").text
    assert "There is no alarm now." in text
    assert "place51 " in text and "place1 " not in text and ">turno<" in text
    assert "place1 " in browser.get("/console/alarms?before=3").text


def test_the_page_says_when_nobody_would_be_told(settings: Settings, database: Database, world: World) -> None:
    assert "no table [alarms]" in Browser(create(settings, database), "vera", "en").get("/console/alarms").text
    silent = replace(settings, alarms=Alarms())
    assert "names no addressee" in Browser(create(silent, database), "vera", "en").get("/console/alarms").text
    told = replace(settings, alarms=Alarms(to=(Addressee(name="turno", url=Secret("json://x")),)))
    assert "Nobody is told" not in Browser(create(told, database), "vera", "en").get("/console/alarms").text


def test_the_page_of_the_pace_shows_half_of_the_leads_by_weekday_and_hour(app: ConsoleApp, world: World) -> None:
    assert "Nothing came in the last 24 hours" in Browser(app, "vera", "en").get("/console/pace").text
    with world.database.write() as conn:
        monday = 1764000000000 + (now_ms(conn) - 1764000000000) // (7 * 86_400_000) * 7 * 86_400_000
        row = {"hour": monday, "source": "landing", "route": "dial new leads", "account": "dialler"}
        conn.execute(
            hours.insert().values(
                row
                | {"state": "delivered", "number": 4, "waits": '{"8": 4}', "sent_waits": '{"10": 4}', "folded_at": 1}
            )
        )
    text = Browser(app, "vera", "es").get("/console/pace?route=dial new leads").text
    assert ">16 s</td>" in text
    assert ">32 s</td>" in Browser(app, "vera", "es").get("/console/pace?clock=sent").text
    assert text.count("<rect ") == 25 and "Las próximas 24 horas en una tabla" in text
    assert "No se entregó nada" not in text
    assert "No se entregó nada" in Browser(app, "vera", "es").get("/console/pace?route=survey closed tickets").text
