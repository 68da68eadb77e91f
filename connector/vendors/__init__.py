"""One class per vendor, one method per operation: what goes over the wire, and nothing of what it means for us."""

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
