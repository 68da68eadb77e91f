"""The spool as a SQLite file of its own: where there is a disk and no broker."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from connector.core.spool import Held, Part, Reading, SpoolUnavailable

AT_ONCE: Final = 200  #: requests that are read together
_PAGE: Final = 4096
_ANY: Final = (1 << 63) - 1
_BUSY_S: Final = 5.0  #: for another process that writes

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, request TEXT NOT NULL, aside TEXT)
"""
_HELD: Final = """
SELECT count(*) - count(aside), count(aside), min(CASE WHEN aside IS NULL THEN at END) FROM requests
"""


class FileSpool:
    """Requests in the order in which they came. Processes may share the file."""

    kind = "file"

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path: Final = path
        self._pages: Final = max(16, max_bytes // _PAGE)
        self._conn: sqlite3.Connection | None = None
        self._lock: Final = threading.Lock()

    def add(self, texts: Sequence[str]) -> None:
        now = time.time_ns() // 1_000_000
        with self._transaction() as conn:
            conn.executemany("INSERT INTO requests (at, request) VALUES (?, ?)", [(now, text) for text in texts])

    @contextlib.contextmanager
    def reading(self) -> Iterator[Reading | None]:
        if not self._path.exists():
            yield None
            return
        try:
            fd = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as fault:
            raise SpoolUnavailable(f"{self._path}: {fault.strerror}") from fault
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield None
                return
            yield _FileReading(self)
        finally:
            os.close(fd)

    def held(self) -> Held:
        if not self._path.exists():
            return Held(0)
        with self._transaction() as conn:
            return Held(*conn.execute(_HELD).fetchone())

    def rest(self) -> None:
        """Nothing: an open file costs nothing."""

    def close(self) -> None:
        with self._lock:
            if self._conn is not None:
                self._conn.close()
                self._conn = None

    def retry(self) -> int:
        """Lets requests that were set aside wait again. Returns how many."""
        if not self._path.exists():
            return 0
        with self._transaction() as conn:
            return conn.execute("UPDATE requests SET aside = NULL WHERE aside IS NOT NULL").rowcount

    def oldest(self, most: int, last: int | None = None) -> list[tuple[int, str]]:
        """The oldest requests, up to the id ``last``."""
        query = "SELECT id, request FROM requests WHERE aside IS NULL AND id <= ? ORDER BY id LIMIT ?"
        with self._transaction() as conn:
            return list(conn.execute(query, (_ANY if last is None else last, most)))

    def last(self) -> int:
        """The id of the newest; 0 if there is none."""
        with self._transaction() as conn:
            return int(conn.execute("SELECT coalesce(max(id), 0) FROM requests").fetchone()[0])

    def take_out(self, ids: Sequence[int], poison: Sequence[tuple[str, int]]) -> None:
        with self._transaction() as conn:
            conn.executemany("UPDATE requests SET aside = ? WHERE id = ?", poison)
            conn.executemany("DELETE FROM requests WHERE id = ?", [(one,) for one in ids])
        if ids:
            self._fold()

    def _fold(self) -> None:
        """Old pages stand in the log, with persons in them: it is emptied as soon as nobody reads."""
        with self._lock, contextlib.suppress(sqlite3.Error):
            if self._conn is not None:
                self._conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                conn = self._conn = self._conn or self._opened()
                conn.execute("BEGIN IMMEDIATE")
                try:
                    yield conn
                except BaseException:
                    if conn.in_transaction:  # a full disk has ended it already
                        conn.execute("ROLLBACK")
                    raise
                conn.execute("COMMIT")
            except (sqlite3.Error, OSError) as fault:
                with contextlib.suppress(sqlite3.Error):
                    if self._conn is not None:
                        self._conn.close()
                self._conn = None
                raise SpoolUnavailable(f"{self._path}: {_why(fault)}") from fault

    def _opened(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # SQLite's other files follow it
        conn = sqlite3.connect(self._path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        pragmas = ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON", f"max_page_count={self._pages}")
        for pragma in pragmas:
            conn.execute(f"PRAGMA {pragma}").fetchone()
        conn.execute(_TABLE)
        return conn


class _FileReading:
    def __init__(self, spool: FileSpool) -> None:
        self._spool: Final = spool
        self._last: int | None = None

    def until_here(self) -> None:
        self._last = self._spool.last()

    def parts(self) -> Iterator[Part]:
        while rows := self._spool.oldest(AT_ONCE, self._last):
            yield Part([text for _, text in rows], [number for number, _ in rows])

    def done(self, part: Part, poison: Sequence[tuple[int, str]]) -> None:
        ids = part.mark
        assert isinstance(ids, list)
        bad = {position for position, _ in poison}
        stored = [number for position, number in enumerate(ids) if position not in bad]
        self._spool.take_out(stored, [(why, ids[position]) for position, why in poison])


def _why(fault: Exception) -> str:
    text = str(fault)
    return "it is full" if "full" in text else text
