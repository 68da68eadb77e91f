"""A process's sign of life: a row in the database, from which others see whether a process runs."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import threading
import uuid
from typing import Final

from connector.core.errors import StoreUnavailable
from connector.core.log import get
from connector.core.settings import Settings
from connector.core.version import version
from connector.store import hash_keys, processes
from connector.store.database import Database, now_ms
from connector.store.processes import BEAT_MS, Process, Role

log = get("heartbeat")


def end_all() -> None:
    """Ends this process in order, and before it the one that would start it again with the key of before."""
    if (parent := multiprocessing.parent_process()) is not None and parent.pid is not None:
        os.kill(parent.pid, signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)


class Heartbeat:
    """A thread that writes a sign of life every ten seconds. If it cannot write, it skips one."""

    def __init__(self, settings: Settings, database: Database, *roles: Role) -> None:
        self._settings = settings
        self._database = database
        self._process: Final = Process(
            id=uuid.uuid4().hex,
            roles=roles,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=version(),
            config=settings.config_hash,
            since=0,
            seen_at=0,
        )
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """The first sign is written when this returns: what a worker does then, no older one undoes."""
        self._beat()
        self._thread.start()

    def stop(self) -> None:
        """Records that the process ended in order."""
        self._stopped.set()
        self._thread.join(BEAT_MS / 1000)
        try:
            with self._database.write() as conn:
                processes.stopped(conn, self._process.id, now_ms(conn))
        except StoreUnavailable:
            log.warning("the end of this process could not be written")

    def _run(self) -> None:
        while not self._stopped.wait(BEAT_MS / 1000):
            self._beat()

    def _beat(self) -> None:
        try:
            with self._database.write() as conn:
                processes.beat(conn, self._process, now_ms(conn))
                has_other_key = hash_keys.has_other(conn, self._settings)
        except StoreUnavailable:
            log.warning("no sign of life could be written")
        except Exception:
            log.exception("no sign of life could be written")
        else:
            if has_other_key and not self._stopped.is_set():
                log.error("connector rekey wrote the hashes again: this process ends, to start with their key")
                self._stopped.set()
                end_all()
