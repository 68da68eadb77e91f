"""Failures grouped by cause: state, destination or source, reason, and the vendor's words without their numbers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, TextClause, func, literal_column, select, text

from connector.admin.identifiers import NotThere
from connector.core import masking, reasons
from connector.core.phrases import phrase
from connector.core.states import DeliveryState, words
from connector.core.times import DAY_MS, iso
from connector.store.database import Database, now_ms
from connector.store.tables import IS_DEAD, IS_UNCERTAIN, deliveries

#: For how long back causes are asked for -> milliseconds.
PERIODS: Final = {"24h": DAY_MS, "7d": 7 * DAY_MS, "30d": 30 * DAY_MS}
PARTS: Final = 12  #: into which that time is divided
LOOKED_AT: Final = 10_000  #: of each state, the newest
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
    by_time: list[int] = field(default_factory=lambda: [0] * PARTS)  #: how many in each part of the time asked for

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "state": self.state,
            "destination": self.destination,
            "said": self.said,
            "number": self.number,
            "first_at": iso(self.first),
            "last_at": iso(self.last),
            "by_time": self.by_time,
        }


@dataclass(frozen=True, slots=True)
class Causes:
    """The groups, the largest first. ``looked_back_to``: unix ms; None: to the beginning of the time asked for."""

    groups: list[Group]
    looked_back_to: int | None


def causes(database: Database, since_ms: int) -> Causes:
    """The failures since then, by cause. ``since_ms``: milliseconds before now."""
    with database.read() as conn:
        since = now_ms(conn) - since_ms
        found: dict[str, Group] = {}
        edge = since
        for state in words(DeliveryState.DEAD, DeliveryState.UNCERTAIN):
            from_there = _edge(conn, state, since)
            edge = max(edge, from_there)
            for row in _counted(conn, state, from_there, since, since_ms):
                _join(found, state, row)
    largest = sorted(found.values(), key=lambda one: (-one.number, one.id))
    return Causes(largest, edge if edge > since else None)


def by_destination(groups: Iterable[Group]) -> list[dict[str, Any]]:
    """``{"destination", "number", "causes", "last_at"}``: where it failed, the most frequent first."""
    found: dict[str, list[Group]] = {}
    for group in groups:
        found.setdefault(group.destination, []).append(group)
    told = [
        {
            "destination": name,
            "number": sum(one.number for one in some),
            "causes": len(some),
            "last_at": iso(max(one.last for one in some)),
        }
        for name, some in found.items()
    ]
    return sorted(told, key=lambda one: (-one["number"], one["destination"]))


def of_id(database: Database, name: str, since_ms: int) -> Group:
    """The group of this id. Raises `NotThere`."""
    found = next((one for one in causes(database, since_ms).groups if one.id == name), None)
    if found is None:
        raise NotThere(phrase("Nothing of this cause is left: it was sent again, or is older than the time chosen."))
    return found


def members(conn: Connection, group: Group, since: int) -> Iterator[int]:
    """The ids of its deliveries, the earliest failure first."""
    mine = _delivery.destination == group.destination
    query = select(_delivery.id, _delivery.reason_code, _delivery.reason_facts).where(
        _IS[group.state], _delivery.updated_at >= _edge(conn, group.state, since), mine
    )
    newest = query.order_by(_delivery.updated_at.desc(), _delivery.id.desc())
    found: list[int] = [row.id for row in conn.execute(newest) if (row.reason_code, row.reason_facts) in group.variants]
    return reversed(found)


_IS: Final[Mapping[str, TextClause]] = {DeliveryState.DEAD: IS_DEAD, DeliveryState.UNCERTAIN: IS_UNCERTAIN}


def _counted(conn: Connection, state: str, edge: int, since: int, length_ms: int) -> Any:
    part = (_delivery.updated_at - since) * PARTS // literal_column(str(max(length_ms, 1)))
    grouped = (_delivery.destination, _delivery.reason_code, _delivery.reason_facts, part.label("part"))
    figures = (func.count().label("number"), func.min(_delivery.updated_at), func.max(_delivery.updated_at))
    mine = (_IS[state], _delivery.updated_at >= edge)
    return conn.execute(select(*grouped, *figures).where(*mine).group_by(*grouped[:3], text("part"))).all()


def _edge(conn: Connection, state: str, since: int) -> int:
    """Back to when the rows of a state are looked at: that is found along the index alone."""
    recent = select(_delivery.updated_at).where(_IS[state], _delivery.updated_at >= since)
    last = conn.execute(recent.order_by(_delivery.updated_at.desc()).offset(LOOKED_AT - 1).limit(1)).scalar()
    return since if last is None else int(last)


def _join(found: dict[str, Group], state: str, row: Any) -> None:
    destination, code, facts, part, number, first, last = row
    sentence = masking.reason(reasons.read(code, facts))
    cause = "\0".join((state, destination, code or "", _NUMBER.sub("#", sentence)))
    key = hashlib.sha256(cause.encode()).hexdigest()[:12]
    group = found.setdefault(key, Group(key, state, destination, sentence, first=first, last=last))
    group.number += number
    group.first, group.last = min(group.first, first), max(group.last, last)
    group.variants.add((code, facts))
    group.by_time[min(int(part), PARTS - 1)] += number
