"""For programs: the addresses and queues of this installation, and the documents that describe them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from flask import Flask, Response

from connector.admin.identifiers import NotThere
from connector.console.application import here
from connector.console.parts import page
from connector.core.phrases import phrase


def install(app: Flask) -> None:
    """The addresses of these pages."""
    app.add_url_rule("/console/api", "api", show)
    app.add_url_rule("/console/api/<name>.json", "api_document", document)


def show() -> Response:
    documents = {name: make(here().settings) for name, make in here().documents.items()}
    return page(
        "api.html", http=_addresses(documents.get("openapi", {})), queues=_queues(documents.get("asyncapi", {}))
    )


def document(name: str) -> Response:
    """The same document as under /api, for who is signed in."""
    make = here().documents.get(name)
    if make is None:
        raise NotThere(phrase("There is nothing at this address."))
    response = Response(orjson.dumps(make(here().settings), option=orjson.OPT_INDENT_2))
    response.headers["Content-Type"] = "application/json"
    return response


def _addresses(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "method": method.upper(),
            "path": path,
            "summary": operation.get("summary", ""),
            "parameters": [one["name"] for one in operation.get("parameters", ()) if one.get("in") == "query"],
            "answers": sorted(operation.get("responses", {})),
        }
        for path, operations in document.get("paths", {}).items()
        for method, operation in operations.items()
    ]


def _queues(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"address": channel["address"], "said": channel.get("description", ""), "messages": list(channel["messages"])}
        for channel in document.get("channels", {}).values()
    ]
