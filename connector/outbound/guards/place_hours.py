"""Hours of places: nobody is contacted outside the hours of their own place, on any clock they may have."""

from __future__ import annotations

from typing import ClassVar, Final

from sqlalchemy import Connection, Subquery, and_, bindparam, literal_column, select, update

from connector.core.openings import Plan, RoutePlan
from connector.core.reasons import Code, Reason
from connector.core.settings import Route
from connector.outbound.guards.base import Guard, Members
from connector.outbound.guards.people import Decided, People, Until, local, people_of
from connector.store import outbox, reasons
from connector.store.contacts import Member
from connector.store.prepared import Prepared
from connector.store.tables import IS_PENDING, deliveries
from connector.vendors.base import Destination

_delivery = deliveries.c

HELD_AT_ONCE: Final = 5000


def closed(plan: Plan, route: RoutePlan, place: str | None, purpose: str, now: int, later_ms: int) -> Until | None:
    """Until when a place is closed for a route; None if it is open.

    The time of the contact counts: a survey that leaves two hours after the call may be sent before the hours begin,
    and not in their last two.
    """
    found = plan.rules.closed(place, purpose, now + later_ms, route.own)
    if found is None:
        return None
    until = found.until - later_ms
    return until, Reason(Code.HOURS_HELD, {"until": local(plan, place, until), "hours": found.why})


class PlaceHoursGuard(Guard):
    """``[contact]``: the hours of the law, and the configuration's own, for each place."""

    option = "hours"
    holds: ClassVar[tuple[Code, ...]] = ()  # `contact_hours` counts them: the code is the same

    def apply(self, members: Members) -> tuple[list[int], int]:
        people = people_of(members)
        return people.apply(self.decide(people)) if people else ([], 0)

    def decide(self, people: People) -> Decided:
        """Holds people whose place is closed at the time of the contact, unless they asked for that very time."""
        decided = Decided()
        for cohort in people.live():
            route, purpose = cohort.route, cohort.purpose
            found = closed(people.plan, route, cohort.place, purpose, people.members.now, people.later_ms)
            if found is not None:
                keeps_wishes = route.as_asked and purpose == "requested"
                decided.hold((one for one in cohort.members if not (keeps_wishes and _wishes(one))), found)
        return decided

    def hold_head(self, conn: Connection, destination: Destination, lane: int, now: int) -> int:
        """Holds the head, so that a hundred thousand deliveries that wait for the morning cost later claims nothing.

        The head is read once its first delivery is of a closed place; `apply` holds those that are claimed behind an
        open one. It goes by route and place, of which there are few, and never by row.
        """
        plan = destination.plan
        if plan is None or (first := _first(conn, destination.name, lane, now)) is None:
            return 0
        if _closed_at(plan, *first, now, destination.later_ms) is None:
            return 0
        head, held = _head(destination.name, lane, now), 0
        for route, place in conn.execute(select(head.c.route, head.c.place).distinct()).all():
            found = _closed_at(plan, route, place, now, destination.later_ms)
            if found is None:
                continue
            there = head.c.place.is_(None) if place is None else head.c.place == place
            some = select(head.c.id).where(head.c.route == route, there).scalar_subquery()
            values = {"due_at": found[0], **reasons.columns(found[1]), "updated_at": now}
            held += conn.execute(update(deliveries).where(_delivery.id.in_(some)).values(values)).rowcount
        return held

    def follow(self, conn: Connection, destination: Destination, route: Route, now: int) -> None:
        """Applies the current hours of places to the route's held deliveries: another time, or none."""
        plan = destination.plan
        if plan is None or route.name not in plan.routes:
            return
        mine = and_(IS_PENDING, _delivery.route == route.name, _delivery.reason_code == Code.HOURS_HELD)
        for place in _HELD_PLACES.scalars(conn, {"of_route": route.name}):
            planned = plan.routes[route.name]
            found = closed(plan, planned, place, planned.purpose, now, destination.later_ms)
            until, reason = found or (now, None)
            there = _delivery.place.is_(None) if place is None else _delivery.place == place
            held = and_(mine, there, _delivery.due_at > now, _delivery.due_at != until)
            conn.execute(update(deliveries).where(held).values({"due_at": until, **reasons.columns(reason)}))


def _wishes(member: Member) -> bool:
    """Whether the person asked for a call at that very time."""
    return member.consent is not None and bool(member.consent.get("wish"))


def _closed_at(plan: Plan, name: str, place: str | None, now: int, later_ms: int) -> Until | None:
    route = plan.routes.get(name)
    if route is None or route.is_draft or route.as_asked:  # a requested time is decided for each person
        return None
    return closed(plan, route, place, route.purpose, now, later_ms)


def _first(conn: Connection, destination: str, lane: int, now: int) -> tuple[str, str | None] | None:
    row = _FIRST.first(conn, {"to": destination, "of_lane": lane, "now": now})
    return (row.route, row.place) if row else None


_HELD_PLACES: Final = Prepared(
    select(_delivery.place)
    .where(IS_PENDING, _delivery.route == bindparam("of_route"), _delivery.reason_code == Code.HOURS_HELD)
    .distinct()
)
_FIRST: Final = Prepared(
    select(_delivery.route, _delivery.place)
    .where(
        *(_delivery.destination == bindparam("to"), _delivery.lane == bindparam("of_lane"), IS_PENDING),
        _delivery.due_at <= bindparam("now"),
    )
    .order_by(_delivery.due_at, _delivery.id)
    .limit(literal_column("1"))
)


def _head(destination: str, lane: int, now: int) -> Subquery:
    due = and_(outbox.pending(destination, lane), _delivery.due_at <= now)
    head = select(_delivery.id, _delivery.route, _delivery.place).where(due)
    return head.order_by(_delivery.due_at, _delivery.id).limit(HELD_AT_ONCE).subquery()
