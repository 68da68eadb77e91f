"""The limits of Tracksale: 1,000 requests in five minutes."""

from __future__ import annotations

from connector.core.quota import Limits, a_window
from connector.core.settings import Account

IN_FLIGHT = 4  #: no limit on simultaneous requests is documented; four keep an account busy enough


def limits(account: Account) -> Limits:
    """Under the account's options."""
    return Limits(in_flight=IN_FLIGHT, windows=(a_window(account.requests_per_window, account.window_seconds),))
