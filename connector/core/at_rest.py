"""Encryption of what is stored of persons: payloads, fetched data, records, notes, vendors' results and words.

AES-GCM with the newest of ``CONNECTOR_DATA_KEY``; the id of the key stands before the text, and the column it belongs
to is part of what is authenticated. What was stored before a key was set stays readable. One set of keys for a process.

Vendors' words in reasons are encrypted with AES-SIV: equal words look equal, so that failures can be grouped by cause.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from connector.core.errors import ConnectorError
from connector.core.settings import Secret

# Loaded with the first key: a process that has none, as most commands of an operator, does not wait for it.
if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV

PREFIX: Final = "enc:"  #: no JSON and no data: URL begins so
ALIKE: Final = "eqv:"  #: of texts of which equal ones look equal
_NONCE: Final = 12  #: bytes
LOST: Final = (
    "CONNECTOR_DATA_KEY does not open what is stored: set the key that it was stored with, after the new one: new,old"
)

_keys: dict[str, AESGCM] = {}  #: by id, the newest first
_alike: dict[str, AESSIV] = {}  #: the same


def configure(keys: Sequence[Secret]) -> None:
    """Encrypts with the first of these from now on, and opens with all of them. None: nothing is encrypted."""
    _keys.clear()
    _alike.clear()
    if keys:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV
    for secret in keys:
        raw = blake2b(secret.reveal().encode(), digest_size=32, person=b"at rest").digest()
        name = blake2b(raw, digest_size=4).hexdigest()
        _keys[name] = AESGCM(raw)
        _alike[name] = AESSIV(blake2b(raw, digest_size=64, person=b"alike").digest())


def newest() -> str:
    """How texts begin that are encrypted with the newest key; "" without a key."""
    return f"{PREFIX}{next(iter(_keys))}:" if _keys else ""


def sealed(text: str | None, place: str) -> str | None:
    """The text as it is stored in the column ``place`` ("events.payload"); nothing and None stay."""
    if not text or not _keys:
        return text
    name, key = next(iter(_keys.items()))
    nonce = os.urandom(_NONCE)
    raw = nonce + key.encrypt(nonce, text.encode("utf-8", "surrogatepass"), place.encode())
    return f"{PREFIX}{name}:{base64.b64encode(raw).decode()}"


def sealed_alike(text: str, place: str) -> str:
    """The same, for a text of which equal ones are to look equal."""
    if not text or not _alike:
        return text
    name, key = next(iter(_alike.items()))
    raw = key.encrypt(text.encode("utf-8", "surrogatepass"), [place.encode()])
    return f"{ALIKE}{name}:{base64.b64encode(raw).decode()}"


def newest_alike() -> str:
    """How texts begin that `sealed_alike` gives; "" without a key."""
    return f"{ALIKE}{next(iter(_alike))}:" if _alike else ""


def opened(text: str | None, place: str) -> str | None:
    """The text again. Raises `ConnectorError` if no key opens it."""
    if text is None or not text.startswith((PREFIX, ALIKE)):
        return text
    kind, name, body = text.split(":", 2) if text.count(":") > 1 else (text, "", "")
    if name not in _keys:
        raise ConnectorError(LOST)
    from cryptography.exceptions import InvalidTag

    try:
        raw = base64.b64decode(body, validate=True)
        if f"{kind}:" == ALIKE:
            return _alike[name].decrypt(raw, [place.encode()]).decode("utf-8", "surrogatepass")
        return _keys[name].decrypt(raw[:_NONCE], raw[_NONCE:], place.encode()).decode("utf-8", "surrogatepass")
    except (InvalidTag, ValueError) as fault:
        raise ConnectorError(LOST) from fault


def opened_if_ours(text: str | None, place: str) -> str | None:
    """The same of a text that anybody may have written before there was a key: what does not open stays as it is."""
    try:
        return opened(text, place)
    except ConnectorError:
        return text
