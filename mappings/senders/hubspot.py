"""HubSpot's webhooks: an array of up to 100 thin events, each saying only which contact or ticket changed, and how.

https://developers.hubspot.com/docs/api/webhooks. The objects are read from the CRM API (`connector.vendors.hubspot`):
``fetched`` is ``{"contact": {…}}`` or ``{"ticket": {…}, "pipeline": {…}, "contact": {…}}``, as GET /crm/v3/… answers.

``eventId`` is documented as not unique: an event is known by its object, what happened, when, and that number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from mappings import fields, names
from mappings.base import FieldError, Ignored, Invalid, Locale, PlainSender, Sender, walk
from mappings.events import Event, Thin, Ticket
from mappings.payloads import PayloadSchema, load
from mappings.senders.closing import Closing
from mappings.senders.lead import LeadMapping
from mappings.senders.ticket import EVENT_TYPES as TICKET_TYPES
from mappings.senders.ticket import TicketMapping
from mappings.translated import EXTRA, LEAD_FIELDS, as_names, is_empty, table, tables, word

#: The object of a subscription type ("contact.creation"), or the newer objectTypeId, in our words.
OBJECTS: Final = {"contact": "contact", "0-1": "contact", "ticket": "ticket", "0-5": "ticket"}
_ASSOCIATED: Final = "associationChange"
#: (object, change) -> event type. Everything else (deletion, merge, restore…) is acknowledged only.
CHANGES: Final = {
    ("contact", "creation"): "lead.created",
    ("contact", "propertyChange"): "lead.updated",
    ("ticket", "creation"): "ticket.created",
    ("ticket", "propertyChange"): "ticket.updated",
    ("ticket", _ASSOCIATED): "ticket.updated",
}
#: Tickets that need their pipeline read as well, to know whether the new stage closes them.
MOVED: Final = "moved_ticket"
#: The pipeline that every account begins with, its stages, and the one that closes.
_FIRST_PIPELINE, _FIRST_STAGES, CLOSED_STAGE = "0", frozenset({"1", "2", "3", "4"}), "4"
_STAGE: Final = "hs_pipeline_stage"
#: Dialled in this order.
PHONES: Final = ("phone", "mobilephone", "hs_whatsapp_phone_number")
#: A contact that is associated this long after closing belongs to a clean-up: nobody is to be surveyed.
LATE: Final = timedelta(days=7)
#: Properties that become fields of the event or say nothing about the person; the others go into its extra.
_READ: Final = frozenset(
    {
        *("firstname", "lastname", "email", *PHONES, "country", "city", "state", "address"),
        *("subject", "content", "source_type", "hubspot_owner_id"),
        *("createdate", "lastmodifieddate", "hs_lastmodifieddate", "hs_object_id"),
    }
)


class ThinSchema(PayloadSchema):
    """One element of the array."""

    eventId = fields.Text()  # noqa: N815 - HubSpot's spelling, here and below
    subscriptionType = fields.Text(required=True)  # noqa: N815
    objectTypeId = fields.Text()  # noqa: N815
    objectId = fields.Text()  # noqa: N815
    fromObjectId = fields.Text()  # noqa: N815
    toObjectId = fields.Text()  # noqa: N815
    fromObjectTypeId = fields.Text()  # noqa: N815
    toObjectTypeId = fields.Text()  # noqa: N815
    associationType = fields.Text()  # noqa: N815
    occurredAt = fields.Time()  # noqa: N815
    propertyName = fields.Text()  # noqa: N815
    propertyValue = fields.Text(max_length=2000)  # noqa: N815


class HubSpotMapping(PlainSender):
    """Contacts are leads. A ticket is closed when it was moved to a stage that closes it, and still is there.

    ``fields`` name properties of the account's own: ``{ phones = "celular_2", "extra.program" = "programa" }``;
    ``closed`` the stages that count, by number or label, instead of those that the pipeline itself calls closed.
    """

    sender = Sender(
        makes_secret=True,
        decode="plain",
        proof={
            "scheme": "hmac",
            "header": "X-HubSpot-Signature-v3",
            "encoding": "base64",
            "signed": "{method}{decoded_url}{body}{timestamp}",
            "timestamp_header": "X-HubSpot-Request-Timestamp",
        },
    )
    event_types = ("lead.created", "lead.updated", *TICKET_TYPES)
    fetches = "hubspot"

    takes_fields = True
    takes_closed = True
    field_names = LEAD_FIELDS

    def __init__(self, locale: Locale, fields: Mapping[str, Any] | None = None, closed: Sequence[str] = ()) -> None:
        self._thin = ThinSchema(locale)
        self._leads = LeadMapping(locale)
        self._tickets = TicketMapping(locale)
        self._named = {ours: as_names(paths) for ours, paths in (fields or {}).items()}
        self._closing = Closing(closed)

    def read(self, payload: Any) -> Thin:
        """Which contact or ticket to fetch. `Ignored`: deletions, merges and other changes that make no event."""
        body, faults = load(self._thin, payload)
        wrong = [f for f in faults if f.field in ("payload", "subscriptionType")]
        if wrong:
            raise Invalid(tuple(wrong))
        name, _, change = body["subscriptionType"].partition(".")
        what = OBJECTS.get(name) or OBJECTS.get(_object_type(body), "")
        if (what, change) not in CHANGES or (change == _ASSOCIATED and not _brings_a_contact(payload, body)):
            raise Ignored(f"{body['subscriptionType'][:80]}: nothing here acts on it")
        ref = body.get("objectId") or body.get("fromObjectId", "")
        if not _is_number(ref):
            raise Invalid((FieldError("objectId", "must be the object's number"),))
        moved = what == "ticket" and (change == _ASSOCIATED or body.get("propertyName") == _STAGE)
        stage = body.get("propertyValue", "") if moved else ""
        closes = self._closing.has(stage) if self._closing.named else stage == CLOSED_STAGE
        return Thin(
            id=_identity(body, what, ref),
            type="ticket.closed" if closes else CHANGES[what, change],
            what=MOVED if moved and stage not in _FIRST_STAGES else what,
            ref=ref,
            time=body.get("occurredAt"),
        )

    def complete(self, payload: Any, fetched: Mapping[str, Any]) -> Event:
        """The lead or the ticket as it is by now."""
        thin = self.read(payload)
        kind = "contact" if thin.what == "contact" else "ticket"
        if not isinstance(fetched.get(kind), dict):
            raise Invalid((FieldError(kind, "was not fetched"),))
        if kind == "contact":
            return self._leads.read(self._lead(payload, thin, fetched["contact"]))
        ticket = self._tickets.read(_ticket(payload, thin, fetched["ticket"], fetched.get("contact")))
        if self._closes(payload, fetched, ticket):
            return replace(ticket, type="ticket.closed")
        return replace(ticket, type="ticket.updated") if ticket.type == "ticket.closed" else ticket

    def _closes(self, payload: Mapping[str, Any], fetched: Mapping[str, Any], ticket: Ticket) -> bool:
        """Whether this event closed the ticket, or brought the person of one that was closed just before."""
        own = _properties(fetched["ticket"])
        stage, pipeline = word(own.get(_STAGE)), table(fetched.get("pipeline"))
        if payload.get("propertyName") == _STAGE:
            return word(payload.get("propertyValue")) == stage and self._is_closed(stage, own, pipeline)
        if not str(payload.get("subscriptionType")).endswith(_ASSOCIATED):
            return False
        closed_at = _moment(own.get("closed_date"))
        lately = closed_at is not None and ticket.time is not None and ticket.time - closed_at < LATE
        return lately and self._is_closed(stage, own, pipeline)

    def _is_closed(self, stage: str, own: Mapping[str, Any], pipeline: Mapping[str, Any]) -> bool:
        """By the source's own words, else by the pipeline's own state; ``closed_date`` where that cannot be read."""
        found = next((one for one in tables(pipeline.get("stages")) if word(one.get("id")) == stage), {})
        if self._closing.named:
            return self._closing.has(stage) or self._closing.has(found.get("label"))
        if found:
            facts = table(found.get("metadata"))
            return word(facts.get("ticketState")).upper() == "CLOSED" or word(facts.get("isClosed")).lower() == "true"
        if word(own.get("hs_pipeline")) in ("", _FIRST_PIPELINE) and stage in _FIRST_STAGES:
            return stage == CLOSED_STAGE
        return not is_empty(own.get("closed_date"))

    def _lead(self, payload: Any, thin: Thin, contact: Mapping[str, Any]) -> dict[str, Any]:
        """The contact as our own lead JSON."""
        own = _properties(contact)
        data = {
            "first_name": own.get("firstname"),
            "last_name": own.get("lastname"),
            "email": own.get("email"),
            "phones": _phones(own),
            **{name: own.get(name) for name in ("country", "state", "city", "address")},
        }
        extra = _extra(own, payload)
        for ours, paths in self._named.items():
            values = [own[name] for name in paths if not is_empty(own.get(name))]
            if ours.startswith(EXTRA) and values:
                extra[ours.removeprefix(EXTRA)] = values[0]
            elif ours == "phones":
                data["phones"] = list(dict.fromkeys([*_phones(own), *values]))
            elif values:
                data[ours] = values[0]
        moment = thin.time and thin.time.isoformat()
        return {"id": thin.ref, "type": thin.type, "time": moment, "data": {**data, "extra": extra}}

    def second_key(self, event: Event) -> str:
        """A closed ticket stays the same one through later edits, until it is closed another time."""
        closed_at = event.extra.get("closed_date") if event.type == "ticket.closed" else None
        if isinstance(event, Ticket) and closed_at:
            return f"ticket {event.ticket_id} closed {str(closed_at)[:40]}"
        return super().second_key(event)


def _object_type(body: Mapping[str, Any]) -> str:
    return str(body.get("objectTypeId") or body.get("fromObjectTypeId", ""))


def _brings_a_contact(payload: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    """Of associations, only a ticket's new contact is of interest."""
    with_contact = "CONTACT" in body.get("associationType", "").upper() or body.get("toObjectTypeId") == "0-1"
    return with_contact and payload.get("associationRemoved") is not True


def _identity(body: Mapping[str, Any], what: str, ref: str) -> str:
    """Object, change, time, and HubSpot's number of it; "" if that is too little to distinguish two of them."""
    if not body.get("eventId") and body.get("occurredAt") is None:
        return ""
    moment = body["occurredAt"].timestamp() if body.get("occurredAt") else 0
    happened = ".".join(filter(None, (body["subscriptionType"], body.get("propertyName"), body.get("toObjectId"))))
    return f"{what}.{ref}.{happened}.{int(moment * 1000)}.{body.get('eventId', '')}"


def _moment(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment and moment.tzinfo else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 20


def _ticket(payload: Any, thin: Thin, ticket: Mapping[str, Any], contact: Any) -> dict[str, Any]:
    """The ticket as our own ticket JSON; its customer is the first contact that it is associated with."""
    own, person = _properties(ticket), _properties(contact)
    return {
        "id": thin.id,
        "type": thin.type,
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
    """HubSpot's own properties, then those of the account that are called like a phone."""
    others = [name for name in own if name not in _READ and names.guess(name, own[name]) == "phones"]
    return [own[name] for name in (*PHONES, *others) if not is_empty(own.get(name))]


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _extra(own: Mapping[str, Any], payload: Mapping[str, Any]) -> dict[str, Any]:
    """The other properties, and what brought the event about."""
    change = {"change_source": payload.get("changeSource"), "portal_id": payload.get("portalId")}
    if payload.get("propertyName"):
        change["changed"] = payload["propertyName"]
    others = {name: value for name, value in own.items() if name not in _READ}
    return {name: value for name, value in (others | change).items() if value not in (None, "")}
