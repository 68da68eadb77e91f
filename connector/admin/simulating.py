"""Simulates the arrival of an event: read, routed and asked of every guard; nothing stored, nobody called.

The same code as `connector map` and `connector may`. What it shows of a person is masked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from connector.admin.mapped import mapped
from connector.admin.may import Answer, Verdict, may
from connector.admin.obstacles import chains
from connector.core import masking
from connector.core.errors import ConnectorError
from connector.core.phrases import Phrase, phrase
from connector.core.phrases import mapped as mapped_text
from connector.core.settings import Route, Settings
from connector.core.states import DeliveryState, EventState, state_word
from connector.core.times import iso
from connector.inbound.captured import captured
from connector.store.database import Database

LONGEST: Final = 64 * 1024  #: bytes of a payload
MOST: Final = 10  #: events of a payload that are followed


def simulate(
    settings: Settings, database: Database, status: Mapping[str, Any], source: str, text: str, at: int
) -> list[dict[str, Any]]:
    """The fate of every event in a payload. ``status``: as `status` tells it; ``at``: unix ms.

    Raises `ConnectorError` if the payload cannot be read, `StoreUnavailable`.
    """
    raw = text.encode()
    if not raw.strip():
        raise ConnectorError(phrase("Paste a payload as the sender sends it."))
    if len(raw) > LONGEST:
        raise ConnectorError(phrase("This payload is too long: paste one event of it."))
    request = captured(raw)
    result = mapped(settings, settings.sources[source], request.body, request.content_type, request.headers)
    return [_event(settings, database, status, one, at) for one in result["events"][:MOST]]


def _event(
    settings: Settings, database: Database, status: Mapping[str, Any], one: Mapping[str, Any], at: int
) -> dict[str, Any]:
    ways = _ways(one["event"] or {})
    routes = {route.name: route for route in settings.routes}
    return {
        "type": one["type"],
        "status": str(one["status"]),
        "said": _sentence(one),
        "notes": [masking.of_others(note) for note in one["notes"]],
        "errors": [
            {"field": each["field"], "message": masking.of_others(each["message"])} for each in one["errors"] or ()
        ],
        "routes": [{**each, "why": each["why"] and masking.of_ours(each["why"])} for each in one["routes"]],
        "deliveries": [
            _delivery(settings, database, status, routes[new["route"]], new, ways, at)
            for new in one["deliveries"]
            if new["route"] in routes
        ],
    }


def _sentence(one: Mapping[str, Any]) -> Phrase:
    if one["status"] == EventState.INVALID:
        return phrase("It cannot be read: it would be kept, and sent nowhere.")
    if one["status"] == EventState.IGNORED:
        return phrase("No route wants it: it would be kept, and sent nowhere.")
    if one["status"] == EventState.WAITING:
        return phrase("It holds an id only: the rest is asked for first, and this page asks no vendor.")
    return phrase("It can be read.")


def _ways(event: Mapping[str, Any]) -> tuple[str, ...]:
    """Phones (E.164) and e-mails (casefolded) of the person of an event."""
    person = event.get("customer") or event
    emails = [person.get("email") or ""]
    return tuple(dict.fromkeys([*(person.get("phones") or ()), *(one.casefold() for one in emails if one)]))


def _delivery(
    settings: Settings,
    database: Database,
    status: Mapping[str, Any],
    route: Route,
    new: Mapping[str, Any],
    ways: Sequence[str],
    at: int,
) -> dict[str, Any]:
    pending = new["state"] == DeliveryState.PENDING
    answer = may(settings, database, ways, route, at) if pending and ways else Answer(())
    chain = next((one for one in chains(status, settings) if one.destination == new["destination"]), None)
    barred = chain.verdict if chain is not None and pending else None
    record = new["record"]
    return {
        "route": new["route"],
        "destination": new["destination"],
        "verdict": _verdict(new, answer, barred.said if barred else ""),
        "good": pending and answer.may and barred is None,
        "after": new["after"],
        "verdicts": [_guard(one) for one in answer.verdicts],
        "record": masking.record(record, masking.texts(route.options)) if record else None,
        "notes": [masking.of_others(note) for note in new["notes"]],
    }


def _guard(one: Verdict) -> dict[str, Any]:
    return {"guard": one.guard, "may": one.may, "why": mapped_text(one.why, masking.of_ours), "until": iso(one.until)}


def _verdict(new: Mapping[str, Any], answer: Answer, barred: str) -> Phrase:
    destination = new["destination"]
    if new["state"] != DeliveryState.PENDING:
        why = masking.of_ours(new["reason"] or "")
        return phrase("{destination}: {state}: {why}", destination=destination, state=state_word(new["state"]), why=why)
    if answer.not_before is not None:
        until = iso(answer.not_before)
        return phrase("It would go to {destination} from {until} on.", destination=destination, until=until)
    if not answer.may:
        why = next(masking.of_ours(one.why) for one in answer.verdicts if not one.may)
        return phrase("It would not go to {destination}: {why}", destination=destination, why=why)
    if new["after"]:
        return phrase(
            "It would go to {destination} once “{route}” is delivered.", destination=destination, route=new["after"]
        )
    if barred:
        return phrase("It would wait for {destination}: {why}", destination=destination, why=barred)
    return phrase("It would go to {destination} at once.", destination=destination)
