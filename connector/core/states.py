"""The states and kinds that columns may hold, as enums, defined here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from connector.core.phrases import Phrase, phrase


class DeliveryState(StrEnum):
    """State of a delivery: one event on one route."""

    PENDING = "pending"  #: waits for its turn, for a time, or for another delivery
    SENDING = "sending"  #: member of an attempt that has started
    DELIVERED = "delivered"
    UNCERTAIN = "uncertain"  #: it may have landed
    SUPPRESSED = "suppressed"  #: ended unsent, by a guard or with the delivery before it
    DEAD = "dead"  #: refused, or no record can be made of it


class EventState(StrEnum):
    """State of a received event."""

    ACCEPTED = "accepted"
    WAITING = "waiting"  #: thin: the rest is fetched first
    IGNORED = "ignored"  #: kept, and no route wants it
    INVALID = "invalid"  #: kept, and no event can be read from it


class AttemptState(StrEnum):
    """The states of one call."""

    STARTED = "started"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    NOT_SENT = "not_sent"  #: provably never left: it counts against no limit
    UNKNOWN = "unknown"  #: it may have landed


class AccountState(StrEnum):
    """State of an account."""

    OPEN = "open"
    PAUSED = "paused"  #: by a person
    BLOCKED = "blocked"  #: by the vendor's answer, until a person acts


class DestinationState(StrEnum):
    """State of a destination."""

    OPEN = "open"
    STOPPED = "stopped"  #: it refuses everything


class LotState(StrEnum):
    """The states of a draft lot."""

    DRAFT = "draft"
    FIRED = "fired"
    DISCARDED = "discarded"
    GONE = "gone"  #: no draft any more, and not by us


class PlanState(StrEnum):
    """State of a plan: many deliveries to be sent again together."""

    PLANNED = "planned"  #: shown, and not begun
    RUNNING = "running"
    STOPPED = "stopped"  #: by a person; finished deliveries stay
    DONE = "done"


class AlarmState(StrEnum):
    """State of an alarm."""

    WATCHED = "watched"  #: seen, and not for long enough: nobody is told
    BEGUN = "begun"
    ENDED = "ended"


class NoticeState(StrEnum):
    """State of what is to be told to an addressee of an alarm."""

    WAITING = "waiting"  #: for its first try, or the next one
    SENDING = "sending"  #: a process tries, or died doing so
    SENT = "sent"
    REPLACED = "replaced"  #: something newer is told instead
    FAILED = "failed"  #: tried for two days


class Kind(StrEnum):
    """The purpose of a call."""

    SEND = "send"  #: delivers a batch
    PRECHECK = "precheck"  #: asks the vendor first whether a person may be contacted (the ninety_day_rule)
    PROBE = "probe"  #: asks whether an unknown attempt landed
    REPORT = "report"  #: reads the campaigns' states
    BUDGET = "budget"  #: reads the vendor's own count of the day's calls
    FETCH = "fetch"  #: reads the rest of a thin event
    POLL = "poll"  #: reads a page that a vendor does not push
    CREDENTIALS = "credentials"  #: the harmless call of `connector check`
    LOTS = "lots"  #: lists, fires or discards draft lots
    NPS = "nps"  #: reads figures of a campaign


#: How a process of release 0002 names a pre-check; it may still run, or have died in one.
FORMER_PRECHECK = "check"

#: Each state as a word of a sentence.
WORDS: Final[Mapping[str, Phrase]] = {
    one: one
    for one in (
        *(phrase("pending"), phrase("sending"), phrase("delivered"), phrase("uncertain"), phrase("suppressed")),
        *(phrase("dead"), phrase("accepted"), phrase("waiting"), phrase("ignored"), phrase("invalid")),
        *(phrase("started"), phrase("rejected"), phrase("not_sent"), phrase("unknown")),
        *(phrase("open"), phrase("paused"), phrase("blocked"), phrase("stopped")),
        *(phrase("planned"), phrase("running"), phrase("done")),
        *(phrase("watched"), phrase("begun"), phrase("ended"), phrase("sent"), phrase("replaced"), phrase("failed")),
        phrase("reminder"),
        *(phrase("draft"), phrase("fired"), phrase("discarded"), phrase("gone")),
    )
}


def state_word(state: str) -> str:
    """The state as a word that another language can say; a state that a later release wrote, as it is."""
    return WORDS.get(state, state)


def words(*states: StrEnum) -> tuple[str, ...]:
    """The states as plain texts: for the keys of JSON objects, which may be of no other type."""
    return tuple(state.value for state in states)
