"""Now: is everything running; why is nobody being dialled? And the chain of one destination."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response

from connector.admin.obstacles import Chain, chains
from connector.console.application import here
from connector.console.parts import fragment, page
from connector.console.snapshot import Reading
from connector.core.errors import ConnectorError
from connector.core.phrases import Phrase, phrase
from connector.core.states import DeliveryState


def install(app: Flask) -> None:
    """The addresses of these pages."""
    app.add_url_rule("/console", "home", now)
    app.add_url_rule("/console/", "now", now)
    app.add_url_rule("/console/parts/now", "now_part", now_part)
    app.add_url_rule("/console/destinations/<path:name>", "destination", destination)


def now() -> Response:
    return page("now.html", **_facts(here().snapshot.read()))


def now_part() -> Response:
    reading = here().snapshot.read()
    return fragment("_now.html", reading.found["at"], **_facts(reading))


def destination(name: str) -> Response:
    """The twelve questions of one destination."""
    reading = here().snapshot.read()
    found = next((one for one in chains(reading.found, here().settings) if one.destination == name), None)
    if found is None:
        raise ConnectorError(phrase("No destination is called so, or no route leads there any more."))
    shown = next(one for one in reading.found["destinations"] if one["destination"] == name)
    return page("destination.html", chain=found, shown=shown, look=reading, at=reading.found["at"])


def _facts(reading: Reading) -> dict[str, Any]:
    found = reading.found
    ways = chains(found, here().settings)
    return {
        "look": reading,
        "at": found["at"],
        "found": found,
        "chains": ways,
        "verdict": verdict(ways, found),
        "alive": _alive(found),
        "budgets": [one for one in found["accounts"] if one.get("budget")],
        "troubled": {
            state: sum(one[state] for one in found["destinations"])
            for state in (DeliveryState.DEAD.value, DeliveryState.UNCERTAIN.value)
        },
    }


def verdict(ways: list[Chain], found: dict[str, Any]) -> dict[str, Any]:
    """One sentence for all of it. ``good``: nothing is in the way."""
    first = next((one for one in ways if one.verdict is not None), None)
    if first is not None and first.verdict is not None:
        sentence = phrase(
            "{destination} gets nothing now: {said}", destination=first.destination, said=first.verdict.said
        )
        return {"good": False, "said": sentence, "check": first.verdict, "destination": first.destination}
    urgent = next((one for one in found["problems"] if one["urgent"]), None)
    if urgent is not None:
        return {"good": False, "said": urgent["said"], "check": None, "next": urgent["next"], "destination": ""}
    return {"good": True, "said": _all_well(found), "check": None, "destination": ""}


def _all_well(found: dict[str, Any]) -> Phrase:
    waiting = sum(one[DeliveryState.PENDING.value] for one in found["destinations"])
    if waiting:
        return phrase("Everything runs: {number:,} wait for their turn.", number=waiting)
    return phrase("Everything runs, and nothing waits.")


def _alive(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Role -> how many processes are alive, and how many are gone."""
    roles: dict[str, dict[str, Any]] = {}
    for one in found["processes"]:
        for role in one["roles"]:
            shown = roles.setdefault(role, {"role": role, "alive": 0, "gone": 0})
            shown["alive" if one["alive"] else "gone"] += 1
    return list(roles.values())
