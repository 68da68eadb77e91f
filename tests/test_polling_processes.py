"""Polling and backfills as processes and commands: killed ones go on, the past stays behind what is live."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select, update

from connector.cli.root import connector as command
from connector.config import environment
from connector.core.http import Deadline
from connector.core.quota import Wait
from connector.core.settings import Route, Settings
from connector.inbound.receiver import Receiver
from connector.inbound.router import Router
from connector.outbound import fetch as enrich
from connector.outbound.performers import perform
from connector.outbound.send import Line, claim
from connector.store import tables, thin_events
from connector.store.database import Database, now_ms
from connector.store.lanes import BULK, LIVE
from connector.vendors import VENDORS
from connector.vendors.destinations import name_of
from connector.vendors.fetching import Fetching
from connector.vendors.polling import Span
from connector.vendors.sandbox.exchange import Sandbox
from tests import polled_sources
from tests.outbound_steps import survey
from tests.polled_sources import CLOSED, EMAIL, Asked, detractor, seconds, ticket, until

answers, database, sandbox, store = (
    polled_sources.answers,
    polled_sources.database,
    polled_sources.sandbox,
    polled_sources.store,
)

PROJECT = Path(__file__).resolve().parent.parent


TOML = """
[accounts.helpdesk]
vendor = "postcenter"
base_url = "{url}"
token = "invented-3"
timeout_s = 3

[accounts.surveys]
vendor = "tracksale"
base_url = "{url}"
token = "invented-2"

[sources.tickets]
mapping = "postcenter"
account = "helpdesk"
poll = {{ call = "postcenter.tickets", channel = "email", every = "1s", since = "2026-01-01" }}

[sources.answers]
mapping = "tracksale_answer"
account = "surveys"
poll = {{ call = "tracksale.answers", campaign_code = 52, every = "1h" }}

[[routes]]
name = "survey"
on = "ticket.closed"
to = "tracksale.dispatch"
account = "surveys"
campaign_code = "52"

[[routes]]
name = "note"
on = ["answer.detractor"]
to = "tracksale.note"
account = "surveys"
text = "Se llamará hoy"
"""


@pytest.fixture
def environ(tmp_path: Path, database_url: str, sandbox: Sandbox) -> dict[str, str]:
    (tmp_path / "connector.toml").write_text(TOML.format(url=sandbox.url))
    plain = database_url.replace("+psycopg", "")
    return {"CONNECTOR_CONFIG": str(tmp_path / "connector.toml"), "DATABASE_URL": plain, "CONNECTOR_SECRET_KEY": "k"}


@contextmanager
def process(
    environ: Mapping[str, str], *args: str, module: str = "connector", **more: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A command as its own process, in a session of its own."""
    env = {**os.environ, **environ, **more}
    running = subprocess.Popen(
        [sys.executable, "-m", module, *args], cwd=PROJECT, env=env, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        yield running
    finally:
        if running.poll() is None:
            running.kill()
        running.communicate()


def count(database: Database, table: Any = tables.events) -> int:
    with database.read() as conn:
        return len(conn.execute(select(table.c[0])).all())


def test_a_poller_that_is_killed_between_pages_goes_on_from_there(
    environ: dict[str, str], database_url: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    """The answer to a page is there, and the process dies before it is stored. One ticket is the sandbox's own."""
    for index in range(350):
        ticket(sandbox, 1000 + index, created_s=seconds(hours=20) + index)
    database = Database(database_url)
    dying = {"KILL_STEP": "answered", "KILL_NTH": "4", "KILL_COUNT": str(tmp_path / "count")}  # one is of the answers
    with process(environ, "poll", module="tests.killed_at_step", **dying) as running:
        assert running.wait(90) == -signal.SIGKILL
    stored = count(database)
    assert stored in (200, 300)
    made = [call.operation for call in sandbox.calls].count("postcenter.paginated")
    with database.write() as conn:
        conn.execute(update(tables.polls).values(held_until=1))  # its deadline passes
    with process(environ, "poll") as running:
        until(lambda: count(database) == 351)
        until(lambda: [call.operation for call in sandbox.calls].count("postcenter.paginated") > made + 4)
        running.send_signal(signal.SIGTERM)
        began_s = time.monotonic()
        assert running.wait(90) == 0
        assert time.monotonic() - began_s < 60
    assert count(database) == 351
    database.close()


def invoke(environ: Mapping[str, str], *args: str) -> Result:
    return CliRunner().invoke(command, args, env=environ)


def test_a_backfill_is_of_the_past_behind_what_is_live_and_may_be_repeated(
    environ: dict[str, str], database_url: str, sandbox: Sandbox
) -> None:
    zone = Settings().locale.timezone
    noon = datetime.now(zone).replace(hour=12, minute=0, second=0, microsecond=0)
    for days in range(10):
        when = (noon - timedelta(days=days + 2)).timestamp()
        detractor(sandbox, time=int(when), phone=f"30000000{days:02}")
    first, last = (f"{noon - timedelta(days=days):%Y-%m-%d}" for days in (8, 3))
    shown = invoke(environ, "backfill", "answers", "--from", first, "--to", last, "--json")
    assert shown.exit_code == 0, shown.output
    told = json.loads(shown.stdout)
    assert (told["pages"], told["read"], told["stored"]) == (6, 6, 6)
    again = json.loads(invoke(environ, "backfill", "answers", "--from", first, "--to", last, "--json").stdout)
    assert (again["read"], again["stored"]) == (6, 0)
    database = Database(database_url)
    with database.read() as conn:
        lanes = set(conn.execute(select(tables.deliveries.c.lane)).scalars())
        assert conn.execute(select(tables.polls)).all() == [], "nothing is left of it"
    assert lanes == {BULK}
    database.close()


def test_a_backfill_that_was_killed_goes_on_from_there(
    environ: dict[str, str], database_url: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    for days in range(20):
        detractor(sandbox, time=seconds(days=days + 1), phone=f"30000000{days:02}")
    args = ("backfill", "answers", "--from", _day(30), "--to", _day(0))
    dying = {"KILL_STEP": "answered", "KILL_NTH": "20", "KILL_COUNT": str(tmp_path / "count")}
    invoke(environ, "migrate")
    with process(environ, *args, module="tests.killed_at_step", **dying) as running:
        assert running.wait(90) == -signal.SIGKILL
    database = Database(database_url)
    before = count(database)
    assert 0 < before < 20
    with database.write() as conn:
        conn.execute(update(tables.polls).values(held_until=1))
    made = len(sandbox.calls)
    shown = invoke(environ, *args)
    assert shown.exit_code == 0, shown.output
    assert len(sandbox.calls) - made == 31 - 19, "only what was not stored yet"
    assert count(database) == 20
    database.close()


def _day(ago: int) -> str:
    return f"{datetime.now(Settings().locale.timezone) - timedelta(days=ago):%Y-%m-%d}"


def test_backfilled_tickets_wait_behind_those_that_are_live(database: Database, sandbox: Sandbox) -> None:
    asked = Asked(database, sandbox, EMAIL, survey())
    asked.look()
    for index in range(120):
        ticket(sandbox, 1000 + index, created_s=seconds(days=4) + index)
    past = asked.another(Span(seconds(days=5), seconds(days=3)))
    asked.look(past)
    live = ticket(sandbox, 300)
    asked.look()
    with database.read() as conn:
        found = thin_events.next_due(conn, "helpdesk", now_ms(conn))
        assert found is not None
        one = thin_events.get(conn, found[1])
        assert one is not None and one.payload["id"] == live and not one.behind
    asked.look(past)
    assert len(asked.rows()) == 121, "what was read before is not read again"
    asked.fetch()
    assert Counter(lane for _, _, lane in asked.sent()) == {BULK: 120, LIVE: 1}


def test_what_is_fetched_of_the_past_comes_after_every_delivery(database: Database, sandbox: Sandbox) -> None:
    close = Route(name="close", on=("ticket.updated",), to="postcenter.close", account="helpdesk")
    asked = Asked(database, sandbox, EMAIL, survey(), close)
    asked.look()
    past = ticket(sandbox, 1000, created_s=seconds(days=4))
    asked.look(asked.another(Span(seconds(days=5), seconds(days=3))))
    ticket(sandbox, 300, closed=False)
    asked.look()  # this one is fetched, and is to be closed
    account = asked.settings.accounts["helpdesk"]
    vendor = VENDORS["postcenter"].client(account)
    line = Line(database, account, dict(asked.places["helpdesk"]), vendor, "a1b2c3")
    receiver = Receiver(asked.settings, Router(asked.settings, name_of))
    kinds = []
    while not isinstance(claimed := claim(line), Wait):
        kinds.append(claimed.attempt.kind)
        if claimed.attempt.kind == "fetch":
            source = enrich.Source(database, asked.settings, account, receiver, cast(Fetching, vendor))
            enrich.enrich(source, claimed, Deadline.after(3))
        else:
            perform(line, claimed, Deadline.after(3))
    assert kinds == ["fetch", "fetch", "send", "fetch", "fetch"]
    assert [row.state for row in asked.rows() if json.loads(row.payload)["id"] == past] == ["accepted"]


def test_a_refused_backfill_keeps_what_it_has(environ: dict[str, str], sandbox: Sandbox) -> None:
    args = ("backfill", "answers", "--from", _day(6), "--to", _day(1))
    invoke(environ, "migrate")
    refusal = {"status": 400, "body": {"error": "Invalid Time"}}
    sandbox.fault("tracksale.report_answer", "status", after=4, **refusal)
    shown = invoke(environ, *args)
    assert shown.exit_code == 1 and "Invalid Time" in shown.stderr
    database = Database(environment.database_url(environ))
    with database.write() as conn:
        conn.execute(update(tables.polls).values(due_at=0))
    database.close()
    made = len(sandbox.calls)
    assert invoke(environ, *args).exit_code == 0
    assert len(sandbox.calls) - made == 2


def test_a_backfill_by_state_takes_what_was_created_then(database: Database, sandbox: Sandbox) -> None:
    asked = Asked(database, sandbox, CLOSED, survey())
    wanted = ticket(sandbox, 300, created_s=seconds(days=40))
    ticket(sandbox, 301, created_s=seconds(days=50))
    asked.look()
    past = asked.another(Span(seconds(days=41), seconds(days=39)))
    asked.look(past)
    asked.look(past)
    assert [name for name, _ in asked.events()] == [f"{wanted} closed 0"]


def test_a_blocked_account_ends_a_backfill_in_one_line(environ: dict[str, str], sandbox: Sandbox) -> None:
    sandbox.fault("tracksale.report_answer", "captcha_405")
    args = ("backfill", "answers", "--from", _day(3), "--to", _day(1))
    invoke(environ, "migrate")
    shown = invoke(environ, *args)
    assert shown.exit_code == 1
    (line,) = shown.stderr.strip().splitlines()
    assert "CAPTCHA" in line and "goes on from there" in line
    assert invoke(environ, "resume", "surveys").exit_code == 0
    until(lambda: invoke(environ, *args).exit_code == 0)


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("nothing", "--from", "2026-01-01", "--to", "2026-01-02"), 1, "no source is called"),
        (("answers", "--from", "x", "--to", "2026-01-02"), 2, "--from takes a day"),
        (("answers", "--from", "2026-01-03", "--to", "2026-01-02"), 2, "not before"),
        (("answers",), 2, "--from"),
    ],
)
def test_a_backfill_that_cannot_be_meant_says_so(
    environ: dict[str, str], args: tuple[str, ...], code: int, said: str
) -> None:
    invoke(environ, "migrate")
    shown = invoke(environ, "backfill", *args)
    assert shown.exit_code == code
    assert said in shown.stderr


def test_status_and_explain_tell_of_polls(environ: dict[str, str], database_url: str, sandbox: Sandbox) -> None:
    number = detractor(sandbox)
    invoke(environ, "migrate")
    told = json.loads(invoke(environ, "status", "--json").stdout)["polls"]
    assert [(one["poll"], one["last_at"]) for one in told] == [("tickets", None), ("answers", None)]
    with process(environ, "poll"):
        database = Database(database_url)
        until(lambda: invoke(environ, "status", "--json").stdout.count('"last_at": null') == 0)
        database.close()
    (tickets, answers) = json.loads(invoke(environ, "status", "--json").stdout)["polls"]
    assert (answers["call"], answers["stored"], answers["error"]) == ("tracksale.answers 52", 1, None)
    assert answers["next_at"] > answers["last_at"] and answers["reached"]
    assert tickets["call"] == "postcenter.tickets email"
    assert "tracksale.answers 52" in invoke(environ, "status").stdout
    story = " ".join(invoke(environ, "explain", f"{number}.detractor").stdout.split())
    assert "polled (tracksale.answers 52) by answers: answer.detractor" in story


def test_run_polls_and_delivers_what_it_brings(environ: dict[str, str], sandbox: Sandbox) -> None:
    number = detractor(sandbox)
    with process(environ, "run", PORT="0") as running:
        until(lambda: bool(sandbox.tracksale.notes))
        running.send_signal(signal.SIGTERM)
        assert running.wait(90) == 0
    assert [(one["answer_id"], one["comment"]) for one in sandbox.tracksale.notes] == [(number, "Se llamará hoy")]


def test_without_a_poll_there_is_nothing_to_poll(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "connector.toml").write_text("")
    shown = invoke(environ, "poll")
    assert shown.exit_code == 1
    assert "give one a `poll`" in shown.stderr
