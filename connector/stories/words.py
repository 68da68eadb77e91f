"""Ids and times as people write them, and ours as they read them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection, func, select

from connector import forgotten
from connector.errors import ConnectorError
from connector.options import seconds
from connector.settings import Settings
from connector.tables import events, facts
from mappings.fields import clean

_e = events.c
_OWN: Final = re.compile(r"(?:([0-9a-f]{6})-)?([dea])(\d{1,18})")


class NotThere(ConnectorError):  # noqa: N818
    """What was asked about is not in this database."""


def typed(text: str) -> str:
    """What a person typed, as a database can look for it: no control characters, no bytes that are no text."""
    return clean(text.encode("utf-8", "replace").decode())


def iso(unix_ms: int | None) -> str | None:
    """ "2026-11-20T15:01:02.123Z"; None for None and for 0, which stands for never."""
    if not unix_ms:
        return None
    return datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def since_ms(text: str, settings: Settings, now: int) -> int:
    """ "24h" (ago), or a time ("2026-11-20", "2026-11-20T10:00", with or without offset), as unix ms."""
    try:
        return now - int(seconds(text) * 1000)
    except (TypeError, ValueError):
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConnectorError(f'"{text}" is no time: write 30m, 24h, 7d, or 2026-11-20T10:00') from None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=settings.locale.timezone)
    return int(aware.timestamp() * 1000)


def ahead_ms(text: str, settings: Settings, now: int) -> int:
    """ "2h" (from now), or a time that is still to come, as unix ms."""
    try:
        return now + int(seconds(text) * 1000)
    except (TypeError, ValueError):
        when = since_ms(text, settings, now)
    if when <= now:
        raise ConnectorError(f'"{text}" is past: write a time that is still to come')
    return when


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
    """Row ids of all events that their senders call so; several sources may use the same id.

    Forgotten ones too: their ids are kept as hashes that we can make again.
    """
    text, known = typed(text), sources(conn)
    names = [text, *(forgotten.name(settings.hash_key, source, text) for source in known)]
    keyed = select(_e.id).where(_e.source.in_(known), _e.key.in_(names))
    keyless = select(_e.id).where(_e.key.is_(None), _e.event_id == text)
    return sorted({*conn.execute(keyed).scalars(), *conn.execute(keyless).scalars()})


def sources(conn: Connection) -> list[str]:
    """Every source that ever sent something, found by leaps over the index."""
    found: list[str] = []
    last = conn.execute(select(func.min(_e.source))).scalar()
    while last is not None:
        found.append(last)
        last = conn.execute(select(func.min(_e.source)).where(_e.source > last)).scalar()
    return found


def first_since(conn: Connection, when: int) -> int | None:
    """The first event row received at ``when`` or later: ids follow time, so a binary search finds it."""
    low, high = (conn.execute(select(extreme(_e.id))).scalar() for extreme in (func.min, func.max))
    if low is None or high is None:
        return None
    nearest = select(_e.id, _e.received_at).order_by(_e.id).limit(1)
    while low < high:
        middle = (low + high) // 2
        row = conn.execute(nearest.where(_e.id >= middle)).one()
        if row.received_at >= when:
            high = middle
        else:
            low = row.id + 1
    last = conn.execute(nearest.where(_e.id >= low)).first()
    return last.id if last and last.received_at >= when else None
