"""Replay maps again and sends nothing twice; a person settles what is uncertain. On both databases."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update

from connector.admin.changes import Change
from connector.admin.replay import Dead, Replay, Wish
from connector.admin.resolve import resolve, resolve_attempt
from connector.core.errors import ConnectorError, Unreadable, UnsupportedType
from connector.core.settings import Condition, OncePer, Settings
from connector.core.turns import turn_of
from connector.inbound.receiver import unreadable
from connector.inbound.stored import payload_of
from connector.store import tables
from connector.store.database import Database
from connector.store.inbox import store
from connector.store.lanes import LIVE, LIVE_SPLIT
from connector.vendors.sandbox.exchange import Sandbox
from mappings.base import Locale
from tests.connector_steps import World, lead, ticket
from tests.outbound_steps import BY, DIAL, dial

NAMED = Wish(ended_too=True, late_too=True)  # as --delivery has it
EVENT = Wish(late_too=True)  # as --event has it
ALL = Wish()  # as --state dead has it


@pytest.fixture
def world(settings: Settings, database: Database) -> World:
    return World(settings, database)


def actions(changes: Sequence[Change]) -> list[str]:
    return [change.action for change in changes]


def again(world: World, settings: Settings | None = None) -> Replay:
    return Replay(settings or world.settings, world.database, BY)


def put(world: World, state: str, **values: Any) -> int:
    """One lead whose delivery has come to this state."""
    world.receive("landing", lead(1))
    with world.database.write() as conn:
        conn.execute(update(tables.deliveries).values(state=state, **values))
    return int(world.deliveries()[0].id)


def without_country(settings: Settings) -> Settings:
    """A region in which the leads' national phones mean nobody."""
    return replace(settings, locale=Locale("US", ZoneInfo("America/Bogota")))


# --- events ---------------------------------------------------------------------------------------------------------


def test_an_invalid_event_is_accepted_once_it_maps(settings: Settings, database: Database, sandbox: Sandbox) -> None:
    before = World(without_country(settings), database)
    assert before.receive("landing", lead(1, email=""))[0].status == "invalid"
    row = before.events()[0]
    world = World(settings, database)
    changes = again(world).event(row.id, EVENT)
    assert actions(changes) == ["accept", "add"]
    after = world.events()[0]
    assert (after.state, after.key, after.type, after.errors) == ("accepted", "L-1", "lead.created", None)
    assert world.receive("landing", lead(1, email=""))[0].status == "duplicate"
    world.drain()
    assert [row["tel1"] for row in sandbox.wolkvox.rows("1042")] == ["93000000001"]
    assert actions(again(world).event(row.id, EVENT)) == ["keep"]


def test_what_is_replayed_takes_its_source_s_turn(world: World) -> None:
    number = put(world, "dead", turn=None)
    assert actions(again(world).delivery(number, NAMED)) == ["renew"]
    assert world.deliveries()[0].turn == turn_of("landing")


def test_what_still_makes_no_event_stays_invalid_and_says_why(world: World) -> None:
    world.receive("landing", lead(1, phones=["12"], email=""))
    before = world.everything()
    (change,) = again(world).event(world.events()[0].id, EVENT)
    assert change.action == "keep"
    assert "still makes no event: phones" in change.why
    assert world.everything() == before


def test_what_was_refused_as_a_copy_and_is_none_can_be_brought_back(world: World, sandbox: Sandbox) -> None:
    world.receive("landing", lead(1), lead(1, first_name="Another"), lead(1, first_name="Another"))
    first, second, third = world.events()
    assert [second.state, third.state] == ["invalid", "invalid"]
    assert actions(again(world).event(second.id, EVENT)) == ["accept", "add"]
    world.drain()
    assert sorted(row["customer_name"] for row in sandbox.wolkvox.rows("1042")) == ["Another", "Íñigo"]
    (change,) = again(world).event(third.id, EVENT)
    assert (change.action, change.why) == ("keep", f"the same event was accepted as e{second.id}")
    assert world.events()[0].key == first.key


def test_a_replay_does_not_give_a_lead_to_a_second_route_that_chooses(settings: Settings, database: Database) -> None:
    def routes(*programs: str) -> Settings:
        mba = replace(dial("1043"), when=(Condition(path="program", among=programs),))
        return replace(settings, routes=(mba, replace(dial(), otherwise=True)))

    world = World(routes("MBA"), database)
    world.receive("landing", lead(1, extra={"program": "Derecho"}))
    row = world.events()[0].id
    assert world.states() == {"pending": 1}
    changes = again(world, routes("MBA", "Derecho")).event(row, EVENT)
    assert {change.route: change.action for change in changes} == {"dial 1042": "keep", "dial 1043": "keep"}
    assert any("“dial 1042” has it" in change.why for change in changes)
    assert world.states() == {"pending": 1}


def test_an_invalid_event_whose_corrected_copy_has_come_stays_invalid(settings: Settings, database: Database) -> None:
    World(without_country(settings), database).receive("landing", lead(1, email=""))
    world = World(settings, database)
    world.receive("landing", lead(1, email=""))
    (change,) = again(world).event(world.events()[0].id, EVENT)
    assert change.why == f"the same event was accepted as e{world.events()[1].id}"
    assert world.states() == {"pending": 1}


def test_an_invalid_event_that_no_route_wants_is_ignored_from_now_on(settings: Settings, database: Database) -> None:
    World(without_country(settings), database).receive("landing", lead(1, email="") | {"type": "lead.updated"})
    world = World(settings, database)
    assert actions(again(world).event(world.events()[0].id, EVENT)) == ["accept"]
    assert world.events()[0].state == "ignored"


def test_a_new_route_gets_a_delivery_and_the_old_ones_none(world: World, sandbox: Sandbox) -> None:
    world.receive("landing", lead(1))
    world.drain()
    second = replace(world.settings.routes[0], name="and to the second campaign")
    second = replace(second, options={**second.options, "campaign_id": "1043"})
    both = World(replace(world.settings, routes=(*world.settings.routes, second)), world.database)
    changes = again(both).event(world.events()[0].id, EVENT)
    assert [(one.action, one.route) for one in changes] == [
        ("keep", "dial new leads"),
        ("add", "and to the second campaign"),
    ]
    both.drain()
    assert (sandbox.wolkvox.count("1042"), sandbox.wolkvox.count("1043")) == (1, 1)
    assert actions(again(both).event(world.events()[0].id, EVENT)) == ["keep", "keep"]


def test_an_ignored_event_goes_once_a_route_wants_it(world: World) -> None:
    world.receive("landing", lead(1) | {"type": "lead.updated"})
    assert actions(again(world).event(world.events()[0].id, EVENT)) == ["keep"]
    wanting = replace(world.settings.routes[0], on=("lead.created", "lead.updated"))
    now = World(replace(world.settings, routes=(wanting,)), world.database)
    assert actions(again(now).event(world.events()[0].id, EVENT)) == ["add"]
    assert now.events()[0].state == "accepted"
    assert now.states() == {"pending": 1}


def test_dead_ones_of_an_event_return_and_what_a_guard_ended_does_not(world: World) -> None:
    put(world, "dead")
    event = world.events()[0].id
    assert actions(again(world).event(event, EVENT)) == ["renew"]
    with world.database.write() as conn:
        conn.execute(update(tables.deliveries).values(state="suppressed"))
    (change,) = again(world).event(event, EVENT)
    assert change.action == "keep"
    assert "connector replay --delivery d" in change.why


def test_bytes_that_were_unreadable_are_read_again(world: World) -> None:
    fault = Unreadable(())
    arrival = unreadable(world.settings.sources["landing"], b'{"id": ', "application/json", fault)
    with world.database.write() as conn:
        store(conn, [arrival])
    (change,) = again(world).event(world.events()[0].id, EVENT)
    assert change.action == "keep"
    assert "it still cannot be read" in change.why


def test_an_event_of_a_source_that_left_is_kept(world: World) -> None:
    world.receive("landing", lead(1))
    (change,) = again(world, replace(world.settings, sources={})).event(world.events()[0].id, EVENT)
    assert change.why == "its source landing left the configuration"


def test_an_event_or_delivery_that_is_not_there_is_an_error(world: World) -> None:
    with pytest.raises(ConnectorError, match="there is no event e77"):
        again(world).event(77, EVENT)
    with pytest.raises(ConnectorError, match="there is no delivery d77"):
        again(world).delivery(77, NAMED)


# --- deliveries -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["dead", "suppressed"])
def test_a_named_delivery_is_rendered_anew_and_due_now(world: World, sandbox: Sandbox, state: str) -> None:
    number = put(world, state, lane=LIVE_SPLIT, split=7)
    route = replace(world.settings.routes[0], options={**world.settings.routes[0].options, "opt": ["program"]})
    changed = World(replace(world.settings, routes=(route,)), world.database)
    with world.database.write() as conn:
        conn.execute(update(tables.records).values(record="{}"))
    (change,) = again(changed).delivery(number, NAMED)
    assert (change.action, change.delivery, change.destination) == ("renew", number, DIAL)
    row = world.deliveries()[0]
    assert (row.state, row.lane, row.split, row.reason_code) == ("pending", LIVE, None, "replayed")
    changed.drain()
    assert len(sandbox.wolkvox.rows("1042")) == 1


@pytest.mark.parametrize("state", ["pending", "sending", "uncertain", "delivered"])
@pytest.mark.parametrize("force", [False, True])
def test_what_was_or_may_have_been_delivered_stays(world: World, state: str, force: bool) -> None:
    number = put(world, state)
    before = world.everything()
    (change,) = again(world).delivery(number, replace(NAMED, force=force))
    if force and state == "delivered":
        assert change.action == "resend"
        assert world.states() == {"pending": 1}
    else:
        assert change.action == "keep"
        assert world.everything() == before


def test_forced_it_is_sent_a_second_time(world: World, sandbox: Sandbox) -> None:
    world.receive("landing", lead(1))
    world.drain()
    again(world).delivery(world.deliveries()[0].id, replace(NAMED, force=True))
    world.drain()
    assert len(sandbox.wolkvox.rows("1042")) == 2
    assert world.states() == {"delivered": 1}


def test_a_delivery_follows_its_route_to_where_it_goes_now(world: World) -> None:
    number = put(world, "dead")
    options = {**world.settings.routes[0].options, "campaign_id": "1043"}
    moved = World(replace(world.settings, routes=(replace(world.settings.routes[0], options=options),)), world.database)
    again(moved).delivery(number, NAMED)
    assert world.deliveries()[0].destination == "dialler/wolkvox.add_record/1043"


def test_a_delivery_whose_route_left_or_wants_it_no_more_is_kept(world: World) -> None:
    number = put(world, "dead")
    gone = replace(world.settings, routes=world.settings.routes[1:])
    (change,) = again(world, gone).delivery(number, NAMED)
    assert change.why == "its route left the configuration"
    other = replace(world.settings, routes=(replace(world.settings.routes[0], on=("lead.updated",)),))
    (change,) = again(world, other).delivery(number, NAMED)
    assert change.why == "its route does not want it any more"


def test_what_can_still_not_be_rendered_stays_dead(world: World) -> None:
    world.receive("landing", lead(1, phones=[]))  # an e-mail alone cannot be dialled
    row = world.deliveries()[0]
    assert row.state == "dead"
    (change,) = again(world).delivery(row.id, NAMED)
    assert change.why.startswith("still dead: no record can be made of it")
    assert world.deliveries()[0].state == "dead"


def test_a_repeated_person_is_still_stopped_by_once_per(world: World) -> None:
    route = replace(world.settings.routes[0], once_per=OncePer(key="phone", within_s=3600))
    once = World(replace(world.settings, routes=(route,)), world.database)
    once.receive("landing", lead(1), lead(1) | {"id": "L-1b"})
    once.drain()
    copy = once.deliveries("suppressed")[0]
    assert actions(again(once).delivery(copy.id, NAMED)) == ["renew"]
    once.drain()
    assert once.states() == {"delivered": 1, "suppressed": 1}


# --- all that are dead ----------------------------------------------------------------------------------------------


def test_all_dead_ones_return_and_nothing_else(world: World, sandbox: Sandbox) -> None:
    world.receive("landing", *(lead(number) for number in range(1, 8)))
    world.receive("tickets", ticket(1))
    rows = world.deliveries()
    with world.database.write() as conn:
        states = ["dead", "suppressed", "delivered", "dead", "pending", "uncertain", "dead", "dead"]
        for row, state in zip(rows, states, strict=True):
            conn.execute(update(tables.deliveries).where(tables.deliveries.c.id == row.id).values(state=state))
    changes = list(again(world).dead(Dead(since=0), ALL))
    assert actions(changes) == ["renew"] * 4
    world.drain()
    world.drain("surveys")
    assert world.states() == {"delivered": 6, "suppressed": 1, "uncertain": 1}
    assert sandbox.wolkvox.count("1042") == 4
    assert len(sandbox.tracksale.customers("52")) == 1


def test_only_those_that_died_since_then(world: World) -> None:
    world.receive("landing", lead(1), lead(2))
    early, late = (row.id for row in world.deliveries())
    with world.database.write() as conn:
        conn.execute(update(tables.deliveries).values(state="dead"))
        conn.execute(update(tables.deliveries).where(tables.deliveries.c.id == early).values(updated_at=1000))
    assert [change.delivery for change in again(world).dead(Dead(since=2000), ALL)] == [late]


@pytest.mark.parametrize(
    "asked", [{"phones": "3000000001 (no llamar)"}, {"callback_at": "mañana a las 3"}], ids=["remark", "wish"]
)
def test_who_needs_a_person_first_is_dialled_once_a_person_says_so(
    world: World, sandbox: Sandbox, asked: dict[str, Any]
) -> None:
    world.receive("landing", lead(1, **asked))
    world.drain()
    (held,) = world.deliveries()
    assert (held.state, held.reason_code) == ("suppressed", "person.first")
    assert sandbox.wolkvox.count("1042") == 0
    assert actions(again(world).event(held.event, EVENT)) == ["keep"]
    assert actions(again(world).delivery(held.id, NAMED)) == ["renew"]
    world.drain()
    assert [row["tel1"] for row in sandbox.wolkvox.rows("1042")] == ["93000000001"]


def test_what_expired_meanwhile_stays_unless_it_is_named(world: World) -> None:
    world.receive("landing", lead(1) | {"time": "2020-01-01T00:00:00Z"})
    number = world.deliveries()[0].id
    with world.database.write() as conn:
        conn.execute(update(tables.deliveries).values(state="dead"))
    (change,) = again(world).dead(Dead(since=0), ALL)
    assert (change.action, "expired since" in change.why) == ("keep", True)
    assert actions(again(world).delivery(number, NAMED)) == ["renew"]
    world.drain()
    assert world.states() == {"delivered": 1}


def test_more_than_are_looked_at_together_all_return(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector.admin.replay.AT_ONCE", 2)
    world.receive("landing", *(lead(number) for number in range(1, 8)))
    with world.database.write() as conn:
        conn.execute(update(tables.deliveries).values(state="dead"))
    assert len(list(again(world).dead(Dead(since=0), ALL))) == 7
    assert world.states() == {"pending": 7}


@pytest.mark.parametrize("force", [False, True])
def test_a_dry_run_says_the_same_and_changes_nothing(settings: Settings, database: Database, force: bool) -> None:
    World(without_country(settings), database).receive("landing", lead(8, email=""))
    world = World(settings, database)
    world.receive("landing", *(lead(number) for number in range(1, 5)))
    with world.database.write() as conn:
        for row, state in zip(world.deliveries(), ["dead", "suppressed", "delivered", "pending"], strict=True):
            conn.execute(update(tables.deliveries).where(tables.deliveries.c.id == row.id).values(state=state))
    before = world.everything()
    replay, wish = again(world), Wish(force=force, ended_too=True, late_too=True)
    rows = [(row.id, row.state) for row in world.events()]
    would = [change for row_id, _ in rows for change in replay.event(row_id, replace(wish, dry_run=True))]
    assert world.everything() == before
    did = [change for row_id, _ in rows for change in replay.event(row_id, wish)]
    assert actions(would) == actions(did)


def test_a_delivery_that_changed_in_between_is_left_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    number = put(world, "dead")
    replay = again(world)
    rendered = Replay._rendered

    def meanwhile(self: Replay, row: Any, wish: Wish) -> Any:
        with world.database.write() as conn:
            conn.execute(update(tables.deliveries).values(state="delivered"))
        return rendered(self, row, wish)

    monkeypatch.setattr(Replay, "_rendered", meanwhile)
    (change,) = replay.delivery(number, NAMED)
    assert change.why == "it changed this moment: look again"
    assert world.states() == {"delivered": 1}


# --- stored payloads ------------------------------------------------------------------------------------------------


def test_stored_payloads_are_read_as_they_were_sent() -> None:
    assert payload_of('{"a":1}', "application/json", "x").body == {"a": 1}
    assert payload_of("a=1&b=2", "application/x-www-form-urlencoded", "x").event_id == "x"
    kept = "data:application/octet-stream;base64," + base64.b64encode(b"\xff\x00").decode()
    for text, content_type in ((kept, "application/json"), ("{", "application/json"), ("x", "image/png")):
        with pytest.raises((Unreadable, UnsupportedType)):
            payload_of(text, content_type, "x")
    with pytest.raises(UnsupportedType, match="holds 2 events"):
        payload_of('{"a":1}\n{"b":2}', "application/x-ndjson", "x")


# --- what is uncertain ----------------------------------------------------------------------------------------------


def test_a_person_says_it_landed(world: World) -> None:
    number = put(world, "uncertain")
    assert resolve(world.settings, world.database, number, BY, landed=True)
    assert (world.deliveries()[0].state, world.deliveries()[0].reason_code) == ("delivered", "resolved.landed")


def test_a_person_says_it_did_not_and_it_is_sent_again_however_late(world: World, sandbox: Sandbox) -> None:
    number = put(world, "uncertain", expires_at=1000, lane=LIVE_SPLIT, split=9)
    resolve(world.settings, world.database, number, BY, landed=False)
    world.drain()
    assert world.states() == {"delivered": 1}
    assert sandbox.wolkvox.count("1042") == 1


@pytest.mark.parametrize("state", ["pending", "sending", "delivered", "suppressed", "dead"])
def test_only_what_is_uncertain_can_be_resolved(world: World, state: str) -> None:
    number = put(world, state)
    before = world.everything()
    with pytest.raises(ConnectorError, match=f"d{number} is {state}"):
        resolve(world.settings, world.database, number, BY, landed=False)
    with pytest.raises(ConnectorError, match="there is no delivery"):
        resolve(world.settings, world.database, number + 1, BY, landed=True)
    assert world.everything() == before


def test_all_of_one_call_are_resolved_together(world: World, sandbox: Sandbox) -> None:
    sandbox.fault("wolkvox.add_record", "cut", where="before")
    world.receive("landing", *(lead(number) for number in range(1, 4)))
    call = world.step()
    assert not hasattr(call, "why")
    assert world.states() == {"uncertain": 3}
    attempt = world.deliveries()[0].attempt
    assert resolve_attempt(world.settings, world.database, attempt, BY, landed=True) == 3
    assert world.states() == {"delivered": 3}
    with pytest.raises(ConnectorError, match="nothing of attempt"):
        resolve_attempt(world.settings, world.database, attempt, BY, landed=True)
