"""From an event to its deliveries: who wants it, what each will send, and why one cannot."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core.reasons import Code
from connector.core.settings import Account, Condition, OncePer, Route, Secret, Settings, Source
from connector.inbound.router import Router
from connector.store.arrivals import NewDelivery
from connector.store.lanes import BULK, LIVE
from connector.vendors.destinations import name_of
from connector.vendors.tracksale.options import DispatchOptions
from connector.vendors.wolkvox.options import WolkvoxOptions
from mappings.events import Customer, Lead, Phone, Ticket

DIALLER = Account(name="dialler", vendor="wolkvox", token=Secret("t"), base_url="http://w", dial_prefix="9")
SURVEYS = Account(name="surveys", vendor="tracksale", token=Secret("t"), base_url="http://t", phone_format="e164")
AT = datetime(2026, 11, 20, 15, 1, 2, tzinfo=UTC)
ANA = Lead(
    id="L-1",
    type="lead.created",
    time=AT,
    first_name="Ana",
    phones=(Phone(57, "3000000001"), Phone(57, "3000000002")),
    email="ana@example.com",
    extra={"utm": {"source": "google"}, "program": "MBA", "campus": ["Norte"]},
)


def dial(name: str = "dial", campaign_id: str = "1042", **more: Any) -> Route:
    options = WolkvoxOptions().load({"campaign_id": campaign_id} | more.pop("options", {}))
    fields: dict[str, Any] = {"on": ("lead.created",), "to": "wolkvox.add_record", "account": "dialler"} | more
    return Route(name=name, options=options, **fields)


def survey(name: str = "survey", **more: Any) -> Route:
    options = DispatchOptions().load({"campaign_code": "52"} | more.pop("options", {}))
    fields: dict[str, Any] = {"on": ("ticket.closed",), "to": "tracksale.dispatch", "account": "surveys"} | more
    return Route(name=name, options=options, **fields)


def router(*routes: Route, key: str = "k1", accounts: tuple[Account, ...] = (DIALLER, SURVEYS)) -> Router:
    settings = Settings(
        accounts={account.name: account for account in accounts},
        sources={name: Source(name=name, mapping="lead", queue=name) for name in ("landing", "crm")},
        routes=routes,
        secret_key=Secret(key),
    )
    return Router(settings, name_of)


def only(made: Router, event: Lead | Ticket = ANA, source: str = "landing") -> NewDelivery:
    (one,) = made.deliveries(source, event)
    return one


def record(delivery: NewDelivery) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(delivery.record)
    return found


# --- who wants it ---------------------------------------------------------------------------------------------------


def test_a_route_takes_its_event_types_from_its_sources() -> None:
    made = router(
        dial("all"),
        dial("crm only", sources=("crm",)),
        dial("both types", on=("lead.created", "lead.updated")),
        dial("nobody", sources=()),
    )
    for source, event_type, names in (
        ("landing", "lead.created", ["all", "both types"]),
        ("crm", "lead.created", ["all", "crm only", "both types"]),
        ("crm", "lead.updated", ["both types"]),
        ("crm", "ticket.closed", []),
        ("unknown", "lead.created", []),
    ):
        assert [one.name for one in made.routes_for(source, event_type)] == names
        assert [one.route for one in made.deliveries(source, replace(ANA, type=event_type))] == names


def test_an_event_that_nobody_wants_makes_no_delivery() -> None:
    assert router(dial(on=("lead.updated",))).deliveries("landing", ANA) == ()
    assert router().deliveries("landing", ANA) == ()


def test_two_routes_make_two_deliveries_each_with_a_record_of_its_own() -> None:
    one, other = router(
        dial("one", options={"opt": ["utm.source"]}), dial("other", "1043", options={"opt": ["program"]})
    ).deliveries("landing", ANA)
    assert (one.destination, other.destination) == (
        "dialler/wolkvox.add_record/1042",
        "dialler/wolkvox.add_record/1043",
    )
    assert (record(one)["opt1"], record(other)["opt1"]) == ("google", "MBA")
    assert one.contact == other.contact


def test_the_lane_is_the_caller_s() -> None:
    made = router(dial())
    assert [made.deliveries("landing", ANA, lane=lane)[0].lane for lane in (LIVE, BULK)] == [LIVE, BULK]


# --- by what it says ------------------------------------------------------------------------------------------------


def when(path: str, **said: Any) -> tuple[Condition, ...]:
    return (Condition(path=path, **said),)


@pytest.mark.parametrize(
    ("condition", "takes"),
    [
        (Condition(path="extra.program", among=("MBA", "Derecho")), True),
        (Condition(path="program", among=("mba",)), True),
        (Condition(path="extra.program", among=("Derecho",)), False),
        (Condition(path="extra.program", unlike=("Derecho",)), True),
        (Condition(path="extra.program", unlike=("mba",)), False),
        (Condition(path="extra.nothing", unlike=("mba",)), True),
        (Condition(path="city", among=("Bogotá",)), True),
        (Condition(path="extra.score", start=7), True),
        (Condition(path="extra.score", start=8), False),
        (Condition(path="extra.score", end=7), True),
        (Condition(path="extra.score", among=(7,)), True),
        (Condition(path="extra.price", start=7.4, end=7.6), True),
        (Condition(path="extra.program", start=1), False),
        (Condition(path="email", exists=True), True),
        (Condition(path="address", exists=False), True),
        (Condition(path="address", exists=True), False),
        (Condition(path="utm.campaign", like=("black*",)), True),
        (Condition(path="utm.campaign", like=("*vierna*",)), False),
        (Condition(path="campus", among=("norte",)), True),
        (Condition(path="phone", like=("+57300*",)), True),
        (Condition(path="extra.news", among=(True,)), True),
        (Condition(path="extra.news", among=(False,)), False),
        (Condition(path="time", start=datetime(2026, 11, 20, tzinfo=UTC)), True),
        (Condition(path="time", end=datetime(2026, 11, 20, tzinfo=UTC)), False),
        (Condition(path="extra.since", start=datetime(2026, 11, 20, 5, tzinfo=UTC)), True),
    ],
    ids=lambda value: value.in_words() if isinstance(value, Condition) else str(value),
)
def test_a_route_takes_what_its_conditions_say(condition: Condition, takes: bool) -> None:
    extra = {
        "program": "M.B.A".replace(".", ""),
        "campus": ["Sur", "Norte"],
        "score": "7",
        "price": "7,5",
        "news": "Sí",
    }
    utm = {"campaign": "Black Friday"}
    lead = replace(ANA, city="  BOGOTA ", extra={**extra, "utm": utm, "since": "2026-11-20T00:00"})
    made = router(dial(when=(condition,)))
    assert bool(made.deliveries("landing", lead)) is takes
    [choice] = made.choices("landing", lead)
    assert (choice.why_not == "") is takes
    assert takes or condition.path in choice.why_not


def test_all_conditions_of_a_route_must_hold() -> None:
    both = (*when("extra.program", among=("MBA",)), *when("email", exists=False))
    assert router(dial(when=both)).deliveries("landing", ANA) == ()


def test_otherwise_takes_what_no_other_route_to_the_same_operation_took() -> None:
    made = router(
        dial("rest", "1044", otherwise=True),
        dial("mba", when=when("program", among=("MBA",))),
        dial("law", "1043", when=when("program", among=("Derecho",))),
        survey(on=("lead.created",)),
    )
    assert [new.route for new in made.deliveries("landing", ANA)] == ["mba", "survey"]
    other = replace(ANA, extra={"program": "Medicina"})
    assert [new.route for new in made.deliveries("landing", other)] == ["rest", "survey"]
    assert {one.route.name: one.why_not for one in made.choices("landing", ANA)} == {
        "rest": "“mba” takes it",
        "mba": "",
        "law": "program is “MBA”, and must be “Derecho”",
        "survey": "",
    }


def test_otherwise_keeps_its_own_conditions() -> None:
    rest = dial("rest", "1044", otherwise=True, when=when("city", exists=True))
    assert router(rest, dial("law", when=when("program", among=("Derecho",)))).deliveries("landing", ANA) == ()


def test_what_comes_after_a_route_that_does_not_take_an_event_does_not_take_it_either() -> None:
    first = survey("first", on=("lead.created",), when=when("program", among=("Derecho",)))
    made = router(first, dial("then", after="first"))
    assert made.deliveries("landing", ANA) == ()
    assert made.choices("landing", ANA)[1].why_not == "“first”, which it comes after, does not take it"


def test_what_comes_after_an_otherwise_route_follows_it() -> None:
    law = survey("law", on=("lead.created",), when=when("program", among=("Derecho",)))
    rest = survey("rest", on=("lead.created",), otherwise=True)
    made = router(law, rest, dial("then", after="rest"))
    assert [new.route for new in made.deliveries("landing", ANA)] == ["rest", "then"]
    assert [new.route for new in made.deliveries("landing", replace(ANA, extra={"program": "derecho"}))] == ["law"]


def test_every_route_says_why_it_does_not_take_an_event() -> None:
    made = router(dial("crm only", sources=("crm",)), dial("later", on=("lead.updated",)))
    assert [choice.why_not for choice in made.choices("landing", ANA)] == [
        'it takes events of "crm" only',
        'it takes "lead.updated", and this is "lead.created"',
    ]


# --- what is sent ---------------------------------------------------------------------------------------------------


def test_the_account_s_dial_plan_and_the_route_s_columns_shape_the_record() -> None:
    row = record(only(router(dial(options={"opt": ["utm.source", "campus", "not.there"]}))))
    assert (row["customer_name"], row["tel1"], row["tel2"]) == ("Ana", "93000000001", "93000000002")
    assert (row["opt1"], row["opt2"], row["opt3"]) == ("google", "Norte", "")
    assert all(isinstance(value, str) for value in row.values())
    plain = replace(DIALLER, dial_prefix="", phone_format="international")
    assert record(only(router(dial(), accounts=(plain,))))["tel1"] == "573000000001"


def test_tags_come_from_the_route_and_phones_in_the_account_s_format() -> None:
    ticket = Ticket(
        id="T-1",
        type="ticket.closed",
        time=AT,
        channel="email",
        customer=Customer(name="Ana", email="ana@example.com", phone=Phone(57, "3000000001")),
    )
    sent = record(only(router(survey(options={"tags": {"Canal": "channel"}})), ticket))
    assert sent["tags"] == [{"name": "Canal", "value": "email"}]
    assert sent["phone"] == "+573000000001"


def test_what_had_to_be_cut_is_noted() -> None:
    long = replace(ANA, extra={"program": "x" * 300})
    delivery = only(router(dial(options={"opt": ["program"]})), long)
    assert len(record(delivery)["opt1"]) == 100
    assert any("opt1" in one for one in delivery.notes)


def test_an_event_that_makes_no_record_is_dead_at_once_with_the_reason_and_harms_no_other_route() -> None:
    abroad = replace(ANA, phones=(Phone(55, "11900000001"),))
    dead, well = router(dial(), survey(on=("lead.created",))).deliveries("landing", abroad)
    assert (dead.state, dead.record) == ("dead", "")
    assert dead.reason is not None
    assert dead.reason.code is Code.NO_RECORD
    assert "tel1" in dead.reason.facts["words"]
    assert "11900000001" not in str(dead.reason)
    assert (well.state, well.reason) == ("pending", None)
    assert record(well)["email"] == "ana@example.com"


# --- how long, and how often ----------------------------------------------------------------------------------------


def test_expiry_runs_from_the_event_s_own_time() -> None:
    at_ms = int(AT.timestamp() * 1000)
    assert only(router(dial())).expires_at == at_ms + 7 * 86_400_000
    assert only(router(dial(expires_after_s=90.0))).expires_at == at_ms + 90_000


def test_expiry_runs_from_receipt_when_the_event_tells_no_time() -> None:
    before_ms = int(time.time() * 1000)
    expires_at = only(router(dial(expires_after_s=60.0)), replace(ANA, time=None)).expires_at
    assert before_ms + 60_000 <= expires_at <= int(time.time() * 1000) + 60_000


def test_without_once_per_there_is_no_key() -> None:
    assert only(router(dial())).once_key is None


def test_the_once_key_is_the_same_for_the_same_person_however_written() -> None:
    made = router(dial(once_per=OncePer(key="email", within_s=60)))
    key = only(made).once_key
    assert key
    for same in (" ANA@example.com ", "Ana@Example.COM"):
        assert only(made, replace(ANA, email=same, first_name="Otra")).once_key == key
    assert only(made, replace(ANA, email="eva@example.com")).once_key != key


def test_the_once_key_is_the_route_s_own() -> None:
    by_phone = OncePer(key="phone", within_s=60)
    one, other = router(dial("one", once_per=by_phone), dial("other", once_per=by_phone)).deliveries("landing", ANA)
    assert one.once_key != other.once_key
    assert one.once_key != one.contact


def test_an_event_without_the_once_value_is_guarded_by_nothing() -> None:
    made = router(dial(once_per=OncePer(key="utm.term", within_s=60)))
    assert only(made).once_key is None
    assert only(made, replace(ANA, extra={"utm": {"term": "  "}})).once_key is None
    assert only(made, replace(ANA, extra={"utm": {"term": 0}})).once_key is not None


# --- hashes ---------------------------------------------------------------------------------------------------------


def test_hashes_depend_on_the_key_and_show_nobody() -> None:
    once = OncePer(key="phone", within_s=60)
    ours, theirs = only(router(dial(once_per=once))), only(router(dial(once_per=once), key="k2"))
    assert ours.contact != theirs.contact
    assert ours.once_key != theirs.once_key
    for value in (ours.contact, ours.once_key):
        assert value is not None
        assert len(value) == 32
        assert "3000000001" not in value


def test_a_person_is_found_by_the_first_phone_or_else_the_e_mail() -> None:
    made = router(dial(), survey(on=("lead.created",)))
    assert only(router(dial())).contact == made.contact_hash("+573000000001")
    by_mail = made.deliveries("landing", replace(ANA, phones=()))
    assert {one.contact for one in by_mail} == {made.contact_hash("ANA@EXAMPLE.COM")}
    assert made.contact_hash(" ") is None


def test_a_key_of_any_length_will_do() -> None:
    for key in ("", "ñ", "x" * 500):
        assert router(dial(), key=key).contact_hash("+573000000001")


@given(st.text(max_size=30).filter(str.strip), st.text(max_size=30).filter(str.strip))
def test_two_values_share_a_hash_only_when_they_are_the_same_but_for_case(one: str, other: str) -> None:
    made = router()
    same = one.strip().casefold() == other.strip().casefold()
    assert (made.contact_hash(one) == made.contact_hash(other)) is same


@pytest.mark.parametrize("value", [["a"], {"a": 1}, 5, 1.5, True, AT])
def test_whatever_a_once_path_leads_to_makes_a_key(value: Any) -> None:
    made = router(dial(once_per=OncePer(key="what", within_s=60)))
    assert only(made, replace(ANA, extra={"what": value})).once_key
