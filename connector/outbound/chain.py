"""Dependent deliveries: rendered with the answer to the delivery before them and released, or ended with it.

It meets the other steps in the database only: settling a delivery makes its dependents due.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import orjson
from sqlalchemy import Connection

from connector.core import settings
from connector.core.errors import Unreadable, UnsupportedType
from connector.core.log import get
from connector.core.reasons import Code, Reason
from connector.core.retry import LOOK_AGAIN_MS
from connector.core.settings import Settings
from connector.core.states import DeliveryState
from connector.inbound.router import Router, needs_a_person
from connector.inbound.stored import payload_of
from connector.store import chains, once_keys, reasons, to_erase
from connector.store.chains import Released
from connector.store.database import Database, announce, now_ms
from connector.store.outbox import SETTLED
from connector.vendors.destinations import Places
from mappings.base import Ignored, Invalid
from mappings.events import Event, Thin

log = get("release")

AT_ONCE: Final = 100  #: in one transaction, some milliseconds, for which others wait


class Mapped(Protocol):
    """The part of receiving that releasing needs: how a source's payloads are read."""

    def read(self, source: settings.Source, body: Any, fetched: Mapping[str, Any] | None = None) -> Event | Thin:
        """The event of a stored payload, with the fetched parts of a thin one. Raises `Invalid` and `Ignored`."""


@dataclass(frozen=True, slots=True)
class _Go:
    """The delivery before it arrived: this is sent now."""

    lane: int
    record: str
    notes: str | None
    rule: int | None


@dataclass(frozen=True, slots=True)
class _End:
    state: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class _Wait:
    until: int  #: unix ms


class Releasing:
    """Releases or ends the dependent deliveries of a configuration's destinations.

    Any number of workers may run it at once.
    """

    def __init__(
        self, settings: Settings, database: Database, places: Places, router: Router, receiver: Mapped
    ) -> None:
        self._settings = settings
        self._database = database
        self._names: Final = [name for some in places.values() for name in some]
        self._router = router
        self._receiver = receiver
        self._routes: Final = {route.name for route in settings.routes}

    def run_once(self) -> int:
        """Judges everything that is due, down every chain. Returns how many that were. Raises `StoreUnavailable`."""
        judged = 0
        while some := sum(found for name in self._ready() for found in self._all_of(name)):
            judged += some
        return judged

    def sweep(self) -> int:
        """Makes blocked deliveries due if their predecessor can no longer change. Returns how many."""
        found = 0
        for name in self._names:
            with self._database.write() as conn:
                found += chains.wake_strays(conn, name, now_ms(conn))
        return found

    def _ready(self) -> list[str]:
        """The destinations where something is due; others may have it in hand."""
        with self._database.read() as conn:
            now = now_ms(conn)
            return [name for name in self._names if chains.is_due(conn, name, now)]

    def _all_of(self, name: str) -> Iterator[int]:
        while some := self._some_of(name):
            yield some

    def _some_of(self, name: str) -> int:
        with self._database.write() as conn:
            now = now_ms(conn)
            rows = chains.due(conn, name, now, AT_ONCE)
            verdicts = {row.id: self._judged(row, now) for row in rows}
            released = [
                Released(number, one.lane, one.record, one.notes, one.rule)
                for number, one in verdicts.items()
                if isinstance(one, _Go)
            ]
            ended = [(number, one.state, one.reason) for number, one in verdicts.items() if isinstance(one, _End)]
            chains.go(conn, released, now)
            chains.end(conn, ended, now)
            chains.put_back(conn, [(n, one.until) for n, one in verdicts.items() if isinstance(one, _Wait)])
            self._wake_dependents(conn, [number for number, _, _ in ended], now)
            if released or ended:
                announce(conn)
        if released or ended:
            log.info("released dependent deliveries", destination=name, sent=len(released), ended=len(ended))
        return len(rows)

    def _wake_dependents(self, conn: Connection, ended: list[int], now: int) -> None:
        """Ends the dependents of the ended ones; a copy that once_per held back takes their place."""
        chains.wake(conn, ended, self._settings.followers, now)
        if ended:
            once_keys.revive_copies(conn, ended, now)

    def _judged(self, row: Any, now: int) -> _Go | _End | _Wait:
        if to_erase.is_marked(row.expires_at) or row.forgotten_at is not None:
            return _End(DeliveryState.SUPPRESSED, Reason(Code.ERASED))
        if row.after is not None and row.before_state is None:
            return _End(DeliveryState.SUPPRESSED, chains.absent(row.after))
        if row.before_state in SETTLED and row.before_state != DeliveryState.DELIVERED:
            return _End(DeliveryState.SUPPRESSED, chains.ended(row.after, row.before_state, reasons.of(row)))
        if row.expires_at <= now:
            return _End(DeliveryState.SUPPRESSED, Reason(Code.EXPIRED))
        if row.after is not None and row.before_state != DeliveryState.DELIVERED:
            return _Wait(row.expires_at)
        if row.route not in self._routes or row.source not in self._settings.sources:
            return _Wait(min(row.expires_at, now + LOOK_AGAIN_MS))
        return self._rendered(row)

    def _rendered(self, row: Any) -> _Go | _End:
        try:
            result = orjson.loads(row.result) if row.result else {}
            rendered = self._router.rendered(row.route, self._event(row), result, row.source)
        except (Invalid, Ignored, Unreadable, UnsupportedType) as verdict:
            return _End(DeliveryState.DEAD, Reason(Code.NO_RECORD, {"words": str(verdict)}))
        if rendered.hold and row.own_code != Code.REPLAYED:
            return _End(DeliveryState.SUPPRESSED, needs_a_person(rendered))
        notes = orjson.dumps(rendered.notes).decode() if rendered.notes else None
        lane = chains.lane_of(row.lane, checks=self._router.checks(row.route))
        rule = self._router.rule_mark(row.route, row.source)
        return _Go(lane, orjson.dumps(rendered.record).decode(), notes, rule)

    def _event(self, row: Any) -> Event:
        """Its event, read again. Raises `Invalid`, `Ignored`, `Unreadable` and `UnsupportedType`."""
        payload = payload_of(row.payload, row.content_type, row.event_id)
        if payload.error is not None:
            raise payload.error
        fetched = orjson.loads(row.fetched) if row.fetched else None
        event = self._receiver.read(self._settings.sources[row.source], payload.body, fetched)
        if isinstance(event, Thin):
            raise Ignored("its mapping takes it for a notification by now, and nothing was fetched for it")
        # The time of routing counts: fetching may have taken days.
        return event if event.time or fetched is None else replace(event, time=_moment(row.received_at))


def _moment(unix_ms: int) -> datetime:
    return datetime.fromtimestamp(unix_ms / 1000, UTC)
