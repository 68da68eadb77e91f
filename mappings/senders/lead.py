"""Our own lead JSON: ``{"id", "type", "time", "data": {…}}``. A lead is worth more than its optional fields."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from mappings import fields
from mappings.base import FieldError, Invalid, Locale, PlainSender
from mappings.events import Lead
from mappings.payloads import Part, PayloadSchema, as_notes, decisive, holds, load

EVENT_TYPES = ("lead.created", "lead.updated", "contact.refused")


class LeadData(PayloadSchema):
    """The person."""

    first_name = fields.Text()
    last_name = fields.Text()
    id_type = fields.Text()
    id_number = fields.Identity()
    age = fields.Age()
    gender = fields.Text()
    country = fields.Text()
    state = fields.Text()
    city = fields.Text()
    zone = fields.Text()
    address = fields.Text()
    phones = fields.Phones()
    email = fields.Email()
    callback_at = fields.Time(wish=True)
    callback_phone = fields.Phone()
    channel = fields.Text()
    reason = fields.Text()
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

    @property
    def phones(self) -> fields.Phones:
        """The field that reads the person's numbers, for senders that have to recognise one."""
        found: fields.Phones = cast(Any, self._schema.fields["data"]).schema.fields["phones"]
        return found

    def read(self, payload: Any, *, remarks: Callable[[bool], Sequence[FieldError]] | None = None) -> Lead:
        """The lead. `Invalid` if its type is unknown, or if it has neither a phone nor an e-mail.

        ``remarks`` returns those of the sender's own mapping, given whether the lead has a phone; they become notes, or
        stand beside the faults of an invalid lead.
        """
        envelope, faults = load(self._schema, payload)
        person = envelope.pop("data", {})
        if remarks:
            faults = (*faults, *remarks(bool(person.get("phones"))))
        # The channel and reason of a refusal. Other leads may have a channel, too.
        if refusal := {name: text for name in ("channel", "reason") if (text := person.pop(name, ""))}:
            person["extra"] = {**refusal, **person.get("extra", {})}
        if not person.get("phones") and person.get("callback_phone"):
            person["phones"] = (person["callback_phone"],)
        if not person.get("phones") and not person.get("email"):
            raise Invalid(faults if decisive(faults, "payload", "data") else (*faults, _UNREACHABLE))
        if decisive(faults, "type"):
            raise Invalid(faults)
        return Lead(**{"id": "", **envelope}, **person, notes=as_notes(faults), hold=holds(faults))


_UNREACHABLE = FieldError("phones", "no valid phone and no e-mail: one of them is needed")
