"""Tracksale: whose survey link it is, and which answer went in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core.http import Deadline
from connector.core.outcomes import Fate
from connector.vendors.base import Sending
from connector.vendors.tracksale.api import Tracksale
from tests.destinations import (
    ANA,
    ANSWERED,
    ANSWERS,
    BAD,
    BEA,
    DOUBT,
    EVA,
    IN,
    OTHER_ANA,
    Line,
    answer,
    answers,
    asked,
    collected,
    customer,
    links,
    people,
    records_of,
)

ALONE = Fate.ALONE
FAMILY_A, FAMILY_B = customer("Ana", None, phone="3000000001"), customer("Luis", None, phone="3000000001")


def test_each_customer_gets_their_own_link_whatever_the_order() -> None:
    assert links([ANA, BEA, EVA], EVA, ANA, BEA) == ["1", "2", "0"]


def test_people_who_share_a_phone_are_told_apart_by_their_names_and_else_not_at_all() -> None:
    assert links([FAMILY_A, FAMILY_B], FAMILY_B, FAMILY_A) == ["1", "0"]
    nameless = [one | {"name": ""} for one in (FAMILY_B, FAMILY_A)]
    assert links([FAMILY_A, FAMILY_B], *nameless) == [ALONE, ALONE]


def test_the_order_of_an_answer_tells_nothing() -> None:
    nobody = {"name": "Ana"}
    assert links([ANA, OTHER_ANA], nobody, nobody) == [ALONE, ALONE]


def test_a_phone_may_come_back_with_its_country_code_or_as_a_number() -> None:
    one, two = customer("Ana", None, phone="3000000001"), customer("Bea", None, phone="3000000002")
    back = [{"name": "Bea", "phone": 573000000002}, {"name": "Ana", "phone": "+57 300 000 0001"}]
    assert links([one, two], *back) == ["1", "0"]


def test_copies_of_one_person_get_a_link_each_and_other_tags_are_another_copy() -> None:
    assert sorted(map(str, links([ANA, ANA], ANA, ANA))) == ["0", "1"]
    tagged = [ANA | {"tags": [{"name": "Canal", "value": value}]} for value in ("web", "chat")]
    assert links(tagged, tagged[1], tagged[0]) == ["1", "0"]
    assert links(tagged, ANA, ANA) == [ALONE, ALONE]


def test_who_is_missing_from_an_answer_is_asked_for_alone_and_then_ends() -> None:
    assert links([ANA, BEA], BEA) == [ALONE, "0"]
    assert links([ANA], BEA) == [BAD]
    assert links([ANA], {"email": "ana@example.com"}) == ["0"]
    assert links([ANA], {}) == ["0"]


def test_half_an_agreement_is_a_contradiction() -> None:
    """The e-mail is Ana's and the phone is not: whoever that is, nobody else's link is given away."""
    mixed = {"email": "ana@example.com", "phone": "3000000002"}
    ana, bea = ANA | {"phone": "3000000001"}, BEA | {"phone": "3000000002"}
    assert links([ana, bea], mixed, {"email": "bea@example.com"}) == [ALONE, "1"]


@given(
    st.lists(people, min_size=1, max_size=6), st.randoms(), st.sets(st.sampled_from(["name", "email", "phone", "tags"]))
)
def test_nobody_is_ever_given_somebody_else_s_link(
    customers: list[dict[str, Any]], shuffle: Any, forgotten: set[str]
) -> None:
    """However the vendor orders its answer, and whatever it leaves out of it."""
    order = list(range(len(customers)))
    shuffle.shuffle(order)
    entries = [{key: value for key, value in customers[at].items() if key not in forgotten} for at in order]
    for at, link in enumerate(links(customers, *entries)):
        assert isinstance(link, Fate) or customers[order[int(link)]] == customers[at]


# --- Tracksale: answers that were collected elsewhere ---------------------------------------------------------------

SURE, UNSURE = collected("Ana", "ana@example.com"), collected("Bea", "bea@example.com")


def settled(given_answers: Sequence[Any], inserted: int, *listed: Mapping[str, Any]) -> list[tuple[Fate, Any]]:
    body = {"status": {"inserted": inserted, "invalid": len(given_answers) - inserted}}
    body["answers"] = [one | {"answer_id": 700 + at} for at, one in enumerate(listed)]
    outcome = answers().classify(answer(200, body), [(at, json.dumps(one)) for at, one in enumerate(given_answers)])
    verdicts = [outcome.of(at) for at in range(len(given_answers))]
    return [(one.fate, one.result.get("answer_id")) for one in verdicts]


def person(one: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": one["name"], "email": one["email"], "phone": None, "identification": None}


def test_an_answer_that_went_in_is_known_by_whose_it_is() -> None:
    assert settled([SURE, UNSURE], 2, person(UNSURE), person(SURE)) == [(IN, 701), (IN, 700)]
    assert settled([SURE, UNSURE], 2) == [(IN, None), (IN, None)]


def test_an_invalid_answer_is_the_one_that_is_not_listed() -> None:
    assert settled([SURE, UNSURE], 1, person(UNSURE)) == [(BAD, None), (IN, 700)]
    assert settled([SURE, UNSURE], 0) == [(BAD, None), (BAD, None)]


def test_where_it_is_not_said_which_went_in_nobody_is_believed() -> None:
    assert settled([SURE, UNSURE], 1) == [(DOUBT, None), (DOUBT, None)]
    assert settled([SURE, SURE | {"score": 2}], 1, person(SURE)) == [(DOUBT, None), (DOUBT, None)]


def test_of_two_answers_of_one_person_no_id_is_guessed() -> None:
    assert settled([SURE, SURE | {"score": 2}], 2, person(SURE), person(SURE)) == [(IN, None), (IN, None)]


def test_an_unknown_answer_is_looked_up_by_person_second_and_score() -> None:
    row = {"id": 6805511, "time": 1_795_186_862, "nps_answer": "9", "email": "ANA0@example.com"}
    others = [row | {"time": 1_795_186_863}, row | {"nps_answer": 8}, row | {"email": "x@example.com"}, "x"]
    seen, line = asked(answers(), answer(200, [*others, row]), records_of(ANSWERS, 2))
    assert seen.present == {100: True, 101: False}
    assert seen.results == {100: {"answer_id": 6805511}}
    method, url, params, _ = line.asked[0]
    assert (method, url, params["codes"], params["limit"]) == ("GET", "http://v/v2/report/answer", "52", "-1")
    assert (params["start"], params["end"]) == ("2026-11-19", "2026-11-21")
    assert asked(answers(), answer(200, others), records_of(ANSWERS))[0].present == {100: False}


def test_an_answer_without_a_time_of_its_own_is_never_seen() -> None:
    records = [(100, json.dumps({"name": "Ana", "email": "ana@example.com", "score": 9}))]
    row = {"id": 1, "time": 1_795_190_460, "nps_answer": 9, "email": "ana@example.com"}
    assert asked(answers(), answer(200, [row]), records)[0].present == {100: False}


@pytest.mark.parametrize(
    ("options", "path"),
    [({"score": "nps"}, "/v2/answer"), ({"questions": [{"id": 11, "score": "nps"}]}, "/v2/answers")],
)
def test_answers_go_to_one_question_or_to_several(options: dict[str, Any], path: str) -> None:
    line = Line(answer(200, ANSWERED))
    answers(**options).send(Tracksale(line, "http://t"), Sending(records_of(ANSWERS, 2), Deadline.after(5)))  # type: ignore[arg-type]
    method, url, _, body = line.asked[0]
    sent = orjson.loads(body or b"")
    assert (method, url) == ("POST", f"http://t{path}")
    assert sent["campaign_code"] == "52"
    assert sent["answers" if path == "/v2/answer" else "data"] == [
        json.loads(text) for _, text in records_of(ANSWERS, 2)
    ]
