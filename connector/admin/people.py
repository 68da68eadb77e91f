"""Identifies people by their keys, and knows the rights of their roles."""

from __future__ import annotations

import hashlib
import hmac
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

from werkzeug.security import check_password_hash

from connector.core.errors import ConnectorError
from connector.core.settings import Person

_KNOWN_MOST: Final = 100  #: keys that need no slow hash again
LONGEST: Final = 500  #: letters of a key
FREE_TRIES: Final = 3  #: wrong keys in a row without a wait
LONGEST_WAIT_S: Final = 60.0


class WaitFirst(ConnectorError):  # noqa: N818 - a verdict on the caller
    """Too many wrong keys came: none that needs the slow hash is looked at for now."""

    def __init__(self, wait_s: float) -> None:
        super().__init__("too many wrong keys: try again later")
        self.wait_s = wait_s


class People:
    """Finds a person by key, in a time that reveals nothing about existing keys. Thread-safe."""

    def __init__(self, people: Mapping[str, Person]) -> None:
        self._people = people
        self._salt = os.urandom(16)
        self._known: dict[bytes, str] = {}  #: keyed digest of a key that passed the slow hash -> name
        self._has_hashes = any(one.token_hash for one in people.values())
        self._tries = Tries()
        self._one_at_a_time = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._people)

    def named(self, name: str) -> Person | None:
        """The person of this name, with the role that the configuration gives them now."""
        return self._people.get(name)

    def of_key(self, key: str) -> Person | None:
        """The person with this key."""
        wire = key.encode("utf-8", "surrogateescape")
        return self._at_once(wire) or self._of_hash(wire)

    def of_keys_of_strangers(self, key: str) -> Person | None:
        """The same where nobody counts who asks. Raises `WaitFirst`.

        A slow hash takes a core and 32 MB for a tenth of a second: so one at a time, and few for wrong keys. A key that
        was right before is known without.
        """
        wire = key.encode("utf-8", "surrogateescape")
        if (found := self._at_once(wire)) is not None:
            return found
        with self._one_at_a_time:
            if (wait_s := self._tries.wait_s()) > 0 and wire and self._has_hashes:
                raise WaitFirst(wait_s)
            found = self._of_hash(wire)
            if found is not None:
                self._tries.right()
            elif wire and self._has_hashes:
                self._tries.wrong()
            return found

    def _at_once(self, wire: bytes) -> Person | None:
        """The person of a key that needs no slow hash, or that was hashed lately."""
        found: Person | None = None
        for one in self._people.values():
            if one.token and hmac.compare_digest(wire, one.token.reveal().encode("utf-8", "surrogateescape")):
                found = one
        name = self._known.get(self._digest(wire))
        return found or (None if name is None else self._people.get(name))

    def _digest(self, wire: bytes) -> bytes:
        return hashlib.blake2b(wire, key=self._salt).digest()

    def _of_hash(self, wire: bytes) -> Person | None:
        if not wire or len(wire) > LONGEST:
            return None
        hashed = [one for one in self._people.values() if one.token_hash]
        text = wire.decode("utf-8", "replace")
        found = next((one for one in hashed if check_password_hash(one.token_hash, text)), None)
        if found is not None and len(self._known) < _KNOWN_MOST:
            self._known[self._digest(wire)] = found.name
        return found


def marked(person: Person) -> bytes:
    """A value that changes with the person's key: sessions are signed with it."""
    return hashlib.sha256(f"{person.token.reveal()}\0{person.token_hash}".encode("utf-8", "surrogateescape")).digest()


class Tries:
    """Wrong keys in this process: after the first few, each lengthens the next wait. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._wrong = 0
        self._until = 0.0

    def wait_s(self) -> float:
        """How long no key is checked."""
        with self._lock:
            return max(0.0, self._until - self._clock())

    def wrong(self) -> None:
        with self._lock:
            self._wrong += 1
            over = self._wrong - FREE_TRIES
            if over > 0:
                self._until = self._clock() + min(LONGEST_WAIT_S, 2.0 ** min(over - 1, 10))

    def right(self) -> None:
        with self._lock:
            self._wrong, self._until = 0, 0.0
