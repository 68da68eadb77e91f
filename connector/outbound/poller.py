"""The loop that asks: for each source with a poll a thread, which reads a page whenever one is due."""

from __future__ import annotations

from functools import partial

from connector.core.errors import ConnectorError
from connector.core.log import get
from connector.core.loops import STOP_S, Loops
from connector.core.retry import POLLER_IDLE_S
from connector.core.settings import Settings
from connector.outbound.poll import Polling, Step
from connector.store import accounts
from connector.store.database import Database, now_ms

log = get("poller")


class Poller:
    """All polls of one process. `start` returns at once; `stop` lets a page in hand be stored.

    Raises `ConnectorError` when no source has a poll.
    """

    def __init__(self, settings: Settings, database: Database) -> None:
        polled = [source for source in settings.sources.values() if source.poll]
        if not polled:
            raise ConnectorError("no source has a poll: give one a `poll` to ask for its events")
        with database.write(serialise="prepare") as conn:
            accounts.ensure(conn, settings.accounts, [], now_ms(conn))
        self._loops = Loops(log)
        for source in polled:
            step = partial(_step, Polling(settings, database, source))
            self._loops.add(f"poll-{source.name}", step, what="polling", source=source.name)

    def start(self) -> None:
        self._loops.start()

    def stop(self, timeout_s: float = STOP_S) -> bool:
        """Begins no page; True when those in hand were stored in time. The others are read again."""
        return self._loops.stop(timeout_s)


def _step(polling: Polling) -> float:
    step = polling.step()
    _log_step(polling, step)
    return min(POLLER_IDLE_S, step.wait_s)


def _log_step(polling: Polling, step: Step) -> None:
    """Logs pages, and the faults of reading one; no waits."""
    if step.cursor is not None:
        log.info("polled", source=polling.source.name, read=step.read, new=step.stored)
    elif step.failed:
        log.warning("not polled", source=polling.source.name, words=step.why)
