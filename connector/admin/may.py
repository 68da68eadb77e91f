"""Whether a person may be contacted: every guard's verdict, by the same statements as a claim, with nothing sent.

A delivery to the person is claimed in a transaction that is rolled back: each guard is asked about it alone, and the
change that it makes is its verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import Connection, select, update

from connector.admin import shares
from connector.admin.privacy.person import phones
from connector.core.errors import ConnectorError
from connector.core.phrases import phrase
from connector.core.places import place_of
from connector.core.reasons import Code
from connector.core.settings import Route, Settings
from connector.core.states import DeliveryState, EventState, Kind
from connector.core.text import did_you_mean, listed, quote
from connector.inbound.router import hashed
from connector.outbound.ceilings import has_ceilings
from connector.outbound.guards import GUARDS
from connector.outbound.guards.base import Guard, Members
from connector.outbound.guards.ceilings import CeilingGuard
from connector.outbound.guards.expiry import REGISTRY_HELD
from connector.outbound.guards.numbers import NumbersGuard
from connector.outbound.guards.share import ShareGuard
from connector.store import attempt_list, attempts, new_rows, outbox, reasons
from connector.store.arrivals import Arrival, NewDelivery
from connector.store.database import Database, insert_rows
from connector.store.lanes import LIVE
from connector.store.tables import deliveries, events, records
from connector.vendors.base import Destination
from connector.vendors.destinations import name_of, places
from mappings.dialable import rule_of
from mappings.phones.reader import identities

_deliveries = deliveries.c
_records = records.c
_TIMEOUT_MS: Final = 1000
_GOOD_FOR_MS: Final = 10**12  #: guards about age do not apply


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict of one guard.

    ``until``: when it would allow the contact (unix ms); None: it does now, or never will.
    """

    guard: str
    may: bool
    why: str
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Every guard's verdict, in the order in which a claim asks them."""

    verdicts: tuple[Verdict, ...]

    @property
    def may(self) -> bool:
        """Whether the person may be contacted at that moment."""
        return all(one.may for one in self.verdicts)

    @property
    def not_before(self) -> int | None:
        """When the contact is allowed, as far as waiting helps (unix ms); None: at once, or never."""
        if any(not one.may and one.until is None and one.guard != "proof" for one in self.verdicts):
            return None
        return max((one.until for one in self.verdicts if one.until is not None), default=None)


def route_of(settings: Settings, name: str) -> Route:
    """The route of that name. Raises `ConnectorError`."""
    known = {route.name: route for route in settings.routes}
    if name not in known:
        hint = did_you_mean(name, known) or phrase(", there is {names}", names=listed(known))
        raise ConnectorError(phrase("there is no route {name}{hint}", name=quote(name), hint=hint))
    return known[name]


def may(settings: Settings, database: Database, who: str | Sequence[str], route: Route, at: int) -> Answer:
    """Whether a person may be contacted through a route at a moment (unix ms). ``who``: their phones and e-mails."""
    place = places(settings)[route.account][name_of(route)]
    question = _Asked(settings, (who,) if isinstance(who, str) else tuple(who), route, place, at)
    verdicts: list[Verdict] = []
    try:
        with database.write() as conn:
            verdicts += question.verdicts(conn)
            raise _GiveUp
    except _GiveUp:
        pass
    return Answer(tuple(verdicts))


class _GiveUp(Exception):  # noqa: N818 - a transaction is given up by leaving it so
    """Rolls the transaction back."""


@dataclass(frozen=True, slots=True)
class _Asked:
    settings: Settings
    who: tuple[str, ...]  #: phones (E.164) and e-mails (casefolded) of one person
    route: Route
    place: Destination
    at: int

    def verdicts(self, conn: Connection) -> Iterator[Verdict]:
        """The verdict of each guard, as if it alone had claimed the delivery."""
        if not self.place.contacts_people:
            yield Verdict("route", True, f"{self.route.to} contacts nobody")
            return
        attempt = self._put_in_hand(conn)
        for guard in GUARDS:
            if guard.option == ShareGuard.option:
                yield from self._shares(conn)
                continue
            if guard.option == NumbersGuard.option:
                yield from self._numbers()
                continue
            if not _applies(guard, self.place):
                continue
            with conn.begin_nested() as savepoint:
                guard.apply(Members(conn, self.place, attempt, Kind.SEND, self.at))
                columns = (
                    _deliveries.state,
                    _deliveries.due_at,
                    _deliveries.reason_code,
                    _deliveries.reason_facts,
                    _deliveries.reason,
                )
                row = conn.execute(select(*columns).where(_deliveries.attempt == attempt)).one()
                savepoint.rollback()
            yield _verdict(guard, row)

    def _shares(self, conn: Connection) -> Iterator[Verdict]:
        """Whether the sources of the route have room in their shares; it ends nothing for events of others."""
        found = shares.at(conn, self.place, self.at)
        if found:
            is_used = all(one.used_up for one in found) and len(found) == len(self.place.sources)
            until = max(one.frees_at or 0 for one in found) or None
            yield Verdict(
                ShareGuard.option, not is_used, "; ".join(one.said for one in found), until if is_used else None
            )

    def _numbers(self) -> Iterator[Verdict]:
        """Whether one of the phones may be called by the account; a source may say less."""
        rule = rule_of(self.settings.accounts[self.route.account], None, self.settings.locale.region)
        known = [phone for one in self.who if one.startswith("+") for phone in phones(one, self.settings)[:1]]
        if self.place.reaches_numbers and rule is not None and known:
            faults = [rule.fault(phone) for phone in known]
            yield Verdict(NumbersGuard.option, not all(faults), "; ".join(dict.fromkeys(filter(None, faults))))

    def _put_in_hand(self, conn: Connection) -> int:
        """Claims a delivery of today to the person in an attempt of its own. Returns the attempt."""
        attempt = attempts.start(
            conn,
            account=self.route.account,
            destination=self.place.name,
            kind=Kind.SEND,
            worker="may",
            now=self.at,
            timeout_ms=_TIMEOUT_MS,
        )
        event = self._event(conn, f"may-{attempt.id}")
        outbox.add(conn, [(event, [self._delivery(conn)])], self.at)
        values = {"state": DeliveryState.SENDING, "attempt": attempt.id, "attempts": attempt_list.of(attempt.id)}
        conn.execute(update(deliveries).where(_deliveries.event == event).values(values))
        return attempt.id

    def _event(self, conn: Connection, name: str) -> int:
        arrival = Arrival(
            source="connector may", event_id=name, type=self.route.on[0], state=EventState.ACCEPTED, payload="{}"
        )
        row = new_rows.whole_event(arrival, self.at)
        return int(insert_rows(conn, events, [row], returning=("id",))[0][0])

    def _delivery(self, conn: Connection) -> NewDelivery:
        ways, where = self._ways()
        once = self._once_keys()
        return NewDelivery(
            route=self.route.name,
            account=self.route.account,
            destination=self.place.name,
            lane=LIVE,
            state=DeliveryState.PENDING,
            expires_at=self.at + _GOOD_FOR_MS,
            once_key=next(iter(once), None),
            once_more=once[1:],
            place=where,
            record="",
            contact=ways[0] if ways else None,
            contacts=orjson.dumps(ways).decode() if len(ways) > 1 else None,
            consent=self._consent(conn, ways),
        )

    def _ways(self) -> tuple[list[str], str]:
        """The hashes of everything the person may be kept under, and where they may be."""
        return ways_of(self.settings, *self.who)

    def _once_keys(self) -> tuple[str, ...]:
        """Of every phone, or of the first e-mail, the first one first."""
        once = self.route.once_per
        if once is None or once.key not in ("phone", "email"):
            return ()
        named = [one for one in self.who if ("@" in one) == (once.key == "email")]
        if once.key == "phone":
            known = [phone for one in named for phone in phones(one, self.settings)[:1]]
            named = [form for phone in known for form in identities(phone)] or named
        keys = (
            hashed(self.settings.hash_key, self.route.name, one) for one in named[: None if once.key == "phone" else 1]
        )
        return tuple(dict.fromkeys(key for key in keys if key))

    def _consent(self, conn: Connection, ways: Sequence[str]) -> str | None:
        """The latest consent that is known of the person."""
        query = select(_records.consent).where(_records.contact.in_(ways), _records.consent.is_not(None))
        found = [orjson.loads(text) for text in conn.execute(query).scalars()]
        consents = [
            {name: value for name, value in one.items() if name != "wish"}
            for one in found
            if "at" in one and one["at"] <= self.at
        ]
        latest = max(consents, key=lambda one: one["at"], default=None)
        return orjson.dumps(latest).decode() if latest else None


def ways_of(settings: Settings, *who: str) -> tuple[list[str], str]:
    """The hashes of every form in which phones and e-mails are kept, and the place that the phones tell."""
    known = [phone for one in who if one.startswith("+") for phone in phones(one, settings)[:1]]
    forms = [form for phone in known for form in identities(phone)] + [one for one in who if not one.startswith("+")]
    ways = [way for one in forms or who if (way := hashed(settings.hash_key, "", one)) is not None]
    return list(dict.fromkeys(ways)), place_of((phone.country_code, phone.national) for phone in known)


def _applies(guard: Guard, place: Destination) -> bool:
    """Whether a guard applies: of the two hours guards, the one for [contact] or for the route; a new delivery cannot
    expire.
    """
    if guard.option == "expires_after":
        return False
    if guard.option in ("lists", "proof", "hours", "caps"):
        return place.plan is not None
    if guard.option == "contact_hours":
        return place.plan is None
    if guard.option == CeilingGuard.option:
        return has_ceilings(place)
    if guard.option == "once_per":
        return any(route.once_per is not None for route in place.routes.values())
    return guard.option != "ninety_day_rule" or place.checks


def _verdict(guard: Guard, row: Any) -> Verdict:
    reason = reasons.of(row)
    if row.state == DeliveryState.SENDING:
        return Verdict(guard.option, True, _LETS.get(guard.option, ""))
    if row.state == DeliveryState.SUPPRESSED:
        return Verdict(guard.option, False, str(reason))
    if reason is not None and reason.code is Code.PRECHECK_STALE:
        return Verdict(guard.option, True, phrase("the vendor is asked when the turn comes: a call"))
    waits_for_a_person = reason is not None and reason.code in REGISTRY_HELD
    return Verdict(guard.option, False, str(reason), None if waits_for_a_person else row.due_at)


_LETS: Final = {
    "do_not_contact": phrase("not on the do-not-contact list"),
    "lists": phrase("on no list that speaks of them"),
    "proof": phrase("no proof is demanded, or there is one"),
    "contact_hours": phrase("it is an hour at which they may be contacted"),
    "hours": phrase("it is an hour at which they may be contacted"),
    "caps": phrase("they were not contacted too often"),
    "calls_per_day": phrase("there is room in every ceiling of calls"),
    "once_per": phrase("no other delivery of the route has them"),
}
