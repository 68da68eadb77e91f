"""HubSpot, CRM: contacts and tickets of its API v3 (https://developers.hubspot.com/docs/api/crm/contacts)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from connector.client import Answer, Client, Deadline
from connector.settings import Account

CONTACT_PROPERTIES: Final = (
    *("firstname", "lastname", "email", "phone", "mobilephone"),
    *("country", "state", "city", "address", "lifecyclestage"),
)
TICKET_PROPERTIES: Final = (
    *("subject", "content", "hs_pipeline", "hs_pipeline_stage", "hs_ticket_priority", "source_type"),
    *("hubspot_owner_id", "createdate", "hs_lastmodifieddate", "closed_date"),
)
#: 423: the object is locked for moments; 477: the account is being moved to another data centre, with a Retry-After.
_SLOW: Final = (423, 429, 477)


class HubSpot:
    """One account's operations, by the token of a private app, which must be allowed to read contacts and tickets."""

    def __init__(self, client: Client, base_url: str) -> None:
        self._client = client
        self._base_url = base_url

    @classmethod
    def of(cls, account: Account) -> HubSpot:
        credentials = {"Authorization": f"Bearer {account.token.reveal()}"}
        return cls(Client(credentials, timeout_s=account.timeout_s), account.base_url)

    def contacts(self, *, deadline: Deadline | None = None) -> Answer:
        """One contact, whichever: whether the token is known and may read them."""
        params = {"limit": "1", "properties": "lifecyclestage"}
        return self._client.call("GET", self._url("contacts"), params=params, deadline=deadline)

    def contact(self, ref: str, *, deadline: Deadline | None = None) -> Answer:
        """A contact with `CONTACT_PROPERTIES`; 404 when it is not there, or was deleted."""
        params = {"properties": ",".join(CONTACT_PROPERTIES)}
        return self._client.call("GET", self._url("contacts", ref), params=params, deadline=deadline)

    def ticket(self, ref: str, *, deadline: Deadline | None = None) -> Answer:
        """A ticket with `TICKET_PROPERTIES` and the ids of its contacts."""
        params = {"properties": ",".join(TICKET_PROPERTIES), "associations": "contacts"}
        return self._client.call("GET", self._url("tickets", ref), params=params, deadline=deadline)

    def close(self) -> None:
        self._client.close()

    # What thin events need

    def next_piece(self, what: str, ref: str, known: Mapping[str, Any]) -> str:
        """A contact; or a ticket, and then the first of its contacts, if it has one."""
        if what not in known:
            return what
        return "contact" if what == "ticket" and "contact" not in known and _contact_of(known["ticket"]) else ""

    def fetch(self, piece: str, what: str, ref: str, known: Mapping[str, Any], *, deadline: Deadline) -> Answer:
        if piece == "ticket":
            return self.ticket(ref, deadline=deadline)
        return self.contact(ref if what == "contact" else _contact_of(known["ticket"]), deadline=deadline)

    @staticmethod
    def fault_of(answer: Answer) -> str:
        return "slow" if answer.status in _SLOW else ""

    @staticmethod
    def words_of(answer: Answer) -> str:
        """``{"status": "error", "message", "category"}``."""
        body = answer.json()
        said = [body.get("category"), body.get("message")] if isinstance(body, dict) else []
        return ": ".join(text for text in said if isinstance(text, str))

    def _url(self, *path: str) -> str:
        return "/".join((self._base_url, "crm/v3/objects", *(quote(step, safe="") for step in path)))


def _contact_of(ticket: Any) -> str:
    """The id of the first contact that a ticket is associated with; "" when there is none."""
    found = ticket
    for name in ("associations", "contacts", "results"):
        found = found.get(name) if isinstance(found, dict) else None
    first = found[0] if isinstance(found, list) and found else None
    number = first.get("id") if isinstance(first, dict) else None
    return str(number) if isinstance(number, str | int) else ""
