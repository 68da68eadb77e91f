"""A payload between its bytes and its event, and the bytes as the database keeps them."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, Final

from connector.core.errors import Unreadable

DATA_URL: Final = "data:application/octet-stream;base64,"  #: prefix of bytes that are not text


@dataclass(slots=True)
class Payload:
    """The source text of one event. With an `error`, `body` is the part of it that could be kept."""

    body: Any
    event_id: str = ""  #: from an envelope or the message; "" if there is none
    error: Unreadable | None = None
    spare_id: str = ""  #: for a body that has no id of its own
    received_ns: int = 0  #: when it came, unix ns, if it is read later than that; 0: now


def as_text(raw: bytes) -> str:
    """Bytes as the database keeps them: text if they are UTF-8 without NUL (Postgres refuses NUL), else a data: URL."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = "\0"
    return text if "\0" not in text else DATA_URL + base64.b64encode(raw).decode()


def as_bytes(stored: str) -> bytes:
    """The bytes that `as_text` was given."""
    if stored.startswith(DATA_URL):
        return base64.b64decode(stored.removeprefix(DATA_URL), validate=False)
    return stored.encode()
