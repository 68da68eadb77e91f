"""A request and a reply as the simulated vendors see them, without sockets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from functools import cached_property
from typing import Any, Protocol

import orjson

from connector.vendors.sandbox.ledger import Call
from connector.vendors.sandbox.limits import Limits

#: `Request.payload` if the body is not JSON.
NOT_JSON = object()


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer. ``headers`` come beside Content-Length."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


def json_reply(value: Any, status: int = 200) -> Reply:
    """A JSON answer."""
    return Reply(status, orjson.dumps(value))


def html_reply(text: str, status: int = 200) -> Reply:
    """An HTML answer."""
    return Reply(status, text.encode(), {"Content-Type": "text/html; charset=UTF-8"})


class Refused(Exception):  # noqa: N818 - it is read as a verdict
    """The vendor answers with a refusal; nothing was changed."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


@dataclass
class Request:
    """A complete HTTP request. ``headers`` are found regardless of case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Message
    call: Call
    body: bytes = b""

    @cached_property
    def payload(self) -> Any:
        """The body's JSON, or `NOT_JSON`."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return NOT_JSON

    @property
    def rows(self) -> int:
        """How many rows or customers the body carries; 0 if none."""
        found = self.payload.get("customers") if isinstance(self.payload, dict) else self.payload
        return len(found) if isinstance(found, list) else 0


Action = Callable[[Request], Reply]


class Vendor(Protocol):
    """One simulated vendor."""

    #: every operation it knows, "wolkvox.add_record"
    operations: tuple[str, ...]
    limits: Limits
    #: by kind of fault: the answers that only this vendor gives
    faults: Mapping[str, Reply]

    def find(self, method: str, path: str, query: Mapping[str, str]) -> tuple[str, Action]:
        """The operation's name and what does it; an unknown call has both too."""

    def token(self, headers: Message) -> str:
        """The caller's token, "" if there is none."""

    def gate(self, call: Call) -> Reply | None:
        """The refusal of a call that may not come in now: token, slots, budgets."""

    def reset(self) -> None:
        """Forgets what callers brought; campaigns stay."""

    def shown(self) -> dict[str, Any]:
        """Counts, as JSON has them."""
