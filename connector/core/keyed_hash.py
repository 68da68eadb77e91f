"""Keyed hashes: what remains of erased and purged events, so that a second copy is still recognised.

A forgotten event keeps its row, its state and its times. Its key and its fingerprint become hashes that cannot be
guessed without CONNECTOR_SECRET_KEY; `name` and `digest` compute the same hashes for a later copy.

A key may have layers: each hashes the hash of the one before. So a hash can be replaced by one of another key although
nobody knows any more of whom it is.
"""

from __future__ import annotations

import hmac
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from connector.core.times import DAY_MS

HASHED: Final = "sha256:"  #: prefix of event ids made from the body, for senders without ids; such an id lapses
#: prefix of event ids made from what was signed, if that holds no id; such an id lapses later
PROVED: Final = "signed:"
#: For how long the same bytes are a copy: as long as senders repeat, and longer where somebody may play back what he
#: has overheard.
KEPT_MS: Final = {HASHED: 4 * DAY_MS, PROVED: 30 * DAY_MS}
FACT: Final = "forgetting"  #: exists once anything may have been forgotten: `mark` of the key that was used
FORGOTTEN: Final = "forgotten:"


LAYER_BYTES: Final = 32
DIGITS: Final = 32  #: of a hash
_LAYERED: Final = b"\0layered\0"  #: how a key of several layers begins; no key that a person sets does


def digest(key: bytes, scope: str, text: str | None) -> str | None:
    """The keyed hash of a text for one use (``scope``); None for None. ``key``: 64 bytes at most, or `layered`."""
    return None if text is None else hashed(key, f"{scope}\0{text}".encode())


def hashed(key: bytes, data: bytes) -> str:
    """The keyed hash of bytes, `DIGITS` long."""
    if len(key) <= blake2b.MAX_KEY_SIZE:
        return blake2b(data, digest_size=DIGITS // 2, key=key).hexdigest()
    first, layers = _layers(key)
    found = blake2b(data, digest_size=DIGITS // 2, key=first).hexdigest()
    for layer in layers:
        found = again(layer, found)
    return found


def again(layer: bytes, hashed: str) -> str:
    """The hash of a hash under a further layer: HMAC-SHA256, cut to `DIGITS`."""
    return hmac.digest(layer, hashed.encode(), "sha256").hex()[:DIGITS]


def layered(key: bytes, layer: bytes) -> bytes:
    """The key with one layer more."""
    first, layers = _layers(key)
    return b"".join((_LAYERED.ljust(blake2b.MAX_KEY_SIZE, b"\0"), bytes([len(first)]), first, *layers, layer))


@lru_cache(maxsize=8)
def _layers(key: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    """The innermost key, and its layers."""
    if len(key) <= blake2b.MAX_KEY_SIZE:
        return key, ()
    rest = key[blake2b.MAX_KEY_SIZE :]
    end = 1 + rest[0]
    return rest[1:end], tuple(rest[at : at + LAYER_BYTES] for at in range(end, len(rest), LAYER_BYTES))


def name(key: bytes, source: str, called: str) -> str:
    """The stored form of an event's key (or business key) ``called`` after the event was forgotten."""
    return f"{_lapses(called)}{FORGOTTEN}{digest(key, source, called)}"


def lapsed(called: str, received_at: int, now: int) -> bool:
    """Whether the same bytes count as a new event by now. Times are unix ms."""
    prefix = _lapses(called)
    return bool(prefix) and received_at <= now - KEPT_MS[prefix]


def _lapses(called: str) -> str:
    return next((prefix for prefix in KEPT_MS if called.startswith(prefix)), "")


def fingerprint(key: bytes, of: str | None) -> str | None:
    """The stored form of a fingerprint after its event was forgotten."""
    return digest(key, "fingerprint", of)


def mark(key: bytes) -> str:
    """A mark that recognises a secret key without revealing anything of it."""
    return str(digest(key, "mark", "the key of what was forgotten"))
