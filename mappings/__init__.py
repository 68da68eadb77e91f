"""Payloads in, records out: one file and one line here for each outside system."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mappings import (
    adf,
    elementor,
    form,
    freshdesk,
    google_lead_form,
    hubspot,
    lead,
    meta_leadgen,
    postcenter,
    rd_station,
    ticket,
    tracksale,
    tracksale_answer,
    typeform,
    wolkvox,
    zendesk,
)
from mappings.base import Locale, PayloadMapping, PlainSender, RecordMapping, Rendering

#: What a source's ``mapping`` may be. Built with the locale, and with the source's ``fields`` where it takes them.
PAYLOADS: dict[str, type[PlainSender]] = {
    "lead": lead.LeadMapping,
    "ticket": ticket.TicketMapping,
    "typeform": typeform.TypeformMapping,
    "google_lead_form": google_lead_form.GoogleLeadFormMapping,
    "rd_station": rd_station.RdStationMapping,
    "elementor": elementor.ElementorMapping,
    "form": form.FormMapping,
    "zendesk": zendesk.ZendeskMapping,
    "freshdesk": freshdesk.FreshdeskMapping,
    "adf": adf.AdfMapping,
    "hubspot": hubspot.HubSpotMapping,
    "meta_leadgen": meta_leadgen.MetaLeadgenMapping,
    "postcenter": postcenter.PostCenterMapping,
    "tracksale_answer": tracksale_answer.TracksaleAnswerMapping,
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
    "tracksale.survey_links": tracksale.SurveyCustomer,
    "tracksale.answers": tracksale.CollectedAnswer,
    "tracksale.fill_empty_tags": tracksale.EmptyTags,
    "tracksale.note": tracksale.Note,
    "postcenter.close": postcenter.TicketReference,
    "postcenter.reassign": postcenter.TicketReference,
}
