"""Pages of the console for which a vendor is asked: a draft lot, campaigns, answers to surveys; over the sandbox."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from connector.config import loader
from connector.console.app import create
from connector.core.settings import Console
from connector.store.database import Database
from connector.vendors import destinations
from connector.vendors.sandbox.exchange import Sandbox
from tests.conforming import conforms
from tests.connector_steps import World, environment
from tests.test_api_acts import ask, told
from tests.test_console import PEOPLE, Browser
from tests.test_console_acts import decided
from tests.test_lots import ROUTE, by_hand, drafted, of_26
from tests.web_client import assert_problem, web


@pytest.fixture
def world(tmp_path: Path, sqlite_url: str, sandbox: Sandbox) -> Iterator[World]:
    environ = environment(tmp_path, sqlite_url, sandbox.url, more=ROUTE)
    settings = loader.load(environ, destinations=destinations.SPECS)
    settings = replace(settings, console=Console(enabled=True, people=PEOPLE))
    database = Database(sqlite_url)
    yield World(settings, database)
    database.close()
    assert sandbox.breaches == [], sandbox.breaches


def browser(world: World, name: str = "ana") -> Browser:
    return Browser(create(world.settings, world.database), name)


def looked_at(there: Browser, code: str) -> tuple[str, dict[str, str]]:
    """The page of a lot, and what its form to fire it holds."""
    answer = there.post("/console/lots/look", account="surveys", campaign="26", lot=code)
    assert answer.status_code == 200, answer.text
    form = answer.text.split('action="/console/lots/fire"')[1].split("</form>")[0]
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form))
    return answer.text, {name: value for name, value in hidden.items() if name != "form_token"}


def test_a_lot_is_shown_masked_and_fired_once(world: World, sandbox: Sandbox) -> None:
    code = drafted(world, 3)
    by_hand(sandbox, 2)
    there = browser(world)
    text, form = looked_at(there, code)
    assert "Survey 5" in text and "Rosa" not in text and "zoe1@" not in text and "z…@example.com" in text
    fired = there.post("/console/lots/fire", **form, why="the list is complete")
    assert f"Lot {code} is fired; customers: 5." in fired.text
    assert decided(world) == [("ana", "fire", "the list is complete")]
    again = there.post("/console/lots/fire", **form)
    assert again.status_code == 400 and "is no draft any more: it is fired" in again.text
    assert len(decided(world)) == 1


def test_a_lot_that_has_changed_since_it_was_shown_is_left_as_it_is(world: World, sandbox: Sandbox) -> None:
    code = drafted(world, 3)
    there = browser(world)
    _, form = looked_at(there, code)
    by_hand(sandbox, 1)
    for what in ("fire", "discard"):
        refused = there.post(f"/console/lots/{what}", **form)
        assert refused.status_code == 400 and "has changed since it was shown (customers: 3, now 4)" in refused.text
    spanish = Browser(create(world.settings, world.database), "ana", "es").post("/console/lots/fire", **form)
    assert "cambió desde que se mostró (clientes: 3, ahora 4)" in spanish.text
    assert not decided(world)


def test_a_discarded_lot_ends_our_deliveries(world: World) -> None:
    code = drafted(world, 2)
    there = browser(world)
    _, form = looked_at(there, code)
    assert "is discarded" in there.post("/console/lots/discard", **form, why="a wrong campaign").text
    assert {row.state for row in of_26(world)} == {"suppressed"}
    assert decided(world) == [("ana", "discard", "a wrong campaign")]


def test_whom_a_guard_keeps_back_is_fired_only_with_a_reason(world: World) -> None:
    code = drafted(world, 2)
    there = browser(world)
    there.post("/console/do-not-contact", text="zoe1@example.com", how="add", why="asked for it")
    text, form = looked_at(there, code)
    assert "May not be contacted now" in text and "Contact them all the same" in text
    for more in ({}, {"anyway": "yes"}, {"why": "x"}):
        refused = there.post("/console/lots/fire", **form, **more)
        assert refused.status_code == 409 and "Nothing was fired" in refused.text
    assert "is fired" in there.post("/console/lots/fire", **form, anyway="yes", why="they called again").text


def test_a_lot_may_be_fired_later(world: World) -> None:
    code = drafted(world, 1)
    there = browser(world)
    _, form = looked_at(there, code)
    assert there.post("/console/lots/fire", **form, at="2020-01-01T09:00").status_code == 400
    assert "is fired" in there.post("/console/lots/fire", **form, at="2030-01-01T09:00").text
    assert "2030" in browser(world).get("/console/deliveries/" + f"d{of_26(world)[0].id}").text


def test_campaigns_are_read_by_a_button_and_kept(world: World, sandbox: Sandbox) -> None:
    there = browser(world, "vera")
    assert "The report was never read" in there.get("/console/campaigns").text

    def reads() -> int:
        return sum(call.operation == "wolkvox.campaigns" for call in sandbox.calls)

    assert reads() == 0
    read = there.post("/console/campaigns").text
    assert "1042" in read and "started" in read and reads() == 1
    assert "1042" in there.get("/console/campaigns").text
    there.post("/console/campaigns")
    assert reads() == 1, "the vendor allows it every five minutes"


def test_answers_are_read_by_a_button_and_a_vendor_that_refuses_is_told(world: World, sandbox: Sandbox) -> None:
    there = browser(world, "vera")
    assert "Nothing was read yet" in there.get("/console/surveys").text
    read = there.post("/console/surveys").text
    assert "NPS" in read and "26" in read
    assert "26" in there.get("/console/surveys").text
    sandbox.fault("tracksale.report_nps", "captcha_405")
    refused = there.post("/console/surveys").text
    assert "It could not be read again" in refused and "26" in refused, "what was read before stays"
    assert world.account("surveys").state == "blocked"


def test_the_api_shows_fires_and_discards_a_lot_as_it_was_shown(world: World, sandbox: Sandbox) -> None:
    code = drafted(world, 3)
    with web(world.settings) as client:
        [known] = conforms("Lots", told(client, "/api/lots", who="vera"))["lots"]
        assert (known["lot"], known["ours"], known["state"]) == (code, 3, "draft")
        at = f"/api/lots/surveys/26/{code}"
        shown = conforms("Lot", told(client, f"{at}/look", {}))
        assert (shown["customers"], shown["ours"], shown["others"], shown["may_not_be_contacted"]) == (3, 3, 0, [])
        seen = {"customers": shown["customers"], "created": shown["created"], "why": "complete"}
        by_hand(sandbox, 2)
        for what in ("fire", "discard"):
            assert "changed since" in assert_problem(ask(client, f"{at}/{what}", seen), 400)["detail"]
            assert_problem(ask(client, f"{at}/{what}", {"why": "x"}), 400)
            assert_problem(ask(client, f"{at}/{what}", seen | {"customers": "3"}), 400)
        assert not decided(world)
        seen |= {"customers": told(client, f"{at}/look", {})["customers"]}
        for _ in range(2):
            fired = ask(client, f"{at}/fire", seen, Idempotency_Key="once")
            assert conforms("LotActed", fired.get_json()) == {
                "lot": code,
                "state": "fired",
                "customers": seen["customers"],
            }
        assert decided(world) == [("ana", "fire", "complete")]
        assert "no draft any more" in assert_problem(ask(client, f"{at}/look", {}), 400)["detail"]
        assert_problem(ask(client, "/api/lots/dialler/26/x/look", {}), 400)


def test_the_api_fires_whom_a_guard_keeps_back_only_with_a_reason(world: World) -> None:
    code = drafted(world, 2)
    with web(world.settings) as client:
        told(client, "/api/do-not-contact/add", {"text": "zoe1@example.com", "why": "asked"})
        at = f"/api/lots/surveys/26/{code}"
        shown = conforms("Lot", told(client, f"{at}/look", {}))
        assert len(shown["may_not_be_contacted"]) == 1 and shown["may_not_be_contacted"][0]["why"]
        seen = {"customers": 2, "created": shown["created"]}
        assert_problem(ask(client, f"{at}/fire", seen), 409)
        assert_problem(ask(client, f"{at}/fire", seen | {"anyway": True}), 409)
        assert conforms("LotActed", told(client, f"{at}/discard", seen))["state"] == "discarded"
