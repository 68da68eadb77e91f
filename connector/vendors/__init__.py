"""One class per vendor, one method per operation: what goes over the wire, and nothing of what it means for us.

Of use without the rest of the connector too::

    import contextlib
    from connector.settings import Secret
    from connector.vendors import Tracksale, tracksale

    with contextlib.closing(Tracksale.at(tracksale.BASE_URL, token=Secret("…"))) as surveys:
        for campaign in tracksale.campaigns_of(tracksale.body_of(surveys.campaigns())):
            print(campaign.code, campaign.name)

Each vendor's module holds its class, its error, ``body_of`` for an answer that must be a success, and readers for what
the answers hold.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from connector.settings import Account
from connector.vendors.hubspot import HubSpot
from connector.vendors.meta import Meta
from connector.vendors.postcenter import PostCenter
from connector.vendors.tracksale import Tracksale
from connector.vendors.wolkvox import Wolkvox

Vendor = Wolkvox | Tracksale | PostCenter | HubSpot | Meta

VENDORS: Final[dict[str, Callable[[Account], Vendor]]] = {
    "wolkvox": Wolkvox.of,
    "tracksale": Tracksale.of,
    "postcenter": PostCenter.of,
    "hubspot": HubSpot.of,
    "meta": Meta.of,
}

__all__ = ["VENDORS", "HubSpot", "Meta", "PostCenter", "Tracksale", "Vendor", "Wolkvox"]
