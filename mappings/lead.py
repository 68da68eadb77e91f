"""Our own lead JSON: ``{"id", "type", "time", "data": {…}}``. A lead is worth more than its optional fields."""

from __future__ import annotations

from typing import Any

from mappings import fields
from mappings.base import FieldError, Invalid, Locale, PlainSender
from mappings.events import Lead
from mappings.payloads import Part, PayloadSchema, as_notes, decisive, load

EVENT_TYPES = ("lead.created", "lead.updated")


class LeadData(PayloadSchema):
    """The person."""

    first_name = fields.Text()
    last_name = fields.Text()
    id_type = fields.Text()
    id_number = fields.Text()
    age = fields.Age()
    gender = fields.Text()
    country = fields.Text()
    state = fields.Text()
    city = fields.Text()
    zone = fields.Text()
    address = fields.Text()
    phones = fields.Phones()
    email = fields.Email()
    callback_at = fields.Time()
    callback_phone = fields.Phone()
    extra = fields.Extra()


class LeadSchema(PayloadSchema):
    """The envelope."""

    id = fields.Text()
    type = fields.OneOf(*EVENT_TYPES, required=True)
    time = fields.Time()
    data = Part(LeadData, required=True)


class LeadMapping(PlainSender):
    """Reads a lead; bad optional fields are blanked and noted, a bad phone is dropped and noted."""

    event_types = EVENT_TYPES

    def __init__(self, locale: Locale) -> None:
        self._schema = LeadSchema(locale)

    def read(self, payload: Any) -> Lead:
        """The lead. `Invalid` when its type is unknown, or neither a phone nor an e-mail is left."""
        envelope, faults = load(self._schema, payload)
        person = envelope.pop("data", {})
        if not person.get("phones") and person.get("callback_phone"):
            person["phones"] = (person["callback_phone"],)
        if not person.get("phones") and not person.get("email"):
            raise Invalid(faults if decisive(faults, "payload", "data") else (*faults, _UNREACHABLE))
        if decisive(faults, "type"):
            raise Invalid(faults)
        return Lead(**{"id": "", **envelope}, **person, notes=as_notes(faults))


_UNREACHABLE = FieldError("phones", "no valid phone and no e-mail: one of them is needed")
