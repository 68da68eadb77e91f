"""Numbers are judged again at the claim, and people who are called in a day are counted by country and by source."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text, update

from connector.admin.alarms.conditions import Looker
from connector.admin.explain import explain
from connector.admin.may import may
from connector.admin.status import status
from connector.core.caps import BY_NUMBER
from connector.core.errors import ConfigError
from connector.core.fields import NUMBERS
from connector.core.quota import Wait
from connector.core.reasons import Code
from connector.core.settings import Account, Alarms, Route, Source
from connector.inbound.receiver import Receiver
from connector.inbound.router import Router
from connector.outbound.aside import Aside
from connector.outbound.chain import Releasing
from connector.outbound.claims import Claim
from connector.store import country_calls, inbox, tables
from connector.store.arrivals import Arrival
from connector.store.database import Database, now_ms
from connector.store.lanes import CEILING_LANES, LIVE, PARKED_LANES
from connector.vendors.destinations import name_of, places
from mappings import RECORDS
from mappings.events import Customer, Phone
from tests import outbound_steps
from tests.config_texts import DIAL, DIALLER, LANDING, load_text
from tests.outbound_steps import Out, accepted, code, dial, dialler, lead, refused, survey, surveys, ticket
from tests.test_turns import OPEN, SECRET, SIGNED

store, database = outbound_steps.store, outbound_steps.database

MOBILE, FIXED, ABROAD = Phone(57, "3001234567"), Phone(57, "6012345678"), Phone(1, "2125550123")


def calling(**values: Any) -> Account:
    return dialler(phone_format="international", **{"numbers": ("mobile", "fixed"), **values})


def configured(database: Database, account: Account, *sources: Source) -> Out:
    out = Out(database, dial(), accounts=[account])
    return reload(out, account, *sources)


def reload(out: Out, account: Account, *sources: Source) -> Out:
    """The same deliveries under another configuration."""
    out.settings = replace(
        out.settings, accounts={account.name: account}, sources={source.name: source for source in sources}
    )
    out.places = places(out.settings)
    out.router = Router(out.settings, name_of)
    out.lines = {name: replace(one, account=account, places=dict(out.places[name])) for name, one in out.lines.items()}
    return out


def put(out: Out, source: str, *people: tuple[Phone, ...], first: int = 0) -> None:
    """A lead each; its payload is what the mapping ``lead`` reads."""
    with out.database.write() as conn:
        for number, phones in enumerate(people, start=first):
            event = lead(number, id=f"{source}-{number}", phones=phones)
            body = {"id": event.id, "type": "lead.created", "data": {"phones": [phone.e164 for phone in phones]}}
            deliveries = out.router.deliveries(source, event)
            inbox.store(
                conn,
                [
                    Arrival(
                        source=source,
                        event_id=event.id,
                        type=event.type,
                        state="accepted",
                        payload=json.dumps(body),
                        deliveries=deliveries,
                    )
                ],
            )


def releases(out: Out) -> int:
    receiver = Receiver(out.settings, out.router)
    return Releasing(out.settings, out.database, out.places, out.router, receiver).run_once()


def looks(out: Out) -> Claim | Wait:
    """Claims until there is a call, or nothing to do now."""
    answer = out.claim()
    while isinstance(answer, Wait) and answer.seconds == 0:
        answer = out.claim()
    return answer


def phones_of(claimed: Claim | Wait) -> list[list[str]]:
    assert isinstance(claimed, Claim), claimed
    rows = [json.loads(record) for _, record in claimed.records]
    return [[row[name] for name in ("tel1", "tel2", "tel3") if row[name]] for row in rows]


# --- judged again ---------------------------------------------------------------------------------------------------


def test_what_is_called_is_said_by_the_destination_and_by_its_records() -> None:
    from connector.vendors.destinations import DESTINATIONS

    assert {name for name, one in DESTINATIONS.items() if one.calls} == {
        name for name, one in RECORDS.items() if getattr(one, "calls", False)
    }


def messages(channel: str, **values: Any) -> Route:
    """Leads surveyed in the channel."""
    return survey(**{"on": ("lead.created",), "channel": channel, **values})


def surveying(database: Database, channel: str, *sources: Source, **values: Any) -> Out:
    account = surveys(phone_format="international", **{"numbers": ("mobile", "fixed"), **values})
    out = Out(database, messages(channel), accounts=[account])
    return reload(out, account, *sources)


def phones_surveyed(claimed: Claim | Wait) -> list[str | None]:
    assert isinstance(claimed, Claim), claimed
    return [json.loads(record).get("phone") for _, record in claimed.records]


@pytest.mark.parametrize("channel", BY_NUMBER)
def test_a_survey_at_a_number_goes_to_those_that_the_account_allows(database: Database, channel: str) -> None:
    premium = Phone(57, "19001234567")
    out = surveying(database, channel, SIGNED)
    put(out, "crm", (premium, ABROAD, FIXED), (MOBILE,), (ABROAD,))
    assert phones_surveyed(out.claim("surveys")) == ["576012345678", "573001234567"]
    [new] = out.router.deliveries("crm", lead(1, phones=(premium, ABROAD, FIXED)))
    assert [one.partition(" is left out")[0] for one in new.notes] == [
        "phones.0: a premium number",
        "phones.1: a number of US",
    ]
    [dead] = out.deliveries("dead")
    assert code(dead) == Code.NO_RECORD and "a number of US is left out" in str(dead.reason_facts)


@pytest.mark.parametrize("channel", BY_NUMBER)
@pytest.mark.parametrize("narrowed", ["account", "source"])
def test_a_survey_at_a_number_is_judged_again_at_the_claim(database: Database, channel: str, narrowed: str) -> None:
    wide: Any = {"countries": ("CO", "US")}
    out = surveying(database, channel, SIGNED, **wide)
    put(out, "crm", (ABROAD, MOBILE), (ABROAD,))
    of_source: Any = {"countries": ("CO",)} if narrowed == "source" else {}
    account = surveys(
        phone_format="international", numbers=("mobile", "fixed"), **({} if narrowed == "account" else wide)
    )
    reload(out, account, replace(SIGNED, **of_source))
    assert isinstance(out.claim("surveys"), Wait)
    assert {code(row) for row in out.deliveries("pending")} == {Code.NUMBERS_AGAIN}
    assert releases(out) == 2
    assert phones_surveyed(out.claim("surveys")) == ["573001234567"]
    [dead] = out.deliveries("dead")
    assert code(dead) == Code.NO_RECORD


def test_an_unsaid_channel_and_e_mail_reach_no_number(database: Database) -> None:
    for channel in ("email", ""):
        out = surveying(database, channel, SIGNED)
        assert all(not one.number_rules and not one.reaches_numbers for one in out.places["surveys"].values())
        [new] = out.router.deliveries("crm", lead(1, phones=(ABROAD,), email="ana@example.com"))
        assert (new.rule, json.loads(new.record)["phone"], new.notes) == (None, "12125550123", ())


def test_who_is_reached_at_a_number_and_has_none_left_is_not_surveyed_elsewhere(database: Database) -> None:
    out = surveying(database, "sms", SIGNED)
    [new] = out.router.deliveries("crm", lead(1, phones=(ABROAD,), email="ana@example.com"))
    assert new.state == "dead" and "a number of US is left out" in str(new.reason)
    router = Router(replace(out.settings, routes=(messages("sms", on=("ticket.closed",)),)), name_of)
    [new] = router.deliveries("crm", ticket(1, customer=Customer(email="ana@example.com", phone=ABROAD)))
    assert new.state == "dead" and "a number of US is left out" in str(new.reason)
    [new] = router.deliveries("crm", ticket(1, customer=Customer(email="ana@example.com", phone=MOBILE)))
    assert json.loads(new.record)["phone"] == "573001234567"


def test_people_who_get_a_message_count_for_the_ceiling(database: Database) -> None:
    out = surveying(database, "whatsapp", SIGNED, calls_per_day=(("all", 2),))
    put(out, "crm", *people(3))
    claimed = out.claim("surveys")
    assert len(phones_surveyed(claimed)) == 2
    assert [code(row) for row in out.deliveries("pending")] == [Code.CEILING_HELD]
    answer = may(out.settings, database, "+12125550123", out.settings.routes[0], 10**13)
    told = {one.guard: one for one in answer.verdicts}
    assert not told["numbers"].may and "calls_per_day" in told


@pytest.mark.parametrize(
    "narrowed",
    [
        {"account": {"numbers": ("mobile",)}},
        {"source": {"numbers": ("mobile",)}},
        {"account": {"phones_per_lead": 1}},
        {"source": {"phones_per_lead": 1}},
    ],
)
def test_a_record_of_a_wider_rule_is_made_anew_before_it_is_sent(database: Database, narrowed: Any) -> None:
    out = configured(database, calling(), SIGNED)
    put(out, "crm", (MOBILE, FIXED))
    reload(out, calling(**narrowed.get("account", {})), replace(SIGNED, **narrowed.get("source", {})))
    assert isinstance(looks(out), Wait)
    [waiting] = out.deliveries("pending")
    assert waiting.lane in PARKED_LANES and code(waiting) == Code.NUMBERS_AGAIN and waiting.attempts == ""
    assert releases(out) == 1
    [waiting] = out.deliveries("pending")
    assert (waiting.lane, code(waiting)) == (LIVE, None)
    assert phones_of(looks(out)) == [["573001234567"]]


def test_nobody_is_called_in_a_country_that_left_the_configuration(database: Database) -> None:
    out = configured(database, calling(countries=("CO", "US")), SIGNED)
    put(out, "crm", (ABROAD,), (MOBILE,))
    reload(out, calling(), SIGNED)
    looks(out)
    releases(out)
    assert phones_of(looks(out)) == [["573001234567"]]
    [dead] = out.deliveries("dead")
    assert code(dead) == Code.NO_RECORD and "a number of US is left out" in str(dead.reason_facts)


def test_what_costs_extra_is_not_called_once_no_account_names_it(database: Database) -> None:
    out = configured(database, calling(numbers=("mobile", "premium")), SIGNED)
    put(out, "crm", (Phone(57, "19001234567"), MOBILE), (Phone(57, "19001234568"),))
    reload(out, calling(), SIGNED)
    looks(out)
    releases(out)
    assert phones_of(looks(out)) == [["573001234567"]]
    [dead] = out.deliveries("dead")
    assert code(dead) == Code.NO_RECORD


def test_a_number_of_no_country_is_called_where_its_kind_is_named(database: Database) -> None:
    out = configured(database, calling(numbers=("satellite",), calls_per_day=(("other", 1),)), SIGNED)
    put(out, "crm", (Phone(881, "612345678"),), (Phone(881, "612345679"),))
    assert phones_of(looks(out)) == [["881612345678"]]
    [waiting] = out.deliveries("pending")
    assert code(waiting) == Code.CEILING_HELD


def test_what_an_earlier_release_stored_is_judged_too(database: Database) -> None:
    out = configured(database, calling(), SIGNED)
    put(out, "crm", (MOBILE,))
    with database.write() as conn:
        conn.execute(update(tables.deliveries).values(rule=None))
    assert isinstance(looks(out), Wait)
    releases(out)
    assert phones_of(looks(out)) == [["573001234567"]]


def test_the_same_rule_in_another_order_makes_nothing_anew(database: Database) -> None:
    out = configured(database, calling(countries=("CO", "US")), SIGNED)
    put(out, "crm", (MOBILE,))
    reload(out, calling(countries=("US", "CO"), numbers=("fixed", "mobile")), SIGNED)
    assert phones_of(looks(out)) == [["573001234567"]]


def test_a_source_that_left_keeps_what_it_sent_under_the_account_s_rule(database: Database) -> None:
    out = configured(database, calling(), SIGNED, OPEN)
    put(out, "pub", (MOBILE,))
    reload(out, calling(), SIGNED)
    assert phones_of(looks(out)) == [["573001234567"]]


# --- ceilings -------------------------------------------------------------------------------------------------------


def people(count: int, phone: Phone = MOBILE) -> list[tuple[Phone, ...]]:
    return [(Phone(phone.country_code, str(int(phone.national) + number)),) for number in range(count)]


def sent_all(out: Out) -> int:
    count = 0
    while isinstance(claimed := looks(out), Claim):
        count += len(claimed.records)
        out.settle(claimed, accepted())
    return count


def test_beyond_the_account_s_ceiling_the_newest_wait(database: Database) -> None:
    out = configured(database, calling(calls_per_day=(("all", 3),)), SIGNED)
    put(out, "crm", *people(5))
    assert sent_all(out) == 3
    waiting = out.deliveries("pending")
    assert {row.lane for row in waiting} <= set(CEILING_LANES) and waiting == out.deliveries()[3:]
    assert {code(row) for row in waiting} == {Code.CEILING_HELD}
    assert all(row.due_at == row.expires_at and row.attempts == "" for row in waiting)
    Aside(out.settings, database, out.places).run_once()
    assert sent_all(out) == 0, "there is no room yet"
    tomorrow(out)
    Aside(out.settings, database, out.places).run_once()
    assert sent_all(out) == 2


def test_prefixes_countries_and_others_are_counted_apart(database: Database) -> None:
    ceilings = (("+1", 2), ("CO", 1), ("other", 1))
    out = configured(database, calling(countries=("CO", "US", "CA", "PE"), calls_per_day=ceilings), SIGNED)
    put(out, "crm", *people(3, ABROAD), *people(3, Phone(1, "4165550123")))
    put(out, "crm", *people(3), *people(2, Phone(51, "912345678")), first=50)
    assert sent_all(out) == 4
    with database.read() as conn:
        used = country_calls.used(conn, "dialler", now_ms(conn))
    assert sum(many for (country, _), many in used.items() if country in ("US", "CA")) == 2
    assert (used["CO", "crm"], used["PE", "crm"]) == (1, 1)


def test_a_full_prefix_keeps_nobody_else_waiting(database: Database) -> None:
    out = configured(database, calling(countries=("CO", "US"), calls_per_day=(("+1", 1), ("CO", 4))), SIGNED)
    put(out, "crm", *people(3, ABROAD), *people(6))
    assert sent_all(out) == 5
    with database.write() as conn:
        conn.execute(text("UPDATE country_calls SET people = 3 WHERE country = 'CO'"))
    Aside(out.settings, database, out.places).run_once()
    assert sent_all(out) == 1
    assert {row.place[:2] for row in out.deliveries("delivered")} == {"CO", "US"}


def test_a_source_s_ceiling_leaves_the_others_alone(database: Database) -> None:
    out = configured(database, calling(), replace(OPEN, calls_per_day=(("all", 2),)), SIGNED)
    put(out, "pub", *people(4))
    put(out, "crm", *people(4), first=50)
    assert sent_all(out) == 6
    assert {code(row) for row in out.deliveries("pending")} == {Code.CEILING_HELD}
    assert "pub" in str(out.deliveries("pending")[0].reason_facts)


def test_where_room_is_short_the_more_trusted_go(database: Database) -> None:
    out = configured(database, calling(calls_per_day=(("all", 2),)), OPEN, SIGNED, SECRET)
    put(out, "pub", *people(2))
    put(out, "crm", *people(1), first=50)
    put(out, "form", *people(1), first=60)
    assert sent_all(out) == 2
    assert out.deliveries("delivered") == out.deliveries()[2:]


def test_what_was_provably_not_sent_calls_nobody(database: Database) -> None:
    out = configured(database, calling(calls_per_day=(("all", 1),)), SIGNED)
    put(out, "crm", *people(1))
    claimed = looks(out)
    assert isinstance(claimed, Claim)
    out.make(claimed)  # nobody listens there
    with database.read() as conn:
        assert country_calls.used(conn, "dialler", now_ms(conn)) == {}


def test_a_refused_batch_is_still_halved_when_its_members_come_back(database: Database) -> None:
    out = configured(database, calling(calls_per_day=(("all", 100),)), SIGNED)
    out.works()
    put(out, "crm", *people(4))
    out.settle(looks(out), refused())  # type: ignore[arg-type]
    before = [(row.lane, row.split) for row in out.deliveries()]
    reload(out, calling(calls_per_day=(("all", 4),)), SIGNED)
    assert isinstance(looks(out), Wait)
    reload(out, calling(), SIGNED)
    Aside(out.settings, database, out.places).run_once()
    assert [(row.lane, row.split) for row in out.deliveries()] == before


def test_people_are_told_of_a_ceiling_that_is_near(database: Database) -> None:
    out = configured(database, calling(calls_per_day=(("all", 5),)), SIGNED)
    put(out, "crm", *people(3))
    assert sent_all(out) == 3
    looker = Looker(out.settings, Alarms(to=()))
    with database.read() as conn:
        assert not list(looker.ceilings(conn, now_ms(conn)))
    put(out, "crm", *people(3), first=50)
    assert sent_all(out) == 2
    with database.read() as conn:
        [near] = looker.ceilings(conn, now_ms(conn))
    assert near.facts == {"account": "dialler", "whose": "dialler", "prefix": "all", "used": 5, "most": 5}
    [waiting] = out.deliveries("pending")
    [event] = explain(database, out.settings, f"d{waiting.id}")["events"]
    assert "calls_per_day of dialler is reached (5 people a day, all)" in event["deliveries"][0]["now"]
    [account] = [one for one in status(database, out.settings)["accounts"] if one["account"] == "dialler"]
    assert account["ceilings"][0]["said"].endswith("5 of 5 people were called in the last 24 h")
    answer = may(out.settings, database, "+573009998877", out.settings.routes[0], 10**13)
    told = {one.guard: one for one in answer.verdicts}
    assert told["numbers"].may and "calls_per_day" in told


def test_may_says_which_numbers_are_not_called(database: Database) -> None:
    out = configured(database, calling(), SIGNED)
    [told] = [
        one
        for one in may(out.settings, database, "+12125550123", out.settings.routes[0], 10**13).verdicts
        if one.guard == "numbers"
    ]
    assert not told.may and told.why.startswith("a number of US is left out")


def test_kinds_of_numbers_are_named_and_others_are_a_fault(tmp_path: Path) -> None:
    def of(said: str) -> tuple[str, ...]:
        return load_text(tmp_path, DIALLER + f"numbers = {said}\n" + DIAL + LANDING).accounts["dialler"].numbers

    for kind in NUMBERS[1:]:
        assert of(f'["mobile", "{kind}"]') == ("mobile", kind)
    for wrong in ("pager", "Premium", "premium_rate"):
        with pytest.raises(ConfigError, match=r"is no kind of number: choose of .*premium"):
            of(f'["mobile", "{wrong}"]')


def test_ceilings_are_people_in_all_or_by_prefix(tmp_path: Path) -> None:
    def of(said: str) -> Any:
        return load_text(tmp_path, DIALLER + DIAL + LANDING + f"calls_per_day = {said}\n").sources["landing"]

    assert of("20").calls_per_day == (("all", 20),)
    assert of('{ "+57" = 9, CO = 8, other = 7, all = 6 }').calls_per_day == (
        *(("+57", 9), ("CO", 8)),
        *(("other", 7), ("all", 6)),
    )
    for wrong in ("0", "-1", "true", "1.5", '"9"', "[]", "{}", '{ "+57" = 0 }', '{ "+999" = 1 }', "{ XX = 1 }"):
        with pytest.raises(ConfigError, match="calls_per_day"):
            of(wrong)
    with pytest.raises(ConfigError, match=r'write one like "\+57"'):
        of('{ "57" = 1 }')


def tomorrow(out: Out) -> None:
    with out.database.write() as conn:
        conn.execute(text("UPDATE country_calls SET at = at - 86401000"))
