"""What the documents' answers hold is read in each form that they leave in doubt, and routes reach all of it."""

from __future__ import annotations

from typing import Any

import pytest

from connector.vendors.tracksale import readers
from mappings.base import Locale, lookup
from mappings.configured import payload_mapping
from mappings.events import Lead, Ticket

#: A row of the report, with every field that the document lists.
ANSWER: dict[str, Any] = {
    "time": 1795186860,
    "type": "Email",
    "name": "Ana Ejemplo",
    "email": "ana@example.com",
    "identification": "1000000001",
    "phone": "+573001112233",
    "alternative_email": "casa@example.com",
    "alternative_phone": "+573102223344",
    "nps_answer": 3,
    "last_nps_answer": 9,
    "nps_comment": "Lento",
    "campaign_name": "Ventas",
    "campaign_code": "52",
    "lot_code": "L1",
    "id": 6805511,
    "deadline": 1796186860,
    "elapsed_time": 17,
    "dispatch_time": 1795186000,
    "reminder_time": 1795186500,
    "status": "Pendiente",
    "priority": "Alta",
    "assignee": "Agente Ejemplo",
    "picture": "https://example.com/a.png",
    "tags": [{"name": "Canal", "value": "Web"}],
    "categories": [{"name": "Demora", "sentiment": "negative"}],
    "justifications": [],
    "review": [{"question": "¿Volvería?", "answer": "No"}],
    "nps_secondary": [{"question": "Atención", "answer": 4}],
    "open_question": [{"question": "¿Qué falta?", "answer": "Rapidez"}],
    "csat": [{"question": "Precio", "answer": 2}],
    "update_time": 1795187000,
}
#: Path -> what a route finds there.
REACHED: dict[str, Any] = {
    "email": "ana@example.com",
    "alternative_email": "casa@example.com",
    "alternative_phone": "+573102223344",
    "deadline": "1796186860",
    "elapsed_time": "17",
    "dispatch_time": "1795186000",
    "reminder_time": "1795186500",
    "priority": "Alta",
    "assignee": "Agente Ejemplo",
    "picture": "https://example.com/a.png",
    "categories": ["Demora"],
    "review.0.answer": "No",
    "nps_secondary.0.answer": 4,
    "open_question.0.answer": "Rapidez",
    "csat.0.answer": 2,
    "lot_code": "L1",
    "campaign_code": "52",
    "answer_id": 6805511,
    "comment": "Lento",
}


@pytest.mark.parametrize("path", REACHED)
def test_a_route_reaches_every_field_of_an_answer(path: str) -> None:
    event = payload_mapping("tracksale_answer", Locale("CO")).read(ANSWER)
    assert isinstance(event, Ticket | Lead)
    assert lookup(event, path) == REACHED[path]


@pytest.mark.parametrize("body", [{}, {"lot": None}, {"lot": []}, {"lot": {}}, {"lot": ""}, {"lot": False}])
def test_no_lot_is_no_lot_however_it_is_said(body: Any) -> None:
    assert readers.lots_of(body) == []


LOT = {"code": "L1", "create_time": "1795186860", "customers": "3"}


@pytest.mark.parametrize("lot", [LOT, [LOT]])
def test_one_lot_is_read_as_an_object_and_as_a_list(lot: Any) -> None:
    assert [one.code for one in readers.lots_of({"lot": lot})] == ["L1"]


@pytest.mark.parametrize(
    "tags", [[{"name": "Canal", "value": "Web"}], {"name": "Canal", "value": "Web"}, None, [], ""], ids=str
)
def test_the_tags_of_a_link_are_read_in_the_order_of_the_links(tags: Any) -> None:
    body = {"customers": [{"name": "Ana", "survey_link": "https://x/1", "tags": tags}, {"survey_link": "https://x/2"}]}
    assert readers.link_tags_of(body) == [{"Canal": "Web"} if tags else {}, {}]
