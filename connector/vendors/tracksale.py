"""Tracksale (Track.co), NPS surveys: the operations of its API v2 used here (https://api.tracksale.co/?lang=en)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from connector.client import Answer, Client, Deadline
from connector.settings import Account

CUSTOMERS_PER_CALL: Final = 500
TAGS_PER_CALL: Final = 50

Customer = Mapping[str, Any] | orjson.Fragment


class Tracksale:
    """One account's operations. 1,000 requests in five minutes; past it every call is answered 405 with a CAPTCHA.

    Methods return the vendor's `Answer` as it is; they raise `NotSent` or `NoAnswer`. ``deadline`` bounds the call.
    """

    def __init__(self, client: Client, base_url: str) -> None:
        self._client = client
        self._base_url = base_url

    @classmethod
    def of(cls, account: Account) -> Tracksale:
        credentials = {"Authorization": f"bearer {account.token.reveal()}"}
        return cls(Client(credentials, timeout_s=account.timeout_s), account.base_url)

    def campaigns(self, *, deadline: Deadline | None = None) -> Answer:
        """All campaigns, with their codes."""
        return self._client.call("GET", f"{self._base_url}/v2/campaign", deadline=deadline)

    def dispatch(
        self,
        campaign_code: str,
        customers: Sequence[Customer],
        *,
        schedule_time: int | None,
        deadline: Deadline | None = None,
    ) -> Answer:
        """Surveys up to 500 customers at ``schedule_time`` (unix seconds); None adds them to the campaign's draft lot.

        Always asks for those that were not inserted: a partial failure is answered 200.
        """
        body: dict[str, Any] = {"customers": list(customers)}
        if schedule_time is not None:
            body["schedule_time"] = schedule_time
        url = f"{self._base_url}/v2/campaign/{campaign_code}/dispatch"
        return self._post(url, body, {"getNotInserted": "1"}, deadline)

    def report_dispatch(self, campaign_code: str, start: str, end: str, *, deadline: Deadline | None = None) -> Answer:
        """The lots dispatched from ``start`` to ``end`` (YYYY-MM-DD), each with its customers. May lag."""
        params = {"start": start, "end": end, "codes": campaign_code}
        url = f"{self._base_url}/v2/report/dispatch"
        return self._client.call("GET", url, params=params, deadline=deadline)

    def fill_empty_tags(
        self, request: Mapping[str, Any] | orjson.Fragment, *, deadline: Deadline | None = None
    ) -> Answer:
        """Fills the empty ones of up to 50 tags, of one answer or customer. Safe to repeat; cannot correct."""
        return self._post(f"{self._base_url}/v2/fill-empty-tags", request, None, deadline)

    def note(self, request: Mapping[str, Any] | orjson.Fragment, *, deadline: Deadline | None = None) -> Answer:
        """Adds a comment to an answer (answer_id, or filter with both dates). Not idempotent."""
        return self._post(f"{self._base_url}/v2/note", request, None, deadline)

    def close(self) -> None:
        self._client.close()

    def _post(self, url: str, body: Any, params: Mapping[str, str] | None, deadline: Deadline | None) -> Answer:
        return self._client.call("POST", url, params=params, body=orjson.dumps(body), deadline=deadline)
