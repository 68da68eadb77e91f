"""The gate of every request: connection, session, form token; and the headers of every response."""

from __future__ import annotations

import time
from typing import Final
from urllib.parse import quote, urlsplit

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from connector.admin.acts import By, Forbidden
from connector.admin.identifiers import NotThere
from connector.console.application import ConsoleApp, here
from connector.console.parts import page, redirected
from connector.console.session import Session
from connector.core.errors import ConnectorError, StoreUnavailable
from connector.core.log import get, masked
from connector.core.metrics import PAGE_SECONDS
from connector.core.phrases import mapped, phrase
from connector.core.settings import Role
from connector.core.text import is_loopback

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
#: Pages without signing in.
OPEN: Final = {"asset", "sign_in", "sign_in_done", "company", "company_back", "language"}

log = get("console")


def install(app: Flask) -> None:
    """Puts the gate before every view, and adds the headers."""
    app.before_request(_begin)
    app.before_request(_check_connection)
    app.before_request(_check_session)
    app.before_request(_check_form)
    app.after_request(_finish)
    app.register_error_handler(NotThere, lambda fault: _message(404, fault))
    app.register_error_handler(Forbidden, lambda fault: _message(403, fault))
    app.register_error_handler(StoreUnavailable, _away)
    app.register_error_handler(ConnectorError, lambda fault: _message(400, fault))
    app.register_error_handler(HTTPException, _refused)
    app.register_error_handler(Exception, _unexpected)


def by(why: str = "") -> By:
    """The person who is signed in, for acts. The role is the one in the current configuration."""
    person = g.session.person
    return By(person.name, why, person.role) if person else By("nobody", why, Role.VIEWER)


def is_secure(app: ConsoleApp) -> bool:
    """Whether browsers reach us by TLS, through a proxy."""
    return app.settings.public_url.startswith("https://")


def is_plain(app: ConsoleApp) -> bool:
    """Whether keys and persons travel unencrypted, because the configuration allows it."""
    return not is_secure(app) and not is_loopback(f"http://{request.host}")


def cookie_name(app: ConsoleApp) -> str:
    return "__Host-connector" if is_secure(app) else "connector-console"


# --- before ---------------------------------------------------------------------------------------------------------


def _begin() -> None:
    g.begun = time.perf_counter()


def _check_connection() -> Response | None:
    app, console = here(), here().settings.console
    g.session, g.renews = Session("", None, 0, 0), False
    if console is None or not console.enabled:
        sentence = phrase("The console is closed: set enabled = true under [console] in the configuration.")
        return page("message.html", 403, title=phrase("Closed"), said=sentence, next="")
    if is_plain(app) and not console.plain_http:
        sentence = phrase("This address is not encrypted, and keys would travel openly: nothing is shown here.")
        step = phrase("Set CONNECTOR_PUBLIC_URL to the https:// address, or plain_http = true under [console].")
        return page("message.html", 403, title=phrase("Closed"), said=sentence, next=step)
    return None


def _check_session() -> Response | None:
    app = here()
    found = app.sessions.read(request.cookies.get(cookie_name(app), ""))
    g.renews = found is None or app.sessions.is_old(found)
    g.session = found or app.sessions.fresh(None)
    if request.endpoint in OPEN or g.session.person is not None:
        return None
    if request.endpoint is not None and request.path.startswith("/console/parts/"):
        return Response(status=401)
    back = request.full_path.rstrip("?") if request.method == "GET" else "/console/"
    g.renews = False
    return redirected(f"/console/sign-in?to={_quoted(back)}" if back != "/console/" else "/console/sign-in")


def _quoted(path: str) -> str:
    return quote(path, safe="/")


def _check_form() -> Response | None:
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return None
    app = here()
    ours = app.sessions.is_form_token(g.session, request.form.get("form_token", ""))
    if ours and _is_our_origin(app) and request.headers.get("Sec-Fetch-Site") != "cross-site":
        return None
    sentence = phrase("This form is not one that we gave out, or you were signed out meanwhile: nothing was changed.")
    typed = [(name, text) for name, text in request.form.items() if name not in ("form_token", "key") and text]
    step = phrase("Go back, load the page again, and send it once more.")
    return page("message.html", 403, title=phrase("Not done"), said=sentence, next=step, typed=typed)


def _is_our_origin(app: ConsoleApp) -> bool:
    origin = request.headers.get("Origin")
    if origin is None:
        return True
    public = urlsplit(app.settings.public_url)
    return origin in {f"{public.scheme}://{public.netloc}", f"http://{request.host}", f"https://{request.host}"}


# --- after ----------------------------------------------------------------------------------------------------------


def _finish(response: Response) -> Response:
    if request.endpoint is not None:
        PAGE_SECONDS.labels(request.endpoint).observe(time.perf_counter() - g.begun)
    for name, value in HEADERS.items():
        response.headers[name] = value
    response.headers.setdefault("Cache-Control", "no-store")
    app, session = here(), g.get("session")
    if is_secure(app):
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    if session is not None and session.id and g.renews and request.endpoint != "asset":
        set_cookie(app, response, session)
    return response


def set_cookie(app: ConsoleApp, response: Response, session: Session) -> None:
    """Sets the session cookie. Lax, so that a link in a message or an alarm arrives signed in."""
    value, secure = app.sessions.written(session), is_secure(app)
    path = "/" if secure else "/console"  # required by the prefix __Host-
    response.set_cookie(cookie_name(app), value, httponly=True, secure=secure, samesite="Lax", path=path)


# --- what went wrong ------------------------------------------------------------------------------------------------


def _message(status: int, fault: Exception) -> Response:
    sentence = fault.args[0] if fault.args and isinstance(fault.args[0], str) else str(fault)
    titles = {404: phrase("Not found"), 403: phrase("You may not do this")}
    return page(
        "message.html", status, title=titles.get(status, phrase("Not done")), said=mapped(sentence, masked), next=""
    )


def _away(fault: StoreUnavailable) -> Response:
    sentence = phrase("The database does not answer: nothing can be looked up or changed now.")
    response = page("message.html", 503, title=phrase("Away"), said=sentence, next=phrase("Try again in a moment."))
    response.headers["Retry-After"] = "5"
    return response


def _refused(fault: HTTPException) -> Response:
    status = fault.code or 500
    sentence = {
        404: phrase("There is nothing at this address."),
        405: phrase("This address takes another method."),
        413: phrase("What was sent is too large."),
    }.get(status, phrase("The request cannot be answered."))
    return page("message.html", status, title=phrase("Not found"), said=sentence, next="")


def _unexpected(fault: Exception) -> Response:
    log.exception("a page failed", exc_info=fault)
    sentence = phrase("The page failed here, and is in the log.")
    return page("message.html", 500, title=phrase("Not done"), said=sentence, next=phrase("Try again in a moment."))
