"""The application under /console: a second Flask with sessions and templates, which webhooks do not need."""

from __future__ import annotations

from typing import Any, Final

from flask import Response, g, request
from jinja2 import StrictUndefined

from connector.admin.problems import ROLES
from connector.console import (
    gate,
    pages_acting,
    pages_alarms,
    pages_api,
    pages_calls,
    pages_company,
    pages_erase,
    pages_lists,
    pages_lots,
    pages_more,
    pages_now,
    pages_pace,
    pages_people,
    pages_problems,
    pages_queues,
    pages_reports,
    pages_search,
    pages_sign_in,
    pages_try,
    parts,
)
from connector.console.application import ASSETS, ConsoleApp, Documents, here
from connector.console.reader import Reader
from connector.core.settings import Settings
from connector.core.states import state_word
from connector.languages.catalogue import LANGUAGES, of_request
from connector.store.acts import What
from connector.store.database import Database

LANGUAGE_COOKIE: Final = "connector-language"
THEMES: Final = ("auto", "light", "dark")
THEME_COOKIE: Final = "connector-theme"


def create(settings: Settings, database: Database, documents: Documents | None = None) -> ConsoleApp:
    """The application; its templates and catalogues are loaded with the first page."""
    app = ConsoleApp(settings, database, documents or {})
    app.jinja_env.add_extension("jinja2.ext.i18n")
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined] # the extension adds it
        lambda message: g.reader.catalogue.gettext(message),
        lambda one, many, number: g.reader.catalogue.ngettext(one, many, number),
        newstyle=True,
    )
    app.jinja_env.filters |= {
        "say": lambda text: g.reader.say(text),
        "time": lambda iso: g.reader.time(iso),
        "number": lambda value: g.reader.number(value),
        "duration": lambda value: g.reader.duration(value),
    }
    app.before_request(_read_language)
    app.add_url_rule("/console/assets/<stamp>/<name>", "asset", lambda stamp, name: _asset(app, name))
    app.add_url_rule("/console/language", "language", _choose, methods=["POST"])
    gate.install(app)
    for pages in (
        pages_sign_in,
        pages_company,
        pages_now,
        pages_search,
        pages_lists,
        pages_acting,
        pages_calls,
        pages_people,
        pages_alarms,
        pages_pace,
        pages_problems,
        pages_queues,
        pages_lots,
        pages_reports,
        pages_erase,
        pages_more,
        pages_try,
        pages_api,
    ):
        pages.install(app)
    app.context_processor(lambda: _shared(app))
    return app


def _read_language() -> None:
    app = here()
    accepted = [value for value, _ in request.accept_languages]
    region, zone = app.settings.locale.region, app.settings.locale.timezone
    g.reader = Reader(of_request(request.cookies.get(LANGUAGE_COOKIE, ""), accepted, region), region, zone)
    g.theme = request.cookies.get(THEME_COOKIE, "") if request.cookies.get(THEME_COOKIE) in THEMES else "auto"


def _shared(app: ConsoleApp) -> dict[str, Any]:
    """Names that every template may use."""
    return {
        "reader": g.reader,
        "theme": g.theme,
        "languages": LANGUAGES,
        "session": g.session,
        "person": g.session.person,
        "form_token": app.sessions.form_token(g.session),
        "stamp": app.stamp,
        "plain": gate.is_plain(app),
        "here": request.path,
        "printed_at": parts.now_iso(),
        "word": word,
        "may": lambda what: gate.by().may(What(what)),
    }


def word(name: str) -> str:
    """A state or a process's role as a phrase."""
    return _ROLES.get(name) or state_word(name)


_ROLES: Final = {role.value: text for role, text in ROLES.items()}


def _asset(app: ConsoleApp, name: str) -> Response:
    if name not in ASSETS:
        return Response(status=404)
    response = Response(app.assets[name], content_type=ASSETS[name])
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response


def _choose() -> Response:
    """Stores language and theme in cookies, which say nothing about the person."""
    back = request.form.get("back", "")
    response = parts.redirected(back if back.startswith("/console") else "/console/")
    for cookie, value, known in (
        (LANGUAGE_COOKIE, request.form.get("language", ""), LANGUAGES),
        (THEME_COOKIE, request.form.get("theme", ""), THEMES),
    ):
        if value in known:
            _keep(response, cookie, value)
    return response


def _keep(response: Response, cookie: str, value: str) -> None:
    is_secure = gate.is_secure(here())
    age_s = 365 * 86400
    response.set_cookie(cookie, value, age_s, path="/console", httponly=True, samesite="Lax", secure=is_secure)
