"""What a database is asked, whichever way: by SQLAlchemy or by its driver."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Engine, event


@contextlib.contextmanager
def heard(engine: Engine, hear: Callable[[str], None]) -> Iterator[None]:
    """Until the end ``hear`` is told each statement on a connection that is taken from the pool from now on."""

    def begin(connection: Any, _record: Any, _proxy: Any) -> None:
        if engine.dialect.name == "sqlite":
            connection.set_trace_callback(lambda said: None if said.startswith("--") else hear(said))
        else:
            connection.cursor_factory = _hearing(hear)

    def end(connection: Any, _record: Any) -> None:
        if engine.dialect.name == "sqlite":
            connection.set_trace_callback(None)
        elif connection is not None:
            connection.cursor_factory = _own()

    listening: list[tuple[str, Callable[..., None]]] = [("checkout", begin), ("checkin", end)]
    if engine.dialect.name != "sqlite":  # its driver begins and ends transactions without a word to anybody
        listening += [(edge, lambda _conn, said=edge: hear(said)) for edge in ("begin", "commit", "rollback")]
    for edge, listener in listening:
        event.listen(engine, edge, listener)
    try:
        yield
    finally:
        for edge, listener in listening:
            event.remove(engine, edge, listener)


def _own() -> Any:
    import psycopg

    return psycopg.Cursor


def _hearing(hear: Callable[[str], None]) -> Any:
    class Hearing(_own()):  # type: ignore[misc]
        def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
            hear(str(query))
            return super().execute(query, params, **options)

        def executemany(self, query: Any, params_seq: Any, **options: Any) -> Any:
            hear(str(query))
            return super().executemany(query, params_seq, **options)

    return Hearing
