"""The two kinds of answer: JSON, and RFC 9457 problem details."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from flask import Response

Errors = Sequence[Mapping[str, str]]  #: [{"field", "message"}]


def reply(body: Any, status: int = 200) -> Response:
    """``body`` as JSON."""
    return Response(orjson.dumps(body), status, content_type="application/json")


def problem(status: int, detail: str, *, errors: Errors = (), headers: Mapping[str, str] | None = None) -> Response:
    """Problem details: the fault in one line that says what to do, and the fields at fault."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    listed = {"errors": errors} if errors else {}
    return Response(
        orjson.dumps(body | listed), status, headers=dict(headers or {}), content_type="application/problem+json"
    )
