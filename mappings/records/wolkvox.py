"""wolkvox's predictive dialler: one row of ``add_record``, 37 texts, "" for absent ones."""

from __future__ import annotations

from typing import ClassVar

from mappings.base import Invalid, Rendered, Rendering
from mappings.events import Event, Lead, Phone, Ticket
from mappings.rendering import (
    Cell,
    Dialling,
    Draft,
    Sheet,
    extra_or_field,
    foreign,
    local_time,
    meaningful,
    phones_of,
    value_text,
)

OPTS = tuple(f"opt{n}" for n in range(1, 13))
PHONES = (*(f"tel{n}" for n in range(1, 11)), "tel_extra")
_PERSON = ("customer_name", "customer_last_name", "id_type", "customer_id", "age", "gender")
_PLACE = ("country", "state", "city", "zone", "address")
_OPT_LENGTHS = {name: 100 if n <= 6 else 200 for n, name in enumerate(OPTS, start=1)}

#: The row: every field a text, in the vendor's order.
RowSchema = Sheet.from_dict(
    {
        **{name: Cell() for name in (*_PERSON, *_PLACE)},
        **{name: Cell(max_length=length) for name, length in _OPT_LENGTHS.items()},
        **{name: Cell() for name in PHONES},
        **{name: Cell() for name in ("email", "recall_date", "recall_telephone")},
    },
    name="RowSchema",
)


class Row:
    """Renders a lead, or a ticket's customer to be called back."""

    calls: ClassVar[bool] = True  #: its numbers are dialled

    def __init__(self, rendering: Rendering) -> None:
        if len(rendering.opt) > len(OPTS):
            raise ValueError(f"opt takes {len(OPTS)} paths at most")
        self._schema = RowSchema()
        self._dialling = Dialling(rendering, prefixed=True)
        self._timezone = rendering.locale.timezone
        self._opts = tuple(zip(OPTS, rendering.opt, strict=False))

    def render(self, event: Event) -> Rendered:
        """The row. `Invalid` when no phone is left that can be dialled."""
        draft = self._lead(event) if isinstance(event, Lead) else _customer(event)
        draft.hold = "; ".join(event.hold)
        self._phones(draft, event)
        for name, path in self._opts:
            draft[name] = value_text(extra_or_field(event, path), self._timezone)
        return draft.written(self._schema)

    def _lead(self, lead: Lead) -> Draft:
        draft = Draft(
            customer_name=lead.first_name,
            customer_last_name=lead.last_name,
            id_type=lead.id_type,
            customer_id=lead.id_number,
            age=lead.age,
            gender=lead.gender,
            country=lead.country,
            state=lead.state,
            city=lead.city,
            zone=lead.zone,
            address=lead.address,
            email=lead.email,
        )
        if lead.callback_at:
            local = local_time(lead.callback_at, self._timezone)
            draft["recall_date"] = f"{local:%Y%m%d%H%M%S}".zfill(14) if local else ""
        if lead.callback_phone:
            self._recall_telephone(draft, lead.callback_phone)
        return draft

    def _recall_telephone(self, draft: Draft, phone: Phone) -> None:
        text = self._dialling.text(phone)
        if text is None:
            draft.note("callback_phone", foreign(phone))
        else:
            draft["recall_telephone"] = text

    def _phones(self, draft: Draft, event: Event) -> None:
        texts = list(self._dialling.each(phones_of(event), draft))
        if not texts:
            draft.fault("tel1", "; ".join(draft.notes) or "there is no phone to dial")
            return
        if len(texts) > len(PHONES):
            draft.note("phones", f"{len(texts) - len(PHONES)} left out: a row takes {len(PHONES)}")
        draft.update(zip(PHONES, texts, strict=False))
        draft["customer_id"] = meaningful(draft["customer_id"]) or texts[0]


def _customer(ticket: Ticket) -> Draft:
    customer = ticket.customer
    return Draft(customer_name=customer.name, customer_id=customer.identification, email=customer.email)


class Blocked:
    """Renders the numbers that wolkvox is never to dial again, as its rows have them."""

    def __init__(self, rendering: Rendering) -> None:
        self._ways = (Dialling(rendering, prefixed=True), Dialling(rendering, prefixed=False))

    def render(self, event: Event) -> Rendered:
        """The numbers, with the dial prefix and without. `Invalid` if the event has none that can be dialled."""
        draft = Draft()
        found = [text.lstrip("+") for way in self._ways for text in way.each(phones_of(event), draft)]
        if not found:
            draft.fault("telephones", "; ".join(dict.fromkeys(draft.notes)) or "there is no phone to block")
        if draft.faults:
            raise Invalid(tuple(draft.faults))
        return Rendered({"telephones": list(dict.fromkeys(found))}, tuple(dict.fromkeys(draft.notes)))
