"""Statements compiled once and executed by the driver: the same values, rows and faults as SQLAlchemy's."""

from __future__ import annotations

import pytest
from sqlalchemy import bindparam, func, select, update
from sqlalchemy.exc import IntegrityError, NoResultFound

from connector.core import at_rest
from connector.core.errors import StoreUnavailable
from connector.core.settings import Secret
from connector.core.states import AccountState
from connector.store import accounts
from connector.store.database import Database
from connector.store.prepared import Prepared
from connector.store.tables import accounts as rows
from connector.store.tables import destinations

_NAMED = Prepared(
    select(rows.c.name, rows.c.state, rows.c.live_credit)
    .where(rows.c.name.in_(bindparam("names", expanding=True)), rows.c.state == AccountState.OPEN)
    .order_by(rows.c.name)
)
_COUNT = Prepared(
    select(func.count()).select_from(rows).where(rows.c.state.in_((AccountState.OPEN, AccountState.PAUSED)))
)
_SAY = Prepared(update(rows).where(rows.c.name == bindparam("called")).values(reason_facts=bindparam("facts")))
_SAID = Prepared(select(rows.c.name, rows.c.reason_facts).where(rows.c.name == bindparam("called")))
_REFUSE = Prepared(
    update(destinations).where(destinations.c.name == bindparam("called")).values(refusals=bindparam("words"))
)
_REFUSED = Prepared(
    select(destinations.c.name, destinations.c.refusals).where(destinations.c.name == bindparam("called"))
)
_STORED = Prepared("SELECT refusals FROM destinations WHERE name = :called")


@pytest.fixture(autouse=True)
def some(database: Database) -> None:
    with database.write() as conn:
        accounts.ensure(conn, ["one", "two", "three"], [], 1_000)


def test_lists_of_any_length_are_asked_for(database: Database) -> None:
    with database.read() as conn:
        for names in ([], ["two"], ["one", "two", "absent"], ["three", "two", "one"], ["two"]):
            found = _NAMED.all(conn, {"names": names})
            assert [row.name for row in found] == sorted(set(names) - {"absent"})
            assert all(row.state == AccountState.OPEN and row.live_credit is None for row in found)


def test_what_a_statement_brings_itself_needs_no_value(database: Database) -> None:
    with database.read() as conn:
        assert _COUNT.scalar(conn) == 3


def test_texts_are_encrypted_as_sqlalchemy_does(database: Database) -> None:
    words = '["Ana Ruiz is unknown"]'
    at_rest.configure((Secret("a-key-that-is-long-enough-for-this"),))
    try:
        with database.write() as conn:
            accounts.ensure(conn, [], [("one/a", "one")], 1_000)
            assert _REFUSE.change(conn, {"called": "one/a", "words": words}) == 1
            assert _REFUSE.change(conn, {"called": "nobody", "words": words}) == 0
        with database.read() as conn:
            assert "Ana" not in _STORED.scalar(conn, {"called": "one/a"})
            assert _REFUSED.one(conn, {"called": "one/a"}).refusals == words
            assert conn.execute(select(destinations.c.refusals)).scalar_one() == words
    finally:
        at_rest.configure(())


def test_what_a_statement_brings_itself_is_encrypted_by_the_key_of_the_moment(database: Database) -> None:
    """A key may be replaced while the process runs, and the former one is given up then."""
    with database.write() as conn:
        accounts.ensure(conn, [], [("one/a", "one")], 1_000)
    try:
        for key in ("a-key-that-is-long-enough-for-this", "another-key-that-is-long-enough"):
            at_rest.configure((Secret(key),))
            with database.write() as conn:
                accounts.accepted(conn, "one/a", 2_000)
                assert _REFUSED.one(conn, {"called": "one/a"}).refusals == "[]"
    finally:
        at_rest.configure(())


def test_no_row_is_none_and_where_there_must_be_one_a_fault(database: Database) -> None:
    with database.read() as conn:
        assert _SAID.first(conn, {"called": "nobody"}) is None
        assert _SAID.scalar(conn, {"called": "nobody"}) is None
        assert _SAID.all(conn, {"called": "nobody"}) == []
        with pytest.raises(NoResultFound):
            _SAID.one(conn, {"called": "nobody"})


def test_a_refused_row_is_the_fault_that_it_is_otherwise(database: Database) -> None:
    twice = Prepared("INSERT INTO accounts (name, state, since, hold_until, faults, calls_since_bulk)"
                 " VALUES ('one', 'open', 0, 0, 0, 0)")  # fmt: skip
    with pytest.raises(IntegrityError), database.write() as conn:
        twice.change(conn)


def test_a_missing_table_is_told_in_one_line(database: Database) -> None:
    with pytest.raises(StoreUnavailable, match="run `connector migrate`"), database.read() as conn:
        Prepared("SELECT 1 FROM absent_table").first(conn)


def test_nothing_is_kept_of_a_transaction_that_fails(database: Database) -> None:
    class Fails(Exception):  # noqa: N818
        pass

    with pytest.raises(Fails), database.write() as conn:
        _SAY.change(conn, {"called": "one", "facts": "{}"})
        raise Fails
    with database.read() as conn:
        assert _SAID.one(conn, {"called": "one"}).reason_facts is None


def test_a_lost_connection_is_known_and_another_one_is_opened(database: Database) -> None:
    if database.is_sqlite:
        pytest.skip("a file has no connection that breaks")
    own = Prepared("SELECT pg_backend_pid()")
    end = Prepared("SELECT pg_terminate_backend(:pid)")
    with database.read() as other, pytest.raises(StoreUnavailable), database.read() as conn:
        end.first(other, {"pid": own.scalar(conn)})
        own.scalar(conn)
    with database.read() as conn:
        assert own.scalar(conn)


def test_names_of_columns_are_those_of_the_rows(database: Database) -> None:
    with database.write() as conn:
        accounts.ensure(conn, [], [("one/a", "one")], 1_000)
        assert Prepared(select(destinations)).one(conn)._fields == tuple(column.name for column in destinations.c)
