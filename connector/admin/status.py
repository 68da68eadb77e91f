"""The status of everything. Every query uses an index or is bounded, so that a million rows cost milliseconds."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from math import ceil
from typing import Any, Final

from sqlalchemy import Connection, and_, func, literal_column, select, union_all

from connector.admin import acts, backlog, fetches, guards, polls, shares
from connector.admin.alarms import listing as alarms
from connector.admin.backlog import UNSETTLED, Counts
from connector.admin.forecast import forecast
from connector.admin.identifiers import first_since
from connector.admin.problems import problems, questions
from connector.core import masking
from connector.core.reasons import Reason
from connector.core.settings import Account, Settings
from connector.core.states import AccountState, AttemptState, DeliveryState, DestinationState, EventState, words
from connector.core.times import DAY_MS, iso
from connector.outbound import budget
from connector.outbound.budget import Pace, Room
from connector.store import accounts, processes
from connector.store.accounts import AccountStanding, DestinationStanding
from connector.store.database import Database, now_ms
from connector.store.lanes import LANES, LIVE, LIVE_SPLIT, UNREAD_LANES
from connector.store.tables import IN_HAND, IS_PENDING, deliveries, events
from connector.store.tables import attempts as attempts_table
from connector.vendors.destinations import name_of
from connector.vendors.limits import limits

EVENTS_COUNTED: Final = 10_000  #: the newest; more are not counted one by one
SAMPLE: Final = 10_000  #: delivered ones, the newest, that the speed is measured on
LOOKED_AT: Final = 10_000  #: rows walked to find them, from each place where they can be
ROUTES_LOOKED_AT: Final = 5_000  #: oldest pending deliveries of a destination that are counted by route

_delivery = deliveries.c
_event = events.c


def status(database: Database, settings: Settings) -> dict[str, Any]:
    """Accounts with their quota, destinations with their backlog, polls, the last day's events, the speed to lead.

    Raises `StoreUnavailable`.
    """
    with database.read() as conn:
        now = now_ms(conn)
        counts = backlog.counts(conn)
        return {
            "at": iso(now),
            "accounts": _accounts(conn, settings, now),
            "destinations": _destinations(conn, settings, counts, now),
            "polls": polls.poll_states(conn, settings, now),
            "fetching": fetches.waiting(conn, settings, now),
            "events_24h": _events(conn, now),
            "suppressed_24h": guards.ended(conn, now),
            "speed_24h": _speed(conn, list(counts), now),
            "left_configuration": _left(conn, settings, counts),
            "problems": [one.as_json() for one in problems(conn, settings, now, _waiting(counts))],
            "alarms": {"now": alarms.current(conn), "untold": alarms.unsent(conn)},
            "processes": _processes(conn, settings, now),
            "acts_24h": acts.latest(conn, now - DAY_MS),
        }


def _processes(conn: Connection, settings: Settings, now: int) -> list[dict[str, Any]]:
    """The processes that work, and those that are gone without having been stopped or replaced."""
    found = processes.every(conn)
    gone = {one.id for one in processes.gone(found, now)}
    return [
        {
            "roles": [role.value for role in one.roles],
            "host": one.host,
            "pid": one.pid,
            "version": one.version,
            "since": iso(one.since),
            "seen_at": iso(one.seen_at),
            "alive": one.alive(now),
            "configuration_current": one.config == settings.config_hash,
        }
        for one in found
        if one.alive(now) or one.id in gone
    ]


# --- accounts -------------------------------------------------------------------------------------------------------


def _accounts(conn: Connection, settings: Settings, now: int) -> list[dict[str, Any]]:
    known = {stand.name: stand for stand in accounts.all_accounts(conn)}
    shown = [_account(conn, settings, account, known.get(name), now) for name, account in settings.accounts.items()]
    unconfigured = [stand for name, stand in known.items() if name not in settings.accounts]
    return shown + [
        {"account": stand.name, "vendor": None, "configured": False, **_stand(stand, now)} for stand in unconfigured
    ]


def _account(
    conn: Connection, settings: Settings, account: Account, stand: AccountStanding | None, now: int
) -> dict[str, Any]:
    room = budget.read_room(
        conn, account, stand or AccountStanding(account.name, AccountState.OPEN, None, now, 0, None, 0, 0), now
    )
    return {
        "account": account.name,
        "vendor": account.vendor,
        "configured": True,
        **_stand(stand, now),
        "in_flight": {"used": room.in_flight.calls, "limit": room.allowed.in_flight},
        "windows": [
            {
                "seconds": window.length_ms / 1000,
                "used": used.calls,
                "limit": window.calls,
                "left": max(0, window.calls - used.calls),
                "next_free_at": iso(used.next_free_at) if used.calls >= window.calls else None,
            }
            for window, used in zip(room.allowed.windows, room.windows, strict=True)
        ],
        "budget": _budget(conn, room) if room.allowed.paced else None,
        "shares": shares.of_account(conn, settings, account.name, now),
        "ceilings": shares.ceilings_of_account(conn, settings, account.name, now),
        "helps": [
            {
                "name": one.name,
                "state": one.state.value,
                "since": iso(one.since),
                "worked_at": iso(one.worked_at),
                "words": masking.of_others(one.words),
            }
            for one in questions(conn, settings, account.name)
        ],
    }


def _budget(conn: Connection, room: Room) -> dict[str, Any]:
    """The day's calls and their pace. ``spacing_s``: time between two calls without credit."""
    pace, report, licensed = Pace(room, lambda: budget.rate(conn, room)), room.stand.usage, limits(room.account)
    waits = {kind: pace.wait(bulk=kind == "bulk") for kind in ("live", "bulk")}
    return {
        "used": room.windows[0].calls,
        "limit": room.budget,
        "left": room.left,
        "kept_for_live": room.allowed.windows[0].reserved,
        "used_by_others": report.others if report.others_count(room.now) else 0,
        "vendor_limit": report.limit,
        "obeys_vendor_limit": room.budget < licensed.windows[0].calls,
        "told_at": iso(report.at),
        "in_hand": {"live": int(min(pace.in_hand(bulk=False), room.left)), "bulk": int(pace.in_hand(bulk=True))},
        "waits_s": {kind: wait.seconds if wait else 0.0 for kind, wait in waits.items()},
        "spacing_s": pace.spacing_s,
        **forecast(conn, room),
    }


def _stand(stand: AccountStanding | None, now: int) -> dict[str, Any]:
    if stand is None:
        return {"state": AccountState.OPEN, **_why(None), "since": None, "held_until": None, "held_because": None}
    held = stand.hold_until > now
    return {
        "state": stand.state,
        **_why(stand.reason),
        "since": iso(stand.since),
        "held_until": iso(stand.hold_until) if held else None,
        "held_because": masking.reason(stand.hold_reason) if held and stand.hold_reason else None,
    }


def _why(reason: Reason | None) -> dict[str, Any]:
    return {"reason": masking.reason(reason) or None, "reason_code": reason.code if reason else None}


# --- backlog --------------------------------------------------------------------------------------------------------


def _waiting(counts: Counts) -> int:
    return sum(one[DeliveryState.PENDING] for one in counts.values())


def _destinations(conn: Connection, settings: Settings, counts: Counts, now: int) -> list[dict[str, Any]]:
    stands = {stand.name: stand for stand in accounts.all_destinations(conn)}
    configured = {name_of(route): route.account for route in settings.routes}
    names = [*configured, *(name for name in sorted({*counts, *stands}) if name not in configured)]
    held = guards.held(conn, {name: counts[name]["lanes"] for name in counts}, now)
    ages = _created(conn, [oldest for name in names if (oldest := counts[name].get("oldest_id"))])
    return [
        {
            "destination": name,
            "account": configured.get(name) or (stands[name].account if name in stands else name.split("/")[0]),
            "configured": name in configured,
            **_open_or_stopped(stands.get(name)),
            **{state: counts[name][state] for state in UNSETTLED},
            "waiting_for_another": counts[name]["parked"],
            "to_be_asked_about": counts[name]["unasked"],
            "waiting_for_room": counts[name]["aside"],
            **held.get(name, {"held": 0, "held_until": None}),
            "oldest_waiting_s": _age_s(ages.get(counts[name].get("oldest_id", 0)), now),
        }
        for name in names
        if name in configured or any(counts[name][state] for state in UNSETTLED)
    ]


def _open_or_stopped(stand: DestinationStanding | None) -> dict[str, Any]:
    return {"state": stand.state if stand else DestinationState.OPEN, **_why(stand.reason if stand else None)}


def _created(conn: Connection, ids: Sequence[int]) -> dict[int, int]:
    rows = conn.execute(select(_delivery.id, _delivery.created_at).where(_delivery.id.in_(ids)))
    return {row.id: row.created_at for row in rows}


def _age_s(created_at: int | None, now: int) -> float | None:
    return None if created_at is None else max(0, now - created_at) / 1000


# --- the last day ---------------------------------------------------------------------------------------------------


def _events(conn: Connection, now: int) -> dict[str, Any]:
    """Events received within the last day, by state; of very many, only the newest are counted by state."""
    shown: dict[str, Any] = dict.fromkeys(words(*EventState), 0)
    first = first_since(conn, now - DAY_MS)
    if first is None:
        return shown | {"complete": True}
    newest = select(_event.state).where(_event.id >= first).order_by(_event.id.desc()).limit(EVENTS_COUNTED).subquery()
    for state, number in conn.execute(select(newest.c.state, func.count()).group_by(newest.c.state)):
        shown[state] = number
    return shown | {"complete": sum(shown.values()) < EVENTS_COUNTED}


def _speed(conn: Connection, destinations: Sequence[str], now: int) -> dict[str, Any]:
    """From receiving an event to its attempt being accepted: live deliveries that were accepted within the last day."""
    waits_s = sorted(_waits_s(conn, destinations, now))
    return {"sample": len(waits_s), "p50_s": _percentile(waits_s, 50), "p95_s": _percentile(waits_s, 95)}


def _waits_s(conn: Connection, destinations: Sequence[str], now: int) -> list[float]:
    """No index leads to the latest delivered one: it lies at the end of the table, or just before a backlog's head."""
    last = conn.execute(select(func.max(_delivery.id))).scalar() or 0
    ends = {last, *(head - 1 for name in destinations if (head := _head(conn, name)) is not None)}
    tried = attempts_table.c
    query = (
        select(tried.ended_at - _delivery.created_at)
        .select_from(deliveries.join(attempts_table, tried.id == _delivery.attempt))
        .where(_delivery.state == DeliveryState.DELIVERED, _delivery.lane.in_((LIVE, LIVE_SPLIT)))
        .where(tried.state == AttemptState.ACCEPTED, tried.ended_at > now - DAY_MS)
    )
    found: list[float] = []
    for low, high in _stretches(ends):
        found += [row[0] / 1000 for row in conn.execute(query.where(_delivery.id.between(low, high)).limit(SAMPLE))]
    return found[:SAMPLE]


def _stretches(ends: Collection[int]) -> Iterator[tuple[int, int]]:
    """The ids before each end, the latest first; none twice."""
    above: int | None = None
    for end in sorted(ends, reverse=True):
        high = end if above is None else min(end, above - 1)
        low = end - LOOKED_AT + 1
        if high >= low:
            yield low, high
            above = low


def _head(conn: Connection, destination: str) -> int | None:
    """The next live delivery of the backlog."""
    live = and_(IS_PENDING, _delivery.destination == destination, _delivery.lane == literal_column(str(LIVE)))
    return conn.execute(select(_delivery.id).where(live).order_by(_delivery.due_at, _delivery.id).limit(1)).scalar()


def _percentile(ascending: Sequence[float], percent: int) -> float | None:
    """Nearest rank."""
    return ascending[max(0, ceil(len(ascending) * percent / 100) - 1)] if ascending else None


# --- deliveries that nothing will send -------------------------------------------------------------------------------


def _left(conn: Connection, settings: Settings, counts: Counts) -> list[dict[str, Any]]:
    """Unfinished deliveries of a route or account that left the configuration.

    ``number``: how many of the oldest are counted.
    """
    routes = {route.name: route for route in settings.routes}
    destinations = {name_of(route) for route in settings.routes}
    found = [
        {
            "route": row.route,
            "account": row.account,
            "destination": name,
            "number": row.number,
            "why": f"the {'route' if row.account in settings.accounts else 'account'} left the configuration",
            "still_sent": name in destinations,
        }
        for name, some in counts.items()
        if some[DeliveryState.PENDING] or some[DeliveryState.SENDING] or some[DeliveryState.UNCERTAIN]
        for row in _routes_of(conn, name)
        if row.route not in routes or row.account not in settings.accounts
    ]
    return sorted(found, key=lambda one: (one["destination"], one["route"]))


def _routes_of(conn: Connection, destination: str) -> Sequence[Any]:
    lanes = _delivery.lane.in_([literal_column(str(lane)) for lane in (*LANES, *UNREAD_LANES)])
    pending = select(_delivery.route, _delivery.account).where(IS_PENDING, _delivery.destination == destination, lanes)
    oldest = pending.order_by(_delivery.lane, _delivery.due_at, _delivery.id).limit(ROUTES_LOOKED_AT).subquery()
    in_hand = select(_delivery.route, _delivery.account).where(IN_HAND, _delivery.destination == destination)
    both = union_all(select(oldest.c.route, oldest.c.account), in_hand).subquery()
    query = select(both.c.route, both.c.account, func.count().label("number")).group_by(both.c.route, both.c.account)
    return conn.execute(query).all()
