"""Limits on what unproved senders may use of this process: one table of numbers, counted by one `Gate` per server.

Proved requests do not count. Every refusal is counted in ``connector_refused_total`` and logged once a minute for each
kind; the numbers themselves are ``connector_web_limit``.
"""

from __future__ import annotations

import resource
from collections import Counter
from typing import Final, Protocol

from connector.core.log import get
from connector.core.log_throttle import LogThrottle
from connector.core.metrics import HELD, LIMITS, REFUSED
from connector.inbound.source_limits import KEPT_BYTES

KIB: Final = 1024
MIB: Final = 1024 * KIB

HEAD_S: Final = 10.0  #: for the head of a request, from its first byte or from when the connection was made
HEAD_BYTES: Final = 64 * KIB
BODY_S: Final = 60.0  #: for a body at most
_BODY_LEAST_S: Final = 10.0
_BODY_BYTES_PER_S: Final = 32 * KIB  #: the slowest sender of a large body
THIN_BODY: Final = 64 * KIB  #: of forms and of senders of ids, unless the source has `max_body`
WHOLE_BODY: Final = MIB  #: of all others
LARGEST_BODY: Final = 32 * MIB  #: upper bound of a source's `max_body`
SECRET_BODY: Final = 256 * KIB  #: of a source with its secret in the body, which is read before anything is proved
UNPROVED_BYTES: Final = 64 * MIB  #: of bodies that are on their way, all together
INVALID_BYTES: Final = 64 * KIB  #: kept of an unreadable body that nothing proves
KEPT_WAIT_S: Final = 3600  #: told to a sender when its conflicting events are not kept any more
MAX_EVENTS: Final = 10_000  #: of one body, unless the source has `max_events`
_MOST_CONNECTIONS: Final = 1000
_FILES_KEPT: Final = 100  #: for the database, the broker, vendors and the log
_LOG_EVERY_S: Final = 60.0

log = get("web")


def most_connections() -> int:
    """All files that the process may open, less those that it needs itself."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return max(10, min(_MOST_CONNECTIONS, files - _FILES_KEPT))


def body_s(announced: int) -> float:
    """Seconds allowed for a body of this many bytes; 0: unknown size."""
    return min(BODY_S, _BODY_LEAST_S + announced / _BODY_BYTES_PER_S) if announced else BODY_S


class Held(Protocol):
    """A connection, as far as the gate knows it."""

    peer: str
    waits_since: float  #: loop time since when we wait for its bytes; infinity while it waits for us
    held: int  #: bytes of a body that is not proved yet

    def refuse(self, status: int, limit: str) -> None:
        """Answers with the reason, and closes the connection."""


class Gate:
    """Counts connections and unproved bytes; the oldest that keeps us waiting goes first. For one thread."""

    def __init__(self, connections: int = 0, unproved_bytes: int = UNPROVED_BYTES) -> None:
        self._most = connections or most_connections()
        self._most_of_peer = max(5, self._most // 2)
        self._most_bytes = unproved_bytes
        # In the order in which they were made: the loop's clock is the same for all that it accepts at once.
        self._open: dict[Held, None] = {}
        self._of_peer: Counter[str] = Counter()
        self._bytes = 0
        self._throttle = LogThrottle(_LOG_EVERY_S)
        for name, value in self.table().items():
            LIMITS.labels(name).set(value)

    def table(self) -> dict[str, float]:
        """The numbers by name: for ``/metrics``."""
        return {
            "connections": self._most,
            "connections_of_a_peer": self._most_of_peer,
            "unproved_bytes": self._most_bytes,
            "head_seconds": HEAD_S,
            "head_bytes": HEAD_BYTES,
            "body_seconds": BODY_S,
            "body_bytes": WHOLE_BODY,
            "body_bytes_thin": THIN_BODY,
            "body_bytes_with_secret": SECRET_BODY,
            "body_bytes_largest": LARGEST_BODY,
            "invalid_bytes": INVALID_BYTES,
            "kept_bytes": KEPT_BYTES,
            "events_of_a_body": MAX_EVENTS,
        }

    def admit(self, new: Held) -> None:
        """A connection was made. One too many costs the one that has kept us waiting longest."""
        self._open[new] = None
        self._of_peer[new.peer] += 1
        if self._of_peer[new.peer] > self._most_of_peer:
            self._end_oldest([one for one in self._open if one.peer == new.peer], 429, "connections_of_a_peer")
        elif len(self._open) > self._most:
            self._end_oldest(list(self._open), 429, "connections")
        HELD.labels("connections").set(len(self._open))

    def leave(self, one: Held) -> None:
        """A connection has ended."""
        if one in self._open:
            del self._open[one]
            self._of_peer[one.peer] -= 1
            if not self._of_peer[one.peer]:
                del self._of_peer[one.peer]
        self.release(one)
        HELD.labels("connections").set(len(self._open))

    def hold(self, one: Held, size: int) -> None:
        """Counts further bytes of a body. If all together are too many, the oldest body goes."""
        one.held += size
        self._bytes += size
        while self._bytes > self._most_bytes:
            waiting = [other for other in self._open if other.held and other.waits_since < float("inf")]
            if not waiting:
                break
            self._end_oldest(waiting, 429, "unproved_bytes")
        HELD.labels("unproved_bytes").set(self._bytes)

    def release(self, one: Held) -> None:
        """Its body was proved and stored, or thrown away."""
        self._bytes -= one.held
        one.held = 0
        HELD.labels("unproved_bytes").set(self._bytes)

    def count(self, limit: str, peer: str) -> None:
        """A refusal, for the log and the metrics."""
        REFUSED.labels(limit).inc()
        if (left_out := self._throttle.due(limit)) is not None:
            log.warning("a limit was reached", limit=limit, peer=peer, left_out=left_out)

    def _end_oldest(self, among: list[Held], status: int, limit: str) -> None:
        oldest = min(among, key=lambda one: one.waits_since)
        self.count(limit, oldest.peer)
        oldest.refuse(status, limit)
        self.leave(oldest)
