"""The WSGI application of a process."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from connector.core.settings import Route, Settings
from connector.inbound.committer import Committer, Storing
from connector.inbound.intake import Intake
from connector.inbound.receiver import Receiver
from connector.inbound.router import Router
from connector.inbound.source_limits import SourceLimits
from connector.store.database import Database
from connector.web import access_log, api, errors, watch
from connector.web.app import Application
from connector.web.limits import LARGEST_BODY
from connector.web.pages import Pages
from connector.web.webhooks import Webhooks


def create_app(
    settings: Settings,
    database: Database,
    name_of: Callable[[Route], str],
    committer: Storing | None = None,
    *,
    clock: Callable[[], float] = time.time,
) -> Application:
    """The application. A given ``committer`` is closed by the caller; one made here lives as long as the process.

    ``name_of`` gives the name of a route's destination, ``clock`` the unix seconds with which signed timestamps are
    compared.
    """
    receiver = Receiver(settings, Router(settings, name_of))
    intake = Intake(receiver, committer or Committer(database, settings.hash_key))
    app = Application(intake)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    intake.limits = SourceLimits(settings.sources, database)
    webhooks = Webhooks(settings, receiver, intake, clock, intake.limits)
    app.largest_bodies = webhooks.largest_bodies()
    app.serve("/webhooks/<source>", webhooks.take, "POST")
    app.serve_names("/webhooks/<source>", settings.sources)
    app.serve("/webhooks/<source>/<path:secret>", webhooks.take, "POST")
    app.serve("/webhooks/<source>/", webhooks.take_slash, "POST")
    for name in webhooks.subscribing():
        app.serve(f"/webhooks/{name}", partial(webhooks.shake_hands, name), "GET")
    for name in webhooks.permitting():
        app.serve(f"/webhooks/{name}", partial(webhooks.permit, name), "OPTIONS")
        app.serve(f"/webhooks/{name}/<path:secret>", partial(webhooks.permit, name), "OPTIONS")
    watch.install(app, settings, database)
    api.install(app, settings, database)
    if settings.console is not None and settings.console.enabled:
        app.pages = Pages(settings, database)
    errors.install(app)
    access_log.install(app, settings)
    return app
