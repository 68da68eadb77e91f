"""How long Postgres may keep a thread waiting: a server that hangs accepts a connection and never answers.

The server cannot keep such a limit itself, as it keeps `statement_timeout`: it hangs. So our side does, at each answer
that it waits for. What was on its way may still be done, as after any lost connection.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Iterator
from typing import Any, Final

#: What tells whether the database is there waits so long, and once more where a connection that was kept has to be
#: made again. Probes give up after some 10 s.
PROBE_S: Final = 3.0
_LEAST_CONNECT_S: Final = 2  #: libpq's own least

_of_thread: Final = threading.local()


@contextlib.contextmanager
def answers_within(seconds: float) -> Iterator[None]:
    """In this thread each answer is waited for so long at most, then the database counts as away. Not for SQLite."""
    before = limit_s()
    _of_thread.seconds = seconds if before is None else min(before, seconds)
    try:
        yield
    finally:
        _of_thread.seconds = before


def limit_s() -> float | None:
    """The limit of this thread; None if it has none."""
    return getattr(_of_thread, "seconds", None)


def connect(_dialect: Any, _record: Any, args: list[Any], named: dict[str, Any]) -> Any:
    """SQLAlchemy's event ``do_connect``: a connection that keeps the limit, also while it is made."""
    limit = limit_s()
    if limit is not None and "connect_timeout" in named:
        named = named | {"connect_timeout": max(_LEAST_CONNECT_S, min(int(limit), named["connect_timeout"]))}
    return _patient().connect(*args, **named)


@functools.cache
def _patient() -> Any:
    import psycopg  # imported only for Postgres: it takes 10 MB
    from psycopg.errors import _WaitTimeout

    class Patient(psycopg.Connection[Any]):
        def wait(self, gen: Any, *args: Any, **named: Any) -> Any:
            limit = limit_s()
            if limit is None:
                return super().wait(gen, *args, **named)
            try:
                return super().wait(gen, *args, **named | {"timeout": limit})
            except _WaitTimeout:
                self.pgconn.finish()  # nobody reads its late answer
                raise psycopg.OperationalError(f"no answer from the server within {limit:g} s") from None

    return Patient
