"""From the first schema to the newest, step by step, with rows written under each; and old processes that write on."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import alembic.command
import alembic.config
import pytest
from sqlalchemy import Column, Connection, MetaData, String, Table, func, insert, inspect, select

from connector.admin.acts import By
from connector.admin.explain import explain
from connector.admin.replay import Replay, Wish
from connector.admin.status import status
from connector.core.settings import Secret, Settings, Source
from connector.core.states import AccountState, AttemptState, DeliveryState, DestinationState, EventState, LotState
from connector.store.database import MIGRATIONS, Database, now_ms
from connector.store.migrate import migrate
from tests.conftest import POSTGRES, as_sqlalchemy
from tests.outbound_steps import dial, dialler

REVISIONS: Final = sorted(path.name.partition("_")[0] for path in MIGRATIONS.glob("versions/[0-9]*.py"))
DESTINATION: Final = "dialler/wolkvox.add_record/1042"
#: What a later migration may write over: the sentences that became codes, and two kinds of one name.
REWRITTEN: Final = {"reason", "hold_reason", "error", "kind"}


@pytest.fixture(params=["sqlite", "postgres"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without a table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'connector.db'}"
        return
    server, name = request.getfixturevalue("postgres_server"), f"test_{secrets.token_hex(6)}"
    server.execute(f"CREATE DATABASE {name}")
    yield as_sqlalchemy(POSTGRES, name)
    server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def upgrade(database: Database, revision: str) -> None:
    """As `migrate`, and no further than that."""
    with database.write() as conn:
        config = alembic.config.Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = conn
        alembic.command.upgrade(config, revision)


def schema(database: Database) -> MetaData:
    found = MetaData()
    found.reflect(database.engine)
    return found


class Writer:
    """A process of one release: it knows the columns that its schema had, and no others."""

    def __init__(self, database: Database, number: int) -> None:
        self.tables = schema(database).tables
        self.number = number
        self._database = database
        #: (table, column) -> a word that its constraint allows; an ended one: only those of now must be unique
        self._allowed: dict[tuple[str, str], str] = {}
        looker = inspect(database.engine)
        for table in self.tables:
            for constraint in looker.get_check_constraints(table):
                [column, *_] = re.findall(r"\w+", constraint["sqltext"])
                self._allowed[table, column] = re.findall(r"'(\w+)'", constraint["sqltext"])[-1]

    def write(self, step: int) -> None:
        """Rows in every state that this release knows. ``step``: keeps them apart from those of before."""
        with self._database.write() as conn:
            now = now_ms(conn)
            mark = f"r{self.number}.{step}"
            for state in AccountState:
                self._put(conn, "accounts", name=f"{state} {mark}", state=state, since=now, reason="paused by a test")
            for state in DestinationState:
                self._put(conn, "destinations", name=f"dialler/x/{state} {mark}", account="dialler", state=state)
            events = {
                state: self._put(
                    conn, "events", event_id=f"{state} {mark}", key=f"{state} {mark}", **_event(state, now)
                )
                for state in EventState
            }
            tried = [self._put(conn, "attempts", **_attempt(state, now)) for state in AttemptState]
            for delivery_state in DeliveryState:
                given = _delivery(delivery_state, events[EventState.ACCEPTED], f"dial {delivery_state}", now)
                number = self._put(conn, "deliveries", **given, attempt=tried[0], attempts=f",{tried[0]},")
                self._put(conn, "records", delivery=number, record='{"customer_id":"C-1"}')
            self._others(conn, mark, now)

    def _others(self, conn: Connection, mark: str, now: int) -> None:
        for name, table in self.tables.items():
            if name in _BY_HAND:
                continue
            given = {"addressee": mark} if "addressee" in table.c else {}  # one of what must be unique
            if name == "lots":
                for state in LotState:
                    self._put(conn, name, account="surveys", campaign="52", code=f"{state} {mark}", state=state)
                continue
            allowed = {column: word for (where, column), word in self._allowed.items() if where == name}
            self._put(conn, name, **given | _unique(table, conn, mark) | allowed)

    def _blank(self, where: str, column: Column[Any]) -> Any:
        if not isinstance(column.type, String):
            return 0
        return self._allowed.get((where, column.name)) or _JSON.get(column.name, "")

    def _put(self, conn: Connection, where: str, /, **given: Any) -> int:
        table = self.tables[where]
        values = {column: value for column, value in given.items() if column in table.c}
        for column in table.c:
            is_counted = column.name == "id" and column.primary_key
            if column.name not in values and not column.nullable and not is_counted:
                values[column.name] = self._blank(where, column)
        key = conn.execute(insert(table).values(values)).inserted_primary_key
        return int(key[0]) if key and isinstance(key[0], int) else 0


#: Texts that are JSON.
_JSON: Final = dict.fromkeys(("cursor", "statuses", "counts", "about", "proof"), "{}") | dict.fromkeys(
    ("refusals", "deliveries", "kept", "titles"), "[]"
)
FAR: Final = 10**7  #: ids that no delivery has
_BY_HAND: Final = {"accounts", "destinations", "events", "attempts", "deliveries", "records", "alembic_version"}


def _event(state: str, now: int) -> dict[str, Any]:
    given = {"source": "landing", "type": "lead.created", "state": state, "received_at": now, "payload": '{"id":"L-1"}'}
    return given | ({"account": "dialler", "due_at": now} if state == EventState.WAITING else {})


def _attempt(state: str, now: int) -> dict[str, Any]:
    given = {"account": "dialler", "destination": DESTINATION, "kind": "send", "state": state, "worker": "old:1"}
    ended = None if state == AttemptState.NOT_SENT else now
    return given | {"records": 1, "started_at": now - 1000, "deadline": now + 64_000, "ended_at": ended}


def _delivery(state: str, event: int, route: str, now: int) -> dict[str, Any]:
    given = {"event": event, "route": route, "account": "dialler", "destination": DESTINATION, "state": state}
    moments = {"due_at": now, "created_at": now, "updated_at": now, "expires_at": now + 86_400_000}
    return given | moments | {"reason": "400 wrong" if state == DeliveryState.DEAD else None}


def _unique(table: Table, conn: Connection, mark: str) -> dict[str, Any]:
    """A primary key that no row has."""
    found: dict[str, Any] = {}
    for column in table.primary_key.columns:
        if isinstance(column.type, String):
            found[column.name] = f"{column.name} {mark}"
        elif column.name != "id":
            found[column.name] = 1 + (conn.execute(select(func.max(column))).scalar() or FAR)
    return found


def contents(database: Database, writer: Writer) -> dict[str, list[dict[str, Any]]]:
    """Every row, in the columns that the writer's release knows and no migration rewrites."""
    found = {}
    with database.read() as conn:
        for name, table in writer.tables.items():
            if name != "alembic_version":
                kept = [column for column in table.c if column.name not in REWRITTEN]
                rows = conn.execute(select(*kept).order_by(*table.primary_key.columns))
                found[name] = [dict(row) for row in rows.mappings()]
    return found


def test_each_migration_keeps_what_was_written_and_old_processes_write_on(empty: str) -> None:
    database, writers = Database(empty), []
    for step, revision in enumerate(REVISIONS):
        newest = writers[-1] if writers else None  # it knows every column there is
        before = contents(database, newest) if newest else {}
        upgrade(database, revision)
        assert newest is None or contents(database, newest) == before, revision
        writers.append(Writer(database, int(revision)))
        for writer in writers:  # those of every release before still run
            writer.write(step)
    migrate(empty)
    _tells(database, empty)
    database.close()


def _tells(database: Database, url: str) -> None:
    config = Settings(
        accounts={"dialler": dialler()},
        sources={"landing": Source(name="landing", mapping="lead")},
        routes=(dial(),),
        secret_key=Secret("of the test"),
        database_url=url,
    )
    found = status(database, config)
    by_name = {one["destination"]: one for one in found["destinations"]}
    written = len(REVISIONS) * (len(REVISIONS) + 1) // 2
    dialling = by_name[DESTINATION]
    assert (dialling["dead"], dialling["uncertain"]) == (written, written)
    with database.read() as conn:
        table = schema(database).tables["deliveries"]
        rows = conn.execute(select(table.c.id, table.c.state).order_by(table.c.id)).all()
    replay, dry = Replay(config, database, By("somebody")), Wish(dry_run=True)
    assert len(rows) == written * len(DeliveryState)
    for row in [*rows[: len(DeliveryState)], *rows[-len(DeliveryState) :]]:
        [event] = explain(database, config, f"d{row.id}")["events"]
        assert row.state in {told["state"] for told in event["deliveries"]}
        assert replay.delivery(row.id, dry)
