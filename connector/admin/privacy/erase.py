"""Erases a person: all data that identifies the person, at once and however new it is.

Pending deliveries end unsent. A delivery in a call, or an uncertain one, cannot be called back: its event is forgotten
now, and the delivery as soon as it is settled (`forget.sweep`, run beside every worker).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import Select, and_, func, select

from connector.admin import spool
from connector.admin.privacy import forget
from connector.admin.privacy.forget import AT_ONCE
from connector.admin.privacy.person import Person, readable
from connector.core.errors import ConnectorError
from connector.core.phrases import phrase
from connector.core.reasons import Reason
from connector.core.settings import Settings
from connector.core.states import DeliveryState, EventState
from connector.inbound.receiver import Receiver
from connector.inbound.router import Router
from connector.inbound.stored import payload_of
from connector.store import once_keys, outbox, thin_events, to_erase
from connector.store.database import Database, announce, now_ms
from connector.store.outbox import SETTLED
from connector.store.tables import deliveries, events, records
from connector.store.tables import forgetting as forgetting_table
from connector.vendors import destinations
from mappings.base import Ignored, Invalid
from mappings.events import Thin

READ_AT_ONCE: Final = 500

_deliveries = deliveries.c
_events = events.c


@dataclass(slots=True)
class Erased:
    """The counts of erased data, or of data to erase."""

    events: int = 0  #: forgotten
    deliveries: int = 0  #: of those that were settled before: their data went
    ended: int = 0  #: that were to be sent, and will not be
    in_hand: int = 0  #: in a call, or uncertain: forgotten once they are settled
    uncertain: int = 0  #: of those in hand: an operator has to resolve them first, or a probe decides
    read: int = 0  #: events that were searched
    of: int = 0  #: events there are


class Erasing:
    """The erasure of one person from one database."""

    def __init__(self, settings: Settings, database: Database, person: Person, *, dry_run: bool = False) -> None:
        self.erased: Final = Erased()
        self._settings = settings
        self._database = database
        self._person = person
        self._dry_run = dry_run
        self._router = Router(settings, destinations.name_of)
        self._receiver = Receiver(settings, self._router)
        self._seen: set[int] = set()

    def run(self, after: int = 0) -> Iterator[Erased]:
        """Erases first by hash, because that is quick; then every payload is searched.

        Yields the tally after each step. ``after``: go on behind this event (``read`` of a run that was left there).

        Raises `ConnectorError`; erased data stays erased, and another run continues.
        """
        if not self._settings.secret_key:
            raise ConnectorError(forget.NEEDS_KEY)
        if not self._dry_run:
            forget.begin(self._database, self._settings.hash_key)
        if after == 0:
            self._count_earlier()
            yield self._take(self._by_hash())
        elif self._dry_run:
            self._seen.update(self._by_hash())  # counted by the run before
        with self._database.read() as conn:
            last = conn.execute(select(func.max(_events.id))).scalar() or 0
        self.erased.of = last
        while rows := self._next(after, last):
            after = rows[-1].id
            self._take([row.id for row in rows if self._is_about(row)])
            self.erased.read = after
            yield self.erased

    @property
    def found(self) -> list[int]:
        """Row ids of the person's events that were found so far."""
        return sorted(self._seen)

    # Finding

    def _by_hash(self) -> list[int]:
        """Events with a delivery that the person's first phone or e-mail identifies."""
        contact = self._router.contact_hash(self._person.value)
        events_of_person = (
            select(_deliveries.event)
            .join(records, records.c.delivery == _deliveries.id)
            .where(records.c.contact == contact)
        )
        remembered = (
            select(_events.id)
            .where(_events.id.in_(events_of_person), _events.forgotten_at.is_(None))
            .order_by(_events.id)
        )
        with self._database.read() as conn:
            return list(conn.execute(remembered).scalars())

    def _count_earlier(self) -> None:
        """Events of earlier erasures that are not settled yet."""
        contact = self._router.contact_hash(self._person.value)
        marked = select(forgetting_table.c.event).where(forgetting_table.c.erase == 1)
        condition = and_(records.c.contact == contact, _deliveries.event.in_(marked), _deliveries.state.not_in(SETTLED))
        query = select(_deliveries.state).join(records, records.c.delivery == _deliveries.id).where(condition)
        with self._database.read() as conn:
            states = conn.execute(query).scalars().all()
        self.erased.in_hand += len(states)
        self.erased.uncertain += states.count(DeliveryState.UNCERTAIN)

    def _next(self, after: int, last: int) -> Sequence[Any]:
        columns = (
            _events.id,
            _events.source,
            _events.state,
            _events.event_id,
            _events.content_type,
            _events.payload,
            _events.fetched,
            _events.notes,
            _events.errors,
        )
        ahead = and_(_events.id > after, _events.id <= last, _events.forgotten_at.is_(None))
        with self._database.read() as conn:
            return conn.execute(select(*columns).where(ahead).order_by(_events.id).limit(READ_AT_ONCE)).all()

    def _is_about(self, row: Any) -> bool:
        text = readable(row.event_id, row.payload, row.fetched, row.notes, row.errors)
        return self._person.may_be_in(text) and (self._person.is_in(text) or self._is_read_as_theirs(row))

    def _is_read_as_theirs(self, row: Any) -> bool:
        """Whether the event's mapping reads the person: only it knows old forms of numbers."""
        source = self._settings.sources.get(row.source)
        if source is None:
            return False
        try:
            body = payload_of(row.payload, row.content_type, row.event_id).body
            whole = row.fetched and row.state != EventState.WAITING
            event = self._receiver.read(source, body, orjson.loads(row.fetched) if whole else None)
        except (ConnectorError, Invalid, Ignored):
            return False
        return not isinstance(event, Thin) and self._person.is_of(event)

    # Forgetting

    def _take(self, found: Sequence[int]) -> Erased:
        fresh = [row_id for row_id in found if row_id not in self._seen]
        self._seen.update(fresh)
        for at in range(0, len(fresh), AT_ONCE):
            some = fresh[at : at + AT_ONCE]
            self._count(some)
            if not self._dry_run:
                self._erase(some)
        return self.erased

    def _count(self, ids: Sequence[int]) -> None:
        query = select(_deliveries.state, func.count()).where(_deliveries.event.in_(ids)).group_by(_deliveries.state)
        with self._database.read() as conn:
            states = Counter({row[0]: row[1] for row in conn.execute(query)})
        erased = self.erased
        erased.events += len(ids)
        erased.deliveries += sum(states[state] for state in SETTLED)
        erased.in_hand += states[DeliveryState.SENDING] + states[DeliveryState.UNCERTAIN]
        erased.uncertain += states[DeliveryState.UNCERTAIN]
        erased.ended += states.total() - sum(
            states[state] for state in (*SETTLED, DeliveryState.SENDING, DeliveryState.UNCERTAIN)
        )

    def _erase(self, ids: Sequence[int]) -> None:
        ended = self._end(ids)
        with self._database.write(serialise="forgetting") as conn:
            forget.lock(conn, ids)
            forget.forget(
                conn,
                ids,
                self._settings.hash_key,
                now_ms(conn),
                said=set().union(*(why.words() for _, _, why in ended if why)),
            )
            forget.later(conn, forget.in_hand(conn, ids), erase=True)
        for account in sorted({account for account, _, _ in ended}):
            with self._database.write(serialise=account) as conn:
                numbers = [number for account_of, number, _ in ended if account_of == account]
                if once_keys.revive_copies(conn, numbers, now_ms(conn)):
                    announce(conn)

    def _end(self, ids: Sequence[int]) -> list[tuple[str, int, Reason | None]]:
        """Ends everything of these events that is to be sent or fetched. Returns (account, delivery, last reason)."""
        ended: list[tuple[str, int, Reason | None]] = []
        while accounts := self._accounts(ids):
            for account in accounts:
                with self._database.write(serialise=account) as conn:
                    thin_events.stop(conn, ids, account)
                    ended += [(account, *one) for one in outbox.erase(conn, ids, account, now_ms(conn))]
        return ended

    def _accounts(self, ids: Sequence[int]) -> list[str]:
        """The accounts that still have something to send, or to fetch."""
        with self._database.read() as conn:
            return sorted({*conn.execute(_unended(ids)).scalars(), *conn.execute(_waits(ids)).scalars()})


def out_of_reach(settings: Settings) -> list[str]:
    """The places in which the person may still be, in words for an operator."""
    queues = [f"{source.queue}.dead" for source in settings.sources.values() if source.queue]
    vendors = sorted({account.vendor for account in settings.accounts.values()})
    dead = "the dead-letter queue {name}, which a message leaves after 30 days"
    return [
        phrase("backups of the database"),
        *(
            [phrase("the spool, until what waits in it is stored: then do this again")]
            if spool.is_in_use(settings)
            else []
        ),
        *(phrase(dead, name=name) for name in queues),
        *(phrase("what {vendor} holds", vendor=vendor) for vendor in vendors),
    ]


def _unended(ids: Sequence[int]) -> Select[tuple[str]]:
    in_hand = and_(_deliveries.state.in_((DeliveryState.SENDING, DeliveryState.UNCERTAIN)), to_erase.MARKED)
    return select(_deliveries.account).where(_deliveries.event.in_(ids), _deliveries.state.not_in(SETTLED), ~in_hand)


def _waits(ids: Sequence[int]) -> Select[tuple[str]]:
    return select(_events.account).where(_events.id.in_(ids), _events.state == EventState.WAITING)
