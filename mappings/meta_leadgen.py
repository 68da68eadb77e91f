"""Meta Lead Ads (Facebook, Instagram): thin events, many in one POST; the answers are read from the Graph API.

https://developers.facebook.com/docs/graph-api/webhooks/getting-started/webhooks-for-leadgen. ``fetched`` is
``{"leadgen": {"id", "created_time", "field_data": [{"name", "values": […]}]}}`` (`connector.vendors.meta`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from mappings import fields
from mappings.base import FieldError, Ignored, Invalid, Locale, PlainSender, Sender, walk
from mappings.events import Event, Thin
from mappings.lead import LeadMapping
from mappings.payloads import Part, PayloadSchema, load

#: A question's name -> our field. Meta names its own questions in English, older forms in the form's language; all
#: others are their author's texts and go into extra as they are.
QUESTIONS: Final = {
    "first_name": "first_name",
    "nombre": "first_name",
    "nome": "first_name",
    "full_name": "first_name",  # a whole name is not taken apart: nobody knows where its last names begin
    "nombre_completo": "first_name",
    "nome_completo": "first_name",
    "last_name": "last_name",
    "apellido": "last_name",
    "apellidos": "last_name",
    "sobrenome": "last_name",
    "email": "email",
    "work_email": "email",
    "correo_electrónico": "email",
    "phone_number": "phones",
    "work_phone_number": "phones",
    "número_de_teléfono": "phones",
    "número_de_telefone": "phones",
    "telefone": "phones",
    "whatsapp_number": "phones",
    "country": "country",
    "país": "country",
    "state": "state",
    "province": "state",
    "city": "city",
    "ciudad": "city",
    "cidade": "city",
    "street_address": "address",
    "gender": "gender",
    "national_id_number": "id_number",
}
#: Of the testing tool's leads; the last is of the webhook settings' "Test" button, which points at no lead at all.
_DUMMY_TEXT: Final = "<test lead:"
_DUMMY_EMAIL: Final = "test@fb.com"
_DUMMY_DIGITS: Final = "4"


class ValueSchema(PayloadSchema):
    """What a change of the field "leadgen" says. Ids come as texts or as numbers."""

    leadgen_id = fields.Text(required=True)
    created_time = fields.Time()


class ChangeSchema(PayloadSchema):
    """One of ``entry[].changes[]``."""

    field = fields.Text(required=True)
    value = Part(ValueSchema, required=True)


class MetaLeadgenMapping(PlainSender):
    """A lead a change. Leads of Meta's testing tool are ignored: nobody wants to be called."""

    sender = Sender(
        decode="plain",
        proof={"scheme": "hmac", "header": "X-Hub-Signature-256", "prefix": "sha256="},
        handshake=("hub.verify_token", "hub.challenge"),
        reply={},
        gives_up=True,  # subscriptions that are answered anything but 200 are ended
    )
    event_types = ("lead.created",)
    fetches = "meta"

    def __init__(self, locale: Locale) -> None:
        self._change = ChangeSchema(locale)
        self._leads = LeadMapping(locale)

    def parts(self, body: Any) -> Sequence[Any]:
        """Every change of every entry; the body itself, where there is none to be found."""
        changes = [change for entry in _list(body, "entry") for change in _list(entry, "changes")]
        return changes or (body,)

    def read(self, payload: Any) -> Thin:
        """Which lead to fetch. `Ignored`: other fields of the page, and the settings' test button."""
        if isinstance(payload, dict) and isinstance(field := payload.get("field"), str) and field != "leadgen":
            raise Ignored(f"a change of {field[:80]!a}: only leadgen makes leads")
        change, faults = load(self._change, payload)
        ref = change.get("value", {}).get("leadgen_id", "")
        wrong = [f for f in faults if f.field in ("payload", "field", "value", "value.leadgen_id")]
        if wrong or not (ref.isascii() and ref.isdigit() and len(ref) <= 30):
            raise Invalid(tuple(wrong) or (FieldError("value.leadgen_id", "must be the lead's number"),))
        if set(ref) == {_DUMMY_DIGITS}:
            raise Ignored("a test of the webhook: it points at no lead")
        return Thin(id=ref, type="lead.created", what="leadgen", ref=ref, time=change["value"].get("created_time"))

    def complete(self, payload: Any, fetched: Mapping[str, Any]) -> Event:
        """The lead. `Ignored` when it is one of the testing tool's."""
        thin = self.read(payload)
        if not isinstance(fetched.get("leadgen"), dict):
            raise Invalid((FieldError("leadgen", "was not fetched"),))
        answers = _answers(fetched["leadgen"])
        if any(_is_dummy(text) for _, values in answers for text in values):
            raise Ignored("a test lead")
        return self._leads.read(
            {
                "id": thin.ref,
                "type": "lead.created",
                "time": (thin.time and thin.time.isoformat()) or walk(fetched, "leadgen.created_time"),
                "data": _data(answers, payload["value"]),
            }
        )


def _list(found: Any, name: str) -> list[Any]:
    value = found.get(name) if isinstance(found, dict) else None
    return value if isinstance(value, list) else []


def _answers(lead: Mapping[str, Any]) -> list[tuple[str, list[Any]]]:
    """(question, answers) of every question that was answered."""
    named = [(one.get("name"), _list(one, "values")) for one in _list(lead, "field_data") if isinstance(one, dict)]
    return [(name, values) for name, values in named if isinstance(name, str) and values]


def _is_dummy(value: Any) -> bool:
    return isinstance(value, str) and (value.startswith(_DUMMY_TEXT) or value.strip().lower() == _DUMMY_EMAIL)


def _data(answers: list[tuple[str, list[Any]]], about: Mapping[str, Any]) -> dict[str, Any]:
    """The answers as the data of our own lead JSON; the first answer to what is asked twice."""
    ids = ("page_id", "form_id", "ad_id", "adgroup_id")
    extra: dict[str, Any] = {name: str(about[name]) for name in ids if isinstance(about.get(name), str | int)}
    data: dict[str, Any] = {"phones": []}
    for question, values in answers:
        name = QUESTIONS.get(question.strip().lower(), "")
        if name == "phones":
            data["phones"] += values
        elif name and name not in data:
            data[name] = values[0]
        else:
            extra[question] = values[0] if len(values) == 1 else values
    return data | {"extra": extra}
