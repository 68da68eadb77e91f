"""Webhooks while the database is away: spooled, answered 202, and stored in order once it is back."""

from __future__ import annotations

import contextlib
import json
import secrets
import stat
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count, takewhile
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Connection, select

from connector.core import at_rest
from connector.core.errors import StoreUnavailable
from connector.core.settings import Secret, Settings, Spool
from connector.core.spool import SpoolUnavailable
from connector.inbound.committer import Committer
from connector.inbound.rabbitmq.spool import QueueSpool
from connector.inbound.spool.drain import Drain
from connector.inbound.spool.process import spool_of
from connector.inbound.spool.request import Poison, read
from connector.inbound.spool.spooler import Spooler
from connector.store import tables
from connector.store.database import Database
from connector.store.spool_file import FileSpool
from connector.vendors.destinations import name_of
from connector.web.wsgi import create_app
from tests.broker import AMQP_URL, Broker, broker, wait_until
from tests.web_client import lead, post, web_settings

__all__ = ["broker"]  # the fixture


class Away(Database):
    """A database that can go away and come back."""

    is_away = False

    @contextlib.contextmanager
    def write(self, *, serialise: str = "") -> Iterator[Connection]:
        self._demand()
        with super().write(serialise=serialise) as conn:
            yield conn

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        self._demand()
        with super().read() as conn:
            yield conn

    def _demand(self) -> None:
        if self.is_away:
            raise StoreUnavailable("the database cannot be used now: it was switched off")


class Site:
    """A web process with a spool, and its drain by hand."""

    def __init__(self, settings: Settings) -> None:
        assert settings.spool is not None
        self.settings = settings
        self.database = Away(settings.database_url)
        self.committer = Committer(self.database, settings.hash_key)
        app = create_app(settings, self.database, name_of, self.committer)
        self.app = app
        self.client: FlaskClient = app.test_client()
        self.spool = spool_of(settings, settings.spool)
        self._writes = spool_of(settings, settings.spool)
        self.spooler = Spooler(self._writes)
        app.intake.spooler, self.spooler.otherwise = self.spooler, app.intake.store_all
        self._drain = Drain(settings, self.database, app.intake.receiver, self.spool, self.spooler)

    def drain(self) -> int:
        return self._drain.drain()

    def events(self) -> list[Any]:
        with self.database.read() as conn:
            return list(conn.execute(select(tables.events).order_by(tables.events.c.id)))

    def close(self) -> None:
        self.spooler.close()
        self.committer.close()
        self._writes.close()
        self.spool.close()
        self.database.close()


@pytest.fixture(params=["file", "queue"])
def settings(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Settings:
    given = web_settings(database_url, "http://127.0.0.1:9")
    if request.param == "file":
        return replace(given, spool=Spool(kind="file", path=tmp_path / "spool" / "spool.db"))
    queue: Broker = request.getfixturevalue("broker")
    return replace(given, amqp_url=Secret(AMQP_URL), spool=Spool(kind="queue", queue=queue.queue))


@pytest.fixture
def site(settings: Settings) -> Iterator[Site]:
    made = Site(settings)
    yield made
    made.close()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[FileSpool]:
    spool = FileSpool(tmp_path / "spool.db", 1024 * 1024)
    yield spool
    spool.close()


def spooled(answer: Any) -> bool:
    return (answer.status_code, answer.get_json()) == (202, {"status": "spooled"})


# --- a whole outage -------------------------------------------------------------------------------------------------


def test_what_comes_while_the_database_is_away_is_stored_in_order_later(site: Site) -> None:
    assert post(site.client, "open", lead(1)).get_json()["status"] == "accepted"
    site.database.is_away = True
    assert spooled(post(site.client, "open", lead(2)))
    assert spooled(post(site.client, "open", [lead(3), lead(4)]))
    assert spooled(post(site.client, "open", lead(5)))
    assert site.spool.held().waiting
    site.database.is_away = False
    assert spooled(post(site.client, "open", lead(6))), "it goes behind those of before"
    assert site.drain() == 4
    assert [row.event_id for row in site.events()] == [f"L-{number}" for number in range(1, 7)]
    assert {row.state for row in site.events()} == {"accepted"}
    assert site.spool.held().waiting == 0
    assert post(site.client, "open", lead(7)).get_json()["status"] == "accepted"


def test_a_spool_that_is_written_to_all_the_time_ends_all_the_same(site: Site) -> None:
    """Senders that never rest: what they bring meanwhile waits a moment, and then goes to the database."""
    site.database.is_away = True
    assert spooled(post(site.client, "open", lead(1)))
    site.database.is_away = False
    numbers, answers, stopped = count(2), list[str](), threading.Event()

    def send() -> None:
        client = site.app.test_client()
        while not stopped.is_set():
            answers.append(post(client, "open", lead(next(numbers))).get_json()["status"])

    senders = [threading.Thread(target=send, daemon=True) for _ in range(2)]
    draining = threading.Thread(
        target=lambda: [site.drain() for _ in takewhile(lambda _: not stopped.is_set(), count())]
    )
    for thread in (*senders, draining):
        thread.start()
    try:
        wait_until(lambda: answers.count("accepted") >= 20, 60)
    finally:
        stopped.set()
        for thread in (*senders, draining):
            thread.join(60)
    site.drain()
    assert set(answers) <= {"accepted", "spooled"}
    assert sorted(row.event_id for row in site.events()) == sorted(
        f"L-{number}" for number in range(1, len(answers) + 2)
    )
    assert site.spool.held().waiting == 0


def test_when_the_database_goes_again_what_waited_is_spooled(site: Site) -> None:
    site.database.is_away = True
    assert spooled(post(site.client, "open", lead(1)))
    assert site.spooler.pause()
    answers: list[Any] = []
    sender = threading.Thread(target=lambda: answers.append(post(site.app.test_client(), "open", lead(2))))
    sender.start()
    wait_until(lambda: site.spooler.waiting)
    site.spooler.go_on()  # it was believed to be there
    sender.join(60)
    assert spooled(answers[0])
    site.database.is_away = False
    assert site.drain() == 2
    assert [row.event_id for row in site.events()] == ["L-1", "L-2"]


def test_duplicates_across_the_outage_are_one_event(site: Site) -> None:
    post(site.client, "open", lead(1))
    site.database.is_away = True
    for number in (1, 2, 2):
        assert spooled(post(site.client, "open", lead(number)))
    site.database.is_away = False
    site.drain()
    assert post(site.client, "open", lead(2)).status_code == 200
    assert [row.event_id for row in site.events()] == ["L-1", "L-2"]


def test_identity_is_what_it_would_have_been(site: Site) -> None:
    """Of a body without an id: its hash. So a copy that comes when the database is back is known."""
    nameless = {"type": "lead.created", "data": {"first_name": "Ana", "phones": ["+573000000001"]}}
    site.database.is_away = True
    assert spooled(post(site.client, "open", nameless))
    site.database.is_away = False
    site.drain()
    assert post(site.client, "open", nameless).get_json()["status"] == "duplicate"
    [row] = site.events()
    assert row.event_id.startswith("sha256:")


def test_the_time_of_an_event_without_one_is_its_receipt(site: Site) -> None:
    site.database.is_away = True
    before = time.time_ns()
    assert spooled(post(site.client, "open", lead(1)))
    after = time.time_ns()
    site.database.is_away = False
    site.drain()
    [row] = site.events()
    with site.database.read() as conn:
        [delivery] = conn.execute(select(tables.deliveries)).all()
    assert before <= row.occurred_at * 1_000_000 + 999_999
    assert row.occurred_at * 1_000_000 <= after
    assert delivery.expires_at == row.occurred_at + 7 * 86_400_000


def test_what_is_unreadable_is_kept_as_invalid(site: Site) -> None:
    site.database.is_away = True
    assert spooled(post(site.client, "open", b"{"))
    site.database.is_away = False
    site.drain()
    [row] = site.events()
    assert (row.state, row.payload) == ("invalid", "{")


def test_without_a_proof_nothing_is_spooled(site: Site) -> None:
    site.database.is_away = True
    assert post(site.client, "hub", lead(1)).status_code == 401
    assert site.spool.held().waiting == 0


def test_an_interrupted_drain_stores_nothing_twice(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It dies between the commit and the moment when the spool forgets."""
    site.database.is_away = True
    assert spooled(post(site.client, "open", lead(1)))
    site.database.is_away = False
    with site.spool.reading() as reading:
        assert reading is not None
        with monkeypatch.context() as patch, contextlib.suppress(ZeroDivisionError):
            patch.setattr(type(reading), "done", lambda *_: 1 / 0)
            part = next(iter(reading.parts()))
            site._drain._store(reading, part)
    site.drain()
    assert len(site.events()) == 1


def test_poison_is_set_aside_and_stops_nobody(site: Site) -> None:
    site.database.is_away = True
    assert spooled(post(site.client, "open", lead(1)))
    site._writes.add(["no request", json.dumps({"v": 1, "source": "gone"})])
    assert spooled(post(site.client, "open", lead(2)))
    site.database.is_away = False
    site.drain()
    assert [row.event_id for row in site.events()] == ["L-1", "L-2"]
    held = site.spool.held()
    assert (held.waiting, held.aside > 0) == (0, True)


def test_what_no_mapping_reads_is_poison_too(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.database.is_away = True
    assert spooled(post(site.client, "open", lead(1)))
    assert spooled(post(site.client, "strict", lead(2)))
    site.database.is_away = False
    known = site._drain._receiver.read_all

    def fails(source: Any, *args: Any, **kwargs: Any) -> Any:
        return known(source, *args, **kwargs) if source.name == "strict" else 1 / 0

    monkeypatch.setattr(site._drain._receiver, "read_all", fails)
    site.drain()
    assert [row.event_id for row in site.events()] == ["L-2"]


def test_if_the_database_goes_away_again_the_rest_stays(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.database.is_away = True
    assert spooled(post(site.client, "open", lead(1)))
    with pytest.raises(StoreUnavailable):
        site.drain()
    site.database.is_away = False
    wait_until(lambda: site.drain() or site.events())  # a broker takes a moment to give it out again
    assert [row.event_id for row in site.events()] == ["L-1"]


def test_what_the_spool_cannot_take_is_a_503(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise SpoolUnavailable("it is full")

    site.database.is_away = True
    monkeypatch.setattr(type(site._writes), "add", full)
    assert post(site.client, "open", lead(1)).status_code == 503
    site.database.is_away = False
    assert post(site.client, "open", lead(1)).get_json()["status"] == "accepted"


def test_if_only_the_spool_fails_the_database_is_asked_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise SpoolUnavailable("it is full")

    site.database.is_away = True
    assert spooled(post(site.client, "open", lead(1)))
    site.database.is_away = False
    monkeypatch.setattr(type(site._writes), "add", full)
    assert post(site.client, "open", lead(2)).get_json()["status"] == "accepted"
    site.drain()
    assert {row.event_id for row in site.events()} == {"L-1", "L-2"}


def test_two_processes_share_a_spool(settings: Settings) -> None:
    first, second = Site(settings), Site(settings)
    try:
        first.database.is_away = second.database.is_away = True
        for number, site in enumerate((first, second, first)):
            assert spooled(post(site.client, "open", lead(number)))
        first.database.is_away = second.database.is_away = False
        with first.spool.reading() as reading:
            assert reading is not None
            parts = iter(reading.parts())
            next(parts)
            assert second.drain() == 0
        wait_until(lambda: second.drain() or len(second.events()) == 3)
        assert [row.event_id for row in first.events()] == ["L-0", "L-1", "L-2"]
        first.drain()
        assert not first.spooler.is_holding
    finally:
        first.close()
        second.close()


def test_what_a_killed_process_left_is_drained_by_the_next(settings: Settings) -> None:
    killed = Site(settings)
    killed.database.is_away = True
    assert spooled(post(killed.client, "open", lead(1)))
    killed.close()
    after = Site(settings)
    assert after.drain() == 1
    assert [row.event_id for row in after.events()] == ["L-1"]
    after.close()


# --- the file -------------------------------------------------------------------------------------------------------


def test_the_file_is_the_owners_alone_and_bounded(file: FileSpool, tmp_path: Path) -> None:
    file.add(["one"])
    for path in tmp_path.glob("spool.db*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    with pytest.raises(SpoolUnavailable, match="it is full"):
        for _ in range(100):
            file.add(["x" * 100_000])
    before = file.held().waiting
    with file.reading() as reading:
        assert reading is not None
        for part in reading.parts():
            reading.done(part, [])
    assert (before > 1, file.held().waiting) == (True, 0)
    file.add(["again"])


def test_nothing_of_a_person_is_left_in_a_drained_file(file: FileSpool, tmp_path: Path) -> None:
    file.add([f"Ana María {'x' * 5000}"])
    with file.reading() as reading:
        assert reading is not None
        for part in reading.parts():
            reading.done(part, [])
    assert not any(b"Ana Mar" in path.read_bytes() for path in tmp_path.glob("spool.db*"))


def test_with_a_key_it_is_encrypted(settings: Settings) -> None:
    at_rest.configure([Secret("a key of the test")])
    site = Site(settings)
    try:
        site.database.is_away = True
        assert spooled(post(site.client, "open", lead(1)))
        with site.spool.reading() as reading:
            assert reading is not None
            parts = iter(reading.parts())
            part = next(parts)
            assert all(text.startswith("enc:") for text in part.texts)
        site.database.is_away = False
        wait_until(site.drain)
        assert [row.event_id for row in site.events()] == ["L-1"]
    finally:
        site.close()
        at_rest.configure([])


def test_a_lost_key_is_poison_and_no_stop(settings: Settings) -> None:
    at_rest.configure([Secret("a key of the test")])
    sealed = at_rest.sealed("{}", "spool.request")
    at_rest.configure([])
    with pytest.raises(Poison, match="CONNECTOR_DATA_KEY"):
        read(sealed or "", settings.sources)


def test_a_broken_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(SpoolUnavailable):
        FileSpool(path, 1024 * 1024).add(["one"])


def test_a_broker_that_is_away_says_so() -> None:
    spool = QueueSpool(Secret("amqp://guest:guest@127.0.0.1:9/%2F"), f"test.{secrets.token_hex(4)}")
    with pytest.raises(SpoolUnavailable, match="broker"):
        spool.add(["one"])
