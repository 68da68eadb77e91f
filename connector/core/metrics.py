"""The metrics that Prometheus scrapes. Labels are configuration names and outcomes, never personal data."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

_CALL_BUCKETS: Final = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 65)
_PAGE_BUCKETS: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1, 5)

EVENTS = Counter("connector_events_total", "Events received, by result", ["source", "status"])
ANSWERS = Counter("connector_attempts_total", "Calls made, by how they ended", ["account", "kind", "outcome"])
CALL_SECONDS = Histogram("connector_call_seconds", "How long calls took", ["account", "kind"], buckets=_CALL_BUCKETS)
SPOOLED = Counter("connector_spooled_total", "Requests that were spooled, as the database was away")
SPOOL_WAITING = Gauge("connector_spool_waiting", "What waits in the spool: requests of a file, messages of a queue")
SPOOL_ASIDE = Gauge("connector_spool_aside", "What of the spool could not be stored, and waits for a person")
REFUSED = Counter("connector_refused_total", "Connections and requests refused at a limit, by the limit", ["limit"])
LIMITS = Gauge("connector_web_limit", "What strangers may hold of a web process at most", ["limit"])
HELD = Gauge("connector_web_held", "Resources of a web process in use now", ["what"])
SIGN_INS = Counter("connector_sign_ins_total", "Keys shown at the console, by result", ["result"])
PAGE_SECONDS = Histogram("connector_page_seconds", "How long pages took", ["page"], buckets=_PAGE_BUCKETS)


@lru_cache(maxsize=1024)
def events(source: str, status: str) -> Counter:
    """The count of a source's events with a result. Finding it by its labels takes longer than counting."""
    return EVENTS.labels(source, status)
