"""Whether the calls of a day will last."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, select

from connector.core import pacing
from connector.core.times import HOUR_MS, iso
from connector.outbound.budget import Room
from connector.store import attempts as attempt_rows
from connector.store.tables import attempts

_attempt = attempts.c


def forecast(conn: Connection, room: Room) -> dict[str, Any]:
    """Our calls of the last hour, and when the rest is used up at that pace; None: not within a day."""
    hourly = calls_of_last_hour(conn, room)
    return {"calls_last_hour": hourly, "lasts_until": iso(_lasts_until(conn, room, hourly))}


def calls_of_last_hour(conn: Connection, room: Room) -> int:
    ours = select(func.count()).where(_attempt.account == room.account.name, _attempt.ended_at > room.now - HOUR_MS)
    return int(conn.execute(ours).scalar_one())


def _lasts_until(conn: Connection, room: Room, hourly: int) -> int | None:
    """The calls that are left, and those that become free within a day, spent at an even pace."""
    if not hourly:
        return None
    spent = hourly * pacing.STEP_MS / HOUR_MS
    frees = attempt_rows.frees(conn, room.account.name, room.now, step_ms=pacing.STEP_MS, steps=pacing.STEPS)
    left = float(room.left)
    for step, freed in enumerate(frees):
        if left < spent - freed:
            return room.now + step * pacing.STEP_MS + int(pacing.STEP_MS * left / (spent - freed))
        left += freed - spent
    return None


def lasts_until(conn: Connection, room: Room) -> int | None:
    """When the calls of an account are used up at the pace of the last hour (unix ms); None: not within a day."""
    return _lasts_until(conn, room, calls_of_last_hour(conn, room))
