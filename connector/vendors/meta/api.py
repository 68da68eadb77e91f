"""Meta's Graph API, for the answers to lead forms (https://developers.facebook.com/docs/graph-api)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from connector.core.http import Answer, Client, Deadline
from connector.core.settings import Account

BASE_URL: Final = "https://graph.facebook.com"
_CREDENTIALS: Final = frozenset({3, 10, 102, 104, 190, 368, *range(200, 300)})
_SLOW: Final = frozenset({4, 17, 32, 341, 613, *range(80000, 80015)})
_FAILED: Final = frozenset({1, 2})
#: (code, subcode): the object does not exist, or is not visible to this token; Meta does not say which.
_ABSENT: Final = frozenset({(100, 33), (803, 0)})
_TOKEN: Final = 190  #: its message may repeat the token


class Meta:
    """One page's leads, by a page token with leads_retrieval. The token travels in a header, never in an address."""

    optional: frozenset[str] = frozenset()
    #: Meta answers alike for a lead that does not exist yet and for a token without the right to see it.
    unseen = "the token may see no leads: give the app access to them in Leads Access Manager, then resume"

    def __init__(self, client: Client, base_url: str, version: str, proof: str = "") -> None:
        """``proof``: the additional proof that some apps require beside the token."""
        self._client = client
        self._base_url = f"{base_url}/v{version}"
        self._proof = {"appsecret_proof": proof} if proof else {}

    @classmethod
    def of(cls, account: Account) -> Meta:
        credentials = {"Authorization": f"Bearer {account.token.reveal()}"}
        client = Client(credentials, timeout_s=account.timeout_s)
        return cls(client, account.base_url, account.api_version, _proof(account))

    def me(self, *, deadline: Deadline | None = None) -> Answer:
        """The owner of the token: ``{"id"}`` of the page."""
        return self._client.call(
            "GET", f"{self._base_url}/me", params={"fields": "id", **self._proof}, deadline=deadline
        )

    def lead(self, ref: str, *, deadline: Deadline | None = None) -> Answer:
        """``{"id", "created_time", "field_data": [{"name", "values": […]}]}``."""
        url = f"{self._base_url}/{quote(ref, safe='')}"
        return self._client.call("GET", url, params=self._proof or None, deadline=deadline)

    def close(self) -> None:
        self._client.close()

    # Calls for thin events

    def next_piece(self, what: str, ref: str, known: Mapping[str, Any]) -> str:
        """The lead, and nothing more."""
        return "" if what in known else what

    def fetch(self, piece: str, what: str, ref: str, known: Mapping[str, Any], *, deadline: Deadline) -> Answer:
        return self.lead(ref, deadline=deadline)

    @staticmethod
    def is_piece(_piece: str, body: Any) -> bool:
        """A lead has its id, or its fields."""
        return isinstance(body, dict) and not {"id", "field_data"}.isdisjoint(body)

    @staticmethod
    def fault_of(answer: Answer) -> str:
        """By the error's code: the status is 400 for most of them."""
        error = _error(answer)
        code, subcode = _number(error.get("code")), _number(error.get("error_subcode"))
        if (code, subcode) in _ABSENT:
            return "absent"
        if code in _SLOW:
            return "slow"
        if code in _FAILED or error.get("is_transient") is True:
            return "failed"
        if code in _CREDENTIALS:
            return "credentials"
        return "unknown" if error and answer.status < 300 else ""

    @staticmethod
    def words_of(answer: Answer) -> str:
        error = _error(answer)
        code, message = _number(error.get("code")), error.get("message")
        if not code or code == _TOKEN or not isinstance(message, str):
            return f"error {code}" if code else ""
        return f"error {code}: {message}"


def _proof(account: Account) -> str:
    """HMAC-SHA256 of the token, keyed with the app's secret (Graph API, "Securing Requests"); "" without a secret."""
    if not account.app_secret:
        return ""
    return hmac.new(account.app_secret.reveal().encode(), account.token.reveal().encode(), hashlib.sha256).hexdigest()


def _error(answer: Answer) -> Mapping[str, Any]:
    """The error inside a body; empty if there is none."""
    body = answer.json()
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else {}


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0
