"""The loop that asks: for each source with a poll a thread, which reads a page whenever one is due."""

from __future__ import annotations

import threading
import time
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from connector import standing
from connector.db import Database, first_line, now_ms
from connector.errors import ConnectorError
from connector.log import get
from connector.polling import Polling, Step
from connector.settings import Settings

IDLE_S: Final = 2.0  #: how long nothing is looked at, at the most: what somebody else's page left may be due
FAULT_S: Final = 1.0
STOP_S: Final = 25.0

log = get("poller")


class Poller:
    """All polls of one process. `start` returns at once; `stop` lets a page in hand be stored.

    Raises `ConnectorError` when no source has a poll.
    """

    def __init__(self, settings: Settings, database: Database) -> None:
        polled = [source for source in settings.sources.values() if source.poll]
        if not polled:
            raise ConnectorError("no source has a poll: give one a `poll` to ask for its events")
        self._stopping = threading.Event()
        with database.write(serialise="prepare") as conn:
            standing.ensure(conn, settings.accounts, [], now_ms(conn))
        self._threads = [
            threading.Thread(
                target=self._run, args=(Polling(settings, database, source),), name=f"poll-{source.name}", daemon=True
            )
            for source in polled
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float = STOP_S) -> bool:
        """Begins no page; True when those in hand were stored in time. The others are read again."""
        self._stopping.set()
        end = time.monotonic() + timeout_s
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self, polling: Polling) -> None:
        while not self._stopping.is_set():
            wait_s = FAULT_S
            try:
                step = polling.step()
                _tell(polling, step)
                wait_s = min(IDLE_S, step.wait_s)
            except (ConnectorError, SQLAlchemyError) as fault:
                log.error("polling stopped for a moment", source=polling.source.name, fault=first_line(fault))
            except Exception:
                log.exception("polling failed", source=polling.source.name)
            self._stopping.wait(wait_s)


def _tell(polling: Polling, step: Step) -> None:
    """Of pages, and of what kept one from being read; not of waiting."""
    if step.cursor is not None:
        log.info("polled", source=polling.source.name, read=step.read, new=step.stored)
    elif step.failed:
        log.warning("not polled", source=polling.source.name, why=step.why)
