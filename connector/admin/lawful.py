"""Waiting without the part that a law or a person wanted: outside contact hours nobody may be called."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Final

from connector.core import contact_hours
from connector.core.settings import Route, Settings
from connector.outbound.guards import place_hours
from connector.vendors.base import Destination
from connector.vendors.destinations import places

STEP_MS: Final = 15 * 60 * 1000  #: hours of contact end on quarters of an hour
LOOKED_MS: Final = 14 * 24 * 3600 * 1000  #: longer waits are not measured further
EXACT_MS: Final = 2 * 3600 * 1000  #: waits up to it are measured to the millisecond also by `waited_about_ms`
REMEMBERED: Final = 10_000  #: long waits, by their quarters


class Lawful:
    """The contact hours of a configuration, asked about the past."""

    def __init__(self, settings: Settings) -> None:
        self._places: Final[Mapping[str, Destination]] = {
            name: place for of_account in places(settings).values() for name, place in of_account.items()
        }
        self._routes: Final[Mapping[str, Route]] = {route.name: route for route in settings.routes}
        self._between_quarters: Final = functools.lru_cache(REMEMBERED)(self._between_quarters_ms)

    def waited_ms(self, destination: str, route: str, place: str | None, start: int, end: int) -> int:
        """How much of the time between two moments (unix ms) a call was allowed, to a quarter of an hour."""
        if end <= start:
            return 0
        moment, waited = max(start, end - LOOKED_MS), 0
        while moment < end:
            opens = self._closed_until(destination, route, place, moment)
            if opens is not None:
                moment = max(opens, moment + 1)
                continue
            until = min(end, moment - moment % STEP_MS + STEP_MS)
            waited += until - moment
            moment = until
        return waited

    def waited_about_ms(self, destination: str, route: str, place: str | None, start: int, end: int) -> int:
        """The same, long waits between full quarters of an hour.

        Those are remembered: a sender's own times may be days ago, for thousands of leads that came in one hour.
        """
        if end - start <= EXACT_MS:
            return self.waited_ms(destination, route, place, start, end)
        return self._between_quarters(destination, route, place, start // STEP_MS, end // STEP_MS)

    def _between_quarters_ms(self, destination: str, route: str, place: str | None, first: int, last: int) -> int:
        return self.waited_ms(destination, route, place, first * STEP_MS, last * STEP_MS)

    def _closed_until(self, destination: str, route: str, place: str | None, moment: int) -> int | None:
        """The time (unix ms) until which nobody may be called; None if calls are allowed."""
        known_destination, rule = self._places.get(destination), self._routes.get(route)
        if known_destination is None or rule is None:
            return None
        if known_destination.plan is not None:
            planned = known_destination.plan.routes.get(route)
            if planned is None or planned.is_draft:
                return None
            found = place_hours.closed(
                known_destination.plan, planned, place, planned.purpose, moment, known_destination.later_ms
            )
            return None if found is None else found[0]
        if rule.contact_hours is None:
            return None
        zone = rule.contact_hours.zone or known_destination.locale.timezone
        opens = contact_hours.opening(rule.contact_hours, zone, moment + known_destination.later_ms)
        return None if opens is None else opens - known_destination.later_ms
