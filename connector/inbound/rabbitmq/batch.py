"""The messages received from one queue at one time."""

from __future__ import annotations

from dataclasses import dataclass

from pika import spec
from pika.adapters.blocking_connection import BlockingChannel

from connector.core.settings import Source
from connector.store.arrivals import Arrival, Stored

Message = tuple[int, spec.BasicProperties, bytes]


@dataclass(slots=True, eq=False)
class Batch:
    """The messages received from one queue at one time, mapped."""

    source: Source
    channel: BlockingChannel
    last_tag: int
    arrivals: list[Arrival]
    stored: list[Stored] | None = None  #: set once it is durable
    given_up: bool = False  #: stopping, and the database is away: the broker has it back

    @property
    def redelivered(self) -> bool:
        """Its channel is gone: the broker sends it again."""
        return not self.channel.is_open
