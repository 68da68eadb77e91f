"""Typeform: one submission a request, its answers typed and named by the ``ref`` that the form's author gave.

https://www.typeform.com/developers/webhooks/. The value of an answer stands under the answer's own type.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from mappings.base import FieldError, Ignored, Invalid, Sender
from mappings.translated import Answer, AnswersSender, table, tables, word

#: The type of an answer -> our field.
TYPES: Final = {"email": "email", "phone_number": "phones"}
_SUBMISSION, _PARTIAL = "form_response", "form_response_partial"


class TypeformMapping(AnswersSender):
    """``fields`` may name refs, questions and hidden fields. The score goes into extra."""

    sender = Sender(
        decode="plain",
        proof={"scheme": "hmac", "header": "Typeform-Signature", "encoding": "base64", "prefix": "sha256="},
        gives_up=True,  # 404 and 410 end the webhook, other 4xx the event
    )

    def envelope(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Whose submission it is. `Ignored`: what somebody began to fill in and has not sent."""
        kind = payload.get("event_type")
        if kind == _PARTIAL:
            raise Ignored("an unfinished submission")
        if kind != _SUBMISSION:
            raise Invalid((FieldError("event_type", f"must be {_SUBMISSION}"),))
        return {"id": payload.get("event_id"), "time": table(payload.get(_SUBMISSION)).get("submitted_at")}

    def answers(self, payload: dict[str, Any]) -> Iterable[Answer]:
        """In the order of the form, what was left out is not there; then the hidden fields, utm_source and the like."""
        response = table(payload.get(_SUBMISSION))
        titles = {
            word(one.get("ref")): word(one.get("title"))
            for one in tables(table(response.get("definition")).get("fields"))
        }
        for answer in tables(response.get("answers")):
            field, kind = table(answer.get("field")), word(answer.get("type"))
            name = word(field.get("ref")) or word(field.get("id"))
            yield Answer(name, _value(answer.get(kind)), titles.get(name, ""), TYPES.get(kind, ""))
        for name, value in table(response.get("hidden")).items():
            yield Answer(name, value, hidden=True)

    def about(self, payload: dict[str, Any]) -> dict[str, Any]:
        """The form and the score."""
        response = table(payload.get(_SUBMISSION))
        form = {"form_id": response.get("form_id"), "form_title": table(response.get("definition")).get("title")}
        return {**form, **table(response.get("calculated"))}


def _value(value: Any) -> Any:
    """A choice's label, several choices' labels with what was typed beside them, else the value itself."""
    if not isinstance(value, dict):
        return value
    labels, other = value.get("labels"), value.get("other")
    if isinstance(labels, list):
        return [*labels, other] if other else labels
    return value.get("label") or other or value
