"""Every operation goes over the wire to the recording server, and is compared with the documents byte by byte."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connector.core.http import Deadline
from connector.core.settings import Account, Secret
from connector.vendors.base import Sending
from connector.vendors.call_checks import WrongCall
from connector.vendors.postcenter.api import PostCenter
from connector.vendors.postcenter.check import means as checked_postcenter
from connector.vendors.tracksale.api import Tracksale
from connector.vendors.tracksale.check import means as checked_tracksale
from connector.vendors.wolkvox.api import NUMBERS_PER_CALL, Wolkvox, campaigns_of
from connector.vendors.wolkvox.block_list import AddDnc
from connector.vendors.wolkvox.lookups import checked, read_count, read_report
from mappings.fields import MAX_PHONES
from tests.recorded import documents
from tests.recorded.server import Recorder, recording

ZONE = ZoneInfo("America/Bogota")
TOKEN = Secret("t0ken")


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with recording() as found:
        yield found


@pytest.fixture
def surveys(recorder: Recorder) -> Iterator[Tracksale]:
    with closing(Tracksale.at(recorder.url, token=TOKEN)) as vendor:
        yield vendor


@pytest.fixture
def dialler(recorder: Recorder) -> Iterator[Wolkvox]:
    with closing(Wolkvox.at(recorder.url, token=TOKEN)) as vendor:
        yield vendor


@pytest.fixture
def helpdesk(recorder: Recorder) -> Iterator[PostCenter]:
    with closing(PostCenter.at(recorder.url, token=TOKEN)) as vendor:
        yield vendor


def test_the_server_knows_nothing_of_the_product() -> None:
    for name in ("server.py", "documents.py"):
        for node in ast.walk(ast.parse((Path(__file__).parent / name).read_text())):
            modules = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(module.split(".")[0] in ("connector", "mappings") for module in modules), name


ANA = {"name": "Ana", "phone": "300"}
CALLS: dict[str, Callable[[Tracksale], Any]] = {
    "campaigns": lambda value: value.campaigns(start="2026-11-01", end="2026-11-30", dispatch_limits=True),
    "campaign": lambda value: value.campaign("52"),
    "widget": lambda value: value.widget("k3y"),
    "can_impact": lambda value: value.can_impact("52", email="ana@example.com"),
    "survey_links": lambda value: value.survey_links("52", [ANA]),
    "dispatch": lambda value: value.dispatch("52", [ANA], schedule_time=1795000000, finish_time=1796000000),
    "draft_lots": lambda value: value.draft_lots("52"),
    "fire_lot": lambda value: value.fire_lot("52", "L1", time=0),
    "discard_lot": lambda value: value.discard_lot("52", "L1"),
    "note_on_answer": lambda value: value.note_on_answer(7, "x"),
    "note_by_filter": lambda value: value.note_by_filter(
        "x", start_date="2026-11-01", end_date="2026-11-02", phone="300"
    ),
    "fill_empty_tags_of_answer": lambda value: value.fill_empty_tags_of_answer(7, [{"name": "a", "value": "b"}]),
    "fill_empty_tags_of_customer": lambda value: value.fill_empty_tags_of_customer(
        [{"name": "a", "value": "b"}], identification="12345", campaign_code="52"
    ),
    "answer": lambda value: value.answer("52", [{**ANA, "score": 10, "create_time": 1795000000}]),
    "answer_without_id": lambda value: value.answer("52", [{"name": "Ana", "score": 0}], return_answer_id=False),
    "answers": lambda value: value.answers(
        "52",
        [{"name": "Ana", "email": "ana@example.com", "answers": [{"question_id": 1, "score": "Muy bueno"}]}],
    ),
    "report_answer": lambda value: value.report_answer(start="2026-11-01", end="2026-11-30", codes="52,51"),
    "report_answer_with_all": lambda value: value.report_answer(
        start="2026-11-01T00:00:00",
        end="2026-11-30T23:59:59",
        limit=10,
        justif_return="array",
        tags=True,
        return_update_time=True,
        review=True,
        nps_secondary=True,
        open_question=True,
        csat=True,
    ),
    "report_dispatch_with_all": lambda value: value.report_dispatch("52", "2026-11-01", "2026-11-30", channel=True),
    "paged_dispatches": lambda value: value.paged_dispatches(
        start="2026-11-01", end="2026-11-30", codes="52", channel=True, tags=True, page=2, limit=100
    ),
    "report_nps": lambda value: value.report_nps(start="2026-11-01", end="2026-11-30", codes="52,51", compare=True),
    "report_category": lambda value: value.report_category(codes="52"),
    "report_status": lambda value: value.report_status(codes="52"),
    "report_dispatch": lambda value: value.report_dispatch(),
    "paged_lot": lambda value: value.paged_lot("L1", limit=100),
}


@pytest.mark.parametrize("operation", documents.TRACKSALE)
def test_tracksale_is_asked_as_documented(recorder: Recorder, surveys: Tracksale, operation: str) -> None:
    method, target, body = documents.TRACKSALE[operation]
    CALLS[operation](surveys)
    seen = recorder.last
    assert (seen.method, seen.target) == (method, target)
    assert seen.headers["authorization"] == "bearer t0ken"
    assert seen.headers["cache-control"] == "no-cache"
    if body is None:
        assert seen.body == b""
    else:
        assert seen.json == body
        assert seen.headers["content-type"] == "application/json"


HELPDESK_CALLS: dict[str, Callable[[PostCenter], Any]] = {
    "ticket": lambda value: value.ticket("5cb8"),
    "messages": lambda value: value.messages("5cb8"),
    "close_ticket": lambda value: value.close_ticket("5cb8"),
    "reassign": lambda value: value.reassign("5cb8"),
    "get_possible_agent": lambda value: value.get_possible_agent("5cb8"),
    "tickets_by_state": lambda value: value.tickets_by_state("open"),
    "accounts": lambda value: value.accounts(),
    "by_agent_id": lambda value: value.by_agent_id(261),
    "tickets": lambda value: value.tickets("12345678-9"),
    "facebook_tickets": lambda value: value.facebook_tickets("99", "7"),
    "paginated_next": lambda value: value.paginated(
        "twitter", start="18-04-2019", end="18-04-2019 21:41:00", next_page="5cb8fa940715430c9c8824f3"
    ),
    "paginated": lambda value: value.paginated("twitter", start="18-04-2019", end="18-04-2019 21:41:00"),
}


@pytest.mark.parametrize("operation", documents.POSTCENTER)
def test_postcenter_is_asked_as_documented(recorder: Recorder, helpdesk: PostCenter, operation: str) -> None:
    HELPDESK_CALLS[operation](helpdesk)
    assert (recorder.last.method, recorder.last.target) == documents.POSTCENTER[operation]
    assert recorder.last.body == b""


def test_a_ticket_s_internal_id_is_asked_for_by_either_method(recorder: Recorder, helpdesk: PostCenter) -> None:
    """The document says POST in the heading, and GET in its example."""
    recorder.says(b"", 405, "text/html")
    helpdesk.by_agent_id(261)
    assert [(one.method, one.target, one.body) for one in recorder.seen] == [
        ("GET", "/v2/ticket/261/by_agent_id/", b""),
        ("POST", "/v2/ticket/261/by_agent_id/", b""),
    ]


def test_wolkvox_is_asked_what_no_document_names_by_its_own_form(recorder: Recorder, dialler: Wolkvox) -> None:
    dialler.find_record("1042", customer_phone="93001234567", customer_id="C-1")
    wanted = [
        ("api", "find_record"),
        ("campaign_id", "1042"),
        ("customer_phone", "93001234567"),
        ("customer_id", "C-1"),
    ]
    assert recorder.last.query == wanted
    dialler.token_info()
    assert recorder.last.target == "/api/v2/information.php?api=token_info"


def test_wolkvox_s_list_of_blocked_numbers_is_told_in_its_own_form(recorder: Recorder, dialler: Wolkvox) -> None:
    dialler.add_dnc(["93001234567", "93001234568"])
    seen = recorder.last
    assert (seen.method, seen.target) == ("POST", "/api/v2/configuration.php?api=add_dnc")
    assert seen.body == b'{"type_call":"outbound","telephones":["93001234567","93001234568"]}'
    assert seen.headers["wolkvox-token"] == "t0ken"
    assert seen.headers["content-type"] == "application/json"


def test_a_call_of_blocked_numbers_holds_those_of_its_people(recorder: Recorder, dialler: Wolkvox) -> None:
    """Each number once, and no more of them than one call takes, however many numbers its people have."""
    people = [(number, json.dumps({"telephones": ["93000000001", f"9300000{number:04d}"]})) for number in range(2, 5)]
    account = Account(name="dialler", vendor="wolkvox", token=TOKEN, base_url=recorder.url)
    block = AddDnc(account=account, name="dialler/wolkvox.add_dnc/outbound", options={})
    block.send(dialler, Sending(tuple(people), Deadline.after(30)))
    assert recorder.last.json["telephones"] == ["93000000001", "93000000002", "93000000003", "93000000004"]
    assert block.batch_size * MAX_PHONES <= NUMBERS_PER_CALL


def test_wolkvox_is_asked_as_documented(recorder: Recorder, dialler: Wolkvox) -> None:
    dialler.add_record("1042", [{"tel1": "3001234567", "customer_name": "José"}], campaign_status="start")
    wanted = [("api", "add_record"), ("type_campaign", "predictive"), ("campaign_id", "1042")]
    assert recorder.last.query == [*wanted, ("campaign_status", "start")]
    assert recorder.last.json == [{"tel1": "3001234567", "customer_name": "José"}]
    assert recorder.last.headers["wolkvox-token"] == "t0ken"
    dialler.campaigns()
    assert recorder.last.target == "/api/v2/real_time.php?api=campaigns"


@pytest.mark.parametrize(
    "call",
    [
        lambda value: value.dispatch("52", [ANA] * 501, schedule_time=None),
        lambda value: value.survey_links("52", [ANA] * 501),
        lambda value: value.fill_empty_tags_of_answer(7, [{"name": str(number), "value": "b"} for number in range(51)]),
        lambda value: value.can_impact("52", email="a@example.com", phone="300"),
        lambda value: value.can_impact("52"),
        lambda value: value.note_by_filter("x", start_date="2026-11-01", end_date="2026-11-02"),
        lambda value: value.note_by_filter("x", start_date="01-11-2026", end_date="2026-11-02", phone="300"),
        lambda value: value.paged_lot("L1", limit=99),
        lambda value: value.paged_lot("L1", limit=10_001),
    ],
)
def test_tracksale_s_class_refuses_what_the_document_does(recorder: Recorder, surveys: Tracksale, call: Any) -> None:
    with pytest.raises(WrongCall):
        call(surveys)
    assert recorder.seen == []


def test_wolkvox_s_class_refuses_what_the_document_does(recorder: Recorder, dialler: Wolkvox) -> None:
    with pytest.raises(WrongCall):
        dialler.add_record("1042", [{"tel1": "3"}], campaign_status="started")
    with pytest.raises(WrongCall):
        dialler.add_record("1042", [{"tel1": "3"}] * 10_001, campaign_status="start")
    with pytest.raises(WrongCall):
        dialler.add_dnc(["3"] * 10_001)
    with pytest.raises(WrongCall):
        dialler.add_dnc(["3"], type_call="both")
    assert recorder.seen == []


@pytest.mark.parametrize("wrong", documents.WRONG_DATES)
def test_postcenter_s_class_refuses_the_dates_that_the_document_calls_wrong(
    recorder: Recorder, helpdesk: PostCenter, wrong: str
) -> None:
    with pytest.raises(WrongCall):
        helpdesk.paginated("twitter", start=wrong, end="19-04-2019")
    assert recorder.seen == []


@pytest.mark.parametrize("campaign", documents.CAMPAIGNS)
def test_the_campaign_s_id_is_found_whatever_follows_it(recorder: Recorder, dialler: Wolkvox, campaign: str) -> None:
    recorder.says([{"campaign": campaign, "status": "started", "calls_x_min": "1.234", "answer": "Media"}])
    answer = dialler.campaigns()
    assert read_report(answer, ZONE).value.statuses == {"1042": "started"}
    [found] = campaigns_of(answer.json())
    assert found.figures == {"calls_x_min": "1.234", "answer": "Media"}


@pytest.mark.parametrize(("status", "kind", "body"), documents.UNKNOWN_CALLS)
def test_a_help_that_is_not_there_stops_no_account(
    recorder: Recorder, dialler: Wolkvox, status: int, kind: str, body: Any
) -> None:
    """Here the strict sandbox disagrees: it knows token_info, which no document does."""
    recorder.says(body, status, kind)
    answer = dialler.token_info()
    for looked in (read_count(answer, ZONE), read_report(answer, ZONE)):
        assert not looked.outcome.block
        assert not looked.outcome.hold
    assert checked(answer, ZONE).attempt == "accepted"


def test_check_knows_a_refusal_inside_a_200(recorder: Recorder, surveys: Tracksale) -> None:
    recorder.says({"error": "Token inválido"})
    assert checked_tracksale(surveys.campaigns(), ZONE).attempt != "accepted"


def test_check_takes_a_missing_call_of_postcenter_for_no_fault(recorder: Recorder, helpdesk: PostCenter) -> None:
    recorder.says({"message": "Not found", "status": 404}, 404)
    assert checked_postcenter(helpdesk.accounts(), ZONE).attempt == "accepted"
    recorder.says({"message": "Invalid key", "status": 401}, 401)
    assert checked_postcenter(helpdesk.accounts(), ZONE).block


@pytest.mark.parametrize(("status", "body"), [(404, b"<html/>"), (200, {"code": 404, "status": "Not found"})])
def test_a_page_after_a_full_last_one_is_the_end(
    recorder: Recorder, surveys: Tracksale, status: int, body: Any
) -> None:
    entry = {"campaign": {"code": 52}, "lot": {"dispatch_code": "L1"}, "customer": {"name": "Ana", "phone": "300"}}
    recorder.says({"code": 200, "status": "ok", "data": [entry] * 100})
    pages = surveys.each_of_lot("L1", limit=100)
    first = [next(pages) for _ in range(100)]
    recorder.says(body, status)
    assert len([*first, *pages]) == 100
