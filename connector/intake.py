"""The end of the way in: what requests brought is read, those that are there together at once, and handed over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from connector.committer import Committer, Reply
from connector.decode import Payload
from connector.inbox import Arrival
from connector.receive import Receiver
from connector.settings import Source


@dataclass(slots=True)
class Taken:
    """What one request brought. ``arrivals`` is what is stored of it: read from the payloads, if there are any."""

    source: Source
    payloads: Sequence[Payload] = ()
    arrivals: list[Arrival] = field(default_factory=list)


Asked = tuple[Taken, Reply]


class Intake:
    """Reads and stores. Thread-safe."""

    def __init__(self, receiver: Receiver, committer: Committer) -> None:
        self._receiver = receiver
        self._committer = committer

    def begin(self, taken: Taken) -> Reply:
        """Has it stored, and says what became of it later."""
        reply = Reply()
        self.take_all([(taken, reply)])
        return reply

    def take_all(self, asked: Iterable[Asked]) -> None:
        """The same of several, read and stored together; what is wrong with one of them is its own reply's fault."""
        read: list[Asked] = []
        for _, same in groupby(sorted(asked, key=_source), key=_source):
            read += self._read(list(same))
        self._committer.hand_over([(taken.arrivals, reply) for taken, reply in read])

    def _read(self, asked: list[Asked]) -> list[Asked]:
        """Those that could be read; all of one source."""
        try:
            self._read_together([taken for taken, _ in asked if taken.payloads])
        except Exception as fault:  # noqa: BLE001 - told to the sender whose fault it is
            if len(asked) > 1:
                return [one for each in asked for one in self._read([each])]
            asked[0][1].set_exception(fault)
            return []
        return asked

    def _read_together(self, taken: Sequence[Taken]) -> None:
        if not taken:
            return
        payloads = [payload for one in taken for payload in one.payloads]
        arrivals = iter(self._receiver.read_all(taken[0].source, payloads))
        for one in taken:
            one.arrivals = [next(arrivals) for _ in one.payloads]


def _source(asked: Asked) -> str:
    return asked[0].source.name
