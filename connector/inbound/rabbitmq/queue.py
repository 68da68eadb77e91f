"""One source's queue: declared, consumed, mapped, acknowledged."""

from __future__ import annotations

import re
import time
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any, Final

import pika
from pika import exceptions, spec
from pika.adapters.blocking_connection import BlockingChannel

from connector.core.errors import Unreadable, UnsupportedType
from connector.core.log import get
from connector.core.metrics import events
from connector.core.payload import Payload
from connector.core.retry import wait_s
from connector.core.settings import Source
from connector.inbound.rabbitmq.batch import Batch, Message
from connector.inbound.rabbitmq.connection import words_of
from connector.inbound.receiver import Receiver, unreadable
from connector.store.arrivals import Arrival
from mappings.base import FieldError

PREFETCH: Final = 2000  #: messages of one queue in hand, unacked, at the most
MAX_BODY: Final = 10 * 1024 * 1024  #: bytes, as for a webhook
PRECONDITION_FAILED: Final = 406
NOT_FOUND: Final = 404

ACCESS_REFUSED: Final = 403
#: Reading a stream moves nothing off it: without an offset that is kept, leads would be lost or come again.
STREAM: Final = "it is a stream, which the connector does not read"

#: "inequivalent arg 'x-queue-type' for queue 'x': received 'quorum' but current is 'stream'"
_CURRENT_STREAM: Final = re.compile(r"current is .{0,40}\bstream\b")

DEAD_KEPT_MS: Final = 30 * 24 * 3600 * 1000  #: a dead-lettered message, with the person in it
log = get("consumer")


class Queue:
    """One source's queue, on a channel of its own. Used by the connection's thread only."""

    def __init__(self, source: Source, receiver: Receiver) -> None:
        self.source: Final = source
        self.due = 0.0  #: monotonic; when to open it
        self._receiver = receiver
        self._channel: BlockingChannel | None = None
        self._cancelled = False
        self._faults = 0
        self._received: list[Message] = []
        self._in_hand: deque[Batch] = deque()

    @property
    def consuming(self) -> bool:
        return self._channel is not None and self._channel.is_open and not self._cancelled

    @property
    def waiting(self) -> int:
        """Messages received and not yet taken into a batch."""
        return len(self._received)

    @property
    def unfinished(self) -> bool:
        """Whether any message in hand may still be stored."""
        return self._channel is not None and self._channel.is_open and any(not b.given_up for b in self._in_hand)

    def forget(self) -> None:
        """The channel is gone: its unacked messages will be redelivered."""
        self._channel, self._cancelled, self.due = None, False, 0.0
        self._received.clear()
        self._in_hand.clear()

    def open(self, connection: pika.BlockingConnection) -> None:
        """Declares and consumes; a refusal of the broker is logged, and retried later."""
        try:
            if self.source.declare:
                _declare(connection, self.source)
            if is_stream(connection, self.source.queue):
                self._put_off(STREAM, "bind a quorum queue to the same exchange, and name that one")
                return
            self._consume(connection)
        except exceptions.AMQPChannelError as fault:
            self._put_off(words_of(fault), _todo(fault, self.source))
        else:
            self._faults = 0
            log.info("consuming", source=self.source.name, queue=self.source.queue)

    def _put_off(self, fault: str, todo: str) -> None:
        self._faults += 1
        self.due = time.monotonic() + min(wait_s(self._faults), 30)
        log.error(
            "a queue cannot be consumed", source=self.source.name, queue=self.source.queue, fault=fault, todo=todo
        )

    def _consume(self, connection: pika.BlockingConnection) -> None:
        channel = self._channel
        if channel is None or not channel.is_open:
            self.forget()
            channel = self._channel = connection.channel()
            channel.add_on_cancel_callback(self._on_cancelled)
            channel.basic_qos(prefetch_count=PREFETCH)
        # Counts as cancelled until the broker confirms, so that a refused queue is opened again.
        self._cancelled = True
        channel.basic_consume(self.source.queue, self._on_message)
        self._cancelled = False

    def _on_message(
        self, _channel: BlockingChannel, method: spec.Basic.Deliver, properties: spec.BasicProperties, body: bytes
    ) -> None:
        self._received.append((method.delivery_tag, properties, body))

    def _on_cancelled(self, _frame: Any) -> None:
        """The queue was deleted or has moved. Its messages in hand are still stored, and acked on the same channel."""
        log.warning("the broker stopped the consumer: consuming again", source=self.source.name)
        self._cancelled = True

    def take(self) -> Batch | None:
        """The messages received since the last call, mapped."""
        if not self._received or self._channel is None:
            return None
        messages, self._received = self._received, []
        batch = Batch(self.source, self._channel, messages[-1][0], self._arrivals(messages))
        self._in_hand.append(batch)
        return batch

    def _arrivals(self, messages: Sequence[Message]) -> list[Arrival]:
        """All together, unless one of them has a fault."""
        try:
            payloads = [payload for _, properties, body in messages for payload in self._payloads(properties, body)]
            return self._receiver.read_all(self.source, payloads)
        except Exception:  # noqa: BLE001 - any fault is logged and kept with its message
            return [arrival for _, properties, body in messages for arrival in self._arrivals_of(properties, body)]

    def _payloads(self, properties: spec.BasicProperties, body: bytes) -> list[Payload]:
        if len(body) > MAX_BODY:
            raise Unreadable((FieldError("body", f"is larger than {MAX_BODY} bytes"),))
        content_type, message_id = _text(properties.content_type), _text(properties.message_id).strip()
        headers = properties.headers or {}
        if encoding := _text(properties.content_encoding):
            headers = {**headers, "content-encoding": encoding}
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
        """Acks all messages up to the first that is not stored."""
        last: Batch | None = None
        statuses: Counter[str] = Counter()
        while self._in_hand and self._in_hand[0].stored is not None:
            last = self._in_hand.popleft()
            statuses.update(stored.status for stored in last.stored or ())
        if last is not None and last.channel.is_open:
            last.channel.basic_ack(last.last_tag, multiple=True)
        for status, count in statuses.items():
            events(self.source.name, status).inc(count)

    def leave(self) -> None:
        """Drops messages that were received but not taken: they are requeued when the channel is closed."""
        self._received.clear()


def _text(value: Any) -> str:
    """A property as text: pika leaves bytes if it is not UTF-8."""
    return value.decode(errors="replace") if isinstance(value, bytes) else value or ""


def _declare(connection: pika.BlockingConnection, source: Source) -> None:
    """The queue and where it is dead-lettered to. One that exists with other arguments is left as it is."""
    dead = f"{source.queue}.dead"
    kind = {"x-queue-type": "quorum"}
    to_dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
    if not _declared(connection, dead, kind | {"x-message-ttl": DEAD_KEPT_MS}):
        _declare_one(connection, source, dead, kind)  # of a release before: it keeps its messages for ever
    _declare_one(connection, source, source.queue, kind | to_dead)


def _declared(connection: pika.BlockingConnection, name: str, arguments: dict[str, Any]) -> bool:
    """Whether a queue is there with these arguments from now on."""
    try:
        with connection.channel() as channel:  # a refusal closes it
            channel.queue_declare(name, durable=True, arguments=arguments)
    except exceptions.ChannelClosedByBroker as fault:
        if fault.reply_code not in (PRECONDITION_FAILED, ACCESS_REFUSED):
            raise
        return False
    return True


def _declare_one(connection: pika.BlockingConnection, source: Source, name: str, arguments: dict[str, Any]) -> None:
    try:
        with connection.channel() as channel:
            channel.queue_declare(name, durable=True, arguments=arguments)
    except exceptions.ChannelClosedByBroker as fault:
        if fault.reply_code not in (PRECONDITION_FAILED, ACCESS_REFUSED):
            raise
        log.warning(_left_as_it_is(fault), source=source.name, queue=name, fault=words_of(fault))


def _left_as_it_is(fault: exceptions.ChannelClosedByBroker) -> str:
    if fault.reply_code == ACCESS_REFUSED:
        return "the user may not declare a queue: set declare = false on its source, or let the user configure it"
    words = words_of(fault)
    if "'durable'" in words or "'auto_delete'" in words or "'exclusive'" in words:
        return "a queue loses its messages when the broker restarts or nobody consumes it: declare it durable"
    return (
        "a queue exists with other arguments: delete it to have it declared again, "
        "or set declare = false on its source; it is used as it is"
    )


def is_stream(connection: pika.BlockingConnection, name: str) -> bool:
    """Whether an existing queue is a stream: the broker shows it only by refusing a declaration."""
    try:
        with connection.channel() as channel:
            channel.queue_declare(name, passive=True)
        with connection.channel() as channel:
            channel.queue_declare(name, durable=True, arguments={"x-queue-type": "quorum"})
    except exceptions.ChannelClosedByBroker as fault:
        return _CURRENT_STREAM.search(words_of(fault)) is not None
    return False


def _todo(fault: exceptions.AMQPChannelError, source: Source) -> str:
    code = fault.reply_code if isinstance(fault, exceptions.ChannelClosed) else 0
    if code == NOT_FOUND and not source.declare:
        return "create it, or take declare = false from its source"
    if code == NOT_FOUND:
        return "create it, or let the user declare it (configure)"
    if code == ACCESS_REFUSED:
        return "let the user read it"
    return "it is tried again in a moment"


def trial(connection: pika.BlockingConnection, source: Source) -> str:
    """Why the source's queue cannot be consumed, and what to do; "" if it can. Consumes no message."""
    try:
        with connection.channel() as channel:
            waiting = channel.queue_declare(source.queue, passive=True).method.message_count
    except exceptions.ChannelClosedByBroker as fault:
        if fault.reply_code == NOT_FOUND and source.declare:
            return _trial_of_declaring(connection, source)
        return f"{words_of(fault)}: {_todo(fault, source)}"
    if is_stream(connection, source.queue):
        return f"{STREAM}: bind a quorum queue to the same exchange, and name that one"
    if waiting:  # consuming would count as a delivery of each message that comes
        return ""
    try:
        with connection.channel() as channel:
            channel.basic_qos(prefetch_count=1)
            channel.basic_cancel(channel.basic_consume(source.queue, lambda *_message: None))
    except exceptions.ChannelClosedByBroker as fault:
        return f"{words_of(fault)}: {_todo(fault, source)}"
    return ""


def _trial_of_declaring(connection: pika.BlockingConnection, source: Source) -> str:
    """The queue does not exist yet: whether the user may declare one, by declaring one that goes at once."""
    try:
        with connection.channel() as channel:
            name = f"{source.queue}.check"
            channel.queue_declare(name, exclusive=True, auto_delete=True)
            channel.queue_delete(name)
    except exceptions.ChannelClosedByBroker as fault:
        why = f"it does not exist, and the user may not declare it ({words_of(fault)})"
        return f"{why}: create it, and {source.queue}.dead"
    return ""
