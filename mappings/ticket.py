"""Our own ticket JSON: ``{"id", "type", "time", "data": {…}}``, the customer and the agent being objects inside."""

from __future__ import annotations

from typing import Any

from mappings import fields
from mappings.base import FieldError, Invalid, Locale, PlainSender
from mappings.events import Agent, Customer, Ticket
from mappings.payloads import Part, PayloadSchema, as_notes, decisive, load

EVENT_TYPES = ("ticket.created", "ticket.updated", "ticket.closed")


class AgentSchema(PayloadSchema):
    """Who has the ticket."""

    id = fields.Text()
    name = fields.Text()
    email = fields.Email()


class CustomerSchema(PayloadSchema):
    """Whom the ticket is about."""

    name = fields.Text()
    email = fields.Email()
    phone = fields.Phone()
    identification = fields.Text()


class TicketData(PayloadSchema):
    """The case."""

    ticket_id = fields.Text()
    number = fields.Text()
    channel = fields.Text()
    subject = fields.Text(max_length=1000)
    created_at = fields.Time()
    updated_at = fields.Time()
    agent = Part(AgentSchema)
    customer = Part(CustomerSchema)
    answer_id = fields.Whole()
    comment = fields.Text(max_length=10_000, lines=True)
    extra = fields.Extra()


class TicketSchema(PayloadSchema):
    """The envelope."""

    id = fields.Text()
    type = fields.OneOf(*EVENT_TYPES, required=True)
    time = fields.Time()
    data = Part(TicketData, required=True)


class TicketMapping(PlainSender):
    """Reads a ticket; bad optional fields are blanked and noted."""

    event_types = EVENT_TYPES

    def __init__(self, locale: Locale) -> None:
        self._schema = TicketSchema(locale)

    def read(self, payload: Any) -> Ticket:
        """The ticket. `Invalid` when its type is unknown, or nothing says whose it is: see `_UNKNOWN_PERSON`."""
        envelope, faults = load(self._schema, payload)
        case = envelope.pop("data", {})
        agent, customer = Agent(**case.pop("agent", {})), Customer(**case.pop("customer", {}))
        if not (customer.email or customer.phone or customer.identification or case.get("answer_id")):
            raise Invalid(faults if decisive(faults, "payload", "data") else (*faults, _UNKNOWN_PERSON))
        if decisive(faults, "type"):
            raise Invalid(faults)
        return Ticket(**{"id": "", **envelope}, **case, agent=agent, customer=customer, notes=as_notes(faults))


_UNKNOWN_PERSON = FieldError(
    "customer", "no valid e-mail, phone or identification and no answer_id: one of them is needed"
)
