"""Prepares the database for a process that begins: its tables, and the key of its hashes."""

from __future__ import annotations

import contextlib
from typing import Final

from sqlalchemy import text

from connector.cli import app
from connector.cli.shutdown import Ending
from connector.core.errors import StoreUnavailable
from connector.core.log import get
from connector.core.settings import Settings
from connector.inbound.committer import SPOOL_AFTER_S
from connector.store import migrate as migration
from connector.store.database import Database
from connector.store.patience import answers_within

AGAIN_S: Final = 1.0  #: between two tries

log = get("processes")


def ready(settings: Settings) -> Settings:
    """Creates or upgrades the tables; the settings with the key. Raises `StoreUnavailable` if the database is away."""
    migration.migrate(settings.database_url)
    return app.keyed(settings)


def ready_or_waits(settings: Settings) -> Settings | None:
    """The same; None where the database is away and a spool is configured: then the process begins, and waits.

    Without a spool a process can do nothing meanwhile: it ends with an error, and its supervisor starts it again.
    """
    if settings.spool is None:
        return ready(settings)
    try:
        _demand_answer(settings)
        return ready(settings)
    except StoreUnavailable as fault:
        log.warning("the database is away: this process waits for it", fault=str(fault))
        return None


def ready_in_time(settings: Settings, ending: Ending) -> Settings | None:
    """Waits until the database is there; None if the process is told to end before.

    Raises `ConnectorError` if it is there, and of another version.
    """
    found: list[Settings] = []

    def is_there() -> bool:
        try:
            _demand_answer(settings)
            found.append(ready(settings))
        except StoreUnavailable as fault:
            log.debug("the database is still away", fault=str(fault))
        return bool(found)

    ending.wait(is_there, look_s=AGAIN_S)
    if not found:
        return None
    log.warning("the database is there: this process begins")
    return found[0]


def _demand_answer(settings: Settings) -> None:
    """A server that hangs must not keep this process from its end; a migration may take as long as it takes."""
    with (
        contextlib.closing(Database(settings.database_url)) as database,
        answers_within(SPOOL_AFTER_S),
        database.read() as conn,
    ):
        conn.execute(text("SELECT 1"))
