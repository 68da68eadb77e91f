"""Makes the AsyncAPI document of the queues that are consumed: connector/web/asyncapi.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import mappings
from connector.core.version import version
from connector.inbound.payloads.cloudevents import EVENT_TYPES
from connector.inbound.rabbitmq.queue import DEAD_KEPT_MS, MAX_BODY
from tests import http_document

DIALECT: Final = "http://json-schema.org/draft-07/schema#"
ABOUT: Final = """Queues of RabbitMQ that are consumed, one for each source that names a `queue`.

A body is what the source's webhook takes: one event, an array, NDJSON, or a CloudEvent (structured, or binary with its
attributes as headers). It is acknowledged after it is stored. What cannot be read is kept as invalid and acknowledged.
While the database is away nothing is acknowledged and nothing requeued. A second copy of an event changes nothing."""

ATTRIBUTES: Final = ("specversion", "id", "source", "type", "time")


def asyncapi() -> str:
    """The document as it is committed."""
    return json.dumps(document(), ensure_ascii=False, indent=1) + "\n"


def document() -> dict[str, Any]:
    """The document, with the channel of any queue and of its dead letters."""
    quorum = {"type": "quorum", "durable": True, "exclusive": False, "autoDelete": False, "name": "{queue}"}
    parameters = {"queue": {"description": "the `queue` of a source"}}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "connector", "version": version(), "description": ABOUT},
        "defaultContentType": "application/json",
        "channels": {
            "queue": {
                "address": "{queue}",
                "description": "declared durable, quorum, and dead-lettered, unless the source has declare = false",
                "parameters": parameters,
                "messages": {kind: _message(kind) for kind in mappings.PAYLOADS},
                "bindings": {"amqp": {"is": "queue", "queue": quorum}},
            },
            "dead_letters": {
                "address": "{queue}.dead",
                "description": f"what the broker dead-lettered, for {DEAD_KEPT_MS // 86_400_000} days; "
                "connector redrive SOURCE puts it back",
                "parameters": parameters,
                "messages": {kind: _message(kind) for kind in mappings.PAYLOADS},
                "bindings": {"amqp": {"is": "queue", "queue": {**quorum, "name": "{queue}.dead"}}},
            },
        },
        "operations": {
            "store": _operation("receive", "queue", "stores the events, then acknowledges; many at a time"),
            "redrive": _operation("receive", "dead_letters", "by a person: connector redrive SOURCE"),
        },
        "components": {"schemas": _schemas(), "messageTraits": {"amqp": _trait()}},
    }


def _operation(action: str, channel: str, said: str) -> dict[str, Any]:
    told = [{"$ref": f"#/channels/{channel}/messages/{kind}"} for kind in mappings.PAYLOADS]
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "summary": said, "messages": told}


def _message(kind: str) -> dict[str, Any]:
    mapping = mappings.PAYLOADS[kind]
    own = {"lead": "LeadEvent", "ticket": "TicketEvent"}.get(kind)
    payload = {"$ref": f"#/components/schemas/{own}"} if own else {"type": "object"}
    told = {
        "name": kind,
        "summary": f'what mapping = "{kind}" reads; it makes {", ".join(mapping.event_types)}',
        "traits": [{"$ref": "#/components/messageTraits/amqp"}],
        "payload": payload,
    }
    example = http_document.example(kind)
    return {**told, "examples": [{"payload": example}]} if example is not None else told


def _trait() -> dict[str, Any]:
    """Headers and properties of every message."""
    text = {"type": "string"}
    headers = {f"cloudEvents:{name}": text for name in ATTRIBUTES} | {"webhook-id": text}
    headers["cloudEvents:type"] = {
        "type": "string",
        "description": f"{', '.join(sorted(EVENT_TYPES))}, or a longer name",
    }
    said = "`message_id` is the event's id if the body has none; `content_type` and `content_encoding` say the form."
    return {
        "description": f"{said} At most {MAX_BODY >> 20} MB.",
        "headers": {"$schema": DIALECT, "type": "object", "properties": headers},
        "bindings": {"amqp": {"contentEncoding": "gzip", "messageType": "lead.created"}},
    }


def _schemas() -> Mapping[str, Any]:
    """Those of events, as the OpenAPI document has them."""
    told = http_document.document()["components"]["schemas"]
    wanted = {name: told[name] for name in ("LeadEvent", "TicketEvent")}
    while missing := _named(wanted) - set(wanted):
        wanted |= {name: told[name] for name in missing}
    return dict(sorted(wanted.items()))


def _named(made: Any) -> set[str]:
    """The schemas that some JSON refers to."""
    if isinstance(made, dict):
        mine = {made["$ref"].rpartition("/")[2]} if "$ref" in made else set()
        return mine.union(*map(_named, made.values()))
    return set().union(*map(_named, made)) if isinstance(made, list) else set()
