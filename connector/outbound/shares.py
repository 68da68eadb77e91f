"""A source's share of an account's day: the calls and records that it may use.

A call counts for a source with a share if each of its records is of such sources: without them it would not have been
made. Its records always count. A pre-check is a call for the source of the person. Counted are a day's, exactly, under
the account's lock.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from connector.core.quota import KEPT_OF_A_WINDOW, Limits
from connector.core.reasons import Code, Reason
from connector.core.settings import Source
from connector.core.times import DAY_MS
from connector.core.turns import turn_of
from connector.store import accounts, turns
from connector.vendors.base import Destination
from connector.vendors.limits import limits


@dataclass(frozen=True, slots=True)
class Share:
    """A source's share of an account's day, and the part that is used."""

    source: str
    calls: int
    records: int
    used: turns.Used
    checks: bool = False  #: the vendor is asked first about each person

    @property
    def checks_left(self) -> int:
        """Calls that may ask about a person: the last ones are kept for people that the vendor allowed."""
        return max(0, self.calls_left - max(1, self.calls // KEPT_OF_A_WINDOW))

    @property
    def calls_left(self) -> int:
        return max(0, self.calls - self.used.calls)

    @property
    def records_left(self) -> int:
        return max(0, self.records - self.used.records)

    @property
    def is_used(self) -> bool:
        """Whether no record may go in a call that is made for this source."""
        return not (self.records_left and (self.checks_left if self.checks else self.calls_left))

    @property
    def reason(self) -> Reason:
        """The reason why its deliveries wait."""
        return Reason(Code.SHARE_HELD, {"source": self.source, "calls": self.calls, "records": self.records})


def sharing(place: Destination) -> dict[int, Source]:
    """The sources of a destination that have a share of its account's day, by number."""
    return {turn_of(source.name): source for source in place.sources if source.share < 1}


def calls_a_day(allowed: Limits) -> int:
    """How many calls an account may make in a day, by the narrowest of its windows."""
    return min((window.calls * DAY_MS // window.length_ms for window in allowed.windows), default=0)


def share_of(conn: Connection, place: Destination, source: Source, now: int) -> Share:
    """A source's share of the day of the destination's account. An account that counts no calls shares nothing out."""
    account = place.account
    day = calls_a_day(limits(account, accounts.usage(conn, account.name).limit))
    least = 2 if place.checks else 1  # a question, and what it was for
    calls = max(least, int(day * source.share)) if day else turns.ANY_TIME
    used = turns.used(conn, account.name, source.name, now)
    return Share(source.name, calls, calls * place.largest_batch, used, place.checks)
