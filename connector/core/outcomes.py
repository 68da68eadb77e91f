"""The meaning of an answer in our terms: for the attempt, for each of its records, for the account. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from connector.core.reasons import Reason
from connector.core.states import AttemptState


class Fate(StrEnum):
    """The fate of one record."""

    DELIVERED = "delivered"
    #: the vendor has it: from us if an earlier attempt is unknown, otherwise from another source
    DUPLICATE = "duplicate"
    REFUSED = "refused"  #: the vendor will never accept it as it is
    AGAIN = "again"  #: surely not landed, and not its fault
    DOUBTFUL = "doubtful"  #: may have landed
    ALONE = "alone"  #: safe to repeat, but not distinguishable within its batch: sent again alone


@dataclass(frozen=True, slots=True)
class Verdict:
    """The fate of a record, the vendor's words for it, and the part of the answer that later routes may use."""

    fate: Fate
    reason: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Draft:
    """A campaign's draft lot, by the vendor's codes."""

    campaign: str
    lot: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of one call.

    ``attempt``: accepted | rejected | not_sent | unknown. ``verdict`` is the fate of every record unless ``each`` (by
    position in the batch) has another. ``hold``/``block`` are account faults: they never condemn a record. ``hold_s``
    is the minimum duration of a hold, if the vendor or the kind of fault gives one; otherwise the wait is exponential.
    """

    attempt: AttemptState
    verdict: Verdict
    each: Mapping[int, Verdict] = field(default_factory=dict)
    status: int | None = None
    words: str = ""
    hold: Reason | None = None
    hold_s: float | None = None
    block: Reason | None = None
    ask: bool = True  #: unknown: whether asking the vendor could bring light
    draft: Draft | None = None  #: the draft lot that holds the delivered customers until an operator fires it
    absent: bool = False  #: the requested object does not exist or is not visible; it may be later
    over_budget: bool = False  #: the vendor counts more calls of the day than we do
    suspect: bool = False  #: ``block`` may be due to the record, not to the account: no table knows the answer

    def of(self, position: int) -> Verdict:
        return self.each.get(position, self.verdict)
