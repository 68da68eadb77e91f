"""RD Station: a contact that has converted, in either of the two shapes that are still sent.

https://developers.rdstation.com/reference/webhooks-payload: ``{"event_type", "contact"}``; from automation flows and
older integrations ``{"leads": […]}``, where every value is a text and the person's words are in Portuguese.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from mappings.base import FieldError, Invalid, Sender, fingerprint
from mappings.events import Lead
from mappings.translated import Answer, AnswersSender, table, word

CHANGED: Final = "lead.updated"
MARK: Final = "connector_event"  #: a key of ours in a payload: that it is a change
TYPES: Final = {"WEBHOOK.CONVERTED": "lead.created", "WEBHOOK.MARKED_OPPORTUNITY": "lead.updated"}
_FUNNEL: Final = ("lifecycle_stage", "origin", "contact_owner_email", "opportunity", "interest", "fit")
#: The person, in both shapes. The mobile number is dialled first.
_PERSON: Final = ("name", "email", "mobile_phone", "personal_phone", "city", "state", "country")
#: Of a contact or a lead, neither the person nor anything to know about them.
_NOT_ABOUT: Final = frozenset(
    {*_PERSON, "custom_fields", "first_conversion", "last_conversion", "company", "funnel", "id", MARK}
)


class RdStationMapping(AnswersSender):
    """``fields`` may name the account's own fields: "cf_curso", or "Curso" in the older shape."""

    sender = Sender(decode="plain", proof={"scheme": "query", "parameter": "key"}, gives_up=True, repeats=False)
    event_types = ("lead.created", "lead.updated")
    revisable = True

    def parts(self, body: Any) -> Sequence[Any]:
        """Each of ``leads``; the body itself in the newer shape."""
        leads = body.get("leads") if isinstance(body, dict) else None
        return leads if isinstance(leads, list) else (body,)

    def envelope(self, payload: dict[str, Any]) -> dict[str, Any]:
        """RD Station numbers no events: one is known by its contact, its conversion and the moment of it."""
        if payload.get(MARK) == CHANGED:
            return {**self.envelope({k: v for k, v in payload.items() if k != MARK}), "type": CHANGED}
        if "contact" not in payload and "event_type" not in payload:
            last = table(payload.get("last_conversion"))
            moment = last.get("created_at")
            return {"id": _id(payload.get("uuid"), moment), "time": moment or payload.get("created_at")}
        kind = word(payload.get("event_type"))
        if kind not in TYPES:
            raise Invalid((FieldError("event_type", f"must be one of {', '.join(TYPES)}"),))
        moment, conversion = payload.get("event_timestamp"), payload.get("event_identifier")
        parts = (table(payload.get("contact")).get("uuid"), moment, conversion, kind)
        return {"type": TYPES[kind], "id": _id(*parts), "time": moment or payload.get("timestamp")}

    def lead(self, payload: dict[str, Any]) -> Lead:
        """The lead; a change is an event of its own, with the contact as of then."""
        lead = super().lead(payload)
        if payload.get(MARK) != CHANGED or not lead.id:
            return lead
        return replace(lead, id=f"{lead.id}.updated.{fingerprint(lead).hex()}")

    def revised(self, payload: Any) -> Any:
        """The same contact, as a change: a second flow sends the last conversion again, with another stage or tags."""
        return {**payload, MARK: CHANGED}

    def answers(self, payload: dict[str, Any]) -> Iterable[Answer]:
        """The person, the number given last, and the account's own fields."""
        contact = _contact(payload)
        for name in _PERSON:
            yield Answer(name, contact.get(name))
        content = table(table(contact.get("last_conversion")).get("content"))
        yield Answer("telefone", content.get("telefone"))
        for name, value in table(contact.get("custom_fields")).items():
            yield Answer(name, value)
        for name, value in contact.items():
            if name.startswith("cf_"):
                yield Answer(name, value)

    def about(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Tags, company, funnel, the conversion and where it came from."""
        contact = _contact(payload)
        company, funnel = contact.get("company"), table(contact.get("funnel"))
        last = table(contact.get("last_conversion"))
        rest = {k: v for k, v in contact.items() if k not in _NOT_ABOUT and not k.startswith("cf_")}
        return {
            **rest,
            **{name: funnel.get(name) for name in _FUNNEL if name in funnel},
            "company": table(company).get("name") or company,
            "conversion": payload.get("event_identifier") or last.get("source"),
            "conversion_origin": last.get("conversion_origin"),
        }


def _contact(payload: dict[str, Any]) -> dict[str, Any]:
    return table(payload["contact"]) if "contact" in payload else payload


def _id(*parts: Any) -> str:
    """The same for the same conversion; "" if the contact or the moment is missing."""
    words = [word(one) for one in parts]
    return hashlib.sha256("\n".join(words).encode("utf-8", "surrogatepass")).hexdigest() if all(words[:2]) else ""
