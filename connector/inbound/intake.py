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


Asked = tuple[PendingRequest, Reply]

_NOWHERE: Final = (EventState.INVALID, EventState.IGNORED)


class Spooling(Protocol):
    """Takes requests instead of the database: see `inbound.spool`."""

    @property
    def is_holding(self) -> bool: ...

    @property
    def is_failing(self) -> bool: ...

    def take(self, asked: Asked) -> bool: ...

    def rescue(self, taken: PendingRequest, reply: Reply, fault: StoreUnavailable) -> bool: ...


class Intake:
    """Reads and stores. Thread-safe."""

    def __init__(self, receiver: Receiver, committer: Storing) -> None:
        self.receiver = receiver
        self._committer = committer
        self.spooler: Spooling | None = None  #: where requests go that the database does not take
        self.limits: SourceLimits | None = None  #: of what is kept

    def begin(self, taken: PendingRequest) -> Reply:
        """Submits it for storing; the result comes later."""
        reply = Reply()
        self.take_all([(taken, reply)])
        return reply

    def take_all(self, asked: Iterable[Asked]) -> None:
        """Reads and stores several requests together; a fault of one concerns its own reply only.

        While requests of before are in the spool, these go behind them, so that the order stays.
        """
        if (spooler := self.spooler) is not None:
            if spooler.is_holding:
                asked = [one for one in asked if not spooler.take(one)]
            asked = list(asked)
            for taken, reply in asked:
                reply.rescue = partial(_rescued, spooler, taken)
        self.store_all(asked)

    def store_all(self, asked: Iterable[Asked]) -> None:
        """The same without the spool."""
        read: list[Asked] = []
        for _, same in groupby(sorted(asked, key=_source), key=_source):
            read += self._read(list(same))
        self._committer.hand_over([(taken.arrivals, reply) for taken, reply in read])

    def _read(self, asked: list[Asked]) -> list[Asked]:
        """The readable ones, all of one source."""
        try:
            self._read_together([taken for taken, _ in asked if taken.payloads])
        except Exception as fault:  # noqa: BLE001 - reported to the sender of that request
            if len(asked) > 1:
                return [one for each in asked for one in self._read([each])]
            asked[0][1].set_exception(fault)
            return []
        return [one for one in asked if self._has_room(*one)]

    def _has_room(self, taken: PendingRequest, reply: Reply) -> bool:
        """Whether what goes nowhere of it may be kept. Without room for the rest, no conflict of it is kept either."""
        if self.limits is None or not taken.source.is_open:
            return True
        size = sum(len(one.payload.encode(errors="replace")) for one in taken.arrivals if one.state in _NOWHERE)
        if wait_s := self.limits.keep(taken.source.name, size):
            reply.set_exception(KeepsTooMuch(wait_s))
            return False
        rest = [one for one in taken.arrivals if one.state not in _NOWHERE]
        if self.limits.is_full(taken.source.name, sum(len(one.payload) for one in rest)):
            for one in rest:
                one.is_left_out = True
        return True

    def _read_together(self, taken: Sequence[PendingRequest]) -> None:
        if not taken:
            return
        payloads = [payload for one in taken for payload in one.payloads]
        arrivals = iter(self.receiver.read_all(taken[0].source, payloads, lane=taken[0].lane))
        for one in taken:
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


def _rescued(spooler: Spooling, taken: PendingRequest, reply: Reply, fault: StoreUnavailable) -> bool:
    return spooler.rescue(taken, reply, fault)


def _source(asked: Asked) -> tuple[str, int]:
    return asked[0].source.name, asked[0].lane
