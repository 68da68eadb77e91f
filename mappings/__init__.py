"""Payloads in, records out: one file and one line here for each outside system."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mappings.base import PlainSender, RecordMapping, Rendering
from mappings.records import postcenter as tickets
from mappings.records import tracksale, wolkvox
from mappings.senders import (
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
    tracksale_answer,
    typeform,
    zendesk,
)

#: The values of a source's ``mapping``. Built with the locale, and with the source's ``fields`` if it takes them.
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

#: The full form of each sender's own scheme: ``verify = { scheme = "typeform", … }``.
PROOFS: dict[str, Mapping[str, Any]] = {
    n: mapping.sender.proof for n, mapping in PAYLOADS.items() if mapping.sender.proof
}

#: The record of each destination.
RECORDS: dict[str, Callable[[Rendering], RecordMapping]] = {
    "wolkvox.add_record": wolkvox.Row,
    "wolkvox.add_dnc": wolkvox.Blocked,
    "tracksale.dispatch": tracksale.SurveyCustomer,
    "tracksale.survey_links": tracksale.LinkCustomer,
    "tracksale.answers": tracksale.CollectedAnswer,
    "tracksale.fill_empty_tags": tracksale.EmptyTags,
    "tracksale.note": tracksale.Note,
    "postcenter.close": tickets.TicketReference,
    "postcenter.reassign": tickets.TicketReference,
}
