"""Payloads in, records out: one file and one line here for each outside system."""

from __future__ import annotations

from collections.abc import Callable

from mappings import lead, ticket, tracksale, wolkvox
from mappings.base import Locale, PayloadMapping, RecordMapping, Rendering

#: What a source's ``mapping`` may be.
PAYLOADS: dict[str, Callable[[Locale], PayloadMapping]] = {
    "lead": lead.LeadMapping,
    "ticket": ticket.TicketMapping,
}

#: The event types that each of them can yield.
EVENT_TYPES: dict[str, tuple[str, ...]] = {
    "lead": lead.EVENT_TYPES,
    "ticket": ticket.EVENT_TYPES,
}

#: The record of each destination.
RECORDS: dict[str, Callable[[Rendering], RecordMapping]] = {
    "wolkvox.add_record": wolkvox.Row,
    "tracksale.dispatch": tracksale.SurveyCustomer,
    "tracksale.fill_empty_tags": tracksale.EmptyTags,
    "tracksale.note": tracksale.Note,
}
