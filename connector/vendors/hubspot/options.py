"""The options of an account of HubSpot."""

from __future__ import annotations

from connector.core.fields import (
    AccountOptions,
    Seconds,
    Whole,
    Words,
)


class HubSpotAccount(AccountOptions):
    """The options of an account: its window of requests, and additional properties."""

    # The limit of every app; private apps of larger plans may use 190.
    requests_per_window = Whole(least=1, load_default=100)
    window_seconds = Seconds(least=1, load_default=10.0)
    timeout_s = Seconds(least=1, load_default=30.0)
    properties = Words(load_default=())
