"""What every destination is, and what every vendor's answers have in common.

A destination is an operation of an account with the options that its calls share. It says what is peculiar to it: how
large a batch may be, how it is sent, what the answers mean, how the vendor is asked what became of an unknown attempt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from marshmallow import Schema

from connector import guards
from connector.client import Answer, Deadline, retry_after_s
from connector.errors import ConnectorError
from connector.outcomes import Draft, Fate, Outcome, Verdict
from connector.settings import Account, ContactHours
from mappings.base import Locale

Record = tuple[int, str]  #: delivery id, record as JSON

WORDS_KEPT = 300  #: characters of what a vendor said
HOLD_LEAST_S = 1.0


@dataclass(frozen=True, slots=True)
class Sending:
    """One call about to be made."""

    records: Sequence[Record]
    deadline: Deadline
    campaign_status: str = ""
    install: str = ""  #: tells this database's delivery ids from another's


class CannotTell(ConnectorError):  # noqa: N818
    """The vendor answered, but not in a way that says whether the record landed."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What asking brought: for each delivery asked about, whether the vendor has it; or the fault instead."""

    present: Mapping[int, bool] = field(default_factory=dict)
    fault: Outcome | None = None
    unclear: str = ""  #: the answer was well-formed, but cannot tell
    results: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)  #: as a `Verdict` has them
    drafts: Mapping[int, Draft] = field(default_factory=dict)  #: the lot in which those present wait for a person


@dataclass(frozen=True, kw_only=True)
class Destination:
    """The defaults: one record a call, nothing known about unknown outcomes but to wait for a person."""

    account: Account
    name: str  #: unique, kept with every delivery: "dialler/wolkvox.add_record/1042"
    options: Mapping[str, Any]  #: of the (first) route, checked by `options_schema`
    locale: Locale = field(default_factory=Locale)
    on_unknown_says: str = "ask"
    once_within_ms: Mapping[str, int] = field(default_factory=dict)
    hours: Mapping[str, ContactHours] = field(default_factory=dict)  #: of routes that have any
    followers: frozenset[str] = frozenset()  #: routes that come after one of its own

    vendor: ClassVar[str]
    options_schema: ClassVar[type[Schema]]
    on_unknown: ClassVar[str] = "ask"  #: the default of the route's option
    repeatable: ClassVar[bool] = False  #: safe to send again whatever happened
    can_ask: ClassVar[bool] = False
    all_or_nothing: ClassVar[bool] = False  #: a few records tell the fate of a batch
    absence_settles: ClassVar[bool] = False  #: not seen after the deadline means not landed
    results: ClassVar[tuple[str, ...]] = ()  #: what of the vendor's answer is kept for the routes after this one
    contacts_people: ClassVar[bool] = False  #: a person hears of what is sent here
    campaign: str = ""  #: whose status must be known before sending

    @property
    def batch_size(self) -> int:
        return 1

    @property
    def exact(self) -> bool:
        """Whether the vendor is asked about a record itself, and not about a person who may have been there before."""
        return False

    @property
    def resend(self) -> bool:
        return self.repeatable or self.on_unknown_says == "resend"

    @property
    def checks(self) -> bool:
        """Whether the vendor is asked first who may be contacted: `ask_first` and `agreed`."""
        return bool(self.options.get("ninety_day_rule"))

    @property
    def later_ms(self) -> int:
        """How long after the call the vendor contacts a person."""
        return 0

    def closed(self, now: int) -> Mapping[str, tuple[int, str]]:
        """Routes that may send nothing now: until when (unix ms), and why in words.

        What counts is when people are contacted: a survey that leaves two hours after the call may be sent before the
        hours begin, and not in the last two of them.
        """
        zone, later = self.locale.timezone, self.later_ms
        opens = {route: guards.opening(hours, zone, now + later) for route, hours in self.hours.items()}
        return {
            route: (moment - later, guards.held(self.hours[route], zone, moment - later))
            for route, moment in opens.items()
            if moment is not None
        }

    def ask_first(self, vendor: Any, record: Record, deadline: Deadline) -> Answer:
        """Asks the vendor whether this person may be contacted. Raises `NotSent` or `NoAnswer`."""
        raise NotImplementedError

    def agreed(self, answer: Answer) -> tuple[bool | None, Outcome]:
        """What that was answered (None: it does not say), and what it means for the account. Never raises."""
        raise NotImplementedError

    @staticmethod
    def place(options: Mapping[str, Any]) -> str:
        """What of the options tells one destination of this operation from another: "1042"."""
        raise NotImplementedError

    def send(self, vendor: Any, sending: Sending) -> Answer:
        """Makes the call. Raises `NotSent` or `NoAnswer`."""
        raise NotImplementedError

    def classify(self, answer: Answer, records: Sequence[Record]) -> Outcome:
        """What the answer means. Never raises: what no table knows fails closed."""
        raise NotImplementedError

    def ask(self, vendor: Any, records: Sequence[Record], started_at: int, install: str, deadline: Deadline) -> Seen:
        """Asks the vendor about records of an unknown attempt. Raises `NotSent` or `NoAnswer`."""
        raise NotImplementedError


# --- answers --------------------------------------------------------------------------------------------------------


def delivered(answer: Answer, words: str = "", **result: Any) -> Outcome:
    verdict = Verdict(Fate.DELIVERED, result=result)
    return Outcome(attempt="accepted", verdict=verdict, status=answer.status, words=words)


def refused(answer: Answer, words: str) -> Outcome:
    """The batch is wrong; nothing of it landed."""
    return Outcome(attempt="rejected", verdict=Verdict(Fate.REFUSED, words), status=answer.status, words=words)


def held(answer: Answer, words: str, *, hold_s: float | None = None) -> Outcome:
    """The account must slow down; nothing landed and no record pays for it."""
    seconds = _asked_s(answer) if hold_s is None else hold_s
    verdict = Verdict(Fate.AGAIN, words)
    return Outcome(attempt="rejected", verdict=verdict, status=answer.status, words=words, hold=words, hold_s=seconds)


def blocked(answer: Answer, words: str, todo: str) -> Outcome:
    """The account stops until a person acts; nothing landed and no record pays for it."""
    return Outcome(
        attempt="rejected",
        verdict=Verdict(Fate.AGAIN, words),
        status=answer.status,
        words=words,
        block=f"{words}: {todo}",
    )


def failed(answer: Answer, words: str) -> Outcome:
    """The vendor failed after it had the request: it may have landed, and the account is held."""
    return Outcome(
        attempt="unknown",
        verdict=Verdict(Fate.DOUBTFUL, words),
        status=answer.status,
        words=words,
        hold=words,
        hold_s=_asked_s(answer),
    )


def _asked_s(answer: Answer) -> float | None:
    """As long as the vendor asks for; "0", or a date that is past, must not become a loop."""
    seconds = retry_after_s(answer)
    return None if seconds is None else max(HOLD_LEAST_S, seconds)


def unrecognised(answer: Answer, words: str = "") -> Outcome:
    """No table knows this answer: the account stops, and what was sent is unknown."""
    said = f"HTTP {answer.status}" + (f" {words}" if words else "")
    return Outcome(
        attempt="unknown",
        verdict=Verdict(Fate.DOUBTFUL, said),
        status=answer.status,
        words=said,
        block=f"an answer that is not known ({said}): look at what the vendor changed, then resume",
    )


def not_sent(words: str) -> Outcome:
    """The request provably never left."""
    return Outcome(attempt="not_sent", verdict=Verdict(Fate.AGAIN, words), words=words, hold=words)


def no_answer(words: str) -> Outcome:
    """The request was written and no usable answer came."""
    return Outcome(attempt="unknown", verdict=Verdict(Fate.DOUBTFUL, words), words=words, hold=words)


def cut(words: object) -> str:
    """A vendor's words on one line, short enough to keep."""
    return " ".join(str(words).split())[:WORDS_KEPT]


def asked(outcome: Outcome) -> Seen:
    """An answer to a question that brought no light: a fault; or, where the question itself was refused, unclear."""
    if outcome.verdict.fate is Fate.REFUSED:  # put again, it would be refused again, and each costs a call
        return Seen(unclear=f"the vendor refused the question ({outcome.words})")
    return Seen(fault=outcome)
