"""Authentic bytes are kept, whatever a mapping, a decoder or a record raises; and the log says so, without a person."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from connector.core.errors import Unreadable
from connector.core.payload import Payload
from connector.core.settings import Settings, Source, Verify
from connector.inbound import receiver as receiving
from connector.inbound.receiver import Receiver
from connector.inbound.router import Router
from connector.store.database import Database
from connector.vendors.destinations import name_of
from connector.web.wsgi import create_app
from mappings.base import Invalid
from mappings.senders.lead import LeadMapping
from tests.conftest import settings_for

LEAD = {"id": "L-1", "type": "lead.created", "data": {"first_name": "Ana", "email": "ana@example.com"}}
OPEN = Source(name="open", mapping="lead", verify=Verify(scheme="none"))
DESK = Source(name="desk", mapping="freshdesk", verify=Verify(scheme="none"))


@pytest.fixture
def settings(database_url: str) -> Settings:
    known = settings_for(database_url, "http://127.0.0.1:9")
    return replace(known, sources={**known.sources, "open": OPEN, "desk": DESK})


@pytest.fixture
def receiver(settings: Settings) -> Receiver:
    return Receiver(settings, Router(settings, name_of))


@pytest.fixture
def client(settings: Settings) -> FlaskClient:
    return create_app(settings, Database(settings.database_url), name_of).test_client()


def broken(*_: Any, **__: Any) -> Any:
    raise KeyError("ana@example.com")


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LeadMapping, "read", broken)


@pytest.mark.usefixtures("failing")
def test_a_mapping_that_fails_keeps_the_event_as_invalid(
    client: FlaskClient, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = [client.post("/webhooks/open", json=LEAD) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 202]
    assert answers[0].json is not None and answers[0].json["status"] == "invalid"
    assert "KeyError" in answers[0].json["errors"][0]["message"]
    told = capsys.readouterr().err
    assert told.count("a mapping failed") == 1, "once a minute is enough"
    assert "ana@example.com" not in told


@pytest.mark.usefixtures("failing")
def test_one_of_many_that_fails_harms_no_other(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    read = LeadMapping.read
    monkeypatch.setattr(LeadMapping, "read", lambda self, body: read(self, body) if body["id"] != "L-2" else broken())
    many = [Payload({**LEAD, "id": f"L-{number}"}) for number in range(4)]
    states = [arrival.state for arrival in receiver.read_all(OPEN, many)]
    assert states.count("invalid") == 1 and states[2] == "invalid"


def test_a_decoder_that_fails_keeps_the_bytes(
    receiver: Receiver, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiving, "decode", broken)
    with pytest.raises(Unreadable, match="KeyError"):
        receiver.payloads(OPEN, b"{}", content_type="application/json", headers={})
    answer = client.post("/webhooks/open", json=LEAD)
    assert answer.status_code == 202 and answer.json is not None and answer.json["status"] == "invalid"


def test_a_router_that_fails_keeps_the_event_as_invalid(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Router, "deliveries", broken)
    assert [arrival.state for arrival in receiver.read_all(OPEN, [Payload(LEAD)])] == ["invalid"]


def test_a_stored_payload_whose_mapping_fails_is_invalid_to_its_readers(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LeadMapping, "read", broken)
    monkeypatch.setattr(LeadMapping, "complete", broken)
    for fetched in (None, {"lead": {}}):
        with pytest.raises(Invalid, match="KeyError"):
            receiver.read(OPEN, LEAD, fetched)


@pytest.mark.parametrize("digits", ["1" * 5000, "x" + "f" * 5000, "0" * 20000], ids=len)
def test_a_number_of_no_character_loses_no_ticket(client: FlaskClient, digits: str) -> None:
    ticket = {
        "ticket_status": "Resolved",
        "requester_email": "a@example.com",
        "ticket_description": f"<b>antes &#{digits}; después</b>",
    }
    answer = client.post("/webhooks/desk", json=ticket)
    assert answer.status_code < 300 and answer.json is not None and answer.json["status"] != "invalid", answer.json
