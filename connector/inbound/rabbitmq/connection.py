"""A connection to the broker, and the messages about its faults."""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator
from typing import Final

import pika
from pika import exceptions, spec

from connector.core.errors import ConnectorError
from connector.core.phrases import phrase
from connector.core.settings import Secret

HEARTBEAT_S: Final = 30
BLOCKED_S: Final = 60.0  #: reconnect after the broker was short of memory or disk for this long
CONNECT_S: Final = 10.0


class _Properties(spec.BasicProperties):  # type: ignore[misc]
    """Message properties like pika's, but unreadable headers cost only the message its headers, not the connection.

    A time in milliseconds (beyond the year 9999) or a NaN is enough; the broker would redeliver the message for ever.
    When published again they are the original bytes: pika would drop a header's fractions.
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
    """AMQP 0-9-1 §4.2.6.1: flags, then the announced properties; headers come third, after two short texts."""
    (flags,) = struct.unpack_from(">H", encoded)
    at = 2
    for flag in (spec.BasicProperties.FLAG_CONTENT_TYPE, spec.BasicProperties.FLAG_CONTENT_ENCODING):
        at += 1 + encoded[at] if flags & flag else 0
    (size,) = struct.unpack_from(">I", encoded, at)
    left = flags & ~spec.BasicProperties.FLAG_HEADERS
    return struct.pack(">H", left) + encoded[2:at] + encoded[at + 4 + size :]


def connect(url: Secret, *, timeout_s: float = CONNECT_S) -> pika.BlockingConnection:
    """A connection; its parameters may be set in the address ("?heartbeat=10").

    Raises `ConnectorError` when the broker does not let us in, `AMQPError` or `OSError` when it cannot be reached.
    """
    # pika logs every failure with a stack trace, and returned messages with their bodies. We log what matters.
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    spec.props[spec.BasicProperties.INDEX] = _Properties
    parameters = parameters_of(url, timeout_s)
    try:
        return pika.BlockingConnection(parameters)
    except (exceptions.ProbableAuthenticationError, exceptions.ProbableAccessDeniedError) as fault:
        if "ConnectionClosedByBroker" not in str(fault):  # only a guess: the connection broke at that moment
            raise
        raise ConnectorError(
            phrase("{place} refuses us: {why}", place=place_of(parameters), why=_refusal(fault, parameters))
        ) from fault


def parameters_of(url: Secret, timeout_s: float) -> pika.URLParameters:
    try:
        parameters = pika.URLParameters(url.reveal())
    except (ValueError, TypeError) as fault:
        raise ConnectorError(
            phrase("AMQP_URL is no broker's address: write amqp://user:password@host/vhost")
        ) from fault
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


def place_of(parameters: pika.URLParameters) -> str:
    return f"the broker at {parameters.host}:{parameters.port}"


def words_of(fault: BaseException | None) -> str:
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
    """ "" if the broker accepts a connection, otherwise the reason in one line. Takes five seconds at most."""
    url = amqp_url if isinstance(amqp_url, Secret) else Secret(amqp_url)
    try:
        connect(url, timeout_s=5).close()
    except ConnectorError as refusal:
        return str(refusal)
    except (exceptions.AMQPError, OSError) as fault:
        return f"{place_of(parameters_of(url, 5))} cannot be reached: {words_of(fault)}"
    return ""
