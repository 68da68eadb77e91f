"""Event -> deliveries: which routes want it, and the record each will send, rendered and validated before storing."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from connector import followers
from connector.options import results_in
from connector.outbox import CHECK_OF, LIVE, PARKED_OF, NewDelivery
from connector.settings import Account, Route, Settings
from mappings import RECORDS
from mappings.base import FieldError, Invalid, RecordMapping, Rendered, Rendering, lookup, walk, with_result
from mappings.events import Event, Lead


@dataclass(frozen=True, slots=True)
class _Prepared:
    route: Route
    destination: str
    mapping: RecordMapping
    wanted: tuple[str, ...] = ()  #: of the answer to the delivery before: paths below "result."


class Router:
    """The routes of a configuration, prepared once. Thread-safe.

    ``name_of`` gives the name of a route's destination.
    """

    def __init__(self, settings: Settings, name_of: Callable[[Route], str]) -> None:
        self._key: Final = settings.hash_key
        self._prepared: dict[tuple[str, str], tuple[_Prepared, ...]] = {}
        prepared = [_prepared(settings, route, name_of(route)) for route in settings.routes]
        self._by_name: Final = {p.route.name: p for p in prepared}
        types = {event_type for route in settings.routes for event_type in route.on}
        for source in settings.sources:
            for event_type in types:
                self._prepared[source, event_type] = tuple(p for p in prepared if _wants(p.route, source, event_type))

    def routes_for(self, source: str, event_type: str) -> tuple[Route, ...]:
        return tuple(p.route for p in self._prepared.get((source, event_type), ()))

    def deliveries(self, source: str, event: Event, *, lane: int = LIVE) -> tuple[NewDelivery, ...]:
        """One delivery per route that wants the event; one that cannot be rendered is dead at once and says why."""
        prepared = self._prepared.get((source, event.type), ())
        if not prepared:
            return ()
        since_ms = int((event.time.timestamp() if event.time else time.time()) * 1000)
        ways = [self._hash("", way) for way in _ways(event)]
        made = tuple([self._delivery(p, event, since_ms, ways, lane) for p in prepared])
        if any(new.after for new in made):
            _end_with_their_like(made)
        return made

    def checks(self, route: str) -> bool:
        """Whether the vendor is to be asked before its deliveries."""
        return bool(self._by_name[route].route.options.get("ninety_day_rule"))

    def rendered(self, route: str, event: Event, result: Mapping[str, Any]) -> Rendered:
        """The record of a route that comes after another one, whose delivery brought ``result``. Raises `Invalid`."""
        prepared = self._by_name[route]
        unknown = [path for path in prepared.wanted if walk(result, path) is None]
        if unknown:
            said = f"is not known: “{prepared.route.after}” was delivered, but its vendor's answer does not say it"
            raise Invalid(tuple(FieldError(f"result.{path}", said) for path in unknown))
        return prepared.mapping.render(with_result(event, result))

    def left_open(self, route: str, event: Event) -> Rendered:
        """The same before anything was delivered: "‹result.…›" stands for what it will bring. Raises `Invalid`."""
        paths = self._by_name[route].wanted
        return self.rendered(route, event, {path: f"‹result.{path}›" for path in paths})

    def _delivery(
        self, prepared: _Prepared, event: Event, since_ms: int, ways: list[str | None], lane: int
    ) -> NewDelivery:
        route = prepared.route
        once = self._hash(route.name, lookup(event, route.once_per.key)) if route.once_per else None
        new = NewDelivery(
            route=route.name,
            account=route.account,
            destination=prepared.destination,
            record="",
            expires_at=since_ms + int(route.expires_after_s * 1000),
            lane=CHECK_OF[lane] if route.options.get("ninety_day_rule") else lane,
            contact=ways[0] if ways else None,
            contacts=orjson.dumps(ways).decode() if len(ways) > 1 else None,
            once_key=once,
        )
        if route.after:
            new.lane, new.after = PARKED_OF[lane], route.after
            return new
        try:
            rendered = prepared.mapping.render(event)
        except Invalid as invalid:
            new.state, new.reason = "dead", f"no record can be made of it: {invalid}"
            return new
        new.record, new.notes = orjson.dumps(rendered.record).decode(), rendered.notes
        return new

    def contact_hash(self, value: str) -> str | None:
        """The hash under which a phone (E.164) or an e-mail is kept, to find a person's deliveries."""
        return self._hash("", value)

    def _hash(self, scope: str, value: Any) -> str | None:
        return hashed(self._key, scope, value)


def hashed(key: bytes, scope: str, value: Any) -> str | None:
    """The keyed hash under which a value is found again; None of nothing. ``scope`` is "" for phones and e-mails."""
    text = "" if value is None else str(value).strip().casefold()
    if not text:
        return None
    return hashlib.blake2b(f"{scope}\0{text}".encode(), digest_size=16, key=key).hexdigest()


def _prepared(settings: Settings, route: Route, destination: str) -> _Prepared:
    return _Prepared(route, destination, _mapping(settings, route), tuple(sorted(results_in(route.options))))


def _end_with_their_like(made: Iterable[NewDelivery]) -> None:
    """Who comes after what will not be delivered ends at once, down the whole chain."""
    by_route = {new.route: new for new in made}

    def end(new: NewDelivery) -> str:
        if new.state == "pending" and new.after:
            before = by_route.get(new.after)
            if before is None:
                new.state, new.reason = "suppressed", followers.absent(new.after)
            elif (state := end(before)) != "pending":
                new.state, new.reason = "suppressed", followers.ended(new.after, state, before.reason)
        return new.state

    for new in by_route.values():
        end(new)


def _wants(route: Route, source: str, event_type: str) -> bool:
    return event_type in route.on and (route.sources is None or source in route.sources)


def _ways(event: Event) -> list[str]:
    """Every phone and e-mail of the person, each once, the first one first."""
    if isinstance(event, Lead):
        phones, email = (*event.phones, event.callback_phone), event.email
    else:
        phones, email = (event.customer.phone,), event.customer.email
    found = [*(phone.e164 for phone in phones if phone is not None), email.strip().casefold()]
    return list(dict.fromkeys(way for way in found if way))


def _mapping(settings: Settings, route: Route) -> RecordMapping:
    account: Account = settings.accounts[route.account]
    options: Mapping[str, Any] = route.options
    return RECORDS[route.to](
        Rendering(
            locale=settings.locale,
            phone_format=account.phone_format,
            dial_prefix=account.dial_prefix,
            opt=tuple(options.get("opt", ())),
            tags=dict(options.get("tags", {})),
            campaign_code=str(options.get("campaign_code", "")),
            score=str(options.get("score", "")),
            justification=str(options.get("justification", "")),
            questions=tuple(options.get("questions", ())),
            text=str(options.get("text", "")),
        )
    )
