"""The base of most payload mappings: what a sender says, put into our own JSON and read like it.

So phones, times, leniency, notes and errors are the same for every sender. A mapping file only says where things are:
`LeadSender` and `TicketSender` leave all of that to `own`; `AnswersSender` is for forms, which send a list of answers
under names that somebody chose.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, ClassVar

from mappings.base import Locale, PlainSender, Sender
from mappings.events import Event, Lead, Thin
from mappings.lead import LeadMapping
from mappings.ticket import TicketMapping

#: What a source may call by its own names. "extra.…" may be named besides.
LEAD_FIELDS = tuple(f.name for f in fields(Lead) if f.name not in ("extra", "notes"))
TICKET_FIELDS = (
    *("id", "type", "time", "ticket_id", "number", "channel", "subject", "created_at", "updated_at", "comment"),
    *("answer_id", "agent.id", "agent.name", "agent.email"),
    *("customer.name", "customer.email", "customer.phone", "customer.identification"),
)
EXTRA = "extra."


class LeadSender(PlainSender):
    """A sender of leads with a shape of its own."""

    sender = Sender(decode="plain")
    event_types: ClassVar[tuple[str, ...]] = ("lead.created",)
    field_names = LEAD_FIELDS

    def __init__(self, locale: Locale) -> None:
        self._lead = LeadMapping(locale)

    def own(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Our own lead JSON of an object, ``{"id", "type", "time", "data": {…}}``. May raise `Invalid`, `Ignored`."""
        raise NotImplementedError

    def read(self, payload: Any) -> Event | Thin:
        """The lead, `Invalid` with every fault, or `Ignored`."""
        return self._lead.read(self.own(payload) if isinstance(payload, dict) else payload)


class TicketSender(PlainSender):
    """A sender of tickets with a shape of its own."""

    sender = Sender(decode="plain")
    event_types: ClassVar[tuple[str, ...]] = ("ticket.created", "ticket.updated", "ticket.closed")
    field_names = TICKET_FIELDS

    def __init__(self, locale: Locale) -> None:
        self._ticket = TicketMapping(locale)

    def own(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Our own ticket JSON of an object. May raise `Invalid`, `Ignored`."""
        raise NotImplementedError

    def read(self, payload: Any) -> Event | Thin:
        """The ticket, `Invalid` with every fault, or `Ignored`."""
        return self._ticket.read(self.own(payload) if isinstance(payload, dict) else payload)


# --- loose values -----------------------------------------------------------------------------------------------


def table(value: Any) -> dict[str, Any]:
    """An object as it is, and an empty one for everything else."""
    return value if isinstance(value, dict) else {}


def tables(value: Any) -> list[dict[str, Any]]:
    """The objects in a list; none when it is no list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def word(value: Any) -> str:
    """A text as it is, a whole number as text, and "" for everything else: for ids, and for keys of tables."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if value.bit_length() <= 64 else ""
    return value.strip() if isinstance(value, str) else ""


def is_empty(value: Any) -> bool:
    """Whether nothing is said: null, a blank text, an empty list or object. False and 0 say something."""
    return value is None or (isinstance(value, str) and not value.strip()) or value == [] or value == {}


# --- answers ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """One field of a form as it was filled in."""

    name: str  #: as its author called it
    value: Any
    title: str = ""  #: what the person read
    field: str = ""  #: ours, where the sender's own type tells: "email"
    key: str = ""  #: what it is called in extra, where that is not its name
    hidden: bool = False  #: nobody saw it: it is a field of ours only if the source's ``fields`` say so


class AnswersSender(LeadSender):
    """A sender of forms. A field is ours if the source's ``fields`` say so, else by its type, else by its usual name.

    ``fields``: our field -> a field's name or title, or several: all of them for phones, else the form's first that is
    filled. What they name is taken from nowhere else. Whatever is none of our fields goes into the lead's extra.
    """

    takes_fields = True

    def __init__(self, locale: Locale, fields: Mapping[str, Any] | None = None) -> None:
        super().__init__(locale)
        self._ours = {name: ours for ours, names in (fields or {}).items() for name in as_names(names)}
        self._named = frozenset(fields or ())

    def envelope(self, payload: dict[str, Any]) -> dict[str, Any]:
        """The id and the time, and the type where it is not always the same. May raise `Invalid`, `Ignored`."""
        raise NotImplementedError

    def answers(self, payload: dict[str, Any]) -> Iterable[Answer]:
        """The fields of the form, in their order."""
        raise NotImplementedError

    def about(self, payload: dict[str, Any]) -> dict[str, Any]:
        """What else there is to know, for the lead's extra: the campaign, the page. Answers come before it."""
        return {}

    def own(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Our own lead JSON."""
        envelope = {"type": self.event_types[0], **self.envelope(payload)}
        data: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        phones: list[Any] = []
        for answer in self.answers(payload):
            if is_empty(answer.value):
                continue
            ours = self._field_of(answer)
            if ours == "phones":
                phones += answer.value if isinstance(answer.value, list) else [answer.value]
            elif ours in _ENVELOPE:
                envelope[ours] = answer.value
            elif ours and not ours.startswith(EXTRA) and ours not in data:
                data[ours] = answer.value
            else:
                named = ours.removeprefix(EXTRA) if ours.startswith(EXTRA) else ""
                extra.setdefault(named or answer.key or answer.name, answer.value)
        about = {key: value for key, value in self.about(payload).items() if not is_empty(value)}
        # One text may hold several numbers, as long as it is alone.
        found = phones[0] if len(phones) == 1 else phones
        return {**envelope, "data": {**data, "phones": found, "extra": {**about, **extra}}}

    def _field_of(self, answer: Answer) -> str:
        if named := self._ours.get(answer.name) or self._ours.get(answer.title):
            return named
        if answer.hidden:
            return ""
        guessed = answer.field or KNOWN.get(folded(answer.name)) or KNOWN.get(folded(answer.title)) or ""
        return "" if guessed in self._named else guessed


_ENVELOPE = ("id", "type", "time")


def as_names(value: Any) -> Sequence[str]:
    """What a configuration says as one name or several."""
    return (value,) if isinstance(value, str) else tuple(value)


@lru_cache(maxsize=4096)
def folded(name: str) -> str:
    """A name as `KNOWN` has it: lower case, no accents, one underscore for whatever stands between words."""
    plain = unicodedata.normalize("NFKD", name[:200]).encode("ascii", "ignore").decode().lower()
    return re.sub("[^a-z0-9]+", "_", plain).strip("_")


#: What people call a person's fields in English, Spanish and Portuguese -> ours. A whole name stays whole: nobody can
#: tell where "Ana María de la Cruz" is to be cut.
KNOWN = {
    other: ours
    for ours, others in {
        "first_name": "name full_name fullname your_name first_name firstname nombre nombres nombre_completo"
        " nombre_y_apellido nombre_y_apellidos nombres_y_apellidos tu_nombre primer_nombre nome nome_completo"
        " primeiro_nome",
        "last_name": "last_name lastname surname family_name apellido apellidos sobrenome",
        "email": "email e_mail mail email_address your_email correo correo_electronico tu_correo tu_email",
        "phones": "phone phones phone_number phonenumber mobile mobile_phone mobilephone personal_phone work_phone tel"
        " telephone telefono telefonos telefono_movil telefono_celular telefono_fijo telefono_de_contacto"
        " numero_de_telefono numero_de_celular numero_telefonico celular movil whatsapp numero_de_whatsapp telefone"
        " telefone_celular telefone_fixo fone",
        "id_number": "id_number national_id documento numero_de_documento documento_de_identidad cedula"
        " numero_de_cedula cedula_de_ciudadania dni rut cpf",
        "id_type": "id_type tipo_de_documento tipo_documento",
        "age": "age edad idade",
        "gender": "gender sexo genero",
        "country": "country pais",
        "state": "state province region provincia estado",
        "city": "city ciudad municipio cidade",
        "zone": "zone zona barrio bairro",
        "address": "address street_address direccion endereco",
    }.items()
    for other in others.split()
}
