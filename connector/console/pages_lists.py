"""Lists of deliveries with filters in their address, so that it can be shared."""

from __future__ import annotations

from typing import Any, Final

from flask import Flask, Response, request

from connector.admin.deliveries import STATES, Search, deliveries
from connector.console.application import here
from connector.console.parts import page

LISTED: Final = 50
SINCE: Final = ("1h", "24h", "7d", "30d")


def install(app: Flask) -> None:
    """The addresses of these pages."""
    app.add_url_rule("/console/deliveries", "deliveries", show_deliveries)


def show_deliveries() -> Response:
    """The latest first; ``?state=&since=``."""
    app = here()
    asked = {name: request.args.get(name, "") for name in ("state", "since")}
    state = asked["state"] if asked["state"] in STATES else ""
    since = asked["since"] if asked["since"] in SINCE else ""
    found = deliveries(app.database, app.settings, Search(state=state, since=since, limit=LISTED + 1))
    facts: dict[str, Any] = {
        "state": state,
        "since": since,
        "states": STATES,
        "times": SINCE,
        "more": len(found) > LISTED,
    }
    return page("deliveries.html", deliveries=found[:LISTED], **facts)
