"""``once_per`` of a route: within a period a person gets only one of the route's deliveries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from sqlalchemy import ColumnElement, Text, and_, case, exists, func, or_, select

from connector.core.phrases import phrase
from connector.core.reasons import Code
from connector.core.settings import Route
from connector.core.states import DeliveryState
from connector.outbound.guards.base import Guard, Members
from connector.store.tables import deliveries, events

_deliveries = deliveries.c
_other_rows = deliveries.alias("other")
_others = _other_rows.c


class OncePerGuard(Guard):
    """Another delivery counts when it is earlier, or was claimed before (ids and commits may come in either order)."""

    option = "once_per"
    ends: ClassVar[tuple[Code, ...]] = (Code.ONCE, Code.ONCE_FORGOTTEN)
    frees_copies = False  # it ends copies only

    def ask(self, members: Members) -> tuple[list[int], int]:
        ended: list[int] = []
        for route in members.routes.values():
            if route.once_per is not None:
                ended += self._end(members, route.name, int(route.once_per.within_s * 1000))
        return ended, 0

    def _end(self, members: Members, route: str, within_ms: int) -> list[int]:
        same = and_(
            _others.once_key == _deliveries.once_key,
            _others.id != _deliveries.id,
            _others.state.not_in((DeliveryState.DEAD, DeliveryState.SUPPRESSED)),
            func.abs(_deliveries.created_at - _others.created_at) < within_ms,
            _comes_before(members),
        )
        first = select(func.min(_others.id)).where(same).correlate(deliveries).scalar_subquery()
        which = and_(_deliveries.route == route, _deliveries.once_key.is_not(None))
        which = and_(which, exists(select(_others.id).where(same).correlate(deliveries)))
        facts = _concat(members, '{"other":', first, "}")
        return members.end(which, {"reason_code": str(Code.ONCE), "reason_facts": facts, "reason": None})

    def text(self, route: Route) -> str:
        if route.once_per is None:
            return ""
        facts = {"key": route.once_per.key, "hours": route.once_per.within_s / 3600}
        return phrase("once_per: one for each {key} within {hours:g} h", **facts)


def _comes_before(members: Members) -> ColumnElement[bool]:
    """Of one source, or of sources that prove alike: the earlier, or the one that was claimed before.

    Otherwise the one whose source proves more: what an anonymous sender says suppresses nobody who signed.
    """
    earlier = or_(
        _others.id < _deliveries.id, and_(_others.state != DeliveryState.PENDING, _others.attempt != members.attempt)
    )
    ranks = members.destination.trust
    if not ranks:
        return earlier
    theirs, mine = _rank(ranks, _others.event, _their_event), _rank(ranks, _deliveries.event, _my_event)
    return or_(theirs > mine, and_(theirs == mine, earlier))


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
