"""Contact hours of routes: nobody is contacted outside them; due deliveries are held until they begin."""

from __future__ import annotations

from typing import ClassVar, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, and_, select, update

from connector.core import contact_hours
from connector.core.phrases import phrase
from connector.core.reasons import Code, Reason
from connector.core.settings import ContactHours, Route
from connector.outbound.guards.base import Guard, Members
from connector.store import outbox, reasons
from connector.store.tables import IS_PENDING, deliveries
from connector.vendors.base import Destination

_delivery = deliveries.c

HELD_AT_ONCE: Final = 5000

Closed = dict[str, tuple[int, Reason]]  #: routes that are closed now: until when (unix ms), and why


def closed(destination: Destination, now: int) -> Closed:
    """The destination's routes that are closed now.

    The time of the contact counts: a survey that leaves two hours after the call may be sent before the hours begin,
    and not in their last two.
    """
    if destination.plan is not None:  # then each place has hours of its own: see `place_hours`
        return {}
    later: int = destination.later_ms
    found: Closed = {}
    for route in destination.routes.values():
        if route.contact_hours is None:
            continue
        zone = route.contact_hours.zone or destination.locale.timezone
        opens = contact_hours.opening(route.contact_hours, zone, now + later)
        if opens is not None:
            found[route.name] = opens - later, _reason(route.contact_hours, zone, opens - later)
    return found


def _reason(hours: ContactHours, zone: ZoneInfo, until: int) -> Reason:
    return Reason(Code.HOURS_HELD, {"until": contact_hours.local_time(until, zone), "hours": hours.name})


class ContactHoursGuard(Guard):
    """``contact_hours`` of a route."""

    option = "contact_hours"
    holds: ClassVar[tuple[Code, ...]] = (Code.HOURS_HELD,)

    def apply(self, members: Members) -> tuple[list[int], int]:
        routes = closed(members.destination, members.now)
        return [], sum(members.hold(_delivery.route == name, *until) for name, until in routes.items())

    def hold_head(self, conn: Connection, destination: Destination, lane: int, now: int) -> int:
        """Holds the head, so that a hundred thousand deliveries that wait for the morning cost later claims nothing.

        Only the head is read, because the backlog of an open route may lie behind it; `apply` holds deliveries that are
        claimed from there.
        """
        routes = closed(destination, now)
        if not routes:
            return 0
        head = select(_delivery.id, _delivery.route).where(
            outbox.pending(destination.name, lane), _delivery.due_at <= now
        )
        first = head.order_by(_delivery.due_at, _delivery.id).limit(HELD_AT_ONCE).subquery()
        held = 0
        for name, (until, reason) in routes.items():
            some = select(first.c.id).where(first.c.route == name).scalar_subquery()
            values = {"due_at": until, **reasons.columns(reason), "updated_at": now}
            held += conn.execute(update(deliveries).where(_delivery.id.in_(some)).values(values)).rowcount
        return held

    def follow(self, conn: Connection, destination: Destination, route: Route, now: int) -> None:
        """Applies the current contact hours to the route's held deliveries: another time, or none."""
        if destination.plan is not None:
            return
        until, reason = closed(destination, now).get(route.name, (now, None))
        held = and_(IS_PENDING, _delivery.route == route.name, _delivery.reason_code == Code.HOURS_HELD)
        held = and_(held, _delivery.due_at > now, _delivery.due_at != until)
        conn.execute(update(deliveries).where(held).values({"due_at": until, **reasons.columns(reason)}))

    def text(self, route: Route) -> str:
        if route.contact_hours is None:
            return ""
        return phrase("contact_hours: {hours}", hours=route.contact_hours.in_words())
