"""The changes that replay makes, or would make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from connector.core import masking
from connector.core.phrases import phrase
from connector.store import reasons
from connector.store.arrivals import NewDelivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The change that replay made, or would make, for one route of one event."""

    event: int
    action: str  #: accept | add | renew | resend | keep
    why: str = ""  #: keep: the reason; otherwise the earlier obstacle
    route: str = ""  #: "" where the event itself is meant
    delivery: int | None = None
    destination: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "event": f"e{self.event}",
            "delivery": None if self.delivery is None else f"d{self.delivery}",
            "route": self.route or None,
            "destination": self.destination or None,
            "action": self.action,
            "why": self.why or None,
        }


def follows(event: int, row: Any) -> Change:
    """The deliveries that depend on one that is sent again."""
    return Change(
        event=event,
        action="renew",
        why=masking.reason(reasons.of(row)),
        route=row.route,
        delivery=row.id,
        destination=row.destination,
    )


def left_to(event: Any, new: NewDelivery, taker: str) -> Change:
    """A route that gets nothing: another one did the same with the event."""
    why = phrase("“{route}” has it, from when the routes chose otherwise", route=taker)
    return Change(event=event.id, action="keep", route=new.route, destination=new.destination, why=why)


def added(event: Any, new: NewDelivery) -> Change:
    """A route that had no delivery of the event."""
    why = masking.reason(new.reason) or phrase("the route has no delivery of it yet")
    return Change(event=event.id, action="add", route=new.route, destination=new.destination, why=why)


def unchanged(row: Any, why: str) -> Change:
    """A delivery that stays as it is."""
    return Change(
        event=row.event, action="keep", why=why, route=row.route, delivery=row.id, destination=row.destination
    )
