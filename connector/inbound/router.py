"""Event -> deliveries: the routes that take it, and the record of each, rendered and validated before storing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from connector.core import keyed_hash
from connector.core.caps import BY_NUMBER
from connector.core.fields import results_in
from connector.core.log import get
from connector.core.openings import Clocked, PlaceRules
from connector.core.phrases import phrase
from connector.core.places import place_of
from connector.core.reasons import Code, Reason
from connector.core.settings import Account, Refusal, Route, Settings
from connector.core.states import DeliveryState
from connector.core.text import listed, quote
from connector.core.turns import turn_of
from connector.inbound import conditions
from connector.inbound.believed import believed
from connector.inbound.consent import Consents
from connector.inbound.refusing import REFUSING, refused, ways
from connector.store import chains
from connector.store.arrivals import NewDelivery
from connector.store.lanes import CHECK_OF, LIVE, PARKED_OF
from mappings import RECORDS
from mappings.base import FieldError, Invalid, RecordMapping, Rendered, Rendering, lookup, walk, with_result
from mappings.dialable import NumberRule, judged, rule_of
from mappings.events import Event, Lead, Phone
from mappings.safe_text import harmless


@dataclass(frozen=True, slots=True)
class _Person:
    """The person of an event."""

    ways: list[str | None]  #: keyed hashes of all phones and e-mails
    place: str
    since_ms: int  #: the event's own time


log = get("router")


@dataclass(frozen=True, slots=True)
class _Prepared:
    route: Route
    destination: str
    mapping: RecordMapping
    wanted: tuple[str, ...] = ()  #: of the answer to the delivery before: paths below "result."
    conditions: tuple[conditions.Prepared, ...] = ()
    is_safe: bool = False  #: formulas and tags in its texts are made harmless

    @property
    def chooses(self) -> bool:
        """Whether the route has conditions on the content, beyond source and type."""
        return bool(self.conditions) or self.route.otherwise


@dataclass(frozen=True, slots=True)
class Choice:
    """The result of a route for an event."""

    route: Route
    why_not: str = ""  #: "" if the route takes it


class Router:
    """The routes of a configuration, prepared once. Thread-safe.

    ``name_of`` gives the name of a route's destination.
    """

    def __init__(self, settings: Settings, name_of: Callable[[Route], str]) -> None:
        self._key: Final = settings.hash_key
        self._routes: Final = settings.routes
        self._consents: Final = Consents(settings.locale, settings.hash_key)
        self._locale: Final = settings.locale
        self._rules: Final = PlaceRules(settings.contact, settings.locale.region) if settings.contact else None
        self._accounts: Final = settings.accounts
        self._sources: Final = settings.sources
        self._rules_of: dict[tuple[str, str], tuple[NumberRule, int] | None] = {}
        self._prepared: dict[tuple[str, str], tuple[_Prepared, ...]] = {}
        prepared = [_prepared(settings, route, name_of(route)) for route in settings.routes]
        self._by_name: Final = {p.route.name: p for p in prepared}
        self._refusing: Final = {
            (source, event_type): tuple(one for one in settings.refusals if _wants(one, source, event_type))
            for source in settings.sources
            for event_type in {name for one in settings.refusals for name in one.on}
        }
        types = {event_type for route in settings.routes for event_type in route.on}
        for source in settings.sources:
            for event_type in types:
                self._prepared[source, event_type] = tuple(p for p in prepared if _wants(p.route, source, event_type))

    def routes_for(self, source: str, event_type: str) -> tuple[Route, ...]:
        return tuple(p.route for p in self._prepared.get((source, event_type), ()))

    def deliveries(
        self, source: str, event: Event, *, lane: int = LIVE, received_ms: int = 0
    ) -> tuple[NewDelivery, ...]:
        """One delivery for each route that takes the event; one that cannot be rendered is dead at once, with its
        reason. ``received_ms``: when it came, if not now; its time, if it has none.
        """
        prepared = self._taking(source, event)
        refusals = self._refusing.get((source, event.type), ())
        if not prepared and not refusals:
            return ()
        event = believed(event)
        since_ms = int(event.time.timestamp() * 1000) if event.time else received_ms or int(time.time() * 1000)
        person = _Person([self._hash("", way) for way in ways(event)], _place(event), since_ms)
        new_deliveries = tuple([self._delivery(p, source, event, person, lane) for p in prepared])
        new_deliveries += tuple([self._refusal(one, event, person, lane) for one in refusals])
        if any(new.after for new in new_deliveries):
            _end_with_their_like(new_deliveries)
        return new_deliveries

    def choices(self, source: str, event: Event) -> tuple[Choice, ...]:
        """The result of each configured route for an event, with the reason if it does not take it."""
        wanting = {p.route.name: p for p in self._prepared.get((source, event.type), ())}
        refused = _refusals(wanting, event)
        return tuple(
            Choice(route, refused.get(route.name, "") if route.name in wanting else _unwanted(route, source, event))
            for route in self._routes
        )

    def chooses(self, route: str) -> bool:
        """Whether a route has conditions on the content of events."""
        return route in self._by_name and self._by_name[route].chooses

    def operation(self, route: str) -> str:
        """The operation of a route ("wolkvox.add_record"); "" if it left the configuration."""
        return self._by_name[route].route.to if route in self._by_name else ""

    def _taking(self, source: str, event: Event) -> tuple[_Prepared, ...]:
        """The routes that take the event."""
        prepared = self._prepared.get((source, event.type), ())
        if not any(p.chooses for p in prepared):
            return prepared
        refused = _refusals({p.route.name: p for p in prepared}, event)
        return tuple(p for p in prepared if p.route.name not in refused)

    def checks(self, route: str) -> bool:
        """Whether its deliveries need a pre-check."""
        return bool(self._by_name[route].route.options.get("ninety_day_rule"))

    def rendered(self, route: str, event: Event, result: Mapping[str, Any], source: str = "") -> Rendered:
        """The record of a dependent route, given the ``result`` of the delivery before it. Raises `Invalid`."""
        prepared = self._by_name[route]
        unknown = [path for path in prepared.wanted if walk(result, path) is None]
        if unknown:
            fault = f"is not known: “{prepared.route.after}” was delivered, but its vendor's answer does not say it"
            raise Invalid(tuple(FieldError(f"result.{path}", fault) for path in unknown))
        return self._render(prepared, source, with_result(believed(event), result), _place(event))

    def left_open(self, route: str, event: Event) -> Rendered:
        """The same before that delivery: "‹result.…›" stands for the later value. Raises `Invalid`."""
        paths = self._by_name[route].wanted
        return self.rendered(route, event, {path: f"‹result.{path}›" for path in paths})

    def _delivery(self, prepared: _Prepared, source: str, event: Event, person: _Person, lane: int) -> NewDelivery:
        route, ways = prepared.route, person.ways
        consent = self._consents.read(event, route.proof, wish=route.hours_as_asked)
        once_key = self._hash(route.name, lookup(event, route.once_per.key)) if route.once_per else None
        new = NewDelivery(
            route=route.name,
            account=route.account,
            destination=prepared.destination,
            record="",
            expires_at=person.since_ms + int(route.expires_after_s * 1000),
            lane=CHECK_OF[lane] if route.options.get("ninety_day_rule") else lane,
            contact=ways[0] if ways else None,
            contacts=orjson.dumps(ways).decode() if len(ways) > 1 else None,
            once_key=once_key,
            once_more=self._once_more(route, event, once_key),
            place=person.place,
            turn=turn_of(source),
            rule=rule[1] if (rule := self._rule(prepared, source)) else None,
            consent=orjson.dumps(consent).decode() if consent else None,
        )
        if route.after:
            new.lane, new.after = PARKED_OF[lane], route.after
            return new
        try:
            rendered = self._render(prepared, source, event, person.place)
        except Invalid as invalid:
            new.state, new.reason = DeliveryState.DEAD, Reason(Code.NO_RECORD, {"words": str(invalid)})
            return new
        new.record, new.notes = orjson.dumps(rendered.record).decode(), rendered.notes
        if rendered.hold:
            new.state, new.reason = DeliveryState.SUPPRESSED, needs_a_person(rendered)
        return new

    def _once_more(self, route: Route, event: Event, first: str | None) -> tuple[str, ...]:
        """The keys of the person's other phones: a person may leave them in another order."""
        if route.once_per is None or route.once_per.key != "phone" or first is None:
            return ()
        every = (self._hash(route.name, way) for way in ways(event) if way.startswith("+"))
        return tuple(dict.fromkeys(key for key in every if key and key != first))

    def _refusal(self, route: Refusal, event: Event, person: _Person, lane: int) -> NewDelivery:
        """The entry of the event's person on the suppression list: made as soon as the event is stored."""
        named = refused(event, lambda way: self._hash("", way), person.since_ms)
        return NewDelivery(
            route=route.name,
            account="",
            destination=REFUSING,
            record="",
            expires_at=person.since_ms,
            lane=lane,
            contact=person.ways[0] if person.ways else None,
            contacts=orjson.dumps(person.ways).decode() if len(person.ways) > 1 else None,
            place=person.place,
            state=DeliveryState.DELIVERED if named else DeliveryState.DEAD,
            reason=Reason(Code.REFUSAL_LISTED if named else Code.REFUSAL_NOBODY),
            refused=named,
        )

    def _render(self, prepared: _Prepared, source: str, event: Event, place: str) -> Rendered:
        """The record of the numbers that may be called, with the wished time of a call within the hours of the person's
        place. Raises `Invalid`, saying which numbers were left out.
        """
        rule = self._rule(prepared, source)
        event, left_out = judged(event, rule[0]) if rule else (event, ())
        moved, note = self._within_hours(prepared.route, event, place)
        try:
            rendered = _rendered(prepared, moved)
        except Invalid as invalid:
            if not left_out:
                raise
            raise Invalid((*invalid.errors, *(FieldError(*one.split(": ", 1)) for one in left_out))) from None
        if left_out and prepared.route.channel in BY_NUMBER and not _reached_at(event):
            raise Invalid(tuple(FieldError(*one.split(": ", 1)) for one in left_out))
        notes = (*rendered.notes, *left_out, *([note] if note else []))
        return replace(rendered, notes=notes) if notes else rendered

    def rule_mark(self, route: str, source: str) -> int | None:
        """The mark of the rule by which the numbers of a record are judged; None if it has none to call."""
        rule = self._rule(self._by_name[route], source)
        return rule[1] if rule else None

    def _rule(self, prepared: _Prepared, source: str) -> tuple[NumberRule, int] | None:
        """The rule of callable numbers and its mark; a source may narrow the account's."""
        if not getattr(prepared.mapping, "calls", False) and prepared.route.channel not in BY_NUMBER:
            return None
        key = (prepared.route.account, source)
        if key not in self._rules_of:
            account = self._accounts[prepared.route.account]
            rule = rule_of(account, self._sources.get(source), self._locale.region)
            self._rules_of[key] = (rule, rule.mark) if rule else None
        return self._rules_of[key]

    def _within_hours(self, route: Route, event: Event, place: str) -> tuple[Event, str]:
        if self._rules is None or not isinstance(event, Lead) or event.callback_at is None:
            return event, ""
        if route.hours_as_asked and route.purpose == "requested":
            return event, ""
        wished = int(event.callback_at.timestamp() * 1000)
        hours = route.contact_hours
        own = (Clocked(hours, hours.zone or self._locale.timezone),) if hours else ()
        closed = self._rules.closed(place, route.purpose, wished, own)
        if closed is None:
            return event, ""
        opens = datetime.fromtimestamp(closed.until / 1000, UTC)
        local = opens.astimezone(self._locale.timezone)
        return replace(event, callback_at=opens), f"callback_at: moved to {local:%Y-%m-%d %H:%M} ({closed.why})"

    def contact_hash(self, value: str) -> str | None:
        """The hash under which a phone (E.164) or an e-mail is kept, to find a person's deliveries."""
        return self._hash("", value)

    def _hash(self, scope: str, value: Any) -> str | None:
        return hashed(self._key, scope, value)


def needs_a_person(rendered: Rendered) -> Reason:
    """Why an operator must look first. Afterwards `connector replay --delivery` sends it."""
    return Reason(Code.PERSON_FIRST, {"words": rendered.hold})


def hashed(key: bytes, scope: str, value: Any) -> str | None:
    """The keyed hash under which a value is found again; None for None. ``scope`` is "" for phones and e-mails."""
    text = "" if value is None else str(value).strip().casefold()
    if not text:
        return None
    return keyed_hash.digest(key, scope, text)


def _rendered(prepared: _Prepared, event: Event) -> Rendered:
    """The record. Raises `Invalid`, also for a failure that is ours, which goes to the log."""
    try:
        rendered = prepared.mapping.render(event)
        return replace(rendered, record=harmless(rendered.record)) if prepared.is_safe else rendered
    except Invalid:
        raise
    except Exception as surprise:
        log.exception("a record could not be made", route=prepared.route.name, destination=prepared.destination)
        raise Invalid((FieldError("record", f"making it failed ({type(surprise).__name__})"),)) from None


def _prepared(settings: Settings, route: Route, destination: str) -> _Prepared:
    results = tuple(sorted(results_in(route.options)))
    when, account = conditions.prepared(route, settings.locale.timezone), settings.accounts.get(route.account)
    is_safe = account is not None and account.safe_text == "spreadsheet"
    return _Prepared(route, destination, _mapping(settings, route), results, when, is_safe)


def _refusals(wanting: Mapping[str, _Prepared], event: Event) -> dict[str, str]:
    """Why routes that want events of this source and type do not take this one; routes that take it are absent.

    A dependent route needs one before it that takes the event; "otherwise" is decided once all others are.
    """
    found: dict[str, str] = {}

    def refuse(name: str) -> str:
        if name not in found:
            found[name] = ""  # of a circle of routes, which no configuration has
            prepared = wanting[name]
            found[name] = _refusal(prepared, event) or follow(prepared.route) or left_over(prepared.route)
        return found[name]

    def follow(route: Route) -> str:
        before = route.after
        template = "“{route}”, which it comes after, does not take it"
        return phrase(template, route=before) if before in wanting and refuse(before) else ""

    def left_over(route: Route) -> str:
        if not route.otherwise:
            return ""
        others = [one.route for one in wanting.values() if one.route.to == route.to and not one.route.otherwise]
        taker = next(
            (one.name for one in others if not _comes_after(one, route.name, wanting) and not refuse(one.name)), ""
        )
        return phrase("“{route}” takes it", route=taker) if taker else ""

    return {name: why for name in wanting if (why := refuse(name))}


def _comes_after(route: Route, name: str, wanting: Mapping[str, _Prepared]) -> bool:
    seen: set[str] = set()
    while route.after and route.after not in seen:
        if route.after == name:
            return True
        seen.add(route.after)
        if route.after not in wanting:
            return False
        route = wanting[route.after].route
    return False


def _refusal(prepared: _Prepared, event: Event) -> str:
    return next((fault for one in prepared.conditions if (fault := one.fault(event))), "")


def _unwanted(route: Route, source: str, event: Event) -> str:
    """Why the route wants no events of this source and type."""
    if route.sources is not None and source not in route.sources:
        return phrase("it takes events of {sources} only", sources=listed(route.sources))
    return phrase("it takes {types}, and this is {type}", types=listed(route.on), type=quote(event.type))


def _end_with_their_like(deliveries: Iterable[NewDelivery]) -> None:
    """Deliveries after one that will not be made end at once, down the whole chain."""
    by_route = {new.route: new for new in deliveries}

    def end(new: NewDelivery) -> str:
        if new.state == DeliveryState.PENDING and new.after:
            before = by_route.get(new.after)
            if before is None:
                new.state, new.reason = DeliveryState.SUPPRESSED, chains.absent(new.after)
            elif (state := end(before)) != DeliveryState.PENDING:
                new.state, new.reason = DeliveryState.SUPPRESSED, chains.ended(new.after, state, before.reason)
        return new.state

    for new in by_route.values():
        end(new)


def _wants(route: Route | Refusal, source: str, event_type: str) -> bool:
    return event_type in route.on and (route.sources is None or source in route.sources)


def _phones(event: Event) -> list[Phone]:
    phones = (*event.phones, event.callback_phone) if isinstance(event, Lead) else (event.customer.phone,)
    return [phone for phone in phones if phone is not None]


def _reached_at(event: Event) -> bool:
    """Whether a number is left at which a message or a survey reaches the person."""
    return bool(event.phones) if isinstance(event, Lead) else event.customer.phone is not None


def _place(event: Event) -> str:
    return place_of((phone.country_code, phone.national) for phone in _phones(event))


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
