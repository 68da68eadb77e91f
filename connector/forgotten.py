"""What is left of what was forgotten: keyed hashes, by which a second copy is still known as one.

An event that was forgotten keeps its row, its state and its times. Its key and its fingerprint become hashes that
nobody can guess without CONNECTOR_SECRET_KEY; `name` and `digest` make the same ones of a copy that comes later.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

HASHED: Final = "sha256:"  #: begins event ids made of the body, for senders that give none; they lapse
FACT: Final = "forgetting"  #: there once anything may have been forgotten: `mark` of the key that it was done with
_PREFIX: Final = "forgotten:"


def digest(key: bytes, scope: str, text: str | None) -> str | None:
    """The keyed hash of a text, for one use (``scope``); None of None. ``key``: 64 bytes at the most."""
    return None if text is None else blake2b(f"{scope}\0{text}".encode(), digest_size=16, key=key).hexdigest()


def name(key: bytes, source: str, called: str) -> str:
    """What the key (or second key) ``called`` of a source's event is once the event is forgotten."""
    lapses = HASHED if called.startswith(HASHED) else ""
    return f"{lapses}{_PREFIX}{digest(key, source, called)}"


def fingerprint(key: bytes, of: str | None) -> str | None:
    """What a fingerprint is once its event is forgotten."""
    return digest(key, "fingerprint", of)


def mark(key: bytes) -> str:
    """By what a key is known again, without saying anything of it."""
    return str(digest(key, "mark", "the key of what was forgotten"))
