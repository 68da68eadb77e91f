"""The two kinds of answer: JSON, and RFC 9457 problem details."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import orjson
from flask import Request, Response

#: Headers of every answer: no cache keeps it, and no browser guesses what it is.
NOT_KEPT: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

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


AGES: Final = {"oldest_waiting_s"}  #: grow with the clock alone


def unless_known(answer: Response, request: Request) -> Response:
    """The answer with an ETag; 304 to one who shows that of an answer alike.

    Alike are answers that differ in the time at which they were read (``at``, ages) alone, so the tag is a weak one.
    """
    if answer.status_code != 200:
        return answer
    body = orjson.loads(answer.get_data())
    if isinstance(body, dict):
        body.pop("at", None)
    answer.set_etag(hashlib.blake2b(orjson.dumps(_without_ages(body)), digest_size=16).hexdigest(), weak=True)
    answer.make_conditional(request.environ)  # which changes it
    return answer


def _without_ages(body: Any) -> Any:
    if isinstance(body, dict):
        return {name: _without_ages(value) for name, value in body.items() if name not in AGES}
    return [_without_ages(one) for one in body] if isinstance(body, list) else body
