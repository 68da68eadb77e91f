"""The whole circle, by processes that are killed on the way: ticket closed, survey, low answer, call back, note."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from connector.cli.demo_config import CALL_BACK, CIRCLE, CONFIG, HELPDESK_SECRET, NOTED, SURVEY
from connector.vendors.sandbox.exchange import Sandbox
from tests.test_web_server import free_port

PROJECT = Path(__file__).resolve().parent.parent


class Processes:
    """`connector web`, `work` and `poll`, each in a process of its own."""

    def __init__(self, folder: Path, database_url: str, sandbox: Sandbox) -> None:
        given = CONFIG.format(url=sandbox.url, secret="whsec_aW52ZW50ZWQ=", form="f", tickets="t")
        given += CIRCLE.format(url=sandbox.url, helpdesk=HELPDESK_SECRET, noted=NOTED)
        # What a killed process had begun is unknown until its deadline.
        given = given.replace('vendor = "', 'timeout_s = 2\nvendor = "')
        (folder / "connector.toml").write_text(given, encoding="utf-8")
        self.port = free_port()
        self.environ = {
            **os.environ,
            "CONNECTOR_CONFIG": str(folder / "connector.toml"),
            "DATABASE_URL": database_url.replace("postgresql+psycopg", "postgresql"),
            "CONNECTOR_SECRET_KEY": "invented",
            "PORT": str(self.port),
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, *names: str) -> None:
        for name in names:
            command = [sys.executable, "-m", "connector", name]
            self._running[name] = subprocess.Popen(command, env=self.environ, cwd=PROJECT, stderr=subprocess.DEVNULL)

    def kill(self, *names: str) -> None:
        for name in names or tuple(self._running):
            process = self._running.pop(name)
            process.kill()
            process.wait()

    def notify(self, ticket: str) -> None:
        """PostCenter's webhook, repeated until it is taken."""

        def taken() -> bool:
            with contextlib.suppress(requests.RequestException):
                body = {"event": "ticket_closed", "ticket": {"id": ticket}}
                url = f"http://127.0.0.1:{self.port}/webhooks/helpdesk/{HELPDESK_SECRET}"
                return requests.post(url, json=body, timeout=60).status_code in (200, 202)
            return False

        until(taken, "the webhook is taken")


def until(done: Callable[[], bool], what: str, seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)


@pytest.fixture
def processes(tmp_path: Path, database_url: str, sandbox: Sandbox) -> Iterator[Processes]:
    processes = Processes(tmp_path, database_url, sandbox)
    yield processes
    processes.kill()


@pytest.mark.slow
def test_a_closed_ticket_ends_as_one_call_back_and_one_note_whoever_is_killed(
    processes: Processes, sandbox: Sandbox
) -> None:
    people = {number: f"persona.{number}@example.com" for number in (900, 901, 902)}
    now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    processes.start("web", "work", "poll")
    for number, address in people.items():
        ticket = sandbox.postcenter.add_ticket(
            number, "email", is_closed=True, account=address, updated_time=now, identifier=str(number)
        )
        processes.notify(ticket)
    processes.kill("work")
    processes.start("work")
    until(
        lambda: set(people.values()) <= {one["email"] for one in sandbox.tracksale.customers(SURVEY)},
        "all are surveyed",
    )
    answers = [
        sandbox.tracksale.add_answer(
            campaign_code=int(SURVEY),
            nps_answer=score,
            nps_comment="Não gostei" if score < 7 else "Muy bien",
            name=f"Persona {number}",
            email=people[number],
            phone=f"57300000{number:04}",
        )
        for number, score in ((900, 0), (901, 9), (902, 6))
    ]
    until(lambda: sandbox.wolkvox.count(CALL_BACK) > 0, "somebody is called back")
    processes.kill("poll", "work")
    processes.start("poll", "work")
    unhappy = {answers[0], answers[2]}
    until(lambda: unhappy <= {note["answer_id"] for note in sandbox.tracksale.notes}, "the notes are there")
    sandbox.tracksale.change_answer(answers[0], nps_comment="Não gostei nada")  # an edit calls nobody again
    time.sleep(3)
    assert sorted(row["tel1"] for row in sandbox.wolkvox.rows(CALL_BACK)) == ["93000000900", "93000000902"]
    assert not sandbox.wolkvox.duplicates(CALL_BACK)
    surveyed = [one["email"] for one in sandbox.tracksale.customers(SURVEY)]
    assert sorted(surveyed) == sorted(people.values()), "each once"
    assert {note["answer_id"] for note in sandbox.tracksale.notes} == unhappy
    assert not sandbox.breaches
