"""What every answer means: the vendors' known answers in a table, everything else closed, nothing ever an exception."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connector.client import Answer, Deadline
from connector.destinations import DESTINATIONS, SPECS, name_of, places
from connector.destinations.base import Destination, Seen, Sending, cut
from connector.destinations.wolkvox import AddRecord, read_report
from connector.errors import ConfigError
from connector.options import (
    AnswersOptions,
    DispatchOptions,
    EmptyTagsOptions,
    LinksOptions,
    NoteOptions,
    TicketOptions,
    WolkvoxOptions,
)
from connector.outcomes import Fate, Outcome
from connector.settings import Account, Route, Secret, Settings
from connector.vendors import PostCenter, Tracksale, Wolkvox
from connector.vendors.base import count_of
from connector.vendors.wolkvox import campaign_statuses

ZONE = ZoneInfo("America/Bogota")
DIALLER = Account(name="dialler", vendor="wolkvox", token=Secret("t"), base_url="http://127.0.0.1:1")
SURVEYS = Account(name="surveys", vendor="tracksale", token=Secret("t"), base_url="http://127.0.0.1:1")
HELPDESK = Account(name="helpdesk", vendor="postcenter", token=Secret("t"), base_url="http://127.0.0.1:1")
ROW = {"customer_name": "Ana", "customer_id": "1000000001", "tel1": "93000000001", "opt12": ""}
HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
CAPTCHA = b'<!DOCTYPE html><html><head><title>Human Verification</title></head><body><div id="c"></div></body></html>'


def add_record(**options: Any) -> AddRecord:
    loaded = WolkvoxOptions().load({"campaign_id": "1042"} | options)
    return AddRecord(account=DIALLER, name="dialler/wolkvox.add_record/1042", options=loaded)


def dispatch(**options: Any) -> Destination:
    loaded = DispatchOptions().load({"campaign_code": "52"} | options)
    return DESTINATIONS["tracksale.dispatch"](account=SURVEYS, name="surveys/tracksale.dispatch/52/now", options=loaded)


def fill_empty_tags() -> Destination:
    loaded = EmptyTagsOptions().load({"tags": {"Canal": "channel"}})
    return DESTINATIONS["tracksale.fill_empty_tags"](account=SURVEYS, name="tags", options=loaded)


def note() -> Destination:
    return DESTINATIONS["tracksale.note"](account=SURVEYS, name="note", options=NoteOptions().load({}))


def survey_links() -> Destination:
    return DESTINATIONS["tracksale.survey_links"](
        account=SURVEYS, name="links", options=LinksOptions().load({"campaign_code": "52"})
    )


def answers(**options: Any) -> Destination:
    loaded = AnswersOptions().load({"campaign_code": "52"} | (options or {"score": "nps"}))
    return DESTINATIONS["tracksale.answers"](account=SURVEYS, name="answers", options=loaded)


def close() -> Destination:
    return DESTINATIONS["postcenter.close"](account=HELPDESK, name="close", options=TicketOptions().load({}))


def reassign() -> Destination:
    return DESTINATIONS["postcenter.reassign"](account=HELPDESK, name="reassign", options=TicketOptions().load({}))


PLACES = {
    "wolkvox.add_record": add_record,
    "tracksale.survey_links": survey_links,
    "tracksale.answers": answers,
    "postcenter.close": close,
    "postcenter.reassign": reassign,
    "tracksale.dispatch": dispatch,
    "tracksale.fill_empty_tags": fill_empty_tags,
    "tracksale.note": note,
}


TICKET = "583dcb2855d0a46e438d0206"


def collected(name: str = "Ana Exemplo", email: str = "ana@example.com", **more: Any) -> dict[str, Any]:
    return {"name": name, "email": email, "score": 9, "create_time": 1_795_186_862} | more


def customer(name: str = "Ana Exemplo", email: str | None = "ana@example.com", **more: Any) -> dict[str, Any]:
    return {"name": name, "email": email, "phone": None, "identification": None, "tags": []} | more


def records_of(place: str, count: int = 1) -> list[tuple[int, str]]:
    rows: list[dict[str, Any]]
    if place == "wolkvox.add_record":
        rows = [ROW | {"tel1": f"9300000{at:04}"} for at in range(count)]
    elif place == "tracksale.answers":
        rows = [collected(f"Ana {at}", f"ana{at}@example.com") for at in range(count)]
    elif place in (C, R):
        rows = [{"ticket_id": TICKET}]
    elif place in (D, L):
        rows = [customer(f"Ana {at}", f"ana{at}@example.com") for at in range(count)]
    else:
        rows = [{"answer_id": 6805511, "comment": "Hola", "tags": []}]
    return [(100 + at, json.dumps(row)) for at, row in enumerate(rows)]


def answer(status: int, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
    raw = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
    return Answer(status, dict(headers or {}), raw)


def classified(place: str, given_answer: Answer, count: int = 1) -> Outcome:
    return PLACES[place]().classify(given_answer, records_of(place, count))


def effect(outcome: Outcome) -> str:
    return "block" if outcome.block else "hold" if outcome.hold else "-"


# --- the table ------------------------------------------------------------------------------------------------------


def wolkvox(code: int | str, msg: str = "", error: str | None = None, **more: Any) -> dict[str, Any]:
    return {"code": code, "error": error, "msg": msg} | more


ADDED = "All records has been added successfully"
CAP = (
    "You are uploading (66401) records to the system. According to quantity active licenses, "
    "You can upload 50000 records. Try again."
)
INSERTED = {
    "msg": "Dispatch executed!",
    "dispatch_code": "ABCDEFG123",
    "status": {"duplicated": 0, "invalid": 0, "inserted": 1},
    "campaign": {"name": "Campanha demo", "cod": 26},
}
NOTHING_NEW = INSERTED | {"dispatch_code": None, "status": {"duplicated": 1, "invalid": 0, "inserted": 0}}
AS_STRINGS = INSERTED | {"status": {"duplicated": "0", "invalid": "0", "inserted": "1"}}
DRAFT = INSERTED | {"msg": "Customers have been successfully added!"}
RECEIVED = {"answer_id": 6805511, "msg": "Request received successfully!"}
NOTED = {"msg": "Success", "answer_id": 6805511}
HTML_TYPE = {"content-type": "text/html; charset=UTF-8"}

LINK = "https://tracksale.co/s/fixturehash"
LINKED = {"customers": [{"name": "Ana 0", "email": "ana0@example.com", "phone": None, "tags": [], "survey_link": LINK}]}
ANSWERED = {
    "msg": "1 Answer inserted",
    "status": {"invalid": 0, "inserted": 1},
    "answers": [{"answer_id": 6805511, "name": "Ana 0", "email": "ana0@example.com", "phone": None}],
}
NONE_ANSWERED = {"msg": "0 Answer inserted", "status": {"invalid": "1", "inserted": "0"}, "answers": []}
OK = {"status": 200, "message": "Ok"}

W, D, T, N = "wolkvox.add_record", "tracksale.dispatch", "tracksale.fill_empty_tags", "tracksale.note"
L, A, C, R = "tracksale.survey_links", "tracksale.answers", "postcenter.close", "postcenter.reassign"


def told(message: str, status: int | str) -> dict[str, Any]:
    """As PostCenter refuses."""
    return {"message": message, "status": status}


#: (place, what it is, HTTP status, headers, body) -> (attempt, fate, what it does to the account)
TABLE: list[tuple[str, str, int, dict[str, str], Any, str, Fate, str]] = [
    (W, "added", 201, {}, wolkvox("201", ADDED, data=[{"total_registers": "1"}]), "accepted", Fate.DELIVERED, "-"),
    (
        W,
        "a blank count",
        201,
        {},
        wolkvox("201", ADDED, data=[{"total_registers": " "}]),
        "accepted",
        Fate.DELIVERED,
        "-",
    ),
    (W, "ints and a dict", 200, {}, wolkvox(201, ADDED, data={"total_registers": 1}), "accepted", Fate.DELIVERED, "-"),
    (W, "no count", 200, {}, wolkvox(200, ADDED, data=[]), "accepted", Fate.DELIVERED, "-"),
    (W, "empty error", 201, {}, wolkvox("201", ADDED, ""), "accepted", Fate.DELIVERED, "-"),
    (
        W,
        "another count",
        201,
        {},
        wolkvox("201", ADDED, data=[{"total_registers": 7}]),
        "unknown",
        Fate.DOUBTFUL,
        "block",
    ),
    (
        W,
        "none added",
        201,
        {},
        wolkvox("201", ADDED, data=[{"total_registers": "0"}]),
        "unknown",
        Fate.DOUBTFUL,
        "block",
    ),
    (W, "a code and an error", 201, {}, wolkvox("201", "x", "Oops"), "unknown", Fate.DOUBTFUL, "block"),
    (W, "no code", 201, {}, {"error": None, "msg": ADDED}, "unknown", Fate.DOUBTFUL, "block"),
    (W, "a senseless code", 201, {}, wolkvox("OK", ADDED), "unknown", Fate.DOUBTFUL, "block"),
    (W, "a code of another world", 200, {}, wolkvox(999, "x"), "unknown", Fate.DOUBTFUL, "block"),
    (W, "a list", 200, {}, [], "unknown", Fate.DOUBTFUL, "block"),
    (
        W,
        "parameters",
        400,
        {},
        wolkvox("400", "SOME PARAMETERS ARE REQUIRED", "Bad Request"),
        "rejected",
        Fate.REFUSED,
        "-",
    ),
    (W, "parameters, 200", 200, {}, wolkvox("400", "Some parameters are required", "x"), "rejected", Fate.REFUSED, "-"),
    (
        W,
        "unknown api",
        400,
        {},
        wolkvox("400", "THE API YOU WANT TO CONSULT DOES NOT EXIST", "Bad Request"),
        "rejected",
        Fate.REFUSED,
        "-",
    ),
    (W, "another 400", 400, {}, wolkvox("400", "NO", "Bad Request"), "unknown", Fate.DOUBTFUL, "block"),
    (W, "no token", 401, {}, wolkvox("401", "PLEASE ENTER THE WOLKVOX-TOKEN", "x"), "rejected", Fate.AGAIN, "block"),
    (W, "bad token", 403, {}, wolkvox("403", "PLEASE VALIDATE TOKEN", "Forbidden"), "rejected", Fate.AGAIN, "block"),
    (
        W,
        "too many at once",
        403,
        {},
        wolkvox("403", "EXCEEDS THE LIMIT OF SIMULTANEOUS REQUESTS PER TOKEN (2)", "Forbidden"),
        "rejected",
        Fate.AGAIN,
        "hold",
    ),
    (W, "the day is used up", 403, {}, wolkvox("403", "TOKEN LIMIT EXCEEDED", "x"), "rejected", Fate.AGAIN, "hold"),
    (W, "another 403", 403, {}, wolkvox("403", "NO", "Forbidden"), "unknown", Fate.DOUBTFUL, "block"),
    (W, "licence cap", 404, {}, wolkvox("404", CAP, "Not Found"), "rejected", Fate.AGAIN, "block"),
    (W, "licence cap, 200", 200, {}, wolkvox(404, CAP, "Not Found"), "rejected", Fate.AGAIN, "block"),
    (W, "another 404", 404, {}, wolkvox("404", "No data", "Not Found"), "unknown", Fate.DOUBTFUL, "block"),
    (W, "slow down", 429, {"retry-after": "9"}, wolkvox("429", "", "Too Many"), "rejected", Fate.AGAIN, "hold"),
    (W, "proxy page", 502, HTML_TYPE, HTML, "unknown", Fate.DOUBTFUL, "hold"),
    (W, "failed", 500, {}, wolkvox("500", "x", "Internal"), "unknown", Fate.DOUBTFUL, "hold"),
    (W, "failed, 200", 200, {}, wolkvox("500", "x", "Internal"), "unknown", Fate.DOUBTFUL, "hold"),
    (W, "busy", 503, {"retry-after": "30"}, b"", "unknown", Fate.DOUBTFUL, "hold"),
    (W, "a page", 200, HTML_TYPE, HTML, "unknown", Fate.DOUBTFUL, "hold"),
    (W, "nothing", 200, {}, b"", "unknown", Fate.DOUBTFUL, "hold"),
    (W, "half of it", 201, {}, b'{"code":"201","error":nu', "unknown", Fate.DOUBTFUL, "hold"),
    (W, "a redirect", 302, {"location": "/"}, b"", "unknown", Fate.DOUBTFUL, "block"),
    (D, "scheduled", 200, {}, INSERTED, "accepted", Fate.DELIVERED, "-"),
    (D, "to the draft lot", 200, {}, DRAFT, "accepted", Fate.DELIVERED, "-"),
    (D, "counts as strings", 200, {}, AS_STRINGS, "accepted", Fate.DELIVERED, "-"),
    (D, "all duplicated", 200, {}, NOTHING_NEW, "accepted", Fate.DUPLICATE, "-"),
    (D, "an error beside counts", 200, {}, INSERTED | {"error": "x"}, "unknown", Fate.DOUBTFUL, "block"),
    (D, "no counts", 200, {}, {"msg": "Dispatch executed!"}, "unknown", Fate.DOUBTFUL, "block"),
    (D, "a list", 200, {}, [], "unknown", Fate.DOUBTFUL, "block"),
    (L, "linked", 200, {}, LINKED, "accepted", Fate.DELIVERED, "-"),
    (L, "an object", 200, {}, {"customers": LINKED["customers"][0]}, "accepted", Fate.DELIVERED, "-"),
    (L, "no link", 200, {}, {"customers": [customer("Ana 0", "ana0@example.com")]}, "accepted", Fate.REFUSED, "-"),
    (L, "nobody", 200, {}, {"customers": []}, "unknown", Fate.DOUBTFUL, "block"),
    (L, "nonsense", 200, {}, {"customers": ["x"]}, "unknown", Fate.DOUBTFUL, "block"),
    (L, "no customers", 200, {}, {"msg": "ok"}, "unknown", Fate.DOUBTFUL, "block"),
    (A, "inserted", 200, {}, ANSWERED, "accepted", Fate.DELIVERED, "-"),
    (A, "inserted, no ids", 200, {}, {"status": ANSWERED["status"]}, "accepted", Fate.DELIVERED, "-"),
    (A, "invalid", 200, {}, NONE_ANSWERED, "accepted", Fate.REFUSED, "-"),
    (A, "no counts", 200, {}, {"msg": "1 Answer inserted"}, "unknown", Fate.DOUBTFUL, "block"),
    (A, "too many", 200, {}, {"status": {"invalid": 1, "inserted": 1}}, "unknown", Fate.DOUBTFUL, "block"),
    (A, "counts of nothing", 200, {}, {"status": "ok"}, "unknown", Fate.DOUBTFUL, "block"),
    *(
        row
        for place in (C, R)
        for row in [
            (place, "done", 200, {}, OK, "accepted", Fate.DELIVERED, "-"),
            (place, "done, in a text", 200, {}, {"status": "200", "message": "Ok"}, "accepted", Fate.DELIVERED, "-"),
            (place, "without a status", 200, {}, {"message": "Ok"}, "unknown", Fate.DOUBTFUL, "block"),
            (place, "a list", 200, {}, [], "unknown", Fate.DOUBTFUL, "block"),
            (place, "not there", 404, {}, told("Not found", 404), "rejected", Fate.REFUSED, "-"),
            (place, "not there, 200", 200, {}, told("Not found", 404), "rejected", Fate.REFUSED, "-"),
            (place, "bad request", 400, {}, told("Bad request", 400), "rejected", Fate.REFUSED, "-"),
            (place, "a gateway's 404", 404, {}, {"message": "no Route"}, "unknown", Fate.DOUBTFUL, "block"),
            (place, "a web server's 404", 404, HTML_TYPE, HTML, "unknown", Fate.DOUBTFUL, "block"),
            (place, "the key", 401, {}, told("Invalid key", 401), "rejected", Fate.AGAIN, "block"),
            (place, "the key, 200", 200, {}, told("Invalid key", "401"), "rejected", Fate.AGAIN, "block"),
            (place, "forbidden", 403, {}, b"", "rejected", Fate.AGAIN, "block"),
            (place, "slow down", 429, {"retry-after": "9"}, told("x", 429), "rejected", Fate.AGAIN, "hold"),
            (place, "slow down, 200", 200, {}, told("x", 429), "rejected", Fate.AGAIN, "hold"),
            (place, "failed", 500, {}, b"Internal Server Error", "unknown", Fate.DOUBTFUL, "hold"),
            (place, "failed, 200", 200, {}, told("x", 500), "unknown", Fate.DOUBTFUL, "hold"),
            (place, "proxy page", 502, HTML_TYPE, HTML, "unknown", Fate.DOUBTFUL, "hold"),
            (place, "a page", 200, HTML_TYPE, HTML, "unknown", Fate.DOUBTFUL, "hold"),
            (place, "nothing", 200, {}, b"", "unknown", Fate.DOUBTFUL, "hold"),
            (place, "half of it", 200, {}, b'{"status":20', "unknown", Fate.DOUBTFUL, "hold"),
            (place, "a redirect", 301, {"location": "/"}, b"", "unknown", Fate.DOUBTFUL, "block"),
            (place, "not allowed", 405, {}, told("Method not allowed", 405), "unknown", Fate.DOUBTFUL, "block"),
        ]
    ),
    (T, "received", 200, {}, RECEIVED, "accepted", Fate.DELIVERED, "-"),
    (N, "noted", 200, {}, NOTED, "accepted", Fate.DELIVERED, "-"),
    (N, "something else", 200, {}, {"hello": 1}, "unknown", Fate.DOUBTFUL, "block"),
    (N, "no answer named", 200, {}, {"msg": "Success"}, "unknown", Fate.DOUBTFUL, "block"),
    (T, "no answer found", 200, {}, {"msg": "x", "answer_id": None}, "unknown", Fate.DOUBTFUL, "block"),
    (N, "answer named by a text", 200, {}, {"answer_id": "6805511"}, "accepted", Fate.DELIVERED, "-"),
    (T, "something else", 200, {}, [], "unknown", Fate.DOUBTFUL, "block"),
    *(
        row
        for place in (D, L, A, T, N)
        for row in [
            (place, "bad request", 400, {}, {"error": "Invalid Time"}, "rejected", Fate.REFUSED, "-"),
            (place, "not there", 404, {}, {"error": "Campanha não encontrada"}, "rejected", Fate.REFUSED, "-"),
            (place, "too large", 413, {}, {"error": "x"}, "rejected", Fate.REFUSED, "-"),
            (place, "unfit", 422, {}, {"error": "x"}, "rejected", Fate.REFUSED, "-"),
            (place, "v1 error", 200, {}, {"error": {"code": 12, "msg": "texto"}}, "rejected", Fate.REFUSED, "-"),
            (place, "unauthorized", 401, {}, {"error": "Unauthorized"}, "rejected", Fate.AGAIN, "block"),
            (place, "forbidden", 403, {}, {"error": "Forbidden"}, "rejected", Fate.AGAIN, "block"),
            (place, "captcha", 405, HTML_TYPE, CAPTCHA, "rejected", Fate.AGAIN, "block"),
            (place, "405, whatever it says", 405, {}, {"msg": "ok", "answer_id": 1}, "rejected", Fate.AGAIN, "block"),
            (place, "a page", 200, HTML_TYPE, CAPTCHA, "rejected", Fate.AGAIN, "block"),
            (place, "a page that hides its type", 403, {}, b"\n <html>", "rejected", Fate.AGAIN, "block"),
            (place, "slow down", 429, {"retry-after": "60"}, {"error": "x"}, "rejected", Fate.AGAIN, "hold"),
            (place, "failed", 500, {}, b"Internal Server Error", "unknown", Fate.DOUBTFUL, "hold"),
            (place, "proxy page", 502, HTML_TYPE, HTML, "unknown", Fate.DOUBTFUL, "hold"),
            (place, "busy", 503, {"retry-after": "5"}, b"", "unknown", Fate.DOUBTFUL, "hold"),
            (place, "nothing", 200, {}, b"", "unknown", Fate.DOUBTFUL, "hold"),
            (place, "half of it", 200, {}, b'{"msg":"Succ', "unknown", Fate.DOUBTFUL, "hold"),
            (place, "a redirect", 307, {"location": "/"}, b"", "unknown", Fate.DOUBTFUL, "block"),
            (place, "a teapot", 418, {}, {"error": "x"}, "unknown", Fate.DOUBTFUL, "block"),
        ]
    ),
]


@pytest.mark.parametrize(("place", "status", "headers", "body", "attempt", "fate", "does"),
    [pytest.param(r[0], *r[2:], id=f"{r[0]}: {r[1]}") for r in TABLE])  # fmt: skip
def test_every_known_answer_has_its_meaning(
    place: str, status: int, headers: dict[str, str], body: Any, attempt: str, fate: Fate, does: str
) -> None:
    outcome = classified(place, answer(status, body, headers))
    assert (outcome.attempt, outcome.of(0).fate, effect(outcome)) == (attempt, fate, does)
    assert outcome.status == status
    if fate is not Fate.DELIVERED:
        assert outcome.of(0).reason


def test_what_a_refusing_vendor_says_is_kept_word_by_word() -> None:
    outcome = classified(W, answer(400, wolkvox("400", "SOME PARAMETERS\n ARE   REQUIRED", "Bad Request")))
    assert outcome.verdict.reason == "400 SOME PARAMETERS ARE REQUIRED"
    assert classified(D, answer(400, {"error": "Invalid Time"})).verdict.reason == "400 Invalid Time"
    assert classified(N, answer(200, {"error": {"code": 12, "msg": "texto"}})).words == "200 texto"


def test_a_blocked_account_says_what_to_do() -> None:
    assert "check the account's token, then resume" in classified(W, answer(401, wolkvox("401", "x"))).block
    assert "buy licences" in classified(W, answer(404, wolkvox("404", CAP))).block
    assert "CAPTCHA" in classified(D, answer(405, CAPTCHA, HTML_TYPE)).block
    assert "then resume" in classified(D, answer(418)).block


# --- how long an account is held ------------------------------------------------------------------------------------


def test_a_hold_lasts_as_long_as_the_vendor_asks() -> None:
    assert classified(W, answer(429, {}, {"retry-after": "9"})).hold_s == 9
    assert classified(D, answer(503, b"", {"retry-after": "31"})).hold_s == 31
    assert classified(D, answer(429, {"error": "x"})).hold_s is None


@pytest.mark.parametrize("at_once", ["0", "Fri, 20 Nov 2020 15:00:00 GMT"])
def test_a_vendor_that_asks_for_no_pause_at_all_gets_a_second(at_once: str) -> None:
    assert classified(W, answer(429, {}, {"retry-after": at_once})).hold_s == 1
    assert classified(D, answer(500, b"", {"retry-after": at_once})).hold_s == 1


def test_a_used_up_day_is_waited_out_to_midnight_there_and_an_hour_at_least() -> None:
    seconds = classified(W, answer(403, wolkvox("403", "TOKEN LIMIT EXCEEDED"))).hold_s
    assert seconds is not None
    assert 3600 <= seconds <= 24 * 3600 + 120
    ends = datetime.fromtimestamp(time.time() + seconds, ZONE)
    assert seconds == 3600 or (ends.hour, ends.minute) in ((0, 0), (0, 1))


# --- whatever comes -------------------------------------------------------------------------------------------------

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
        v.fate is Fate.DELIVERED for v in (outcome.verdict, *outcome.each.values())
    ):
        return False
    return bool(outcome.block or outcome.hold) or (known_refusal and outcome.verdict.fate is Fate.REFUSED)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("shape", SHAPES)
def test_no_status_whatever_its_body_counts_as_delivered_or_lets_the_account_go_on(place: str, shape: str) -> None:
    body, headers = SHAPES[shape]
    for status in [*range(100, 600), 600, 777, 999]:
        outcome = classified(place, Answer(status, headers, body), count=3)
        refusal = status in REFUSING[place] or (place != W and 200 <= status < 300 and b'"error"' in body)
        assert fails_closed(outcome, known_refusal=refusal), (status, outcome)
        if not outcome.block and outcome.hold and status not in (429,) and outcome.attempt != "rejected":
            assert 500 <= status < 600 or 200 <= status < 300, (status, outcome)


class Line:
    """A vendor's connection that always gives the same answer, and remembers what it was asked."""

    def __init__(self, given: Answer) -> None:
        self.given = given
        self.asked: list[tuple[str, str, dict[str, str], bytes | None]] = []

    def call(self, method: str, url: str, *, params: Any = None, body: Any = None, deadline: Any = None) -> Answer:
        self.asked.append((method, url, dict(params or {}), body))
        return self.given


VENDOR: dict[str, Any] = {"wolkvox": Wolkvox, "tracksale": Tracksale, "postcenter": PostCenter}


def asked(place: Destination, given: Answer, records: Sequence[tuple[int, str]]) -> tuple[Seen, Line]:
    line = Line(given)
    vendor = VENDOR[place.vendor](line, "http://v")
    started_ms = 1_795_190_460_000
    return place.ask(vendor, records, started_ms, "4f1c9a", Deadline.after(5)), line


def brings_no_light(seen: Seen) -> bool:
    if seen.unclear:
        return seen.fault is None and not seen.present
    assert seen.fault is not None
    return bool(seen.fault.block or seen.fault.hold) and not seen.present


@pytest.mark.parametrize("shape", SHAPES)
def test_no_status_whatever_its_body_is_taken_for_a_sight_of_the_record(shape: str) -> None:
    body, headers = SHAPES[shape]
    for status in range(100, 600):
        given_answer = Answer(status, headers, body)
        assert brings_no_light(asked(add_record(), given_answer, records_of(W))[0]), status
        for place, name in ((dispatch(), D), (answers(), A)):
            seen, _ = asked(place, given_answer, records_of(name, 2))
            if 200 <= status < 300 and body == b"[]":  # an empty report: nobody seen, which settles nothing
                assert seen.present == {100: False, 101: False}
            else:
                assert brings_no_light(seen), status
        assert brings_no_light(asked(close(), given_answer, records_of(C))[0]), status


@pytest.mark.parametrize("shape", SHAPES)
def test_no_status_whatever_its_body_is_taken_for_a_campaign_report(shape: str) -> None:
    body, headers = SHAPES[shape]
    for status in range(100, 600):
        statuses, outcome = read_report(Answer(status, headers, body), DIALLER, ZONE)
        if 200 <= status < 300 and body == b"[]":
            assert statuses == {}
        else:
            assert statuses is None, status
            assert outcome.attempt != "accepted"
            assert outcome.block or outcome.hold, status


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
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
    outcome = classified(place, Answer(status, {}, body), count if place in (W, D, L, A) else 1)
    assert outcome.attempt in {"accepted", "rejected", "unknown"}
    if outcome.attempt == "accepted":
        assert 200 <= status < 300
    assert len(outcome.words) <= 400


@given(st.integers(100, 599), bodies)
def test_whatever_a_vendor_answers_to_a_question_is_a_sight_a_fault_or_unclear(status: int, body: bytes) -> None:
    places_asked = (
        (add_record(), W),
        (add_record(trace_field="opt12"), W),
        (dispatch(), D),
        (answers(), A),
        (close(), C),
    )
    for place, name in places_asked:
        seen, _ = asked(place, Answer(status, {}, body), records_of(name))
        assert set(seen.present) == {100} or brings_no_light(seen)
    statuses, outcome = read_report(Answer(status, {}, body), DIALLER, ZONE)
    assert statuses is not None or outcome.block or outcome.hold or outcome.attempt == "rejected"


# --- wolkvox: what was added, who is there, what runs ----------------------------------------------------------------


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
    outcome = classified(W, answer(201, wolkvox("201", ADDED, data=[data] if as_list else data)), count=3)
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
    seen, line = asked(add_record(), given_answer, records_of(W))
    assert seen == Seen({100: present})
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
    seen, _ = asked(add_record(), given_answer, records_of(W))
    assert brings_no_light(seen)


def test_a_question_that_is_refused_is_not_put_again_and_again() -> None:
    wrong = answer(400, wolkvox("400", "SOME PARAMETERS ARE REQUIRED", "Bad Request"))
    assert asked(add_record(), wrong, records_of(W))[0] == Seen(
        unclear="the vendor refused the question (400 SOME PARAMETERS ARE REQUIRED)"
    )
    assert asked(dispatch(), answer(400, {"error": "Invalid Time"}), records_of(D))[0].unclear


def test_the_traced_column_makes_the_answer_exact() -> None:
    place = add_record(trace_field="opt12")
    ours = wolkvox(200, "ok", data=[ROW, ROW | {"opt12": "4f1c9a-d100"}])
    assert asked(place, answer(200, ours), records_of(W))[0].present == {100: True}
    assert asked(place, answer(200, FOUND), records_of(W))[0].present == {100: False}
    another = wolkvox(200, "ok", data=[ROW | {"opt12": "000000-d100"}])
    assert asked(place, answer(200, another), records_of(W))[0].present == {100: False}
    cut_short = wolkvox(200, "ok", data=[{"customer_id": "1000000001"}])
    assert asked(place, answer(200, cut_short), records_of(W))[0].unclear


def test_rows_travel_as_they_were_rendered_and_carry_the_trace_where_wanted() -> None:
    for place, trace in ((add_record(), ""), (add_record(trace_field="opt12"), "4f1c9a-d100")):
        line = Line(answer(201, wolkvox("201", ADDED)))
        sending = Sending(records_of(W, 2), Deadline.after(5), campaign_status="stop", install="4f1c9a")
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
    statuses, outcome = read_report(answer(200, body), DIALLER, ZONE)
    assert statuses == {"1042": "started", "1043": "stopped"}
    assert outcome.attempt == "accepted"


@pytest.mark.parametrize(
    ("given_answer", "does"),
    [
        (answer(403, wolkvox("403", "TOKEN LIMIT EXCEEDED")), "hold"),
        (answer(200, wolkvox("403", "PLEASE VALIDATE TOKEN")), "block"),
        (answer(502, HTML, HTML_TYPE), "hold"),
        (answer(404, HTML, HTML_TYPE), "block"),
    ],
)
def test_a_report_that_cannot_be_had_is_an_account_fault(given_answer: Answer, does: str) -> None:
    statuses, outcome = read_report(given_answer, DIALLER, ZONE)
    assert statuses is None
    assert effect(outcome) == does


@given(json_values)
def test_whatever_a_report_holds_statuses_are_texts(body: Any) -> None:
    statuses = campaign_statuses(body)
    assert statuses is None or all(isinstance(k, str) and isinstance(v, str) for k, v in statuses.items())


# --- Tracksale: who was inserted ------------------------------------------------------------------------------------

ANA, BEA, EVA = (
    customer("Ana", "ana@example.com"),
    customer("Bea", "bea@example.com"),
    customer("Eva", "eva@example.com"),
)
OTHER_ANA = customer("Ana", "ana.b@example.com")
PHONE_ANA = customer("Ana", None, phone="11900000001")
PHONE_ANA_2 = customer("Ana", None, phone="11900000002")
NAMELESS = customer("", "x@example.com")

IN, DUP, BAD, DOUBT = Fate.DELIVERED, Fate.DUPLICATE, Fate.REFUSED, Fate.DOUBTFUL


def duplicated(*customers: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"name": c["name"], "email": c["email"]} for c in customers]


def invalid(*customers: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"name": c["name"], "reason": "Invalid or empty main channel"} for c in customers]


def partial(counts: Any, dups: Any = None, bad: Any = None, customers: Sequence[Any] = ()) -> Outcome:
    """``counts``: inserted, duplicated, invalid; or the whole of ``status``."""
    status = (
        dict(zip(("inserted", "duplicated", "invalid"), counts, strict=True)) if isinstance(counts, tuple) else counts
    )
    body = {"msg": "Dispatch executed!", "status": status}
    body |= {} if dups is None else {"duplicated_customers": dups}
    body |= {} if bad is None else {"invalid_customers": bad}
    return dispatch().classify(answer(200, body), [(at, json.dumps(c)) for at, c in enumerate(customers)])


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
    "a list that is none": ((1, 1, 0), {"name": "Ana"}, [], [ANA, BEA], [DOUBT, DOUBT]),
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


people = st.sampled_from([ANA, BEA, EVA, OTHER_ANA, PHONE_ANA, PHONE_ANA_2, NAMELESS])
really = st.lists(st.tuples(people, st.sampled_from([IN, DUP, BAD])), min_size=1, max_size=8)


@given(really, st.booleans(), st.booleans(), st.randoms())
@example([(PHONE_ANA, DUP), (PHONE_ANA_2, IN)], True, True, None)
def test_an_honest_partial_answer_never_condemns_who_went_in_nor_believes_in_who_did_not(
    truth: list[tuple[dict[str, Any], Fate]], lists_dups: bool, lists_bad: bool, shuffle: Any
) -> None:
    """Whatever really happened, and however much of it is told, a customer's fate is right or in doubt.

    Of one person several times in a batch it cannot matter which of them is called the copy.
    """
    dups, bad = [c for c, fate in truth if fate is DUP], [c for c, fate in truth if fate is BAD]
    if shuffle is not None:
        shuffle.shuffle(dups)
        shuffle.shuffle(bad)
    counts = (len(truth) - len(dups) - len(bad), len(dups), len(bad))
    told_dups, told_bad = duplicated(*dups) if lists_dups else None, invalid(*bad) if lists_bad else None
    outcome = partial(counts, told_dups, told_bad, [c for c, _ in truth])
    for who, some in itertools.groupby(sorted(enumerate(truth), key=lambda t: json.dumps(t[1][0])), lambda t: t[1][0]):
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
    _, now = asked(dispatch(), answer(200, []), records_of(D))
    _, later = asked(dispatch(schedule="+10d"), answer(200, []), records_of(D))
    assert now.asked[0][2]["end"] == "2026-11-22"
    assert later.asked[0][2]["end"] == "2026-12-02"


@pytest.mark.parametrize(("schedule", "after_s"), [("now", 0), ("+2h", 7200), ("draft", None)])
def test_a_dispatch_says_when_in_seconds_and_always_asks_who_was_left_out(schedule: str, after_s: int | None) -> None:
    line = Line(answer(200, INSERTED))
    dispatch(schedule=schedule).send(Tracksale(line, "http://t"), Sending(records_of(D), Deadline.after(5)))  # type: ignore[arg-type]
    method, url, params, body = line.asked[0]
    assert (method, url, params) == ("POST", "http://t/v2/campaign/52/dispatch", {"getNotInserted": "1"})
    sent = orjson.loads(body or b"")
    assert sent["customers"] == [json.loads(records_of(D)[0][1])]
    if after_s is None:
        assert "schedule_time" not in sent
    else:
        assert abs(sent["schedule_time"] - after_s - time.time()) < 5


@pytest.mark.parametrize(("place", "path"), [(T, "/v2/fill-empty-tags"), (N, "/v2/note")])
def test_tags_and_notes_are_sent_one_by_one_as_rendered(place: str, path: str) -> None:
    line = Line(answer(200, NOTED))
    made = PLACES[place]()
    made.send(Tracksale(line, "http://t"), Sending(records_of(place), Deadline.after(5)))  # type: ignore[arg-type]
    method, url, params, body = line.asked[0]
    assert (method, url, params) == ("POST", f"http://t{path}", {})
    assert orjson.loads(body or b"") == json.loads(records_of(place)[0][1])
    assert made.batch_size == 1


# --- Tracksale: whose link it is ------------------------------------------------------------------------------------


def links(customers: Sequence[Any], *entries: Mapping[str, Any]) -> list[str | Fate]:
    """The link of each customer, or what becomes of who has none; each entry's link is its position."""
    linked = [entry | {"survey_link": f"https://t/{at}"} for at, entry in enumerate(entries)]
    records = [(at, json.dumps(one)) for at, one in enumerate(customers)]
    outcome = survey_links().classify(answer(200, {"customers": linked}), records)
    verdicts = [outcome.of(at) for at in range(len(customers))]
    return [one.result["survey_link"][-1] if one.fate is IN else one.fate for one in verdicts]


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
    entries = [{k: v for k, v in customers[at].items() if k not in forgotten} for at in order]
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
    seen, line = asked(answers(), answer(200, [*others, row]), records_of(A, 2))
    assert seen.present == {100: True, 101: False}
    assert seen.results == {100: {"answer_id": 6805511}}
    method, url, params, _ = line.asked[0]
    assert (method, url, params["codes"], params["limit"]) == ("GET", "http://v/v2/report/answer", "52", "-1")
    assert (params["start"], params["end"]) == ("2026-11-19", "2026-11-21")
    assert asked(answers(), answer(200, others), records_of(A))[0].present == {100: False}


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
    answers(**options).send(Tracksale(line, "http://t"), Sending(records_of(A, 2), Deadline.after(5)))  # type: ignore[arg-type]
    method, url, _, body = line.asked[0]
    sent = orjson.loads(body or b"")
    assert (method, url) == ("POST", f"http://t{path}")
    assert sent["campaign_code"] == "52"
    assert sent["answers" if path == "/v2/answer" else "data"] == [json.loads(text) for _, text in records_of(A, 2)]


# --- PostCenter -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [C, R])
def test_a_ticket_is_named_in_the_address(place: str) -> None:
    line = Line(answer(200, OK))
    PLACES[place]().send(PostCenter(line, "http://p"), Sending(records_of(place), Deadline.after(5)))  # type: ignore[arg-type]
    method, url, _, body = line.asked[0]
    what = place.removeprefix("postcenter.")
    assert (method, url, body) == ("POST", f"http://p/v2/ticket/{TICKET}/{what}/", None)


@pytest.mark.parametrize("closed", [True, False])
def test_whether_a_ticket_is_closed_can_be_read(closed: bool) -> None:
    seen, line = asked(close(), answer(200, {"id": TICKET, "is_closed": closed}), records_of(C))
    assert seen == Seen({100: closed})
    assert line.asked[0][:2] == ("GET", f"http://v/v2/ticket/{TICKET}/")
    assert asked(close(), answer(200, told("Not found", 404)), records_of(C))[0].unclear


# --- what a destination is ------------------------------------------------------------------------------------------


def test_batches_are_as_large_as_the_vendor_takes() -> None:
    sizes = {name: make().batch_size for name, make in PLACES.items()}
    assert sizes == {W: 10_000, D: 500, L: 500, A: 500, T: 1, N: 1, C: 1, R: 1}


def test_only_what_is_harmless_is_sent_again_when_nobody_knows() -> None:
    assert {name for name, spec in SPECS.items() if spec.on_unknown == "resend"} == {L, T, N, R}
    assert {name for name, make in PLACES.items() if make().repeatable} == {L, T}
    assert {name for name, make in PLACES.items() if make().can_ask} == {W, D, A, C}


def route(name: str, **more: Any) -> Route:
    options = WolkvoxOptions().load({"campaign_id": "1042"} | more.pop("options", {}))
    return Route(name=name, on=("lead.created",), to=W, account="dialler", options=options, **more)


def test_routes_to_one_campaign_share_a_destination() -> None:
    found = places(Settings(accounts={"dialler": DIALLER}, routes=(route("a"), route("b", options={"opt": ["x"]}))))
    assert list(found["dialler"]) == [name_of(route("a"))] == ["dialler/wolkvox.add_record/1042"]
    assert found["dialler"]["dialler/wolkvox.add_record/1042"].campaign == "1042"


def test_routes_that_share_a_campaign_must_agree_on_how_it_is_called() -> None:
    routes = (route("a"), route("b", options={"campaign_status": "stop", "trace_field": "opt12"}, on_unknown="resend"))
    with pytest.raises(ConfigError) as fault:
        places(Settings(accounts={"dialler": DIALLER}, routes=routes))
    assert len(fault.value.faults) == 3
    assert '"a" and "b"' in fault.value.faults[0]


@pytest.mark.parametrize(
    ("value", "number"),
    [(1, 1), ("1", 1), (" 07 ", 7), (" ", None), ("", None), (None, None), (True, None), (1.0, None), ("-1", None),
     ("1" * 40, None), ("٣", None), ([1], None)],
)  # fmt: skip
def test_numbers_come_as_numbers_or_texts(value: Any, number: int | None) -> None:
    assert count_of(value) == number


def test_words_are_cut_to_one_short_line() -> None:
    assert cut("a\n b\t c") == "a b c"
    assert len(cut("x" * 10_000)) == 300
