"""A look without the lock that a claim takes: when a claim could find work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from connector.core.quota import Wait
from connector.core.retry import LONGEST_S
from connector.core.settings import Account
from connector.core.states import AccountState
from connector.outbound import budget, claims, slots
from connector.outbound.budget import Pace
from connector.store import accounts, looks, thin_events
from connector.store.database import now_ms
from connector.vendors.base import Destination


def next_look(conn: Connection, account: Account, places: Mapping[str, Destination]) -> float | None:
    """Seconds until a claim could find work (0: now), computed without the lock that a claim takes.

    None: not before something else happens.
    """
    now, names = now_ms(conn), list(places)
    soon = looks.moments(conn, account.name, names)
    if soon.lapses_at is not None and soon.lapses_at <= now:
        return 0.0
    stand = accounts.account(conn, account.name)
    if stand.state != AccountState.OPEN:
        return None
    if stand.hold_until > now:
        return (stand.hold_until - now) / 1000
    fetch = None if soon.fetch_at is None else thin_events.next_due(conn, account.name, now)
    found = (fetch and fetch[0], soon.probe_at, stand.usage.ask_at or None)
    moments = [moment for moment in found if moment is not None]
    asking = [name for name, place in places.items() if place.checks]
    live, bulk, live_check, bulk_check = looks.soonest_due(conn, names, asking)
    due: dict[tuple[bool, bool], int | None] = {(False, False): live}
    if asking and not _is_due(live, now):
        due[False, True] = live_check
    if not any(_is_due(moment, now) for moment in due.values()):  # else nothing behind it can be earlier
        due[True, False] = bulk
        if asking and not _is_due(bulk, now):
            due[True, True] = bulk_check
    # Most looks end here: waiting workers are woken at every change, which may be thousands a second.
    if all(moment > now for moment in (*moments, *due.values()) if moment is not None):
        return _until([*moments, *due.values()], now)
    room = budget.read_room(conn, account, stand, now)
    if isinstance(answer := room.answer, Wait) and not room.may_ask_budget:
        return answer.seconds
    pace = Pace(room)
    if not slots.leaves_one(conn, room):  # what is to be asked waits for a slot
        moments = [moment for moment in (*moments, room.in_flight.next_free_at) if moment and moment > now]
        due = {(is_bulk, asks): moment for (is_bulk, asks), moment in due.items() if not asks}
    moments += [
        moment if moment > now else now + _paced_ms(pace, bulk=is_bulk and not claims.bulk_is_due(stand), asks=asks)
        for (is_bulk, asks), moment in due.items()
        if moment is not None
    ]
    return _until(moments, now)


def _is_due(moment: int | None, now: int) -> bool:
    return moment is not None and moment <= now


def _paced_ms(pace: Pace, *, bulk: bool, asks: bool) -> int:
    wait = pace.wait(bulk=bulk, asks=asks)
    return 0 if wait is None else round((wait.seconds if wait.seconds is not None else LONGEST_S) * 1000)


def _until(moments: Sequence[int | None], now: int) -> float | None:
    soonest = min((moment for moment in moments if moment is not None), default=None)
    return None if soonest is None else max(0.0, (soonest - now) / 1000)
