"""wolkvox, as the rest of the connector knows it."""

from __future__ import annotations

from typing import Final

from connector.vendors.spec import Campaigns, Check, Simulator, Vendor
from connector.vendors.wolkvox import live_report, lookups
from connector.vendors.wolkvox.api import BASE_URL, Wolkvox
from connector.vendors.wolkvox.block_list import AddDnc
from connector.vendors.wolkvox.destinations import AddRecord
from connector.vendors.wolkvox.limits import limits
from connector.vendors.wolkvox.options import WolkvoxAccount

SPEC: Final = Vendor(
    name="wolkvox",
    client=Wolkvox.of,
    base_url=BASE_URL,
    account_options=WolkvoxAccount,
    limits=limits,
    check=Check(ask=lookups.ask_token_info, means=lookups.checked),
    destinations={"add_record": AddRecord, "add_dnc": AddDnc},
    block="add_dnc",
    lookups={"report": lookups.REPORT},
    counter=lookups.COUNTER,
    campaigns=Campaigns(stored=live_report.stored_report, read=live_report.new_report),
    simulator=Simulator(build="connector.vendors.wolkvox.sandbox:Wolkvox", prefixes=("/api/",)),
)
