"""Answers that no table knows: the record that provokes one is found and set apart, and the account goes on.

Records hold text from people, and a filter before the vendor may refuse it: one record must not stop the account. So
the records are sent again in parts, once it is certain that none of them landed. A single one that provokes the answer,
while others are accepted, is set apart. The account is blocked only if the answer comes for any record.

The same is done, with more patience, if the vendor fails, or does not answer, again and again for the same records.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from connector.core.outcomes import Outcome
from connector.core.reasons import Code, Reason, answer_facts
from connector.core.retry import PROVOKER_WAIT_MS, SAMPLE_WAIT_MS, WaitS, wait_s
from connector.core.states import AttemptState, DeliveryState
from connector.outbound import groups
from connector.outbound.groups import SAMPLES
from connector.outbound.settlement import (
    AccountChange,
    Ask,
    Blamed,
    Blocked,
    DestinationChange,
    End,
    Group,
    Held,
    Members,
    Settlement,
)
from connector.store.attempts import Attempt
from connector.vendors.base import Destination

Facts = Mapping[str, Any]

FAILURES: Final = 5  #: failures of a single record, while others are accepted, after which the record is at fault
ENOUGH: Final = 10  #: answers to suspicious records, from several sources, after which the account is at fault

KEPT: Final = 50  #: words of refusals, the latest

SEEN: Final = (Code.PROVOKED_ASKED, Code.PROVOKED_KEPT, Code.PROVOKED_ALONE)

#: Signs of markup, programs and queries, which hardly occur in people's data.
_LOADED: Final = re.compile(r"[<>{}()\[\];`|$\\*'\"]|\.\./|--|%[0-9a-f]{2}", re.IGNORECASE)
_JSON_ITSELF: Final = re.compile(r'[{}\[\]"]')


class Step(StrEnum):
    """The next step for members that certainly did not land."""

    HALVE = "halve"
    SAMPLE = "sample"  #: nothing was accepted since: a few single ones, then the rest
    KEEP = "keep"  #: a single one; tried again later
    WHOLE = "whole"  #: again unchanged
    SET_APART = "set apart"


@dataclass(frozen=True, slots=True)
class Past:
    """The earlier unknown answers of the same members."""

    first: int  #: the first attempt with such an answer
    since: int  #: unix ms, its time
    times: int

    @property
    def facts(self) -> dict[str, int]:
        return {"first": self.first, "times": self.times}


@dataclass(frozen=True, slots=True)
class Answered:
    """One call with an unknown answer."""

    source: str  #: of its records; "" if there are several
    is_plain: bool  #: whether its records have no sign that a filter may refuse


@dataclass(frozen=True, slots=True)
class Provoker:
    """A record of a call with an unknown answer."""

    id: int  #: of its delivery
    attempt: int
    source: str
    record: str  #: JSON
    waits: bool  #: it is pending by itself; otherwise uncertain


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The facts about the members of a call, and about its destination, before it is settled."""

    members: Sequence[tuple[int, str, str]] = ()  #: (delivery id, source, record) of those in hand, by their ids
    past: Past = field(default_factory=lambda: Past(0, 0, 0))
    reason: Reason | None = None  #: of the first member that brought an unknown answer or a failure before
    accepted_at: int = 0  #: when the destination took something (unix ms); 0: never
    refusals: Sequence[str] = ()  #: the words of lone records refused since
    faults: int = 0  #: of the account, in a row
    earlier: Sequence[Provoker] = ()  #: of the calls with unknown answers since something was accepted

    @property
    def records(self) -> list[tuple[int, str]]:
        """(delivery id, record) of the members."""
        return [(number, record) for number, _, record in self.members]


Next = tuple[Members, DestinationChange | None]


# --- the parts ------------------------------------------------------------------------------------------------------


def next_step(size: int, past: Past, accepted_at: int, *, failed: bool, has_status: bool) -> Step:
    """The next step for ``size`` members.

    ``failed``: the vendor failed, or did not answer, which is seldom their fault.
    """
    others_pass = accepted_at > past.since
    if failed and not others_pass:  # once only: a vendor that is down must not cost more and more calls
        return Step.SAMPLE if size > 1 and has_status and past.times == FAILURES else Step.WHOLE
    if failed and size == 1 and not (has_status and past.times >= FAILURES):
        return Step.WHOLE
    if size > 1:
        return Step.HALVE if others_pass else Step.SAMPLE
    return Step.SET_APART if others_pass else Step.KEEP


def speaks_for_the_account(answered: Sequence[Answered]) -> bool:
    """Whether the answer comes for any record. ``answered``: the calls since the last accepted one."""
    plain = sum(one.is_plain for one in answered)
    several = len({one.source for one in answered if one.source}) > 1
    return plain >= SAMPLES or (several and len(answered) >= ENOUGH)


def is_plain(record: str) -> bool:
    """Whether a record (JSON) has no sign of markup, programs or queries."""
    text = _JSON_ITSELF.sub("", record.replace('\\"', "'"))
    return not _LOADED.search(text)


def samples(records: Sequence[tuple[int, str]]) -> list[int]:
    """Ids of the members to try alone first: plain ones if there are any; the first, the middle, the last."""
    fit = [number for number, text in records if is_plain(text)]
    fit += [number for number, _ in records if number not in set(fit)][: max(0, SAMPLES - len(fit))]
    return sorted({fit[0], fit[len(fit) // 2], fit[-1]})


# --- the result of a call -------------------------------------------------------------------------------------------


def softened(outcome: Outcome) -> Outcome:
    """The first effect on the account: a short hold instead of a block."""
    if not outcome.suspect or outcome.block is None:
        return outcome
    return replace(
        outcome, block=None, hold=Reason(Code.HELD_UNKNOWN_ANSWER, answer_facts(outcome.words, outcome.status))
    )


def decide(
    attempt: Attempt,
    place: Destination,
    outcome: Outcome,
    ids: Sequence[int],
    known: Known,
    now: int,
    *,
    landed_nothing: bool = False,
    wait: WaitS = wait_s,
) -> Settlement:
    """The changes by a call with a suspect answer. ``landed_nothing``: it was only a question."""
    assert outcome.block is not None, "an answer that no table knows says so"
    is_unknown = outcome.attempt == AttemptState.UNKNOWN and not landed_nothing
    facts = {**answer_facts(outcome.words, outcome.status), **known.past.facts}
    ask: Ask | None = None
    if not is_unknown or place.resend:
        members, destination = _again(attempt, known, facts, now)
    else:  # they are probed first: any of them may have landed
        askable = outcome.ask and place.can_ask
        reason = Reason(Code.PROVOKED_ASKED if askable else Code.PROVOKED_KEPT, facts)
        members, destination = Members(groups=[Group(state=DeliveryState.UNCERTAIN, reason=reason)]), None
        ask = Ask(now) if askable else None
    account, blamed = _weighed(attempt, outcome.block, members, known, now, wait)
    return Settlement(
        of=attempt,
        end=End(attempt.id, outcome.attempt, outcome.status, outcome.words or None),
        account=account,
        destination=destination,
        members=members,
        blamed=blamed,
        ask=ask,
        unsent=ids if place.plan is not None and not is_unknown else (),
        wakes=ids,
    )


def decide_absent(about: Attempt, otherwise: Reason, known: Known, now: int) -> Next:
    """The new states of the members of an unknown call that certainly did not land.

    They go again, in parts if they may have provoked what happened. ``otherwise``: why, if nothing hints at that.
    """
    if known.reason is None:
        return Members(groups=[Group(state=DeliveryState.PENDING, reason=otherwise, due_at=now)]), None
    if known.reason.code is Code.PROVOKED_BLOCK:
        return _after_block(about, known, known.reason, now)
    failed = None if known.reason.code in SEEN else otherwise
    return _again(about, known, known.reason.facts, now, otherwise=failed)


def _after_block(about: Attempt, known: Known, reason: Reason, now: int) -> Next:
    """Members of a call that blocked the account: a single one is not sent again automatically; several go in parts."""
    if len(known.members) == 1:
        return Members(groups=[Group(state=DeliveryState.DEAD, reason=reason)], died=[known.members[0][0]]), None
    return _sampled(about, known, reason.facts, now) if known.members else (Members(), None)


def _again(attempt: Attempt, known: Known, facts: Facts, now: int, *, otherwise: Reason | None = None) -> Next:
    """``otherwise``: why they go again unchanged; None: the answer was unknown, and no failure."""
    ids = [number for number, _ in known.records]
    if not ids:
        return Members(), None
    has_status = "status" in facts or "status" in facts.get("because", {}).get("facts", {})
    failed = otherwise is not None
    step = next_step(len(ids), known.past, known.accepted_at, failed=failed, has_status=has_status)
    if step is Step.HALVE:
        reason = Reason(Code.PROVOKED_HALVED, {"size": len(ids), **facts})
        return Members(groups=groups.halved(attempt.id, ids, reason, now)), None
    if step is Step.SAMPLE:
        return _sampled(attempt, known, facts, now)
    if step is Step.SET_APART:
        end = Group(state=DeliveryState.DEAD, reason=Reason(Code.PROVOKED_END, facts))
        return Members(groups=[end], died=ids), None
    if otherwise is not None:
        return Members(groups=[_whole(attempt, known, Reason(otherwise.code, {**otherwise.facts, **facts}), now)]), None
    wait_ms = min(PROVOKER_WAIT_MS, SAMPLE_WAIT_MS * 4 ** min(known.past.times - 1, 8))
    alone = groups.whole(attempt.id, Reason(Code.PROVOKED_ALONE, facts), now + wait_ms)
    return Members(groups=[alone]), _noted(known, facts)


def _whole(attempt: Attempt, known: Known, reason: Reason, now: int) -> Group:
    """Again as they were; after the second time apart from the others, so that their answers can be distinguished."""
    if known.past.times > 1:
        return groups.whole(attempt.id, reason, now)
    return Group(state=DeliveryState.PENDING, reason=reason, due_at=now)


def _sampled(attempt: Attempt, known: Known, facts: Facts, now: int) -> Next:
    reason = Reason(Code.PROVOKED_SAMPLED, {"size": len(known.members), **facts})
    return Members(groups=groups.sampled(attempt.id, samples(known.records), reason, now)), _noted(known, facts)


def _noted(known: Known, facts: Facts) -> DestinationChange:
    """Notes it, so that the next acceptance releases waiting deliveries: see `settle`."""
    return DestinationChange(refusals=[*known.refusals, str(facts.get("words", ""))][-KEPT:])


# --- the account ----------------------------------------------------------------------------------------------------


def _weighed(
    attempt: Attempt, block: Reason, members: Members, known: Known, now: int, wait: WaitS
) -> tuple[AccountChange, Blamed | None]:
    """Blocks the account once the answer comes for any record: then single records with such answers end."""
    provokers = [*known.earlier, *_provokers(attempt, members, known)]
    if not speaks_for_the_account(_answered(provokers)):
        held = Reason(Code.HELD_UNKNOWN_ANSWER, block.facts)
        return Held(held, now + int(wait(known.faults + 1) * 1000), asks_budget=False), None
    return Blocked(block), Blamed([one.id for one in provokers], [one.id for one in provokers if one.waits])


def _provokers(attempt: Attempt, members: Members, known: Known) -> list[Provoker]:
    """The members that this answer speaks of: no part of them is tried first."""
    [group] = members.groups if len(members.groups) == 1 else [None]
    if group is None or group.reason is None or group.reason.code not in SEEN:
        return []
    waits = group.state == DeliveryState.PENDING
    return [Provoker(number, attempt.id, source, record, waits) for number, source, record in known.members]


def _answered(provokers: Iterable[Provoker]) -> list[Answered]:
    calls: dict[int, list[Provoker]] = {}
    for one in provokers:
        calls.setdefault(one.attempt, []).append(one)
    return [_one(call) for call in calls.values()]


def _one(call: Sequence[Provoker]) -> Answered:
    sources = {one.source for one in call}
    return Answered(sources.pop() if len(sources) == 1 else "", all(is_plain(one.record) for one in call))
