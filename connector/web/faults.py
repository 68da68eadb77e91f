"""Every error as problem details, in one place. A sender never sees a stack trace, nor what our database said."""

from __future__ import annotations

from typing import Final

from flask import Flask, Response
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from connector.errors import StoreUnavailable, UnsupportedType
from connector.log import get
from connector.web.answers import problem

RETRY_AFTER_S: Final = 5

#: HTTP status -> what the caller can do, where werkzeug's own words would not say.
DETAILS: Final = {
    400: "the request could not be read to its end: send it again",
    404: "there is nothing at this address",
    405: "this address takes another method",
    413: "the body is larger than 10 MB: send fewer events at once",
}

log = get("web")


def install(app: Flask) -> None:
    """Has the application answer every exception from here."""
    app.register_error_handler(HTTPException, _refused)
    app.register_error_handler(UnsupportedType, _unsupported)
    app.register_error_handler(StoreUnavailable, _unavailable)
    app.register_error_handler(Exception, _unexpected)


def _refused(fault: HTTPException) -> Response:
    status = fault.code or 500
    allowed = fault.valid_methods if isinstance(fault, MethodNotAllowed) else None
    headers = {"Allow": ", ".join(sorted(allowed))} if allowed else {}
    return problem(status, DETAILS.get(status, "the request cannot be answered"), headers=headers)


def _unsupported(fault: UnsupportedType) -> Response:
    return problem(415, str(fault))


def _unavailable(fault: StoreUnavailable) -> Response:
    log.error("nothing can be stored now", fault=str(fault))
    detail = "nothing can be stored now, and nothing was: send it again later"
    return problem(503, detail, headers={"Retry-After": str(RETRY_AFTER_S)})


def _unexpected(fault: Exception) -> Response:
    log.exception("a request failed", exc_info=fault)
    return problem(500, "the request failed here, and is on record: send it again later")
