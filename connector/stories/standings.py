"""How it all stands. Every query goes along an index or is bounded, so that a million rows cost milliseconds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from math import ceil
from typing import Any, Final

from sqlalchemy import Connection, and_, case, func, literal_column, select, text, union_all

from connector import budget, quota, standing
from connector.budget import Pace, Room
from connector.db import Database, now_ms
from connector.destinations import name_of
from connector.outbox import CHECKED, LANES, LIVE, LIVE_SPLIT, PARKED_LANES
from connector.settings import Account, Settings
from connector.standing import AccountStanding, DestinationStanding
from connector.stories import asked, fetches, guarded
from connector.stories.words import first_since, iso
from connector.tables import attempts as attempts_table
from connector.tables import deliveries, events

DAY_MS: Final = 24 * 3600 * 1000
EVENTS_COUNTED: Final = 100_000  #: the newest; more are not counted one by one
SAMPLE: Final = 10_000  #: delivered ones, the newest, that the speed is measured on
LOOKED_AT: Final = 20_000  #: rows walked to find them, from each place where they can be
ROUTES_LOOKED_AT: Final = 20_000  #: oldest pending deliveries of a destination whose routes are told apart

_d = deliveries.c
_e = events.c

# The partial indexes' own conditions, word for word: a bound value would hide them from the planner.
_PENDING: Final = text("state = 'pending'")
_IN_HAND: Final = text("state IN ('sending', 'uncertain')")
_DEAD: Final = text("state IN ('uncertain', 'suppressed', 'dead') AND state = 'dead'")

Counts = dict[str, dict[str, Any]]  #: destination -> {"pending": n, …, "oldest_id": id of the oldest pending one}


def status(database: Database, settings: Settings) -> dict[str, Any]:
    """Accounts with their quota, destinations with their backlog, polls, the last day's events, the speed to lead.

    Raises `StoreUnavailable`.
    """
    with database.read() as conn:
        now = now_ms(conn)
        counts = _counts(conn)
        return {
            "at": iso(now),
            "accounts": _accounts(conn, settings, now),
            "destinations": _destinations(conn, settings, counts, now),
            "polls": asked.told(conn, settings, now),
            "fetching": fetches.waiting(conn, settings, now),
            "events_24h": _events(conn, now),
            "suppressed_24h": guarded.ended(conn, now),
            "speed_24h": _speed(conn, list(counts), now),
            "left_configuration": _left(conn, settings, counts),
        }


# --- accounts -------------------------------------------------------------------------------------------------------


def _accounts(conn: Connection, settings: Settings, now: int) -> list[dict[str, Any]]:
    known = {stand.name: stand for stand in standing.all_accounts(conn)}
    shown = [_account(conn, account, known.get(name), now) for name, account in settings.accounts.items()]
    gone = [stand for name, stand in known.items() if name not in settings.accounts]
    return shown + [
        {"account": stand.name, "vendor": None, "configured": False, **_stand(stand, now)} for stand in gone
    ]


def _account(conn: Connection, account: Account, stand: AccountStanding | None, now: int) -> dict[str, Any]:
    room = budget.look(conn, account, stand or AccountStanding(account.name, "open", None, now, 0, None, 0, 0), now)
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
    }


def _budget(conn: Connection, room: Room) -> dict[str, Any]:
    """The day's calls and their pace. ``spacing_s``: between two calls, once none is in hand."""
    pace, told, licensed = Pace(room, lambda: budget.rate(conn, room)), room.stand.told, quota.limits(room.account)
    waits = {kind: pace.wait(bulk=kind == "bulk") for kind in ("live", "bulk")}
    return {
        "used": room.windows[0].calls,
        "limit": room.budget,
        "left": room.left,
        "kept_for_live": room.allowed.windows[0].kept,
        "used_by_others": told.others if told.others_count(room.now) else 0,
        "vendor_limit": told.limit,
        "obeys_vendor_limit": room.budget < licensed.windows[0].calls,
        "told_at": iso(told.at),
        "in_hand": {"live": int(min(pace.in_hand(bulk=False), room.left)), "bulk": int(pace.in_hand(bulk=True))},
        "waits_s": {kind: wait.seconds if wait else 0.0 for kind, wait in waits.items()},
        "spacing_s": pace.spacing_s,
    }


def _stand(stand: AccountStanding | None, now: int) -> dict[str, Any]:
    if stand is None:
        return {"state": "open", "reason": None, "since": None, "held_until": None, "held_because": None}
    held = stand.hold_until > now
    return {
        "state": stand.state,
        "reason": stand.reason,
        "since": iso(stand.since),
        "held_until": iso(stand.hold_until) if held else None,
        "held_because": stand.hold_reason if held else None,
    }


# --- backlog --------------------------------------------------------------------------------------------------------


def _counts(conn: Connection) -> Counts:
    counted = ("pending", "parked", "unasked", "sending", "uncertain", "dead")
    counts: Counts = defaultdict(lambda: dict.fromkeys(counted, 0))
    parked, unasked = (func.sum(case((_d.lane.in_(lanes), 1), else_=0)) for lanes in (PARKED_LANES, CHECKED))
    columns = (_d.destination, func.count(), func.min(_d.id), parked, unasked)
    for name, number, oldest, *some in conn.execute(select(*columns).where(_PENDING).group_by(_d.destination)):
        counts[name] |= {"pending": number, "oldest_id": oldest, "parked": int(some[0]), "unasked": int(some[1])}
    for condition in (_IN_HAND, _DEAD):
        query = select(_d.destination, _d.state, func.count()).where(condition).group_by(_d.destination, _d.state)
        for destination, state, number in conn.execute(query):
            counts[destination][state] = number
    return counts


def _destinations(conn: Connection, settings: Settings, counts: Counts, now: int) -> list[dict[str, Any]]:
    stands = {stand.name: stand for stand in standing.all_destinations(conn)}
    configured = {name_of(route): route.account for route in settings.routes}
    names = [*configured, *(name for name in sorted({*counts, *stands}) if name not in configured)]
    held = guarded.held(conn, now)
    ages = _created(conn, [oldest for name in names if (oldest := counts[name].get("oldest_id"))])
    return [
        {
            "destination": name,
            "account": configured.get(name) or (stands[name].account if name in stands else name.split("/")[0]),
            "configured": name in configured,
            **_open_or_stopped(stands.get(name)),
            **{state: counts[name][state] for state in ("pending", "sending", "uncertain", "dead")},
            "waiting_for_another": counts[name]["parked"],
            "to_be_asked_about": counts[name]["unasked"],
            **held.get(name, {"held": 0, "held_until": None}),
            "oldest_waiting_s": _age_s(ages.get(counts[name].get("oldest_id", 0)), now),
        }
        for name in names
        if name in configured or any(counts[name][state] for state in ("pending", "sending", "uncertain", "dead"))
    ]


def _open_or_stopped(stand: DestinationStanding | None) -> dict[str, Any]:
    return {"state": stand.state if stand else "open", "reason": stand.reason if stand else None}


def _created(conn: Connection, ids: Sequence[int]) -> dict[int, int]:
    rows = conn.execute(select(_d.id, _d.created_at).where(_d.id.in_(ids)))
    return {row.id: row.created_at for row in rows}


def _age_s(created_at: int | None, now: int) -> float | None:
    return None if created_at is None else max(0, now - created_at) / 1000


# --- the last day ---------------------------------------------------------------------------------------------------


def _events(conn: Connection, now: int) -> dict[str, Any]:
    """How many were received within the last day, by state; of very many, only the newest are told apart."""
    shown: dict[str, Any] = dict.fromkeys(("accepted", "waiting", "ignored", "invalid"), 0)
    first = first_since(conn, now - DAY_MS)
    if first is None:
        return shown | {"complete": True}
    newest = select(_e.state).where(_e.id >= first).order_by(_e.id.desc()).limit(EVENTS_COUNTED).subquery()
    for state, number in conn.execute(select(newest.c.state, func.count()).group_by(newest.c.state)):
        shown[state] = number
    return shown | {"complete": sum(shown.values()) < EVENTS_COUNTED}


def _speed(conn: Connection, destinations: Sequence[str], now: int) -> dict[str, Any]:
    """From receiving an event to its attempt being accepted: live deliveries that were accepted within the last day."""
    waits_s = sorted(_waits_s(conn, destinations, now))
    return {"sample": len(waits_s), "p50_s": _percentile(waits_s, 50), "p95_s": _percentile(waits_s, 95)}


def _waits_s(conn: Connection, destinations: Sequence[str], now: int) -> list[float]:
    """No index leads to what was delivered last: it lies at the end of the table, or just before a backlog's head."""
    top = select(_d.id).order_by(_d.id.desc()).limit(LOOKED_AT)
    near = [top, *(_before(head) for name in destinations if (head := _head(conn, name)) is not None)]
    looked_at = union_all(*(select(some.subquery().c.id) for some in near)).subquery()
    a = attempts_table.c
    query = (
        select(a.ended_at - _d.created_at)
        .select_from(deliveries.join(attempts_table, a.id == _d.attempt))
        .where(_d.id.in_(select(looked_at.c.id)), _d.state == "delivered", _d.lane.in_((LIVE, LIVE_SPLIT)))
        .where(a.state == "accepted", a.ended_at > now - DAY_MS)
        .order_by(_d.id.desc())
        .limit(SAMPLE)
    )
    return [row[0] / 1000 for row in conn.execute(query)]


def _before(head: int) -> Any:
    return select(_d.id).where(_d.id < head).order_by(_d.id.desc()).limit(LOOKED_AT)


def _head(conn: Connection, destination: str) -> int | None:
    """The live delivery of the backlog whose turn is next."""
    live = and_(_PENDING, _d.destination == destination, _d.lane == literal_column(str(LIVE)))
    return conn.execute(select(_d.id).where(live).order_by(_d.due_at, _d.id).limit(1)).scalar()


def _percentile(ascending: Sequence[float], percent: int) -> float | None:
    """Nearest rank."""
    return ascending[max(0, ceil(len(ascending) * percent / 100) - 1)] if ascending else None


# --- what nobody sends any more -------------------------------------------------------------------------------------


def _left(conn: Connection, settings: Settings, counts: Counts) -> list[dict[str, Any]]:
    """Unfinished deliveries whose route or account left the configuration. ``number``: of the oldest pending ones."""
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
        if some["pending"] or some["sending"] or some["uncertain"]
        for row in _routes_of(conn, name)
        if row.route not in routes or row.account not in settings.accounts
    ]
    return sorted(found, key=lambda one: (one["destination"], one["route"]))


def _routes_of(conn: Connection, destination: str) -> Sequence[Any]:
    lanes = _d.lane.in_([literal_column(str(lane)) for lane in (*LANES, *PARKED_LANES)])
    pending = select(_d.route, _d.account).where(_PENDING, _d.destination == destination, lanes)
    oldest = pending.order_by(_d.lane, _d.due_at, _d.id).limit(ROUTES_LOOKED_AT).subquery()
    in_hand = select(_d.route, _d.account).where(_IN_HAND, _d.destination == destination)
    both = union_all(select(oldest.c.route, oldest.c.account), in_hand).subquery()
    query = select(both.c.route, both.c.account, func.count().label("number")).group_by(both.c.route, both.c.account)
    return conn.execute(query).all()
