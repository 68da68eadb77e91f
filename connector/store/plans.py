"""Plans: many deliveries that a person selected, frozen, to be sent again step by step. Queries only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import Connection, insert, select, update

from connector.core.phrases import packed, unpacked
from connector.core.states import PlanState
from connector.store.tables import plans

LEASE_MS: Final = 60_000  #: for one step
KEPT_REASONS: Final = 20  #: distinct reasons that a plan counts

_plan = plans.c


@dataclass(frozen=True, slots=True)
class Plan:
    """One row. ``kept``: why deliveries stayed as they are (phrases) -> how many; times in unix ms."""

    id: int
    made_at: int
    who: str
    role: str
    about: str
    deliveries: tuple[int, ...]
    state: str
    why: str
    done: int
    sent: int
    kept: Mapping[str, int]
    ended_at: int | None


def make(conn: Connection, who: str, role: str, about: str, ids: Sequence[int], now: int) -> int:
    """A new plan of these deliveries. Returns its id."""
    values = {
        "made_at": now,
        "who": who,
        "role": role,
        "about": about,
        "deliveries": orjson.dumps(list(ids)).decode(),
        "state": PlanState.PLANNED.value,
        "why": "",
        "done": 0,
        "sent": 0,
        "kept": "{}",
        "lease_until": 0,
    }
    return int(conn.execute(insert(plans).values(values).returning(_plan.id)).scalar_one())


def get(conn: Connection, number: int) -> Plan | None:
    row = conn.execute(select(plans).where(_plan.id == number)).first()
    return None if row is None else _read(row)


def begin(conn: Connection, number: int, why: str, since: int) -> bool:
    """Begins a plan; False if it has begun, or is older than ``since``."""
    fresh = (_plan.id == number, _plan.state == PlanState.PLANNED.value, _plan.made_at >= since)
    return conn.execute(update(plans).where(*fresh).values(state=PlanState.RUNNING.value, why=why)).rowcount == 1


def stop(conn: Connection, number: int, now: int) -> bool:
    """Ends it after the current step."""
    running = (_plan.id == number, _plan.state == PlanState.RUNNING.value)
    values = {"state": PlanState.STOPPED.value, "ended_at": now}
    return conn.execute(update(plans).where(*running).values(values)).rowcount == 1


def is_any(conn: Connection) -> bool:
    """Whether there is one to carry out: called often, and quick."""
    return conn.execute(select(_plan.id).where(_plan.state == PlanState.RUNNING.value).limit(1)).first() is not None


def lease(conn: Connection, now: int) -> Plan | None:
    """Leases the oldest running plan that no other process has; None if there is none."""
    free = (_plan.state == PlanState.RUNNING.value, _plan.lease_until <= now)
    row = conn.execute(select(plans).where(*free).order_by(_plan.id).limit(1)).first()
    if row is None:
        return None
    conn.execute(update(plans).where(_plan.id == row.id).values(lease_until=now + LEASE_MS))
    return _read(row)


def advance(conn: Connection, plan: Plan, done: int, sent: int, reasons: Mapping[str, int], now: int) -> None:
    """Stores the result of a step; the last one ends the plan."""
    counts = dict(plan.kept)
    for why, number in reasons.items():
        known = why if why in counts or len(counts) < KEPT_REASONS else "…"
        counts[known] = counts.get(known, 0) + number
    values: dict[str, Any] = {"done": plan.done + done, "sent": plan.sent + sent, "lease_until": 0}
    values["kept"] = orjson.dumps({packed(why): number for why, number in counts.items()}).decode()
    conn.execute(update(plans).where(_plan.id == plan.id).values(values))
    if plan.done + done >= len(plan.deliveries):
        over = (_plan.id == plan.id, _plan.state == PlanState.RUNNING.value)
        conn.execute(update(plans).where(*over).values(state=PlanState.DONE.value, ended_at=now))


def _read(row: Any) -> Plan:
    return Plan(
        id=row.id,
        made_at=row.made_at,
        who=row.who,
        role=row.role,
        about=row.about,
        deliveries=tuple(orjson.loads(row.deliveries)),
        state=row.state,
        why=row.why,
        done=row.done,
        sent=row.sent,
        kept={unpacked(why): number for why, number in orjson.loads(row.kept).items()},
        ended_at=row.ended_at,
    )
