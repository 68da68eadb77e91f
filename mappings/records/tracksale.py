"""Tracksale (Track.co): the customer of a survey or of a survey link, answers, an answer's tags, a note on an answer.

Tag values are texts; phones go without the dial prefix. In the vendor's pages: "Sendings", "Survey links", "Insert
Answers", "Insert Multiple Answers", "Insert Internal Notes", "Fill empty tags".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from marshmallow import Schema

from mappings.base import Rendered, Rendering, lookup
from mappings.events import Event, Lead
from mappings.fields import number_text
from mappings.rendering import Dialling, Draft, Given, local_time, meaningful, phones_of, value_text

MAX_TAGS = 50  #: of one fill-empty-tags call
MOST = 10  #: the best score
_NOBODY = "no answer_id, e-mail, usable phone or identification says whose answer it is"


class CustomerSchema(Schema):
    """A customer of a dispatch."""

    name = Given()
    email = Given()
    identification = Given()
    phone = Given()
    tags = Given()


class AnswerSchema(Schema):
    """An answer that was collected elsewhere: with a score, or with an answer to each of several questions."""

    name = Given()
    email = Given()
    phone = Given()
    identification = Given()
    score = Given()
    justification = Given()
    answers = Given()
    create_time = Given()
    tags = Given()


class EmptyTagsSchema(Schema):
    """The body of fill-empty-tags: by answer, or by customer."""

    answer_id = Given()
    campaign_code = Given()
    customer = Given()
    tags = Given()


class NoteSchema(Schema):
    """The body of a note: by answer, or by a filter."""

    comment = Given()
    answer_id = Given()
    filter = Given()


class _Reading:
    """The parts of an event that the records use, with the route's options."""

    def __init__(self, rendering: Rendering) -> None:
        self._dialling = Dialling(rendering, prefixed=False)
        self._timezone = rendering.locale.timezone
        self._campaign = {"campaign_code": rendering.campaign_code} if rendering.campaign_code else {}
        self._paths = tuple(rendering.tags.items())

    def _phone(self, draft: Draft, event: Event) -> str:
        return next(self._dialling.each(phones_of(event), draft), "")

    def _tags(self, event: Event) -> list[dict[str, str]]:
        """The tags that have a value: an empty tag would stand in the survey as such."""
        pairs = ((name, value_text(lookup(event, path), self._timezone)) for name, path in self._paths)
        return [{"name": name, "value": value} for name, value in pairs if meaningful(value)]

    def _identifier(self, draft: Draft, event: Event) -> dict[str, str]:
        """The identifier of the customer: e-mail, otherwise phone, otherwise identification."""
        _, email, identification = _person(event)
        if email:
            return {"email": email}
        phone = self._phone(draft, event)
        if phone:
            return {"phone": phone}
        if identification:
            return {"identification": identification}
        draft.fault("customer", "; ".join([_NOBODY, *draft.notes]))
        return {}


def _person(event: Event) -> tuple[str, str, str]:
    """Name, e-mail, identification."""
    if isinstance(event, Lead):
        name = f"{meaningful(event.first_name)} {meaningful(event.last_name)}".strip()
        return name, meaningful(event.email), meaningful(event.id_number)
    customer = event.customer
    return meaningful(customer.name), meaningful(customer.email), meaningful(customer.identification)


def _answer_id(event: Event) -> int | None:
    """A ticket's own; a lead's where it is an answer (see `mappings.tracksale_answer`)."""
    if not isinstance(event, Lead):
        return event.answer_id
    number = event.extra.get("answer_id")
    return number if isinstance(number, int) and not isinstance(number, bool) and number > 0 else None


def _comment(event: Event) -> str:
    found = event.extra.get("comment") if isinstance(event, Lead) else event.comment
    return meaningful(found) if isinstance(found, str) else ""


class SurveyCustomer(_Reading):
    """One customer of a dispatch; absent values are left out, as in the vendor's second example."""

    fields: tuple[str, ...] = ("name", "email", "phone", "identification")

    def __init__(self, rendering: Rendering) -> None:
        super().__init__(rendering)
        self._schema = CustomerSchema()

    def render(self, event: Event) -> Rendered:
        """The customer. `Invalid` without an e-mail and a phone: the survey has no way to reach anybody."""
        name, email, identification = _person(event)
        draft = Draft(tags=self._tags(event))
        phone = self._phone(draft, event)
        if not email and not phone:
            draft.fault("email", "; ".join(["no e-mail and no usable phone: a survey needs one", *draft.notes]))
        known = {"name": name, "email": email, "phone": phone, "identification": identification}
        draft.update({field: value for field, value in known.items() if value and field in self.fields})
        return draft.written(self._schema)


class LinkCustomer(SurveyCustomer):
    """One customer of a call for links, which has no field for an identification."""

    fields = ("name", "email", "phone")


class CollectedAnswer(_Reading):
    """An answer that was collected elsewhere, in Tracksale's form."""

    def __init__(self, rendering: Rendering) -> None:
        super().__init__(rendering)
        self._schema = AnswerSchema()
        self._score, self._justification = rendering.score, rendering.justification
        self._questions = rendering.questions

    def render(self, event: Event) -> Rendered:
        """The answer. `Invalid` without an e-mail and a phone, a score from 0 to 10, or what an open question wants."""
        name, email, identification = _person(event)
        draft = Draft()
        phone = self._phone(draft, event)
        if not email and not phone:
            draft.fault("email", "; ".join(["no e-mail and no usable phone: an answer needs one", *draft.notes]))
        elif not name:
            draft.note("name", f"the {'e-mail' if email else 'phone'} stands for it: an answer needs one")
        fields = {"name": name or email or phone, "email": email, "phone": phone, "identification": identification}
        draft.update({key: value for key, value in {**fields, "tags": self._tags(event)}.items() if value})
        if event.time:
            draft["create_time"] = int(event.time.timestamp())
        if self._questions:
            draft["answers"] = [self._answered(draft, event, question) for question in self._questions]
        else:
            draft.update(self._scored(draft, event, self._score, self._justification))
        return draft.written(self._schema)

    def _answered(self, draft: Draft, event: Event, question: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to one question: by its type a score with its justification, an option, or a comment."""
        about = {"question_id": question["id"]}
        if "score" in question:
            return about | self._scored(
                draft, event, question["score"], question.get("justification", ""), question.get("kind", "")
            )
        kind = "option" if "option" in question else "comment"
        said_to_it = self._text_at(event, question[kind])
        if not said_to_it and kind == "comment":
            draft.fault(question[kind], "is empty: an open question needs an answer")
        elif not said_to_it:
            draft.note(question[kind], "is empty: Tracksale takes that where the question is optional")
        return about | ({kind: said_to_it} if said_to_it else {})

    def _scored(self, draft: Draft, event: Event, score: str, justification: str, kind: str = "nps") -> dict[str, Any]:
        """Only NPS has documented bounds; other scores are a text or a whole number, and go as they are."""
        number: int | str | None = _whole(lookup(event, score)) if kind == "nps" else _free_score(lookup(event, score))
        if kind == "nps" and (not isinstance(number, int) or not 0 <= number <= MOST):
            draft.fault(score or "score", f"must be a score, a whole number from 0 to {MOST}")
        elif number is None:
            draft.fault(score, "must be a score: a text or a whole number")
        why = self._text_at(event, justification) if justification else ""
        return {"score": number} | ({"justification": why} if why else {})

    def _text_at(self, event: Event, path: str) -> str:
        return meaningful(value_text(lookup(event, path), self._timezone))


def _whole(value: Any) -> int | None:
    """9, 9.0 or "9" as a number; None otherwise."""
    text = number_text(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    text = text.strip() if isinstance(text, str) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else None


def _free_score(value: Any) -> int | str | None:
    """A whole number or a text, as it is."""
    if isinstance(value, str):
        return meaningful(value.strip()) or None
    is_whole = isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1
    return int(value) if is_whole else None


class EmptyTags(_Reading):
    """The tags of one answer that are to be filled where they are empty."""

    def __init__(self, rendering: Rendering) -> None:
        super().__init__(rendering)
        self._schema = EmptyTagsSchema()

    def render(self, event: Event) -> Rendered:
        """The whole body of one call. `Invalid` without a customer, without a tag that has a value, or with over 50."""
        tags = self._tags(event)
        draft = Draft(tags=tags)
        if not tags:
            draft.fault("tags", "none of the route's tags has a value in this event")
        if len(tags) > MAX_TAGS:
            draft.fault("tags", f"{len(tags)} tags; a call takes {MAX_TAGS}")
        if answer_id := _answer_id(event):
            draft["answer_id"] = answer_id
        else:
            draft.update(self._campaign, customer=self._identifier(draft, event))
        return draft.written(self._schema)


class Note(_Reading):
    """A comment on one answer, or on a customer's answers between two dates."""

    def __init__(self, rendering: Rendering) -> None:
        super().__init__(rendering)
        self._schema = NoteSchema()
        self._text = rendering.text

    def render(self, event: Event) -> Rendered:
        """The whole body of one call. `Invalid` without a comment, or without an answer and a full filter."""
        comment = self._text or _comment(event)
        draft = Draft(comment=comment)
        if not comment:
            draft.fault("comment", "there is no comment to note")
        if answer_id := _answer_id(event):
            draft["answer_id"] = answer_id
        else:
            draft["filter"] = {**self._identifier(draft, event), **self._dates(draft, event), **self._campaign}
        return draft.written(self._schema)

    def _dates(self, draft: Draft, event: Event) -> dict[str, Any]:
        """The days from the ticket's first to its last, both in the configured timezone."""
        created = None if isinstance(event, Lead) else event.created_at
        updated = event.time if isinstance(event, Lead) else event.updated_at or event.time
        first, last = self._day(created), self._day(updated)
        if not first:
            draft.fault("created_at", "is missing: without an answer_id a note needs the ticket's dates")
        if not last:
            draft.fault("updated_at", "is missing, and time too: without an answer_id a note needs the ticket's dates")
        first, last = min(first, last), max(first, last)
        return {"start_date": first, "end_date": last}

    def _day(self, moment: datetime | None) -> str:
        local = local_time(moment, self._timezone) if moment else None
        return local.date().isoformat() if local else ""
