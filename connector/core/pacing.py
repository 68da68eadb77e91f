"""Spreads the calls of a day over the working day. Pure; the claim reads the usage from the attempts table.

The rate is the even rate that the remaining calls, and those that become free again, can sustain until this time
tomorrow. It never exceeds one day's calls per working day, regardless of savings: a burst of one day is spread out by
the next, and no day begins with nothing left because the day before caught up late.

Live leads and bulk have separate credits that grow at that rate: up to a quarter of the day's calls for live leads, a
tenth of the day's less for bulk. A lead leaves at once while there is credit. Bulk pays for every call, its own or not,
so live leads come first; and it leaves the last calls of the rolling day. Nothing is reserved for good: the rate is
computed from all remaining calls, so reserves are released as the day runs out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import count, takewhile
from typing import Final

from connector.core.settings import WorkingHours
from connector.core.times import DAY_MS

LIVE_IN_HAND: Final = 0.25  #: of the day's calls: what live leads may have in hand at the most, and have at first
BULK_IN_HAND: Final = 0.15  #: a tenth of the day's calls less
OF_LEFT: Final = 2.0  #: and twice those parts of the remaining calls, so that the last ones are spread too
OWED: Final = 0.005  #: of the day's calls: what bulk may owe for live leads, so that their rush does not stop it long
#: slightly more than can be sustained: it makes up for losses on the way, and the count of calls is exact
HASTE: Final = 1.02
NIGHT: Final = 0.05  #: what an hour outside working hours counts: then too nothing waits for ever
STEP_MS: Final = 900_000  #: resolution at which calls that become free again are considered
STEPS: Final = DAY_MS // STEP_MS
RATE_GOOD_MS: Final = 60_000  #: how long a rate is good enough; the count of calls is exact at all times

Stretch = tuple[int, int, float]  #: from, to, and what each ms between counts as working time


@dataclass(frozen=True, slots=True)
class Credit:
    """Calls in hand at a moment (unix ms), and how they grow: calls for each ms of working time."""

    live: float
    bulk: float
    at: int
    rate: float = 0.0
    rate_at: int = 0  #: when the rate was worked out; 0: never

    def is_stale(self, now: int) -> bool:
        """Whether the rate must be computed again before it is used."""
        return not 0 <= now - self.rate_at < RATE_GOOD_MS

    def after(self, budget: int, *, bulk: bool) -> Credit:
        """The credit after a call: bulk's for a bulk call, otherwise the one of live leads."""
        live = self.live if bulk else max(0.0, self.live - 1)
        return replace(self, live=live, bulk=max(-budget * OWED, self.bulk - 1))


def first(budget: int, now: int) -> Credit:
    """The credit of an account that has never made a call."""
    return capped(Credit(budget, budget, now), budget, budget)


def capped(credit: Credit, budget: int, left: int) -> Credit:
    """The highest credit allowed with this many calls of the day left."""
    live, bulk = (max(1.0, min(budget, left * OF_LEFT) * part) for part in (LIVE_IN_HAND, BULK_IN_HAND))
    return replace(credit, live=min(credit.live, live), bulk=min(credit.bulk, bulk))


def grown(credit: Credit, budget: int, left: int, hours: WorkingHours, now: int) -> Credit:
    """The credit at ``now``: grown since it was stored, up to the highest allowed."""
    since = max(credit.at, now - DAY_MS)
    more = credit.rate * worked_ms(hours, since, now) if now > since else 0.0
    return capped(replace(credit, live=credit.live + more, bulk=credit.bulk + more, at=now), budget, left)


def rate(hours: WorkingHours, now: int, left: int, frees: Sequence[int]) -> float:
    """Calls for each ms of working time that can go on until this time tomorrow.

    ``left``: calls that may be made now. ``frees``: how many more become free in each `STEP_MS` from now on.
    """
    sustained = float("inf")
    worked = 0.0
    day = list(takewhile(lambda stretch: stretch[0] < now + DAY_MS, _stretches(hours, now)))
    for step, more in enumerate(frees):
        worked += _worked_ms(day, now + step * STEP_MS, now + (step + 1) * STEP_MS)
        left += more
        sustained = min(sustained, left / worked)
    return max(0.0, sustained) * HASTE


def wait_ms(credit: Credit, hours: WorkingHours, *, bulk: bool) -> int:
    """Time from the credit's moment until one call is covered; if nothing grows, until the next look."""
    lacking = 1 - (credit.bulk if bulk else credit.live)
    if lacking <= 0:
        return 0
    if credit.rate <= 0:
        return RATE_GOOD_MS
    return max(1, until_worked(hours, credit.at, lacking / credit.rate) - credit.at)


# --- working time ---------------------------------------------------------------------------------------------------


def worked_ms(hours: WorkingHours, start: int, end: int) -> float:
    """Working time between two moments; time outside working hours counts a little."""
    return _worked_ms(takewhile(lambda stretch: stretch[0] < end, _stretches(hours, start)), start, end)


def _worked_ms(stretches: Iterable[Stretch], start: int, end: int) -> float:
    return sum(max(0, min(ends, end) - max(begins, start)) * counts for begins, ends, counts in stretches)


def until_worked(hours: WorkingHours, start: int, worked: float) -> int:
    """The first moment at which this much working time has passed; one day later if that is later."""
    for begins, ends, counts in _stretches(hours, start):
        if worked <= (ends - begins) * counts:
            return min(begins + int(worked / counts) + 1, start + DAY_MS)
        worked -= (ends - begins) * counts
        if ends > start + DAY_MS:
            break
    return start + DAY_MS


def is_working(hours: WorkingHours, now: int) -> bool:
    """Whether it is within working hours."""
    return next(_stretches(hours, now))[2] == 1.0


def closes(hours: WorkingHours, now: int) -> int | None:
    """When the working hours of now end (unix ms); None outside of them."""
    _, end, counts = next(_stretches(hours, now))
    return end if counts == 1.0 else None


def _stretches(hours: WorkingHours, start: int) -> Iterator[Stretch]:
    """Consecutive stretches from ``start`` on, without end."""
    for day in count(start // DAY_MS - 2):
        opens, closes = _open(hours, day)
        if closes <= start:
            continue
        if opens > start:
            yield start, opens, NIGHT
            start = opens
        yield start, closes, 1.0
        start = closes


@lru_cache(maxsize=64)
def _open(hours: WorkingHours, day: int) -> tuple[int, int]:
    """When work begins and ends on a day (since 1970), by the clock on the wall, which may be moved that day."""
    midnight = datetime.combine(date.fromordinal(_FIRST_DAY + day), time(), hours.zone)
    lasts = (hours.closes - hours.opens - 1) % (24 * 60) + 1
    ends = (midnight + timedelta(minutes=minutes) for minutes in (hours.opens, hours.opens + lasts))
    opens, closes = (int(end.timestamp() * 1000) for end in ends)
    return opens, closes


_FIRST_DAY: Final = date(1970, 1, 1).toordinal()
