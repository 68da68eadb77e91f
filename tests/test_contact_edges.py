"""Edges of the rules for contacting people: moved clocks, several places, lists that change, a "no" at any moment."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner, Result

from connector.admin.acts import By
from connector.admin.explain import explain
from connector.admin.privacy import forget
from connector.admin.replay import Replay, Wish
from connector.admin.resolve import resolve
from connector.cli.root import connector as command
from connector.core import calendars
from connector.core.caps import Cap
from connector.core.settings import ContactHours, ContactRules, OwnHours, Refusal, Source
from connector.inbound.receiver import Receiver
from connector.outbound.chain import Releasing
from connector.store import contacts, registries
from connector.store.database import Database
from tests.contact_people import (
    CO,
    HOUR,
    RNE,
    People,
    Told,
    at,
    case,
    clock,
    imported,
    listing,
    mailed,
    no,
    not_sent,
    other,
    person,
    refusing,
)
from tests.outbound_steps import accepted, collect, database, dial, store, unknown

__all__ = ["clock", "database", "store"]
pytestmark = pytest.mark.timeout(600)

ANY_HOUR = ContactRules(law=False, why="a test", caps=(Cap(name="mine", most=1, per="day"),))


# --- clocks and places ----------------------------------------------------------------------------------------------


def test_a_day_is_the_persons_own_although_it_is_tomorrow_in_utc(database, clock):
    out = People(database, clock, dial(), rules=ANY_HOUR)
    clock.now = at("2026-11-23T19:30")  # 00:30 of the 24th in UTC
    out.put([person(CO)])
    assert out.tries()
    clock.now = at("2026-11-24T00:30")
    out.put([person(CO)])
    assert out.tries()
    clock.now = at("2026-11-24T19:30")
    out.put([person(CO)])
    assert not out.tries()
    assert out.due() == [at("2026-11-25T00:00")]


def test_a_day_without_a_midnight_begins_with_its_first_hour(database, clock):
    out = People(database, clock, dial(), rules=ANY_HOUR)
    clock.now = at("2026-09-05T22:00", "America/Santiago")
    out.put([person("56 221234567"), person("56 221234567")])
    assert out.tries()
    assert out.due() == [at("2026-09-06T01:00", "America/Santiago")]


def test_an_email_adds_no_place_and_puerto_rico_is_not_the_united_states(database, clock):
    out = People(database, clock, dial(), mailed())
    clock.now = at("2026-11-22T10:00")  # a Sunday
    out.put([person("1 7872345678", email="ana@example.com"), person("1 8092345678"), person(CO)])
    while out.tries():
        pass
    assert [row.state for row in out.deliveries()] == ["delivered", "delivered", "pending"]


@pytest.mark.parametrize(("version", "warns"), [("2024a", True), ("", True), ("2025b", False), ("2026a", False)])
def test_old_time_zones_are_told(version, warns):
    found = calendars.Calendar("time zones", version, None)
    assert bool(found.warning(date(2026, 11, 30))) is warns


@pytest.mark.parametrize(("since", "warns"), [(date(2025, 11, 1), True), (date(2026, 6, 1), False), (None, False)])
def test_a_calendar_of_more_than_a_year_ago_is_told(since, warns):
    found = calendars.Calendar("public holidays", "0.99", since)
    assert bool(found.warning(date(2026, 11, 30))) is warns


# --- caps -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("outcome", "goes"), [(accepted, False), (unknown, False), (not_sent, True)])
def test_a_survey_after_a_call_goes_if_the_call_was_none(database, clock, outcome, goes):
    out = People(database, clock, dial(), mailed())
    out.put([person(CO, email="ana@example.com")])
    assert out.tries(outcome=outcome())
    clock.now = at("2026-11-25T11:00")
    out.put([case("ana@example.com")])
    assert out.tries("surveys") is goes


def test_who_is_in_two_accounts_and_a_call_is_resolved_as_landed_waits(database, clock):
    out = People(database, clock, dial(on_unknown="ask"), other())
    out.put([person(CO)])
    assert out.tries(outcome=unknown(ask=False))
    resolve(out.settings, database, out.deliveries()[0].id, By("a test"), landed=True)
    clock.now += HOUR
    out.put([person(CO, type="lead.updated")])
    assert not out.tries("other")
    assert out.reasons()[1].endswith("(Ley 2300: once a day)")


def test_what_was_sent_keeps_the_proof_of_then(database, clock):
    out = People(database, clock, dial())
    out.put([person(CO)])
    assert out.tries()
    nine = ContactHours(name="own", weekdays=(540, 1080), saturday=None, sunday=None, holidays=None, country="")
    out.reload(replace(out.settings, contact=ContactRules(hours={"CO": OwnHours(hours=nine)})))
    with database.read() as conn:
        ((_, _, proof),) = contacts.proofs(conn, out.deliveries()[0].id)
    assert len(proof["hours"]) == 1
    clock.now = at("2026-11-24T10:00")
    out.put([person(CO)])
    assert out.tries()
    with database.read() as conn:
        ((_, _, proof),) = contacts.proofs(conn, out.deliveries()[1].id)
    assert len(proof["hours"]) == 2


def test_closed_for_longer_than_it_may_wait_ends_and_names_the_hours(database, clock):
    out = People(database, clock, dial(expires_after_s=86400))
    clock.now = at("2026-11-14T15:00")
    out.put([person(CO)])
    assert not out.tries()
    clock.now = out.due()[0]
    assert not out.tries()
    assert out.reasons() == ["expired: its contact hours began only after the route's expires_after"]


# --- a "no" at any moment -------------------------------------------------------------------------------------------


def test_a_no_while_the_outcome_is_unknown_leaves_what_was_done(database, clock):
    out = refusing(database, clock, dial(on_unknown="ask"))
    out.put([person(CO)])
    assert out.tries(outcome=unknown(ask=False))
    out.put([no(CO, moment=clock.now)])
    (uncertain,) = out.deliveries("uncertain")
    resolve(out.settings, database, uncertain.id, By("a test"), landed=False)
    while out.tries():
        pass
    states = {row.route: row.state for row in out.deliveries()}
    assert states["dial 1042"] == "suppressed"


def test_a_no_of_somebody_who_was_never_seen_holds_for_what_comes(database, clock):
    out = refusing(database, clock)
    out.put([no(CO, email="ana@example.com", moment=clock.now)])
    out.put([case("ana@example.com"), person(CO)])
    while out.tries() or out.tries("surveys"):
        pass
    of_routes = [row.state for row in out.deliveries() if row.route in ("dial 1042", "survey")]
    assert of_routes == ["suppressed", "suppressed"]


# --- lists ----------------------------------------------------------------------------------------------------------


def test_a_list_that_turns_too_old_while_people_wait_holds_the_rest(database, clock):
    out = listing(database, clock)
    imported(out, of=clock.now)
    end = clock.now + int(RNE.max_age_s) * 1000
    clock.now = end - 1
    out.put([person("57 3000000001")])
    assert out.tries()
    out.put([person("57 3000000002")])
    clock.now = end
    assert not out.tries()
    assert out.reasons()[1] == "held: the list rne is of 2026-11-23"


def test_who_leaves_a_list_goes_when_they_waited_and_stays_ended_when_they_did_not(database, clock):
    out = listing(database, clock)
    imported(out, CO, of=clock.now - HOUR)
    clock.now += 1
    out.put([person(CO)])
    assert not out.tries()
    imported(out, of=clock.now)
    assert not out.tries()
    assert out.states() == {"suppressed": 1}
    clock.now = at("2026-11-24T10:00")
    out.put([person(CO)])
    assert out.tries()


Run = Callable[..., Result]
CONFIGURATION = """
timezone = "America/Bogota"
region = "CO"

[contact]
law = true
[contact.lists.rne]
countries = ["CO"]
purposes = ["marketing"]

[accounts.dialler]
vendor = "wolkvox"
base_url = "http://127.0.0.1:9"
token = "invented-1"

[sources.landing]
mapping = "lead"
verify = { scheme = "none" }

[[routes]]
name = "dial"
sources = ["landing"]
on = "lead.created"
to = "wolkvox.add_record"
account = "dialler"
campaign_id = "1042"
"""


@pytest.fixture
def run(tmp_path: Path, store: str) -> Run:
    path = tmp_path / "connector.toml"
    path.write_text(CONFIGURATION, encoding="utf-8")
    url = store.replace("+psycopg", "")

    def run(*args: str, key: str = "invented-key") -> Result:
        environ = {"CONNECTOR_CONFIG": str(path), "DATABASE_URL": url, "CONNECTOR_SECRET_KEY": key}
        return CliRunner().invoke(command, args, env=environ)

    return run


def test_a_registry_is_imported_whole_dated_and_by_one_key(database: Database, run: Run, tmp_path: Path) -> None:
    def load(of: str, *numbers: str, key: str = "invented-key", more: tuple[str, ...] = ("--replace",)) -> Result:
        file = tmp_path / "rne.csv"
        file.write_text("\n".join(["celular", *numbers]) + "\n", encoding="utf-8")
        return run("suppress", "import", str(file), "--list", "rne", "--of", of, *more, key=key)

    def held() -> tuple[int, str]:
        (one,) = json.loads(run("suppress", "lists", "--json").stdout)
        return one["size"], one["of"][:10]

    assert load("2026-11-02", "3001234567", "3009999999").exit_code == 0
    assert held() == (2, "2026-11-02")
    assert load("2026-11-02", "3001234567", "3009999999").exit_code == 0  # the same file again
    assert held() == (2, "2026-11-02")
    older = load("2026-11-01", "3001111111")
    assert (older.exit_code, held()) == (1, (2, "2026-11-02"))
    assert "an older file changes nothing" in older.output
    broken = load("2026-11-03", "3001234567", "not a number 12")
    assert (broken.exit_code, held()) == (1, (2, "2026-11-02"))
    assert load("2026-11-03", "3001111111", more=()).exit_code == 0
    assert held() == (3, "2026-11-03")
    stranger = load("2026-11-04", "3002222222", key="another-key")
    assert stranger.exit_code == 1
    assert "CONNECTOR_SECRET_KEY" in stranger.output
    assert load("2026-11-04", "3001111111").exit_code == 0
    assert held() == (1, "2026-11-04")
    assert "is still to come" in load("2099-01-01", "3001111111").output
    with database.read() as conn:
        assert [one.size for one in registries.all_of(conn)] == [1]


def test_an_hour_that_comes_twice_is_one_day_in_a_claim(database, clock):
    out = People(database, clock, dial(), rules=ANY_HOUR)
    zone = ZoneInfo("America/New_York")
    clock.now = int(datetime(2026, 11, 1, 1, 30, tzinfo=zone, fold=0).timestamp() * 1000)
    out.put([person("1 2122345678")])
    assert out.tries()
    clock.now = int(datetime(2026, 11, 1, 1, 30, tzinfo=zone, fold=1).timestamp() * 1000)
    out.put([person("1 2122345678")])
    assert not out.tries()
    assert out.due() == [at("2026-11-02T00:00", "America/New_York")]


# --- again, parked, erased ------------------------------------------------------------------------------------------


def told(database: Database, clock: object, *routes: object, **rules: object) -> Told:
    """Leads that can be read again."""
    out = Told(database, clock, *routes, rules=ContactRules(**rules))  # type: ignore[arg-type]
    refusal = Refusal(name="who said no", on=("contact.refused",))
    sources = {"landing": Source(name="landing", mapping="lead")}
    out.reload(replace(out.settings, sources=sources, refusals=(refusal,)))
    return out


def replay(out: Told, number: int) -> None:
    wish = Wish(force=True, ended_too=True)
    changes = Replay(out.settings, out.database, By("a test")).delivery(number, wish)
    assert [change.action for change in changes] != ["keep"], changes


def test_a_replay_of_a_call_that_was_made_waits_for_the_cap(database, clock):
    out = told(database, clock, dial(expires_after_s=5 * 86400))
    out.put([person(CO)])
    assert out.tries()
    clock.now += HOUR
    replay(out, out.deliveries()[0].id)
    assert not out.tries()
    assert (out.due(), "once a day" in out.reasons()[0]) == ([at("2026-11-24T07:00")], True)
    clock.now = at("2026-11-24T07:00")
    assert out.tries()
    assert len(out.ledger()) == 2


def test_who_left_a_list_is_contacted_once_somebody_replays_it(database, clock):
    out = told(database, clock, dial(expires_after_s=5 * 86400), lists={"rne": RNE})
    imported(out, CO, of=clock.now - HOUR)
    out.put([person(CO)])
    assert not out.tries()
    imported(out, of=clock.now)
    assert not out.tries()
    assert out.states() == {"suppressed": 1}
    replay(out, out.deliveries()[0].id)
    assert out.tries()


def test_a_no_while_parked_behind_another_route_ends_it_when_its_turn_comes(database, clock):
    out = told(database, clock, dial(after="collect"), collect())
    out.put([person(CO, email="ana@example.com", extra={"nps": "9"})])
    assert out.tries("surveys"), out.reasons()
    out.put([no(CO, moment=clock.now)])
    Releasing(out.settings, database, out.places, out.router, Receiver(out.settings, out.router)).run_once()
    assert not out.tries()
    states = {row.route: row.state for row in out.deliveries()}
    assert (states["collect"], states["dial 1042"]) == ("delivered", "suppressed")


def test_a_no_of_somebody_who_was_erased_holds_for_what_comes(database, clock):
    out = told(database, clock, dial())
    out.put([person(CO)])
    assert out.tries()
    with database.write() as conn:
        ids = [row.event for row in out.deliveries()]
        forget.lock(conn, ids)
        forget.forget(conn, ids, out.settings.hash_key, clock.now)
    out.put([no(CO, moment=clock.now)])
    clock.now = at("2026-11-24T10:00")
    out.put([person(CO)])
    assert not out.tries()
    assert out.deliveries()[-1].reason_code == "suppression_list"


def test_the_story_says_that_a_no_came_after_the_call_had_begun(database, clock):
    out = told(database, clock, dial())
    out.put([person(CO)])
    claimed = out.claimed()
    while claimed.attempt.kind == "budget":
        out.settle_budget(claimed)
        claimed = out.claimed()
    clock.now += 1000
    out.put([no(CO, moment=clock.now)])
    out.settle(claimed, accepted())
    clock.now = at("2026-11-24T10:00")
    out.put([person(CO)])
    assert not out.tries()
    first, *_, last = (row for row in out.deliveries() if row.route == "dial 1042")
    told_of = "is on the do-not-contact list from now on; attempt a"
    assert told_of in json.dumps(explain(database, out.settings, f"d{first.id}"))
    assert told_of not in json.dumps(explain(database, out.settings, f"d{last.id}"))
