"""Draft lots: what waits in them is known, shown before anybody acts, and fired once or known not to be."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from connector.admin.explain import explain as explain_event
from connector.cli import lots as commands
from connector.cli import questions
from connector.cli.root import connector as command
from connector.config import loader
from connector.core.http import Answer
from connector.core.outcomes import Draft
from connector.core.settings import Secret
from connector.outbound import settle
from connector.store import reasons, tables
from connector.store.database import Database, now_ms
from connector.vendors import destinations
from connector.vendors.sandbox.exchange import Sandbox
from connector.vendors.tracksale import draft_lot_store
from connector.vendors.tracksale.api import Tracksale
from connector.vendors.tracksale.readers import counts_of
from tests.connector_steps import World, environment, ticket

ROUTE = """
[[routes]]
name = "survey later"
on = "ticket.closed"
to = "tracksale.dispatch"
account = "surveys"
campaign_code = "26"
schedule = "draft"
"""
SOMEBODY = Secret("somebody-else")
PLACE = "surveys/tracksale.dispatch/26/draft"
Run = Callable[..., Result]


@pytest.fixture
def environ(tmp_path: Path, database_url: str, sandbox: Sandbox) -> dict[str, str]:
    return environment(tmp_path, database_url, sandbox.url, more=ROUTE)


@pytest.fixture
def run(environ: dict[str, str]) -> Run:
    def run(*args: str, given: str | None = None) -> Result:
        return CliRunner().invoke(command, args, env=environ, input=given)

    return run


@pytest.fixture
def world(environ: dict[str, str], sandbox: Sandbox) -> Iterator[World]:
    settings = loader.load(environ, destinations=destinations.SPECS)
    database = Database(settings.database_url)
    yield World(settings, database)
    database.close()
    assert sandbox.breaches == [], sandbox.breaches


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "has_terminal", lambda: True)


def drafted(world: World, count: int, first: int = 1) -> str:
    """So many closed tickets are put into the draft lot; its code."""
    world.receive("tickets", *(ticket(number) for number in range(first, first + count)))
    world.drain("surveys")
    with world.database.read() as conn:
        (code,) = conn.execute(select(tables.lots.c.code).where(tables.lots.c.state == "draft")).scalars()
    return str(code)


def by_hand(sandbox: Sandbox, count: int) -> None:
    """A person adds customers to the same lot."""
    people = [{"name": f"Rosa Pérez {number}", "email": f"rosa{number}@example.com"} for number in range(count)]
    vendor = Tracksale.at(sandbox.url, token=SOMEBODY)
    assert counts_of(vendor.dispatch("26", people, schedule_time=None).json()).inserted == count
    vendor.close()


def listed(run: Run, *more: str) -> list[dict[str, Any]]:
    result = run("lots", *more, "--json")
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def of_26(world: World) -> list[Any]:
    return [row for row in world.deliveries() if row.destination == PLACE]


def kept(world: World, code: str) -> draft_lot_store.Lot:
    with world.database.read() as conn:
        found = draft_lot_store.get(conn, "surveys", Draft("26", code))
    assert found is not None
    return found


def count_calls(sandbox: Sandbox, operation: str) -> int:
    return sum(call.operation == f"tracksale.{operation}" for call in sandbox.calls)


def story(world: World, name: str) -> dict[str, Any]:
    (event,) = explain_event(world.database, world.settings, name)["events"]
    (delivery,) = event["deliveries"]
    return delivery


# --- what is known --------------------------------------------------------------------------------------------------


def test_what_waits_in_a_draft_lot_is_known_by_its_code(world: World, run: Run, sandbox: Sandbox) -> None:
    code = drafted(world, 3)
    assert drafted(world, 1, first=9) == code
    by_hand(sandbox, 2)
    (lot,) = listed(run)
    expected = {"account": "surveys", "campaign": "26", "lot": code, "state": "draft"}
    assert lot | expected | {"customers": 6, "ours": 4, "others": 2} == lot
    assert lot["first_at"] < lot["last_at"]
    table = run("lots").stdout
    assert all(word in table for word in (code, "draft", "customers", "others"))
    assert "example.com" not in table


def test_only_who_was_taken_is_in_the_lot(world: World, run: Run, sandbox: Sandbox) -> None:
    drafted(world, 2)
    again = ticket(1) | {"id": "T-again"}
    again["data"]["ticket_id"] = "another case"
    world.receive("tickets", again, ticket(3))
    world.drain("surveys")
    (lot,) = listed(run)
    assert (lot["customers"], lot["ours"], lot["others"]) == (3, 3, 0)


def test_a_scheduled_dispatch_is_in_no_draft_lot(world: World) -> None:
    drafted(world, 2)
    with world.database.read() as conn:
        members = set(conn.execute(select(tables.lot_deliveries.c.delivery)).scalars())
    assert members == {row.id for row in of_26(world)}
    assert {row.destination for row in world.deliveries()} > {PLACE}


def test_a_delivery_whose_answer_never_came_is_found_in_its_lot_by_asking(world: World, sandbox: Sandbox) -> None:
    sandbox.fault("tracksale.dispatch", "cut", where="after", times=2)
    world.receive("tickets", ticket(1))
    world.drain("surveys")
    world.resume("surveys")
    world.drain("surveys")
    (row,) = of_26(world)
    assert row.state == "delivered"
    told = story(world, f"d{row.id}")
    assert told["draft_lot"]["campaign"] == "26"
    assert "which nobody has fired yet" in told["now"]


def test_the_story_says_in_which_lot_and_how_to_fire_it(world: World) -> None:
    code = drafted(world, 1)
    (row,) = of_26(world)
    told = story(world, f"d{row.id}")
    assert f"in draft lot {code} of campaign 26, which nobody has fired yet" in told["now"]
    assert told["next"][0] == f"to survey everybody in it: connector lots fire surveys 26 {code}"
    assert any(f"in draft lot {code} of campaign 26" in line["said"] for line in told["story"])


def test_a_lot_that_somebody_fired_or_discarded_by_hand_is_gone(world: World, run: Run, sandbox: Sandbox) -> None:
    code = drafted(world, 2)
    vendor = Tracksale.at(sandbox.url, token=SOMEBODY)
    vendor.fire_lot("26", code, time=0)
    vendor.close()
    (lot,) = listed(run)
    assert (lot["state"], lot["customers"], lot["ours"]) == ("gone", None, 2)
    assert "fired or discarded at Tracksale, not from here" in run("lots").stdout
    (row, _) = of_26(world)
    assert "somebody fired or discarded it at Tracksale" in story(world, f"d{row.id}")["now"]
    assert {one.state for one in of_26(world)} == {"delivered"}


def test_campaigns_without_a_route_can_be_looked_at(world: World, run: Run, sandbox: Sandbox) -> None:
    by_hand(sandbox, 1)
    assert [(lot["ours"], lot["others"]) for lot in listed(run, "--campaign", "26")] == [(0, 1)]
    assert listed(run, "--campaign", "52") == []
    assert "there is no draft lot" in run("lots", "--campaign", "52").stdout


def test_what_cannot_be_looked_at_is_a_line_and_hides_nothing_else(world: World, run: Run, sandbox: Sandbox) -> None:
    code = drafted(world, 1)
    result = run("lots", "--campaign", "26", "--campaign", "52", "--campaign", "77", "--json")
    assert result.exit_code == 1
    assert [lot["lot"] for lot in json.loads(result.stdout)] == [code]
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("connector: campaign 77: surveys: 400")
    sandbox.breaches.clear()


@pytest.mark.parametrize("args", [["lots"], ["lots", "fire", "surveys", "26", "LOT", "--yes"]])
def test_a_paused_account_is_not_called(world: World, run: Run, sandbox: Sandbox, args: list[str]) -> None:
    run("pause", "surveys")
    result = run(*args)
    assert result.exit_code == 1
    assert "surveys is paused" in result.stderr
    assert "connector resume surveys" in result.stderr
    assert sandbox.calls == []


# --- firing ---------------------------------------------------------------------------------------------------------


def test_firing_shows_who_is_in_it_asks_and_surveys_everybody(
    world: World, run: Run, sandbox: Sandbox, terminal: None
) -> None:
    code = drafted(world, 3)
    by_hand(sandbox, 2)
    result = run("lots", "fire", "surveys", "26", code, given="y\n")
    assert result.exit_code == 0, result.output
    assert "customers: 5" in result.stdout
    assert "put there by the connector: 3; by others, by hand or another program: 2" in result.stdout
    assert "surveys everybody in it at once, also whom others put there (2)" in result.stderr
    assert "z…@example.com" in result.stdout
    assert "r…@example.com" in result.stdout
    assert "rosa0@" not in result.output
    assert "Muñoz" not in result.output
    assert "fired at once; customers: 5" in result.stdout
    assert {one["status"] for one in sandbox.tracksale.customers(26)} == {"Sent"}
    assert kept(world, code).state == "fired"
    (lot,) = listed(run)
    assert lot["state"] == "fired"
    told = story(world, f"d{of_26(world)[0].id}")
    assert f"in draft lot {code} of campaign 26, fired at " in told["now"]
    assert "by connector lots" in told["now"]


def test_who_says_no_changes_nothing(world: World, run: Run, sandbox: Sandbox, terminal: None) -> None:
    code = drafted(world, 1)
    for verb in ("fire", "discard"):
        result = run("lots", verb, "surveys", "26", code, given="n\n")
        assert result.exit_code == 1
    assert count_calls(sandbox, "fire_lot") == count_calls(sandbox, "discard_lot") == 0
    assert (kept(world, code).state, kept(world, code).asked) == ("draft", None)


@pytest.mark.parametrize("args", [(), ("--json",)])
def test_without_a_terminal_somebody_must_have_said_yes(
    world: World, run: Run, sandbox: Sandbox, args: tuple[str, ...]
) -> None:
    calls = len(sandbox.calls)
    for verb in ("fire", "discard"):
        result = run("lots", verb, "surveys", "26", "LOT1", *args, given="y\n")
        assert result.exit_code == 2
        assert "--yes" in result.stderr
    assert len(sandbox.calls) == calls


def test_a_script_fires_for_a_later_moment(world: World, run: Run, sandbox: Sandbox) -> None:
    code = drafted(world, 2)
    result = run("lots", "fire", "surveys", "26", code, "--at", "2h", "--yes", "--json")
    assert result.exit_code == 0, result.output
    done = json.loads(result.stdout)
    assert (done["state"], done["customers"], done["ours"], done["others"]) == ("fired", 2, 2, 0)
    (one, _) = sandbox.tracksale.customers(26)
    assert one["status"] == "Scheduled"
    assert one["schedule_time"] == kept(world, code).fires_at // 1000  # type: ignore[operator]
    assert "to be sent at" in run("lots").stdout
    assert "to be sent at" in story(world, f"d{of_26(world)[0].id}")["now"]


@pytest.mark.parametrize("at", ["2020-01-01T10:00", "soon"])
def test_a_moment_that_cannot_be_is_refused_before_any_call(world: World, run: Run, sandbox: Sandbox, at: str) -> None:
    result = run("lots", "fire", "surveys", "26", "LOT1", "--at", at, "--yes")
    assert result.exit_code == 1
    assert at in result.stderr
    assert sandbox.calls == []


def test_what_was_fired_is_not_fired_again(world: World, run: Run, sandbox: Sandbox) -> None:
    code = drafted(world, 1)
    assert run("lots", "fire", "surveys", "26", code, "--yes").exit_code == 0
    for verb in ("fire", "discard"):
        result = run("lots", verb, "surveys", "26", code, "--yes")
        assert result.exit_code == 1
        assert result.stderr.startswith(f"connector: lot {code} of campaign 26 is no draft any more: it is fired")
    assert count_calls(sandbox, "fire_lot") == 1
    assert count_calls(sandbox, "discard_lot") == 0


def test_a_lot_that_changed_since_it_was_shown_is_left_alone(
    world: World, run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = drafted(world, 2)
    monkeypatch.setattr(commands, "confirm", lambda *_, **__: by_hand(sandbox, 1))
    result = run("lots", "fire", "surveys", "26", code, "--yes")
    assert result.exit_code == 1
    assert "has changed since it was shown (customers: 2, now 3)" in result.stderr
    assert count_calls(sandbox, "fire_lot") == 0
    assert kept(world, code).asked is None


def test_two_people_at_once_fire_once(
    world: World, run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second has seen the lot as a draft, too."""
    code = drafted(world, 1)
    seen = commands.draft_lots.Drafts._write_down

    def another_is_first(self: Any, *args: Any) -> int:
        with world.database.write(serialise="surveys") as conn:
            now = now_ms(conn)
            draft_lot_store.order(conn, kept(world, code).id, "fire", fires_at=None, until=now + 60_000, now=now)
        return seen(self, *args)

    monkeypatch.setattr(commands.draft_lots.Drafts, "_write_down", another_is_first)
    result = run("lots", "fire", "surveys", "26", code, "--yes")
    assert result.exit_code == 1
    assert "somebody else is at it" in result.stderr
    assert count_calls(sandbox, "fire_lot") == 0


def test_a_lot_that_is_not_there_is_told(world: World, run: Run) -> None:
    code = drafted(world, 1)
    result = run("lots", "fire", "surveys", "26", "LOT9", "--yes")
    assert result.stderr.strip() == f"connector: campaign 26 has no draft lot LOT9; there is {code}"
    assert run("lots", "fire", "dialler", "26", code, "--yes").stderr.startswith("connector: no account of tracksale")


@pytest.mark.parametrize(("kind", "fired"), [("cut", True), ("cut", False), ("status", False)])
def test_an_answer_that_never_came_is_not_sent_again_and_the_list_tells(
    world: World, run: Run, sandbox: Sandbox, kind: str, fired: bool
) -> None:
    code = drafted(world, 2)
    how: dict[str, Any] = {"status": 502} if kind == "status" else {"where": "after" if fired else "before"}
    sandbox.fault("tracksale.fire_lot", kind, **how)
    result = run("lots", "fire", "surveys", "26", code, "--yes")
    assert result.exit_code == 1
    (line,) = result.stderr.strip().splitlines()
    assert f"lot {code} may have been sent: it is not sent again; look with connector lots" in line
    assert kept(world, code).asked == "fire"
    world.resume("surveys")
    if fired:
        (lot,) = listed(run)
        assert (lot["state"], lot["asked"]) == ("fired", None)
        return
    assert "not known yet whether it was done" in run("lots").stdout
    again = run("lots", "fire", "surveys", "26", code, "--yes")
    assert "not known yet whether that was done" in again.stderr
    assert count_calls(sandbox, "fire_lot") == 1
    world.later(3600)
    (lot,) = listed(run)
    assert (lot["state"], lot["asked"]) == ("draft", None)
    assert run("lots", "fire", "surveys", "26", code, "--yes").exit_code == 0


def test_a_refusal_or_a_lost_way_leaves_the_lot_as_it_was(world: World, run: Run, sandbox: Sandbox) -> None:
    code = drafted(world, 1)
    sandbox.fault("tracksale.fire_lot", "status", status=422, body={"error": "Invalid Time"})
    result = run("lots", "fire", "surveys", "26", code, "--yes")
    assert result.exit_code == 1
    assert f"lot {code} is untouched" in result.stderr
    assert (kept(world, code).state, kept(world, code).asked) == ("draft", None)
    assert run("lots", "fire", "surveys", "26", code, "--yes").exit_code == 0


def test_an_answer_that_no_table_knows_is_a_doubt(world: World, run: Run, sandbox: Sandbox) -> None:
    code = drafted(world, 1)
    sandbox.fault("tracksale.fire_lot", "garbage_json")
    assert "may have been sent" in run("lots", "fire", "surveys", "26", code, "--yes").stderr
    assert kept(world, code).asked == "fire"


def test_who_is_in_it_may_be_unknown(world: World, run: Run, sandbox: Sandbox) -> None:
    """The report of another host does not keep a lot from being fired, nor stop the account."""
    code = drafted(world, 1)
    sandbox.fault("tracksale.paged_dispatch", "status", status=401, body={"error": "Unauthorized"})
    result = run("lots", "fire", "surveys", "26", code, "--yes")
    assert result.exit_code == 0, result.output
    assert "who they are cannot be shown" in result.stdout
    assert world.account("surveys").state == "open"


# --- discarding -----------------------------------------------------------------------------------------------------


def test_what_is_discarded_ends_unsent_and_can_be_replayed(world: World, run: Run, sandbox: Sandbox) -> None:
    code = drafted(world, 2)
    result = run("lots", "discard", "surveys", "26", code, "--yes")
    assert result.exit_code == 0, result.output
    assert "deliveries of ours that ended unsent: 2" in result.stdout
    assert sandbox.tracksale.customers(26) == []
    rows = of_26(world)
    assert {row.state for row in rows} == {"suppressed"}
    assert {row.reason_code for row in rows} == {"lot.discarded"}
    assert {reasons.of(row).facts["day"][:2] for row in rows} == {"20"}
    assert all(reasons.of(row).forgotten() == reasons.of(row) for row in rows)
    told = story(world, f"d{rows[0].id}")
    assert any(f"draft lot {code} of campaign 26 was discarded at " in line["said"] for line in told["story"])
    assert run("replay", "--delivery", f"d{rows[0].id}").exit_code == 0
    world.drain("surveys")
    (lot,) = [one for one in listed(run) if one["state"] == "draft"]
    assert (lot["customers"], lot["ours"]) == (1, 1)
    assert lot["lot"] != code


def test_who_joined_a_lot_while_it_was_discarded_ends_as_the_others_do(world: World, run: Run) -> None:
    code = drafted(world, 1)
    world.receive("tickets", ticket(2))
    started = next(claimed for _ in range(5) if (claimed := world.claimed("surveys")).attempt.destination == PLACE)
    run("lots", "discard", "surveys", "26", code, "--yes")
    with world.database.write(serialise="surveys") as conn:
        (late,) = [row.id for row in of_26(world) if row.state == "sending"]
        draft = Draft("26", code)
        place = world.lines["surveys"].places[PLACE]
        outcome = place.classify(_inserted(code), [(late, '{"name": "x"}')])
        assert outcome.draft == draft
        settle.settle(conn, started.attempt, place, outcome, [late])
    assert {row.state for row in of_26(world)} == {"suppressed"}


def _inserted(code: str) -> Answer:
    status = {"inserted": 1, "duplicated": 0, "invalid": 0}
    return Answer(200, {}, json.dumps({"dispatch_code": code, "status": status}).encode())


def test_a_discard_that_tracksale_denies_changes_nothing(
    world: World, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = drafted(world, 1)
    denied = Answer(200, {}, b'{"success": false}')
    monkeypatch.setattr(Tracksale, "discard_lot", lambda *_, **__: denied)
    result = run("lots", "discard", "surveys", "26", code, "--yes")
    assert result.exit_code == 1
    assert "untouched" in result.stderr
    assert {row.state for row in of_26(world)} == {"delivered"}
    assert kept(world, code).state == "draft"


# --- who may not be contacted ---------------------------------------------------------------------------------------


def test_a_lot_with_somebody_on_the_list_is_told_and_not_fired(world: World, run: Run, sandbox: Sandbox) -> None:
    code = drafted(world, 2)
    assert run("suppress", "add", "zoe1@example.com").exit_code == 0
    first = of_26(world)[0]
    (lot,) = listed(run)
    assert lot["may_not"] == [
        {"delivery": f"d{first.id}", "guard": "do_not_contact", "why": "on the do-not-contact list", "until": None}
    ]
    table = run("lots").stdout
    assert f"d{first.id}: do_not_contact: on the do-not-contact list (may be: never)" in table
    refused = run("lots", "fire", "surveys", "26", code, "--yes")
    assert refused.exit_code == 1
    assert f"d{first.id}: do_not_contact" in refused.stderr
    assert "nothing was fired" in refused.stderr
    assert run("lots", "fire", "surveys", "26", code, "--yes", "--anyway").exit_code == 2
    assert count_calls(sandbox, "fire_lot") == 0
    done = run("lots", "fire", "surveys", "26", code, "--yes", "--anyway", "--why", "the customer agreed by phone")
    assert done.exit_code == 0, done.output
    assert "fired all the same" in done.stderr
    assert count_calls(sandbox, "fire_lot") == 1
    assert "the customer agreed by phone" in str(story(world, f"d{first.id}")) + run("status", "--json").stdout


def test_a_no_to_calls_alone_does_not_stop_a_survey_by_email(world: World, run: Run) -> None:
    drafted(world, 1)
    assert run("suppress", "add", "zoe1@example.com", "--channel", "voice").exit_code == 0
    (lot,) = listed(run)
    assert [one["guard"] for one in lot["may_not"]] == ["do_not_contact"]  # the route did not say how it surveys


def test_somebody_put_there_by_others_who_is_on_the_list_stops_the_lot(
    world: World, run: Run, sandbox: Sandbox
) -> None:
    code = drafted(world, 1)
    by_hand(sandbox, 2)
    assert run("suppress", "add", "rosa1@example.com").exit_code == 0
    refused = run("lots", "fire", "surveys", "26", code, "--yes")
    assert refused.exit_code == 1
    assert "1 added by others are on the do-not-contact list" in refused.stderr
