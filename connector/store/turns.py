"""Sources that wait at one destination: who does, what one call takes of each, and those that lie aside.

Queries only. The number of a source (`connector.core.turns`) leads its deliveries within the index of a lane, so the
sources are found without walking past the deliveries of one that sent many.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    not_,
    null,
    or_,
    select,
    update,
)

from connector.core.reasons import Code, Reason
from connector.core.times import DAY_MS
from connector.core.turns import UNNUMBERED
from connector.store import outbox, reasons
from connector.store.lanes import (
    ASIDE_LANES,
    CEILING_LANES,
    JUDGED_AGAIN,
    LET_IN,
    LET_IN_AS_GROUP,
    LET_IN_TO_CHECK,
    LIMITED_LANES,
)
from connector.store.prepared import Prepared
from connector.store.tables import IS_CLAIMED, IS_PENDING, deliveries, source_calls

_deliveries = deliveries.c
_source_calls = source_calls.c

_NEXT: Final = f"""
    SELECT turn FROM deliveries
    WHERE destination = :destination AND lane = :lane AND {IS_PENDING.text} AND turn > {{after}}
    ORDER BY turn LIMIT 1"""
_DUE: Final = f"""
    SELECT 1 FROM deliveries
    WHERE destination = :destination AND lane = :lane AND {IS_PENDING.text} AND {{whose}} AND due_at <= :until
    LIMIT 1"""
_WAITING: Final = Prepared(f"""
    WITH RECURSIVE one (turn) AS (
      SELECT ({_NEXT.format(after="-1")})
      UNION ALL
      SELECT ({_NEXT.format(after="one.turn")}) FROM one WHERE one.turn IS NOT NULL
    )
    SELECT {UNNUMBERED} AS turn WHERE ({_DUE.format(whose="turn IS NULL")}) IS NOT NULL
    UNION ALL
    SELECT turn FROM one WHERE turn IS NOT NULL AND ({_DUE.format(whose="deliveries.turn = one.turn")}) IS NOT NULL
""")
ANY_TIME: Final = 2**62


def waiting(conn: Connection, destination: str, lane: int, until: int) -> list[int]:
    """The numbers of the sources that have something due in the lane by then (unix ms), ascending: see `UNNUMBERED`."""
    values = {"destination": destination, "lane": lane, "until": until}
    return _WAITING.scalars(conn, values)


class Alike(NamedTuple):
    """Members of one source whose numbers were judged by one rule; ``expires_at``: of the first of them."""

    turn: int | None
    rule: int | None
    number: int
    expires_at: int


def members_alike(conn: Connection, attempt: int) -> list[Alike]:
    """The members of an attempt that is about to be made, in groups."""
    return [Alike(*row) for row in _MEMBERS_ALIKE.tuples(conn, {"of": attempt})]


# Prepared once: every claim runs these.
_MEMBERS_ALIKE: Final = Prepared(
    select(_deliveries.turn, _deliveries.rule, func.count(), func.min(_deliveries.expires_at))
    .where(_deliveries.attempt == bindparam("of"), IS_CLAIMED)
    .group_by(_deliveries.turn, _deliveries.rule)
)


def members_by_place(conn: Connection, attempt: int) -> list[tuple[SourceGroup, int]]:
    """The members of an attempt that is about to be made by source and place, and how many each."""
    columns = (_deliveries.turn, _deliveries.place)
    rows = conn.execute(select(*columns, func.count()).where(outbox.is_claimed_by(attempt)).group_by(*columns))
    return [(SourceGroup(UNNUMBERED if row[0] is None else row[0], row[1] or ""), row[2]) for row in rows]


def judge_again(conn: Connection, attempt: int, some: Alike, reason: Reason, now: int) -> int:
    """Releases these members, so that their records are made again: as if they were blocked until now. How many.

    Who was replayed stays so: an operator has looked at it.
    """
    condition = and_(
        outbox.is_claimed_by(attempt),
        _deliveries.turn.is_not_distinct_from(some.turn),
        _deliveries.rule.is_not_distinct_from(some.rule),
    )
    code = case((_deliveries.reason_code == Code.REPLAYED, _deliveries.reason_code), else_=reason.code)
    lane = case(JUDGED_AGAIN, value=_deliveries.lane, else_=_deliveries.lane)
    values = {**reasons.columns(reason), "reason_code": code, "lane": lane, "split": None, "due_at": now}
    return conn.execute(
        update(deliveries).where(condition).values(outbox.let_go_values(attempt, now) | values)
    ).rowcount


def has_others(conn: Connection, attempt: int, turn: int) -> bool:
    """Whether members of an attempt that is about to be made are of other sources than this one."""
    others = and_(
        outbox.is_claimed_by(attempt), _deliveries.turn.is_distinct_from(None if turn == UNNUMBERED else turn)
    )
    return conn.execute(select(_deliveries.id).where(others).limit(1)).first() is not None


# --- lying aside ----------------------------------------------------------------------------------------------------

_LANES: Final = (*ASIDE_LANES, *LIMITED_LANES, *CEILING_LANES)
_NO_TIME: Final[Mapping[str, Any]] = {"due_at": _deliveries.expires_at}


@dataclass(frozen=True, slots=True)
class SourceGroup:
    """Deliveries of a source, by its number; with ``place`` only those to people there (see `core.places`)."""

    turn: int
    place: str | None = None

    @property
    def condition(self) -> ColumnElement[bool]:
        """The same in SQL."""
        of_source = outbox.is_of(self.turn)
        return of_source if self.place is None else and_(of_source, func.coalesce(_deliveries.place, "") == self.place)


def put_aside(
    conn: Connection, attempt: int, group: SourceGroup, to: Mapping[int, int], reason: Reason, now: int, *, newest: int
) -> int:
    """Releases the ``newest`` of these members of an attempt that is about to be made, and lays them aside.

    ``to``: lane -> where they lie.
    """
    some = (
        select(_deliveries.id)
        .where(outbox.is_claimed_by(attempt), group.condition)
        .order_by(_deliveries.id.desc())
        .limit(newest)
    )
    values = outbox.let_go_values(attempt, now) | _aside(to, reason)
    ids = list(conn.execute(some).scalars())
    return conn.execute(update(deliveries).where(_deliveries.id.in_(ids)).values(values)).rowcount


def put_all_aside(
    conn: Connection,
    destination: str,
    lane: int,
    group: SourceGroup,
    to: Mapping[int, int],
    reason: Reason,
    now: int,
    *,
    most: int,
) -> int:
    """Lays the oldest due deliveries of a source aside that no call has taken yet."""
    due = and_(outbox.pending(destination, lane), group.condition, _deliveries.due_at <= now)
    some = select(_deliveries.id).where(due).order_by(_deliveries.due_at, _deliveries.id).limit(most).scalar_subquery()
    values = {"updated_at": now} | _aside(to, reason)
    return conn.execute(update(deliveries).where(_deliveries.id.in_(some)).values(values)).rowcount


def _aside(to: Mapping[int, int], reason: Reason) -> dict[str, Any]:
    """Members of a refused batch stay one group, so that its bad record is still found."""
    return {"lane": case(dict(to), value=_deliveries.lane), **_NO_TIME, **reasons.columns(reason)}


def _lies_aside(destinations: Sequence[str]) -> ColumnElement[bool]:
    return and_(_deliveries.destination.in_(destinations), _deliveries.lane.in_(_LANES), IS_PENDING)


def any_aside(conn: Connection, destinations: Sequence[str]) -> bool:
    """Whether something lies aside there."""
    return conn.execute(select(_deliveries.id).where(_lies_aside(destinations)).limit(1)).first() is not None


def let_in(
    conn: Connection,
    destination: str,
    lane: int,
    turn: int,
    most: int,
    now: int,
    *,
    checked_since: int | None = None,
    but: Sequence[str] = (),
) -> int:
    """Makes the oldest of a source that lie aside in this lane due again. Returns how many.

    ``checked_since``: of those that the vendor allowed no later, it is asked (again) first; None: it is never asked.
    ``but``: countries; who may be in one of them stays.
    """
    which = and_(outbox.pending(destination, lane), outbox.is_of(turn), *(not_(_is_in(country)) for country in but))
    some = select(_deliveries.id).where(which).order_by(_deliveries.due_at, _deliveries.id).limit(most)
    chosen = _deliveries.id.in_(some.scalar_subquery())
    as_group = (_deliveries.split.is_not(None), case(LET_IN_AS_GROUP, value=_deliveries.lane, else_=_deliveries.lane))
    values = _let_in(now) | {"lane": case(as_group, else_=_WHOLE)}
    if checked_since is not None:
        unasked = or_(_deliveries.checked_at.is_(None), _deliveries.checked_at < checked_since)
        values["lane"] = case((unasked, _TO_CHECK), as_group, else_=_WHOLE)
        values["split"] = case((unasked, null()), else_=_deliveries.split)
    return conn.execute(update(deliveries).where(chosen).values(values)).rowcount


def _is_in(country: str) -> ColumnElement[bool]:
    """Whether a place names the country: alone, with an area, or beside others."""
    places = "+" + func.coalesce(_deliveries.place, "") + "+"
    return or_(places.contains(f"+{country}+"), places.contains(f"+{country}/"))


_WHOLE: Final = case(LET_IN, value=_deliveries.lane, else_=_deliveries.lane)
_TO_CHECK: Final = case(LET_IN_TO_CHECK, value=_deliveries.lane, else_=_deliveries.lane)


def let_in_expired(conn: Connection, destinations: Sequence[str], now: int, most: int) -> int:
    """The same for those that expired meanwhile: the next claim ends them."""
    expired = and_(_lies_aside(destinations), _deliveries.due_at <= now)
    some = select(_deliveries.id).where(expired).limit(most).scalar_subquery()
    return conn.execute(update(deliveries).where(_deliveries.id.in_(some)).values(_let_in(now))).rowcount


def let_in_events(conn: Connection, events: Sequence[int], checking: Sequence[str], now: int) -> int:
    """Makes the deliveries of these events due that wait for their source's limit. ``checking``: routes that ask the
    vendor first.
    """
    condition = and_(_deliveries.event.in_(events), _deliveries.lane.in_(LIMITED_LANES), IS_PENDING)
    lane = case((_deliveries.route.in_(checking), _TO_CHECK), else_=_WHOLE)
    return conn.execute(update(deliveries).where(condition).values(_let_in(now) | {"lane": lane})).rowcount


def _let_in(now: int) -> dict[str, Any]:
    return {"lane": _WHOLE, "due_at": now, "updated_at": now, **reasons.columns(None)}


# --- what a source used of an account's day -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Used:
    """Calls and records of a source with an account within a day."""

    calls: int
    records: int


def used(conn: Connection, account: str, source: str, now: int) -> Used:
    """The calls that count now."""
    row = _USED.one(conn, {"of": account, "by": source, "since": now - DAY_MS})
    return Used(int(row[0] or 0), int(row[1] or 0))


_USED: Final = Prepared(
    select(func.sum(_source_calls.calls), func.sum(_source_calls.records)).where(
        _source_calls.account == bindparam("of"),
        _source_calls.source == bindparam("by"),
        _source_calls.at > bindparam("since"),
    )
)


def frees_at(conn: Connection, account: str, source: str, now: int) -> int | None:
    """When the first call of a source stops counting (unix ms); None if none counts."""
    condition = and_(_source_calls.account == account, _source_calls.source == source, _source_calls.at > now - DAY_MS)
    first = conn.execute(select(func.min(_source_calls.at)).where(condition)).scalar()
    return None if first is None else int(first) + DAY_MS


def count(conn: Connection, account: str, attempt: int, records: Mapping[str, int], *, calls: int, now: int) -> None:
    """A call is about to be made with so many ``records`` of each source. What counts no more is forgotten."""
    rows = [
        {"account": account, "source": source, "at": now, "attempt": attempt, "calls": calls, "records": number}
        for source, number in records.items()
    ]
    for row in rows:
        _COUNT.change(conn, row)
    _FORGET.change(conn, {"of": account, "some": list(records), "until": now - DAY_MS})


_COUNT: Final = Prepared(insert(source_calls).values({one.name: bindparam(one.name) for one in source_calls.c}))
_FORGET: Final = Prepared(
    delete(source_calls).where(
        _source_calls.account == bindparam("of"),
        _source_calls.source.in_(bindparam("some", expanding=True)),
        _source_calls.at <= bindparam("until"),
    )
)
