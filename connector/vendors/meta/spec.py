"""Meta, as the rest of the connector knows it."""

from __future__ import annotations

from typing import Final
from zoneinfo import ZoneInfo

from connector.core.http import Answer, Deadline
from connector.core.outcomes import Outcome
from connector.core.quota import Limits, a_window
from connector.core.settings import Account
from connector.vendors.answers import known
from connector.vendors.meta.api import BASE_URL, Meta
from connector.vendors.meta.options import MetaAccount
from connector.vendors.spec import Check, Vendor


def limits(account: Account) -> Limits:
    """A short window; four calls at once stay far below it."""
    return Limits(in_flight=4, windows=(a_window(account.requests_per_window, account.window_seconds),))


def _ask(vendor: Meta, deadline: Deadline) -> Answer:
    return vendor.me(deadline=deadline)


def _means(answer: Answer, _zone: ZoneInfo) -> Outcome:
    return known(answer, Meta.fault_of(answer), Meta.words_of(answer))


SPEC: Final = Vendor(
    name="meta",
    client=Meta.of,
    base_url=BASE_URL,
    account_options=MetaAccount,
    limits=limits,
    check=Check(ask=_ask, means=_means),
)
