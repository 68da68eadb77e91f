"""HubSpot, CRM: contacts and tickets of its API v3 (https://developers.hubspot.com/docs/api/crm/contacts)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from connector.core.http import Answer, Client, Deadline
from connector.core.settings import Account

BASE_URL: Final = "https://api.hubapi.com"
CONTACT_PROPERTIES: Final = (
    *("firstname", "lastname", "email", "phone", "mobilephone", "hs_whatsapp_phone_number"),
    *("country", "state", "city", "address", "lifecyclestage"),
)
TICKET_PROPERTIES: Final = (
    *("subject", "content", "hs_pipeline", "hs_pipeline_stage", "hs_ticket_priority", "source_type"),
    *("hubspot_owner_id", "createdate", "hs_lastmodifieddate", "closed_date"),
)
MOVED: Final = "moved_ticket"  #: a ticket that may have been closed: its pipeline defines its stages
#: 423: the object is locked for moments; 477: the account is being moved to another data centre, with a Retry-After.
_SLOW: Final = (423, 429, 477)


class HubSpot:
    """One account's operations, by the token of a private app, which must be allowed to read contacts and tickets."""

    optional = frozenset({"pipeline"})
    unseen = ""  #: a missing object was deleted: a token without the right gets another answer

    def __init__(self, client: Client, base_url: str, properties: Sequence[str] = ()) -> None:
        """``properties`` are read as well as the usual ones; HubSpot leaves out unknown ones."""
        self._client = client
        self._base_url = base_url
        self._contact = ",".join(dict.fromkeys((*CONTACT_PROPERTIES, *properties)))
        self._ticket = ",".join(dict.fromkeys((*TICKET_PROPERTIES, *properties)))

    @classmethod
    def of(cls, account: Account) -> HubSpot:
        credentials = {"Authorization": f"Bearer {account.token.reveal()}"}
        return cls(Client(credentials, timeout_s=account.timeout_s), account.base_url, account.properties)

    def contacts(self, *, deadline: Deadline | None = None) -> Answer:
        """One contact, whichever: whether the token is known and may read them."""
        params = {"limit": "1", "properties": "lifecyclestage"}
        return self._client.call("GET", self._url("contacts"), params=params, deadline=deadline)

    def contact(self, ref: str, *, deadline: Deadline | None = None) -> Answer:
        """A contact with `CONTACT_PROPERTIES`; 404 when it is not there, or was deleted."""
        params = {"properties": self._contact}
        return self._client.call("GET", self._url("contacts", ref), params=params, deadline=deadline)

    def ticket(self, ref: str, *, deadline: Deadline | None = None) -> Answer:
        """A ticket with `TICKET_PROPERTIES` and the ids of its contacts."""
        params = {"properties": self._ticket, "associations": "contacts"}
        return self._client.call("GET", self._url("tickets", ref), params=params, deadline=deadline)

    def pipeline(self, ref: str, *, deadline: Deadline | None = None) -> Answer:
        """A pipeline of tickets: ``{"stages": [{"id", "label", "metadata": {"ticketState": "CLOSED"}}]}``."""
        url = f"{self._base_url}/crm/v3/pipelines/tickets/{quote(ref, safe='')}"
        return self._client.call("GET", url, deadline=deadline)

    def close(self) -> None:
        self._client.close()

    # Calls for thin events

    def next_piece(self, what: str, ref: str, known: Mapping[str, Any]) -> str:
        """A contact; or a ticket, its pipeline where it was moved, and the first of its contacts, if it has one."""
        if what == "contact" or "ticket" not in known:
            kind = "contact" if what == "contact" else "ticket"
            return "" if kind in known else kind
        if what == MOVED and "pipeline" not in known and _pipeline_of(known["ticket"]):
            return "pipeline"
        return "contact" if "contact" not in known and _contact_of(known["ticket"]) else ""

    def fetch(self, piece: str, what: str, ref: str, known: Mapping[str, Any], *, deadline: Deadline) -> Answer:
        if piece == "ticket":
            return self.ticket(ref, deadline=deadline)
        if piece == "pipeline":
            return self.pipeline(_pipeline_of(known["ticket"]), deadline=deadline)
        return self.contact(ref if what == "contact" else _contact_of(known["ticket"]), deadline=deadline)

    @staticmethod
    def is_piece(piece: str, body: Any) -> bool:
        """An object of the CRM has its id, a pipeline its stages."""
        return isinstance(body, dict) and ("stages" if piece == "pipeline" else "id") in body

    @staticmethod
    def fault_of(answer: Answer) -> str:
        return "slow" if answer.status in _SLOW else ""

    @staticmethod
    def words_of(answer: Answer) -> str:
        """``{"status": "error", "message", "category"}``."""
        body = answer.json()
        texts = [body.get("category"), body.get("message")] if isinstance(body, dict) else []
        return ": ".join(text for text in texts if isinstance(text, str))

    def _url(self, *path: str) -> str:
        return "/".join((self._base_url, "crm/v3/objects", *(quote(step, safe="") for step in path)))


def _pipeline_of(ticket: Any) -> str:
    properties = ticket.get("properties") if isinstance(ticket, dict) else None
    number = properties.get("hs_pipeline") if isinstance(properties, dict) else None
    return str(number) if isinstance(number, str | int) and not isinstance(number, bool) else ""


def _contact_of(ticket: Any) -> str:
    """The id of the first contact that is associated with a ticket; "" if there is none."""
    found = ticket
    for name in ("associations", "contacts", "results"):
        found = found.get(name) if isinstance(found, dict) else None
    first = found[0] if isinstance(found, list) and found else None
    number = first.get("id") if isinstance(first, dict) else None
    return str(number) if isinstance(number, str | int) else ""
