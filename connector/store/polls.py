"""State of each poll: its cursor, its lease, the time of the next page. Queries only."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, and_, delete, select, update

from connector.core.reasons import Reason, read
from connector.store import reasons
from connector.store.database import insert_rows
from connector.store.tables import polls

_poll = polls.c


@dataclass(frozen=True, slots=True)
class PollState:
    """One row. Times in unix ms."""

    name: str
    source: str
    what: str
    cursor: Mapping[str, Any]
    seen: Set[str]
    due_at: int
    held_until: int
    looked_at: int | None
    stored: int
    faults: int
    reason: Reason | None  #: why the last page could not be read
    error_at: int | None


def get(conn: Connection, name: str) -> PollState | None:
    row = conn.execute(select(polls).where(_poll.name == name)).first()
    return _stand(row) if row else None


def every(conn: Connection) -> list[PollState]:
    return [_stand(row, with_seen=False) for row in conn.execute(select(polls).order_by(_poll.name))]


def _stand(row: Any, *, with_seen: bool = True) -> PollState:
    return PollState(
        name=row.name,
        source=row.source,
        what=row.what,
        cursor=orjson.loads(row.cursor),
        seen=_unpacked(row.seen) if with_seen else frozenset(),
        due_at=row.due_at,
        held_until=row.held_until,
        looked_at=row.looked_at,
        stored=row.stored,
        faults=row.faults,
        reason=read(row.reason_code, row.reason_facts, row.error),
        error_at=row.error_at,
    )


def lease(conn: Connection, name: str, source: str, *, what: str, holder: str, now: int, until: int) -> PollState | int:
    """Leases the poll until ``until``; or returns when to try again (unix ms): not due yet, or leased by another.

    Under the poll's lock. If the question (``what``) has changed, the cursor starts again.
    """
    blank = {"name": name, "source": source, "what": what, "cursor": "{}", "begun_at": now, "due_at": now}
    insert_rows(conn, polls, [blank | {"held_until": 0, "stored": 0, "faults": 0}])
    row = conn.execute(select(polls).where(_poll.name == name)).one()
    if row.what != what:
        begun = {"what": what, "cursor": "{}", "seen": None, "begun_at": now, "due_at": now, "looked_at": None}
        conn.execute(update(polls).where(_poll.name == name).values(begun | {"holder": None, "held_until": 0}))
        row = conn.execute(select(polls).where(_poll.name == name)).one()
    if row.held_until > now and row.holder != holder:
        return int(row.held_until)
    if row.due_at > now:
        return int(row.due_at)
    conn.execute(update(polls).where(_poll.name == name).values(holder=holder, held_until=until))
    return _stand(row)


def is_held(conn: Connection, name: str, holder: str) -> bool:
    """Whether the lease is still ours."""
    return conn.execute(select(_poll.holder).where(_poll.name == name)).scalar() == holder


def advance(
    conn: Connection,
    stand: PollState,
    holder: str,
    *,
    cursor: Mapping[str, Any],
    seen: Set[str] | None,
    stored: int,
    due_at: int,
    looked_at: int | None,
) -> None:
    """A page is stored: moves the cursor and releases the lease. In the transaction that stores the last entries."""
    values: dict[str, Any] = {
        "cursor": orjson.dumps(cursor).decode(),
        "stored": _poll.stored + stored,
        "due_at": due_at,
        "faults": 0,
        **_columns(None),
        "error_at": None,
    }
    if seen is not None and seen != stand.seen:
        values["seen"] = _packed(seen)
    if looked_at is not None:
        values["looked_at"] = looked_at
    release(conn, stand.name, holder, **values)


def put_off(
    conn: Connection,
    stand: PollState,
    holder: str,
    *,
    due_at: int,
    why: Reason,
    now: int,
    cursor: Mapping[str, Any] | None = None,
    fault: bool = True,
) -> None:
    """Records why no page was read; a ``fault`` counts."""
    values: dict[str, Any] = {"due_at": due_at, "error_at": now, "faults": _poll.faults + int(fault), **_columns(why)}
    if cursor is not None:
        values["cursor"] = orjson.dumps(cursor).decode()
    release(conn, stand.name, holder, **values)


def release(conn: Connection, name: str, holder: str, **values: Any) -> None:
    """Releases the lease, if it is the holder's."""
    condition = and_(_poll.name == name, _poll.holder == holder)
    conn.execute(update(polls).where(condition).values({**values, "holder": None, "held_until": 0}))


def remove(conn: Connection, name: str) -> None:
    """Deletes a completed poll."""
    conn.execute(delete(polls).where(_poll.name == name))


def _columns(reason: Reason | None) -> dict[str, Any]:
    named = reasons.columns(reason)
    return {"reason_code": named["reason_code"], "reason_facts": named["reason_facts"], "error": None}


def _packed(seen: Set[str]) -> str:
    """Thousands of ids, compressed."""
    return base64.b85encode(zlib.compress("\n".join(sorted(seen)).encode(), 6)).decode()


def _unpacked(text: str | None) -> frozenset[str]:
    return frozenset(zlib.decompress(base64.b85decode(text)).decode().split()) if text else frozenset()
