"""PostCenter simulated: tickets are read, listed, closed and reassigned as strictly as its documents say; all
invented.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.message import Message
from functools import partial
from typing import Any, NoReturn

from connector.vendors.postcenter import sandbox_tickets as shapes
from connector.vendors.postcenter.sandbox_limits import PostCenterLimits
from connector.vendors.sandbox.ledger import Call, Ledger, bearer
from connector.vendors.sandbox.messages import Action, Refused, Reply, Request, json_reply

UNAUTHORIZED = json_reply({"message": "Invalid key", "status": 401}, 401)
PER_PAGE = 100


def _refusal(status: int, message: str) -> Reply:
    return json_reply({"message": message, "status": status}, status)


NOT_FOUND = _refusal(404, "Not found")
NOT_ALLOWED = _refusal(405, "Method not allowed")
OK = json_reply({"status": 200, "message": "Ok"})


def _tickets() -> dict[str, dict[str, Any]]:
    account = "cliente.ejemplo@example.com"
    tickets = (
        shapes.ticket(261, "facebook", country_id="11111111-1", page_id="900", uid="901"),
        shapes.ticket(
            262,
            "email",
            subject="Consulta por certificado",
            current_assignment=None,
            country_id="11111111-1",
            account=account,
        ),
        shapes.ticket(263, "twitter", is_closed=True),
    )
    return {ticket["id"]: ticket for ticket in tickets}


def _messages(ticket: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Newest first. Only the account identifies the customer: a ticket has neither e-mail nor phone."""
    account = ticket.get("account", shapes.UNSHOWN["account"])
    customer = {"author_id": "5f0000000000000000009001", "author_name": "Cliente Ejemplo", "author_account": account}
    company = {"author_id": "5f0000000000000000009002", "author_name": "Empresa Demo", "author_account": "empresademo"}
    return [
        {"content": ticket["last_content"], **customer, "created": "2026-11-20T19:17:29"},
        {"content": "Hola, ¿en qué te podemos ayudar?", **company, "created": "2026-11-20T18:40:10"},
        {"content": "Hola", **customer, "created": "2026-11-20T18:38:32"},
    ]


class PostCenter:
    """The vendor."""

    _ROUTES: tuple[tuple[str, re.Pattern[str], str], ...] = (
        ("GET", re.compile(r"/v2/ping/"), "ping"),
        ("GET", re.compile(r"/v2/accounts/all/"), "accounts"),
        ("GET", re.compile(r"/v2/ticket/([^/]+)/"), "ticket"),
        ("GET", re.compile(r"/v2/ticket/([^/]+)/messages/"), "messages"),
        ("POST", re.compile(r"/v2/ticket/([^/]+)/close/"), "close"),
        ("POST", re.compile(r"/v2/ticket/([^/]+)/reassign/"), "reassign"),
        ("GET", re.compile(r"/v2/ticket/([^/]+)/by_agent_id/"), "by_agent_id"),
        ("POST", re.compile(r"/v2/ticket/([^/]+)/by_agent_id/"), "by_agent_id"),
        ("GET", re.compile(r"/v2/ticket/([^/]+)/get_possible_agent/"), "get_possible_agent"),
        ("GET", re.compile(r"/v2/tickets/"), "tickets"),
        ("GET", re.compile(r"/v2/tickets/facebook/"), "facebook_tickets"),
        ("GET", re.compile(r"/v2/tickets/state/([^/]+)(/?)"), "tickets_by_state"),
        ("GET", re.compile(r"/v2/tickets/paginated/([^/]+)/"), "paginated"),
    )
    operations = (*dict.fromkeys(f"postcenter.{name}" for _, _, name in _ROUTES), "postcenter.unknown")
    faults: Mapping[str, Reply] = {}

    def __init__(self, ledger: Ledger) -> None:
        self.limits = PostCenterLimits()
        self._ledger = ledger
        self._lock = threading.Lock()
        self.tickets = _tickets()  #: by id: the detail, and `tickets.UNSHOWN`; tests may change them
        self._actions: Mapping[str, Callable[..., Reply]] = {
            "ping": self._ping,
            "accounts": self._accounts,
            "ticket": self._detail,
            "messages": self._list_messages,
            "close": self._close,
            "reassign": self._reassign,
            "by_agent_id": self._by_agent_id,
            "get_possible_agent": self._possible_agent,
            "tickets": self._of_customer,
            "facebook_tickets": self._of_facebook,
            "tickets_by_state": self._in_state,
            "paginated": self._paginated,
        }

    def add_ticket(self, number: int, channel: str, **values: Any) -> str:
        """Adds a ticket, or replaces the one with this number; ``values`` as in `tickets.ticket`. Gives its id."""
        ticket = shapes.ticket(int(number), channel)
        unknown = values.keys() - ticket.keys()
        if unknown:
            raise ValueError(f"{min(unknown)} is nothing that a ticket has")
        with self._lock:
            self.tickets[values.get("id", ticket["id"])] = ticket | values
        return str(values.get("id", ticket["id"]))

    def reset(self) -> None:
        """The tickets are as they were at the start."""
        with self._lock:
            self.tickets = _tickets()

    def shown(self) -> dict[str, Any]:
        """Counts, as JSON has them."""
        with self._lock:
            return {"tickets": len(self.tickets), "closed": sum(t["is_closed"] for t in self.tickets.values())}

    def find(self, method: str, path: str, query: Mapping[str, str]) -> tuple[str, Action]:
        """The operation's name and what does it. Every path ends in a slash."""
        for verb, pattern, name in self._ROUTES:
            match = pattern.fullmatch(path) if verb == method else None
            if match:
                return f"postcenter.{name}", partial(self._do, self._actions[name], match.groups())
        return "postcenter.unknown", self._unknown

    def token(self, headers: Message) -> str:
        """The token of ``Authorization: Key TOKEN``."""
        return bearer(headers, "Key")

    def gate(self, call: Call) -> Reply | None:
        """Only the token is checked: no limit is documented."""
        if not self.limits.accepts(call.token):
            self._ledger.breach(call, "token", "wrong token" if call.token else "no Authorization: Key")
            return UNAUTHORIZED
        self._ledger.take_slot(call, most=None)
        return None

    def _do(self, action: Callable[..., Reply], names: tuple[str, ...], request: Request) -> Reply:
        """If the limits say so, refusals come under 200 with their status inside."""
        try:
            with self._lock:
                reply = action(*names, request)
        except Refused as refused:
            reply = refused.reply
        return Reply(200, reply.body) if self.limits.errors_inside and 400 <= reply.status < 500 else reply

    def _ping(self, request: Request) -> Reply:
        return json_reply({"message": "pong"})

    def _accounts(self, request: Request) -> Reply:
        """No document shows the answer: one that is likely."""
        channels = sorted({str(ticket["social_network"]) for ticket in self.tickets.values()})
        return json_reply({"accounts": [{"social_network": one} for one in channels], "status": 200})

    # One ticket

    def _detail(self, ticket_id: str, request: Request) -> Reply:
        return json_reply(shapes.detail(self._ticket(ticket_id)))

    def _list_messages(self, ticket_id: str, request: Request) -> Reply:
        return json_reply({"status": 200, "messages": _messages(self._ticket(ticket_id))})

    def _close(self, ticket_id: str, request: Request) -> Reply:
        self._ticket(ticket_id).update(is_closed=True, updated_time=_now())
        return OK

    def _reassign(self, ticket_id: str, request: Request) -> Reply:
        """To the agent after the one who has it."""
        ticket = self._ticket(ticket_id)
        had = (ticket["current_assignment"] or {}).get("cmid")
        others = [agent for agent in shapes.AGENTS if agent["cmid"] != had]
        ticket.update(current_assignment=dict(others[0]), updated_time=_now())
        return OK

    def _by_agent_id(self, number: str, request: Request) -> Reply:
        """By GET, or by POST alone: the document says both."""
        if request.method != ("POST" if self.limits.by_agent_id_posts else "GET"):
            return NOT_ALLOWED
        found = next((one["id"] for one in self.tickets.values() if one["identifier"] == number), None)
        return json_reply({"status": 200, "ticket_id": found}) if found else NOT_FOUND

    def _possible_agent(self, ticket_id: str, request: Request) -> Reply:
        """No agent for a closed ticket."""
        closed = self._ticket(ticket_id)["is_closed"]
        reason = "No agent is available" if closed else "Assign Because Workload and non cm was online"
        cm = None if closed else shapes.AGENTS[1]["cmid"]
        return json_reply({"status": 200, "assignation": {"cm": cm, "reason": reason}})

    def _ticket(self, ticket_id: str) -> dict[str, Any]:
        ticket = self.tickets.get(ticket_id)
        if ticket is None:
            raise Refused(NOT_FOUND)
        return ticket

    # Many tickets

    def _of_customer(self, request: Request) -> Reply:
        return self._summaries(self._wanted(request, "country_id"))

    def _of_facebook(self, request: Request) -> Reply:
        return self._summaries(self._wanted(request, "page_id", "uid"))

    def _wanted(self, request: Request, *names: str) -> Mapping[str, str]:
        """The parameters, all of which are required."""
        for name in names:
            if not request.query.get(name):
                self._refuse(request, name, f"{name} is missing")
        return {name: request.query[name] for name in names}

    def _summaries(self, filters: Mapping[str, str]) -> Reply:
        tickets = self.tickets.values()
        found = [one for one in tickets if all(one.get(name) == value for name, value in filters.items())]
        return json_reply({"status": 200, "tickets": [shapes.summary(one) for one in found]})

    def _in_state(self, state: str, slash: str, request: Request) -> Reply:
        """Documented without a slash at its end; the limits may want one, as all other paths do."""
        if bool(slash) != self.limits.state_slash:
            return Reply(301, b"", {"Location": request.path.rstrip("/") + ("" if slash else "/")})
        if state not in shapes.STATES:
            raise Refused(_refusal(404, "Non-existent status"))
        newest_first = sorted(self.tickets.values(), key=shapes.created, reverse=True)
        found = [one["id"] for one in newest_first if shapes.state_of(one) == state]
        return json_reply({"tickets": found, "status": 200})

    def _paginated(self, channel: str, request: Request) -> Reply:
        """Newest first, from inclusive, to exclusive; ``next`` names the first ticket of the page."""
        start, end = (self._date(request, name) for name in ("from", "to"))
        found = [one for one in self.tickets.values() if one["social_network"] == channel]
        found = [one for one in found if start <= shapes.created(one) < end]
        found.sort(key=lambda one: (shapes.created(one), one["id"]), reverse=True)
        ids = [one["id"] for one in found]
        first = request.query.get("next", "")
        if first and first not in ids:
            self._refuse(request, "next", "next is no page of these tickets")
        at = ids.index(first) if first else 0
        page = found[at : at + PER_PAGE]
        following = ids[at + PER_PAGE] if len(ids) > at + PER_PAGE else None
        listed = [shapes.entry(one) for one in page]
        return json_reply({"tickets": listed, "status": 200, "number_of_tickets": len(page), "next_page": following})

    def _date(self, request: Request, name: str) -> datetime:
        date = shapes.date(request.query.get(name, ""))
        if date is None:
            self._refuse(request, "date", f"{name} is no DD-MM-YYYY[ hh:mm:ss]")
        return date

    def _refuse(self, request: Request, rule: str, detail: str) -> NoReturn:
        self._ledger.breach(request.call, rule, detail)
        raise Refused(_refusal(400, "Bad request"))

    def _unknown(self, request: Request) -> Reply:
        self._ledger.breach(request.call, "unknown_call", f"{request.method} {request.path}")
        return NOT_FOUND


def _now() -> str:
    """As the detail has it."""
    return datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
