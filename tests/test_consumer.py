"""From RabbitMQ: stored, then acked; whatever breaks meanwhile, nothing is lost and nothing is there twice."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest
from sqlalchemy import func, select

from connector.core.errors import ConnectorError
from connector.core.settings import Secret, Settings, Source
from connector.inbound.committer import Committer
from connector.inbound.rabbitmq import consumer as consuming
from connector.inbound.rabbitmq import queue
from connector.inbound.rabbitmq.connection import broker_reachable
from connector.inbound.rabbitmq.consumer import Consumer
from connector.inbound.rabbitmq.redrive import redrive
from connector.inbound.rabbitmq.trial import queues_refused
from connector.inbound.receiver import Receiver
from connector.inbound.router import Router
from connector.store import inbox
from connector.store.arrivals import Arrival, Stored
from connector.store.database import Database
from connector.store.tables import deliveries, events
from connector.vendors import destinations
from tests.broker import AMQP_URL, Broker, Wire, broker, wait_until
from tests.conftest import settings_for

__all__ = ["broker"]  # the fixture


def lead(event_id: str, **more: Any) -> bytes:
    data = {"first_name": "Ana", "phones": ["+573000000001"], "email": "ana@example.com"}
    body = {"id": event_id, "type": "lead.created", "time": "2026-11-20T15:01:02Z", "data": data}
    return orjson.dumps(body | more)


def leads(count: int) -> list[bytes]:
    return [lead(f"L-{number}") for number in range(count)]


def crm_settings(database: Database, broker: Broker, url: str = AMQP_URL, **source: Any) -> Settings:
    crm = Source(name="crm", mapping="lead", queue=broker.queue, **source)
    given = settings_for(database.url, "http://127.0.0.1:1")
    return replace(given, sources={"crm": crm}, amqp_url=Secret(url))


class Consuming:
    """A consumer of the test's own queue, and what a consuming process has beside it."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.committer = Committer(database)
        receiver = Receiver(settings, Router(settings, destinations.name_of))
        self.consumer = Consumer(settings, database, receiver, self.committer)
        self.consumer.start()

    def stop(self) -> bool:
        in_time = self.consumer.stop()
        self.committer.close()
        return in_time


class Starting(list[Consuming]):
    """Starts consumers, all of which are stopped in the end."""

    def __call__(self, settings: Settings, database: Database) -> Consuming:
        self.append(Consuming(settings, database))
        return self[-1]


@pytest.fixture
def start() -> Iterator[Starting]:
    starting = Starting()
    yield starting
    for each in starting:
        each.stop()


@pytest.fixture
def sqlite(sqlite_url: str) -> Iterator[Database]:
    """Where both kinds of database would only say the same twice."""
    database = Database(sqlite_url)
    yield database
    database.close()


def stored(database: Database, state: str = "accepted") -> list[str]:
    with database.read() as conn:
        return sorted(conn.execute(select(events.c.event_id).where(events.c.state == state)).scalars())


def count(database: Database, state: str = "accepted") -> int:
    with database.read() as conn:
        return conn.execute(select(func.count()).where(events.c.state == state)).scalar_one()


def test_messages_are_stored_routed_and_acked(database: Database, broker: Broker, start: Starting) -> None:
    broker.declare()
    broker.publish(*leads(40))
    running = start(crm_settings(database, broker), database)
    wait_until(lambda: count(database) == 40)
    assert running.stop()
    assert broker.depth() == 0
    with database.read() as conn:
        assert conn.execute(select(func.count()).select_from(deliveries)).scalar_one() == 40


def test_a_queue_is_declared_quorum_and_dead_lettered(sqlite: Database, broker: Broker, start: Starting) -> None:
    start(crm_settings(sqlite, broker), sqlite)
    wait_until(lambda: broker.exists() and broker.exists(broker.dead))
    broker.declare()  # anything else about them would be refused


def test_a_second_copy_of_a_message_changes_nothing(sqlite: Database, broker: Broker, start: Starting) -> None:
    broker.declare()
    broker.publish(lead("L-1"), lead("L-1"), message_id="M-1")
    broker.publish(lead("L-2"))
    running = start(crm_settings(sqlite, broker), sqlite)
    wait_until(lambda: stored(sqlite) == ["L-2", "M-1"])
    running.stop()
    assert broker.depth() == 0


def test_what_was_stored_but_not_acked_before_a_crash_is_acked_as_a_duplicate(
    sqlite: Database, broker: Broker, start: Starting, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker.declare()
    broker.publish(*leads(10))
    settings = crm_settings(sqlite, broker)
    with monkeypatch.context() as patched:
        patched.setattr(queue.Queue, "settle", lambda _self: None)
        crashing = start(settings, sqlite)
        wait_until(lambda: count(sqlite) == 10)
        crashing.consumer.stop(timeout_s=2.5)
        wait_until(lambda: broker.depth() == 10)
    second = start(settings, sqlite)
    wait_until(lambda: broker.depth() == 0)
    second.stop()
    assert (broker.depth(), count(sqlite)) == (0, 10)


@pytest.mark.parametrize(
    ("body", "properties", "field"),
    [
        (b"{", {}, "body"),
        (b"\xff\x00\xfe", {}, "body"),
        (b"", {}, "body"),
        (b"<lead/>", {"content_type": "application/xml"}, "content_type"),
        (lead("L-1", type="lead.sold"), {}, "type"),
        (lead("L-1", data={"phones": ["12"]}), {}, "phones"),
        (lead("L-1"), {"headers": {"cloudEvents:id": "1"}}, "source"),
    ],
)
def test_what_is_no_event_is_kept_as_invalid_and_acked(
    sqlite: Database, broker: Broker, start: Starting, body: bytes, properties: dict[str, Any], field: str
) -> None:
    broker.declare()
    broker.publish(body, **properties)
    broker.publish(lead("L-2"))
    running = start(crm_settings(sqlite, broker), sqlite)
    wait_until(lambda: stored(sqlite) == ["L-2"])
    running.stop()
    assert broker.depth() == 0
    with sqlite.read() as conn:
        (errors,) = conn.execute(select(events.c.errors).where(events.c.state == "invalid")).scalars()
    assert field in errors


def test_what_cannot_be_read_harms_nothing_that_came_with_it(
    sqlite: Database, broker: Broker, start: Starting, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Receiver.read

    def surprised(self: Receiver, source: Source, body: Any) -> Any:
        if body["id"] == "L-70":
            raise ZeroDivisionError
        return read(self, source, body)

    monkeypatch.setattr(Receiver, "read", surprised)
    broker.declare()
    bodies = leads(150)
    broker.fill([*bodies[:100], b"{", *bodies[100:]])
    running = start(crm_settings(sqlite, broker), sqlite)
    wait_until(lambda: count(sqlite) == 149 and count(sqlite, "invalid") == 2)
    running.stop()
    assert broker.depth() == 0
    with sqlite.read() as conn:
        kept = conn.execute(select(events.c.payload, events.c.errors).where(events.c.state == "invalid")).all()
    assert sorted(row.payload.encode() for row in kept) == [b"{", bodies[70]]
    assert any("ZeroDivisionError" in row.errors for row in kept)


def test_a_cloud_event_in_the_headers_is_known_by_its_source_and_id(
    sqlite: Database, broker: Broker, start: Starting
) -> None:
    broker.declare()
    attributes = {"specversion": "1.0", "id": "7", "source": "/crm", "type": "com.example.lead.created"}
    headers = {f"cloudEvents:{name}": value for name, value in attributes.items()}
    broker.publish(orjson.dumps({"phones": ["+573000000001"]}), headers=headers, message_id="M-1")
    start(crm_settings(sqlite, broker), sqlite)
    wait_until(lambda: stored(sqlite) == ["/crm|7"])


def test_an_array_is_many_events(sqlite: Database, broker: Broker, start: Starting) -> None:
    broker.declare()
    broker.publish(b"[" + b",".join([*leads(3), b"7"]) + b"]", b"[]", message_id="M-1")
    running = start(crm_settings(sqlite, broker), sqlite)
    wait_until(lambda: stored(sqlite) == ["M-1.0", "M-1.1", "M-1.2"] and count(sqlite, "invalid") == 1)
    running.stop()
    assert broker.depth() == 0


def test_a_body_over_the_limit_is_kept_whole_as_invalid(
    sqlite: Database, broker: Broker, start: Starting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "MAX_BODY", 300)
    broker.declare()
    broker.publish(lead("L-1", note="x" * 300), lead("L-2"))
    start(crm_settings(sqlite, broker), sqlite)
    wait_until(lambda: stored(sqlite) == ["L-2"])
    with sqlite.read() as conn:
        (payload,) = conn.execute(select(events.c.payload).where(events.c.state == "invalid")).scalars()
    assert payload.encode() == lead("L-1", note="x" * 300)


class Millis(datetime):
    """A time that is written far past the year 9999, as milliseconds are when they pass for seconds."""

    def utctimetuple(self) -> time.struct_time:
        return time.struct_time((2026, 1, 1, 10**9, 0, 0, 0, 1, 0))


def test_a_header_that_cannot_be_read_costs_only_the_headers(sqlite: Database, broker: Broker, start: Starting) -> None:
    broker.declare()
    headers = {"sent_at": Millis.now(tz=UTC)}
    broker.publish(lead("L-1"), headers=headers, message_id="M-1", content_type="application/json")
    broker.publish(lead("L-2"))
    running = start(crm_settings(sqlite, broker), sqlite)
    wait_until(lambda: stored(sqlite) == ["L-2", "M-1"])
    running.stop()
    assert broker.depth() == 0


def test_an_event_that_cannot_be_stored_harms_no_other(
    database: Database, broker: Broker, start: Starting, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = inbox.store

    def refusing(conn: Any, arrivals: Sequence[Arrival], **named: Any) -> list[Stored]:
        if any(arrival.event_id == "L-5" for arrival in arrivals):
            raise ValueError("an invented fault of this event")
        return store(conn, arrivals, **named)

    monkeypatch.setattr(inbox, "store", refusing)
    broker.declare()
    broker.publish(*leads(9))
    running = start(crm_settings(database, broker), database)
    wait_until(lambda: count(database) == 8 and count(database, "invalid") == 1)
    running.stop()
    assert broker.depth() == 0


@pytest.fixture
def wires() -> Iterator[list[Wire]]:
    wires: list[Wire] = []
    yield wires
    for wire in wires:
        wire.close()


def wired(url: str, wires: list[Wire], default_port: int) -> tuple[str, Wire]:
    """The address by way of a wire that can be cut."""
    parts = urlsplit(url)
    wire = Wire(parts.hostname or "", parts.port or default_port)
    wires.append(wire)
    user = parts.netloc.rpartition("@")[0]
    return parts._replace(netloc=f"{user}@127.0.0.1:{wire.port}").geturl(), wire


def test_while_the_database_is_away_messages_stay_in_hand_and_none_is_dead_lettered(
    postgres_url: str, broker: Broker, start: Starting, wires: list[Wire], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, wire = wired(postgres_url, wires, 5432)
    connect, connected = consuming.connect, []
    monkeypatch.setattr(consuming, "connect", lambda url: connected.append(url) or connect(url))
    broker.declare()
    with closing(Database(url)) as database:
        running = start(crm_settings(database, broker, changed(AMQP_URL, query="heartbeat=1")), database)
        broker.publish(lead("first"))
        wait_until(lambda: stored(database) == ["first"])
        wire.cut()
        broker.publish(*leads(30))
        wait_until(lambda: broker.depth() == 0)
        time.sleep(3.5)  # several tries, and heartbeats enough for the broker to miss them
        assert (broker.depth(), broker.depth(broker.dead), len(connected)) == (0, 0, 1)
        wire.mend()
        wait_until(lambda: count(database) == 31)
        broker.publish(lead("last"))
        wait_until(lambda: count(database) == 32)
        assert running.stop()
    assert (broker.depth(), broker.depth(broker.dead)) == (0, 0)


def test_with_database_and_broker_both_away_nothing_is_lost_or_taken_in_vain(
    postgres_url: str, broker: Broker, start: Starting, wires: list[Wire]
) -> None:
    url, wire = wired(postgres_url, wires, 5432)
    amqp_url, amqp_wire = wired(AMQP_URL, wires, 5672)
    broker.declare()
    with closing(Database(url)) as database:
        start(crm_settings(database, broker, amqp_url), database)
        broker.publish(lead("first"))
        wait_until(lambda: stored(database) == ["first"])
        wire.cut()
        broker.publish(*leads(30))
        wait_until(lambda: broker.depth() == 0)
        amqp_wire.cut()
        amqp_wire.mend()
        # 31 where the cut came between the first one's commit and its being heard of: it comes again, and is known.
        wait_until(lambda: broker.depth() >= 30)
        back = broker.depth()
        time.sleep(1)
        assert broker.depth() == back <= 31
        wire.mend()
        wait_until(lambda: count(database) == 31)
        wait_until(lambda: broker.depth() == 0)


def test_nothing_is_taken_before_the_database_is_there(
    postgres_url: str, broker: Broker, start: Starting, wires: list[Wire]
) -> None:
    url, wire = wired(postgres_url, wires, 5432)
    wire.cut()
    broker.declare()
    broker.publish(lead("L-1"))
    with closing(Database(url)) as database:
        start(crm_settings(database, broker), database)
        time.sleep(0.7)
        assert broker.depth() == 1
        wire.mend()
        wait_until(lambda: count(database) == 1)


def test_stopping_while_the_database_is_away_puts_everything_back(
    sqlite: Database, broker: Broker, start: Starting
) -> None:
    running = start(crm_settings(sqlite, broker), sqlite)
    wait_until(lambda: broker.exists())
    broker.publish(lead("first"))
    wait_until(lambda: stored(sqlite) == ["first"])
    with sqlite.write() as conn:
        conn.exec_driver_sql("ALTER TABLE events RENAME TO away")
    broker.publish(*leads(12))
    wait_until(lambda: broker.depth() == 0)
    began = time.monotonic()
    assert running.stop()
    assert time.monotonic() - began < 60
    wait_until(lambda: broker.depth() == 12)


def test_a_cut_connection_is_made_anew_and_nothing_is_lost_or_twice(
    sqlite: Database, broker: Broker, start: Starting, wires: list[Wire]
) -> None:
    url, wire = wired(AMQP_URL, wires, 5672)
    running = start(crm_settings(sqlite, broker, url), sqlite)
    wait_until(lambda: broker.exists())
    bodies = leads(300)
    broker.publish(*bodies[:150])
    wire.cut()
    broker.publish(*bodies[150:])
    wire.mend()
    wait_until(lambda: count(sqlite) == 300)
    running.stop()
    assert broker.depth() == 0


def test_a_broker_that_is_not_there_yet_is_waited_for(
    sqlite: Database, broker: Broker, start: Starting, wires: list[Wire]
) -> None:
    url, wire = wired(AMQP_URL, wires, 5672)
    wire.cut()
    broker.declare()
    broker.publish(lead("L-1"))
    running = start(crm_settings(sqlite, broker, url), sqlite)
    assert not running.consumer.wait(0.5)
    wire.mend()
    wait_until(lambda: count(sqlite) == 1)


def test_a_queue_deleted_under_the_consumer_is_declared_and_consumed_anew(
    sqlite: Database, broker: Broker, start: Starting
) -> None:
    start(crm_settings(sqlite, broker), sqlite)
    wait_until(lambda: broker.exists())
    broker.publish(lead("L-1"))
    wait_until(lambda: count(sqlite) == 1)
    broker.delete()
    wait_until(lambda: broker.exists())
    broker.publish(lead("L-2"))
    wait_until(lambda: count(sqlite) == 2)
    wait_until(lambda: broker.depth() == 0)


def test_a_queue_with_other_arguments_is_consumed_as_it_is(
    sqlite: Database, broker: Broker, start: Starting, capfd: pytest.CaptureFixture[str]
) -> None:
    with closing(broker.connect()) as connection:
        connection.channel().queue_declare(broker.queue, durable=True)
    broker.publish(lead("L-1"))
    start(crm_settings(sqlite, broker), sqlite)
    wait_until(lambda: count(sqlite) == 1)
    assert "declare = false" in capfd.readouterr().err


def test_a_queue_that_is_not_to_be_declared_is_waited_for(sqlite: Database, broker: Broker, start: Starting) -> None:
    start(crm_settings(sqlite, broker, declare=False), sqlite)
    time.sleep(0.5)
    assert not broker.exists()
    broker.declare()
    broker.publish(lead("L-1"))
    wait_until(lambda: count(sqlite) == 1)


def test_a_queue_in_trouble_does_not_hold_up_another(sqlite: Database, broker: Broker, start: Starting) -> None:
    settings = crm_settings(sqlite, broker)
    absent = Source(name="absent", mapping="lead", queue=f"{broker.queue}.absent", declare=False)
    start(replace(settings, sources={"absent": absent, **settings.sources}), sqlite)
    wait_until(lambda: broker.exists())
    broker.publish(lead("L-1"))
    wait_until(lambda: count(sqlite) == 1)


def changed(url: str, **parts: str) -> str:
    return urlsplit(url)._replace(**parts).geturl()


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"netloc": f"nobody:wrong@{urlsplit(AMQP_URL).netloc.rpartition('@')[2]}"}, "the user and the password"),
        ({"path": "/nowhere-at-all"}, "the vhost 'nowhere-at-all'"),
    ],
)
def test_a_broker_that_refuses_us_ends_it_in_one_line(
    sqlite: Database, broker: Broker, start: Starting, parts: dict[str, str], words: str
) -> None:
    url = changed(AMQP_URL, **parts)
    running = start(crm_settings(sqlite, broker, url), sqlite)
    with pytest.raises(ConnectorError, match=words) as refusal:
        running.consumer.wait(120)
    assert "wrong" not in str(refusal.value)
    assert broker_reachable(Secret(url)) == str(refusal.value)
    broker.declare()


def test_a_broker_is_reachable_or_it_is_said_why(broker: Broker) -> None:
    broker.declare()
    assert broker_reachable(Secret(AMQP_URL)) == ""
    assert "onnection refused" in broker_reachable("amqp://guest:guest@127.0.0.1:1/")


def test_no_queue_no_consumer(sqlite: Database) -> None:
    settings = settings_for(sqlite.url, "http://127.0.0.1:1")
    receiver = Receiver(settings, Router(settings, destinations.name_of))
    with pytest.raises(ConnectorError, match="no source has a queue"):
        Consumer(settings, sqlite, receiver, None)  # type: ignore[arg-type]


def test_redrive_puts_the_dead_back_as_they_were(sqlite: Database, broker: Broker) -> None:
    broker.declare()
    broker.publish(*leads(5), message_id="M-1", content_type="application/json", headers={"tries": 2, "at": None})
    broker.refuse_all()
    wait_until(lambda: broker.depth(broker.dead) == 5)
    assert redrive(crm_settings(sqlite, broker), "crm") == 5
    assert (broker.depth(), broker.depth(broker.dead)) == (5, 0)
    _, properties, body = broker.get()
    assert (properties.message_id, properties.content_type, body) == ("M-1", "application/json", lead("L-0"))
    assert (properties.headers["tries"], properties.headers["at"], properties.delivery_mode) == (2, None, 2)


def test_redrive_of_nothing_moves_nothing(sqlite: Database, broker: Broker) -> None:
    settings = crm_settings(sqlite, broker)
    with pytest.raises(ConnectorError, match="nothing to redrive"):
        redrive(settings, "crm")
    broker.declare()
    assert redrive(settings, "crm") == 0
    with pytest.raises(ConnectorError, match="no source with a queue"):
        redrive(settings, "landing")


def test_what_cannot_be_confirmed_stays_dead_lettered(sqlite: Database, broker: Broker) -> None:
    broker.declare()
    broker.publish(*leads(3))
    broker.refuse_all()
    wait_until(lambda: broker.depth(broker.dead) == 3)
    broker.delete()
    with pytest.raises(ConnectorError, match="0 were moved"):
        redrive(crm_settings(sqlite, broker), "crm")
    wait_until(lambda: broker.depth(broker.dead) == 3)


def test_a_message_signed_by_a_user_is_redriven_by_any(sqlite: Database, broker: Broker) -> None:
    user = urlsplit(AMQP_URL).username
    broker.declare()
    broker.publish(lead("L-1"), user_id=user, message_id="M-1")
    broker.refuse_all()
    wait_until(lambda: broker.depth(broker.dead) == 1)
    assert redrive(crm_settings(sqlite, broker), "crm") == 1
    assert broker.get()[1].message_id == "M-1"


CONFIG = """
[accounts.dialler]
vendor = "wolkvox"
base_url = "http://127.0.0.1:1"
token = "t"

[sources.crm]
mapping = "lead"
queue = "{queue}"

[[routes]]
name = "dial"
on = "lead.created"
to = "wolkvox.add_record"
account = "dialler"
campaign_id = "1042"
campaign_status = "start"
"""


class Process:
    """`connector consume` as it is started in earnest, in a process group of its own."""

    def __init__(self, folder: Path, database: Database, broker: Broker, **environ: str) -> None:
        (folder / "connector.toml").write_text(CONFIG.format(queue=broker.queue))
        given = {"CONNECTOR_CONFIG": str(folder / "connector.toml"), "DATABASE_URL": database.url, "AMQP_URL": AMQP_URL}
        self.inner = subprocess.Popen(
            [sys.executable, "-m", "connector", "consume"],
            env=os.environ | given | environ,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def children(self) -> list[int]:
        listed = Path(f"/proc/{self.inner.pid}/task/{self.inner.pid}/children")
        return [int(pid) for pid in listed.read_text().split()]

    def alive(self) -> bool:
        """Whether anybody of its group is left."""
        try:
            os.killpg(self.inner.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def end(self) -> None:
        """Whoever is left of it."""
        with self.inner:
            if self.alive():
                os.killpg(self.inner.pid, signal.SIGKILL)


@pytest.fixture
def consume(tmp_path: Path, sqlite: Database, broker: Broker) -> Iterator[Callable[..., Process]]:
    """Starts `connector consume` on the test's own queue; whoever is left of it is killed in the end."""
    started: list[Process] = []

    def start(**environ: str) -> Process:
        started.append(Process(tmp_path, sqlite, broker, **environ))
        return started[-1]

    yield start
    for each in started:
        each.end()


Consume = Callable[..., Process]


def all_stored_once(database: Database, broker: Broker, total: int) -> None:
    wait_until(lambda: count(database) == total, 600)
    wait_until(lambda: broker.depth() == 0)
    assert (broker.depth(broker.dead), len(set(stored(database)))) == (0, total)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "many"),
    [
        (signal.SIGTERM, 6000),
        (signal.SIGKILL, 30_000),  # more than is stored until those whom it had started have noticed
    ],
)
def test_a_process_ended_half_way_loses_nothing(
    sqlite: Database, broker: Broker, consume: Consume, how: int, many: int
) -> None:
    broker.declare()
    broker.fill(leads(many))
    first = consume()
    wait_until(lambda: count(sqlite) > 0)
    first.inner.send_signal(how)
    assert first.inner.wait(300) == (0 if how == signal.SIGTERM else -how)
    wait_until(lambda: not first.alive())  # those that it started have ended, too
    done = count(sqlite)
    assert done < many
    wait_until(lambda: broker.depth() == many - done)  # all that was stored is acked
    second = consume()
    all_stored_once(sqlite, broker, many)
    second.inner.terminate()
    assert second.inner.wait(300) == 0
    assert broker.depth() == 0


@pytest.mark.slow
def test_one_of_its_processes_killed_half_way_loses_nothing(sqlite: Database, broker: Broker, consume: Consume) -> None:
    broker.declare()
    broker.fill(leads(6000))
    running = consume()
    wait_until(lambda: count(sqlite) > 0)
    killed = running.children()
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    assert len(killed) == 2
    assert count(sqlite) < 6000
    all_stored_once(sqlite, broker, 6000)
    wait_until(lambda: len(running.children()) == 2)
    assert not set(running.children()) & set(killed)


@pytest.mark.slow
def test_a_signal_to_all_of_its_processes_ends_each_in_order(
    sqlite: Database, broker: Broker, consume: Consume
) -> None:
    broker.declare()
    broker.fill(leads(6000))
    running = consume()
    wait_until(lambda: count(sqlite) > 0)
    os.killpg(running.inner.pid, signal.SIGTERM)
    assert running.inner.wait(300) == 0
    assert not running.alive()
    wait_until(lambda: broker.depth() == 6000 - count(sqlite))


def test_a_broker_that_refuses_us_ends_all_of_its_processes_with_one_line(consume: Consume) -> None:
    running = consume(AMQP_URL=changed(AMQP_URL, path="/nowhere-at-all"), LOG_LEVEL="CRITICAL")
    said = running.inner.communicate(timeout=120)[1]
    assert running.inner.returncode == 1
    assert re.fullmatch(r"connector: .* refuses us: .*\n", said)
    assert not running.alive()


def test_each_of_its_processes_consumes(sqlite: Database, broker: Broker, consume: Consume) -> None:
    consume(CONSUMER_CONCURRENCY="3")
    with closing(broker.connect()) as connection:
        wait_until(broker.exists)
        channel = connection.channel()
        wait_until(lambda: channel.queue_declare(broker.queue, passive=True).method.consumer_count == 3)


def test_a_stream_is_refused_by_name(sqlite: Database, broker: Broker, start: Starting) -> None:
    with closing(broker.connect()) as connection:
        connection.channel().queue_declare(broker.queue, durable=True, arguments={"x-queue-type": "stream"})
    settings = crm_settings(sqlite, broker)
    (why,) = queues_refused(settings).values()
    assert "it is a stream" in why and "quorum" in why


def test_a_queue_is_tried_without_taking_a_message(sqlite: Database, broker: Broker) -> None:
    settings = crm_settings(sqlite, broker)
    assert list(queues_refused(settings).values()) == [""], "it does not exist yet, and may be declared"
    broker.declare()
    broker.publish(lead("L-1"))
    assert list(queues_refused(settings).values()) == [""]
    assert broker.depth() == 1


def ctl(*words: str) -> None:
    """The broker's own command; a machine whose broker it does not reach skips the test."""
    command = shutil.which("rabbitmqctl") or pytest.skip("rabbitmqctl is not here: no user can be made")
    done = subprocess.run([command, "--quiet", *words], capture_output=True, text=True, timeout=240, check=False)
    if done.returncode:
        pytest.skip(f"rabbitmqctl does not reach the broker: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")


@pytest.fixture
def reader(broker: Broker) -> Iterator[str]:
    """The address of a user who may read the test's queues and do nothing else."""
    name, password = f"test-{secrets.token_hex(4)}", secrets.token_hex(8)
    ctl("add_user", name, password)
    try:
        ctl("set_permissions", "--vhost", urlsplit(AMQP_URL).path[1:].replace("%2F", "/"), name, "^$", "^$", ".*")
        yield changed(AMQP_URL, netloc=f"{name}:{password}@{urlsplit(AMQP_URL).netloc.rpartition('@')[2]}")
    finally:
        ctl("delete_user", name)


@pytest.mark.slow
def test_a_user_who_may_only_read_consumes_and_is_told_what_to_set(
    sqlite: Database, broker: Broker, start: Starting, reader: str, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = crm_settings(sqlite, broker, reader)
    (why,) = queues_refused(settings).values()
    assert "it does not exist, and the user may not declare it" in why
    broker.declare()
    assert list(queues_refused(settings).values()) == [""]
    broker.publish(lead("L-1"))
    start(settings, sqlite)
    wait_until(lambda: count(sqlite) == 1)
    assert "set declare = false on its source, or let the user configure it" in capfd.readouterr().err
