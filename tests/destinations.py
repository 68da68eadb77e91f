"""A destination of every operation, records for it, and the answers of its vendor."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from hypothesis import strategies as st

from connector.core.http import Answer, Deadline
from connector.core.outcomes import Fate, Outcome
from connector.core.settings import Account, Secret
from connector.store.helps import HelpState
from connector.vendors.base import Destination, ProbeResult
from connector.vendors.destinations import DESTINATIONS
from connector.vendors.postcenter.api import PostCenter
from connector.vendors.postcenter.options import TicketOptions
from connector.vendors.tracksale.api import Tracksale
from connector.vendors.tracksale.options import (
    AnswersOptions,
    DispatchOptions,
    EmptyTagsOptions,
    LinksOptions,
    NoteOptions,
)
from connector.vendors.wolkvox.api import Wolkvox
from connector.vendors.wolkvox.destinations import AddRecord
from connector.vendors.wolkvox.options import WolkvoxOptions

ZONE = ZoneInfo("America/Bogota")
DIALLER = Account(name="dialler", vendor="wolkvox", token=Secret("t"), base_url="http://127.0.0.1:1")
SURVEYS = Account(name="surveys", vendor="tracksale", token=Secret("t"), base_url="http://127.0.0.1:1")
HELPDESK = Account(name="helpdesk", vendor="postcenter", token=Secret("t"), base_url="http://127.0.0.1:1")
ROW = {"customer_name": "Ana", "customer_id": "1000000001", "tel1": "93000000001", "opt12": ""}
HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


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
    elif place in (CLOSE, REASSIGN):
        rows = [{"ticket_id": TICKET}]
    elif place in (DISPATCH, LINKS):
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
NOTED = {"msg": "Success", "answer_id": 6805511}
HTML_TYPE = {"content-type": "text/html; charset=UTF-8"}
ANSWERED = {
    "msg": "1 Answer inserted",
    "status": {"invalid": 0, "inserted": 1},
    "answers": [{"answer_id": 6805511, "name": "Ana 0", "email": "ana0@example.com", "phone": None}],
}
OK = {"status": 200, "message": "Ok"}

ADD_RECORD = "wolkvox.add_record"
DISPATCH, LINKS, ANSWERS = "tracksale.dispatch", "tracksale.survey_links", "tracksale.answers"
FILL_TAGS, NOTE = "tracksale.fill_empty_tags", "tracksale.note"
CLOSE, REASSIGN = "postcenter.close", "postcenter.reassign"


def told(message: str, status: int | str) -> dict[str, Any]:
    """As PostCenter refuses."""
    return {"message": message, "status": status}


class Line:
    """A vendor's connection that always gives the same answer, and remembers what it was asked."""

    def __init__(self, given: Answer) -> None:
        self.given = given
        self.asked: list[tuple[str, str, dict[str, str], bytes | None]] = []

    def call(self, method: str, url: str, *, params: Any = None, body: Any = None, **_: Any) -> Answer:
        self.asked.append((method, url, dict(params or {}), body))
        return self.given


VENDOR: dict[str, Any] = {"wolkvox": Wolkvox, "tracksale": Tracksale, "postcenter": PostCenter}


def asked(place: Destination, given: Answer, records: Sequence[tuple[int, str]]) -> tuple[ProbeResult, Line]:
    line = Line(given)
    vendor = VENDOR[place.account.vendor](line, "http://v")
    started_ms = 1_795_190_460_000
    return place.probe(vendor, records, started_ms, "4f1c9a", Deadline.after(5)), line


def brings_no_light(seen: ProbeResult) -> bool:
    if seen.unclear:
        return seen.fault is None and not seen.present
    assert seen.fault is not None
    # A question that only helps stops and holds nothing: what is kept is that the help does not work.
    tells = bool(seen.fault.block or seen.fault.hold) or seen.help not in (None, HelpState.WORKS)
    return tells and seen.fault.attempt != "accepted" and not seen.present


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


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
    return [{"name": one["name"], "email": one["email"]} for one in customers]


def invalid(*customers: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"name": one["name"], "reason": "Invalid or empty main channel"} for one in customers]


people = st.sampled_from([ANA, BEA, EVA, OTHER_ANA, PHONE_ANA, PHONE_ANA_2, NAMELESS])


def links(customers: Sequence[Any], *entries: Mapping[str, Any]) -> list[str | Fate]:
    """The link of each customer, or what becomes of who has none; each entry's link is its position."""
    linked = [entry | {"survey_link": f"https://t/{at}"} for at, entry in enumerate(entries)]
    records = [(at, json.dumps(one)) for at, one in enumerate(customers)]
    outcome = survey_links().classify(answer(200, {"customers": linked}), records)
    verdicts = [outcome.of(at) for at in range(len(customers))]
    return [one.result["survey_link"][-1] if one.fate is IN else one.fate for one in verdicts]
