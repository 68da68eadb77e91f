"""A captured payload: a body in a file, or a whole request with its headers (.http). Pure.

The content type of a lone body is detected. A request is in the form of tools and logs: a request line, headers, a
blank line, the body; or in the JSON of `tests/payloads/*/*.request.json`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from connector.core.errors import ConnectorError
from connector.core.phrases import phrase
from connector.inbound.payloads.sniff import content_type_of

#: A file's extension -> the content type of its sender; others are detected by content.
CONTENT_TYPES: Final = {
    ".json": "application/json",
    ".ndjson": "application/x-ndjson",
    ".jsonl": "application/x-ndjson",
    ".xml": "application/xml",
}
_REQUEST_LINE: Final = re.compile(rb"(?:POST|PUT|PATCH|GET) +(\S+)(?: +HTTP/[\d.]+)?\r?\n")
_HEADER: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n]*)\r?\n")


@dataclass(frozen=True, slots=True)
class Captured:
    """A request as far as it was captured. ``headers`` have lower-case names."""

    body: bytes
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)
    path: str = ""


def captured(raw: bytes, suffix: str = "") -> Captured:
    """The request in a file's bytes; ``suffix`` is its extension. Raises `ConnectorError` if it has no body."""
    if (found := _REQUEST_LINE.match(raw)) is not None:
        return _request(raw[found.end() :], found[1].decode("latin-1"))
    if suffix == ".http":
        return _request(raw, "")
    if suffix == ".json" and (request := _test_request(raw)) is not None:
        return request
    return Captured(raw, CONTENT_TYPES.get(suffix) or content_type_of(raw, as_sent=True))


def _request(raw: bytes, path: str) -> Captured:
    headers: dict[str, str] = {}
    at = 0
    while (found := _HEADER.match(raw, at)) is not None:
        headers[found[1].decode().lower()] = found[2].decode("utf-8", "replace").strip()
        at = found.end()
    blank = re.compile(rb"\r?\n").match(raw, at)
    if blank is None or not headers:
        raise ConnectorError(phrase("it is no request: headers, a blank line and the body are needed"))
    body = raw[blank.end() :]
    content_type = headers.get("content-type") or content_type_of(body, as_sent=True)
    if "multipart/" in content_type.lower() and b"\r\n" not in body:
        body = body.replace(b"\n", b"\r\n")  # an editor has saved it; between parts the line ends count
    elif "multipart/" not in content_type.lower():
        body = body.removesuffix(b"\n").removesuffix(b"\r")
    return Captured(body, content_type, headers, path)


def _test_request(raw: bytes) -> Captured | None:
    """The request of a test's file."""
    try:
        body: Any = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    if not (
        isinstance(body, dict) and isinstance(body.get("headers"), dict) and isinstance(body.get("body_text"), str)
    ):
        return None
    headers = {str(name).lower(): str(value) for name, value in body["headers"].items()}
    return Captured(body["body_text"].encode(), headers.get("content-type", ""), headers, str(body.get("path", "")))
