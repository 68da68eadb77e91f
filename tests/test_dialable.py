"""A number costs somebody something, and a sender's word for a time is taken for a little while ahead only."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from connector.core.fields import NUMBERS
from connector.core.settings import Settings, Source
from connector.inbound.believed import believed
from connector.inbound.receiver import Receiver
from connector.inbound.router import Router
from connector.vendors.destinations import name_of
from mappings.dialable import NumberRule, judged
from mappings.events import Lead, Phone
from tests.outbound_steps import dial, dialler, lead

MOBILE, FIXED = Phone(57, "3001234567"), Phone(57, "6012345678")
TOLL_FREE, ABROAD, EITHER = Phone(57, "18001234567"), Phone(371, "21234567"), Phone(1, "3055550123")
PREMIUM, SATELLITE, NOBODY = Phone(57, "19001234567"), Phone(881, "612345678"), Phone(34, "511234567")
RULE = NumberRule(("CO",), ("mobile", "fixed"), 5)


@pytest.mark.parametrize(
    ("rule", "phone", "said"),
    [
        (RULE, MOBILE, ""),
        (RULE, FIXED, ""),
        (RULE, ABROAD, "a number of LV is left out"),
        (replace(RULE, countries=("CO", "LV")), ABROAD, ""),
        (replace(RULE, numbers=("mobile",)), FIXED, "a fixed number is left out"),
        (replace(RULE, countries=("US",), numbers=("fixed",)), EITHER, ""),
        (replace(RULE, countries=("US",), numbers=("voip",)), EITHER, "a fixed_or_mobile number is left out"),
        (RULE, PREMIUM, "a premium number is left out"),
        (replace(RULE, numbers=("premium",)), PREMIUM, ""),
        (replace(RULE, countries=("ES",), numbers=("premium",)), PREMIUM, "a number of CO is left out"),
        (RULE, SATELLITE, "a satellite number is left out"),
        (replace(RULE, numbers=("satellite",)), SATELLITE, ""),
        (
            replace(RULE, countries=("ES",), numbers=NUMBERS),
            NOBODY,
            "a number is left out: it is not in use, or no person's",
        ),
    ],
)
def test_a_number_is_judged_by_its_country_and_kind(rule: NumberRule, phone: Phone, said: str) -> None:
    assert rule.fault(phone).startswith(said) and bool(rule.fault(phone)) == bool(said)


def test_a_person_has_so_many_numbers_and_each_other_one_a_note() -> None:
    many = tuple(Phone(57, f"30012345{number:02}") for number in range(8))
    event, notes = judged(lead(1, phones=(ABROAD, *many), callback_phone=ABROAD), RULE)
    assert isinstance(event, Lead)
    assert event.phones == many[:5] and event.callback_phone is None
    assert [one.partition(":")[0] for one in notes] == [
        "phones.0",
        "phones.6",
        "phones.7",
        "phones.8",
        "callback_phone",
    ]


def test_a_source_only_takes_away() -> None:
    assert RULE.narrowed(("CO", "LV"), ("mobile", "voip"), 9) == NumberRule(("CO",), ("mobile",), 5)
    assert RULE.narrowed((), (), 2) == replace(RULE, most=2)


def _router(**of_source: object) -> Router:
    account = dialler(phone_format="international", numbers=("mobile", "fixed"))
    source = Source(name="landing", mapping="lead", **of_source)  # type: ignore[arg-type]
    settings = Settings(accounts={"dialler": account}, routes=(dial(),), sources={"landing": source})
    return Router(settings, name_of)


def test_a_row_has_only_what_the_account_and_the_source_allow() -> None:
    [new] = _router().deliveries("landing", lead(1, phones=(ABROAD, MOBILE, FIXED)))
    row = json.loads(new.record)
    assert (row["tel1"], row["tel2"], row["tel3"]) == ("573001234567", "576012345678", "")
    assert any(one.startswith("phones.0: a number of LV") for one in new.notes)
    [new] = _router(numbers=("mobile",)).deliveries("landing", lead(1, phones=(FIXED, MOBILE)))
    assert json.loads(new.record)["tel1"] == "573001234567"


def test_a_person_without_a_number_that_may_be_called_is_not_called_and_it_is_said_why() -> None:
    [new] = _router().deliveries("landing", lead(1, phones=(ABROAD,)))
    assert new.state == "dead"
    assert "a number of LV is left out" in str(new.reason)


@pytest.mark.parametrize("named", [("mobile", "premium"), ("mobile", "satellite", "premium")])
def test_what_costs_extra_is_called_by_an_account_that_names_it_and_by_no_other(named: tuple[str, ...]) -> None:
    premium = dialler(phone_format="international", numbers=named)
    usual = dialler(name="usual", phone_format="international", numbers=("mobile", "fixed"))
    settings = Settings(
        accounts={"dialler": premium, "usual": usual},
        routes=(dial(), dial(name="too", account="usual")),
        sources={"landing": Source(name="landing", mapping="lead")},
    )
    router = Router(settings, name_of)
    body = {"id": "1", "type": "lead.created", "data": {"phones": ["01 900 123 4567", "+881612345678", "3001234567"]}}
    event = Receiver(settings, router).read(settings.sources["landing"], body)
    assert isinstance(event, Lead)
    rows = {new.account: json.loads(new.record) for new in router.deliveries("landing", event)}
    called = {
        account: [row[f"tel{number}"] for number in (1, 2, 3) if row[f"tel{number}"]] for account, row in rows.items()
    }
    satellite = ["881612345678"] if "satellite" in named else []
    assert called == {"dialler": ["5719001234567", *satellite, "573001234567"], "usual": ["573001234567"]}
    notes = {new.account: " ".join(new.notes) for new in router.deliveries("landing", event)}
    assert "phones.0: a premium number is left out: add premium to numbers" in notes["usual"]


def test_a_time_ahead_is_noted_and_left_out() -> None:
    now = datetime(2026, 11, 30, 12, tzinfo=UTC)
    soon, late = now + timedelta(minutes=4), now + timedelta(minutes=6)
    assert believed(lead(1, time=soon), now).time == soon
    event = believed(lead(1, time=late, callback_at=now + timedelta(days=61)), now)
    assert isinstance(event, Lead)
    assert (event.time, event.callback_at) == (None, None)
    assert [one.partition(":")[0] for one in event.notes] == ["time", "callback_at"]
    wished = lead(1, callback_at=now + timedelta(days=59))
    assert believed(wished, now) == wished


def test_a_delivery_does_not_wait_for_a_time_that_a_sender_made_up() -> None:
    [new] = _router().deliveries("landing", lead(1, time=datetime(2199, 1, 1, tzinfo=UTC)))
    assert new.expires_at < (datetime.now(UTC) + timedelta(days=8)).timestamp() * 1000
