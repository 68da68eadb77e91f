"""Expiry: nothing older than its route's ``expires_after`` is sent. Deliveries of erased persons end here, too."""

from __future__ import annotations

from typing import ClassVar, Final

from sqlalchemy import and_, bindparam, case

from connector.core.phrases import phrase
from connector.core.reasons import Code
from connector.core.settings import Route
from connector.outbound.guards.base import ENDING, Guard, Members
from connector.store import to_erase
from connector.store.prepared import Prepared
from connector.store.tables import deliveries

_deliveries = deliveries.c

#: Reason codes of deliveries that wait for a registry.
REGISTRY_HELD = (Code.REGISTRY_OLD, Code.REGISTRY_ABSENT, Code.REGISTRY_UNASKED)


class Expiry(Guard):
    """Every route has it."""

    option = "expires_after"
    ends: ClassVar[tuple[Code, ...]] = (
        *(Code.EXPIRED, Code.EXPIRED_HOURS),
        *(Code.EXPIRED_CAP, Code.EXPIRED_REGISTRY),
    )

    def apply(self, members: Members) -> tuple[list[int], int]:
        if all(one.expires_at > members.now for one in members.alike):
            return [], 0
        return members.end_by(_END), 0

    def text(self, route: Route) -> str:
        return phrase("expires_after: not later than {hours:g} h after its event", hours=route.expires_after_s / 3600)


_HELD_FOR_HOURS: Final = and_(_deliveries.reason_code == Code.HOURS_HELD, _deliveries.due_at >= _deliveries.expires_at)
_TOLD: Final = and_(~to_erase.MARKED, _deliveries.reason_code.in_((Code.CAP_HELD, *REGISTRY_HELD)))
_END: Final = Prepared(
    ENDING.where(_deliveries.expires_at <= bindparam("now"))
    .values(
        reason_code=case(
            (to_erase.MARKED, Code.ERASED),
            (_HELD_FOR_HOURS, Code.EXPIRED_HOURS),
            (_deliveries.reason_code == Code.CAP_HELD, Code.EXPIRED_CAP),
            (_deliveries.reason_code.in_(REGISTRY_HELD), Code.EXPIRED_REGISTRY),
            else_=Code.EXPIRED,
        ),
        reason_facts=case((_TOLD, _deliveries.reason_facts), else_=None),
        reason=None,
    )
    .returning(_deliveries.id)
)
