"""Tracksale (Track.co): answers to surveys, as GET /v2/report/answer lists them.

A person with a score and a comment.

An answer is an event of its category once, despite later changes. A later change, such as other words or another
responsible person, is ``answer.updated``; a score that moves it to another category is that category's event.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from marshmallow import ValidationError

from mappings import fields
from mappings.base import PASSING, Ignored, Invalid, Locale, PlainSender, Sender, fingerprint
from mappings.events import Event, Lead
from mappings.payloads import PayloadSchema, as_notes, decisive, load
from mappings.translated import is_empty, table, tables, word

#: The lowest score of each category; the vendor's own bounds.
CATEGORIES: Final = {9: "promoter", 7: "passive", 0: "detractor"}
UPDATED: Final = "answer.updated"
MARK: Final = "event_type"  #: a key of ours in a row: that it is a change
#: The fields of an answer beside the person, by the report's names -> ours. Fields that differ from look to look
#: without a change (pictures' addresses, reminders) are left out.
_ABOUT: Final = {
    "campaign_name": "campaign_name",
    "lot_code": "lot_code",
    "type": "channel",
    "status": "status",
    "priority": "priority",
    "assignee": "assignee",
}
#: Available to paths, but not a change: it differs between reads, or was not kept before.
_PASSES: Final = (
    *("deadline", "elapsed_time", "dispatch_time", "reminder_time", "picture"),
    *("alternative_email", "alternative_phone"),
)
_DEEPEST: Final = 20  #: nested objects that are searched
_OTHER_ANSWERS: Final = ("review", "nps_secondary", "open_question", "csat")  #: answers to other questions


class Score(fields.Loose[int | None]):
    """0 to 10, also as text."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int | None:
        text = fields.number_text(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
        text = text.strip() if isinstance(text, str) else "?"
        if not text:
            return None
        if text.isascii() and text.isdigit() and len(text) < 3 and int(text) <= 10:
            return int(text)
        raise ValidationError("must be a whole number from 0 to 10")


class AnswerSchema(PayloadSchema):
    """A row of the report: unix times, ids and codes as numbers or texts, null for unknown values."""

    id = fields.Whole(required=True)
    nps_answer = Score()
    last_nps_answer = Score()
    time = fields.Time()
    update_time = fields.Time()
    name = fields.Text()
    identification = fields.Text()
    phone = fields.Phone()
    alternative_phone = fields.Phone()
    email = fields.Email()
    alternative_email = fields.Email()
    nps_comment = fields.Text(max_length=10_000, lines=True)
    campaign_code = fields.Text()


class TracksaleAnswerMapping(PlainSender):
    """Nobody need be reachable: a note goes to an answer, not to a person. `Ignored`: an answer without a score."""

    sender = Sender(decode="plain")
    event_types = (*(f"answer.{category}" for category in reversed(CATEGORIES.values())), UPDATED)
    polled_by = "tracksale.answers"
    revisable = True

    def __init__(self, locale: Locale) -> None:
        self._schema = AnswerSchema(locale)

    def read(self, payload: Any) -> Lead:
        """The person, with the answer under ``extra``."""
        row, faults = load(self._schema, payload)
        if decisive(faults, "payload", "id", "nps_answer"):
            raise Invalid(faults)
        if row.get("nps_answer") is None:
            raise Ignored("an answer without a score")
        lead = _lead(payload, row, as_notes(faults))
        return _changed(lead, row) if payload.get(MARK) == UPDATED else lead

    def revised(self, payload: Any) -> Any:
        """The same row, as a change."""
        return {**payload, MARK: UPDATED}

    def others(self, event: Event) -> tuple[str, ...]:
        """Its names in the other categories."""
        number = event.extra.get("answer_id")
        return tuple(name for name in (f"{number}.{one}" for one in CATEGORIES.values()) if name != event.id)


def _lead(payload: Mapping[str, Any], row: Mapping[str, Any], notes: tuple[str, ...]) -> Lead:
    category = next(name for least, name in CATEGORIES.items() if row["nps_answer"] >= least)
    phones = dict.fromkeys(phone for name in ("phone", "alternative_phone") if (phone := row.get(name)))
    return Lead(
        id=f"{row['id']}.{category}",
        type=f"answer.{category}",
        time=row.get("time"),
        first_name=row.get("name", ""),
        id_number=row.get("identification", ""),
        phones=tuple(phones),
        email=row.get("email") or row.get("alternative_email") or "",
        extra={"answer_id": row["id"], "score": row["nps_answer"], "category": category, **_about(payload, row)},
        notes=notes,
    )


def _changed(lead: Lead, row: Mapping[str, Any]) -> Lead:
    """An event of its own for each change, with the answer as of then."""
    number, time = lead.extra["answer_id"], row.get("update_time") or lead.time
    return replace(lead, id=f"{number}.updated.{fingerprint(lead).hex()}", type=UPDATED, time=time)


def _about(payload: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """All other known values, without empty ones."""
    changed = row.get("update_time")
    found = {
        "comment": row.get("nps_comment"),
        "last_score": row.get("last_nps_answer"),
        "campaign_code": row.get("campaign_code"),
        "update_time": changed.isoformat() if changed else None,
        **{ours: _text(payload.get(their_name)) for their_name, ours in _ABOUT.items()},
        "tags": _tags(payload.get("tags")),
        "categories": _labels(payload.get("categories")),
        "justifications": _labels(payload.get("justifications")),
        **{name: _json_value(payload.get(name)) for name in _OTHER_ANSWERS},
        PASSING: {name: text for name in _PASSES if (text := _text(payload.get(name)))},
    }
    return {name: value for name, value in found.items() if not is_empty(value)}


def _text(value: Any) -> str:
    return fields.clean(word(value))


def _tags(value: Any) -> dict[str, str]:
    """{name: value} of a list of tags, or of an object that is one already."""
    pairs = [(one.get("name"), one.get("value")) for one in tables(value)] or table(value).items()
    return {_text(name): _text(content) for name, content in pairs if _text(name) and _text(content)}


def _labels(value: Any, depth: int = _DEEPEST) -> list[str]:
    """The names in a list of texts or objects, or in objects within objects, the outermost first."""
    if isinstance(value, str):
        return [label] if (label := _label(value)) else []
    if not isinstance(value, dict | list) or not depth:
        return []
    named = _labels(value["name"]) if isinstance(value, dict) and isinstance(value.get("name"), str) else []
    inner = [found for found in value.values() if isinstance(found, dict | list)] if isinstance(value, dict) else value
    return named + [label for found in inner for label in _labels(found, depth - 1)]


def _label(text: str) -> str:
    """A name may be a JSON text of languages, {"pt-br": "Preço"}: the first of them."""
    try:
        languages = json.loads(text)
    except (ValueError, RecursionError):
        return fields.clean(text)
    found = next(iter(languages.values()), "") if isinstance(languages, dict) else ""
    return _text(found) or fields.clean(text)


_EXTRA = fields.Extra()


def _json_value(value: Any) -> Any:
    """As it is, where it can be written as JSON again."""
    try:
        return None if value is None else _EXTRA.deserialize({"x": value})["x"]
    except ValidationError:
        return None
