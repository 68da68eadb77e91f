"""The commands: what they print, their JSON, their exit codes, and how those that stay are ended."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner, Result
from sqlalchemy import update

from connector import attempts, configuration, destinations, tables
from connector.__main__ import broken_file, main
from connector.commands import connector as command
from connector.commands import show
from connector.db import Database, now_ms
from connector.demo import FORM_TOKEN
from connector.sandbox import Sandbox
from tests.broker import AMQP_URL, Broker, broker
from tests.telling import World, environment, lead

COMMANDS = (
    *("demo", "run", "web", "consume", "work", "poll", "migrate", "check", "map", "import", "backfill", "status"),
    *("deliveries", "explain"),
    *("replay", "resolve", "pause", "resume", "redrive", "lots", "campaigns", "nps", "suppress", "purge", "erase"),
    "sandbox",
)
__all__ = ["broker"]  # the fixture
PROJECT = Path(__file__).resolve().parent.parent

Run = Callable[..., Result]


@pytest.fixture
def environ(tmp_path: Path, database_url: str, sandbox: Sandbox) -> dict[str, str]:
    return environment(tmp_path, database_url, sandbox.url)


@pytest.fixture
def run(environ: dict[str, str]) -> Run:
    """Runs a command in this process."""

    def run(*args: str, given: str | bytes | None = None, **more: str) -> Result:
        return CliRunner().invoke(command, args, env=environ | more, input=given)

    return run


@pytest.fixture
def world(environ: dict[str, str]) -> Iterator[World]:
    """What the commands look at, driven step by step."""
    settings = configuration.load(environ, destinations=destinations.SPECS)
    database = Database(settings.database_url)
    yield World(settings, database)
    database.close()


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


def test_every_command_is_offered_and_no_other() -> None:
    shown = CliRunner().invoke(command, ["--help"])
    assert shown.exit_code == 0
    assert tuple(command.commands) == COMMANDS
    assert all(f"\n  {name}" in shown.output for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    shown = CliRunner().invoke(command, [name, "--help"])
    assert shown.exit_code == 0
    assert "..." not in command.commands[name].get_short_help_str(45), "the list shows the first sentence whole"


@pytest.mark.parametrize(
    "args",
    [
        *(["nothing"], ["map"], ["map", "landing"], ["map", "landing", "/does/not/exist"], ["explain"], ["pause"]),
        *(["deliveries", "--state", "lost"], ["deliveries", "--limit", "0"], ["sandbox", "--port", "99999"]),
        *(["replay"], ["replay", "--state", "pending"], ["replay", "--delivery", "d1", "--event", "e1"]),
        *(["replay", "--delivery", "d1", "--since", "1h"], ["resolve", "d1"], ["resolve", "--landed"]),
    ],
)
def test_wrong_usage_is_exit_code_2(run: Run, args: list[str]) -> None:
    assert run(*args).exit_code == 2


# --- faults ---------------------------------------------------------------------------------------------------------


def test_a_faulty_configuration_is_told_whole_one_line_a_fault(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text('timezone = "Mars"\n[accounts.a]\nvendor = "wolkvox"\ntoken = "${NO_SUCH}"\n')
    result = run("status", CONNECTOR_CONFIG=str(tmp_path / "bad.toml"), PORT="x")
    lines = result.stderr.strip().splitlines()
    assert result.exit_code == 1
    assert len(lines) >= 3
    assert all(line.startswith("connector: ") for line in lines)
    for word in ("Mars", "NO_SUCH", "PORT"):
        assert word in result.stderr


@pytest.mark.parametrize(
    "args", [["status"], ["deliveries"], ["explain", "d1"], ["replay", "--state", "dead"], ["pause", "dialler"]]
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

    monkeypatch.setattr("connector.stories.status", broken)
    result = run("status")
    one_line(result, "RuntimeError", "LOG_LEVEL=DEBUG")
    assert "3000000001" not in result.stderr


def test_an_interrupt_is_quiet(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("connector.stories.status", interrupted)
    result = run("status")
    assert (result.exit_code, result.output) == (1, "")


def test_a_broken_mapping_file_is_one_line_that_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector.__main__.ROOT", tmp_path)
    path = tmp_path / "lead.py"
    for source, said in (("x = (\n", "line 1: SyntaxError"), ("\nimport nothing_of_this_name\n", "line 2: ModuleNot")):
        path.write_text(source)
        with pytest.raises((SyntaxError, ImportError)) as caught:
            exec(compile(source, str(path), "exec"), {})
        assert broken_file(caught.value).startswith(f"lead.py, {said}")


def test_a_mapping_that_cannot_be_loaded_ends_every_command_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "connector.commands", None)
    with pytest.raises(SystemExit) as ended:
        main()
    assert str(ended.value.code).startswith("connector: ")


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
    assert world.kinds() == [("check", "accepted"), ("check", "accepted")]
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
    assert found["database"] == [("fault", "SQLite can be reached, but has no tables yet: run `connector migrate`")]
    assert ("skipped", "not tried: a call must be counted in the database") in found["account dialler"]


def test_check_tells_every_fault_of_the_configuration_and_the_database_too(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text('timezone = "Mars"\nregion = "XX"\n')
    more = {"CONNECTOR_CONFIG": str(tmp_path / "bad.toml"), "DATABASE_URL": f"sqlite:///{tmp_path}/none.db"}
    result = run("check", "--json", **more)
    assert result.exit_code == 1
    found = checked(result)
    assert len(found["configuration"]) >= 2
    assert found["database"][0][0] == "fault"


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
    (tmp_path / "leads.ndjson").write_text("\n".join(json.dumps(lead(n)) for n in (1, 2)))
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


def test_a_pipe_without_utf8_gets_question_marks_and_exact_json(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "lead.json").write_text(json.dumps(lead(1)), encoding="utf-8")
    args = [sys.executable, "-m", "connector", "map", "landing", str(tmp_path / "lead.json")]
    env = {**os.environ, **environ, "PYTHONIOENCODING": "latin-1"}
    plain = subprocess.run(args, env=env, cwd=PROJECT, capture_output=True, timeout=60, check=True)
    assert "Route ?dial new leads? ? dialler" in plain.stdout.decode("latin-1")
    exact = subprocess.run([*args, "--json"], env=env, cwd=PROJECT, capture_output=True, timeout=60, check=True)
    assert json.loads(exact.stdout)["events"][0]["event"]["first_name"] == "Íñigo"


def test_what_a_terminal_would_obey_is_not_printed() -> None:
    assert show.printable("a\x1b[31mb\nc\u202e") == "a·[31mb c·"


# --- deciding -------------------------------------------------------------------------------------------------------


def test_replay_tells_what_it_did_and_what_it_would_do(run: Run, world: World) -> None:
    world.receive("landing", lead(1), lead(2))
    with world.database.write() as conn:
        conn.execute(update(tables.deliveries).values(state="dead", reason="400 wrong"))
    would = of(run("replay", "--state", "dead", "--since", "1h", "--dry-run", "--json"))
    assert [one["action"] for one in would] == ["renew", "renew"]
    assert world.states() == {"dead": 2}
    assert "1 pending again" in run("replay", "--delivery", would[0]["delivery"]).stdout
    assert "1 pending again" in run("replay", "--event", "L-2").stdout
    assert world.states() == {"pending": 2}
    assert "nothing fits" in run("replay", "--state", "dead").stdout


def test_replay_of_what_was_delivered_fails_until_forced_and_confirmed(run: Run, world: World) -> None:
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
    assert run("resolve", f"a{first.attempt}", "--resend").stdout == f"2 of a{first.attempt}: pending again\n"
    assert world.states() == {"delivered": 1, "pending": 2}
    one_line(run("resolve", f"d{first.id}", "--resend"), "only what is uncertain")


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


# --- those that stay ------------------------------------------------------------------------------------------------


@pytest.fixture
def started(tmp_path: Path, sqlite_url: str, sandbox: Sandbox) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a command as a process of its own; whatever still runs at the end is killed."""
    environ = environment(tmp_path, sqlite_url, sandbox.url)
    processes: list[subprocess.Popen[str]] = []

    def start(*args: str, **more: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "connector", *args],
            env={**os.environ, **environ, "PORT": str(free_port()), **more},
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def until(so: Callable[[], object], *, timeout_s: float = 20.0) -> None:
    end = time.monotonic() + timeout_s
    while not so():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.02)


def alive(url: str) -> bool:
    try:
        return requests.get(f"{url}/livez", timeout=2).ok
    except requests.ConnectionError:
        return False


def post(url: str, payload: Mapping[str, Any]) -> requests.Response:
    return requests.post(f"{url}/webhooks/form", json=payload, headers={"X-Token": FORM_TOKEN}, timeout=10)


Start = Callable[..., subprocess.Popen[str]]


def running(process: subprocess.Popen[str]) -> str:
    """Where ``connector run`` listens."""
    assert process.stdout is not None
    found = re.search(r"http://\S+", process.stdout.readline())
    assert found, process.stderr and process.stderr.read()
    until(lambda: alive(found[0]))
    return found[0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_takes_and_delivers_and_ends_in_order(started: Start, sandbox: Sandbox, number: int) -> None:
    process = started("run")
    url = running(process)
    assert post(url, lead(1)).status_code == 202
    until(lambda: sandbox.wolkvox.count("1042") == 1)
    process.send_signal(number)
    assert process.wait(timeout=25) == 0
    assert not alive(url)


def test_a_call_in_flight_is_settled_before_the_end(started: Start, sandbox: Sandbox, sqlite_url: str) -> None:
    sandbox.limits.change(latency_s={"wolkvox.add_record": 1.5})
    process = started("run")
    assert post(running(process), lead(1)).status_code == 202
    until(lambda: any(call.operation == "wolkvox.add_record" for call in sandbox.calls))
    process.terminate()
    assert process.wait(timeout=25) == 0
    database = Database(sqlite_url)
    with database.read() as conn:
        assert conn.execute(tables.deliveries.select()).one().state == "delivered"
    database.close()


def test_a_second_signal_ends_at_once(started: Start, sandbox: Sandbox) -> None:
    sandbox.limits.change(latency_s={"wolkvox.add_record": 30})
    process = started("run")
    assert post(running(process), lead(1)).status_code == 202
    until(lambda: any(call.operation == "wolkvox.add_record" for call in sandbox.calls))
    process.terminate()
    time.sleep(0.5)
    began = time.monotonic()
    process.terminate()
    assert process.wait(timeout=10) == -signal.SIGTERM
    assert time.monotonic() - began < 5


def test_web_and_work_share_what_run_does_alone(started: Start, sandbox: Sandbox) -> None:
    port = str(free_port())
    web, work = started("web", PORT=port, WEB_CONCURRENCY="1"), started("work")
    until(lambda: alive(f"http://127.0.0.1:{port}"))
    assert post(f"http://127.0.0.1:{port}", lead(1)).status_code == 202
    until(lambda: sandbox.wolkvox.count("1042") == 1)
    for process in (web, work):
        process.terminate()
        assert process.wait(timeout=25) == 0


@pytest.mark.parametrize("name", ["run", "web"])
def test_a_port_in_use_is_one_line_and_exit_code_1(started: Start, name: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = started(name, PORT=str(taken.getsockname()[1]))
        _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert re.fullmatch(r"connector: port \d+ .*PORT\n", said)


def test_the_sandbox_serves_until_it_is_asked_to_end(started: Start) -> None:
    process = started("sandbox", "--port", "0")
    assert process.stdout is not None
    found = re.search(r"http://[\d.:]+", process.stdout.readline())
    assert found
    assert requests.get(f"{found[0]}/_sandbox/state", timeout=5).ok
    process.terminate()
    assert process.wait(timeout=10) == 0


def test_from_the_broker_to_the_vendor_and_back_from_the_dead(
    started: Start, broker: Broker, tmp_path: Path, sqlite_url: str, sandbox: Sandbox
) -> None:
    more = f'[sources.crm]\nmapping = "lead"\nqueue = "{broker.queue}"\n'
    broker.declare()
    broker.publish(json.dumps(lead(1)).encode())
    broker.refuse_all()
    queued = {**environment(tmp_path, sqlite_url, sandbox.url, more=more), "AMQP_URL": AMQP_URL}
    moved = CliRunner().invoke(command, ["redrive", "crm"], env=queued)
    assert (moved.exit_code, moved.stdout) == (0, f"put back on {broker.queue}: 1\n")
    process = started("run", **queued)
    running(process)
    until(lambda: sandbox.wolkvox.count("1042") == 1)
    process.terminate()
    assert process.wait(timeout=25) == 0
    assert broker.depth() == broker.depth(broker.dead) == 0


def test_a_broker_that_refuses_us_ends_run_with_one_line(
    started: Start, tmp_path: Path, sqlite_url: str, sandbox: Sandbox, broker: Broker
) -> None:
    more = f'[sources.crm]\nmapping = "lead"\nqueue = "{broker.queue}"\n'
    wrong = re.sub("//[^@]*@", "//nobody:wrong@", AMQP_URL)
    queued = {**environment(tmp_path, sqlite_url, sandbox.url, more=more), "AMQP_URL": wrong, "LOG_LEVEL": "CRITICAL"}
    process = started("run", **queued)
    _, said = process.communicate(timeout=40)
    assert process.returncode == 1
    assert re.fullmatch(r"connector: .*check the user and the password in AMQP_URL\n", said)


def test_consume_without_a_queue_says_so(run: Run) -> None:
    one_line(run("consume"), "no source has a queue")


def test_the_processes_make_their_tables_themselves(started: Start, sandbox: Sandbox, tmp_path: Path) -> None:
    process = started("run", DATABASE_URL=f"sqlite:///{tmp_path}/fresh/new.db")
    assert post(running(process), lead(1)).status_code == 202
    until(lambda: sandbox.wolkvox.count("1042") == 1)
