"""What Prometheus sees. Labels are configuration names and outcomes, never anything of a person."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Histogram

_CALL_BUCKETS: Final = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 65)

EVENTS = Counter("connector_events_total", "Events received, by what became of them", ["source", "status"])
ANSWERS = Counter("connector_attempts_total", "Calls made, by how they ended", ["account", "kind", "outcome"])
CALL_SECONDS = Histogram("connector_call_seconds", "How long calls took", ["account", "kind"], buckets=_CALL_BUCKETS)
