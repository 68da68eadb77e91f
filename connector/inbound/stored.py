"""Reads the payload of an inbox row again: for replay, for erasing, and for dependent deliveries."""

from __future__ import annotations

import orjson

from connector.core.errors import UnsupportedType
from connector.core.payload import Payload, as_bytes
from connector.inbound.payloads.decode import decode


def payload_of(stored: str, content_type: str, event_id: str, *, as_sent: bool = False) -> Payload:
    """The payload of an inbox row. Raises `Unreadable` or `UnsupportedType` if its bytes cannot be read even now.

    ``as_sent``: its sender has a shape of its own, see `decode`.
    """
    raw = as_bytes(stored)
    if content_type == "application/json":
        try:
            return Payload(orjson.loads(raw), event_id)
        except orjson.JSONDecodeError:
            pass  # JSON only by its sender's declaration: `decode` reports its fault below
    decoded = decode(raw, content_type=content_type, headers={}, as_sent=as_sent)
    if len(decoded.payloads) != 1:
        raise UnsupportedType(f"it holds {len(decoded.payloads)} events: ask the sender for them again")
    (payload,) = decoded.payloads
    return Payload(payload.body, event_id, payload.error)
