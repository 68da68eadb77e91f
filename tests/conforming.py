"""Holds an answer against its schema in the OpenAPI document, more strictly than the document: no key is unknown."""

from __future__ import annotations

import functools
from typing import Any

import jsonschema_rs
import orjson

from tests import http_document


@functools.cache
def _schemas() -> dict[str, Any]:
    told: dict[str, Any] = http_document.document(strict=True)["components"]["schemas"]
    return told


@functools.cache
def _validator(name: str, many: bool) -> jsonschema_rs.Validator:
    of = {"$ref": f"#/components/schemas/{name}"}
    schema = {"type": "array", "items": of} if many else of
    return jsonschema_rs.Draft202012Validator({"components": {"schemas": _schemas()}, **schema}, validate_formats=True)


def conforms(name: str, body: Any, *, many: bool = False) -> Any:
    """``body``, which is of this schema; ``many``: a list of such."""
    faults = [f"{fault.instance_path}: {fault.message}" for fault in _validator(name, many).iter_errors(_plain(body))]
    assert not faults, f"not as {name} of tests/http_schemas.py: {faults[:5]}"
    return body


def _plain(body: Any) -> Any:
    return orjson.loads(orjson.dumps(body))
