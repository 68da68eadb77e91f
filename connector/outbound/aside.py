"""Lets deliveries in that lie aside as soon as there is room: in a source's share of an account's day, in its limit,
or in a ceiling of calls.

The oldest of a source goes first, and no more at once than soon leaves: so nothing is moved back and forth.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection

from connector.core.log import get
from connector.core.retry import PRECHECK_GOOD_MS
from connector.core.settings import Settings, Source
from connector.inbound.source_limits import SourceLimits
from connector.outbound.ceilings import ceilings, has_ceilings, source_of
from connector.outbound.shares import share_of, sharing
from connector.store import country_calls, limited, turns
from connector.store.database import Database, announce, now_ms
from connector.store.lanes import ASIDE_LANES, CEILING_LANES, CHECK_OF, LET_IN
from connector.vendors.base import Destination
from connector.vendors.destinations import Places

log = get("aside")

EVERY_S: Final = 5.0
SOON_S: Final = 1.0  #: while something waits
BATCHES_AT_ONCE: Final = 10
CHECKS_AT_ONCE: Final = 100  #: people that the vendor is asked about, one by one
AT_ONCE: Final = 1_000  #: events; deliveries of a source that has no share any more


class Aside:
    """One process's look at what lies aside; any number of processes may look."""

    def __init__(self, settings: Settings, database: Database, found: Places) -> None:
        self._database: Final = database
        self._found: Final = found
        self._sources: Final = settings.sources
        self._checking: Final = [route.name for route in settings.routes if route.options.get("ninety_day_rule")]
        self._limits: Final = SourceLimits(settings.sources, database)

    def run_once(self) -> float:
        """Lets in what there is room for. Returns the seconds until the next look."""
        names = [name for some in self._found.values() for name in some]
        with self._database.read() as conn:
            lies, waiting = turns.any_aside(conn, names), limited.sources(conn)
        if lies:
            self._let_in_shares()
        for source in waiting:
            self._let_in_limited(source)
        return SOON_S if lies or waiting else EVERY_S

    def _let_in_shares(self) -> None:
        for account, places in self._found.items():
            with self._database.write(serialise=account) as conn:
                now = now_ms(conn)
                count = sum(_let_in(conn, place, now) + _let_in_ceilings(conn, place, now) for place in places.values())
                count += turns.let_in_expired(conn, list(places), now, AT_ONCE) if places else 0
                if count:
                    announce(conn)
            if count:
                log.info("there is room for what lay aside", account=account, count=count)

    def _let_in_limited(self, source: str) -> None:
        with self._database.write(serialise="limited") as conn:
            now = now_ms(conn)
            ids = limited.oldest(conn, source, self._room(self._sources, source))
            if not ids:
                return
            limited.release(conn, ids, now)
            turns.let_in_events(conn, ids, self._checking, now)
            announce(conn)
        log.info("there is room in a source's limit", source=source, count=len(ids))

    def _room(self, sources: Mapping[str, Source], source: str) -> int:
        if source not in sources or not sources[source].limit:
            return AT_ONCE
        self._limits.read()
        return min(AT_ONCE, self._limits.room(source))


def _let_in_ceilings(conn: Connection, place: Destination, now: int) -> int:
    """Lets deliveries in that wait for a ceiling, as far as it has room. Returns how many."""
    waiting = [(lane, turn) for lane in CEILING_LANES for turn in turns.waiting(conn, place.name, lane, turns.ANY_TIME)]
    if not waiting:
        return 0
    found = ceilings(place, country_calls.used(conn, place.account.name, now)) if has_ceilings(place) else []
    count = 0
    for lane, turn in waiting:
        source = source_of(place, turn)
        applicable = [one for one in found if not one.source or (source and one.source == source.name)]
        full = [one for one in applicable if not one.left]
        if any(one.countries is None for one in full) or turn in turns.waiting(conn, place.name, LET_IN[lane], now):
            continue
        most = min([AT_ONCE, *(one.left for one in applicable if one.left)])
        but = sorted({country for one in full for country in one.countries or ()} - {""})
        count += turns.let_in(conn, place.name, lane, turn, most, now, but=but)
    return count


def _let_in(conn: Connection, place: Destination, now: int) -> int:
    """Lets deliveries of each source in, as far as its share has room. Returns how many."""
    shared, count = sharing(place), 0
    since = now - PRECHECK_GOOD_MS if place.checks else None
    for lane in ASIDE_LANES:
        for turn in turns.waiting(conn, place.name, lane, turns.ANY_TIME):
            most = _most(conn, place, shared.get(turn), turn, LET_IN[lane], now)
            count += turns.let_in(conn, place.name, lane, turn, most, now, checked_since=since) if most else 0
    return count


def _most(conn: Connection, place: Destination, source: Source | None, turn: int, lane: int, now: int) -> int:
    if source is None:
        return AT_ONCE
    share = share_of(conn, place, source, now)
    busy = (lane, CHECK_OF[lane]) if place.checks else (lane,)
    if share.is_used or any(turn in turns.waiting(conn, place.name, one, now) for one in busy):
        return 0
    if place.checks:
        return min(share.records_left, share.checks_left, CHECKS_AT_ONCE)
    return min(share.records_left, min(share.calls_left, BATCHES_AT_ONCE) * place.batch_size)
