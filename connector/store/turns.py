"""Sources that wait at one destination: who does, what one call takes of each, and those that lie aside.

Queries only. The number of a source (`connector.core.turns`) leads its deliveries within the index of a lane, so the
sources are found without walking past the deliveries of one that sent many.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, delete, func, insert, select, text, update

from connector.core.reasons import Reason
from connector.core.times import DAY_MS
from connector.store import outbox, reasons
from connector.store.lanes import ASIDE_LANES, ASIDE_OF, LET_IN, LET_IN_TO_CHECK, LIMITED_LANES
from connector.store.tables import IS_PENDING, TAKEN, deliveries, source_calls

_deliveries = deliveries.c
_source_calls = source_calls.c

_NEXT: Final = f"""
    SELECT turn FROM deliveries
    WHERE destination = :destination AND lane = :lane AND {IS_PENDING.text} AND turn > {{after}}
    ORDER BY turn LIMIT 1"""
_WAITING: Final = text(f"""
    WITH RECURSIVE one (turn) AS (
      SELECT ({_NEXT.format(after="-1")})
      UNION ALL
      SELECT ({_NEXT.format(after="one.turn")}) FROM one WHERE one.turn IS NOT NULL
    )
    SELECT turn FROM one WHERE turn IS NOT NULL AND EXISTS (
      SELECT 1 FROM deliveries
      WHERE destination = :destination AND lane = :lane AND {IS_PENDING.text} AND deliveries.turn = one.turn
        AND due_at <= :until)
""")
ANY_TIME: Final = 2**62


def waiting(conn: Connection, destination: str, lane: int, until: int) -> list[int]:
    """The numbers of the sources that have something due in the lane by then (unix ms), ascending."""
    values = {"destination": destination, "lane": lane, "until": until}
    return list(conn.execute(_WAITING, values).scalars())


def taken_of_each(conn: Connection, attempt: int) -> dict[int | None, int]:
    """Number of members of an attempt that is about to be made, by the number of their source."""
    rows = conn.execute(_TAKEN_OF_EACH, {"of": attempt})
    return {row[0]: row[1] for row in rows}


# Made once: every claim runs these.
_TAKEN_OF_EACH: Final = (
    select(_deliveries.turn, func.count())
    .where(_deliveries.attempt == bindparam("of"), TAKEN)
    .group_by(_deliveries.turn)
)


def has_others(conn: Connection, attempt: int, turn: int) -> bool:
    """Whether members of an attempt that is about to be made are of other sources than this one."""
    others = and_(outbox.taken(attempt), _deliveries.turn != turn)
    return conn.execute(select(_deliveries.id).where(others).limit(1)).first() is not None


# --- lying aside ----------------------------------------------------------------------------------------------------

_LANES: Final = (*ASIDE_LANES, *LIMITED_LANES)
_NO_TIME: Final[Mapping[str, Any]] = {"due_at": _deliveries.expires_at}


def put_aside(conn: Connection, attempt: int, turn: int, reason: Reason, now: int, *, newest: int) -> int:
    """Releases the ``newest`` members of a source from an attempt that is about to be made, and lays them aside."""
    some = (
        select(_deliveries.id)
        .where(outbox.taken(attempt), _deliveries.turn == turn)
        .order_by(_deliveries.id.desc())
        .limit(newest)
    )
    values = outbox.let_go_values(attempt, now) | _aside(reason)
    ids = list(conn.execute(some).scalars())
    return conn.execute(update(deliveries).where(_deliveries.id.in_(ids)).values(values)).rowcount


def put_all_aside(
    conn: Connection, destination: str, lane: int, turn: int, reason: Reason, now: int, *, most: int
) -> int:
    """Lays the oldest due deliveries of a source aside that no call has taken yet."""
    due = and_(outbox.pending(destination, lane), _deliveries.turn == turn, _deliveries.due_at <= now)
    some = select(_deliveries.id).where(due).order_by(_deliveries.due_at, _deliveries.id).limit(most).scalar_subquery()
    values = {"updated_at": now} | _aside(reason)
    return conn.execute(update(deliveries).where(_deliveries.id.in_(some)).values(values)).rowcount


def _aside(reason: Reason) -> dict[str, Any]:
    return {"lane": case(ASIDE_OF, value=_deliveries.lane), "split": None, **_NO_TIME, **reasons.columns(reason)}


def _lies_aside(destinations: Sequence[str]) -> ColumnElement[bool]:
    return and_(_deliveries.destination.in_(destinations), _deliveries.lane.in_(_LANES), IS_PENDING)


def any_aside(conn: Connection, destinations: Sequence[str]) -> bool:
    """Whether something lies aside there."""
    return conn.execute(select(_deliveries.id).where(_lies_aside(destinations)).limit(1)).first() is not None


def let_in(conn: Connection, destination: str, lane: int, turn: int | None, most: int, now: int) -> int:
    """Makes the oldest of a source that lie aside in this lane due again. Returns how many."""
    which = outbox.pending(destination, lane)
    which = and_(which, _deliveries.turn == turn) if turn is not None else which
    some = select(_deliveries.id).where(which).order_by(_deliveries.due_at, _deliveries.id).limit(most)
    chosen = _deliveries.id.in_(some.scalar_subquery())
    return conn.execute(update(deliveries).where(chosen).values(_let_in(now))).rowcount


def let_in_expired(conn: Connection, destinations: Sequence[str], now: int, most: int) -> int:
    """The same for those that expired meanwhile: the next claim ends them."""
    expired = and_(_lies_aside(destinations), _deliveries.due_at <= now)
    some = select(_deliveries.id).where(expired).limit(most).scalar_subquery()
    return conn.execute(update(deliveries).where(_deliveries.id.in_(some)).values(_let_in(now))).rowcount


def let_in_events(conn: Connection, events: Sequence[int], checking: Sequence[str], now: int) -> int:
    """Makes the deliveries of these events due that wait for their source's limit. ``checking``: routes that ask the
    vendor first.
    """
    mine = and_(_deliveries.event.in_(events), _deliveries.lane.in_(LIMITED_LANES), IS_PENDING)
    checks = case(LET_IN_TO_CHECK, value=_deliveries.lane, else_=_deliveries.lane)
    lane = case(
        (_deliveries.route.in_(checking), checks), else_=case(LET_IN, value=_deliveries.lane, else_=_deliveries.lane)
    )
    return conn.execute(update(deliveries).where(mine).values(_let_in(now) | {"lane": lane})).rowcount


def _let_in(now: int) -> dict[str, Any]:
    lane = case(LET_IN, value=_deliveries.lane, else_=_deliveries.lane)
    return {"lane": lane, "due_at": now, "updated_at": now, **reasons.columns(None)}


# --- what a source used of an account's day -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Used:
    """Calls and records of a source with an account within a day."""

    calls: int
    records: int


def used(conn: Connection, account: str, source: str, now: int) -> Used:
    """What counts now."""
    row = conn.execute(_USED, {"of": account, "by": source, "since": now - DAY_MS}).one()
    return Used(int(row[0] or 0), int(row[1] or 0))


_USED: Final = select(func.sum(_source_calls.calls), func.sum(_source_calls.records)).where(
    _source_calls.account == bindparam("of"),
    _source_calls.source == bindparam("by"),
    _source_calls.at > bindparam("since"),
)


def frees_at(conn: Connection, account: str, source: str, now: int) -> int | None:
    """When the first call of a source stops counting (unix ms); None if none counts."""
    mine = and_(_source_calls.account == account, _source_calls.source == source, _source_calls.at > now - DAY_MS)
    first = conn.execute(select(func.min(_source_calls.at)).where(mine)).scalar()
    return None if first is None else int(first) + DAY_MS


def count(conn: Connection, account: str, attempt: int, records: Mapping[str, int], *, calls: int, now: int) -> None:
    """A call is about to be made with so many ``records`` of each source. What counts no more is forgotten."""
    rows = [
        {"account": account, "source": source, "at": now, "attempt": attempt, "calls": calls, "records": number}
        for source, number in records.items()
    ]
    conn.execute(insert(source_calls), rows)
    conn.execute(_FORGET, {"of": account, "some": list(records), "until": now - DAY_MS})


_FORGET: Final = delete(source_calls).where(
    _source_calls.account == bindparam("of"),
    _source_calls.source.in_(bindparam("some", expanding=True)),
    _source_calls.at <= bindparam("until"),
)
