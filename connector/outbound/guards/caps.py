"""Caps: nobody is contacted more often than allowed, over all routes, accounts, channels and machines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar, Final
from zoneinfo import ZoneInfoNotFoundError

from sqlalchemy import Connection

from connector.core.caps import Contact
from connector.core.openings import LOOK_AGAIN_MS
from connector.core.reasons import Code, Reason
from connector.core.settings import Route
from connector.outbound.guards.base import Guard, Members, releasing
from connector.outbound.guards.people import Cohort, Decided, People, ledger_rows, local, people_of
from connector.store import contacts, database
from connector.store.contacts import Member, Past
from connector.vendors.base import Destination


class CapsGuard(Guard):
    """``[[contact.caps]]`` and the caps of the law, counted on the ledger of contacts.

    Claims are serialised for each account, so the ledger has a lock of its own: always taken after an account's lock,
    and only if a cap applies.
    """

    option = "caps"
    ends: ClassVar[tuple[Code, ...]] = (Code.CAP_ENDED,)
    holds: ClassVar[tuple[Code, ...]] = (Code.CAP_HELD,)

    def apply(self, members: Members) -> tuple[list[int], int]:
        people = people_of(members)
        return people.apply(self.decide(people)) if people else ([], 0)

    def decide(self, people: People) -> Decided:
        """Holds, or ends, those who were contacted as often as they may be. The oldest of one person goes first."""
        decided = Decided()
        limited = [cohort for cohort in people.live() if people.limits(cohort)]
        if not limited:
            return decided
        conn = people.members.conn
        database.lock(conn, contacts.LOCK)
        longest = max(cap.window_ms for cohort in limited for cap in people.limits(cohort))
        ways = [way for cohort in limited for way in cohort.ways]
        past = Past(conn, ways, people.at - longest)
        known = _known(past, ways, limited)
        for member, cohort in known:
            self._decide_one(people, past, member, cohort, decided)
        held = [(cohort, [one for one, of in known if of is cohort and one.id in decided.held]) for cohort in limited]
        contacts.put(conn, [ledger_rows(people, cohort, some, begins=False) for cohort, some in held if some])
        return decided

    def _decide_one(self, people: People, past: Past, member: Member, cohort: Cohort, decided: Decided) -> None:
        route, plan = cohort.route, people.plan
        contacts = past.of(member.ways)
        try:
            found = people.room(cohort, contacts) if contacts else None
        except ZoneInfoNotFoundError:
            until = people.members.now + LOOK_AGAIN_MS
            why = "a time zone is not known to this machine: update tzdata"
            decided.held[member.id] = until, Reason(Code.CAP_HELD, {"until": local(plan, None, until), "cap": why})
            return
        if not found:
            if contacts:
                people.before[member.id] = contacts
            past.add(member.ways, Contact(member.id, people.members.attempt, people.at, route.channel, cohort.purpose))
            return
        until, cap = found[0] - people.later_ms, found[1]
        if cap.then == "end":
            decided.ended[member.id] = Reason(Code.CAP_ENDED, {"cap": cap.name})
            return
        facts = {"until": local(plan, cohort.place, until), "cap": cap.name}
        decided.held[member.id] = until, Reason(Code.CAP_HELD, facts)

    def follow(self, conn: Connection, destination: Destination, route: Route, now: int) -> None:
        """The caps may have changed: deliveries that wait for one become due."""
        _FOLLOW.change(conn, {"of_route": route.name, "now": now})


_FOLLOW: Final = releasing([Code.CAP_HELD])


def _known(past: Past, ways: Sequence[str], limited: Sequence[Cohort]) -> list[tuple[Member, Cohort]]:
    """The members to decide one by one, the oldest first: contacted before, or twice in the call.

    The first contact of everybody else is within every cap.
    """
    once = {*ways}
    some = past.known(once)
    if len(once) < len(ways):
        some |= {way for way, times in Counter(ways).items() if times > 1}
    if not some:
        return []
    found = [(member, cohort) for cohort in limited for member in cohort.members if not some.isdisjoint(member.ways)]
    return sorted(found, key=lambda one: one[0].id)
