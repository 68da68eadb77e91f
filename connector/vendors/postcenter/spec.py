"""PostCenter, as the rest of the connector knows it."""

from __future__ import annotations

from typing import Final

from connector.core.quota import Limits
from connector.core.settings import Account
from connector.vendors.postcenter import check
from connector.vendors.postcenter.api import BASE_URL, PostCenter
from connector.vendors.postcenter.destinations import Close, Reassign
from connector.vendors.postcenter.options import TicketsPoll
from connector.vendors.postcenter.polls import tickets
from connector.vendors.spec import Check, PollCall, Simulator, Vendor


def limits(_account: Account) -> Limits:
    """None is documented; two concurrent calls do no harm."""
    return Limits(in_flight=2)


SPEC: Final = Vendor(
    name="postcenter",
    client=PostCenter.of,
    base_url=BASE_URL,
    limits=limits,
    check=Check(ask=check.ask, means=check.means),
    destinations={"close": Close, "reassign": Reassign},
    polls={"tickets": PollCall(options=TicketsPoll, begin=tickets)},
    simulator=Simulator(
        build="connector.vendors.postcenter.sandbox:PostCenter",
        prefixes=("/v2/ticket", "/v2/ping", "/v2/accounts"),
    ),
)
