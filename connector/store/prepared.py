"""Statements compiled once and executed by the driver itself (docs/adr/0017-prepared-statements.md).

They run in the transaction of the SQLAlchemy connection and fail as its other statements do. SQLAlchemy's events do not
report them.
"""

from __future__ import annotations

import functools
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, Dialect, text
from sqlalchemy.exc import NoResultFound
from sqlalchemy.sql import visitors

_NONE: Final[Mapping[str, Any]] = {}


class _Form:
    """A statement compiled for one dialect and for lists of certain lengths."""

    def __init__(self, statement: Any, dialect: Dialect, values: Mapping[str, Any]) -> None:
        compiled = statement.compile(dialect=dialect)
        state = compiled.construct_expanded_state(dict(values), escape_names=False)
        self.text: Final[str] = state.statement
        required = {name for one, name in compiled.bind_names.items() if one.required}
        self.lists: Final = [(name, names) for name, names in state.parameter_expansion.items() if name in required]
        listed = {one for _, names in self.lists for one in names}
        #: Run at every execution, because encryption uses the keys of that time.
        self.converted: Final = _converting(compiled, state.parameter_expansion, dialect)
        #: Values that the statement brings itself.
        self.own: Final = {
            name: _plain(value)
            for name, value in state.parameters.items()
            if name not in required and name not in listed
        }
        self._named: Final = self._in_order(state.positiontup)
        self._columns: Final = [one.type.dialect_impl(dialect) for one in getattr(statement, "exported_columns", ())]
        self._dialect: Final = dialect
        self._results: list[tuple[int, Callable[[Any], Any]]] = []
        self._row: Any = None

    @staticmethod
    def _in_order(names: Sequence[str] | None) -> Callable[[Mapping[str, Any]], Any] | None:
        """Puts the values in order for a driver with positional parameters; None: the driver takes names."""
        if names is None:
            return None
        return itemgetter(*names) if len(names) > 1 else lambda values: [values[name] for name in names]

    def parameters(self, values: Mapping[str, Any]) -> Any:
        """The parameters for the driver."""
        if self.own or self.lists or self.converted:
            values = {**self.own, **values}
            for name, names in self.lists:
                values.update(zip(names, values[name], strict=True))
            for name, process in self.converted:
                values[name] = process(values[name])
        return values if self._named is None else self._named(values)

    def read(self, found: Sequence[Any], described: Any, *, named: bool = True) -> Sequence[Any]:
        """The driver's rows, with each column converted by its type."""
        if self._row is None:
            conversions = (
                kind.result_processor(self._dialect, one[1])
                for kind, one in zip(self._columns, described, strict=False)
            )
            self._results = [(at, process) for at, process in enumerate(conversions) if process is not None]
            self._row = _row_of([one[0] for one in described])
        if self._results:
            found = [_processed(row, self._results) for row in found]
        return [*map(self._row, found)] if named and found else found


def _converting(
    compiled: Any, expansion: Mapping[str, Sequence[str]], dialect: Dialect
) -> list[tuple[str, Callable[[Any], Any]]]:
    """The conversions that column types ask for, by the names of the parameters."""
    found = []
    for one, name in compiled.bind_names.items():
        process = one.type.dialect_impl(dialect).bind_processor(dialect)
        if process is not None:
            found += [(each, process) for each in expansion.get(name, (name,))]
    return found


def _plain(value: Any) -> Any:
    """Enum members as plain text: drivers are slower with subclasses of str."""
    return str(value) if isinstance(value, str) else value


def _row_of(names: Sequence[str]) -> Callable[[Sequence[Any]], Any]:
    kind = namedtuple("Row", names, rename=True)  # type: ignore[misc]
    return functools.partial(tuple.__new__, kind)


def _processed(row: Sequence[Any], results: Sequence[tuple[int, Callable[[Any], Any]]]) -> list[Any]:
    values = [*row]
    for at, process in results:
        values[at] = process(values[at])
    return values


def _lists_of(statement: Any) -> list[str]:
    """The names of the lists that each execution brings."""
    binds = [one for one in visitors.iterate(statement) if isinstance(one, BindParameter)]
    return sorted({one.key for one in binds if one.expanding and one.required})


class Prepared:
    """A statement of SQLAlchemy's, or SQL text. Each execution brings the values, by the names of its `bindparam`."""

    __slots__ = ("_forms", "_lists", "statement")

    def __init__(self, statement: Any) -> None:
        self.statement: Final[Any] = text(statement) if isinstance(statement, str) else statement
        self._forms: Final[dict[Any, _Form]] = {}
        self._lists: list[str] | None = (
            None  # found at the first use: most statements are never used by a short command
        )

    def all(self, conn: Connection, values: Mapping[str, Any] = _NONE) -> Sequence[Any]:
        """All rows, with named columns."""
        form, cursor = self._run(conn, values)
        return form.read(cursor.fetchall(), cursor.description)

    def tuples(self, conn: Connection, values: Mapping[str, Any] = _NONE) -> Sequence[Any]:
        """All rows as tuples: for a thousand rows the names cost more than all else."""
        form, cursor = self._run(conn, values)
        return form.read(cursor.fetchall(), cursor.description, named=False)

    def first(self, conn: Connection, values: Mapping[str, Any] = _NONE) -> Any:
        """The first row; None if there is none."""
        form, cursor = self._run(conn, values)
        found = cursor.fetchone()
        rows = form.read([found], cursor.description) if found is not None else [None]
        cursor.close()
        return rows[0]

    def one(self, conn: Connection, values: Mapping[str, Any] = _NONE) -> Any:
        """The first row. Raises `NoResultFound` if there is none."""
        if (found := self.first(conn, values)) is None:
            raise NoResultFound("no row was found when one was required")
        return found

    def scalar(self, conn: Connection, values: Mapping[str, Any] = _NONE) -> Any:
        """The first column of the first row; None if there is none."""
        found = self.first(conn, values)
        return None if found is None else found[0]

    def scalars(self, conn: Connection, values: Mapping[str, Any] = _NONE) -> list[Any]:
        """The first column of all rows."""
        return [row[0] for row in self.tuples(conn, values)]

    def change(self, conn: Connection, values: Mapping[str, Any] = _NONE) -> int:
        """Executes an INSERT, UPDATE or DELETE. Returns the number of rows."""
        _, cursor = self._run(conn, values)
        changed: int = cursor.rowcount
        cursor.close()
        return changed

    def _run(self, conn: Connection, values: Mapping[str, Any]) -> tuple[_Form, Any]:
        dialect = conn.dialect
        key: Any = dialect.name
        if self._lists is None:
            self._lists = _lists_of(self.statement)
        if self._lists:
            key = (key, *(len(values[name]) for name in self._lists))
        form = self._forms.get(key)
        if form is None:
            form = self._forms[key] = _Form(self.statement, dialect, values)
        driver: Any = conn.connection.driver_connection
        try:
            return form, driver.execute(form.text, form.parameters(values))
        except dialect.loaded_dbapi.Error as fault:
            # SQLAlchemy recognises a lost connection and invalidates the pool; it has no public way to ask for that.
            conn._handle_dbapi_exception(fault, form.text, None, None, None)
