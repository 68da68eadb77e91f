"""How a day's calls are spread over the working day. Pure; what it counts on, the claim reads from the log of calls.

The rate is the even one that what is left, and what becomes free again, can sustain until this time tomorrow. It never
exceeds a day's calls in a working day, whatever was saved up: so what one day spends in a lump is spread out by the
next, and no day begins with nothing left because the day before caught up late.

Live leads and bulk have each their calls in hand, which grow at that rate: up to a quarter of the day's for live leads,
a tenth of the day's less for bulk. A lead leaves at once while there is one in hand. Bulk pays for every call that is
made, its own or not, so live leads come before it; and it leaves the last few of the rolling day. Nothing is set aside
for good: the rate is made of all that is left, so what is kept is released as the day runs out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import count, takewhile
from typing import Final

from connector.settings import WorkingHours

DAY_MS: Final = 24 * 3600 * 1000
LIVE_IN_HAND: Final = 0.25  #: of the day's calls: what live leads may have in hand at the most, and have at first
BULK_IN_HAND: Final = 0.15  #: a tenth of the day's calls less
OF_LEFT: Final = 2.0  #: and of what is left of the day's calls, twice those parts: so that the last ones are spread too
OWED: Final = 0.005  #: of the day's calls: what bulk may owe for live leads, so that their rush does not stop it long
HASTE: Final = 1.02  #: a little faster than can be sustained: what is lost on the way is used, and the count is exact
NIGHT: Final = 0.05  #: what an hour outside working hours counts: then too nothing waits for ever
STEP_MS: Final = 900_000  #: how finely it is looked at when calls become free again
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
        """Whether the rate must be worked out again before it is used."""
        return not 0 <= now - self.rate_at < RATE_GOOD_MS

    def after(self, budget: int, *, bulk: bool) -> Credit:
        """What is in hand after a call: of bulk, or else of what live leads have in hand."""
        live = self.live if bulk else max(0.0, self.live - 1)
        return replace(self, live=live, bulk=max(-budget * OWED, self.bulk - 1))


def first(budget: int, now: int) -> Credit:
    """Of an account that has never been asked for a call."""
    return capped(Credit(budget, budget, now), budget, budget)


def capped(credit: Credit, budget: int, left: int) -> Credit:
    """At most what may be in hand, with so many of the day's calls left."""
    live, bulk = (max(1.0, min(budget, left * OF_LEFT) * part) for part in (LIVE_IN_HAND, BULK_IN_HAND))
    return replace(credit, live=min(credit.live, live), bulk=min(credit.bulk, bulk))


def grown(credit: Credit, budget: int, left: int, hours: WorkingHours, now: int) -> Credit:
    """The credit at ``now``: more than it was, within what may be in hand."""
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
    """From the credit's moment until a call is in hand; where nothing grows, until it is to be looked at again."""
    lacking = 1 - (credit.bulk if bulk else credit.live)
    if lacking <= 0:
        return 0
    if credit.rate <= 0:
        return RATE_GOOD_MS
    return max(1, until_worked(hours, credit.at, lacking / credit.rate) - credit.at)


# --- working time ---------------------------------------------------------------------------------------------------


def worked_ms(hours: WorkingHours, start: int, end: int) -> float:
    """Working time between two moments; what lies outside working hours counts a little."""
    return _worked_ms(takewhile(lambda stretch: stretch[0] < end, _stretches(hours, start)), start, end)


def _worked_ms(stretches: Iterable[Stretch], start: int, end: int) -> float:
    return sum(max(0, min(ends, end) - max(begins, start)) * counts for begins, ends, counts in stretches)


def until_worked(hours: WorkingHours, start: int, worked: float) -> int:
    """The first moment at which so much working time has passed; a day on, where that is later."""
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


def _stretches(hours: WorkingHours, start: int) -> Iterator[Stretch]:
    """Without a gap, from ``start`` on, for ever."""
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
