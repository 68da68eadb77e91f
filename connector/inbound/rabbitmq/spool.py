"""The spool as a durable quorum queue of the broker. Each message carries the requests that came together."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

import orjson
import pika
from pika import exceptions
from pika.adapters.blocking_connection import BlockingChannel

from connector.core.errors import ConnectorError
from connector.core.settings import Secret
from connector.core.spool import Held, Part, Reading, SpoolUnavailable
from connector.inbound.rabbitmq.connection import connect, words_of

CONNECT_S: Final = 5.0  #: the sender of a webhook waits
_MORE_S: Final = 0.1  #: after so long what has come is stored, or the queue asked whether it is empty
_HERE: Final = b"[]"  #: a message without a request
AT_ONCE: Final = 200  #: messages, or requests, that are stored together
_IN_USE: Final = 403
_REFUSED: Final = 406
_RETURNS: Final = 1_000_000_000
_PERSISTENT: Final = pika.BasicProperties(delivery_mode=2, content_type="application/json", app_id="connector")


class QueueSpool:
    """Published with confirms, so that a request is answered only when a majority of the broker's nodes has it."""

    kind = "queue"

    def __init__(self, url: Secret, queue: str) -> None:
        self._url: Final = url
        self._queue: Final = queue
        self._connection: pika.BlockingConnection | None = None
        self._channel: BlockingChannel | None = None

    def add(self, texts: Sequence[str]) -> None:
        body = orjson.dumps(list(texts))
        with _as_unavailable():
            try:
                self._publish(body)
            except (exceptions.AMQPError, OSError):
                self.rest()  # the connection may have gone since it was used; a second copy would be a duplicate
                self._publish(body)

    def _publish(self, body: bytes) -> None:
        if self._channel is None or not self._channel.is_open:
            self.rest()
            self._connection = _connected(self._url)
            _declare(self._connection, self._queue)
            self._channel = self._connection.channel()
            self._channel.confirm_delivery()
        self._channel.basic_publish("", self._queue, body, properties=_PERSISTENT, mandatory=True)

    def rest(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None and connection.is_open:
            with contextlib.suppress(exceptions.AMQPError, OSError):
                connection.close()

    def close(self) -> None:
        self.rest()

    def retry(self) -> int:
        """Does nothing: requests that were set aside stay on `<queue>.dead` until a person moves them."""
        return 0

    @contextlib.contextmanager
    def reading(self) -> Iterator[Reading | None]:
        with _as_unavailable():
            connection = _connected(self._url)
            try:
                _declare(connection, self._queue)
                channel = connection.channel()
                channel.basic_qos(prefetch_count=AT_ONCE)
                channel.confirm_delivery()
                yield _QueueReading(connection, channel, self._queue)
            except exceptions.ChannelClosedByBroker as fault:
                if fault.reply_code != _IN_USE:
                    raise
            finally:
                with contextlib.suppress(exceptions.AMQPError, OSError):
                    connection.close()

    def held(self) -> Held:
        with _as_unavailable():
            connection = _connected(self._url)
            try:
                return Held(*(_count(connection, name) for name in (self._queue, dead(self._queue))))
            finally:
                with contextlib.suppress(exceptions.AMQPError, OSError):
                    connection.close()


class _QueueReading:
    def __init__(self, connection: pika.BlockingConnection, channel: BlockingChannel, queue: str) -> None:
        self._connection: Final = connection
        self._channel: Final = channel
        self._queue: Final = queue
        self._ends = False

    def until_here(self) -> None:
        """By an empty message: it comes after all that is there. One that a dead reader left says nothing."""
        self._channel.basic_publish("", self._queue, _HERE, properties=_PERSISTENT, mandatory=True)
        self._ends = True

    def parts(self) -> Iterator[Part]:
        """Exclusively, so that the order stays; another reader is refused (403). Messages that wait go together."""
        texts: list[str] = []
        messages, tag, begun_s, is_here = 0, 0, 0.0, False
        for method, _properties, body in self._channel.consume(self._queue, exclusive=True, inactivity_timeout=_MORE_S):
            if method is not None:
                begun_s = begun_s if messages else time.monotonic()
                texts += _texts(body)
                messages, tag, is_here = messages + 1, method.delivery_tag, self._ends and body == _HERE
                is_full = messages >= AT_ONCE or len(texts) >= AT_ONCE or time.monotonic() > begun_s + _MORE_S
                if not (is_full or is_here):
                    continue
            if texts:
                yield Part(texts, tag)
            elif messages:
                self._channel.basic_ack(tag, multiple=True)
            elif not _count(self._connection, self._queue):
                break
            if is_here:
                break
            texts, messages = [], 0
        self._channel.cancel()

    def done(self, part: Part, poison: Sequence[tuple[int, str]]) -> None:
        for position, why in poison:
            body = orjson.dumps([part.texts[position]])
            properties = pika.BasicProperties(delivery_mode=2, headers={"connector-why": why})
            self._channel.basic_publish("", dead(self._queue), body, properties=properties, mandatory=True)
        self._channel.basic_ack(part.mark, multiple=True)


def dead(queue: str) -> str:
    """The name of the queue for requests that could not be stored."""
    return f"{queue}.dead"


def _texts(body: bytes) -> list[str]:
    """The requests of a message; a foreign message stands for itself, and cannot be read."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = None
    ours = isinstance(found, list) and all(isinstance(one, str) for one in found)
    return found if ours else [body.decode("utf-8", "replace")]


def _connected(url: Secret) -> pika.BlockingConnection:
    try:
        return connect(url, timeout_s=CONNECT_S)
    except ConnectorError as refusal:
        raise SpoolUnavailable(str(refusal)) from refusal


def _declare(connection: pika.BlockingConnection, queue: str) -> None:
    """Both queues. One that exists with other arguments is used as it is."""
    quorum: dict[str, Any] = {"x-queue-type": "quorum"}
    to_dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead(queue)}
    # A reader that dies again and again must not make the broker give a request up: brokers of 4 do so after 20 returns
    # unless they are told another number. No number means "never" to all of them: -1 means "at once" to those of 3.
    arguments = {dead(queue): quorum, queue: quorum | to_dead | {"x-delivery-limit": _RETURNS}}
    for name, options in arguments.items():
        try:
            with connection.channel() as channel:
                channel.queue_declare(name, durable=True, arguments=options)
        except exceptions.ChannelClosedByBroker as fault:
            if fault.reply_code != _REFUSED:
                raise


def _count(connection: pika.BlockingConnection, queue: str) -> int:
    try:
        with connection.channel() as channel:
            return int(channel.queue_declare(queue, passive=True).method.message_count)
    except exceptions.ChannelClosedByBroker:
        return 0  # nothing was spooled yet


@contextlib.contextmanager
def _as_unavailable() -> Iterator[None]:
    try:
        yield
    except (exceptions.AMQPError, OSError) as fault:
        raise SpoolUnavailable(f"the broker cannot be used now: {words_of(fault)}") from fault
