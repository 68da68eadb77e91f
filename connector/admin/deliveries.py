"""Deliveries by state, place, cause, person, event and time, the latest first; all of them, or page by page."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, TextClause, and_, bindparam, func, select

from connector.admin.identifiers import events_called, own_id, since_ms, typed
from connector.admin.search import Found, find, who_of
from connector.core import masking
from connector.core.phrases import phrase
from connector.core.settings import Settings
from connector.core.states import DeliveryState, state_word, words
from connector.core.times import iso
from connector.store import attempt_list, reasons
from connector.store.database import Database, now_ms
from connector.store.lanes import PARKED_LANES, UNREAD_LANES
from connector.store.tables import IN_HAND, IS_PENDING, TROUBLED, events, records
from connector.store.tables import deliveries as table

TROUBLED_STATES: Final = words(DeliveryState.UNCERTAIN, DeliveryState.SUPPRESSED, DeliveryState.DEAD)
STATES: Final = words(*DeliveryState)
NAMED: Final = 1_000  #: deliveries of one list for which persons are shown
NEAR: Final = 10_000  #: the newest ids, among which waiting ones are sought first

_deliveries = table.c
_events = events.c

#: Which partial index leads to the deliveries of a state.
INDEXED: Final[Mapping[str, TextClause]] = {
    DeliveryState.PENDING: IS_PENDING,
    DeliveryState.SENDING: IN_HAND,
    **dict.fromkeys(TROUBLED_STATES, TROUBLED),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """The filters of a list; all given ones must match."""

    state: str = ""
    find: str = ""  #: a phone in any spelling, an e-mail, an id, a name: see `search.find`
    event: str = ""  #: "e45", or as its sender calls it
    since: str = ""  #: changed since then: "24h", or a time
    until: str = ""  #: changed before then
    destination: str = ""
    route: str = ""
    source: str = ""
    cause: str = ""  #: a reason code
    limit: int = 50


def deliveries(database: Database, settings: Settings, search: Search) -> list[dict[str, Any]]:
    """The matching deliveries, latest first. Raises `ConnectorError` (``since`` is not a time), `StoreUnavailable`."""
    return deliveries_and_reach(database, settings, search)[0]


def deliveries_and_reach(database: Database, settings: Settings, search: Search) -> tuple[list[dict[str, Any]], str]:
    """As `deliveries`, and how far a search for a name looked; "" if at everything."""
    with database.read() as conn:
        found = find(conn, settings, search.find) if search.find else Found(())
        rows = conn.execute(_query(conn, settings, search, found)).all()
    who = who_of(settings)
    return [shown(row, who.of(row) if len(rows) <= NAMED else "") for row in rows], found.looked


def _query(conn: Connection, settings: Settings, search: Search, found: Found) -> Select[Any]:
    latest = _deliveries.updated_at if search.state in TROUBLED_STATES else _deliveries.id
    fitting = conditions(conn, settings, search)
    chosen = select(_deliveries.id).where(*fitting).order_by(latest.desc()).limit(search.limit)
    if search.state == DeliveryState.PENDING and not (search.event or search.find):
        near = _near(conn, chosen)
        if len(near) == search.limit:
            return _listed(_deliveries.id.in_(near), latest)
        # Not by the bare id: Postgres would walk all that was delivered since, and not the index of what waits.
        chosen = chosen.order_by(None).order_by((_deliveries.id + 0).desc())
    if search.event:
        chosen = chosen.where(_deliveries.event.in_(events_meant(conn, settings, search.event)))
    if search.find:
        own = own_id(conn, typed(search.find), "d")
        chosen = chosen.where(_deliveries.id == own if own is not None else _deliveries.event.in_(found.events))
    return _listed(_deliveries.id.in_(select(chosen.subquery().c.id)), latest)


def _near(conn: Connection, chosen: Select[Any]) -> Sequence[int]:
    """Those of the newest ids that ``chosen`` finds.

    The index of what waits is in the order of claims. A backlog of a million would be read and sorted as a whole, while
    the latest of it stand at the end of the table.
    """
    last = conn.execute(select(func.max(_deliveries.id))).scalar() or 0
    return conn.execute(chosen.where(_deliveries.id > last - NEAR)).scalars().all()


def _listed(which: ColumnElement[bool], latest: ColumnElement[Any]) -> Select[Any]:
    return _whole(which).order_by(latest.desc(), _deliveries.id.desc())


def conditions(conn: Connection, settings: Settings, search: Search) -> list[ColumnElement[bool] | TextClause]:
    """The filters as conditions on a row, without those on persons and events."""
    found: list[ColumnElement[bool] | TextClause] = []
    if search.state:
        found.append(_deliveries.state == search.state)
    if search.state in INDEXED:
        found.append(INDEXED[search.state])
    for column, value in (
        (_deliveries.destination, search.destination),
        (_deliveries.route, search.route),
        (_deliveries.reason_code, search.cause),
    ):
        found += [column == value] if value else []
    if search.source:
        sent = select(_events.id).where(_events.id == _deliveries.event, _events.source == search.source)
        found.append(sent.exists())
    if search.since or search.until:
        now = now_ms(conn)
        found += [_deliveries.updated_at >= since_ms(search.since, settings, now)] if search.since else []
        found += [_deliveries.updated_at < since_ms(search.until, settings, now)] if search.until else []
    return found


def rows_of(conn: Connection, ids: Sequence[int]) -> dict[int, Any]:
    """The rows of these deliveries, as `shown` takes them."""
    return {row.id: row for row in conn.execute(_whole_of_ids(), {"ids": list(ids)})}


@functools.cache
def _whole_of_ids() -> Select[Any]:
    """Built once: that takes as long as reading fifty rows."""
    return _whole(_deliveries.id.in_(bindparam("ids", expanding=True)))


def _whole(which: ColumnElement[bool]) -> Select[Any]:
    """Deliveries with what a list shows of their event and of the one they wait for."""
    before = table.alias("before")
    after = records.c.after
    columns = (
        table,
        _events.source,
        _events.event_id,
        _events.type,
        _events.payload,
        _events.content_type,
        _events.fetched,
        _events.received_at,
        after,
        before.c.id.label("before"),
        before.c.state.label("stands"),
    )
    joined = select(*columns).select_from(
        table.outerjoin(events, _events.id == _deliveries.event)
        .outerjoin(records, records.c.delivery == _deliveries.id)
        .outerjoin(before, and_(before.c.event == _deliveries.event, before.c.route == after))
    )
    return joined.where(which)


def events_meant(conn: Connection, settings: Settings, text: str) -> list[int]:
    """Row ids of the events that an id may mean: the sender's own, else ours ("e45")."""
    called = events_called(conn, settings, text)
    own = own_id(conn, text, "e")
    return called or ([own] if own is not None else [])


def waits_for(row: Any) -> str | None:
    """The delivery that blocks this one; None if none does."""
    if row.state != DeliveryState.PENDING or row.lane not in PARKED_LANES or row.before is None:
        return None
    facts = {"delivery": f"d{row.before}", "route": row.after, "state": state_word(row.stands)}
    return phrase("waits for {delivery} (“{route}”), which is {state}", **facts)


def shown(row: Any, who: str) -> dict[str, Any]:
    """A row as lists show it. ``who``: the person, masked."""
    reason = reasons.of(row)
    return {
        "delivery": f"d{row.id}",
        "state": row.state,
        "reason": masking.reason(reason) if reason else waits_for(row),
        "reason_code": reason.code if reason else None,
        "route": row.route,
        "account": row.account,
        "destination": row.destination,
        "event": f"e{row.event}",
        "event_id": row.event_id,
        "source": row.source,
        "type": row.type,
        "who": who or None,
        "received_at": iso(row.received_at),
        "attempts": len(attempt_list.numbers(row.attempts)),
        "created_at": iso(row.created_at),
        "changed_at": iso(row.updated_at),
        "after": None if row.before is None else f"d{row.before}",
        "due_at": iso(row.due_at) if row.state == DeliveryState.PENDING and row.lane not in UNREAD_LANES else None,
        "expires_at": iso(row.expires_at) if row.state == DeliveryState.PENDING else None,
    }
