"""The people of a claimed attempt, for the guards that decide about each of them.

A delivery that passes every guard is written to the ledger of contacts, with the reason why it was allowed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson

from connector.core import calendars, contact_hours, law
from connector.core.caps import Cap, Contact, used
from connector.core.openings import Plan, RoutePlan
from connector.core.reasons import Reason
from connector.outbound.guards.base import Members
from connector.store import contacts, kept_back, outbox, registries
from connector.store.contacts import Member, Proof

_FOUND: Final = "people"  #: under which `Members.found` keeps them


@dataclass(slots=True)
class Cohort:
    """People who are decided about together: of one route, in one place, for one purpose. Oldest deliveries first."""

    route: RoutePlan
    place: str | None
    purpose: str  #: at this moment
    members: list[Member]

    @property
    def ways(self) -> list[str]:
        """Their phones and e-mails, as keyed hashes."""
        return [way for member in self.members for way in member.ways]


Until = tuple[int, Reason]  #: until when somebody is held (unix ms), and why


@dataclass(slots=True)
class Decided:
    """A guard's decision about people: the ended ones with reasons, the held ones with times and reasons."""

    ended: dict[int, Reason] = field(default_factory=dict)
    held: dict[int, Until] = field(default_factory=dict)

    def hold(self, some: Iterable[Member], until: Until) -> None:
        """Holds those who are not ended."""
        self.held.update((member.id, until) for member in some if member.id not in self.ended)


@dataclass(slots=True)
class People:
    """The people that no guard kept back so far."""

    members: Members
    plan: Plan
    left: list[Cohort]
    later_ms: int = field(init=False)  #: time between the call and the contact
    at: int = field(init=False)  #: time of the contact, unix ms
    #: The earlier contacts of people that passed the caps: kept for the proof. Most have none.
    before: dict[int, list[Contact]] = field(default_factory=dict)
    exclusions: int = 0  #: how many of the call's members were kept back as far as `left` knows
    _lists: Sequence[registries.Held] | None = None
    _rooms: dict[tuple[Any, ...], tuple[int, Cap] | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.later_ms = self.members.destination.later_ms
        self.at = self.members.now + self.later_ms

    @property
    def lists(self) -> Sequence[registries.Held]:
        """Every registry there is."""
        if self._lists is None:
            self._lists = registries.all_of(self.members.conn)
        return self._lists

    def live(self) -> Iterator[Cohort]:
        """Without deliveries that an operator sends later."""
        return (one for one in self.left if not one.route.is_draft)

    def limits(self, cohort: Cohort) -> tuple[Cap, ...]:
        """The caps that such contacts count for. Who has no phone or e-mail is known to none."""
        if cohort.purpose == "requested" or not cohort.members[0].ways:
            return ()
        return self.plan.rules.caps(cohort.place, cohort.route.channel, cohort.purpose)

    def room(self, cohort: Cohort, contacts: Sequence[Contact]) -> tuple[int, Cap] | None:
        """As `PlaceRules.room` for one of the cohort who had these contacts; many had theirs in the same calls."""
        key = (id(cohort), *_pattern(contacts))
        if key not in self._rooms:
            route = cohort.route
            self._rooms[key] = self.plan.rules.room(
                cohort.place, cohort.purpose, route.channel, contacts, self.at, route.own
            )
        return self._rooms[key]

    def apply(self, decided: Decided) -> tuple[list[int], int]:
        """Stores a decision; the guards after this one see the others only. Returns the same as `Guard.apply`."""
        for number in decided.ended.keys() & decided.held.keys():  # one list holds them, another names them
            del decided.held[number]
        ids = {*decided.ended, *decided.held}
        if ids:
            self._write(decided)
            self.keep(lambda member: member.id not in ids)
            self.exclusions += len(ids)
        return list(decided.ended), len(decided.held)

    def keep(self, predicate: Callable[[Member], bool]) -> None:
        """Forgets the others."""
        for cohort in self.left:
            cohort.members = [member for member in cohort.members if predicate(member)]
        self.left = [cohort for cohort in self.left if cohort.members]

    def _write(self, decided: Decided) -> None:
        conn, attempt, now = self.members.conn, self.members.attempt, self.members.now
        for reason, some in _alike(decided.ended):
            kept_back.end_some(conn, attempt, some, reason, now)
        for (until, reason), some in _alike(decided.held):
            kept_back.put_off_some(conn, attempt, some, until, reason, now)


def _pattern(contacts: Iterable[Contact]) -> tuple[tuple[int, str, str], ...]:
    """The facts of contacts that the caps depend on."""
    return tuple([(one.at, one.channel, one.purpose) for one in contacts])


_Why = TypeVar("_Why", Reason, Until)


def _alike(decided: Mapping[int, _Why]) -> Iterable[tuple[_Why, list[int]]]:
    """The deliveries that share a decision: a thousand who wait for the morning are one statement."""
    found: dict[str, tuple[_Why, list[int]]] = {}
    for number, why in decided.items():
        found.setdefault(repr(why), (why, []))[1].append(number)
    return found.values()


def people_of(members: Members) -> People | None:
    """The people of an attempt, read once for all guards; None if it contacts nobody, or no rules are configured."""
    plan = members.destination.plan
    if plan is None:
        return None
    if _FOUND not in members.found:
        members.found[_FOUND] = People(members, plan, _cohorts(members, plan), exclusions=members.exclusions)
    found: People = members.found[_FOUND]
    if members.exclusions != found.exclusions:  # a guard that knows no people kept somebody back
        begun = outbox.in_flight(members.conn, members.attempt)
        found.keep(lambda member: member.id in begun)
        found.exclusions = members.exclusions
    return found


def _cohorts(members: Members, plan: Plan) -> list[Cohort]:
    asked_for = any(route.purpose == "requested" for route in plan.routes.values())
    since = members.now - plan.asked_within_ms if asked_for else None
    return [
        Cohort(plan.routes[one.route], one.place, plan.routes[one.route].purpose_of(is_late=one.is_late), one.members)
        for one in contacts.members(members.conn, members.attempt, since)
        if one.route in plan.routes
    ]


def local(plan: Plan, place: str | None, moment: int) -> str:
    """A moment by the clock of a place, for a person: "Tuesday 2026-11-24 07:00 in Bogota"."""
    try:
        zone = plan.rules.zones(place)[0]
    except ZoneInfoNotFoundError:
        zone = ZoneInfo("UTC")
    where = str(zone).rpartition("/")[2].replace("_", " ")
    return f"{datetime.fromtimestamp(moment / 1000, zone):%A %Y-%m-%d %H:%M} in {where}"


# --- allowed contacts -----------------------------------------------------------------------------------------------


def write_down(members: Members) -> None:
    """Writes the contacts that begin now to the ledger, each with the reason why it was allowed.

    If a cap was asked, the ledger's lock is held until the transaction ends.
    """
    if (people := people_of(members)) is None:
        return
    live = list(people.live())
    contacts.put(members.conn, [ledger_rows(people, cohort, cohort.members, begins=True) for cohort in live])
    contacts.keep_proofs(members.conn, members.attempt, members.now, [p for one in live for p in _proofs(people, one)])


def ledger_rows(people: People, cohort: Cohort, some: Sequence[Member], *, begins: bool) -> contacts.Written:
    """One row for each phone and e-mail. Without ``begins`` they only link those of one person, and do not count."""
    rules = people.plan.rules
    area, zone = rules.areas(cohort.place), rules.zones(cohort.place)[0]
    return contacts.Written(
        members=some,
        attempt=people.members.attempt if begins else 0,
        at=people.at,
        zone=zone,
        channel=cohort.route.channel if begins else "",
        purpose=cohort.purpose,
        country=area[0].country if area else "",
    )


@functools.cache
def _versions() -> tuple[str, ...]:
    """The versions of the rules' sources. Reading them takes a millisecond; nothing changes while a process runs."""
    return calendars.public_holidays().version, calendars.time_zones().version, f"{law.READ:%Y-%m-%d}"


def _proofs(people: People, cohort: Cohort) -> list[Proof]:
    """The reasons why contacts were allowed: people of a cohort share one, unless the caps counted earlier contacts."""
    limits = people.limits(cohort)
    first = tuple([f"{cap.name}: 1 of {cap.most}" for cap in limits])
    known = [member for member in cohort.members if member.id in people.before] if people.before else []
    alike: dict[tuple[str, ...], list[Member]] = {first: cohort.members}
    if known:
        alike = {first: [member for member in cohort.members if member.id not in people.before]}
    counted: dict[tuple[tuple[int, str, str], ...], tuple[str, ...]] = {}
    for member in known:
        pattern = _pattern(people.before[member.id])
        if pattern not in counted:
            counted[pattern] = _counted(people, cohort, limits, member)
        alike.setdefault(counted[pattern], []).append(member)
    common = _common(people, cohort)
    return [
        Proof(orjson.dumps({**common, "caps": caps} if caps else common).decode(), some)
        for caps, some in alike.items()
        if some
    ]


def _counted(people: People, cohort: Cohort, limits: Sequence[Cap], member: Member) -> tuple[str, ...]:
    """ "Ley 2300: once a day: 1 of 1", for every cap, including this contact."""
    zone = people.plan.rules.zones(cohort.place)[0]
    this = Contact(member.id, people.members.attempt, people.at, cohort.route.channel, cohort.purpose)
    contacts = [*people.before[member.id], this]
    return tuple([f"{cap.name}: {used(cap, contacts, people.at, zone)} of {cap.most}" for cap in limits])


def _common(people: People, cohort: Cohort) -> dict[str, Any]:
    rules, place, route, purpose = people.plan.rules, cohort.place, cohort.route, cohort.purpose
    zones = rules.zones(place)
    moment = datetime.fromtimestamp(people.at / 1000, zones[0])
    clocks = [*rules.clocks(place, purpose), *route.own]
    named = {contact_hours.holiday(one.hours, moment.date()) for one in clocks} - {""}
    speaking = {one.name for one in rules.lists(place, route.channel, purpose)} if purpose != "requested" else set()
    facts: dict[str, Any] = {
        "place": place or f"{rules.contact.without_number or rules.region} (no phone)",
        "zones": [str(zone) for zone in zones],
        "local": f"{moment:%Y-%m-%dT%H:%M:%S%z}",
        "purpose": purpose,
        "channel": route.channel,
        "hours": list(dict.fromkeys(one.hours.in_words() for one in clocks)),
        "versions": _versions(),
    }
    if named:
        facts["holiday"] = sorted(named)
    if speaking:
        facts["lists"] = {one.name: [one.of, one.size] for one in people.lists if one.name in speaking}
    return facts
