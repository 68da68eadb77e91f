"""Meta Lead Ads (Facebook, Instagram): thin events, many in one POST; the answers are read from the Graph API.

https://developers.facebook.com/docs/graph-api/webhooks/getting-started/webhooks-for-leadgen. ``fetched`` is
``{"leadgen": {"id", "created_time", "field_data": [{"name", "values": […]}]}}`` (`connector.vendors.meta`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from mappings import fields
from mappings.base import FieldError, Ignored, Invalid, Locale, Sender
from mappings.events import Event, Thin
from mappings.payloads import Part, PayloadSchema, load
from mappings.texts import is_of_a_test
from mappings.translated import Answer, AnswersSender, table, tables, word

#: Meta's own questions with unusual names -> our field.
QUESTIONS: Final = {
    "work_email": "email",
    "work_phone_number": "phones",
    "whatsapp_number": "phones",
    "national_id_number": "id_number",
}
#: The "Test" button of the webhook's settings sends ids of this digit only: there is no such lead.
_DUMMY_DIGIT: Final = "4"


class ValueSchema(PayloadSchema):
    """A change of the field "leadgen". Ids come as texts or as numbers."""

    leadgen_id = fields.Text(required=True)
    created_time = fields.Time()


class ChangeSchema(PayloadSchema):
    """One of ``entry[].changes[]``."""

    field = fields.Text(required=True)
    value = Part(ValueSchema, required=True)


class MetaLeadgenMapping(AnswersSender):
    """One lead for each change. Leads of Meta's testing tool are ignored: nobody wants to be called."""

    sender = Sender(
        makes_secret=True,
        decode="plain",
        proof={"scheme": "hmac", "header": "X-Hub-Signature-256", "prefix": "sha256="},
        handshake=("hub.verify_token", "hub.challenge"),
        reply={},
        gives_up=True,  # a subscription that is answered anything but 200 is ended after a while
        repeats=False,
    )
    fetches = "meta"

    def __init__(self, locale: Locale, fields: Mapping[str, Any] | None = None) -> None:
        super().__init__(locale, fields)
        self._change = ChangeSchema(locale)

    def parts(self, body: Any) -> Sequence[Any]:
        """Every change of every entry; the body itself if there is none."""
        entries = tables(table(body).get("entry"))
        return [change for entry in entries for change in tables(entry.get("changes"))] or (body,)

    def read(self, payload: Any) -> Thin:
        """Which lead to fetch. `Ignored`: other fields of the page, and the settings' test button."""
        if (field := word(table(payload).get("field"))) not in ("", "leadgen"):
            raise Ignored(f"a change of {field[:80]!a}: only leadgen makes leads")
        change, faults = load(self._change, payload)
        ref = change.get("value", {}).get("leadgen_id", "")
        wrong = tuple(f for f in faults if f.field in ("payload", "field", "value", "value.leadgen_id"))
        if wrong or not (ref.isascii() and ref.isdigit() and len(ref) <= 30):
            raise Invalid(wrong or (FieldError("value.leadgen_id", "must be the lead's number"),))
        if set(ref) == {_DUMMY_DIGIT}:
            raise Ignored("a test of the webhook: it points at no lead")
        return Thin(id=ref, type="lead.created", what="leadgen", ref=ref, time=change["value"].get("created_time"))

    def complete(self, payload: Any, fetched: Mapping[str, Any]) -> Event:
        """The lead. `Ignored` when it is one of the testing tool's."""
        thin, lead = self.read(payload), fetched.get("leadgen")
        if not isinstance(lead, dict):
            raise Invalid((FieldError("leadgen", "was not fetched"),))
        if any(map(is_of_a_test, (one for _, *answers in _answers(lead) for one in answers))):
            raise Ignored("a test lead")
        time = thin.time.isoformat() if thin.time else lead.get("created_time")
        return self.lead({"id": thin.ref, "time": time, "lead": lead, "value": payload["value"]})

    def envelope(self, payload: dict[str, Any]) -> dict[str, Any]:
        """The envelope of the object that `complete` puts together."""
        return {"id": payload["id"], "time": payload["time"]}

    def answers(self, payload: dict[str, Any]) -> Iterable[Answer]:
        """The form's fields. Custom questions are named as their author wrote them, accents, ¿ and ? included."""
        for name, *values in _answers(payload["lead"]):
            yield Answer(name, values[0] if len(values) == 1 else values, field=QUESTIONS.get(name, ""))

    def about(self, payload: dict[str, Any]) -> dict[str, Any]:
        """The page, form and advertisement; a lead that no ad brought has no ad_id."""
        return {name: word(payload["value"].get(name)) for name in ("page_id", "form_id", "ad_id", "adgroup_id")}


def _answers(lead: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """(question, answer, …) of every question that has an answer."""
    questions = [(one.get("name"), one.get("values")) for one in tables(lead.get("field_data"))]
    return [
        (name, *values) for name, values in questions if isinstance(name, str) and isinstance(values, list) and values
    ]
