"""Keeps members back from a call that is not begun yet, by a guard: many for one reason, in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson
from sqlalchemy import Connection

from connector.core.reasons import Reason
from connector.core.states import DeliveryState
from connector.store import attempt_list, reasons
from connector.store.database import each_of
from connector.store.tables import IS_CLAIMED


def end_some(conn: Connection, attempt: int, some: Sequence[int], reason: Reason, now: int) -> None:
    """Ends members of an attempt that is not begun yet, all for one reason."""
    conn.execute(_END_SOME[conn.dialect.name], _given(attempt, some, reason, now))


def put_off_some(conn: Connection, attempt: int, some: Sequence[int], due_at: int, reason: Reason, now: int) -> None:
    """Lets go of members until ``due_at`` (unix ms), all for one reason."""
    cut = {"due": due_at, "cut": attempt_list.length_of(attempt)}
    conn.execute(_PUT_OFF_SOME[conn.dialect.name], _given(attempt, some, reason, now) | cut)


def _given(attempt: int, some: Sequence[int], reason: Reason, now: int) -> dict[str, Any]:
    return {"given": orjson.dumps(some).decode(), "of": attempt, "now": now, **reasons.bound(reason)}


_SOME: Final = f"attempt = :of AND {IS_CLAIMED.text} AND id IN (SELECT CAST(given.value AS bigint) FROM {{each}})"
_WHY: Final = "reason_code = :why, reason_facts = :facts, reason = NULL, updated_at = :now"
_END_SOME: Final = each_of(f"UPDATE deliveries SET state = '{DeliveryState.SUPPRESSED}', {_WHY} WHERE {_SOME}")
_PUT_OFF_SOME: Final = each_of(
    f"UPDATE deliveries SET state = '{DeliveryState.PENDING}', due_at = :due, {_WHY},"
    f" attempts = substr(attempts, 1, length(attempts) - CAST(:cut AS integer)) WHERE {_SOME}"
)
