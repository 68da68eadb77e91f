"""PostCenter (Adereso), tickets. Every path ends in a slash; an answer of 200 may carry another status in its body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from connector.client import Answer, Client, Deadline
from connector.settings import Account

_PIECES: Final = ("ticket", "messages")
_FAULTS: Final = {401: "credentials", 403: "credentials", 404: "gone", 410: "gone", 429: "slow"}


class PostCenter:
    """One account's operations. No limit is documented."""

    def __init__(self, client: Client, base_url: str) -> None:
        self._client = client
        self._base_url = base_url

    @classmethod
    def of(cls, account: Account) -> PostCenter:
        credentials = {"Authorization": f"Key {account.token.reveal()}"}
        return cls(Client(credentials, timeout_s=account.timeout_s), account.base_url)

    def ping(self, *, deadline: Deadline | None = None) -> Answer:
        """Whether the service is there and knows the key."""
        return self._client.call("GET", f"{self._base_url}/v2/ping/", deadline=deadline)

    def ticket(self, ref: str, *, deadline: Deadline | None = None) -> Answer:
        """A ticket's detail: no address of the customer is in it."""
        return self._client.call("GET", f"{self._base_url}/v2/ticket/{quote(ref, safe='')}/", deadline=deadline)

    def messages(self, ref: str, *, deadline: Deadline | None = None) -> Answer:
        """A ticket's messages, the newest first, with their authors' accounts."""
        url = f"{self._base_url}/v2/ticket/{quote(ref, safe='')}/messages/"
        return self._client.call("GET", url, deadline=deadline)

    def close(self) -> None:
        self._client.close()

    # What thin events need

    def next_piece(self, what: str, ref: str, known: Mapping[str, Any]) -> str:
        """The ticket, and then its messages."""
        return next((piece for piece in _PIECES if piece not in known), "")

    def fetch(self, piece: str, what: str, ref: str, known: Mapping[str, Any], *, deadline: Deadline) -> Answer:
        read = self.messages if piece == "messages" else self.ticket
        return read(ref, deadline=deadline)

    def fault_of(self, answer: Answer) -> str:
        """By the body's own status, where it has one."""
        status = _body(answer).get("status")
        if not isinstance(status, int) or status < 300:
            return ""
        return _FAULTS.get(status, "failed" if status >= 500 else "unknown")

    def words_of(self, answer: Answer) -> str:
        body = _body(answer)
        return str(body["message"]) if isinstance(body.get("message"), str) else ""


def _body(answer: Answer) -> Mapping[str, Any]:
    body = answer.json()
    return body if isinstance(body, dict) else {}
