"""Faults on request: their kind, operation and number, before or after the effect."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import orjson

from connector.vendors.sandbox.messages import Reply, html_reply, json_reply

HTML_200 = html_reply(
    "<!DOCTYPE html><html><head><title>Maintenance</title></head><body><h1>Back soon</h1></body></html>"
)
GARBAGE = Reply(200, b'{"code": "201", "error": nul, "data": [}')
#: Half of it is sent when a `half_body` fault strikes before the effect.
WHOLE = json_reply({"code": "201", "error": None, "msg": "All records has been added successfully", "data": []}, 201)
#: Target of a `redirect` fault. A caller that follows carries a token along, which the sandbox records.
ELSEWHERE = "/_sandbox/elsewhere"


#: Kinds with a constant answer. A vendor's own kinds are beside its simulator.
REPLIES: Mapping[str, Reply] = {
    "html_200": HTML_200,
    "garbage_json": GARBAGE,
    "redirect": Reply(302, b"", {"Location": ELSEWHERE}),
}
#: Kinds that happen to the connection, and `status` with an answer from the fault.
KINDS = ("status", "hang", "slow", "cut", "half_body")


#: The numbers of a fault, their types and bounds.
_NUMBERS: tuple[tuple[str, tuple[type, ...], int, int], ...] = (
    ("times", (int,), 1, 10**9),
    ("after", (int,), 0, 10**9),
    ("seconds", (int, float), 0, 86400),
    ("status", (int,), 200, 599),
)


@dataclass(slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong. Faults strike in the order they were added, one for a call."""

    operation: str = "*"  #: a pattern: "*", "wolkvox.*", "wolkvox.add_record"
    kind: str
    times: int | None = 1  #: how often; None: until it is removed
    after: int = 0  #: how many matching calls pass unharmed first
    where: str = "before"  #: "before": nothing happens at the vendor (slow: it happens late); "after": it has happened
    seconds: float | None = None  #: the wait before the answer or the cut; hang: 60 unless given
    status: int = 500  #: kind status
    body: Any = None  #: kind status: a text is sent as HTML, anything else as JSON; redirect: the Location
    headers: Mapping[str, str] = field(default_factory=dict)  #: added to the answer: {"Retry-After": "2"}
    seen: int = 0  #: calls it matched
    used: int = 0  #: calls it struck

    def __post_init__(self) -> None:
        if self.where not in ("before", "after"):
            raise ValueError(f"where cannot be {self.where!r}; it is before or after the effect")
        for name, kinds, least, most in _NUMBERS:
            value: Any = getattr(self, name)
            absent = value is None and name in ("times", "seconds")
            if not absent and not (type(value) in kinds and least <= value <= most):
                raise ValueError(f"{name} cannot be {value!r}; it is a number from {least} to {most}")

    @property
    def wait_s(self) -> float:
        """Seconds before the answer or the cut."""
        return self.seconds if self.seconds is not None else 60.0 if self.kind == "hang" else 0.0

    def strikes(self, operation: str) -> bool:
        """Whether this call is hit. Counts."""
        if not fnmatchcase(operation, self.operation):
            return False
        self.seen += 1
        if self.seen <= self.after or (self.times is not None and self.used >= self.times):
            return False
        self.used += 1
        return True

    def reply(self, replies: Mapping[str, Reply]) -> Reply:
        """The answer it gives in place of the vendor's. ``replies``: by kind, those that are always the same."""
        plain = self._status_reply() if self.kind == "status" else replies[self.kind]
        headers = {**plain.headers, **self.headers}
        if self.kind == "redirect" and isinstance(self.body, str):
            headers["Location"] = self.body
        return Reply(plain.status, plain.body, headers)

    def _status_reply(self) -> Reply:
        if self.body is None:
            return html_reply(f"<html><body><h1>{self.status}</h1></body></html>", self.status)
        if isinstance(self.body, str):
            return html_reply(self.body, self.status)
        return Reply(self.status, self.body if isinstance(self.body, bytes) else orjson.dumps(self.body))

    def shown(self) -> dict[str, Any]:
        """As JSON has it."""
        shown = asdict(self)
        return shown | {"body": self.body.decode("utf-8", "replace") if isinstance(self.body, bytes) else self.body}


class Faults:
    """The faults that wait to strike. Thread-safe. ``replies``: by kind, those of the vendors."""

    def __init__(self, operations: tuple[str, ...], replies: Mapping[str, Reply]) -> None:
        self._operations = operations
        self.replies: Mapping[str, Reply] = {**REPLIES, **replies}
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, *faults: Fault) -> None:
        """Adds them behind the others, all or none. Raises ValueError for an unknown kind or operation."""
        for fault in faults:
            self._demand_known(fault)
        with self._lock:
            self._faults.extend(faults)

    def _demand_known(self, fault: Fault) -> None:
        kinds = (*KINDS, *self.replies)
        if fault.kind not in kinds:
            raise ValueError(f"kind cannot be {fault.kind!r}; the kinds are {', '.join(kinds)}")
        if not any(fnmatchcase(name, fault.operation) for name in self._operations):
            raise ValueError(f"no operation is called {fault.operation!r}; they are {', '.join(self._operations)}")

    def take(self, operation: str) -> Fault | None:
        """The fault that strikes this call."""
        with self._lock:
            return next((fault for fault in self._faults if fault.strikes(operation)), None)

    def clear(self) -> None:
        """Removes all."""
        with self._lock:
            self._faults.clear()

    def shown(self) -> list[dict[str, Any]]:
        """All faults with their effects so far, as JSON values."""
        with self._lock:
            return [fault.shown() for fault in self._faults]
