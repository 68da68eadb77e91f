"""The effect of an unknown call, by the vendor's answer: decided without a database, see `settlement`. Never a guess.

Presence is believed at once, absence only if it was asked for after the attempt's deadline: before that the vendor may
still be inserting. When the answer came, or was written down, does not count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from connector.core.outcomes import Outcome
from connector.core.reasons import Code, Reason
from connector.core.retry import LOOKS_AFTER_S, PROBE_GRACE_MS, WaitS, wait_s
from connector.core.states import AttemptState, DeliveryState
from connector.outbound import provoked
from connector.outbound.settle import decide_account
from connector.outbound.settlement import (
    Ask,
    DestinationChange,
    End,
    Group,
    HelpNote,
    Members,
    One,
    Settlement,
    Well,
)
from connector.store.attempts import Attempt
from connector.store.helps import HelpState
from connector.vendors.base import Destination, ProbeResult, Record

SAMPLE: Final = 3  #: records that are probed if a batch is all or nothing
NOTHING_TO_ASK: Final = "nothing to ask"
LANDED: Final = Reason(Code.PROBE_LANDED)
ABSENT: Final = Reason(Code.PROBE_ABSENT)
BLIND: Final = "it does not find a record that is there"


@dataclass(frozen=True, slots=True)
class Question:
    """An unknown call, its members, and what asking has brought so far ({"delivery id": present})."""

    place: Destination
    about: Attempt
    members: Sequence[Record]
    answers: Mapping[str, Any]

    @property
    def is_control(self) -> bool:
        """Whether this probe is for a record that is known to be there, so that absence can be believed."""
        return bool(self.answers.get("control"))

    @property
    def known(self) -> dict[str, bool]:
        """Delivery id -> whether it is there, of those that were asked about."""
        return dict(self.answers.get("present", {}))

    @property
    def ids(self) -> list[int]:
        """The members' ids."""
        return [number for number, _ in self.members]


@dataclass(frozen=True, slots=True)
class Grounds:
    """The stored facts about an absence."""

    believed: bool  #: whether the vendor's "not there" can be believed
    known: provoked.Known  #: what the members brought before


def decide_unasked(question: Question, asking: Attempt, grounds: Grounds, now: int) -> Settlement:
    """Nothing is left to probe: no call is made, and the results so far decide."""
    decided = _of_sample(question, question.known, now, nobody_left=True, grounds=grounds)
    return replace(decided, end=unmade(asking))


def unmade(asking: Attempt) -> End:
    """The end of a probe in the log that was not made."""
    return End(asking.id, AttemptState.NOT_SENT, words=NOTHING_TO_ASK)


def decide_fault(
    question: Question, asking: Attempt, seen: ProbeResult, fault: Outcome, faults: int, now: int
) -> Settlement:
    """The question got no answer: it is asked again. ``faults``: those of the account before, in a row."""
    return Settlement(
        of=question.about,
        once=False,
        end=End(asking.id, fault.attempt, fault.status, fault.words),
        help=_help(question, seen),
        account=decide_account(fault, faults, now),
        ask=_after_fault(question, fault, now),
    )


def decide_seen(question: Question, asking: Attempt, seen: ProbeResult, grounds: Grounds, now: int) -> Settlement:
    """The vendor answered."""
    help = _help(question, seen)
    if help is not None:  # what this very answer shows of the help counts already
        grounds = replace(grounds, believed=grounds.believed or help.state is HelpState.WORKS)
    if question.is_control:
        decided = _learn_control(question, seen, grounds, now)
    else:
        decided = _learn(question, asking, seen, grounds, now)
    end = End(asking.id, AttemptState.ACCEPTED, words=seen.unclear or None)
    return replace(decided, end=end, help=help, account=Well())


def _help(question: Question, seen: ProbeResult) -> HelpNote | None:
    """The state of the help that a probe uses, if that help may fail by itself."""
    name, found = question.place.control, any(seen.present.values())
    state = HelpState.WORKS if found else seen.help
    if question.is_control and seen.fault is None and not found:
        state = seen.help or HelpState.UNKNOWN
    if not name or state is None:
        return None
    words = seen.fault.words if seen.fault else seen.unclear or ("" if state is HelpState.WORKS else BLIND)
    return HelpNote(name, state, words)


def _after_fault(question: Question, fault: Outcome, now: int, wait: WaitS = wait_s) -> Ask:
    """When to probe again, and what is kept: soon after a hold, otherwise later each time."""
    if fault.hold or fault.block:
        return Ask(now + int(wait(2) * 1000), dict(question.answers))
    faults = int(question.answers.get("faults", 0))
    delay_s = LOOKS_AFTER_S[min(faults, len(LOOKS_AFTER_S)) - 1] if faults else wait(2)
    return Ask(now + int(delay_s * 1000), {**question.answers, "faults": faults + 1})


def _learn_control(question: Question, seen: ProbeResult, grounds: Grounds, now: int) -> Settlement:
    """The control record was probed: if it was found, the absence of the others is believed."""
    if any(seen.present.values()):
        return _of_sample(question, question.known, now, nobody_left=True, grounds=grounds)
    return _seek_control(question, question.known, now)


def _seek_control(question: Question, known: Mapping[str, bool], now: int) -> Settlement:
    """Schedules the search for a control record, now and a few times later: one may appear meanwhile."""
    tries = int(question.answers.get("controls", 0))
    if tries > len(LOOKS_AFTER_S):
        return _given_up(question, Reason(Code.PROBE_NO_CONTROL))
    when = now + (LOOKS_AFTER_S[tries - 1] * 1000 if tries else 0)
    return _probed(question, when, {"present": dict(known), "control": True, "controls": tries + 1})


def _learn(question: Question, asking: Attempt, seen: ProbeResult, grounds: Grounds, now: int) -> Settlement:
    if seen.unclear:
        return _given_up(question, Reason(Code.PROBE_UNCLEAR, {"words": seen.unclear}))
    if not question.place.all_or_nothing:
        return _of_each(question, seen, now)
    sure_at = question.about.deadline + PROBE_GRACE_MS
    if asking.started_at < sure_at and not all(seen.present.values()):
        return _probed(question, max(now, sure_at), {"present": {}})
    known = question.known | {str(number): is_there for number, is_there in seen.present.items()}
    return _of_sample(question, known, now, nobody_left=False, grounds=grounds)


def _of_sample(
    question: Question, known: Mapping[str, bool], now: int, *, nobody_left: bool, grounds: Grounds
) -> Settlement:
    """Infers the fate of all records from a few: the batch was all or nothing."""
    if not question.place.all_or_nothing:
        return _given_up(question, Reason(Code.PROBE_NOBODY_NEW))
    enough = 1 if question.place.exact else min(SAMPLE, len(question.members))
    if not nobody_left and len(known) < enough and len(set(known.values())) == 1:
        return _probed(question, now, {"present": dict(known)})
    if not known or len(set(known.values())) > 1:
        return _given_up(question, Reason(Code.PROBE_DISAGREES if known else Code.PROBE_NOBODY_NEW))
    if all(known.values()):
        return _landed(question)
    return _absent(question, grounds.known, now) if grounds.believed else _seek_control(question, known, now)


def _landed(question: Question) -> Settlement:
    return Settlement(
        of=question.about,
        once=False,
        also_ends=[End(question.about.id, AttemptState.ACCEPTED, words=str(LANDED))],
        destination=DestinationChange(accepted=True),
        members=Members(groups=[Group(state=DeliveryState.DELIVERED, reason=LANDED)]),
        wakes=question.ids,
    )


def _absent(question: Question, known: provoked.Known, now: int) -> Settlement:
    members, destination = provoked.decide_absent(question.about, ABSENT, known, now)
    return Settlement(
        of=question.about,
        once=False,
        also_ends=[End(question.about.id, AttemptState.REJECTED, words=str(ABSENT))],
        destination=destination,
        members=members,
        unsent=question.ids,
    )


def _of_each(question: Question, seen: ProbeResult, now: int) -> Settlement:
    """Presence settles a record; absence from a report that may lag settles nothing."""
    present = [One(number, DeliveryState.DELIVERED, LANDED, now) for number, found in seen.present.items() if found]
    looks = int(question.answers.get("looks", 0))
    found = Settlement(
        of=question.about,
        once=False,
        members=Members(ones=present),
        drafts=[(draft, [number]) for number, draft in seen.drafts.items()],
        results=seen.results,
        wakes=question.ids,
    )
    if len(present) == len(question.members):
        end = End(question.about.id, AttemptState.ACCEPTED, words=str(LANDED))
        return replace(found, also_ends=[end], ask=Ask(None))
    if looks < len(LOOKS_AFTER_S):
        return replace(found, ask=Ask(now + LOOKS_AFTER_S[looks] * 1000, {"looks": looks + 1}))
    left = Group(state=DeliveryState.UNCERTAIN, reason=Reason(Code.PROBE_NOT_SEEN))
    return replace(found, ask=Ask(None), members=Members(ones=present, groups=[left]))


def _probed(question: Question, when: int, answers: Mapping[str, Any]) -> Settlement:
    return Settlement(of=question.about, once=False, ask=Ask(when, answers))


def _given_up(question: Question, reason: Reason) -> Settlement:
    """A person decides."""
    uncertain = Group(state=DeliveryState.UNCERTAIN, reason=reason)
    return Settlement(of=question.about, once=False, ask=Ask(None), members=Members(groups=[uncertain]))
