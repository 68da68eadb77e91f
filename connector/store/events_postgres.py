"""Storing on Postgres: events, deliveries and records in one statement, because each round trip costs time.

Rows travel as JSON, which the server parses character by character; their long texts travel beside it, as one value.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from typing import Final

from sqlalchemy import Connection

from connector.core import at_rest
from connector.store import new_rows
from connector.store.arrivals import Arrival, NewDelivery
from connector.store.database import CHANNEL, as_json, columns_of
from connector.store.encrypted_column import place_of, sealed, sealed_rows
from connector.store.tables import deliveries, events, records

Key = tuple[str, str]


def insert(conn: Connection, arrivals: Mapping[Key, Arrival], fact: str) -> tuple[int, str | None, dict[Key, int]]:
    """Stores the new ones of ``arrivals`` (one at least), and wakes the workers.

    Returns the time, the value of a `facts` row (None if absent), and the row ids of the new events.
    """
    texts = _Texts()
    parameters = {
        "events": as_json(sealed_rows(events, [_event(arrival, texts) for arrival in arrivals.values()])),
        "deliveries": as_json(
            sealed_rows(
                records,
                [_delivery(key, new, texts) for key, arrival in arrivals.items() for new in _one_a_route(arrival)],
            )
        ),
        "texts": texts.joined(),
        "fact": fact,
    }
    found = conn.exec_driver_sql(_statement(), parameters).all()
    fresh = {(source, key): row_id for row_id, source, key, *_ in found if row_id is not None}
    return found[0].now, found[0].fact, fresh


class _Texts:
    """Long texts, one after the other, and where each of them stands (in bytes, from 1 on)."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._next = 1
        self._seals = bool(at_rest.newest())

    def put(self, text: str, place: str) -> tuple[int, int]:
        """Adds a text; returns its position and its length. ``place``: its column."""
        piece = (sealed(text, place) if self._seals or "\0" in text else text).encode()
        self._pieces.append(piece)
        begins, size = self._next, len(piece)
        self._next += size
        return begins, size

    def joined(self) -> bytes:
        return b"".join(self._pieces)


def _text(name: str) -> str:
    """How the statement reads what `_Texts.put` was given."""
    return f"convert_from(substring(%(texts)s::bytea FROM {name}_at FOR {name}_size), 'UTF8')"


def _event(arrival: Arrival, texts: _Texts) -> new_rows.Row:
    row = new_rows.event(arrival)
    row["payload_at"], row["payload_size"] = texts.put(row.pop("payload"), _PAYLOAD)
    if arrival.account:
        row["due_in"] = new_rows.due_in(arrival)
    return row


def _one_a_route(arrival: Arrival) -> Collection[NewDelivery]:
    new = arrival.deliveries
    return new if len(new) < 2 else {one.route: one for one in new}.values()


def _delivery(event: Key, new: NewDelivery, texts: _Texts) -> new_rows.Row:
    row = new_rows.delivery(new)
    record = new_rows.record(new)
    row["of_source"], row["of_key"] = event
    row["record_at"], row["record_size"] = texts.put(record.pop("record"), _RECORD)
    return row | record


_PAYLOAD: Final = place_of(events.c.payload)
_RECORD: Final = place_of(records.c.record)


@functools.cache
def _statement() -> str:
    event = [name for name in new_rows.EVENT if name != "payload"]
    record = [name for name in new_rows.RECORD if name != "record"]
    of_event, of_delivery, of_record = (", ".join(names) for names in (event, new_rows.DELIVERY, record))
    return f"""
    WITH clock AS MATERIALIZED (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now),
    fresh AS (
      INSERT INTO events ({of_event}, payload, {", ".join(new_rows.EVENT_BY_CLOCK)})
      SELECT {of_event}, {_text("payload")}, {", ".join(new_rows.EVENT_BY_CLOCK.values())}
      FROM clock, json_to_recordset(%(events)s::json) AS given (
        {columns_of(events, event)}, due_in bigint, payload_at integer, payload_size integer)
      ON CONFLICT DO NOTHING RETURNING id, source, key
    ), wanted AS MATERIALIZED (
      SELECT given.*, fresh.id AS of_event,
        nextval((SELECT pg_get_serial_sequence('deliveries', 'id')::regclass)) AS of_delivery
      FROM json_to_recordset(%(deliveries)s::json) AS given (of_source text, of_key text,
        {columns_of(deliveries, new_rows.DELIVERY)},
        {columns_of(records, record)}, record_at integer, record_size integer)
      JOIN fresh ON fresh.source = given.of_source AND fresh.key = given.of_key
    ), added AS (
      INSERT INTO deliveries (id, event, {of_delivery}, {", ".join(new_rows.DELIVERY_BY_CLOCK)})
      SELECT of_delivery, of_event, {of_delivery}, {", ".join(new_rows.DELIVERY_BY_CLOCK.values())}
      FROM wanted, clock
      RETURNING id
    ), kept AS (
      INSERT INTO records (delivery, {of_record}, record)
      SELECT of_delivery, {of_record}, {_text("record")} FROM wanted
    )
    SELECT fresh.id, fresh.source, fresh.key, now, (SELECT value FROM facts WHERE name = %(fact)s) AS fact,
      (SELECT pg_notify('{CHANNEL}', '') FROM added LIMIT 1)
    FROM clock LEFT JOIN fresh ON true
    """
