"""One event of the inbox, as today's mappings and routes read it. Nothing is stored or sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import select

from connector.admin.identifiers import own_id
from connector.core.errors import ConnectorError, Unreadable, UnsupportedType
from connector.core.payload import Payload
from connector.core.phrases import phrase
from connector.core.settings import Settings, Source
from connector.core.text import did_you_mean, quote, the_configuration_has
from connector.inbound.receiver import Receiver
from connector.inbound.stored import payload_of
from connector.store.database import Database
from connector.store.tables import events
from mappings import PAYLOADS
from mappings.base import Ignored, Invalid
from mappings.events import Event, Thin


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A payload of the inbox, and its fetched parts."""

    number: int
    source: Source
    payload: Payload
    fetched: Mapping[str, Any] | None  #: None: nothing was fetched
    received_at: int  #: unix ms

    def read(self, receiver: Receiver) -> Event | Thin | Invalid | Ignored:
        """The event, as far as it is known, or why there is none."""
        try:
            event = receiver.read(self.source, self.payload.body)
            if isinstance(event, Thin) and self.fetched is not None:
                return receiver.read(self.source, self.payload.body, self.fetched)
        except (Invalid, Ignored) as verdict:
            return verdict
        return event


def stored_event(settings: Settings, database: Database, text: str, source: str = "") -> StoredEvent:
    """The stored event of "e45"; ``source``: read as if that source had sent it. Raises `ConnectorError`."""
    with database.read() as conn:
        number = own_id(conn, text, "e")
        row = conn.execute(select(events).where(events.c.id == number)).first() if number is not None else None
    if row is None:
        raise ConnectorError(
            phrase("there is no event {text} here: write one as `connector explain` does, e45", text=quote(text))
        )
    if row.forgotten_at is not None:
        raise ConnectorError(phrase("e{id} was forgotten: nothing is left to read", id=row.id))
    configured = source_named(settings, source or row.source)
    try:
        payload = payload_of(row.payload, row.content_type, row.event_id, as_sent=is_plain(configured))
    except (Unreadable, UnsupportedType) as fault:
        raise ConnectorError(phrase("e{id} cannot be read: {fault}", id=row.id, fault=str(fault))) from fault
    fetched = orjson.loads(row.fetched) if row.fetched else None
    return StoredEvent(row.id, configured, payload, fetched, row.received_at)


def is_plain(source: Source) -> bool:
    """Whether a source's bodies are read as they were sent."""
    return PAYLOADS[source.mapping].sender.decode == "plain"


def source_named(settings: Settings, name: str) -> Source:
    """A source of the configuration. Raises `ConnectorError`."""
    if name not in settings.sources:
        hint = did_you_mean(name, settings.sources) or the_configuration_has(settings.sources)
        raise ConnectorError(phrase("no source is called {name}{hint}", name=quote(name), hint=hint))
    return settings.sources[name]
