"""The RabbitMQ consumer: messages of a few socket reads are mapped, stored in one transaction and acked together.

One connection, used by one thread only (pika's rule), which receives, maps and acks. The committer stores meanwhile.
Messages that it cannot store stay unacked and are retried in a thread of their own, so that heartbeats go on however
long the database is away. Nothing is requeued meanwhile: a quorum queue drops a message after a number of deliveries.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Final

import pika
import tenacity
from pika import exceptions

from connector.core.errors import ConnectorError, StoreUnavailable
from connector.core.log import get
from connector.core.memory import keep_what_is_loaded
from connector.core.settings import Settings, Source
from connector.inbound.committer import Committer
from connector.inbound.rabbitmq.batch import Batch
from connector.inbound.rabbitmq.connection import connect, words_of
from connector.inbound.rabbitmq.queue import Queue
from connector.inbound.rabbitmq.storing import WAIT, Keeper, demand_database
from connector.inbound.receiver import Receiver
from connector.store.arrivals import Stored
from connector.store.database import Database

STOP_S: Final = 25.0
LEAVE_S: Final = 2.0  #: part of the stop time for closing the connection
WELL_S: Final = 10.0  #: a connection that lasted this long was not a failed attempt
LOOK_S: Final = 1.0  #: longest time without a socket read, should a wake-up be lost
LOOKS: Final = 4  #: socket reads, 100 KB each, that are stored together: large transactions are cheaper

log = get("consumer")


def queued(settings: Settings) -> list[Source]:
    """The sources that have a queue. Raises `ConnectorError` if there is none."""
    found = [source for source in settings.sources.values() if source.queue]
    if not found:
        raise ConnectorError("no source has a queue: give one a `queue` to consume")
    return found


class Consumer:
    """Consumes the queues of all sources, in a thread of its own, until `stop`. The committer must outlive it.

    Raises `ConnectorError` when no source has a queue.
    """

    def __init__(self, settings: Settings, database: Database, receiver: Receiver, committer: Committer) -> None:
        self._url = settings.amqp_url
        self._database = database
        self._committer = committer
        self._stopping = threading.Event()
        self._stop_by = float("inf")  # monotonic
        self._queues = [Queue(source, receiver) for source in queued(settings)]
        self._keeper = Keeper(database, settings.hash_key, self._stopping, self._wake)
        self._connection: pika.BlockingConnection | None = None
        self._woken = False
        self._welcome = False  # the broker has let us in before
        self._fault: ConnectorError | None = None
        self._thread = threading.Thread(target=self._run, name="consumer", daemon=True)

    def start(self) -> None:
        """Returns at once; faults of the broker or the database are logged, and retried."""
        keep_what_is_loaded()
        self._keeper.start()
        self._thread.start()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Whether it has ended, at the latest after the timeout. Raises `ConnectorError` if the broker refuses us."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        if self._fault is not None:
            raise self._fault
        return not self._thread.is_alive()

    def stop(self, timeout_s: float = STOP_S) -> bool:
        """Stops receiving, stores and acks the messages in hand, requeues the rest; True if that was done in time."""
        self._stop_by = time.monotonic() + max(0.0, timeout_s - LEAVE_S)
        self._stopping.set()
        self._wake()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._sessions()
            except ConnectorError as refusal:
                self._fault = refusal
                break
            except Exception:
                log.exception("consuming failed")
                self._stopping.wait(LOOK_S)
        self._keeper.close()

    def _sessions(self) -> None:
        """One session after the other until one has lasted, after ever longer waits."""
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type((exceptions.AMQPError, OSError, StoreUnavailable)),
            wait=WAIT,
            stop=lambda _state: self._stopping.is_set(),
            sleep=self._sleep,
            before_sleep=_log_lost,
        )
        with contextlib.suppress(tenacity.RetryError):
            retrying(self._session)

    def _sleep(self, seconds: float) -> None:
        self._stopping.wait(seconds)

    def _session(self) -> None:
        """From connecting to losing the connection or being stopped. Raises what ended it, unless it had lasted."""
        demand_database(self._database)
        began = time.monotonic()
        try:
            with self._connected() as connection:
                self._consume(connection)
        except (exceptions.AMQPError, OSError) as fault:
            if time.monotonic() - began < WELL_S:
                raise
            log.warning("the connection to the broker was lost: connecting again", fault=words_of(fault))
        finally:
            for each in self._queues:
                each.forget()

    @contextlib.contextmanager
    def _connected(self) -> Iterator[pika.BlockingConnection]:
        try:
            connection = connect(self._url)
        except ConnectorError as refusal:
            if not self._welcome:
                raise
            raise exceptions.AMQPConnectionError(str(refusal)) from refusal
        self._welcome, self._connection, self._woken = True, connection, False
        try:
            yield connection
        finally:
            self._connection = None
            with contextlib.suppress(exceptions.AMQPError, OSError):
                connection.close()

    def _consume(self, connection: pika.BlockingConnection) -> None:
        while not self._stopping.is_set():
            self._open_queues(connection)
            self._look(connection)
            for each in self._queues:
                batch = each.take()
                if batch is not None:
                    self._store(batch)
        self._finish(connection)

    def _open_queues(self, connection: pika.BlockingConnection) -> None:
        for each in self._queues:
            # While the database is away nothing is received: a delivery that is not stored counts against a message.
            if not each.consuming and each.due <= time.monotonic() and not self._keeper.busy:
                each.open(connection)

    def _look(self, connection: pika.BlockingConnection) -> None:
        """Receives available messages, or waits for some, and acks stored ones."""
        received, before, looks = 0, -1, 0
        while looks < LOOKS and received > before:
            connection.process_data_events(time_limit=0 if looks else LOOK_S)
            before, received, looks = received, sum(each.waiting for each in self._queues), looks + 1
        self._woken = False
        for each in self._queues:
            each.settle()

    def _store(self, batch: Batch) -> None:
        if not batch.arrivals:
            batch.stored = []
            self._wake()
        elif self._keeper.busy:
            self._keeper.keep(batch)
        else:
            future = self._committer.submit(batch.arrivals)
            future.add_done_callback(functools.partial(self._on_stored, batch))

    def _on_stored(self, batch: Batch, future: Future[list[Stored]]) -> None:
        """In the committer's thread."""
        if future.exception() is None:
            batch.stored = future.result()
            self._wake()
        else:
            self._keeper.keep(batch)

    def _wake(self) -> None:
        """Ends the connection thread's wait. From any thread."""
        connection = self._connection
        if connection is None or (self._woken and not self._stopping.is_set()):
            return
        self._woken = True
        with contextlib.suppress(exceptions.AMQPError):  # already closed
            connection.add_callback_threadsafe(_nothing)

    def _finish(self, connection: pika.BlockingConnection) -> None:
        """Stores and acks the messages in hand; closing the connection requeues the rest."""
        # Not by basic_cancel: pika would reject, one by one, what comes meanwhile, and in that flood a quorum queue
        # loses the acks that follow.
        while any(each.unfinished for each in self._queues) and time.monotonic() < self._stop_by:
            connection.process_data_events(time_limit=0.2)
            for each in self._queues:
                each.leave()
                each.settle()


def _nothing() -> None:
    return


def _log_lost(state: tenacity.RetryCallState) -> None:
    fault = state.outcome.exception() if state.outcome else None
    what = "the database is away" if isinstance(fault, StoreUnavailable) else "no connection to the broker"
    log.warning(what, fault=words_of(fault), next_try_s=round(state.upcoming_sleep, 1))
