"""A search finds whom it is given, or says how far it looked. On both databases."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import update

from connector.admin import search
from connector.admin.deliveries import Search, deliveries, deliveries_and_reach
from connector.admin.events import EventFilter, list_events
from connector.admin.explain import explain
from connector.admin.identifiers import NotThere, ahead_ms, since_ms
from connector.admin.search import Indexer, fold
from connector.core.settings import Settings
from connector.store import inbox, tables
from connector.store.database import Database
from tests.connector_steps import World, lead

ANA = {
    "first_name": "Ana",
    "last_name": "Núñez",
    "email": "ana.nunez@example.com",
    "phones": ["315 222 3344", "601 234 5678"],
}


@pytest.fixture
def world(settings: Settings, database: Database) -> World:
    return World(settings, database)


def one_of(number: int, **data: Any) -> dict[str, Any]:
    made = lead(number)
    made["data"] |= data
    return made


def ids(world: World, text: str) -> list[str]:
    return [one["event"] for one in list_events(world.database, world.settings, EventFilter(find=text))["events"]]


def index(world: World) -> None:
    """As the loop does, once everything is old enough."""
    with world.database.write() as conn:
        conn.execute(update(tables.events).values(received_at=tables.events.c.received_at - 3600_000))
    indexer = Indexer(world.settings, world.database)
    while indexer.step() < 1:
        pass


@pytest.mark.parametrize("indexed", [False, True])
@pytest.mark.parametrize(
    "typed",
    [
        *("Ana Núñez", "nunez ana", "NUÑEZ", "an", "Ana Nú", "315 222 3344", "+57 315 2223344", "601 234 5678"),
        *("Ana.Nunez@example.com", "L-7", "e2"),
    ],
)
def test_a_person_is_found_as_people_write_them(world: World, typed: str, indexed: bool) -> None:
    world.receive("landing", lead(1), one_of(7, **ANA), lead(3))
    if indexed:
        index(world)
    assert ids(world, typed) == ["e2"]
    assert [one["event"] for one in deliveries(world.database, world.settings, Search(find=typed))] == ["e2"]


@pytest.mark.parametrize("typed", ["Bob", "315 222 3345", "bob@example.com", "L-70", "zz"])
def test_nobody_else_is_found(world: World, typed: str) -> None:
    world.receive("landing", one_of(7, **ANA))
    assert ids(world, typed) == []


def test_an_old_event_is_found_by_every_phone_and_e_mail_and_a_name_says_how_far_it_looked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "SEARCHED", 2)
    world.receive("landing", one_of(7, **ANA), *(lead(number) for number in range(20, 25)))
    assert "of 4 older ones phones, e-mails and ids are not known yet" in str(looked_at(world, "Ana"))
    index(world)
    for typed in ("601 234 5678", "ana.nunez@example.com", "315 222 3344"):
        assert ids(world, typed) == ["e1"]
    assert ids(world, "Ana Núñez") == []
    assert looked_at(world, "Ana Núñez") == "names were looked for in the newest 2 of about 6 events"
    assert deliveries_and_reach(world.database, world.settings, Search(find="Ana"))[1] == looked_at(world, "Ana")


@pytest.mark.parametrize("typed", ["315 222 3344", "Ana.Nunez@example.com", "L-7", "e2"])
def test_who_is_found_exactly_is_not_looked_for_in_payloads(
    world: World, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    world.receive("landing", lead(1), one_of(7, **ANA), lead(3))
    index(world)
    payloads: list[str] = []
    monkeypatch.setattr(search, "_says", lambda payload, words: payloads.append(payload))
    monkeypatch.setattr(search, "_may_hold", lambda payload, text, signs: payloads.append(payload))
    assert ids(world, typed) == ["e2"] and payloads == []
    assert ids(world, "Ana") == [] and len(payloads) == 3


@pytest.mark.parametrize("typed", ["+57 315 222 3345", "+573152223345", "nobody@example.com"])
def test_a_phone_or_an_email_that_leads_nowhere_is_no_name(
    world: World, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    world.receive("landing", lead(1), one_of(7, **ANA), lead(3))
    payloads: list[str] = []
    monkeypatch.setattr(search, "_says", lambda payload, words: payloads.append(payload))
    assert ids(world, typed) == [] and payloads == []
    index(world)
    assert ids(world, typed) == [] and payloads == []


def test_bare_digits_may_be_a_document(world: World) -> None:
    """They are looked for as a word, whatever phone they could be."""
    world.receive("landing", lead(1), one_of(7, extra={"cedula": "3152223345"}))
    index(world)
    assert ids(world, "3152223345") == ["e2"]
    assert ids(world, "+573152223345") == []


@pytest.mark.parametrize(
    "written",
    [
        *(
            "+573152223344",
            "(315) 222-3344",
            "315.222.3344",
            "315 – 222 – 3344",
            "３１５２２２３３４４",
            "315_222_3344",
        ),
        *("tel:+57-315-222-3344", "cel 315 222 3344 o 601 2345678", "315%20222%203344", "315&nbsp;222&nbsp;3344"),
        *("2026-12-01 llamar al 315 222 3344", "whatsapp 573152223344@s.whatsapp.net"),
    ],
)
@pytest.mark.parametrize("name", ["phones", "id", "valor", "author_account", "note"])
def test_a_phone_in_any_spelling_is_read_for_the_index(world: World, name: str, written: str) -> None:
    world.receive("landing", one_of(7, phones=["+573000000009"], extra={name: written}))
    index(world)
    assert ids(world, "315 222 3344") == ["e1"]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        *(("time", "2026-12-01T04:12:15+00:00"), ("when", "2026-12-01 04:12:15.123"), ("day", "2026-12-01")),
        *(("address", "Calle 10 # 43-12, apartamento 501"), ("id_number", "1000000000"), ("documento", "1000000000")),
    ],
)
def test_what_is_no_phone_is_not_read_for_one(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str, written: str
) -> None:
    read: list[str] = []
    monkeypatch.setattr(search, "phones_of", lambda text, settings: read.append(text) or [])
    world.receive("landing", one_of(7, phones=["+573000000009"], extra={name: written}))
    index(world)
    assert written not in read and "+573000000009" in read


def looked_at(world: World, text: str) -> str | None:
    found: str | None = list_events(world.database, world.settings, EventFilter(find=text))["looked"]
    return found


def test_what_became_no_delivery_is_listed_and_found(world: World) -> None:
    bad = one_of(8, phones=["nothing"], email="", first_name="Zoë")
    world.receive("landing", lead(1), bad)
    (one,) = list_events(world.database, world.settings, EventFilter(state="invalid"))["events"]
    assert (one["event"], one["deliveries"], "phones" in one["why"]) == ("e2", 0, True)
    assert ids(world, "zoe") == ["e2"]
    assert ids(world, "L-8") == ["e2"]


def test_the_sender_s_own_id_finds_what_a_header_named(world: World) -> None:
    raw = json.dumps(lead(9)).encode()
    arrivals, _ = world.receiver.arrivals(
        world.settings.sources["landing"],
        raw,
        content_type="application/json",
        headers={"webhook-id": "msg_1"},
        message_id="msg_1",
    )
    with world.database.write() as conn:
        inbox.store(conn, arrivals, key=world.settings.hash_key)
    for typed in ("L-9", "msg_1", "e1"):
        assert explain(world.database, world.settings, typed)["events"][0]["event"] == "e1"
    index(world)
    assert ids(world, "L-9") == ["e1"]
    with pytest.raises(NotThere):
        explain(world.database, world.settings, "L-10")


def test_the_shortened_id_that_a_list_prints_finds_its_event(world: World) -> None:
    made = lead(1)
    made["id"] = "import:4b96ad0c36b0f425d4542768ac19b0ad598f155a1fe3b1fe84f7"
    world.receive("landing", made, lead(2))
    assert ids(world, "import:4b96ad0c36b0f425d454…") == ["e1"]


def test_lists_show_masked_name_and_phone_arrival_and_source(world: World) -> None:
    world.receive("landing", one_of(7, **ANA))
    (one,) = deliveries(world.database, world.settings, Search())
    assert one["who"] == "Ana N., +57 *** **44"
    assert one["source"] == "landing"
    assert one["received_at"]


def test_since_takes_days_and_clock_times(settings: Settings) -> None:
    now = 1_764_345_600_000  # 2025-11-28 11:00 in Bogota
    hour = 3600_000
    assert since_ms("today", settings, now) == now - 11 * hour
    assert since_ms("yesterday", settings, now) == now - 35 * hour
    assert since_ms("10:05", settings, now) == now - 55 * 60_000
    assert since_ms("11:30", settings, now) == now - 23 * hour - 30 * 60_000
    assert ahead_ms("11:30", settings, now) == now + 30 * 60_000, "still to come today"
    assert ahead_ms("10:05", settings, now) == now + 23 * hour + 5 * 60_000, "tomorrow's"


def test_folding_takes_accents_and_case_off() -> None:
    assert fold("Núñez ÁÉ Conceição") == "nunez ae conceicao"
