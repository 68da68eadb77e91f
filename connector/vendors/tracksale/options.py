"""The options of an account, a route and a poll of Tracksale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from marshmallow import ValidationError, validates_schema

from connector.core.fields import (
    AccountOptions,
    Address,
    Ceilings,
    Checked,
    Code,
    Codes,
    Flag,
    Path,
    PollOptions,
    Seconds,
    Strict,
    Text,
    Whole,
    Words,
    choice,
    is_path,
    is_word,
    known_numbers,
    known_regions,
)
from connector.core.text import seconds
from connector.vendors.tracksale.api import PAGED_URL

MAX_TAGS = 50  #: Tracksale, fill-empty-tags: tags a call


class TracksaleAccount(AccountOptions):
    """An account: the address of its paged report, and its window of requests."""

    paged_base_url = Address(load_default="")
    window_shared_with = Text(load_default="")
    requests_per_window = Whole(least=1, load_default=1000)
    window_seconds = Seconds(least=1, load_default=300.0)
    countries = Words(load_default=(), validate=known_regions)
    numbers = Words(load_default=("mobile", "fixed"), validate=known_numbers)
    calls_per_day = Ceilings(load_default=())
    phone_format = Text(load_default="national", validate=choice("national", "e164", "international"))


def complete(account: dict[str, Any]) -> dict[str, Any]:
    """Paged calls follow base_url: an account of a stand-in must not show its token to the real vendor."""
    return account | {"paged_base_url": account["paged_base_url"] or account["base_url"] or PAGED_URL}


class AnswersPoll(PollOptions):
    """A poll of answers: of some campaigns, or of all."""

    campaign_code = Codes(load_default=())


def delay_s(schedule: str) -> float | None:
    """How long after the claim a dispatch leaves: "now" 0, "+2h" 7200, "draft" `None` (an operator sends it)."""
    if schedule == "draft":
        return None
    return 0.0 if schedule == "now" else seconds(schedule.removeprefix("+"))


class Tags(Checked[dict[str, str]]):
    """Tag name -> path into the event, at most 50."""

    def __init__(self, *, least: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._least = least

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> dict[str, str]:
        if not isinstance(value, dict):
            raise ValidationError('must be a table of tag names and paths, { Canal = "channel" }')
        if not self._least <= len(value) <= MAX_TAGS:
            raise ValidationError(f"has {len(value)} tags where {self._least} to {MAX_TAGS} are allowed")
        wrong: dict[str, list[str]] = {
            name: ['must be a path like "agent.name"'] for name, path in value.items() if not is_path(path)
        }
        wrong |= {name: ["a tag needs a name"] for name in value if not is_word(name)}
        if wrong:
            raise ValidationError(wrong)
        return dict(value)


class Schedule(Text):
    """When Tracksale sends a survey: "now", "+2h" after, or "draft"."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> str:
        try:
            later = isinstance(value, str) and value.startswith("+") and bool(delay_s(value))
        except ValueError:
            later = False
        if not later and value not in ("now", "draft"):
            raise ValidationError('must be "now", "draft" or a time from then, like "+2h"')
        return str(value)


class Finish(Text):
    """How long after a survey leaves it ends: "+7d"."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> str:
        try:
            is_later = isinstance(value, str) and value.startswith("+") and bool(seconds(value.removeprefix("+")))
        except ValueError:
            is_later = False
        if not is_later:
            raise ValidationError('must be a time after the survey leaves, like "+7d"')
        return str(value)


def _campaign(key: str, example: str) -> Code:
    return Code(required=True, needed=f'is required: {key} = "{example}"')


class DispatchOptions(Strict):
    """``tracksale.dispatch``: the campaign, when its survey leaves, and the tags it carries."""

    campaign_code = _campaign("campaign_code", "52")
    schedule = Schedule(load_default="now")
    finish = Finish(load_default="")
    tags = Tags(load_default=dict)
    ninety_day_rule = Flag(load_default=False)


class EmptyTagsOptions(Strict):
    """``tracksale.fill_empty_tags``: the tags, and the campaign where a customer has answered several."""

    tags = Tags(least=1, required=True, needed='is required: { Canal = "channel" }')
    campaign_code = Code(load_default="")


class NoteOptions(Strict):
    """``tracksale.note``: the campaign, if a customer has answered several; the text, if not the event's comment."""

    campaign_code = Code(load_default="")
    text = Text(load_default="")


class LinksOptions(Strict):
    """``tracksale.survey_links``: the campaign, and the tags that the survey behind the link carries."""

    campaign_code = _campaign("campaign_code", "52")
    tags = Tags(load_default=dict)


#: Kinds of questions with a score; only for NPS the documents give a range: 0 to 10.
KINDS = ("nps", "csat", "review")


class QuestionOptions(Strict):
    """One question of a campaign, and where the event has the answer to it."""

    id = Whole(least=1, required=True, needed="is required: the question's number in Tracksale")
    kind = Text(load_default="", validate=choice("", *KINDS), empty=True)
    score = Path()
    justification = Path()
    option = Path()
    comment = Path()

    @validates_schema(skip_on_field_errors=True)
    def _is_answered_in_one_way(self, data: dict[str, Any], **_: Any) -> None:
        if len({"score", "option", "comment"} & data.keys()) != 1:
            raise ValidationError('needs one of score, option and comment, as its type wants: score = "nps"')
        if "justification" in data and "score" not in data:
            raise ValidationError("goes with a score: take it out", "justification")


class Questions(Checked[tuple[dict[str, Any], ...]]):
    """The questions of a campaign, in the campaign's own order."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any
    ) -> tuple[dict[str, Any], ...]:
        if not isinstance(value, list) or not value:
            raise ValidationError(
                'must be a list of questions, [{ id = 11, score = "nps" }, { id = 12, comment = "why" }]'
            )
        loaded, wrong = [], {}
        for index, question in enumerate(value):
            try:
                loaded.append(QuestionOptions().load(question))
            except ValidationError as error:
                wrong[index] = error.messages
        if wrong:
            raise ValidationError(cast(Any, wrong))
        return tuple(loaded)


class AnswersOptions(Strict):
    """``tracksale.answers``: the campaign, and where the event has the score, or the answer to each question."""

    campaign_code = _campaign("campaign_code", "52")
    score = Path(load_default="")
    justification = Path(load_default="")
    questions = Questions(load_default=())
    tags = Tags(load_default=dict)

    @validates_schema(skip_on_field_errors=True)
    def _has_one_question_or_several(self, data: dict[str, Any], **_: Any) -> None:
        if bool(data["score"]) == bool(data["questions"]):
            examples = 'score = "nps" for a campaign of one question, or questions = [{ id = 11, score = "nps" }, …]'
            raise ValidationError(f"needs one of the two: {examples}", "score")
        if data["justification"] and not data["score"]:
            raise ValidationError("goes with score: give it to the question it belongs to", "justification")
