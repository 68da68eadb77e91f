"""Invented leads, signed as a Standard Webhooks sender signs them. Number n always gives the same person."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import orjson

SECRET = "whsec_YmVuY2gtc2VjcmV0LTI0LWJ5dGVzLWxvbmc="
SOURCE = "landing"
_KEY = base64.b64decode(SECRET.removeprefix("whsec_"))
_NOW = datetime.now(UTC).replace(microsecond=0)  #: an old lead would not be dialled any more
_TOMORROW = (_NOW + timedelta(days=1)).astimezone(timezone(timedelta(hours=-5)))
_FIRST_PHONE = 3_000_000_000
_FIRST_ID_NUMBER = 1_000_000_000


def lead(number: int, *, run: str = "b") -> dict[str, object]:
    """Our own lead JSON, about 600 bytes, with a phone and an id number that only this n has (n < 10,000,000)."""
    return {
        "id": f"L-{run}-{number}",
        "type": "lead.created",
        "time": _NOW.isoformat(),
        "data": {
            "first_name": "Ana María",
            "last_name": "Núñez Peña",
            "id_type": "CC",
            "id_number": id_number(number),
            "age": 34,
            "gender": "F",
            "country": "Colombia",
            "state": "Antioquia",
            "city": "Medellín",
            "zone": "El Poblado",
            "address": "Calle 10 # 43-12, apartamento 501",
            "phones": [f"+57{_FIRST_PHONE + number}"],
            "email": f"ana.{number}@example.com",
            "callback_at": _TOMORROW.isoformat(),
            "callback_phone": "",
            "extra": {"utm": {"source": "google", "campaign": "posgrados-2027"}, "program": "MBA", "form": "landing-7"},
        },
    }


def id_number(number: int) -> str:
    """What wolkvox gets as ``customer_id``: how a row at the vendor is told apart."""
    return str(_FIRST_ID_NUMBER + number)


def number_of(customer_id: str) -> int:
    """The n of a ``customer_id`` made by `id_number`."""
    return int(customer_id) - _FIRST_ID_NUMBER


def body(number: int, *, run: str = "b") -> bytes:
    return orjson.dumps(lead(number, run=run))


def array(first: int, count: int, *, run: str = "b") -> bytes:
    """A JSON array of `count` leads, 10,000 at most, as a sender in bulk would post it."""
    return orjson.dumps([lead(number, run=run) for number in range(first, first + count)])


def signature(message_id: str, timestamp: str, raw: bytes) -> str:
    """The ``webhook-signature`` header's value."""
    digest = hmac.digest(_KEY, f"{message_id}.{timestamp}.".encode() + raw, hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode()


def request(number: int, raw: bytes, *, host: str, path: str, run: str = "b", timestamp: str = "") -> bytes:
    """One whole signed HTTP/1.1 request, ready for the socket."""
    timestamp = timestamp or str(int(time.time()))
    message_id = f"msg_{run}_{number}"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(raw)}\r\n"
        f"webhook-id: {message_id}\r\nwebhook-timestamp: {timestamp}\r\n"
        f"webhook-signature: {signature(message_id, timestamp, raw)}\r\n\r\n"
    )
    return head.encode() + raw


def requests(first: int, count: int, *, host: str, path: str, run: str = "b") -> Iterator[bytes]:
    """`count` signed requests, each a lead of its own."""
    timestamp = str(int(time.time()))
    for number in range(first, first + count):
        yield request(number, body(number, run=run), host=host, path=path, run=run, timestamp=timestamp)


def verify(message_id: str, timestamp: str, given: str, raw: bytes, *, tolerance_s: int = 300) -> bool:
    """What the floor and the rivals check: the same HMAC and replay window as the connector's own verification."""
    if not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > tolerance_s:
        return False
    expected = signature(message_id, timestamp, raw).encode()
    return any(hmac.compare_digest(one.encode(), expected) for one in given.split())
