"""Plans: many deliveries sent again. The set is frozen when planned, and a worker carries it out in steps."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Final

from connector.admin.acts import By
from connector.admin.changes import Change
from connector.admin.groups import Group, members
from connector.admin.replay import Replay, Wish
from connector.core.errors import ConnectorError
from connector.core.log import get
from connector.core.loops import STOP_S, Loops
from connector.core.phrases import phrase
from connector.core.settings import Role, Settings
from connector.core.states import DeliveryState
from connector.store import plans
from connector.store.acts import What
from connector.store.database import Database, now_ms
from connector.store.plans import Plan
from connector.vendors import destinations

GOOD_FOR_MS: Final = 10 * 60 * 1000  #: how long after planning it may be begun
TRIED: Final = 200  #: deliveries of a plan that the preview checks
STEP: Final = 50  #: deliveries of one step
LOOK_EVERY_S: Final = 2.0

log = get("plans")


@dataclass(frozen=True, slots=True)
class Preview:
    """The effect on the first deliveries of a plan: how many go, why others stay; the rest is not checked."""

    looked_at: int
    sent: int
    kept: dict[str, int]


def make(database: Database, group: Group, since_ms: int, by: By) -> int:
    """Freezes the dead deliveries of a group. Raises `ConnectorError` for other states, `Forbidden`."""
    by.demand(What.REPLAY)
    if group.state != DeliveryState.DEAD:
        raise ConnectorError(phrase("Only what was refused can be sent again together."))
    with database.write() as conn:
        now = now_ms(conn)
        ids = list(members(conn, group, now - since_ms))
        return plans.make(conn, by.who, by.role.value, group.destination, ids, now)


def preview(database: Database, settings: Settings, plan: Plan) -> Preview:
    """Tries it without changing anything."""
    some = plan.deliveries[:TRIED]
    sent, reasons = _counted(_replayed(database, settings, some, _by(plan), dry_run=True))
    return Preview(len(some), sent, dict(reasons))


def calls_of(settings: Settings, plan: Plan, preview: Preview) -> int | None:
    """How many calls it takes at least, with all that was not checked; None: nothing leads to its destination now."""
    place = destinations.places(settings).get(plan.about.partition("/")[0], {}).get(plan.about)
    most = preview.sent + len(plan.deliveries) - preview.looked_at
    return None if place is None else math.ceil(most / max(1, place.batch_size))


def begin(database: Database, number: int, by: By) -> None:
    """Begins a plan. Raises `ConnectorError` if it is too old; a second call changes nothing."""
    act = by.act(What.REPLAY)
    with database.write() as conn:
        plan = plans.get(conn, number)
        if plans.begin(conn, number, act.why, now_ms(conn) - GOOD_FOR_MS) or (plan and plan.state != "planned"):
            return
    raise ConnectorError(phrase("This plan is older than ten minutes: make a new one, what failed may have changed."))


def stop(database: Database, number: int, by: By) -> None:
    """Ends it after the step under way. Raises `Forbidden`."""
    by.demand(What.REPLAY)
    with database.write() as conn:
        plans.stop(conn, number, now_ms(conn))


class Carrier:
    """The loop that carries plans out. Runs beside a worker; one process at a time leases a plan."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._loops = Loops(log)
        self._loops.add("plans", self.step, what="carrying out a plan")

    def start(self) -> None:
        self._loops.start()

    def stop(self, timeout_s: float = STOP_S) -> bool:
        return self._loops.stop(timeout_s)

    def step(self) -> float:
        """Processes some deliveries of one plan. Returns seconds until the next step.

        A step that a dying process left incomplete is repeated: deliveries that were sent again are pending, and stay
        so.
        """
        with self._database.read() as conn:
            if not plans.is_any(conn):
                return LOOK_EVERY_S
        with self._database.write(serialise="plans") as conn:
            plan = plans.lease(conn, now_ms(conn))
        if plan is None:
            return LOOK_EVERY_S
        some = plan.deliveries[plan.done : plan.done + STEP]
        sent, reasons = _counted(_replayed(self._database, self._settings, some, _by(plan), dry_run=False))
        with self._database.write(serialise="plans") as conn:
            plans.advance(conn, plan, len(some), sent, reasons, now_ms(conn))
        return 0.0


def _by(plan: Plan) -> By:
    return By(plan.who, plan.why, Role(plan.role))


def _replayed(database: Database, settings: Settings, ids: tuple[int, ...], by: By, *, dry_run: bool) -> list[Change]:
    again = Replay(settings, database, by)
    wish = Wish(dry_run=dry_run, late_too=True)
    return [again.delivery(number, wish)[0] for number in ids]


def _counted(changes: list[Change]) -> tuple[int, Counter[str]]:
    reasons = Counter(change.why for change in changes if change.action == "keep")
    return sum(change.action != "keep" for change in changes), reasons
