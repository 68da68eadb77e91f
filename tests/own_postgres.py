"""A Postgres of the test's own, on a port of its own, that may be killed and started again."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg

from tests.bench.places import free_port
from tests.conftest import missing


class OwnPostgres:
    """A cluster in a folder. It writes to the disk as a real one does."""

    def __init__(
        self,
        folder: Path,
        programs: Path,
        user: str | None,
        *,
        name: str = "data",
        port: int = 0,
        follows: OwnPostgres | None = None,
    ) -> None:
        """An empty cluster, or a standby that follows another one."""
        self.port = port or free_port()
        self._data = folder / name
        self._programs = programs
        self._as: dict[str, Any] = {"user": user} if user else {}
        self._log = (folder / f"{name}.log").open("wb")
        self._process: subprocess.Popen[bytes] | None = None
        if follows is None:
            self._run("initdb", "-D", str(self._data), "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8")
        else:
            where = ("-h", "127.0.0.1", "-p", str(follows.port), "-U", "postgres")
            self._run("pg_basebackup", *where, "-D", str(self._data), "-R", "-X", "stream", "-c", "fast", "--no-sync")

    @property
    def address(self) -> str:
        """As an operator writes it."""
        return self.url

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Answers when it returns."""
        listens = ("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=")
        argv = [str(self._programs / "postgres"), "-D", str(self._data), "-p", str(self.port), *listens]
        end = time.monotonic() + 120
        while time.monotonic() < end:
            if self._process is None or self._process.poll() is not None:
                self._process = subprocess.Popen(
                    argv, stdout=self._log, stderr=self._log, start_new_session=True, **self._as
                )
            with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self.url, connect_timeout=2):
                return
            time.sleep(0.1)
        raise AssertionError("the Postgres of the test did not start")

    def kill(self) -> None:
        """All of it, at once: nothing is shut down in order."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def order(self, *statements: str) -> list[Any]:
        """Executes them, each for itself. The row of the last."""
        with psycopg.connect(self.url, autocommit=True) as conn:
            done = [conn.execute(one) for one in statements]  # type: ignore[call-overload]
            return list(done[-1].fetchone() or ())

    def freeze(self) -> None:
        """All of it hangs: connections are accepted, by the system, and nothing answers."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: signal.Signals) -> None:
        """Each of its processes is a group of its own."""
        assert self._process is not None
        main = self._process.pid
        os.kill(main, number)  # first: it begins no other then
        for child in Path(f"/proc/{main}/task/{main}/children").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), number)

    def close(self) -> None:
        self.kill()
        self._log.close()

    def _run(self, program: str, *args: str) -> None:
        argv = [str(self._programs / program), *args]
        subprocess.run(argv, check=True, stdout=self._log, stderr=self._log, **self._as)


class ReplicatedPostgres:
    """Two clusters: what the first has confirmed is at the second, which takes its place when the first is killed."""

    def __init__(self, make: Callable[..., OwnPostgres]) -> None:
        self._make, self._copies = make, itertools.count(1)
        self._ports = free_port(), free_port()
        self._first = self._second = make(name="data-0", port=self._ports[0])

    @property
    def address(self) -> str:
        """As an operator writes it: both, of which the one that takes writes is used."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in self._ports)
        return f"postgresql://postgres@{hosts}/postgres?target_session_attrs=read-write"

    @property
    def url(self) -> str:
        ports = ",".join(map(str, self._ports))
        servers = f"host=127.0.0.1,127.0.0.1&port={ports}&target_session_attrs=read-write"
        return f"postgresql://postgres@/postgres?{servers}"

    def begin(self) -> None:
        self._first.start()
        self._second = self._follower(self._ports[1])

    def kill(self) -> None:
        self._first.kill()

    def start(self) -> None:
        """A failover. Then the one that was killed is made anew, and follows."""
        lost, self._first = self._first, self._second
        self._first.order("ALTER SYSTEM SET synchronous_standby_names = ''", "SELECT pg_reload_conf()")
        self._first.order("SELECT pg_promote()")
        lost.close()
        self._second = self._follower(lost.port)

    def close(self) -> None:
        self._first.close()
        self._second.close()

    def _follower(self, port: int) -> OwnPostgres:
        """A standby that every commit waits for."""
        made = self._make(name=f"data-{next(self._copies)}", port=port, follows=self._first)
        made.start()
        self._first.order("ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")
        there = (
            "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync' AND flush_lsn >= pg_current_wal_lsn()"
        )
        end = time.monotonic() + 120
        while time.monotonic() < end:
            if self._first.order(there)[0]:
                return made
            time.sleep(0.1)
        raise AssertionError("the standby of the test does not follow")


@contextlib.contextmanager
def _maker() -> Iterator[Callable[..., OwnPostgres]]:
    """Makes clusters in a folder that is gone afterwards. Skips the test where Postgres is not installed."""
    found = shutil.which("initdb")
    if found is None:
        missing("no initdb: the programs of Postgres are not installed")
    user = "postgres" if os.geteuid() == 0 else None  # Postgres does not run as root
    with tempfile.TemporaryDirectory(prefix="own-postgres-") as name:
        if user:
            owner = pwd.getpwnam(user)
            os.chown(name, owner.pw_uid, owner.pw_gid)
        yield functools.partial(OwnPostgres, Path(name), Path(found).resolve().parent, user)


@contextlib.contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    """Started; gone afterwards. Skips the test where Postgres is not installed."""
    with _maker() as make, contextlib.closing(make()) as server:
        server.start()
        yield server


@contextlib.contextmanager
def replicated_postgres() -> Iterator[ReplicatedPostgres]:
    """Both started; gone afterwards."""
    with _maker() as make:
        pair = ReplicatedPostgres(make)
        try:
            pair.begin()
            yield pair
        finally:
            pair.close()
