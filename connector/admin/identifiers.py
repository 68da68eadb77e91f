"""Ids and times as people write them, and our ids in the form that people read."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, bindparam, func, literal_column, select

from connector.core import keyed_hash
from connector.core.errors import ConnectorError
from connector.core.phrases import phrase
from connector.core.settings import Settings
from connector.core.text import seconds
from connector.store.tables import events, facts
from mappings.fields import clean

_event = events.c
_OWN: Final = re.compile(r"(?:([0-9a-f]{6})-)?([dea])(\d{1,18})")


class NotThere(ConnectorError):  # noqa: N818
    """The requested object is not in this database."""


_CLOCK: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


def typed(text: str) -> str:
    """A typed text in a form that a database can search: no control characters, no invalid bytes."""
    return clean(text.encode("utf-8", "replace").decode())


def since_ms(text: str, settings: Settings, now: int) -> int:
    """ "24h" (ago), or a time ("2026-11-20", "2026-11-20T10:00", with or without offset), as unix ms."""
    try:
        return now - int(seconds(text) * 1000)
    except (TypeError, ValueError):
        pass
    if (day := _day(text, settings, now)) is not None:
        return day
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConnectorError(
            phrase('"{text}" is no time: write 24h, today, 10:05, or 2026-11-20T10:00', text=text)
        ) from None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=settings.locale.timezone)
    return int(aware.timestamp() * 1000)


def _day(text: str, settings: Settings, now: int) -> int | None:
    """ "today", "yesterday", "10:05" (today's, or yesterday's where that is still to come), in the configured zone."""
    here = datetime.fromtimestamp(now / 1000, settings.locale.timezone)
    midnight = here.replace(hour=0, minute=0, second=0, microsecond=0)
    if text in ("today", "yesterday"):
        return int((midnight - timedelta(days=int(text == "yesterday"))).timestamp() * 1000)
    clock = _CLOCK.fullmatch(text)
    if clock is None:
        return None
    then = midnight.replace(hour=int(clock[1]), minute=int(clock[2]))
    return int((then if then <= here else then - timedelta(days=1)).timestamp() * 1000)


def ahead_ms(text: str, settings: Settings, now: int) -> int:
    """ "2h" (from now), "20:00" (today's, or tomorrow's), or a time that is still to come, as unix ms."""
    try:
        return now + int(seconds(text) * 1000)
    except (TypeError, ValueError):
        when = since_ms(text, settings, now)
    if _CLOCK.fullmatch(text) and when <= now:
        then = datetime.fromtimestamp(when / 1000, settings.locale.timezone) + timedelta(days=1)
        when = int(then.timestamp() * 1000)
    if when <= now:
        raise ConnectorError(phrase('"{text}" is past: write a time that is still to come', text=text))
    return when


def is_own(text: str, kinds: str) -> bool:
    """Whether it is an id of ours ("d123", "4f1c9a-e45") of one of these kinds: such a text names nobody."""
    found = _OWN.fullmatch(text)
    return found is not None and found[2] in kinds


def own_id(conn: Connection, text: str, kind: str) -> int | None:
    """123 of "d123" (``kind`` d: delivery, e: event, a: attempt), or of the "4f1c9a-d123" that vendors see."""
    found = _OWN.fullmatch(typed(text))
    if found is None or found[2] != kind:
        return None
    if (
        found[1] is not None
        and conn.execute(select(facts.c.value).where(facts.c.name == "install")).scalar() != found[1]
    ):
        return None
    return int(found[3])


def events_called(conn: Connection, settings: Settings, text: str) -> list[int]:
    """Row ids of all events with this sender's id; several sources may use the same one.

    Including forgotten ones: their ids are kept as hashes that can be computed again.
    """
    text, known = typed(text), sources(conn)
    names = [text, *(keyed_hash.name(settings.hash_key, source, text) for source in known)]
    keyed = select(_event.id).where(_event.source.in_(known), _event.key.in_(names))
    keyless = select(_event.id).where(_event.key.is_(None), _event.event_id == text)
    return sorted({*conn.execute(keyed).scalars(), *conn.execute(keyless).scalars()})


def sources(conn: Connection) -> list[str]:
    """Every source that ever sent something, found by skipping through the index."""
    found: list[str] = []
    last = conn.execute(select(func.min(_event.source))).scalar()
    while last is not None:
        found.append(last)
        last = conn.execute(select(func.min(_event.source)).where(_event.source > last)).scalar()
    return found


def first_since(conn: Connection, when: int) -> int | None:
    """The first event row received at ``when`` or later: ids follow time, so a binary search finds it."""
    low, high = (conn.execute(select(extreme(_event.id))).scalar() for extreme in (func.min, func.max))
    if low is None or high is None:
        return None
    known = _KNOWN.setdefault(conn.engine, {})
    while low < high:
        middle = _roundest(low, high)
        number, received_at = _nearest(conn, known, middle)
        if received_at >= when:
            high = middle
        else:
            low = number + 1
    last = conn.execute(_NEAREST, {"least": low}).first()
    return last.id if last and last.received_at >= when else None


#: Of each database: id -> the event, and when it came, which never changes. So the searches of one look, and those of
#: the next ones, read few rows.
_KNOWN: Final[WeakKeyDictionary[Engine, dict[int, tuple[int, int]]]] = WeakKeyDictionary()
_KNOWN_MOST: Final = 10_000
_NEAREST: Final = (
    select(_event.id, _event.received_at)
    .where(_event.id >= bindparam("least"))
    .order_by(_event.id)
    .limit(literal_column("1"))
)


def _nearest(conn: Connection, known: dict[int, tuple[int, int]], least: int) -> tuple[int, int]:
    found = known.get(least)
    if found is None:
        row = conn.execute(_NEAREST, {"least": least}).one()
        found = row.id, row.received_at
        if row.id == least and len(known) < _KNOWN_MOST:
            known[least] = found
    return found


def _roundest(low: int, high: int) -> int:
    """Of the ids from ``low`` up to below ``high`` the one that most searches meet: the roundest.

    Taken as the middle it still leaves at most two steps for each bit of an id.
    """
    found = high - 1
    while (rounder := found & (found - 1)) >= low:
        found = rounder
    return found
