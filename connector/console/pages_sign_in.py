"""Signs people in with their key, and out."""

from __future__ import annotations

from math import ceil

from flask import Flask, Response, g, request

from connector.console.application import here
from connector.console.parts import page, redirected
from connector.core.log import get
from connector.core.metrics import SIGN_INS
from connector.core.phrases import Phrase, phrase, plural

log = get("console")


def install(app: Flask) -> None:
    """The addresses of this page."""
    app.add_url_rule("/console/sign-in", "sign_in", show)
    app.add_url_rule("/console/sign-in", "sign_in_done", sign_in, methods=["POST"])
    app.add_url_rule("/console/sign-out", "sign_out", sign_out, methods=["POST"])


def show() -> Response:
    if g.session.person is not None:
        return redirected(page_of(request.args.get("to", "")))
    return form("", 200)


def form(fault: str, status: int) -> Response:
    """The page to sign in on, with what went wrong."""
    to, has_company = page_of(request.values.get("to", "")), here().company is not None
    nobody = not here().people and not has_company
    return page("sign_in.html", status, fault=fault, to=to, nobody=nobody, has_company=has_company)


def page_of(path: str) -> str:
    """The requested page, if it is one of ours; otherwise the first page."""
    is_ours = path.startswith("/console/") and "\\" not in path and path.isprintable()
    return path if is_ours else "/console/"


def sign_in() -> Response:
    app = here()
    if (wait := app.tries.wait_s()) > 0:
        response = form(_later(wait), 429)
        response.headers["Retry-After"] = str(ceil(wait))
        return response
    person = app.people.of_key(request.form.get("key", "").strip())
    if person is None:
        app.tries.wrong()
        SIGN_INS.labels("refused").inc()
        log.warning("a key was refused")
        return form(phrase("Nobody has this key. Check that all of it was pasted."), 403)
    app.tries.right()
    SIGN_INS.labels("let in").inc()
    log.info("somebody signed in", who=person.name)
    g.session, g.renews = app.sessions.fresh(person), True
    return redirected(page_of(request.form.get("to", "")))


def _later(seconds: float) -> Phrase:
    one = "Too many wrong keys were tried. Wait {number} second, then try again."
    many = "Too many wrong keys were tried. Wait {number} seconds, then try again."
    return plural(one, many, ceil(seconds))


def sign_out() -> Response:
    g.session, g.renews = here().sessions.fresh(None), True
    response = redirected("/console/sign-in")
    response.headers["Clear-Site-Data"] = '"cache"'
    return response
