"""What senders ask before they deliver: CloudEvents' permission by OPTIONS, and Event Grid's validation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from connector.core.settings import Secret, Settings, Source, Verify
from connector.inbound.committer import Committer
from connector.store.database import Database
from connector.vendors.destinations import name_of
from connector.web.wsgi import create_app

TOKEN = Verify(scheme="token", header="X-Token", secrets=(Secret("invented-token"),))
PATH = Verify(scheme="path", secrets=(Secret("invented-segment"),))
PROOF = {"X-Token": "invented-token"}
ORIGIN = {"WebHook-Request-Origin": "eventemitter.example.com"}
CODE = {"validationCode": "512d38b6-c7b8-40c8-89fe-f46f9e9622b6", "validationUrl": "https://example.com/v"}
VALIDATION = {
    "id": "2d1781af-3a4c-4d7c-bd0c-e34b19da4e66",
    "topic": "/subscriptions/x",
    "subject": "",
    "data": CODE,
    "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
    "eventTime": "2026-11-20T12:00:00Z",
    "dataVersion": "1",
}


@pytest.fixture
def client(sqlite_url: str) -> Iterator[FlaskClient]:
    sources = (
        Source(name="events", mapping="lead", verify=TOKEN),
        Source(name="secret", mapping="ticket", verify=PATH),
        Source(name="forms", mapping="typeform", verify=TOKEN),
    )
    settings = Settings(sources={one.name: one for one in sources}, database_url=sqlite_url)
    with closing(Database(sqlite_url)) as database:
        yield create_app(settings, database, name_of, Committer(database)).test_client()


def ask(client: FlaskClient, path: str = "events", headers: Mapping[str, str] = ORIGIN) -> TestResponse:
    return client.options(f"/webhooks/{path}", headers=dict(headers))


@pytest.mark.parametrize("path", ["events", "secret/invented-segment"])
def test_a_sender_of_cloudevents_may_ask_whether_it_may_send(client: FlaskClient, path: str) -> None:
    answer = ask(client, path)
    assert (answer.status_code, answer.data) == (200, b"")
    assert answer.headers["WebHook-Allowed-Origin"] == "eventemitter.example.com"
    assert answer.headers["Allow"] == "POST"
    assert "WebHook-Allowed-Rate" not in answer.headers


@pytest.mark.parametrize(("wished", "allowed"), [("120", "120"), ("*", "*"), ("a lot", "*"), ("9" * 40, "*")])
def test_the_rate_that_a_sender_asks_for_is_allowed(client: FlaskClient, wished: str, allowed: str) -> None:
    answer = ask(client, headers={**ORIGIN, "WebHook-Request-Rate": wished})
    assert answer.headers["WebHook-Allowed-Rate"] == allowed


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("events", {}, 405),
        ("forms", ORIGIN, 405),  # a sender with a shape of its own
        ("nobody", ORIGIN, 405),
        ("secret", ORIGIN, 404),
        ("events", {"WebHook-Request-Origin": "<script>"}, 400),
        ("events", {"WebHook-Request-Origin": "a" * 300}, 400),
    ],
)
def test_nobody_else_is_answered(client: FlaskClient, path: str, headers: dict[str, str], status: int) -> None:
    answer = ask(client, path, headers)
    assert answer.status_code == status
    assert "WebHook-Allowed-Origin" not in answer.headers


def validate(client: FlaskClient, body: Any, **headers: str) -> TestResponse:
    return client.post(
        "/webhooks/events", json=body, headers={"aeg-event-type": "SubscriptionValidation", **PROOF, **headers}
    )


@pytest.mark.parametrize("body", [[VALIDATION], VALIDATION])
def test_a_new_subscription_reads_its_code_back(client: FlaskClient, body: Any) -> None:
    answer = validate(client, body)
    assert (answer.status_code, answer.get_json()) == (200, {"validationResponse": CODE["validationCode"]})


def test_a_subscription_without_proof_reads_nothing_back(client: FlaskClient) -> None:
    assert validate(client, [VALIDATION], **{"X-Token": "wrong"}).status_code == 401
    assert validate(client, [{**VALIDATION, "data": {}}]).status_code == 400
