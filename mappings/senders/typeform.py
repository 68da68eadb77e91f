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
_DEEPEST: Final = 4  #: groups within groups
_SUBMISSION, _PARTIAL = "form_response", "form_response_partial"


class TypeformMapping(AnswersSender):
    """``fields`` may name refs, questions and hidden fields. The score goes into extra."""

    sender = Sender(
        decode="plain",
        proof={"scheme": "hmac", "header": "Typeform-Signature", "encoding": "base64", "prefix": "sha256="},
        gives_up=True,  # 404 and 410 end the webhook, other 4xx but 429 the event
    )

    def envelope(self, payload: dict[str, Any]) -> dict[str, Any]:
        """The id of the submission. `Ignored`: one that was begun and not sent."""
        kind = payload.get("event_type")
        if kind == _PARTIAL:
            raise Ignored("an unfinished submission")
        if kind != _SUBMISSION:
            raise Invalid((FieldError("event_type", f"must be {_SUBMISSION}"),))
        return {"id": payload.get("event_id"), "time": table(payload.get(_SUBMISSION)).get("submitted_at")}

    def answers(self, payload: dict[str, Any]) -> Iterable[Answer]:
        """The answers in the order of the form, without unanswered ones; then the hidden fields, utm_source and the
        like.
        """
        response = table(payload.get(_SUBMISSION))
        titles: dict[Any, str] = {}
        _title(table(response.get("definition")).get("fields"), _DEEPEST, titles)
        for answer in tables(response.get("answers")):
            field, kind = table(answer.get("field")), word(answer.get("type"))
            ref, id = field.get("ref"), field.get("id")
            name = word(ref) or word(id)
            title = titles.get(ref) or titles.get(id, "") if name else ""
            yield Answer(name, _value(answer.get(kind)), title, TYPES.get(kind, ""))
        for name, value in table(response.get("hidden")).items():
            yield Answer(name, value, hidden=True)

    def about(self, payload: dict[str, Any]) -> dict[str, Any]:
        """The form, the score and the form's other variables."""
        response = table(payload.get(_SUBMISSION))
        form = {"form_id": response.get("form_id"), "form_title": table(response.get("definition")).get("title")}
        for one in tables(response.get("variables")):
            form[word(one.get("key"))] = one.get(word(one.get("type")))
        return form | table(response.get("calculated"))


def _title(fields: Any, levels: int, found: dict[Any, str]) -> None:
    """Adds the displayed title of each question by its ref and its id, including those inside a group."""
    for one in tables(fields):
        title, ref, id = one.get("title"), one.get("ref"), one.get("id")
        if title:
            text = word(title)
            for key in (ref, id):
                if isinstance(key, (str, int)):
                    found[key] = text
        if (properties := one.get("properties")) and levels:
            _title(table(properties).get("fields"), levels - 1, found)
        if "fields" in one and levels:
            _title(one["fields"], levels - 1, found)


def _value(value: Any) -> Any:
    """A choice's label, several choices' labels with the text typed beside them, otherwise the value itself."""
    if not isinstance(value, dict):
        return value
    labels, other = value.get("labels"), value.get("other")
    if isinstance(labels, list):
        return [*labels, other] if other else labels
    return value.get("label") or other or value
