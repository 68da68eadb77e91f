"""The limits of wolkvox: two concurrent calls of a token, each of 60 s at most, and licences × 1,000 a day."""

from __future__ import annotations

from typing import Final

from connector.core.quota import Limits, a_day
from connector.core.settings import Account

LONGEST_CALL_MS: Final = 60_000  #: documented; a call without a caller may last as long


def limits(account: Account) -> Limits:
    """Under the account's licences."""
    return Limits(in_flight=2, windows=(a_day(account.licences * 1000),), holds_ms=LONGEST_CALL_MS, paced=True)
