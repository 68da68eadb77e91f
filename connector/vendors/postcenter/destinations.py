"""PostCenter: a ticket is closed, or given to another agent; one a call. Its refusals may come under 200."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import orjson

from connector.core.http import Answer, Deadline
from connector.core.outcomes import Outcome
from connector.core.reasons import Code
from connector.vendors.answers import blocked, cut, delivered, failed, held, inconclusive, refused, unrecognised
from connector.vendors.base import NEVER_S, Destination, ProbeResult, Record, Sending
from connector.vendors.numbers import count_of
from connector.vendors.postcenter.api import PostCenter
from connector.vendors.postcenter.options import TicketOptions

#: The request is wrong, and nothing of it was done (404: no such ticket). Only in PostCenter's own words: a web server
#: in front of it may say the same of an address.
REFUSING: Final = frozenset({400, 404, 409, 410, 422})


def status_of(answer: Answer) -> int | None:
    """The status that counts: the body's own if HTTP reports success; None if the body then has none."""
    if not 200 <= answer.status < 300:
        return answer.status
    body = answer.json()
    return count_of(body.get("status")) if isinstance(body, dict) else None


def meaning(answer: Answer) -> Outcome | None:
    """The meaning of an unsuccessful answer, for any operation; None if no table knows it."""
    status, words = status_of(answer), _words(answer)
    if answer.status == 403 and answer.is_html:  # of something in front of it
        return None
    if status in (401, 403):
        return blocked(answer, words, Code.BLOCKED_CREDENTIALS)
    if status == 429:
        return held(answer, words)
    if status in REFUSING and _is_own(answer):
        return refused(answer, words)
    if status is not None and 500 <= status < 600:
        return failed(answer, f"PostCenter failed ({words})")
    if 200 <= answer.status < 300 and not isinstance(answer.json(), dict | list):
        return failed(answer, f"an answer that cannot be read ({answer.status})")
    return None


def _is_own(answer: Answer) -> bool:
    body = answer.json()
    return isinstance(body, dict) and isinstance(body.get("message"), str) and "status" in body


def _words(answer: Answer) -> str:
    body = answer.json()
    message = body.get("message") if isinstance(body, dict) else ""
    return cut(f"{status_of(answer) or answer.status} {message if isinstance(message, str) else ''}")


@dataclass(frozen=True, kw_only=True)
class _OneTicket(Destination):
    options_schema: ClassVar = TicketOptions
    #: an action on a ticket does not expire with the age of its last message
    expires_after_s: ClassVar[float] = NEVER_S

    @staticmethod
    def place(options: Mapping[str, Any]) -> str:
        return "any"

    def classify(self, answer: Answer, records: Sequence[Record]) -> Outcome:
        """Only an answer with success in its own status counts as done."""
        status = status_of(answer)
        if 200 <= answer.status < 300 and status is not None and 200 <= status < 300:
            return delivered(answer, _words(answer))
        return meaning(answer) or unrecognised(answer, _words(answer))


def _ticket_id(record: Record) -> str:
    return str(orjson.loads(record[1])["ticket_id"])


@dataclass(frozen=True, kw_only=True)
class Close(_OneTicket):
    """Closes a ticket. Whether it is closed can be read exactly, so it is never blindly closed a second time.

    The customer may have written in between, and opened it again.
    """

    can_ask: ClassVar[bool] = True
    all_or_nothing: ClassVar[bool] = True

    @property
    def exact(self) -> bool:
        return True

    def send(self, vendor: PostCenter, sending: Sending) -> Answer:
        return vendor.close_ticket(_ticket_id(sending.records[0]), deadline=sending.deadline)

    def probe(
        self, vendor: PostCenter, records: Sequence[Record], started_at: int, install: str, deadline: Deadline
    ) -> ProbeResult:
        """Reads the ticket; one call."""
        answer = vendor.ticket(_ticket_id(records[0]), deadline=deadline)
        body = answer.json()
        closed = body.get("is_closed") if 200 <= answer.status < 300 and isinstance(body, dict) else None
        if isinstance(closed, bool):
            return ProbeResult({records[0][0]: closed})
        return inconclusive(meaning(answer) or unrecognised(answer, _words(answer)))


@dataclass(frozen=True, kw_only=True)
class Reassign(_OneTicket):
    """Lets PostCenter choose another agent. Whether it did cannot be read: the same agent may be chosen again.

    By default sent again if unknown: an unnecessary reassignment does less harm than a ticket without an agent.
    """

    on_unknown: ClassVar[str] = "resend"

    def send(self, vendor: PostCenter, sending: Sending) -> Answer:
        return vendor.reassign(_ticket_id(sending.records[0]), deadline=sending.deadline)
