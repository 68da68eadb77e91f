"""Twelve cases whose moments were computed by hand, to the millisecond: by `connector may`, and by real claims."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from connector.cli.root import connector as command
from connector.config import loader
from connector.store.database import Database
from connector.vendors import destinations
from tests.contact_people import MONDAY, Clock, People, at, case, imported, mailed, not_sent, other, person
from tests.outbound_steps import accepted, database, dial, store, unknown

__all__ = ["database", "store"]
pytestmark = pytest.mark.timeout(600)

CO, ES, CANARY, CL, CL_61, CL_MOBILE = (
    *("57 3001234567", "34 612345678", "34 922123456"),
    *("56 221234567", "56 612123456", "56 961234567"),
)
BR_81, BR_92, BR_11 = "55 81987654321", "55 92987654321", "55 11987654321"
MX_664, MX_614, MX_55 = "52 6641234567", "52 6141234567", "52 5512345678"
FL, NY, EC = "1 3052345678", "1 2122345678", "593 991234567"

#: (phones, purpose, moment, its zone, when they may be contacted: unix ms, None for at once).
CASES: list[tuple[list[str], str, str, str, int | None]] = [
    ([CO], "marketing", "2026-07-13T09:00", "America/Bogota", 1784030400000),
    ([CO], "marketing", "2026-07-09T09:00", "America/Bogota", None),
    ([CO], "marketing", "2026-11-14T14:59:59", "America/Bogota", None),
    ([CO], "marketing", "2026-11-14T15:00", "America/Bogota", 1794916800000),
    ([CO], "marketing", "2027-03-24T19:00", "America/Bogota", 1806152400000),
    ([CO], "marketing", "2026-11-19T18:30", "America/Mexico_City", 1795176000000),
    ([CL], "collection", "2026-09-05T20:00", "America/Santiago", 1788778800000),
    ([CL], "collection", "2026-04-03T12:00", "America/Santiago", 1775476800000),
    ([CL_61], "collection", "2026-07-17T19:30", "America/Santiago", 1784372400000),
    ([CL_MOBILE], "collection", "2026-07-17T07:30", "America/Santiago", 1784289600000),
    ([CL_MOBILE], "collection", "2026-07-17T18:59:59", "America/Santiago", None),
    ([CL_MOBILE], "collection", "2026-07-17T19:00", "America/Santiago", 1784376000000),
    ([BR_81], "marketing", "2026-11-19T07:30", "America/Recife", 1795086000000),
    ([BR_92], "marketing", "2026-11-19T07:30", "America/Manaus", 1795089600000),
    ([BR_11], "marketing", "2026-11-20T10:00", "America/Sao_Paulo", 1795258800000),
    ([BR_11], "marketing", "2026-07-09T10:00", "America/Sao_Paulo", 1783681200000),
    (["55 31987654321"], "marketing", "2026-07-09T10:00", "America/Sao_Paulo", None),
    ([ES], "service", "2026-10-23T09:30", "Europe/Madrid", 1792742400000),
    ([ES], "service", "2026-10-23T21:30", "Europe/Madrid", 1793005200000),
    ([CANARY], "service", "2026-10-23T21:30", "Europe/Madrid", None),
    ([ES], "service", "2026-10-09T21:00", "Europe/Madrid", 1791878400000),
    ([MX_664], "collection", "2026-10-30T22:00", "America/Tijuana", 1793631600000),
    ([MX_614], "collection", "2026-11-19T22:30", "America/Chihuahua", 1795179600000),
    ([MX_55], "collection", "2026-11-13T22:00", "America/Mexico_City", 1794920400000),
    ([CO, ES], "service", "2026-11-19T06:30", "America/Bogota", 1795089600000),
    ([CO, ES], "service", "2026-11-19T15:00", "America/Bogota", 1795176000000),
    ([CO, ES], "service", "2026-11-13T15:00", "America/Bogota", 1794916800000),
    ([NY], "marketing", "2026-11-01T07:59", "America/New_York", 1793538000000),
    ([NY], "marketing", "2026-11-01T20:30", "America/New_York", None),
    ([FL], "marketing", "2026-11-01T20:30", "America/New_York", 1793624400000),
    ([EC], "collection", "2026-10-30T20:00", "America/Guayaquil", 1793793600000),
]
ROUTES = {"marketing": "lead.created", "collection": "lead.updated", "service": "lead.asked"}

CONFIGURATION = """
timezone = "America/Mexico_City"
region = "CO"

[contact]
law = true
{contact}

[accounts.dialler]
vendor = "wolkvox"
base_url = "http://127.0.0.1:9"
token = "invented-1"
phone_format = "international"
countries = ["AR", "BR", "CL", "CO", "EC", "ES", "MX", "PE", "PT", "US"]
phones_per_lead = 10

[accounts.other]
vendor = "wolkvox"
base_url = "http://127.0.0.1:9"
token = "invented-2"
phone_format = "international"
countries = ["AR", "BR", "CL", "CO", "EC", "ES", "MX", "PE", "PT", "US"]
phones_per_lead = 10

[accounts.surveys]
vendor = "tracksale"
base_url = "http://127.0.0.1:9"
token = "invented-3"

[sources.landing]
mapping = "lead"
verify = {{ scheme = "none" }}

[sources.debts]
mapping = "lead"
verify = {{ scheme = "none" }}

[sources.desk]
mapping = "ticket"
verify = {{ scheme = "none" }}

[[routes]]
name = "marketing"
sources = ["landing", "debts"]
on = "lead.created"
to = "wolkvox.add_record"
account = "dialler"
campaign_id = "1042"
campaign_status = "start"

[[routes]]
name = "collection"
purpose = "collection"
on = "lead.created"
sources = ["debts"]
to = "wolkvox.add_record"
account = "dialler"
campaign_id = "1043"
campaign_status = "start"

[[routes]]
name = "service"
purpose = "service"
on = "lead.created"
sources = ["debts"]
to = "wolkvox.add_record"
account = "dialler"
campaign_id = "1044"
campaign_status = "start"

[[routes]]
name = "other"
sources = ["landing", "debts"]
on = "lead.updated"
to = "wolkvox.add_record"
account = "other"
campaign_id = "2042"
campaign_status = "start"

[[routes]]
name = "survey"
sources = ["landing", "debts", "desk"]
purpose = "survey"
channel = "email"
on = "ticket.closed"
to = "tracksale.dispatch"
account = "surveys"
campaign_code = "52"
expires_after = "30d"
"""
May = Callable[..., dict[str, Any]]


def stamp(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment / 1000, UTC):%Y-%m-%dT%H:%M:%S}.{moment % 1000:03}Z"


@pytest.fixture
def configured(tmp_path: Path, store: str) -> Callable[..., tuple[dict[str, str], May]]:
    def configured(contact: str = "") -> tuple[dict[str, str], May]:
        path = tmp_path / "connector.toml"
        path.write_text(CONFIGURATION.format(contact=contact), encoding="utf-8")
        url = store.replace("+psycopg", "")
        environ = {"CONNECTOR_CONFIG": str(path), "DATABASE_URL": url, "CONNECTOR_SECRET_KEY": "invented-key"}

        def may(route: str, moment: int, *who: str) -> dict[str, Any]:
            ways = [one if "@" in one else "+" + one.replace(" ", "") for one in who]
            result = CliRunner().invoke(
                command, ["may", *ways, "--route", route, "--at", stamp(moment), "--json"], env=environ
            )
            assert result.exit_code == 0, result.output
            found: dict[str, Any] = json.loads(result.stdout)
            return found

        return environ, may

    return configured


def world(environ: dict[str, str], database: Database) -> People:
    """Real claims under the very configuration that the command reads."""
    out = People(database, Clock(database), dial(), other(), mailed())
    out.reload(loader.load(environ, destinations=destinations.SPECS))
    return out


def test_the_command_says_each_case_to_the_millisecond(configured):
    _, may = configured()
    seen: set[str] = set()  # the edges of each kind of number once: a command costs
    for numbers, purpose, moment, zone, opens in CASES:
        asked = at(moment, zone)
        answer = may(purpose, asked, *numbers)
        told = (answer["may"], answer["not_before"])
        assert told == (opens is None, opens and stamp(opens)), (numbers, moment, answer)
        if opens is not None and numbers[0] not in seen:
            seen.add(numbers[0])
            assert may(purpose, opens - 1, *numbers)["not_before"] == stamp(opens)
            assert may(purpose, opens, *numbers)["may"], (numbers, moment)


def test_real_claims_wait_for_that_very_millisecond(database):
    month = 30 * 86400
    routes = [
        dial(str(number), name=purpose, purpose=purpose, on=(ROUTES[purpose],), expires_after_s=month)
        for number, purpose in enumerate(ROUTES, 1042)
    ]
    out = People(database, Clock(database), *routes, timezone="America/Mexico_City")
    steps = [(at(case[2], case[3]), 0, number) for number, case in enumerate(CASES)]
    for number, (*_, opens) in enumerate(CASES):
        steps += [(opens - 1, 1, number), (opens, 2, number)] if opens is not None else []
    of_case: dict[int, int] = {}
    for moment, step, number in sorted(steps):
        out.clock.now = moment
        phones, purpose, _, _, opens = CASES[number]
        if step == 0:
            out.put([person(*(phone[:-2] + f"{number:02}" for phone in phones), type=ROUTES[purpose])])
            of_case[number] = max(row.id for row in out.deliveries())
        while out.tries():
            pass  # others may have waited for that very millisecond
        row = next(row for row in out.deliveries() if row.id == of_case[number])
        waits = ("pending", opens) if step < 2 and opens is not None else ("delivered", None)
        assert (row.state, row.due_at if row.state == "pending" else None) == waits, CASES[number]
    assert out.states() == {"delivered": len(CASES)}


@pytest.mark.parametrize(("week", "until"), [("calendar", 1796040000000), ("rolling", 1796050800000)])
def test_caps_of_colombia_over_two_accounts_and_two_channels(database, configured, week, until):
    environ, may = configured(f'week = "{week}"')
    out = world(environ, database)
    out.put([person(CO, email="ana@example.com")])
    assert may("marketing", MONDAY, CO)["may"]
    assert out.tries(outcome=accepted() if week == "rolling" else unknown())
    evening, wednesday = at("2026-11-23T18:00"), at("2026-11-25T11:00")
    for who in ([CO], ["ana@example.com"], [CO, "ana@example.com"]):
        assert may("other", evening, *who)["not_before"] == stamp(1795521600000)
        assert may("survey", wednesday, *who)["not_before"] == stamp(until)
    out.clock.now = evening
    out.put([person(CO, type="lead.updated")])
    assert not out.tries("other")
    assert out.due() == [1795521600000]
    out.clock.now = wednesday
    out.put([case("ana@example.com")])
    assert not out.tries("surveys")
    assert until in out.due()
    out.clock.now = until - 1
    assert not out.tries("surveys")
    out.clock.now = until
    assert out.tries("surveys")


def test_what_was_not_sent_leaves_the_caps_of_colombia_empty(database, configured):
    environ, may = configured()
    out = world(environ, database)
    out.put([person(CO, email="ana@example.com")])
    out.tries(outcome=not_sent())
    assert may("other", at("2026-11-23T18:00"), CO)["may"]
    assert may("survey", at("2026-11-25T11:00"), CO)["may"]
    assert out.ledger() == []


def test_the_fourth_in_florida_waits_for_24_hours_of_any_clock(database, configured):
    environ, may = configured()
    out = world(environ, database)
    for moment in ("15:00", "18:00", "19:30"):
        out.clock.now = at(f"2026-10-31T{moment}", "America/New_York")
        out.put([person(FL)])
        assert out.tries()
    answer = may("marketing", at("2026-10-31T19:45", "America/New_York"), FL)
    assert answer["not_before"] == stamp(at("2026-11-01T19:00", "Etc/UTC"))


def verdict(answer, guard):
    return next(one for one in answer["verdicts"] if one["guard"] == guard)


def test_a_registry_is_good_for_its_age_and_not_a_millisecond_longer(database, configured):
    table = '[contact.lists.rne]\ncountries = ["CO"]\npurposes = ["marketing"]\nmax_age = "30d"\n'
    environ, may = configured(table)
    out = world(environ, database)
    imported(out, "57 3009999999", of=at("2026-11-02T09:00"))
    end = 1796220000000
    assert may("marketing", end - 1, CO)["may"]
    answer = may("marketing", end, CO)
    assert (answer["may"], answer["not_before"]) == (False, None)
    assert verdict(answer, "lists") == {
        "guard": "lists",
        "may": False,
        "why": "held: the list rne is of 2026-11-02",
        "until": None,
    }
    assert may("collection", end, CO)["may"]
    out.clock.now = end
    out.put([person(CO)])
    assert not out.tries()
    imported(out, "57 3009999999", of=end)
    assert out.tries()
    assert verdict(may("marketing", end, "57 3009999999"), "lists")["why"] == "on the list rne"
