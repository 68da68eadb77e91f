"""wolkvox: what was added, who is in a campaign, and which campaigns run."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given

from connector.core.http import Answer, Deadline
from connector.core.outcomes import Fate
from connector.store.helps import HelpState
from connector.vendors.base import ProbeResult, Sending
from connector.vendors.wolkvox.api import Wolkvox, campaign_statuses
from connector.vendors.wolkvox.lookups import read_count, read_report
from tests.destinations import (
    ADD_RECORD,
    ADDED,
    CAP,
    DISPATCH,
    HTML,
    HTML_TYPE,
    ROW,
    ZONE,
    Line,
    add_record,
    answer,
    asked,
    brings_no_light,
    classified,
    dispatch,
    effect,
    json_values,
    records_of,
    wolkvox,
)


@pytest.mark.parametrize(
    ("count", "fate"),
    [
        (3, Fate.DELIVERED),
        ("3", Fate.DELIVERED),
        (" 3 ", Fate.DELIVERED),
        (" ", Fate.DELIVERED),
        ("", Fate.DELIVERED),
        (None, Fate.DELIVERED),
        ("three", Fate.DELIVERED),
        (2, Fate.DOUBTFUL),
        ("2", Fate.DOUBTFUL),
        (0, Fate.DOUBTFUL),
        ("4", Fate.DOUBTFUL),
    ],
)
@pytest.mark.parametrize("as_list", [True, False])
def test_the_number_of_added_rows_is_compared_where_it_is_one(count: Any, fate: Fate, as_list: bool) -> None:
    data: Any = {"total_registers": count}
    outcome = classified(ADD_RECORD, answer(201, wolkvox("201", ADDED, data=[data] if as_list else data)), count=3)
    assert outcome.verdict.fate is fate
    assert bool(outcome.block) == (fate is Fate.DOUBTFUL)


FOUND = wolkvox("200", "ok", data=[ROW])


@pytest.mark.parametrize(
    ("given_answer", "present"),
    [
        (answer(200, FOUND), True),
        (answer(200, wolkvox(200, "ok", data=ROW)), True),
        (answer(200, wolkvox(200, "ok", data=[])), False),
        (answer(404, wolkvox("404", "No data", "Not Found")), False),
        (answer(404, wolkvox(404, "whatever else", "Not Found")), False),
        (answer(200, wolkvox("404", "No data", "Not Found")), False),
    ],
)
def test_find_record_says_whether_a_person_is_in_the_campaign(given_answer: Answer, present: bool) -> None:
    seen, line = asked(add_record(), given_answer, records_of(ADD_RECORD))
    assert seen == ProbeResult({100: present})
    method, url, params, body = line.asked[0]
    assert (method, url, body) == ("GET", "http://v/api/v2/campaign.php", None)
    assert params == {
        "api": "find_record",
        "campaign_id": "1042",
        "customer_phone": "93000000000",
        "customer_id": "1000000001",
    }


@pytest.mark.parametrize(
    "given_answer",
    [
        pytest.param(answer(404, HTML, HTML_TYPE), id="a web server's 404"),
        pytest.param(answer(404), id="an empty 404"),
        pytest.param(answer(404, {"message": "no Route matched"}), id="a gateway's 404"),
        pytest.param(answer(404, wolkvox("404", CAP)), id="the licence cap"),
        pytest.param(answer(200, wolkvox(200, "ok")), id="no data"),
        pytest.param(answer(200, wolkvox(200, "x", "Oops", data=[])), id="an error and no rows"),
        pytest.param(answer(200, wolkvox(200, "ok", data={})), id="a row of nothing"),
        pytest.param(answer(200, wolkvox(200, "ok", data=["x"])), id="rows that are none"),
        pytest.param(answer(401, wolkvox("401", "PLEASE ENTER THE WOLKVOX-TOKEN")), id="no token"),
    ],
)
def test_absence_is_never_concluded_from_anything_else(given_answer: Answer) -> None:
    seen, _ = asked(add_record(), given_answer, records_of(ADD_RECORD))
    assert brings_no_light(seen)


def test_a_question_that_is_refused_is_not_put_again_and_again() -> None:
    wrong = answer(400, wolkvox("400", "SOME PARAMETERS ARE REQUIRED", "Bad Request"))
    assert asked(add_record(), wrong, records_of(ADD_RECORD))[0] == ProbeResult(
        unclear="the vendor refused the question (400 SOME PARAMETERS ARE REQUIRED)", help=HelpState.UNKNOWN
    )
    assert asked(dispatch(), answer(400, {"error": "Invalid Time"}), records_of(DISPATCH))[0].unclear


def test_the_traced_column_makes_the_answer_exact() -> None:
    place = add_record(trace_field="opt12")
    ours = wolkvox(200, "ok", data=[ROW, ROW | {"opt12": "4f1c9a-d100"}])
    assert asked(place, answer(200, ours), records_of(ADD_RECORD))[0].present == {100: True}
    assert asked(place, answer(200, FOUND), records_of(ADD_RECORD))[0].present == {100: False}
    another = wolkvox(200, "ok", data=[ROW | {"opt12": "000000-d100"}])
    assert asked(place, answer(200, another), records_of(ADD_RECORD))[0].present == {100: False}
    cut_short = wolkvox(200, "ok", data=[{"customer_id": "1000000001"}])
    assert asked(place, answer(200, cut_short), records_of(ADD_RECORD))[0].unclear


def test_rows_travel_as_they_were_rendered_and_carry_the_trace_where_wanted() -> None:
    for place, trace in ((add_record(), ""), (add_record(trace_field="opt12"), "4f1c9a-d100")):
        line = Line(answer(201, wolkvox("201", ADDED)))
        sending = Sending(records_of(ADD_RECORD, 2), Deadline.after(5), prepared="stop", install="4f1c9a")
        place.send(Wolkvox(line, "http://w"), sending)  # type: ignore[arg-type]
        method, url, params, body = line.asked[0]
        assert (method, url) == ("POST", "http://w/api/v2/campaign.php")
        assert params == {
            "api": "add_record",
            "type_campaign": "predictive",
            "campaign_id": "1042",
            "campaign_status": "stop",
        }
        rows = orjson.loads(body or b"")
        assert [row["tel1"] for row in rows] == ["93000000000", "93000000001"]
        assert rows[0]["opt12"] == trace


REPORT = [
    {"campaign": "1042 - Campaña demo - Strategy (TEL1 100%)", "status": "started", "records": "10"},
    {"campaign": "1043 - Otra - x", "status": "Stopped"},
]


@pytest.mark.parametrize("body", [REPORT, wolkvox("200", "x", data=REPORT), wolkvox(200, "", data=REPORT)])
def test_the_campaign_report_is_read_as_a_list_and_as_an_envelope(body: Any) -> None:
    looked = read_report(answer(200, body), ZONE)
    assert looked.value.statuses == {"1042": "started", "1043": "stopped"}
    assert (looked.outcome.attempt, looked.state) == ("accepted", "works")


@pytest.mark.parametrize(
    ("given_answer", "does"),
    [
        (answer(403, wolkvox("403", "TOKEN LIMIT EXCEEDED")), "hold"),
        (answer(200, wolkvox("403", "PLEASE VALIDATE TOKEN")), "block"),
        (answer(502, HTML, HTML_TYPE), "-"),
        (answer(404, HTML, HTML_TYPE), "-"),
        (answer(404, wolkvox("404", "No data")), "-"),
        (answer(403, wolkvox("403", "NOT ALLOWED HERE")), "-"),
        (answer(401, HTML, HTML_TYPE), "-"),
        (answer(200, {}), "-"),
        (answer(405, b""), "-"),
    ],
)
def test_only_a_refused_token_and_a_told_limit_stop_the_account_of_a_help(given_answer: Answer, does: str) -> None:
    for looked in (read_report(given_answer, ZONE), read_count(given_answer, ZONE)):
        assert looked.value is None
        assert looked.state != "works"
        assert effect(looked.outcome) == does


@given(json_values)
def test_whatever_a_report_holds_statuses_are_texts(body: Any) -> None:
    statuses = campaign_statuses(body)
    assert statuses is None or all(isinstance(key, str) and isinstance(value, str) for key, value in statuses.items())
