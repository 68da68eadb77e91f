"""The configuration as a person may see it: who sends, where it goes, by which accounts; no secret is in it."""

from __future__ import annotations

from typing import Any

from connector.admin import guards
from connector.core.phrases import phrase
from connector.core.settings import Settings, Source
from connector.vendors.destinations import name_of


def setup(settings: Settings) -> dict[str, Any]:
    """Sources, routes, accounts, people."""
    return {
        "sources": [
            {"source": one.name, "mapping": one.mapping, "ways": _ways(one)} for one in settings.sources.values()
        ],
        "routes": [
            {
                "route": route.name,
                "on": list(route.on),
                "sources": None if route.sources is None else list(route.sources),
                "destination": name_of(route),
                "after": route.after or None,
                "guards": guards.of_route(route),
            }
            for route in settings.routes
        ],
        "accounts": [{"account": one.name, "vendor": one.vendor} for one in settings.accounts.values()],
        "people": [{"name": one.name, "role": one.role.value} for one in settings.people.values()],
        "config": settings.config_hash,
    }


def _ways(source: Source) -> list[str]:
    ways: list[str] = []
    if source.verify is not None:
        path = f"/webhooks/{source.name}"
        ways.append(phrase("webhook at {path}, proved by {scheme}", path=path, scheme=source.verify.scheme))
    if source.queue:
        ways.append(phrase("queue {queue}", queue=source.queue))
    if source.poll is not None:
        ways.append(phrase("asked for every {seconds:g} s: {call}", seconds=source.poll.every_s, call=source.poll.call))
    return ways
