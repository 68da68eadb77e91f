"""The way in over HTTP: webhooks, health, metrics. `create_app` makes the WSGI application of a process."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from connector.committer import Committer
from connector.db import Database
from connector.destinations import name_of
from connector.intake import Intake
from connector.receive import Receiver
from connector.routes import Router
from connector.settings import Settings
from connector.web import access, api, faults
from connector.web.application import Application
from connector.web.asked import MAX_BODY_BYTES
from connector.web.exposition import Exposition
from connector.web.health import Health
from connector.web.webhooks import Webhooks

__all__ = ["MAX_BODY_BYTES", "create_app"]


def create_app(
    settings: Settings,
    database: Database,
    committer: Committer | None = None,
    *,
    clock: Callable[[], float] = time.time,
) -> Application:
    """The application. Whoever gives a ``committer`` closes it; one made here lives as long as the process.

    ``clock`` gives the unix seconds against which signed timestamps are held.
    """
    receiver = Receiver(settings, Router(settings, name_of))
    intake = Intake(receiver, committer or Committer(database, settings.hash_key))
    app = Application(intake)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    webhooks = Webhooks(settings, receiver, intake, clock)
    health, exposition = Health(settings, database), Exposition(settings, database)
    app.serve("/webhooks/<source>", webhooks.take, "POST")
    app.serve_names("/webhooks/<source>", settings.sources)
    app.serve("/webhooks/<source>/<path:secret>", webhooks.take, "POST")
    app.serve("/webhooks/<source>/", webhooks.take_slash, "POST")
    for name in webhooks.subscribing():
        app.serve(f"/webhooks/{name}", partial(webhooks.shake_hands, name), "GET")
    app.serve("/livez", health.livez, "GET")
    app.serve("/readyz", health.readyz, "GET")
    app.serve("/metrics", exposition.metrics, "GET")
    api.install(app, settings, database)
    faults.install(app)
    access.install(app, settings)
    return app
