"""The lock that a worker holds while it lives: others see within moments that it died, and which calls it left.

SQLite: a file beside the database, locked by `flock`; the system frees it with the process. Postgres: an advisory lock
of a session of its own; the server frees it once the connection ends. Such a connection may also break while the worker
lives, so a free lock is no proof of death there: see `outbound.presence` for what may be done about it, and what not.

A call bears its worker's name. One that was begun without a lock bears a name that no lock goes with (as the calls of
commands and of older versions do): nothing is concluded about it before its deadline.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import socket
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from string import ascii_lowercase
from typing import TYPE_CHECKING, Final, Protocol
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine

from connector.core.errors import StoreUnavailable
from connector.store.database import Database, connect_timeout, lock_number

if TYPE_CHECKING:
    import psycopg

UNLOCKED: Final = f"{socket.gethostname()}:{os.getpid()}"  #: the name of this process without a lock
_LETTERS: Final = 10
_MARK: Final = "/"  #: stands in names that a lock goes with, and in no host's name
SETTLING_S: Final = 10.0  #: after the server started, or a lost connection: others have not come back yet either
#: How soon the server sees that a worker's machine is gone: three keepalives without an answer.
_KEEPALIVES: Final = {"tcp_keepalives_idle": 10, "tcp_keepalives_interval": 5, "tcp_keepalives_count": 3}


class WorkerLock(Protocol):
    """One worker's lock, and its view of the others'. Used by one thread. Raises `StoreUnavailable`."""

    name: str  #: of this worker, while the lock is held

    @property
    def looks(self) -> int:
        """How often in a row a lock must be found free until its worker counts as dead."""

    @property
    def is_held(self) -> bool: ...

    def keep(self) -> None:
        """Takes the lock, where it is not held (any more)."""

    def free(self, names: Collection[str]) -> set[str]:
        """The locks among those of these workers that nobody holds. Empty where that means nothing now."""

    def tidy(self, names: Collection[str]) -> None:
        """Removes what is left of dead workers, but of these."""

    def release(self) -> None: ...


_held: Final[WeakKeyDictionary[Engine, WorkerLock]] = WeakKeyDictionary()


def worker_lock(database: Database) -> WorkerLock:
    """This process's lock at a database. From now on its calls there bear the lock's name while it is held."""
    lock: WorkerLock = SessionLock(database) if database.path is None else FileLock(database.path)
    _held[database.engine] = lock
    return lock


def worker_name(conn: Connection) -> str:
    """The name that a call begun now bears."""
    lock = _held.get(conn.engine)
    return lock.name if lock is not None and lock.is_held else UNLOCKED


def has_lock(name: str) -> bool:
    """Whether a lock goes with the name."""
    return _MARK in name


def _new_name() -> str:
    """Process numbers are used again, so each lock has a name of its own. No digits: logs mask what may be a phone."""
    return f"{UNLOCKED}{_MARK}{''.join(secrets.choice(ascii_lowercase) for _ in range(_LETTERS))}"


class FileLock:
    """SQLite: one file for each worker, in a folder beside the database."""

    looks = 1  #: a process keeps it for as long as it lives

    def __init__(self, database: Path) -> None:
        self.name = _new_name()
        self._folder: Final = Path(f"{database}.workers")
        self._fd: int | None = None

    @property
    def is_held(self) -> bool:
        return self._fd is not None

    def keep(self) -> None:
        while self._fd is None:
            with _as_unavailable(self._folder):
                self._folder.mkdir(mode=0o700, exist_ok=True)
                fd = os.open(self._path(self.name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                fcntl.flock(fd, fcntl.LOCK_EX)
            if _stands_at(fd, self._path(self.name)):
                self._fd = fd
            else:  # another worker tidied it away before it was locked
                os.close(fd)

    def free(self, names: Collection[str]) -> set[str]:
        return {name for name in names if _is_free(self._path(name))}

    def tidy(self, names: Collection[str]) -> None:
        paths = {self._path(name) for name in names}
        with contextlib.suppress(OSError):
            for path in self._folder.iterdir():
                if path not in paths:
                    _is_free(path, remove=True)

    def release(self) -> None:
        if self._fd is not None:
            with contextlib.suppress(OSError):
                self._path(self.name).unlink()
            os.close(self._fd)
            self._fd = None

    def _path(self, name: str) -> Path:
        return self._folder / name.rpartition(_MARK)[2]


def _is_free(path: Path, *, remove: bool = False) -> bool:
    """Whether nobody holds the file's lock. Of a file that is not there nothing is known."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two that look are not in each other's way
        if remove:
            path.unlink(missing_ok=True)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def _stands_at(fd: int, path: Path) -> bool:
    try:
        at_path, of_handle = path.stat(), os.fstat(fd)
    except FileNotFoundError:
        return False
    return (at_path.st_dev, at_path.st_ino) == (of_handle.st_dev, of_handle.st_ino)


@contextlib.contextmanager
def _as_unavailable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        raise StoreUnavailable(f"cannot use {folder}: {fault.strerror}: make the folder writable") from fault


_FREE: Final = """
SELECT wanted.name FROM unnest(%s::text[], %s::bigint[]) AS wanted(name, number)
WHERE now() - pg_postmaster_start_time() > make_interval(secs => %s) AND NOT EXISTS (
    SELECT 1 FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND objsubid = 1
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (classid::bigint << 32 | objid::bigint) = wanted.number)
"""


class SessionLock:
    """Postgres: an advisory lock of a connection that does nothing else."""

    looks = 3  #: the connection of a live worker may have broken: it takes the lock again within the second

    def __init__(self, database: Database) -> None:
        self.name = _new_name()
        self._url: Final = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._session: psycopg.Connection | None = None
        self._had_one = False
        self._silent_until_s = 0.0

    @property
    def is_held(self) -> bool:
        return self._session is not None

    def keep(self) -> None:
        if self._session is not None:
            return
        import psycopg  # imported only for Postgres: it takes 10 MB

        session: psycopg.Connection | None = None
        try:
            session = psycopg.connect(self._url, autocommit=True, **connect_timeout(self._url))
            for name, value in _KEEPALIVES.items():
                session.execute(f"SET {name} = {value}")
            row = session.execute("SELECT pg_try_advisory_lock(%s)", (_number(self.name),)).fetchone()
        except psycopg.Error as fault:
            if session is not None:
                session.close()
            raise StoreUnavailable("the database cannot be used now: the worker's lock is not held") from fault
        if not (row and row[0]):  # the server has not noticed yet that our connection of before is gone
            session.close()
            return
        if self._had_one:
            self._silent_until_s = time.monotonic() + SETTLING_S
        self._session, self._had_one = session, True

    def free(self, names: Collection[str]) -> set[str]:
        """Also tells whether our own connection still stands: asked each time, whether there are names or not."""
        if self._session is None:
            return set()
        import psycopg

        listed = list(names)
        try:
            rows = self._session.execute(_FREE, (listed, [_number(one) for one in listed], SETTLING_S)).fetchall()
        except psycopg.Error:
            self.release()
            self.keep()  # at once: the others have begun to count
            return set()
        return {row[0] for row in rows} if time.monotonic() >= self._silent_until_s else set()

    def tidy(self, names: Collection[str]) -> None:
        """Nothing is left: the server forgets a lock with its session."""

    def release(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()


def _number(name: str) -> int:
    return lock_number(f"worker {name}")
