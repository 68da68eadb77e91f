"""What a person is told: how it stands, which deliveries there are, the whole story of one. On both databases."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import update

from connector.admin.deliveries import Search
from connector.admin.deliveries import deliveries as list_deliveries
from connector.admin.explain import explain as explain_event
from connector.admin.identifiers import NotThere, first_since
from connector.admin.status import status as read_status
from connector.core.errors import ConnectorError, StoreUnavailable
from connector.core.reasons import Code, Reason
from connector.core.settings import OncePer, Settings
from connector.store import accounts as standing
from connector.store import tables
from connector.store.database import Database, now_ms
from connector.vendors.sandbox.exchange import Sandbox
from tests.conforming import conforms
from tests.connector_steps import World, lead, ticket
from tests.outbound_steps import DIAL

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture
def world(settings: Settings, database: Database) -> World:
    return World(settings, database)


def stand(world: World, settings: Settings | None = None) -> dict[str, Any]:
    return conforms("Status", read_status(world.database, settings or world.settings))  # type: ignore[no-any-return]


def listed(world: World, **search: Any) -> list[str]:
    """Ids of the deliveries that fit."""
    found = conforms("Delivery", list_deliveries(world.database, world.settings, Search(**search)), many=True)
    return [one["delivery"] for one in found]


def told(world: World, text: str, **how: Any) -> dict[str, Any]:
    """The only event of a story."""
    found = explain_event(world.database, world.settings, text, **how)
    (event,) = (found if how else conforms("Explained", found))["events"]
    return event


def only(event: Mapping[str, Any]) -> dict[str, Any]:
    (delivery,) = event["deliveries"]
    return delivery


def named(rows: list[dict[str, Any]], key: str, name: str) -> dict[str, Any]:
    return next(row for row in rows if row[key] == name)


def pause(world: World, account: str = "dialler") -> None:
    with world.database.write(serialise=account) as conn:
        standing.pause(conn, account, "after a restore", now_ms(conn))


# --- status ---------------------------------------------------------------------------------------------------------


def test_status_counts_what_waits_and_what_was_delivered(world: World) -> None:
    world.receive(
        "landing", *(lead(number) for number in range(1, 4)), {"type": "lead.updated", "data": lead(9)["data"]}
    )
    world.drain()
    world.receive("landing", lead(5), lead(6))
    found = stand(world)
    backlog = named(found["destinations"], "destination", DIAL)
    assert (backlog["pending"], backlog["sending"], backlog["dead"]) == (2, 0, 0)
    assert 0 <= backlog["oldest_waiting_s"] < 60
    assert found["events_24h"] == {"accepted": 5, "waiting": 0, "ignored": 1, "invalid": 0, "complete": True}
    assert found["speed_24h"]["sample"] == 3
    assert 0 < found["speed_24h"]["p50_s"] <= found["speed_24h"]["p95_s"] < 60


def test_status_tells_quota_used_and_left(world: World) -> None:
    world.receive("landing", lead(1))
    world.drain()
    dialler = named(stand(world)["accounts"], "account", "dialler")
    (day,) = dialler["windows"]
    assert (day["used"], day["limit"], day["left"], day["seconds"]) == (1, 10_000, 9_999, 86_400)
    assert dialler["in_flight"] == {"used": 0, "limit": 2}
    world.receive("landing", lead(2))
    world.claimed()
    assert named(stand(world)["accounts"], "account", "dialler")["in_flight"]["used"] == 1


def test_status_tells_who_is_paused_held_and_stopped(world: World) -> None:
    pause(world)
    with world.database.write() as conn:
        now = now_ms(conn)
        standing.hold(conn, "surveys", Reason(Code.HELD_RATE, {"words": "429 slow down"}), now + 60_000)
        standing.stop(conn, DIAL, Reason(Code.OTHER, {"words": "check the route's options"}), now)
    found = stand(world)
    dialler, surveys = (named(found["accounts"], "account", name) for name in ("dialler", "surveys"))
    assert (dialler["state"], dialler["reason"]) == ("paused", "after a restore")
    assert surveys["state"] == "open"
    assert ISO.fullmatch(surveys["held_until"])
    assert surveys["held_because"] == "429 slow down"
    assert named(found["destinations"], "destination", DIAL)["state"] == "stopped"


def test_status_reports_what_left_the_configuration(world: World) -> None:
    world.receive("landing", lead(1))
    world.receive("tickets", ticket(1))
    accounts = {"dialler": world.settings.accounts["dialler"]}
    renamed = replace(world.settings.routes[0], name="dial them all")
    left = stand(world, replace(world.settings, accounts=accounts, routes=(renamed,)))["left_configuration"]
    assert [(one["route"], one["why"], one["number"], one["still_sent"]) for one in left] == [
        ("dial new leads", "the route left the configuration", 1, True),
        ("survey closed tickets", "the account left the configuration", 1, False),
    ]


def test_status_of_a_database_without_tables_says_what_to_do(settings: Settings, tmp_path: Any) -> None:
    database = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(StoreUnavailable, match="run `connector migrate`"):
        read_status(database, settings)
    database.close()


def test_status_is_json_with_times_in_utc(world: World) -> None:
    world.receive("landing", lead(1))
    found = json.loads(json.dumps(stand(world)))
    assert ISO.fullmatch(found["at"])
    assert all(key == key.lower() for key in found)


def test_the_day_begins_at_the_first_event_within_it(world: World) -> None:
    world.receive("landing", lead(1), lead(2))
    world.later(3600)
    world.receive("landing", lead(3))
    with world.database.read() as conn:
        now = now_ms(conn)
        third = world.events()[-1].id
        assert first_since(conn, now - 600_000) == third
        assert first_since(conn, now - 7_200_000) == world.events()[0].id
        assert first_since(conn, now + 600_000) is None


# --- deliveries -----------------------------------------------------------------------------------------------------


def test_deliveries_come_latest_first_and_no_more_than_asked_for(world: World) -> None:
    world.receive("landing", *(lead(number) for number in range(1, 6)))
    ids = [f"d{row.id}" for row in world.deliveries()]
    assert listed(world) == ids[::-1]
    assert listed(world, limit=2) == ids[::-1][:2]


@pytest.mark.parametrize("state", ["pending", "sending", "delivered", "uncertain", "suppressed", "dead"])
def test_deliveries_are_found_by_state(world: World, state: str) -> None:
    world.receive("landing", lead(1), lead(2))
    chosen = world.deliveries()[0].id
    with world.database.write() as conn:
        conn.execute(update(tables.deliveries).values(state="delivered" if state != "delivered" else "dead"))
        conn.execute(update(tables.deliveries).where(tables.deliveries.c.id == chosen).values(state=state))
    assert listed(world, state=state) == [f"d{chosen}"]


@pytest.mark.parametrize(
    "text",
    [
        *("300 000 0001", "+57 (300) 000-0001", "0057 3000000001", "573000000001", "93000000001", "3000000001"),
        *("inigo1@example.com", "INIGO1@example.com", "L-1", "iñigo-uno"),
    ],
)
def test_a_person_is_found_however_it_is_written(world: World, text: str) -> None:
    world.receive("landing", lead(2), lead(1, extra={"nick": "iñigo-uno"}), lead(3))
    assert listed(world, find=text) == [f"d{world.deliveries()[1].id}"]


def test_a_second_phone_is_found_too(world: World) -> None:
    world.receive("landing", lead(1, phones=["3000000001", "3005550101"]), lead(2))
    assert listed(world, find="300-555-0101") == [f"d{world.deliveries()[0].id}"]


def test_a_search_for_nobody_finds_nobody(world: World) -> None:
    world.receive("landing", lead(1))
    assert listed(world, find="300 999 9999") == []
    assert listed(world, find="%") == []
    assert listed(world, find="\x00'") == []


def test_deliveries_are_found_by_event(world: World) -> None:
    world.receive("landing", lead(1), lead(2))
    row = world.events()[1]
    assert listed(world, event="L-2") == listed(world, event=f"e{row.id}") == [f"d{world.deliveries()[1].id}"]
    assert listed(world, event="nobody") == []


def test_deliveries_are_found_by_when_they_changed(world: World) -> None:
    world.receive("landing", lead(1))
    world.later(7200)
    world.receive("landing", lead(2))
    assert listed(world, since="1h") == [f"d{world.deliveries()[1].id}"]
    assert len(listed(world, since="3h")) == 2
    assert len(listed(world, since="2020-01-01")) == 2
    assert listed(world, since="2099-01-01T00:00:00Z") == []
    with pytest.raises(ConnectorError, match="is no time"):
        listed(world, since="whenever")


# --- explain --------------------------------------------------------------------------------------------------------


def test_a_delivered_lead_has_its_whole_story(world: World) -> None:
    world.receive("landing", lead(1, phones=["300 000 0001", "12"], age="old"))
    world.drain()
    event = told(world, "L-1")
    said = [line["said"] for line in event["story"]]
    assert said[0] == "received from landing: lead.created, called L-1 by its sender"
    assert any(line.startswith("noted while reading: phones.1") for line in said)
    assert any("route “dial new leads” sends it to" in line for line in said)
    assert "was accepted after" in said[-1]
    assert [line["at"] for line in event["story"]] == sorted(line["at"] for line in event["story"])
    delivery = only(event)
    assert delivery["state"] == "delivered"
    assert delivery["attempts"][0]["status"] == 200 or delivery["attempts"][0]["status"] == 201
    assert delivery["next"]


def test_an_event_is_found_by_every_name_it_has(world: World) -> None:
    world.receive("landing", lead(1))
    event, delivery = world.events()[0].id, world.deliveries()[0].id
    for text in ("L-1", f"e{event}", f"d{delivery}", str(delivery)):
        assert told(world, text)["event_id"] == "L-1"
    with pytest.raises(NotThere, match="nothing is called"):
        told(world, "L-2")
    with pytest.raises(NotThere):
        told(world, "d999999")


def test_the_id_that_a_vendor_shows_leads_to_its_delivery(world: World) -> None:
    world.receive("landing", lead(1))
    number = world.deliveries()[0].id
    with world.database.write() as conn:
        conn.execute(tables.facts.insert().values(name="install", value="4f1c9a"))
    assert only(told(world, f"4f1c9a-d{number}"))["delivery"] == f"d{number}"
    with pytest.raises(NotThere):
        told(world, f"aaaaaa-d{number}")


def test_one_delivery_is_told_without_its_siblings(world: World) -> None:
    second = replace(world.settings.routes[0], name="and again", options={**world.settings.routes[0].options})
    both = World(replace(world.settings, routes=(*world.settings.routes, second)), world.database)
    both.receive("landing", lead(1))
    first, _ = both.deliveries()
    assert len(told(both, "L-1")["deliveries"]) == 2
    assert only(told(both, f"d{first.id}"))["delivery"] == f"d{first.id}"


def test_two_sources_may_use_one_id_and_both_are_told(world: World) -> None:
    other = replace(world.settings.sources["landing"], name="crm")
    both = World(replace(world.settings, sources={**world.settings.sources, "crm": other}), world.database)
    both.receive("landing", lead(1))
    both.receive("crm", lead(1))
    events = explain_event(both.database, both.settings, "L-1")["events"]
    assert sorted(event["source"] for event in events) == ["crm", "landing"]


def test_a_person_is_masked_unless_the_record_is_asked_for(world: World) -> None:
    world.receive("landing", lead(1, phones=["300 000 0001", "300 12"]))
    hidden = json.dumps(told(world, "L-1"), ensure_ascii=False)
    for part in ("3000000001", "inigo1@example.com", "Íñigo", "Conceição"):
        assert part not in hidden
    shown = json.dumps(told(world, "L-1", show_record=True), ensure_ascii=False)
    for part in ("93000000001", "inigo1@example.com", "Íñigo", "payload"):
        assert part in shown


def test_an_invalid_event_tells_every_fault_and_what_can_be_done(world: World) -> None:
    world.receive("landing", lead(1, phones=["12"], email="nothing"))
    event = told(world, "L-1")
    assert (event["state"], event["deliveries"]) == ("invalid", [])
    assert {error["field"] for error in event["errors"]} >= {"phones", "email"}
    assert any("connector replay --event e" in step for step in event["next"])


def test_an_ignored_event_says_that_no_route_wants_it(world: World) -> None:
    world.receive("landing", lead(1) | {"type": "lead.updated"})
    event = told(world, "L-1")
    assert "no route wants it" in event["now"]
    assert 'on = "lead.updated"' in event["next"][0]


def test_an_event_without_an_id_says_so(world: World) -> None:
    world.receive("landing", {"type": "lead.created", "data": lead(1)["data"]})
    assert "which its sender gave no id" in told(world, f"e{world.events()[0].id}")["story"][0]["said"]


def test_a_cut_call_tells_what_was_asked_and_what_was_answered(world: World, sandbox: Sandbox) -> None:
    sandbox.fault("wolkvox.add_record", "cut", where="after")
    world.receive("landing", lead(1))
    world.step()
    uncertain = only(told(world, "L-1"))
    assert uncertain["state"] == "uncertain"
    assert "the vendor is asked" in uncertain["now"]
    assert any("connector resolve d" in step for step in uncertain["next"])
    with world.database.write() as conn:
        standing.resume(conn, "dialler", now_ms(conn))
    world.drain()
    landed = only(told(world, "L-1"))
    assert landed["state"] == "delivered"
    assert landed["attempts"][0]["probes"]
    assert any("the vendor was asked about attempt" in line["said"] for line in told(world, "L-1")["story"])


def test_a_batch_of_uncertain_ones_can_be_resolved_together(world: World, sandbox: Sandbox) -> None:
    sandbox.fault("wolkvox.add_record", "cut", where="before")
    world.receive("landing", lead(1), lead(2), lead(3))
    world.step()
    steps = only(told(world, "L-1"))["next"]
    assert any(step.startswith("2 more of the same call: connector resolve a") for step in steps)


def _waiting(world: World) -> dict[str, Any]:
    delivery = only(told(world, "L-1"))
    assert delivery["state"] == "pending"
    return delivery


def test_a_waiting_one_says_it_is_next_or_how_many_are_before_it(world: World) -> None:
    world.receive("landing", lead(1))
    assert "it is next" in _waiting(world)["now"]
    world.receive("landing", lead(2))
    assert "1 before it" in only(told(world, "L-2"))["now"]


def test_a_waiting_one_says_that_its_account_is_paused(world: World) -> None:
    world.receive("landing", lead(1))
    pause(world)
    found = _waiting(world)
    assert "dialler is paused: after a restore" in found["now"]
    assert found["next"] == ["once that is settled: connector resume dialler"]


def test_a_waiting_one_says_that_its_account_is_held(world: World, sandbox: Sandbox) -> None:
    sandbox.fault("wolkvox.add_record", "concurrency_403")
    world.receive("landing", lead(1))
    world.step()
    assert "dialler is held until" in _waiting(world)["now"]


def test_a_waiting_one_says_that_its_destination_stopped(world: World) -> None:
    world.receive("landing", lead(1))
    with world.database.write() as conn:
        standing.stop(conn, DIAL, Reason(Code.OTHER, {"words": "refused 3 lone records"}), now_ms(conn))
    assert "refused 3 lone records" in _waiting(world)["now"]


def test_a_waiting_one_says_that_it_is_not_due_yet_and_when(world: World) -> None:
    world.receive("landing", lead(1))
    with world.database.write() as conn:
        conn.execute(update(tables.deliveries).values(due_at=now_ms(conn) + 90_000))
    assert re.search(rf"not before {ISO.pattern}", _waiting(world)["now"])


def test_a_waiting_one_says_that_its_route_or_account_left(world: World) -> None:
    world.receive("landing", lead(1))
    without_route = replace(world.settings, routes=world.settings.routes[1:])
    without_account = replace(world.settings, accounts={}, routes=())
    for settings, said in (
        (without_route, "its route “dial new leads” left"),
        (without_account, "its account dialler"),
    ):
        (event,) = explain_event(world.database, settings, "L-1")["events"]
        assert said in only(event)["now"]


def test_a_waiting_one_says_that_the_quota_is_used(world: World) -> None:
    world.receive("landing", lead(1))
    world.receive("landing", lead(2))
    world.step()
    tight = replace(world.settings.accounts["surveys"], requests_per_window=1)
    world.receive("tickets", ticket(1))
    world.step("surveys")
    world.receive("tickets", ticket(2))
    settings = replace(world.settings, accounts={**world.settings.accounts, "surveys": tight})
    (event,) = explain_event(world.database, settings, "T-2")["events"]
    assert "1 requests in 300 s are used; the next slot is free in" in only(event)["now"]


def test_a_waiting_one_says_that_the_campaign_is_not_in_the_report(world: World) -> None:
    options = {**world.settings.routes[0].options, "campaign_id": "9999", "campaign_status": "auto"}
    route = replace(world.settings.routes[0], options=options)
    auto = World(replace(world.settings, routes=(route,)), world.database)
    auto.receive("landing", lead(1))
    auto.step()
    assert "does not say whether campaign 9999 is started or stopped" in _waiting(auto)["now"]


def test_a_copy_that_once_per_ended_names_the_other(world: World) -> None:
    route = replace(world.settings.routes[0], once_per=OncePer(key="phone", within_s=3600))
    once = World(replace(world.settings, routes=(route,)), world.database)
    once.receive("landing", lead(1), lead(1) | {"id": "L-1b"})
    once.drain()
    first = once.deliveries()[0].id
    ended = only(told(once, "L-1b"))
    assert ended["state"] == "suppressed"
    assert f"the same person is in delivery d{first}" in ended["now"]


def test_what_is_in_a_call_says_until_when(world: World) -> None:
    world.receive("landing", lead(1))
    world.claimed()
    sending = only(told(world, "L-1"))
    assert sending["state"] == "sending"
    assert re.search(rf"without an answer by {ISO.pattern}", sending["now"])
