"""What an answer means, in our words: for the attempt, for each of its records, for the account. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Fate(StrEnum):
    """What became of one record."""

    DELIVERED = "delivered"
    DUPLICATE = "duplicate"  #: the vendor has it: ours if an attempt before was unknown, else somebody else's
    REFUSED = "refused"  #: the vendor will never take it as it is
    AGAIN = "again"  #: surely not landed, and not its fault
    DOUBTFUL = "doubtful"  #: may have landed
    ALONE = "alone"  #: harmless to repeat, and cannot be told from others of its batch: sent again by itself


@dataclass(frozen=True, slots=True)
class Verdict:
    """The fate of a record, the vendor's words for it, and what of its answer routes after this one may use."""

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
    """What one call brought.

    ``attempt``: accepted | rejected | not_sent | unknown. ``verdict`` is every record's fate unless ``each`` (by
    position in the batch) says otherwise. ``hold``/``block`` are account faults: no record pays for them. ``hold_s``
    is how long at least, when the vendor said so or the kind of fault does; else an exponential wait.
    """

    attempt: str
    verdict: Verdict
    each: Mapping[int, Verdict] = field(default_factory=dict)
    status: int | None = None
    words: str = ""
    hold: str = ""
    hold_s: float | None = None
    block: str = ""
    ask: bool = True  #: unknown: whether asking the vendor could bring light
    draft: Draft | None = None  #: the lot in which what was delivered waits for a person
    over_budget: bool = False  #: the vendor counts more calls of the day than we do

    def of(self, position: int) -> Verdict:
        return self.each.get(position, self.verdict)
