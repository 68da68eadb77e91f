"""What comes after another delivery goes once that is delivered, with what its vendor answered, or ends with it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson
import pytest
from sqlalchemy import select, update

from connector.admin.deliveries import Search
from connector.admin.deliveries import deliveries as list_deliveries
from connector.admin.explain import explain as explain_event
from connector.admin.privacy import forget
from connector.admin.replay import Replay, Wish
from connector.admin.resolve import resolve
from connector.admin.status import status as read_status
from connector.cli.map import mapped
from connector.core.errors import StoreUnavailable
from connector.core.outcomes import Fate, Outcome, Verdict
from connector.core.payload import Payload
from connector.core.quota import Wait
from connector.core.reasons import Code, Reason
from connector.core.settings import Route, Secret, Source
from connector.inbound.receiver import Receiver
from connector.inbound.router import Router
from connector.outbound import settle
from connector.outbound.chain import Releasing
from connector.outbound.worker import prepare
from connector.store import chains, inbox, lanes, outbox, reasons, suppression_list, tables, thin_events
from connector.store.database import Database, now_ms
from connector.store.lanes import BULK, PARKED_BULK, PARKED_LIVE
from connector.store.suppression_list import Entry
from connector.vendors.destinations import name_of
from connector.vendors.sandbox.exchange import Sandbox
from tests import outbound_steps
from tests.outbound_steps import BY, Out, close, collect, dial, links, once, refused, survey

store, database, sandbox = outbound_steps.store, outbound_steps.database, outbound_steps.sandbox

CALL = "dial 1042"
LINK = "https://tracksale.co/s/invented"


def call(**values: Any) -> Route:
    """A closed ticket's customer is dialled, with the link at hand."""
    options = {"campaign_id": "1042", "campaign_status": "start", "opt": ("result.survey_link",), "trace_field": ""}
    return dial(**{"on": ("ticket.closed",), "after": "links", "options": options} | values)


class Following(Out):
    """Tickets and leads as their senders send them, so that they can be read again."""

    def __init__(self, database: Database, *routes: Route, **values: Any) -> None:
        super().__init__(database, *routes, **values)
        names = {"landing": "lead", "tickets": "ticket", "helpdesk": "postcenter"}
        sources = {name: Source(name=name, mapping=mapping, account="helpdesk") for name, mapping in names.items()}
        self.settings = replace(self.settings, sources=sources, secret_key=Secret("invented-key"))
        self.router = Router(self.settings, name_of)
        self.receiver = Receiver(self.settings, self.router)
        self.releasing = Releasing(self.settings, database, self.places, self.router, self.receiver)

    def send(self, *bodies: dict[str, Any], source: str = "tickets", lane: int = 0) -> None:
        of = self.settings.sources[source]
        arrivals = [self.receiver.arrival(of, Payload(body, ""), lane=lane) for body in bodies]
        with self.database.write() as conn:
            inbox.store(conn, arrivals)

    def all_of(self, route: str) -> list[Any]:
        return [row for row in self.deliveries() if row.route == route]

    def state(self, route: str) -> str:
        [row] = self.all_of(route)
        return str(row.state)

    def reason(self, route: str) -> str:
        [row] = self.all_of(route)
        return str(reasons.of(row) or "")

    def linked(self, **result: Any) -> None:
        """The vendor of the links answers."""
        verdict = Verdict(Fate.DELIVERED, result=result or {"survey_link": LINK})
        self.settle(self.claimed("surveys"), Outcome(attempt="accepted", verdict=verdict, status=200))

    def refuse(self, account: str = "surveys", destination: str = "surveys/tracksale.survey_links/52") -> None:
        """A destination that works refuses the one record."""
        self.works(destination)
        self.settle(self.claimed(account), refused())

    def record(self, route: str) -> dict[str, Any]:
        [row] = self.all_of(route)
        query = select(tables.records.c.record).where(tables.records.c.delivery == row.id)
        with self.database.read() as conn:
            record: dict[str, Any] = orjson.loads(conn.execute(query).scalar_one())
        return record


def ticket(number: int = 1, kind: str = "ticket.closed", **data: Any) -> dict[str, Any]:
    customer = {"name": f"Zoë {number}", "email": f"zoe.{number}@example.com", "phone": f"+573{number:09d}"}
    return {"id": f"T-{number}", "type": kind, "data": {"ticket_id": f"{number}", "customer": customer, **data}}


def lead(number: int = 1) -> dict[str, Any]:
    data = {"first_name": "Ana", "phones": [f"+573{number:09d}"], "email": f"ana.{number}@example.com"}
    return {"id": f"L-{number}", "type": "lead.created", "data": data | {"extra": {"nps": 9}}}


# --- it goes --------------------------------------------------------------------------------------------------------


def test_everybody_is_dialled_with_the_link_that_was_made_for_them(database: Database, sandbox: Sandbox):
    out = Following(database, call(), links(), sandbox=sandbox)
    out.send(*(ticket(number) for number in range(40)))
    assert isinstance(out.claim("dialler"), Wait)
    assert {row.lane for row in out.all_of(CALL)} == {PARKED_LIVE}
    out.drain("surveys")
    assert out.releasing.run_once() == 40
    out.drain("dialler")
    assert out.states() == {"delivered": 80}
    made = {one["email"]: one["survey_link"] for one in sandbox.tracksale.survey_links}
    assert {row["email"]: row["opt1"] for row in sandbox.wolkvox.rows("1042")} == made
    assert len(set(made.values())) == 40


@pytest.mark.parametrize("by", ["phone", "email"])
def test_who_says_no_while_another_route_goes_first_is_not_dialled(database: Database, sandbox: Sandbox, by: str):
    out = Following(database, call(), links(), sandbox=sandbox)
    out.send(ticket(1), ticket(2))
    way = {"phone": "+573000000001", "email": "zoe.1@example.com"}[by]
    refusal = Entry(str(out.router.contact_hash(way)), "hint", "", 1)
    with database.write() as conn:
        suppression_list.add(conn, [refusal])
    out.drain("surveys")
    out.releasing.run_once()
    out.drain("dialler")
    assert [row.state for row in out.all_of(CALL)] == ["suppressed", "delivered"]
    assert [row["tel1"] for row in sandbox.wolkvox.rows("1042")] == ["3000000002"]


def test_a_lead_gets_a_link_and_tags_of_it_too(database: Database, sandbox: Sandbox):
    tagged = survey(on=("lead.created",), after="links")
    tagged = replace(tagged, options=tagged.options | {"tags": {"Link": "result.survey_link"}})
    out = Following(database, tagged, links(on=("lead.created",)), sandbox=sandbox)
    out.send(lead(), source="landing")
    for _ in range(2):
        out.drain("surveys")
        out.releasing.run_once()
    [customer] = sandbox.tracksale.customers(52)
    assert customer["tags"] == [{"name": "Link", "value": sandbox.tracksale.survey_links[0]["survey_link"]}]


def test_a_chain_goes_one_after_the_other(database: Database, sandbox: Sandbox):
    out = Following(database, close(after=CALL), call(), links(), sandbox=sandbox)
    out.send(ticket(1, ticket_id=sandbox.postcenter.add_ticket(901, "email")))
    out.drain("surveys")
    out.releasing.run_once()
    assert isinstance(out.claim("helpdesk"), Wait)
    out.drain("dialler")
    out.releasing.run_once()
    out.drain("helpdesk")
    assert out.states() == {"delivered": 3}


def test_bulk_stays_bulk(database: Database):
    out = Following(database, call(), links())
    out.send(ticket(), lane=BULK)
    assert [row.lane for row in out.all_of(CALL)] == [PARKED_BULK]
    out.linked()
    out.releasing.run_once()
    assert [row.lane for row in out.all_of(CALL)] == [BULK]


def test_a_thin_event_is_read_of_what_was_fetched_for_it(database: Database):
    out = Following(database, close(after="links"), links())
    ref = "583dcb2855d0a46e438d0206"
    out.send({"event": "ticket_closed", "ticket_id": ref}, source="helpdesk")
    fetched = {
        "ticket": {"id": ref, "is_closed": True, "social_network": "email"},
        "messages": {
            "messages": [{"author_name": "Zoë", "author_account": "zoe@example.com", "created": "2026-11-20"}]
        },
    }
    with database.write() as conn:
        [event] = conn.execute(select(tables.events)).all()
        source, body = out.settings.sources["helpdesk"], orjson.loads(event.payload)
        arrival, _ = out.receiver.completed(source, body, fetched, event_id="x", received_at=event.received_at)
        thin_events.end(conn, event.id, state="accepted", fetched=fetched, type=arrival.type)
        outbox.add(conn, [(event.id, arrival.deliveries)], now_ms(conn))
    out.linked()
    out.releasing.run_once()
    assert out.record("close") == {"ticket_id": ref}


def test_what_routes_no_longer_come_after_goes_at_once(database: Database):
    out = Following(database, call(), links())
    out.send(ticket())
    alone = call(after="", options=call().options | {"opt": ()})
    after = Following(database, alone, links())
    after.releasing.sweep()
    after.releasing.run_once()
    assert after.all_of(CALL)[0].lane == lanes.LIVE
    assert after.record(CALL)["tel1"] == "3000000001"


def test_who_must_be_asked_about_first_is_asked_about_once_released(database: Database):
    asked = survey(after="links")
    asked = replace(asked, options=asked.options | {"ninety_day_rule": True})
    out = Following(database, asked, links())
    out.send(ticket(1), lane=BULK)
    out.send(ticket(2))
    out.linked()
    out.releasing.run_once()
    assert [row.lane for row in out.all_of("survey")] == [lanes.BULK_CHECK, lanes.LIVE_CHECK]


# --- it ends --------------------------------------------------------------------------------------------------------


def test_what_comes_after_the_dead_ends_and_says_why_down_the_chain(database: Database):
    out = Following(database, close(after=CALL), call(), links())
    out.send(ticket(1, ticket_id="583dcb2855d0a46e438d0206"))
    out.refuse()
    out.releasing.run_once()
    assert (out.state("links"), out.state(CALL), out.state("close")) == ("dead", "suppressed", "suppressed")
    assert out.reason(CALL) == "it comes after “links”, which ended dead: the vendor refused it: 400 wrong"
    assert out.reason("close").startswith(f"it comes after “{CALL}”, which ended suppressed: it comes after “links”")


def test_where_no_record_can_be_made_before_it_ends_at_once(database: Database):
    out = Following(database, call(), links())
    out.send({"id": "T-1", "type": "ticket.closed", "data": {"customer": {"identification": "1"}}})
    assert out.state("links") == "dead"
    assert "which ended dead: no record can be made of it: email" in out.reason(CALL)


def test_an_event_that_the_other_route_did_not_want_is_not_sent_here_either(database: Database):
    out = Following(database, call(on=("ticket.closed", "ticket.updated")), links())
    out.send(ticket(1, "ticket.updated"))
    assert (out.state(CALL), out.reason(CALL)) == (
        "suppressed",
        "it comes after “links”, to which this event did not go",
    )


def test_a_guard_that_ends_the_one_before_ends_this_one(database: Database):
    out = Following(
        database,
        call(),
        links(expires_after_s=60),
    )
    out.send(ticket())
    out.later(61)
    assert isinstance(out.claim("surveys"), Wait)
    out.releasing.run_once()
    assert out.reason(CALL) == f"it comes after “links”, which ended suppressed: {Reason(Code.EXPIRED)}"


def test_whom_the_vendor_does_not_let_be_asked_is_not_called_about_it(database: Database):
    asked = survey()
    asked = replace(asked, options=asked.options | {"ninety_day_rule": True})
    out = Following(database, call(after="survey", options=dial().options), asked)
    out.send(ticket())
    check = out.claimed("surveys")
    assert check.attempt.kind == "precheck"
    place = out.places["surveys"][check.attempt.destination]
    with database.write() as conn:
        ids = [number for number, _ in outbox.members(conn, check.attempt.id)]
        settle.settle_check(conn, check.attempt, place, outbound_steps.accepted(), ids, False)
    out.releasing.run_once()
    assert out.reason(CALL) == f"it comes after “survey”, which ended suppressed: {Reason(Code.NINETY_DAYS)}"


def test_it_expires_while_it_waits(database: Database):
    out = Following(database, call(expires_after_s=60), links())
    out.send(ticket())
    out.later(61)
    assert out.releasing.run_once() == 1
    assert (out.state(CALL), out.reason(CALL), out.state("links")) == (
        "suppressed",
        str(Reason(Code.EXPIRED)),
        "pending",
    )


def test_without_what_it_wants_of_the_answer_it_is_not_sent(database: Database):
    """A person says that the answers landed; what id they have nobody knows."""
    options = call().options | {"opt": ("result.answer_id",)}
    out = Following(database, call(on=("lead.created",), after="collect", options=options), collect())
    out.send(lead(), source="landing")
    out.settle(out.claimed("surveys"), outbound_steps.unknown(ask=False))
    [row] = out.all_of("collect")
    resolve(out.settings, database, row.id, BY, landed=True)
    out.releasing.run_once()
    assert out.state(CALL) == "dead"
    assert out.reason(CALL).startswith("no record can be made of it: result.answer_id: is not known: “collect” was del")


# --- it waits -------------------------------------------------------------------------------------------------------


def test_the_uncertain_keep_it_waiting_until_a_person_resolves_them(database: Database):
    out = Following(database, call(after="collect", on=("lead.created",), options=dial().options), collect())
    out.send(lead(), source="landing")
    out.settle(out.claimed("surveys"), outbound_steps.unknown(ask=False))
    assert out.releasing.run_once() == 0
    assert (out.state("collect"), out.state(CALL)) == ("uncertain", "pending")
    [row] = out.all_of("collect")
    resolve(out.settings, database, row.id, BY, landed=False)
    assert out.releasing.run_once() == 0
    out.linked(answer_id=7)
    assert out.releasing.run_once() == 1
    assert out.all_of(CALL)[0].lane == lanes.LIVE


def test_a_batch_that_goes_again_keeps_it_waiting(database: Database):
    out = Following(database, call(), links())
    out.send(ticket())
    busy = Outcome(attempt="rejected", verdict=Verdict(Fate.AGAIN, "503"), status=503, words="503")
    out.settle(out.claimed("surveys"), busy)
    assert out.releasing.run_once() == 0
    assert out.state(CALL) == "pending"


def test_a_call_that_lapsed_is_made_again_and_then_it_goes(database: Database):
    """A worker dies in the call for the link: a link is simply made again."""
    out = Following(database, call(), links())
    out.send(ticket())
    out.claimed("surveys")
    out.later(10)
    assert isinstance(out.claim("surveys"), Wait)
    out.later(10)
    out.linked()
    assert out.releasing.run_once() == 1


# --- whoever dies, it goes on ---------------------------------------------------------------------------------------


def test_a_worker_that_dies_after_settling_leaves_it_to_any_other(database: Database, monkeypatch: pytest.MonkeyPatch):
    out = Following(database, call(), links())
    out.send(ticket())
    out.linked()

    def dies(*_: Any) -> None:
        raise StoreUnavailable("the database went away")

    with monkeypatch.context() as patched:
        patched.setattr(chains, "go", dies)
        with pytest.raises(StoreUnavailable):
            out.releasing.run_once()
    assert out.all_of(CALL)[0].lane == PARKED_LIVE
    another = Following(database, call(), links())
    assert another.releasing.run_once() == 1
    assert out.record(CALL)["opt1"] == LINK


def test_what_was_settled_by_one_who_knew_of_no_follower_is_found_by_the_sweep(database: Database):
    out = Following(database, call(), links())
    out.send(ticket(), ticket(2))
    old = Following(database, links())
    old.linked()
    assert out.releasing.run_once() == 0
    assert out.releasing.sweep() == 2
    assert out.releasing.sweep() == 0
    assert out.releasing.run_once() == 2
    assert {row.lane for row in out.all_of(CALL)} == {lanes.LIVE}


def test_the_sweep_leaves_alone_what_still_waits(database: Database):
    out = Following(database, call(), links())
    out.send(ticket())
    assert out.releasing.sweep() == 0


def test_two_who_release_at_once_send_each_once(database: Database):
    """On Postgres the second skips what the first holds; on SQLite it comes when the first is through."""
    out = Following(database, call(), links())
    out.send(*(ticket(number) for number in range(5)))
    out.linked()
    if not database.is_sqlite:
        with database.write() as conn:
            held = chains.due(conn, out.all_of(CALL)[0].destination, now_ms(conn), 3)
            assert len(held) == 3
            assert out.releasing.run_once() == 2
    assert out.releasing.run_once() == (5 if database.is_sqlite else 3)
    assert {row.lane for row in out.all_of(CALL)} == {lanes.LIVE}


def test_ten_thousand_are_released_in_seconds(database: Database):
    out = Following(database, call(), links())
    for first in range(0, 10_000, 1000):
        out.send(*(ticket(number) for number in range(first, first + 1000)))
    for _ in range(20):
        out.linked()
    began_s = time.monotonic()
    assert out.releasing.run_once() == 10_000
    took_s = time.monotonic() - began_s
    assert {row.lane for row in out.all_of(CALL)} == {lanes.LIVE}
    assert took_s < 60, took_s


# --- a person decides -----------------------------------------------------------------------------------------------


def changes(out: Following, route: str, **wish: Any) -> dict[str, tuple[str, str]]:
    """What replaying the route's delivery did: route -> action and why."""
    [row] = out.all_of(route)
    found = Replay(out.settings, out.database, BY).delivery(row.id, Wish(ended_too=True, late_too=True, **wish))
    return {one.route: (one.action, one.why) for one in found}


def test_what_ended_with_the_dead_comes_back_with_them(database: Database):
    out = Following(database, close(after=CALL), call(expires_after_s=60), links())
    out.send(ticket(1, ticket_id="583dcb2855d0a46e438d0206"))
    out.refuse()
    out.releasing.run_once()
    out.later(61)
    would = changes(out, "links", dry_run=True)
    assert out.states() == {"dead": 1, "suppressed": 2}
    did = changes(out, "links")
    assert would == did
    assert {route: action for route, (action, _) in did.items()} == dict.fromkeys(("links", CALL, "close"), "renew")
    assert out.states() == {"pending": 3}
    assert out.releasing.run_once() == 0
    out.linked()
    assert out.releasing.run_once() == 1
    assert out.record(CALL)["opt1"] == LINK


def test_it_comes_back_however_the_one_before_it_did(database: Database):
    """A copy held back by once_per takes the place of the first, and what comes after it follows."""
    route = links(once_per=once())
    out = Following(database, call(), route)
    same = {"name": "Zoë", "email": "zoe@example.com", "phone": "+573000000001"}
    out.send(ticket(1, customer=same))
    first = out.claimed("surveys")
    out.send(ticket(2, customer=same))
    assert isinstance(out.claim("surveys"), Wait)
    out.releasing.run_once()
    assert [row.state for row in out.all_of(CALL)] == ["pending", "suppressed"]
    out.works("surveys/tracksale.survey_links/52")
    out.settle(first, refused())
    out.linked()
    out.releasing.run_once()
    assert [row.state for row in out.all_of("links")] == ["dead", "delivered"]
    assert [row.state for row in out.all_of(CALL)] == ["suppressed", "pending"]
    assert out.all_of(CALL)[1].lane == lanes.LIVE


def test_the_one_that_ended_so_cannot_be_replayed_by_itself(database: Database):
    out = Following(database, call(), links())
    out.send(ticket())
    out.refuse()
    out.releasing.run_once()
    [before] = out.all_of("links")
    action, why = changes(out, CALL)[CALL]
    assert action == "keep"
    assert why == f"it comes after “links”, which ended dead: connector replay --delivery d{before.id}"


def test_replayed_after_it_was_refused_it_goes_with_the_answer_that_was_kept(database: Database):
    out = Following(database, call(), links())
    out.send(ticket())
    out.linked()
    out.releasing.run_once()
    out.works()
    out.settle(out.claimed("dialler"), refused())
    assert out.state(CALL) == "dead"
    assert changes(out, CALL)[CALL][0] == "renew"
    out.releasing.run_once()
    assert out.record(CALL)["opt1"] == LINK
    assert out.all_of(CALL)[0].lane == lanes.LIVE


def test_a_route_that_is_added_later_takes_its_turn_when_the_event_is_replayed(database: Database):
    before = Following(database, links())
    before.send(ticket())
    before.linked()
    out = Following(database, call(), links())
    [event] = {row.event for row in out.deliveries()}
    Replay(out.settings, database, BY).event(event, Wish())
    assert out.releasing.run_once() == 1
    assert out.record(CALL)["opt1"] == LINK


def test_sending_the_first_again_dials_nobody_twice(database: Database):
    out = Following(database, call(), links())
    out.send(ticket())
    out.linked()
    out.releasing.run_once()
    out.settle(out.claimed("dialler"), outbound_steps.accepted())
    assert changes(out, "links", force=True) == {"links": ("resend", "it was delivered")}
    out.linked()
    assert out.releasing.run_once() == 0
    assert out.state(CALL) == "delivered"


# --- a person looks -------------------------------------------------------------------------------------------------


def told(out: Following, route: str) -> dict[str, Any]:
    found = explain_event(out.database, out.settings, "T-1")
    [one] = [one for event in found["events"] for one in event["deliveries"] if one["route"] == route]
    shown: dict[str, Any] = one
    return shown


def test_it_is_told_what_it_waits_for(database: Database):
    out = Following(database, call(), links())
    out.send(ticket())
    [before] = out.all_of("links")
    shown = told(out, CALL)
    assert shown["now"] == f"waiting: it comes after “links”, whose delivery d{before.id} is pending"
    assert (shown["after"], shown["due_at"]) == ("links", None)
    [listed] = [one for one in list_deliveries(database, out.settings, Search()) if one["route"] == CALL]
    assert listed["reason"] == f"waits for d{before.id} (“links”), which is pending"
    assert listed["after"] == f"d{before.id}"
    counted = {one["destination"]: one for one in read_status(database, out.settings)["destinations"]}
    assert counted[outbound_steps.DIAL]["waiting_for_another"] == counted[outbound_steps.DIAL]["pending"] == 1
    assert counted[before.destination]["waiting_for_another"] == 0


def test_a_dry_run_leaves_open_what_only_the_answer_will_bring(database: Database):
    out = Following(database, close(after=CALL), call(), links())
    body = orjson.dumps(ticket(1, ticket_id="583dcb2855d0a46e438d0206"))
    found = mapped(out.settings, out.settings.sources["tickets"], body, "application/json")
    shown = {one["route"]: one for one in found["events"][0]["deliveries"]}
    assert (shown[CALL]["after"], shown["close"]["after"], shown["links"]["after"]) == ("links", CALL, None)
    assert shown[CALL]["record"]["opt1"] == "‹result.survey_link›"
    assert shown[CALL]["state"] == "pending"
    no_phone = orjson.dumps(ticket(1, customer={"email": "zoe@example.com"}))
    found = mapped(out.settings, out.settings.sources["tickets"], no_phone, "application/json")
    [of_call] = [one for one in found["events"][0]["deliveries"] if one["route"] == CALL]
    assert (of_call["state"], of_call["reason"]) == (
        "dead",
        "no record can be made of it: tel1: there is no phone to dial",
    )


def test_the_answer_that_was_kept_is_told(database: Database):
    out = Following(database, call(), links())
    out.send(ticket())
    out.linked()
    assert told(out, "links")["result"] == {"survey_link": "***"}  # a link is one person's


def test_what_ended_with_another_says_how_it_comes_back(database: Database):
    out = Following(database, call(), links())
    out.send(ticket())
    out.refuse()
    out.releasing.run_once()
    assert told(out, CALL)["next"] == ["once “links” is delivered, by connector replay say, this follows by itself"]


def moved(database: Database, numbers: Sequence[int]) -> None:
    """These deliveries are of somebody's who was erased."""
    with database.write() as conn:
        conn.execute(update(tables.deliveries).where(tables.deliveries.c.id.in_(numbers)).values(expires_at=0))


def test_what_is_to_be_erased_is_never_released(database: Database):
    out = Following(database, call(), links())
    out.send(ticket())
    out.linked()
    moved(database, [row.id for row in out.all_of(CALL)])
    out.releasing.run_once()
    assert (out.state(CALL), out.reason(CALL)) == ("suppressed", str(Reason(Code.ERASED)))


def test_what_a_vendor_said_of_the_one_before_is_forgotten_with_it():
    said = chains.ended("links", "dead", Reason(Code.REFUSED, {"words": "400 Zoë is no customer", "status": 400}))
    assert said.forgotten() == chains.ended("links", "dead", Reason(Code.REFUSED, {"status": 400}))
    assert chains.absent("links").forgotten() == chains.absent("links")


def test_an_event_is_not_forgotten_by_its_age_while_something_of_it_still_waits(database: Database):
    out = Following(database, call(), links())
    out.send(ticket())
    out.linked()
    [event] = {row.event for row in out.deliveries()}
    with database.read() as conn:
        assert forget.unsettled(conn, [event]) == {event}


def test_a_route_that_was_given_another_one_before_it_waits_for_that(database: Database):
    out = Following(database, call(), links())
    out.send(ticket())
    other = links(name="other links")
    after = Following(database, call(after="other links"), links(), other)
    prepare(after.settings, database, after.places)
    with database.read() as conn:
        waits = set(conn.execute(select(tables.records.c.after)).scalars())
    assert waits == {None, "other links"}
