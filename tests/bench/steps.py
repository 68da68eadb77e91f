"""The connector measured from the inside: rows counted, a backlog multiplied, claims and settles timed one by one."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType

import sqlalchemy
from sqlalchemy import text

from connector.config import loader
from connector.core.outcomes import Fate, Outcome, Verdict
from connector.core.settings import Account
from connector.outbound import claims
from connector.outbound.claims import Claim
from connector.outbound.settle import settle
from connector.store import accounts, attempts, outbox
from connector.store.database import Database, now_ms
from connector.vendors import destinations
from connector.vendors.base import Destination
from connector.vendors.wolkvox.destinations import AddRecord
from tests.bench.places import Broken, Running


class Counting:
    """How many rows a table that only grows has, asked cheaply by its last id."""

    def __init__(self, database_url: str, table: str) -> None:
        self._engine = sqlalchemy.create_engine(engine_url(database_url))
        self._query = text(f"SELECT coalesce(max(id), 0) FROM {table}")

    def __enter__(self) -> Callable[[], int]:
        return self._count

    def __exit__(self, *_: object) -> None:
        self._engine.dispose()

    def _count(self) -> int:
        with self._engine.connect() as connection:
            return int(connection.execute(self._query).scalar_one())


class Together:
    """Several processes started one after the other and stopped in the opposite order."""

    def __init__(self, parts: Sequence[contextlib.AbstractContextManager[Running]]) -> None:
        self._parts = parts
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> list[Running]:
        try:
            return [self._stack.enter_context(part) for part in self._parts]
        except BaseException:
            self._stack.close()
            raise

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self._stack.__exit__(kind, fault, at)


def engine_url(database_url: str) -> str:
    """SQLAlchemy's form of what DATABASE_URL says."""
    for scheme in ("postgres://", "postgresql://"):
        if database_url.startswith(scheme):
            return "postgresql+psycopg://" + database_url.removeprefix(scheme)
    return database_url


def multiply(database_url: str, times: int, *, waiting: int | None = None) -> None:
    """Makes `times` as many of what is there: the same events and deliveries under ids and keys of their own.

    ``waiting``: so many of the copies, the last ones, wait; the rest was delivered. None: all are as they are.
    """
    engine = sqlalchemy.create_engine(engine_url(database_url))
    tables = sqlalchemy.MetaData()
    tables.reflect(engine)
    with engine.connect() as connection:
        if (
            engine.dialect.name == "sqlite"
        ):  # keys are random: with few pages in memory each new row reads and writes some
            connection.execute(text(f"PRAGMA cache_size=-{_BUILDING_KB}"))
            connection.execute(text("PRAGMA synchronous=OFF"))
            connection.commit()
        span = {name: connection.execute(text(f"SELECT max(id) FROM {name}")).scalar_one() for name in _SHIFTED}
        for turn in range(1, times):
            for name, shifted in _COPIED.items():
                shifted = {**shifted, **_RANDOM[engine.dialect.name].get(name, {})}
                if name == "deliveries" and waiting is not None and turn < times - waiting:
                    shifted |= _DELIVERED
                connection.execute(_copy(tables.tables[name], shifted), _shifts(span, turn))
            connection.commit()
        if waiting is not None and waiting < times:
            given = ", ".join(f"{name} = {value}" for name, value in _DELIVERED.items())
            connection.execute(text(f"UPDATE deliveries SET {given} WHERE {_FIRST['deliveries']}"), _shifts(span, 0))
            connection.commit()
        if engine.dialect.name == "sqlite":
            connection.execute(text("ANALYZE"))
        else:
            for name in _SHIFTED:
                connection.execute(
                    text(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), (SELECT max(id) FROM {name}))")
                )
            connection.commit()
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))
    engine.dispose()


_BUILDING_KB = 1_000_000  #: of memory while a file of SQLite is built
_DELIVERED = {"state": "'delivered'", "attempts": "',1,'"}
_SHIFTED = ("events", "deliveries")
_COPIED = {
    "events": {"id": "id + :events", "key": "key || :suffix", "event_id": "event_id || :suffix"},
    "deliveries": {"id": "id + :deliveries", "event": "event + :events"},
    "records": {"delivery": "delivery + :deliveries"},
}
#: Hashes are spread over their whole index: what differed in its end only would be neighbours.
_RANDOM = {
    "sqlite": {"records": {"contact": "CASE WHEN contact IS NOT NULL THEN lower(hex(randomblob(16))) END"}},
    "postgresql": {"records": {"contact": "md5(contact || :suffix)"}},
}
_FIRST = {
    "events": "id <= :events_span",
    "deliveries": "id <= :deliveries_span",
    "records": "delivery <= :deliveries_span",
}


def _shifts(span: Mapping[str, int], turn: int) -> dict[str, object]:
    shifts: dict[str, object] = {f"{name}_span": size for name, size in span.items()}
    return shifts | {name: size * turn for name, size in span.items()} | {"suffix": f"~{turn}"}


def _copy(table: sqlalchemy.Table, shifted: Mapping[str, str]) -> sqlalchemy.TextClause:
    names = [column.name for column in table.columns]
    values = ", ".join(shifted.get(name, name) for name in names)
    columns = ", ".join(names)
    return text(f"INSERT INTO {table.name} ({columns}) SELECT {values} FROM {table.name} WHERE {_FIRST[table.name]}")


class Thousand(AddRecord):
    """Rows into a campaign, 1,000 a call at the most."""

    batch_size = 1_000


def claims_and_settles(environment: Mapping[str, str]) -> Iterator[float]:
    """Seconds for each claim of up to 1,000 deliveries, reading them and settling them as accepted, to the last.

    ``environment``: a connector's, with one account and one destination.
    """
    settings = loader.load({**os.environ, **environment}, destinations=destinations.SPECS)
    ((account, found),) = destinations.places(settings).items()
    ((name, place),) = found.items()
    thousand = Thousand(**{field.name: getattr(place, field.name) for field in dataclasses.fields(place)})
    database = Database(settings.database_url)
    try:
        with database.write() as conn:
            accounts.ensure(conn, [account], [(name, account)], now_ms(conn))
        while True:
            begun = time.perf_counter()
            if not _step(database, settings.accounts[account], thousand):
                return
            yield time.perf_counter() - begun
    finally:
        database.close()


def _step(database: Database, account: Account, place: Destination) -> int:
    """One claim, its records read, all accepted. Returns how many there were."""
    places = {place.name: place}
    with database.write(serialise=account.name) as conn:
        claim = claims.claim(conn, account, places)
        if isinstance(claim, Claim) and claim.attempt.kind == "budget":  # nobody is there to be asked
            attempts.finish(conn, claim.attempt.id, state="accepted", now=now_ms(conn))
            claim = claims.claim(conn, account, places)
    if not isinstance(claim, Claim):
        _must_be_empty(database, claim.why)
        return 0
    with database.read() as conn:
        members = outbox.members(conn, claim.attempt.id)
    accepted = Outcome(attempt="accepted", verdict=Verdict(Fate.DELIVERED), status=201)
    with database.write(serialise=account.name) as conn:
        settle(conn, claim.attempt, place, accepted, [delivery for delivery, _ in members])
    return len(members)


def _must_be_empty(database: Database, why: str) -> None:
    """A claim that waits although deliveries are pending would end the measuring too early."""
    with database.read() as conn:
        left = conn.execute(text("SELECT count(*) FROM deliveries WHERE state = 'pending'")).scalar_one()
    if left:
        raise Broken(f"{left:,} deliveries are pending and none is claimed: {why}")
