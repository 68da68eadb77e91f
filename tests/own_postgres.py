"""A Postgres of the test's own, on a port of its own, that may be killed and started again."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from tests.bench.places import free_port
from tests.conftest import missing


class OwnPostgres:
    """A cluster in a folder. It writes to the disk as a real one does."""

    def __init__(self, folder: Path, programs: Path, user: str | None) -> None:
        self.port = free_port()
        self._data = folder / "data"
        self._programs = programs
        self._as: dict[str, Any] = {"user": user} if user else {}
        self._log = (folder / "postgres.log").open("wb")
        self._process: subprocess.Popen[bytes] | None = None
        self._run("initdb", "-D", str(self._data), "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8")

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


@contextlib.contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    """Started; gone afterwards. Skips the test where Postgres is not installed."""
    found = shutil.which("initdb")
    if found is None:
        missing("no initdb: the programs of Postgres are not installed")
    user = "postgres" if os.geteuid() == 0 else None  # Postgres does not run as root
    with tempfile.TemporaryDirectory(prefix="own-postgres-") as name:
        if user:
            owner = pwd.getpwnam(user)
            os.chown(name, owner.pw_uid, owner.pw_gid)
        server = OwnPostgres(Path(name), Path(found).resolve().parent, user)
        try:
            server.start()
            yield server
        finally:
            server.close()
