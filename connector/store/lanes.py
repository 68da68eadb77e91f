"""The lanes of the outbox: how urgent a delivery is and what it waits for, packed into one number.

The claim looks for the oldest delivery of a destination, a priority and a stage, by one index. Two columns would be two
more bytes of each index entry and one more comparison at each step of a search: see docs/adr/0008.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto
from typing import Final


class Priority(Enum):
    """The urgency of a delivery."""

    LIVE = auto()  #: of an event that has just happened
    BULK = auto()  #: of a file, a backfill, or the past of a polled source


class Stage(Enum):
    """The next step of a pending delivery."""

    WHOLE = auto()  #: its turn, in a batch of any others
    SPLIT = auto()  #: its turn, among members of a refused batch, on the way to its bad record
    CHECK = auto()  #: the vendor's permission to contact this person
    PARKED = auto()  #: another delivery of its event, or its record is made again; no claim looks there: see `chains`
    ASIDE = auto()  #: room in its source's share of the account's day; no claim looks there: see `aside`
    LIMITED = auto()  #: room in its source's limit; the same
    CEILING = auto()  #: room in a ceiling of calls a day; the same


#: The values of the column `deliveries.lane`. A number that was given to one is never given to another.
_NUMBERS: Final = {
    (Priority.LIVE, Stage.WHOLE): 0,
    (Priority.BULK, Stage.WHOLE): 1,
    (Priority.LIVE, Stage.SPLIT): 2,
    (Priority.BULK, Stage.SPLIT): 3,
    (Priority.LIVE, Stage.PARKED): 4,
    (Priority.LIVE, Stage.CHECK): 5,
    (Priority.BULK, Stage.CHECK): 6,
    (Priority.BULK, Stage.PARKED): 7,
    (Priority.LIVE, Stage.ASIDE): 8,
    (Priority.BULK, Stage.ASIDE): 9,
    (Priority.LIVE, Stage.LIMITED): 10,
    (Priority.BULK, Stage.LIMITED): 11,
    (Priority.LIVE, Stage.CEILING): 12,
    (Priority.BULK, Stage.CEILING): 13,
}
_MEANINGS: Final = {number: meaning for meaning, number in _NUMBERS.items()}


def packed(priority: Priority, stage: Stage) -> int:
    """The lane."""
    return _NUMBERS[priority, stage]


def unpacked(lane: int) -> tuple[Priority, Stage]:
    """The meaning of a lane."""
    return _MEANINGS[lane]


def moved(stages: Iterable[Stage], to: Stage) -> dict[int, int]:
    """Lane of one of these stages -> that of another stage, with the same priority."""
    return {packed(priority, stage): packed(priority, to) for stage in stages for priority in Priority}


def of_stages(*stages: Stage) -> tuple[int, ...]:
    """The lanes of these stages, what is live first."""
    return tuple(packed(priority, stage) for priority in Priority for stage in stages)


LIVE: Final = packed(Priority.LIVE, Stage.WHOLE)
BULK: Final = packed(Priority.BULK, Stage.WHOLE)
LIVE_SPLIT: Final = packed(Priority.LIVE, Stage.SPLIT)
BULK_SPLIT: Final = packed(Priority.BULK, Stage.SPLIT)
LIVE_CHECK: Final = packed(Priority.LIVE, Stage.CHECK)
BULK_CHECK: Final = packed(Priority.BULK, Stage.CHECK)
PARKED_LIVE: Final = packed(Priority.LIVE, Stage.PARKED)
PARKED_BULK: Final = packed(Priority.BULK, Stage.PARKED)

LIVE_LANES: Final = (LIVE, LIVE_SPLIT)
BULK_LANES: Final = (BULK, BULK_SPLIT)
LANES: Final = of_stages(Stage.WHOLE, Stage.SPLIT)
PARKED_LANES: Final = of_stages(Stage.PARKED)
EVERY_LANE: Final = of_stages(*Stage)
ASIDE_LANES: Final = of_stages(Stage.ASIDE)
LIMITED_LANES: Final = of_stages(Stage.LIMITED)
CEILING_LANES: Final = of_stages(Stage.CEILING)
#: Lanes that no claim reads: what lies there is due when it expires, so its moment tells a person nothing.
UNREAD_LANES: Final = (*PARKED_LANES, *ASIDE_LANES, *LIMITED_LANES, *CEILING_LANES)

SPLIT_OF: Final = moved([Stage.WHOLE, Stage.SPLIT], Stage.SPLIT) | moved([Stage.CHECK], Stage.CHECK)
CHECK_OF: Final = moved([Stage.WHOLE, Stage.SPLIT], Stage.CHECK)
CHECKED: Final = moved([Stage.CHECK], Stage.WHOLE)  #: where a delivery goes once the vendor agreed
PARKED_OF: Final = moved([Stage.WHOLE], Stage.PARKED)
RELEASED: Final = moved([Stage.PARKED], Stage.WHOLE)  #: where a delivery goes once the one before it is delivered
JUDGED_AGAIN: Final = moved([Stage.WHOLE, Stage.SPLIT], Stage.PARKED)  #: where a record is made again
ASIDE_OF: Final = moved([Stage.WHOLE, Stage.SPLIT, Stage.CHECK], Stage.ASIDE)
CEILING_OF: Final = moved([Stage.WHOLE, Stage.SPLIT], Stage.CEILING)
LIMITED_OF: Final = moved([Stage.WHOLE, Stage.CHECK], Stage.LIMITED)
#: where it goes once there is room
LET_IN: Final = moved([Stage.ASIDE, Stage.LIMITED, Stage.CEILING], Stage.WHOLE)
LET_IN_TO_CHECK: Final = moved([Stage.ASIDE, Stage.LIMITED], Stage.CHECK)  #: the same if the vendor is asked first
LET_IN_AS_GROUP: Final = moved([Stage.ASIDE, Stage.CEILING], Stage.SPLIT)  #: the same for members of a refused batch
#: The same, behind what is live.
BULK_OF: Final = {
    packed(Priority.LIVE, stage): packed(Priority.BULK, stage) for stage in (Stage.WHOLE, Stage.CHECK, Stage.PARKED)
}

# Where a delivery starts that is sent again: the pre-check is made again, and the delivery before it is read again.
WHOLE_OF: Final = moved([stage for stage in Stage if stage is not Stage.WHOLE], Stage.WHOLE)
CHECK_AGAIN: Final = moved(Stage, Stage.CHECK)
PARK_AGAIN: Final = moved(Stage, Stage.PARKED)
