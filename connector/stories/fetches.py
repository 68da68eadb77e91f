"""What stories say of thin events: the calls by which their rest is fetched, and who waits for which account."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, func, select

from connector.settings import Settings
from connector.stories.words import iso
from connector.tables import attempts, events
from connector.waiting import IS_WAITING

CALLS_TOLD: Final = 50  #: of one event; the latest
DAY_MS: Final = 24 * 3600 * 1000

_a = attempts.c
_e = events.c


def calls(conn: Connection, listed: str | None, shown: Callable[[Any], dict[str, Any]]) -> list[dict[str, Any]]:
    """The calls of ",12,45", as ``shown`` shows a row of the log."""
    ids = [int(one) for one in (listed or "").split(",") if one][-CALLS_TOLD:]
    return [shown(row) for row in conn.execute(select(attempts).where(_a.id.in_(ids)).order_by(_a.id))]


def told(name: str, made: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Their lines of a story."""
    lines = []
    for one in made:
        lines.append(
            {"at": one["started_at"], "said": f"{name}: call {one['attempt']} for its rest by {one['worker']}"}
        )
        if one["state"] != "started":
            at = one["ended_at"] or one["started_at"]
            lines.append({"at": at, "said": f"{name}: call {one['attempt']} {_ended(one)}"})
    return lines


_ENDS: Final = {
    "accepted": "was answered",
    "rejected": "was refused",
    "not_sent": "never left this machine",
    "unknown": "brought no answer, and is made again",
}


def _ended(one: Mapping[str, Any]) -> str:
    words, status = one["words"] or "", str(one["status"] or "")
    said = words if words.startswith(status) else f"{status} {words}".strip()
    return _ENDS.get(one["state"], str(one["state"])) + (f" ({said})" if said else "")


def now(shown: Mapping[str, Any], stand: str) -> tuple[str, str]:
    """Where a waiting event is, and what a person can do; ``stand``: why its account is not called, if so."""
    made, account = shown["fetches"], shown["fetched_by"]
    if made and made[-1]["state"] == "started":
        return f"its rest is being fetched from {account}, by {made[-1]['deadline']} at the latest", "wait"
    tried = f", after {len(made)} call{'s' * (len(made) != 1)}" if made else ""
    said = f"waiting until the rest of it is fetched from {account}{tried}; due at {shown['due_at']}"
    if stand:
        return f"{said}, but {stand}", f"once that is settled: connector resume {account}"
    return said, "nothing, while a worker runs: connector work, or connector run"


def waiting(conn: Connection, settings: Settings, at: int) -> list[dict[str, Any]]:
    """For each account that fetches: who waits, and how its calls of the last 24 h ended."""
    query = select(_e.account, func.count(), func.min(_e.id)).where(IS_WAITING).group_by(_e.account)
    found = {row[0]: (row[1], row[2]) for row in conn.execute(query)}
    names = dict.fromkeys([*(source.account for source in settings.sources.values() if source.account), *found])
    shown = [_account(conn, name, *found.get(name, (0, None)), at) for name in names]
    return [one for one in shown if one["waiting"] or one["calls_24h"]]


def _account(conn: Connection, name: str, count: int, oldest: int | None, at: int) -> dict[str, Any]:
    since = conn.execute(select(_e.received_at).where(_e.id == oldest)).scalar() if oldest else None
    mine = (_a.account == name) & (_a.ended_at > at - DAY_MS) & (_a.kind == "fetch")
    ended = conn.execute(select(_a.state, func.count()).where(mine).group_by(_a.state).order_by(_a.state)).all()
    return {
        "account": name,
        "waiting": count,
        "oldest_since": iso(since),
        "oldest_waiting_s": None if since is None else max(0, at - since) / 1000,
        "calls_24h": {row[0]: row[1] for row in ended},
    }
