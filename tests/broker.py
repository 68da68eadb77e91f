"""RabbitMQ for the tests: that of TEST_AMQP_URL, a queue of the test's own, and a wire that can be cut."""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any

import pika
import pytest
from pika import exceptions

from connector.inbound.rabbitmq.queue import DEAD_KEPT_MS
from tests.conftest import missing

AMQP_URL = os.environ.get("TEST_AMQP_URL") or "amqp://guest:guest@127.0.0.1:5672/%2F"


def wait_until(true: Callable[[], Any], timeout_s: float = 300.0) -> None:
    """Returns as soon as it is true, and fails when it is not in time."""
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


class Broker:
    """One queue and its dead-letter queue, named at random."""

    def __init__(self) -> None:
        self.queue = f"test.{secrets.token_hex(6)}"
        self.dead = f"{self.queue}.dead"

    def connect(self) -> pika.BlockingConnection:
        return pika.BlockingConnection(pika.URLParameters(AMQP_URL))

    def declare(self) -> None:
        """As the connector does."""
        with closing(self.connect()) as connection:
            channel = connection.channel()
            quorum = {"x-queue-type": "quorum"}
            channel.queue_declare(self.dead, durable=True, arguments=quorum | {"x-message-ttl": DEAD_KEPT_MS})
            to_dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": self.dead}
            channel.queue_declare(self.queue, durable=True, arguments=quorum | to_dead)

    def publish(self, *bodies: bytes, queue: str = "", **properties: Any) -> None:
        """Confirmed by the broker."""
        with closing(self.connect()) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            for body in bodies:
                given = pika.BasicProperties(delivery_mode=2, **properties)
                channel.basic_publish("", queue or self.queue, body, given, mandatory=True)

    def publish_each(self, left: dict[str, bytes]) -> None:
        """By message id, one connection; takes out of ``left`` what the broker has confirmed."""
        with closing(self.connect()) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            for message_id, body in list(left.items()):
                given = pika.BasicProperties(delivery_mode=2, message_id=message_id)
                channel.basic_publish("", self.queue, body, given, mandatory=True)
                del left[message_id]

    def fill(self, bodies: list[bytes]) -> None:
        """Many at once. The channel stays until all are there: one closed sooner may take some of them with it."""
        with closing(self.connect()) as connection:
            channel = connection.channel()
            for body in bodies:
                channel.basic_publish("", self.queue, body)
            wait_until(lambda: channel.queue_declare(self.queue, passive=True).method.message_count == len(bodies))

    def get(self, queue: str = "") -> tuple[Any, Any, bytes]:
        """Takes one message off."""
        with closing(self.connect()) as connection:
            method, properties, body = connection.channel().basic_get(queue or self.queue, auto_ack=True)
            assert method is not None
            return method, properties, body

    def refuse_all(self) -> None:
        """Has every waiting message dead-lettered."""
        with closing(self.connect()) as connection:
            channel = connection.channel()
            while (method := channel.basic_get(self.queue)[0]) is not None:
                channel.basic_nack(method.delivery_tag, requeue=False)

    def depth(self, queue: str = "") -> int:
        """Messages that nobody has in hand."""
        with closing(self.connect()) as connection:
            return connection.channel().queue_declare(queue or self.queue, passive=True).method.message_count

    def exists(self, queue: str = "") -> bool:
        try:
            self.depth(queue)
        except exceptions.ChannelClosedByBroker:
            return False
        return True

    def delete(self, queue: str = "") -> None:
        with closing(self.connect()) as connection:
            connection.channel().queue_delete(queue or self.queue)


@pytest.fixture
def broker() -> Iterator[Broker]:
    """Its queues do not exist yet; they are deleted in the end."""
    broker = Broker()
    try:
        broker.connect().close()
    except exceptions.AMQPError:
        missing("no RabbitMQ at TEST_AMQP_URL, or at 127.0.0.1:5672")
    yield broker
    broker.delete(broker.queue)
    broker.delete(broker.dead)


class Wire:
    """A way to a server that can be cut and mended. ``port`` stays the same."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._ends: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._whole = True
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        """Every connection breaks, and new ones are dropped."""
        self._whole = False
        ends, self._ends = self._ends, []
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def mend(self) -> None:
        self._whole = True

    def close(self) -> None:
        self.cut()
        self._listener.close()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near = listener.accept()[0]
                if not self._whole:
                    near.close()
                    continue
                far = socket.create_connection(self._target)
                self._ends += [near, far]
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=_carry, args=pair, daemon=True).start()


def _carry(giving: socket.socket, taking: socket.socket) -> None:
    with suppress(OSError):
        while data := giving.recv(65536):
            taking.sendall(data)
    for end in (giving, taking):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
