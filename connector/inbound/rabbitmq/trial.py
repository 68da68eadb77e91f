"""Tries each queue as the consumer will use it, without consuming a message."""

from __future__ import annotations

import contextlib

from pika import exceptions

from connector.core.errors import ConnectorError
from connector.core.settings import Settings
from connector.inbound.rabbitmq.connection import connect, words_of
from connector.inbound.rabbitmq.queue import trial


def queues_refused(settings: Settings) -> dict[str, str]:
    """Source -> why its queue cannot be consumed and what to do; "" for those that can."""
    found: dict[str, str] = {}
    for source in settings.sources.values():
        if source.queue:
            try:
                with contextlib.closing(connect(settings.amqp_url, timeout_s=5)) as connection:
                    found[source.name] = trial(connection, source)
            except (ConnectorError, exceptions.AMQPError, OSError) as fault:
                found[source.name] = f"it cannot be tried: {words_of(fault)}"
    return found
