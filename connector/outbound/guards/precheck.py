"""Pre-check: a person is contacted only if the vendor has allowed it recently, if the route demands that."""

from __future__ import annotations

from typing import ClassVar

from sqlalchemy import Connection, and_, case, or_, update

from connector.core.phrases import phrase
from connector.core.reasons import Code, Reason
from connector.core.retry import PRECHECK_GOOD_MS
from connector.core.settings import Route
from connector.core.states import Kind
from connector.outbound.guards.base import Guard, Members
from connector.store.lanes import CHECK_OF, CHECKED
from connector.store.tables import IS_PENDING, deliveries
from connector.vendors.base import Destination

_delivery = deliveries.c


class PreCheck(Guard):
    """``ninety_day_rule`` of a Tracksale route. The question itself is a call of its own: see `settle.settle_check`."""

    option = "ninety_day_rule"
    ends: ClassVar[tuple[Code, ...]] = (Code.NINETY_DAYS,)

    def ask(self, members: Members) -> tuple[list[int], int]:
        """Sends members without a fresh permission back to the pre-check."""
        if not members.destination.checks or members.kind != Kind.SEND:
            return [], 0
        unasked = or_(_delivery.checked_at.is_(None), _delivery.checked_at < members.now - PRECHECK_GOOD_MS)
        lane = case(CHECK_OF, value=_delivery.lane)
        return [], members.hold(unasked, members.now, Reason(Code.PRECHECK_STALE), lane=lane, split=None)

    def follow(self, conn: Connection, destination: Destination, route: Route, now: int) -> None:
        to = CHECK_OF if destination.checks else CHECKED
        condition = and_(IS_PENDING, _delivery.route == route.name, _delivery.lane.in_(to))
        conn.execute(update(deliveries).where(condition).values(lane=case(to, value=_delivery.lane), split=None))

    def text(self, route: Route) -> str:
        if not route.options.get("ninety_day_rule"):
            return ""
        return phrase("ninety_day_rule: the vendor is asked first whether the customer was surveyed lately")
