"""Shared parts of views: a page, a fragment that the browser may have already, a redirect."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from flask import Response, make_response, render_template, request


def now_iso() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def page(template: str, status: int = 200, **facts: Any) -> Response:
    """A whole page."""
    response = make_response(render_template(template, **facts))
    response.status_code = status
    return response


def fragment(template: str, seen: str, **facts: Any) -> Response:
    """A part of a page, or 304 if the browser has it. ``seen``: when its data was read."""
    body = render_template(template, **facts)
    tag = hashlib.sha256(body.encode()).hexdigest()[:20]
    if request.if_none_match.contains(tag):
        response = Response(status=304)
    else:
        response = Response(body, content_type="text/html; charset=utf-8")
    response.set_etag(tag)
    response.headers["X-Seen-At"] = seen
    return response


def redirected(path: str) -> Response:
    """To another page of ours, by GET."""
    response = Response(status=303)
    response.headers["Location"] = path
    response.autocorrect_location_header = False
    return response
