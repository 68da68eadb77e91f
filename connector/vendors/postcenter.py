"""PostCenter (Adereso), tickets."""

from __future__ import annotations

from connector.client import Answer, Client, Deadline
from connector.settings import Account


class PostCenter:
    """One account's operations; every path ends in a slash."""

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

    def close(self) -> None:
        self._client.close()
