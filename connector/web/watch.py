"""`/readyz` and `/metrics`: they name accounts, sources and volumes, so they are not open to everybody by default.

Behind ``CONNECTOR_METRICS_TOKEN`` (or the admin token) at the port of the webhooks; or open at a port of their own,
``[metrics] port``; or open to all with ``public = true``. `/livez` reveals nothing and is open everywhere.
"""

from __future__ import annotations

from typing import Final

from flask import Response

from connector.core.settings import Secret, Settings
from connector.inbound.intake import Intake
from connector.store.database import Database
from connector.web import access_log, errors
from connector.web.access_log import because
from connector.web.app import Application
from connector.web.bearer import NAMES, UNAUTHORISED, behind
from connector.web.health import Health
from connector.web.metrics import Exposition
from connector.web.responses import problem

SHUT: Final = "set CONNECTOR_METRICS_TOKEN, or port or public = true under [metrics]"


def install(app: Application, settings: Settings, database: Database) -> None:
    """Adds them at the port of the webhooks."""
    _serve(app, settings, database, is_open=settings.metrics_public, tokens=_tokens(settings))


def create_watch(intake: Intake, settings: Settings, database: Database) -> Application:
    """The application of their own port."""
    app = Application(intake)
    token = (settings.metrics_token,) if settings.metrics_token else ()
    _serve(app, settings, database, is_open=not token, tokens=token)
    errors.install(app)
    access_log.install(app, settings)
    return app


def _tokens(settings: Settings) -> tuple[Secret, ...]:
    return (settings.metrics_token, settings.admin_token)


def _serve(
    app: Application, settings: Settings, database: Database, *, is_open: bool, tokens: tuple[Secret, ...]
) -> None:
    health, exposition = Health(settings, database, app.intake), Exposition(settings, database)
    app.serve("/livez", health.livez, "GET")
    for path, view in (("/readyz", health.readyz), ("/metrics", exposition.metrics)):
        app.serve(path, view if is_open else behind(tokens, view, closed=_shut), "GET")


def _shut() -> Response:
    because(SHUT)
    return problem(401, UNAUTHORISED, headers=NAMES)
