"""Failures grouped by cause: state, destination or source, reason, and the vendor's words without their numbers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, TextClause, and_, func, select

from connector.core import masking, reasons
from connector.core.states import DeliveryState, words
from connector.core.times import iso
from connector.store.database import Database, now_ms
from connector.store.tables import IS_DEAD, IS_UNCERTAIN, deliveries

LOOKED_AT: Final = 20_000  #: of each state, the newest
SAMPLE: Final = 50  #: deliveries of a group that a page lists
_NUMBER: Final = re.compile(r"\d+")

_delivery = deliveries.c


@dataclass(slots=True)
class Group:
    """One cause. ``first`` and ``last``: unix ms; ``variants``: its pairs of (reason code, facts as stored)."""

    id: str
    state: str
    destination: str
    said: str
    number: int = 0
    first: int = 0
    last: int = 0
    variants: set[tuple[str | None, str | None]] = field(default_factory=set)

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "state": self.state,
            "destination": self.destination,
            "said": self.said,
            "number": self.number,
            "first_at": iso(self.first),
            "last_at": iso(self.last),
        }


def groups(database: Database, since_ms: int) -> list[Group]:
    """The groups since then, the largest first. ``since_ms``: milliseconds before now."""
    with database.read() as conn:
        now = now_ms(conn)
        found: dict[str, Group] = {}
        for state in words(DeliveryState.DEAD, DeliveryState.UNCERTAIN):
            for row in _counted(conn, state, now - since_ms):
                _join(found, state, row)
    return sorted(found.values(), key=lambda one: (-one.number, one.id))


def members(conn: Connection, group: Group, since: int) -> Iterator[int]:
    """The ids of its deliveries, the earliest failure first."""
    mine = _delivery.destination == group.destination
    query = select(_delivery.id, _delivery.reason_code, _delivery.reason_facts).where(
        _IS[group.state], _delivery.updated_at >= since, mine
    )
    newest = query.order_by(_delivery.updated_at.desc(), _delivery.id.desc()).limit(LOOKED_AT)
    found: list[int] = [row.id for row in conn.execute(newest) if (row.reason_code, row.reason_facts) in group.variants]
    return reversed(found)


_IS: Final[Mapping[str, TextClause]] = {DeliveryState.DEAD: IS_DEAD, DeliveryState.UNCERTAIN: IS_UNCERTAIN}


def _counted(conn: Connection, state: str, since: int) -> Any:
    columns = (_delivery.destination, _delivery.reason_code, _delivery.reason_facts, _delivery.updated_at)
    recent = select(*columns).where(and_(_IS[state], _delivery.updated_at >= since))
    newest = recent.order_by(_delivery.updated_at.desc()).limit(LOOKED_AT).subquery().c
    grouped = (newest.destination, newest.reason_code, newest.reason_facts)
    figures = (func.count().label("number"), func.min(newest.updated_at), func.max(newest.updated_at))
    return conn.execute(select(*grouped, *figures).group_by(*grouped)).all()


def _join(found: dict[str, Group], state: str, row: Any) -> None:
    destination, code, facts, number, first, last = row
    sentence = masking.reason(reasons.read(code, facts))
    cause = "\0".join((state, destination, code or "", _NUMBER.sub("#", sentence)))
    key = hashlib.sha256(cause.encode()).hexdigest()[:12]
    group = found.setdefault(key, Group(key, state, destination, sentence, first=first, last=last))
    group.number += number
    group.first, group.last = min(group.first, first), max(group.last, last)
    group.variants.add((code, facts))
