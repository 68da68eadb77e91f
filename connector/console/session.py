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
from connector.console.company import Identity, Rule
from connector.core.settings import Oidc, Person

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
    rule: Rule | None = None  #: of who signed in by the company's account

    @property
    def ends(self) -> float:
        return min(self.begun + LONGEST_S, self.used + IDLE_S)


class Sessions:
    """Reads and writes the cookie. Stores nothing: any process may answer."""

    def __init__(
        self, key: bytes, people: People, clock: Callable[[], float] = time.time, *, oidc: Oidc | None = None
    ) -> None:
        self._key = key
        self._oidc = oidc
        self._people = people
        self._clock = clock

    def fresh(self, person: Person | None) -> Session:
        """A new session, as after signing in."""
        now = self._clock()
        return Session(secrets.token_urlsafe(16), person, now, now)

    def fresh_guest(self, known: Identity) -> Session:
        """The same for somebody of the company."""
        return replace(self.fresh(self._guest(known.name, known.rule)), rule=known.rule)

    def read(self, cookie: str) -> Session | None:
        """The session of the cookie; None if it is foreign or expired."""
        unproved = self._content(cookie)
        name, rule = unproved.get("n"), _rule(unproved.get("r"))
        if not isinstance(name, str):
            return None
        person = self._guest(name, rule) if rule else self._people.named(name) if name else None
        if name and person is None:
            return None
        try:
            content: dict[str, Any] = self._signer(person).loads(cookie)
            found = Session(str(content["i"]), person, float(content["b"]), float(content["u"]), rule)
        except (BadData, KeyError, TypeError, ValueError):
            return None
        return found if found.ends > self._clock() else None

    def written(self, session: Session) -> str:
        """The cookie of a session that is used now."""
        name = session.person.name if session.person else ""
        content: dict[str, Any] = {"i": session.id, "n": name, "b": int(session.begun), "u": int(self._clock())}
        if session.rule is not None:
            content["r"] = [session.rule.kind, session.rule.value]
        return str(self._signer(session.person).dumps(content))

    def is_old(self, session: Session) -> bool:
        """Whether the cookie should be written again."""
        return self._clock() - session.used >= RENEW_S

    def used(self, session: Session) -> Session:
        return replace(session, used=self._clock())

    def form_token(self, session: Session) -> str:
        """The token of this session's forms."""
        signed = hmac.new(self._of(session.person), b"form " + session.id.encode(), hashlib.sha256)
        return signed.hexdigest()

    def is_form_token(self, session: Session, token: str) -> bool:
        return hmac.compare_digest(self.form_token(session).encode(), token.encode("utf-8", "replace"))

    def _content(self, cookie: str) -> dict[str, Any]:
        """The cookie's content; not proved yet."""
        try:
            _, content = URLSafeSerializer(b"").loads_unsafe(cookie)
        except Exception:  # noqa: BLE001 - a stranger may send anything
            return {}
        return content if isinstance(content, dict) else {}

    def _guest(self, name: str, rule: Rule) -> Person | None:
        """Somebody of the company, with the role that the configuration gives by this rule now."""
        role = rule.role(self._oidc) if self._oidc else None
        if self._oidc is None or role is None:
            return None
        return Person(name, role, token_hash=f"oidc {self._oidc.issuer} {self._oidc.client_id}")

    def _signer(self, person: Person | None) -> URLSafeSerializer:
        return URLSafeSerializer(self._of(person), salt="connector.console")

    def _of(self, person: Person | None) -> bytes:
        own = marked(person) if person else b""
        return hmac.new(self._key, b"console session " + own, hashlib.sha256).digest()


def _rule(pair: Any) -> Rule | None:
    is_rule = isinstance(pair, list) and len(pair) == 2 and all(isinstance(one, str) for one in pair)
    return Rule(*pair) if is_rule else None
