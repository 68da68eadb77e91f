"""The limits of an account: its vendor's, its options, and the vendor's own report."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from connector.core import quota
from connector.core.answer import Deadline
from connector.core.quota import Limits
from connector.core.settings import Account
from connector.vendors import VENDORS

#: A request is written within so many seconds of its claim, or not at all, where the vendor counts calls in flight: the
#: slot that it is given must last for as long as the vendor may count it.
WRITE_WITHIN_S: Final = 5.0


def limits(account: Account, reported: int | None = None) -> Limits:
    """``told``: the day's calls by the vendor's report; obeyed if they are fewer."""
    found = quota.lowered(VENDORS[account.vendor].limits(account), reported)
    if account.in_flight is None or account.in_flight >= found.in_flight:
        return found
    return replace(found, in_flight=account.in_flight)


def deadline(account: Account, timeout_s: float | None = None) -> Deadline:
    """The time limit of a call of this account; ``timeout_s`` may shorten the account's own."""
    seconds = min(account.timeout_s, timeout_s or account.timeout_s)
    if limits(account).holds_ms is None:
        return Deadline.after(seconds)
    return Deadline.after(seconds, write_within_s=WRITE_WITHIN_S)


def counted_ms(account: Account) -> int | None:
    """The time after its claim for which the vendor may count an abandoned call; None: not documented."""
    holds_ms = limits(account).holds_ms
    return None if holds_ms is None else holds_ms + int(WRITE_WITHIN_S * 1000)
