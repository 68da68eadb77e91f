"""The documents that describe this service to programs: OpenAPI of its addresses, AsyncAPI of its queues.

`make docs` writes both files, for any source. They are served with the configured sources in the place of any.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from connector.core.settings import Settings, Source, Verify

OPENAPI: Final = Path(__file__).with_name("openapi.json")
ASYNCAPI: Final = Path(__file__).with_name("asyncapi.json")
#: The addresses of any source: its webhook, and the one that ends with the secret.
SOURCE_PATHS: Final = ("/webhooks/{source}", "/webhooks/{source}/{secret}")
#: The channels of any source.
SOURCE_CHANNELS: Final = ("queue", "dead_letters")


def openapi(settings: Settings) -> dict[str, Any]:
    """The document with an address for each configured webhook."""
    document: dict[str, Any] = orjson.loads(OPENAPI.read_bytes())
    operations = {path: document["paths"].pop(path) for path in SOURCE_PATHS}
    bodies, schemes = document["components"]["requestBodies"], document["components"]["securitySchemes"]
    for source in settings.sources.values():
        verify = source.verify
        if verify is None:
            continue
        path = SOURCE_PATHS[verify.scheme == "path"]
        shown = _of_source(operations[path], source, bodies)
        scheme = _security(verify)
        if scheme:
            schemes[f"source.{source.name}"] = scheme
            shown["post"]["security"] = [{f"source.{source.name}": []}]
        document["paths"][path.replace("{source}", source.name)] = shown
    if settings.public_url:
        document["servers"] = [{"url": settings.public_url}]
    return document


def _of_source(operations: Mapping[str, Any], source: Source, bodies: Mapping[str, Any]) -> dict[str, Any]:
    """The operations of one source: without those that its sender never asks for."""
    assert source.verify is not None
    methods = {"post": True, "get": bool(source.verify.handshake), "options": "options" in operations}
    shown: dict[str, Any] = {}
    for method, operation in operations.items():
        if not methods[method]:
            continue
        parameters = [one for one in operation["parameters"] if one["name"] != "source"]
        shown[method] = {**operation, "parameters": parameters, "tags": [source.mapping]}
    if source.mapping in bodies:
        shown["post"]["requestBody"] = {"$ref": f"#/components/requestBodies/{source.mapping}"}
    return shown


def _security(verify: Verify) -> dict[str, Any] | None:
    """The proof as OpenAPI can say it; None where it travels in the body or the address, or where none is asked for."""
    if verify.scheme == "basic":
        return {"type": "http", "scheme": "basic"}
    if verify.scheme == "query":
        return {"type": "apiKey", "in": "query", "name": verify.parameter}
    header = "webhook-signature" if verify.scheme == "standard-webhooks" else verify.header
    if not header or verify.scheme in ("field", "path", "none"):
        return None
    signed = f"{verify.prefix}signature ({verify.algorithm}, {verify.encoding}) of {verify.signed}"
    description = signed if verify.scheme == "hmac" else verify.scheme
    return {"type": "apiKey", "in": "header", "name": header, "description": description}


def asyncapi(settings: Settings) -> dict[str, Any]:
    """The document with a pair of channels for each configured queue."""
    document: dict[str, Any] = orjson.loads(ASYNCAPI.read_bytes())
    channels = {name: document["channels"].pop(name) for name in SOURCE_CHANNELS}
    operations = {name: document["operations"].pop(name) for name in list(document["operations"])}
    for source in settings.sources.values():
        if not source.queue:
            continue
        for name, channel in channels.items():
            address = channel["address"].replace("{queue}", source.queue)
            kinds = {kind: message for kind, message in channel["messages"].items() if kind == source.mapping}
            own = {**channel, "address": address, "messages": kinds or channel["messages"]}
            own.pop("parameters", None)
            document["channels"][f"{source.name}.{name}"] = own
        for name, operation in operations.items():
            channel_name = f"{source.name}.{operation['channel']['$ref'].rpartition('/')[2]}"
            document["operations"][f"{source.name}.{name}"] = {
                **operation,
                "channel": {"$ref": f"#/channels/{channel_name}"},
                "messages": [
                    {"$ref": f"#/channels/{channel_name}/messages/{kind}"}
                    for kind in document["channels"][channel_name]["messages"]
                ],
            }
    return document
