"""All phones of the people of a route with ``once_per``, as keyed hashes: the first one stands on the delivery itself.

Queries only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from sqlalchemy import Connection, and_, delete, func, or_, select, update

from connector.core.reasons import Code, Reason
from connector.core.states import DeliveryState
from connector.store import reasons
from connector.store.arrivals import NewDelivery
from connector.store.database import insert_rows
from connector.store.tables import deliveries, once_keys

_deliveries = deliveries.c
_keys = once_keys.c


def add(conn: Connection, added: Iterable[tuple[int, NewDelivery]]) -> None:
    """Adds the keys of deliveries that were just added, by their ids."""
    rows = [{"hash": key, "delivery": number} for number, new in added for key in new.once_more]
    if rows:
        insert_rows(conn, once_keys, rows)


def add_of_events(conn: Connection, stored: Iterable[tuple[int, Sequence[NewDelivery]]]) -> None:
    """The same where the ids of the deliveries are not known, but those of their events."""
    by_name = {(event, new.route): new for event, some in stored for new in some if new.once_more}
    if not by_name:
        return
    query = select(_deliveries.id, _deliveries.event, _deliveries.route)
    rows = conn.execute(query.where(_deliveries.event.in_({event for event, _ in by_name})))
    add(conn, [(row.id, by_name[row.event, row.route]) for row in rows if (row.event, row.route) in by_name])


def replace(conn: Connection, delivery: int, new: NewDelivery) -> None:
    """Replaces the keys of a delivery that is sent again."""
    conn.execute(delete(once_keys).where(_keys.delivery == delivery))
    add(conn, [(delivery, new)])


def drop(conn: Connection, numbers: Collection[int]) -> None:
    """Deletes the keys of deliveries that are deleted."""
    conn.execute(delete(once_keys).where(_keys.delivery.in_(numbers)))


def of(conn: Connection, numbers: Collection[int]) -> dict[int, set[str]]:
    """Every key of these deliveries, the first ones among them."""
    found: dict[int, set[str]] = {}
    first = select(_deliveries.id, _deliveries.once_key).where(_deliveries.once_key.is_not(None))
    more = select(_keys.delivery, _keys.hash)
    for query in (first.where(_deliveries.id.in_(numbers)), more.where(_keys.delivery.in_(numbers))):
        for number, key in conn.execute(query):
            found.setdefault(number, set()).add(key)
    return found


def copies_of(conn: Connection, numbers: Collection[int], now: int) -> list[int]:
    """Deliveries that ``once_per`` ended and that share a phone with these, if any of them has several phones."""
    keys = {key for some in of(conn, numbers).values() for key in some}
    among = or_(_keys.hash.in_(keys), _keys.delivery.in_(numbers))
    if conn.execute(select(_keys.delivery).where(among).limit(1)).first() is None:
        return []
    alike = or_(_deliveries.once_key.in_(keys), _deliveries.id.in_(select(_keys.delivery).where(_keys.hash.in_(keys))))
    return list(conn.execute(select(_deliveries.id).where(alike, IS_COPY, _deliveries.expires_at > now)).scalars())


#: Copies that may replace their original delivery.
IS_COPY: Final = and_(_deliveries.state == DeliveryState.SUPPRESSED, _deliveries.reason_code == Code.ONCE)


def revive_copies(conn: Connection, dead: Collection[int], now: int) -> int:
    """For every delivery that died or expired, the latest copy that ``once_per`` suppressed takes its place.

    By each of its person's phones: two who share none with each other may both have been copies of it.
    """
    chosen: set[int] = set()
    for keys in of(conn, dead).values():
        for key in keys:
            more = select(_keys.delivery).where(_keys.hash == key)
            which = or_(_deliveries.once_key == key, _deliveries.id.in_(more))
            copies = select(func.max(_deliveries.id)).where(which, IS_COPY, _deliveries.expires_at > now)
            chosen |= {number for number in conn.execute(copies).scalars() if number is not None}
    # Checked again on the row itself: the copy may be forgotten at this moment, and its code would show it.
    freed = reasons.columns(Reason(Code.COPY_FREED))
    values = {"state": DeliveryState.PENDING, "due_at": now, "updated_at": now, **freed}
    statement = update(deliveries).where(_deliveries.id.in_(chosen), _deliveries.reason_code == Code.ONCE)
    return conn.execute(statement.values(values)).rowcount if chosen else 0
