"""The spool of a process that takes webhooks: its writer and its drain."""

from __future__ import annotations

from typing import Final

from connector.core.log import get
from connector.core.loops import STOP_S
from connector.core.settings import Settings
from connector.core.settings import Spool as Configured
from connector.core.spool import Spool, SpoolUnavailable
from connector.inbound.intake import Intake
from connector.inbound.receiver import Receiver
from connector.inbound.spool.drain import Drain
from connector.inbound.spool.spooler import Spooler
from connector.store.database import Database
from connector.store.spool_file import FileSpool

log = get("spool")


def spool_of(settings: Settings, configured: Configured) -> Spool:
    """The configured spool; a connection of its own each time it is asked for."""
    if configured.kind == "file":
        return FileSpool(configured.path, configured.max_bytes)
    from connector.inbound.rabbitmq.spool import QueueSpool  # pika is loaded where there is a broker

    return QueueSpool(settings.amqp_url, configured.queue)


def web_spool(settings: Settings, database: Database) -> WebSpool | None:
    """None where none is configured."""
    return None if settings.spool is None else WebSpool(settings, settings.spool, database)


class WebSpool:
    """Started before the web server, stopped after it. It drains once the database has been there."""

    def __init__(self, settings: Settings, configured: Configured, database: Database) -> None:
        self._database: Final = database
        self._reads: Final = spool_of(settings, configured)
        self._writes: Final = spool_of(settings, configured)
        self.spooler: Final = Spooler(self._writes)
        self._drain: Drain | None = None

    def start(self, intake: Intake) -> None:
        """Spools from now on the requests that ``intake`` cannot store."""
        intake.spooler = self.spooler
        self.spooler.otherwise = intake.store_all

    def drain(self, settings: Settings, receiver: Receiver) -> None:
        """Stores the content of the spool from now on: the database has been there."""
        self._drain = Drain(settings, self._database, receiver, self._reads, self.spooler)
        try:
            self._reads.retry()
        except SpoolUnavailable as fault:
            log.error("the spool cannot be used now", fault=str(fault))
        self._drain.start()

    def stop(self, timeout_s: float = STOP_S) -> None:
        """Ends the spool; requests that are not drained stay for the next process."""
        if self._drain is not None:
            self._drain.stop(timeout_s)
        self.spooler.close()
        self._writes.close()
        self._reads.close()
