"""Readers of Tracksale's answers: `body_of` for a successful one, and a reader for each operation.

They accept the types that the documents leave in doubt: a code as 52 or "52", a count as 1 or "1", one object for a
list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from connector.core.http import Answer
from connector.vendors.numbers import number_of
from connector.vendors.tracksale.values import (
    TracksaleError,
    flag_of,
    list_of,
    object_of,
    objects_of,
    read_as,
    short,
    text_of,
)


def fault_of(answer: Answer) -> str:
    """The fault in an answer; "" for success: 2xx, with JSON that holds no ``error``.

    captcha (a person must solve it) | credentials | slow (too many calls) | refused (the request is wrong, and nothing
    was done) | failed (the vendor failed, or it cannot be read: it may have been done) | unknown.
    """
    if answer.status == 405 or (answer.is_html and answer.status < 500):
        return "captcha"
    if 200 <= answer.status < 300:
        body = answer.json()
        if not isinstance(body, dict | list):
            return "failed"
        return "refused" if isinstance(body, dict) and body.get("error") else ""
    return _FAULTS.get(answer.status, "failed" if 500 <= answer.status < 600 else "unknown")


#: 404: no such campaign or answer.
_FAULTS: Final = {401: "credentials", 403: "credentials", 429: "slow"} | dict.fromkeys(
    (400, 404, 409, 413, 422), "refused"
)


def words_of(answer: Answer) -> str:
    """The vendor's words for the fault, on one line, maybe in Portuguese; "" if it has none."""
    body = answer.json()
    error = (body.get("error") or body.get("msg") or "") if isinstance(body, dict) else ""
    if isinstance(error, dict):  # the older envelope: {"error": {"code", "msg"}}
        error = error.get("msg") or error
    return " ".join(str(error).split())


def body_of(answer: Answer) -> Any:
    """The JSON of a success. Raises `TracksaleError`, saying what to do."""
    fault = fault_of(answer)
    if not fault:
        return answer.json()
    if fault == "captcha":
        raise TracksaleError(f"Tracksale shows a CAPTCHA ({answer.status}): solve it in a browser, wait five minutes")
    raise TracksaleError(f"Tracksale answered {answer.status}: {short(words_of(answer)) or 'nothing that can be read'}")


@dataclass(frozen=True, slots=True)
class Limit:
    """How much may be dispatched; None: no limit."""

    limit: int | None
    remaining: int | None


@dataclass(frozen=True, slots=True)
class Question:
    """A question of a campaign."""

    id: int | None
    type: str  #: "NPS", "CSAT", …
    title: str
    question: str
    secondary: str  #: the question that follows it; "" if none


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign; unreadable numbers are None."""

    code: str
    name: str
    description: str
    main_channel: str
    create_time: str  #: as the vendor writes it
    dispatches: int | None
    answers: int | None
    comments: int | None
    detractors: int | None
    passives: int | None
    promoters: int | None
    questions: tuple[Question, ...]
    dispatch_limits: Mapping[str, Limit]  #: "daily", "weekly", "monthly"; empty unless requested


def campaigns_of(body: Any) -> list[Campaign]:
    """The campaigns of `Tracksale.campaigns`, or the one of `Tracksale.campaign`, in either of its forms."""
    return [_campaign(found) for found in list_of(body, "code")]


def _campaign(found: Mapping[str, Any]) -> Campaign:
    limits = object_of(found.get("dispatch_limits"))
    return read_as(
        Campaign,
        found,
        questions=tuple(read_as(Question, one) for one in objects_of(found.get("questions"))),
        dispatch_limits={name: read_as(Limit, object_of(limit)) for name, limit in limits.items()},
    )


@dataclass(frozen=True, slots=True)
class Widget:
    """A widget. ``views`` and ``limits``: "daily", "weekly", "monthly"."""

    id: int | None
    name: str
    views: Mapping[str, int | None]
    limits: Mapping[str, int | None]
    has_limit: bool | None
    limit_reached: str  #: the limit that was reached; "" if none


def widget_of(body: Any) -> Widget:
    """The content of `Tracksale.widget`."""
    found = object_of(body)
    limits = object_of(found.get("limits"))
    reached = limits.get("limit_reached")  # false, or null, if none is
    return read_as(
        Widget,
        found,
        views={name: number_of(value) for name, value in object_of(found.get("views")).items()},
        limits={name: number_of(limits.get(name)) for name in ("daily", "weekly", "monthly")},
        has_limit=flag_of(limits.get("has_limit")),
        limit_reached=reached if isinstance(reached, str) else "",
    )


def can_impact_of(body: Any) -> bool | None:
    """Whether the 90-day rule allows a survey of the customer; None if the answer is ambiguous."""
    return flag_of(object_of(body).get("can_impact"))


@dataclass(frozen=True, slots=True)
class Person:
    """A customer as named by an answer; missing values are ""."""

    name: str
    email: str
    phone: str
    identification: str


def links_of(body: Any) -> list[tuple[Person, str]]:
    """Each customer with the link, "" if there is none, of `Tracksale.survey_links`."""
    customers = objects_of(object_of(body).get("customers"))
    return [(read_as(Person, customer), text_of(customer.get("survey_link"))) for customer in customers]


def link_tags_of(body: Any) -> list[dict[str, str]]:
    """The tags of each customer of `links_of`, in the same order."""
    return [tags_of(customer.get("tags")) for customer in objects_of(object_of(body).get("customers"))]


@dataclass(frozen=True, slots=True)
class Counts:
    """The counts of a dispatch, or of answers; None: not given."""

    inserted: int | None
    invalid: int | None
    duplicated: int | None
    dispatch_code: str
    campaign_code: str
    campaign_name: str
    msg: str  #: in any language
    duplicated_customers: tuple[Mapping[str, Any], ...]  #: name, email
    invalid_customers: tuple[Mapping[str, Any], ...]  #: name, reason


def counts_of(body: Any) -> Counts:
    """The result of `Tracksale.dispatch`, `Tracksale.answer` and `Tracksale.answers`: it may fail in part."""
    found = object_of(body)
    return read_as(
        Counts,
        object_of(found.get("status")),
        dispatch_code=text_of(found.get("dispatch_code")),
        campaign_code=text_of(
            object_of(found.get("campaign")).get("cod") or object_of(found.get("campaign")).get("code")
        ),
        campaign_name=text_of(object_of(found.get("campaign")).get("name")),
        msg=text_of(found.get("msg")),
        duplicated_customers=tuple(objects_of(found.get("duplicated_customers"))),
        invalid_customers=tuple(objects_of(found.get("invalid_customers"))),
    )


def inserted_of(body: Any) -> list[tuple[int | None, Person]]:
    """The ids of the inserted answers, with their customers."""
    answers = objects_of(object_of(body).get("answers"))
    return [(number_of(answer.get("answer_id")), read_as(Person, answer)) for answer in answers]


def answer_id_of(body: Any) -> int | None:
    """Which answer a note was put on, or tags were filled of."""
    return number_of(object_of(body).get("answer_id"))


@dataclass(frozen=True, slots=True)
class DraftLot:
    """A lot that waits."""

    code: str
    create_time: str  #: as the vendor writes it
    total_dispatches: int | None


def lots_of(body: Any) -> list[DraftLot]:
    """The lots of `Tracksale.draft_lots`; none if ``lot`` is absent, null or empty."""
    found = object_of(body).get("lot")
    return [read_as(DraftLot, lot) for lot in list_of(found, "code")] if found else []


def customers_of(body: Any) -> int | None:
    """How many a fired lot reaches: a number, or a text of one."""
    return number_of(object_of(body).get("customers"))


def discarded_of(body: Any) -> bool | None:
    """Whether the lot is gone; None if the answer is ambiguous."""
    return flag_of(object_of(body).get("success"))


@dataclass(frozen=True, slots=True)
class Dispatched:
    """A customer of a lot, from either report."""

    campaign_code: str
    campaign_name: str
    dispatch_code: str
    lot_status: str
    create_time: str  #: this and dispatch_time as the vendor writes them
    channel: str
    person: Person
    dispatch_time: str
    status: str
    has_answered: bool | None
    survey_opened: bool | None  #: only the paged report knows
    tags: Mapping[str, str]  #: only in the paged report, if requested


def dispatched_of(body: Any) -> list[Dispatched]:
    """The customers of `Tracksale.report_dispatch` (lots that hold customers) or of a page (customers with their lot).

    A page has a ``code`` of its own: raises `TracksaleError` if that reports a failure.
    """
    if isinstance(body, dict) and (code := number_of(body.get("code"))) is not None and not 200 <= code < 300:
        raise TracksaleError(f"Tracksale answered {code}: {short(body.get('status'))}")
    if isinstance(body, dict) and "data" in body:
        entries = list_of(body["data"] or [], "customer")
        return [_dispatched(entry, object_of(entry.get("lot")), entry.get("customer")) for entry in entries]
    lots = list_of(body, "customers")
    return [_dispatched(lot, lot, one) for lot in lots for one in objects_of(lot.get("customers"))]


def _dispatched(entry: Mapping[str, Any], lot: Mapping[str, Any], customer: Any) -> Dispatched:
    campaign, about = object_of(entry.get("campaign")), object_of(customer)
    return read_as(
        Dispatched,
        about,
        campaign_code=text_of(campaign.get("code")),
        campaign_name=text_of(campaign.get("name")),
        dispatch_code=text_of(lot.get("dispatch_code")),
        lot_status=text_of(lot.get("status")),
        create_time=text_of(lot.get("create_time")),
        channel=text_of(lot.get("channel")),
        person=read_as(Person, about),
        tags=tags_of(about.get("tags") or entry.get("tags")),
    )


@dataclass(frozen=True, slots=True)
class SurveyAnswer:
    """An answer of the report. ``raw`` is all of it."""

    id: int | None
    time: int | None  #: unix seconds
    update_time: int | None  #: unix seconds; only if requested
    campaign_code: str
    campaign_name: str
    lot_code: str
    person: Person
    nps_answer: int | None  #: 0 to 10
    last_nps_answer: int | None
    nps_comment: str
    status: str
    type: str  #: the channel, "Email"
    alternative_email: str
    alternative_phone: str
    deadline: str  #: this, dispatch_time and reminder_time as the vendor writes them
    elapsed_time: int | None
    dispatch_time: str
    reminder_time: str
    priority: str
    assignee: str
    picture: str
    categories: tuple[str, ...]
    review: Any  #: this and the three below: the answers to other questions, unchanged
    nps_secondary: Any
    open_question: Any
    csat: Any
    tags: Mapping[str, str]
    justifications: tuple[str, ...]
    raw: Mapping[str, Any]


def answers_of(body: Any) -> list[SurveyAnswer]:
    """The rows of `Tracksale.report_answer`."""
    return [
        read_as(
            SurveyAnswer,
            found,
            person=read_as(Person, found),
            tags=tags_of(found.get("tags")),
            justifications=tuple(labels_of(found.get("justifications"))),
            categories=tuple(labels_of(found.get("categories"))),
            **{name: found.get(name) for name in ("review", "nps_secondary", "open_question", "csat")},
            raw=found,
        )
        for found in list_of(body, "id")
    ]


def tags_of(value: Any) -> dict[str, str]:
    """{name: value} of a list of tags, or of an object that is one already."""
    if isinstance(value, dict) and not value.keys() >= {"name", "value"}:
        return {text_of(name): text_of(found) for name, found in value.items()}
    return {text_of(tag.get("name")): text_of(tag.get("value")) for tag in objects_of(value)}


def labels_of(value: Any) -> list[str]:
    """The names in "level" justifications (objects within objects) or an "array" of them, outermost first.

    A name may be a JSON text of languages: {"pt-br": "Preço"}; the first of them counts.
    """
    if isinstance(value, str):
        return [_label(value)] if value.strip() else []
    if isinstance(value, dict):
        named = labels_of(value["name"]) if isinstance(value.get("name"), str) else []
        inner = [found for found in value.values() if isinstance(found, dict | list)]
        return named + [label for found in inner for label in labels_of(found)]
    return [label for found in value for label in labels_of(found)] if isinstance(value, list) else []


def _label(text: str) -> str:
    try:
        languages = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    found = next(iter(languages.values()), "") if isinstance(languages, dict) else ""
    return found if isinstance(found, str) and found else text


@dataclass(frozen=True, slots=True)
class Nps:
    """The figures of a period; percentages and the NPS itself may have decimals."""

    dispatches: int | None
    promoters: int | None
    passives: int | None
    detractors: int | None
    promoters_percentage: float | None
    passives_percentage: float | None
    detractors_percentage: float | None
    nps: float | None
    compare: Nps | None = None  #: the period before, if requested


def nps_of(body: Any) -> Nps:
    """The figures of `Tracksale.report_nps`."""
    found = object_of(body)
    before = found.get("compare")
    return read_as(Nps, found, compare=read_as(Nps, before, compare=None) if isinstance(before, dict) else None)


@dataclass(frozen=True, slots=True)
class Total:
    """A category or a status, and how many answers have it."""

    id: int | None
    name: str
    total: int | None
    color: str
    nps: float | None  #: only categories have it


def totals_of(body: Any) -> list[Total]:
    """The totals of `Tracksale.report_category` and `Tracksale.report_status`."""
    return [read_as(Total, found) for found in list_of(body, "name")]
