"""Keyed hashes: what remains of erased and purged events, so that a second copy is still recognised.

A forgotten event keeps its row, its state and its times. Its key and its fingerprint become hashes that cannot be
guessed without CONNECTOR_SECRET_KEY; `name` and `digest` compute the same hashes for a later copy.
"""

from __future__ import annotations

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
_PREFIX: Final = "forgotten:"


def digest(key: bytes, scope: str, text: str | None) -> str | None:
    """The keyed hash of a text for one use (``scope``); None for None. ``key``: 64 bytes at most."""
    return None if text is None else blake2b(f"{scope}\0{text}".encode(), digest_size=16, key=key).hexdigest()


def name(key: bytes, source: str, called: str) -> str:
    """The stored form of an event's key (or business key) ``called`` after the event was forgotten."""
    return f"{_lapses(called)}{_PREFIX}{digest(key, source, called)}"


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
