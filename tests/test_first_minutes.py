"""The first minutes: init, run, send, explain, as the README has them; and what `send` signs."""

from __future__ import annotations

import os
import re
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from click.testing import CliRunner

import mappings
from connector.cli import env_file
from connector.cli.init import SENDERS
from connector.cli.root import connector as command
from connector.cli.send import SAMPLES, sample_of, signed
from connector.config import loader
from connector.core.errors import ConfigError
from connector.core.settings import Secret, Settings, Source, Verify
from connector.inbound.receiver import Receiver
from connector.inbound.router import Router
from connector.inbound.signatures import Proof
from connector.vendors import destinations

PROJECT = Path(__file__).resolve().parent.parent


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def bare() -> dict[str, str]:
    """This environment without anything that configures a connector."""
    ours = re.compile(r"CONNECTOR_|.*_TOKEN$|.*_SECRET$|DATABASE_URL|.*AMQP_URL|PORT$|DYNO")
    return {name: value for name, value in os.environ.items() if not ours.match(name)}


@pytest.fixture
def shell(tmp_path: Path, bare: dict[str, str]) -> Shell:
    return Shell(tmp_path, bare)


class Shell:
    """A person's terminal."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self._environ = {**environ, "PORT": str(free_port()), "NO_PROXY": "127.0.0.1", "PYTHONPATH": str(PROJECT)}

    def type(self, *args: str, ok: bool = True) -> str:
        line = [sys.executable, "-m", "connector", *args]
        ended = subprocess.run(line, cwd=self.folder, env=self._environ, capture_output=True, text=True, timeout=240)
        assert (ended.returncode == 0) is ok, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr


def lines_of_the_readme() -> list[str]:
    """What the README has one type, without the comments."""
    text = (PROJECT / "README.md").read_text(encoding="utf-8").split("## Your own, in five minutes", 1)[1]
    return [line.split("  #")[0].strip() for line in text.split("```sh\n", 1)[1].split("```", 1)[0].splitlines()]


def test_the_five_minutes_are_typed_as_the_readme_has_them(tmp_path: Path, bare: dict[str, str]) -> None:
    lines = lines_of_the_readme()
    assert lines[0] == ". .venv/bin/activate" and any("connector explain L-1" in line for line in lines)
    port = str(free_port())
    typed = [line.replace("9900", port) for line in lines[1:]]
    typed.insert(typed.index("cd ../mine") + 1, f"sed -i s/9900/{port}/ config/connector.toml")  # others test, too
    (tmp_path / "connector").write_text(f'#!/bin/sh\nexec {sys.executable} -m connector "$@"\n')
    (tmp_path / "connector").chmod(0o755)
    script = "set -e\ntrap 'kill $(jobs -p); wait' EXIT\n" + "\n".join(f'{line}\necho "rc $?"' for line in typed)
    environ = {**bare, "PATH": f"{tmp_path}:{bare['PATH']}", "PORT": str(free_port()), "PYTHONPATH": str(PROJECT)}
    environ |= {"NO_PROXY": "127.0.0.1", "HOME": str(tmp_path)}
    script = script.replace(
        "connector send landing", "connector send landing --wait 120"
    )  # a busy machine starts slowly
    (tmp_path / "clone").mkdir()
    ended = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path / "clone", env=environ, capture_output=True, text=True, timeout=220
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "202 {" in ended.stdout and "received from landing" in ended.stdout, ended.stdout + ended.stderr


def test_what_is_missing_is_said(shell: Shell) -> None:
    shell.type("init", "mine", "--yes")
    shell.folder /= "mine"
    assert "nobody listens" in shell.type("send", "landing", "--sample", "--wait", "0", ok=False)
    shell.type("migrate")
    (shell.folder / ".env").rename(shell.folder / "away")
    assert "dialler" in shell.type("status"), "to look needs no vendor's secret"
    assert "WOLKVOX_TOKEN" in shell.type("work", ok=False)


def test_the_folder_keeps_its_secrets_to_its_owner_and_no_two_are_alike(tmp_path: Path) -> None:
    texts = []
    for name in ("a", "b"):
        assert CliRunner().invoke(command, ["init", str(tmp_path / name), "--yes"]).exit_code == 0
        path = tmp_path / name / ".env"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        texts.append(dict(line.split("=", 1) for line in path.read_text().splitlines()))
        assert ".env" in (tmp_path / name / ".gitignore").read_text().split()
    for name in ("CONNECTOR_SECRET_KEY", "CONNECTOR_ADMIN_TOKEN", "LANDING_SECRET", "TICKETS_SECRET"):
        assert texts[0][name] != texts[1][name]
    again = CliRunner().invoke(command, ["init", str(tmp_path / "a"), "--yes"])
    assert (again.exit_code, "already" in again.stderr) == (1, True)


@pytest.mark.parametrize("sender", SENDERS)
@pytest.mark.parametrize("country", ["CO", "BR"])
def test_every_sender_gives_a_configuration_without_a_fault(tmp_path: Path, sender: str, country: str) -> None:
    made = CliRunner().invoke(command, ["init", str(tmp_path / "x"), "--yes", "--sender", sender, "--country", country])
    assert made.exit_code == 0, made.output
    path = tmp_path / "x/config/connector.toml"
    path.write_text(path.read_text().replace("# [contact]", "[contact]").replace("# law = true", "law = true"))
    environ = {"CONNECTOR_CONFIG": str(path)}
    env_file.load(environ)
    assert loader.load(environ, config_path=str(path), destinations=destinations.SPECS).contact.law


@pytest.mark.parametrize("mapping", SAMPLES)
def test_the_sample_sent_again_is_the_same_event(mapping: str) -> None:
    source = Source(name="landing", mapping=mapping, verify=Verify(scheme="none"))
    body, content_type = sample_of(source)
    assert (body, content_type) == sample_of(source)


@pytest.mark.parametrize("args", [["--country", "Colombia"], ["--timezone", "Bogota"], ["--vendor", "wolkvoxx"]])
def test_what_nobody_knows_is_wrong_usage_and_makes_no_folder(tmp_path: Path, args: list[str]) -> None:
    assert CliRunner().invoke(command, ["init", str(tmp_path / "x"), "--yes", *args]).exit_code == 2
    assert not (tmp_path / "x").exists()


def test_the_file_beside_the_configuration_fills_what_the_shell_does_not_set(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    (tmp_path / ".env").write_text("A=1\nB='two words'\nC=${A}\n# no\n")
    environ = {"CONNECTOR_CONFIG": str(folder / "connector.toml"), "A": "shell"}
    env_file.load(environ)
    assert (environ["A"], environ["B"], environ["C"]) == ("shell", "two words", "${A}")


def test_to_look_needs_no_secret_of_others_but_a_worker_does(tmp_path: Path) -> None:
    assert CliRunner().invoke(command, ["init", str(tmp_path / "x"), "--yes"]).exit_code == 0
    path, environ = str(tmp_path / "x/config/connector.toml"), dict[str, str]()
    settings = loader.load(environ, config_path=path, destinations=destinations.SPECS, only_reads=True)
    assert set(settings.accounts) == {"dialler", "surveys"}
    with pytest.raises(ConfigError, match="WOLKVOX_TOKEN"):
        loader.load(environ, config_path=path, destinations=destinations.SPECS)


@pytest.mark.parametrize(
    "verify",
    [
        'scheme = "standard-webhooks"',
        'scheme = "hmac", header = "X-Sign"',
        'scheme = "token", header = "X-Token"',
        'scheme = "basic"',
        'scheme = "query", parameter = "key"',
        'scheme = "field", field = "key"',
        'scheme = "path"',
        'scheme = "typeform"',
        'scheme = "zendesk"',
        'scheme = "google_lead_form"',
    ],
)
def test_to_look_needs_no_secret_of_any_scheme(tmp_path: Path, verify: str) -> None:
    path = tmp_path / "connector.toml"
    path.write_text(f'[sources.some]\nmapping = "lead"\nverify = {{ {verify}, secrets = ["${{NOT_SET}}"] }}\n')
    where = {"config_path": str(path), "destinations": destinations.SPECS}
    assert set(loader.load({}, only_reads=True, **where).sources) == {"some"}
    with pytest.raises(ConfigError, match="NOT_SET"):
        loader.load({}, **where)


KEY = "whsec_b25seSBmb3IgdGhlIGRlbW8sIG5ldmVyIGxpdmU="
SCHEMES = [
    Verify(scheme="standard-webhooks", secrets=(Secret(KEY),)),
    Verify(scheme="hmac", header="X-Sign", secrets=(Secret("s" * 32),)),
    Verify(
        scheme="hmac",
        header="X-Sign",
        algorithm="sha512",
        encoding="base64",
        signed="{timestamp}.{url}.{body}",
        timestamp_header="X-Time",
        secrets=(Secret("s" * 32),),
    ),
    Verify(scheme="token", header="X-Token", secrets=(Secret("t-1"),)),
    Verify(scheme="basic", secrets=(Secret("user:pass word"),)),
    Verify(scheme="query", parameter="key", secrets=(Secret("a b&c"),)),
    Verify(scheme="field", field="google_key", secrets=(Secret("f-1"),)),
    Verify(scheme="path", secrets=(Secret("p-1"),)),
    Verify(scheme="none"),
]


@pytest.mark.parametrize("spec", SCHEMES, ids=lambda spec: f"{spec.scheme}-{spec.algorithm}")
def test_what_is_sent_proves_its_origin_by_every_scheme(spec: Verify) -> None:
    source = Source(name="landing", mapping="lead", verify=spec)
    receiver = Receiver(Settings(sources={"landing": source}), Router(Settings(), destinations.name_of))
    body = b'{"id": "L-1", "type": "lead.created", "data": {"phones": ["+573000000001"]}}'
    request = signed(source, body, "application/json", "http://127.0.0.1:8000", "https://c.example.com")
    parts = urlsplit(request.url)
    receiver.verify(
        source,
        Proof(
            headers={name.lower(): value for name, value in request.headers.items()},
            body=request.body,
            query=dict(parse_qsl(parts.query)),
            segment=unquote(parts.path.removeprefix("/webhooks/landing").removeprefix("/")),
            method="POST",
            url="https://c.example.com" + request.url.removeprefix("http://127.0.0.1:8000"),
            now_s=time.time(),
        ),
    )


@pytest.mark.parametrize("mapping", SAMPLES)
def test_a_sample_is_what_its_mapping_reads(mapping: str) -> None:
    assert mapping in mappings.PAYLOADS
    source = Source(name="s", mapping=mapping)
    settings = Settings(sources={"s": source})
    receiver = Receiver(settings, Router(settings, destinations.name_of))
    event = receiver.read(source, dict(SAMPLES[mapping], time="2026-11-20T15:01:02Z"))
    assert event.id == SAMPLES[mapping]["id"]
