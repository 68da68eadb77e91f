"""A database that release 0002 wrote is upgraded: every row is in the state that it was in, and says why by a code.

`tests/former/` holds the dumps. They were written by that release's own steps, with rows in every state.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from connector.admin.acts import By
from connector.admin.deliveries import Search, deliveries
from connector.admin.explain import explain
from connector.admin.replay import Replay, Wish
from connector.admin.status import status
from connector.core.reasons import Code, Reason, because
from connector.core.settings import ContactHours, Secret, Settings, Source
from connector.core.states import Kind
from connector.store import accounts, reasons, tables
from connector.store.database import Database
from connector.store.migrate import migrate
from tests.conftest import POSTGRES, as_sqlalchemy
from tests.outbound_steps import dial, dialler, links, once, survey, surveys

FORMER = Path(__file__).parent / "former"
NEVER = ContactHours(name="never", weekdays=None, saturday=None, sunday=None, holidays=None, country="")

#: (route, state) -> every code and its facts, in the order of the deliveries.
TOLD = {
    ("dial 1042", "dead"): [
        Reason(Code.REFUSED, {"status": 400, "words": "400 SOME PARAMETERS ARE REQUIRED, said Ana"}),
        Reason(Code.REFUSED, {"status": 400}),  # forgotten
    ],
    ("dial 1042", "delivered"): [None],
    ("dial 1042", "suppressed"): [Reason(Code.ONCE, {"other": 2}), Reason(Code.EXPIRED), Reason(Code.LISTED)],
    ("dial 1042", "pending"): [Reason(Code.HALVED, {"size": 4, "status": 400, "words": "400 wrong"})] * 4,
    ("dial 1042", "uncertain"): [Reason(Code.UNKNOWN_ASKED, {"fault": "no answer: the connection was cut"})],
    ("links", "dead"): [Reason(Code.REFUSED, {"status": 400, "words": "400 no link"})],
    ("links", "pending"): [None],
    ("call", "suppressed"): [
        Reason(
            Code.BEFORE_ENDED,
            {"route": "links", "state": "dead"}
            | because(Reason(Code.REFUSED, {"status": 400, "words": "400 no link"})),
        )
    ],
    ("call", "pending"): [None],
    ("survey", "pending"): [None],
}


@pytest.fixture(params=["sqlite", "postgresql"])
def former(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database as the release left it."""
    dump = (FORMER / f"0002.{request.param}.sql").read_text()
    if request.param == "sqlite":
        path = tmp_path / "connector.db"
        with sqlite3.connect(path) as conn:
            conn.executescript(dump)
        conn.close()
        yield f"sqlite:///{path}"
        return
    server, name = request.getfixturevalue("postgres_server"), f"test_{secrets.token_hex(6)}"
    server.execute(f"CREATE DATABASE {name}")
    url = as_sqlalchemy(POSTGRES, name)
    database = Database(url)
    with database.engine.begin() as conn:
        conn.connection.driver_connection.execute(dump)  # type: ignore[union-attr]
    database.close()
    yield url
    server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def rows(database: Database, columns: str) -> list[Any]:
    with database.read() as conn:
        return list(conn.execute(text(f"SELECT {columns} FROM deliveries ORDER BY id")))


def settings(url: str) -> Settings:
    routes = (
        dial(once_per=once()),
        dial("7", name="closed", on=("lead.updated",), contact_hours=NEVER),
        survey(),
        links(on=("ticket.created",)),
        dial("8", name="call", on=("ticket.created",), after="links"),
    )
    return Settings(
        accounts={"dialler": dialler(), "surveys": surveys()},
        sources={"landing": Source(name="landing", mapping="lead")},
        routes=routes,
        secret_key=Secret("of the fixture"),
        database_url=url,
    )


def test_a_database_of_the_former_release_keeps_its_rows_and_gets_codes(former: str) -> None:
    database = Database(former)
    kept = "id, event, route, state, lane, due_at, updated_at, attempts"
    before = rows(database, kept)
    migrate(former)
    assert rows(database, kept) == before
    with pytest.raises(IntegrityError), database.write() as conn:
        conn.execute(text("UPDATE deliveries SET state = 'lost'"))
    with database.read() as conn:
        found: dict[tuple[str, str], list[Reason | None]] = {}
        for row in conn.execute(select(tables.deliveries).order_by(tables.deliveries.c.id)):
            assert row.reason is None
            found.setdefault((row.route, row.state), []).append(reasons.of(row))
        [held] = found.pop(("closed", "pending"))
        assert held is not None
        assert (held.code, held.facts["hours"]) == (Code.HOURS_HELD, "never")
        assert found == TOLD
        dialling, asking = accounts.account(conn, "dialler"), accounts.account(conn, "surveys")
        assert dialling.hold_reason == Reason(Code.HELD_RATE, {"status": 429, "words": "429 slow down"})
        assert asking.reason == Reason(Code.BLOCKED_CREDENTIALS, {"status": 401, "words": "401 wrong token"})
        stopped = accounts.destination(conn, "dialler/wolkvox.add_record/7").reason
        assert stopped is not None
        assert stopped.code is Code.STOPPED
        assert stopped.facts["count"] == 3
        kinds = set(conn.execute(select(tables.attempts.c.destination, tables.attempts.c.kind)).all())
        assert ("dialler/check", Kind.CREDENTIALS) in kinds
        assert ("surveys/tracksale.dispatch/52/now", Kind.PRECHECK) in kinds
    database.close()


def test_status_explain_and_replay_say_the_same_of_it(former: str) -> None:
    migrate(former)
    database, config = Database(former), settings(former)
    found = status(database, config)
    by_name = {one["destination"]: one for one in found["destinations"]}
    dialling = by_name["dialler/wolkvox.add_record/1042"]
    assert (dialling["pending"], dialling["uncertain"], dialling["dead"]) == (4, 1, 2)
    assert by_name["dialler/wolkvox.add_record/7"]["held"] == 1
    assert by_name["dialler/wolkvox.add_record/8"]["waiting_for_another"] == 1
    assert {name: one["state"] for one in found["accounts"] for name in [one["account"]]} == {
        "dialler": "open",
        "surveys": "blocked",
    }
    for row in rows(database, "id, state, route"):
        [event] = explain(database, config, f"d{row.id}")["events"]
        [told] = event["deliveries"]
        assert told["state"] == row.state
        assert told["now"]
    uncertain = deliveries(database, config, Search(state="uncertain"))
    assert [one["reason_code"] for one in uncertain] == [Code.UNKNOWN_ASKED]
    dry, replay = Wish(dry_run=True), Replay(config, database, By("somebody"))
    for row in rows(database, "id, state, route"):
        [change, *_] = replay.delivery(row.id, dry)
        if row.state != "dead":
            assert change.action == "keep"
        if row.route == "call" and row.state == "suppressed":
            assert change.why == "it goes once the delivery before it is delivered"
    database.close()
