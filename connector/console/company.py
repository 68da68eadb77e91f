"""Signing in with the company's account: OpenID Connect by code flow with PKCE, state and nonce.

The provider says who somebody is; the configuration says what they may do, by the exact name of a group or by a
verified e-mail. Nothing is stored: what the browser must bring back lies in a signed cookie of ten minutes.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from connector.core.errors import ConfigError, ConnectorError
from connector.core.log import get
from connector.core.phrases import phrase
from connector.core.settings import Oidc, Role
from mappings.fields import clean

TIMEOUT_S: Final = 10.0
KEPT_S: Final = 3600.0  #: how long the provider's description and keys are used
LEEWAY_S: Final = 60  #: between the provider's clock and ours
#: Accepted signatures: asymmetric ones; the provider publishes their keys.
ALGORITHMS: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
)
LONGEST: Final = 100  #: letters of a name
MISSING: Final = "[console.oidc] needs packages that are not installed: pip install 'connector[oidc]'"

log = get("console")


class NotSignedIn(ConnectorError):  # noqa: N818 - a refusal, not a fault
    """The sign-in failed; the text is for the person."""


@dataclass(frozen=True, slots=True)
class Rule:
    """The configured rule that gives a person their role: a group, or an e-mail."""

    kind: str  #: "group" or "email"
    value: str

    def role(self, oidc: Oidc) -> Role | None:
        """The role that it gives now; None once the configuration has it no more."""
        return {"group": oidc.groups, "email": oidc.emails}.get(self.kind, {}).get(self.value)


@dataclass(frozen=True, slots=True)
class SignIn:
    """The address for the browser, and the cookie that it must bring back."""

    url: str
    cookie: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Identity:
    """The person who signed in. ``name``: for history, always with an @, as no name of the configuration has."""

    name: str
    rule: Rule


class Company:
    """The provider of one configuration. Thread-safe."""

    def __init__(self, oidc: Oidc) -> None:
        try:
            from authlib.integrations.requests_client import OAuth2Session
        except ImportError as fault:
            raise ConfigError([MISSING]) from fault
        self._oidc = oidc
        self._session: Any = OAuth2Session
        self._lock = threading.Lock()
        self._found: dict[str, tuple[float, dict[str, Any]]] = {}

    def ask(self, back: str) -> SignIn:
        """Begins a sign-in; ``back``: our address to which the provider returns. Raises `NotSignedIn`."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        endpoint = self._described("authorization_endpoint")
        url, _ = self._client(back).create_authorization_url(endpoint, state=state, nonce=nonce, code_verifier=verifier)
        return SignIn(url, {"state": state, "nonce": nonce, "verifier": verifier})

    def known(self, query: Mapping[str, str], cookie: Mapping[str, str], back: str) -> Identity:
        """Who came back. ``given``: the query; ``kept``: of `ask`. Raises `NotSignedIn`."""
        if not cookie.get("state") or not secrets.compare_digest(
            query.get("state", "").encode(), cookie["state"].encode()
        ):
            raise NotSignedIn(phrase("This sign-in was begun elsewhere, or too long ago: begin again."))
        if "code" not in query:
            raise NotSignedIn(phrase("The company's sign-in was refused or left: begin again, or use a key."))
        claims = self._claims(self._token(query["code"], cookie, back), cookie["nonce"])
        if self._oidc.methods and not _methods(claims) & {*self._oidc.methods}:
            log.warning("somebody signed in at the provider without a method that is demanded")
            raise NotSignedIn(phrase("This console demands a stronger sign-in than yours: use your second factor."))
        rule = self._rule(claims)
        if rule is None:
            log.warning("somebody without a role signed in at the provider")
            sentence = phrase("Your account has no role here: ask the administrator to give your group or e-mail one.")
            raise NotSignedIn(sentence)
        return Identity(self._name(claims), rule)

    def _token(self, code: str, cookie: Mapping[str, str], back: str) -> str:
        endpoint = self._described("token_endpoint")
        client = self._client(back)
        try:
            answer = client.fetch_token(
                endpoint,
                grant_type="authorization_code",
                code=code,
                code_verifier=cookie["verifier"],
                timeout=TIMEOUT_S,
            )
            return str(answer["id_token"])
        except Exception as fault:
            log.warning("the provider gave no token", fault=type(fault).__name__)
            raise NotSignedIn(AWAY) from fault
        finally:
            client.close()

    def _claims(self, token: str, nonce: str) -> Mapping[str, Any]:
        """The proved claims; keys are read again once if none of the known ones fits."""
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        rules = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_S,
            iss={"essential": True, "value": self._oidc.issuer},
            aud={"essential": True, "value": self._oidc.client_id},
            exp={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        for is_last in (False, True):
            try:
                keys = KeySet.import_key_set(self._fetched(self._described("jwks_uri"), again=is_last))  # type: ignore[arg-type]
                claims = jwt.decode(token, keys, algorithms=list(ALGORITHMS)).claims
                rules.validate(claims)
                if not _is_for_us(claims, self._oidc.client_id):
                    raise ValueError("another client asked for this token")
            except (JoseError, ValueError, KeyError, TypeError) as fault:
                if is_last:
                    log.warning("the provider's token was refused", fault=type(fault).__name__)
                    sentence = phrase("What the company's sign-in said could not be proved: begin again, or use a key.")
                    raise NotSignedIn(sentence) from fault
            else:
                return dict(claims)
        raise AssertionError("the last try ends it")

    def _rule(self, claims: Mapping[str, Any]) -> Rule | None:
        """The rule with the highest role; names are compared exactly, and an e-mail only if it is verified."""
        groups = claims.get(self._oidc.groups_claim)
        named = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else []
        found = [Rule("group", one) for one in named if isinstance(one, str) and one in self._oidc.groups]
        email = claims.get("email")
        if isinstance(email, str) and claims.get("email_verified") is True and email in self._oidc.emails:
            found.append(Rule("email", email))
        roles = [(one.role(self._oidc), one) for one in found]
        best = [(list(Role).index(role), one) for role, one in roles if role is not None]
        return max(best, key=lambda pair: pair[0])[1] if best else None

    def _name(self, claims: Mapping[str, Any]) -> str:
        verified = claims.get("email") if claims.get("email_verified") is True else None
        claim = next(
            (
                one
                for one in (verified, claims.get("preferred_username"), claims["sub"])
                if isinstance(one, str) and one
            ),
            "somebody",
        )
        name = clean(claim)[:LONGEST]
        return name if "@" in name else f"{name}@{urlsplit(self._oidc.issuer).hostname}"

    # --- the provider's description -----------------------------------------------------------------------------------

    def _client(self, back: str) -> Any:
        secret = self._oidc.client_secret.reveal()
        return self._session(
            self._oidc.client_id,
            secret or None,
            token_endpoint_auth_method="client_secret_basic" if secret else "none",
            scope=self._oidc.scope,
            redirect_uri=back,
            code_challenge_method="S256",
        )

    def _described(self, name: str) -> str:
        found = self._fetched(f"{self._oidc.issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != self._oidc.issuer or not isinstance(found.get(name), str):
            log.error("the provider describes itself as another one, or not at all", wanted=name)
            raise NotSignedIn(AWAY)
        return str(found[name])

    def _fetched(self, url: str, *, again: bool = False) -> dict[str, Any]:
        with self._lock:
            at, known = self._found.get(url, (float("-inf"), {}))
        if known and not again and time.monotonic() - at < KEPT_S:
            return known
        try:
            with self._session(self._oidc.client_id) as client:
                answer = client.request("GET", url, withhold_token=True, timeout=TIMEOUT_S, allow_redirects=False)
                answer.raise_for_status()
                read = answer.json()
        except Exception as fault:
            log.warning("the provider does not answer", fault=type(fault).__name__)
            raise NotSignedIn(AWAY) from fault
        if not isinstance(read, dict):
            raise NotSignedIn(AWAY)
        with self._lock:
            self._found[url] = (time.monotonic(), read)
        return read


AWAY: Final = phrase("The company's sign-in does not answer as it should: use a key, or try again in a moment.")


def _methods(claims: Mapping[str, Any]) -> set[str]:
    """How the provider had somebody sign in: the methods that it names (RFC 8176), and the class of all together."""
    methods, together = claims.get("amr"), claims.get("acr")
    named = [*methods, together] if isinstance(methods, list) else [together]
    return {one for one in named if isinstance(one, str)}


def _is_for_us(claims: Mapping[str, Any], client_id: str) -> bool:
    """OpenID Connect Core 3.1.3.7: with several audiences, the one that asked is named, and it is we."""
    audience, party = claims["aud"], claims.get("azp")
    if isinstance(audience, list) and len(audience) > 1 and party is None:
        return False
    return party in (None, client_id)
