"""Unreadable input: events by their fault, and messages that queues gave back, to be put back."""

from __future__ import annotations

import re

from flask import Flask, Response, request

from connector.admin import redrive, unread
from connector.admin.groups import PERIODS
from connector.admin.identifiers import NotThere
from connector.console import gate
from connector.console.application import here
from connector.console.parts import page, redirected
from connector.core.errors import ConnectorError
from connector.core.phrases import phrase
from connector.store.acts import What


def install(app: Flask) -> None:
    """The addresses of these pages."""
    app.add_url_rule("/console/unread/<name>", "unread", show_unread)
    app.add_url_rule("/console/queues", "queues", show_queues)
    app.add_url_rule("/console/queues/<name>/redrive", "redrive_done", put_back, methods=["POST"])


def show_unread(name: str) -> Response:
    """One fault with the newest of its events."""
    since = request.args.get("since", "")
    since = since if since in PERIODS else "24h"
    found = next((one for one in unread.unread(here().database, PERIODS[since]) if one.id == name), None)
    if found is None:
        raise NotThere(phrase("Nothing of this cause is left: it was sent again, or is older than the time chosen."))
    return page("unread.html", group=found.as_json(), since=since)


def show_queues() -> Response:
    """Source by source how many messages were given back."""
    app, done = here(), request.args.get("done", "")
    queues = redrive.queued(app.settings)
    counts = redrive.counted(app.settings) if queues else {}
    number = int(done) if re.fullmatch(r"[0-9]{1,9}", done) else None
    return page("queues.html", queues=queues, counts=counts, done=number)


def put_back(name: str) -> Response:
    """Puts back what the page counted; what was given back since stays."""
    app, counted = here(), request.form.get("number", "")
    by = gate.by(request.form.get("why", ""))
    by.demand(What.REDRIVE)
    if not re.fullmatch(r"[0-9]{1,9}", counted):
        raise ConnectorError(phrase("This form is not whole: open the page again."))
    number = redrive.redrive(app.database, app.settings, name, by, most=int(counted))
    return redirected(f"/console/queues?done={number}")
