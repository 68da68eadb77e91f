"""Pace: how soon leads are delivered by weekday and hour, the last day hour by hour, and how long the calls last."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, g, request

from connector.admin.forecast import ahead
from connector.admin.pace import pace
from connector.console.application import here
from connector.console.parts import page


def install(app: Flask) -> None:
    """The addresses of these pages."""
    app.add_url_rule("/console/pace", "pace", show)


def show() -> Response:
    """``?route=`` narrows it; ``?clock=sent`` counts from the sender's own time."""
    app, name = here(), request.args.get("route", "")
    clock = "sent" if request.args.get("clock") == "sent" else "here"
    route = name if name in {one.name for one in app.settings.routes} else ""
    found = pace(app.database, app.settings, route=route)
    cells = {(one["weekday"], one["hour"]): one for one in found["cells"]}
    reading = app.snapshot.read()
    facts: dict[str, Any] = {
        "found": found,
        "cells": cells,
        "hours": sorted({hour for _, hour in cells}),
        "weekdays": [(day, g.reader.weekday(day)) for day in sorted({day for day, _ in cells})],
        "routes": [one.name for one in app.settings.routes],
        "route": route,
        "clock": clock,
        "budgets": [one for one in reading.found["accounts"] if one.get("budget")],
        "ahead": {one["account"]: one for one in ahead(app.database, app.settings)},
    }
    return page("pace.html", **facts)
