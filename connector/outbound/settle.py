"""Settling: what a call brought, decided by pure functions and written at once (`apply`).

``decide…`` read nothing and write nothing: each makes a `Settlement` of the outcome and of what is `Known`. The others
read that, under the account's lock, and write the settlement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sqlalchemy import Connection

from connector.core.outcomes import Fate, Outcome, Verdict
from connector.core.reasons import Code, Reason, answer_facts, because
from connector.core.retry import WAIT_MAX_S, WaitS, wait_s
from connector.core.states import AttemptState, DeliveryState, Kind
from connector.outbound import history, provoked, refusals
from connector.outbound.apply import apply, change_account
from connector.outbound.refusals import Facts
from connector.outbound.settlement import (
    AccountChange,
    Ask,
    Blocked,
    DestinationChange,
    End,
    Group,
    Held,
    HelpNote,
    Members,
    One,
    Settlement,
    Well,
)
from connector.store import accounts, helps, lanes, outbox
from connector.store.attempts import Attempt
from connector.store.database import now_ms
from connector.store.helps import PRECHECK, Help, HelpState
from connector.vendors.base import Destination
from connector.vendors.lookup import LookupResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The stored facts that a decision depends on."""

    destination: refusals.Known = field(default_factory=refusals.Known)
    faults: int = 0  #: of the account, in a row
    sent_before: frozenset[int] = frozenset()  #: members that an earlier call of unknown outcome may have landed
    precheck: Help | None = None  #: how the vendor's pre-check stood
    past: Facts = field(
        default_factory=dict
    )  #: the unknown answers of the same members until now: `provoked.Past.facts`


# --- settled, under the account's lock ------------------------------------------------------------------------------


def lapse(conn: Connection, attempt: Attempt, place: Destination | None, now: int, code: Code = Code.LAPSED) -> None:
    """A started attempt becomes unknown: its deadline has passed, or its worker is gone, as the ``code`` says."""
    apply(conn, decide_lapsed(attempt, place, now, code=code), place, now)


def settle(conn: Connection, attempt: Attempt, place: Destination, outcome: Outcome, ids: Sequence[int]) -> None:
    """Settles a ``send``. ``ids``: the members in the order in which the outcome's positions count them."""
    now = now_ms(conn)
    if outcome.suspect:
        _settle_suspect(conn, attempt, place, outcome, ids, now)
        return
    known = _known(conn, attempt, outcome, now)
    apply(conn, decide(attempt, place, outcome, ids, known, now), place, now)


def _settle_suspect(
    conn: Connection, attempt: Attempt, place: Destination, outcome: Outcome, ids: Sequence[int], now: int
) -> None:
    """An answer that no table knows: see `provoked`."""
    known, is_question = history.of_answer(conn, attempt), attempt.kind == Kind.PRECHECK
    decided = provoked.decide(attempt, place, outcome, ids, known, now, landed_nothing=is_question)
    apply(conn, decided, place, now)


def settle_check(
    conn: Connection, attempt: Attempt, place: Destination, outcome: Outcome, ids: Sequence[int], agreed: bool | None
) -> None:
    """Settles a pre-check: whether the vendor ``agreed`` to contact the member; None: it did not say."""
    now = now_ms(conn)
    if outcome.suspect:
        _settle_suspect(conn, attempt, place, outcome, ids, now)
        return
    known = replace(_known(conn, attempt, outcome, now), precheck=helps.get(conn, attempt.account, PRECHECK))
    apply(conn, decide_check(attempt, outcome, ids, agreed, known, now), place, now)


def account_fault(conn: Connection, account: str, outcome: Outcome, now: int) -> None:
    """Blocks, holds or clears the account, as the outcome says."""
    change = decide_account(outcome, faults_of(conn, account, outcome), now)
    if change is not None:
        change_account(conn, account, change, now)


def _known(conn: Connection, attempt: Attempt, outcome: Outcome, now: int) -> Known:
    """Only what this outcome's decision depends on is read."""
    faults = faults_of(conn, attempt.account, outcome)
    fates = {verdict.fate for verdict in (outcome.verdict, *outcome.each.values())}
    if outcome.attempt == AttemptState.UNKNOWN:
        return Known(faults=faults, past=history.past_of(conn, attempt).facts)
    if not fates & _TELLING:
        return Known(faults=faults)
    stand = accounts.destination(conn, attempt.destination)
    before = outbox.tried_before(conn, attempt.id) if Fate.DUPLICATE in fates else frozenset()
    known = refusals.Known(works=accounts.works(stand, now), refusals=accounts.refusals(stand))
    return Known(destination=known, faults=faults, sent_before=frozenset(before))


#: Fates by which a destination is known to work, or not to.
_TELLING: Final = {Fate.DELIVERED, Fate.DUPLICATE, Fate.REFUSED}


def faults_of(conn: Connection, account: str, outcome: Outcome) -> int:
    """The account's faults in a row, where the wait after this outcome depends on them; else 0."""
    waits = outcome.hold and not outcome.block and outcome.hold_s is None
    return accounts.account(conn, account).faults if waits else 0


# --- decided, without a database ------------------------------------------------------------------------------------


def decide_lapsed(
    attempt: Attempt, place: Destination | None, now: int, wait: WaitS = wait_s, code: Code = Code.LAPSED
) -> Settlement:
    """No answer was recorded in time: what a sending call did is unknown; any other did nothing."""
    lapsed = Reason(code)
    members, ask = Members(), None
    if attempt.kind == Kind.SEND:
        members, ask = _unknown(place, because(lapsed), True, now, wait)
    elif attempt.kind == Kind.PRECHECK:  # only a question
        members = Members(groups=[Group(state=DeliveryState.PENDING, reason=lapsed, due_at=now)])
    end = End(attempt.id, AttemptState.UNKNOWN, words=str(lapsed))
    return Settlement(of=attempt, end=end, once=False, members=members, ask=ask)


def decide(
    attempt: Attempt,
    place: Destination,
    outcome: Outcome,
    ids: Sequence[int],
    known: Known,
    now: int,
    wait: WaitS = wait_s,
) -> Settlement:
    """The changes by a ``send``. ``ids``: as `settle` has them."""
    is_unknown = outcome.attempt == AttemptState.UNKNOWN
    destination: DestinationChange | None = None
    if is_unknown:
        why = {**answer_facts(outcome.words, outcome.status), **known.past}
        members, ask = _unknown(place, why, outcome.ask, now, wait)
    else:
        members, destination = _fates(attempt, outcome, ids, known, now)
        doubts = outcome.each and any(outcome.of(at).fate is Fate.DOUBTFUL for at in range(len(ids)))
        ask = Ask(now) if doubts and outcome.ask else None
    delivered = [one for at, one in enumerate(ids) if outcome.of(at).fate is Fate.DELIVERED]
    return Settlement(
        of=attempt,
        end=ended(attempt, outcome),
        account=decide_account(outcome, known.faults, now, wait),
        destination=destination,
        members=members,
        ask=ask,
        drafts=[] if outcome.draft is None else [(outcome.draft, delivered)],
        unsent=ids if place.plan is not None and _leaves_some(outcome) else (),
        results=_results(outcome, ids),
        wakes=ids,
    )


def _leaves_some(outcome: Outcome) -> bool:
    """Whether an answer may say of somebody that nobody contacted them."""
    fates = {outcome.verdict.fate, *(verdict.fate for verdict in outcome.each.values())}
    return outcome.attempt != AttemptState.UNKNOWN and fates != {Fate.DELIVERED}


def decide_check(
    attempt: Attempt,
    outcome: Outcome,
    ids: Sequence[int],
    agreed: bool | None,
    known: Known,
    now: int,
    wait: WaitS = wait_s,
) -> Settlement:
    """The changes by a pre-check."""
    outcome = of_question(outcome)
    why, destination, checks_from = answer_facts(outcome.words, outcome.status), None, None
    if agreed:
        members = Members(groups=[Group(state=DeliveryState.PENDING, due_at=now, lanes=lanes.CHECKED)])
    elif agreed is not None:
        members = Members(groups=[Group(state=DeliveryState.SUPPRESSED, reason=Reason(Code.NINETY_DAYS))])
    elif outcome.verdict.fate is Fate.REFUSED:
        members, destination = refusals.refused(attempt, why, ids, known.destination, now)
    else:
        checks_from = _up_again(outcome, known.precheck, now, wait)
        again = Group(state=DeliveryState.PENDING, reason=Reason(Code.PRECHECK_FAILED, why), due_at=checks_from)
        members = Members(groups=[again])
    return Settlement(
        of=attempt,
        end=ended(attempt, outcome),
        account=decide_account(outcome, known.faults, now, wait),
        help=_precheck(outcome, known.precheck),
        destination=destination,
        members=members,
        checks_from=checks_from,
        wakes=ids if agreed is False else (),
    )


def _precheck(outcome: Outcome, known: Help | None) -> HelpNote | None:
    """Whether the vendor answers pre-checks, where that is news."""
    if outcome.attempt == AttemptState.UNKNOWN:
        return HelpNote(PRECHECK, HelpState.UNKNOWN, outcome.words)
    answered = outcome.attempt in (AttemptState.ACCEPTED, AttemptState.REJECTED)
    was_down = known is not None and known.state is not HelpState.WORKS
    return HelpNote(PRECHECK, HelpState.WORKS, "") if answered and was_down else None


def _up_again(outcome: Outcome, known: Help | None, now: int, wait: WaitS) -> int:
    """From when on the vendor is asked again (unix ms): later the longer it does not answer."""
    if outcome.attempt != AttemptState.UNKNOWN:
        return now
    since = known.since if known is not None and known.state is HelpState.UNKNOWN else now
    return now + min(max(now - since, int(wait(2) * 1000)), int(WAIT_MAX_S * 1000))


def of_question(outcome: Outcome) -> Outcome:
    """The outcome of a call that sends nothing: that the vendor failed to answer it holds no delivery up."""
    failed = outcome.attempt == AttemptState.UNKNOWN and outcome.block is None
    return replace(outcome, hold=None, hold_s=None) if failed else outcome


def decide_help(
    attempt: Attempt, name: str, result: LookupResult, faults: int, now: int, wait: WaitS = wait_s
) -> Settlement:
    """The changes by a call for a vendor's help. ``faults``: the account's earlier faults in a row."""
    outcome = result.outcome
    return Settlement(
        of=attempt,
        once=False,
        end=ended(attempt, outcome),
        help=HelpNote(name, result.state, outcome.words),
        account=decide_account(outcome, faults, now, wait),
    )


def ended(attempt: Attempt, outcome: Outcome) -> End:
    """The end of a call in the log."""
    return End(attempt.id, outcome.attempt, outcome.status, outcome.words or None)


def decide_account(outcome: Outcome, faults: int, now: int, wait: WaitS = wait_s) -> AccountChange | None:
    """The changes of the account by an outcome. ``faults``: the earlier faults in a row."""
    if outcome.block:
        return Blocked(outcome.block)
    if outcome.hold:
        seconds = outcome.hold_s if outcome.hold_s is not None else wait(faults + 1)
        return Held(outcome.hold, now + int(seconds * 1000), asks_budget=outcome.over_budget)
    return Well() if outcome.attempt in (AttemptState.ACCEPTED, AttemptState.REJECTED) else None


def _unknown(
    place: Destination | None, why: Facts, can_tell: bool, now: int, wait: WaitS
) -> tuple[Members, Ask | None]:
    """``can_tell``: whether asking the vendor could bring light."""
    if place is not None and place.resend:
        reason, due_at = Reason(Code.UNKNOWN_RESENT, why), now + int(wait(1) * 1000)
        return Members(groups=[Group(state=DeliveryState.PENDING, reason=reason, due_at=due_at)]), None
    askable = can_tell and place is not None and place.can_ask
    reason = Reason(Code.UNKNOWN_ASKED if askable else Code.UNKNOWN_KEPT, why)
    return Members(groups=[Group(state=DeliveryState.UNCERTAIN, reason=reason)]), Ask(now) if askable else None


def _results(outcome: Outcome, ids: Sequence[int]) -> dict[int, Mapping[str, Any]]:
    """The part of the answer that is kept for each delivery."""
    if not outcome.verdict.result and not any(verdict.result for verdict in outcome.each.values()):
        return {}
    return {one: outcome.of(at).result for at, one in enumerate(ids) if outcome.of(at).fate is Fate.DELIVERED}


# --- fates ----------------------------------------------------------------------------------------------------------

_CODE: Final = {
    Fate.DELIVERED: Code.SAID,
    Fate.DUPLICATE: Code.DUPLICATE,
    Fate.REFUSED: Code.REFUSED,
    Fate.AGAIN: Code.AGAIN,
    Fate.ALONE: Code.ALONE,
    Fate.DOUBTFUL: Code.DOUBTFUL,
}
_STATE: Final = {
    Fate.DELIVERED: DeliveryState.DELIVERED,
    Fate.AGAIN: DeliveryState.PENDING,
    Fate.ALONE: DeliveryState.PENDING,
    Fate.DOUBTFUL: DeliveryState.UNCERTAIN,
}


def _fates(attempt: Attempt, outcome: Outcome, ids: Sequence[int], known: Known, now: int) -> refusals.Refused:
    fate = outcome.verdict.fate
    if outcome.each or fate is Fate.DUPLICATE:
        return _each(attempt, outcome, ids, known, now)
    if fate is Fate.REFUSED:
        why = answer_facts(outcome.verdict.reason, outcome.status)
        return refusals.refused(attempt, why, ids, known.destination, now)
    due_at = now if fate is Fate.AGAIN else None
    group = Group(state=_STATE[fate], reason=_reason(outcome.verdict, outcome.status), due_at=due_at)
    return Members(groups=[group]), _accepted(known) if fate is Fate.DELIVERED else None


def _each(attempt: Attempt, outcome: Outcome, ids: Sequence[int], known: Known, now: int) -> refusals.Refused:
    """Each member's own fate."""
    verdicts = {one: outcome.of(position) for position, one in enumerate(ids)}
    works = any(verdict.fate in (Fate.DELIVERED, Fate.DUPLICATE) for verdict in verdicts.values())
    change = _accepted(known) if works else None
    refused = {i: answer_facts(v.reason, outcome.status) for i, v in verdicts.items() if v.fate is Fate.REFUSED}
    judged = Members()
    if refused:
        judged, stop = refusals.judged(
            attempt, refused, refusals.Known(works=True) if works else known.destination, now
        )
        change = change or stop
    ones = [_one(one, verdict, outcome, known, now) for one, verdict in verdicts.items() if one not in refused]
    apart = [one for one, verdict in verdicts.items() if verdict.fate is Fate.ALONE]
    return Members(ones=[*ones, *judged.ones], apart=apart, died=judged.died), change


def _one(number: int, verdict: Verdict, outcome: Outcome, known: Known, now: int) -> One:
    if verdict.fate is not Fate.DUPLICATE:
        return One(number, _STATE[verdict.fate], _reason(verdict, outcome.status), now)
    facts = answer_facts(verdict.reason, outcome.status)
    if number in known.sent_before:  # it was ours
        return One(number, DeliveryState.DELIVERED, Reason(Code.LANDED_BEFORE, facts), now)
    return One(number, DeliveryState.SUPPRESSED, Reason(Code.DUPLICATE, facts), now)


def _reason(verdict: Verdict, status: int | None) -> Reason | None:
    """Why a record is in the state that its fate leads to; None if the vendor gave no reason."""
    return Reason(_CODE[verdict.fate], answer_facts(verdict.reason, status)) if verdict.reason else None


def _accepted(known: Known) -> DestinationChange:
    """The destination took something: what waited for that may go."""
    waits = bool(known.destination.refusals) or not known.destination.works
    return DestinationChange(accepted=True, released=waits)
