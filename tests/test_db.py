"""The database on both its dialects: what is kept comes back, what fails leaves nothing, every fault is one line."""

from __future__ import annotations

import contextlib
import re
import secrets
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import CheckConstraint, Connection, create_engine, event, func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from connector.core.errors import ConnectorError, StoreUnavailable, first_line
from connector.store.database import (
    HEAD,
    MIGRATIONS,
    Database,
    announce,
    connect_timeout,
    insert_rows,
    install_id,
    now_ms,
)
from connector.store.migrate import migrate
from connector.store.pulses import Pulses
from connector.store.tables import accounts, deliveries, events, facts, metadata
from connector.store.watch import Wake
from tests.conftest import POSTGRES, as_sqlalchemy
from tests.statements import heard

ROW = {
    "source": "landing",
    "event_id": "L-1",
    "key": "L-1",
    "type": "lead.created",
    "state": "accepted",
    "received_at": 1,
    "occurred_at": None,
    "content_type": "application/json",
    "payload": "{}",
}


def stored(conn: Connection) -> int:
    return int(conn.execute(select(func.count()).select_from(events)).scalar_one())


def one_line(fault: BaseException) -> str:
    said = str(fault)
    assert "\n" not in said
    assert len(said) < 300
    assert "INSERT INTO" not in said.upper()
    return said


@pytest.fixture
def empty_postgres(postgres_server: psycopg.Connection) -> Iterator[str]:
    """A database without tables."""
    name = f"test_empty_{secrets.token_hex(6)}"
    postgres_server.execute(f"CREATE DATABASE {name}")
    yield as_sqlalchemy(POSTGRES, name)
    postgres_server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/deep/er/new.db"
    return str(request.getfixturevalue("empty_postgres"))


# --- migrations -----------------------------------------------------------------------------------------------------


def test_the_migrations_make_the_tables_that_the_code_speaks_of(database: Database) -> None:
    with database.read() as conn:
        context = MigrationContext.configure(conn, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_the_partial_indexes_are_partial(database: Database) -> None:
    source = "SELECT sql FROM sqlite_master" if database.is_sqlite else "SELECT indexdef FROM pg_indexes"
    with database.read() as conn:
        made = [row[0] or "" for row in conn.execute(text(source))]
    wanted = {
        index.name: index.info.get("where")
        for table in metadata.tables.values()
        for index in table.indexes
        if index.info
    }
    assert wanted
    for name, where in wanted.items():
        [sql] = [sql for sql in made if f"{name} " in sql]
        assert _plain(sql.partition(" WHERE ")[2]) == _plain(where), name


def _plain(condition: str) -> str:
    """A condition as both databases and the tables say it: without quotes of names, casts and parentheses."""
    condition = re.sub(r"= ANY \(ARRAY\[(.*)\]\)", r"IN \1", condition)
    return re.sub(r"::text|[()\"]", "", condition).strip()


#: What no row may be without.
MISSTATED: dict[str, dict[str, Any]] = {
    "events": {**ROW, "key": "L-2"},
    "deliveries": {
        "event": 1,
        "route": "r",
        "account": "a",
        "destination": "a/b/c",
        "lane": 0,
        "attempts": "",
        **dict.fromkeys(("due_at", "created_at", "updated_at", "expires_at"), 1),
    },
    "attempts": {
        "account": "a",
        "destination": "a/b/c",
        "kind": "send",
        "worker": "w",
        "records": 1,
        **dict.fromkeys(("started_at", "deadline"), 1),
    },
    "accounts": {"name": "a", "since": 1, "hold_until": 0, "faults": 0, "calls_since_bulk": 0},
    "destinations": {
        "name": "a/b/c",
        "account": "a",
        "since": 1,
        "claimed_at": 0,
        "claimed_lane": 0,
        "accepted_at": 0,
        "refusals": "[]",
    },
    "lots": {"account": "a", "campaign": "52", "code": "123", "changed_at": 1},
}


def test_no_row_is_in_a_state_that_no_enum_has(database: Database) -> None:
    for name, row in MISSTATED.items():
        insert = metadata.tables[name].insert()
        with pytest.raises(IntegrityError), database.write() as conn:
            conn.execute(insert.values({**row, "state": "pendign"}))


@pytest.mark.parametrize("name", MISSTATED)
def test_every_state_of_its_enum_is_written(database: Database, name: str) -> None:
    table = metadata.tables[name]
    [said] = [str(one.sqltext) for one in table.constraints if isinstance(one, CheckConstraint)]
    states = re.findall(r"'(\w+)'", said)
    with pytest.raises(GivenUp), database.write() as conn:
        for state in states:
            with conn.begin_nested() as point:
                conn.execute(table.insert().values({**MISSTATED[name], "state": state}))
                point.rollback()
        raise GivenUp


class GivenUp(Exception):  # noqa: N818 - a transaction is given up by leaving it so
    """Nothing of the transaction stays."""


def test_the_newest_revision_is_the_one_that_alembic_finds() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_migrating_again_changes_nothing(empty_url: str) -> None:
    migrate(empty_url)
    database = Database(empty_url)
    with database.write() as conn:
        insert_rows(conn, events, [ROW])
    migrate(empty_url)
    with database.read() as conn:
        assert stored(conn) == 1
    database.close()


def test_several_may_migrate_at_once(empty_url: str) -> None:
    faults: list[BaseException] = []

    def run() -> None:
        try:
            migrate(empty_url)
        except Exception as fault:  # noqa: BLE001 - told below
            faults.append(fault)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    database = Database(empty_url)
    with database.read() as conn:
        assert conn.execute(text("SELECT count(*) FROM alembic_version")).scalar_one() == 1
    database.close()


MIGRATE = "import sys; from connector.store.migrate import migrate; migrate(sys.argv[1])"


def test_several_processes_may_migrate_at_once(empty_url: str) -> None:
    running = [
        subprocess.Popen([sys.executable, "-c", MIGRATE, empty_url], stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [process.communicate(timeout=120)[1] for process in running] == ["", "", ""]
    assert [process.returncode for process in running] == [0, 0, 0]


def test_a_database_of_a_later_version_is_left_alone(database: Database) -> None:
    with database.write() as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConnectorError, match="of another version") as fault:
        migrate(database.url)
    one_line(fault.value)


# --- inserting many rows --------------------------------------------------------------------------------------------

HARD = [
    "quotes \" and ' and `",
    "a backslash \\ and \\u0000 as six letters and \\\\",
    "ñ Ü 日本 😀 \u202e",
    "line\nbreak\r\n\ttab\x01\x1f\x7f",
    ":name %s %(rows)s {x} $1 ?",
    "'); DROP TABLE events; --",
    "",
    "null",
    "x" * 100_000,
    "\ud7ff\ue000\uffff\U0010ffff",
]


def test_texts_come_back_as_they_were(database: Database) -> None:
    rows = [ROW | {"key": f"k{at}", "payload": hard, "content_type": hard} for at, hard in enumerate(HARD)]
    with database.write() as conn:
        insert_rows(conn, events, rows)
    with database.read() as conn:
        found = conn.execute(select(events.c.payload, events.c.content_type).order_by(events.c.id)).all()
    assert [(row.payload, row.content_type) for row in found] == [(hard, hard) for hard in HARD]


def test_a_nul_is_replaced_in_its_own_text_and_nowhere_else(database: Database) -> None:
    rows = [ROW | {"key": f"k{at}", "payload": one} for at, one in enumerate(["a\0b", "\\u0000", "\\\\\0", "fine"])]
    with database.write() as conn:
        insert_rows(conn, events, rows)
    with database.read() as conn:
        found = [row.payload for row in conn.execute(select(events.c.payload).order_by(events.c.id))]
    assert found == ["a\ufffdb", "\\u0000", "\\\\\ufffd", "fine"]


def test_nulls_and_large_numbers_come_back(database: Database) -> None:
    numbers = [None, 0, -1, 2**53 + 1, 2**63 - 1, -(2**63)]
    rows = [ROW | {"key": None, "received_at": 5, "occurred_at": number} for number in numbers]
    with database.write() as conn:
        insert_rows(conn, events, rows)
    with database.read() as conn:
        found = conn.execute(select(events.c.key, events.c.occurred_at, events.c.errors).order_by(events.c.id)).all()
    assert [tuple(row) for row in found] == [(None, number, None) for number in numbers]


def test_a_copy_is_left_out_and_what_was_new_is_told(database: Database) -> None:
    with database.write() as conn:
        first = insert_rows(conn, events, [ROW, ROW | {"key": "L-2"}, ROW], returning=("id", "key"))
        second = insert_rows(conn, events, [ROW | {"key": "L-3"}, ROW], returning=("id", "key"))
    assert sorted(key for _, key in first) == ["L-1", "L-2"]
    assert [key for _, key in second] == ["L-3"]
    with database.read() as conn:
        by_id = {row.id: row.key for row in conn.execute(select(events.c.id, events.c.key))}
    assert by_id == dict([*first, *second])


def test_no_rows_are_no_statement(database: Database) -> None:
    with database.write() as conn:
        assert insert_rows(conn, events, [], returning=("id",)) == []


def test_ten_thousand_rows_are_a_few_statements(database: Database) -> None:
    rows = [ROW | {"key": f"k{at}"} for at in range(10_000)]
    statements = 0

    def count(*_: object) -> None:
        nonlocal statements
        statements += 1

    with heard(database.engine, count), database.write() as conn:
        assert len(insert_rows(conn, events, rows, returning=("id",))) == 10_000
    assert statements <= 25, "not one for each row"


texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.lists(st.tuples(texts, st.none() | texts, st.integers(-(2**63), 2**63 - 1)), min_size=1, max_size=5))
def test_whatever_is_inserted_is_what_is_read(
    database: Database, given_rows: list[tuple[str, str | None, int]]
) -> None:
    rows = [
        ROW | {"key": None, "payload": payload, "notes": notes, "received_at": at} for payload, notes, at in given_rows
    ]
    with database.write() as conn:
        ids = [row[0] for row in insert_rows(conn, events, rows, returning=("id",))]
        chosen = select(events.c.payload, events.c.notes, events.c.received_at).where(events.c.id.in_(ids))
        found = [tuple(row) for row in conn.execute(chosen.order_by(events.c.id))]
    clean = [
        (payload.replace("\0", "\ufffd"), notes and notes.replace("\0", "\ufffd"), at)
        for payload, notes, at in given_rows
    ]
    assert found == clean


# --- transactions ---------------------------------------------------------------------------------------------------


def test_a_write_that_fails_leaves_nothing(database: Database) -> None:
    with pytest.raises(RuntimeError, match="on purpose"), database.write() as conn:
        insert_rows(conn, events, [ROW])
        raise RuntimeError("on purpose")
    with database.read() as conn:
        assert stored(conn) == 0
    with database.write(serialise="dialler") as conn:  # and holds no lock
        insert_rows(conn, events, [ROW])
    with database.read() as conn:
        assert stored(conn) == 1


def test_a_row_that_breaks_a_rule_is_no_fault_of_the_database(database: Database) -> None:
    with pytest.raises(IntegrityError), database.write() as conn:
        insert_rows(conn, events, [ROW, ROW | {"key": "L-2", "payload": None}])
    with database.read() as conn:
        assert stored(conn) == 0


def test_a_reader_sees_one_state_and_no_half_written_one(database: Database) -> None:
    with database.write() as conn:
        insert_rows(conn, events, [ROW])
        with database.read() as other:
            assert stored(other) == 0
    with database.read() as conn:
        assert stored(conn) == 1


def test_serialised_writes_see_what_the_one_before_wrote(database: Database) -> None:
    """Counting and inserting under one name never lets one too many through, from two pools at once."""
    another = Database(database.url)

    def run(mine: Database, name: int) -> None:
        for at in range(10):
            with mine.write(serialise="dialler") as conn:
                if stored(conn) < 15:
                    insert_rows(conn, events, [ROW | {"key": f"{name}-{at}"}])

    threads = [threading.Thread(target=run, args=((database, another)[number % 2], number)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    another.close()
    with database.read() as conn:
        assert stored(conn) == 15


WRITER = """
import sys
from connector.store.database import Database, insert_rows
from connector.store.tables import events
database, name = Database(sys.argv[1]), sys.argv[2]
row = dict.fromkeys(("source", "event_id", "type", "content_type", "payload"), "x")
row |= {"state": "ignored", "received_at": 1}
for at in range(200):
    with database.write(serialise="one") as conn:
        insert_rows(conn, events, [row | {"key": f"{name}-{at}"}, row | {"key": f"both-{at}"}])
"""


def test_two_processes_write_to_one_database(database: Database) -> None:
    running = [
        subprocess.Popen([sys.executable, "-c", WRITER, database.url, name], stderr=subprocess.PIPE, text=True)
        for name in ("one", "other")
    ]
    assert [process.communicate(timeout=120)[1] for process in running] == ["", ""]
    with database.read() as conn:
        assert stored(conn) == 600


def test_the_clock_is_in_unix_milliseconds(database: Database) -> None:
    with database.read() as conn:
        assert abs(now_ms(conn) - time.time() * 1000) < 60_000


def test_on_postgres_the_clock_goes_on_inside_a_transaction(postgres_url: str) -> None:
    database = Database(postgres_url)
    with database.write() as conn:
        before = now_ms(conn)
        time.sleep(0.02)
        assert now_ms(conn) >= before + 15
    database.close()


def test_a_database_keeps_its_own_name(database: Database) -> None:
    name = install_id(database)
    assert len(name) == 6
    assert install_id(database) == name
    with database.read() as conn:
        assert conn.execute(select(facts.c.value)).scalars().all() == [name]


def test_sqlite_is_durable_and_does_not_block_readers(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    with database.read() as conn:
        assert conn.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
        assert conn.execute(text("PRAGMA synchronous")).scalar_one() == 2
    database.close()


# --- waking ---------------------------------------------------------------------------------------------------------


def woken(wake: Wake, seen: int, timeout_s: float = 60.0) -> bool:
    wake.wait(seen, timeout_s)
    return wake.seen() != seen


def until(so: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not so():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.02)


def quiet(wake: Wake) -> int:
    """What was seen, once nothing more comes."""
    until(lambda: not woken(wake, wake.seen(), 0.3))
    return wake.seen()


def test_a_commit_elsewhere_wakes_who_waits(database: Database) -> None:
    wake = Wake(database)
    another = Database(database.url)
    assert woken(wake, 0)  # watching
    seen = quiet(wake)
    with another.write() as conn:
        insert_rows(conn, events, [ROW])
        announce(conn)
    assert woken(wake, seen)
    quiet(wake)
    another.close()
    wake.close()


@contextlib.contextmanager
def listening(url: str, most_s: float) -> Iterator[tuple[Pulses, Database]]:
    """Somebody who listens to a file, and another process's database on it."""
    database, another = Database(url), Database(url)
    assert database.lock_path is not None
    with contextlib.closing(Pulses(database.lock_path, most_s)) as pulses:
        assert pulses.wait()  # its own proof
        yield pulses, another
    database.close()
    another.close()


def test_a_transaction_on_a_file_is_announced(sqlite_url: str) -> None:
    with listening(sqlite_url, 60) as (pulses, another):
        with another.write() as conn:
            insert_rows(conn, events, [ROW])
            announce(conn)
        assert pulses.wait()


def test_only_what_is_announced_wakes_and_only_once_it_is_committed(sqlite_url: str) -> None:
    """A claim takes work away: who it woke would look in vain. What was rolled back has not happened."""
    with listening(sqlite_url, 0.2) as (pulses, another):
        with another.write() as conn:
            insert_rows(conn, events, [ROW])
        with contextlib.suppress(ZeroDivisionError), another.write() as conn:
            announce(conn)
            raise ZeroDivisionError
        with another.write() as conn:
            conn.exec_driver_sql("DELETE FROM events")
        assert not pulses.wait()


def test_what_another_program_writes_is_seen_where_pulses_are_heard(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    wake = Wake(database)
    seen = quiet(wake)
    with contextlib.closing(sqlite3.connect(str(database.path))) as stranger, stranger:
        stranger.execute("UPDATE facts SET value = value || ''")
        stranger.execute("INSERT INTO facts (name, value) VALUES ('stranger', '1')")
    assert woken(wake, seen)
    wake.close()
    database.close()


def test_where_nothing_is_announced_a_commit_is_seen_too(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector.store.database.pulse", lambda _: None)
    monkeypatch.setattr("connector.store.pulses._PROOF_MS", 0)
    monkeypatch.setattr("connector.store.pulses.os.pwrite", lambda *_: 0)
    database, another = Database(sqlite_url), Database(sqlite_url)
    wake = Wake(database)
    seen = quiet(wake)
    with another.write() as conn:
        insert_rows(conn, events, [ROW])
    assert woken(wake, seen)
    wake.close()
    database.close()
    another.close()


def test_a_watch_that_lost_its_connection_watches_again(postgres_url: str, postgres_server: psycopg.Connection) -> None:
    database = Database(postgres_url)
    wake = Wake(database)
    assert woken(wake, 0)
    name = database.engine.url.database
    mine = "FROM pg_stat_activity WHERE datname = %s AND query LIKE 'LISTEN%%'"

    def watching() -> list[int]:
        return [pid for (pid,) in postgres_server.execute(f"SELECT pid {mine}", [name]).fetchall()]

    until(watching)
    before = watching()
    assert len(before) == 1
    postgres_server.execute(f"SELECT pg_terminate_backend(pid) {mine}", [name])
    until(lambda: watching() and watching() != before)
    seen = quiet(wake)  # what it missed was counted
    with database.write() as conn:
        announce(conn)
    assert woken(wake, seen)
    wake.close()
    database.close()


def test_a_fault_of_the_file_does_not_end_the_watch(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    faults = [sqlite3.OperationalError("disk I/O error")] * 2
    watch = Wake._watch_file

    def flaky(self: Wake) -> None:
        if faults:
            raise faults.pop()
        watch(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Wake, "_watch_file", flaky)
        wake = Wake(database)
        until(lambda: not faults)
        assert woken(wake, 0)
    seen = quiet(wake)
    with database.write() as conn:
        insert_rows(conn, events, [ROW])
    assert woken(wake, seen)
    wake.close()
    database.close()


# --- one clear line for every fault ---------------------------------------------------------------------------------


def unavailable(database: Database) -> str:
    with pytest.raises(StoreUnavailable) as fault, database.write() as conn:
        insert_rows(conn, events, [ROW | {"payload": "personal@example.com"}])
    assert "personal" not in str(fault.value)
    return one_line(fault.value)


def test_an_unreachable_postgres_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    database = Database(f"postgresql+psycopg://somebody:s3cr3t@127.0.0.1:{port}/x")
    assert "refused" in unavailable(database).lower()
    assert "s3cr3t" not in unavailable(database)
    with pytest.raises(StoreUnavailable):
        migrate(database.url)


def test_a_postgres_that_never_answers_is_told_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGCONNECT_TIMEOUT", raising=False)
    monkeypatch.setattr("connector.store.database.CONNECT_TIMEOUT_S", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        said = unavailable(Database(f"postgresql+psycopg://somebody@127.0.0.1:{silent.getsockname()[1]}/x"))
    assert "timeout" in said.lower()
    assert time.monotonic() - started < 60


def test_an_operator_s_own_connect_timeout_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql+psycopg://somebody@127.0.0.1/x"
    monkeypatch.delenv("PGCONNECT_TIMEOUT", raising=False)
    assert connect_timeout(url) == {"connect_timeout": 8}
    assert connect_timeout(f"{url}?connect_timeout=30") == {}
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "20")
    assert connect_timeout(url) == {}


def test_a_database_that_is_not_there_is_told(postgres_server: psycopg.Connection) -> None:
    database = Database(as_sqlalchemy(POSTGRES, "no_such_database"))
    assert 'database "no_such_database" does not exist' in unavailable(database)


def test_missing_tables_say_what_to_do(empty_url: str) -> None:
    database = Database(empty_url)
    assert unavailable(database) == "the database lacks tables or columns: run `connector migrate`"
    with pytest.raises(StoreUnavailable, match="connector migrate"), database.read() as conn:
        conn.execute(select(accounts))
    database.close()


def test_a_missing_column_says_what_to_do(database: Database) -> None:
    with database.write() as conn:
        conn.execute(text("ALTER TABLE events RENAME COLUMN payload TO was_payload"))
    assert unavailable(database) == "the database lacks tables or columns: run `connector migrate`"


def test_a_postgres_that_only_reads_is_told(postgres_url: str, postgres_server: psycopg.Connection) -> None:
    name = postgres_url.rsplit("/", 1)[1]
    postgres_server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    database = Database(postgres_url)
    assert "read-only transaction" in unavailable(database)
    database.close()


def test_a_role_without_rights_is_told(postgres_url: str, postgres_server: psycopg.Connection) -> None:
    role = f"test_role_{secrets.token_hex(4)}"
    postgres_server.execute(f"CREATE ROLE {role} LOGIN")
    try:
        database = Database(postgres_url.replace("postgres@", f"{role}@"))
        assert "permission denied" in unavailable(database)
        database.close()
    finally:
        postgres_server.execute(f"DROP ROLE {role}")


def test_a_connection_that_is_ended_is_told_and_the_next_works(
    postgres_url: str, postgres_server: psycopg.Connection
) -> None:
    database = Database(postgres_url)
    with pytest.raises(StoreUnavailable) as fault, database.write() as conn:
        mine = conn.execute(text("SELECT pg_backend_pid()")).scalar_one()
        postgres_server.execute("SELECT pg_terminate_backend(%s)", [mine])
        insert_rows(conn, events, [ROW])
    one_line(fault.value)
    with database.write() as conn:
        insert_rows(conn, events, [ROW])
    database.close()


@pytest.mark.parametrize("goes_on", [False, True], ids=["at once", "in the next statement"])
def test_a_connection_that_is_closed_in_the_middle_is_told(postgres_url: str, *, goes_on: bool) -> None:
    database = Database(postgres_url)
    with pytest.raises(StoreUnavailable) as fault, database.write() as conn:
        conn.connection.driver_connection.close()  # type: ignore[union-attr]
        if goes_on:
            with contextlib.suppress(Exception):
                insert_rows(conn, events, [ROW])
        insert_rows(conn, events, [ROW])
    one_line(fault.value)
    database.close()


def test_every_connection_taken_is_told(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    few = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 0.1}
    monkeypatch.setattr(
        "connector.store.database.create_engine", lambda url, **options: create_engine(url, **options | few)
    )
    database = Database(postgres_url)
    with database.read():
        assert "every connection to it is taken" in unavailable(database)
    database.close()


def test_a_place_that_is_no_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreUnavailable, match="make the folder writable") as fault:
        Database(f"sqlite:///{tmp_path}/file/connector.db")
    one_line(fault.value)


STORE = """
import os, pwd, sys
from connector.store.database import Database, insert_rows
from connector.core.errors import StoreUnavailable
from connector.store.tables import events
row = dict.fromkeys(("source", "event_id", "type", "content_type", "payload"), "x")
row |= {"state": "ignored", "received_at": 1}
Database(sys.argv[2]).engine.connect()  # so that all is imported
if os.geteuid() == 0:  # root may write everywhere
    os.setuid(pwd.getpwnam("nobody").pw_uid)
try:
    with Database(sys.argv[1]).write() as conn:
        insert_rows(conn, events, [row])
except StoreUnavailable as fault:
    print(fault)
"""


def as_nobody(url: str, tmp_path: Path) -> str:
    """What a process without rights is told."""
    command = [sys.executable, "-c", STORE, url, f"sqlite:///{tmp_path}/other.db"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.stderr == ""
    return done.stdout.strip()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """One that other users can reach; pytest's own cannot be."""
    folder = Path("/tmp") / f"connector-test-{secrets.token_hex(6)}"
    folder.mkdir(mode=0o755)
    yield folder
    folder.chmod(0o755)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def test_a_folder_that_may_not_be_written_is_told(open_folder: Path, tmp_path: Path) -> None:
    open_folder.chmod(0o555)
    said = as_nobody(f"sqlite:///{open_folder}/connector.db", tmp_path)
    assert said == f"cannot use {open_folder}: Permission denied: make the folder writable"


def test_a_file_that_may_only_be_read_is_told(open_folder: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{open_folder}/connector.db"
    migrate(url)
    (open_folder / "connector.db").chmod(0o444)
    (open_folder / "connector.db.lock").chmod(0o666)
    open_folder.chmod(0o555)
    said = as_nobody(url, tmp_path)
    assert said.startswith("the database cannot be used now: ")
    assert "\n" not in said


def test_a_full_disk_is_told_and_what_was_stored_stays(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    with database.write() as conn:
        insert_rows(conn, events, [ROW])

    @event.listens_for(database.engine, "begin")
    def _fill(conn: Connection) -> None:
        pages = conn.exec_driver_sql("PRAGMA page_count").scalar_one()
        conn.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(StoreUnavailable, match="full") as fault, database.write() as conn:
        insert_rows(conn, events, [ROW | {"key": f"k{at}", "payload": "x" * 1000} for at in range(1000)])
    one_line(fault.value)
    with database.read() as conn:
        assert stored(conn) == 1
    database.close()


def test_a_locked_file_is_told(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    stranger = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    stranger.execute("BEGIN IMMEDIATE")

    @event.listens_for(database.engine, "connect")
    def _impatient(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA busy_timeout = 100")

    assert "locked" in unavailable(database)
    stranger.execute("ROLLBACK")
    with database.write() as conn:
        insert_rows(conn, events, [ROW])
    database.close()


@pytest.mark.parametrize("content", [b"this is no database" * 100, b""])
def test_a_file_that_is_no_database_is_told(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "connector.db"
    path.write_bytes(content)
    said = unavailable(Database(f"sqlite:///{path}"))
    assert "not a database" in said or "connector migrate" in said


def test_a_fault_is_told_without_its_statement() -> None:
    driver_s = Exception("first\nINSERT INTO events VALUES ('personal')")
    assert first_line(DBAPIError("INSERT …", {}, driver_s)) == "first"
    assert first_line(driver_s) == "first"
    assert first_line(ValueError()) == "ValueError"


def test_events_and_deliveries_are_named_once(database: Database) -> None:
    """The promise that nothing is stored or sent twice is the constraints', not the code's."""
    row = dict.fromkeys(("route", "account", "destination", "attempts"), "x") | {"state": "pending"}
    row |= dict.fromkeys(("event", "lane", "due_at", "created_at", "updated_at", "expires_at"), 1)
    for table, values in ((events, ROW), (deliveries, row)):
        with pytest.raises(IntegrityError), database.write() as conn:
            conn.execute(table.insert(), [values, values])
