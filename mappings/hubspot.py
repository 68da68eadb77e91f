"""HubSpot's webhooks: an array of up to 100 thin events, each saying only which contact or ticket changed, and how.

https://developers.hubspot.com/docs/api/webhooks. The objects are read from the CRM API (`connector.vendors.hubspot`):
``fetched`` is ``{"contact": {…}}`` or ``{"ticket": {…}, "contact": {…}}``, as GET /crm/v3/objects/… answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mappings import fields
from mappings.base import FieldError, Ignored, Invalid, Locale, PlainSender, Sender, walk
from mappings.events import Event, Thin, Ticket
from mappings.lead import EVENT_TYPES as LEAD_TYPES
from mappings.lead import LeadMapping
from mappings.payloads import PayloadSchema, load
from mappings.ticket import EVENT_TYPES as TICKET_TYPES
from mappings.ticket import TicketMapping

#: The object of a subscription type ("contact.creation"), or the newer objectTypeId, in our words.
OBJECTS: Final = {"contact": "contact", "0-1": "contact", "ticket": "ticket", "0-5": "ticket"}
#: (object, change) -> event type. Everything else (deletion, merge, restore, association…) is acknowledged only.
CHANGES: Final = {
    ("contact", "creation"): "lead.created",
    ("contact", "propertyChange"): "lead.updated",
    ("ticket", "creation"): "ticket.created",
    ("ticket", "propertyChange"): "ticket.updated",
}
CLOSED_STAGE: Final = "4"  #: of the pipeline that every account begins with
_STAGE: Final = "hs_pipeline_stage"
#: Properties that are read into fields of the event, or say nothing of the person; the others go into its extra.
_READ: Final = frozenset(
    {
        *("firstname", "lastname", "email", "phone", "mobilephone", "country", "city", "state", "address"),
        *("subject", "content", "source_type", "hubspot_owner_id"),
        *("createdate", "lastmodifieddate", "hs_lastmodifieddate", "hs_object_id"),
    }
)


class ThinSchema(PayloadSchema):
    """One element of the array."""

    eventId = fields.Text()  # noqa: N815 - HubSpot's spelling, here and below
    subscriptionType = fields.Text(required=True)  # noqa: N815
    objectTypeId = fields.Text()  # noqa: N815
    objectId = fields.Text(required=True)  # noqa: N815
    occurredAt = fields.Time()  # noqa: N815
    propertyName = fields.Text()  # noqa: N815
    propertyValue = fields.Text(max_length=2000)  # noqa: N815


class HubSpotMapping(PlainSender):
    """Contacts are leads. A ticket is closed when it was moved to the stage "4", and still is there."""

    sender = Sender(
        decode="plain",
        proof={
            "scheme": "hmac",
            "header": "X-HubSpot-Signature-v3",
            "encoding": "base64",
            "signed": "{method}{decoded_url}{body}{timestamp}",
            "timestamp_header": "X-HubSpot-Request-Timestamp",
        },
    )
    event_types = (*LEAD_TYPES, *TICKET_TYPES)
    fetches = "hubspot"

    def __init__(self, locale: Locale) -> None:
        self._thin = ThinSchema(locale)
        self._leads = LeadMapping(locale)
        self._tickets = TicketMapping(locale)

    def read(self, payload: Any) -> Thin:
        """Which contact or ticket to fetch. `Ignored`: deletions, merges and other changes that make no event."""
        given, faults = load(self._thin, payload)
        wrong = [f for f in faults if f.field in ("payload", "subscriptionType", "objectId")]
        if wrong:
            raise Invalid(tuple(wrong))
        name, _, change = given["subscriptionType"].partition(".")
        what = OBJECTS.get(name) or OBJECTS.get(given.get("objectTypeId", ""), "")
        if (what, change) not in CHANGES:
            raise Ignored(f"{given['subscriptionType'][:80]}: nothing here acts on it")
        if not _is_number(given["objectId"]):
            raise Invalid((FieldError("objectId", "must be the object's number"),))
        return Thin(
            id=given.get("eventId", ""),
            type=_type(CHANGES[what, change], given),
            what=what,
            ref=given["objectId"],
            time=given.get("occurredAt"),
        )

    def complete(self, payload: Any, fetched: Mapping[str, Any]) -> Event:
        """The lead or the ticket as it is by now."""
        thin = self.read(payload)
        if not isinstance(fetched.get(thin.what), dict):
            raise Invalid((FieldError(thin.what, "was not fetched"),))
        if thin.what == "contact":
            return self._leads.read(_lead(payload, thin, fetched["contact"]))
        return self._tickets.read(_ticket(payload, thin, fetched["ticket"], fetched.get("contact")))

    def second_key(self, event: Event) -> str:
        """A closed ticket is the same one, whatever else is edited in it, until it is closed another time."""
        closed_at = event.extra.get("closed_date") if event.type == "ticket.closed" else None
        if isinstance(event, Ticket) and closed_at:
            return f"ticket {event.ticket_id} closed {str(closed_at)[:40]}"
        return super().second_key(event)


def _type(said: str, given: Mapping[str, Any]) -> str:
    moved = said == "ticket.updated" and given.get("propertyName") == _STAGE
    return "ticket.closed" if moved and given.get("propertyValue") == CLOSED_STAGE else said


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 20


def _lead(payload: Any, thin: Thin, contact: Mapping[str, Any]) -> dict[str, Any]:
    """The contact as our own lead JSON."""
    own = _properties(contact)
    return {
        "id": thin.ref,
        "type": thin.type,
        "time": thin.time and thin.time.isoformat(),
        "data": {
            "first_name": own.get("firstname"),
            "last_name": own.get("lastname"),
            "email": own.get("email"),
            "phones": _phones(own),
            "extra": _extra(own, payload),
            **{name: own.get(name) for name in ("country", "state", "city", "address")},
        },
    }


def _ticket(payload: Any, thin: Thin, ticket: Mapping[str, Any], contact: Any) -> dict[str, Any]:
    """The ticket as our own ticket JSON; its customer is the first contact that it is associated with."""
    own, person = _properties(ticket), _properties(contact)
    reopened = thin.type == "ticket.closed" and own.get(_STAGE) != CLOSED_STAGE
    return {
        "id": thin.id,
        "type": "ticket.updated" if reopened else thin.type,
        "time": thin.time and thin.time.isoformat(),
        "data": {
            "ticket_id": thin.ref,
            "number": thin.ref,
            "channel": _lower(own.get("source_type")),
            "subject": own.get("subject"),
            "comment": own.get("content"),
            "created_at": own.get("createdate") or walk(ticket, "createdAt"),
            "updated_at": own.get("hs_lastmodifieddate") or walk(ticket, "updatedAt"),
            "agent": {"id": own.get("hubspot_owner_id")},
            "customer": {
                "name": " ".join(n for n in (person.get("firstname"), person.get("lastname")) if isinstance(n, str)),
                "email": person.get("email"),
                "phone": next(iter(_phones(person)), None),
            },
            "extra": _extra(own, payload),
        },
    }


def _properties(found: Any) -> dict[str, Any]:
    properties = walk(found, "properties")
    return properties if isinstance(properties, dict) else {}


def _phones(own: Mapping[str, Any]) -> list[Any]:
    return [own[name] for name in ("phone", "mobilephone") if own.get(name)]


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _extra(own: Mapping[str, Any], payload: Mapping[str, Any]) -> dict[str, Any]:
    """The other properties, and what brought the event about."""
    told = {"change_source": payload.get("changeSource"), "portal_id": payload.get("portalId")}
    if payload.get("propertyName"):
        told["changed"] = payload["propertyName"]
    kept = {name: value for name, value in own.items() if name not in _READ}
    return {name: value for name, value in (kept | told).items() if value not in (None, "")}
