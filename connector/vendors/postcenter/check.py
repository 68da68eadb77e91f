"""The harmless call by which `connector check` tries a key: the account's channels, which a poll can name."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from connector.core.http import Answer, Deadline
from connector.core.outcomes import Outcome
from connector.core.states import AttemptState
from connector.vendors.answers import delivered, known
from connector.vendors.postcenter.api import PostCenter
from connector.vendors.postcenter.readers import channels_of, status_of


def ask(vendor: PostCenter, deadline: Deadline) -> Answer:
    """The one call of the documents that needs no ticket."""
    return vendor.accounts(deadline=deadline)


def means(answer: Answer, _zone: ZoneInfo) -> Outcome:
    """A missing operation is no fault of the key: tickets may work nevertheless."""
    if status_of(answer) in (404, 405):
        return delivered(answer, f"the key was not refused; /v2/accounts/all/ answers {status_of(answer)}")
    outcome = known(answer, PostCenter.fault_of(answer), PostCenter.words_of(answer))
    channels = channels_of(answer.json()) if outcome.attempt == AttemptState.ACCEPTED else []
    if channels:
        return delivered(answer, f"the token is known; its channels, for poll.channel: {', '.join(channels)}")
    return outcome
