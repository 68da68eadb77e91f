"""The promise, with real processes: killed at every step, cut, left hanging: nothing lost, nobody sent twice."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import orjson
import pika
import pytest
import requests
from sqlalchemy import func, select

from connector.core.settings import Secret, Verify
from connector.inbound import signatures
from connector.store.database import Database
from connector.store.tables import attempts, deliveries, events, records
from connector.vendors.sandbox.exchange import Sandbox
from tests.broker import AMQP_URL, Broker, wait_until
from tests.conftest import LANDING_SECRET, TICKETS_TOKEN, missing

ROOT = Path(__file__).parent.parent
LANDING = Verify(scheme="standard-webhooks", secrets=(Secret(LANDING_SECRET),))

CONFIG = """
[accounts.dialler]
vendor = "wolkvox"
base_url = "{url}"
token = "invented-dialler-token"
licences = 10
timeout_s = {timeout_s}
[accounts.surveys]
vendor = "tracksale"
base_url = "{url}"
token = "invented-survey-token"
timeout_s = {timeout_s}
requests_per_window = {window_calls}
window_seconds = {window_s}
[sources.landing]
mapping = "lead"
verify = {{ scheme = "standard-webhooks", secrets = ["{landing}"] }}
[sources.tickets]
mapping = "ticket"
verify = {{ scheme = "token", header = "X-Token", secrets = ["{tickets}"] }}
{crm}
[[routes]]
name = "dial"
on = "lead.created"
sources = {leads}
to = "wolkvox.add_record"
account = "dialler"
campaign_id = "1042"
campaign_status = "start"
[[routes]]
name = "dial, traced"
on = "lead.updated"
to = "wolkvox.add_record"
account = "dialler"
campaign_id = "1043"
campaign_status = "start"
trace_field = "opt12"
[[routes]]
name = "survey"
on = "ticket.closed"
to = "tracksale.dispatch"
account = "surveys"
campaign_code = "52"
[[routes]]
name = "note"
on = "ticket.updated"
to = "tracksale.note"
account = "surveys"
[[routes]]
name = "call"
on = "ticket.created"
to = "wolkvox.add_record"
account = "dialler"
campaign_id = "1042"
campaign_status = "start"
after = "links"
opt = ["result.survey_link"]
[[routes]]
name = "links"
on = "ticket.created"
to = "tracksale.survey_links"
account = "surveys"
campaign_code = "26"
"""
CRM = """
[sources.crm]
mapping = "lead"
queue = "{queue}"
"""


def free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


class Fleet:
    """The connector's processes over one database and one sandbox, as a machine or several would run them."""

    def __init__(
        self,
        at: Path,
        database_url: str,
        sandbox: Sandbox,
        queue: str = "",
        *,
        timeout_s: float = 3,
        window: tuple[int, float] = (1000, 300),
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._at = at
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        config = at / "connector.toml"
        config.write_text(
            CONFIG.format(
                url=sandbox.url,
                landing=LANDING_SECRET,
                tickets=TICKETS_TOKEN,
                crm=CRM.format(queue=queue) if queue else "",
                leads='["landing", "crm"]' if queue else '["landing"]',
                timeout_s=timeout_s,
                window_calls=window[0],
                window_s=window[1],
            )
        )
        self.env = {
            **os.environ,
            "CONNECTOR_CONFIG": str(config),
            "DATABASE_URL": database_url,
            "AMQP_URL": AMQP_URL,
            "PORT": str(self.port),
            "LOG_LEVEL": "WARNING",
        }

    def start(self, command: str, *, name: str = "", kill: tuple[str, int] | None = None) -> subprocess.Popen[bytes]:
        """``kill``: the step, and the how-manieth time it is reached."""
        name = name or command
        count = self._at / f"{name}.{secrets.token_hex(4)}"
        armed = {"KILL_STEP": kill[0], "KILL_NTH": str(kill[1]), "KILL_COUNT": str(count)} if kill else {}
        module = "tests.killed_at_step" if kill else "connector"
        log = (self._at / f"{name}.log").open("ab")
        process = subprocess.Popen(
            [sys.executable, "-m", module, command],
            cwd=ROOT,
            env=self.env | armed,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        self._running[name] = process
        if kill:
            threading.Thread(target=self._start_again, args=(command, name, process), daemon=True).start()
        if command == "web":
            wait_until(self.answers, 300)
        return process

    def _start_again(self, command: str, name: str, doomed: subprocess.Popen[bytes]) -> None:
        """What a platform does when a process has died."""
        if doomed.wait() == -signal.SIGKILL and self._running.get(name) is doomed:
            self.start(command, name=name)

    def answers(self) -> bool:
        with suppress(requests.RequestException):
            return requests.get(f"{self.url}/livez", timeout=30).status_code == 200
        return False

    def run(self, *args: str) -> None:
        """A command that ends."""
        subprocess.run([sys.executable, "-m", "connector", *args], cwd=ROOT, env=self.env, check=True, timeout=240)

    def running(self, name: str) -> subprocess.Popen[bytes]:
        return self._running[name]

    def stop(self, name: str) -> int:
        """As a platform does: SIGTERM, and half a minute."""
        process = self._running.pop(name)
        assert process.poll() is None, f"{name} was not running: {process.returncode}"
        process.terminate()
        return process.wait(timeout=90)

    def kill_all(self) -> None:
        for process in self._running.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=90)
        self._running.clear()

    def send_many(self, source: str, bodies: Sequence[dict[str, object]]) -> None:
        """All in one array."""
        self._post(source, orjson.dumps(bodies), str(bodies[0]["id"]), 40)

    def send(self, source: str, body: dict[str, object]) -> None:
        """As a sender does: the same bytes again until they are acknowledged."""
        self._post(source, orjson.dumps(body), str(body["id"]), 40)

    def _post(self, source: str, raw: bytes, message_id: str, patience_s: float) -> None:
        end = time.monotonic() + patience_s
        while True:
            with suppress(requests.RequestException):
                headers = {"Content-Type": "application/json", "X-Token": TICKETS_TOKEN}
                if source == "landing":
                    headers |= signatures.sign(
                        LANDING, raw, secret=LANDING_SECRET, now_s=time.time(), message_id=message_id
                    )
                answer = requests.post(f"{self.url}/webhooks/{source}", data=raw, headers=headers, timeout=60)
                if answer.ok:
                    return
                assert answer.status_code >= 500, answer.text
            assert time.monotonic() < end, "never acknowledged"
            time.sleep(0.1)


def lead(number: int, kind: str = "lead.created") -> dict[str, object]:
    data = {"first_name": "Ana", "id_number": f"C{number}", "phones": [f"+57300{number:07d}"]}
    return {"id": f"L{number}", "type": kind, "data": data}


def ticket(number: int, kind: str) -> dict[str, object]:
    customer = {"name": f"Zoë {number}", "email": f"zoe.{number}@example.com"}
    data = {"ticket_id": f"{number}", "customer": customer, "comment": f"note {number}", "answer_id": number}
    return {"id": f"T{number}", "type": kind, "data": data}


@pytest.fixture
def broker() -> Iterator[Broker]:
    broker = Broker()
    try:
        broker.declare()
    except Exception as fault:  # noqa: BLE001 - whatever keeps us from the broker
        missing(f"no RabbitMQ at TEST_AMQP_URL: {type(fault).__name__}")
    yield broker
    broker.delete()


def states(database: Database) -> Counter[str]:
    with database.read() as conn:
        rows = conn.execute(select(deliveries.c.state, func.count()).group_by(deliveries.c.state)).all()
    return Counter(dict(tuple(row) for row in rows))


#: (process, step, the how-manieth time): every step of the way, at a moment when there is something to lose.
KILLS: Sequence[tuple[str, str, int]] = (
    ("web", "received", 3),
    ("web", "stored", 3),
    ("consume", "received", 3),
    ("consume", "stored", 1),
    ("work", "claimed", 1),
    ("work", "sent", 1),
    ("work", "answered", 1),
    ("work", "settled", 1),
)


def test_killed_at_every_step_nothing_is_lost_and_nobody_is_sent_twice(
    tmp_path: Path, database_url: str, database: Database, broker: Broker
) -> None:
    with Sandbox(port=0, latency_s=0.2) as sandbox:
        sandbox.fault("wolkvox.add_record", "hang", after=2, where="after", seconds=10)
        sandbox.fault("wolkvox.add_record", "cut", after=4, where="after")
        sandbox.fault("wolkvox.add_record", "cut", after=5, where="before")
        sandbox.fault("tracksale.dispatch", "cut", after=1, where="after")
        fleet = Fleet(tmp_path, database_url, sandbox, broker.queue)
        try:
            due = _play(fleet, broker)
            wait_until(lambda: not states(database).keys() & {"pending", "sending"}, 300)
            _decide_as_a_person(fleet, database, sandbox)
            wait_until(lambda: states(database) == {"delivered": due.total()}, 300)
        except AssertionError as late:
            raise AssertionError(f"{states(database)}; {_story(database)}") from late
        finally:
            fleet.kill_all()
        _nobody_missing_nobody_twice(sandbox, due)


@pytest.mark.parametrize(("step", "nth"), [("settled", 1), ("settled", 2), ("releasing", 1), ("releasing", 2)])
def test_killed_between_link_and_call_everybody_is_called_once_with_their_own_link(
    tmp_path: Path, database_url: str, database: Database, step: str, nth: int
) -> None:
    count = 150
    with Sandbox(port=0, latency_s=0.05) as sandbox:
        fleet = Fleet(tmp_path, database_url, sandbox)
        try:
            fleet.start("web")
            bodies = [ticket(number, "ticket.created") for number in range(count)]
            for number, body in enumerate(bodies):
                body["data"]["customer"]["phone"] = f"+57300{number:07d}"  # type: ignore[index]
            fleet.send_many("tickets", bodies[:90])
            doomed = fleet.start("work", kill=(step, nth))
            fleet.send_many("tickets", bodies[90:])
            assert doomed.wait(timeout=90) == -signal.SIGKILL
            wait_until(lambda: states(database) == {"delivered": 2 * count}, 300)
        except AssertionError as late:
            raise AssertionError(f"{states(database)}; {_story(database)}") from late
        finally:
            fleet.kill_all()
        made: dict[str, set[str]] = {}
        for one in sandbox.tracksale.survey_links:
            made.setdefault(one["email"], set()).add(one["survey_link"])
        rows = sandbox.wolkvox.rows("1042")
        assert len(rows) == len({row["email"] for row in rows}) == count
        assert all(row["opt1"] in made[row["email"]] for row in rows)


def _play(fleet: Fleet, broker: Broker) -> Counter[str]:
    """Every process is killed at each of its steps while events arrive. Returns what is due at which campaign."""
    due: Counter[str] = Counter()
    number = 0
    for name in ("web", "consume", "work"):
        fleet.start(name)
    for name, step, nth in KILLS:
        fleet.stop(name)
        doomed = fleet.start(name, kill=(step, nth))
        while number == 0 or doomed.poll() is None:
            number += 1
            assert number < 500, f"{name} never reached {step}"
            broker.publish(orjson.dumps(lead(3000 + number)), message_id=f"M{number}")
            fleet.send("landing", lead(number))
            fleet.send("landing", lead(number))
            fleet.send("landing", lead(6000 + number, "lead.updated"))
            fleet.send("tickets", ticket(number, "ticket.closed"))
            fleet.send("tickets", ticket(20_000 + number, "ticket.updated"))
            due += Counter({"1042": 2, "1043": 1, "52": 1, "notes": 1})
            time.sleep(0.1)
        assert doomed.returncode == -signal.SIGKILL
        wait_until(lambda: fleet.running(name) is not doomed)  # noqa: B023 - called at once
    return due


def _decide_as_a_person(fleet: Fleet, database: Database, sandbox: Sandbox) -> None:
    """A survey that is not in Tracksale's report may be late or lost: by design a person looks, and says which."""
    query = select(deliveries.c.id, deliveries.c.destination, records.c.record).join(
        records, records.c.delivery == deliveries.c.id
    )

    def asked() -> bool:
        """Nothing at wolkvox stays uncertain: asking settles it."""
        with database.read() as conn:
            return all("tracksale" in row.destination for row in conn.execute(query.where(UNCERTAIN)))

    wait_until(asked, 300)
    with database.read() as conn:
        doubtful = conn.execute(query.where(UNCERTAIN)).all()
    surveyed = {customer["email"] for customer in sandbox.tracksale.customers("52")}
    for row in doubtful:
        landed = orjson.loads(row.record)["email"] in surveyed
        try:
            fleet.run("resolve", f"d{row.id}", *(["--landed"] if landed else ["--resend", "--yes"]))
        except subprocess.CalledProcessError:  # only because the connector has found out itself meanwhile
            with database.read() as conn:
                still = conn.execute(select(deliveries.c.id).where(UNCERTAIN, deliveries.c.id == row.id)).first()
            assert still is None


UNCERTAIN = deliveries.c.state == "uncertain"


def _nobody_missing_nobody_twice(sandbox: Sandbox, due: Counter[str]) -> None:
    for campaign in ("1042", "1043"):
        assert not sandbox.wolkvox.duplicates(campaign)
        assert len(set(sandbox.wolkvox.customer_ids(campaign))) == sandbox.wolkvox.count(campaign) == due[campaign]
    surveyed = [customer["email"] for customer in sandbox.tracksale.customers("52")]
    assert len(surveyed) == len(set(surveyed)) == due["52"]
    # A note cannot be asked about: by default it is sent again, at the worst once for each time its call was cut short.
    noted = Counter(note["comment"] for note in sandbox.tracksale.notes)
    assert len(noted) == due["notes"]
    assert noted.total() - len(noted) <= len(KILLS)
    assert sandbox.breaches == []


def _story(database: Database) -> str:
    with database.read() as conn:
        odd = conn.execute(select(deliveries.c.id, deliveries.c.state, deliveries.c.reason)).all()
        calls = conn.execute(select(attempts.c.id, attempts.c.kind, attempts.c.state, attempts.c.words)).all()
        stored = conn.execute(select(events.c.state, func.count()).group_by(events.c.state)).all()
    return f"{[tuple(row) for row in odd if row.state != 'delivered']} {[tuple(one) for one in calls][-12:]} {stored}"


# --- many workers, one token ----------------------------------------------------------------------------------------


def test_any_number_of_workers_shares_the_limits_exactly(tmp_path: Path, database_url: str, database: Database) -> None:
    workers = 3 if database_url.startswith("postgresql") else 2
    with Sandbox(port=0, window_calls=20, window_s=5.0, latency_s=0.05) as sandbox:
        fleet = Fleet(tmp_path, database_url, sandbox, timeout_s=20, window=(20, 5))
        try:
            fleet.start("web")
            for worker in range(workers):
                fleet.start("work", name=f"work {worker}")
            for first in range(0, 2_000, 100):
                fleet.send_many("landing", [lead(number) for number in range(first, first + 100)])
                fleet.send_many(
                    "landing", [lead(number, "lead.updated") for number in range(100_000 + first, 100_100 + first)]
                )
            fleet.send_many("tickets", [ticket(number, "ticket.updated") for number in range(1, 51)])
            wait_until(lambda: states(database) == {"delivered": 4_050}, 300)
        finally:
            fleet.kill_all()
        assert sandbox.wolkvox.count("1042") == sandbox.wolkvox.count("1043") == 2_000
        assert not sandbox.wolkvox.duplicates("1042")
        assert not sandbox.wolkvox.duplicates("1043")
        assert sandbox.max_in_flight["invented-dialler-token"] <= 2
        assert len(sandbox.tracksale.notes) == 50
        assert sandbox.breaches == []  # a 21st call within five seconds would be one


# --- the broker is restarted ----------------------------------------------------------------------------------------


@pytest.mark.restarts_broker
def test_messages_survive_a_restart_of_the_broker(tmp_path: Path, postgres_url: str, broker: Broker) -> None:
    database = Database(postgres_url)
    with Sandbox(port=0) as sandbox:
        fleet = Fleet(tmp_path, postgres_url, sandbox, broker.queue)
        try:
            fleet.start("consume")
            _publish(broker, range(2000))
            restart_broker()
            wait_until(broker.exists, 300)
            _publish(broker, range(2000, 4_000))
            fleet.start("work")
            wait_until(lambda: states(database) == {"delivered": 4_000}, 300)
            wait_until(lambda: broker.depth() == 0)
        finally:
            fleet.kill_all()
            database.close()
        assert broker.depth(broker.dead) == 0
        assert sandbox.wolkvox.count("1042") == len(set(sandbox.wolkvox.customer_ids("1042"))) == 4_000
        assert sandbox.breaches == []


def _publish(broker: Broker, numbers: range) -> None:
    """With confirms, a thousand on one connection; what was not confirmed is published again, as any sender would."""
    for first in range(numbers.start, numbers.stop, 1000):
        left = {f"M{number}": orjson.dumps(lead(number)) for number in range(first, first + 1000)}
        while left:
            with suppress(pika.exceptions.AMQPError, OSError):
                broker.publish_each(left)


def restart_broker() -> None:
    """Stops the broker's application and starts it: connections die, durable queues live."""
    if os.environ.get("TEST_RESTARTS_BROKER") != "1":
        pytest.skip("it would stop the machine's broker for everybody: TEST_RESTARTS_BROKER=1 allows it")
    command = shutil.which("rabbitmqctl") or "/usr/sbin/rabbitmqctl"
    for step in ("stop_app", "start_app"):
        try:
            subprocess.run([command, step], check=True, capture_output=True, timeout=240)
        except (OSError, subprocess.CalledProcessError) as fault:
            missing(f"this RabbitMQ cannot be restarted from here (rabbitmqctl {step}): {type(fault).__name__}")
