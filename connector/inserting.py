"""Storing on Postgres: events, deliveries and records in one statement, as each way to the server and back costs.

Rows travel as JSON, which the server reads letter by letter; their long texts travel beside it, in one piece.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Final

import orjson
from sqlalchemy import Connection

from connector import waiting
from connector.db import CHANNEL, as_json, columns_of, without_nul
from connector.tables import deliveries, events, records

if TYPE_CHECKING:
    from connector.inbox import Arrival
    from connector.outbox import NewDelivery

Key = tuple[str, str]


def insert(conn: Connection, arrivals: Mapping[Key, Arrival], fact: str) -> tuple[int, str | None, dict[Key, int]]:
    """Stores what is new of ``arrivals`` (one at least), and wakes whoever delivers.

    Returns the time, the value of a `facts` row (None: it is not there), and the row ids of the new events.
    """
    texts = _Texts()
    given = {
        "events": as_json([_event(arrival, texts) for arrival in arrivals.values()]),
        "deliveries": as_json(
            [_delivery(key, new, texts) for key, arrival in arrivals.items() for new in _one_a_route(arrival)]
        ),
        "texts": texts.joined(),
        "fact": fact,
    }
    found = conn.exec_driver_sql(_statement(), given).all()
    fresh = {(source, key): row_id for row_id, source, key, *_ in found if row_id is not None}
    return found[0].now, found[0].fact, fresh


class _Texts:
    """Long texts, one after the other, and where each of them stands (in bytes, from 1 on)."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._next = 1

    def put(self, text: str) -> tuple[int, int]:
        """Where it begins, and its length."""
        piece = without_nul(text).encode()
        self._pieces.append(piece)
        begins, self._next = self._next, self._next + len(piece)
        return begins, len(piece)

    def joined(self) -> bytes:
        return b"".join(self._pieces)


def _text(name: str) -> str:
    """How the statement reads what `_Texts.put` was given."""
    return f"convert_from(substring(%(texts)s::bytea FROM {name}_at FOR {name}_size), 'UTF8')"


def _event(arrival: Arrival, texts: _Texts) -> dict[str, Any]:
    begins, size = texts.put(arrival.payload)
    row: dict[str, Any] = {
        "source": arrival.source,
        "event_id": arrival.event_id,
        "type": arrival.type,
        "state": arrival.state,
        "content_type": arrival.content_type,
        "occurred_at": arrival.occurred_at,
        "fingerprint": arrival.fingerprint,
        "payload_at": begins,
        "payload_size": size,
    }
    if arrival.errors:
        row["errors"] = orjson.dumps(arrival.errors).decode()
    if arrival.notes:
        row["notes"] = orjson.dumps(arrival.notes).decode()
    if arrival.account:
        row["account"], row["due_in"] = arrival.account, waiting.due(0, behind=arrival.behind)
    return row


def _one_a_route(arrival: Arrival) -> Collection[NewDelivery]:
    new = arrival.deliveries
    return new if len(new) < 2 else {one.route: one for one in new}.values()


def _delivery(event: Key, new: NewDelivery, texts: _Texts) -> dict[str, Any]:
    begins, size = texts.put(new.record)
    row: dict[str, Any] = {
        "of_source": event[0],
        "of_key": event[1],
        "route": new.route,
        "account": new.account,
        "destination": new.destination,
        "state": new.state,
        "lane": new.lane,
        "expires_at": new.expires_at,
        "record_at": begins,
        "record_size": size,
    }
    if new.once_key:
        row["once_key"] = new.once_key
    if new.reason:
        row["reason"] = new.reason
    if new.contact:
        row["contact"] = new.contact
    if new.contacts:
        row["contacts"] = new.contacts
    if new.notes:
        row["notes"] = orjson.dumps(new.notes).decode()
    if new.after:
        row["after"] = new.after
    return row


_EVENT: Final = ("source", "event_id", "type", "state", "content_type", "occurred_at", "fingerprint", "errors", "notes")
_DELIVERY: Final = ("route", "account", "destination", "state", "lane", "expires_at", "once_key", "reason")
_RECORD: Final = ("contact", "contacts", "notes", "after")


@functools.cache
def _statement() -> str:
    event, delivery, record = (", ".join(names) for names in (_EVENT, _DELIVERY, _RECORD))
    return f"""
    WITH clock AS MATERIALIZED (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now),
    fresh AS (
      INSERT INTO events ({event}, key, payload, account, due_at, received_at)
      SELECT {event}, event_id, {_text("payload")}, account, now + due_in, now
      FROM clock, json_to_recordset(%(events)s::json) AS given (
        {columns_of(events, (*_EVENT, "account"))}, due_in bigint, payload_at integer, payload_size integer)
      ON CONFLICT DO NOTHING RETURNING id, source, key
    ), wanted AS MATERIALIZED (
      SELECT given.*, fresh.id AS of_event,
        nextval((SELECT pg_get_serial_sequence('deliveries', 'id')::regclass)) AS of_delivery
      FROM json_to_recordset(%(deliveries)s::json) AS given (of_source text, of_key text,
        {columns_of(deliveries, _DELIVERY)}, {columns_of(records, _RECORD)}, record_at integer, record_size integer)
      JOIN fresh ON fresh.source = given.of_source AND fresh.key = given.of_key
    ), added AS (
      INSERT INTO deliveries (id, event, {delivery}, attempts, due_at, created_at, updated_at)
      SELECT of_delivery, of_event, {delivery}, '', CASE WHEN after IS NULL THEN now ELSE expires_at END, now, now
      FROM wanted, clock
      RETURNING id
    ), kept AS (
      INSERT INTO records (delivery, {record}, record)
      SELECT of_delivery, {record}, {_text("record")} FROM wanted
    )
    SELECT fresh.id, fresh.source, fresh.key, now, (SELECT value FROM facts WHERE name = %(fact)s) AS fact,
      (SELECT pg_notify('{CHANNEL}', '') FROM added LIMIT 1)
    FROM clock LEFT JOIN fresh ON true
    """
