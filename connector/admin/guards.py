"""Guard status: deliveries held now, deliveries ended in the last 24 hours, and the guards of each route."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def held(conn: Connection, lanes: Mapping[str, Sequence[int]], now: int) -> dict[str, dict[str, Any]]:
    """Destination -> the number of deliveries that guards hold until a time, and the earliest of these times.

    ``lanes``: of each destination, those in which something waits. Each is looked at from now on, along the index.
    """
    found: dict[str, dict[str, Any]] = {}
    codes = [code for guard in GUARDS for code in guard.holds]
    for name, some in lanes.items():
        number, first = 0, None
        for lane in some:
            if lane not in UNREAD_LANES:
                conditions = (_delivery.destination == name, _delivery.lane == lane, _delivery.due_at > now)
                waits = select(func.count(), func.min(_delivery.due_at)).where(IS_PENDING, *conditions)
                more, soonest = conn.execute(waits.where(_delivery.reason_code.in_(codes))).one()
                number += more
                first = min(filter(None, (first, soonest)), default=None)
        if number:
            found[name] = {"held": number, "held_until": iso(first)}
    return found


def ended(conn: Connection, now: int) -> dict[str, int]:
    """Guard -> the number of deliveries that it ended in the last 24 hours."""
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
