"""Sessions: a signed cookie with a name and two times, and the token that every form carries.

Signed with CONNECTOR_SECRET_KEY and the person's own key, so that a change of either ends the sessions.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from itsdangerous import BadData, URLSafeSerializer

from connector.admin.people import People, marked
from connector.core.settings import Person

IDLE_S: Final = 8 * 3600.0
LONGEST_S: Final = 12 * 3600.0
RENEW_S: Final = 60.0  #: least time between two renewals of the cookie


@dataclass(frozen=True, slots=True)
class Session:
    """The session of one browser. ``person``: None before signing in. Times in unix seconds."""

    id: str
    person: Person | None
    begun: float
    used: float

    @property
    def ends(self) -> float:
        return min(self.begun + LONGEST_S, self.used + IDLE_S)


class Sessions:
    """Reads and writes the cookie. Stores nothing: any process may answer."""

    def __init__(self, key: bytes, people: People, clock: Callable[[], float] = time.time) -> None:
        self._key = key
        self._people = people
        self._clock = clock

    def fresh(self, person: Person | None) -> Session:
        """A new session, as after signing in."""
        now = self._clock()
        return Session(secrets.token_urlsafe(16), person, now, now)

    def read(self, cookie: str) -> Session | None:
        """The session of the cookie; None if it is foreign or expired."""
        name = self._name(cookie)
        person = self._people.named(name) if name else None
        if name is None or (name and person is None):
            return None
        try:
            said: dict[str, Any] = self._signer(person).loads(cookie)
            found = Session(str(said["i"]), person, float(said["b"]), float(said["u"]))
        except (BadData, KeyError, TypeError, ValueError):
            return None
        return found if found.ends > self._clock() else None

    def written(self, session: Session) -> str:
        """The cookie of a session that is used now."""
        name = session.person.name if session.person else ""
        said = {"i": session.id, "n": name, "b": int(session.begun), "u": int(self._clock())}
        return str(self._signer(session.person).dumps(said))

    def is_old(self, session: Session) -> bool:
        """Whether the cookie should be written again."""
        return self._clock() - session.used >= RENEW_S

    def used(self, session: Session) -> Session:
        return replace(session, used=self._clock())

    def form_token(self, session: Session) -> str:
        """The token of this session's forms."""
        signed = hmac.new(self._of(session.person), b"form " + session.id.encode(), hashlib.sha256)
        return signed.hexdigest()

    def is_form_token(self, session: Session, given: str) -> bool:
        return hmac.compare_digest(self.form_token(session).encode(), given.encode("utf-8", "replace"))

    def _name(self, cookie: str) -> str | None:
        """The name in the cookie; not proved yet."""
        try:
            _, said = URLSafeSerializer(b"").loads_unsafe(cookie)
        except Exception:  # noqa: BLE001 - whatever a stranger sent
            return None
        name = said.get("n") if isinstance(said, dict) else None
        return name if isinstance(name, str) else None

    def _signer(self, person: Person | None) -> URLSafeSerializer:
        return URLSafeSerializer(self._of(person), salt="connector.console")

    def _of(self, person: Person | None) -> bytes:
        own = marked(person) if person else b""
        return hmac.new(self._key, b"console session " + own, hashlib.sha256).digest()
