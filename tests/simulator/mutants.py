"""Faults planted in the product, each of a kind that a careless change may bring. The simulator must find every one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

from sqlalchemy import Connection, update

from connector.core.quota import Used
from connector.core.states import AttemptState, DeliveryState
from connector.outbound import chain, claims, probe_decisions, settle
from connector.outbound.guards import people
from connector.outbound.guards.place_hours import PlaceHoursGuard
from connector.outbound.guards.suppression_list import SuppressionList
from connector.store import attempts, inbox, outbox, tables
from tests.simulator.world import World


def _without_guard(kind: type) -> Callable[[ExitStack], Any]:
    def plant(stack: ExitStack) -> None:
        left = tuple(guard for guard in claims.GUARDS if not isinstance(guard, kind))
        stack.enter_context(mock.patch.object(claims, "GUARDS", left))

    return plant


def _patched(where: Any, name: str, value: Any) -> Callable[[ExitStack], Any]:
    return lambda stack: stack.enter_context(mock.patch.object(where, name, value))


def _sent_again(conn: Connection, attempt: Any, _place: Any, now: int, *_code: Any) -> None:
    """A worker died in its call: taken for a call that was never made."""
    attempts.finish(conn, attempt.id, state=AttemptState.NOT_SENT, now=now)
    again = update(tables.deliveries).where(
        tables.deliveries.c.attempt == attempt.id, tables.deliveries.c.state == DeliveryState.SENDING
    )
    conn.execute(again.values(state=DeliveryState.PENDING, due_at=now))


_usage = attempts.usage


def _no_slots(*args: Any, **values: Any) -> tuple[Used, Any]:
    in_flight, own = _usage(*args, **values)
    return replace(in_flight, calls=0), own


def _no_windows(*args: Any, **values: Any) -> tuple[Used, Any]:
    in_flight, own = _usage(*args, **values)
    return in_flight, [replace(one, calls=0) for one in own]


_store = inbox.store


def _half_stored(conn: Connection, arrivals: Any, **values: Any) -> Any:
    for arrival in arrivals:
        arrival.deliveries = arrival.deliveries[:1] if len(arrival.deliveries) > 1 else arrival.deliveries
    return _store(conn, arrivals, **values)


MUTANTS: Mapping[str, Callable[[ExitStack], Any]] = {
    "an event is acknowledged before its commit": _patched(World, "acknowledges_early", True),
    "a delivery is lost on the way in": _patched(inbox, "store", _half_stored),
    "absence is believed before the deadline": _patched(probe_decisions, "PROBE_GRACE_MS", -(10**8)),
    "a dead worker's call is taken for never made": _patched(settle, "lapse", _sent_again),
    "a contact is not written into the ledger": _patched(people, "write_down", lambda members: None),
    "hours are not kept": _without_guard(PlaceHoursGuard),
    "the do-not-contact list is not asked": _without_guard(SuppressionList),
    "calls in flight are not counted": _patched(attempts, "usage", _no_slots),
    "calls of a window are not counted": _patched(attempts, "usage", _no_windows),
    "what comes after does not wait": _patched(chain.Releasing, "_judged", lambda self, row, now: self._rendered(row)),
    "what is erased still goes": _patched(outbox, "erase", lambda *_args: []),
}


@contextmanager
def planted(name: str) -> Iterator[None]:
    """While it stands, the product has this fault; "" is none."""
    with ExitStack() as stack:
        if name:
            MUTANTS[name](stack)
        yield
