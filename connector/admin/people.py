"""Identifies people by their keys, and knows the rights of their roles."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from typing import Final

from werkzeug.security import check_password_hash

from connector.core.settings import Person

_KNOWN_MOST: Final = 100  #: keys whose slow hash need not be computed again
LONGEST: Final = 500  #: letters of a key


class People:
    """Finds a person by key, in a time that reveals nothing about existing keys. Thread-safe."""

    def __init__(self, people: Mapping[str, Person]) -> None:
        self._people = people
        self._salt = os.urandom(16)
        self._known: dict[bytes, str] = {}  #: keyed digest of a key that passed the slow hash -> name

    def __bool__(self) -> bool:
        return bool(self._people)

    def named(self, name: str) -> Person | None:
        """The person of this name, with the role that the configuration gives them now."""
        return self._people.get(name)

    def of_key(self, key: str) -> Person | None:
        """The person with this key."""
        wire = key.encode("utf-8", "surrogateescape")
        if not wire or len(wire) > LONGEST:
            return None
        found: Person | None = None
        for one in self._people.values():
            if one.token and hmac.compare_digest(wire, one.token.reveal().encode("utf-8", "surrogateescape")):
                found = one
        return found or self._of_hash(wire)

    def _of_hash(self, wire: bytes) -> Person | None:
        digest = hashlib.blake2b(wire, key=self._salt).digest()
        if digest in self._known:
            return self._people.get(self._known[digest])
        hashed = [one for one in self._people.values() if one.token_hash]
        text = wire.decode("utf-8", "replace")
        found = next((one for one in hashed if check_password_hash(one.token_hash, text)), None)
        if found is not None and len(self._known) < _KNOWN_MOST:
            self._known[digest] = found.name
        return found


def marked(person: Person) -> bytes:
    """A value that changes with the person's key: sessions are signed with it."""
    return hashlib.sha256(f"{person.token.reveal()}\0{person.token_hash}".encode("utf-8", "surrogateescape")).digest()
