"""The vendors: a folder and a line each.

A folder holds everything that is true of its vendor only: the class of its operations (``api``), the meaning of its
answers (``answers``), its destinations, polls, lookups, limits, and a simulator (``sandbox``). Its ``spec`` combines
them in one value. The classes can be used without the rest of the connector, too::

    import contextlib
    from connector.core.settings import Secret
    from connector.vendors.tracksale import api, readers

    with contextlib.closing(api.Tracksale.at(api.BASE_URL, token=Secret("…"))) as surveys:
        for campaign in readers.campaigns_of(readers.body_of(surveys.campaigns())):
            print(campaign.code, campaign.name)
"""

from __future__ import annotations

from typing import Final

from connector.core import masking
from connector.vendors.hubspot.spec import SPEC as HUBSPOT
from connector.vendors.meta.spec import SPEC as META
from connector.vendors.postcenter.spec import SPEC as POSTCENTER
from connector.vendors.spec import Vendor
from connector.vendors.tracksale.spec import SPEC as TRACKSALE
from connector.vendors.wolkvox.spec import SPEC as WOLKVOX

VENDORS: Final[dict[str, Vendor]] = {
    "wolkvox": WOLKVOX,
    "tracksale": TRACKSALE,
    "postcenter": POSTCENTER,
    "hubspot": HUBSPOT,
    "meta": META,
}

masking.know(VENDORS)  # a vendor may name itself
