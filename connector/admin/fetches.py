"""Stories of thin events: the calls that fetch the rest, and which account each waits for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, func, select

from connector.core.phrases import joined, phrase, plural
from connector.core.settings import Settings
from connector.core.states import AttemptState, Kind
from connector.core.times import DAY_MS, iso
from connector.store import attempt_list
from connector.store.tables import IS_WAITING, attempts, events

CALLS_TOLD: Final = 50  #: of one event; the latest

_attempts = attempts.c
_events = events.c


def calls(conn: Connection, listed: str | None, shown: Callable[[Any], dict[str, Any]]) -> list[dict[str, Any]]:
    """The calls of ",12,45", as ``shown`` shows a row of the log."""
    ids = attempt_list.numbers(listed)[-CALLS_TOLD:]
    return [shown(row) for row in conn.execute(select(attempts).where(_attempts.id.in_(ids)).order_by(_attempts.id))]


def story_lines(name: str, calls: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Their lines of a story."""
    lines: list[dict[str, str]] = []
    for one in calls:
        facts = {"event": name, "call": one["attempt"]}
        begun = phrase("{event}: call {call} for its rest by {worker}", **facts, worker=one["worker"])
        lines.append({"at": one["started_at"], "said": begun})
        if one["state"] != AttemptState.STARTED:
            at = one["ended_at"] or one["started_at"]
            lines.append({"at": at, "said": phrase("{event}: call {call} {ended}", **facts, ended=_ended(one))})
    return lines


_ENDS: Final = {
    AttemptState.ACCEPTED: phrase("was answered"),
    AttemptState.REJECTED: phrase("was refused"),
    AttemptState.NOT_SENT: phrase("never left this machine"),
    AttemptState.UNKNOWN: phrase("brought no answer, and is made again"),
}


def _ended(one: Mapping[str, Any]) -> str:
    words, status = one["words"] or "", str(one["status"] or "")
    answer = words if words.startswith(status) else f"{status} {words}".strip()
    return joined([_ENDS.get(one["state"], str(one["state"])), f" ({answer})" if answer else ""])


def now(shown: Mapping[str, Any], stand: str) -> tuple[str, str]:
    """The state of a waiting event, and what an operator can do; ``stand``: why its account makes no calls, if so."""
    calls, account = shown["fetches"], shown["fetched_by"]
    if calls and calls[-1]["state"] == AttemptState.STARTED:
        template = "its rest is being fetched from {account}, by {at} at the latest"
        return phrase(template, account=account, at=calls[-1]["deadline"]), phrase("wait")
    if shown["waits_for_room"]:
        template = "its source sent more than its limit; the rest of it is fetched once there is room, the oldest first"
        return phrase(template), phrase("wait")
    waits = phrase(
        "waiting until the rest of it is fetched from {account}{tried}; due at {at}",
        account=account,
        tried=plural(", after {number} call", ", after {number} calls", len(calls)) if calls else "",
        at=shown["due_at"],
    )
    if stand:
        step = phrase("once that is settled: connector resume {account}", account=account)
        return joined([waits, phrase(", but {stand}", stand=stand)]), step
    return waits, phrase("nothing, while a worker runs: connector work, or connector run")


def waiting(conn: Connection, settings: Settings, at: int) -> list[dict[str, Any]]:
    """For each account that fetches: who waits, and how its calls of the last 24 h ended."""
    query = select(_events.account, func.count(), func.min(_events.id)).where(IS_WAITING).group_by(_events.account)
    found = {row[0]: (row[1], row[2]) for row in conn.execute(query)}
    names = dict.fromkeys([*(source.account for source in settings.sources.values() if source.account), *found])
    shown = [_account(conn, name, *found.get(name, (0, None)), at) for name in names]
    return [one for one in shown if one["waiting"] or one["calls_24h"]]


def _account(conn: Connection, name: str, count: int, oldest: int | None, at: int) -> dict[str, Any]:
    since = conn.execute(select(_events.received_at).where(_events.id == oldest)).scalar() if oldest else None
    condition = (_attempts.account == name) & (_attempts.ended_at > at - DAY_MS) & (_attempts.kind == Kind.FETCH)
    ended = conn.execute(
        select(_attempts.state, func.count()).where(condition).group_by(_attempts.state).order_by(_attempts.state)
    ).all()
    return {
        "account": name,
        "waiting": count,
        "oldest_since": iso(since),
        "oldest_waiting_s": None if since is None else max(0, at - since) / 1000,
        "calls_24h": {row[0]: row[1] for row in ended},
    }
