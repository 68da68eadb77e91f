"""What is looked at again and again in every world, made once."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Select, select

from connector.core.states import EventState
from connector.store import tables
from connector.store.outbox import SETTLED


@cache
def rows_of(table: Any, states: tuple[str, ...]) -> Select[Any]:
    query = select(table).order_by(table.c.id)
    return query.where(table.c.state.in_(states)) if states else query


EVENT_IDS = select(tables.events.c.event_id)
#: What is there as long as something is left to be decided.
OPEN = (
    select(tables.deliveries.c.id).where(tables.deliveries.c.state.not_in(SETTLED)).limit(1),
    select(tables.attempts.c.id).where(tables.attempts.c.state == "started").limit(1),
    select(tables.events.c.id).where(tables.events.c.state == EventState.WAITING).limit(1),
)
