"""Asks a registry that cannot be downloaded about the people who wait for it. Unverified against the real one.

The CRC's registry of excluded numbers (RNE, Colombia) is known from public clients only: a list of values is sent, and
the listed ones come back, each with a map of channels whose meaning is undocumented. So a listed value counts as
excluded from every channel, and an answer that cannot be read counts for nobody: those people go on waiting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import select

from connector.core.errors import ConnectorError
from connector.core.http import Answer, Client, NoAnswer, NotSent
from connector.core.phrases import phrase
from connector.core.reasons import Code
from connector.core.settings import Registry, Settings
from connector.inbound.receiver import Receiver
from connector.inbound.refusing import ways
from connector.inbound.router import Router, hashed
from connector.store import registries
from connector.store.database import Database, announce, now_ms
from connector.store.tables import IS_PENDING, deliveries, events
from connector.vendors import destinations
from mappings.base import Ignored, Invalid
from mappings.events import Thin

BASE_URL: Final = "https://tramitescrcom.gov.co"
PATH: Final = "/excluidosback/consultaMasiva/validarExcluidos"
AT_ONCE: Final = 500  #: values of one call
HOME: Final = "+57"

_delivery = deliveries.c
_stored = events.c


@dataclass(frozen=True, slots=True)
class Asked:
    """The result of asking."""

    asked: int  #: phones and e-mails
    listed: int
    freed: int  #: deliveries that became due


def asked_about(settings: Settings, database: Database, registry: Registry) -> Asked:
    """Asks about all people who wait for the registry. Raises `ConnectorError`; earlier answers stay."""
    if not registry.asked:
        raise ConnectorError(
            phrase("the list {name} is imported, not asked: connector suppress import", name=registry.name)
        )
    people = sorted({way for some in _waiting(settings, database, registry) for way in some})
    listed = number = 0
    with closing(_Crc(registry)) as crc:
        for kind, known in (
            ("TEL", [way for way in people if "@" not in way]),
            ("COR", [w for w in people if "@" in w]),
        ):
            for at in range(0, len(known), AT_ONCE):
                some = known[at : at + AT_ONCE]
                found = crc.found(kind, some)
                answers = [(str(hashed(settings.hash_key, "", way)), way in found) for way in some]
                with database.write(serialise="registries") as conn:
                    registries.answered(conn, registry.name, answers, now_ms(conn))
                listed, number = listed + len(found), number + len(some)
    with database.write() as conn:
        freed = registries.release(conn, registry.name, now_ms(conn))
        announce(conn)
    return Asked(number, listed, freed)


def _waiting(settings: Settings, database: Database, registry: Registry) -> Iterator[list[str]]:
    """The phones and e-mails of each person who waits for the registry, as the sender gave them."""
    receiver = Receiver(settings, Router(settings, destinations.name_of))
    columns = (_stored.source, _stored.payload, _stored.content_type, _stored.event_id, _stored.fetched, _stored.state)
    facts = f'"list":"{registry.name}"'
    waits = (
        IS_PENDING,
        _delivery.reason_code == Code.REGISTRY_UNASKED,
        _delivery.reason_facts.contains(facts, autoescape=True),
    )
    query = select(*columns).join(deliveries, _delivery.event == _stored.id).where(*waits).distinct()
    with database.read() as conn:
        rows = conn.execute(query).all()
    for row in rows:
        if (event := _event(settings, receiver, row)) is not None:
            yield ways(event)


def _event(settings: Settings, receiver: Receiver, row: Any) -> Any:
    from connector.inbound.stored import payload_of

    source = settings.sources.get(row.source)
    if source is None:
        return None
    try:
        body = payload_of(row.payload, row.content_type, row.event_id).body
        event = receiver.read(source, body, orjson.loads(row.fetched) if row.fetched else None)
    except (ConnectorError, Invalid, Ignored):
        return None
    return None if isinstance(event, Thin) else event


class _Crc:
    """The registry's one operation."""

    def __init__(self, registry: Registry) -> None:
        self._url = f"{registry.base_url or BASE_URL}{PATH}"
        self._client = Client({"Authorization": f"Bearer {registry.token.reveal()}"}, timeout_s=60)

    def close(self) -> None:
        self._client.close()

    def found(self, kind: str, ways: Sequence[str]) -> set[str]:
        """Those of these that the registry has. Raises `ConnectorError` when its answer cannot be read."""
        keys = {way.removeprefix(HOME): way for way in ways}
        body = orjson.dumps({"type": kind, "keys": list(keys)})
        try:
            answer = self._client.call("POST", self._url, body=body)
        except (NotSent, NoAnswer) as fault:
            raise ConnectorError(
                phrase("the registry was not asked: {fault}; they go on waiting", fault=str(fault))
            ) from fault
        return {keys[key] for key in _keys_in(answer, keys)}


def _keys_in(answer: Answer, keys: Mapping[str, str]) -> set[str]:
    body = answer.json()
    if answer.status in (401, 403):
        raise ConnectorError(
            phrase("the registry refused the token ({status}): renew it; they go on waiting", status=answer.status)
        )
    if not 200 <= answer.status < 300 or not isinstance(body, list):
        raise ConnectorError(
            phrase("the registry's answer ({status}) cannot be read; they go on waiting", status=answer.status)
        )
    found: set[str] = set()
    for one in body:
        named = {str(value) for value in one.values()} & keys.keys() if isinstance(one, dict) else set()
        if not named:
            raise ConnectorError(
                phrase("the registry's answer names none of the people it was asked about; they go on waiting")
            )
        found |= named
    return found
