"""Events that wait for their source's limit: kept, acknowledged, and let in when there is room, the oldest first.

Queries only. `events.released_at` is 0 while an event waits, and the time at which it passed from then on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, and_, case, func, select, text, update

from connector.core.states import EventState
from connector.store.tables import WAS_LIMITED, events

_events = events.c
_WAITS = and_(WAS_LIMITED, _events.released_at == 0)


def sources(conn: Connection) -> list[str]:
    """The sources of which something waits."""
    return list(conn.execute(_SOURCES).scalars())


#: From one source to the next within the index: most of what it holds has passed long ago. Not by EXISTS: Postgres may
#: join that with all rows of the index.
_FIRST: Final = f"SELECT source FROM events WHERE {WAS_LIMITED.text} AND source > {{after}} ORDER BY source LIMIT 1"
_SOURCES: Final = text(f"""
    WITH RECURSIVE one (source) AS (
      SELECT ({_FIRST.format(after="''")})
      UNION ALL
      SELECT ({_FIRST.format(after="one.source")}) FROM one WHERE one.source IS NOT NULL
    )
    SELECT source FROM one WHERE source IS NOT NULL AND (
      SELECT 1 FROM events WHERE {WAS_LIMITED.text} AND events.source = one.source AND released_at = 0 LIMIT 1
    ) IS NOT NULL
    ORDER BY source
""")


def number(conn: Connection, source: str) -> int:
    """How many events of it wait."""
    return int(conn.execute(select(func.count()).where(_WAITS, _events.source == source)).scalar_one())


def oldest(conn: Connection, source: str, most: int) -> list[int]:
    """Ids of those that have waited longest."""
    query = select(_events.id).where(_WAITS, _events.source == source).order_by(_events.id).limit(most)
    return list(conn.execute(query).scalars())


def release(conn: Connection, ids: Sequence[int], now: int) -> None:
    """Lets the events pass now; a thin one is fetched."""
    due = case((_events.state == EventState.WAITING, now), else_=_events.due_at)
    conn.execute(update(events).where(_events.id.in_(ids), _WAITS).values(released_at=now, due_at=due))


def passed(conn: Connection, names: Sequence[str], since_s: int) -> list[tuple[str, int, int]]:
    """(source, unix seconds, number) of those that waited and passed in that second or later."""
    second = (_events.released_at // 1000).label("second")
    counted = and_(WAS_LIMITED, _events.source.in_(names), _events.released_at >= since_s * 1000)
    rows = conn.execute(select(_events.source, second, func.count()).where(counted).group_by(_events.source, second))
    return [(source, int(at_s), count) for source, at_s, count in rows]
