"""The contract of a guard: codes, a condition in SQL, a text, an option of routes, and how pending deliveries follow
it.

A guard is asked inside the claim, in one transaction with it, and once more when a batch is repeated at once. It ends
members (`end`) or releases them until later (`hold`); it never makes a call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from sqlalchemy import ColumnElement, Connection, and_, bindparam, update

from connector.core.phrases import phrase
from connector.core.reasons import Code, Reason
from connector.core.settings import Route
from connector.core.states import DeliveryState
from connector.store import outbox, reasons, turns
from connector.store.prepared import Prepared
from connector.store.tables import IS_CLAIMED, IS_PENDING, deliveries
from connector.store.turns import Alike
from connector.vendors.base import Destination

_delivery = deliveries.c


def releasing(codes: Sequence[Code]) -> Prepared:
    """Makes deliveries due that a guard holds for these reasons. Parameters: ``of_route``, ``now`` (unix ms)."""
    held = and_(IS_PENDING, _delivery.route == bindparam("of_route"), _delivery.reason_code.in_(codes))
    return Prepared(update(deliveries).where(held, _delivery.due_at > bindparam("now")).values(due_at=bindparam("now")))


@dataclass(slots=True)
class Members:
    """The members of an attempt that is about to be made. Times in unix ms."""

    conn: Connection
    destination: Destination
    attempt: int
    kind: str  #: of the attempt: `core.states.Kind`
    now: int
    found: dict[str, Any] = field(default_factory=dict)  #: results of a guard for the guards after it
    exclusions: int = 0  #: how many members the guards before this one ended or let go
    _alike: tuple[int, list[Alike]] = field(default=(-1, []), init=False)

    @property
    def alike(self) -> list[Alike]:
        """The members in groups; read again once a guard has kept some back."""
        if self._alike[0] != self.exclusions:
            self._alike = self.exclusions, turns.members_alike(self.conn, self.attempt)
        return self._alike[1]

    @property
    def routes(self) -> Mapping[str, Route]:
        """The routes that share the destination, by name."""
        return self.destination.routes

    def end(self, which: ColumnElement[bool], values: Mapping[str, Any]) -> list[int]:
        """Ends those members for good, with ``values`` beside the state. Returns their ids."""
        ended = update(deliveries).where(outbox.is_claimed_by(self.attempt), which)
        ended = ended.values({"state": DeliveryState.SUPPRESSED, "updated_at": self.now, **values})
        return list(self.conn.execute(ended.returning(_delivery.id)).scalars())

    def end_by(self, statement: Prepared) -> list[int]:
        """The same by a statement that was made once, see `ENDING`. Returns their ids."""
        return statement.scalars(self.conn, {"of": self.attempt, "now": self.now})

    def hold(self, which: ColumnElement[bool], until: int, reason: Reason | None, **values: Any) -> int:
        """Lets those members go: pending again, due at ``until``. Returns how many."""
        held = update(deliveries).where(outbox.is_claimed_by(self.attempt), which)
        also = {"due_at": until, **reasons.columns(reason), **values}
        held = held.values(outbox.let_go_values(self.attempt, self.now) | also)
        return self.conn.execute(held).rowcount


#: Ends members: ``:of`` is their attempt. A guard adds which of them, and why.
ENDING: Final = (
    update(deliveries)
    .where(deliveries.c.attempt == bindparam("of"), IS_CLAIMED)
    .values(state=DeliveryState.SUPPRESSED, updated_at=bindparam("now"))
)


class Guard:
    """The defaults: nothing is held or ended. Subclasses override what they need."""

    option: ClassVar[str]  #: as the configuration and `status` call it
    ends: ClassVar[tuple[Code, ...]] = ()  #: the codes of deliveries that it ended
    holds: ClassVar[tuple[Code, ...]] = ()  #: the codes of deliveries that it holds until they are due
    #: whether a copy that once_per ended takes the place of a delivery that this guard ends
    frees_copies: ClassVar[bool] = True

    def apply(self, members: Members) -> tuple[list[int], int]:
        """Keeps back the members that must not be sent (now): (ids of those that ended, number of those held)."""
        return [], 0

    def hold_head(self, conn: Connection, destination: Destination, lane: int, now: int) -> int:
        """Puts off due deliveries at the head of a lane before anything is claimed there. Returns how many."""
        return 0

    def follow(self, conn: Connection, destination: Destination, route: Route, now: int) -> None:
        """Called when a worker starts: applies the route's current option to its pending deliveries."""

    def text(self, route: Route) -> str:
        """The rule of the route for a person; "" if the route does not have this guard."""
        return ""

    def remedy(self, delivery: str) -> str:
        """The step by which an operator sends an ended delivery ("d12") all the same."""
        return phrase(
            "nothing; if it should go all the same: connector replay --delivery {delivery}", delivery=delivery
        )
