"""``once_per`` of a route: within a period a person gets only one of the route's deliveries."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, Final

from sqlalchemy import ColumnElement, ScalarSelect, Text, and_, case, func, not_, or_, select, update

from connector.core.phrases import phrase
from connector.core.reasons import Code, Reason
from connector.core.settings import OncePer, Route
from connector.core.states import DeliveryState
from connector.outbound.guards.base import Guard, Members
from connector.store import once_keys as once_rows
from connector.store import reasons
from connector.store.tables import deliveries, events, once_keys

_deliveries = deliveries.c
_other_rows = deliveries.alias("other")
_others = _other_rows.c


class OncePerGuard(Guard):
    """Another delivery counts when it is earlier, or was claimed before (ids and commits may come in either order)."""

    option = "once_per"
    ends: ClassVar[tuple[Code, ...]] = (Code.ONCE, Code.ONCE_FORGOTTEN)
    frees_copies = False  # it ends copies only

    def apply(self, members: Members) -> tuple[list[int], int]:
        ended: list[int] = []
        for route in members.routes.values():
            if route.once_per is not None:
                fresh = self._end(members, route.name, route.once_per)
                if fresh and route.once_per.key == "phone":
                    _free(members, route.once_per, fresh)
                ended += fresh
        return ended, 0

    def _end(self, members: Members, route: str, rule: OncePer) -> list[int]:
        firsts = _firsts(members, rule)
        which = and_(_deliveries.route == route, _deliveries.once_key.is_not(None), _any(firsts))
        facts = _concat(members, '{"other":', func.coalesce(*firsts, 0), "}")
        return members.end(which, {"reason_code": str(Code.ONCE), "reason_facts": facts, "reason": None})

    def text(self, route: Route) -> str:
        if route.once_per is None:
            return ""
        key = _CALLED.get(route.once_per.key, route.once_per.key)
        facts = {"key": key, "hours": route.once_per.within_s / 3600}
        return phrase("once_per: one for each {key} within {hours:g} h", **facts)


#: Key of a person -> what it is called; any other is a path of the sender's.
_CALLED: Final = {"phone": phrase("phone"), "email": phrase("email")}

_my_keys = once_keys.alias("my_keys")
_their_keys = once_keys.alias("their_keys")
_theirs = _their_keys.c.delivery == _others.id

#: Where another delivery has one of the keys of this one: each of two steps on an index. Most have one key only.
_SAME: Final = (
    (_other_rows, _others.once_key == _deliveries.once_key),
    (_their_keys.join(_other_rows, _theirs), _their_keys.c.hash == _deliveries.once_key),
    (_my_keys.join(_other_rows, _others.once_key == _my_keys.c.hash), _my_keys.c.delivery == _deliveries.id),
    (
        _my_keys.join(_their_keys, _their_keys.c.hash == _my_keys.c.hash).join(_other_rows, _theirs),
        _my_keys.c.delivery == _deliveries.id,
    ),
)


def _firsts(members: Members, rule: OncePer) -> list[ScalarSelect[int]]:
    """The delivery of which this one is a copy, by each way of `_SAME`; NULL if there is none."""
    counts = and_(
        _others.id != _deliveries.id,
        _others.state.not_in((DeliveryState.DEAD, DeliveryState.SUPPRESSED)),
        func.abs(_deliveries.created_at - _others.created_at) < int(rule.within_s * 1000),
        _comes_before(members),
    )
    return [
        select(func.min(_others.id)).select_from(rows).where(same, counts).correlate(deliveries).scalar_subquery()
        for rows, same in (_SAME if rule.key == "phone" else _SAME[:1])
    ]


def _any(firsts: Sequence[ScalarSelect[int]]) -> ColumnElement[bool]:
    return or_(*(first.is_not(None) for first in firsts))


def _free(members: Members, rule: OncePer, ended: Collection[int]) -> None:
    """Copies of those that ended now, and of no other: with several phones, a copy of a copy may be somebody else."""
    copies = once_rows.copies_of(members.conn, ended, members.now)
    if copies:
        freed = {"state": DeliveryState.PENDING, "due_at": members.now, "updated_at": members.now}
        statement = update(deliveries).where(_deliveries.id.in_(copies), not_(_any(_firsts(members, rule))))
        members.conn.execute(statement.values({**freed, **reasons.columns(Reason(Code.COPY_FREED))}))


def _comes_before(members: Members) -> ColumnElement[bool]:
    """Whether another delivery comes before this one: of sources that prove alike, the earlier or the claimed one.

    Otherwise the one of the source that proves more: an anonymous sender's event suppresses no signed one.
    """
    earlier = or_(
        _others.id < _deliveries.id, and_(_others.state != DeliveryState.PENDING, _others.attempt != members.attempt)
    )
    ranks = members.destination.trust
    if not ranks:
        return earlier
    their_rank, own_rank = _rank(ranks, _others.event, _their_event), _rank(ranks, _deliveries.event, _my_event)
    return or_(their_rank > own_rank, and_(their_rank == own_rank, earlier))


_their_event = events.alias("their_event")
_my_event = events.alias("my_event")


def _rank(ranks: Mapping[str, int], event: ColumnElement[int], found: Any) -> ColumnElement[int]:
    rank = case(dict(ranks), value=found.c.source, else_=0)
    return func.coalesce(
        select(rank).where(found.c.id == event).correlate(_other_rows, deliveries).scalar_subquery(), 0
    )


def _concat(members: Members, before: str, number: object, after: str) -> object:
    if members.conn.dialect.name != "sqlite":
        return func.concat(before, number, after)
    return before + number.cast(Text) + after  # type: ignore[attr-defined]
