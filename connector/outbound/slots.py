"""Slots of an account for questions: never all of them, and never the last one while a live delivery is due.

A question is every call that sends nothing: a probe, a pre-check, a fetch, a report, a poll. If a vendor does not
answer one, it keeps its slot for as long as a call may last; deliveries must leave meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection

from connector.outbound.budget import Room
from connector.store import attempts, outbox
from connector.store.lanes import LIVE_LANES


def free(room: Room) -> int:
    """How many calls may begin now, by the limit of concurrent calls alone."""
    return max(0, room.allowed.in_flight - room.in_flight.calls)


def leaves_one(conn: Connection, room: Room) -> bool:
    """Whether one more question leaves a slot without a question. A vendor that takes one call has one slot for all."""
    if free(room) > 1 or room.allowed.in_flight == 1:
        return True
    return attempts.questions_in_flight(conn, room.account.name, room.now) + 1 < room.allowed.in_flight


def live_is_due(conn: Connection, names: Collection[str], now: int) -> bool:
    """Whether a live delivery to one of these destinations could be sent now."""
    return bool(names) and outbox.soonest_due(conn, list(names), now, LIVE_LANES) == now
