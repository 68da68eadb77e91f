"""The destinations of all vendors by name, and the configured ones made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from marshmallow import Schema

from connector.core.caps import BY_NUMBER
from connector.core.errors import ConfigError
from connector.core.openings import Plan, plan_of
from connector.core.settings import TRUST, Route, Settings, Source
from connector.core.turns import turn_of
from connector.vendors import VENDORS
from connector.vendors.base import Destination
from mappings.dialable import rule_of

DESTINATIONS: Final[Mapping[str, type[Destination]]] = {
    f"{vendor.name}.{operation}": destination
    for vendor in VENDORS.values()
    for operation, destination in vendor.destinations.items()
}

Places = Mapping[str, Mapping[str, Destination]]  #: account -> destination's name -> destination


def name_of(route: Route) -> str:
    """The route's destination: "dialler/wolkvox.add_record/1042"."""
    return f"{route.account}/{route.to}/{DESTINATIONS[route.to].place(route.options)}"


def operation_of(destination: str) -> type[Destination] | None:
    """The class of "dialler/wolkvox.add_record/1042"; None if this version does not know the operation."""
    return DESTINATIONS.get(destination.partition("/")[2].partition("/")[0])


def places(settings: Settings) -> Places:
    """Every configured destination, by account. Routes that share one must agree on how it is called."""
    found: dict[str, dict[str, Destination]] = {account: {} for account in settings.accounts}
    firsts: dict[str, Route] = {}
    faults: list[str] = []
    plan = contact_plan(settings)
    for route in settings.routes:
        name = name_of(route)
        first = firsts.setdefault(name, route)
        faults += [f'routes "{first.name}" and "{route.name}": {why}' for why in _differences(first, route)]
        before = found[route.account].get(name)
        found[route.account][name] = _destination(settings, route, name, before, plan)
    if faults:
        raise ConfigError(faults)
    return {account: _with_largest(some) for account, some in found.items()}


def _with_largest(some: Mapping[str, Destination]) -> dict[str, Destination]:
    largest = max((one.batch_size for one in some.values()), default=1)
    return {name: replace(one, largest_batch=largest) for name, one in some.items()}


def _differences(first: Route, route: Route) -> list[str]:
    shared = [key for key in DESTINATIONS[route.to].shared if first.options.get(key) != route.options.get(key)]
    if first.channel != route.channel:
        shared.append("channel")
    if first.on_unknown != route.on_unknown:
        shared.append("on_unknown")
    return [f"they share {name_of(route)} but differ in {key}: give both the same" for key in shared]


def contact_plan(settings: Settings) -> Plan | None:
    """The contact rules with every route that contacts people; None without a table [contact]."""
    reaching = [route for route in settings.routes if DESTINATIONS[route.to].contacts_people]
    channels = {route.name: route.channel or DESTINATIONS[route.to].by_channel or "email" for route in reaching}
    return plan_of(settings, channels)


def _of_destination(plan: Plan | None, route: Route, before: Destination | None) -> Plan | None:
    """The plan with the routes of one destination only; None if it contacts nobody."""
    if plan is None or route.name not in plan.routes:
        return None
    others = before.plan.routes if before and before.plan else {}
    return Plan(plan.rules, {**others, route.name: plan.routes[route.name]})


def _destination(
    settings: Settings, route: Route, name: str, before: Destination | None, plan: Plan | None
) -> Destination:
    after = frozenset(other.name for other in settings.routes if other.after == route.name)
    return DESTINATIONS[route.to](
        account=settings.accounts[route.account],
        name=name,
        options=route.options,
        locale=settings.locale,
        on_unknown_says=route.on_unknown,
        routes={**(before.routes if before else {}), route.name: route},
        plan=_of_destination(plan, route, before),
        followers=after | (before.followers if before else frozenset()),
        trust=_ranks(settings),
        sources=_sources(settings, [route, *(before.routes.values() if before else ())]),
        number_rules=_number_rules(settings, route) if reaches_numbers(route) else {},
    )


def reaches_numbers(route: Route) -> bool:
    """Whether the route's records reach people at their numbers."""
    return DESTINATIONS[route.to].calls or route.channel in BY_NUMBER


def _number_rules(settings: Settings, route: Route) -> Mapping[int | None, int]:
    """Turn -> mark of the rule, for every source: a delivery may wait of one that no route takes any more."""
    account, region = settings.accounts[route.account], settings.locale.region
    found: dict[int | None, int] = {}
    for source in (None, *settings.sources.values()):
        if (rule := rule_of(account, source, region)) is not None:
            found[turn_of(source.name) if source else None] = rule.mark
    return found


def _sources(settings: Settings, routes: Iterable[Route]) -> tuple[Source, ...]:
    """The sources of events that one of the routes takes, the more trusted first."""
    named = {name for route in routes for name in (settings.sources if route.sources is None else route.sources)}
    some = (source for name, source in settings.sources.items() if name in named)
    return tuple(sorted(some, key=lambda source: (-TRUST.index(source.trust), source.name)))


def _ranks(settings: Settings) -> Mapping[str, int]:
    ranks = {name: TRUST.index(source.trust) for name, source in settings.sources.items()}
    return ranks if len({*ranks.values()}) > 1 else {}


class Spec:
    """The facts about a destination that the configuration loader needs."""

    def __init__(self, vendor: str, destination: type[Destination]) -> None:
        self.vendor: Final[str] = vendor
        self.options: Final[type[Schema]] = destination.options_schema
        self.on_unknown: Final[str] = destination.on_unknown
        self.expires_after_s: Final[float] = destination.expires_after_s
        self.results: Final[tuple[str, ...]] = destination.results
        self.contacts_people: Final[bool] = destination.contacts_people
        self.by_channel: Final[str] = destination.by_channel


SPECS: Final = {name: Spec(name.partition(".")[0], one) for name, one in DESTINATIONS.items()}
