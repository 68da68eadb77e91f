"""Every documented operation: its request over real sockets, its answer in every type that the documents leave open.

``tests/payloads/answers/<vendor>/<operation>.json`` is ``{variant: {"answer": …, "read": …}}``: what the vendor says,
and what the operation's reader makes of it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field, is_dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core.errors import ConnectorError
from connector.core.http import Answer, Client, Deadline
from connector.core.settings import Account, Secret
from connector.vendors.postcenter import readers as postcenter
from connector.vendors.postcenter.api import PostCenter
from connector.vendors.sandbox.exchange import Sandbox
from connector.vendors.tracksale import api as tracksale
from connector.vendors.tracksale import readers
from connector.vendors.tracksale.api import Tracksale
from connector.vendors.wolkvox import api as wolkvox
from connector.vendors.wolkvox.api import Wolkvox

ANSWERS = Path(__file__).parent / "payloads" / "answers"

#: How each operation's answer is read.
READERS: dict[str, Callable[[Any], Any]] = {
    "tracksale/campaigns": readers.campaigns_of,
    "tracksale/campaign": readers.campaigns_of,
    "tracksale/widget": readers.widget_of,
    "tracksale/can_impact": readers.can_impact_of,
    "tracksale/survey_links": readers.links_of,
    "tracksale/dispatch": readers.counts_of,
    "tracksale/draft_lots": readers.lots_of,
    "tracksale/fire_lot": readers.customers_of,
    "tracksale/discard_lot": readers.discarded_of,
    "tracksale/answer": readers.counts_of,
    "tracksale/answers": readers.inserted_of,
    "tracksale/note": readers.answer_id_of,
    "tracksale/fill_empty_tags": readers.answer_id_of,
    "tracksale/report_answer": readers.answers_of,
    "tracksale/report_dispatch": readers.dispatched_of,
    "tracksale/report_nps": readers.nps_of,
    "tracksale/report_category": readers.totals_of,
    "tracksale/report_status": readers.totals_of,
    "tracksale/paged_dispatches": readers.dispatched_of,
    "wolkvox/add_record": wolkvox.total_registers_of,
    "wolkvox/campaigns": wolkvox.campaigns_of,
    "wolkvox/token_info": wolkvox.token_use_of,
    "postcenter/ping": lambda body: body["message"],
    "postcenter/ticket": postcenter.ticket_of,
    "postcenter/messages": postcenter.messages_of,
    "postcenter/close_ticket": lambda body: body["message"],
    "postcenter/reassign": lambda body: body["message"],
    "postcenter/by_agent_id": postcenter.ticket_id_of,
    "postcenter/accounts": postcenter.channels_of,
    "postcenter/get_possible_agent": postcenter.assignation_of,
    "postcenter/tickets": postcenter.tickets_of,
    "postcenter/facebook_tickets": postcenter.tickets_of,
    "postcenter/tickets_by_state": postcenter.ids_of,
    "postcenter/paginated": lambda body: [postcenter.tickets_of(body), postcenter.next_page_of(body)],
}
BODIES = {"tracksale": readers.body_of, "wolkvox": wolkvox.body_of, "postcenter": postcenter.body_of}
#: An answer of its own kind: 404 says something, too.
WHOLE: dict[str, Callable[[Answer], Any]] = {"wolkvox/find_record": wolkvox.records_of}


def plain(value: Any) -> Any:
    """What was read, as JSON has it; without the ``raw`` of an answer, which is what came."""
    if is_dataclass(value) and not isinstance(value, type):
        return {name: plain(one) for name, one in asdict(value).items() if name != "raw"}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value.isoformat() if isinstance(value, datetime) else _plain_fields(value)


def _plain_fields(value: Any) -> Any:
    return {name: plain(one) for name, one in value.items()} if isinstance(value, dict) else value


def read(operation: str, said: Any) -> Any:
    answer = Answer(200, {}, orjson.dumps(said))
    if operation in WHOLE:
        return plain(WHOLE[operation](answer))
    return plain(READERS[operation](BODIES[operation.split("/")[0]](answer)))


VARIANTS = [
    (f"{path.parent.name}/{path.stem}", variant, found["answer"], found["read"])
    for path in sorted(ANSWERS.glob("*/*.json"))
    for variant, found in json.loads(path.read_text()).items()
]


@pytest.mark.parametrize(
    ("operation", "said", "expected"),
    [(operation, said, expected) for operation, _, said, expected in VARIANTS],
    ids=[f"{operation}: {variant}" for operation, variant, _, _ in VARIANTS],
)
def test_an_answer_is_read_whatever_types_it_has(operation: str, said: Any, expected: Any) -> None:
    assert read(operation, said) == expected


def test_every_reader_has_documented_answers() -> None:
    assert {operation for operation, *_ in VARIANTS} == {*READERS, *WHOLE}


_NAMES = st.sampled_from(
    (
        *(
            "code",
            "data",
            "error",
            "msg",
            "status",
            "lot",
            "customers",
            "customer",
            "campaign",
            "tags",
            "name",
            "value",
        ),
        *("id", "tickets", "messages", "assignation", "justifications", "questions", "dispatch_limits", "compare"),
        *("limits", "views", "answers", "identifier", "created", "current_assignment", "next_page", "total_registers"),
    )
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES | st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("operation", [*READERS, *WHOLE])
@given(said=ANYTHING)
def test_whatever_a_vendor_answers_is_read_or_said_to_be_unreadable(operation: str, said: Any) -> None:
    if operation in ("postcenter/ping", "postcenter/close_ticket", "postcenter/reassign"):
        return  # nothing in them is read
    with suppress(ConnectorError):
        read(operation, said)
    if operation in READERS and (isinstance(said, dict) or not operation.startswith("postcenter")):
        with suppress(ConnectorError):
            plain(READERS[operation](said))


# --- the requests ---------------------------------------------------------------------------------------------------

TOKEN = Secret("invented-token")
ANA = {"name": "Ana Exemplo", "email": "ana.exemplo@example.com", "identification": None, "phone": "11900000001"}
TAGS = [{"name": "Unidade", "value": "Centro"}]
ROW = {"customer_name": "Ana", "customer_id": "1000000001", "tel1": "93000000001"}
TODAY = f"{datetime.now(UTC):%Y-%m-%d}"
TOMORROW = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}"
QUESTIONS = [
    {"id": 1, "type": "NPS", "title": "NPS", "question": "0-10?"},
    {"id": 2, "type": "Single Choice", "title": "Canal", "question": "¿Cuál?"},
    {"id": 3, "type": "Open Question", "title": "Más", "question": "¿Algo más?"},
]
SEVERAL = [
    {"question_id": 1, "score": 9, "justification": "Bien"},
    {"question_id": 2, "option": "Web"},
    {"question_id": 3, "comment": "Nada más"},
]


@dataclass
class World:
    """The three vendors as the connector sees them, and the sandbox behind them."""

    sandbox: Sandbox
    known: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        url = self.sandbox.url
        self.wolkvox = Wolkvox.at(url, token=TOKEN, server="0011")
        self.tracksale = Tracksale.at(url, token=TOKEN)
        self.postcenter = PostCenter.at(url, token=TOKEN)
        self.ticket = next(iter(self.sandbox.postcenter.tickets))

    def close(self) -> None:
        for vendor in (self.wolkvox, self.tracksale, self.postcenter):
            vendor.close()

    def answer(self, **values: Any) -> int:
        return self.sandbox.tracksale.add_answer(**{"email": ANA["email"], "campaign_code": 52} | values)

    def lot(self) -> str:
        """A draft lot with a customer in it."""
        answer = self.tracksale.dispatch("52", [ANA], schedule_time=None)
        return readers.counts_of(readers.body_of(answer)).dispatch_code


@pytest.fixture
def world(sandbox: Sandbox) -> Iterator[World]:
    with closing(World(sandbox)) as world:
        yield world


#: What the documents call an operation: (class.method, its route, what the sandbox calls it, a call of it).
OPERATIONS: dict[str, tuple[str, str, str, Callable[[World], Answer]]] = {
    "Campaign List": (
        "Tracksale.campaigns",
        "GET /v2/campaign",
        "campaigns",
        lambda world: world.tracksale.campaigns(start=TODAY, end=TODAY, dispatch_limits=True),
    ),
    "Campaign List: one": (
        "Tracksale.campaign",
        "GET /v2/campaign/{code}",
        "campaign",
        lambda world: world.tracksale.campaign("52", start=TODAY, end=TODAY, dispatch_limits=True),
    ),
    "Widget": ("Tracksale.widget", "GET /v2/widget/{key}", "widget", lambda world: world.tracksale.widget("demo")),
    "Check 90 days rule": (
        "Tracksale.can_impact",
        "POST /v2/campaign/{code}/can-impact",
        "can_impact",
        lambda world: world.tracksale.can_impact("52", email="ana@example.com"),
    ),
    "Survey links": (
        "Tracksale.survey_links",
        "POST /v2/campaign/{code}/survey-links",
        "survey_links",
        lambda world: world.tracksale.survey_links("52", [ANA | {"tags": TAGS}]),
    ),
    "Sendings: with schedule_time": (
        "Tracksale.dispatch",
        "POST /v2/campaign/{code}/dispatch?getNotInserted=1",
        "dispatch",
        lambda world: world.tracksale.dispatch("52", [ANA], schedule_time=1_795_190_460, finish_time=1_795_290_460),
    ),
    "Sendings: without schedule_time": (
        "Tracksale.dispatch",
        "POST /v2/campaign/{code}/dispatch?getNotInserted=1",
        "dispatch",
        lambda world: world.tracksale.dispatch("52", [ANA], schedule_time=None),
    ),
    "Sending batch": (
        "Tracksale.fire_lot",
        "POST /v2/campaign/{code}/dispatch/{lot}",
        "fire_lot",
        lambda world: world.tracksale.fire_lot("52", world.lot(), time=0),
    ),
    "Search for draft lots": (
        "Tracksale.draft_lots",
        "GET /v2/campaign/{code}/draft-lot",
        "draft_lot",
        lambda world: world.tracksale.draft_lots("52"),
    ),
    "Discard draft lots": (
        "Tracksale.discard_lot",
        "POST /v2/campaign/{code}/discard-lot/{lot}",
        "discard_lot",
        lambda world: world.tracksale.discard_lot("52", world.lot()),
    ),
    "Insert Answers": (
        "Tracksale.answer",
        "POST /v2/answer?return_answer_id=1",
        "answer",
        lambda world: world.tracksale.answer("52", [ANA | {"score": 9, "justification": "Bien", "tags": TAGS}]),
    ),
    "Insert Multiple Answers": (
        "Tracksale.answers",
        "POST /v2/answers",
        "answers",
        lambda world: world.tracksale.answers("52", [ANA | {"answers": SEVERAL[:1], "create_time": 1_795_190_460}]),
    ),
    "Insert Internal Notes: answer_id": (
        "Tracksale.note_on_answer",
        "POST /v2/note",
        "note",
        lambda world: world.tracksale.note_on_answer(world.answer(), "Caso 35436 cerrado"),
    ),
    "Insert Internal Notes: filter": (
        "Tracksale.note_by_filter",
        "POST /v2/note",
        "note",
        lambda world: world.tracksale.note_by_filter(
            "Caso 35436 cerrado",
            start_date="2026-11-01",
            end_date="2026-11-30",
            email="ana@example.com",
            phone="11900000001",
            campaign_code="52",
        ),
    ),
    "Fill empty tags: answer_id": (
        "Tracksale.fill_empty_tags_of_answer",
        "POST /v2/fill-empty-tags",
        "fill_empty_tags",
        lambda world: world.tracksale.fill_empty_tags_of_answer(world.answer(), TAGS),
    ),
    "Fill empty tags: customer": (
        "Tracksale.fill_empty_tags_of_customer",
        "POST /v2/fill-empty-tags",
        "fill_empty_tags",
        lambda world: world.tracksale.fill_empty_tags_of_customer(
            TAGS, identification="1000000001", campaign_code="52"
        ),
    ),
    "Reports: Comments": (
        "Tracksale.report_answer",
        "GET /v2/report/answer",
        "report_answer",
        lambda world: world.tracksale.report_answer(
            start=f"{TODAY}T00:00:00",
            end=f"{TODAY}T23:59:59",
            codes="52,26",
            tags=True,
            justif_return="array",
            review=True,
            nps_secondary=True,
            open_question=True,
            csat=True,
            return_update_time=True,
        ),
    ),
    "Reports: Dispatches": (
        "Tracksale.report_dispatch",
        "GET /v2/report/dispatch",
        "report_dispatch",
        lambda world: world.tracksale.report_dispatch("52", TODAY, TODAY, channel=True),
    ),
    "Reports: Paged Dispatches": (
        "Tracksale.paged_dispatches",
        "GET https://apiv3.track.co/dispatch",
        "paged_dispatch",
        lambda world: world.tracksale.paged_dispatches(
            start=TODAY, end=TODAY, codes="52", channel=True, tags=True, page=2
        ),
    ),
    "Reports: Paged Dispatches, one lot": (
        "Tracksale.paged_lot",
        "GET https://apiv3.track.co/dispatch/{lot}",
        "paged_dispatch",
        lambda world: world.tracksale.paged_lot("LOT0000123", channel=True, tags=True, limit=100),
    ),
    "Reports: NPS": (
        "Tracksale.report_nps",
        "GET /v2/report/nps",
        "report_nps",
        lambda world: world.tracksale.report_nps(start=TODAY, end=TODAY, codes="52", compare=True),
    ),
    "Reports: Categories": (
        "Tracksale.report_category",
        "GET /v2/report/category",
        "report_category",
        lambda world: world.tracksale.report_category(start=TODAY, end=TODAY, codes="52"),
    ),
    "Reports: Get campaign status": (
        "Tracksale.report_status",
        "GET /v2/report/status",
        "report_status",
        lambda world: world.tracksale.report_status(start=TODAY, end=TODAY, codes="52"),
    ),
    "2.1 Inserción de registros en la campaña": (
        "Wolkvox.add_record",
        "POST /api/v2/campaign.php?api=add_record",
        "add_record",
        lambda world: world.wolkvox.add_record("1042", [ROW], campaign_status="start"),
    ),
    "7. Reporte tiempo real de campañas": (
        "Wolkvox.campaigns",
        "GET /api/v2/real_time.php?api=campaigns",
        "campaigns",
        lambda world: world.wolkvox.campaigns(),
    ),
    "find_record": (
        "Wolkvox.find_record",
        "GET /api/v2/campaign.php?api=find_record",
        "find_record",
        lambda world: world.wolkvox.find_record("1042", customer_phone="93000000001", customer_id="1000000001"),
    ),
    "add_dnc": (
        "Wolkvox.add_dnc",
        "POST /api/v2/configuration.php?api=add_dnc",
        "add_dnc",
        lambda world: world.wolkvox.add_dnc(["93000000001"]),
    ),
    "token_info": (
        "Wolkvox.token_info",
        "GET /api/v2/information.php?api=token_info",
        "token_info",
        lambda world: world.wolkvox.token_info(),
    ),
    "Ping": ("PostCenter.ping", "GET /v2/ping/", "ping", lambda world: world.postcenter.ping()),
    "Detalle de un ticket": (
        "PostCenter.ticket",
        "GET /v2/ticket/{id}/",
        "ticket",
        lambda world: world.postcenter.ticket(world.ticket),
    ),
    "Mensajes de un ticket": (
        "PostCenter.messages",
        "GET /v2/ticket/{id}/messages/",
        "messages",
        lambda world: world.postcenter.messages(world.ticket),
    ),
    "Cerrar ticket": (
        "PostCenter.close_ticket",
        "POST /v2/ticket/{id}/close/",
        "close",
        lambda world: world.postcenter.close_ticket(world.ticket),
    ),
    "Reasignar ticket": (
        "PostCenter.reassign",
        "POST /v2/ticket/{id}/reassign/",
        "reassign",
        lambda world: world.postcenter.reassign(world.ticket),
    ),
    "Obtener ticket interno desde el id visible por ejecutivos": (
        "PostCenter.by_agent_id",
        "GET (on 405 POST) /v2/ticket/{number}/by_agent_id/",
        "by_agent_id",
        lambda world: world.postcenter.by_agent_id(261),
    ),
    "Canales del establecimiento": (
        "PostCenter.accounts",
        "GET /v2/accounts/all/",
        "accounts",
        lambda world: world.postcenter.accounts(),
    ),
    "Obtener un ejecutivo disponible": (
        "PostCenter.get_possible_agent",
        "GET /v2/ticket/{id}/get_possible_agent/",
        "get_possible_agent",
        lambda world: world.postcenter.get_possible_agent(world.ticket),
    ),
    "Tickets de clientes": (
        "PostCenter.tickets",
        "GET /v2/tickets/?country_id=",
        "tickets",
        lambda world: world.postcenter.tickets("11111111-1"),
    ),
    "Tickets asociados a un usuario de Facebook": (
        "PostCenter.facebook_tickets",
        "GET /v2/tickets/facebook/?page_id=&uid=",
        "facebook_tickets",
        lambda world: world.postcenter.facebook_tickets("900", "901"),
    ),
    "Tickets filtrados por estado": (
        "PostCenter.tickets_by_state",
        "GET /v2/tickets/state/{state}",
        "tickets_by_state",
        lambda world: world.postcenter.tickets_by_state("open"),
    ),
    "Tickets filtrados por canal y rango de fechas": (
        "PostCenter.paginated",
        "GET /v2/tickets/paginated/{social_network}/?from=&to=&next=",
        "paginated",
        lambda world: world.postcenter.paginated("facebook", start="20-11-2026", end="21-11-2026 10:00:00"),
    ),
}
CLASSES = {"Tracksale": Tracksale, "Wolkvox": Wolkvox, "PostCenter": PostCenter}


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_vendor_takes_each_operation_as_it_is_documented(world: World, name: str) -> None:
    method, _, simulated, call = OPERATIONS[name]
    if simulated == "find_record":
        world.wolkvox.add_record("1042", [ROW], campaign_status="start")
    vendor = method.split(".")[0].lower()
    answer = call(world)
    assert BODIES[vendor](answer) == answer.json()
    assert world.sandbox.calls[-1].operation == f"{vendor}.{simulated}"
    assert world.sandbox.breaches == []


def test_every_method_of_a_vendor_is_a_documented_operation() -> None:
    ways_to_the_same = {
        *("Tracksale.note", "Tracksale.fill_empty_tags", "Tracksale.each_dispatch", "Tracksale.each_of_lot"),
        "PostCenter.each_ticket",
    }
    others = {"of", "at", "close", "next_piece", "fetch", "is_piece", "fault_of", "words_of", "unseen", "optional"}
    public = {
        f"{name}.{one}" for name, kind in CLASSES.items() for one in vars(kind) if one[0] != "_" and one not in others
    }
    assert public == {method for method, *_ in OPERATIONS.values()} | ways_to_the_same


def test_the_sandbox_serves_nothing_that_no_method_asks_for(sandbox: Sandbox) -> None:
    served = {
        name
        for vendor in (sandbox.tracksale, sandbox.wolkvox, sandbox.postcenter)
        for name in vendor.operations
        if not name.endswith(".unknown")
    }
    assert served == {f"{method.split('.')[0].lower()}.{one}" for method, _, one, _ in OPERATIONS.values()}


@pytest.mark.parametrize("vendor", ["tracksale", "wolkvox", "postcenter"])
def test_a_vendor_is_made_of_an_account_as_well(sandbox: Sandbox, vendor: str) -> None:
    account = Account(name="a", vendor=vendor, token=TOKEN, base_url=sandbox.url, paged_base_url=sandbox.url)
    if vendor == "tracksale":
        with closing(Tracksale.of(account)) as surveys:
            assert surveys.campaigns().status == surveys.paged_dispatches().status == 200
    elif vendor == "wolkvox":
        with closing(Wolkvox.of(account)) as dialler:
            assert dialler.campaigns().status == 200
    else:
        with closing(PostCenter.of(account)) as helpdesk:
            assert helpdesk.ping().status == 200
    assert {call.token for call in sandbox.calls} == {TOKEN.reveal()}


class Recording:
    """Stands for a client: keeps what it is asked, says what it is told to."""

    def __init__(self, *said: Any, status: int = 200) -> None:
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []
        self._said = list(said)
        self._status = status

    def call(
        self,
        method: str,
        url: str,
        *,
        params: dict[str, str] | None = None,
        body: bytes | None = None,
        deadline: Deadline | None = None,
        is_report: bool = False,
    ) -> Answer:
        self.asked.append((method, url, params or {}, None if body is None else orjson.loads(body)))
        said = self._said.pop(0) if self._said else {}
        return said if isinstance(said, Answer) else Answer(self._status, {}, orjson.dumps(said))


def client(recording: Recording) -> Client:
    return cast(Client, recording)


def test_what_is_not_asked_for_does_not_travel() -> None:
    recording = Recording()
    surveys = Tracksale(client(recording), "http://x", "http://paged")
    surveys.campaigns()
    surveys.report_answer()
    surveys.report_nps()
    surveys.dispatch("52", [ANA], schedule_time=None)
    surveys.answer("52", [], return_answer_id=False)
    surveys.paged_lot("LOT/1", limit=100)
    surveys.can_impact("5 2", phone="11900000001")
    assert recording.asked == [
        ("GET", "http://x/v2/campaign", {}, None),
        ("GET", "http://x/v2/report/answer", {"limit": "-1"}, None),
        ("GET", "http://x/v2/report/nps", {}, None),
        ("POST", "http://x/v2/campaign/52/dispatch", {"getNotInserted": "1"}, {"customers": [ANA]}),
        ("POST", "http://x/v2/answer", {}, {"campaign_code": "52", "answers": []}),
        ("GET", "http://paged/dispatch/LOT%2F1", {"page": "1", "limit": "100"}, None),
        ("POST", "http://x/v2/campaign/5%202/can-impact", {}, {"phone": "11900000001"}),
    ]


def test_dates_travel_as_the_documents_write_them() -> None:
    recording = Recording()
    PostCenter(client(recording), "http://x").paginated(
        "twitter", start="18-04-2019", end="18-04-2019 21:41:00", next_page="5cb8fa94"
    )
    query = "from=18-04-2019&to=18-04-2019%2021%3A41%3A00&next=5cb8fa94"
    assert recording.asked == [("GET", f"http://x/v2/tickets/paginated/twitter/?{query}", {}, None)]


def test_the_paged_report_stays_with_a_stand_in() -> None:
    """An account that points elsewhere must not show its token to the real vendor."""
    for at, paged, there in (
        (tracksale.BASE_URL, "", tracksale.PAGED_URL),
        (tracksale.BASE_URL, "http://127.0.0.1:2", "http://127.0.0.1:2"),
        ("http://127.0.0.1:1", "", "http://127.0.0.1:1"),
        ("http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:2"),
    ):
        surveys = Tracksale.at(at, token=TOKEN, paged_base_url=paged)
        assert vars(surveys)["_paged_base_url"] == there


# --- pages ----------------------------------------------------------------------------------------------------------


def test_every_customer_dispatched_comes_page_by_page(world: World) -> None:
    people = [{"email": f"{number}@example.com", "tags": TAGS} for number in range(250)]
    body = readers.body_of(world.tracksale.dispatch("52", people, schedule_time=1))
    lot = readers.counts_of(body).dispatch_code
    before = len(world.sandbox.calls)
    for found in (
        list(world.tracksale.each_dispatch(start=TODAY, end=TOMORROW, codes="52", tags=True, limit=100)),
        list(world.tracksale.each_of_lot(lot, tags=True, limit=100)),
    ):
        assert [one.person.email for one in found] == [person["email"] for person in people]
        assert {one.dispatch_code for one in found} == {lot}
        assert found[0].tags == {"Unidade": "Centro"}
    assert len(world.sandbox.calls) - before == 6
    assert world.sandbox.breaches == []


def test_a_last_page_that_is_full_is_followed_by_an_empty_one(world: World) -> None:
    world.tracksale.dispatch("52", [{"email": f"{number}@example.com"} for number in range(200)], schedule_time=1)
    assert len(list(world.tracksale.each_dispatch(limit=100))) == 200
    assert [call.operation for call in world.sandbox.calls].count("tracksale.paged_dispatch") == 3


def page(email: str, **more: Any) -> dict[str, Any]:
    """A full one: 100 customers are the least that the vendor gives."""
    return {"code": 200, "status": "success", "data": [{"customer": {"email": email}}] * 100} | more


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ([page("a"), page("a")], "gave page 1 of the dispatches again as page 2"),
        ([page("a"), page("b", code="403", status="Forbidden")], "answered 403: Forbidden"),
        ([page("a"), {"error": "Unauthorized"}], "answered 200: Unauthorized"),
        ([page("a"), page("b", data={"what": 1})], "something else than a list"),
        ([page("a"), {"code": 200, "status": "success"}], "something else than a list"),
        ([page("a"), Answer(405, {}, b"<html>")], "shows a CAPTCHA (405)"),
    ],
)
def test_pages_that_cannot_be_read_to_the_end_say_so(said: list[Any], words: str) -> None:
    found = []
    with pytest.raises(readers.TracksaleError) as fault:
        for one in Tracksale(client(Recording(*said)), "http://x").each_dispatch(limit=100):
            found.append(one.person.email)
    assert found == ["a"] * 100
    assert words in str(fault.value)


def test_every_ticket_of_a_channel_comes_newest_first(world: World) -> None:
    start = datetime.fromisoformat("2026-11-20")
    for minute in range(230):
        created = (start + timedelta(minutes=minute)).isoformat()
        world.sandbox.postcenter.add_ticket(1000 + minute, "whatsapp", created=created, is_closed=minute % 2 == 0)
    first = postcenter.moment_text(start + timedelta(minutes=10))
    found = list(world.postcenter.each_ticket("whatsapp", start=first, end="21-11-2026"))
    assert [ticket.identifier for ticket in found] == [str(1000 + number) for number in range(229, 9, -1)]
    assert [ticket.state for ticket in found[:2]] == ["open", "closed"]
    assert [call.operation for call in world.sandbox.calls] == ["postcenter.paginated"] * 3
    assert world.sandbox.breaches == []


def tickets(next_page: Any, **more: Any) -> dict[str, Any]:
    return {"tickets": [{"id": "a"}], "status": 200, "next_page": next_page} | more


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ([tickets("p2"), tickets("p2")], "that was there before"),
        ([tickets("p2"), tickets("p3"), tickets("p2")], "that was there before"),
        ([tickets("p2"), {"message": "Bad request", "status": 400}], "answered 400: Bad request"),
        ([tickets("p2"), tickets(None, tickets=None)], "without a list of tickets"),
        ([tickets("p2"), Answer(502, {}, b"<html>")], "answered 502: nothing that can be read"),
    ],
)
def test_tickets_that_cannot_be_read_to_the_end_say_so(said: list[Any], words: str) -> None:
    found = []
    with pytest.raises(postcenter.PostCenterError) as fault:
        for one in PostCenter(client(Recording(*said)), "http://x").each_ticket(
            "sms", start="20-11-2026", end="21-11-2026"
        ):
            found.append(one.id)
    assert set(found) == {"a"}
    assert words in str(fault.value)


# --- where the documents contradict themselves ----------------------------------------------------------------------


@pytest.mark.parametrize("by_post", [False, True])
@pytest.mark.parametrize("inside", [False, True])
def test_an_agents_number_leads_to_the_ticket_by_get_or_by_post(world: World, by_post: bool, inside: bool) -> None:
    world.sandbox.limits.change(by_agent_id_posts=by_post, errors_inside=inside)
    answer = world.postcenter.by_agent_id("261")
    assert postcenter.ticket_id_of(postcenter.body_of(answer)) == world.ticket
    assert len(world.sandbox.calls) == 1 + by_post


@pytest.mark.parametrize("slash", [False, True])
def test_states_are_asked_for_with_a_slash_where_the_vendor_wants_one(world: World, slash: bool) -> None:
    world.sandbox.limits.change(state_slash=slash)
    found = {state: world.postcenter.tickets_by_state(state) for state in postcenter.STATES}
    numbers = {state: len(postcenter.ids_of(postcenter.body_of(answer))) for state, answer in found.items()}
    assert numbers == {"open": 2, "closed": 1, "ignored": 0, "inProgress": 0}


@pytest.mark.parametrize("inside", [False, True])
def test_a_refusal_counts_under_whatever_status_it_comes(world: World, inside: bool) -> None:
    world.sandbox.limits.change(errors_inside=inside)
    for answer in (world.postcenter.tickets_by_state("lost"), world.postcenter.ticket("0" * 24)):
        assert answer.status == (200 if inside else 404)
        with pytest.raises(postcenter.PostCenterError, match="answered 404: No"):
            postcenter.body_of(answer)


# --- refusals -------------------------------------------------------------------------------------------------------

CAPTCHA = b"<!DOCTYPE html><html><head><title>Human Verification</title></head></html>"
REFUSALS: list[tuple[str, int, Any, str]] = [
    ("tracksale", 400, {"error": "Invalid Time"}, "Tracksale answered 400: Invalid Time"),
    ("tracksale", 401, {"error": "Unauthorized"}, "Tracksale answered 401: Unauthorized"),
    ("tracksale", 200, {"error": {"code": 12, "msg": "texto"}}, "Tracksale answered 200: texto"),
    ("tracksale", 405, CAPTCHA, "Tracksale shows a CAPTCHA (405): solve it in a browser, wait five minutes"),
    ("tracksale", 405, {"msg": "ok"}, "Tracksale shows a CAPTCHA (405): solve it in a browser, wait five minutes"),
    ("tracksale", 200, CAPTCHA, "Tracksale shows a CAPTCHA (200): solve it in a browser, wait five minutes"),
    ("tracksale", 500, b"Internal Server Error", "Tracksale answered 500: nothing that can be read"),
    ("tracksale", 502, CAPTCHA, "Tracksale answered 502: nothing that can be read"),
    ("tracksale", 200, b'{"msg": "Succ', "Tracksale answered 200: nothing that can be read"),
    ("tracksale", 302, {}, "Tracksale answered 302: nothing that can be read"),
    ("tracksale", 400, {"error": "ana@example.com 11900000001"}, "Tracksale answered 400: *** ***"),
    ("wolkvox", 401, {"code": "401", "error": "x", "msg": "PLEASE ENTER THE WOLKVOX-TOKEN"}, "wolkvox answered 401: "),
    ("wolkvox", 200, {"code": 403, "error": "Forbidden", "msg": ""}, "wolkvox answered 403: Forbidden"),
    ("wolkvox", 201, {"code": "201", "error": "Oops", "msg": ""}, "wolkvox answered 201: Oops"),
    ("wolkvox", 200, {"msg": "no code"}, "wolkvox answered 200: no code"),
    ("wolkvox", 502, CAPTCHA, "wolkvox answered 502: nothing that can be read"),
    ("wolkvox", 500, [], "wolkvox answered 500: nothing that can be read"),
    ("postcenter", 401, {"message": "Invalid key", "status": 401}, "PostCenter answered 401: Invalid key"),
    ("postcenter", 200, {"message": "Non-existent status", "status": "404"}, "PostCenter answered 404: Non-existent"),
    ("postcenter", 200, [], "PostCenter answered 200: nothing that can be read"),
    ("postcenter", 500, {"status": 200}, "PostCenter answered 500: nothing that can be read"),
]


@pytest.mark.parametrize(("vendor", "status", "said", "words"), REFUSALS)
def test_what_is_no_success_is_one_clear_error(vendor: str, status: int, said: Any, words: str) -> None:
    raw = said if isinstance(said, bytes) else orjson.dumps(said)
    with pytest.raises(ConnectorError) as fault:
        BODIES[vendor](Answer(status, {}, raw))
    assert str(fault.value).startswith(words)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (404, b"<html>"),
        (404, {"code": "404", "error": "Not Found", "msg": "You are uploading (2) records … You can upload 1 records"}),
        (500, {"code": "404", "error": "Not Found", "msg": "No data"}),
        (200, {"code": "200", "error": None, "msg": "", "data": "x"}),
    ],
)
def test_nobody_is_said_to_be_absent_by_an_answer_that_says_something_else(status: int, said: Any) -> None:
    raw = said if isinstance(said, bytes) else orjson.dumps(said)
    with pytest.raises(wolkvox.WolkvoxError):
        wolkvox.records_of(Answer(status, {}, raw))


# --- what comes of it -----------------------------------------------------------------------------------------------


def test_a_lot_is_looked_into_and_fired_or_discarded(world: World) -> None:
    code = world.lot()
    (lot,) = readers.lots_of(readers.body_of(world.tracksale.draft_lots("52")))
    assert (lot.code, lot.total_dispatches) == (code, 1)
    assert [one.person.email for one in world.tracksale.each_of_lot(code)] == [ANA["email"]]
    assert readers.discarded_of(readers.body_of(world.tracksale.discard_lot("52", code))) is True
    later = int(time.time()) + 3600
    fired = readers.body_of(world.tracksale.fire_lot("52", world.lot(), time=later))
    assert readers.customers_of(fired) == 1
    assert [one["schedule_time"] for one in world.sandbox.tracksale.customers(52)] == [later]


def test_answers_collected_elsewhere_appear_in_the_reports(world: World) -> None:
    given_answers = [ANA | {"score": 2, "justification": "Tarde", "tags": TAGS}, {"name": "Sin canal", "score": 9}]
    body = readers.body_of(world.tracksale.answer("52", given_answers))
    counts = readers.counts_of(body)
    assert (counts.inserted, counts.invalid) == (1, 1)
    ((answer_id, person),) = readers.inserted_of(body)
    assert person.email == ANA["email"]
    world.tracksale.note_on_answer(cast(int, answer_id), "Llamar")
    (found,) = readers.answers_of(readers.body_of(world.tracksale.report_answer(tags=True)))
    assert (found.id, found.nps_answer, found.nps_comment) == (answer_id, 2, "Tarde")
    assert (found.tags, found.update_time) == ({"Unidade": "Centro"}, None)
    figures = readers.nps_of(readers.body_of(world.tracksale.report_nps(codes="52", compare=True)))
    assert (figures.detractors, figures.nps) == (1, -100)
    assert figures.compare is not None and figures.compare.detractors == 0
    (campaign,) = readers.campaigns_of(readers.body_of(world.tracksale.campaign("52")))
    assert (campaign.answers, campaign.detractors, campaign.comments) == (1, 1, 1)
    (status,) = readers.totals_of(readers.body_of(world.tracksale.report_status()))
    assert (status.name, status.total) == ("Não precisa contatar", 1)
    assert world.sandbox.breaches == []


def test_an_edited_answer_shows_when_it_was_changed(world: World) -> None:
    answer_id = world.answer(nps_answer=3, time=1_795_190_460, update_time=1_795_190_460)
    world.sandbox.tracksale.change_answer(answer_id, status="Contatado", categories=[{"name": "Precio"}])
    asked = world.tracksale.report_answer(start="2026-11-01", end="2026-12-31", return_update_time=True)
    (found,) = readers.answers_of(readers.body_of(asked))
    assert found.status == "Contatado"
    assert found.update_time is not None and abs(found.update_time - time.time()) < 5
    category = world.tracksale.report_category(start="2026-11-01", end="2026-12-31")
    assert [(one.name, one.nps) for one in readers.totals_of(readers.body_of(category))] == [("Precio", -100)]


def test_answers_to_several_questions_must_come_in_their_order(world: World) -> None:
    world.sandbox.tracksale.add_campaign(52, questions=QUESTIONS)
    told = [ANA | {"answers": SEVERAL}, ANA | {"answers": SEVERAL[::-1]}, ANA | {"answers": SEVERAL[:2]}]
    counts = readers.counts_of(readers.body_of(world.tracksale.answers("52", told)))
    assert (counts.inserted, counts.invalid) == (1, 2)
    (found,) = readers.answers_of(readers.body_of(world.tracksale.report_answer(open_question=True)))
    assert (found.nps_answer, found.raw["open_question"]) == (9, [{"question_id": 3, "comment": "Nada más"}])
    assert world.sandbox.breaches == []


def test_a_link_is_made_and_nothing_is_sent(world: World) -> None:
    body = readers.body_of(world.tracksale.survey_links("52", [ANA, ANA | {"email": "b@example.com"}]))
    links = [link for _, link in readers.links_of(body)]
    assert len(set(links)) == 2
    assert [one["survey_link"] for one in world.sandbox.tracksale.survey_links] == links
    assert world.sandbox.tracksale.customers(52) == []


def test_a_ticket_is_reassigned_listed_and_closed(world: World) -> None:
    helpdesk = world.postcenter
    before = postcenter.ticket_of(postcenter.body_of(helpdesk.ticket(world.ticket)))
    helpdesk.reassign(world.ticket)
    (listed,) = postcenter.tickets_of(postcenter.body_of(helpdesk.facebook_tickets("900", "901")))
    assert before.agent is not None and listed.agent is not None
    assert (listed.id, listed.identifier) == (before.id, before.identifier)
    assert listed.agent.cmid != before.agent.cmid
    possible = postcenter.assignation_of(postcenter.body_of(helpdesk.get_possible_agent(world.ticket)))
    assert possible.cm == 27
    helpdesk.close_ticket(world.ticket)
    closed = postcenter.ids_of(postcenter.body_of(helpdesk.tickets_by_state("closed")))
    assert world.ticket in closed
    assert postcenter.assignation_of(postcenter.body_of(helpdesk.get_possible_agent(world.ticket))).cm is None
    assert [one.subject for one in postcenter.tickets_of(postcenter.body_of(helpdesk.tickets("11111111-1")))] == [
        "",
        "Consulta por certificado",
    ]


# --- the sandbox is strict ------------------------------------------------------------------------------------------

#: (path, body, the rule it breaks)
BAD_ANSWERS: list[tuple[str, Any, str]] = [
    ("answer", {"campaign_code": 52, "answers": [ANA | {"score": 9}]}, "campaign_code"),
    ("answer", {"answers": [ANA | {"score": 9}]}, "campaign"),
    ("answer", {"campaign_code": "99", "answers": [ANA | {"score": 9}]}, "campaign"),
    ("answer", {"campaign_code": "52", "answers": []}, "answer"),
    ("answer", {"campaign_code": "52", "answers": [ANA]}, "answer"),
    ("answer", {"campaign_code": "52", "answers": [ANA | {"score": "9"}]}, "answer"),
    ("answer", {"campaign_code": "52", "answers": [ANA | {"score": 11}]}, "answer"),
    ("answer", {"campaign_code": "52", "answers": [ANA | {"score": True}]}, "answer"),
    ("answer", {"campaign_code": "52", "answers": [ANA | {"score": 9, "name": ""}]}, "answer"),
    ("answer", {"campaign_code": "52", "answers": [ANA | {"score": 9, "phone": 11900000001}]}, "answer"),
    ("answer", {"campaign_code": "52", "answers": [ANA | {"score": 9, "city": "x"}]}, "answer"),
    ("answer", {"campaign_code": "52", "answers": [ANA | {"score": 9, "justification": 1}]}, "answer"),
    (
        "answer",
        {"campaign_code": "52", "answers": [ANA | {"score": 9, "create_time": 1_795_190_460_000}]},
        "create_time",
    ),
    ("answer", {"campaign_code": "52", "answers": [ANA | {"score": 9, "tags": {"a": "b"}}]}, "tags"),
    ("answers", {"campaign_code": "52", "data": [ANA]}, "answer"),
    ("answers", {"campaign_code": "52", "answers": [ANA]}, "answer"),
    ("answers", {"campaign_code": "52", "data": [ANA | {"answers": [{"score": 9}]}]}, "answer"),
    ("answers", {"campaign_code": "52", "data": [ANA | {"answers": [{"question_id": "1", "score": 9}]}]}, "answer"),
    ("answers", {"campaign_code": "52", "data": [ANA | {"answers": [{"question_id": 1, "score": 9.5}]}]}, "answer"),
    ("answers", {"campaign_code": "52", "data": [ANA | {"answers": [{"question_id": 1, "comment": 1}]}]}, "answer"),
    (
        "campaign/52/survey-links",
        {"customers": [{"email": f"{number}@x"} for number in range(501)]},
        "customers_per_call",
    ),
    ("campaign/52/survey-links", {"customers": [ANA], "schedule_time": 1}, "body"),
    ("campaign/99/survey-links", {"customers": [ANA]}, "campaign"),
]


@pytest.mark.parametrize(("path", "body", "rule"), BAD_ANSWERS)
def test_tracksale_refuses_what_is_not_as_documented(world: World, path: str, body: Any, rule: str) -> None:
    answer = world.tracksale._post(path, body, None)
    assert answer.status == 400
    assert [breach.rule for breach in world.sandbox.breaches] == [rule]
    assert (world.sandbox.tracksale.answers, world.sandbox.tracksale.survey_links) == ([], [])


@pytest.mark.parametrize(
    ("path", "params", "rule"),
    [
        ("widget/none", {}, "widget"),
        ("campaign", {"start": "2026-11-01T00:00:00"}, "date"),
        ("report/nps", {"start": "2026-11-01T00:00:00"}, "date"),
        ("report/nps", {"end": "30/11/2026"}, "date"),
        ("report/status", {"codes": "99"}, "campaign"),
        ("report/answer", {"justifReturn": "flat"}, "justifReturn"),
    ],
)
def test_tracksale_refuses_parameters_that_it_does_not_know(
    world: World, path: str, params: dict[str, str], rule: str
) -> None:
    assert world.tracksale._get(path, params, None).status == 400
    assert [breach.rule for breach in world.sandbox.breaches] == [rule]


@pytest.mark.parametrize(
    ("path", "params", "rule"),
    [
        ("tickets/", {}, "country_id"),
        ("tickets/facebook/", {"page_id": "900"}, "uid"),
        ("tickets/paginated/sms/", {"from": "20-11-2026"}, "date"),
        *(
            ("tickets/paginated/sms/", {"from": wrong, "to": "21-11-2026"}, "date")
            for wrong in ("12/12/2012", "12-12-12", "12-10", "03-16-2014", "12-10-2018 10:23", "2026-11-20")
        ),
        ("tickets/paginated/sms/", {"from": "20-11-2026", "to": "21-11-2026", "next": "5cb8"}, "next"),
        ("tickets/paginated/sms", {"from": "20-11-2026", "to": "21-11-2026"}, "unknown_call"),
    ],
)
def test_postcenter_refuses_what_is_not_as_documented(
    world: World, path: str, params: dict[str, str], rule: str
) -> None:
    assert world.postcenter._call("GET", path, None, params).status in (400, 404)
    assert [breach.rule for breach in world.sandbox.breaches] == [rule]


def test_from_is_inclusive_and_to_is_exclusive(world: World) -> None:
    for number, created in enumerate(("2026-11-20T00:00:00", "2026-11-21T00:00:00", "2026-11-21T00:00:01")):
        world.sandbox.postcenter.add_ticket(500 + number, "sms", created=created)
    day = world.postcenter.each_ticket("sms", start="20-11-2026", end="21-11-2026")
    assert [ticket.identifier for ticket in day] == ["500"]
    moments = world.postcenter.each_ticket("sms", start="21-11-2026 00:00:00", end="21-11-2026 00:00:01")
    assert [ticket.identifier for ticket in moments] == ["501"]
