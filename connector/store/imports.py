"""Imported files, their rows, and corrected rows that replace others. Queries only."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Text, and_, case, func, insert, literal, select, update

from connector.core.reasons import Code, Reason
from connector.core.states import DeliveryState, EventState
from connector.store import reasons
from connector.store.database import insert_rows
from connector.store.tables import deliveries, events, import_rows, imports
from connector.store.text_list import among

_row = import_rows.c
_delivery = deliveries.c
_event = events.c

#: Deliveries whose event a corrected row may not replace: the vendor has them, or may have them.
SENT: Final = (DeliveryState.SENDING, DeliveryState.DELIVERED, DeliveryState.UNCERTAIN)
#: Of several deliveries of a row, the first of these states is its fate.
WORST_FIRST: Final = (
    DeliveryState.DEAD,
    DeliveryState.UNCERTAIN,
    DeliveryState.PENDING,
    DeliveryState.SENDING,
    DeliveryState.SUPPRESSED,
    DeliveryState.DELIVERED,
)


@dataclass(frozen=True, slots=True)
class ImportedRow:
    """A row of a file and its event. ``key`` is the event's key in the inbox."""

    line: int
    key: str
    status: str
    replaces: int | None = None  #: the event that it replaced
    why: str = ""


def begin(
    conn: Connection, *, kind: str, source: str, name: str, who: str, titles: Sequence[Sequence[str]], now: int
) -> int:
    """Stores an import that begins. Returns its number."""
    row = {"kind": kind, "source": source, "name": name, "who": who, "began_at": now}
    row |= {"titles": orjson.dumps(titles).decode(), "counts": "{}"}
    return int(conn.execute(insert(imports).values(row).returning(imports.c.id)).scalar_one())


def finish(conn: Connection, upload: int, counts: Mapping[str, Any], now: int, *, whole: bool = True) -> None:
    """Stores the counts; ``whole``: the file was read to its end."""
    values = {"counts": orjson.dumps(counts).decode(), "ended_at": now if whole else None}
    conn.execute(update(imports).where(imports.c.id == upload).values(values))


def add_rows(conn: Connection, upload: int, source: str, rows: Sequence[ImportedRow]) -> None:
    """Stores the fates of some rows, and which rows corrected ones replaced."""
    known = _ids(conn, source, {row.key for row in rows if row.key})
    insert_rows(
        conn,
        import_rows,
        [
            {"upload": upload, "line": row.line, "event": known.get(row.key), "status": row.status, "why": row.why}
            for row in rows
        ],
    )
    for row in rows:
        if row.replaces is not None and (new := known.get(row.key)) is not None:
            conn.execute(update(import_rows).where(_row.event == row.replaces).values(replaced_by=new))


def _ids(conn: Connection, source: str, keys: Collection[str]) -> dict[str, int]:
    """Key -> event. Of invalid events, which have no key, the newest with that id."""
    names = [*keys]
    keyed = select(_event.key, _event.id).where(_event.source == source, _event.key.in_(among(conn, names)))
    newest = func.max(_event.id)
    keyless = select(_event.event_id, newest).where(
        _event.source == source, _event.key.is_(None), _event.event_id.in_(among(conn, names))
    )
    found = {row[0]: row[1] for row in conn.execute(keyless.group_by(_event.event_id))}
    return found | {row[0]: row[1] for row in conn.execute(keyed)}


def may_replace(conn: Connection, source: str, event: int) -> str:
    """Why a corrected row may not replace this event; "" if it may."""
    row = conn.execute(select(_event.source, _event.state).where(_event.id == event)).first()
    was_imported = conn.execute(select(_row.id).where(_row.event == event).limit(1)).first()
    if row is None or row.source != source or was_imported is None:
        return f"e{event} is no imported row of {source}"
    sent = conn.execute(
        select(_delivery.id, _delivery.state).where(_delivery.event == event, _delivery.state.in_(SENT)).limit(1)
    ).first()
    return f"d{sent.id} of e{event} is {sent.state}: it is left as it is" if sent is not None else ""


def end_replaced(conn: Connection, event: int, key: str, now: int) -> None:
    """Ends the unsent deliveries of an event that a corrected row replaces; the row may have its id (``key``)."""
    open_ = and_(_delivery.event == event, _delivery.state.in_((DeliveryState.PENDING, DeliveryState.DEAD)))
    values = {
        "state": DeliveryState.SUPPRESSED,
        "updated_at": now,
        "attempt": None,
        **reasons.columns(Reason(Code.REPLACED)),
    }
    conn.execute(update(deliveries).where(open_).values(values))
    notes = orjson.dumps(["a corrected row took its place"]).decode()
    conn.execute(
        update(events)
        .where(_event.id == event, _event.state == EventState.INVALID)
        .values(state=EventState.IGNORED, notes=notes)
    )
    conn.execute(update(events).where(_event.id == event, _event.key == key).values(key=None))


def latest(conn: Connection, most: int) -> Sequence[Any]:
    """The newest imports, newest first."""
    return conn.execute(select(imports).order_by(imports.c.id.desc()).limit(most)).all()


def get(conn: Connection, upload: int) -> Any | None:
    return conn.execute(select(imports).where(imports.c.id == upload)).first()


def fates(conn: Connection, upload: int) -> dict[str, int]:
    """Fate -> rows, of one import."""
    fate = _fate().label("fate")
    query = select(fate, func.count()).select_from(_joined()).where(_row.upload == upload).group_by(fate)
    return {row[0]: row[1] for row in conn.execute(query)}


def rows_of(conn: Connection, upload: int, fate: str, most: int | None) -> Sequence[Any]:
    """The rows of an import in the file's order; ``fate`` "": all."""
    of = _fate()
    columns = (
        *(_row.line, _row.event, _row.status, _row.replaced_by, _row.why, of.label("fate")),
        *(
            _event.source,
            _event.payload,
            _event.content_type,
            _event.type,
            _event.state,
            _event.errors,
            _event.fetched,
            _event.event_id,
        ),
    )
    query = select(*columns).select_from(_joined()).where(_row.upload == upload).order_by(_row.line, _row.id)
    if fate:
        query = query.where(of == fate)
    return conn.execute(query if most is None else query.limit(most)).all()


def deliveries_of(conn: Connection, some: Collection[int]) -> Sequence[Any]:
    """The deliveries of these events."""
    ids = list(some)
    found: list[Any] = []
    for at in range(0, len(ids), 500):
        query = select(deliveries).where(_delivery.event.in_(ids[at : at + 500])).order_by(_delivery.id)
        found += conn.execute(query).all()
    return found


def of_event(conn: Connection, event: int) -> Any | None:
    """The import that brought an event first, with its line, and its replacement."""
    first = select(import_rows).where(_row.event == event).order_by(_row.id).limit(1).subquery()
    columns = (imports, first.c.line, first.c.replaced_by)
    return conn.execute(select(*columns).join(first, imports.c.id == first.c.upload)).first()


def _joined() -> Any:
    return import_rows.outerjoin(events, _event.id == _row.event)


def _fate() -> Any:
    """The fate of a row: the state of its event, or of the worst of its deliveries."""
    condition = _delivery.event == _row.event
    order = case(*((_delivery.state == state, at) for at, state in enumerate(WORST_FIRST)), else_=len(WORST_FIRST))
    worst = select(_delivery.state).where(condition).order_by(order).limit(1).scalar_subquery()
    return case(
        (_row.replaced_by.is_not(None), literal("replaced", Text)),
        (_row.event.is_(None), _row.status),
        (_event.state != EventState.ACCEPTED, _event.state),
        else_=func.coalesce(worst, literal(EventState.IGNORED, Text)),
    )
