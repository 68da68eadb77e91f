"""Everything under ``/api``: for whoever shows the admin token, closed to all while there is none.

The answers are those of the commands of the same names with ``--json``.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any, Final

from flask import Response, request
from werkzeug.exceptions import NotFound

from connector import stories
from connector.db import Database
from connector.errors import ConnectorError, StoreUnavailable
from connector.settings import Secret, Settings
from connector.stories import NotThere, Search
from connector.web.answers import problem, reply
from connector.web.application import Application
from connector.web.asked import query

CLOSED: Final = "closed: set CONNECTOR_ADMIN_TOKEN to open it"
MOST: Final = 1000  #: deliveries in one answer
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Api:
    """The views."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database

    def status(self) -> Response:
        """How everything stands."""
        return reply(stories.status(self._database, self._settings))

    def deliveries(self) -> Response:
        """``?state=&find=&event=&since=&limit=``: those that fit, the latest first."""
        asked = query(request.environ)
        limit = asked.get("limit", "50")
        if not (limit.isascii() and limit.isdigit() and len(limit) < 5 and 1 <= int(limit) <= MOST):
            return problem(400, f"limit: a number from 1 to {MOST}")
        wanted = {name: asked.get(name, "") for name in ("state", "find", "event", "since")}
        if any("\0" in text for text in wanted.values()):
            return problem(400, "nothing here holds a NUL character: leave it out")
        return reply(stories.deliveries(self._database, self._settings, Search(**wanted, limit=int(limit))))

    def explain(self, story: str) -> Response:
        """The story of d123, e45, or whatever its sender calls it; persons are masked."""
        if "\0" in story:
            raise NotFound
        return reply(stories.explain(self._database, self._settings, story))

    def nothing(self, rest: str) -> Response:
        """Any other address."""
        raise NotFound


def install(app: Application, settings: Settings, database: Database) -> None:
    """Puts the gate before every address that begins so, those that do not exist included."""
    api, token = Api(settings, database), settings.admin_token
    app.serve("/api/status", guarded(token, api.status), "GET")
    app.serve("/api/deliveries", guarded(token, api.deliveries), "GET")
    app.serve("/api/explain/<path:story>", guarded(token, api.explain), "GET")
    app.serve("/api/<path:rest>", guarded(token, api.nothing), *METHODS)


def guarded(token: Secret, view: Callable[..., Response]) -> Callable[..., Response]:
    """The view behind the gate, its refusals told as they are."""

    def gate(**parts: Any) -> Response:
        try:
            return refusal(token) or view(**parts)
        except NotThere as fault:
            return problem(404, str(fault))
        except StoreUnavailable:
            raise
        except ConnectorError as fault:
            return problem(400, str(fault))

    return gate


def refusal(token: Secret) -> Response | None:
    """Why this request may not pass; None if it may."""
    if not token:
        return problem(403, CLOSED)
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    wire = given.strip().encode("latin-1", "replace")
    same = hmac.compare_digest(wire, token.reveal().encode("utf-8", "surrogateescape"))
    if same and scheme.lower() == "bearer":
        return None
    return problem(401, "show the admin token: Authorization: Bearer …", headers={"WWW-Authenticate": "Bearer"})
