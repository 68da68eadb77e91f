"""What is shipped to run it for good: the Procfile played, the backup's lines typed, unit and compose file read."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import requests
from sqlalchemy import func, select

from connector.cli import COMMANDS
from connector.store import tables
from connector.store.database import Database
from connector.vendors.sandbox.exchange import Sandbox
from tests.broker import AMQP_URL, Broker, broker, wait_until
from tests.config_texts import example_environment
from tests.test_first_minutes import free_port

__all__ = ["broker"]  # the fixture
ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "config" / "deploy"
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
PROCFILE = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
LEAD = '{"id": "L-1", "type": "lead.created", "data": {"first_name": "Ana", "phones": ["+573000000001"]}}'


def block(after: str) -> list[str]:
    """The lines of the first shell block after these words of the page."""
    text = OPERATIONS.split(after, 1)[1]
    found = re.search(r"```sh\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return found[1].splitlines()


def typed(lines: list[str], folder: Path, **environ: str) -> None:
    """As in one terminal: what a line sets holds for those after it."""
    known = {"PATH": os.environ["PATH"], **environ}
    script = "\n".join(["set -e", *lines])
    ended = subprocess.run(["sh", "-c", script], cwd=folder, env=known, capture_output=True, text=True, timeout=240)
    assert ended.returncode == 0, f"{lines}: {ended.stderr}"


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


# --- files ----------------------------------------------------------------------------------------------------------


def test_the_app_knows_every_process_and_every_variable_of_the_shipped_configuration() -> None:
    app = json.loads((ROOT / "app.json").read_text())
    assert set(app["formation"]) == set(PROCFILE) - {"release"}
    text = (ROOT / "config" / "connector.toml").read_text()
    named = set(re.findall(r"\$\{([A-Z_]+)\}", "\n".join(line.split("#")[0] for line in text.splitlines())))
    assert named & set(example_environment(own=False)) <= set(app["env"])
    assert tomllib.loads(text)


def test_every_line_of_the_procfile_is_a_command() -> None:
    for line in PROCFILE.values():
        assert line.removeprefix("python -m connector ") in COMMANDS


def test_the_compose_file_runs_every_process() -> None:
    yaml = pytest.importorskip("yaml")
    said = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    ours = {name: one["command"] for name, one in said["services"].items() if one.get("image") == "connector"}
    assert {line.removeprefix("connector ") for line in ours.values()} == {"web", "work", "consume", "poll"}
    for one in said["services"].values():
        assert one["restart"] == "unless-stopped"
    assert "${POSTGRES_PASSWORD}" in said["services"]["web"]["environment"]["DATABASE_URL"]
    copied = re.findall(r"^COPY (.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    assert all((ROOT / name).exists() for line in copied for name in line.split())


def test_the_unit_is_one_that_systemd_understands(tmp_path: Path) -> None:
    command = tool("systemd-analyze")
    text = (DEPLOY / "connector@.service").read_text()
    assert "ExecStart=/srv/connector/.venv/bin/connector %i" in text
    unit = tmp_path / "connector@.service"
    unit.write_text(text.replace("/srv/connector/.venv/bin/connector", sys.executable))
    ended = subprocess.run([command, "verify", str(unit)], capture_output=True, text=True, timeout=240)
    said = [line for line in ended.stderr.splitlines() if "connector@" in line]
    assert not said


# --- backup and restore ---------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "var").mkdir()
    return tmp_path


def events(database: Database) -> int:
    with database.read() as conn:
        return int(conn.execute(select(func.count()).select_from(tables.events)).scalar_one())


def put(database: Database, called: str) -> None:
    with database.write() as conn:
        row = {"source": "landing", "event_id": called, "key": called, "type": "lead.created", "state": "ignored"}
        row |= {"received_at": 1, "content_type": "application/json", "payload": "{}"}
        conn.execute(tables.events.insert().values(row))


def test_the_lines_of_the_page_back_sqlite_up_while_it_runs_and_restore_it(folder: Path, sqlite_template: Path) -> None:
    tool("sqlite3")
    shutil.copy(sqlite_template, folder / "var" / "connector.db")
    database = Database(f"sqlite:///{folder}/var/connector.db")
    put(database, "before")
    typed(block("SQLite, while everything runs"), folder)
    assert (folder / "var" / "backup.db").stat().st_mode & 0o777 == 0o600, "a backup holds persons"
    put(database, "after")
    assert events(database) == 2
    database.close()
    typed(block("**Restore** with all processes stopped"), folder)
    with sqlite3.connect(folder / "var" / "connector.db") as restored:
        assert restored.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database = Database(f"sqlite:///{folder}/var/connector.db")
    assert events(database) == 1
    put(database, "later")
    database.close()


def test_the_lines_of_the_page_back_postgres_up_and_restore_it(folder: Path, postgres_url: str) -> None:
    tool("pg_dump"), tool("pg_restore")
    url = postgres_url.replace("postgresql+psycopg://", "postgres://")
    database = Database(postgres_url)
    put(database, "before")
    try:
        typed(block("Postgres, while everything runs"), folder, DATABASE_URL=url)
    except AssertionError as fault:
        if "server version" in str(fault):
            pytest.skip("this pg_dump is older than the server")
        raise
    assert (folder / "var" / "backup.dump").stat().st_mode & 0o777 == 0o600, "a backup holds persons"
    put(database, "after")
    database.close()
    typed(block("\nPostgres:\n"), folder, DATABASE_URL=url)
    database = Database(postgres_url)
    assert events(database) == 1
    put(database, "later")
    database.close()


# --- the Procfile ---------------------------------------------------------------------------------------------------


@pytest.fixture
def played(tmp_path: Path, postgres_url: str, broker: Broker) -> Iterator[Callable[[Sandbox], Mapping[str, str]]]:
    """The shipped Procfile and configuration in a folder, played by honcho."""
    started: list[subprocess.Popen[bytes]] = []

    def play(sandbox: Sandbox) -> Mapping[str, str]:
        shutil.copy(ROOT / "Procfile", tmp_path)
        (tmp_path / "config").mkdir()
        text = (ROOT / "config" / "connector.toml").read_text()
        text = re.sub(r'base_url = "http://127\.0\.0\.1:\d+', f'base_url = "{sandbox.url}', text)
        # The test runs at any hour; the law of Colombia lets nobody be called in its evening.
        text, found = re.subn(r"(?m)^law = true .*$", 'law = false\nwhy = "a test at any hour"', text)
        assert found == 1
        (tmp_path / "config" / "connector.toml").write_text(text)
        example = example_environment()
        ours = {name: example[name] for name in example.keys() - {"PORT", "DATABASE_URL", "CONNECTOR_CONFIG"}}
        (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in ours.items()))
        environ = dict(os.environ) | {
            "PYTHONPATH": str(ROOT),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PORT": str(free_port()),
            "DATABASE_URL": postgres_url.replace("postgresql+psycopg://", "postgres://"),
            "AMQP_URL": AMQP_URL,
            "NO_PROXY": "127.0.0.1",
            "WEB_CONCURRENCY": "1",
        }
        honcho = [sys.executable, "-m", "honcho", "start", *[name for name in PROCFILE if name != "release"]]
        with (tmp_path / "honcho.log").open("wb") as log:
            ended = subprocess.Popen(honcho, cwd=tmp_path, env=environ, stdout=log, stderr=log)
        started.append(ended)
        return environ | {"FOLDER": str(tmp_path)}

    yield play
    for one in started:
        one.send_signal(signal.SIGTERM)
        one.wait(timeout=90)
    left = subprocess.run(["pgrep", "-f", f"^{sys.executable} -m connector"], capture_output=True, text=True)
    mine = [pid for pid in left.stdout.split() if _folder_of(pid) == str(tmp_path)]
    assert not mine, "SIGTERM ends all of them"


def _folder_of(pid: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return ""


@pytest.mark.slow
def test_honcho_plays_the_shipped_procfile_and_configuration(
    played: Callable[[Sandbox], Mapping[str, str]], postgres_url: str
) -> None:
    with Sandbox(port=0) as sandbox:
        environ = played(sandbox)
        folder = Path(environ["FOLDER"])

        def listens() -> bool:
            try:
                return requests.get(f"http://127.0.0.1:{environ['PORT']}/livez", timeout=30).ok
            except requests.RequestException:
                return False

        wait_until(listens, 120)
        (folder / "lead.json").write_text(LEAD.replace("L-1", f"L-{time.time_ns()}"))
        line = [sys.executable, "-m", "connector", "send", "landing", "lead.json"]
        sent = subprocess.run(line, cwd=folder, env=dict(environ), capture_output=True, text=True, timeout=240)
        assert sent.returncode == 0, sent.stdout + sent.stderr
        wait_until(lambda: sandbox.wolkvox.count("1042") == 1, 120)
        migrated = subprocess.run([*line[:3], "migrate"], cwd=folder, env=dict(environ), timeout=120)
        assert migrated.returncode == 0, "the release step, while the others run"
        said = (folder / "honcho.log").read_text()
        assert "no source has a queue" in said and "stopped (rc=" not in said
    database = Database(postgres_url)
    with database.read() as conn:
        states = set(conn.execute(select(tables.deliveries.c.state)).scalars())
    database.close()
    assert states == {"delivered"}


# --- SIGHUP ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_sighup_reads_a_good_configuration_again_and_goes_on_with_the_old_one_otherwise(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from connector.cli.root import connector as command

    assert CliRunner().invoke(command, ["init", str(tmp_path / "mine"), "--yes"]).exit_code == 0
    config = tmp_path / "mine" / "config" / "connector.toml"
    good = config.read_text()
    environ = dict(os.environ) | {"PYTHONPATH": str(ROOT)}
    line = [sys.executable, "-m", "connector", "consume"]  # the process that needs least: it waits for a queue
    log = tmp_path / "log"
    with log.open("wb") as said:
        process = subprocess.Popen(line, cwd=config.parent.parent, env=environ, stderr=said)
    try:
        wait_until(lambda: "nothing to consume" in log.read_text(), 120)
        config.write_text(good + "\nnonsense = 1\n")
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: "the old one goes on" in log.read_text(), 120)
        assert "nonsense" in log.read_text() and process.poll() is None
        config.write_text(good)
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: log.read_text().count("nothing to consume") == 2, 120)
        assert process.poll() is None, "it has the same process id"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=90) == 0
