"""Try: what would happen if this event came now, or at another moment. Nothing is stored and nobody is called."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Flask, Response, request

from connector.admin.simulating import simulate
from connector.console import gate
from connector.console.application import here
from connector.console.parts import page
from connector.core.errors import ConnectorError, StoreUnavailable
from connector.core.phrases import phrase
from connector.core.times import iso, unix_ms
from connector.store.acts import What


def install(app: Flask) -> None:
    """The addresses of these pages."""
    app.add_url_rule("/console/try", "try", lambda: _page())
    app.add_url_rule("/console/try", "try_done", tried, methods=["POST"])


def tried() -> Response:
    """The payload stays in the form, and in no address."""
    gate.by().demand(What.REVEAL)  # its guards tell whether a person is known here
    app = here()
    source, text, when = (request.form.get(name, "") for name in ("source", "text", "when"))
    try:
        if source not in app.settings.sources:
            raise ConnectorError(phrase("Choose a source."))
        reading = app.snapshot.read()
        at = _moment(when, reading.found["at"])
        found = simulate(app.settings, app.database, reading.found, source, text, at)
    except StoreUnavailable:
        raise
    except ConnectorError as fault:
        return _page(400, source=source, text=text, when=when, fault=fault.args[0])
    return _page(source=source, text=text, when=when, events=found, at=iso(at))


def _moment(text: str, now: str) -> int:
    """ "2026-11-30T10:00" in the configured zone; now if it is empty. Raises `ConnectorError`."""
    if not text:
        return unix_ms(now)
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=here().settings.locale.timezone).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise ConnectorError(phrase("Write the moment as 2026-11-30T10:00, or leave it out for now.")) from None


def _page(status: int = 200, **facts: Any) -> Response:
    known: dict[str, Any] = {"source": "", "text": "", "when": "", "fault": "", "events": None, "at": None}
    return page("try.html", status, sources=list(here().settings.sources), **(known | facts))
