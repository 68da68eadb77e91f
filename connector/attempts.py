"""The log of calls, written before each is made. It is also the limiter: a slot is a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, and_, delete, func, insert, select, text, update

from connector.quota import Limits, Used
from connector.tables import attempts

_a = attempts.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One HTTP request, as logged."""

    id: int
    account: str
    destination: str
    kind: str  #: send | probe | report | fetch | budget, or of a call beside the deliveries
    started_at: int
    deadline: int
    records: int = 0
    about: int | None = None


def start(
    conn: Connection,
    *,
    account: str,
    destination: str,
    kind: str,
    worker: str,
    now: int,
    timeout_ms: int,
    about: int | None = None,
) -> Attempt:
    """Logs a call that is about to be made; from here on it holds a slot."""
    deadline = now + timeout_ms
    row = {
        "account": account,
        "destination": destination,
        "kind": kind,
        "state": "started",
        "worker": worker,
        "records": 0,
        "started_at": now,
        "deadline": deadline,
        "ended_at": deadline,
        "about": about,
    }
    number = conn.execute(insert(attempts).values(row).returning(_a.id)).scalar_one()
    return Attempt(
        id=number, account=account, destination=destination, kind=kind, started_at=now, deadline=deadline, about=about
    )


def set_records(conn: Connection, attempt: int, records: int) -> None:
    conn.execute(update(attempts).where(_a.id == attempt).values(records=records))


def forget(conn: Connection, attempt: int) -> None:
    """For an attempt that turned out to have no members, inside the transaction that made it."""
    conn.execute(delete(attempts).where(_a.id == attempt))


def finish(
    conn: Connection, attempt: int, *, state: str, now: int, status: int | None = None, words: str | None = None
) -> bool:
    """Settles the log. False when somebody settled it before in a way that stands (accepted, rejected, not sent).

    An answer that comes late still settles what was unknown. An unknown call keeps its slot until its deadline.
    """
    values: dict[str, Any] = {"state": state, "status": status, "words": words}
    if state != "unknown":
        values |= {"ended_at": None if state == "not_sent" else now, "probe_at": None}
    unsettled = and_(_a.id == attempt, _a.state.in_(("started", "unknown")))
    return conn.execute(update(attempts).where(unsettled).values(values)).rowcount == 1


def lapsed(conn: Connection, account: str, now: int) -> list[Attempt]:
    """Started, past their deadline: a worker died or was frozen. They may have landed."""
    # Spelled out, not bound: else no planner can prove that the partial index applies.
    return _read(conn, and_(_a.account == account, text("attempts.state = 'started'"), _a.deadline <= now))


def overdue(conn: Connection, now: int) -> list[str]:
    """The accounts that have a `lapsed` one."""
    query = select(_a.account).where(text("attempts.state = 'started'"), _a.deadline <= now).distinct()
    return list(conn.execute(query.order_by(_a.account)).scalars())


def get(conn: Connection, attempt: int) -> Attempt | None:
    found = _read(conn, _a.id == attempt)
    return found[0] if found else None


def _read(conn: Connection, where: Any) -> list[Attempt]:
    columns = (_a.id, _a.account, _a.destination, _a.kind, _a.started_at, _a.deadline, _a.records, _a.about)
    return [Attempt(**row._mapping) for row in conn.execute(select(*columns).where(where).order_by(_a.id))]


def usage(conn: Connection, account: str, allowed: Limits, now: int) -> tuple[Used, list[Used]]:
    """What counts now: calls in flight, and calls in each of the windows. One question, as every claim puts it."""
    lengths = [0, *(window.length_ms for window in allowed.windows)]
    wanted = [column for length_ms in lengths for column in _used(account, now, length_ms)]
    row = conn.execute(select(*wanted)).one()
    in_flight, *windows = [
        Used(calls, None if first is None else first + length_ms)
        for calls, first, length_ms in zip(row[::2], row[1::2], lengths, strict=True)
    ]
    return in_flight, windows


def _used(account: str, now: int, length_ms: int) -> tuple[Any, Any]:
    counted = and_(_a.account == account, _a.ended_at > now - length_ms)
    # The first by the index, not by a minimum over all that are counted.
    first = select(_a.ended_at).where(counted).order_by(_a.ended_at).limit(1)
    return select(func.count()).where(counted).scalar_subquery(), first.scalar_subquery()


def frees(conn: Connection, account: str, now: int, *, step_ms: int, steps: int) -> list[int]:
    """How many calls stop counting for the day in each of the next steps."""
    begins = now - step_ms * steps
    step = ((_a.ended_at - begins) // step_ms).label("step")
    counted = and_(_a.account == account, _a.ended_at > begins, _a.ended_at <= now)
    found = [0] * steps
    for at, calls in conn.execute(select(step, func.count()).where(counted).group_by(step)):
        found[min(at, steps - 1)] += calls
    return found


def settled_since(conn: Connection, account: str, moment: int, now: int) -> int:
    """Calls that began and ended since then: what the vendor has surely seen of us, or never will."""
    counted = and_(_a.account == account, _a.ended_at > moment, _a.ended_at <= now, _a.started_at >= moment)
    return int(conn.execute(select(func.count()).where(counted)).scalar_one())


# --- asking about unknown ones --------------------------------------------------------------------------------------


def ask_later(conn: Connection, attempt: int, when: int | None, answers: dict[str, Any] | None = None) -> None:
    """When an unknown attempt is to be asked about (again); None: there is nothing left to ask."""
    values: dict[str, Any] = {"probe_at": when}
    if answers is not None:
        values["probed"] = orjson.dumps(answers).decode()
    conn.execute(update(attempts).where(_a.id == attempt).values(values))


def to_ask(conn: Connection, destinations: Sequence[str], now: int) -> Attempt | None:
    """The unknown attempt at one of these destinations that has waited longest to be asked about."""
    due = and_(_a.destination.in_(destinations), _a.probe_at.is_not(None), _a.probe_at <= now)
    row = conn.execute(select(_a.id).where(due).order_by(_a.probe_at).limit(1)).first()
    return get(conn, row.id) if row else None


def next_ask(conn: Connection, destinations: Sequence[str]) -> int | None:
    """When the next unknown attempt at one of these destinations is to be asked about, unix ms."""
    waiting = and_(_a.destination.in_(destinations), _a.probe_at.is_not(None))
    return conn.execute(select(func.min(_a.probe_at)).where(waiting)).scalar()


def answers(conn: Connection, attempt: int) -> dict[str, Any]:
    """What asking about it has brought so far."""
    text = conn.execute(select(_a.probed).where(_a.id == attempt)).scalar()
    found: dict[str, Any] = orjson.loads(text) if text else {}
    return found
