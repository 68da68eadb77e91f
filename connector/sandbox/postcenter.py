"""PostCenter simulated: ping, a ticket, its messages, closing it. Small, with invented tickets."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.message import Message
from functools import partial
from typing import Any

from connector.sandbox.ledger import Call, Ledger, bearer
from connector.sandbox.limits import Limits
from connector.sandbox.messages import Action, Reply, Request, json_reply

UNAUTHORIZED = json_reply({"message": "Invalid key", "status": 401}, 401)
NOT_FOUND = json_reply({"message": "Not found", "status": 404}, 404)

_AGENT: Mapping[str, Any] = {"cmid": 467, "name": "Agente Ejemplo", "email": "agente@example.com"}


def _ticket(number: int, channel: str, **values: Any) -> dict[str, Any]:
    """A ticket as its detail has it: a text for the number, ISO times without a zone."""
    return {
        "id": f"5f00000000000000000{number:05x}",
        "identifier": str(number),
        "created": "2026-11-20T18:38:32",
        "current_assignment": dict(_AGENT),
        "is_closed": False,
        "last_author": "Cliente Ejemplo",
        "last_content": "Hola, necesito ayuda con mi matrícula.",
        "social_network": channel,
        "subject": None,
        "updated_time": "2026-11-20T19:17:29.283",
    } | values


def _tickets() -> dict[str, dict[str, Any]]:
    tickets = (
        _ticket(261, "facebook"),
        _ticket(262, "email", subject="Consulta por certificado", current_assignment=None),
        _ticket(263, "twitter", is_closed=True),
    )
    return {ticket["id"]: ticket for ticket in tickets}


def _messages(ticket: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Newest first. Only the account tells who the customer is: a ticket has neither e-mail nor phone."""
    customer = {"author_id": "5f0000000000000000009001", "author_name": "Cliente Ejemplo", "author_account": "cejemplo"}
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
        ("GET", re.compile(r"/v2/ticket/([^/]+)/"), "ticket"),
        ("GET", re.compile(r"/v2/ticket/([^/]+)/messages/"), "messages"),
        ("POST", re.compile(r"/v2/ticket/([^/]+)/close/"), "close"),
    )
    operations = (*(f"postcenter.{name}" for _, _, name in _ROUTES), "postcenter.unknown")

    def __init__(self, limits: Limits, ledger: Ledger) -> None:
        self._limits = limits
        self._ledger = ledger
        self._lock = threading.Lock()
        self.tickets = _tickets()
        self._actions: Mapping[str, Callable[..., Reply]] = {
            "ping": self._ping,
            "ticket": self._detail,
            "messages": self._list_messages,
            "close": self._close,
        }

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
                return f"postcenter.{name}", partial(self._actions[name], *match.groups())
        return "postcenter.unknown", self._unknown

    def token(self, headers: Message) -> str:
        """The token of ``Authorization: Key TOKEN``."""
        return bearer(headers, "Key")

    def gate(self, call: Call) -> Reply | None:
        """Only the token is looked at: no limit is documented."""
        if not self._limits.accepts(call.token):
            self._ledger.breach(call, "token", "wrong token" if call.token else "no Authorization: Key")
            return UNAUTHORIZED
        self._ledger.take_slot(call, most=None)
        return None

    def _ping(self, request: Request) -> Reply:
        return json_reply({"message": "pong"})

    def _detail(self, ticket_id: str, request: Request) -> Reply:
        with self._lock:
            ticket = self.tickets.get(ticket_id)
            return json_reply(ticket) if ticket else NOT_FOUND

    def _list_messages(self, ticket_id: str, request: Request) -> Reply:
        with self._lock:
            ticket = self.tickets.get(ticket_id)
            return json_reply({"status": 200, "messages": _messages(ticket)}) if ticket else NOT_FOUND

    def _close(self, ticket_id: str, request: Request) -> Reply:
        with self._lock:
            ticket = self.tickets.get(ticket_id)
            if ticket is None:
                return NOT_FOUND
            now = datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
            ticket |= {"is_closed": True, "updated_time": now}
        return json_reply({"status": 200, "message": "Ok"})

    def _unknown(self, request: Request) -> Reply:
        self._ledger.breach(request.call, "unknown_call", f"{request.method} {request.path}")
        return NOT_FOUND
