"""The record of the sandbox: every call, every breach of a rule, and the concurrent calls of each token."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from email.message import Message
from typing import Any

#: The first ones are the interesting ones.
BREACHES_SHOWN = 1000


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule that a caller broke. ``rule`` is one word of the vendor modules, ``detail`` the place, without values."""

    rule: str
    detail: str
    operation: str = ""
    at: float = 0.0  #: unix seconds


@dataclass(slots=True, eq=False)
class Call:
    """One HTTP request. Times are unix seconds; ``finished`` is None while it is in flight."""

    operation: str  #: "wolkvox.add_record"
    token: str = field(repr=False)
    started: float
    finished: float | None = None
    status: int = 0  #: 0: no answer was sent
    rows: int = 0  #: rows, or customers, in its body
    fault: str = ""  #: the kind of the fault that was played on it
    has_hung_up: Callable[[], bool] = field(default=lambda: True, repr=False)  #: whether its caller has hung up

    def shown(self) -> dict[str, Any]:
        """As JSON has it, the token disguised."""
        return {
            "operation": self.operation,
            "token": disguise(self.token),
            "started": self.started,
            "finished": self.finished,
            "status": self.status,
            "rows": self.rows,
            "fault": self.fault,
        }


def _over() -> bool:
    """Stands for the line of a finished call, which need not be kept in memory."""
    return True


def disguise(token: str) -> str:
    """A name for a token that distinguishes it from others without revealing it."""
    return f"{token[:2]}…{hashlib.sha256(token.encode()).hexdigest()[:6]}" if token else ""


class Ledger:
    """The sandbox's memory of its callers. Thread-safe; it counts, the vendors judge."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_flight: dict[tuple[str, str], list[Call]] = defaultdict(list)
        self.reset()

    def reset(self) -> None:
        """Forgets everything but the calls that are still in flight."""
        with self._lock:
            self.calls: list[Call] = []
            self.breaches: list[Breach] = []
            self.max_in_flight: Counter[str] = Counter()  #: token -> most calls at once, a refused one included

    def enter(self, operation: str, token: str, has_hung_up: Callable[[], bool]) -> Call:
        """A request's head has arrived."""
        call = Call(operation, token, time.time(), has_hung_up=has_hung_up)
        with self._lock:
            self.calls.append(call)
        return call

    def take_slot(self, call: Call, *, most: int | None, hold_abandoned: bool = False) -> bool:
        """Counts the call as in flight unless ``most`` are already.

        The slot of a caller that has hung up is free again.
        """
        with self._lock:
            slots = self._in_flight[_slots_of(call)]
            if most is not None and len(slots) >= most and not hold_abandoned:
                slots[:] = [other for other in slots if not other.has_hung_up()]
            self.max_in_flight[call.token] = max(self.max_in_flight[call.token], len(slots) + 1)
            if most is not None and len(slots) >= most:
                return False
            slots.append(call)
            return True

    def leave(self, call: Call) -> None:
        """The call is over. Comes before the answer is written, so that the caller's next call finds the slot free."""
        with self._lock:
            slots = self._in_flight[_slots_of(call)]
            if call in slots:
                slots.remove(call)
            if call.finished is None:
                call.finished = time.time()
            call.has_hung_up = _over

    def breach(self, call: Call, rule: str, detail: str) -> None:
        """A rule was broken by this call."""
        with self._lock:
            self.breaches.append(Breach(rule, detail, call.operation, time.time()))

    def shown(self, last: int) -> dict[str, Any]:
        """Counts of everything and the last calls, as JSON has them."""
        with self._lock:
            calls, breaches = list(self.calls), list(self.breaches)
            most = dict(self.max_in_flight)
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for call in calls:
            counts[call.operation][str(call.status)] += 1
        return {
            "calls": [call.shown() for call in calls[max(len(calls) - last, 0) :]],
            "call_counts": counts,
            "breach_counts": Counter(breach.rule for breach in breaches),
            "breaches": [asdict(breach) for breach in breaches[:BREACHES_SHOWN]],
            "max_in_flight": {disguise(token): number for token, number in most.items()},
        }


def _slots_of(call: Call) -> tuple[str, str]:
    """Slots belong to a token of one vendor."""
    return call.operation.partition(".")[0], call.token


class Window:
    """Arrivals per token within the last seconds. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._arrivals: dict[str, deque[float]] = defaultdict(deque)

    def admit(self, token: str, *, at: float, within_s: float, most: int) -> bool:
        """Counts one arrival, unless ``most`` already stand in the window."""
        with self._lock:
            arrivals = self._arrivals[token]
            while arrivals and arrivals[0] <= at - within_s:
                arrivals.popleft()
            if len(arrivals) >= most:
                return False
            arrivals.append(at)
            return True

    def used(self, token: str, *, at: float, within_s: float) -> int:
        """The number of arrivals in the window."""
        with self._lock:
            return sum(arrival > at - within_s for arrival in self._arrivals.get(token, ()))

    def reset(self) -> None:
        """Forgets every arrival."""
        with self._lock:
            self._arrivals.clear()


def bearer(headers: Message, scheme: str) -> str:
    """The token of an ``Authorization: <scheme> TOKEN`` header, "" when it has another form."""
    word, _, token = headers.get("Authorization", "").partition(" ")
    return token.strip() if word.lower() == scheme.lower() else ""
