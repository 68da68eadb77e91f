"""Payloads in, records out: one file and one line here for each outside system."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mappings import lead, ticket, tracksale, wolkvox
from mappings.base import Locale, PayloadMapping, PlainSender, RecordMapping, Rendering

#: What a source's ``mapping`` may be. Built with the locale, and with the source's ``fields`` where it takes them.
PAYLOADS: dict[str, type[PlainSender]] = {
    "lead": lead.LeadMapping,
    "ticket": ticket.TicketMapping,
}

#: The event types that each of them can yield.
EVENT_TYPES: dict[str, tuple[str, ...]] = {name: mapping.event_types for name, mapping in PAYLOADS.items()}

#: What a sender's own scheme stands for, for those that have one: ``verify = { scheme = "typeform", … }``.
PROOFS: dict[str, Mapping[str, Any]] = {
    n: mapping.sender.proof for n, mapping in PAYLOADS.items() if mapping.sender.proof
}


def payload_mapping(name: str, locale: Locale, fields: Mapping[str, Any] | None = None) -> PayloadMapping:
    """The mapping of a source."""
    build: Callable[..., PayloadMapping] = PAYLOADS[name]  # type: ignore[assignment]
    return build(locale, fields or {}) if PAYLOADS[name].takes_fields else build(locale)


#: The record of each destination.
RECORDS: dict[str, Callable[[Rendering], RecordMapping]] = {
    "wolkvox.add_record": wolkvox.Row,
    "tracksale.dispatch": tracksale.SurveyCustomer,
    "tracksale.fill_empty_tags": tracksale.EmptyTags,
    "tracksale.note": tracksale.Note,
}
