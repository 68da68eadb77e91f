"""HubSpot, as the rest of the connector knows it."""

from __future__ import annotations

from typing import Final
from zoneinfo import ZoneInfo

from connector.core.http import Answer, Deadline
from connector.core.outcomes import Outcome
from connector.core.quota import Limits, a_window
from connector.core.settings import Account
from connector.vendors.answers import known
from connector.vendors.hubspot.api import BASE_URL, HubSpot
from connector.vendors.hubspot.options import HubSpotAccount
from connector.vendors.spec import Check, Vendor


def limits(account: Account) -> Limits:
    """A short window; four calls at once stay far below it."""
    return Limits(in_flight=4, windows=(a_window(account.requests_per_window, account.window_seconds),))


def _ask(vendor: HubSpot, deadline: Deadline) -> Answer:
    return vendor.contacts(deadline=deadline)


def _means(answer: Answer, _zone: ZoneInfo) -> Outcome:
    return known(answer, HubSpot.fault_of(answer), HubSpot.words_of(answer))


SPEC: Final = Vendor(
    name="hubspot",
    client=HubSpot.of,
    base_url=BASE_URL,
    account_options=HubSpotAccount,
    limits=limits,
    check=Check(ask=_ask, means=_means),
)
