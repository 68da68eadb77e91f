"""PostCenter: which of its tickets is to be closed or reassigned."""

from __future__ import annotations

from marshmallow import Schema

from mappings.base import Rendered, Rendering
from mappings.events import Event, Ticket
from mappings.rendering import Cell, Draft
from mappings.senders.postcenter import ticket_of


class TicketReferenceSchema(Schema):
    """Which ticket it is: all that closing and reassigning need."""

    ticket_id = Cell()


class TicketReference:
    """Renders a ticket of PostCenter's own."""

    def __init__(self, rendering: Rendering) -> None:
        self._schema = TicketReferenceSchema()

    def render(self, event: Event) -> Rendered:
        """Its id. `Invalid` for a lead, and for a ticket of another helpdesk, which PostCenter knows nothing of."""
        ref = ticket_of(event.ticket_id) if isinstance(event, Ticket) else ""
        draft = Draft(ticket_id=ref)
        if not ref:
            draft.fault("ticket_id", "is no ticket of PostCenter (24 hexadecimal digits)")
        return draft.written(self._schema)
