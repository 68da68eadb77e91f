"""One class per vendor, one method per operation: what goes over the wire, and nothing of what it means for us."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from connector.settings import Account
from connector.vendors.postcenter import PostCenter
from connector.vendors.tracksale import Tracksale
from connector.vendors.wolkvox import Wolkvox

Vendor = Wolkvox | Tracksale | PostCenter

VENDORS: Final[dict[str, Callable[[Account], Vendor]]] = {
    "wolkvox": Wolkvox.of,
    "tracksale": Tracksale.of,
    "postcenter": PostCenter.of,
}

__all__ = ["VENDORS", "PostCenter", "Tracksale", "Vendor", "Wolkvox"]
