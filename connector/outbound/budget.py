"""Whether an account has room for a call: its vendor's limits, the usage that counts, and the pacing of a day's calls.

`look` enforces the limits, by counting; `Pace` decides how soon live and bulk calls may use the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from connector.core import pacing, quota
from connector.core.http import Answer
from connector.core.pacing import Credit
from connector.core.phrases import phrase
from connector.core.quota import Limits, Slot, Used, Wait
from connector.core.settings import Account
from connector.core.times import DAY_MS
from connector.store import accounts, attempts
from connector.store.accounts import AccountStanding, UsageReport
from connector.store.database import Database, lock, now_ms
from connector.vendors import VENDORS
from connector.vendors.limits import limits
from connector.vendors.lookup import Count

#: between two reads of the vendor's counter while another program uses the token
SHARED_ASK_MS: Final = 2 * 3600 * 1000
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
        """The same for a call that leaves the calls reserved for this many higher priorities."""
        return quota.decide(self.allowed, self.in_flight, self.windows, self.now, behind=kinds)

    @property
    def may_ask_budget(self) -> bool:
        """Whether the vendor's counter may be read now. The reported usage of other programs does not prevent it."""
        due = self.allowed.paced and 0 < self.stand.usage.ask_at <= self.now
        return due and isinstance(quota.decide(self.allowed, self.in_flight, self.own, self.now), Slot)

    @property
    def budget(self) -> int:
        """A day's calls, where they are paced."""
        return self.allowed.windows[0].calls

    @property
    def left(self) -> int:
        """The number of the day's calls that are left."""
        return max(0, self.budget - self.windows[0].calls)


def read_room(conn: Connection, account: Account, stand: AccountStanding, now: int) -> Room:
    """The usage that counts now. Under the account's lock an allowed call stays allowed."""
    allowed = limits(account, stand.usage.limit)
    if account.shares_window:
        # Each account decides under its own lock; what several count together needs one more.
        lock(conn, f"window {account.window_shared_with or account.name}")
    in_flight, own = attempts.usage(conn, account.name, allowed, now, account.shares_window)
    windows = own
    if allowed.paced and stand.usage.others_count(now):
        windows = [_with_others(own[0], stand.usage), *own[1:]]
    return Room(account, stand, allowed, now, in_flight, own, windows)


def _with_others(day: Used, report: UsageReport) -> Used:
    """Adds calls of other programs.

    They count for a day after they were reported: by then the vendor's day has ended.
    """
    first = report.at + DAY_MS if day.next_free_at is None else min(day.next_free_at, report.at + DAY_MS)
    return Used(day.calls + report.others, first)


def usage_report(conn: Connection, account: Account, used: int | None, limit: int | None, now: int) -> UsageReport:
    """Interprets the vendor's numbers (None: unreadable), and says when to read them again; a ``limit`` of 0 is
    ignored.

    The hour at which its day begins is not published; local midnight is likely. So everything that it counts beyond our
    calls since midnight belongs to other programs: exact at midnight, at other hours too much rather than too little.
    """
    today = datetime.fromtimestamp(now / 1000, account.working_hours.zone).replace(hour=0, minute=0, second=0)
    midnight = int(today.timestamp() * 1000)
    others = max(0, (used or 0) - attempts.settled_since(conn, account.name, midnight, now))
    next_midnight = int((today + timedelta(days=1)).timestamp() * 1000)
    ask_at = now + DAY_MS
    if others:
        ask_at = next_midnight + AFTER_MIDNIGHT_MS
        used_up = (used or 0) >= limits(account, limit).windows[0].calls
        ask_at = ask_at if used_up else min(ask_at, now + SHARED_ASK_MS)
    return UsageReport(others, limit or None, now, ask_at)


def keep(conn: Connection, account: Account, count: Count, now: int) -> None:
    """Stores the vendor's count, from any answer that has it. Under the account's lock."""
    accounts.set_usage(conn, account.name, usage_report(conn, account, count.used, count.limit, now))


def keep_answer(database: Database, account: Account, answer: Answer) -> None:
    """The same for an answer of the vendor's counter; an answer without a count changes nothing."""
    counter = VENDORS[account.vendor].counter
    result = counter.means(answer, account) if counter is not None else None
    if result is not None and isinstance(result.value, Count):
        with database.write(serialise=account.name) as conn:
            accounts.ensure(conn, [account.name], [], now_ms(conn))
            keep(conn, account, result.value, now_ms(conn))


# --- pacing ---------------------------------------------------------------------------------------------------------


class Pace:
    """How soon a call may leave within the limits. Reads no more than the decision needs."""

    def __init__(self, room: Room, renew: Callable[[], float] | None = None) -> None:
        """With ``renew`` a stale rate is computed again; without it the stored rate is used."""
        self._room = room
        self._renew = renew
        self._credit: Credit | None = None
        if room.allowed.paced:
            credit = room.stand.credit or pacing.first(room.budget, room.now)
            self._credit = pacing.capped(credit, room.budget, room.left)
        self._is_grown = False
        self.renewed: Credit | None = None  #: the credit to store if no call is made

    def wait(self, *, bulk: bool, asks: bool = False) -> Wait | None:
        """Why, and how long, such a call waits although the limits allow it; None: it may leave.

        ``asks``: the call is a pre-check, and sends go before it.
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
        """Time between two calls without credit; None: until calls become free again."""
        if self._credit is None:
            return 0.0
        self._credit = self._grown(self._credit)
        counts = 1.0 if pacing.is_working(self._room.account.working_hours, self._room.now) else pacing.NIGHT
        return 1 / (self._credit.rate * counts) / 1000 if self._credit.rate > 0 else None

    def spent(self, *, bulk: bool) -> Credit | None:
        """The credit after one more call; None if calls are not paced."""
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
        facts = {"used": self._room.windows[0].calls, "calls": self._room.budget, "seconds": self.spacing_s}
        spread = "the rest is spread over the day, one call each {seconds:.0f} s"
        return phrase(
            "{used} of the day's {calls} calls are used, {pace}{order}",
            used=facts["used"],
            calls=facts["calls"],
            pace=phrase(spread, seconds=facts["seconds"]) if facts["seconds"] else phrase("more are free later"),
            order=phrase("; live leads go first") if bulk else phrase(", each with all that waits"),
        )


def rate(conn: Connection, room: Room) -> float:
    """Calls for each ms of working time, computed again."""
    now, day = room.now, room.allowed.windows[0]
    frees = attempts.frees(conn, room.account.name, now, step_ms=pacing.STEP_MS, steps=pacing.STEPS)
    if room.stand.usage.others_count(now):
        step = (room.stand.usage.at + DAY_MS - now) // pacing.STEP_MS
        frees[min(step, pacing.STEPS - 1)] += room.stand.usage.others
    return pacing.rate(room.account.working_hours, now, day.calls - day.reserved - room.windows[0].calls, frees)
