"""Stores what is in the spool, oldest first, as soon as the database is back."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Final

from connector.core.errors import StoreUnavailable
from connector.core.log import get
from connector.core.loops import STOP_S, Loops
from connector.core.metrics import SPOOL_ASIDE, SPOOL_WAITING, events
from connector.core.settings import Settings
from connector.core.spool import Part, Reading, Spool, SpoolUnavailable
from connector.inbound.apart import store_apart
from connector.inbound.committer import SPOOL_AFTER_S
from connector.inbound.intake import PendingRequest, wait_for_room
from connector.inbound.rabbitmq.storing import demand_database
from connector.inbound.receiver import Receiver
from connector.inbound.spool.request import Poison, read
from connector.inbound.spool.spooler import Spooler
from connector.store import inbox
from connector.store.arrivals import Arrival, Stored
from connector.store.database import Database
from connector.store.patience import answers_within

FEW: Final = 100  #: requests in a part: what is behind them comes as fast as it is stored
LOOK_S: Final = 0.5  #: between two tries while this process has spooled
LEFT_S: Final = 30.0  #: between two looks for what other processes left

log = get("spool")


class Drain:
    """A thread of a process that takes webhooks. `start` returns at once; `stop` lets what is in hand be stored."""

    def __init__(
        self, settings: Settings, database: Database, receiver: Receiver, spool: Spool, spooler: Spooler
    ) -> None:
        self._settings: Final = settings
        self._database: Final = database
        self._receiver: Final = receiver
        self._spool: Final = spool
        self._spooler: Final = spooler
        self._looked_s = -LEFT_S
        self._loops: Final = Loops(log)
        self._loops.add("drain", self.step, what="draining the spool")

    def start(self) -> None:
        self._loops.start()

    def stop(self, timeout_s: float = STOP_S) -> bool:
        return self._loops.stop(timeout_s, wake=self._spooler.added.set)

    def step(self) -> float:
        """Drains, if there may be something and the database is there; returns the seconds until the next step."""
        if not self._spooler.is_holding and time.monotonic() < self._looked_s + LEFT_S:
            self._spooler.added.wait(LOOK_S)
            return 0.0
        self._spooler.added.clear()
        try:
            with answers_within(SPOOL_AFTER_S):
                demand_database(self._database)
                self._looked_s = time.monotonic()
                self.drain()
        except (StoreUnavailable, SpoolUnavailable) as fault:
            log.info("the spool is not drained yet", fault=str(fault))
        return LOOK_S

    def drain(self) -> int:
        """Stores all that waits; returns how many requests. Raises `StoreUnavailable` and `SpoolUnavailable`."""
        count = 0
        try:
            with self._spool.reading() as reading:
                if reading is not None:
                    count = self._read(reading)
        finally:
            self._spooler.give_up()
        held = self._spool.held()
        SPOOL_WAITING.set(held.waiting)
        SPOOL_ASIDE.set(held.aside)
        if not held.waiting:
            self._spooler.is_empty()
        if count:
            log.warning("the spool was drained", count=count, aside=held.aside)
        return count

    def _read(self, reading: Reading) -> int:
        count, is_last = 0, False
        for part in reading.parts():
            self._store(reading, part)
            count += len(part.texts)
            if self._loops.stopping.is_set():
                return count
            if not is_last and self._spooler.is_holding and len(part.texts) < FEW and self._spooler.pause():
                reading.until_here()
                is_last = True
        if is_last:
            self._spooler.go_on()
        return count

    def _store(self, reading: Reading, part: Part) -> None:
        poison: list[tuple[int, str]] = []
        good: list[PendingRequest] = []
        for position, text in enumerate(part.texts):
            try:
                request = read(text, self._settings.sources)
                if request.payloads:
                    request.arrivals = self._receiver.read_all(request.source, request.payloads, lane=request.lane)
                    if request.limited:
                        wait_for_room(request.arrivals)
                good.append(request)
            except Poison as fault:
                poison.append((position, str(fault)))
            except Exception as fault:  # noqa: BLE001 - one request must not stop the others
                poison.append((position, f"it cannot be mapped ({type(fault).__name__})"))
        poisoned, stored = self._stored([(request.arrivals, request) for request in good])
        positions = [at for at in range(len(part.texts)) if at not in {position for position, _ in poison}]
        poison += [(positions[at], why) for at, why in poisoned]
        for _, why in poison:
            log.error("a request of the spool is set aside", why=why)
        reading.done(part, poison)
        for (source, status), number in stored.items():
            events(source, status).inc(number)

    def _stored(
        self, several: Sequence[tuple[Sequence[Arrival], PendingRequest]]
    ) -> tuple[list[tuple[int, str]], Counter[tuple[str, str]]]:
        """Together; if that fails, one request after the other, and what cannot be stored is poison."""
        counted: Counter[tuple[str, str]] = Counter()
        arrivals = [arrival for some, _ in several for arrival in some]
        try:
            counted.update(_counted(arrivals, self._commit(arrivals)))
        except StoreUnavailable:
            raise
        except Exception as fault:  # noqa: BLE001 - the faulty request is found below
            log.warning("a part of the spool is stored one by one", fault=type(fault).__name__)
        else:
            return [], counted
        poison: list[tuple[int, str]] = []
        for at, (some, _) in enumerate(several):
            try:
                counted.update(_counted(some, store_apart(self._commit, some)))
            except StoreUnavailable as fault:
                demand_database(self._database)  # it is there: then the request is at fault
                poison.append((at, str(fault)))
            except Exception as fault:  # noqa: BLE001 - it must not stop the others
                demand_database(self._database)
                poison.append((at, f"it cannot be stored ({type(fault).__name__})"))
        return poison, counted

    def _commit(self, arrivals: Sequence[Arrival]) -> list[Stored]:
        with self._database.write() as conn:
            return inbox.store(conn, arrivals, key=self._settings.hash_key)


def _counted(arrivals: Sequence[Arrival], stored: Sequence[Stored]) -> Counter[tuple[str, str]]:
    return Counter((arrival.source, one.status) for arrival, one in zip(arrivals, stored, strict=True))
