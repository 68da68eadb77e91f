"""Thin events: fetched within the account's limits, whatever goes wrong on the way, and then routed once. On both."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import case, delete, select, update

from connector.admin.changes import Change
from connector.admin.explain import explain
from connector.admin.replay import Replay, Wish
from connector.admin.status import status
from connector.core.http import Deadline
from connector.core.quota import Wait
from connector.core.settings import Account, Condition, Route, Secret, Settings, Source
from connector.inbound.receiver import Receiver
from connector.inbound.router import Router
from connector.outbound import fetch
from connector.outbound.claims import Claim
from connector.outbound.fetch import Source as Desk
from connector.outbound.performers import perform
from connector.outbound.send import Line, claim
from connector.outbound.worker import Worker, prepare
from connector.store import accounts as standing
from connector.store import attempts, inbox, tables, thin_events
from connector.store.arrivals import Stored
from connector.store.database import Database, now_ms
from connector.vendors import VENDORS
from connector.vendors.destinations import name_of, places
from connector.vendors.postcenter import sandbox as simulated
from connector.vendors.sandbox.exchange import Sandbox
from tests import outbound_steps, scripted_vendor
from tests.outbound_steps import BY, dial, dialler, survey, surveys
from tests.scripted_vendor import CUT, Said, Vendor

store, database, sandbox, vendor = (
    outbound_steps.store,
    outbound_steps.database,
    outbound_steps.sandbox,
    scripted_vendor.vendor,
)

CREATED, CHANGED = "contact.creation", "contact.propertyChange"
EITHER = ("lead.created", "lead.updated")


def contact(number: int, **properties: Any) -> dict[str, Any]:
    """HubSpot's contact, as it answers."""
    given = {"firstname": "Ana", "lastname": f"Ejemplo {number}", "phone": f"3{number:09d}"} | properties
    return {"id": str(number), "properties": given}


def change(number: int, kind: str = CREATED, *, event: int | None = None, **values: Any) -> dict[str, Any]:
    """One element of HubSpot's array."""
    given = {"eventId": event or number, "subscriptionType": kind, "objectId": number, "changeSource": "FORM"}
    return given | {"occurredAt": int(time.time() * 1000)} | values


def leadgen(*refs: str, **values: Any) -> dict[str, Any]:
    """Meta's POST."""
    changes = [{"field": "leadgen", "value": {"leadgen_id": ref, "form_id": "2", **values}} for ref in refs]
    return {"object": "page", "entry": [{"id": "1", "changes": changes}]}


def answers(**given: str) -> dict[str, Any]:
    """Meta's lead, as it answers."""
    return {"id": "1", "field_data": [{"name": name, "values": [value]} for name, value in given.items()]}


def account(name: str, kind: str, url: str, **values: Any) -> Account:
    given = {"requests_per_window": 100, "window_seconds": 10, "timeout_s": 2.0}
    given |= {"api_version": "25.0"} if kind == "meta" else {}
    return Account(
        **{"name": name, "vendor": kind, "token": Secret(f"invented-{name}"), "base_url": url} | given | values
    )


class World:
    """A connector between thin senders, the vendors that tell the rest, and the sandbox."""

    def __init__(self, database: Database, sandbox: Sandbox, vendor: Vendor, *routes: Route, **crm: Any) -> None:
        self.database = database
        accounts = (
            *(dialler(sandbox.url), surveys(sandbox.url), account("helpdesk", "postcenter", sandbox.url)),
            *(account("crm", "hubspot", vendor.url, **crm), account("page", "meta", vendor.url)),
        )
        sources = (
            *(Source(name="hubspot", mapping="hubspot", account="crm"), Source(name="landing", mapping="lead")),
            *(Source(name="meta", mapping="meta_leadgen", account="page"),),
            *(Source(name="tickets", mapping="postcenter", account="helpdesk"),),
        )
        self.use(
            Settings(
                accounts={one.name: one for one in accounts},
                sources={one.name: one for one in sources},
                routes=routes or (dial(),),
                database_url=database.url,
            )
        )

    def use(self, settings: Settings) -> None:
        """Goes on with this configuration."""
        self.settings = settings
        self.receiver = Receiver(settings, Router(settings, name_of))
        found = places(settings)
        prepare(settings, self.database, found)
        self.lines = {
            name: Line(self.database, one, dict(found[name]), VENDORS[one.vendor].client(one), "a1b2c3")
            for name, one in settings.accounts.items()
        }

    def receive(self, source: str, body: Any) -> list[Stored]:
        raw = json.dumps(body).encode()
        given = self.settings.sources[source]
        arrivals, _ = self.receiver.arrivals(given, raw, content_type="application/json", headers={})
        with self.database.write() as conn:
            return inbox.store(conn, arrivals)

    def claim(self, name: str = "crm") -> Claim | Wait:
        return claim(self.lines[name])

    def claimed(self, name: str = "crm") -> Claim:
        found = self.claim(name)
        assert isinstance(found, Claim), found
        return found

    def make(self, claimed: Claim) -> None:
        """The claimed call, as a worker makes it."""
        line = self.lines[claimed.attempt.account]
        deadline = Deadline.after(line.account.timeout_s)
        if claimed.attempt.kind == "fetch":
            desk = Desk(self.database, self.settings, line.account, self.receiver, line.vendor)  # type: ignore[arg-type]
            fetch.enrich(desk, claimed, deadline)
        else:
            perform(line, claimed, deadline)

    def drain(self, *names: str) -> int:
        """Makes every call that may be made now; how many there were."""
        made = 0
        for name in names or ("crm", "page", "helpdesk", "dialler", "surveys"):
            while isinstance(found := self.claim(name), Claim) or found.seconds == 0:
                if isinstance(found, Claim):
                    self.make(found)
                    made += 1
                    assert made < 200
        return made

    def events(self) -> list[Any]:
        return self._rows(tables.events)

    def due_now(self) -> None:
        """Whatever waits to be fetched is due."""
        with self.database.write() as conn:
            waiting = tables.events.c.state == "waiting"
            conn.execute(update(tables.events).where(waiting).values(due_at=now_ms(conn)))

    def states(self) -> list[str]:
        return [row.state for row in self.events()]

    def deliveries(self) -> list[tuple[str, str]]:
        """(route, state) of every delivery, in order."""
        return [(row.route, row.state) for row in self._rows(tables.deliveries)]

    def fetches(self) -> list[str]:
        return [row.state for row in self._rows(tables.attempts) if row.kind == "fetch"]

    def _rows(self, table: Any) -> list[Any]:
        with self.database.read() as conn:
            return list(conn.execute(select(table).order_by(table.c.id)))

    def standing(self, name: str = "crm") -> standing.AccountStanding:
        with self.database.read() as conn:
            return standing.account(conn, name)

    def resume(self, name: str = "crm") -> None:
        with self.database.write(serialise=name) as conn:
            standing.resume(conn, name, now_ms(conn))

    def later(self, seconds: float) -> None:
        """Time passes."""
        ms = int(seconds * 1000)
        moments: Mapping[Any, tuple[str, ...]] = {
            tables.events: ("received_at", "due_at"),
            tables.deliveries: ("due_at", "created_at", "updated_at", "expires_at"),
            tables.attempts: ("started_at", "deadline", "ended_at"),
            tables.accounts: ("since", "hold_until"),
        }
        with self.database.write() as conn:
            for table, columns in moments.items():
                values = {one: case((table.c[one] > 0, table.c[one] - ms), else_=table.c[one]) for one in columns}
                conn.execute(update(table).values(values))

    def replay(self, row: int, **wish: Any) -> list[Change]:
        return Replay(self.settings, self.database, BY).event(row, Wish(late_too=True, **wish))


@pytest.fixture
def world(database: Database, sandbox: Sandbox, vendor: Vendor) -> World:
    """One route: leads that were created are dialled."""
    return World(database, sandbox, vendor)


@pytest.fixture
def make(database: Database, sandbox: Sandbox, vendor: Vendor) -> Callable[..., World]:
    """A world with these routes, and the CRM's account so."""
    return lambda *routes, **crm: World(database, sandbox, vendor, *routes, **crm)


def tell(vendor: Vendor, number: int, *said: Said | str, **properties: Any) -> None:
    vendor.tell(f"/crm/v3/objects/contacts/{number}", *said, Said(body=contact(number, **properties)))


# --- the way through ------------------------------------------------------------------------------------------------


def test_a_thin_event_waits_is_fetched_and_goes_where_its_route_says(
    world: World, vendor: Vendor, sandbox: Sandbox
) -> None:
    tell(vendor, 123)
    told = change(123, event=1001)
    [stored] = world.receive("hubspot", [told])
    assert (stored.status, stored.deliveries) == ("waiting", 0)
    assert stored.event_id.startswith("contact.123.contact.creation.") and stored.event_id.endswith(".1001")
    [event] = world.events()
    assert (event.state, event.type, event.account, event.due_at) == (
        "waiting",
        "lead.created",
        "crm",
        event.received_at,
    )
    world.drain()
    [event] = world.events()
    assert (event.state, event.due_at, event.second_key) == ("accepted", None, "lead 123 lead.created")
    assert json.loads(event.fetched) == {"contact": contact(123)}
    [row] = sandbox.wolkvox.rows("1042")
    assert (row["customer_name"], row["customer_last_name"], row["tel1"]) == ("Ana", "Ejemplo 123", "3000000123")
    assert world.fetches() == ["accepted"]
    assert world.deliveries() == [("dial 1042", "delivered")]
    assert world.receive("hubspot", [told])[0].status == "duplicate"
    assert world.drain() == 0


@pytest.mark.parametrize("other", [{"code": "201", "error": None, "msg": "added", "data": []}, {}, []])
def test_json_that_is_no_answer_of_this_vendor_is_not_taken_for_the_object(
    world: World, vendor: Vendor, other: Any
) -> None:
    """What stands between may answer 200 with JSON of its own: the event waits, and is read again."""
    tell(vendor, 123, Said(body=other))
    world.receive("hubspot", [change(123, event=1001)])
    assert world.drain("crm") == 1
    assert (world.states(), world.fetches(), world.standing().state) == (["waiting"], ["unknown"], "open")
    world.later(60)
    world.due_now()
    world.drain()
    assert (world.states(), world.deliveries()) == (["accepted"], [("dial 1042", "delivered")])


def test_a_ticket_is_fetched_in_pieces_each_a_call_of_its_own(
    make: Callable[..., World], monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    said = {"author_name": "Cliente Ejemplo", "author_account": "cliente@example.org", "created": "2026-11-20T18:38:32"}
    monkeypatch.setattr(simulated, "_messages", lambda ticket: [said | {"content": "Hola"}])
    world = make(survey(on=("ticket.closed",)))
    ref = next(name for name, one in sandbox.postcenter.tickets.items() if one["is_closed"])
    now = time.strftime("%Y-%m-%dT%H:%M:%S")
    sandbox.postcenter.tickets[ref] |= {"social_network": "email", "updated_time": now}
    world.receive("tickets", {"event": "ticket_closed", "ticket": {"id": ref}, "token": "x"})
    assert "token" not in world.events()[0].payload
    world.drain("helpdesk")
    assert world.fetches() == ["accepted", "accepted"]
    [event] = world.events()
    assert (event.state, event.type) == ("accepted", "ticket.closed")
    assert set(json.loads(event.fetched)) == {"ticket", "messages"}
    assert world.deliveries() == [("survey", "pending")]
    assert [call.operation for call in sandbox.calls] == ["postcenter.ticket", "postcenter.messages"]


def test_notifications_of_one_state_of_a_ticket_are_one(
    make: Callable[..., World], monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    said = {"author_name": "Cliente", "author_account": "cliente@example.org", "created": "2026-11-20T18:38:32"}
    monkeypatch.setattr(simulated, "_messages", lambda ticket: [said])
    world = make(survey(on=("ticket.closed", "ticket.updated")))
    ref = next(name for name, one in sandbox.postcenter.tickets.items() if one["is_closed"])
    closed = {"event": "ticket_closed", "ticket_id": ref}
    for body in (closed, closed, {"event": "message_received", "ticket_id": ref}):
        assert world.receive("tickets", body)[0].status == "waiting"
    world.drain("helpdesk")
    assert world.states() == ["accepted", "ignored", "ignored"]
    assert len(world.deliveries()) == 1
    assert "the same as event" in world.events()[1].notes
    sandbox.postcenter.tickets[ref]["updated_time"] = "2026-11-20T21:00:00"
    world.receive("tickets", closed)  # the same bytes again, and yet another state
    world.drain("helpdesk")
    assert world.states()[-1] == "accepted"
    assert len(world.deliveries()) == 2


def test_a_ticket_of_hubspot_brings_its_contact(make: Callable[..., World], vendor: Vendor) -> None:
    world = make(survey(on=("ticket.closed",)))
    results = {"contacts": {"results": [{"id": "7"}]}}
    properties = {"hs_pipeline_stage": "4", "closed_date": "2026-11-20T00:00:00Z", "subject": "Pedido"}
    vendor.tell("/crm/v3/objects/tickets/9", Said(body={"id": "9", "properties": properties, "associations": results}))
    tell(vendor, 7, email="ana@example.org")
    stage = {"propertyName": "hs_pipeline_stage", "propertyValue": "4"}
    world.receive("hubspot", [change(9, "ticket.propertyChange", event=1, **stage)])
    world.drain("crm")
    assert (world.states(), world.fetches(), len(world.deliveries())) == (["accepted"], ["accepted"] * 2, 1)
    world.receive("hubspot", [change(9, "ticket.propertyChange", event=2, **stage)])  # told twice: closed once
    world.drain("crm")
    assert (world.states(), len(world.deliveries())) == (["accepted", "ignored"], 1)


# --- once each ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(CREATED, CHANGED), (CHANGED, CREATED), (CREATED, CREATED), (CHANGED, CHANGED)])
def test_a_contact_created_and_then_changed_is_one_lead_in_whatever_order_it_is_told(
    make: Callable[..., World], vendor: Vendor, sandbox: Sandbox, order: tuple[str, ...]
) -> None:
    world = make(dial(on=EITHER))
    tell(vendor, 123)
    world.receive("hubspot", [change(123, kind, event=number) for number, kind in enumerate(order, start=1)])
    world.drain()
    assert world.states() == ["accepted", "ignored"]
    assert len(sandbox.wolkvox.rows("1042")) == 1


def test_a_change_that_nobody_wants_does_not_stand_in_the_way_of_the_creation(
    world: World, vendor: Vendor, sandbox: Sandbox
) -> None:
    tell(vendor, 123)
    world.receive("hubspot", [change(123, CHANGED, event=1), change(123, CREATED, event=2)])
    world.drain()
    assert {row.type: row.state for row in world.events()} == {"lead.created": "accepted", "lead.updated": "ignored"}
    assert len(sandbox.wolkvox.rows("1042")) == 1


@pytest.mark.parametrize("order", [(CREATED, CHANGED), (CHANGED, CREATED)])
def test_a_route_for_creations_and_one_for_changes_get_a_lead_once_each(
    make: Callable[..., World], vendor: Vendor, order: tuple[str, ...]
) -> None:
    world = make(dial(), dial("1043", on=("lead.updated",)))
    tell(vendor, 123)
    kinds = (*order, *order)
    world.receive("hubspot", [change(123, kind, event=number) for number, kind in enumerate(kinds, start=1)])
    world.drain("crm")
    assert sorted(route for route, _ in world.deliveries()) == ["dial 1042", "dial 1043"]
    assert sorted(world.states()) == ["accepted", "accepted", "ignored", "ignored"]


def test_a_test_lead_is_never_dialled(world: World, vendor: Vendor) -> None:
    vendor.tell("/v25.0/901", Said(body=answers(email="test@fb.com", phone_number="+573000000001")))
    vendor.tell("/v25.0/902", Said(body=answers(full_name="<test lead: dummy data for full_name>")))
    stored = world.receive("meta", leadgen("901", "902", "444444444444"))
    assert [one.status for one in stored] == ["waiting", "waiting", "ignored"]
    world.drain()
    assert world.states() == ["ignored"] * 3
    assert world.deliveries() == []
    assert "a test lead" in world.events()[0].notes


def test_an_event_that_is_too_old_ends_suppressed(world: World, vendor: Vendor, sandbox: Sandbox) -> None:
    vendor.tell("/v25.0/901", Said(body=answers(phone_number="+573000000001")))
    vendor.tell("/v25.0/902", Said(body=answers(phone_number="+573000000002")))
    week_ago = int(time.time()) - 8 * 86400
    world.receive("meta", leadgen("901", created_time=week_ago))
    world.receive("meta", leadgen("902"))  # without a time of its own, its receipt counts
    world.later(8 * 86400)
    world.drain()
    assert [state for _, state in world.deliveries()] == ["suppressed", "suppressed"]
    assert sandbox.wolkvox.rows("1042") == []


# --- whatever goes wrong --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "logged"),
    [
        (Said(500), "unknown"),
        (Said(503, b"<html>"), "unknown"),
        (Said(429, {"policyName": "SECONDLY"}, {"Retry-After": "3"}), "rejected"),
        (Said(200, b"<html>"), "unknown"),
        (Said(200, b"[" * 500 + b"]" * 500), "unknown"),
        (Said(200, {"late": True}, after_s=2.5), "unknown"),
        (CUT, "unknown"),
    ],
    ids=["500", "503", "429", "html", "deep", "late", "cut"],
)
def test_a_vendor_that_is_not_well_is_asked_again(
    world: World, vendor: Vendor, sandbox: Sandbox, fault: Said | str, logged: str
) -> None:
    tell(vendor, 1, fault, fault)
    world.receive("hubspot", [change(1)])
    assert world.drain("crm") == 1
    assert (world.states(), world.fetches()) == (["waiting"], [logged])
    assert world.standing().hold_until > 0
    found = world.claim()
    assert isinstance(found, Wait) and "held" in found.why
    for _ in range(2):
        world.later(600)
        world.drain()
    assert world.fetches() == [logged, logged, "accepted"]
    assert len(sandbox.wolkvox.rows("1042")) == 1
    assert world.standing().faults == 0


def test_a_vendor_that_is_away_costs_nothing_but_time(
    make: Callable[..., World], vendor: Vendor, sandbox: Sandbox
) -> None:
    world = make(base_url="http://127.0.0.1:9")
    tell(vendor, 1)
    world.receive("hubspot", [change(1)])
    for _ in range(30):
        world.drain("crm")
        world.later(600)
    assert (world.states(), set(world.fetches())) == (["waiting"], {"not_sent"})
    accounts = dict(world.settings.accounts) | {"crm": account("crm", "hubspot", vendor.url)}
    world.use(replace(world.settings, accounts=accounts))
    world.drain()
    assert len(sandbox.wolkvox.rows("1042")) == 1


def test_one_object_with_an_answer_that_no_table_knows_stops_nobody(
    world: World, vendor: Vendor, sandbox: Sandbox
) -> None:
    tell(vendor, 1, *[Said(418)] * 3)
    tell(vendor, 2)
    world.receive("hubspot", [change(1), change(2)])
    for _ in range(4):
        world.drain("crm")
        world.due_now()
    assert world.standing().state == "open"
    world.drain()
    assert len(sandbox.wolkvox.rows("1042")) == 2


def test_an_answer_that_comes_for_whatever_object_stops_the_account_and_is_not_asked_for_again(
    world: World, vendor: Vendor
) -> None:
    for number in (1, 2, 3):
        tell(vendor, number, *[Said(418)] * 30)
    world.receive("hubspot", [change(number) for number in (1, 2, 3)])
    for _ in range(8):  # one of them may be asked for again before the others were
        world.drain("crm")
        world.due_now()
    assert world.standing().state == "blocked"
    assert world.states() == ["invalid"] * 3
    world.resume()
    assert world.drain("crm") == 0


@pytest.mark.parametrize("status", [401, 403])
def test_a_vendor_that_refuses_us_stops_the_account_until_a_person_resumes_it(
    world: World, vendor: Vendor, sandbox: Sandbox, status: int
) -> None:
    said = {"category": "MISSING_SCOPES", "message": "ask an administrator"}
    for number in (1, 2):
        tell(vendor, number, Said(status, said))
    world.receive("hubspot", [change(1), change(2)])
    assert world.drain("crm") == 1
    assert world.standing().state == "blocked"
    assert "ask an administrator" in str(world.standing().reason)
    world.later(86400)
    assert world.drain("crm") == 0
    assert world.states() == ["waiting", "waiting"]
    tell(vendor, 1)
    tell(vendor, 2)
    world.resume()
    world.drain()
    assert len(sandbox.wolkvox.rows("1042")) == 2


def test_the_story_tells_every_call_for_the_rest_of_it(world: World, vendor: Vendor) -> None:
    tell(vendor, 1, Said(502))
    world.receive("hubspot", [change(1)])
    [event] = world.events()
    name = f"e{event.id}"
    (waits,) = explain(world.database, world.settings, name)["events"]
    assert waits["fetches"] == []
    assert "waiting until the rest of it is fetched from crm; due at" in waits["now"]
    claimed = world.claimed()
    assert "is being fetched from crm" in explain(world.database, world.settings, name)["events"][0]["now"]
    world.make(claimed)
    with world.database.write(serialise="crm") as conn:
        standing.pause(conn, "crm", "a person paused it", now_ms(conn))
    (paused,) = explain(world.database, world.settings, name)["events"]
    assert "after 1 call; due at" in paused["now"]
    assert "but crm is paused" in paused["now"]
    assert paused["next"] == ["once that is settled: connector resume crm"]
    (waiting_,) = status(world.database, world.settings)["fetching"]
    assert (waiting_["account"], waiting_["waiting"], waiting_["calls_24h"]) == ("crm", 1, {"unknown": 1})
    world.resume()
    world.later(30)
    world.drain("crm")
    (told,) = explain(world.database, world.settings, name)["events"]
    assert [one["state"] for one in told["fetches"]] == ["unknown", "accepted"]
    said = [line["said"] for line in told["story"]]
    first, second = (one["attempt"] for one in told["fetches"])
    assert any(f"call {first} brought no answer, and is made again (502" in line for line in said)
    assert any(f"call {second} was answered (200)" in line for line in said)
    assert status(world.database, world.settings)["fetching"][0]["waiting"] == 0


UNREADABLE = {"error": {"message": "Unsupported get request", "code": 100, "error_subcode": 33}}


def test_what_the_vendor_has_no_more_is_invalid_and_says_so(world: World, vendor: Vendor) -> None:
    vendor.tell("/crm/v3/objects/contacts/1", Said(410))
    world.receive("hubspot", [change(1)])
    world.drain()
    [event] = world.events()
    assert (event.state, event.key) == ("invalid", None)
    assert json.loads(event.errors) == [{"field": "contact", "message": "cannot be had from the vendor (410)"}]
    assert world.standing().state == "open"


def test_what_cannot_be_read_yet_is_asked_for_again(world: World, vendor: Vendor, sandbox: Sandbox) -> None:
    vendor.tell("/v25.0/901", Said(400, UNREADABLE))
    world.receive("hubspot", [change(1)])
    world.receive("meta", leadgen("901"))
    world.drain()
    assert world.states() == ["waiting", "waiting"]
    assert (world.standing().state, world.standing("page").state) == ("open", "open")
    tell(vendor, 1)
    vendor.tell("/v25.0/901", Said(body=answers(full_name="Ana", phone_number="+573000000001")))
    world.due_now()
    world.drain()
    assert world.states() == ["accepted", "accepted"]
    assert len(sandbox.wolkvox.rows("1042")) == 2


def test_what_stays_unreadable_for_hours_is_invalid(world: World) -> None:
    world.receive("hubspot", [change(1)])
    for _ in range(fetch.APPEARS_TRIES):
        assert world.states() == ["waiting"]
        world.due_now()
        world.drain("crm")
    assert world.states() == ["waiting"]
    with world.database.write() as conn:
        conn.execute(update(tables.events).values(received_at=now_ms(conn) - fetch.APPEARS_MS))
    world.due_now()
    world.drain("crm")
    [event] = world.events()
    assert event.state == "invalid"
    assert json.loads(event.errors)[0]["message"] == "cannot be had from the vendor (404 not found)"


def test_many_unreadable_leads_in_a_row_stop_the_account_and_keep_the_leads(world: World, vendor: Vendor) -> None:
    refs = ("901", "902", "903")
    for ref in refs:
        vendor.tell(f"/v25.0/{ref}", Said(400, UNREADABLE))
    world.receive("meta", leadgen(*refs))
    for _ in range(3):
        world.drain("page")
        world.due_now()
    assert (world.standing("page").state, world.states()) == ("blocked", ["waiting"] * 3)
    assert "Leads Access Manager" in str(world.standing("page").reason)
    with world.database.write() as conn:
        standing.resume(conn, "page", now_ms(conn))
    for ref in refs:
        vendor.tell(f"/v25.0/{ref}", Said(body=answers(full_name="Ana", phone_number="+573000000001")))
    world.drain("page")
    assert world.states() == ["accepted"] * 3


def test_one_unreadable_lead_stops_nobody(world: World, vendor: Vendor) -> None:
    vendor.tell("/v25.0/901", Said(400, UNREADABLE))
    world.receive("meta", leadgen("901"))
    for _ in range(fetch.UNSEEN + 1):
        world.drain("page")
        world.due_now()
    assert (world.standing("page").state, world.states()) == ("open", ["waiting"])


def test_a_lead_that_could_not_be_dialled_takes_the_next_event_of_it(
    make: Callable[..., World], vendor: Vendor, sandbox: Sandbox
) -> None:
    world = make(dial(on=EITHER))
    tell(vendor, 1, phone="", email="ana@example.com")
    world.receive("hubspot", [change(1)])
    world.drain()
    assert [state for _, state in world.deliveries()] == ["dead"]
    tell(vendor, 1, phone="12", email="ana@example.com")
    world.receive("hubspot", [change(1, CHANGED, event=2, propertyName="phone")])
    world.drain()
    assert [state for _, state in world.deliveries()] == ["dead"]  # nothing new is said
    tell(vendor, 1)
    world.receive("hubspot", [change(1, CHANGED, event=number, propertyName="phone") for number in (3, 4)])
    world.drain()
    assert sorted(state for _, state in world.deliveries()) == ["dead", "delivered"]
    assert len(sandbox.wolkvox.rows("1042")) == 1
    tell(vendor, 1, phone="3109999999")
    world.receive("hubspot", [change(1, CHANGED, event=5, propertyName="phone")])
    world.drain()
    assert len(sandbox.wolkvox.rows("1042")) == 1


def test_two_contacts_under_one_event_id_are_two_leads(world: World, vendor: Vendor, sandbox: Sandbox) -> None:
    tell(vendor, 1)
    tell(vendor, 2)
    world.receive("hubspot", [change(1, event=100), change(2, event=100)])
    world.drain()
    assert world.states() == ["accepted", "accepted"]
    assert len(sandbox.wolkvox.rows("1042")) == 2


def test_a_lead_is_shared_among_routes_that_choose(make: Callable[..., World], vendor: Vendor) -> None:
    mba = replace(dial("1043", on=EITHER), when=(Condition(path="program", among=("MBA",)),))
    world = make(mba, replace(dial(on=EITHER), otherwise=True))
    tell(vendor, 1)
    world.receive("hubspot", [change(1)])
    world.drain()
    tell(vendor, 1, program="MBA")
    tell(vendor, 2, program="MBA")
    world.receive("hubspot", [change(1, CHANGED, event=2, propertyName="program"), change(2, event=3)])
    world.drain()
    assert sorted(route for route, _ in world.deliveries()) == ["dial 1042", "dial 1043"]


def test_a_route_that_chooses_takes_the_change_that_meets_its_conditions(
    make: Callable[..., World], vendor: Vendor
) -> None:
    mba = replace(dial("1043", on=EITHER), when=(Condition(path="program", among=("MBA",)),))
    world = make(mba, survey(on=("lead.created", "lead.updated")))
    tell(vendor, 1, email="ana@example.com")
    world.receive("hubspot", [change(1), change(1, CHANGED, event=2, propertyName="city")])
    world.drain()
    tell(vendor, 1, email="ana@example.com", program="mba")
    world.receive("hubspot", [change(1, CHANGED, event=number, propertyName="program") for number in (3, 4)])
    world.drain()
    assert sorted(route for route, _ in world.deliveries()) == ["dial 1043", "survey"]


def test_what_makes_no_event_is_invalid_with_every_fault_and_keeps_what_was_fetched(
    world: World, vendor: Vendor
) -> None:
    tell(vendor, 1, phone="12", email="ana@nowhere")
    world.receive("hubspot", [change(1)])
    world.drain()
    [event] = world.events()
    assert event.state == "invalid"
    assert {one["field"] for one in json.loads(event.errors)} == {"phones.0", "email", "phones"}
    assert "contact" in event.fetched


def test_one_that_only_ever_brings_faults_does_not_hold_up_the_others_and_ends(
    world: World, vendor: Vendor, sandbox: Sandbox
) -> None:
    vendor.tell("/crm/v3/objects/contacts/1", Said(500))
    for number in range(2, 6):
        tell(vendor, number)
    world.receive("hubspot", [change(number) for number in range(1, 6)])
    world.drain("crm")
    world.later(3)
    world.drain("crm")
    assert world.states() == ["waiting", *["accepted"] * 4]
    for _ in range(fetch.FETCH_TRIES):
        world.later(1300)
        world.drain("crm")
    assert world.states()[0] == "waiting"
    assert world.events()[0].due_at > time.time() * 1000 + 300_000  # longer each time
    world.later(fetch.FETCH_PATIENCE_MS / 1000)
    world.drain("crm")
    [event, *_] = world.events()
    assert event.state == "invalid"
    assert "given up after" in event.errors


# --- workers that die, or are late ----------------------------------------------------------------------------------


def test_what_a_dead_worker_was_fetching_is_taken_again_after_the_deadline(world: World, vendor: Vendor) -> None:
    tell(vendor, 1)
    world.receive("hubspot", [change(1)])
    world.claimed()  # and then it is killed
    found = world.claim()
    assert isinstance(found, Wait) and found.seconds is not None and found.seconds <= 2
    world.later(2.1)
    world.drain("crm")
    assert (world.states(), world.fetches()) == (["accepted"], ["unknown", "accepted"])


@pytest.mark.parametrize("fault", [Said(404), Said(500), Said(403), None], ids=["gone", "failed", "refused", "good"])
def test_an_answer_that_comes_after_another_worker_took_over_changes_nothing(
    world: World, vendor: Vendor, fault: Said | None
) -> None:
    tell(vendor, 1, *([fault] if fault else []))
    world.receive("hubspot", [change(1)])
    late = world.claimed()
    world.later(2.1)
    taken = world.claimed()
    world.make(late)
    [event] = world.events()
    assert (event.state, event.fetched) == ("waiting", None)
    assert event.attempts == f",{late.attempt.id},{taken.attempt.id}"
    assert world.fetches()[0] != "started"  # but what it brought is on the log
    world.make(taken)
    assert (world.states(), len(world.deliveries())) == (["accepted"], 1)


def test_a_late_answer_is_used_if_nobody_took_over(world: World, vendor: Vendor) -> None:
    tell(vendor, 1)
    world.receive("hubspot", [change(1)])
    late = world.claimed()
    world.later(2.1)
    with world.database.write() as conn:
        attempts.finish(conn, late.attempt.id, state="unknown", now=now_ms(conn))
    world.make(late)
    assert (world.states(), world.fetches()) == (["accepted"], ["accepted"])


def test_a_settled_call_is_not_settled_again(
    make: Callable[..., World], vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make(timeout_s=20.0)
    tell(vendor, 1, Said(429))
    world.receive("hubspot", [change(1)])
    monkeypatch.setattr(fetch, "patiently", lambda settle: (settle(), settle()))  # as if no commit were heard of
    world.drain("crm")
    assert (world.states(), world.fetches(), world.standing().faults) == (["waiting"], ["rejected"], 1)
    world.later(10)
    world.drain("crm")
    assert (world.states(), world.fetches(), len(world.deliveries())) == (["accepted"], ["rejected", "accepted"], 1)


# --- limits ---------------------------------------------------------------------------------------------------------


def test_fetching_keeps_within_the_accounts_own_limit(make: Callable[..., World], vendor: Vendor) -> None:
    world = make(requests_per_window=3, window_seconds=10)
    for number in range(1, 6):
        tell(vendor, number)
    world.receive("hubspot", [change(number) for number in range(1, 6)])
    assert world.drain("crm") == 3
    found = world.claim()
    assert isinstance(found, Wait) and "3 requests in 10 s" in found.why
    world.later(10)
    assert world.drain("crm") == 2


def test_two_workers_fetch_each_once_and_never_more_at_a_time_than_is_allowed(
    make: Callable[..., World], vendor: Vendor, sandbox: Sandbox
) -> None:
    world = make(requests_per_window=20, window_seconds=0.5)
    for number in range(1, 61):
        vendor.tell(f"/crm/v3/objects/contacts/{number}", Said(body=contact(number), after_s=0.01))
    workers = [Worker(world.settings, Database(world.settings.database_url)) for _ in range(2)]
    for worker in workers:
        worker.start()
    world.receive("hubspot", [change(number) for number in range(1, 61)])
    try:
        _until(lambda: len(sandbox.wolkvox.rows("1042")) == 60)
    finally:
        stops = [threading.Thread(target=worker.stop) for worker in workers]
        for one in stops:
            one.start()
        for one in stops:
            one.join()
    assert sorted(vendor.paths()) == sorted(f"/crm/v3/objects/contacts/{number}" for number in range(1, 61))
    moments = sorted(one.at_s for one in vendor.asked)
    assert all(later - earlier >= 0.5 for earlier, later in zip(moments, moments[20:], strict=False))
    assert set(world.fetches()) == {"accepted"}


def _until(true: Callable[[], bool], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)


# --- the configuration changes --------------------------------------------------------------------------------------


def test_events_whose_source_left_the_configuration_wait_for_its_return(
    world: World, vendor: Vendor, sandbox: Sandbox
) -> None:
    tell(vendor, 1)
    world.receive("hubspot", [change(1)])
    whole = world.settings
    world.use(replace(whole, sources={name: one for name, one in whole.sources.items() if name != "hubspot"}))
    world.drain("crm")
    assert (world.states(), world.fetches(), vendor.asked) == (["waiting"], [], [])
    world.use(whole)
    world.later(fetch.LOOK_AGAIN_MS / 1000)
    world.drain()
    assert len(sandbox.wolkvox.rows("1042")) == 1


def test_events_follow_their_source_to_another_account(world: World, vendor: Vendor) -> None:
    tell(vendor, 1)
    world.receive("hubspot", [change(1)])
    other = account("portal", "hubspot", vendor.url)
    sources = dict(world.settings.sources) | {"hubspot": Source(name="hubspot", mapping="hubspot", account="portal")}
    accounts = {**world.settings.accounts, "portal": other}
    world.use(replace(world.settings, sources=sources, accounts=accounts))
    assert world.drain("crm") == 0
    assert world.drain("portal") == 1
    assert world.states() == ["accepted"]


def test_a_mapping_that_reads_it_otherwise_by_now_ends_the_wait(world: World) -> None:
    world.receive("hubspot", [change(1), change(2), change(3)])
    with world.database.write() as conn:
        events = tables.events
        for row, payload in ((1, change(1, "contact.deletion")), (2, {"eventId": 2})):
            at = conn.execute(select(events.c.id).order_by(events.c.id).offset(row - 1).limit(1)).scalar_one()
            conn.execute(update(events).where(events.c.id == at).values(payload=json.dumps(payload)))
    world.drain("crm")
    assert world.states() == ["ignored", "invalid", "waiting"]  # the third is not there to be read
    assert world.fetches() == ["not_sent", "not_sent", "rejected"]


def test_an_event_that_is_gone_is_not_asked_for(world: World, vendor: Vendor) -> None:
    world.receive("hubspot", [change(1)])
    claimed = world.claimed()
    with world.database.write() as conn:
        conn.execute(delete(tables.events))
    world.make(claimed)
    assert (world.fetches(), vendor.asked) == (["not_sent"], [])


# --- what a person sees and does ------------------------------------------------------------------------------------


def test_a_waiting_event_can_be_explained(world: World) -> None:
    world.receive("hubspot", [change(123, event=1001)])
    told = explain(world.database, world.settings, world.events()[0].event_id)["events"][0]
    assert told["state"] == "waiting"
    assert told["now"].startswith("waiting until the rest of it is fetched from crm; due at ")
    assert world.replay(world.events()[0].id)[0].why == "it waits until the rest of it is fetched"
    accounts = {one["account"]: one for one in status(world.database, world.settings)["accounts"]}
    assert accounts["crm"]["windows"][0]["limit"] == 100


def test_replay_maps_again_what_was_fetched(make: Callable[..., World], vendor: Vendor, sandbox: Sandbox) -> None:
    world = make(dial())
    tell(vendor, 1)
    world.receive("hubspot", [change(1)])
    world.drain()
    world.use(replace(world.settings, routes=(dial(), dial("1043"))))
    row = world.events()[0].id
    assert [(one.action, one.route) for one in world.replay(row)] == [("keep", "dial 1042"), ("add", "dial 1043")]
    world.drain()
    assert (len(sandbox.wolkvox.rows("1042")), len(sandbox.wolkvox.rows("1043"))) == (1, 1)
    assert len(vendor.asked) == 1
    assert {one.action for one in world.replay(row)} == {"keep"}


def test_replay_renders_a_dead_delivery_from_what_was_fetched(world: World, vendor: Vendor) -> None:
    tell(vendor, 1)
    world.receive("hubspot", [change(1)])
    world.drain("crm")
    with world.database.write() as conn:
        conn.execute(update(tables.deliveries).values(state="dead"))
        conn.execute(update(tables.records).values(record="{}"))
    with world.database.read() as conn:
        number = conn.execute(select(tables.deliveries.c.id)).scalar_one()
    [done] = Replay(world.settings, world.database, BY).delivery(number, Wish())
    assert done.action == "renew"
    world.drain()
    assert world.deliveries() == [("dial 1042", "delivered")]


def test_replay_has_an_invalid_event_fetched_again(world: World, vendor: Vendor, sandbox: Sandbox) -> None:
    vendor.tell("/crm/v3/objects/contacts/1", Said(410))
    world.receive("hubspot", [change(1)])
    world.drain()
    assert world.states() == ["invalid"]
    tell(vendor, 1)
    row = world.events()[0].id
    assert world.replay(row, dry_run=True)[0].why == "a worker fetches the rest of it again"
    assert world.states() == ["invalid"]
    assert [one.action for one in world.replay(row)] == ["accept"]
    world.drain()
    assert world.states() == ["accepted"]
    assert len(sandbox.wolkvox.rows("1042")) == 1


def test_replay_routes_anew_what_no_route_wanted_without_asking_again(
    world: World, vendor: Vendor, sandbox: Sandbox
) -> None:
    tell(vendor, 1)
    world.receive("hubspot", [change(1, CHANGED)])
    world.drain()
    assert world.states() == ["ignored"]
    world.use(replace(world.settings, routes=(dial(on=EITHER),)))
    assert world.replay(world.events()[0].id)[0].why == "a worker routes it again"
    world.drain()
    assert (world.states(), len(sandbox.wolkvox.rows("1042")), len(vendor.asked)) == (["accepted"], 1, 1)


def test_replay_sends_no_lead_twice_that_came_as_two_events(
    make: Callable[..., World], vendor: Vendor, sandbox: Sandbox
) -> None:
    world = make(dial(on=EITHER))
    tell(vendor, 1)
    world.receive("hubspot", [change(1, CREATED, event=1), change(1, CHANGED, event=2)])
    world.drain()
    for event in world.events():
        world.replay(event.id)
    world.drain()
    assert world.states() == ["accepted", "ignored"]
    assert len(sandbox.wolkvox.rows("1042")) == 1


def test_replay_keeps_an_invalid_one_whose_id_was_accepted_meanwhile(world: World, vendor: Vendor) -> None:
    vendor.tell("/crm/v3/objects/contacts/1", Said(410))
    told = change(1, event=5)
    world.receive("hubspot", [told])
    world.drain()
    tell(vendor, 1)
    world.receive("hubspot", [told])
    world.drain("crm")
    assert world.states() == ["invalid", "accepted"]
    [kept] = world.replay(world.events()[0].id)
    assert (kept.action, world.states()) == ("keep", ["invalid", "accepted"])


def test_the_next_look_is_when_the_next_event_is_due(world: World) -> None:
    with world.database.read() as conn:
        assert thin_events.next_due(conn, "crm", now_ms(conn)) is None
    world.receive("hubspot", [change(1)])
    with world.database.read() as conn:
        due = thin_events.next_due(conn, "crm", now_ms(conn))
    assert due is not None and due[0] <= world.events()[0].received_at
