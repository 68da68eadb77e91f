"""The read-only API under ``/api``: open to requests with the admin token, closed if none is set.

Answers equal those of the commands of the same names with ``--json``. Addresses hold ids of ours only: a phone, an
e-mail, a name, and a sender's id, which may be any of them, come in the body of a search.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import orjson
from flask import Response, request
from werkzeug.exceptions import NotFound

from connector.admin.deliveries import Search
from connector.admin.deliveries import deliveries as list_deliveries
from connector.admin.events import EventFilter, list_events
from connector.admin.explain import explain as explain_event
from connector.admin.identifiers import NotThere, is_own
from connector.admin.people import People
from connector.admin.search import person_key
from connector.admin.status import status as read_status
from connector.core.errors import ConnectorError, StoreUnavailable
from connector.core.settings import Settings
from connector.store.database import Database
from connector.web import documents
from connector.web.app import Application
from connector.web.bearer import behind_key
from connector.web.request import body as raw_body
from connector.web.request import query
from connector.web.responses import problem, reply

CLOSED: Final = "closed: set CONNECTOR_ADMIN_TOKEN to open it"
ELSEWHERE: Final = 'no phone, e-mail, name or sender\'s id stands in an address: POST {"text": "…"} to /api/search'
LONGEST_BODY: Final = 4096  #: bytes of a search
LONGEST_TEXT: Final = 200  #: characters that are searched for
MOST: Final = 1000  #: deliveries in one answer
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Api:
    """The views."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database

    def status(self) -> Response:
        """How everything stands."""
        return reply(read_status(self._database, self._settings))

    def deliveries(self) -> Response:
        """``?state=&event=e45&since=&limit=``: those that fit, the latest first."""
        asked = query(request.environ)
        if "find" in asked or not (asked.get("event", "") == "" or is_own(asked["event"], "e")):
            return problem(400, ELSEWHERE)
        limit = asked.get("limit", "50")
        if not (limit.isascii() and limit.isdigit() and len(limit) < 5 and 1 <= int(limit) <= MOST):
            return problem(400, f"limit: a number from 1 to {MOST}")
        wanted = {name: asked.get(name, "") for name in ("state", "event", "since")}
        if any("\0" in text for text in wanted.values()):
            return problem(400, "nothing here holds a NUL character: leave it out")
        return reply(list_deliveries(self._database, self._settings, Search(**wanted, limit=int(limit))))

    def explain(self, story: str) -> Response:
        """The story of d123 or e45; persons are masked."""
        if not is_own(story, "de"):
            return problem(404, f"give d123 or e45; {ELSEWHERE}")
        return reply(explain_event(self._database, self._settings, story))

    def search(self) -> Response:
        """``{"text": …}``: the events of a phone, an e-mail, a name or an id, which so stand in no address."""
        try:
            body = orjson.loads(raw_body(request.environ, LONGEST_BODY))
        except orjson.JSONDecodeError:
            body = None
        text = body.get("text") if isinstance(body, dict) else None
        if not isinstance(text, str) or not text.strip() or len(text) > LONGEST_TEXT or "\0" in text:
            return problem(400, 'send {"text": "…"} as JSON: a phone, an e-mail, a name or an id')
        found = list_events(self._database, self._settings, EventFilter(find=text.strip()))
        return reply(found | {"person": person_key(text.strip(), self._settings) or None})

    def openapi(self) -> Response:
        """What this service answers, for programs."""
        return reply(documents.openapi(self._settings))

    def asyncapi(self) -> Response:
        """What its queues take."""
        return reply(documents.asyncapi(self._settings))

    def nothing(self, rest: str) -> Response:
        """Any other address."""
        raise NotFound


def install(app: Application, settings: Settings, database: Database) -> None:
    """Puts the gate before every address that begins so, those that do not exist included."""
    api, people = Api(settings, database), People(settings.people)
    app.serve("/api/status", _gated(people, api.status), "GET")
    app.serve("/api/deliveries", _gated(people, api.deliveries), "GET")
    app.serve("/api/explain/<path:story>", _gated(people, api.explain), "GET")
    app.serve("/api/search", _gated(people, api.search), "POST")
    app.serve("/api/openapi.json", _gated(people, api.openapi), "GET")
    app.serve("/api/asyncapi.json", _gated(people, api.asyncapi), "GET")
    app.serve("/api/<path:rest>", _gated(people, api.nothing), *METHODS)


def _gated(people: People, view: Callable[..., Response]) -> Callable[..., Response]:
    """The view behind the check of the key; its refusals are answered as they are."""

    def told(**parts: Any) -> Response:
        try:
            return view(**parts)
        except NotThere as fault:
            return problem(404, str(fault))
        except StoreUnavailable:
            raise
        except ConnectorError as fault:
            return problem(400, str(fault))

    return behind_key(people, told, closed=lambda **_: problem(403, CLOSED))
