"""Alarms: what people are told of now, what they were told of, and whether they were reached."""

from __future__ import annotations

from typing import Final

from flask import Flask, Response, request

from connector.admin.alarms import listing
from connector.console.application import here
from connector.console.parts import page

LISTED: Final = 50


def install(app: Flask) -> None:
    """The addresses of these pages."""
    app.add_url_rule("/console/alarms", "alarms", show)


def show() -> Response:
    """Shows the alarms of now, then the past ones, the latest first; ``?before=``."""
    app, text = here(), request.args.get("before", "")
    before = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
    with app.database.read() as conn:
        now = listing.current(conn) if before is None else []
        past = listing.past(conn, LISTED + 1, before)
    older = past[LISTED - 1]["alarm"] if len(past) > LISTED else None
    return page("alarms.html", now=now, past=past[:LISTED], older=older, rules=app.settings.alarms)
