"""Guard status: deliveries held now, deliveries ended in the last 24 hours, and the guards of each route."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, func, select

from connector.core.settings import Route
from connector.core.times import DAY_MS, iso
from connector.outbound.guards import GUARDS
from connector.outbound.guards.base import Guard
from connector.store.lanes import UNREAD_LANES
from connector.store.tables import IS_PENDING, IS_SUPPRESSED, deliveries

COUNTED: Final = 100_000  #: of those ended in a day, the newest

_delivery = deliveries.c


def held(conn: Connection, now: int) -> dict[str, dict[str, Any]]:
    """By destination, how many deliveries guards hold until a time, and the earliest of these times."""
    waits = (
        IS_PENDING,
        _delivery.due_at > now,
        _delivery.lane.not_in(UNREAD_LANES),
        _delivery.reason_code.in_([code for guard in GUARDS for code in guard.holds]),
    )
    query = (
        select(_delivery.destination, func.count(), func.min(_delivery.due_at))
        .where(*waits)
        .group_by(_delivery.destination)
    )
    return {name: {"held": number, "held_until": iso(first)} for name, number, first in conn.execute(query)}


def ended(conn: Connection, now: int) -> dict[str, int]:
    """By guard, how many deliveries it ended in the last 24 hours."""
    lately = select(_delivery.reason_code).where(IS_SUPPRESSED, _delivery.updated_at > now - DAY_MS)
    newest = lately.order_by(_delivery.updated_at.desc()).limit(COUNTED).subquery()
    counted = select(newest.c.reason_code, func.count()).group_by(newest.c.reason_code)
    by_code = {code: int(number) for code, number in conn.execute(counted)}
    return {guard.option: sum(by_code.get(code, 0) for code in guard.ends) for guard in GUARDS if guard.ends}


def that_ended(code: str | None) -> Guard | None:
    """The guard that ends deliveries with this code."""
    return next((guard for guard in GUARDS if code in guard.ends), None)


def of_route(route: Route) -> list[str]:
    """The rules that apply to the route's deliveries at each claim, as sentences."""
    return [text for guard in GUARDS if (text := guard.text(route))]
