"""Where each poll is: its cursor, who reads a page of it now, when the next one is due. Queries only."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, and_, delete, select, update

from connector.db import insert_rows
from connector.tables import polls

_p = polls.c


@dataclass(frozen=True, slots=True)
class Stand:
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
    error: str | None
    error_at: int | None


def get(conn: Connection, name: str) -> Stand | None:
    row = conn.execute(select(polls).where(_p.name == name)).first()
    return _stand(row) if row else None


def every(conn: Connection) -> list[Stand]:
    return [_stand(row, with_seen=False) for row in conn.execute(select(polls).order_by(_p.name))]


def _stand(row: Any, *, with_seen: bool = True) -> Stand:
    return Stand(
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
        error=row.error,
        error_at=row.error_at,
    )


def take(conn: Connection, name: str, source: str, *, what: str, holder: str, now: int, until: int) -> Stand | int:
    """The poll, which is the holder's ``until`` then; or when to look again (unix ms): it is not due, or another's.

    Under the poll's lock. Where another thing is asked for than before (``what``), it begins anew.
    """
    blank = {"name": name, "source": source, "what": what, "cursor": "{}", "begun_at": now, "due_at": now}
    insert_rows(conn, polls, [blank | {"held_until": 0, "stored": 0, "faults": 0}])
    row = conn.execute(select(polls).where(_p.name == name)).one()
    if row.what != what:
        anew = {"what": what, "cursor": "{}", "seen": None, "begun_at": now, "due_at": now, "looked_at": None}
        conn.execute(update(polls).where(_p.name == name).values(anew | {"holder": None, "held_until": 0}))
        row = conn.execute(select(polls).where(_p.name == name)).one()
    if row.held_until > now and row.holder != holder:
        return int(row.held_until)
    if row.due_at > now:
        return int(row.due_at)
    conn.execute(update(polls).where(_p.name == name).values(holder=holder, held_until=until))
    return _stand(row)


def is_held(conn: Connection, name: str, holder: str) -> bool:
    """Whether nobody else has taken it over."""
    return conn.execute(select(_p.holder).where(_p.name == name)).scalar() == holder


def advance(
    conn: Connection,
    stand: Stand,
    holder: str,
    *,
    cursor: Mapping[str, Any],
    seen: Set[str] | None,
    stored: int,
    due_at: int,
    looked_at: int | None,
) -> None:
    """A page is stored: the cursor moves, and anybody may read the next. In the transaction that stores the last."""
    values: dict[str, Any] = {
        "cursor": orjson.dumps(cursor).decode(),
        "stored": _p.stored + stored,
        "due_at": due_at,
        "faults": 0,
        "error": None,
        "error_at": None,
    }
    if seen is not None and seen != stand.seen:
        values["seen"] = _packed(seen)
    if looked_at is not None:
        values["looked_at"] = looked_at
    release(conn, stand.name, holder, **values)


def put_off(
    conn: Connection,
    stand: Stand,
    holder: str,
    *,
    due_at: int,
    why: str,
    now: int,
    cursor: Mapping[str, Any] | None = None,
    fault: bool = True,
) -> None:
    """No page was read, and why; a ``fault`` counts."""
    values: dict[str, Any] = {"due_at": due_at, "error": why, "error_at": now, "faults": _p.faults + int(fault)}
    if cursor is not None:
        values["cursor"] = orjson.dumps(cursor).decode()
    release(conn, stand.name, holder, **values)


def release(conn: Connection, name: str, holder: str, **values: Any) -> None:
    """It is nobody's, if it is the holder's."""
    mine = and_(_p.name == name, _p.holder == holder)
    conn.execute(update(polls).where(mine).values({**values, "holder": None, "held_until": 0}))


def remove(conn: Connection, name: str) -> None:
    """It is through for good."""
    conn.execute(delete(polls).where(_p.name == name))


def _packed(seen: Set[str]) -> str:
    """Thousands of ids, as small as they get."""
    return base64.b85encode(zlib.compress("\n".join(sorted(seen)).encode(), 6)).decode()


def _unpacked(text: str | None) -> frozenset[str]:
    return frozenset(zlib.decompress(base64.b85decode(text)).decode().split()) if text else frozenset()
