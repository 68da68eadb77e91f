"""The key of the keyed hashes, sealed with a secret key, so that the secret key can be replaced.

A hash cannot be computed again if the person was forgotten or never stored. So the key of the hashes stays, and only
the key that seals it is replaced.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from connector.core.settings import Secret

# Loaded where a key is sealed or opened: a command that only looks does not wait for it.
if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_USE: Final = b"connector: the key of the hashes"
_NONCE: Final = 12  #: bytes


def seal(secret: Secret, key: bytes) -> str:
    """``key`` in a form that only the secret opens."""
    nonce = os.urandom(_NONCE)
    return base64.b64encode(nonce + _locked(secret).encrypt(nonce, key, _USE)).decode()


def unseal(secrets: Sequence[Secret], sealed: str) -> bytes | None:
    """The key; None if none of the secrets opens it."""
    try:
        raw = base64.b64decode(sealed, validate=True)
    except (binascii.Error, ValueError):
        return None
    from cryptography.exceptions import InvalidTag

    for secret in secrets:
        try:
            return _locked(secret).decrypt(raw[:_NONCE], raw[_NONCE:], _USE)
        except (InvalidTag, ValueError):
            continue
    return None


def _locked(secret: Secret) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(blake2b(secret.reveal().encode(), digest_size=32, person=b"sealing").digest())
