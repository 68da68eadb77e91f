"""Whatever a vendor answers, nothing counts as delivered by mistake, and nothing is an exception."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core.http import Answer
from connector.core.outcomes import Fate, Outcome
from connector.vendors.wolkvox.lookups import read_report
from tests.destinations import (
    ADD_RECORD,
    ANSWERS,
    CLOSE,
    DISPATCH,
    HTML,
    HTML_TYPE,
    LINKS,
    PLACES,
    ZONE,
    add_record,
    answers,
    asked,
    brings_no_light,
    classified,
    close,
    dispatch,
    json_values,
    records_of,
)

SHAPES = {
    "empty": (b"", {}),
    "json": (b"{}", {"content-type": "application/json"}),
    "json with words": (b'{"code":"777","error":"x","msg":"y","data":[]}', {}),
    "a list": (b"[]", {}),
    "null": (b"null", {}),
    "a text": (b'"ok"', {}),
    "html": (HTML, HTML_TYPE),
    "html without a type": (HTML, {}),
    "bytes": (b"\xff\xfe\x00", {"content-type": "image/png"}),
}
#: What a table knows to be safe although the account goes on: the vendor itself said no to the records.
REFUSING = {name: {400, 404, 409, 413, 422} if name.startswith("tracksale") else set() for name in PLACES}


def fails_closed(outcome: Outcome, *, known_refusal: bool) -> bool:
    if outcome.attempt == "accepted" or any(
        value.fate is Fate.DELIVERED for value in (outcome.verdict, *outcome.each.values())
    ):
        return False
    return bool(outcome.block or outcome.hold) or (known_refusal and outcome.verdict.fate is Fate.REFUSED)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("shape", SHAPES)
def test_no_status_whatever_its_body_counts_as_delivered_or_lets_the_account_go_on(place: str, shape: str) -> None:
    body, headers = SHAPES[shape]
    for status in [*range(100, 600), 600, 777, 999]:
        outcome = classified(place, Answer(status, headers, body), count=3)
        refusal = status in REFUSING[place] or (place != ADD_RECORD and 200 <= status < 300 and b'"error"' in body)
        assert fails_closed(outcome, known_refusal=refusal), (status, outcome)
        if not outcome.block and outcome.hold and status not in (429,) and outcome.attempt != "rejected":
            assert 500 <= status < 600 or 200 <= status < 300, (status, outcome)


@pytest.mark.parametrize("shape", SHAPES)
def test_no_status_whatever_its_body_is_taken_for_a_sight_of_the_record(shape: str) -> None:
    body, headers = SHAPES[shape]
    for status in range(100, 600):
        given_answer = Answer(status, headers, body)
        assert brings_no_light(asked(add_record(), given_answer, records_of(ADD_RECORD))[0]), status
        for place, name in ((dispatch(), DISPATCH), (answers(), ANSWERS)):
            seen, _ = asked(place, given_answer, records_of(name, 2))
            if 200 <= status < 300 and body == b"[]":  # an empty report: nobody seen, which settles nothing
                assert seen.present == {100: False, 101: False}
            else:
                assert brings_no_light(seen), status
        assert brings_no_light(asked(close(), given_answer, records_of(CLOSE))[0]), status


@pytest.mark.parametrize("shape", SHAPES)
def test_no_status_whatever_its_body_is_taken_for_a_campaign_report(shape: str) -> None:
    body, headers = SHAPES[shape]
    for status in range(100, 600):
        looked = read_report(Answer(status, headers, body), ZONE)
        if 200 <= status < 300 and body == b"[]":
            assert looked.value.statuses == {}
        else:
            assert looked.value is None, status
            assert looked.outcome.attempt != "accepted"
            assert looked.state != "works"


KEYS = [
    *("code", "error", "msg", "data", "status", "duplicated_customers", "invalid_customers", "answer_id", "campaign"),
    *("customers", "answers", "message", "is_closed"),
]
bodies = (
    st.binary(max_size=60)
    | json_values.map(orjson.dumps)
    | st.dictionaries(st.sampled_from(KEYS), json_values, max_size=6).map(orjson.dumps)
)


@given(st.sampled_from(sorted(PLACES)), st.integers(100, 999), bodies, st.integers(1, 4))
def test_whatever_a_vendor_answers_is_an_outcome(place: str, status: int, body: bytes, count: int) -> None:
    outcome = classified(
        place, Answer(status, {}, body), count if place in (ADD_RECORD, DISPATCH, LINKS, ANSWERS) else 1
    )
    assert outcome.attempt in {"accepted", "rejected", "unknown"}
    if outcome.attempt == "accepted":
        assert 200 <= status < 300
    assert len(outcome.words) <= 400


@given(st.integers(100, 599), bodies)
def test_whatever_a_vendor_answers_to_a_question_is_a_sight_a_fault_or_unclear(status: int, body: bytes) -> None:
    places_asked = (
        (add_record(), ADD_RECORD),
        (add_record(trace_field="opt12"), ADD_RECORD),
        (dispatch(), DISPATCH),
        (answers(), ANSWERS),
        (close(), CLOSE),
    )
    for place, name in places_asked:
        seen, _ = asked(place, Answer(status, {}, body), records_of(name))
        assert set(seen.present) == {100} or brings_no_light(seen)
    looked = read_report(Answer(status, {}, body), ZONE)
    assert (looked.value is not None) == (looked.state == "works") == (looked.outcome.attempt == "accepted")
