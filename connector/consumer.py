"""The way in from RabbitMQ: what a few looks at the socket bring is mapped, stored in one transaction, acked together.

One connection, used by one thread only (pika's rule), which receives, maps and acks. The committer stores meanwhile.
What it cannot store stays in hand, unacked, and is tried again in a thread of its own, so that the heartbeats go on
however long the database is away. Nothing is put back in the meantime: a quorum queue drops a message after so many
deliveries.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import queue
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final

import pika
import tenacity
from pika import exceptions, spec
from pika.adapters.blocking_connection import BlockingChannel
from sqlalchemy import text
from sqlalchemy.exc import DataError, IntegrityError

from connector import inbox
from connector.client import wait_s
from connector.committer import Committer
from connector.db import Database
from connector.decode import Payload
from connector.errors import ConnectorError, StoreUnavailable, Unreadable, UnsupportedType
from connector.inbox import Arrival, Stored
from connector.log import get
from connector.memory import keep_what_is_loaded
from connector.metrics import EVENTS
from connector.receive import Receiver, unreadable
from connector.settings import Secret, Settings, Source
from mappings.base import FieldError

PREFETCH: Final = 2000  #: messages of one queue in hand, unacked, at the most
MAX_BODY: Final = 10 * 1024 * 1024  #: bytes, as for a webhook
HEARTBEAT_S: Final = 30
BLOCKED_S: Final = 60.0  #: a broker short of memory or disk for so long: connect anew
CONNECT_S: Final = 10.0
STOP_S: Final = 25.0
LEAVE_S: Final = 2.0  #: of the time to stop, what closing the connection may take
WELL_S: Final = 10.0  #: a connection that lasted so long was no failed attempt
LOOK_S: Final = 1.0  #: how long nothing is looked at, at the most, should a wake-up be lost
LOOKS: Final = 4  #: what so many looks bring in a row, 100 KB each, is stored together: many are cheaper than few
PRECONDITION_FAILED: Final = 406
NOT_FOUND: Final = 404

_wait = tenacity.wait_exponential_jitter(multiplier=0.25, max=10, jitter=0.25)
#: What says that the event, not the database, is why it was not stored.
_ITS_OWN_FAULT: Final = (IntegrityError, DataError, TypeError, ValueError, OverflowError)

log = get("consumer")

_Message = tuple[int, spec.BasicProperties, bytes]


@dataclass(slots=True, eq=False)
class _Batch:
    """What was received of one queue at one time, mapped."""

    source: Source
    channel: BlockingChannel
    last_tag: int
    arrivals: list[Arrival]
    stored: list[Stored] | None = None  #: set once it is durable
    given_up: bool = False  #: stopping, and the database is away: the broker has it back

    @property
    def redelivered(self) -> bool:
        """Its channel is gone: the broker sends it again."""
        return not self.channel.is_open


def queued(settings: Settings) -> list[Source]:
    """The sources that have a queue. Raises `ConnectorError` when none has."""
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
        self._queues = [_Queue(source, receiver) for source in queued(settings)]
        self._keeper = _Keeper(database, settings.hash_key, self._stopping, self._wake)
        self._connection: pika.BlockingConnection | None = None
        self._woken = False
        self._welcome = False  # the broker has let us in before
        self._fault: ConnectorError | None = None
        self._thread = threading.Thread(target=self._run, name="consumer", daemon=True)

    def start(self) -> None:
        """Returns at once; what is wrong with the broker or the database is logged, and tried again."""
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
        """Takes no more, stores and acks what is in hand, puts the rest back; True when that was done in time."""
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
            wait=_wait,
            stop=lambda _state: self._stopping.is_set(),
            sleep=self._sleep,
            before_sleep=_tell_lost,
        )
        with contextlib.suppress(tenacity.RetryError):
            retrying(self._session)

    def _sleep(self, seconds: float) -> None:
        self._stopping.wait(seconds)

    def _session(self) -> None:
        """From connecting to losing the connection or being stopped. Raises what ended it, unless it had lasted."""
        _demand_database(self._database)
        began = time.monotonic()
        try:
            with self._connected() as connection:
                self._consume(connection)
        except (exceptions.AMQPError, OSError) as fault:
            if time.monotonic() - began < WELL_S:
                raise
            log.warning("the connection to the broker was lost: connecting anew", fault=_words(fault))
        finally:
            for each in self._queues:
                each.forget()

    @contextlib.contextmanager
    def _connected(self) -> Iterator[pika.BlockingConnection]:
        try:
            connection = _connect(self._url)
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
            # While the database is away nothing more is taken: a delivery that is not stored counts against a message.
            if not each.consuming and each.due <= time.monotonic() and not self._keeper.busy:
                each.open(connection)

    def _look(self, connection: pika.BlockingConnection) -> None:
        """Receives what there is, or waits for it, and acks what was stored."""
        received, before, looks = 0, -1, 0
        while looks < LOOKS and received > before:
            connection.process_data_events(time_limit=0 if looks else LOOK_S)
            before, received, looks = received, sum(each.waiting for each in self._queues), looks + 1
        self._woken = False
        for each in self._queues:
            each.settle()

    def _store(self, batch: _Batch) -> None:
        if not batch.arrivals:
            batch.stored = []
            self._wake()
        elif self._keeper.busy:
            self._keeper.keep(batch)
        else:
            future = self._committer.submit(batch.arrivals)
            future.add_done_callback(functools.partial(self._on_stored, batch))

    def _on_stored(self, batch: _Batch, future: Future[list[Stored]]) -> None:
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
        with contextlib.suppress(exceptions.AMQPError):  # closed by now: there is nobody to wake
            connection.add_callback_threadsafe(_nothing)

    def _finish(self, connection: pika.BlockingConnection) -> None:
        """Stores and acks what is in hand; closing the connection puts the rest back."""
        # Not by basic_cancel: pika would reject, one by one, what comes meanwhile, and in that flood a quorum queue
        # loses the acks that follow.
        while any(each.unfinished for each in self._queues) and time.monotonic() < self._stop_by:
            connection.process_data_events(time_limit=0.2)
            for each in self._queues:
                each.leave()
                each.settle()


class _Queue:
    """One source's queue, on a channel of its own. Used by the connection's thread only."""

    def __init__(self, source: Source, receiver: Receiver) -> None:
        self.source: Final = source
        self.due = 0.0  #: monotonic; when to open it
        self._receiver = receiver
        self._channel: BlockingChannel | None = None
        self._cancelled = False
        self._faults = 0
        self._received: list[_Message] = []
        self._in_hand: deque[_Batch] = deque()

    @property
    def consuming(self) -> bool:
        return self._channel is not None and self._channel.is_open and not self._cancelled

    @property
    def waiting(self) -> int:
        """Messages received and not taken yet."""
        return len(self._received)

    @property
    def unfinished(self) -> bool:
        """Whether anything in hand may yet be stored."""
        return self._channel is not None and self._channel.is_open and any(not b.given_up for b in self._in_hand)

    def forget(self) -> None:
        """The channel is gone: what was in hand comes again."""
        self._channel, self._cancelled, self.due = None, False, 0.0
        self._received.clear()
        self._in_hand.clear()

    def open(self, connection: pika.BlockingConnection) -> None:
        """Declares and consumes; what the broker has against it is logged, and tried again later."""
        try:
            if self.source.declare:
                _declare(connection, self.source)
            self._consume(connection)
        except exceptions.AMQPChannelError as fault:
            self._faults += 1
            self.due = time.monotonic() + min(wait_s(self._faults), 30)
            log.error(
                "a queue cannot be consumed",
                source=self.source.name,
                queue=self.source.queue,
                fault=_words(fault),
                todo=_todo(fault, self.source),
            )
        else:
            self._faults = 0
            log.info("consuming", source=self.source.name, queue=self.source.queue)

    def _consume(self, connection: pika.BlockingConnection) -> None:
        channel = self._channel
        if channel is None or not channel.is_open:
            self.forget()
            channel = self._channel = connection.channel()
            channel.add_on_cancel_callback(self._on_cancelled)
            channel.basic_qos(prefetch_count=PREFETCH)
        # Cancelled until the broker says otherwise, so that a refusal leaves it to be opened again.
        self._cancelled = True
        channel.basic_consume(self.source.queue, self._on_message)
        self._cancelled = False

    def _on_message(
        self, _channel: BlockingChannel, method: spec.Basic.Deliver, properties: spec.BasicProperties, body: bytes
    ) -> None:
        self._received.append((method.delivery_tag, properties, body))

    def _on_cancelled(self, _frame: Any) -> None:
        """The queue was deleted or has moved. What is in hand of it is still stored, and acked on the same channel."""
        log.warning("the broker stopped the consumer: consuming anew", source=self.source.name)
        self._cancelled = True

    def take(self) -> _Batch | None:
        """What was received since the last time, mapped."""
        if not self._received or self._channel is None:
            return None
        messages, self._received = self._received, []
        batch = _Batch(self.source, self._channel, messages[-1][0], self._arrivals(messages))
        self._in_hand.append(batch)
        return batch

    def _arrivals(self, messages: Sequence[_Message]) -> list[Arrival]:
        """All together, unless something is wrong with one of them."""
        try:
            payloads = [payload for _, properties, body in messages for payload in self._payloads(properties, body)]
            return self._receiver.read_all(self.source, payloads)
        except Exception:  # noqa: BLE001 - whatever it is, it is told and kept with the message whose fault it is
            return [arrival for _, properties, body in messages for arrival in self._arrivals_of(properties, body)]

    def _payloads(self, properties: spec.BasicProperties, body: bytes) -> list[Payload]:
        if len(body) > MAX_BODY:
            raise Unreadable((FieldError("body", f"is larger than {MAX_BODY} bytes"),))
        content_type, message_id = _text(properties.content_type), _text(properties.message_id)
        headers = properties.headers or {}
        return self._receiver.payloads(
            self.source, body, content_type=content_type, headers=headers, message_id=message_id
        ).payloads

    def _arrivals_of(self, properties: spec.BasicProperties, body: bytes) -> list[Arrival]:
        try:
            return self._receiver.read_all(self.source, self._payloads(properties, body))
        except Unreadable as unread:
            fault = unread
        except UnsupportedType as unsupported:
            fault = Unreadable((FieldError("content_type", str(unsupported)),))
        except Exception as surprise:
            log.exception("a message could not be read", source=self.source.name)
            fault = Unreadable((FieldError("body", f"could not be read ({type(surprise).__name__})"),))
        return [unreadable(self.source, body, _text(properties.content_type), fault)]

    def settle(self) -> None:
        """Acks all that is stored up to the first that is not."""
        last: _Batch | None = None
        statuses: Counter[str] = Counter()
        while self._in_hand and self._in_hand[0].stored is not None:
            last = self._in_hand.popleft()
            statuses.update(stored.status for stored in last.stored or ())
        if last is not None and last.channel.is_open:
            last.channel.basic_ack(last.last_tag, multiple=True)
        for status, count in statuses.items():
            EVENTS.labels(self.source.name, status).inc(count)

    def leave(self) -> None:
        """Lets go of what was received but not taken: it goes back when the channel is closed."""
        self._received.clear()


@dataclass(slots=True, eq=False)
class _Keeper:
    """Stores what the committer could not, as often as it takes, in a thread of its own."""

    database: Database
    key: bytes  #: see `inbox.store`
    stopping: threading.Event
    done: Callable[[], None]
    _batches: queue.Queue[_Batch | None] = field(default_factory=queue.Queue)

    def start(self) -> None:
        threading.Thread(target=self._run, name="consumer-keeper", daemon=True).start()

    @property
    def busy(self) -> bool:
        return self._batches.unfinished_tasks > 0

    def keep(self, batch: _Batch) -> None:
        self._batches.put(batch)

    def close(self) -> None:
        self._batches.put(None)

    def _run(self) -> None:
        while (batch := self._batches.get()) is not None:
            try:
                self._store(batch)
            finally:
                self._batches.task_done()
            self.done()

    def _store(self, batch: _Batch) -> None:
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(StoreUnavailable),
            wait=_wait,
            stop=lambda _state: self.stopping.is_set(),
            sleep=self._sleep,
            before_sleep=functools.partial(_tell_kept, batch),
        )
        try:
            batch.stored = retrying(self._settled, batch)
        except tenacity.RetryError:
            batch.given_up = True

    def _sleep(self, seconds: float) -> None:
        self.stopping.wait(seconds)

    def _settled(self, batch: _Batch) -> list[Stored]:
        """What is redelivered need not be stored now; but until it could be, nothing new is to be taken."""
        if batch.redelivered:
            _demand_database(self.database)
            return []
        return self._stored(batch.arrivals)

    def _stored(self, arrivals: Sequence[Arrival]) -> list[Stored]:
        """All in one transaction; where one cannot be stored for its own sake, the others without it."""
        try:
            return self._commit(arrivals)
        except _ITS_OWN_FAULT as fault:
            if len(arrivals) == 1:
                return self._commit_invalid(arrivals[0], fault)
        half = len(arrivals) // 2
        return self._stored(arrivals[:half]) + self._stored(arrivals[half:])

    def _commit_invalid(self, arrival: Arrival, fault: Exception) -> list[Stored]:
        log.error("an event is kept as invalid, as it cannot be stored", fault=type(fault).__name__)
        try:
            return self._commit([inbox.unstorable(arrival)])
        except _ITS_OWN_FAULT as again:
            raise StoreUnavailable(f"an event could not even be kept as invalid ({type(again).__name__})") from again

    def _commit(self, arrivals: Sequence[Arrival]) -> list[Stored]:
        """Raises `StoreUnavailable`, and what is the fault of an arrival as it is."""
        try:
            with self.database.write() as conn:
                return inbox.store(conn, arrivals, key=self.key)
        except (StoreUnavailable, *_ITS_OWN_FAULT):
            raise
        except Exception as fault:
            raise StoreUnavailable(f"the database cannot be used now ({type(fault).__name__})") from fault


def _demand_database(database: Database) -> None:
    """Raises `StoreUnavailable`: what cannot be stored is better left with the broker."""
    with database.read() as conn:
        conn.execute(text("SELECT 1 FROM events LIMIT 1"))


def _nothing() -> None:
    return


def _text(given: Any) -> str:
    """A property as text: pika leaves what is no UTF-8 as bytes."""
    return given.decode(errors="replace") if isinstance(given, bytes) else given or ""


def _tell_lost(state: tenacity.RetryCallState) -> None:
    fault = state.outcome.exception() if state.outcome else None
    what = "the database is away" if isinstance(fault, StoreUnavailable) else "no connection to the broker"
    log.warning(what, fault=_words(fault), next_try_s=round(state.upcoming_sleep, 1))


def _tell_kept(batch: _Batch, state: tenacity.RetryCallState) -> None:
    fault = state.outcome.exception() if state.outcome else None
    log.warning(
        "events wait to be stored",
        source=batch.source.name,
        count=len(batch.arrivals),
        fault=str(fault),
        next_try_s=round(state.upcoming_sleep, 1),
    )


# --- the broker -------------------------------------------------------------------------------------------------


class _Properties(spec.BasicProperties):  # type: ignore[misc]
    """As pika's, but a header that pika cannot read costs the message its headers, not everybody the connection.

    A time in milliseconds (past the year 9999) or a NaN is enough; the broker would send the message again for ever.
    Published again, they are the very bytes that came: pika would cut a header's fractions.
    """

    as_sent = b""

    def decode(self, encoded: bytes, offset: int = 0) -> _Properties:
        try:
            super().decode(encoded, offset)
        except (exceptions.AMQPError, ValueError, ArithmeticError, OSError, struct.error, RecursionError):
            super().decode(_without_headers(encoded[offset:]))
        self.as_sent = encoded[offset:]
        return self

    def encode(self) -> list[bytes]:
        if self.as_sent:
            return [self.as_sent]
        return list(super().encode())


def _without_headers(encoded: bytes) -> bytes:
    """AMQP 0-9-1 §4.2.6.1: flags, then what they announce, headers being third after two short texts."""
    (flags,) = struct.unpack_from(">H", encoded)
    at = 2
    for flag in (spec.BasicProperties.FLAG_CONTENT_TYPE, spec.BasicProperties.FLAG_CONTENT_ENCODING):
        at += 1 + encoded[at] if flags & flag else 0
    (size,) = struct.unpack_from(">I", encoded, at)
    left = flags & ~spec.BasicProperties.FLAG_HEADERS
    return struct.pack(">H", left) + encoded[2:at] + encoded[at + 4 + size :]


def _connect(url: Secret, *, timeout_s: float = CONNECT_S) -> pika.BlockingConnection:
    """A connection; its parameters may be set in the address ("?heartbeat=10").

    Raises `ConnectorError` when the broker does not let us in, `AMQPError` or `OSError` when it cannot be reached.
    """
    # pika tells every failure with a stack trace, and returned messages with their bodies. What matters we tell.
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    spec.props[spec.BasicProperties.INDEX] = _Properties
    parameters = _parameters(url, timeout_s)
    try:
        return pika.BlockingConnection(parameters)
    except (exceptions.ProbableAuthenticationError, exceptions.ProbableAccessDeniedError) as fault:
        if "ConnectionClosedByBroker" not in str(fault):  # only a guess: the connection broke at that moment
            raise
        raise ConnectorError(f"{_place(parameters)} refuses us: {_refusal(fault, parameters)}") from fault


def _parameters(url: Secret, timeout_s: float) -> pika.URLParameters:
    try:
        parameters = pika.URLParameters(url.reveal())
    except (ValueError, TypeError) as fault:
        raise ConnectorError("AMQP_URL is no broker's address: write amqp://user:password@host/vhost") from fault
    if "heartbeat=" not in url.reveal():
        parameters.heartbeat = HEARTBEAT_S
    parameters.socket_timeout = parameters.stack_timeout = timeout_s
    parameters.blocked_connection_timeout = BLOCKED_S
    parameters.client_properties = {"connection_name": "connector"}
    return parameters


def _refusal(fault: Exception, parameters: pika.URLParameters) -> str:
    if isinstance(fault, exceptions.ProbableAuthenticationError):
        return "check the user and the password in AMQP_URL"
    return f"check that the vhost {parameters.virtual_host!r} in AMQP_URL exists and that the user may use it"


def _place(parameters: pika.URLParameters) -> str:
    return f"the broker at {parameters.host}:{parameters.port}"


def _declare(connection: pika.BlockingConnection, source: Source) -> None:
    """The queue and where it is dead-lettered to. One that exists with other arguments is left as it is."""
    dead = f"{source.queue}.dead"
    kind = {"x-queue-type": "quorum"}
    to_dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
    for name, arguments in ((dead, kind), (source.queue, kind | to_dead)):
        try:
            with connection.channel() as channel:  # a refusal closes it
                channel.queue_declare(name, durable=True, arguments=arguments)
        except exceptions.ChannelClosedByBroker as fault:
            if fault.reply_code != PRECONDITION_FAILED:
                raise
            log.warning(
                "a queue exists with other arguments: delete it to have it declared anew, "
                "or set declare = false on its source; it is used as it is",
                source=source.name,
                queue=name,
                fault=_words(fault),
            )


def _todo(fault: exceptions.AMQPChannelError, source: Source) -> str:
    if isinstance(fault, exceptions.ChannelClosed) and fault.reply_code == NOT_FOUND and not source.declare:
        return "create it, or take declare = false from its source"
    return "it is tried again in a moment"


def _words(fault: BaseException | None) -> str:
    """The broker's or the system's own words, out of pika's wrappings."""
    if isinstance(fault, exceptions.ConnectionClosed | exceptions.ChannelClosed):
        return str(fault.reply_text)
    for inner in _within(fault):
        if isinstance(inner, OSError):
            return inner.strerror or str(inner) or type(inner).__name__
    return (str(fault) or type(fault).__name__) if fault else ""


def _within(fault: BaseException | None) -> Iterator[BaseException]:
    """An exception and those that it carries."""
    if fault is None:
        return
    yield fault
    carried = [*fault.args, *getattr(fault, "exceptions", ()), getattr(fault, "exception", None)]
    for inner in carried:
        if isinstance(inner, BaseException):
            yield from _within(inner)


def broker_reachable(amqp_url: Secret | str) -> str:
    """ "" when the broker lets us in, else why not, in one line. Takes five seconds at the most."""
    url = amqp_url if isinstance(amqp_url, Secret) else Secret(amqp_url)
    try:
        _connect(url, timeout_s=5).close()
    except ConnectorError as refusal:
        return str(refusal)
    except (exceptions.AMQPError, OSError) as fault:
        return f"{_place(_parameters(url, 5))} cannot be reached: {_words(fault)}"
    return ""


def redrive(settings: Settings, source: str) -> int:
    """Moves what was dead-lettered back to the source's queue; says how many. Raises `ConnectorError`.

    Each is taken off only once the broker has confirmed its copy. Those that die again meanwhile are left.
    """
    known = settings.sources.get(source)
    if known is None or not known.queue:
        raise ConnectorError(f"{source} is no source with a queue")
    try:
        with contextlib.closing(_connect(settings.amqp_url)) as connection:
            return _moved(connection, known)
    except exceptions.ChannelClosedByBroker as fault:
        raise ConnectorError(f"nothing to redrive from {known.queue}.dead: {_words(fault)}") from fault
    except (exceptions.AMQPError, OSError) as fault:
        raise ConnectorError(f"the broker cannot be used: {_words(fault)}: run it again, none is lost") from fault


def _moved(connection: pika.BlockingConnection, source: Source) -> int:
    channel = connection.channel()
    channel.confirm_delivery()
    dead = f"{source.queue}.dead"
    waiting = channel.queue_declare(dead, passive=True).method.message_count
    for moved in range(waiting):
        method, properties, body = channel.basic_get(dead)
        if method is None:
            return moved
        if properties.user_id is not None:  # the broker takes no message that is signed by another user
            properties.user_id, properties.as_sent = None, b""
        try:
            channel.basic_publish("", source.queue, body, properties, mandatory=True)
        except (exceptions.UnroutableError, exceptions.NackError) as fault:
            raise ConnectorError(
                f"{source.queue} does not take messages: {moved} were moved, the others stay in {dead}"
            ) from fault
        channel.basic_ack(method.delivery_tag)
    return int(waiting)
