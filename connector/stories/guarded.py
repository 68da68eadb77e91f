"""What guards keep back: what they hold now, whom they ended lately, and which of them a route has."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, func, select, text

from connector import do_not_contact, outbox, settle
from connector.guards import HELD
from connector.settings import Route
from connector.stories.words import iso
from connector.tables import deliveries

DAY_MS: Final = 24 * 3600 * 1000
COUNTED: Final = 100_000  #: of those ended in a day, the newest

_d = deliveries.c
_SUPPRESSED: Final = text("state IN ('uncertain', 'suppressed', 'dead') AND state = 'suppressed'")

#: How reasons begin -> the guard, as status and the configuration call it.
GUARDS: Final = {
    "expired": "expires_after",
    do_not_contact.REFUSED: "do_not_contact",
    outbox.ONCE: "once_per",
    settle.TOO_SOON: "ninety_day_rule",
}


def held(conn: Connection, now: int) -> dict[str, dict[str, Any]]:
    """By destination, how many wait for their contact hours, and until when at the earliest."""
    waits = (outbox.IS_PENDING, _d.due_at > now, _d.reason.startswith(HELD))
    query = select(_d.destination, func.count(), func.min(_d.due_at)).where(*waits).group_by(_d.destination)
    return {name: {"held": number, "held_until": iso(first)} for name, number, first in conn.execute(query)}


def ended(conn: Connection, now: int) -> dict[str, int]:
    """By guard, how many deliveries it ended in the last 24 hours."""
    lately = select(_d.reason).where(_SUPPRESSED, _d.updated_at > now - DAY_MS)
    newest = lately.order_by(_d.updated_at.desc()).limit(COUNTED).subquery()
    found = dict.fromkeys(GUARDS.values(), 0)
    for begins, guard in GUARDS.items():
        mine = select(func.count()).select_from(newest).where(newest.c.reason.startswith(begins))
        found[guard] = int(conn.execute(mine).scalar_one())
    return found


def of_route(route: Route) -> list[str]:
    """What is looked at, in words, whenever one of the route's deliveries is about to be sent."""
    found = [f"expires_after: not later than {route.expires_after_s / 3600:g} h after its event"]
    if route.contact_hours is not None:
        found.append(f"contact_hours: {route.contact_hours.in_words()}")
    if route.once_per is not None:
        found.append(f"once_per: one for each {route.once_per.key} within {route.once_per.within_s / 3600:g} h")
    if route.options.get("ninety_day_rule"):
        found.append("ninety_day_rule: Tracksale is asked first whether the customer was surveyed lately")
    return found
