"""Meta's Graph API, for what a person answered in a lead form (https://developers.facebook.com/docs/graph-api)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from connector.client import Answer, Client, Deadline
from connector.settings import Account

_CREDENTIALS: Final = frozenset({3, 10, 102, 104, 190, 368, *range(200, 300)})
_SLOW: Final = frozenset({4, 17, 32, 341, 613, *range(80000, 80015)})
_FAILED: Final = frozenset({1, 2})
#: (code, subcode): no such object, or none that this token may see; Meta does not say which.
_GONE: Final = frozenset({(100, 33), (803, 0)})
_TOKEN: Final = 190  #: its message may repeat the token


class Meta:
    """One page's leads, by a page token with leads_retrieval. The token travels in a header, never in an address."""

    def __init__(self, client: Client, base_url: str, version: str) -> None:
        self._client = client
        self._base_url = f"{base_url}/v{version}"

    @classmethod
    def of(cls, account: Account) -> Meta:
        credentials = {"Authorization": f"Bearer {account.token.reveal()}"}
        return cls(Client(credentials, timeout_s=account.timeout_s), account.base_url, account.api_version)

    def me(self, *, deadline: Deadline | None = None) -> Answer:
        """Whose token it is: ``{"id"}`` of the page."""
        return self._client.call("GET", f"{self._base_url}/me", params={"fields": "id"}, deadline=deadline)

    def lead(self, ref: str, *, deadline: Deadline | None = None) -> Answer:
        """``{"id", "created_time", "field_data": [{"name", "values": […]}]}``."""
        return self._client.call("GET", f"{self._base_url}/{quote(ref, safe='')}", deadline=deadline)

    def close(self) -> None:
        self._client.close()

    # What thin events need

    def next_piece(self, what: str, ref: str, known: Mapping[str, Any]) -> str:
        """The lead, and nothing more."""
        return "" if what in known else what

    def fetch(self, piece: str, what: str, ref: str, known: Mapping[str, Any], *, deadline: Deadline) -> Answer:
        return self.lead(ref, deadline=deadline)

    @staticmethod
    def fault_of(answer: Answer) -> str:
        """By the error's code: the status is 400 for most of them."""
        error = _error(answer)
        code, subcode = _number(error.get("code")), _number(error.get("error_subcode"))
        if (code, subcode) in _GONE:
            return "gone"
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


def _error(answer: Answer) -> Mapping[str, Any]:
    """The error inside a body; empty when it holds none."""
    body = answer.json()
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else {}


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0
