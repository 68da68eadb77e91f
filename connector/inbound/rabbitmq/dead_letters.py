"""How many messages lie in the dead-letter queues of the sources."""

from __future__ import annotations

import contextlib
from typing import Final

from pika import exceptions

from connector.core.errors import ConnectorError
from connector.core.settings import Settings
from connector.inbound.rabbitmq.connection import connect

PATIENCE_S: Final = 5.0


def counted(settings: Settings, *, timeout_s: float = PATIENCE_S) -> dict[str, int] | None:
    """Source -> messages; a queue that is not there holds none. None: the broker does not answer."""
    queued = [source for source in settings.sources.values() if source.queue]
    if not queued:
        return {}
    found: dict[str, int] = {}
    try:
        with contextlib.closing(connect(settings.amqp_url, timeout_s=timeout_s)) as connection:
            for source in queued:
                channel = connection.channel()
                try:
                    answer = channel.queue_declare(f"{source.queue}.dead", passive=True)
                except exceptions.ChannelClosedByBroker:
                    continue  # not there, or not ours to look at; the channel is gone with it
                found[source.name] = int(answer.method.message_count)
                channel.close()
    except (ConnectorError, exceptions.AMQPError, OSError):
        return None
    return found
