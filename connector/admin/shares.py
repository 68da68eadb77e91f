"""The use of shares and of ceilings of an account's day by its sources, for status and the console."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from connector.core.phrases import phrase
from connector.core.settings import Settings
from connector.core.times import iso
from connector.outbound.ceilings import Ceiling, ceilings, has_ceilings
from connector.outbound.shares import Share, share_of, sharing
from connector.store import country_calls, turns
from connector.vendors.base import Destination
from connector.vendors.destinations import places


@dataclass(frozen=True, slots=True)
class Shown:
    """One source's share. ``frees_at``: when its first call counts no more (unix ms)."""

    source: str
    used_up: bool
    said: str
    frees_at: int | None


def at(conn: Connection, place: Destination, now: int) -> list[Shown]:
    """The shares of the sources that may send to a destination."""
    return [_shown(conn, place, share_of(conn, place, source, now), now) for source in sharing(place).values()]


def of_account(conn: Connection, settings: Settings, account: str, now: int) -> list[dict[str, Any]]:
    """The same for an account, as JSON."""
    found = {one.source: one for one in _each(conn, places(settings)[account].values(), now)}
    return [
        {"source": one.source, "used_up": one.used_up, "said": one.said, "frees_at": iso(one.frees_at)}
        for one in found.values()
    ]


def _each(conn: Connection, some: Iterable[Destination], now: int) -> Iterable[Shown]:
    return (one for place in some for one in at(conn, place, now))


def _shown(conn: Connection, place: Destination, share: Share, now: int) -> Shown:
    facts = {
        "source": share.source,
        "used": share.used.calls,
        "calls": share.calls,
        "sent": share.used.records,
        "records": share.records,
    }
    template = (
        "{source} has used {used:,} of {calls:,} calls and {sent:,} of {records:,} records of its share of the day"
    )
    frees_at = turns.frees_at(conn, place.account.name, share.source, now) if share.is_used else None
    return Shown(share.source, share.is_used, phrase(template, **facts), frees_at)


def ceilings_of_account(conn: Connection, settings: Settings, account: str, now: int) -> list[dict[str, Any]]:
    """Its ceilings of calls and those of its sources, as JSON; ``source``: "" where it is the account's own."""
    some = [place for place in places(settings)[account].values() if has_ceilings(place)]
    used = country_calls.used(conn, account, now) if some else {}
    found: dict[tuple[str, str], Ceiling] = {}
    for place in some:
        found |= {(one.source, one.prefix): one for one in ceilings(place, used)}
    template = "calls_per_day of {whose} ({prefix}): {used:,} of {most:,} people were called in the last 24 h"
    return [
        {
            "source": one.source,
            "prefix": one.prefix,
            "used": one.used,
            "most": one.most,
            "used_up": one.is_near,
            "said": phrase(template, whose=one.owner, used=one.used, most=one.most, prefix=one.prefix),
        }
        for one in found.values()
    ]
