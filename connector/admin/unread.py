"""Events that could not be read, grouped by their source and by what is wrong with them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from sqlalchemy import Connection, select

from connector.admin.identifiers import first_since
from connector.core import masking
from connector.core.states import EventState
from connector.core.times import iso
from connector.store.database import Database, now_ms
from connector.store.tables import HAS_NO_KEY, events

WALKED: Final = 20_000  #: of those without a key, which all of them are
READ: Final = 2_000  #: the newest, whose faults are read
SAMPLE: Final = 50  #: events that a group names
_NUMBER: Final = re.compile(r"\d+")

_event = events.c


@dataclass(slots=True)
class Unread:
    """One fault of one source. ``first`` and ``last``: unix ms; ``events``: the newest of them."""

    id: str
    source: str
    fault: str
    number: int = 0
    first: int = 0
    last: int = 0
    events: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "source": self.source,
            "fault": self.fault,
            "number": self.number,
            "first_at": iso(self.first),
            "last_at": iso(self.last),
            "events": self.events,
        }


def unread(database: Database, since_ms: int) -> list[Unread]:
    """The groups since then, the largest first. ``since_ms``: milliseconds before now."""
    found: dict[str, Unread] = {}
    with database.read() as conn:
        for row in _newest(conn, now_ms(conn) - since_ms):
            fault = masking.of_ours(_fault(row.errors))
            key = hashlib.sha256(f"{row.source}\0{_NUMBER.sub('#', fault)}".encode()).hexdigest()[:12]
            group = found.setdefault(key, Unread(key, row.source, fault, last=row.received_at))
            group.number += 1
            group.first = row.received_at
            if len(group.events) < SAMPLE:
                group.events.append(f"e{row.id}")
    return sorted(found.values(), key=lambda one: (-one.number, one.id))


def _newest(conn: Connection, since: int) -> Any:
    """They are found along the index of those without a key: it has no order of time, and few rows."""
    first = first_since(conn, since)
    if first is None:
        return ()
    keyless = conn.execute(select(_event.id).where(HAS_NO_KEY, _event.event_id >= "").limit(WALKED)).scalars()
    ids = sorted((number for number in keyless if number >= first), reverse=True)[:READ]
    columns = (_event.id, _event.source, _event.errors, _event.received_at)
    mine = select(*columns).where(_event.id.in_(ids), _event.state == EventState.INVALID).order_by(_event.id.desc())
    return conn.execute(mine)


def _fault(errors: str | None) -> str:
    faults = orjson.loads(errors) if errors else []
    return "; ".join(f"{one['field']}: {one['message']}" if one["field"] else str(one["message"]) for one in faults)
