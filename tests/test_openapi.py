"""The documents for programs: sound by themselves, of the configured sources, and served to people with a key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from flask.testing import FlaskClient

from connector.core.settings import Secret, Settings, Source, Verify
from connector.web import documents
from tests import http_document, queue_document, web_client
from tests.conforming import conforms
from tests.connector_steps import lead, ticket
from tests.web_client import web, web_settings

ADMIN = {"Authorization": "Bearer invented-admin-token"}
MORE = (
    Source(name="folded", mapping="elementor", verify=Verify(scheme="path", secrets=(Secret("s"),))),
    Source(name="ticketqueue", mapping="ticket", queue="crm.tickets"),
    Source(name="own", mapping="a_sender_of_ones_own", verify=Verify(scheme="none", handshake=Secret("shown-by-them"))),
)


@pytest.fixture
def settings(sqlite_url: str) -> Settings:
    known = web_settings(sqlite_url, "http://127.0.0.1:9")
    return replace(known, sources={**known.sources, **{source.name: source for source in MORE}})


def references(made: Any) -> Iterator[str]:
    if isinstance(made, dict):
        yield from [made["$ref"]] if isinstance(made.get("$ref"), str) else []
        for inner in made.values():
            yield from references(inner)
    elif isinstance(made, list):
        for inner in made:
            yield from references(inner)


def there(made: Any, reference: str) -> Any:
    for part in reference.removeprefix("#/").split("/"):
        made = made[part]
    return made


def test_the_document_of_any_source_and_that_of_the_configured_ones_are_openapi(settings: Settings) -> None:
    for made in (http_document.document(), documents.openapi(settings)):
        schemathesis.openapi.from_dict(made).validate()
        assert all(there(made, one) for one in references(made))


def test_each_configured_webhook_has_its_address_its_proof_and_its_payload(settings: Settings) -> None:
    made = documents.openapi(settings)
    paths, schemes = made["paths"], made["components"]["securitySchemes"]
    assert not [path for path in paths if "{source}" in path] and "/webhooks/queued" not in paths
    assert paths["/webhooks/landing"]["post"]["requestBody"] == {"$ref": "#/components/requestBodies/lead"}
    assert paths["/webhooks/folded/{secret}"]["post"]["parameters"][0]["name"] == "secret"
    assert set(paths["/webhooks/own"]) == {"post", "get", "options"} and "get" not in paths["/webhooks/landing"]
    assert schemes["source.landing"]["name"] == "webhook-signature"
    assert schemes["source.crm"]["name"] == "X-Signature" and "{timestamp}" in schemes["source.crm"]["description"]
    assert schemes["source.basic"] == {"type": "http", "scheme": "basic"}
    assert schemes["source.key"] == {"type": "apiKey", "in": "query", "name": "k"}
    assert made["servers"] == [{"url": "http://localhost"}]
    assert not [secret for secret in settings.secrets if len(secret.reveal()) > 4 and secret.reveal() in str(made)]


def test_the_schemas_of_our_own_events_take_our_own_events() -> None:
    schemas = http_document.document()["components"]["schemas"]
    for name, sent in (("LeadEvent", lead(1)), ("TicketEvent", ticket(1))):
        told = jsonschema_rs.Draft202012Validator({"components": {"schemas": schemas}, **schemas[name]})
        assert told.is_valid(sent) and not told.is_valid({**sent, "type": "nothing.known"})
        assert not told.is_valid({"type": sent["type"]})


def test_each_configured_queue_has_a_channel_and_one_of_its_dead_letters(settings: Settings) -> None:
    for made in (queue_document.document(), documents.asyncapi(settings)):
        assert made["asyncapi"] == "3.0.0"
        for reference in references(made):
            assert there(made, reference), reference
        for operation in made["operations"].values():
            channel = there(made, operation["channel"]["$ref"])
            mine = {there(made, one["$ref"])["name"] for one in operation["messages"]}
            assert mine == set(channel["messages"])
    made = documents.asyncapi(settings)
    assert {name: one["address"] for name, one in made["channels"].items()} == {
        "queued.queue": "crm.leads",
        "queued.dead_letters": "crm.leads.dead",
        "ticketqueue.queue": "crm.tickets",
        "ticketqueue.dead_letters": "crm.tickets.dead",
    }
    assert set(made["channels"]["queued.queue"]["messages"]) == {"lead"}
    for kind, message in queue_document.document()["channels"]["queue"]["messages"].items():
        payload = {"components": queue_document.document()["components"], **message["payload"]}
        for example in message.get("examples", ()):
            shape = jsonschema_rs.Draft202012Validator(payload)
            assert all(shape.is_valid(one) for one in _each(example["payload"])), kind


def _each(payload: Any) -> list[Any]:
    return payload if isinstance(payload, list) else [payload]


def test_both_are_served_to_people_with_a_key_and_answers_are_as_they_say(settings: Settings) -> None:
    known = {name: source for name, source in settings.sources.items() if name != "own"}
    with web(replace(settings, sources=known)) as client:
        for name in ("openapi", "asyncapi"):
            assert client.get(f"/api/{name}.json").status_code == 401
            assert name in client.get(f"/api/{name}.json", headers=ADMIN).get_json()
        answers(client)


def answers(client: FlaskClient) -> None:
    """Every kind of answer, as the document has it."""
    send = web_client.post
    conforms("One", send(client, "open", lead(1)).get_json())
    conforms("One", send(client, "open", lead(1)).get_json())
    conforms("One", send(client, "open", {}).get_json())
    conforms("Many", send(client, "open", [lead(2), {}, lead(1)]).get_json())
    conforms("Problem", send(client, "strict", {}).get_json())
    conforms("Problem", client.get("/nowhere").get_json())
    conforms("Alive", client.get("/livez").get_json())
    conforms("Ready", client.get("/readyz").get_json())
    conforms("Status", client.get("/api/status", headers=ADMIN).get_json())
    conforms("Delivery", client.get("/api/deliveries", headers=ADMIN).get_json(), many=True)
    conforms("Explained", client.get("/api/explain/e1", headers=ADMIN).get_json())
    conforms("Found", client.post("/api/search", data='{"text": "L-1"}', headers=ADMIN).get_json())
