"""When a person in a place may be contacted for a purpose: all applicable hours, on all clocks of the person.

Contact is allowed only while all of them are open. A calendar or a zone that cannot be read counts as closed, and the
reason says so.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from connector.core import contact_hours, law, places
from connector.core.caps import Cap, Contact, room
from connector.core.contact_hours import LONGEST_WAIT_DAYS
from connector.core.settings import ContactHours, ContactRules, Registry, Route, Settings

_T = TypeVar("_T")

LOOK_AGAIN_MS: Final = 3_600_000  #: where a calendar or a zone cannot be read
_LONGEST_MS: Final = LONGEST_WAIT_DAYS * 86_400_000


@dataclass(frozen=True, slots=True)
class Clocked:
    """Hours by a clock."""

    hours: ContactHours
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class Closed:
    """Contact is not allowed now. ``until``: unix ms."""

    until: int
    why: str


@dataclass(frozen=True)
class PlaceRules:
    """The configured rules for each place and purpose. ``region``: the place of a person without a phone."""

    contact: ContactRules
    region: str
    _known: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    def areas(self, place: str | None) -> tuple[places.Area, ...]:
        """The parts of a place. A person without a phone is where the configuration says."""
        return self._kept(("areas", place), lambda: self._areas(place))

    def _kept(self, key: tuple[str | None, ...], make: Callable[[], _T]) -> _T:
        """Cached results: a claim needs them for a thousand people in a handful of places."""
        if key not in self._known:
            self._known[key] = make()
        found: _T = self._known[key]
        return found

    def _areas(self, place: str | None) -> tuple[places.Area, ...]:
        found = places.areas(place or self.contact.without_number or self.region)
        return tuple(replace(area, zones=self._zones(area)) for area in found)

    def _zones(self, area: places.Area) -> tuple[str, ...]:
        if self.contact.place == "strictest":
            return area.zones
        return area.zones[:1] if self.contact.place == "number" else (self.contact.place,)

    def names(self, place: str | None) -> tuple[str, ...]:
        """The countries and regions of a place: ("BR", "BR-PE")."""
        found = [name for area in self.areas(place) for name in (area.country, area.region) if name]
        return tuple(dict.fromkeys(found))

    def zones(self, place: str | None) -> tuple[ZoneInfo, ...]:
        """Every clock the person may have. Raises `ZoneInfoNotFoundError`."""
        return self._kept(("zones", place), lambda: self._zones_of(place))

    def _zones_of(self, place: str | None) -> tuple[ZoneInfo, ...]:
        names = dict.fromkeys(zone for area in self.areas(place) for zone in area.zones)
        return tuple(ZoneInfo(name) for name in names) or (ZoneInfo("UTC"),)

    def clocks(self, place: str | None, purpose: str) -> tuple[Clocked, ...]:
        """Every hours that hold, by every clock. Raises `ZoneInfoNotFoundError`."""
        key = ("clocks", place, purpose)
        if key not in self._known:
            self._known[key] = tuple(
                Clocked(hours, ZoneInfo(zone))
                for area in self.areas(place)
                for hours in self._hours(area, purpose)
                for zone in area.zones or ("a zone of " + area.country,)
            )
        found: tuple[Clocked, ...] = self._known[key]
        return found

    def _hours(self, area: places.Area, purpose: str) -> list[ContactHours]:
        names = tuple(name for name in (area.country, area.region) if name)
        found = [row.hours for row in law.rows(names, purpose) if row.hours] if self.contact.law else []
        own = [self.contact.hours[name] for name in names if name in self.contact.hours]
        found += [one.hours for one in own if not one.purposes or purpose in one.purposes]
        region = area.region.partition("-")[2]
        return [replace(hours, region=hours.region or region) if hours.country else hours for hours in found]

    def closed(self, place: str | None, purpose: str, now: int, narrower: Sequence[Clocked] = ()) -> Closed | None:
        """The time until which a contact ``now`` (unix ms) must wait; None: none. ``narrower``: a route's hours."""
        try:
            clocks = (*self.clocks(place, purpose), *narrower)
            return opening(clocks, now)
        except ZoneInfoNotFoundError as fault:
            why = f"the time zone {fault.args[0].rsplit(' ', 1)[-1] if fault.args else ''} is not known to this machine"
            return Closed(now + LOOK_AGAIN_MS, f"{why}: update tzdata")
        except (ImportError, AttributeError, NotImplementedError) as fault:
            return Closed(now + LOOK_AGAIN_MS, f"the calendar of {place} cannot be read ({type(fault).__name__})")

    def caps(self, place: str | None, channel: str, purpose: str) -> tuple[Cap, ...]:
        """The caps that limit such a contact of such a person."""
        key = ("caps", place, channel, purpose)
        if key not in self._known:
            names = self.names(place)
            legal = [cap for row in law.rows(names, purpose) for cap in row.caps] if self.contact.law else []
            legal = [self._read(cap) for cap in legal]
            self._known[key] = tuple(cap for cap in (*legal, *self.contact.caps) if cap.limits(names, channel, purpose))
        found: tuple[Cap, ...] = self._known[key]
        return found

    def _read(self, cap: Cap) -> Cap:
        if self.contact.week == "calendar" and cap.stretch_ms == 7 * 86_400_000:
            return replace(cap, per="week", stretch_ms=0)
        return cap

    def lists(self, place: str | None, channel: str, purpose: str) -> tuple[Registry, ...]:
        """The registries that apply to such a contact."""
        return self._kept(("lists", place, channel, purpose), lambda: self._lists(place, channel, purpose))

    def _lists(self, place: str | None, channel: str, purpose: str) -> tuple[Registry, ...]:
        names = self.names(place)
        return tuple(one for one in self.contact.lists.values() if one.speaks_of(names, channel, purpose))

    def demands_proof(self, place: str | None, purpose: str) -> str:
        """The country with a law that wants proof of consent; "" if none does."""
        return self._kept(("proof", place, purpose), lambda: self._demands_proof(place, purpose))

    def _demands_proof(self, place: str | None, purpose: str) -> str:
        rows = law.rows(self.names(place), purpose) if self.contact.law else ()
        return next((row.place for row in rows if row.demands_proof), "")

    def room(
        self,
        place: str | None,
        purpose: str,
        channel: str,
        past: Sequence[Contact],
        at: int,
        narrower: Sequence[Clocked] = (),
    ) -> tuple[int, Cap] | None:
        """When caps and hours together allow a contact (unix ms), and the cap that prevents it now; None: at once."""
        caps = self.caps(place, channel, purpose)
        zones = self.zones(place)
        first: Cap | None = None
        moment = at
        while moment < at + _LONGEST_MS:
            waits = [(until, cap) for cap in caps if (until := room(cap, past, channel, moment, zones)) is not None]
            if not waits:
                closed = self.closed(place, purpose, moment, narrower) if first else None
                if closed is None:
                    break
                moment = closed.until
                continue
            moment, cap = max(waits, key=lambda one: one[0])
            first = first or cap
        return None if first is None else (moment, first)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutePlan:
    """The part of a route that the contact rules need."""

    name: str
    purpose: str
    channel: str
    demands_proof: bool = False
    good_for_ms: int = 0  #: how long a consent is
    as_asked: bool = False
    is_draft: bool = False  #: a person fires it later, and then it counts
    own: tuple[Clocked, ...] = ()  #: its `contact_hours`

    def purpose_of(self, *, is_late: bool) -> str:
        """The effective purpose: a request that was made too long ago counts as marketing."""
        return "marketing" if is_late and self.purpose == "requested" else self.purpose


@dataclass(frozen=True, slots=True)
class Plan:
    """The rules of a configuration, and the routes that they hold for."""

    rules: PlaceRules
    routes: Mapping[str, RoutePlan]

    @property
    def asked_within_ms(self) -> int:
        return int(self.rules.contact.asked_within_s * 1000)


def plan_of(settings: Settings, channels: Mapping[str, str]) -> Plan | None:
    """The plan of a configuration; None without a table [contact]. ``channels``: of the routes that reach people."""
    if settings.contact is None:
        return None
    routes = {route.name: _planned(route, channels, settings) for route in settings.routes if route.name in channels}
    return Plan(PlaceRules(settings.contact, settings.locale.region), routes)


def _planned(route: Route, channels: Mapping[str, str], settings: Settings) -> RoutePlan:
    hours = route.contact_hours
    return RoutePlan(
        name=route.name,
        purpose=route.purpose,
        channel=route.channel or channels[route.name],
        demands_proof=route.demands_proof,
        good_for_ms=int(route.proof.good_for_s * 1000) if route.proof else 0,
        as_asked=route.hours_as_asked,
        is_draft=route.options.get("schedule") == "draft",
        own=(Clocked(hours, hours.zone or settings.locale.timezone),) if hours else (),
    )


def opening(clocks: Sequence[Clocked], now: int) -> Closed | None:
    """The next moment at which all are open; None if they are open now."""
    moment, why = now, ""
    while moment < now + _LONGEST_MS:
        waits = [
            (until, clock)
            for clock in dict.fromkeys(clocks)
            if (until := _opening(clock.hours, clock.zone, moment)) is not None
        ]
        if not waits:
            return Closed(moment, why) if why else None
        until, clock = max(waits, key=lambda one: one[0])
        why = why or _why(clock, moment)
        moment = until
    return Closed(now + _LONGEST_MS, why or "the hours of its places never meet")


@functools.lru_cache(maxsize=4096)
def _opening(hours: ContactHours, zone: ZoneInfo, moment: int) -> int | None:
    return contact_hours.opening(hours, zone, moment)


def _why(clock: Clocked, moment: int) -> str:
    """Which hours are closed, and on which clock: "the law of CO; 2026-07-13 09:00 in Bogota, …"."""
    local = datetime.fromtimestamp(moment / 1000, clock.zone)
    name = contact_hours.holiday(clock.hours, local.date())
    sentence = f"{clock.hours.name}; it is {local:%A %H:%M} in {str(clock.zone).rsplit('/', 1)[-1].replace('_', ' ')}"
    return f"{sentence}, {name}" if name else sentence
