"""The sandbox: one server for all vendors, distinguished by path, with everything that a test may ask for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from connector.core.errors import ConnectorError
from connector.vendors import VENDORS
from connector.vendors.sandbox.control import PREFIX, command, elsewhere
from connector.vendors.sandbox.faults import ELSEWHERE, WHOLE, Fault, Faults
from connector.vendors.sandbox.ledger import Breach, Call, Ledger
from connector.vendors.sandbox.limits import AllLimits, Limits
from connector.vendors.sandbox.messages import Action, Refused, Reply, Request, json_reply
from connector.vendors.sandbox.server import Line, Server

TOO_LARGE = json_reply({"error": "the body is too large or has no length"}, 413)


@dataclass(frozen=True, slots=True)
class Ending:
    """How an exchange ends: with an answer, with half of one, or (no reply) with the line cut."""

    reply: Reply | None
    half: bool = False


class Sandbox:
    """wolkvox, Tracksale and PostCenter on one port: ``with Sandbox(window_calls=20) as sb: … sb.url``.

    Keyword arguments are limits; change them later with ``sb.limits.change``. It listens from ``__enter__`` (or
    `start`) until ``__exit__`` (or `close`). Raises ConnectorError when the port cannot be had.
    """

    def __init__(self, *, port: int = 0, host: str = "127.0.0.1", **limits: Any) -> None:
        self.ledger = Ledger()
        simulators = {name: vendor.simulator for name, vendor in VENDORS.items() if vendor.simulator is not None}
        self._vendors: Mapping[str, Any] = {
            name: resolve_name(simulator.build)(self.ledger) for name, simulator in simulators.items()
        }
        prefixes = [(prefix, name) for name, simulator in simulators.items() for prefix in simulator.prefixes]
        self._prefixes = sorted(prefixes, key=lambda one: len(one[0]), reverse=True)
        vendors = self._vendors.values()
        self.limits = AllLimits([vendor.limits for vendor in vendors])
        self.limits.change(**limits)
        replies = {kind: reply for vendor in vendors for kind, reply in vendor.faults.items()}
        self.faults = Faults(tuple(name for vendor in vendors for name in vendor.operations), replies)
        self._server = _listen(host, port, self)
        self.url = (
            f"http://{host}:{self._server.server_address[1]}"  #: the base_url of every account, no trailing slash
        )

    def __getattr__(self, name: str) -> Any:
        """A simulated vendor by its name."""
        if name != "_vendors" and name in self._vendors:
            return self._vendors[name]
        raise AttributeError(name)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Begins to answer."""
        self._server.start()

    def close(self) -> None:
        """Stops and closes all connections."""
        self._server.close()

    def wait(self) -> None:
        """Blocks until it is closed."""
        self._server.stopping.wait()

    @property
    def breaches(self) -> list[Breach]:
        """Every rule that was broken, in order."""
        return self.ledger.breaches

    @property
    def calls(self) -> list[Call]:
        """Every call, in order of arrival."""
        return self.ledger.calls

    @property
    def max_in_flight(self) -> Counter[str]:
        """Token -> the most calls it ever had in flight together."""
        return self.ledger.max_in_flight

    def fault(self, operation: str, kind: str, **values: Any) -> Fault:
        """Adds a fault; ``values`` are the fields of `Fault`."""
        fault = Fault(operation=operation, kind=kind, **values)
        self.faults.add(fault)
        return fault

    def reset(self) -> None:
        """Forgets rows, customers, notes, calls, breaches, budgets, faults, the CAPTCHA. Limits and campaigns stay."""
        self.faults.clear()
        for vendor in self._vendors.values():
            vendor.reset()
        self.ledger.reset()

    def state(self, last_calls: int) -> dict[str, Any]:
        """Everything in numbers, with the last calls, as JSON has it."""
        vendors = {name: vendor.shown() for name, vendor in self._vendors.items()}
        return vendors | self.ledger.shown(last_calls)

    # The exchange of one request

    def exchange(self, line: Line) -> None:
        """Reads a request from the line and ends it as the vendor, or a fault, would."""
        parts = urlsplit(line.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        if parts.path.startswith(PREFIX):
            self._control(line, parts.path, query)
            return
        vendor = self._vendors[next(name for prefix, name in self._prefixes if parts.path.startswith(prefix))]
        operation, action = vendor.find(line.command, parts.path, query)
        call = self.ledger.enter(operation, vendor.token(line.headers), line.has_hung_up)
        try:
            refusal = vendor.gate(call)
            body = line.read_body()
            request = Request(line.command, parts.path, query, line.headers, call, body or b"")
            if body is None:
                refusal = TOO_LARGE
            call.rows = request.rows if body else 0
            self._end(line, call, Ending(refusal) if refusal else self._play(vendor.limits, request, action, line))
        finally:
            self.ledger.leave(call)

    def _control(self, line: Line, path: str, query: Mapping[str, str]) -> None:
        body = line.read_body()
        request = Request(line.command, path, query, line.headers, Call("control", "", 0.0), body or b"")
        if body is None:
            line.send(TOO_LARGE)
        else:
            line.send(elsewhere(self, request) if path == ELSEWHERE else command(self, request))

    def _play(self, limits: Limits, request: Request, action: Action, line: Line) -> Ending:
        """Effect, waits and answer, in the order that the fault (or none) demands."""
        call = request.call
        fault = self.faults.take(call.operation)
        if fault is None:
            reply = _act(action, request)
            self._pause(limits, line, call, limits.latency(call.operation))
            return Ending(reply)
        call.fault = fault.kind
        done = _act(action, request) if fault.where == "after" else None
        self._pause(limits, line, call, fault.wait_s)
        match fault.kind:
            case "hang" | "cut":
                return Ending(None)
            case "slow":
                return Ending(done or _act(action, request))
            case "half_body":
                return Ending(done or WHOLE, half=True)
            case _:
                return Ending(fault.reply(self.faults.replies))

    def _pause(self, limits: Limits, line: Line, call: Call, seconds: float) -> None:
        if seconds > 0:
            line.pause(seconds, lambda: None if limits.hold_abandoned else self.ledger.leave(call))

    def _end(self, line: Line, call: Call, ending: Ending) -> None:
        """Frees the slot, then writes: the caller's next request must find it free."""
        call.status = ending.reply.status if ending.reply else 0
        self.ledger.leave(call)
        if ending.reply is None:
            line.cut()
        else:
            line.send(ending.reply, half=ending.half)


def _act(action: Action, request: Request) -> Reply:
    try:
        return action(request)
    except Refused as refused:
        return refused.reply


def _listen(host: str, port: int, sandbox: Sandbox) -> Server:
    try:
        return Server(host, port, sandbox.exchange)
    except OSError as error:
        reason = error.strerror or "cannot listen"
        raise ConnectorError(f"sandbox: port {port} on {host}: {reason}; choose another with --port") from error


def serve(port: int, host: str = "127.0.0.1") -> None:
    """The three vendors on this port until Ctrl-C. Raises ConnectorError when the port cannot be had."""
    with Sandbox(port=port, host=host) as sandbox:
        try:
            print(
                f"wolkvox, Tracksale and PostCenter, simulated: {sandbox.url} (what they saw: {PREFIX}state)",
                flush=True,
            )
            sandbox.wait()
        except KeyboardInterrupt:
            return
