"""The network, and the simulated vendors at its end, without a socket.

A call is carried by a thread of nobody's process: what reached the vendor goes on there, whoever dies meanwhile, and
keeps its slot until the vendor is through with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from pkgutil import resolve_name
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

from connector.core.http import Answer, Client, Deadline, NoAnswer, NotSent
from connector.vendors import VENDORS
from connector.vendors.sandbox.faults import REPLIES
from connector.vendors.sandbox.ledger import Ledger
from connector.vendors.sandbox.limits import AllLimits
from connector.vendors.sandbox.messages import Refused, Reply, Request, html_reply, json_reply
from tests.simulator.machine import Machine, Process

#: What leads are dialled by, in the configuration of the beginning and in the one of after a change.
CAMPAIGNS = ("1042", "1044")
DRAFT, FIRE = "tracksale.draft", "tracksale.fire_lot"  #: put into a draft lot, where nobody is contacted; and fired
#: How long a vendor may take for a call, documented; ours wait a little longer.
VENDOR_S = 60.0

#: What may go wrong with a call. (how it ends, whether it took effect before, seconds until then)
FAULTS: Mapping[str, tuple[str, bool, float]] = {
    "refused": ("not sent", False, 0.0),
    "cut before": ("cut", False, 0.1),
    "cut after": ("cut", True, 0.1),
    "hangs": ("silence", False, VENDOR_S),
    "hangs after": ("silence", True, VENDOR_S),
    "late effect": ("silence", True, VENDOR_S),
    "cut, late effect": ("cut", True, 50.0),
    "late answer": ("answer", True, VENDOR_S - 1),
    "after the deadline": ("silence", True, VENDOR_S),
    "half a body": ("half", True, 0.2),
    "half a body before": ("half", False, 0.2),
    "500 before": ("500", False, 0.1),
    "500 after": ("500", True, 0.1),
    "502": ("502", False, 0.1),
    "429": ("429", False, 0.1),
    "401": ("401", False, 0.1),
    "too many at once": ("concurrency_403", False, 0.1),
    "token limit": ("token_limit_403", False, 0.1),
    "bad token": ("bad_token_403", False, 0.1),
    "captcha": ("captcha_405", False, 0.1),
    "html": ("html_200", False, 0.1),
    "html after": ("html_200", True, 0.1),
    "no json": ("garbage_json", True, 0.1),
    "wrong count": ("wrong count", True, 0.1),
}
#: After these a person must act: they are rare, or nothing would ever be sent.
CLOSING = ("401", "bad token", "captcha")


@dataclass
class Fault:
    """What befalls the nth call of the world."""

    call: int
    kind: str

    def __str__(self) -> str:
        return f"call {self.call} to a vendor: {self.kind}"


@dataclass
class Effect:
    """What a vendor did for good."""

    at_ms: int
    operation: str
    people: tuple[str, ...]  #: phones or e-mails, as they were sent
    campaign: str = ""  #: of wolkvox


@dataclass
class _Exchange:
    """One call on its way."""

    answer: Answer | None = None
    fault: Exception | None = None

    def is_over(self) -> bool:
        return self.answer is not None or self.fault is not None


@dataclass
class Vendors:
    """Everybody out there."""

    machine: Machine
    faults: list[Fault]
    ledger: Ledger = field(default_factory=Ledger)
    effects: list[Effect] = field(default_factory=list)
    calls: int = 0
    calm_ms: int = 1 << 62  #: from then on nothing goes wrong

    def __post_init__(self) -> None:
        self._outside = Process("vendors")
        simulators = {name: one.simulator for name, one in VENDORS.items() if one.simulator is not None}
        self.by_name = {name: resolve_name(simulator.build)(self.ledger) for name, simulator in simulators.items()}
        self.replies = {**REPLIES, **{kind: one for each in self.by_name.values() for kind, one in each.faults.items()}}
        limits = AllLimits([vendor.limits for vendor in self.by_name.values()])
        limits.change(window_calls=6, licences=1, budget_used=960)
        self.by_name["wolkvox"].add_campaign(CAMPAIGNS[1])
        prefixes = [(prefix, name) for name, simulator in simulators.items() for prefix in simulator.prefixes]
        self._prefixes = sorted(prefixes, key=lambda one: len(one[0]), reverse=True)

    def patched(self) -> Any:
        """Every client's calls come here."""
        vendors = self

        def call(
            self: Client,
            method: str,
            url: str,
            *,
            params: Mapping[str, str] | None = None,
            body: bytes | None = None,
            deadline: Deadline | None = None,
            is_report: bool = False,
        ) -> Answer:
            return vendors.call(self, method, url, params or {}, body or b"", deadline)

        return mock.patch.object(Client, "call", call)

    def call(
        self, client: Client, method: str, url: str, params: Mapping[str, str], body: bytes, deadline: Deadline | None
    ) -> Answer:
        """One request of one of our processes. Raises `NotSent` and `NoAnswer`."""
        machine = self.machine
        machine.point("before a call")
        until = deadline or Deadline.after(client.timeout_s)
        if until.left_to_write_s() <= 0:
            raise NotSent("not sent: its time had passed before it could be written")
        self.calls += 1
        troubled = machine.now_ms < self.calm_ms
        fault = next((one.kind for one in self.faults if troubled and one.call == self.calls), "")
        if fault == "html after" and not urlsplit(url).path.startswith("/api/"):
            fault = "html"  # Tracksale's page is its CAPTCHA, documented: the call was not taken
        end, acts, wait_s = FAULTS[fault] if fault else ("answer", True, machine.chance.uniform(0.05, 1.5))
        if end == "not sent":
            raise NotSent("not sent: the connection was refused")
        exchange = _Exchange()
        headers = Message()
        for name, value in _credentials(client).items():
            headers[name] = value
        work = _Work(self, exchange, method, urlsplit(url).path, dict(params), headers, body, end, acts, wait_s, fault)
        machine.spawn(self._outside, "call", work.run)
        answered = machine.wait(exchange.is_over, until.left_s())
        machine.point("after a call")
        if not answered or exchange.fault is not None:
            raise exchange.fault or NoAnswer("no answer: the vendor did not answer in time")
        assert exchange.answer is not None
        return exchange.answer

    def vendor_of(self, path: str) -> Any:
        return self.by_name[next(name for prefix, name in self._prefixes if path.startswith(prefix))]


@dataclass
class _Work:
    """The vendor's side of one call."""

    vendors: Vendors
    exchange: _Exchange
    method: str
    path: str
    query: dict[str, str]
    headers: Message
    body: bytes
    end: str
    acts: bool
    wait_s: float
    fault: str

    def run(self) -> None:
        machine, vendor = self.vendors.machine, self.vendors.vendor_of(self.path)
        machine.sleep(machine.chance.uniform(0.01, 0.2))
        operation, action = vendor.find(self.method, self.path, self.query)
        call = self.vendors.ledger.enter(operation, vendor.token(self.headers), lambda: False)
        request = Request(self.method, self.path, self.query, self.headers, call, self.body)
        reply = vendor.gate(call)
        if reply is None:
            if self.fault in ("late effect", "cut, late effect"):
                if self.end == "cut":  # our side hears of it at once, the vendor goes on
                    self.exchange.fault = NoAnswer("no answer: the connection was cut")
                machine.sleep(self.wait_s)
                self._act(action, request)
            else:
                reply = self._act(action, request) if self.acts else None
                machine.sleep(self.wait_s)
            reply = self._reply(reply)
        self.vendors.ledger.leave(call)
        machine.tell(f"{operation}: {self.fault or reply.status if reply else self.end}")
        if reply is not None:
            self.exchange.answer = Answer(
                reply.status, {key.lower(): value for key, value in reply.headers.items()}, reply.body
            )
        elif self.end in ("cut", "half"):
            said = "the connection was cut" if self.end == "cut" else "the answer broke off"
            self.exchange.fault = NoAnswer(f"no answer: {said}")

    def _act(self, action: Any, request: Request) -> Reply:
        try:
            reply: Reply = action(request)
        except Refused as refused:
            return refused.reply
        if reply.status < 300:
            people = _fired(self.vendors.by_name["tracksale"], request) or _people(request)
            campaign = request.query.get("campaign_id", "")
            effect = Effect(self.vendors.machine.wall_ms(), _what(request), tuple(people), campaign)
            self.vendors.effects.append(effect)
        return reply

    def _reply(self, reply: Reply | None) -> Reply | None:
        match self.end:
            case "answer":
                return reply
            case "cut" | "half" | "silence":
                return None
            case "500" | "502":
                return html_reply("<html><body>Sorry</body></html>", int(self.end))
            case "429":
                return Reply(429, b"{}", {"Content-Type": "application/json", "Retry-After": "30"})
            case "401":
                return json_reply({"code": "401", "error": "Unauthorized", "msg": "no"}, 401)
            case "wrong count":
                said = {"code": "201", "error": None, "msg": "added", "data": [{"total_registers": "77"}]}
                return json_reply(said, 201)
            case kind:
                return self.vendors.replies[kind]


def _credentials(client: Client) -> Mapping[str, str]:
    """The headers that carry the token."""
    found: Mapping[str, str] = client._session.auth._headers  # type: ignore[union-attr]
    return found


def _what(request: Request) -> str:
    """The operation and the campaign; the one that takes another's place after a change counts as that one."""
    if request.call.operation == "tracksale.dispatch" and request.payload.get("schedule_time") is None:
        return DRAFT
    campaign = request.query.get("campaign_id", "")
    return f"{request.call.operation} {CAMPAIGNS[0] if campaign in CAMPAIGNS else campaign}".strip()


def _fired(vendor: Any, request: Request) -> list[str]:
    """Whom a draft lot surveys that was fired."""
    if request.call.operation != FIRE:
        return []
    *_, campaign, _dispatch, code = request.path.split("/")
    return [str(one.email or one.phone or "") for one in vendor.campaigns[int(campaign)].lots[code].customers]


def _people(request: Request) -> list[str]:
    """Whom a request is about: a phone or an e-mail for each row."""
    if request.call.operation == "wolkvox.add_record":
        return [str(row.get("tel1", "")) for row in request.payload]
    if request.call.operation == "tracksale.dispatch":
        return [str(one.get("email") or one.get("phone") or "") for one in request.payload.get("customers", ())]
    return []
