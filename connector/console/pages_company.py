"""Signing in with the company's account: to the provider, and back."""

from __future__ import annotations

from typing import Final

from flask import Flask, Response, g, request
from itsdangerous import BadData, URLSafeTimedSerializer

from connector.admin.identifiers import NotThere
from connector.console import gate
from connector.console.application import ConsoleApp, here
from connector.console.company import Company, NotSignedIn
from connector.console.pages_sign_in import form, page_of
from connector.console.parts import redirected
from connector.core.log import get
from connector.core.metrics import SIGN_INS
from connector.core.phrases import phrase

COOKIE: Final = "connector-company"
GOOD_FOR_S: Final = 600
BEGIN: Final = "/console/sign-in/company"
BACK: Final = "/console/sign-in/back"

log = get("console")


def install(app: Flask) -> None:
    """The addresses of these pages."""
    app.add_url_rule(BEGIN, "company", begin)
    app.add_url_rule(BACK, "company_back", back)


def begin() -> Response:
    """To the provider. It changes nothing here: a page elsewhere that links to it gains nothing."""
    app, company = here(), _company()
    try:
        way = company.ask(_back(app))
    except NotSignedIn as fault:
        return form(fault.args[0], 503)
    response = redirected(way.url)
    cookie = _signer(app).dumps(dict(way.cookie) | {"to": page_of(request.args.get("to", ""))})
    secure = gate.is_secure(app)
    response.set_cookie(
        COOKIE, cookie, GOOD_FOR_S, path=BEGIN.rpartition("/")[0], httponly=True, samesite="Lax", secure=secure
    )
    return response


def back() -> Response:
    """From the provider. The address with its code is seen once, and left."""
    app, company = here(), _company()
    try:
        cookie = _signer(app).loads(request.cookies.get(COOKIE, ""), max_age=GOOD_FOR_S)
    except BadData:
        cookie = {}
    try:
        known = company.known(request.args, cookie, _back(app))
    except NotSignedIn as fault:
        SIGN_INS.labels("refused").inc()
        response = form(fault.args[0], 403)
    else:
        session = app.sessions.fresh_guest(known)
        SIGN_INS.labels("let in").inc()
        log.info("somebody signed in by the company's account")
        g.session, g.renews = session, True
        response = redirected(page_of(str(cookie.get("to", ""))))
    response.delete_cookie(COOKIE, path=BEGIN.rpartition("/")[0])
    return response


def _company() -> Company:
    company = here().company
    if company is None:
        raise NotThere(phrase("There is nothing at this address."))
    return company


def _back(app: ConsoleApp) -> str:
    return (app.settings.public_url or f"http://{request.host}") + BACK


def _signer(app: ConsoleApp) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(app.settings.hash_key, salt="connector.console.company")
