"""Registries of people who refused contact: a listed person is not contacted, and no registry may be too old."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar, Final

from sqlalchemy import Connection

from connector.core.reasons import Code, Reason
from connector.core.settings import Registry, Route
from connector.outbound.guards.base import Guard, Members, releasing
from connector.outbound.guards.expiry import REGISTRY_HELD
from connector.outbound.guards.people import Decided, People, people_of
from connector.store import registries
from connector.store.contacts import Member
from connector.vendors.base import Destination

LOOK_AGAIN_MS: Final = 6 * 3_600_000  #: imports release waiting deliveries at once; this is a fallback


class RegistriesGuard(Guard):
    """``[contact.lists]``: requested contacts are exempt, because the lists are about advertising."""

    option = "lists"
    ends: ClassVar[tuple[Code, ...]] = (Code.REGISTRY_LISTED,)
    holds: ClassVar[tuple[Code, ...]] = REGISTRY_HELD

    def apply(self, members: Members) -> tuple[list[int], int]:
        people = people_of(members)
        return people.apply(self.decide(people)) if people else ([], 0)

    def decide(self, people: People) -> Decided:
        """Ends deliveries to listed people, and holds deliveries to people that an outdated list covers."""
        decided = Decided()
        spoken_of: dict[str, tuple[Registry, list[Member]]] = {}
        for cohort in people.left:
            if cohort.purpose == "requested":
                continue
            for registry in people.plan.rules.lists(cohort.place, cohort.route.channel, cohort.purpose):
                spoken_of.setdefault(registry.name, (registry, []))[1].extend(cohort.members)
        for registry, some in spoken_of.values():
            _ask(people, registry, some, decided)
        return decided

    def follow(self, conn: Connection, destination: Destination, route: Route, now: int) -> None:
        """The lists, or their maximum age, may have changed: deliveries that wait for them become due."""
        _FOLLOW.change(conn, {"of_route": route.name, "now": now})


_FOLLOW: Final = releasing(REGISTRY_HELD)


def _ask(people: People, registry: Registry, some: list[Member], decided: Decided) -> None:
    conn, now = people.members.conn, people.members.now
    ways = [way for member in some for way in member.ways]
    if named := registries.listed(conn, registry, ways, now):
        why = Reason(Code.REGISTRY_LISTED, {"list": registry.name})
        for member in some:
            if not named.isdisjoint(member.ways):
                decided.ended.setdefault(member.id, why)
    if registry.asked:
        unknown = registries.unanswered(conn, registry, ways, now)
        waits = [member for member in some if not unknown.isdisjoint(member.ways)] if unknown else []
        decided.hold(waits, (now + LOOK_AGAIN_MS, Reason(Code.REGISTRY_UNASKED, {"list": registry.name})))
        return
    of = next((one.of for one in people.lists if one.name == registry.name), 0)
    if now >= of + registry.max_age_s * 1000:
        decided.hold(some, (now + LOOK_AGAIN_MS, too_old(registry, of)))


def too_old(registry: Registry, of: int) -> Reason:
    """Why deliveries that a list covers wait. ``of``: the day of its newest file (unix ms), 0 for none."""
    if not of:
        return Reason(Code.REGISTRY_ABSENT, {"list": registry.name})
    day = f"{datetime.fromtimestamp(of / 1000, UTC):%Y-%m-%d}"
    return Reason(Code.REGISTRY_OLD, {"list": registry.name, "day": day})
