"""``calls_per_day``: beyond it nobody else is called that day; who is left waits, aside."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar, Final

from connector.core.log import get
from connector.core.log_throttle import LogThrottle
from connector.core.reasons import Code
from connector.core.states import Kind
from connector.outbound.batch import ranked
from connector.outbound.ceilings import Ceiling, called, ceilings, has_ceilings, source_of
from connector.outbound.guards.base import Guard, Members
from connector.store import country_calls, turns
from connector.store.lanes import BULK, CEILING_OF, LIVE
from connector.store.turns import SourceGroup

BEHIND_AT_ONCE: Final = 2_000  #: of those that no call has taken yet
_WARNED: Final = LogThrottle(60.0)

log = get("ceilings")


class CeilingGuard(Guard):
    """Runs before the caps, as `ShareGuard` does: a person who waits here has no contact, and holds nobody else."""

    option = "calls_per_day"
    holds: ClassVar[tuple[Code, ...]] = (Code.CEILING_HELD,)

    def apply(self, members: Members) -> tuple[list[int], int]:
        place = members.destination
        if members.kind != Kind.SEND or not has_ceilings(place):
            return [], 0
        found = ceilings(place, country_calls.used(members.conn, place.account.name, members.now))
        some = turns.members_by_place(members.conn, members.attempt)
        order = ranked(place, [group.turn for group, _ in some])
        some.sort(key=lambda one: order.index(one[0].turn))
        return [], sum(_keep_back(members, found, group, number) for group, number in some)


def _keep_back(members: Members, found: list[Ceiling], group: SourceGroup, number: int) -> int:
    """The newest of a source, with numbers of the same countries, for which there is no room. Returns how many."""
    conn, place, now = members.conn, members.destination, members.now
    source = source_of(place, group.turn)
    some = called(place, group.place or "")
    applicable = [one for one in found if one.counts(source.name if source else "", some)]
    least = min(applicable, key=lambda one: one.left, default=None)
    goes = number if least is None else min(number, least.left)
    for one in applicable:
        one.left -= goes
    if least is None or goes == number:
        return 0
    _warn(least)
    for lane in (LIVE, BULK):
        turns.put_all_aside(conn, place.name, lane, group, CEILING_OF, least.reason, now, most=BEHIND_AT_ONCE)
    return turns.put_aside(conn, members.attempt, group, CEILING_OF, least.reason, now, newest=number - goes)


def _warn(one: Ceiling) -> None:
    facts = {"account": one.account, "source": one.source, "prefix": one.prefix, "people": one.used, "most": one.most}
    if _WARNED.due((one.account, one.source, one.prefix)) is not None:
        log.warning("calls_per_day is nearly reached" if one.left else "calls_per_day is reached", **facts)


def write_down(members: Members) -> None:
    """Counts the people that the next call hands over to be called."""
    place = members.destination
    if members.kind != Kind.SEND or not has_ceilings(place):
        return
    people: Counter[country_calls.Called] = Counter()
    for group, number in turns.members_by_place(members.conn, members.attempt):
        source = source_of(place, group.turn)
        for country in called(place, group.place or ""):
            people[country, source.name if source else ""] += number
    if not people:
        return
    country_calls.count(members.conn, place.account.name, members.attempt, people, members.now)
    for one in ceilings(place, country_calls.used(members.conn, place.account.name, members.now)):
        if one.is_near:
            _warn(one)
