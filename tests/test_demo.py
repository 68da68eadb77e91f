"""The demo: all of it at work, and that it notices when something is not as it must be."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.cli import demo, demo_stage
from connector.cli.shutdown import SIGNALS

PROJECT = Path(__file__).resolve().parent.parent
DEMO = [sys.executable, "-u", "-m", "connector", "demo"]


@pytest.fixture(autouse=True)
def _own_signals(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    yield
    for number, action in before.items():
        signal.signal(number, action)


def test_it_shows_everything_and_ends_well() -> None:
    shown = subprocess.run(DEMO, cwd=PROJECT, capture_output=True, text=True, timeout=240)
    assert (shown.returncode, shown.stderr) == (0, "")
    for said in ("duplicate", "refused: this is the bad one", "SOME PARAMETERS ARE REQUIRED", "Núñez", "Conceição"):
        assert said in shown.stdout
    assert "✗" not in shown.stdout
    assert shown.stdout.count("✓") >= 12


def test_the_whole_circle_from_a_closed_ticket_to_the_call_back_and_its_note() -> None:
    shown = subprocess.run([*DEMO, "--full"], cwd=PROJECT, capture_output=True, text=True, timeout=240)
    assert (shown.returncode, shown.stderr) == (0, ""), shown.stdout
    for said in ("✓ the closed ticket's customer was surveyed", "✓ the unhappy customer is called back, once"):
        assert said in shown.stdout
    assert "✓ the note is on their answer, once" in shown.stdout
    assert "✗" not in shown.stdout


def test_it_needs_no_terminal_that_knows_every_letter() -> None:
    env = {**os.environ, "PYTHONIOENCODING": "latin-1", "COLUMNS": "40"}
    assert subprocess.run(DEMO, cwd=PROJECT, env=env, capture_output=True, timeout=240).returncode == 0


def test_no_proxy_comes_between() -> None:
    env = {**os.environ, "HTTP_PROXY": "http://127.0.0.1:1", "http_proxy": "http://127.0.0.1:1"}
    assert subprocess.run(DEMO, cwd=PROJECT, env=env, capture_output=True, timeout=240).returncode == 0


def test_it_fails_when_a_vendor_does_not_do_its_part(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo_stage, "BAD_ID", "nobody")  # so that no row is refused
    assert demo.play() is False
    assert "✗ the bad one is the only dead letter" in capsys.readouterr().out


def test_kept_it_goes_on_until_a_signal_and_leaves_nothing_behind() -> None:
    process = subprocess.Popen([*DEMO, "--keep"], cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    shown = ""
    while "/readyz" not in shown:
        line = process.stdout.readline()
        assert line, shown
        shown += line
    names = dict(re.findall(r"(\w+)=(\S+)", " ".join(re.findall(r"export (.*)", shown))))
    status = [sys.executable, "-m", "connector", "explain", "L-1"]
    told = subprocess.run(status, cwd=PROJECT, env={**os.environ, **names}, capture_output=True, text=True, timeout=240)
    assert (told.returncode, "was accepted after" in told.stdout) == (0, True)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=90) == 0
    assert not Path(names["CONNECTOR_CONFIG"]).parent.exists()
