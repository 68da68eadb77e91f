"""wolkvox, the predictive dialler: the operations of its API v2 (https://www.wolkvox.com/apis, "APIs Campaign" 2.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from connector.client import Answer, Client, Deadline
from connector.settings import Account

ROWS_PER_CALL: Final = 10_000

Row = Mapping[str, str] | orjson.Fragment


class Wolkvox:
    """One account's operations. Every call counts against the token's two slots and its daily budget.

    Methods return the vendor's `Answer` as it is; they raise `NotSent` or `NoAnswer`. ``deadline`` bounds the whole
    call; without it the client's own timeout does.
    """

    def __init__(self, client: Client, base_url: str) -> None:
        self._client = client
        self._base_url = base_url

    @classmethod
    def of(cls, account: Account) -> Wolkvox:
        credentials = {"wolkvox-token": account.token.reveal()}
        if account.server:
            credentials["wolkvox_server"] = account.server
        return cls(Client(credentials, timeout_s=account.timeout_s), account.base_url)

    def add_record(
        self, campaign_id: str, rows: Sequence[Row], *, campaign_status: str, deadline: Deadline | None = None
    ) -> Answer:
        """Adds up to 10,000 rows (all values strings) to a predictive campaign; all of them or none.

        ``campaign_status`` "start" | "stop" is the campaign's current status: start may start a stopped one.
        """
        params = {
            "api": "add_record",
            "type_campaign": "predictive",
            "campaign_id": campaign_id,
            "campaign_status": campaign_status,
        }
        body = orjson.dumps(list(rows))
        return self._client.call("POST", self._url("campaign"), params=params, body=body, deadline=deadline)

    def campaigns(self, *, deadline: Deadline | None = None) -> Answer:
        """The real-time report of all campaigns; at most every five minutes. See `campaign_statuses`."""
        return self._client.call("GET", self._url("real_time"), params={"api": "campaigns"}, deadline=deadline)

    def find_record(
        self, campaign_id: str, *, customer_phone: str = "", customer_id: str = "", deadline: Deadline | None = None
    ) -> Answer:
        """Whether a person is in a campaign: 200 with rows in ``data``, or 404 when not."""
        params = {
            "api": "find_record",
            "campaign_id": campaign_id,
            "customer_phone": customer_phone,
            "customer_id": customer_id,
        }
        return self._client.call("GET", self._url("campaign"), params=params, deadline=deadline)

    def token_info(self, *, deadline: Deadline | None = None) -> Answer:
        """Today's use of the budget (``data``: token_limit, token_use_today). Costs one call."""
        return self._client.call("GET", self._url("information"), params={"api": "token_info"}, deadline=deadline)

    def close(self) -> None:
        self._client.close()

    def _url(self, page: str) -> str:
        return f"{self._base_url}/api/v2/{page}.php"


def rows_of(body: Any) -> list[dict[str, Any]] | None:
    """The rows of an answer: a bare list, or ``data`` of an envelope, itself a list or one row. None: neither."""
    data = body.get("data") if isinstance(body, dict) else body
    rows = [data] if isinstance(data, dict) else data
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return None
    return rows


def campaign_statuses(body: Any) -> dict[str, str] | None:
    """{"1042": "started" | "stopped"} of the real-time report. The id stands before the first " - " of ``campaign``."""
    rows = rows_of(body)
    if rows is None:
        return None
    return {str(r.get("campaign", "")).split(" - ")[0].strip(): str(r.get("status", "")).strip().lower() for r in rows}
