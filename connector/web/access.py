"""The access log: method, route and how it ended; never the path as sent, its query, nor anything of a body.

Every request at DEBUG. At any level what was refused or failed, at most once in ten seconds for each kind of it.
"""

from __future__ import annotations

import threading
import time
from typing import Any, Final

from flask import Flask, Response, request

from connector.log import get
from connector.settings import Settings

QUIET_S: Final = 10.0  #: between two warnings of one kind
_STARTED: Final = "connector.started"

log = get("access")


class Access:
    """One process's log of requests. Thread-safe."""

    def __init__(self, sources: frozenset[str], *, everything: bool) -> None:
        self._sources = sources
        self._everything = everything
        self._lock = threading.Lock()
        self._last: dict[tuple[str, int], tuple[float, int]] = {}  #: (route, status) -> when it was told, untold since

    def begin(self) -> None:
        """Before a request is looked at."""
        request.environ[_STARTED] = time.perf_counter()

    def end(self, response: Response) -> Response:
        """After it was answered."""
        if response.status_code >= 400:
            self._warn(response.status_code)
        elif self._everything:
            log.debug("request", **self._facts(response.status_code))
        return response

    def _warn(self, status: int) -> None:
        facts = self._facts(status)
        untold = self._untold((f"{facts['method']} {facts['route']} {facts.get('source', '')}", status))
        if untold is not None:
            log.warning("request refused" if status < 500 else "request failed", **facts, untold_before=untold)
        elif self._everything:
            log.debug("request", **facts)

    def _untold(self, kind: tuple[str, int]) -> int | None:
        """None: be quiet; else how many of this kind were kept quiet since the last one told."""
        now = time.monotonic()
        with self._lock:
            told_at, untold = self._last.get(kind, (-QUIET_S, 0))
            tell = now - told_at >= QUIET_S
            self._last[kind] = (now, 0) if tell else (told_at, untold + 1)
        return untold if tell else None

    def _facts(self, status: int) -> dict[str, Any]:
        """Only words of ours: what a caller made up (a source, a path, a method) could hold anything."""
        rule = request.url_rule.rule if request.url_rule else "unknown"
        source = (request.view_args or {}).get("source")
        facts: dict[str, Any] = {"method": _METHODS.get(request.method, "other"), "route": rule, "status": status}
        if source in self._sources:
            facts["source"] = source
        started = request.environ.get(_STARTED)
        if started is not None:
            facts["took_ms"] = round((time.perf_counter() - started) * 1000, 2)
        return facts


_METHODS: Final = {name: name for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")}


def install(app: Flask, settings: Settings) -> None:
    """Has the application tell every request."""
    access = Access(frozenset(settings.sources), everything=settings.log_level == "DEBUG")
    app.before_request(access.begin)
    app.after_request(access.end)
