"""The API under ``/api``: open to requests with the key of a person, closed if nobody has one. For acts: `api_acts`.

Answers equal those of the commands of the same names with ``--json``. Addresses hold ids of ours only: a phone, an
e-mail, a name, and a sender's id, which may be any of them, come in the body of a search.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlencode

import orjson
from flask import Response, request
from werkzeug.exceptions import NotFound

from connector.admin.acts import By, Forbidden
from connector.admin.calls import call
from connector.admin.deliveries import STATES, Search
from connector.admin.deliveries import deliveries as list_deliveries
from connector.admin.delivery_pages import page
from connector.admin.events import EventFilter, list_events
from connector.admin.explain import explain as explain_event
from connector.admin.groups import PERIODS
from connector.admin.history import acts_of
from connector.admin.identifiers import NotThere, is_own, since_ms
from connector.admin.pace import pace
from connector.admin.people import People
from connector.admin.search import person_key
from connector.admin.simulating import simulate
from connector.admin.status import status as read_status
from connector.core.errors import ConnectorError, StoreUnavailable
from connector.core.settings import Role, Settings
from connector.core.times import unix_ms
from connector.store.acts import Narrowed, What
from connector.store.database import Database
from connector.web import documents
from connector.web.api_acts import LOOKS, ActsApi
from connector.web.api_lots import LotsApi
from connector.web.app import Application
from connector.web.bearer import behind_key, person_of
from connector.web.given import LONGEST_BODY as LONGEST_ACT
from connector.web.once import Once
from connector.web.request import body as raw_body
from connector.web.request import query
from connector.web.responses import problem, reply, unless_known

CLOSED: Final = "closed: set CONNECTOR_ADMIN_TOKEN to open it"
ELSEWHERE: Final = 'no phone, e-mail, name or sender\'s id stands in an address: POST {"text": "…"} to /api/search'
LONGEST_BODY: Final = 4096  #: bytes of a search
LONGEST_TEXT: Final = 200  #: characters that are searched for
LONGEST_PAYLOAD: Final = 60 * 1024  #: bytes of a simulation
MOST: Final = 1000  #: deliveries in one answer
LISTED: Final = 50  #: acts in one answer
FILTERS: Final = ("state", "event", "since", "until", "destination", "route", "source", "cause")
CALL: Final = re.compile(r"a[0-9]{1,18}")
PSEUDONYM: Final = re.compile(r"p-[0-9a-f]{32}")
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Api:
    """The views."""

    def __init__(self, settings: Settings, database: Database, people: People) -> None:
        self._settings = settings
        self._database = database
        self._people = people

    def status(self) -> Response:
        """The status of everything."""
        return reply(read_status(self._database, self._settings))

    def deliveries(self) -> Response:
        """``?state=&event=e45&since=&limit=…``: those that fit, the latest first; the header Link leads to the next."""
        params = query(request.environ)
        if "find" in params or not (params.get("event", "") == "" or is_own(params["event"], "e")):
            return problem(400, ELSEWHERE)
        limit = params.get("limit", "50")
        if not (limit.isascii() and limit.isdigit() and len(limit) < 5 and 1 <= int(limit) <= MOST):
            return problem(400, f"limit: a number from 1 to {MOST}")
        filters = {name: params.get(name, "") for name in FILTERS}
        if any("\0" in text for text in (*filters.values(), params.get("before", ""))):
            return problem(400, "nothing here holds a NUL character: leave it out")
        search = Search(**filters, limit=int(limit))
        if search.event:
            return reply(list_deliveries(self._database, self._settings, search))
        if search.state and search.state not in STATES:
            return reply([])
        found = page(self._database, self._settings, search, before=params.get("before", ""))
        answer = reply(found.deliveries)
        if found.older:
            further = urlencode({name: text for name, text in (*params.items(), ("before", found.older)) if text})
            answer.headers["Link"] = f'</api/deliveries?{further}>; rel="next"'
        return answer

    def explain(self, story: str) -> Response:
        """The story of d123 or e45; persons are masked."""
        if not is_own(story, "de"):
            return problem(404, f"give d123 or e45; {ELSEWHERE}")
        return reply(explain_event(self._database, self._settings, story))

    def attempt(self, number: str) -> Response:
        """The call a45."""
        if not CALL.fullmatch(number):
            return problem(404, "give a45: the call that a story names")
        return reply(call(self._database, self._settings, int(number[1:])))

    def person(self, pseudonym: str) -> Response:
        """The events of one person, by the name that a search gave them."""
        if not PSEUDONYM.fullmatch(pseudonym):
            return problem(404, "give p- and the person of a search")
        return reply(list_events(self._database, self._settings, EventFilter(person=pseudonym[2:])))

    def pace(self) -> Response:
        """How soon leads are delivered; ``?route=`` of one route."""
        route = query(request.environ).get("route", "")
        if route and route not in {one.name for one in self._settings.routes}:
            return problem(404, "no route is called so")
        return reply(pace(self._database, self._settings, route=route))

    def history(self) -> Response:
        """Who decided what, the latest first; for a viewer their own acts. ``?before=``: an ``older`` of before.

        ``who``, ``what``, ``account`` and ``since`` (24h, 7d, 30d) narrow it.
        """
        asked = query(request.environ)
        before, what, since = (asked.get(name, "") for name in ("before", "what", "since"))
        if before and not (before.isascii() and before.isdigit() and len(before) < 19):
            return problem(400, "before: the number that an answer gave as older")
        if (what and what not in [*What]) or (since and since not in PERIODS):
            return problem(400, f"what: one of {', '.join(What)}; since: one of {', '.join(PERIODS)}")
        if "\0" in asked.get("who", "") + asked.get("account", ""):
            return problem(400, "nothing here holds a NUL character: leave it out")
        person = person_of(self._people)
        may_all = person is None or person.role.covers(Role.OPERATOR)
        who = asked.get("who", "") if may_all or person is None else person.name
        wanted = Narrowed(who=who, what=what, account=asked.get("account", ""))
        first = int(before) if before else None
        return reply(acts_of(self._database, wanted, first, LISTED, within_ms=PERIODS.get(since, 0)))

    def simulate(self) -> Response:
        """``{"source", "payload", "at"}``: what would happen; nothing is stored, nobody is called. For operators."""
        person = person_of(self._people)
        By(person.name if person else "", role=person.role if person else Role.VIEWER).demand(What.REVEAL)
        body = _object(LONGEST_PAYLOAD)
        source, payload, at = (body.get(name, "") for name in ("source", "payload", "at"))
        if not (isinstance(source, str) and source in self._settings.sources):
            return problem(400, 'source: the name of a configured source; {"source": "…", "payload": "…"} as JSON')
        if not (isinstance(payload, str) and isinstance(at, str)) or "\0" in payload + at:
            return problem(400, "payload: what the sender sends, as text; at: a time, or nothing for now")
        stand = read_status(self._database, self._settings)
        now = unix_ms(stand["at"])
        moment = since_ms(at, self._settings, now) if at else now
        return reply(simulate(self._settings, self._database, stand, source, payload, moment))

    def search(self) -> Response:
        """``{"text": …}``: the events of a phone, an e-mail, a name or an id, which so stand in no address."""
        text = _object(LONGEST_BODY).get("text")
        if not isinstance(text, str) or not text.strip() or len(text) > LONGEST_TEXT or "\0" in text:
            return problem(400, 'send {"text": "…"} as JSON: a phone, an e-mail, a name or an id')
        found = list_events(self._database, self._settings, EventFilter(find=text.strip()))
        return reply(found | {"person": person_key(text.strip(), self._settings) or None})

    def openapi(self) -> Response:
        """Describes this service's answers, for programs."""
        return reply(documents.openapi(self._settings))

    def asyncapi(self) -> Response:
        """Describes the messages of its queues."""
        return reply(documents.asyncapi(self._settings))

    def nothing(self, rest: str) -> Response:
        """Any other address."""
        raise NotFound


def _object(largest: int) -> dict[str, Any]:
    """The JSON object of the body; empty if it is none."""
    try:
        body = orjson.loads(raw_body(request.environ, largest))
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def install(app: Application, settings: Settings, database: Database) -> None:
    """Puts the gate before every address that begins so, those that do not exist included."""
    people = People(settings.people)
    api = Api(settings, database, people)
    app.serve("/api/status", _gated(people, api.status), "GET")
    app.serve("/api/deliveries", _gated(people, api.deliveries), "GET")
    app.serve("/api/explain/<path:story>", _gated(people, api.explain), "GET")
    app.serve("/api/attempts/<number>", _gated(people, api.attempt), "GET")
    app.serve("/api/people/<pseudonym>", _gated(people, api.person), "GET")
    app.serve("/api/pace", _gated(people, api.pace), "GET")
    app.serve("/api/history", _gated(people, api.history), "GET")
    app.serve("/api/simulate", _gated(people, api.simulate), "POST")
    app.serve("/api/search", _gated(people, api.search), "POST")
    once = Once(database, settings.hash_key, LONGEST_ACT)
    acts = {**ActsApi(settings, database, people).routes(), **LotsApi(settings, database, people).routes()}
    for path, (view, method) in acts.items():
        keyed = once if method == "POST" and path not in LOOKS else None
        app.serve(path, _gated(people, view, keyed), method)
    app.serve("/api/openapi.json", _gated(people, api.openapi), "GET")
    app.serve("/api/asyncapi.json", _gated(people, api.asyncapi), "GET")
    app.serve("/api/<path:rest>", _gated(people, api.nothing), *METHODS)


def _gated(people: People, view: Callable[..., Response], once: Once | None = None) -> Callable[..., Response]:
    """The view behind the check of the key; its refusals are answered as they are.

    ``once``: it acts, and not again for the same `Idempotency-Key`. Reads are told to those who do not know the answer.
    """

    def tried(**parts: Any) -> Response:
        try:
            return view(**parts)
        except NotThere as fault:
            return problem(404, str(fault))
        except Forbidden as fault:
            return problem(403, str(fault))
        except StoreUnavailable:
            raise
        except ConnectorError as fault:
            return problem(400, str(fault))

    def answered(**parts: Any) -> Response:
        if once is not None:
            person = person_of(people)
            return once.act(person.name if person else "", tried, parts)
        return unless_known(tried(**parts), request) if request.method == "GET" else tried(**parts)

    return behind_key(people, answered, closed=lambda **_: problem(403, CLOSED))
