"""The best that two slots can do: whatever waits is sent the moment a slot is free. Pure arithmetic, no clock."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.load import quantile


@dataclass(frozen=True)
class Schedule:
    """Latencies in seconds, in the order of the arrivals."""

    latencies_s: tuple[float, ...]
    calls: int

    @property
    def median_s(self) -> float:
        return quantile(self.latencies_s, 0.5)

    @property
    def p99_s(self) -> float:
        return quantile(self.latencies_s, 0.99)


def greedy(arrivals_s: Sequence[float], *, service_s: float = 0.2, slots: int = 2, batch: int = 10_000) -> Schedule:
    """Arrival to answer, when each call takes `service_s` and at most `slots` run at once. Arrivals in any order."""
    order = sorted(range(len(arrivals_s)), key=arrivals_s.__getitem__)
    free = [float("-inf")] * slots
    latencies = [0.0] * len(order)
    at = calls = 0
    while at < len(order):
        start = max(heapq.heappop(free), arrivals_s[order[at]])
        until = at
        while until < len(order) and until - at < batch and arrivals_s[order[until]] <= start:
            until += 1
        for index in order[at:until]:
            latencies[index] = start + service_s - arrivals_s[index]
        heapq.heappush(free, start + service_s)
        calls += 1
        at = until
    return Schedule(tuple(latencies), calls)
