"""Erasing a person: everything that names them goes, at once and however new it is.

What is still to be sent ends unsent. What is in a call, or uncertain, cannot be called back: its event is forgotten
now, and the rest of it as soon as it is settled (`forgetting.sweep`, by every worker).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import Select, and_, func, select

from connector import destinations, forgetting, outbox, waiting
from connector.db import Database, announce, now_ms
from connector.errors import ConnectorError
from connector.forgetting import AT_ONCE
from connector.inbox import payload_of
from connector.outbox import SETTLED
from connector.persons import Person, readable
from connector.receive import Receiver
from connector.routes import Router
from connector.settings import Settings
from connector.tables import deliveries, events, records
from connector.tables import forgetting as forgetting_table
from mappings.base import Ignored, Invalid
from mappings.events import Thin

READ_AT_ONCE: Final = 500

_d = deliveries.c
_e = events.c


@dataclass(slots=True)
class Erased:
    """What was done, or would be."""

    events: int = 0  #: forgotten
    deliveries: int = 0  #: of those that were settled before: their data went
    ended: int = 0  #: that were to be sent, and will not be
    in_hand: int = 0  #: in a call, or uncertain: forgotten once they are settled
    uncertain: int = 0  #: of those in hand: a person has to resolve them first, or the vendor is asked
    read: int = 0  #: events that were looked through
    of: int = 0  #: events there are


class Erasing:
    """One person's way out of one database."""

    def __init__(self, settings: Settings, database: Database, person: Person, *, dry_run: bool = False) -> None:
        self.erased: Final = Erased()
        self._settings = settings
        self._database = database
        self._person = person
        self._dry_run = dry_run
        self._router = Router(settings, destinations.name_of)
        self._receiver = Receiver(settings, self._router)
        self._seen: set[int] = set()

    def run(self) -> Iterator[Erased]:
        """First whom the hash finds, as that is quick; then every payload is read. The tally, after each step.

        Raises `ConnectorError`; what was done stays done, and the same again goes on.
        """
        if not self._settings.secret_key:
            raise ConnectorError(forgetting.NEEDS_KEY)
        if not self._dry_run:
            forgetting.begin(self._database, self._settings.hash_key)
        self._count_earlier()
        yield self._take(self._by_hash())
        after = 0
        with self._database.read() as conn:
            last = conn.execute(select(func.max(_e.id))).scalar() or 0
        self.erased.of = last
        while rows := self._next(after, last):
            after = rows[-1].id
            self._take([row.id for row in rows if self._is_about(row)])
            self.erased.read = after
            yield self.erased

    # Finding

    def _by_hash(self) -> list[int]:
        """Events with a delivery of which the person is the first phone or e-mail."""
        contact = self._router.contact_hash(self._person.value)
        mine = select(_d.event).join(records, records.c.delivery == _d.id).where(records.c.contact == contact)
        kept = select(_e.id).where(_e.id.in_(mine), _e.forgotten_at.is_(None)).order_by(_e.id)
        with self._database.read() as conn:
            return list(conn.execute(kept).scalars())

    def _count_earlier(self) -> None:
        """What was to be erased before, and is not settled yet."""
        contact = self._router.contact_hash(self._person.value)
        marked = select(forgetting_table.c.event).where(forgetting_table.c.erase == 1)
        theirs = and_(records.c.contact == contact, _d.event.in_(marked), _d.state.not_in(SETTLED))
        query = select(_d.state).join(records, records.c.delivery == _d.id).where(theirs)
        with self._database.read() as conn:
            states = conn.execute(query).scalars().all()
        self.erased.in_hand += len(states)
        self.erased.uncertain += states.count("uncertain")

    def _next(self, after: int, last: int) -> Sequence[Any]:
        columns = (
            _e.id,
            _e.source,
            _e.state,
            _e.event_id,
            _e.content_type,
            _e.payload,
            _e.fetched,
            _e.notes,
            _e.errors,
        )
        ahead = and_(_e.id > after, _e.id <= last, _e.forgotten_at.is_(None))
        with self._database.read() as conn:
            return conn.execute(select(*columns).where(ahead).order_by(_e.id).limit(READ_AT_ONCE)).all()

    def _is_about(self, row: Any) -> bool:
        text = readable(row.event_id, row.payload, row.fetched, row.notes, row.errors)
        return self._person.may_be_in(text) and (self._person.is_in(text) or self._is_read_as_theirs(row))

    def _is_read_as_theirs(self, row: Any) -> bool:
        """By what its mapping makes of it: only that knows how numbers were written before their form changed."""
        source = self._settings.sources.get(row.source)
        if source is None:
            return False
        try:
            body = payload_of(row.payload, row.content_type, row.event_id).body
            whole = row.fetched and row.state != "waiting"
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
        query = select(_d.state, func.count()).where(_d.event.in_(ids)).group_by(_d.state)
        with self._database.read() as conn:
            states = Counter({row[0]: row[1] for row in conn.execute(query)})
        erased = self.erased
        erased.events += len(ids)
        erased.deliveries += sum(states[state] for state in SETTLED)
        erased.in_hand += states["sending"] + states["uncertain"]
        erased.uncertain += states["uncertain"]
        erased.ended += states.total() - sum(states[state] for state in (*SETTLED, "sending", "uncertain"))

    def _erase(self, ids: Sequence[int]) -> None:
        ended = self._end(ids)
        with self._database.write(serialise="forgetting") as conn:
            forgetting.lock(conn, ids)
            forgetting.forget(
                conn, ids, self._settings.hash_key, now_ms(conn), said=[why for _, _, why in ended if why]
            )
            forgetting.later(conn, forgetting.in_hand(conn, ids), erase=True)
        for account in sorted({account for account, _, _ in ended}):
            with self._database.write(serialise=account) as conn:
                gone = [number for theirs, number, _ in ended if theirs == account]
                if outbox.revive_copies(conn, gone, now_ms(conn)):
                    announce(conn)

    def _end(self, ids: Sequence[int]) -> list[tuple[str, int, str | None]]:
        """Nothing of these events is sent, fetched or sent again from here on. (account, delivery, its last reason)."""
        ended: list[tuple[str, int, str | None]] = []
        while accounts := self._accounts(ids):
            for account in accounts:
                with self._database.write(serialise=account) as conn:
                    waiting.stop(conn, ids, account)
                    ended += [(account, *one) for one in outbox.erase(conn, ids, account, now_ms(conn))]
        return ended

    def _accounts(self, ids: Sequence[int]) -> list[str]:
        """Those that still have something to send, or to fetch."""
        with self._database.read() as conn:
            return sorted({*conn.execute(_unended(ids)).scalars(), *conn.execute(_waits(ids)).scalars()})


def _unended(ids: Sequence[int]) -> Select[tuple[str]]:
    in_hand = and_(_d.state.in_(("sending", "uncertain")), _d.expires_at == 0)
    return select(_d.account).where(_d.event.in_(ids), _d.state.not_in(SETTLED), ~in_hand)


def _waits(ids: Sequence[int]) -> Select[tuple[str]]:
    return select(_e.account).where(_e.id.in_(ids), _e.state == "waiting")
