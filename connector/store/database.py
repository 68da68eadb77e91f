"""The database, its clock, and the few places where SQLite and Postgres differ.

Writes go through `Database.write`: on SQLite under a file lock (processes that busy-wait on SQLite's own lock cost
hundreds of milliseconds) and BEGIN IMMEDIATE; on Postgres, if a key is given, under an advisory lock taken in a
statement of its own, so that READ COMMITTED sees the commits of the previous holder.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Dialect, Engine, Table, TextClause, create_engine, event, inspect, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    DatabaseError,
    DBAPIError,
    DisconnectionError,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    PendingRollbackError,
)
from sqlalchemy.exc import TimeoutError as NoConnectionLeft
from sqlalchemy.pool import QueuePool

from connector.core.errors import StoreUnavailable, first_line
from connector.core.phrases import phrase
from connector.core.text import without_nul
from connector.store import patience
from connector.store.encrypted_column import sealed_rows
from connector.store.prepared import Prepared
from connector.store.pulses import pulse
from connector.store.tables import facts

_FOLD_MS: Final = 1000  #: how long readers are waited for
CHANNEL: Final = "connector"  #: Postgres NOTIFY channel: something was stored or settled


def demand_file(url: str) -> None:
    """Raises `StoreUnavailable` where the SQLite file is not there: what only looks makes no new, empty store."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database and not Path(parsed.database).exists():
        raise StoreUnavailable(
            phrase("there is no database {path}: correct DATABASE_URL or run `connector migrate`", path=parsed.database)
        )


class Database:
    """An engine with our rules. ``url`` is SQLAlchemy's; threads may share it, forked processes may not."""

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        self.is_sqlite: Final = parsed.get_backend_name() == "sqlite"
        self.path: Final = Path(parsed.database) if self.is_sqlite and parsed.database else None
        self.url: Final = url
        self._threads = threading.Lock()
        self._lock_fd: int | None = None
        self.lock_path: Final = Path(f"{self.path}.lock") if self.path is not None else None
        self.closed: Final = threading.Event()  #: loops that look at it again and again end with it
        if self.path is not None:
            self._prepare_folder(self.path)
        self.engine: Final = _engine(url, self.is_sqlite)

    def _prepare_folder(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock_fd = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as fault:
            raise StoreUnavailable(
                phrase(
                    "cannot use {parent}: {why}: make the folder writable", parent=path.parent, why=fault.strerror or ""
                )
            ) from fault

    @contextlib.contextmanager
    def write(self, *, serialise: str = "") -> Iterator[Connection]:
        """A transaction that commits at the end of the block, or leaves nothing.

        ``serialise`` names what no two transactions may decide at once (an account). Raises `StoreUnavailable`.
        """
        with _translated(), self.engine.connect() as conn, self._gate():
            conn.execution_options(connector_write=True)
            conn.info.pop(_ANNOUNCED, None)  # of a transaction that was rolled back
            with conn.begin():
                if serialise and not self.is_sqlite:
                    _PG_LOCK.first(conn, {"number": lock_number(serialise)})
                yield conn
            if self._lock_fd is not None and conn.info.pop(_ANNOUNCED, False):
                pulse(self._lock_fd)

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction with one consistent snapshot. Raises `StoreUnavailable`."""
        with _translated(), self.engine.connect() as conn, conn.begin():
            yield conn

    @contextlib.contextmanager
    def _gate(self) -> Iterator[None]:
        if self._lock_fd is None:
            yield
            return
        with self._threads:
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._lock_fd, fcntl.LOCK_UN)

    def fold_log(self) -> bool:
        """SQLite: moves the write-ahead log into the file and empties it, because old pages stand in it.

        False if there were readers all the time; then the next call does it.
        """
        return not self.is_sqlite or self._alone(f"PRAGMA busy_timeout={_FOLD_MS}", "PRAGMA wal_checkpoint(TRUNCATE)")

    def rewrite(self) -> bool:
        """SQLite: rewrites the whole file without free pages and their contents. Other processes wait meanwhile."""
        return not self.is_sqlite or (self._alone("VACUUM") and self.fold_log())

    def _alone(self, *statements: str) -> bool:
        """Runs outside of any transaction while no other thread writes. False if SQLite reports that it is busy."""
        with _translated(), self._gate(), contextlib.closing(self.engine.raw_connection()) as pooled:
            try:
                cursor = pooled.cursor()
                rows = [cursor.execute(statement).fetchone() for statement in statements]
            finally:
                pooled.invalidate()  # the changed settings of this connection are not for the pool
        return not rows[-1] or rows[-1][0] == 0

    def close(self) -> None:
        self.closed.set()
        self.engine.dispose()
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None


def now_ms(conn: Connection) -> int:
    """The database's clock. On SQLite there is one machine, so the machine's."""
    if (clock := conn.get_execution_options().get("connector_clock")) is not None:
        return int(clock())  # a replaced clock, in simulations
    if conn.dialect.name == "sqlite":
        return time.time_ns() // 1_000_000
    return int(_PG_NOW.scalar(conn))


def now_and_fact(conn: Connection, name: str) -> tuple[int, str | None]:
    """The time and the value of one of the `facts` (None if absent), in one query."""
    if conn.dialect.name == "sqlite":
        found = _execute(conn, "SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return time.time_ns() // 1_000_000, found and found[0]
    row = conn.execute(_PG_NOW_AND_FACT, {"name": name}).one()
    return int(row[0]), row[1]


#: In the `info` of a SQLite connection: its transaction is to be announced.
_ANNOUNCED: Final = "connector.announced"
_PG_NOTIFY = Prepared(f"SELECT pg_notify('{CHANNEL}', '')")
_PG_CLOCK: Final = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)"
_PG_NOW = Prepared(_PG_CLOCK)
_PG_NOW_AND_FACT = text(f"{_PG_CLOCK}, (SELECT value FROM facts WHERE name = :name)")
_PG_LOCK = Prepared("SELECT pg_advisory_xact_lock(CAST(:number AS bigint))")


def announce(conn: Connection) -> None:
    """Wakes waiting workers once this transaction commits. What only takes work away, as a claim does, wakes nobody."""
    if conn.dialect.name != "sqlite":
        _PG_NOTIFY.first(conn)
    else:
        conn.info[_ANNOUNCED] = True


def insert_rows(
    conn: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *, returning: Sequence[str] = ()
) -> list[tuple[Any, ...]]:
    """Inserts all rows in one statement, leaving out those that a unique constraint refuses.

    All rows have the same keys in the same order. Returns the ``returning`` columns ("id" and others that were given)
    of the new rows, in the order given.
    """
    if not rows:
        return []
    rows = sealed_rows(table, rows)
    if conn.dialect.name == "sqlite":
        return _insert_into_sqlite(conn, table, rows, returning)
    statement = _insert_statement(table, tuple(rows[0]), tuple(returning))
    result = conn.exec_driver_sql(statement, {"rows": as_json(rows)})
    return [tuple(row) for row in result] if returning else []


def as_json(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as one parameter, which costs this process a tenth of what binding them one by one does. No NUL in it."""
    encoded = orjson.dumps(rows)
    return (orjson.dumps([_without_nul(row) for row in rows]) if b"\\u0000" in encoded else encoded).decode()


#: Rows of one statement: at this many columns far from any limit on parameters. Used are the powers of two, and below
#: `_FEW_ROWS` every number: small batches are stored in statements of few shapes.
_MOST_ROWS: Final = 512
_FEW_ROWS: Final = 16


def _insert_into_sqlite(
    conn: Connection, table: Table, rows: Sequence[Mapping[str, Any]], returning: Sequence[str]
) -> list[tuple[Any, ...]]:
    """Many rows to a statement, few statements: pysqlite waits for the interpreter lock after each step of one.

    So no executemany, and no RETURNING. Statements come in a few sizes only, and stay prepared.
    """
    columns = tuple(rows[0])
    new: list[tuple[Any, ...]] = []
    at = 0
    while at < len(rows):
        left = len(rows) - at
        size = left if left < _FEW_ROWS else min(_MOST_ROWS, 1 << left.bit_length() - 1)
        some = rows[at : at + size]
        at += size
        values = _values(some)
        if "\0" in "".join([v for v in values if type(v) is str]):  # one look at all: a row has a dozen texts
            values = _values([_without_nul(row) for row in some])
        statement = _values_statement(table, columns, size)
        if returning:
            new += _new_in_sqlite(conn, table, statement, values, some, returning)
        else:
            _execute(conn, f"{statement} ON CONFLICT DO NOTHING", values)
    return new


def _values(rows: Sequence[Mapping[str, Any]]) -> tuple[Any, ...]:
    return tuple(chain.from_iterable([row.values() for row in rows]))


def _execute(conn: Connection, statement: str, values: Sequence[Any]) -> sqlite3.Cursor:
    """On SQLite, by the driver itself: SQLAlchemy's way there costs more than a statement of a few rows."""
    driver: Any = conn.connection.driver_connection
    try:
        cursor: sqlite3.Cursor = driver.execute(statement, values)
    except sqlite3.Error as fault:
        raise DBAPIError.instance(statement, None, fault, sqlite3.Error, dialect=conn.dialect) from fault
    return cursor


def _new_in_sqlite(
    conn: Connection,
    table: Table,
    statement: str,
    values: tuple[Any, ...],
    rows: Sequence[Mapping[str, Any]],
    returning: Sequence[str],
) -> list[tuple[Any, ...]]:
    """Inserts, and returns the new rows. We hold the write lock and ids only grow, so new rows have the highest ids."""
    try:
        last = _execute(conn, statement, values).lastrowid or 0
    except IntegrityError:  # a row existed before: none was inserted
        before = conn.exec_driver_sql(f"SELECT coalesce(max(id), 0) FROM {table.name}").scalar_one()
        _execute(conn, f"{statement} ON CONFLICT DO NOTHING", values)
        found = conn.exec_driver_sql(_new_rows(table, tuple(returning)), (before,)).scalar_one()
        return [tuple(row) for row in orjson.loads(found)]
    first = last - len(rows) + 1  # without a conflict they are consecutive, in the order given
    return list(zip(range(first, last + 1), *([row[name] for row in rows] for name in returning[1:]), strict=True))


@functools.cache
def _new_rows(table: Table, columns: tuple[str, ...]) -> str:
    return f"SELECT json_group_array(json_array({', '.join(columns)})) FROM {table.name} WHERE id > ?"


@functools.cache
def _values_statement(table: Table, columns: tuple[str, ...], size: int) -> str:
    row = f"({', '.join('?' * len(columns))})"
    values = ", ".join([row] * size)
    return f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES {values}"


def _without_nul(row: Mapping[str, Any]) -> dict[str, Any]:
    """Neither database keeps a NUL in a text: Postgres refuses the whole batch, SQLite ends the text there."""
    return {name: without_nul(v) if isinstance(v, str) else v for name, v in row.items()}


@functools.cache
def _postgres() -> Dialect:
    from sqlalchemy.dialects import postgresql  # slow to load, and no use to SQLite

    found: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    return found


def columns_of(table: Table, names: Sequence[str]) -> str:
    """ "source text, received_at bigint": the shape of rows that come as JSON, for Postgres."""
    return ", ".join(f"{name} {table.c[name].type.compile(_postgres())}" for name in names)


@functools.cache
def _insert_statement(table: Table, columns: tuple[str, ...], returning: tuple[str, ...]) -> str:
    names = ", ".join(columns)
    source = f"SELECT {names} FROM json_to_recordset(%(rows)s::json) AS given ({columns_of(table, columns)})"
    answer = f" RETURNING {', '.join(returning)}" if returning else ""
    return f"INSERT INTO {table.name} ({names}) {source} ON CONFLICT DO NOTHING{answer}"


#: How each database reads a list that travels as one parameter.
EACH: Final[Mapping[str, str]] = {
    "sqlite": "json_each(:given) AS given",
    "postgresql": "json_array_elements_text(CAST(:given AS json)) AS given (value)",
}


def each_of(statement: str) -> dict[str, TextClause]:
    """A statement for each database, with ``{each}`` where it reads the list ``:given``."""
    return {name: text(statement.format(each=each)) for name, each in EACH.items()}


MIGRATIONS: Final = Path(__file__).with_name("migrations")
#: The newest revision: their files begin with their names.
HEAD: Final = max(path.name.partition("_")[0] for path in MIGRATIONS.glob("versions/[0-9]*.py"))


def revision(conn: Connection) -> str | None:
    """The schema revision of the tables; None if there are none yet."""
    if not inspect(conn).has_table("alembic_version"):
        return None
    return conn.execute(text("SELECT version_num FROM alembic_version")).scalar()


def lock(conn: Connection, name: str) -> None:
    """A lock by name until this transaction ends. SQLite has one writer at a time anyway."""
    if conn.dialect.name != "sqlite":
        _PG_LOCK.first(conn, {"number": lock_number(name)})


def install_id(database: Database) -> str:
    """Six letters that distinguish this database's delivery ids from another's, wherever they travel."""
    with database.write(serialise="facts") as conn:
        known = conn.execute(select(facts.c.value).where(facts.c.name == "install")).scalar()
        if known is None:
            known = secrets.token_hex(3)
            conn.execute(facts.insert().values(name="install", value=known))
        return str(known)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise
    except NoConnectionLeft as fault:
        raise StoreUnavailable(phrase("the database cannot be used now: every connection to it is taken")) from fault
    except PendingRollbackError as fault:  # the connection was lost earlier in this transaction, and somebody went on
        raise StoreUnavailable(phrase("the database cannot be used now: {why}", why=first_line(fault))) from fault
    except DBAPIError as fault:
        if _lacks_tables(fault):
            raise StoreUnavailable(phrase("the database lacks tables or columns: run `connector migrate`")) from fault
        if _is_away(fault):
            raise StoreUnavailable(phrase("the database cannot be used now: {why}", why=first_line(fault))) from fault
        raise


_LACKING: Final = ("no such table", "no such column", "has no column named")
_UNDEFINED: Final = frozenset({"42P01", "42703"})  #: Postgres: undefined table, undefined column
_FORBIDDEN: Final = "42501"  #: Postgres: the role lacks a privilege


def _lacks_tables(fault: DBAPIError) -> bool:
    text = str(fault.orig)
    return getattr(fault.orig, "sqlstate", None) in _UNDEFINED or any(words in text for words in _LACKING)


def _is_away(fault: DBAPIError) -> bool:
    """Whether the database, not the query, is at fault: unreachable, full, locked, read-only or missing."""
    kind = isinstance(fault, OperationalError | InternalError) or type(fault) is DatabaseError
    # Of Postgres' driver it means a connection that is closed; of SQLite's a value that it cannot bind.
    kind = kind or (isinstance(fault, InterfaceError) and not isinstance(fault.orig, sqlite3.Error))
    return kind or fault.connection_invalidated or getattr(fault.orig, "sqlstate", None) == _FORBIDDEN


def lock_number(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big", signed=True)


CONNECT_TIMEOUT_S: Final = 8  #: libpq's own is the system's, minutes; the sender of a webhook waits for a 503


def connect_timeout(url: str) -> dict[str, Any]:
    """The time allowed for connecting to each Postgres host; empty if the operator has set one.

    Our argument would win over the URL's ``?connect_timeout=`` and over PGCONNECT_TIMEOUT.
    """
    is_said = "connect_timeout" in make_url(url).query or "PGCONNECT_TIMEOUT" in os.environ
    return {} if is_said else {"connect_timeout": CONNECT_TIMEOUT_S}


#: A server whose machine is gone says nothing: its connections end after about twenty seconds, not two hours.
_LINE: Final = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 2, "tcp_user_timeout": 20_000}


def connect_options(url: str) -> dict[str, Any]:
    """The parameters of libpq that the URL does not give."""
    query = make_url(url).query
    return connect_timeout(url) | {name: value for name, value in _LINE.items() if name not in query}


def _engine(url: str, is_sqlite: bool) -> Engine:
    if not is_sqlite:
        engine = create_engine(
            url,
            pool_size=10,
            max_overflow=30,
            isolation_level="READ COMMITTED",
            connect_args=connect_options(url),
        )
        event.listen(engine, "do_connect", patience.connect)
        event.listen(engine, "checkout", _ping_if_idle)
        event.listen(engine, "checkin", _used)
        return engine
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_use_lifo=True,  # each connection has a cache of its own: few that know much
        pool_size=10,
        max_overflow=60,
        connect_args={"timeout": 30, "check_same_thread": False, "cached_statements": 256},
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


IDLE_S: Final = 2.0  #: a connection that was idle for longer is pinged first


def _ping_if_idle(connection: Any, record: Any, _proxy: Any) -> None:
    """A cheaper ``pool_pre_ping``: SQLAlchemy's own pings every time, which doubles the cost of a small transaction."""
    if time.monotonic() - record.info.get("used_s", time.monotonic()) < IDLE_S:
        return
    import psycopg  # imported only for Postgres: it takes 10 MB

    try:
        connection.execute("")
        connection.rollback()
    except psycopg.Error as fault:
        raise DisconnectionError from fault  # the pool opens another one


def _used(_connection: Any, record: Any) -> None:
    record.info["used_s"] = time.monotonic()


#: Pages of the log after which it is folded into the file. A claim of a thousand changes some hundred pages, of which
#: the next changes many again: they are copied once for several claims.
_FOLD_AFTER: Final = 4000


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # BEGIN is ours: pysqlite would start transactions late and deferred
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA cache_size=-8000")
    cursor.execute(f"PRAGMA wal_autocheckpoint={_FOLD_AFTER}")
    cursor.execute("PRAGMA temp_store=MEMORY")
    cursor.execute("PRAGMA secure_delete=ON")  # erased data is overwritten, not only marked as free
    cursor.close()


def _begin_sqlite(conn: Connection) -> None:
    writing = conn.get_execution_options().get("connector_write", False)
    _execute(conn, "BEGIN IMMEDIATE" if writing else "BEGIN", ())
