"""A refusal that arrives as an event: its person is on the suppression list once the event is stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import orjson
from sqlalchemy import Connection, and_, select, update

from connector.core.reasons import Code, Reason
from connector.store import reasons, suppression_list
from connector.store.arrivals import NewDelivery, Refused
from connector.store.suppression_list import Entry
from connector.store.tables import deliveries, records

_delivery = deliveries.c
_record = records.c


def apply(conn: Connection, new: Iterable[tuple[int, Sequence[NewDelivery]]], key: bytes) -> None:
    """Puts the people of these new deliveries (event's row id first) on the list, in the transaction that stores them.

    Of a "no" and a consent the later one by its own time holds, in whichever order they arrive. Raises
    `ConnectorError` where the list was made with another key.
    """
    refusing = [(event, one) for event, some in new for one in some if one.refused]
    if not refusing:
        return
    suppression_list.keep_key(conn, key)
    for event, one in refusing:
        fresh = [refused for refused in one.refused if not _overtaken(conn, refused)]
        suppression_list.add(conn, [Entry(o.hash, o.hint, o.reason, o.since, o.channels) for o in fresh])
        if not fresh:
            condition = and_(_delivery.event == event, _delivery.route == one.route)
            conn.execute(update(deliveries).where(condition).values(reasons.columns(Reason(Code.REFUSAL_OVERTAKEN))))


def _overtaken(conn: Connection, refused: Refused) -> bool:
    """Whether the same person gave a consent after this refusal."""
    query = select(_record.consent).where(_record.contact == refused.hash, _record.consent.is_not(None))
    consents = [orjson.loads(text) for text in conn.execute(query).scalars()]
    return any(one.get("of", True) and one.get("at", 0) > refused.since for one in consents)
