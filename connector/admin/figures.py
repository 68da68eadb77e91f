"""Figures that only monitoring needs: calls left of a vendor's day, how long deliveries are uncertain."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from connector.core.settings import Settings
from connector.core.states import AccountState
from connector.outbound import budget
from connector.store import accounts
from connector.store.accounts import AccountStanding
from connector.store.tables import IS_UNCERTAIN, deliveries

_delivery = deliveries.c


@dataclass(frozen=True, slots=True)
class DayOfCalls:
    """The calls that an account has within a day, others' included."""

    account: str
    used: int
    left: int


def days_of_calls(conn: Connection, settings: Settings, now: int) -> list[DayOfCalls]:
    """The calls of a day, for accounts with a vendor that counts them."""
    known = {stand.name: stand for stand in accounts.all_accounts(conn)}
    found = []
    for name, account in settings.accounts.items():
        stand = known.get(name) or AccountStanding(name, AccountState.OPEN, None, now, 0, None, 0, 0)
        room = budget.read_room(conn, account, stand, now)
        if room.allowed.paced:
            found.append(DayOfCalls(name, room.windows[0].calls, room.left))
    return found


def uncertain_s(conn: Connection, now: int) -> dict[str, float]:
    """Destination -> the seconds for which its oldest uncertain delivery has been uncertain."""
    oldest = func.min(_delivery.updated_at)
    query = select(_delivery.destination, oldest).where(IS_UNCERTAIN).group_by(_delivery.destination)
    return {name: max(0, now - since) / 1000 for name, since in conn.execute(query)}
