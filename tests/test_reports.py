"""What the vendors report to a person: campaigns in real time, read by all together, and NPS. Both databases."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from connector.cli.root import connector as command
from connector.config import loader
from connector.store import accounts, attempts
from connector.store.database import Database, now_ms
from connector.vendors import destinations
from connector.vendors.sandbox.exchange import Sandbox
from tests.configured_world import environ
from tests.connector_steps import World, environment, lead

__all__ = ["environ"]

Run = Callable[..., Result]


@pytest.fixture
def run(environ: dict[str, str]) -> Run:
    def run(*args: str) -> Result:
        return CliRunner().invoke(command, args, env=environ)

    return run


@pytest.fixture
def world(environ: dict[str, str], sandbox: Sandbox) -> Iterator[World]:
    settings = loader.load(environ, destinations=destinations.SPECS)
    database = Database(settings.database_url)
    yield World(settings, database)
    database.close()
    assert sandbox.breaches == [], sandbox.breaches


def of(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def reads(sandbox: Sandbox) -> int:
    return sum(call.operation == "wolkvox.campaigns" for call in sandbox.calls)


# --- campaigns ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_envelope", [False, True])
def test_campaigns_are_shown_with_every_figure(run: Run, world: World, sandbox: Sandbox, is_envelope: bool) -> None:
    sandbox.limits.change(report_envelope=is_envelope)
    sandbox.wolkvox.add_campaign("1042", status="stopped", name="Leads - web")
    rows = of(run("campaigns", "--json"))
    found = {row["campaign"]: row for row in rows}
    assert set(found) == {"1042", "1043"}
    one = found["1042"]
    assert (one["account"], one["name"], one["status"]) == ("dialler", "Leads - web", "stopped")
    assert one["figures"]["records"] == one["figures"]["busy_congestion_failed"] == 0
    assert one["age_s"] < 60
    table = run("campaigns").stdout
    assert all(word in table for word in ("1043", "stopped", "busy, congestion, failed", "dialler, as read at"))


def test_the_report_is_read_once_in_five_minutes_and_its_age_is_told(run: Run, world: World, sandbox: Sandbox) -> None:
    run("campaigns")
    world.later(200)
    (first, *_) = of(run("campaigns", "--json"))
    assert reads(sandbox) == 1
    assert 200 <= first["age_s"] < 290
    world.later(101)
    sandbox.limits.change(report_interval_s=0)  # the sandbox's own clock has not moved
    (again, *_) = of(run("campaigns", "--json"))
    assert reads(sandbox) == 2
    assert again["age_s"] < 60


def test_deliveries_and_people_share_what_was_read(run: Run, world: World, sandbox: Sandbox) -> None:
    """Whoever reads it first, the other does not."""
    world.receive("landing", lead(1))
    world.drain()
    assert world.states() == {"delivered": 1}
    assert len(of(run("campaigns", "--json"))) == 2
    assert reads(sandbox) == 1


def test_what_a_person_read_serves_the_deliveries(run: Run, world: World, sandbox: Sandbox) -> None:
    run("campaigns")
    world.receive("landing", lead(1))
    world.drain()
    assert world.states() == {"delivered": 1}
    assert reads(sandbox) == 1


def test_a_paused_account_is_not_called_and_the_old_report_is_shown(run: Run, world: World, sandbox: Sandbox) -> None:
    run("campaigns")
    world.later(400)
    run("pause", "dialler")
    result = run("campaigns")
    assert result.exit_code == 0
    assert "1042" in result.stdout
    assert "dialler is paused" in result.stderr
    assert "this is what was read before" in result.stderr
    assert reads(sandbox) == 1


def test_without_any_report_the_reason_is_one_line(run: Run, world: World, sandbox: Sandbox) -> None:
    run("pause", "dialler")
    result = run("campaigns")
    assert result.exit_code == 1
    assert result.stderr.startswith("connector: dialler is paused")
    assert sandbox.calls == []


def test_a_report_that_is_being_read_is_not_read_twice(run: Run, world: World, sandbox: Sandbox) -> None:
    with world.database.write(serialise="dialler") as conn:
        accounts.report_asked(conn, "dialler", now_ms(conn))
    result = run("campaigns")
    assert result.exit_code == 1
    assert "within the last five minutes: try again in" in result.stderr
    assert sandbox.calls == []


def test_a_report_that_fails_shows_the_one_before_and_is_not_asked_for_again(
    run: Run, world: World, sandbox: Sandbox
) -> None:
    run("campaigns")
    world.later(400)
    sandbox.limits.change(report_interval_s=0)
    sandbox.fault("wolkvox.campaigns", "status", status=502)
    result = run("campaigns", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)[0]["age_s"] >= 400
    assert "dialler: wolkvox failed (502" in result.stderr
    run("resume", "dialler")
    assert run("campaigns").exit_code == 0
    assert reads(sandbox) == 2


def test_a_report_that_never_left_may_be_asked_for_again(run: Run, world: World, tmp_path: Path, environ: Any) -> None:
    environment(tmp_path, environ["DATABASE_URL"], "http://127.0.0.1:1")
    assert run("campaigns").exit_code == 1
    with world.database.read() as conn:
        assert accounts.report(conn, "dialler").asked_at == 0


def test_a_call_waits_for_its_slot_only_so_long(
    run: Run, world: World, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.outbound.asking.PERSON_PATIENCE_S", 0.3)
    with world.database.write() as conn:
        for _ in range(2):
            attempts.start(
                conn, account="dialler", destination="x", kind="send", worker="w", now=now_ms(conn), timeout_ms=60_000
            )
    result = run("campaigns")
    assert result.exit_code == 1
    assert "no call of dialler is free" in result.stderr
    assert sandbox.calls == []


# --- NPS ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def answers(sandbox: Sandbox) -> None:
    """Of campaign 52: two promoters, one passive, one detractor; of 26: one detractor."""
    for code, score in ((52, 10), (52, 9), (52, 7), (52, 2), (26, 0)):
        category = [{"name": "Precio"}] if score < 7 else []
        sandbox.tracksale.add_answer(
            email=f"a{score}@example.com", campaign_code=code, nps_answer=score, categories=category
        )


def test_nps_is_shown_of_all_or_of_each_campaign(run: Run, world: World, sandbox: Sandbox, answers: None) -> None:
    (total,) = of(run("nps", "--json"))
    assert (total["campaign"], total["promoters"], total["detractors"]) == (None, 2, 2)
    assert "compare" not in total
    each = of(run("nps", "--campaign", "52", "--campaign", "26", "--json"))
    assert [(row["campaign"], row["nps"]) for row in each] == [("52", 25.0), ("26", -100.0)]
    table = run("nps", "--campaign", "52").stdout
    assert all(word in table for word in ("promoters", "detractors", "nps", "25", "Answers from"))
    assert world.kinds() == [("nps", "accepted")] * 4


def test_nps_of_other_days_and_of_the_period_before(run: Run, world: World, answers: None) -> None:
    (none,) = of(run("nps", "--since", "2020-01-01", "--until", "2020-01-31", "--compare", "--json"))
    assert (none["promoters"], none["since"], none["until"]) == (0, "2020-01-01", "2020-01-31")
    assert none["compare"]["promoters"] == 0
    assert "nps before" in run("nps", "--compare").stdout


def test_answers_are_counted_by_category_and_status(run: Run, world: World, answers: None) -> None:
    (category,) = of(run("nps", "--by", "category", "--json"))
    assert (category["name"], category["total"], category["nps"]) == ("Precio", 2, -100)
    (status,) = of(run("nps", "--by", "status", "--campaign", "52", "--json"))
    assert (status["campaign"], status["total"]) == ("52", 4)
    assert "there are none" in run("nps", "--by", "category", "--since", "2020-01-01", "--until", "2020-02-01").stdout


def test_days_that_cannot_be_are_refused_before_any_call(run: Run, world: World, sandbox: Sandbox) -> None:
    for args in (["--since", "2026-11-20", "--until", "2026-11-01"], ["--since", "soon"]):
        result = run("nps", *args)
        assert result.exit_code == 1
        assert len(result.stderr.strip().splitlines()) == 1
    assert run("nps", "--by", "status", "--compare").exit_code == 2
    assert sandbox.calls == []


def test_a_campaign_that_is_refused_hides_no_other(run: Run, world: World, sandbox: Sandbox, answers: None) -> None:
    result = run("nps", "--campaign", "77", "--campaign", "52", "--json")
    assert result.exit_code == 1
    assert [row["campaign"] for row in json.loads(result.stdout)] == ["52"]
    assert result.stderr.startswith("connector: campaign 77: surveys: 400")
    sandbox.breaches.clear()


def test_a_captcha_blocks_the_account_and_says_what_to_do(run: Run, world: World, sandbox: Sandbox) -> None:
    sandbox.fault("tracksale.report_nps", "captcha_405")
    result = run("nps", "--campaign", "52", "--campaign", "26")
    assert result.exit_code == 1
    assert "solve the CAPTCHA" in result.stderr
    assert len(sandbox.calls) == 1
    assert world.account("surveys").state == "blocked"


def test_an_answer_without_figures_is_told_and_stops_nobody(run: Run, world: World, sandbox: Sandbox) -> None:
    sandbox.fault("tracksale.report_nps", "status", status=200, body={"msg": "ok"})
    result = run("nps")
    assert result.exit_code == 1
    assert "without an NPS" in result.stderr
    assert world.account("surveys").state == "open"
