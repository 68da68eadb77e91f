"""Members of a batch that are sent again in parts: halves, or a few single ones before the rest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import Connection

from connector.core.reasons import Reason
from connector.core.retry import SAMPLE_WAIT_MS
from connector.core.states import DeliveryState
from connector.outbound.settlement import Group
from connector.store import outbox

SAMPLES: Final = 3  #: lone records tried before a destination that never accepted anything is believed to be wrong


def halved(attempt: int, ids: Sequence[int], reason: Reason, now: int) -> tuple[Group, Group]:
    """Two groups, the older half first. ``ids``: the members, in the order of their ids."""
    middle = ids[len(ids) // 2]
    return (
        _group(attempt, 1, reason, now, last=middle - 1),
        _group(attempt, 2, reason, now, first=middle),
    )


def sampled(attempt: int, chosen: Iterable[int], reason: Reason, now: int) -> tuple[Group, ...]:
    """A few single records first; the rest waits for their fate."""
    alone = enumerate(sorted(chosen)[:SAMPLES], start=1)
    first = [_group(attempt, at, reason, now, first=one, last=one) for at, one in alone]
    return (*first, whole(attempt, reason, now + SAMPLE_WAIT_MS))


def whole(attempt: int, reason: Reason, due_at: int) -> Group:
    """All members that are left, together and in a group of their own."""
    return _group(attempt, 0, reason, due_at)


def _group(
    attempt: int, number: int, reason: Reason, due_at: int, *, first: int | None = None, last: int | None = None
) -> Group:
    split = attempt * (SAMPLES + 1) + number  # unique: an attempt is split once
    return Group(state=DeliveryState.PENDING, reason=reason, due_at=due_at, first=first, last=last, split=split)


def write(conn: Connection, attempt: int, groups: Iterable[Group], now: int) -> None:
    """Writes what becomes of the attempt's members, group by group."""
    for group in groups:
        outbox.settle(
            conn,
            attempt,
            state=group.state,
            now=now,
            reason=group.reason,
            due_at=group.due_at,
            first=group.first,
            last=group.last,
            split=group.split,
            lanes=group.lanes,
        )
