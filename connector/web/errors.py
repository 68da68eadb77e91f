"""Every error as problem details (RFC 9457). Senders never see a stack trace or the database's words."""

from __future__ import annotations

from typing import Final

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from connector.core.errors import StoreUnavailable, UnsupportedType
from connector.core.log import get
from connector.web.app import BEGIN
from connector.web.responses import NOT_KEPT, problem

RETRY_AFTER_S: Final = 5

NOTHING_HERE: Final = "there is nothing at this address"

#: HTTP status -> what the caller can do, where werkzeug's text does not say it.
DETAILS: Final = {
    400: "the request could not be read to its end: send it again",
    404: NOTHING_HERE,
    405: "this address takes another method",
}

log = get("web")


def install(app: Flask) -> None:
    """Has the application answer every exception from here."""
    app.after_request(_for_nobody_else)
    app.register_error_handler(HTTPException, _refused)
    app.register_error_handler(UnsupportedType, _unsupported)
    app.register_error_handler(StoreUnavailable, _unavailable)
    app.register_error_handler(Exception, _unexpected)


def _for_nobody_else(response: Response) -> Response:
    """Headers that keep a response from caches, and browsers from interpreting its content.

    Where `connector.web.asgi` writes the answer, it adds them as they are sent: set one by one they cost more.
    """
    if BEGIN not in request.environ:
        response.headers.update(NOT_KEPT)
    return response


def _refused(fault: HTTPException) -> Response:
    status = fault.code or 500
    allowed = fault.valid_methods if isinstance(fault, MethodNotAllowed) else None
    # OPTIONS is handled elsewhere: some senders ask for permission by it, see `connector.web.handshakes`.
    headers = {"Allow": ", ".join(sorted({*allowed} - {"OPTIONS"}))} if allowed else {}
    detail = str(fault.description) if status == 413 else DETAILS.get(status, "the request cannot be answered")
    return problem(status, detail, headers=headers)


def _unsupported(fault: UnsupportedType) -> Response:
    return problem(415, str(fault))


def _unavailable(fault: StoreUnavailable) -> Response:
    log.error("nothing can be stored now", fault=str(fault))
    detail = "nothing can be stored now, and nothing was: send it again later"
    return problem(503, detail, headers={"Retry-After": str(RETRY_AFTER_S)})


def _unexpected(fault: Exception) -> Response:
    log.exception("a request failed", exc_info=fault)
    return problem(500, "the request failed here, and is on record: send it again later")
