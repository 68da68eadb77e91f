"""Whether the calls of a day will last."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, select

from connector.core import pacing
from connector.core.settings import Settings
from connector.core.times import HOUR_MS, iso
from connector.outbound import budget
from connector.outbound.budget import Room
from connector.store import accounts
from connector.store import attempts as attempt_rows
from connector.store.database import Database, now_ms
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
    left = float(room.left)
    for step, freed in enumerate(_frees(conn, room)):
        if left < spent - freed:
            return room.now + step * pacing.STEP_MS + int(pacing.STEP_MS * left / (spent - freed))
        left += freed - spent
    return None


def _frees(conn: Connection, room: Room) -> list[int]:
    """How many calls stop counting in each step of the next 24 hours."""
    return attempt_rows.frees(conn, room.account.name, room.now, step_ms=pacing.STEP_MS, steps=pacing.STEPS)


def ahead(database: Database, settings: Settings) -> list[dict[str, Any]]:
    """The next 24 hours of each account with a day's budget, hour by hour at the pace of the last one.

    "at": the end of the hour; "freed": calls that stop counting in it; "left": what is left then, 0 or more.
    """
    with database.read() as conn:
        now = now_ms(conn)
        stands = {one.name: one for one in accounts.all_accounts(conn) if one.name in settings.accounts}
        rooms = [budget.read_room(conn, settings.accounts[name], stand, now) for name, stand in stands.items()]
        return [
            {"account": room.account.name, "limit": room.budget, "now": room.left, "hours": _hours(conn, room)}
            for room in rooms
            if room.allowed.paced
        ]


def _hours(conn: Connection, room: Room) -> list[dict[str, Any]]:
    spent = calls_of_last_hour(conn, room) * pacing.STEP_MS / HOUR_MS
    frees, each, left = _frees(conn, room), HOUR_MS // pacing.STEP_MS, float(room.left)
    found = []
    for first in range(0, len(frees), each):
        for freed in frees[first : first + each]:
            left = min(float(room.budget), max(0.0, left + freed - spent))
        at = room.now + (first + each) * pacing.STEP_MS
        found.append({"at": iso(at), "freed": sum(frees[first : first + each]), "left": round(left)})
    return found


def lasts_until(conn: Connection, room: Room) -> int | None:
    """When the calls of an account are used up at the pace of the last hour (unix ms); None: not within a day."""
    return _lasts_until(conn, room, calls_of_last_hour(conn, room))
