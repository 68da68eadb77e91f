"""The harmless call by which `connector check` tries a token."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from connector.core.http import Answer, Deadline
from connector.core.outcomes import Outcome
from connector.vendors.answers import delivered, unrecognised
from connector.vendors.tracksale.answers import meaning
from connector.vendors.tracksale.api import Tracksale
from connector.vendors.tracksale.readers import campaigns_of
from connector.vendors.tracksale.values import TracksaleError


def ask(vendor: Tracksale, deadline: Deadline) -> Answer:
    """All campaigns."""
    return vendor.campaigns(deadline=deadline)


def means(answer: Answer, _zone: ZoneInfo) -> Outcome:
    """A refusal may come under 200, as ``{"error": …}``."""
    if (unwell := meaning(answer)) is not None:
        return unwell
    try:
        found = campaigns_of(answer.json())
    except TracksaleError:
        return unrecognised(answer, "a list of campaigns was expected")
    return delivered(answer, f"the token is known; {len(found)} campaign{'s' * (len(found) != 1)}")
