"""One page of a list of deliveries. It costs the same whatever the table holds, and says how far it looked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, TextClause, and_, func, or_, select

from connector.admin.deliveries import INDEXED, TROUBLED_STATES, Search, conditions, rows_of, shown
from connector.admin.identifiers import since_ms
from connector.admin.search import who_of
from connector.core.errors import ConnectorError
from connector.core.phrases import phrase
from connector.core.settings import Settings
from connector.core.states import DeliveryState
from connector.core.times import iso
from connector.store.database import Database, now_ms
from connector.store.tables import deliveries

WALKED: Final = 10_000  #: rows that one page looks at
FEW: Final = 2_000  #: waiting ones that are looked at all together
NEW_MOST: Final = 100  #: new ones that are counted

_delivery = deliveries.c
_CURSOR: Final = re.compile(r"(?:(\d{1,15})\.)?(\d{1,18})")

Condition = ColumnElement[bool] | TextClause


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a list: a row's id, and when it was changed in lists that are in that order (unix ms)."""

    id: int
    changed: int = 0

    def __str__(self) -> str:
        return f"{self.changed}.{self.id}" if self.changed else str(self.id)


@dataclass(frozen=True, slots=True)
class Page:
    """``older``: where the next page begins, None at the end; ``newer``: where the one before ends, None on the first.

    ``looked_back_to``: how far it looked, None: to the end. ``first``: the place of its first row.
    """

    deliveries: Sequence[dict[str, Any]]
    older: str | None
    newer: str | None
    looked_back_to: str | None
    first: str | None


def page(database: Database, settings: Settings, search: Search, *, before: str = "", after: str = "") -> Page:
    """The page that begins below ``before``, or ends above ``after``: marks that another page gave.

    Persons and events of a `Search` are not looked at here. Raises `ConnectorError` (a time or a mark is none),
    `StoreUnavailable`.
    """
    with database.read() as conn:
        walk = _Walk(conn, settings, search)
        found = walk.up(_mark(after)) if after else None
        if found is None or (len(found.marks) < search.limit and found.is_top):
            found = walk.down(_mark(before) if before and not after else None)
        rows = rows_of(conn, [mark.id for mark in found.marks])
        edge = _created(conn, found.edge)
    who = who_of(settings)
    listed = [shown(rows[mark.id], who.of(rows[mark.id])) for mark in found.marks if mark.id in rows]
    return Page(
        listed,
        older=str(found.older) if found.older else None,
        newer=str(found.marks[0]) if found.marks and not found.is_top else None,
        looked_back_to=iso(found.edge.changed or edge) if found.edge else None,
        first=str(found.marks[0]) if found.marks else None,
    )


def new_since(database: Database, settings: Settings, search: Search, mark: str) -> int:
    """How many rows stand above a mark by now, counted to `NEW_MOST`. Raises as `page`."""
    with database.read() as conn:
        found = _Walk(conn, settings, replace(search, limit=NEW_MOST)).up(_mark(mark))
    return len(found.marks)


def _mark(text: str) -> Mark:
    found = _CURSOR.fullmatch(text) if text.isascii() else None
    if found is None:
        raise ConnectorError(phrase("This address is none that a list gave: open the list again."))
    return Mark(int(found[2]), int(found[1] or 0))


def _created(conn: Connection, edge: Mark | None) -> int | None:
    """When the first row above the edge was made."""
    if edge is None or edge.changed:
        return None
    nearest = select(_delivery.created_at).where(_delivery.id >= edge.id).order_by(_delivery.id).limit(1)
    return conn.execute(nearest).scalar()


@dataclass(frozen=True, slots=True)
class _Found:
    """Rows in the order of the list. ``edge``: where the walk ended before it had found enough."""

    marks: list[Mark]
    older: Mark | None
    edge: Mark | None
    is_top: bool


class _Walk:
    """Finds the rows of a page.

    What ended badly is listed by the time of its last change, along an index. Of what waits a few are read together.
    All else is listed by id, and so many ids are looked at.
    """

    def __init__(self, conn: Connection, settings: Settings, search: Search) -> None:
        self._conn = conn
        self._limit = search.limit
        self._is_timed = search.state in TROUBLED_STATES
        self._index = INDEXED.get(search.state)
        self._conditions = conditions(conn, settings, search)
        self._is_narrowed = bool(search.destination or search.route or search.source or search.cause)
        self._is_waiting = search.state in (DeliveryState.PENDING, DeliveryState.SENDING)
        self._destination = search.destination
        self._until = since_ms(search.until, settings, now_ms(conn)) if search.until else None

    def down(self, before: Mark | None) -> _Found:
        """The rows below a mark, or the first ones."""
        if self._is_timed:
            return self._timed(before)
        if self._is_waiting and (few := self._few()) is not None:
            marks = [mark for mark in few if before is None or mark.id < before.id]
            return self._cut(marks[: self._limit + 1], None, is_top=before is None)
        return self._by_id(before)

    def up(self, after: Mark) -> _Found:
        """The rows above a mark, nearest to it."""
        if self._is_timed:
            above = and_(
                _delivery.updated_at >= after.changed,
                or_(_delivery.updated_at > after.changed, _delivery.id > after.id),
            )
            order: Any = (_delivery.updated_at, _delivery.id)
        else:
            above = and_(_delivery.id > after.id, _delivery.id <= after.id + WALKED)
            order = (_delivery.id,)
        marks = self._select([above], order, self._limit + 1)
        is_top = len(marks) <= self._limit
        marks = marks[: self._limit][::-1]
        return _Found(marks, marks[-1] if marks else None, None, is_top)

    def _timed(self, before: Mark | None) -> _Found:
        below: list[Condition] = []
        if before is not None:
            earlier = or_(_delivery.updated_at < before.changed, _delivery.id < before.id)
            below = [_delivery.updated_at <= before.changed, earlier]
        edge = self._edge(below) if self._is_narrowed else None
        near = [_delivery.updated_at >= edge.changed] if edge else []
        marks = self._select([*below, *near], (_delivery.updated_at.desc(), _delivery.id.desc()), self._limit + 1)
        return self._cut(marks, edge, is_top=before is None)

    def _edge(self, below: list[Condition]) -> Mark | None:
        """How far a page looks; None: to the end."""
        assert self._index is not None
        query = select(_delivery.updated_at).where(self._index, *below)
        last = self._conn.execute(query.order_by(_delivery.updated_at.desc()).offset(WALKED).limit(1)).scalar()
        return None if last is None else Mark(0, last)

    def _few(self) -> list[Mark] | None:
        """All that wait, if they are few."""
        assert self._index is not None
        conditions: list[Condition] = [self._index]
        conditions += [_delivery.destination == self._destination] if self._destination else []
        some = select(_delivery.id).where(*conditions).limit(FEW + 1).subquery()
        if self._conn.execute(select(func.count()).select_from(some)).scalar_one() > FEW:
            return None
        ids = self._conn.execute(select(_delivery.id).where(*self._conditions)).scalars()
        return [Mark(number) for number in sorted(ids, reverse=True)]

    def _by_id(self, before: Mark | None) -> _Found:
        lowest, highest = self._conn.execute(select(func.min(_delivery.id))).scalar(), self._highest(before)
        if lowest is None or highest is None:
            return _Found([], None, None, is_top=True)
        edge = highest - WALKED
        marks = self._select([_delivery.id < highest, _delivery.id >= edge], (_delivery.id.desc(),), self._limit + 1)
        return self._cut(marks, Mark(edge) if edge > lowest else None, is_top=before is None)

    def _highest(self, before: Mark | None) -> int | None:
        """The id below which a page begins; what was changed before a time was made before it."""
        last = self._conn.execute(select(func.max(_delivery.id))).scalar()
        if last is None:
            return None
        begins = last + 1 if self._until is None else _first_made(self._conn, self._until, last + 1)
        return begins if before is None else min(begins, before.id)

    def _cut(self, marks: list[Mark], edge: Mark | None, *, is_top: bool) -> _Found:
        if len(marks) > self._limit:
            page = marks[: self._limit]
            return _Found(page, page[-1], None, is_top)
        return _Found(marks, edge, edge, is_top)

    def _select(self, further: Sequence[Condition], order: Any, limit: int) -> list[Mark]:
        columns = (_delivery.id, _delivery.updated_at)
        query = select(*columns).where(*self._conditions, *further).order_by(*order).limit(limit)
        return [Mark(row.id, row.updated_at if self._is_timed else 0) for row in self._conn.execute(query)]


def _first_made(conn: Connection, when: int, beyond: int) -> int:
    """The first row made at that time or later: ids follow time, so a binary search finds it."""
    low = conn.execute(select(func.min(_delivery.id))).scalar_one()
    nearest = select(_delivery.id, _delivery.created_at).order_by(_delivery.id).limit(1)
    high = beyond
    while low < high:
        middle = (low + high) // 2
        row = conn.execute(nearest.where(_delivery.id >= middle)).first()
        if row is None or row.created_at >= when:
            high = middle
        else:
            low = int(row.id) + 1
    return int(low)
