"""Last stage of ingestion: parses the pending requests as a batch and hands the events to the committer."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Final, Protocol

from connector.core.errors import KeepsTooMuch, StoreUnavailable
from connector.core.payload import Payload
from connector.core.reasons import Code, Reason
from connector.core.settings import Source
from connector.core.states import DeliveryState, EventState
from connector.inbound.committer import Reply, Storing
from connector.inbound.receiver import Receiver
from connector.inbound.source_limits import SourceLimits
from connector.store.arrivals import Arrival
from connector.store.lanes import LIMITED_OF, LIVE


@dataclass(slots=True)
class PendingRequest:
    """The content of one request. ``arrivals`` are what is stored of it: read from the payloads, if there are any."""

    source: Source
    payloads: Sequence[Payload] = ()
    arrivals: list[Arrival] = field(default_factory=list)
    lane: int = LIVE  #: of its deliveries
    limited: bool = False  #: its source sent more than its limit: it waits until there is room
    received_ns: int = field(default_factory=time.time_ns)


Submission = tuple[PendingRequest, Reply]

_NOWHERE: Final = (EventState.INVALID, EventState.IGNORED)


class Spooling(Protocol):
    """Takes requests instead of the database: see `inbound.spool`."""

    @property
    def is_holding(self) -> bool: ...

    @property
    def is_failing(self) -> bool: ...

    def take(self, pair: Submission) -> bool: ...

    def rescue(self, request: PendingRequest, reply: Reply, fault: StoreUnavailable) -> bool: ...


class Intake:
    """Reads and stores. Thread-safe."""

    def __init__(self, receiver: Receiver, committer: Storing) -> None:
        self.receiver = receiver
        self._committer = committer
        self.spooler: Spooling | None = None  #: where requests go that the database does not take
        self.limits: SourceLimits | None = None  #: of what is kept

    def begin(self, request: PendingRequest) -> Reply:
        """Submits it for storing; the result comes later."""
        reply = Reply()
        self.take_all([(request, reply)])
        return reply

    def take_all(self, pairs: Iterable[Submission]) -> None:
        """Reads and stores several requests together; a fault of one concerns its own reply only.

        While requests of before are in the spool, these go behind them, so that the order stays.
        """
        if (spooler := self.spooler) is not None:
            if spooler.is_holding:
                pairs = [one for one in pairs if not spooler.take(one)]
            pairs = list(pairs)
            for request, reply in pairs:
                reply.rescue = partial(_rescued, spooler, request)
        self.store_all(pairs)

    def store_all(self, pairs: Iterable[Submission]) -> None:
        """The same without the spool."""
        read: list[Submission] = []
        for _, same in groupby(sorted(pairs, key=_source), key=_source):
            read += self._read(list(same))
        self._committer.hand_over([(request.arrivals, reply) for request, reply in read])

    def _read(self, pairs: list[Submission]) -> list[Submission]:
        """The readable ones, all of one source."""
        try:
            self._read_together([request for request, _ in pairs if request.payloads])
        except Exception as fault:  # noqa: BLE001 - reported to the sender of that request
            if len(pairs) > 1:
                return [one for each in pairs for one in self._read([each])]
            pairs[0][1].set_exception(fault)
            return []
        return [one for one in pairs if self._has_room(*one)]

    def _has_room(self, request: PendingRequest, reply: Reply) -> bool:
        """Whether what goes nowhere of it may be kept. Without room for the rest, no conflict of it is kept either."""
        if self.limits is None or not request.source.is_open:
            return True
        size = sum(len(one.payload.encode(errors="replace")) for one in request.arrivals if one.state in _NOWHERE)
        if wait_s := self.limits.keep(request.source.name, size):
            reply.set_exception(KeepsTooMuch(wait_s))
            return False
        rest = [one for one in request.arrivals if one.state not in _NOWHERE]
        if self.limits.is_full(request.source.name, sum(len(one.payload) for one in rest)):
            for one in rest:
                one.is_left_out = True
        return True

    def _read_together(self, requests: Sequence[PendingRequest]) -> None:
        if not requests:
            return
        payloads = [payload for one in requests for payload in one.payloads]
        arrivals = iter(self.receiver.read_all(requests[0].source, payloads, lane=requests[0].lane))
        for one in requests:
            one.arrivals = [next(arrivals) for _ in one.payloads]
            if one.limited:
                wait_for_room(one.arrivals)


def wait_for_room(arrivals: Iterable[Arrival]) -> None:
    """Nothing of them is sent, or fetched, until their source's limit has room."""
    for arrival in arrivals:
        waits = [new for new in arrival.deliveries if new.state == DeliveryState.PENDING and not new.after]
        arrival.limited = bool(waits) or arrival.state == EventState.WAITING
        for new in waits:
            new.lane, new.reason = LIMITED_OF[new.lane], Reason(Code.LIMITED, {"source": arrival.source})


def _rescued(spooler: Spooling, request: PendingRequest, reply: Reply, fault: StoreUnavailable) -> bool:
    return spooler.rescue(request, reply, fault)


def _source(pair: Submission) -> tuple[str, int]:
    return pair[0].source.name, pair[0].lane
