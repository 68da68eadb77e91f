"""What a route may say to its destination, and the strict tables and fields all configuration is made of."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, ClassVar, Generic, TypeVar, cast

from marshmallow import RAISE, Schema, ValidationError, fields, validates_schema

OPT_COLUMNS = tuple(f"opt{number}" for number in range(1, 13))  #: wolkvox's free columns
MAX_TAGS = 50  #: Tracksale, fill-empty-tags: tags a call

Kind = TypeVar("Kind")

_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([0-9]{1,9})([smhd])")
_LONGEST_S = 3650 * 86400
_HOURS = re.compile(r"([0-9]{2}):([0-5][0-9])-([0-9]{2}):([0-5][0-9])")
_DAY_MINUTES = 24 * 60
_CODE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DIGITS = re.compile(r"[0-9]{1,15}")


def quote(value: object) -> str:
    """A value as a message shows it: on one line, in double quotes."""
    text = str(value)
    return json.dumps(text, ensure_ascii=not text.isprintable())


def listed(words: Iterable[str]) -> str:
    """``"now", "draft"``: the words a message offers."""
    return ", ".join(quote(word) for word in words)


def did_you_mean(word: object, known: Collection[str]) -> str:
    """``, did you mean "campaign_id"?`` or ``""`` when nothing known is close."""
    close = difflib.get_close_matches(str(word), known, n=1)
    return f", did you mean {quote(close[0])}?" if close else ""


def seconds(text: str) -> float:
    """ "24h", "7d", "30m" or "90s" in seconds; `ValueError` for anything else."""
    found = _DURATION.fullmatch(text)
    length_s = int(found[1]) * _UNIT_S[found[2]] if found else 0
    if not 0 < length_s <= _LONGEST_S:
        raise ValueError(text)
    return float(length_s)


def delay_s(schedule: str) -> float | None:
    """How long after the claim a dispatch is to be sent: "now" 0, "+2h" 7200, "draft" `None` (a person sends it)."""
    if schedule == "draft":
        return None
    return 0.0 if schedule == "now" else seconds(schedule.removeprefix("+"))


def is_path(value: object) -> bool:
    """Whether a value can be a path into an event: texts between dots, none of them empty."""
    return isinstance(value, str) and all(part.strip() for part in value.split("."))


RESULT = "result."  #: begins a path into what the vendor answered for the route before


def results_in(options: object) -> set[str]:
    """What of a vendor's answer the paths of a route's options want: {"survey_link"} of ["result.survey_link"]."""
    if isinstance(options, str):
        return {options.removeprefix(RESULT)} if options.startswith(RESULT) else set()
    inner = options.values() if isinstance(options, Mapping) else options if isinstance(options, list | tuple) else ()
    return {name for one in inner for name in results_in(one)}


def choice(*words: str) -> Callable[[str], None]:
    """A validator that lets only these words pass."""

    def check(value: str) -> None:
        if value not in words:
            raise ValidationError(f"{quote(value)} is none of {listed(words)}{did_you_mean(value, words)}")

    return check


class Strict(Schema):
    """A table in which every key must be known; an unknown one is answered with the nearest known name."""

    class Meta:
        unknown = RAISE

    #: Keys that belong somewhere else -> where, for a clearer message than "unknown".
    elsewhere: ClassVar[Mapping[str, str]] = {}
    error_messages = {"type": "must be a table", "unknown": "unknown key"}  # noqa: RUF012 - how marshmallow is told

    def handle_error(self, error: ValidationError, data: Any, *, many: bool, **_: Any) -> None:
        """Say of an unknown key what it may have been meant to be."""
        if isinstance(error.messages, dict):
            for key in error.messages.keys() - self.fields.keys() - {"_schema"}:
                error.messages[key] = [self._unknown(key)]

    def _unknown(self, key: str) -> str:
        if key in self.elsewhere:
            return f"belongs to {self.elsewhere[key]}: take it out"
        return f"unknown key{did_you_mean(key, self.fields)}"


class Checked(fields.Field[Kind], Generic[Kind]):
    """A field that says ``needed`` when it is required and missing."""

    def __init__(self, *, needed: str = "is required", **kwargs: Any) -> None:
        verbatim = needed.replace("{", "{{").replace("}", "}}")  # marshmallow formats its messages
        super().__init__(error_messages={"required": verbatim}, **kwargs)


class Text(Checked[str]):
    """A text on one line that is not empty (or may be, with ``empty``)."""

    def __init__(self, *, empty: bool = False, pattern: str = ".*", says: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._empty = empty
        self._pattern = re.compile(pattern)
        self._says = says

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError(f"must be a text in quotes{self._says and ': '}{self._says}")
        if not value.strip() and not self._empty:
            raise ValidationError("is empty")
        if not value.isprintable():
            raise ValidationError("holds a line break or another control character")
        if not self._pattern.fullmatch(value):
            raise ValidationError(self._says)
        return value


class Code(Text):
    """A vendor's campaign number; written as text or as a whole number."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> str:
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if not isinstance(text, str) or not _CODE.fullmatch(text):
            raise ValidationError('must be the campaign\'s number, like "1042"')
        return text


class Codes(Checked[tuple[str, ...]]):
    """One vendor's campaign number, or a list of them."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> tuple[str, ...]:
        codes = value if isinstance(value, list) and value else [value]
        return tuple(dict.fromkeys(str(Code().deserialize(code)) for code in codes))


class Whole(Checked[int]):
    """A whole number of at least ``least``; digits in quotes will do, as variables give them."""

    def __init__(self, *, least: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._least = least

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> int:
        if isinstance(value, str) and _DIGITS.fullmatch(value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not self._least <= value < 10**15:
            raise ValidationError(f"must be a whole number of at least {self._least}")
        return value


class Seconds(Checked[float]):
    """A plain number of seconds of at least ``least``, whole or not."""

    def __init__(self, *, least: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._least = least

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> float:
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not self._least <= number <= _LONGEST_S:
            raise ValidationError(f"must be a number of seconds of at least {self._least:g}")
        return number


class Duration(Checked[float]):
    """A time with its unit, "24h", loaded as seconds."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> float:
        try:
            return seconds(value)
        except (TypeError, ValueError):
            raise ValidationError('must be a time with its unit, like "90s", "30m", "24h" or "7d"') from None


class HoursOfDay(Checked[tuple[int, int]]):
    """ "07:00-19:00", loaded as minutes after midnight; "22:00-06:00" ends on the next day, "00:00-24:00" never."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> tuple[int, int]:
        found = _HOURS.fullmatch(value) if isinstance(value, str) else None
        opens, closes = (int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])) if found else (0, 0)
        if found is None or opens >= _DAY_MINUTES or closes > _DAY_MINUTES or opens == closes:
            raise ValidationError('must be when work begins and ends, like "07:00-19:00"')
        return opens, closes


class Flag(Checked[bool]):
    """true or false; in quotes too, as variables give them."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> bool:
        known = {True: True, False: False, "true": True, "false": False}
        if not isinstance(value, bool | str) or value not in known:
            raise ValidationError("must be true or false")
        return known[value]


class Words(Checked[tuple[str, ...]]):
    """One text or a list of different texts, never none."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> tuple[str, ...]:
        words = [value] if isinstance(value, str) else value
        if not isinstance(words, list) or not words:
            raise ValidationError("must be a text or a list of texts, not none")
        wrong = {index: ["must be a text that is not empty"] for index, word in enumerate(words) if not _is_word(word)}
        if wrong:
            raise ValidationError(wrong)
        return tuple(dict.fromkeys(words))


class Path(Text):
    """A path into an event, "agent.name"."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> str:
        if not is_path(value):
            raise ValidationError('must be a path into the event, like "phone" or "utm.source"')
        return str(value)


class Paths(Checked[tuple[str, ...]]):
    """At most ``most`` paths into an event, in the order of the columns they fill."""

    def __init__(self, *, most: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._most = most

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise ValidationError('must be a list of paths, like ["utm.source", "program"]')
        if len(value) > self._most:
            raise ValidationError(f"has {len(value)} paths where at most {self._most} fit")
        wrong = {i: ['must be a path like "utm.source"'] for i, path in enumerate(value) if not is_path(path)}
        if wrong:
            raise ValidationError(wrong)
        return tuple(value)


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
        wrong |= {name: ["a tag needs a name"] for name in value if not _is_word(name)}
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


def _campaign(key: str, example: str) -> Code:
    return Code(required=True, needed=f'is required: {key} = "{example}"')


class WolkvoxOptions(Strict):
    """``wolkvox.add_record``: the campaign, whether it is to run, and what its free columns hold."""

    campaign_id = _campaign("campaign_id", "1042")
    campaign_status = Text(load_default="auto", validate=choice("start", "stop", "auto"))
    opt = Paths(most=len(OPT_COLUMNS), load_default=())
    trace_field = Text(load_default="", validate=choice(*OPT_COLUMNS))

    @validates_schema(skip_on_field_errors=False)
    def _trace_has_a_column_of_its_own(self, data: dict[str, Any], **_: Any) -> None:
        trace, opt = data.get("trace_field"), data.get("opt", ())
        if trace and OPT_COLUMNS.index(trace) < len(opt):
            raise ValidationError(f"{quote(trace)} is filled by opt already: choose a later column", "trace_field")


class DispatchOptions(Strict):
    """``tracksale.dispatch``: the campaign, when its survey leaves, and the tags it carries."""

    campaign_code = _campaign("campaign_code", "52")
    schedule = Schedule(load_default="now")
    tags = Tags(load_default=dict)
    ninety_day_rule = Flag(load_default=False)


class EmptyTagsOptions(Strict):
    """``tracksale.fill_empty_tags``: the tags, and the campaign where a customer has answered several."""

    tags = Tags(least=1, required=True, needed='is required: { Canal = "channel" }')
    campaign_code = Code(load_default="")


class NoteOptions(Strict):
    """``tracksale.note``: the campaign, where a customer has answered several; what it says, if not the comment."""

    campaign_code = Code(load_default="")
    text = Text(load_default="")


class LinksOptions(Strict):
    """``tracksale.survey_links``: the campaign, and the tags that the survey behind the link carries."""

    campaign_code = _campaign("campaign_code", "52")
    tags = Tags(load_default=dict)


class QuestionOptions(Strict):
    """One question of a campaign, and where the event has the answer to it."""

    id = Whole(least=1, required=True, needed="is required: the question's number in Tracksale")
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
            said = 'score = "nps" for a campaign of one question, or questions = [{ id = 11, score = "nps" }, …]'
            raise ValidationError(f"needs one of the two: {said}", "score")
        if data["justification"] and not data["score"]:
            raise ValidationError("goes with score: give it to the question it belongs to", "justification")


class TicketOptions(Strict):
    """``postcenter.close`` and ``postcenter.reassign``: the documents know nothing that could be said."""


def _is_word(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value.isprintable()
