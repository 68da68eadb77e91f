"""What a call changes is decided by pure functions: each line is an outcome and the settlement that it makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import pytest

from connector.core.openings import Plan
from connector.core.outcomes import Draft, Fate, Outcome, Verdict
from connector.core.reasons import Code, Reason
from connector.core.retry import LOOKS_AFTER_S, PROBE_GRACE_MS, PROVOKER_WAIT_MS, SAMPLE_WAIT_MS
from connector.core.states import AttemptState, DeliveryState, Kind
from connector.outbound import probe_decisions, provoked, refusals, settle
from connector.outbound.probe_decisions import Question
from connector.outbound.provoked import Past, Provoker
from connector.outbound.settle import Known
from connector.outbound.settlement import (
    Ask,
    Blamed,
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
from connector.store import lanes
from connector.store.attempts import Attempt
from connector.store.helps import PRECHECK, Help, HelpState
from connector.vendors.base import Destination, ProbeResult
from connector.vendors.lookup import LookupResult

NOW = 1_000_000
CALL = Attempt(id=7, account="dialler", destination="dialler/x/1", kind=Kind.SEND, started_at=900_000, deadline=960_000)
ASKING = replace(CALL, id=9, kind=Kind.PROBE, about=7)
ACCEPTED, REJECTED = AttemptState.ACCEPTED, AttemptState.REJECTED
WORKS = Known(destination=refusals.Known(works=True))
UNTRIED = Known(destination=refusals.Known())
SAID = {"words": "400 no", "status": 400}


@dataclass(frozen=True, kw_only=True)
class Place:
    """What decisions ask a destination."""

    resend: bool = False
    can_ask: bool = True
    plan: Plan | None = None
    all_or_nothing: bool = True
    exact: bool = False
    control: str = ""


def place(**values: Any) -> Destination:
    return cast(Destination, Place(**values))


def wait(faults: int) -> float:
    return 10.0 * faults


def outcome(fate: Fate, words: str = "", attempt: AttemptState = ACCEPTED, **values: Any) -> Outcome:
    given = {"status": 400 if fate is Fate.REFUSED else 200, "words": words} | values
    return Outcome(attempt=attempt, verdict=Verdict(fate, words), **given)


def decided(
    brought: Outcome, ids: Sequence[int] = (1, 2), known: Known = WORKS, where: Destination | None = None
) -> Settlement:
    return settle.decide(CALL, where or place(), brought, list(ids), known, NOW, wait)


def members(brought: Outcome, ids: Sequence[int] = (1, 2), known: Known = WORKS) -> Members:
    return decided(brought, ids, known).members


def again(group: int, reason: Reason, due_at: int = NOW, first: int | None = None, last: int | None = None) -> Group:
    number = 7 * (refusals.SAMPLES + 1) + group
    return Group(state=DeliveryState.PENDING, reason=reason, due_at=due_at, first=first, last=last, split=number)


# --- one fate for all -----------------------------------------------------------------------------------------------

FATES: dict[str, tuple[Outcome, Group]] = {
    "delivered": (outcome(Fate.DELIVERED), Group(state=DeliveryState.DELIVERED)),
    "delivered, with words": (
        outcome(Fate.DELIVERED, "one cut"),
        Group(state=DeliveryState.DELIVERED, reason=Reason(Code.SAID, {"words": "one cut", "status": 200})),
    ),
    "again": (
        outcome(Fate.AGAIN, "busy", REJECTED),
        Group(state=DeliveryState.PENDING, reason=Reason(Code.AGAIN, {"words": "busy", "status": 200}), due_at=NOW),
    ),
    "doubtful": (
        outcome(Fate.DOUBTFUL, "what?"),
        Group(state=DeliveryState.UNCERTAIN, reason=Reason(Code.DOUBTFUL, {"words": "what?", "status": 200})),
    ),
}


@pytest.mark.parametrize("name", FATES)
def test_one_fate_for_all(name: str) -> None:
    brought, group = FATES[name]
    made = decided(brought)
    assert made.members == Members(groups=[group])
    assert made.end == End(7, brought.attempt, 200, brought.words or None)
    assert (made.wakes, made.ask, made.once) == ([1, 2], None, True)


@pytest.mark.parametrize(
    ("known", "released"),
    [
        (Known(destination=refusals.Known(works=True)), False),
        (Known(destination=refusals.Known()), True),
        (Known(destination=refusals.Known(works=True, refusals=["no"])), True),
    ],
)
def test_what_waited_for_a_sign_that_the_destination_works_goes(known: Known, released: bool) -> None:
    change = decided(outcome(Fate.DELIVERED), known=known).destination
    assert change == DestinationChange(accepted=True, released=released)


# --- refusals -------------------------------------------------------------------------------------------------------


def test_a_refused_batch_is_halved_where_the_destination_works() -> None:
    reason = Reason(Code.HALVED, {"size": 5, **SAID})
    made = decided(outcome(Fate.REFUSED, "400 no", REJECTED), (1, 3, 5, 7, 9))
    assert made.members == Members(groups=(again(1, reason, last=4), again(2, reason, first=5)))
    assert made.destination is None


def test_a_few_are_tried_alone_where_nothing_was_ever_accepted() -> None:
    reason = Reason(Code.SAMPLED, {"size": 5, **SAID})
    made = members(outcome(Fate.REFUSED, "400 no", REJECTED), (1, 3, 5, 7, 9), UNTRIED)
    lone = [again(at, reason, first=one, last=one) for at, one in enumerate((1, 5, 9), start=1)]
    assert made == Members(groups=(*lone, again(0, reason, NOW + SAMPLE_WAIT_MS)))


def test_a_lone_record_dies_where_the_destination_works() -> None:
    made = decided(outcome(Fate.REFUSED, "400 no", REJECTED), [4])
    dead = One(4, DeliveryState.DEAD, Reason(Code.REFUSED, SAID), NOW)
    assert (made.members, made.destination) == (Members(ones=[dead], died=(4,)), None)


#: words refused before -> whether the destination stops at one more "400 no".
STOPS: dict[str, tuple[list[str], bool]] = {
    "the first": ([], False),
    "the second": (["400 no"], False),
    "the third of the same words": (["400 no"] * 2, True),
    "the third of others": (["400 no", "another"], False),
    "the tenth, whatever words": ([f"{number}" for number in range(9)], True),
}


@pytest.mark.parametrize("name", STOPS)
def test_a_destination_stops_when_lone_records_are_refused_alike(name: str) -> None:
    before, stops = STOPS[name]
    known = Known(destination=refusals.Known(refusals=before))
    made = decided(outcome(Fate.REFUSED, "400 no", REJECTED), [4], known)
    kept = One(4, DeliveryState.PENDING, Reason(Code.REFUSAL_KEPT, SAID), NOW + SAMPLE_WAIT_MS)
    assert made.members == Members(ones=[kept])
    assert made.destination is not None
    assert made.destination.refusals == [*before, "400 no"]
    assert (made.destination.stopped is not None) == stops
    if made.destination.stopped:
        assert made.destination.stopped.facts["count"] == len(before) + 1


# --- each its own ---------------------------------------------------------------------------------------------------


def each(*fates: Fate, words: str = "400 no") -> Outcome:
    verdicts = {at: Verdict(fate, words) for at, fate in enumerate(fates)}
    return Outcome(attempt=ACCEPTED, verdict=Verdict(Fate.DELIVERED), each=verdicts, status=400)


def test_each_member_has_its_own_fate() -> None:
    known = replace(UNTRIED, sent_before=frozenset({3}))
    brought = each(Fate.DELIVERED, Fate.DUPLICATE, Fate.DUPLICATE, Fate.REFUSED, Fate.ALONE, Fate.DOUBTFUL)
    made = decided(brought, range(1, 7), known)
    assert {one.id: (one.state, one.reason and one.reason.code) for one in made.members.ones} == {
        1: (DeliveryState.DELIVERED, Code.SAID),
        2: (DeliveryState.SUPPRESSED, Code.DUPLICATE),
        3: (DeliveryState.DELIVERED, Code.LANDED_BEFORE),
        4: (DeliveryState.DEAD, Code.REFUSED),  # something was accepted in the same answer
        5: (DeliveryState.PENDING, Code.ALONE),
        6: (DeliveryState.UNCERTAIN, Code.DOUBTFUL),
    }
    assert (made.members.apart, made.members.died, made.ask) == ([5], (4,), Ask(NOW))
    assert made.destination == DestinationChange(accepted=True, released=True)


def test_nobody_is_asked_about_doubts_that_asking_cannot_end() -> None:
    brought = replace(each(Fate.DELIVERED, Fate.DOUBTFUL), ask=False)
    assert decided(brought).ask is None


def test_refusals_are_kept_where_nothing_was_accepted() -> None:
    made = decided(replace(each(Fate.REFUSED), verdict=Verdict(Fate.REFUSED, "400 no")), [4], UNTRIED)
    assert [one.state for one in made.members.ones] == [DeliveryState.PENDING]
    assert made.destination == DestinationChange(refusals=["400 no"])


def test_results_drafts_and_caps_follow_what_was_delivered() -> None:
    lot = Draft("52", "123")
    verdicts = {0: Verdict(Fate.DELIVERED, result={"link": "a"}), 1: Verdict(Fate.AGAIN)}
    brought = Outcome(attempt=ACCEPTED, verdict=Verdict(Fate.DELIVERED), each=verdicts, status=200, draft=lot)
    made = decided(brought, where=place(plan=cast(Plan, object())))
    assert made.results == {1: {"link": "a"}}
    assert made.drafts == [(lot, [1])]
    assert made.unsent == [1, 2]
    assert decided(brought).unsent == ()
    assert decided(replace(brought, each={}), where=place(plan=cast(Plan, object()))).unsent == ()  # all were contacted


# --- unknown --------------------------------------------------------------------------------------------------------

FAULT = {"fault": "cut"}
UNKNOWN = Outcome(attempt=AttemptState.UNKNOWN, verdict=Verdict(Fate.DOUBTFUL, "cut"), words="cut")
UNKNOWNS: dict[str, tuple[Outcome, Destination, Group, Ask | None]] = {
    "the vendor can be asked": (
        UNKNOWN,
        place(),
        Group(state=DeliveryState.UNCERTAIN, reason=Reason(Code.UNKNOWN_ASKED, FAULT)),
        Ask(NOW),
    ),
    "it cannot": (
        UNKNOWN,
        place(can_ask=False),
        Group(state=DeliveryState.UNCERTAIN, reason=Reason(Code.UNKNOWN_KEPT, FAULT)),
        None,
    ),
    "asking would tell nothing": (
        replace(UNKNOWN, ask=False),
        place(),
        Group(state=DeliveryState.UNCERTAIN, reason=Reason(Code.UNKNOWN_KEPT, FAULT)),
        None,
    ),
    "the route says to send again": (
        UNKNOWN,
        place(resend=True),
        Group(state=DeliveryState.PENDING, reason=Reason(Code.UNKNOWN_RESENT, FAULT), due_at=NOW + 10_000),
        None,
    ),
}


@pytest.mark.parametrize("name", UNKNOWNS)
def test_an_unknown_outcome_is_asked_about_or_kept_or_sent_again(name: str) -> None:
    brought, where, group, ask = UNKNOWNS[name]
    made = decided(brought, where=where)
    assert (made.members, made.ask, made.destination) == (Members(groups=[group]), ask, None)
    assert made.unsent == ()


LAPSED = Reason(Code.LAPSED)
LAPSES: dict[Kind, Members] = {
    Kind.SEND: Members(
        groups=[
            Group(
                state=DeliveryState.UNCERTAIN,
                reason=Reason(Code.UNKNOWN_ASKED, {"because": {"code": "lapsed", "facts": {}}}),
            )
        ]
    ),
    Kind.PRECHECK: Members(groups=[Group(state=DeliveryState.PENDING, reason=LAPSED, due_at=NOW)]),
    Kind.FETCH: Members(),
    Kind.PROBE: Members(),
}


@pytest.mark.parametrize("kind", LAPSES)
def test_a_call_without_an_answer_is_unknown_after_its_deadline(kind: Kind) -> None:
    made = settle.decide_lapsed(replace(CALL, kind=kind), place(), NOW, wait)
    assert made.members == LAPSES[kind]
    assert made.end == End(7, AttemptState.UNKNOWN, words=str(LAPSED))


# --- accounts -------------------------------------------------------------------------------------------------------

RATE, BLOCK = Reason(Code.HELD_RATE, SAID), Reason(Code.BLOCKED_CREDENTIALS, SAID)
ACCOUNTS: dict[str, tuple[Outcome, Blocked | Held | Well | None]] = {
    "well": (outcome(Fate.DELIVERED), Well()),
    "well though refused": (outcome(Fate.REFUSED, "no", REJECTED), Well()),
    "nothing is known": (UNKNOWN, None),
    "not sent": (outcome(Fate.AGAIN, "no", AttemptState.NOT_SENT), None),
    "held as long as was said": (
        outcome(Fate.AGAIN, "", REJECTED, hold=RATE, hold_s=2.5),
        Held(RATE, NOW + 2500, False),
    ),
    "held longer each time": (outcome(Fate.AGAIN, "", REJECTED, hold=RATE), Held(RATE, NOW + 40_000, False)),
    "over the day's budget": (
        outcome(Fate.AGAIN, "", REJECTED, hold=RATE, hold_s=1, over_budget=True),
        Held(RATE, NOW + 1000, True),
    ),
    "blocked, whatever else": (outcome(Fate.AGAIN, "", REJECTED, hold=RATE, block=BLOCK), Blocked(BLOCK)),
}


@pytest.mark.parametrize("name", ACCOUNTS)
def test_an_outcome_blocks_holds_or_clears_the_account(name: str) -> None:
    brought, change = ACCOUNTS[name]
    assert settle.decide_account(brought, 3, NOW, wait) == change


def test_a_help_that_fails_holds_no_delivery() -> None:
    looked = LookupResult(outcome(Fate.AGAIN, "gone", REJECTED), HelpState.NOT_THERE)
    made = settle.decide_help(CALL, "token_info", looked, 0, NOW, wait)
    assert (made.members, made.help) == (Members(), HelpNote("token_info", HelpState.NOT_THERE, "gone"))


# --- pre-checks -----------------------------------------------------------------------------------------------------

CHECKS: dict[str, tuple[Outcome, bool | None, Members, Sequence[int]]] = {
    "agreed": (
        outcome(Fate.DELIVERED),
        True,
        Members(groups=[Group(state=DeliveryState.PENDING, due_at=NOW, lanes=lanes.CHECKED)]),
        (),
    ),
    "asked too recently": (
        outcome(Fate.DELIVERED),
        False,
        Members(groups=[Group(state=DeliveryState.SUPPRESSED, reason=Reason(Code.NINETY_DAYS))]),
        [4],
    ),
    "refused": (
        outcome(Fate.REFUSED, "400 no", REJECTED),
        None,
        Members(ones=[One(4, DeliveryState.DEAD, Reason(Code.REFUSED, SAID), NOW)], died=(4,)),
        (),
    ),
    "no answer": (
        UNKNOWN,
        None,
        Members(
            groups=[Group(state=DeliveryState.PENDING, reason=Reason(Code.PRECHECK_FAILED, FAULT), due_at=NOW + 20_000)]
        ),
        (),
    ),
}


@pytest.mark.parametrize("name", CHECKS)
def test_a_precheck_lets_go_ends_or_is_asked_again(name: str) -> None:
    brought, agreed, became, wakes = CHECKS[name]
    made = settle.decide_check(CALL, brought, [4], agreed, WORKS, NOW, wait)
    assert (made.members, made.wakes) == (became, wakes)


WORKED = Help("dialler", PRECHECK, HelpState.WORKS, since=1, asked_at=1, worked_at=1, words="")
DOWN = replace(WORKED, state=HelpState.UNKNOWN, since=NOW - 50_000)
NEWS: dict[str, tuple[Outcome, Help | None, HelpNote | None, int | None]] = {
    "it answers, as ever": (outcome(Fate.DELIVERED), WORKED, None, None),
    "it answers for the first time": (outcome(Fate.DELIVERED), None, None, None),
    "it answers again": (outcome(Fate.DELIVERED), DOWN, HelpNote(PRECHECK, HelpState.WORKS, ""), None),
    "it does not": (UNKNOWN, WORKED, HelpNote(PRECHECK, HelpState.UNKNOWN, "cut"), NOW + 20_000),
    "it still does not": (UNKNOWN, DOWN, HelpNote(PRECHECK, HelpState.UNKNOWN, "cut"), NOW + 50_000),
}


@pytest.mark.parametrize("name", NEWS)
def test_nobody_is_asked_about_while_the_vendor_does_not_answer(name: str) -> None:
    brought, before, note, checks_from = NEWS[name]
    agreed = None if brought is UNKNOWN else True
    made = settle.decide_check(CALL, brought, [4], agreed, replace(WORKS, precheck=before), NOW, wait)
    assert (made.help, made.checks_from) == (note, checks_from)


def test_a_question_without_an_answer_holds_no_delivery_up() -> None:
    held = replace(UNKNOWN, hold=RATE, hold_s=9)
    assert settle.decide_check(CALL, held, [4], None, WORKS, NOW, wait).account is None


# --- questions about unknown calls ----------------------------------------------------------------------------------

RECORDS = [(1, "{}"), (2, "{}"), (3, "{}"), (4, "{}")]
LATE = CALL.deadline + PROBE_GRACE_MS
THREE = {"1": True, "2": True}


def question(
    answers: Mapping[str, Any] | None = None, records: Sequence[tuple[int, str]] = RECORDS, **where: Any
) -> Question:
    return Question(place(**where), CALL, records, answers or {})


def learnt(asked: Question, found: ProbeResult, *, believed: bool = True, now: int = LATE) -> Settlement:
    return probe_decisions.decide_seen(asked, replace(ASKING, started_at=now), found, grounds(believed), now)


def grounds(believed: bool = True, **known: Any) -> probe_decisions.Grounds:
    return probe_decisions.Grounds(believed, provoked.Known(**known))


LANDED = Members(groups=[Group(state=DeliveryState.DELIVERED, reason=probe_decisions.LANDED)])
#: where they brought nothing before: see `provoked.decide_absent`
ABSENT = Members(groups=[Group(state=DeliveryState.PENDING, reason=probe_decisions.ABSENT, due_at=LATE)])


def person(code: Code, **facts: Any) -> Members:
    return Members(groups=[Group(state=DeliveryState.UNCERTAIN, reason=Reason(code, facts))])


#: (question, what was seen, whether absence is believed, what becomes of the members, when what is asked again)
SEEN: dict[str, tuple[Question, ProbeResult, bool, Members, Ask | None]] = {
    "one of the sample is there": (
        question(),
        ProbeResult(present={1: True}),
        True,
        Members(),
        Ask(LATE, {"present": {"1": True}}),
    ),
    "all of the sample are there": (question({"present": THREE}), ProbeResult(present={3: True}), True, LANDED, None),
    "none of the sample is there": (
        question({"present": {"1": False, "2": False}}),
        ProbeResult(present={3: False}),
        True,
        ABSENT,
        None,
    ),
    "some are": (
        question({"present": THREE}),
        ProbeResult(present={3: False}),
        True,
        person(Code.PROBE_DISAGREES),
        Ask(None),
    ),
    "a small batch is its own sample": (
        question(records=RECORDS[:1]),
        ProbeResult(present={1: True}),
        True,
        LANDED,
        None,
    ),
    "an exact answer is enough": (question(exact=True), ProbeResult(present={1: False}), True, ABSENT, None),
    "absence is not believed": (
        question({}, RECORDS[:1], control="find"),
        ProbeResult(present={1: False}),
        False,
        Members(),
        Ask(LATE, {"present": {"1": False}, "control": True, "controls": 1}),
    ),
    "a record that is there was found": (
        question({"control": True, "present": {"1": False}}, RECORDS[:1], control="find"),
        ProbeResult(present={99: True}),
        False,
        ABSENT,
        None,
    ),
    "it was not": (
        question({"control": True, "controls": 1, "present": {"1": False}}, RECORDS[:1], control="find"),
        ProbeResult(present={99: False}),
        False,
        Members(),
        Ask(LATE + LOOKS_AFTER_S[0] * 1000, {"present": {"1": False}, "control": True, "controls": 2}),
    ),
    "nor after many tries": (
        question({"control": True, "controls": 99, "present": {"1": False}}, RECORDS[:1], control="find"),
        ProbeResult(present={99: False}),
        False,
        person(Code.PROBE_NO_CONTROL),
        Ask(None),
    ),
    "the answer tells nothing": (
        question(),
        ProbeResult(unclear="?"),
        True,
        person(Code.PROBE_UNCLEAR, words="?"),
        Ask(None),
    ),
    "a report has some": (
        question(all_or_nothing=False),
        ProbeResult(present={1: True, 2: False}),
        True,
        Members(ones=[One(1, DeliveryState.DELIVERED, probe_decisions.LANDED, LATE)]),
        Ask(LATE + LOOKS_AFTER_S[0] * 1000, {"looks": 1}),
    ),
    "a report has all": (
        question(None, RECORDS[:1], all_or_nothing=False),
        ProbeResult(present={1: True}),
        True,
        Members(ones=[One(1, DeliveryState.DELIVERED, probe_decisions.LANDED, LATE)]),
        Ask(None),
    ),
    "a report lags for good": (
        question({"looks": 99}, RECORDS[:2], all_or_nothing=False),
        ProbeResult(present={1: True}),
        True,
        Members(
            ones=[One(1, DeliveryState.DELIVERED, probe_decisions.LANDED, LATE)],
            groups=person(Code.PROBE_NOT_SEEN).groups,
        ),
        Ask(None),
    ),
}


@pytest.mark.parametrize("name", SEEN)
def test_what_the_vendor_shows_settles_an_unknown_call(name: str) -> None:
    asked, found, believed, became, ask = SEEN[name]
    made = learnt(asked, found, believed=believed)
    assert (made.members, made.ask) == (became, ask)
    assert (made.of, made.account) == (CALL, Well())
    assert made.end == End(9, ACCEPTED, words=found.unclear or None)


def test_absence_is_not_believed_before_the_vendor_has_had_its_time() -> None:
    assert learnt(question(), ProbeResult(present={1: False}), now=CALL.deadline).ask == Ask(LATE, {"present": {}})


def test_absence_counts_from_when_it_was_asked_for_not_from_when_the_answer_was_settled() -> None:
    asking = replace(ASKING, started_at=LATE - 1)
    made = probe_decisions.decide_seen(question(), asking, ProbeResult(present={1: False}), grounds(), LATE + 60_000)
    assert (made.members, made.ask) == (Members(), Ask(LATE + 60_000, {"present": {}}))


def test_an_unknown_call_ends_as_its_members_do() -> None:
    landed = learnt(question({"present": THREE}), ProbeResult(present={3: True}))
    assert landed.also_ends == [End(7, ACCEPTED, words=str(probe_decisions.LANDED))]
    assert (landed.destination, landed.wakes) == (DestinationChange(accepted=True), [1, 2, 3, 4])
    absent = learnt(question(exact=True), ProbeResult(present={1: False}))
    assert (absent.also_ends, absent.unsent) == ([End(7, REJECTED, words=str(probe_decisions.ABSENT))], [1, 2, 3, 4])


@pytest.mark.parametrize(
    ("answers", "code"), [({}, Code.PROBE_NOBODY_NEW), ({"present": {"1": True, "2": False}}, Code.PROBE_DISAGREES)]
)
def test_where_nobody_is_left_to_ask_what_was_learnt_decides(answers: Mapping[str, Any], code: Code) -> None:
    made = probe_decisions.decide_unasked(question(answers), ASKING, grounds(), LATE)
    assert made.members == person(code)
    assert made.end == End(9, AttemptState.NOT_SENT, words=probe_decisions.NOTHING_TO_ASK)


def test_a_question_without_an_answer_is_asked_again_later_each_time() -> None:
    fault = outcome(Fate.DOUBTFUL, "cut", AttemptState.UNKNOWN)
    waits = []
    asked = question()
    for _ in range(len(LOOKS_AFTER_S) + 2):
        made = probe_decisions.decide_fault(asked, ASKING, ProbeResult(fault=fault), fault, 0, NOW)
        assert made.ask is not None and made.ask.when is not None
        waits.append(made.ask.when - NOW)
        asked = question(made.ask.answers)
    assert waits[1:] == [seconds * 1000 for seconds in (*LOOKS_AFTER_S, LOOKS_AFTER_S[-1])]


def test_what_is_absent_goes_again_by_what_it_brought_before() -> None:
    known = {"members": BATCH, "reason": PROVOKED, "past": PAST, "accepted_at": PAST.since + 1}
    asking = replace(ASKING, started_at=LATE)
    made = probe_decisions.decide_seen(
        question(exact=True), asking, ProbeResult(present={1: False}), grounds(**known), LATE
    )
    reason = Reason(Code.PROVOKED_HALVED, {"size": 4, **PROVOKED.facts})
    assert made.members == Members(groups=(again(1, reason, LATE, last=2), again(2, reason, LATE, first=3)))


HELPS: dict[str, tuple[Question, ProbeResult, HelpNote | None]] = {
    "no help is asked": (question(), ProbeResult(present={1: True}), None),
    "it finds": (question(control="find"), ProbeResult(present={1: True}), HelpNote("find", HelpState.WORKS, "")),
    "it may not find": (question(control="find"), ProbeResult(present={1: False}), None),
    "it must find": (
        question({"control": True}, control="find"),
        ProbeResult(present={1: False}),
        HelpNote("find", HelpState.UNKNOWN, probe_decisions.BLIND),
    ),
    "it is not there": (
        question(control="find"),
        ProbeResult(unclear="404", help=HelpState.NOT_THERE),
        HelpNote("find", HelpState.NOT_THERE, "404"),
    ),
}


@pytest.mark.parametrize("name", HELPS)
def test_how_the_help_was_found_is_noted(name: str) -> None:
    asked, found, note = HELPS[name]
    assert learnt(asked, found).help == note


# --- answers that no table knows ------------------------------------------------------------------------------------

ODD = {"words": "HTTP 403", "status": 403}
BLOCKS = Reason(Code.BLOCKED_UNKNOWN_ANSWER, ODD)
SUSPECT = outcome(Fate.DOUBTFUL, "HTTP 403", AttemptState.UNKNOWN, status=403, block=BLOCKS, suspect=True)
NOTHING_LANDED = replace(SUSPECT, attempt=REJECTED)
PAST = Past(first=5, since=850_000, times=2)
PROVOKED = Reason(Code.PROVOKED_ALONE, {**ODD, **PAST.facts})
FAILED = Reason(Code.UNKNOWN_ASKED, {"because": {"code": "x", "facts": {"status": 500}}, **PAST.facts})
PLAIN, LOADED = '{"name": "Ana"}', '{"name": "<script>"}'
BATCH = [(1, "crm", PLAIN), (2, "crm", PLAIN), (3, "crm", LOADED), (4, "crm", PLAIN)]
LONE = [(1, "crm", LOADED)]
TOLD = {**ODD, **PAST.facts}


def odd(
    brought: Outcome = SUSPECT, members: Sequence[tuple[int, str, str]] = BATCH, where: Any = None, **known: Any
) -> Settlement:
    given = provoked.Known(**{"members": members, "past": PAST, "faults": 3} | known)
    ids = [number for number, _, _ in members]
    return provoked.decide(CALL, where or place(), brought, ids, given, NOW, wait=wait)


def becomes(state: DeliveryState, code: Code, **values: Any) -> Members:
    return Members(groups=[Group(state=state, reason=Reason(code, TOLD))], **values)


def alone_until(due_at: int) -> Members:
    return Members(groups=[again(0, Reason(Code.PROVOKED_ALONE, TOLD), due_at)])


HALVED, SAMPLED = (Reason(code, {"size": 4, **TOLD}) for code in (Code.PROVOKED_HALVED, Code.PROVOKED_SAMPLED))
NOTED = DestinationChange(refusals=["HTTP 403"])
ODDS: dict[str, tuple[Settlement, Members, DestinationChange | None, Ask | None]] = {
    "any may have landed, and the vendor can be asked": (
        odd(),
        becomes(DeliveryState.UNCERTAIN, Code.PROVOKED_ASKED),
        None,
        Ask(NOW),
    ),
    "it cannot": (
        odd(where=place(can_ask=False)),
        becomes(DeliveryState.UNCERTAIN, Code.PROVOKED_KEPT),
        None,
        None,
    ),
    "none landed, others are accepted": (
        odd(NOTHING_LANDED, accepted_at=PAST.since + 1),
        Members(groups=(again(1, HALVED, last=2), again(2, HALVED, first=3))),
        None,
        None,
    ),
    "none landed, nothing was accepted since": (
        odd(NOTHING_LANDED, accepted_at=PAST.since),
        Members(
            groups=(
                *(again(at, SAMPLED, first=one, last=one) for at, one in enumerate((1, 2, 4), start=1)),
                again(0, SAMPLED, NOW + SAMPLE_WAIT_MS),
            )
        ),
        NOTED,
        None,
    ),
    "alone, others are accepted": (
        odd(NOTHING_LANDED, LONE, accepted_at=PAST.since + 1),
        becomes(DeliveryState.DEAD, Code.PROVOKED_END, died=[1]),
        None,
        None,
    ),
    "alone, nothing was accepted since": (
        odd(NOTHING_LANDED, LONE),
        alone_until(NOW + 4 * SAMPLE_WAIT_MS),
        NOTED,
        None,
    ),
    "alone, for the tenth time": (
        odd(NOTHING_LANDED, LONE, past=replace(PAST, times=10)),
        Members(
            groups=[again(0, Reason(Code.PROVOKED_ALONE, {**TOLD, "times": 10}), NOW + PROVOKER_WAIT_MS)],
        ),
        NOTED,
        None,
    ),
    "the route says to send again": (
        odd(SUSPECT, LONE, place(resend=True)),
        alone_until(NOW + 4 * SAMPLE_WAIT_MS),
        NOTED,
        None,
    ),
    "settled meanwhile": (odd(NOTHING_LANDED, []), Members(), None, None),
}


@pytest.mark.parametrize("name", ODDS)
def test_what_provokes_an_unknown_answer_goes_again_in_parts(name: str) -> None:
    made, became, destination, ask = ODDS[name]
    assert (made.members, made.destination, made.ask) == (became, destination, ask)
    assert (made.account, made.blamed) == (
        Held(Reason(Code.HELD_UNKNOWN_ANSWER, ODD), NOW + 40_000, asks_budget=False),
        None,
    )
    assert made.end is not None and (made.end.attempt, made.end.status, made.end.words) == (7, 403, "HTTP 403")


def earlier(*sources: str, record: str = LOADED, waits: bool = True) -> list[Provoker]:
    return [Provoker(100 + at, 50 + at, source, record, waits) for at, source in enumerate(sources)]


#: (what came before, this call's members, its answer, who ends; None: the account is only held).
WEIGHED: dict[str, tuple[list[Provoker], list[tuple[int, str, str]], Outcome, list[int] | None]] = {
    "two plain ones": (earlier("crm", record=PLAIN), [(1, "crm", PLAIN)], NOTHING_LANDED, None),
    "three plain ones": (earlier("crm", "crm", record=PLAIN), [(1, "crm", PLAIN)], NOTHING_LANDED, [100, 101, 1]),
    "many of one source": (earlier(*["crm"] * 20), LONE, NOTHING_LANDED, None),
    "ten of several": (earlier(*["web"] * 9), LONE, NOTHING_LANDED, [*range(100, 109), 1]),
    "a batch is one call": (earlier("crm", record=PLAIN), BATCH, SUSPECT, None),
    "a batch that is tried in parts speaks of nobody": (
        earlier("crm", "crm", record=PLAIN),
        BATCH,
        NOTHING_LANDED,
        None,
    ),
    "uncertain ones wait for the vendor": (earlier(*["web"] * 9, waits=False), LONE, SUSPECT, []),
}


@pytest.mark.parametrize("name", WEIGHED)
def test_an_account_is_blocked_when_the_answer_comes_for_any_record(name: str) -> None:
    before, theirs, brought, ended = WEIGHED[name]
    made = odd(brought, theirs, earlier=before)
    if ended is None:
        assert isinstance(made.account, Held) and made.blamed is None
        return
    assert made.account == Blocked(BLOCKS)
    assert made.blamed == Blamed([*(one.id for one in before), 1], ended)


def test_who_was_not_contacted_counts_against_no_cap() -> None:
    capped = place(plan=cast(Plan, object()))
    assert odd(NOTHING_LANDED, where=capped).unsent == [1, 2, 3, 4]
    assert odd(SUSPECT, where=capped).unsent == ()
    asked = provoked.decide(CALL, capped, SUSPECT, [1], provoked.Known(members=LONE), NOW, landed_nothing=True)
    assert (asked.unsent, asked.ask, asked.wakes) == ([1], None, [1])
    assert asked.end == End(7, AttemptState.UNKNOWN, 403, "HTTP 403")


SENT_AGAIN = Reason(Code.PROBE_ABSENT, FAILED.facts)
#: what the members brought before, and what becomes of them once it is certain that none landed.
ABSENCES: dict[str, tuple[dict[str, Any], Members, DestinationChange | None]] = {
    "nothing": (
        {},
        Members(groups=[Group(state=DeliveryState.PENDING, reason=probe_decisions.ABSENT, due_at=NOW)]),
        None,
    ),
    "an unknown answer": ({"reason": PROVOKED}, alone_until(NOW + 4 * SAMPLE_WAIT_MS), NOTED),
    "a failure, once": (
        {"reason": FAILED, "past": replace(PAST, times=1)},
        Members(groups=[Group(state=DeliveryState.PENDING, reason=SENT_AGAIN, due_at=NOW)]),
        None,
    ),
    "failures": ({"reason": FAILED}, Members(groups=[again(0, SENT_AGAIN)]), None),
    "failures while others are accepted": (
        {"reason": FAILED, "past": replace(PAST, times=5), "accepted_at": NOW},
        Members(groups=[Group(state=DeliveryState.DEAD, reason=Reason(Code.PROVOKED_END, FAILED.facts))], died=[1]),
        None,
    ),
    "the block of the account": (
        {"reason": Reason(Code.PROVOKED_BLOCK, TOLD)},
        becomes(DeliveryState.DEAD, Code.PROVOKED_BLOCK, died=[1]),
        None,
    ),
    "the block, in a batch": (
        {"reason": Reason(Code.PROVOKED_BLOCK, TOLD), "members": BATCH},
        ODDS["none landed, nothing was accepted since"][1],
        NOTED,
    ),
}


@pytest.mark.parametrize("name", ABSENCES)
def test_what_did_not_land_goes_again_by_what_it_brought_before(name: str) -> None:
    known, became, destination = ABSENCES[name]
    given = provoked.Known(**{"members": LONE, "past": PAST} | known)
    assert provoked.decide_absent(CALL, probe_decisions.ABSENT, given, NOW) == (became, destination)
