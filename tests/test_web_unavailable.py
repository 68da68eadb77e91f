"""When nothing can be stored, nothing is acknowledged; and what the log tells of requests."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event as sqlalchemy_event
from werkzeug.test import TestResponse

from connector.core.errors import StoreUnavailable
from connector.core.settings import Settings
from connector.inbound.committer import Committer
from connector.store import inbox
from connector.store.database import Database
from connector.vendors.destinations import name_of
from connector.web.app import Exchange
from connector.web.wsgi import create_app
from tests import web_client
from tests.web_client import assert_problem, kept, lead, post, web, web_settings

settings = web_client.settings


# --- when nothing can be stored -------------------------------------------------------------------------------------


def assert_unavailable(answer: TestResponse) -> None:
    told = assert_problem(answer, 503)
    assert int(answer.headers["Retry-After"]) > 0
    assert "sqlite" not in json.dumps(told).lower()
    assert "127.0.0.1" not in json.dumps(told)


def test_a_full_disk_is_a_503_and_nothing_is_acknowledged(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    full = True

    def limit(connection: sqlite3.Connection, *_: Any) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0] if full else 1_000_000
        connection.execute(f"PRAGMA max_page_count = {pages}")

    sqlalchemy_event.listen(database.engine, "checkout", limit)
    committer = Committer(database)
    client = create_app(web_settings(sqlite_url, "http://127.0.0.1:9"), database, name_of, committer).test_client()
    large = lead(1, extra={"note": "x" * 200_000})
    assert_unavailable(post(client, "open", large))
    assert_unavailable(post(client, "strict", b"{" + b"x" * 200_000))
    full = False
    assert kept(database) == []
    assert post(client, "open", large).status_code == 202
    committer.close()
    database.close()


def test_a_locked_database_is_a_503(sqlite_url: str) -> None:
    with web(web_settings(sqlite_url, "http://127.0.0.1:9")) as client:
        put = inbox.store

        def locked(*_: Any) -> None:
            raise StoreUnavailable("the database cannot be used now: database is locked")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("connector.inbound.committer.inbox.store", locked)
            assert_unavailable(post(client, "open", [lead(1), lead(2)]))
        assert inbox.store is put
        assert post(client, "open", [lead(1), lead(2)]).get_json()["accepted"] == 2


def test_a_database_without_tables_is_a_503(tmp_path: Path) -> None:
    with web(web_settings(f"sqlite:///{tmp_path / 'new.db'}", "http://127.0.0.1:9")) as client:
        assert_unavailable(post(client, "open", lead()))
        assert client.get("/readyz").status_code == 503


def test_a_read_only_folder_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="make the folder writable"):
        Database(f"sqlite:///{tmp_path / 'file' / 'connector.db'}")


def test_an_unreachable_postgres_is_a_503() -> None:
    with web(web_settings("postgresql+psycopg://nobody@127.0.0.1:9/none", "http://127.0.0.1:9")) as client:
        assert_unavailable(post(client, "open", lead()))
        answer = client.get("/readyz")
        assert (answer.status_code, answer.get_json()["database"]) == (503, "away")
        assert client.get("/livez").status_code == 200
        assert "connector_database_up 0.0" in client.get("/metrics").get_data(as_text=True)


def test_a_database_that_takes_too_long_is_a_503(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(Committer):
        def hand_over(self, *_: Any) -> None:
            return  # and never tells

    committer = Slow(database)
    monkeypatch.setattr(Exchange.end, "__kwdefaults__", {"patience_s": 0.1})
    assert_unavailable(post(create_app(settings, database, name_of, committer).test_client(), "open", lead()))
    committer.close()


def test_after_the_committer_closed_nothing_is_acknowledged(settings: Settings, database: Database) -> None:
    committer = Committer(database)
    client = create_app(settings, database, name_of, committer).test_client()
    committer.close()
    assert_unavailable(post(client, "open", lead()))


def test_one_event_that_cannot_be_stored_harms_no_other(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, groups = inbox.store, []

    def picky(conn: Any, arrivals: Any, **named: Any) -> Any:
        groups.append(len(arrivals))
        while groups == [1] and committer._queue.qsize() < 2:  # so that the others come together meanwhile
            time.sleep(0.005)
        if any(arrival.event_id == "L-3" for arrival in arrivals):
            raise ValueError("no such row")
        return store(conn, arrivals, **named)

    monkeypatch.setattr("connector.inbound.committer.inbox.store", picky)
    committer = Committer(database)
    app = create_app(settings, database, name_of, committer)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: post(app.test_client(), "open", lead(number)).status_code, range(8)))
    committer.close()
    assert answers == [202] * 8
    assert max(groups) > 1
    names = {event_id for _, event_id, _ in kept(database)}
    assert {name for name in names if name.startswith("L-")} == {f"L-{number}" for number in range(8)} - {"L-3"}
    assert len(names) == 8, "it is kept as invalid"


def test_a_fault_of_our_own_shows_the_sender_no_trace(
    settings: Settings, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken(Committer):
        def hand_over(self, *_: Any) -> None:
            raise RuntimeError("of ana@example.com")

    committer = Broken(database)
    answer = post(create_app(settings, database, name_of, committer).test_client(), "open", lead())
    committer.close()
    told = json.dumps(assert_problem(answer, 500))
    assert "RuntimeError" not in told and "ana" not in told
    logged = capsys.readouterr().err
    assert "RuntimeError" in logged
    assert "ana@example.com" not in logged


# --- the log --------------------------------------------------------------------------------------------------------


def test_the_log_names_the_route_and_never_what_a_sender_wrote(
    settings: Settings, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    committer = Committer(database)
    client = create_app(replace(settings, log_level="DEBUG"), database, name_of, committer).test_client()
    post(client, "key", lead(), query_string="k=llave-falsa-1")
    client.post("/webhooks/ana-perez-3001234567?k=otra")
    client.open("/webhooks/open", method="3001234567")
    committer.close()
    logged = capsys.readouterr().err
    assert '"route": "/webhooks/<source>"' in logged
    assert '"source": "key"' in logged
    assert '"status": 401' in logged
    assert not re.search("falsa|otra|ana-perez|3001234567", logged)


def test_refusals_of_one_kind_are_told_once_in_a_while(client: FlaskClient, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(50):
        post(client, "landing", lead())
        post(client, "nobody", lead())
    lines = [line for line in capsys.readouterr().err.splitlines() if "request refused" in line]
    assert len(lines) == 2
