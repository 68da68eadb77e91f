"""The commands: what they print, their JSON, their exit codes, and how those that stay are ended."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import update

from connector.cli import COMMANDS, group, outline, output, questions
from connector.cli.given_file import FileFault
from connector.cli.root import connector as command
from connector.store import attempts, tables
from connector.store.database import Database, now_ms
from connector.vendors.sandbox.exchange import Sandbox
from tests import documents
from tests.broker import broker
from tests.configured_world import environ, world
from tests.connector_steps import World, environment, lead

EXPECTED = (
    *(
        "demo",
        "init",
        "run",
        "web",
        "consume",
        "work",
        "poll",
        "console",
        "migrate",
        "check",
        "map",
        "new",
        "cases",
        "secrets",
        "send",
        "import",
        "imports",
        "backfill",
        "status",
    ),
    *("alarms", "pace", "events", "deliveries", "explain"),
    *("replay", "resolve", "pause", "resume", "redrive", "lots", "campaigns", "nps"),
    *("may", "person", "suppress", "rekey", "purge", "erase"),
    "sandbox",
)
__all__ = ["broker", "environ", "world"]  # the fixture
PROJECT = Path(__file__).resolve().parent.parent

Run = Callable[..., Result]


@pytest.fixture
def run(environ: dict[str, str]) -> Run:
    """Runs a command in this process."""

    def run(*args: str, given: str | bytes | None = None, **more: str) -> Result:
        return CliRunner().invoke(command, args, env=environ | more, input=given)

    return run


def one_line(result: Result, *words: str) -> None:
    """It failed with exit code 1 and a single line that holds these words."""
    assert result.exit_code == 1, result.output
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("connector: ")
    assert all(word in line for word in words), line


def of(result: Result) -> Any:
    """The JSON it printed."""
    assert result.stderr == ""
    return json.loads(result.stdout)


# --- which there are ------------------------------------------------------------------------------------------------


def test_the_version_is_the_package_s() -> None:
    shown = CliRunner().invoke(command, ["--version"])
    assert (shown.exit_code, shown.output) == (0, f"{version('connector')}\n")


def test_every_command_is_offered_and_no_other() -> None:
    shown = CliRunner().invoke(command, ["--help"])
    assert shown.exit_code == 0
    assert tuple(COMMANDS) == EXPECTED
    assert all(f"\n  {name}" in shown.output for name in EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_every_command_explains_itself(name: str) -> None:
    shown = CliRunner().invoke(command, [name, "--help"])
    assert shown.exit_code == 0
    loaded = command.get_command(click.Context(command), name)
    assert loaded is not None
    assert loaded.name == name
    assert loaded.get_short_help_str(45) == COMMANDS[name].help, "the list shows the first sentence whole"


@pytest.mark.parametrize(
    "args",
    [
        *(["nothing"], ["map"], ["map", "landing"], ["map", "landing", "/does/not/exist"], ["explain"], ["pause"]),
        *(["deliveries", "--state", "lost"], ["deliveries", "--limit", "0"], ["sandbox", "--port", "99999"]),
        *(["replay"], ["replay", "--state", "pending"], ["replay", "--delivery", "d1", "--event", "e1"]),
        *(["replay", "--delivery", "d1", "--since", "1h"], ["resolve", "d1"], ["resolve", "--landed"]),
        *(["resolve", "d1", "--landed", "--resend", "--yes"], ["replay", "--delivery", "d1", "--route", "x"]),
        *(["replay", "--state", "dead", "--force", "--yes"], ["erase", "3000000001", "--dry-run", "--yes"]),
        *(["purge", "--older-than", "9d", "--dry-run", "--vacuum"], ["resolve", "d1", "--resend"]),
        *(["replay", "--state", "dead"], ["erase", "3000000001"], ["purge", "--older-than", "9d"]),
    ],
)
def test_wrong_usage_is_exit_code_2(run: Run, args: list[str]) -> None:
    assert run(*args).exit_code == 2


# --- faults ---------------------------------------------------------------------------------------------------------


def test_a_faulty_configuration_is_told_whole_one_line_a_fault(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text('timezone = "Mars"\n[accounts.a]\nvendor = "wolkvox"\ntoken = "${NO_SUCH}"\n')
    result = run("work", CONNECTOR_CONFIG=str(tmp_path / "bad.toml"), PORT="x")  # one that needs the secrets
    lines = result.stderr.strip().splitlines()
    assert result.exit_code == 1
    assert len(lines) >= 3
    assert all(line.startswith("connector: ") for line in lines)
    for word in ("Mars", "NO_SUCH", "PORT"):
        assert word in result.stderr


@pytest.mark.parametrize("command", [("status",), ("deliveries", "--json"), ("events",), ("explain", "L-1")])
def test_who_only_reads_hears_what_the_fault_changes_and_what_to_do(
    run: Run, tmp_path: Path, command: tuple[str, ...]
) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text('timezone = "Mars"\n')
    result = run(*command, CONNECTOR_CONFIG=str(bad))
    *faults, last = result.stderr.strip().splitlines()
    assert (result.exit_code, len(faults)) == (1, 1)
    assert "Mars" in faults[0]
    assert f"correct {bad} or the environment first; running processes go on" in last


@pytest.mark.parametrize(
    "args",
    [["status"], ["deliveries"], ["explain", "d1"], ["replay", "--event", "e1"], ["pause", "dialler"]],
)
def test_a_database_without_tables_says_what_to_do(run: Run, tmp_path: Path, args: list[str]) -> None:
    one_line(run(*args, DATABASE_URL=f"sqlite:///{tmp_path}/new.db"), "run `connector migrate`")


@pytest.mark.parametrize("args", [["status"], ["migrate"], ["work"], ["run"]])
def test_a_database_that_is_away_is_one_line(run: Run, args: list[str]) -> None:
    one_line(run(*args, DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing"), "database")


def test_a_folder_that_cannot_be_written_is_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    one_line(run("migrate", DATABASE_URL=f"sqlite:///{tmp_path}/file/x.db"), "make the folder writable")


def test_an_unexpected_fault_is_one_line_without_a_stack_trace(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("no idea +573000000001")

    monkeypatch.setattr("connector.cli.status.read_status", broken)
    result = run("status")
    one_line(result, "RuntimeError", "LOG_LEVEL=DEBUG")
    assert "3000000001" not in result.stderr


def test_an_interrupt_is_quiet(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("connector.cli.status.read_status", interrupted)
    result = run("status")
    assert (result.exit_code, result.output) == (1, "")


def test_a_broken_mapping_file_is_one_line_that_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector.cli.group.ROOT", tmp_path)
    path = tmp_path / "lead.py"
    for source, said in (("x = (\n", "line 1: SyntaxError"), ("\nimport nothing_of_this_name\n", "line 2: ModuleNot")):
        path.write_text(source)
        with pytest.raises((SyntaxError, ImportError)) as caught:
            exec(compile(source, str(path), "exec"), {})
        assert group.broken_file(caught.value).startswith(f"lead.py, {said}")


def test_a_mapping_that_cannot_be_loaded_ends_the_command_with_1(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "connector.cli.explain", None)
    one_line(run("explain", "d1"), "ModuleNotFoundError", "correct the file")


HEAVY = ("sqlalchemy", "requests", "marshmallow", "phonenumbers", "rich", "mappings", "connector.config")
#: What a command that only looks at the database has no use for.
UNUSED = (
    *("requests", "urllib3", "phonenumbers", "werkzeug", "flask", "structlog", "rich.console", "pika", "alembic"),
    *("cryptography", "brotli", "zstandard", "defusedxml", "apprise", "html.parser"),
    *("babel", "openpyxl", "uvicorn", "connector.inbound.payloads", "connector.web", "connector.console"),
)


def loaded_by(*args: str, among: tuple[str, ...], **environ: str) -> tuple[list[str], str]:
    """Which of these modules a command loads, and what it prints."""
    script = (
        "import atexit, sys; from connector.__main__ import main;"
        f"atexit.register(lambda: print('loaded', *[n for n in {among} if n in sys.modules], file=sys.stderr));"
        f"sys.argv = {['connector', *args]}; main()"
    )
    known = os.environ | {"PYTHONPATH": str(PROJECT)} | environ
    ended = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, env=known, capture_output=True, text=True)
    return ended.stderr.rpartition("loaded")[2].split(), ended.stdout


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["status", "--help"], ["suppress", "add", "-h"]])
def test_help_loads_no_command(args: list[str]) -> None:
    modules, shown = loaded_by(*args, among=HEAVY)
    assert modules == [] and shown


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("connector re", ["replay", "resolve", "resume", "redrive", "rekey"]),
        ("connector deliveries --s", ["--state", "--since"]),
        ("connector deliveries --state del", ["delivered"]),
        ("connector suppress re", ["remove"]),
    ],
)
def test_completion_loads_no_command(words: str, offered: list[str]) -> None:
    asked = {"_CONNECTOR_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    modules, shown = loaded_by(among=HEAVY, **asked)
    assert modules == []
    assert [line.partition(",")[2] for line in shown.split()] == offered


def test_status_loads_only_what_it_needs(environ: dict[str, str], run: Run, database: Database) -> None:
    run("migrate")
    other = ("sqlalchemy.dialects.postgresql", "psycopg") if database.is_sqlite else ()
    modules, shown = loaded_by("status", among=(*UNUSED, *other), **environ)
    assert modules == [] and "dialler" in shown


def every_command() -> list[tuple[str, ...]]:
    """("suppress", "add")."""
    paths: list[tuple[str, ...]] = []
    for path, _ in documents.each_command():
        paths.append(tuple(path.split()[1:]))
    return [path for path in paths if path]


@pytest.mark.parametrize("path", every_command(), ids=" ".join)
def test_the_outline_says_what_the_command_says(path: tuple[str, ...]) -> None:
    real: click.Command = command
    outlined = outline.command_named(path[0])
    context = click.Context(command, info_name="connector", **documents.HELP)
    for name in path:
        assert isinstance(real, click.Group)
        found = real.get_command(context, name)
        assert found is not None
        real = found
    for name in path[1:]:
        assert isinstance(outlined, click.Group)
        outlined = outlined.commands[name]
    assert outlined is not None
    for width in (80, 100):
        shown = [
            click.Context(one, info_name="x", terminal_width=width, **documents.HELP).get_help()
            for one in (real, outlined)
        ]
        assert shown[0] == shown[1], "run `make docs`"


# --- migrate, check -------------------------------------------------------------------------------------------------


def test_migrate_may_be_run_as_often_as_one_likes(run: Run, tmp_path: Path) -> None:
    for _ in range(2):
        assert run("migrate", DATABASE_URL=f"sqlite:///{tmp_path}/deep/new.db").exit_code == 0
    assert run("status", DATABASE_URL=f"sqlite:///{tmp_path}/deep/new.db").exit_code == 0


def checked(result: Result) -> dict[str, list[tuple[str, str]]]:
    """Name -> its (state, message)s."""
    found: dict[str, list[tuple[str, str]]] = {}
    for one in json.loads(result.stdout)["checks"]:
        found.setdefault(one["name"], []).append((one["state"], one["message"]))
    return found


def test_check_finds_nothing_wrong_and_counts_its_calls(run: Run, world: World, sandbox: Sandbox) -> None:
    result = run("check", "--json")
    assert result.exit_code == 0, result.output
    found = checked(result)
    assert json.loads(result.stdout)["ok"] is True
    assert found["database"][0][0] == "ok"
    assert ("ok", "the token is known; 2 campaigns") in found["account surveys"]
    assert any("1 of 10000 calls used today" in message for _, message in found["account dialler"])
    assert world.kinds() == [("credentials", "accepted"), ("credentials", "accepted")]
    assert sandbox.breaches == []


def test_check_offline_contacts_nobody(run: Run, sandbox: Sandbox) -> None:
    result = run("check", "--offline", DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing")
    assert result.exit_code == 0, result.output
    assert sandbox.calls == []


def test_check_tells_a_wrong_token_and_blocks_the_account(run: Run, world: World, sandbox: Sandbox) -> None:
    sandbox.limits.change(tokens=["another"])
    result = run("check", "--json")
    assert result.exit_code == 1
    found = checked(result)
    for name in ("account dialler", "account surveys"):
        assert any(state == "fault" and "check the account's token" in message for state, message in found[name])
    assert world.account().state == "blocked"
    calls = len(sandbox.calls)
    assert run("check").exit_code == 1
    assert len(sandbox.calls) == calls, "a blocked account is not called again"


def test_check_does_not_call_a_paused_account_or_one_without_a_slot(run: Run, world: World, sandbox: Sandbox) -> None:
    run("pause", "dialler")
    with world.database.write() as conn:
        for _ in range(4):
            attempts.start(
                conn, account="surveys", destination="x", kind="send", worker="w", now=now_ms(conn), timeout_ms=60_000
            )
    result = run("check", "--json")
    assert result.exit_code == 0
    found = checked(result)
    assert any("not tried: dialler is paused" in message for _, message in found["account dialler"])
    assert any("not tried: no call of surveys is free" in message for _, message in found["account surveys"])
    assert sandbox.calls == []


def test_check_tells_vendors_database_and_broker_that_are_away(run: Run, tmp_path: Path, environ: Any) -> None:
    environment(tmp_path, environ["DATABASE_URL"], "http://127.0.0.1:1")
    found = checked(run("check", "--json", AMQP_URL="amqp://guest:guest@127.0.0.1:1/"))
    assert found["broker"][0][0] == "fault"
    assert any(state == "fault" and "127.0.0.1:1" in message for state, message in found["account dialler"])
    found = checked(run("check", "--json", DATABASE_URL=f"sqlite:///{tmp_path}/none.db"))
    assert found["database"] == [("skipped", "SQLite can be reached, but has no tables yet: connector run makes them")]
    assert ("skipped", "not tried: a call must be counted in the database") in found["account dialler"]


def test_check_tells_every_fault_of_the_configuration_and_the_database_too(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text('timezone = "Mars"\nregion = "XX"\n')
    more = {"CONNECTOR_CONFIG": str(tmp_path / "bad.toml"), "DATABASE_URL": f"sqlite:///{tmp_path}/none.db"}
    result = run("check", "--json", **more)
    assert result.exit_code == 1
    found = checked(result)
    assert len(found["configuration"]) >= 2
    assert found["database"][0][0] == "skipped"  # `run` makes the tables


def test_check_warns_of_what_is_open_or_unset(run: Run) -> None:
    found = checked(run("check", "--offline", "--json", CONNECTOR_SECRET_KEY=""))
    warnings = " ".join(message for _, message in found["environment"])
    assert "CONNECTOR_SECRET_KEY" in warnings
    assert "CONNECTOR_ADMIN_TOKEN" in warnings


def test_check_tells_numbers_of_processes_that_are_none(run: Run) -> None:
    result = run("check", "--offline", "--json", WEB_CONCURRENCY="many", CONSUMER_CONCURRENCY="0")
    assert result.exit_code == 1
    faults = " ".join(message for state, message in checked(result)["environment"] if state == "fault")
    assert "WEB_CONCURRENCY" in faults and "CONSUMER_CONCURRENCY" in faults


# --- map ------------------------------------------------------------------------------------------------------------


def test_map_shows_event_and_records_and_touches_nothing(run: Run, tmp_path: Path, sandbox: Sandbox) -> None:
    (tmp_path / "lead.json").write_text(json.dumps(lead(1)), encoding="utf-8")
    result = run("map", "landing", str(tmp_path / "lead.json"), "--json", DATABASE_URL="postgresql://x@127.0.0.1:1/no")
    (event,) = of(result)["events"]
    assert result.exit_code == 0
    assert (event["status"], event["event"]["phones"]) == ("accepted", ["+573000000001"])
    (delivery,) = event["deliveries"]
    assert (delivery["record"]["tel1"], delivery["record"]["customer_name"]) == ("93000000001", "Íñigo")
    assert delivery["guards"] == [
        "expires_after: not later than 24 h after its event",
        "numbers: those of the countries and kinds that its account and source allow",
        "once_per: one for each phone within 24 h",
    ]
    assert sandbox.calls == []


def test_map_tells_every_field_error_and_fails(run: Run, tmp_path: Path) -> None:
    (tmp_path / "lead.json").write_text(json.dumps(lead(1, phones=["12"], email="nothing")))
    result = run("map", "landing", str(tmp_path / "lead.json"))
    assert result.exit_code == 1
    for word in ("phones", "email", "invalid"):
        assert word in result.stdout


def test_map_takes_a_form_lines_and_stdin(run: Run, tmp_path: Path) -> None:
    (tmp_path / "lead.txt").write_text("type=lead.created&data[first_name]=Zo%C3%AB&data[phones][]=3000000001")
    (tmp_path / "leads.ndjson").write_text("\n".join(json.dumps(lead(number)) for number in (1, 2)))
    form = of(run("map", "form", str(tmp_path / "lead.txt"), "--json"))
    assert form["events"][0]["event"]["first_name"] == "Zoë"
    assert len(of(run("map", "landing", str(tmp_path / "leads.ndjson"), "--json"))["events"]) == 2
    assert of(run("map", "landing", "-", "--json", given=json.dumps(lead(3))))["events"][0]["event_id"] == "L-3"


def test_map_reads_what_a_sender_with_a_shape_of_its_own_sends(run: Run, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('[sources.portal]\nmapping = "adf"\nverify = { scheme = "none" }\n')
    one = "<prospect><customer><contact><name>Zoë</name><phone>300000000{}</phone></contact></customer></prospect>"
    (tmp_path / "leads.xml").write_text(f"<adf>{one.format(1)}{one.format(2)}</adf>", encoding="utf-8")
    found = of(run("map", "portal", str(tmp_path / "leads.xml"), "--json", CONNECTOR_CONFIG=str(tmp_path / "own.toml")))
    assert [one["event"]["phones"] for one in found["events"]] == [["+573000000001"], ["+573000000002"]]
    assert found["events"][0]["payload"]["adf"]["prospect"]["customer"]["contact"]["name"] == "Zoë"


def test_map_says_what_is_not_to_be_acted_on(run: Run, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('[sources.desk]\nmapping = "zendesk"\nverify = { scheme = "none" }\n')
    given = json.dumps({"type": "zen:event-type:user.created", "id": "1", "detail": {"id": "2"}})
    result = run("map", "desk", "-", given=given, CONNECTOR_CONFIG=str(tmp_path / "own.toml"))
    assert (result.exit_code, "noted: not an event of a ticket" in result.stdout) == (0, True)
    assert "it is not to be acted on" in result.stdout


def test_map_says_when_no_route_wants_it_or_no_record_can_be_made(run: Run) -> None:
    ignored = run("map", "landing", "-", given=json.dumps(lead(1) | {"type": "lead.updated"}))
    assert (ignored.exit_code, "no route wants it" in ignored.stdout) == (0, True)
    undialled = run("map", "landing", "-", given=json.dumps(lead(1, phones=[])))
    assert (undialled.exit_code, "no record can be made of it" in undialled.stdout) == (1, True)


def test_map_of_no_payload_or_an_unknown_source_is_one_line(run: Run) -> None:
    one_line(run("map", "landing", "-", given=b"\xff\xfe{"), "it cannot be read")
    one_line(run("map", "landng", "-", given="{}"), 'did you mean "landing"')


# --- looking --------------------------------------------------------------------------------------------------------


def test_status_and_deliveries_and_explain_show_what_the_stories_say(run: Run, world: World) -> None:
    world.receive("landing", lead(1), lead(2))
    world.drain()
    status = run("status")
    assert status.exit_code == 0
    for word in ("dialler", "of 10000 in 24 h", "dialler/wolkvox.add_record/1042", "2 accepted", "half within"):
        assert word in status.stdout
    assert {"at", "accounts", "destinations", "events_24h", "speed_24h"} <= set(of(run("status", "--json")))
    listed = of(run("deliveries", "--find", "300 000 0001", "--json"))
    assert [one["event_id"] for one in listed] == ["L-1"]
    assert "L-2" in run("deliveries", "--state", "delivered", "--since", "1h", "--limit", "1").stdout
    explained = run("explain", "L-1")
    assert "was accepted after" in explained.stdout
    assert "Íñigo" not in explained.stdout
    assert "Íñigo" in run("explain", "L-1", "--record").stdout
    assert of(run("explain", listed[0]["delivery"], "--json"))["events"][0]["event_id"] == "L-1"


@pytest.mark.parametrize(
    ("language", "words", "lists"),
    [
        ("es", ("Cuentas", "disponible", "llamadas usadas", "Rapidez con cada lead", "Las horas son de"), "entregado"),
        ("pt", ("Contas", "disponível", "chamadas usadas", "Rapidez com cada lead", "Os horários são de"), "entregue"),
    ],
)
def test_status_and_lists_speak_the_language_of_who_reads_them(
    run: Run, world: World, language: str, words: Sequence[str], lists: str
) -> None:
    world.receive("landing", lead(1))
    world.drain()
    shown = run("--lang", language, "status").stdout
    assert all(word in shown for word in words), shown
    assert "calls used" not in shown and "Destinations" not in shown
    assert lists in run("--lang", language, "deliveries").stdout
    missed = run("--lang", language, "explain", "nada").stderr
    assert "d123" in missed and "nothing is called" not in missed
    assert of(run("--lang", language, "deliveries", "--json"))[0]["state"] == "delivered", "programs read English"


def test_status_says_why_an_account_and_a_destination_stand_still(run: Run, world: World) -> None:
    run("pause", "surveys", "--reason", "after a restore")
    world.receive("landing", lead(1))
    with world.database.write() as conn:
        conn.execute(update(tables.deliveries).values(route="an old route"))
    shown = run("status").stdout
    assert "after a restore (since" in shown
    assert "an old route” (dialler): 1 unfinished, the route left the configuration" in shown


def test_looking_for_what_is_not_there_is_one_line_or_an_empty_list(run: Run) -> None:
    one_line(run("explain", "nobody"), "nothing is called nobody")
    assert of(run("deliveries", "--json")) == []
    assert "no delivery fits" in run("deliveries").stdout
    one_line(run("deliveries", "--since", "soon"), "is no time")


def test_a_list_that_finds_no_delivery_says_where_an_event_without_one_is(run: Run, world: World) -> None:
    world.receive("landing", {"id": "BAD-1", "type": "lead.created", "data": {"first_name": "Ana"}})
    for text in ("BAD-1", "ana"):
        shown = run("deliveries", "--find", text)
        assert (shown.exit_code, "no delivery fits, but an event without one: connector events" in shown.stdout) == (
            0,
            True,
        )
    assert of(run("deliveries", "--find", "BAD-1", "--json")) == []
    assert run("deliveries", "--find", "nobody").stdout.strip().endswith("no delivery fits")
    assert "but an event" not in run("deliveries", "--find", "BAD-1", "--state", "dead").stdout


def test_a_pipe_without_utf8_gets_question_marks_and_exact_json(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "lead.json").write_text(json.dumps(lead(1)), encoding="utf-8")
    args = [sys.executable, "-m", "connector", "map", "landing", str(tmp_path / "lead.json")]
    env = {**os.environ, **environ, "PYTHONIOENCODING": "latin-1"}
    plain = subprocess.run(args, env=env, cwd=PROJECT, capture_output=True, timeout=240, check=True)
    assert "Route ?dial new leads? ? dialler" in plain.stdout.decode("latin-1")
    exact = subprocess.run([*args, "--json"], env=env, cwd=PROJECT, capture_output=True, timeout=240, check=True)
    assert json.loads(exact.stdout)["events"][0]["event"]["first_name"] == "Íñigo"


def test_what_a_terminal_would_obey_is_not_printed() -> None:
    assert output.printable("a\x1b[31mb\nc\u202e") == "a·[31mb c·"


# --- deciding -------------------------------------------------------------------------------------------------------


def test_replay_tells_what_it_did_and_what_it_would_do(run: Run, world: World) -> None:
    world.receive("landing", lead(1), lead(2))
    with world.database.write() as conn:
        conn.execute(
            update(tables.deliveries).values(
                state="dead", reason_code="vendor.refused", reason_facts='{"words":"400 wrong"}'
            )
        )
    would = of(run("replay", "--state", "dead", "--since", "1h", "--dry-run", "--json"))
    assert [one["action"] for one in would] == ["renew", "renew"]
    assert world.states() == {"dead": 2}
    assert "1 pending again" in run("replay", "--delivery", would[0]["delivery"]).stdout
    assert "1 pending again" in run("replay", "--event", "L-2").stdout
    assert world.states() == {"pending": 2}
    assert "nothing fits" in run("replay", "--state", "dead", "--yes").stdout


def test_replay_of_what_was_delivered_fails_until_forced_and_confirmed(
    run: Run, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "has_terminal", lambda: True)
    world.receive("landing", lead(1))
    world.drain()
    name = f"d{world.deliveries()[0].id}"
    refused = run("replay", "--delivery", name)
    assert (refused.exit_code, "--force" in refused.stdout) == (1, True)
    asked = run("replay", "--delivery", name, "--force", given="n\n")
    assert (asked.exit_code, "contacted a second time" in asked.stderr) == (1, True)
    assert world.states() == {"delivered": 1}
    assert run("replay", "--delivery", name, "--force", "--yes").exit_code == 0
    assert world.states() == {"pending": 1}


def test_what_cannot_be_undone_is_asked_with_its_number_and_consequence(
    run: Run, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "has_terminal", lambda: True)
    world.receive("landing", lead(1), lead(2))
    with world.database.write() as conn:
        conn.execute(update(tables.deliveries).values(state="dead", reason="400 wrong"))
    before = world.everything()
    for words, args in (
        (("2 deliveries are sent again", "dialler/wolkvox.add_record/1042"), ("replay", "--state", "dead")),
        (("1 delivery is sent again",), ("replay", "--state", "dead", "--limit", "1")),
        (("1 event", "cannot be undone", "stays at the vendors"), ("erase", "300 000 0001")),
        (("cannot be undone",), ("purge", "--older-than", "1d")),
    ):
        asked = run(*args, given="n\n", CONNECTOR_SECRET_KEY="k")
        assert asked.exit_code == 1
        assert all(word in asked.output for word in words), asked.output
        assert {name: rows for name, rows in world.everything().items() if name != "facts"} == {
            name: rows for name, rows in before.items() if name != "facts"
        }


def test_replay_takes_the_dead_of_a_route_an_account_a_reason_and_so_many(run: Run, world: World) -> None:
    world.receive("landing", lead(1), lead(2), lead(3))
    with world.database.write() as conn:
        conn.execute(update(tables.deliveries).values(state="dead", reason="400 SOME PARAMETERS ARE REQUIRED"))
        conn.execute(update(tables.deliveries).where(tables.deliveries.c.id == 1).values(reason="409 closed"))
    dead = ("replay", "--state", "dead", "--dry-run", "--json")
    assert len(of(run(*dead, "--reason", "some parameters"))) == 2
    assert len(of(run(*dead, "--route", "dial new leads", "--limit", "1"))) == 1
    assert len(of(run(*dead, "--account", "dialler"))) == 3
    assert of(run(*dead, "--account", "surveys")) == []
    one_line(run(*dead, "--route", "dial new lead"), 'did you mean "dial new leads"')
    one_line(run(*dead, "--account", "diallr"), 'did you mean "dialler"')


def test_a_replay_foresees_the_do_not_contact_list(run: Run, world: World) -> None:
    world.receive("landing", lead(1))
    with world.database.write() as conn:
        conn.execute(update(tables.deliveries).values(state="dead", reason="400 wrong"))
    assert run("suppress", "add", "300 000 0001", CONNECTOR_SECRET_KEY="demo").exit_code == 0
    for more in ((), ("--dry-run",)):
        kept = run("replay", "--delivery", "d1", *more, CONNECTOR_SECRET_KEY="demo")
        assert (kept.exit_code, "on the do-not-contact list" in kept.stdout) == (1, True)
    assert world.states() == {"dead": 1}


def test_the_story_tells_who_decided_what_and_why_and_what_it_was_before(
    run: Run, world: World, sandbox: Sandbox
) -> None:
    sandbox.fault("wolkvox.add_record", "cut", where="before")
    world.receive("landing", lead(1))
    world.step()  # the campaign report
    world.step()
    ana = {"CONNECTOR_WHO": "ana"}
    assert run("pause", "dialler", "--reason", "maintenance until 14:00", **ana).exit_code == 0
    assert run("pause", "dialler", CONNECTOR_WHO="leo").exit_code == 0
    (account, *_) = of(run("status", "--json"))["accounts"]
    assert (account["state"], account["reason"]) == ("paused", "maintenance until 14:00")
    assert run("resume", "dialler", **ana).exit_code == 0
    asked = ("resolve", "d1", "--resend", "--yes", "--why", "not in wolkvox, call ana@example.com")
    assert run(*asked, **ana).exit_code == 0
    with world.database.write() as conn:
        conn.execute(update(tables.deliveries).values(state="suppressed", reason_code="expired"))
    assert run("replay", "--delivery", "d1", "--why", "she asked again", CONNECTOR_WHO="leo").exit_code == 0
    told = of(run("explain", "d1", "--json"))["events"][0]
    story = [line["said"] for line in told["story"]]
    assert [line for line in story if "ana" in line or "leo" in line] == [
        "ana paused dialler: maintenance until 14:00",
        "leo paused dialler",
        "ana resumed dialler; it was paused",
        "d1: ana said that it had not landed, and had it sent again (resolve --resend): not in wolkvox, call ***",
        "d1: leo had it sent again (replay); it was suppressed: expired: she asked again",
    ]
    now = of(run("explain", "d1", "--json"))["at"]
    assert all(line["at"] <= now for line in told["story"])
    done = of(run("status", "--json"))["acts_24h"]
    assert [(one["who"], one["what"]) for one in done][:2] == [("leo", "replay"), ("ana", "not_landed")]


def test_replay_of_nobody_is_one_line(run: Run) -> None:
    one_line(run("replay", "--delivery", "d77"), "there is no delivery d77")
    one_line(run("replay", "--delivery", "x"), "is no delivery")
    one_line(run("replay", "--event", "nobody"), "no event is called")


def test_resolve_settles_one_or_all_of_a_call(run: Run, world: World, sandbox: Sandbox) -> None:
    sandbox.fault("wolkvox.add_record", "cut", where="before")
    world.receive("landing", lead(1), lead(2), lead(3))
    world.step()  # the campaign report
    world.step()
    first = world.deliveries()[0]
    assert run("resolve", f"d{first.id}", "--landed").exit_code == 0
    assert run("resolve", f"a{first.attempt}", "--resend", "--yes").stdout == f"2 of a{first.attempt}: pending again\n"
    assert world.states() == {"delivered": 1, "pending": 2}
    one_line(run("resolve", f"d{first.id}", "--resend", "--yes"), "only what is uncertain")


def test_a_paused_account_makes_no_call_until_it_is_resumed(run: Run, world: World, sandbox: Sandbox) -> None:
    world.receive("landing", lead(1))
    assert run("pause", "dialler").exit_code == 0
    assert world.drain() == []
    assert "it was paused" in run("resume", "dialler").stdout
    assert world.drain() != []
    assert sandbox.wolkvox.count("1042") == 1


def test_pausing_an_account_that_is_not_there_is_one_line(run: Run) -> None:
    one_line(run("pause", "diallr"), 'did you mean "dialler"')
    one_line(run("resume", "x"), "dialler")


def test_redriving_a_source_without_a_queue_is_one_line(run: Run) -> None:
    one_line(run("redrive", "landing"), 'no source with a queue is called "landing": none has one')


# --- examples -------------------------------------------------------------------------------------------------------


def examples(told: click.Command) -> list[list[str]]:
    """The command lines of a help, as a shell splits them; variables before the command are left out."""
    lines = (shlex.split(line) for line in (told.help or "").splitlines() if "connector " in line)
    found = [line[line.index("connector") + 1 :] for line in lines if "connector" in line[:2] and "COMMAND" not in line]
    return [line[: line.index(">")] if ">" in line else line for line in found]


@pytest.mark.parametrize("path", every_command(), ids=" ".join)
def test_every_help_has_an_example_of_its_command_and_each_can_be_typed(path: tuple[str, ...]) -> None:
    told = dict(documents.each_command())[" ".join(("connector", *path))]
    found = examples(told)
    assert any(tuple(line[: len(path)]) == path for line in found), "its docstring needs a line to copy"
    for line in found:
        parse(line)


def parse(line: list[str]) -> None:
    """Raises `click.UsageError` for what is no command line; files that are not there do not matter."""
    here: click.Command = command
    context = click.Context(command, info_name="connector", **documents.HELP)
    while isinstance(here, click.Group) and line and not line[0].startswith("-"):
        found = here.get_command(context, line[0])
        assert found is not None, line
        here, line = found, line[1:]
    try:
        here.make_context(str(here.name), list(line), parent=context)
    except FileFault as fault:
        assert "there is no file" in fault.message
    except click.exceptions.NoArgsIsHelpError:
        pass


def test_an_example_that_cannot_be_typed_is_found() -> None:
    for line in (["status", "--nonsense"], ["deliveries", "--state", "lost"], ["explain"]):
        with pytest.raises((click.UsageError, AssertionError)):
            parse(line)


def test_whatever_takes_a_time_says_all_that_it_takes() -> None:
    text = (PROJECT / "docs" / "commands.md").read_text(encoding="utf-8")
    told = [" ".join(one.split()) for one in re.findall(r"(?m)^  --(?:since|at) T.*(?:\n {10,}.*)*", text)]
    assert len(told) == 6
    for one in told:
        assert "today" in one or "20:00" in one or "yesterday" in one, one


@pytest.mark.parametrize("args", [["status"], ["deliveries"], ["events"], ["explain", "L-1"], ["imports"]])
def test_what_only_looks_makes_no_database_where_its_name_is_mistyped(
    run: Run, tmp_path: Path, args: list[str]
) -> None:
    path = tmp_path / "mistyped" / "connector.db"
    one_line(run(*args, DATABASE_URL=f"sqlite:///{path}"), "there is no database", str(path))
    assert not path.parent.exists()
