"""The meaning of a refusal: a bad record, or a bad destination. Decided without a database, see `settlement`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from connector.core.reasons import Code, Reason
from connector.core.retry import SAMPLE_WAIT_MS
from connector.core.states import DeliveryState
from connector.outbound import groups
from connector.outbound.groups import SAMPLES
from connector.outbound.settlement import DestinationChange, Members, One
from connector.store.attempts import Attempt

Facts = Mapping[str, Any]

ENOUGH: Final = 10  #: refused single records, in any words, after which it is believed to be misconfigured
KEPT: Final = 50  #: words of refusals, the latest


@dataclass(frozen=True, slots=True)
class Known:
    """The facts about a destination."""

    works: bool = False  #: it accepted something within the last day
    refusals: Sequence[str] = ()  #: the words of lone records refused since it accepted something


Refused = tuple[Members, DestinationChange | None]


def refused(attempt: Attempt, why: Facts, ids: Sequence[int], known: Known, now: int) -> Refused:
    """A refused batch is halved until the bad record stands alone; alone, it is judged."""
    if not ids:  # settled before, by an answer that stands
        return Members(), None
    if len(ids) == 1:
        return judged(attempt, {ids[0]: why}, known, now)
    return (_halved if known.works else _sampled)(attempt, why, ids, now), None


def _halved(attempt: Attempt, why: Facts, ids: Sequence[int], now: int) -> Members:
    reason = Reason(Code.HALVED, {"size": len(ids), **why})
    return Members(groups=groups.halved(attempt.id, ids, reason, now))


def _sampled(attempt: Attempt, why: Facts, ids: Sequence[int], now: int) -> Members:
    """The destination never accepted anything: a few single records go first, the rest waits for their fate."""
    reason = Reason(Code.SAMPLED, {"size": len(ids), **why})
    chosen = {ids[0], ids[len(ids) // 2], ids[-1]}
    return Members(groups=groups.sampled(attempt.id, chosen, reason, now))


def judged(attempt: Attempt, refusals: Mapping[int, Facts], known: Known, now: int) -> Refused:
    """Single records were refused: they die if the destination is known to work; otherwise it stops if all agree."""
    if known.works:
        dead = [One(one, DeliveryState.DEAD, Reason(Code.REFUSED, why), now) for one, why in refusals.items()]
        return Members(ones=dead, died=tuple(refusals)), None
    words = [*known.refusals, *(str(why.get("words", "")) for why in refusals.values())][-KEPT:]
    later = now + SAMPLE_WAIT_MS
    members = [One(one, DeliveryState.PENDING, Reason(Code.REFUSAL_KEPT, why), later) for one, why in refusals.items()]
    return Members(ones=members), DestinationChange(refusals=words, stopped=_stopped(attempt, words))


def _stopped(attempt: Attempt, words: Sequence[str]) -> Reason | None:
    """Why nothing is sent there any more; None while that is not sure."""
    if len(words) < ENOUGH and (len(words) < SAMPLES or len(set(words)) > 1):
        return None
    facts = {"destination": attempt.destination, "account": attempt.account, "count": len(words), "words": words[-1]}
    return Reason(Code.STOPPED, facts)
