"""Replay: maps stored payloads again and makes their deliveries pending.

A delivery that was made, or may have been, is not made a second time; (event, route) stays unique. Every step is a
transaction of its own, serialised per account as claims are, and checks again what it changes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, Connection, Select, and_, case, select, update
from sqlalchemy.exc import IntegrityError

from connector.admin.acts import By, stood
from connector.admin.changes import Change, added, follows, left_to, unchanged
from connector.admin.identifiers import NotThere
from connector.admin.stored import is_plain
from connector.core import at_rest, keyed_hash, masking
from connector.core.errors import ConnectorError, Unreadable, UnsupportedType
from connector.core.phrases import joined, phrase
from connector.core.reasons import Code, Reason
from connector.core.settings import Settings, Source
from connector.core.states import DeliveryState, EventState, state_word
from connector.inbound.payloads.decode import event_key
from connector.inbound.receiver import Receiver
from connector.inbound.router import Router
from connector.inbound.stored import payload_of
from connector.outbound.fetch import unrepeated
from connector.store import (
    acts,
    chains,
    inbox,
    lanes,
    once_keys,
    outbox,
    reasons,
    refusals,
    suppression_list,
    thin_events,
)
from connector.store.acts import What
from connector.store.arrivals import Arrival, NewDelivery
from connector.store.database import Database, announce, now_ms
from connector.store.tables import IS_DEAD, deliveries, events, records
from connector.vendors import destinations
from mappings.base import Ignored, Invalid

AT_ONCE: Final = 500  #: dead deliveries processed together

_deliveries = deliveries.c
_events = events.c
_records = records.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """The options of a replay."""

    dry_run: bool = False
    force: bool = False  #: send delivered ones a second time
    ended_too: bool = False  #: also suppressed ones: they were named
    late_too: bool = False  #: also expired ones: they were named, and count as fresh


@dataclass(frozen=True, slots=True, kw_only=True)
class Dead:
    """The filters of dead deliveries; all given ones must match."""

    since: int = 0  #: unix ms
    route: str = ""
    account: str = ""
    reason: str = ""  #: what their reason holds, letters of any case
    limit: int | None = None  #: the first that died


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A delivery and its replacement; or why it stays as it is."""

    row: Any
    new: NewDelivery | None = None
    why: str = ""


class Replay:
    """Maps stored payloads again, with the configuration of now."""

    def __init__(self, settings: Settings, database: Database, by: By) -> None:
        self._settings = settings
        self._by = by
        self._database = database
        self._router = Router(settings, destinations.name_of)
        self._receiver = Receiver(settings, self._router)

    def event(self, row_id: int, wish: Wish) -> list[Change]:
        """One event: an invalid one is accepted if it maps now, routes without a delivery get one, dead ones return."""
        event = self._read(row_id)
        arrival = self._mapped(event)
        if isinstance(arrival, str):
            return [Change(event=row_id, action="keep", why=arrival)]
        if arrival.state == EventState.WAITING:
            return self._wait_again(event, arrival, wish)
        return (
            self._accept(event, arrival, wish)
            if event.state == EventState.INVALID
            else self._routes(event, arrival, wish)
        )

    def delivery(self, number: int, wish: Wish) -> list[Change]:
        """Renders one delivery again and makes it pending. Raises `ConnectorError` if there is none."""
        with self._database.read() as conn:
            row = conn.execute(select(deliveries).where(_deliveries.id == number)).first()
        if row is None:
            raise NotThere(phrase("there is no delivery d{number}: `connector deliveries` lists them", number=number))
        return self._renew([self._rendered(row, wish)], wish)

    def dead(self, which: Dead, wish: Wish) -> Iterator[Change]:
        """The dead deliveries that are meant, the first dead first; bounded memory however many there are."""
        with self._database.read() as conn:
            ids = iter(_dead_ids(conn, which))
        while some := list(islice(ids, AT_ONCE)):
            with self._database.read() as conn:
                rows = conn.execute(select(deliveries).where(_deliveries.id.in_(some)).order_by(_deliveries.id)).all()
            yield from self._renew([self._rendered(row, wish) for row in rows], wish)

    # Mapping

    def _read(self, row_id: int) -> Any:
        with self._database.read() as conn:
            row = conn.execute(select(events).where(_events.id == row_id)).first()
        if row is None:
            raise ConnectorError(
                phrase("there is no event e{row_id}: `connector deliveries --find` may know it", row_id=row_id)
            )
        return row

    def _mapped(self, event: Any) -> Arrival | str:
        """The result of mapping the payload today; or why there is none."""
        source = self._settings.sources.get(event.source)
        if source is None:
            return phrase("its source {source} left the configuration", source=event.source)
        if event.forgotten_at is not None:
            return _gone(event.forgotten_at)
        if event.state == EventState.WAITING:
            return phrase("it waits until the rest of it is fetched")
        try:
            payload = payload_of(event.payload, event.content_type, event.event_id, as_sent=is_plain(source))
        except (Unreadable, UnsupportedType) as fault:
            return phrase("it still cannot be read: {fault}", fault=str(fault))
        arrival = self._receiver.arrival(source, payload)
        if arrival.state == EventState.INVALID:
            errors = joined([joined([error["field"], error["message"]], ": ") for error in arrival.errors], "; ")
            return phrase("it still makes no event: {errors}", errors=errors)
        if arrival.others:
            with self._database.read() as conn:
                inbox.leave_out_taken(conn, [arrival], self._settings.hash_key)
        return (
            self._whole(event, source)
            if arrival.state == EventState.WAITING and event.state == EventState.ACCEPTED
            else arrival
        )

    def _whole(self, event: Any, source: Source) -> Arrival | str:
        """A thin event from its payload and its fetched parts, without deliveries that equal ones have received
        already.
        """
        try:
            arrival, second_key = self._receiver.completed(
                source,
                orjson.loads(event.payload),
                orjson.loads(event.fetched),
                event_id=event.event_id,
                received_at=event.received_at,
            )
        except (Invalid, Ignored) as verdict:
            return phrase("it makes no event any more: {verdict}", verdict=str(verdict))
        with self._database.read() as conn:
            fresh, _, _ = unrepeated(
                conn,
                source,
                event.id,
                arrival,
                second_key,
                hash_key=self._settings.hash_key,
                chooses=self._router.chooses,
            )
        arrival.deliveries = tuple(fresh)
        return arrival

    def _wait_again(self, event: Any, arrival: Arrival, wish: Wish) -> list[Change]:
        """A thin event that went nowhere is routed again by a worker; or fetched again, if its parts make no event."""
        whole = self._whole(event, self._settings.sources[event.source]) if event.fetched else ""
        fetched = {} if isinstance(whole, str) else orjson.loads(event.fetched)
        try:
            with self._transaction(wish, arrival.account or "") as conn:
                key, why = _free_key(conn, event, arrival)
                if why:
                    return [Change(event=event.id, action="keep", why=why)]
                _demand_kept(conn, event.id)
                if not wish.dry_run:
                    thin_events.again(conn, event.id, arrival.account or "", fetched, now_ms(conn), key=key)
                    self._note(conn, event=event.id, before=event.state)
                    announce(conn)
                self._demand_first(conn, event)
        except IntegrityError:
            return [
                Change(event=event.id, action="keep", why=phrase("another event holds its id: a copy was accepted"))
            ]
        except _Forgotten as verdict:
            return [Change(event=event.id, action="keep", why=str(verdict))]
        why = phrase("a worker routes it again") if fetched else phrase("a worker fetches the rest of it again")
        return [Change(event=event.id, action="accept", why=why)]

    def _accept(self, event: Any, arrival: Arrival, wish: Wish) -> list[Change]:
        """Gives an invalid event its key, or one of its own where another event holds that, and its deliveries."""
        try:
            with self._transaction(wish) as conn:
                key, why = _free_key(conn, event, arrival)
                if why:
                    return [Change(event=event.id, action="keep", why=why)]
                _demand_kept(conn, event.id)
                if not wish.dry_run:
                    _make_valid(conn, event, arrival, key)
                    self._note(conn, event=event.id, before=event.state)
                    self._insert(conn, event, arrival.deliveries)
                self._demand_first(conn, event)
        except IntegrityError:
            return [Change(event=event.id, action="keep", why=phrase("a copy of it was accepted this moment"))]
        except _Forgotten as verdict:
            return [Change(event=event.id, action="keep", why=str(verdict))]
        accepted = Change(event=event.id, action="accept", why=phrase("it was invalid and maps now"))
        return [accepted, *(added(event, new) for new in arrival.deliveries)]

    def _demand_first(self, conn: Connection, event: Any) -> None:
        """Raises `_Forgotten` if a copy was accepted, and was forgotten since.

        Runs after the event was given its key: a process that hid the copy's meanwhile has committed.
        """
        name = keyed_hash.name(self._settings.hash_key, event.source, event.event_id)
        if inbox.named(conn, [(event.source, name)]):
            raise _Forgotten(phrase("a copy of it was accepted, and forgotten since"))

    # Deliveries

    def _routes(self, event: Any, arrival: Arrival, wish: Wish) -> list[Change]:
        with self._database.read() as conn:
            rows = conn.execute(select(deliveries).where(_deliveries.event == event.id).order_by(_deliveries.id)).all()
        wanted = {new.route: new for new in arrival.deliveries}
        changes = self._renew([self._judged(row, wanted.get(row.route), wish) for row in rows], wish)
        has = {row.route for row in rows}
        left = [new for route, new in wanted.items() if route not in has]
        shared = {new.route: taker for new in left if (taker := self._taker(rows, new))}
        changes += [left_to(event, new, shared[new.route]) for new in left if new.route in shared]
        fresh = [new for new in left if new.route not in shared]
        try:
            if fresh and not wish.dry_run:
                with self._transaction(wish) as conn:
                    _demand_kept(conn, event.id)
                    self._note(conn, event=event.id)
                    self._insert(conn, event, fresh)
        except _Forgotten as verdict:
            return [*changes, Change(event=event.id, action="keep", why=str(verdict))]
        changes += [added(event, new) for new in fresh]
        return changes or [Change(event=event.id, action="keep", why=phrase("no route wants it"))]

    def _taker(self, rows: Sequence[Any], new: NewDelivery) -> str:
        """The route that has taken the event already, if both have conditions on its content; "" for none."""
        if not self._router.chooses(new.route):
            return ""
        operation = self._router.operation(new.route)
        rivals = [
            row
            for row in rows
            if row.state not in (DeliveryState.DEAD, DeliveryState.SUPPRESSED) and self._router.chooses(row.route)
        ]
        return next((str(row.route) for row in rivals if row.destination.split("/")[1] == operation), "")

    def _insert(self, conn: Connection, event: Any, new: Sequence[NewDelivery]) -> None:
        now = now_ms(conn)
        for one in new:
            one.expires_at = self._expiry(one, now)
        if outbox.add(conn, [(event.id, new)], now):
            conn.execute(update(events).where(_events.id == event.id).values(state=EventState.ACCEPTED))
            refusals.apply(conn, [(event.id, new)], self._settings.hash_key)
            mine = conn.execute(select(_deliveries.id).where(_deliveries.event == event.id)).scalars()
            chains.wake(conn, mine, self._settings.followers, now)  # the delivery before may be settled already
            announce(conn)

    def _rendered(self, row: Any, wish: Wish) -> _Candidate:
        """Reads and maps the event again for this route alone, and renders its delivery."""
        if why := _untouchable(row, wish):
            return _Candidate(row, why=why)
        arrival = self._mapped(self._read(row.event))
        if isinstance(arrival, str):
            return _Candidate(row, why=arrival)
        return self._judged(row, next((new for new in arrival.deliveries if new.route == row.route), None), wish)

    def _judged(self, row: Any, new: NewDelivery | None, wish: Wish) -> _Candidate:
        if why := _untouchable(row, wish):
            return _Candidate(row, why=why)
        if new is None:
            known = any(route.name == row.route for route in self._settings.routes)
            left = "its route does not want it any more" if known else "its route left the configuration"
            return _Candidate(row, why=phrase(left))
        if (
            new.state == DeliveryState.SUPPRESSED and new.record and wish.ended_too
        ):  # an operator who names it has decided
            return _Candidate(row, new)
        if new.state == DeliveryState.DEAD:
            return _Candidate(row, new, why=phrase("still dead: {why}", why=masking.reason(new.reason)))
        return _Candidate(row, new, why=masking.reason(new.reason) if new.state == DeliveryState.SUPPRESSED else "")

    def _renew(self, candidates: Sequence[_Candidate], wish: Wish) -> list[Change]:
        """In one transaction for each account, in the order given."""
        ids = [one.row.id for one in candidates]
        changes = {one.row.id: unchanged(one.row, one.why) for one in candidates if one.why or one.new is None}
        fit = [(one.row, one.new) for one in candidates if one.new is not None and not one.why]
        for account in sorted({new.account for _, new in fit}):
            with self._transaction(wish, account) as conn:
                now = now_ms(conn)
                for row, new in fit:
                    if new.account == account:
                        changes |= self._write(conn, row, new, wish, now)
                if not wish.dry_run:
                    announce(conn)
        return [changes.pop(number) for number in ids] + list(changes.values())

    def _write(self, conn: Connection, row: Any, new: NewDelivery, wish: Wish, now: int) -> dict[int, Change]:
        """Writes the change of the delivery, and of its dependents."""
        try:
            _demand_kept(conn, row.event)
            _demand_begun(conn, row, new)
        except (_Forgotten, _NotBegun) as verdict:
            return {row.id: unchanged(row, verdict.args[0])}
        if new.expires_at <= now and not wish.late_too:
            template = "expired since; to send it all the same: connector replay --delivery d{id}"
            return {row.id: unchanged(row, phrase(template, id=row.id))}
        if why := self._refused(conn, new):
            return {row.id: unchanged(row, why)}
        new.expires_at = self._expiry(new, now)
        if not wish.dry_run and not _make_pending(conn, row, new, now):
            return {row.id: unchanged(row, phrase("it changed this moment: look again"))}
        if not wish.dry_run:
            self._note(conn, row.state, delivery=row.id, before=stood(row.state, reasons.of(row)))
        fresh = {route.name: now + int(route.expires_after_s * 1000) for route in self._settings.routes}
        after = chains.wait_again(conn, row.event, row.route, fresh, now, dry_run=wish.dry_run)
        return {row.id: self._renewed(row, new)} | {one.id: follows(row.event, one) for one in after}

    def _refused(self, conn: Connection, new: NewDelivery) -> str:
        """Why the suppression list would end it at once; "" if none of its people is on the list, or none is
        contacted.
        """
        route = next((route for route in self._settings.routes if route.name == new.route), None)
        if route is None:
            return ""
        hashes = orjson.loads(new.contacts) if new.contacts else [new.contact] if new.contact else []
        spec = destinations.SPECS[route.to]
        channel = route.channel or spec.by_channel
        if not spec.contacts_people or not suppression_list.on_list(conn, hashes, channel):
            return ""
        listed = masking.reason(Reason(Code.LISTED))
        return phrase("{reason}: connector suppress remove PHONE|EMAIL, then replay it", reason=listed)

    def _note(self, conn: Connection, state: str = "", **about: Any) -> None:
        what = What.RESEND if state == DeliveryState.DELIVERED else What.REPLAY
        acts.append(conn, [self._by.act(what, **about)], now_ms(conn))

    def _renewed(self, row: Any, new: NewDelivery) -> Change:
        return Change(
            event=row.event,
            action="resend" if row.state == DeliveryState.DELIVERED else "renew",
            why=joined([phrase("it was {state}", state=state_word(row.state)), *_because(row)], ": "),
            route=row.route,
            delivery=row.id,
            destination=new.destination,
        )

    def _transaction(self, wish: Wish, account: str = "") -> contextlib.AbstractContextManager[Connection]:
        return self._database.read() if wish.dry_run else self._database.write(serialise=account)

    def _expiry(self, new: NewDelivery, now: int) -> int:
        """When it expires: a replayed delivery counts as fresh, because its event's own time may be long past."""
        route = next((route for route in self._settings.routes if route.name == new.route), None)
        if route is None:  # a "no", which never expires
            return new.expires_at
        return max(new.expires_at, now + int(route.expires_after_s * 1000))


def _dead_ids(conn: Connection, which: Dead) -> Sequence[int]:
    if not (which.reason and at_rest.newest()):
        return [row.id for row in conn.execute(_dead(which))]
    columns = (_deliveries.reason_code, _deliveries.reason_facts, _deliveries.reason)
    rows = conn.execute(_dead(replace(which, reason="")).limit(None).add_columns(*columns))
    return [row.id for row in islice((row for row in rows if reasons.says(row, which.reason)), which.limit)]


def _dead(which: Dead) -> Select[tuple[int]]:
    died: list[ColumnElement[bool]] = [and_(IS_DEAD), _deliveries.updated_at >= which.since]
    if which.route:
        died.append(_deliveries.route == which.route)
    if which.account:
        died.append(_deliveries.account == which.account)
    if which.reason:
        died.append(reasons.holds(deliveries, which.reason))
    return select(_deliveries.id).where(*died).order_by(_deliveries.updated_at, _deliveries.id).limit(which.limit)


class _NotBegun(Exception):  # noqa: N818 - a verdict, and the words for it
    """The delivery before it will not be made as it stands."""


def _demand_begun(conn: Connection, row: Any, new: NewDelivery) -> None:
    """Raises `_NotBegun`, saying what to replay instead."""
    if not new.after:
        return
    before = chains.before(conn, row.event, new.after)
    if before is None:
        raise _NotBegun(str(chains.absent(new.after)))
    if before.state in (DeliveryState.DEAD, DeliveryState.SUPPRESSED):
        raise _NotBegun(
            phrase(
                "{ended}: connector replay --delivery d{id}",
                ended=chains.ended(new.after, before.state, None),
                id=before.id,
            )
        )


def _because(row: Any) -> list[str]:
    reason = reasons.of(row)
    return [masking.reason(reason)] if reason else []


class _Forgotten(Exception):  # noqa: N818 - a verdict, and the words for it
    """The event, or a copy of it, was forgotten."""


def _demand_kept(conn: Connection, event: int) -> None:
    """Raises `_Forgotten` if it was; it cannot be forgotten before this transaction ends."""
    when = conn.execute(select(_events.forgotten_at).where(_events.id == event).with_for_update(read=True)).scalar()
    if when is not None:
        raise _Forgotten(_gone(when))


def _gone(unix_ms: int) -> str:
    day = f"{datetime.fromtimestamp(unix_ms / 1000, UTC):%Y-%m-%d}"
    return phrase("its data was forgotten on {day}: nothing is left to be sent", day=day)


_WHY_NOT: Final = {
    DeliveryState.PENDING: phrase("it is waiting already"),
    DeliveryState.SENDING: phrase("it is in a call now"),
    DeliveryState.DELIVERED: phrase("it was delivered; to send it a second time: --force"),
}


def _untouchable(row: Any, wish: Wish) -> str:
    """Why this delivery must stay as it is; "" when it may be sent (again)."""
    if row.state == DeliveryState.SUPPRESSED and row.reason_code in chains.AFTER and not wish.ended_too:
        return phrase("it goes once the delivery before it is delivered")
    allowed = (
        {DeliveryState.DEAD}
        | ({DeliveryState.SUPPRESSED} if wish.ended_too else set())
        | ({DeliveryState.DELIVERED} if wish.force else set())
    )
    if row.state in allowed:
        return ""
    if row.state == DeliveryState.UNCERTAIN:
        return phrase("it may have been delivered: connector resolve d{id} --landed | --resend", id=row.id)
    if row.state == DeliveryState.SUPPRESSED:
        return phrase("a guard ended it; to send it all the same: connector replay --delivery d{id}", id=row.id)
    return _WHY_NOT[row.state]


def _make_pending(conn: Connection, row: Any, new: NewDelivery, now: int) -> bool:
    """Makes it pending with a new record; False if the delivery has changed since it was read."""
    same = and_(_deliveries.id == row.id, _deliveries.state == row.state, _deliveries.updated_at == row.updated_at)
    values: dict[str, Any] = {
        "account": new.account,
        "destination": new.destination,
        "once_key": new.once_key,
        "expires_at": new.expires_at,
        "place": new.place,
        "turn": new.turn,
        "rule": new.rule,
        "lane": case(_lanes_for(new), value=_deliveries.lane, else_=_deliveries.lane),
    }
    again = outbox.again_values(Reason(Code.REPLAYED), now) | values
    if conn.execute(update(deliveries).where(same).values(again)).rowcount != 1:
        return False
    notes = orjson.dumps(new.notes).decode() if new.notes else None
    values = {
        "record": new.record,
        "notes": notes,
        "contact": new.contact,
        "contacts": new.contacts,
        "after": new.after or None,
        "consent": new.consent,
    }
    conn.execute(update(records).where(_records.delivery == row.id).values(values))
    once_keys.replace(conn, row.id, new)
    return True


def _lanes_for(new: NewDelivery) -> Mapping[int, int]:
    """Lane -> the lane in which a replayed delivery starts."""
    if new.after:  # due at once: it is judged by whether the delivery before it was delivered
        return lanes.PARK_AGAIN
    return lanes.CHECK_AGAIN if new.lane in lanes.CHECKED else lanes.WHOLE_OF


def _free_key(conn: Connection, event: Any, arrival: Arrival) -> tuple[str, str]:
    """The key under which an event can be accepted; or why it cannot: it was accepted before, as another row.

    An event with the id but not the content of another one was refused as a copy and is none: its key is its id and its
    content.
    """
    own = event_key(f"{event.event_id}~{(arrival.fingerprint or '')[:16]}")
    for key in (event.event_id, own):
        others = and_(_events.source == event.source, _events.key == key, _events.id != event.id)
        holder = conn.execute(select(_events.id, _events.fingerprint).where(others)).first()
        if holder is None:
            return key, ""
        if holder.fingerprint == arrival.fingerprint:
            return "", phrase("the same event was accepted as e{id}", id=holder.id)
    return "", phrase("another event has its id: ask the sender for a copy with an id of its own")


def _make_valid(conn: Connection, event: Any, arrival: Arrival, key: str) -> None:
    values = {
        "key": key,
        "type": arrival.type,
        "state": EventState.IGNORED,  # until a route takes it
        "occurred_at": arrival.occurred_at,
        "fingerprint": arrival.fingerprint,
        "errors": None,
        "notes": orjson.dumps(arrival.notes).decode() if arrival.notes else None,
    }
    conn.execute(update(events).where(_events.id == event.id, _events.state == EventState.INVALID).values(values))
