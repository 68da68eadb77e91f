"""What a person decides after the fact: map again from the stored payload, settle what is uncertain.

Whatever was delivered, or may have been, is not sent a second time; (event, route) stays unique. Every step is a
transaction of its own, serialised per account as claims are, and looks again at what it changes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

import orjson
from sqlalchemy import Connection, and_, case, or_, select, text, update
from sqlalchemy.exc import IntegrityError

from connector import destinations, followers, forgotten, inbox, outbox, waiting
from connector.db import Database, announce, now_ms
from connector.enrich import unrepeated
from connector.errors import ConnectorError, Unreadable, UnsupportedType
from connector.inbox import Arrival, payload_of
from connector.outbox import (
    BULK,
    BULK_SPLIT,
    CHECK_OF,
    CHECKED,
    LIVE,
    LIVE_SPLIT,
    PARKED_OF,
    RELEASED,
    NewDelivery,
)
from connector.receive import Receiver
from connector.routes import Router
from connector.settings import Settings, Source
from connector.tables import deliveries, events, records
from mappings.base import Ignored, Invalid

AT_ONCE: Final = 500  #: dead deliveries looked at together

_d = deliveries.c
_e = events.c
_r = records.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What replay did, or would do, with one route of one event."""

    event: int
    action: str  #: accept | add | renew | resend | keep
    why: str = ""  #: keep: the reason; else what was in the way before
    route: str = ""  #: "" where the event itself is meant
    delivery: int | None = None
    destination: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "event": f"e{self.event}",
            "delivery": None if self.delivery is None else f"d{self.delivery}",
            "route": self.route or None,
            "destination": self.destination or None,
            "action": self.action,
            "why": self.why or None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How a person wants it done."""

    dry_run: bool = False
    force: bool = False  #: send what was delivered a second time
    ended_too: bool = False  #: also what a guard had suppressed: it was named
    late_too: bool = False  #: also what has expired: it was named, and counts as fresh


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A delivery and what is to take its place; or why it stays as it is."""

    row: Any
    new: NewDelivery | None = None
    why: str = ""


class Replay:
    """Maps stored payloads again, with the configuration of now."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._router = Router(settings, destinations.name_of)
        self._receiver = Receiver(settings, self._router)

    def event(self, row_id: int, wish: Wish) -> list[Change]:
        """One event: an invalid one is accepted if it maps now, routes without a delivery get one, dead ones return."""
        event = self._read(row_id)
        arrival = self._mapped(event)
        if isinstance(arrival, str):
            return [Change(event=row_id, action="keep", why=arrival)]
        if arrival.state == "waiting":
            return self._wait_again(event, arrival, wish)
        return self._accept(event, arrival, wish) if event.state == "invalid" else self._routes(event, arrival, wish)

    def delivery(self, number: int, wish: Wish) -> list[Change]:
        """One delivery, rendered anew and pending again. Raises `ConnectorError` when there is none."""
        with self._database.read() as conn:
            row = conn.execute(select(deliveries).where(_d.id == number)).first()
        if row is None:
            raise ConnectorError(f"there is no delivery d{number}: `connector deliveries` lists them")
        return self._renew([self._rendered(row, wish)], wish)

    def dead(self, since: int, wish: Wish) -> Iterator[Change]:
        """All that died since then (unix ms), the first dead first; bounded memory however many there are."""
        died = and_(_TROUBLED, _d.state == "dead", _d.updated_at >= since)
        with self._database.read() as conn:
            ids = iter(conn.execute(select(_d.id).where(died).order_by(_d.updated_at, _d.id)).scalars().all())
        while some := list(islice(ids, AT_ONCE)):
            with self._database.read() as conn:
                rows = conn.execute(select(deliveries).where(_d.id.in_(some)).order_by(_d.id)).all()
            yield from self._renew([self._rendered(row, wish) for row in rows], wish)

    # Mapping

    def _read(self, row_id: int) -> Any:
        with self._database.read() as conn:
            row = conn.execute(select(events).where(_e.id == row_id)).first()
        if row is None:
            raise ConnectorError(f"there is no event e{row_id}: `connector deliveries --find` may know it")
        return row

    def _mapped(self, event: Any) -> Arrival | str:
        """What the payload makes today; or why it makes nothing."""
        source = self._settings.sources.get(event.source)
        if source is None:
            return f"its source {event.source} left the configuration"
        if event.forgotten_at is not None:
            return _gone(event.forgotten_at)
        if event.state == "waiting":
            return "it waits until the rest of it is fetched"
        try:
            payload = payload_of(event.payload, event.content_type, event.event_id)
        except (Unreadable, UnsupportedType) as fault:
            return f"it still cannot be read: {fault}"
        arrival = self._receiver.arrival(source, payload)
        if arrival.state == "invalid":
            return "it still makes no event: " + "; ".join(f"{e['field']}: {e['message']}" for e in arrival.errors)
        if arrival.others:
            with self._database.read() as conn:
                inbox.leave_out_taken(conn, [arrival], self._settings.hash_key)
        return self._whole(event, source) if arrival.state == "waiting" and event.state == "accepted" else arrival

    def _whole(self, event: Any, source: Source) -> Arrival | str:
        """A thin event of its payload and of what was fetched for it, without what its like have been sent already."""
        try:
            arrival, second_key = self._receiver.completed(
                source,
                orjson.loads(event.payload),
                orjson.loads(event.fetched),
                event_id=event.event_id,
                received_at=event.received_at,
            )
        except (Invalid, Ignored) as verdict:
            return f"it makes no event any more: {verdict}"
        with self._database.read() as conn:
            fresh, _ = unrepeated(conn, source, event.id, arrival, second_key, hash_key=self._settings.hash_key)
        arrival.deliveries = tuple(fresh)
        return arrival

    def _wait_again(self, event: Any, arrival: Arrival, wish: Wish) -> list[Change]:
        """A thin event that went nowhere is routed anew by a worker; fetched anew, if what it has makes no event."""
        whole = self._whole(event, self._settings.sources[event.source]) if event.fetched else ""
        fetched = {} if isinstance(whole, str) else orjson.loads(event.fetched)
        try:
            with self._transaction(wish, arrival.account or "") as conn:
                _demand_kept(conn, event.id)
                if not wish.dry_run:
                    waiting.again(conn, event.id, arrival.account or "", fetched, now_ms(conn))
                    announce(conn)
                self._demand_first(conn, event)
        except IntegrityError:
            return [Change(event=event.id, action="keep", why="another event holds its id: a copy was accepted")]
        except _Forgotten as verdict:
            return [Change(event=event.id, action="keep", why=str(verdict))]
        why = "a worker routes it again" if fetched else "a worker fetches the rest of it again"
        return [Change(event=event.id, action="accept", why=why)]

    def _accept(self, event: Any, arrival: Arrival, wish: Wish) -> list[Change]:
        """Gives an invalid event its key, unless another event holds it, and its deliveries."""
        try:
            with self._transaction(wish) as conn:
                holder = conn.execute(select(events).where(_e.source == event.source, _e.key == event.event_id)).first()
                if holder is not None:
                    return [Change(event=event.id, action="keep", why=_held_by(holder, arrival))]
                _demand_kept(conn, event.id)
                if not wish.dry_run:
                    _make_valid(conn, event, arrival)
                    self._insert(conn, event, arrival.deliveries)
                self._demand_first(conn, event)
        except IntegrityError:
            return [Change(event=event.id, action="keep", why="a copy of it was accepted this moment")]
        except _Forgotten as verdict:
            return [Change(event=event.id, action="keep", why=str(verdict))]
        accepted = Change(event=event.id, action="accept", why="it was invalid and maps now")
        return [accepted, *(_added(event, new) for new in arrival.deliveries)]

    def _demand_first(self, conn: Connection, event: Any) -> None:
        """Raises `_Forgotten` when a copy had been accepted, and was forgotten since.

        After the event was given its key: whoever hid that copy's in the meantime has committed.
        """
        name = forgotten.name(self._settings.hash_key, event.source, event.event_id)
        if inbox.named(conn, [(event.source, name)]):
            raise _Forgotten("a copy of it was accepted, and forgotten since")

    # Deliveries

    def _routes(self, event: Any, arrival: Arrival, wish: Wish) -> list[Change]:
        with self._database.read() as conn:
            rows = conn.execute(select(deliveries).where(_d.event == event.id).order_by(_d.id)).all()
        wanted = {new.route: new for new in arrival.deliveries}
        changes = self._renew([self._judged(row, wanted.get(row.route), wish) for row in rows], wish)
        has = {row.route for row in rows}
        fresh = [new for route, new in wanted.items() if route not in has]
        try:
            if fresh and not wish.dry_run:
                with self._transaction(wish) as conn:
                    _demand_kept(conn, event.id)
                    self._insert(conn, event, fresh)
        except _Forgotten as verdict:
            return [*changes, Change(event=event.id, action="keep", why=str(verdict))]
        changes += [_added(event, new) for new in fresh]
        return changes or [Change(event=event.id, action="keep", why="no route wants it")]

    def _insert(self, conn: Connection, event: Any, new: Sequence[NewDelivery]) -> None:
        now = now_ms(conn)
        for one in new:
            one.expires_at = self._expiry(one, now)
        if outbox.add(conn, [(event.id, new)], now):
            conn.execute(update(events).where(_e.id == event.id).values(state="accepted"))
            mine = conn.execute(select(_d.id).where(_d.event == event.id)).scalars()
            followers.wake(conn, mine, self._settings.followers, now)  # what they come after may be settled long since
            announce(conn)

    def _rendered(self, row: Any, wish: Wish) -> _Candidate:
        """A delivery by itself: its event is read and mapped again for this route alone."""
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
            return _Candidate(row, why=left)
        still = {"dead": f"still dead: {new.reason}", "suppressed": new.reason or ""}
        return _Candidate(row, new, why=still.get(new.state, ""))

    def _renew(self, candidates: Sequence[_Candidate], wish: Wish) -> list[Change]:
        """In one transaction for each account, in the order given."""
        asked = [c.row.id for c in candidates]
        changes = {c.row.id: _kept(c.row, c.why) for c in candidates if c.why or c.new is None}
        fit = [(c.row, c.new) for c in candidates if c.new is not None and not c.why]
        for account in sorted({new.account for _, new in fit}):
            with self._transaction(wish, account) as conn:
                now = now_ms(conn)
                for row, new in fit:
                    if new.account == account:
                        changes |= self._write(conn, row, new, wish, now)
                if not wish.dry_run:
                    announce(conn)
        return [changes.pop(number) for number in asked] + list(changes.values())

    def _write(self, conn: Connection, row: Any, new: NewDelivery, wish: Wish, now: int) -> dict[int, Change]:
        """The change of the delivery, and of whatever comes after it."""
        try:
            _demand_kept(conn, row.event)
            _demand_begun(conn, row, new)
        except (_Forgotten, _NotBegun) as verdict:
            return {row.id: _kept(row, str(verdict))}
        if new.expires_at <= now and not wish.late_too:
            why = f"expired since; to send it all the same: connector replay --delivery d{row.id}"
            return {row.id: _kept(row, why)}
        new.expires_at = self._expiry(new, now)
        if not wish.dry_run and not _make_pending(conn, row, new, now):
            return {row.id: _kept(row, "it changed this moment: look again")}
        fresh = {route.name: now + int(route.expires_after_s * 1000) for route in self._settings.routes}
        after = followers.wait_again(conn, row.event, row.route, fresh, now, dry_run=wish.dry_run)
        return {row.id: self._renewed(row, new)} | {one.id: _follows(row.event, one) for one in after}

    def _renewed(self, row: Any, new: NewDelivery) -> Change:
        return Change(
            event=row.event,
            action="resend" if row.state == "delivered" else "renew",
            why=f"it was {row.state}" + (f": {row.reason}" if row.reason else ""),
            route=row.route,
            delivery=row.id,
            destination=new.destination,
        )

    def _transaction(self, wish: Wish, account: str = "") -> contextlib.AbstractContextManager[Connection]:
        return self._database.read() if wish.dry_run else self._database.write(serialise=account)

    def _expiry(self, new: NewDelivery, now: int) -> int:
        """What a person sends again is fresh from now on: its event's own time may be long past."""
        route = next(route for route in self._settings.routes if route.name == new.route)
        return max(new.expires_at, now + int(route.expires_after_s * 1000))


class _NotBegun(Exception):  # noqa: N818 - a verdict, and the words for it
    """What a delivery comes after will not be delivered as it stands."""


def _demand_begun(conn: Connection, row: Any, new: NewDelivery) -> None:
    """Raises `_NotBegun`, saying what to replay instead."""
    if not new.after:
        return
    before = followers.before(conn, row.event, new.after)
    if before is None:
        raise _NotBegun(followers.absent(new.after))
    if before.state in ("dead", "suppressed"):
        raise _NotBegun(f"{followers.ended(new.after, before.state, None)}: connector replay --delivery d{before.id}")


def _follows(event: int, row: Any) -> Change:
    return Change(
        event=event, action="renew", why=row.reason or "", route=row.route, delivery=row.id, destination=row.destination
    )


class _Forgotten(Exception):  # noqa: N818 - a verdict, and the words for it
    """What was to be sent again is forgotten, or a copy of it."""


def _demand_kept(conn: Connection, event: int) -> None:
    """Raises `_Forgotten` if it is; nobody forgets it before this transaction ends."""
    when = conn.execute(select(_e.forgotten_at).where(_e.id == event).with_for_update(read=True)).scalar()
    if when is not None:
        raise _Forgotten(_gone(when))


def _gone(unix_ms: int) -> str:
    day = f"{datetime.fromtimestamp(unix_ms / 1000, UTC):%Y-%m-%d}"
    return f"its data was forgotten on {day}: nothing is left to be sent"


# As the partial index has it: a bound value would hide it from the planner.
_TROUBLED: Final = text("state IN ('uncertain', 'suppressed', 'dead')")

_WHY_NOT: Final = {
    "pending": "it is waiting already",
    "sending": "it is in a call now",
    "uncertain": "it may have been delivered: connector resolve d{} --landed | --resend",
    "suppressed": "a guard ended it; to send it all the same: connector replay --delivery d{}",
    "delivered": "it was delivered; to send it a second time: --force",
}


def _untouchable(row: Any, wish: Wish) -> str:
    """Why this delivery must stay as it is; "" when it may be sent (again)."""
    if row.state == "suppressed" and (row.reason or "").startswith(followers.AFTER) and not wish.ended_too:
        return "it goes once the delivery before it is delivered"
    allowed = {"dead"} | ({"suppressed"} if wish.ended_too else set()) | ({"delivered"} if wish.force else set())
    return "" if row.state in allowed else _WHY_NOT[row.state].format(row.id)


def _added(event: Any, new: NewDelivery) -> Change:
    why = new.reason or "the route has no delivery of it yet"
    return Change(event=event.id, action="add", route=new.route, destination=new.destination, why=why)


def _kept(row: Any, why: str) -> Change:
    return Change(
        event=row.event, action="keep", why=why, route=row.route, delivery=row.id, destination=row.destination
    )


def _make_pending(conn: Connection, row: Any, new: NewDelivery, now: int) -> bool:
    """Pending again with a new record; False when the delivery is no longer as it was read."""
    same = and_(_d.id == row.id, _d.state == row.state, _d.updated_at == row.updated_at)
    values: dict[str, Any] = {
        "account": new.account,
        "destination": new.destination,
        "once_key": new.once_key,
        "expires_at": new.expires_at,
        "lane": case(_lanes_for(new), value=_d.lane, else_=_d.lane),
    }
    if conn.execute(update(deliveries).where(same).values(_pending_again("replayed", now) | values)).rowcount != 1:
        return False
    notes = orjson.dumps(new.notes).decode() if new.notes else None
    values = {
        "record": new.record,
        "notes": notes,
        "contact": new.contact,
        "contacts": new.contacts,
        "after": new.after or None,
    }
    conn.execute(update(records).where(_r.delivery == row.id).values(values))
    return True


def _lanes_for(new: NewDelivery) -> Mapping[int, int]:
    """Lane -> the one that a delivery in it starts in again."""
    if new.after:  # due at once: it is judged by whether the delivery before it was delivered
        return _PARKED_LANE
    return _CHECKED_LANE if new.lane in CHECKED else _WHOLE_LANE


_WHOLE_LANE: Final = {LIVE_SPLIT: LIVE, BULK_SPLIT: BULK, **CHECKED, **RELEASED}
_CHECKED_LANE: Final = {
    **CHECK_OF,
    **{lane: lane for lane in CHECKED},
    **{lane: CHECK_OF[whole] for lane, whole in RELEASED.items()},
}
_PARKED_LANE: Final = {lane: PARKED_OF[_WHOLE_LANE.get(lane, lane)] for lane in (LIVE, BULK, *_WHOLE_LANE)}


def _pending_again(reason: str, now: int) -> dict[str, Any]:
    return {
        "state": "pending",
        "reason": reason,
        "due_at": now,
        "updated_at": now,
        "split": None,
        "lane": case(_WHOLE_LANE, value=_d.lane, else_=_d.lane),
    }


def _held_by(holder: Any, arrival: Arrival) -> str:
    if holder.fingerprint == arrival.fingerprint:
        return f"the same event was accepted as e{holder.id}"
    return f"another event has its id: e{holder.id}; ask the sender for a copy with an id of its own"


def _make_valid(conn: Connection, event: Any, arrival: Arrival) -> None:
    values = {
        "key": event.event_id,
        "type": arrival.type,
        "state": "ignored",  # until a route takes it
        "occurred_at": arrival.occurred_at,
        "fingerprint": arrival.fingerprint,
        "errors": None,
        "notes": orjson.dumps(arrival.notes).decode() if arrival.notes else None,
    }
    conn.execute(update(events).where(_e.id == event.id, _e.state == "invalid").values(values))


# --- what is uncertain ----------------------------------------------------------------------------------------------

LANDED: Final = "a person says it landed"
NOT_LANDED: Final = "a person says it did not land; sent again"


def resolve(settings: Settings, database: Database, number: int, *, landed: bool) -> bool:
    """Settles one uncertain delivery as a person says. Raises `ConnectorError` when it is not uncertain."""
    with database.read() as conn:
        row = conn.execute(select(_d.id, _d.state, _d.account).where(_d.id == number)).first()
    if row is None:
        raise ConnectorError(f"there is no delivery d{number}: `connector deliveries --state uncertain` lists them")
    if not _resolve(settings, database, row.account, _d.id == number, landed=landed):
        raise ConnectorError(f"d{number} is {row.state}: only what is uncertain can be resolved")
    return True


def resolve_attempt(settings: Settings, database: Database, attempt: int, *, landed: bool) -> int:
    """All uncertain deliveries of one call. Returns how many."""
    with database.read() as conn:
        mine = and_(text("state IN ('sending', 'uncertain')"), _d.attempt == attempt, _d.state == "uncertain")
        account = conn.execute(select(_d.account).where(mine).limit(1)).scalar()
    if account is None:
        raise ConnectorError(f"nothing of attempt a{attempt} is uncertain: `connector deliveries --state uncertain`")
    return _resolve(settings, database, account, _d.attempt == attempt, landed=landed)


def _resolve(settings: Settings, database: Database, account: str, which: Any, *, landed: bool) -> int:
    with database.write(serialise=account) as conn:
        now = now_ms(conn)
        values = {"state": "delivered", "reason": LANDED, "updated_at": now}
        if not landed:
            longest_s = max(
                (route.expires_after_s for route in settings.routes if route.account == account), default=86400
            )
            fresh = now + int(longest_s * 1000)
            values = _pending_again(NOT_LANDED, now) | {
                # 0: it was to be erased, and its next claim ends it
                "expires_at": case((or_(_d.expires_at > fresh, _d.expires_at == 0), _d.expires_at), else_=fresh)
            }
        changed = update(deliveries).where(which, _d.state == "uncertain").values(values)
        settled = conn.execute(changed.returning(_d.id)).scalars().all()
        followers.wake(conn, settled, settings.followers, now)
        announce(conn)
        return len(settled)
