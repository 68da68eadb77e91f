"""What every known answer of a vendor means, as a table, and how long it stops the account."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

import pytest

from connector.core.outcomes import Fate
from tests.destinations import (
    ADD_RECORD,
    ADDED,
    ANSWERED,
    ANSWERS,
    CAP,
    CLOSE,
    DISPATCH,
    FILL_TAGS,
    HTML,
    HTML_TYPE,
    INSERTED,
    LINKS,
    NOTE,
    NOTED,
    OK,
    REASSIGN,
    ZONE,
    answer,
    classified,
    customer,
    effect,
    told,
    wolkvox,
)

CAPTCHA = b'<!DOCTYPE html><html><head><title>Human Verification</title></head><body><div id="c"></div></body></html>'
NOTHING_NEW = INSERTED | {"dispatch_code": None, "status": {"duplicated": 1, "invalid": 0, "inserted": 0}}
AS_STRINGS = INSERTED | {"status": {"duplicated": "0", "invalid": "0", "inserted": "1"}}
DRAFT = INSERTED | {"msg": "Customers have been successfully added!"}
RECEIVED = {"answer_id": 6805511, "msg": "Request received successfully!"}

LINK = "https://tracksale.co/s/fixturehash"
LINKED = {"customers": [{"name": "Ana 0", "email": "ana0@example.com", "phone": None, "tags": [], "survey_link": LINK}]}
NONE_ANSWERED = {"msg": "0 Answer inserted", "status": {"invalid": "1", "inserted": "0"}, "answers": []}


#: What an answer means: (the attempt, the record, what it does to the account).
DELIVERED = ("accepted", Fate.DELIVERED, "-")
DUPLICATE = ("accepted", Fate.DUPLICATE, "-")
LEFT_OUT = ("accepted", Fate.REFUSED, "-")
REFUSED = ("rejected", Fate.REFUSED, "-")
AGAIN_BLOCKED = ("rejected", Fate.AGAIN, "block")
AGAIN_HELD = ("rejected", Fate.AGAIN, "hold")
UNKNOWN_BLOCKED = ("unknown", Fate.DOUBTFUL, "block")
UNKNOWN_HELD = ("unknown", Fate.DOUBTFUL, "hold")

#: Of each operation: (what it is, HTTP status, headers, body, meaning).
MEANINGS: dict[tuple[str, ...], list[tuple[str, int, dict[str, str], Any, tuple[str, Fate, str]]]] = {
    (ADD_RECORD,): [
        ("added", 201, {}, wolkvox("201", ADDED, data=[{"total_registers": "1"}]), DELIVERED),
        ("a blank count", 201, {}, wolkvox("201", ADDED, data=[{"total_registers": " "}]), DELIVERED),
        ("ints and a dict", 200, {}, wolkvox(201, ADDED, data={"total_registers": 1}), DELIVERED),
        ("no count", 200, {}, wolkvox(200, ADDED, data=[]), DELIVERED),
        ("empty error", 201, {}, wolkvox("201", ADDED, ""), DELIVERED),
        ("another count", 201, {}, wolkvox("201", ADDED, data=[{"total_registers": 7}]), UNKNOWN_BLOCKED),
        ("none added", 201, {}, wolkvox("201", ADDED, data=[{"total_registers": "0"}]), UNKNOWN_BLOCKED),
        ("a code and an error", 201, {}, wolkvox("201", "x", "Oops"), UNKNOWN_BLOCKED),
        ("no code", 201, {}, {"error": None, "msg": ADDED}, UNKNOWN_BLOCKED),
        ("a senseless code", 201, {}, wolkvox("OK", ADDED), UNKNOWN_BLOCKED),
        ("a code of another world", 200, {}, wolkvox(999, "x"), UNKNOWN_BLOCKED),
        ("a list", 200, {}, [], UNKNOWN_BLOCKED),
        ("parameters", 400, {}, wolkvox("400", "SOME PARAMETERS ARE REQUIRED", "Bad Request"), REFUSED),
        ("parameters, 200", 200, {}, wolkvox("400", "Some parameters are required", "x"), REFUSED),
        ("unknown api", 400, {}, wolkvox("400", "THE API YOU WANT TO CONSULT DOES NOT EXIST", "Bad Request"), REFUSED),
        ("another 400", 400, {}, wolkvox("400", "NO", "Bad Request"), UNKNOWN_BLOCKED),
        ("no token", 401, {}, wolkvox("401", "PLEASE ENTER THE WOLKVOX-TOKEN", "x"), AGAIN_BLOCKED),
        ("bad token", 403, {}, wolkvox("403", "PLEASE VALIDATE TOKEN", "Forbidden"), AGAIN_BLOCKED),
        (
            "too many at once",
            403,
            {},
            wolkvox("403", "EXCEEDS THE LIMIT OF SIMULTANEOUS REQUESTS PER TOKEN (2)", "Forbidden"),
            AGAIN_HELD,
        ),
        ("the day is used up", 403, {}, wolkvox("403", "TOKEN LIMIT EXCEEDED", "x"), AGAIN_HELD),
        ("another 403", 403, {}, wolkvox("403", "NO", "Forbidden"), UNKNOWN_BLOCKED),
        ("licence cap", 404, {}, wolkvox("404", CAP, "Not Found"), AGAIN_BLOCKED),
        ("licence cap, 200", 200, {}, wolkvox(404, CAP, "Not Found"), AGAIN_BLOCKED),
        ("another 404", 404, {}, wolkvox("404", "No data", "Not Found"), UNKNOWN_BLOCKED),
        ("slow down", 429, {"retry-after": "9"}, wolkvox("429", "", "Too Many"), AGAIN_HELD),
        ("proxy page", 502, HTML_TYPE, HTML, UNKNOWN_HELD),
        ("failed", 500, {}, wolkvox("500", "x", "Internal"), UNKNOWN_HELD),
        ("failed, 200", 200, {}, wolkvox("500", "x", "Internal"), UNKNOWN_HELD),
        ("busy", 503, {"retry-after": "30"}, b"", UNKNOWN_HELD),
        ("a page", 200, HTML_TYPE, HTML, UNKNOWN_HELD),
        ("nothing", 200, {}, b"", UNKNOWN_HELD),
        ("half of it", 201, {}, b'{"code":"201","error":nu', UNKNOWN_HELD),
        ("a redirect", 302, {"location": "/"}, b"", UNKNOWN_BLOCKED),
    ],
    (DISPATCH,): [
        ("scheduled", 200, {}, INSERTED, DELIVERED),
        ("to the draft lot", 200, {}, DRAFT, DELIVERED),
        ("counts as strings", 200, {}, AS_STRINGS, DELIVERED),
        ("all duplicated", 200, {}, NOTHING_NEW, DUPLICATE),
        ("an error beside counts", 200, {}, INSERTED | {"error": "x"}, UNKNOWN_BLOCKED),
        ("no counts", 200, {}, {"msg": "Dispatch executed!"}, UNKNOWN_BLOCKED),
        ("a list", 200, {}, [], UNKNOWN_BLOCKED),
    ],
    (LINKS,): [
        ("linked", 200, {}, LINKED, DELIVERED),
        ("an object", 200, {}, {"customers": LINKED["customers"][0]}, DELIVERED),
        ("no link", 200, {}, {"customers": [customer("Ana 0", "ana0@example.com")]}, LEFT_OUT),
        ("nobody", 200, {}, {"customers": []}, UNKNOWN_BLOCKED),
        ("nonsense", 200, {}, {"customers": ["x"]}, UNKNOWN_BLOCKED),
        ("no customers", 200, {}, {"msg": "ok"}, UNKNOWN_BLOCKED),
    ],
    (ANSWERS,): [
        ("inserted", 200, {}, ANSWERED, DELIVERED),
        ("inserted, no ids", 200, {}, {"status": ANSWERED["status"]}, DELIVERED),
        ("invalid", 200, {}, NONE_ANSWERED, LEFT_OUT),
        ("no counts", 200, {}, {"msg": "1 Answer inserted"}, UNKNOWN_BLOCKED),
        ("too many", 200, {}, {"status": {"invalid": 1, "inserted": 1}}, UNKNOWN_BLOCKED),
        ("counts of nothing", 200, {}, {"status": "ok"}, UNKNOWN_BLOCKED),
    ],
    (CLOSE, REASSIGN): [
        ("done", 200, {}, OK, DELIVERED),
        ("done, in a text", 200, {}, {"status": "200", "message": "Ok"}, DELIVERED),
        ("without a status", 200, {}, {"message": "Ok"}, UNKNOWN_BLOCKED),
        ("a list", 200, {}, [], UNKNOWN_BLOCKED),
        ("not there", 404, {}, told("Not found", 404), REFUSED),
        ("not there, 200", 200, {}, told("Not found", 404), REFUSED),
        ("bad request", 400, {}, told("Bad request", 400), REFUSED),
        ("a gateway's 404", 404, {}, {"message": "no Route"}, UNKNOWN_BLOCKED),
        ("a web server's 404", 404, HTML_TYPE, HTML, UNKNOWN_BLOCKED),
        ("the key", 401, {}, told("Invalid key", 401), AGAIN_BLOCKED),
        ("the key, 200", 200, {}, told("Invalid key", "401"), AGAIN_BLOCKED),
        ("forbidden", 403, {}, b"", AGAIN_BLOCKED),
        ("slow down", 429, {"retry-after": "9"}, told("x", 429), AGAIN_HELD),
        ("slow down, 200", 200, {}, told("x", 429), AGAIN_HELD),
        ("failed", 500, {}, b"Internal Server Error", UNKNOWN_HELD),
        ("failed, 200", 200, {}, told("x", 500), UNKNOWN_HELD),
        ("proxy page", 502, HTML_TYPE, HTML, UNKNOWN_HELD),
        ("a page", 200, HTML_TYPE, HTML, UNKNOWN_HELD),
        ("nothing", 200, {}, b"", UNKNOWN_HELD),
        ("half of it", 200, {}, b'{"status":20', UNKNOWN_HELD),
        ("a redirect", 301, {"location": "/"}, b"", UNKNOWN_BLOCKED),
        ("not allowed", 405, {}, told("Method not allowed", 405), UNKNOWN_BLOCKED),
    ],
    (FILL_TAGS,): [
        ("received", 200, {}, RECEIVED, DELIVERED),
        ("no answer found", 200, {}, {"msg": "x", "answer_id": None}, UNKNOWN_BLOCKED),
        ("something else", 200, {}, [], UNKNOWN_BLOCKED),
    ],
    (NOTE,): [
        ("noted", 200, {}, NOTED, DELIVERED),
        ("something else", 200, {}, {"hello": 1}, UNKNOWN_BLOCKED),
        ("no answer named", 200, {}, {"msg": "Success"}, UNKNOWN_BLOCKED),
        ("answer named by a text", 200, {}, {"answer_id": "6805511"}, DELIVERED),
    ],
    (DISPATCH, LINKS, ANSWERS, FILL_TAGS, NOTE): [
        ("bad request", 400, {}, {"error": "Invalid Time"}, REFUSED),
        ("not there", 404, {}, {"error": "Campanha não encontrada"}, REFUSED),
        ("too large", 413, {}, {"error": "x"}, REFUSED),
        ("unfit", 422, {}, {"error": "x"}, REFUSED),
        ("v1 error", 200, {}, {"error": {"code": 12, "msg": "texto"}}, REFUSED),
        ("unauthorized", 401, {}, {"error": "Unauthorized"}, AGAIN_BLOCKED),
        ("forbidden", 403, {}, {"error": "Forbidden"}, AGAIN_BLOCKED),
        ("captcha", 405, HTML_TYPE, CAPTCHA, AGAIN_BLOCKED),
        ("405, whatever it says", 405, {}, {"msg": "ok", "answer_id": 1}, AGAIN_BLOCKED),
        ("a page", 200, HTML_TYPE, CAPTCHA, AGAIN_BLOCKED),
        ("a page that hides its type", 403, {}, b"\n <html>", AGAIN_BLOCKED),
        ("slow down", 429, {"retry-after": "60"}, {"error": "x"}, AGAIN_HELD),
        ("failed", 500, {}, b"Internal Server Error", UNKNOWN_HELD),
        ("proxy page", 502, HTML_TYPE, HTML, UNKNOWN_HELD),
        ("busy", 503, {"retry-after": "5"}, b"", UNKNOWN_HELD),
        ("nothing", 200, {}, b"", UNKNOWN_HELD),
        ("half of it", 200, {}, b'{"msg":"Succ', UNKNOWN_HELD),
        ("a redirect", 307, {"location": "/"}, b"", UNKNOWN_BLOCKED),
        ("a teapot", 418, {}, {"error": "x"}, UNKNOWN_BLOCKED),
    ],
}


@pytest.mark.parametrize(
    ("place", "status", "headers", "body", "attempt", "fate", "does"),
    [
        pytest.param(place, status, headers, body, *meaning, id=f"{place}: {what}")
        for places, rows in MEANINGS.items()
        for place in places
        for what, status, headers, body, meaning in rows
    ],
)
def test_every_known_answer_has_its_meaning(
    place: str, status: int, headers: dict[str, str], body: Any, attempt: str, fate: Fate, does: str
) -> None:
    outcome = classified(place, answer(status, body, headers))
    assert (outcome.attempt, outcome.of(0).fate, effect(outcome)) == (attempt, fate, does)
    assert outcome.status == status
    if fate is not Fate.DELIVERED:
        assert outcome.of(0).reason


def test_what_a_refusing_vendor_says_is_kept_word_by_word() -> None:
    outcome = classified(ADD_RECORD, answer(400, wolkvox("400", "SOME PARAMETERS\n ARE   REQUIRED", "Bad Request")))
    assert outcome.verdict.reason == "400 SOME PARAMETERS ARE REQUIRED"
    assert classified(DISPATCH, answer(400, {"error": "Invalid Time"})).verdict.reason == "400 Invalid Time"
    assert classified(NOTE, answer(200, {"error": {"code": 12, "msg": "texto"}})).words == "200 texto"


def test_a_blocked_account_says_what_to_do() -> None:
    refused = classified(ADD_RECORD, answer(401, wolkvox("401", "x"))).block
    assert "check the account's token and what it may do, then resume" in str(refused)
    assert "buy licences" in str(classified(ADD_RECORD, answer(404, wolkvox("404", CAP))).block)
    assert "CAPTCHA" in str(classified(DISPATCH, answer(405, CAPTCHA, HTML_TYPE)).block)
    assert "then resume" in str(classified(DISPATCH, answer(418)).block)


# --- how long an account is held ------------------------------------------------------------------------------------


def test_a_hold_lasts_as_long_as_the_vendor_asks() -> None:
    assert classified(ADD_RECORD, answer(429, {}, {"retry-after": "9"})).hold_s == 9
    assert classified(DISPATCH, answer(503, b"", {"retry-after": "31"})).hold_s == 31
    assert classified(DISPATCH, answer(429, {"error": "x"})).hold_s is None


@pytest.mark.parametrize("at_once", ["0", "Fri, 20 Nov 2020 15:00:00 GMT"])
def test_a_vendor_that_asks_for_no_pause_at_all_gets_a_second(at_once: str) -> None:
    assert classified(ADD_RECORD, answer(429, {}, {"retry-after": at_once})).hold_s == 1
    assert classified(DISPATCH, answer(500, b"", {"retry-after": at_once})).hold_s == 1


def test_a_used_up_day_is_waited_out_to_midnight_there_and_an_hour_at_least() -> None:
    seconds = classified(ADD_RECORD, answer(403, wolkvox("403", "TOKEN LIMIT EXCEEDED"))).hold_s
    assert seconds is not None
    assert 3600 <= seconds <= 24 * 3600 + 120
    ends = datetime.fromtimestamp(time.time() + seconds, ZONE)
    assert seconds == 3600 or (ends.hour, ends.minute) in ((0, 0), (0, 1))
