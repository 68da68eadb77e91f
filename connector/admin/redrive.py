"""Messages that a queue gave back, because they could not be read: how many there are, and putting them back."""

from __future__ import annotations

from typing import Final

from connector.admin.acts import By, record
from connector.admin.identifiers import NotThere
from connector.core.phrases import phrase
from connector.core.settings import Settings
from connector.store.acts import What
from connector.store.database import Database

PATIENCE_S: Final = 2.0  #: how long a page waits for the broker


def queued(settings: Settings) -> dict[str, str]:
    """Source -> its queue."""
    return {name: source.queue for name, source in settings.sources.items() if source.queue}


def counted(settings: Settings) -> dict[str, int] | None:
    """Source -> messages that were given back. None: the broker does not answer."""
    from connector.inbound.rabbitmq import dead_letters  # most processes never need a broker's client

    return dead_letters.counted(settings, timeout_s=PATIENCE_S)


def redrive(database: Database, settings: Settings, source: str, by: By, *, most: int | None = None) -> int:
    """Puts them back, the oldest first; returns how many. ``most``: those that were counted before.

    Raises `Forbidden`, `NotThere`, `ConnectorError`.
    """
    from connector.inbound.rabbitmq import redrive as rabbitmq

    by.demand(What.REDRIVE)
    if source not in queued(settings):
        raise NotThere(phrase("No source with a queue is called so."))
    number = rabbitmq.redrive(settings, source, most=most)
    if number:
        record(database, by.act(What.REDRIVE, about=source, number=number))
    return number
