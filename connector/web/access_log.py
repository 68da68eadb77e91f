"""The access log: method, route and status; never the path as sent, its query, or any part of a body.

Every request at DEBUG. At any level refused and failed ones, at most one line in ten seconds for each kind.
"""

from __future__ import annotations

import time
from typing import Any, Final

from flask import Flask, Response, request

from connector.core.log import get
from connector.core.log_throttle import LogThrottle
from connector.core.settings import Settings

QUIET_S: Final = 10.0  #: between two warnings of one kind
_STARTED: Final = "connector.started"
_WHY: Final = "connector.why"

log = get("access")


def because(why: str) -> None:
    """Why the current request is refused, in words of ours: the log tells it, the answer does not."""
    request.environ[_WHY] = why


class Access:
    """One process's log of requests. Thread-safe."""

    def __init__(self, sources: frozenset[str], *, everything: bool) -> None:
        self._sources = sources
        self._everything = everything
        self._throttle = LogThrottle(QUIET_S)

    def begin(self) -> None:
        """Called before a request is handled."""
        request.environ[_STARTED] = time.perf_counter()

    def end(self, response: Response) -> Response:
        """Logs a request after its answer."""
        if response.status_code >= 400:
            self._warn(response.status_code)
        elif self._everything:
            log.debug("request", **self._facts(response.status_code))
        return response

    def _warn(self, status: int) -> None:
        facts = self._facts(status)
        untold = self._throttle.due((facts["method"], facts["route"], facts.get("source"), status))
        if untold is not None:
            log.warning("request refused" if status < 500 else "request failed", **facts, untold_before=untold)
        elif self._everything:
            log.debug("request", **facts)

    def _facts(self, status: int) -> dict[str, Any]:
        """Our own words only: a source, path or method invented by the caller could hold anything."""
        rule = request.url_rule.rule if request.url_rule else "unknown"
        source = (request.view_args or {}).get("source")
        facts: dict[str, Any] = {"method": _METHODS.get(request.method, "other"), "route": rule, "status": status}
        if source in self._sources:
            facts["source"] = source
        if why := request.environ.get(_WHY):
            facts["why"] = why
        started = request.environ.get(_STARTED)
        if started is not None:
            facts["took_ms"] = round((time.perf_counter() - started) * 1000, 2)
        return facts


_METHODS: Final = {name: name for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")}


def install(app: Flask, settings: Settings) -> None:
    """Makes the application log every request."""
    access = Access(frozenset(settings.sources), everything=settings.log_level == "DEBUG")
    app.before_request(access.begin)
    app.after_request(access.end)
