"""What room an account has for a call: its vendor's limits, what counts against them, and how a day's calls are paced.

`look` decides what is never exceeded, by counting; `Pace` decides how soon live and bulk calls use what is left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from connector import attempts, pacing, quota
from connector.pacing import Credit
from connector.quota import DAY_MS, Limits, Slot, Used, Wait
from connector.settings import Account
from connector.standing import AccountStanding, Told

SHARED_ASK_MS: Final = 2 * 3600 * 1000  #: how often the vendor is asked while another program uses the token
AFTER_MIDNIGHT_MS: Final = 5 * 60 * 1000


@dataclass(frozen=True, slots=True)
class Room:
    """An account's limits and what counts against them now. ``own``: by our own count alone."""

    account: Account
    stand: AccountStanding
    allowed: Limits
    now: int
    in_flight: Used
    own: Sequence[Used]
    windows: Sequence[Used]

    @property
    def answer(self) -> Slot | Wait:
        """Whether a call may be made now."""
        return quota.decide(self.allowed, self.in_flight, self.windows, self.now)

    def answer_behind(self, kinds: int) -> Slot | Wait:
        """The same for a call that leaves what is kept for so many kinds of calls before it."""
        return quota.decide(self.allowed, self.in_flight, self.windows, self.now, behind=kinds)

    @property
    def may_ask_budget(self) -> bool:
        """Whether the vendor is to be asked now. What others are said to have used must not stand in the way."""
        due = self.allowed.paced and 0 < self.stand.told.ask_at <= self.now
        return due and isinstance(quota.decide(self.allowed, self.in_flight, self.own, self.now), Slot)

    @property
    def budget(self) -> int:
        """A day's calls, where they are paced."""
        return self.allowed.windows[0].calls

    @property
    def left(self) -> int:
        """Of the day's calls."""
        return max(0, self.budget - self.windows[0].calls)


def look(conn: Connection, account: Account, stand: AccountStanding, now: int) -> Room:
    """What counts now. Under the account's lock, a call that may be made stays so."""
    allowed = quota.limits(account, stand.told.limit)
    in_flight, own = attempts.usage(conn, account.name, allowed, now)
    windows = own
    if allowed.paced and stand.told.others_count(now):
        windows = [_with_others(own[0], stand.told), *own[1:]]
    return Room(account, stand, allowed, now, in_flight, own, windows)


def _with_others(day: Used, told: Told) -> Used:
    """They count until a day after they were told of: by then they have run out, whenever the vendor's day begins."""
    first = told.at + DAY_MS if day.next_free_at is None else min(day.next_free_at, told.at + DAY_MS)
    return Used(day.calls + told.others, first)


def told(conn: Connection, account: Account, used: int | None, limit: int | None, now: int) -> Told:
    """What the vendor's numbers (None: unreadable) say, and when to ask again; a ``limit`` of 0 says nothing.

    The hour at which its count begins anew is not published, local midnight is likely. So whatever it counts beyond
    our calls since midnight is somebody else's: true at midnight, and at any other hour too much rather than too few.
    """
    today = datetime.fromtimestamp(now / 1000, account.working_hours.zone).replace(hour=0, minute=0, second=0)
    midnight = int(today.timestamp() * 1000)
    others = max(0, (used or 0) - attempts.settled_since(conn, account.name, midnight, now))
    next_midnight = int((today + timedelta(days=1)).timestamp() * 1000)
    ask_at = now + DAY_MS
    if others:
        ask_at = next_midnight + AFTER_MIDNIGHT_MS
        used_up = (used or 0) >= quota.limits(account, limit).windows[0].calls
        ask_at = ask_at if used_up else min(ask_at, now + SHARED_ASK_MS)
    return Told(others, limit or None, now, ask_at)


# --- pacing ---------------------------------------------------------------------------------------------------------


class Pace:
    """How soon a call may leave, within what the limits allow. Looks at no more than the decision needs."""

    def __init__(self, room: Room, renew: Callable[[], float] | None = None) -> None:
        """``renew`` works out a stale rate anew; without it the rate is taken as it is."""
        self._room = room
        self._renew = renew
        self._credit: Credit | None = None
        if room.allowed.paced:
            kept = room.stand.credit or pacing.first(room.budget, room.now)
            self._credit = pacing.capped(kept, room.budget, room.left)
        self._is_grown = False
        self.renewed: Credit | None = None  #: what is to be kept, should no call be made

    def wait(self, *, bulk: bool, asks: bool = False) -> Wait | None:
        """Why, and how long, such a call waits though the limits allow one; None: it may leave.

        ``asks``: the call only asks whether something may be sent, and what may be goes before it.
        """
        behind = int(bulk) + int(asks)
        if behind and isinstance(answer := self._room.answer_behind(behind), Wait):
            return answer
        if self._credit is None:
            return None
        if (self._credit.bulk if bulk else self._credit.live) < 1:
            self._credit = self._grown(self._credit)
        ms = pacing.wait_ms(self._credit, self._room.account.working_hours, bulk=bulk)
        return Wait(ms / 1000, self._why(bulk)) if ms else None

    def in_hand(self, *, bulk: bool) -> float:
        """Calls that may leave at once."""
        if self._credit is None:
            return float("inf")
        self._credit = self._grown(self._credit)
        return max(0.0, self._credit.bulk if bulk else self._credit.live)

    @property
    def spacing_s(self) -> float | None:
        """Between two calls, once none is in hand; None: until calls become free again."""
        if self._credit is None:
            return 0.0
        self._credit = self._grown(self._credit)
        counts = 1.0 if pacing.is_working(self._room.account.working_hours, self._room.now) else pacing.NIGHT
        return 1 / (self._credit.rate * counts) / 1000 if self._credit.rate > 0 else None

    def spent(self, *, bulk: bool) -> Credit | None:
        """What is in hand after one more call; None where calls are not paced."""
        self.renewed = None
        return self._credit.after(self._room.budget, bulk=bulk) if self._credit else None

    def _grown(self, credit: Credit) -> Credit:
        """Up to now; once is enough."""
        if self._is_grown:
            return credit
        self._is_grown = True
        room, is_renewed = self._room, self._renew is not None and credit.is_stale(self._room.now)
        if self._renew is not None and is_renewed:
            credit = replace(credit, rate=self._renew(), rate_at=room.now)
        credit = pacing.grown(credit, room.budget, room.left, room.account.working_hours, room.now)
        self.renewed = credit if is_renewed else None
        return credit

    def _why(self, bulk: bool) -> str:
        used = f"{self._room.windows[0].calls} of the day's {self._room.budget} calls are used"
        spacing_s = self.spacing_s
        pace = (
            f"the rest is spread over the day, one call each {spacing_s:.0f} s" if spacing_s else "more are free later"
        )
        return f"{used}, {pace}{'; live leads go first' if bulk else ', each with all that waits'}"


def rate(conn: Connection, room: Room) -> float:
    """Calls for each ms of working time, worked out anew."""
    now, day = room.now, room.allowed.windows[0]
    frees = attempts.frees(conn, room.account.name, now, step_ms=pacing.STEP_MS, steps=pacing.STEPS)
    if room.stand.told.others_count(now):
        step = (room.stand.told.at + DAY_MS - now) // pacing.STEP_MS
        frees[min(step, pacing.STEPS - 1)] += room.stand.told.others
    return pacing.rate(room.account.working_hours, now, day.calls - day.kept - room.windows[0].calls, frees)
