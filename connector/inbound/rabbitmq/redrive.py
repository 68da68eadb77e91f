"""Moves dead-lettered messages back to their queue."""

from __future__ import annotations

import contextlib

import pika
from pika import exceptions

from connector.core.errors import ConnectorError
from connector.core.phrases import phrase
from connector.core.settings import Settings, Source
from connector.inbound.rabbitmq.connection import connect, words_of


def redrive(settings: Settings, source: str, *, most: int | None = None) -> int:
    """Moves dead-lettered messages back to the source's queue; returns how many. Raises `ConnectorError`.

    ``most``: no more than so many. Each is removed only once the broker has confirmed its copy. Messages that are
    dead-lettered meanwhile stay.
    """
    known = settings.sources.get(source)
    if known is None or not known.queue:
        raise ConnectorError(phrase("{source} is no source with a queue", source=source))
    try:
        with contextlib.closing(connect(settings.amqp_url)) as connection:
            return _moved(connection, known, most)
    except exceptions.ChannelClosedByBroker as fault:
        raise ConnectorError(
            phrase("nothing to redrive from {queue}.dead: {why}", queue=known.queue, why=words_of(fault))
        ) from fault
    except (exceptions.AMQPError, OSError) as fault:
        raise ConnectorError(
            phrase("the broker cannot be used: {why}: run it again, none is lost", why=words_of(fault))
        ) from fault


def _moved(connection: pika.BlockingConnection, source: Source, most: int | None) -> int:
    channel = connection.channel()
    channel.confirm_delivery()
    dead = f"{source.queue}.dead"
    waiting = channel.queue_declare(dead, passive=True).method.message_count
    waiting = waiting if most is None else min(waiting, most)
    for moved in range(waiting):
        method, properties, body = channel.basic_get(dead)
        if method is None:
            return moved
        if properties.user_id is not None:  # the broker refuses a message that is signed by another user
            properties.user_id, properties.as_sent = None, b""
        try:
            channel.basic_publish("", source.queue, body, properties, mandatory=True)
        except (exceptions.UnroutableError, exceptions.NackError) as fault:
            raise ConnectorError(
                phrase(
                    "{queue} does not take messages: {moved} were moved, the others stay in {dead}",
                    queue=source.queue,
                    moved=moved,
                    dead=dead,
                )
            ) from fault
        channel.basic_ack(method.delivery_tag)
    return int(waiting)
