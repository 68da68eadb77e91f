"""Tracksale's dispatch: who was inserted, who was left out, and how a survey is sent and looked up."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connector.core.http import Deadline
from connector.core.outcomes import Fate, Outcome
from connector.vendors.base import Sending
from connector.vendors.tracksale.api import Tracksale
from tests.destinations import (
    ANA,
    BAD,
    BEA,
    DISPATCH,
    DOUBT,
    DUP,
    EVA,
    FILL_TAGS,
    IN,
    INSERTED,
    NAMELESS,
    NOTE,
    NOTED,
    OTHER_ANA,
    PHONE_ANA,
    PHONE_ANA_2,
    PLACES,
    Line,
    answer,
    asked,
    dispatch,
    duplicated,
    invalid,
    people,
    records_of,
)


def partial(counts: Any, dups: Any = None, bad: Any = None, customers: Sequence[Any] = ()) -> Outcome:
    """``counts``: inserted, duplicated, invalid; or the whole of ``status``."""
    status = (
        dict(zip(("inserted", "duplicated", "invalid"), counts, strict=True)) if isinstance(counts, tuple) else counts
    )
    body = {"msg": "Dispatch executed!", "status": status}
    body |= {} if dups is None else {"duplicated_customers": dups}
    body |= {} if bad is None else {"invalid_customers": bad}
    return dispatch().classify(answer(200, body), [(at, json.dumps(one)) for at, one in enumerate(customers)])


PARTIAL: dict[str, tuple[Any, Any, Any, list[Any], list[Fate]]] = {
    "all in": ((2, 0, 0), [], [], [ANA, BEA], [IN, IN]),
    "counts as strings": (("1", "1", "1"), duplicated(BEA), invalid(EVA), [ANA, BEA, EVA], [IN, DUP, BAD]),
    "one of each": ((1, 1, 1), duplicated(BEA), invalid(EVA), [EVA, ANA, BEA], [BAD, IN, DUP]),
    "all duplicated, no list": ((0, 2, 0), None, None, [ANA, BEA], [DUP, DUP]),
    "all invalid, no list": ((0, 0, 2), None, None, [ANA, BEA], [BAD, BAD]),
    "the same twice in a batch": ((1, 1, 0), duplicated(ANA), [], [ANA, ANA], [IN, DUP]),
    "the same three times": ((1, 2, 0), duplicated(ANA, ANA), [], [ANA, BEA, ANA], None),
    "the same thrice and nobody else": ((1, 2, 0), duplicated(ANA, ANA), [], [ANA, ANA, ANA], [IN, DUP, DUP]),
    "spelt a little otherwise": (
        (1, 1, 0),
        [{"name": " aNA ", "email": "ANA@example.com "}],
        [],
        [BEA, ANA],
        [IN, DUP],
    ),
    "namesakes told apart by e-mail": ((1, 1, 0), duplicated(ANA), [], [OTHER_ANA, ANA], [IN, DUP]),
    "namesakes, one invalid": ((1, 0, 1), [], invalid(ANA), [OTHER_ANA, ANA], [DOUBT, DOUBT]),
    "namesakes, both invalid": ((1, 0, 2), [], invalid(ANA, ANA), [OTHER_ANA, BEA, ANA], [BAD, IN, BAD]),
    "namesakes, one duplicated, one invalid": ((0, 1, 1), duplicated(ANA), invalid(ANA), [OTHER_ANA, ANA], [BAD, DUP]),
    "namesakes without e-mail": ((1, 1, 0), duplicated(PHONE_ANA), [], [PHONE_ANA, PHONE_ANA_2], [DOUBT, DOUBT]),
    "namesakes without e-mail, both": (
        (1, 2, 0),
        duplicated(PHONE_ANA, PHONE_ANA),
        [],
        [PHONE_ANA, PHONE_ANA_2, BEA],
        [DUP, DUP, IN],
    ),
    "the same without e-mail": ((1, 1, 0), duplicated(PHONE_ANA), [], [PHONE_ANA, PHONE_ANA], [IN, DUP]),
    "one alone, duplicated": ((0, 1, 0), duplicated(PHONE_ANA), [], [PHONE_ANA], [DUP]),
    "one alone, invalid": ((0, 0, 1), [], invalid(NAMELESS), [NAMELESS], [BAD]),
    "nameless invalid": ((1, 0, 1), [], [{"name": None, "reason": "x"}], [NAMELESS, BEA], [BAD, IN]),
    "invalid without a name": ((1, 0, 1), [], [{"reason": "x"}], [ANA, BEA], [DOUBT, DOUBT]),
    "lists missing": ((1, 1, 1), None, None, [ANA, BEA, EVA], [DOUBT, DOUBT, DOUBT]),
    "one list missing": ((1, 1, 1), None, invalid(EVA), [ANA, BEA, EVA], [DOUBT, DOUBT, BAD]),
    "a list of nonsense": ((1, 1, 0), [1, None, "x", []], [], [ANA, BEA], [DOUBT, DOUBT]),
    "one object for a list, by the only name": ((1, 1, 0), {"name": "Ana"}, [], [ANA, BEA], [DUP, IN]),
    "a list that is none": ((1, 1, 0), "Ana", [], [ANA, BEA], [DOUBT, DOUBT]),
    "somebody unknown is listed": ((1, 1, 0), duplicated(EVA), [], [ANA, BEA], [DOUBT, DOUBT]),
    "more listed than counted": ((1, 1, 0), duplicated(ANA, BEA), [], [ANA, BEA], [DOUBT, DOUBT]),
    "listed though all went in": ((2, 0, 0), [], invalid(ANA), [ANA, BEA], [DOUBT, DOUBT]),
    "fewer listed than counted": ((1, 2, 0), duplicated(ANA), [], [ANA, BEA, EVA], [DUP, DOUBT, DOUBT]),
    "the rest must be duplicated": ((0, 2, 1), duplicated(ANA), invalid(EVA), [ANA, BEA, EVA], [DUP, DUP, BAD]),
    "the rest must be invalid": ((0, 1, 2), duplicated(ANA), invalid(EVA), [ANA, BEA, EVA], [DUP, BAD, BAD]),
}
PARTIAL["the same three times"] = (*PARTIAL["the same three times"][:4], [DUP, IN, DUP])


@pytest.mark.parametrize("case", PARTIAL)
def test_a_partial_answer_is_settled_customer_by_customer(case: str) -> None:
    counts, dups, bad, customers, fates = PARTIAL[case]
    outcome = partial(counts, dups, bad, customers)
    assert [outcome.of(at).fate for at in range(len(customers))] == fates
    assert outcome.attempt == "accepted"
    assert not outcome.block


def test_an_invalid_customer_keeps_the_vendor_s_reason() -> None:
    outcome = partial((1, 0, 1), [], invalid(ANA), [ANA, BEA])
    assert outcome.of(0).reason == "Invalid or empty main channel"


@pytest.mark.parametrize(
    "counts",
    [
        (1, 0, 0),
        (3, 0, 0),
        (2, 1, 0),
        (-1, 3, 0),
        (1.0, 1.0, 0),
        (True, 1, 0),
        (None, None, 2),
        ("two", 0, 0),
        {},
        {"inserted": 2},
        {"inserted": 2, "duplicated": 0},
        "ok",
        None,
        [2, 0, 0],
        2,
    ],
)
def test_counts_that_do_not_add_up_stop_the_account_and_leave_all_in_doubt(counts: Any) -> None:
    outcome = partial(counts, [], [], [ANA, BEA])
    assert outcome.attempt == "unknown"
    assert outcome.block
    assert [outcome.of(at).fate for at in range(2)] == [DOUBT, DOUBT]


really = st.lists(st.tuples(people, st.sampled_from([IN, DUP, BAD])), min_size=1, max_size=8)


@given(really, st.booleans(), st.booleans(), st.randoms())
@example([(PHONE_ANA, DUP), (PHONE_ANA_2, IN)], True, True, None)
def test_an_honest_partial_answer_never_condemns_who_went_in_nor_believes_in_who_did_not(
    truth: list[tuple[dict[str, Any], Fate]], lists_dups: bool, lists_bad: bool, shuffle: Any
) -> None:
    """Whatever really happened, and however much of it is told, a customer's fate is right or in doubt.

    Of one person several times in a batch it cannot matter which of them is called the copy.
    """
    dups, bad = [one for one, fate in truth if fate is DUP], [one for one, fate in truth if fate is BAD]
    if shuffle is not None:
        shuffle.shuffle(dups)
        shuffle.shuffle(bad)
    counts = (len(truth) - len(dups) - len(bad), len(dups), len(bad))
    told_dups, told_bad = duplicated(*dups) if lists_dups else None, invalid(*bad) if lists_bad else None
    outcome = partial(counts, told_dups, told_bad, [one for one, _ in truth])
    for who, some in itertools.groupby(
        sorted(enumerate(truth), key=lambda one: json.dumps(one[1][0])), lambda one: one[1][0]
    ):
        mine = list(some)
        said = [outcome.of(at).fate for at, _ in mine]
        really_so = [fate for _, (_, fate) in mine]
        if DOUBT not in said:
            assert said.count(BAD) == really_so.count(BAD), (who, said, really_so)
            assert said.count(IN) == really_so.count(IN), (who, said, really_so)


# --- Tracksale: asking, sending -------------------------------------------------------------------------------------


def lot(*customers: Mapping[str, Any]) -> dict[str, Any]:
    return {"campaign": {"code": 52}, "dispatch_code": "A", "customers": list(customers)}


def test_the_dispatch_report_shows_who_is_there() -> None:
    records = [(1, json.dumps(ANA)), (2, json.dumps(PHONE_ANA)), (3, json.dumps(EVA))]
    report = [lot({"name": "Ana", "email": " ANA@example.com"}), lot({"phone": 11900000001, "email": None}), "x", lot()]
    seen, line = asked(dispatch(), answer(200, report), records)
    assert seen.present == {1: True, 2: True, 3: False}
    method, url, params, _ = line.asked[0]
    assert (method, url) == ("GET", "http://v/v2/report/dispatch")
    assert params["codes"] == "52"
    assert params["start"] < "2026-11-20" < params["end"]


def test_the_report_is_asked_for_the_days_on_which_the_survey_leaves() -> None:
    _, now = asked(dispatch(), answer(200, []), records_of(DISPATCH))
    _, later = asked(dispatch(schedule="+10d"), answer(200, []), records_of(DISPATCH))
    assert now.asked[0][2]["end"] == "2026-11-22"
    assert later.asked[0][2]["end"] == "2026-12-02"


@pytest.mark.parametrize(("schedule", "after_s"), [("now", 0), ("+2h", 7200), ("draft", None)])
def test_a_dispatch_says_when_in_seconds_and_always_asks_who_was_left_out(schedule: str, after_s: int | None) -> None:
    line = Line(answer(200, INSERTED))
    dispatch(schedule=schedule).send(Tracksale(line, "http://t"), Sending(records_of(DISPATCH), Deadline.after(5)))  # type: ignore[arg-type]
    method, url, params, body = line.asked[0]
    assert (method, url, params) == ("POST", "http://t/v2/campaign/52/dispatch", {"getNotInserted": "1"})
    sent = orjson.loads(body or b"")
    assert sent["customers"] == [json.loads(records_of(DISPATCH)[0][1])]
    if after_s is None:
        assert "schedule_time" not in sent
    else:
        assert -60 < sent["schedule_time"] - after_s - time.time() < 15  # "now" is a few seconds ahead


@pytest.mark.parametrize(("schedule", "leaves_s"), [("now", 0), ("+2h", 7200), ("draft", 0)])
def test_a_survey_ends_so_long_after_it_leaves_and_each_customer_says_so(schedule: str, leaves_s: int) -> None:
    line = Line(answer(200, INSERTED))
    place = dispatch(schedule=schedule, finish="+7d")
    place.send(Tracksale(line, "http://t"), Sending(records_of(DISPATCH), Deadline.after(5)))  # type: ignore[arg-type]
    sent = orjson.loads(line.asked[0][3] or b"")
    [customer] = sent["customers"]
    ends = customer.pop("finish_time")
    assert customer == json.loads(records_of(DISPATCH)[0][1])
    assert "finish_time" not in sent
    assert -60 < ends - time.time() - leaves_s - 7 * 86_400 < 15
    if schedule != "draft":
        assert ends == sent["schedule_time"] + 7 * 86_400


@pytest.mark.parametrize(("place", "path"), [(FILL_TAGS, "/v2/fill-empty-tags"), (NOTE, "/v2/note")])
def test_tags_and_notes_are_sent_one_by_one_as_rendered(place: str, path: str) -> None:
    line = Line(answer(200, NOTED))
    made = PLACES[place]()
    made.send(Tracksale(line, "http://t"), Sending(records_of(place), Deadline.after(5)))  # type: ignore[arg-type]
    method, url, params, body = line.asked[0]
    assert (method, url, params) == ("POST", f"http://t{path}", {})
    assert orjson.loads(body or b"") == json.loads(records_of(place)[0][1])
    assert made.batch_size == 1
