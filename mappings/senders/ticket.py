"""Our own ticket JSON: ``{"id", "type", "time", "data": {…}}``, the customer and the agent being objects inside."""

from __future__ import annotations

from typing import Any

from mappings import fields
from mappings.base import FieldError, Invalid, Locale, PlainSender
from mappings.events import Agent, Customer, Ticket
from mappings.payloads import Part, PayloadSchema, as_notes, decisive, holds, load

EVENT_TYPES = ("ticket.created", "ticket.updated", "ticket.closed")


class AgentSchema(PayloadSchema):
    """The agent who has the ticket."""

    id = fields.Text()
    name = fields.Text()
    email = fields.Email()


class CustomerSchema(PayloadSchema):
    """The customer of the ticket."""

    name = fields.Text()
    email = fields.Email()
    phone = fields.Phone()
    identification = fields.Identity()


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
        """The ticket. `Invalid` if its type is unknown, or if it names neither a ticket nor a person.

        A ticket without a person is an event: it can be closed or reassigned. Records that need a person demand one.
        """
        envelope, faults = load(self._schema, payload)
        case = envelope.pop("data", {})
        agent, customer = Agent(**case.pop("agent", {})), Customer(**case.pop("customer", {}))
        is_known = customer.email or customer.phone or customer.identification or case.get("answer_id")
        if not (is_known or case.get("ticket_id") or case.get("number")):
            raise Invalid(faults if decisive(faults, "payload", "data") else (*faults, _UNKNOWN))
        if decisive(faults, "type"):
            raise Invalid(faults)
        return Ticket(
            **{"id": "", **envelope}, **case, agent=agent, customer=customer, notes=as_notes(faults), hold=holds(faults)
        )


_UNKNOWN = FieldError(
    "ticket_id", "no ticket_id or number, and no valid e-mail, phone, identification or answer_id: one is needed"
)
