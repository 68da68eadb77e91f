"""When something is to be done for an account, asked in few statements: workers look after every change.

Queries only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, ScalarSelect, bindparam, func, literal_column, select

from connector.store.lanes import BULK_CHECK, BULK_LANES, LIVE_CHECK, LIVE_LANES
from connector.store.prepared import Prepared
from connector.store.tables import (
    IS_PENDING,
    IS_STARTED,
    IS_WAITING,
    TO_PROBE,
    attempts,
    deliveries,
    destinations,
    events,
)

_attempt = attempts.c
_deliveries = deliveries.c


class Moments(NamedTuple):
    """Unix ms; None: nothing of that kind."""

    lapses_at: int | None  #: the first deadline of a call that was begun and not ended
    probe_at: int | None  #: the next probe of an unknown call at one of the destinations
    fetch_at: int | None  #: the first thin event, as `events.due_at` has it


def moments(conn: Connection, account: str, names: Sequence[str]) -> Moments:
    """The account's questions and calls. ``names``: its destinations."""
    return Moments(*_MOMENTS.one(conn, {"of": account, "names": names}))


_LAPSES: Final = select(func.min(_attempt.deadline)).where(_attempt.account == bindparam("of"), IS_STARTED)
_PROBE: Final = select(func.min(_attempt.probe_at)).where(
    _attempt.account == bindparam("of"), _attempt.destination.in_(bindparam("names", expanding=True)), TO_PROBE
)
_FETCH: Final = (
    select(events.c.due_at)
    .where(IS_WAITING, events.c.account == bindparam("of"))
    .order_by(events.c.due_at, events.c.id)
    .limit(literal_column("1"))
)
_MOMENTS: Final = Prepared(
    select(
        _LAPSES.scalar_subquery().label("lapses_at"),
        _PROBE.scalar_subquery().label("probe_at"),
        _FETCH.scalar_subquery().label("fetch_at"),
    )
)


class Soonest(NamedTuple):
    """When the first pending delivery of some lanes is due, unix ms; None: there is none."""

    live: int | None = None
    bulk: int | None = None
    live_check: int | None = None
    bulk_check: int | None = None


def soonest_due(conn: Connection, names: Collection[str], asking: Collection[str]) -> Soonest:
    """The first of these destinations. ``asking``: those of them whose vendor is asked about each person before."""
    if not names:
        return Soonest()
    found = Soonest(*_first_of_each(_HEADS.tuples(conn, {"names": [*names]})))
    if not asking:
        return found
    live_check, bulk_check = _first_of_each(_CHECK_HEADS.tuples(conn, {"names": [*asking]}))
    return found._replace(live_check=live_check, bulk_check=bulk_check)


def _first_of_each(rows: Iterable[Sequence[int | None]]) -> tuple[int | None, int | None]:
    """The first moment of the live half of each row, and that of its bulk half."""
    halves = [(row[: len(row) // 2], row[len(row) // 2 :]) for row in rows]
    live, bulk = (
        min((moment for half in halves for moment in half[which] if moment is not None), default=None)
        for which in (0, 1)
    )
    return live, bulk


def _head(lane: int) -> ScalarSelect[Any]:
    """The lane's first moment at the destination of the row: one step into the index of what is pending."""
    where = (_deliveries.destination == destinations.c.name, _deliveries.lane == literal_column(str(lane)), IS_PENDING)
    first = select(_deliveries.due_at).where(*where).order_by(_deliveries.due_at, _deliveries.id)
    return first.limit(literal_column("1")).scalar_subquery()


def _heads(lanes: Sequence[int]) -> Prepared:
    """A row for each destination, a column for each lane."""
    columns = [_head(lane).label(f"lane_{lane}") for lane in lanes]
    return Prepared(select(*columns).where(destinations.c.name.in_(bindparam("names", expanding=True))))


_HEADS: Final = _heads((*LIVE_LANES, *BULK_LANES))
_CHECK_HEADS: Final = _heads((LIVE_CHECK, BULK_CHECK))
