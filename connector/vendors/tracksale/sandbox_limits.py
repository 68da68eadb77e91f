"""The limits that the simulated Tracksale enforces, and its answers beyond them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from connector.vendors.sandbox.limits import Limits
from connector.vendors.sandbox.messages import Reply, html_reply


@dataclass(slots=True, kw_only=True)
class TracksaleLimits(Limits):
    """One value per rule."""

    window_calls: int = 1000
    window_s: float = 300.0
    customers_per_call: int = 500
    tags_per_call: int = 50  #: fill-empty-tags
    recent_s: float = 90 * 86400.0  #: how long a dispatched customer counts as a duplicate
    report_lag_s: float = 0.0  #: customers appear in the dispatch reports this much later
    names_in_links: bool = True  #: links come with names and tags; False: only with addresses
    auto_answers: bool = True  #: notes and tags for an answer that is not there make one; False: 404
    single_campaign_as_list: bool = False  #: GET one campaign answers a list


#: The page for a caller past its window; a person must solve it.
CAPTCHA = html_reply(
    "<!DOCTYPE html><html><head><title>Human Verification</title></head>"
    '<body><div id="captcha-container"></div></body></html>',
    405,
)

#: Kinds of faults that are this vendor's own answers.
FAULTS: Mapping[str, Reply] = {"captcha_405": CAPTCHA}
