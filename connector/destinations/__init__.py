"""The table of destinations, and the configured ones made of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from marshmallow import Schema

from connector.destinations.base import Destination
from connector.destinations.postcenter import Close, Reassign
from connector.destinations.tracksale import Answers, Dispatch, FillEmptyTags, Note, SurveyLinks
from connector.destinations.wolkvox import AddRecord
from connector.errors import ConfigError
from connector.settings import Route, Settings

DESTINATIONS: Final[Mapping[str, type[Destination]]] = {
    "wolkvox.add_record": AddRecord,
    "tracksale.dispatch": Dispatch,
    "tracksale.survey_links": SurveyLinks,
    "tracksale.answers": Answers,
    "tracksale.fill_empty_tags": FillEmptyTags,
    "tracksale.note": Note,
    "postcenter.close": Close,
    "postcenter.reassign": Reassign,
}

Places = Mapping[str, Mapping[str, Destination]]  #: account -> destination's name -> destination


def name_of(route: Route) -> str:
    """The route's destination: "dialler/wolkvox.add_record/1042"."""
    return f"{route.account}/{route.to}/{DESTINATIONS[route.to].place(route.options)}"


def places(settings: Settings) -> Places:
    """Every configured destination, by account. Routes that share one must agree on how it is called."""
    found: dict[str, dict[str, Destination]] = {account: {} for account in settings.accounts}
    firsts: dict[str, Route] = {}
    faults: list[str] = []
    for route in settings.routes:
        name = name_of(route)
        first = firsts.setdefault(name, route)
        faults += [f'routes "{first.name}" and "{route.name}": {why}' for why in _differences(first, route)]
        before = found[route.account].get(name)
        found[route.account][name] = _destination(settings, route, name, before)
    if faults:
        raise ConfigError(faults)
    return found


#: Options that shape a call or what becomes of it, and so belong to the destination, not to the route.
_SHARED: Final = ("campaign_status", "trace_field", "ninety_day_rule")


def _differences(first: Route, route: Route) -> list[str]:
    shared = [key for key in _SHARED if first.options.get(key) != route.options.get(key)]
    if first.on_unknown != route.on_unknown:
        shared.append("on_unknown")
    return [f"they share {name_of(route)} but differ in {key}: give both the same" for key in shared]


def _destination(settings: Settings, route: Route, name: str, before: Destination | None) -> Destination:
    once = dict(before.once_within_ms) if before else {}
    if route.once_per is not None:
        once[route.name] = int(route.once_per.within_s * 1000)
    hours = dict(before.hours) if before else {}
    if route.contact_hours is not None:
        hours[route.name] = route.contact_hours
    after = frozenset(other.name for other in settings.routes if other.after == route.name)
    auto = route.options.get("campaign_status") == "auto"
    return DESTINATIONS[route.to](
        account=settings.accounts[route.account],
        name=name,
        options=route.options,
        locale=settings.locale,
        on_unknown_says=route.on_unknown,
        once_within_ms=once,
        hours=hours,
        followers=after | (before.followers if before else frozenset()),
        campaign=str(route.options["campaign_id"]) if auto else "",
    )


class Spec:
    """What the configuration loader must know of a destination."""

    def __init__(self, destination: type[Destination]) -> None:
        self.vendor: Final[str] = destination.vendor
        self.options: Final[type[Schema]] = destination.options_schema
        self.on_unknown: Final[str] = destination.on_unknown
        self.results: Final[tuple[str, ...]] = destination.results
        self.contacts_people: Final[bool] = destination.contacts_people


SPECS: Final = {name: Spec(destination) for name, destination in DESTINATIONS.items()}
