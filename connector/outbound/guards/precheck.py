"""Pre-check: a person is contacted only if the vendor has allowed it recently, if the route demands that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from sqlalchemy import Connection, and_, bindparam, case, or_, update

from connector.core.phrases import phrase
from connector.core.reasons import Code, Reason
from connector.core.retry import PRECHECK_GOOD_MS
from connector.core.settings import Route
from connector.core.states import Kind
from connector.outbound.guards.base import Guard, Members
from connector.store.lanes import CHECK_OF, CHECKED
from connector.store.prepared import Prepared
from connector.store.tables import IS_PENDING, deliveries
from connector.vendors.base import Destination

_delivery = deliveries.c


class PreCheck(Guard):
    """``ninety_day_rule`` of a Tracksale route. The question itself is a call of its own: see `settle.settle_check`."""

    option = "ninety_day_rule"
    ends: ClassVar[tuple[Code, ...]] = (Code.NINETY_DAYS,)

    def apply(self, members: Members) -> tuple[list[int], int]:
        """Sends members without a fresh permission back to the pre-check."""
        if not members.destination.checks or members.kind != Kind.SEND:
            return [], 0
        unasked = or_(_delivery.checked_at.is_(None), _delivery.checked_at < members.now - PRECHECK_GOOD_MS)
        lane = case(CHECK_OF, value=_delivery.lane)
        return [], members.hold(unasked, members.now, Reason(Code.PRECHECK_STALE), lane=lane, split=None)

    def follow(self, conn: Connection, destination: Destination, route: Route, now: int) -> None:
        (_TO_CHECK if destination.checks else _UNCHECKED).change(conn, {"of_route": route.name})

    def text(self, route: Route) -> str:
        if not route.options.get("ninety_day_rule"):
            return ""
        return phrase("ninety_day_rule: the vendor is asked first whether the customer was surveyed lately")


def _moved(to: Mapping[int, int]) -> Prepared:
    """Moves what waits of a route to the other lanes of its priority."""
    which = and_(IS_PENDING, _delivery.route == bindparam("of_route"), _delivery.lane.in_(to))
    return Prepared(update(deliveries).where(which).values(lane=case(dict(to), value=_delivery.lane), split=None))


_TO_CHECK: Final = _moved(CHECK_OF)
_UNCHECKED: Final = _moved(CHECKED)
