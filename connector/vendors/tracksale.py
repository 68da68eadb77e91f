"""Tracksale (Track.co), NPS surveys: the whole of its API v2 and its paged report (https://api.tracksale.co/?lang=en).

`Tracksale` has one method for each documented operation. Below it stand `body_of` and a reader for each answer, which
know the types that the documents leave in doubt: a code as 52 or "52", a count as 1 or "1", one object for a list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import count
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

import orjson

from connector.client import Answer, Client, Deadline
from connector.errors import ConnectorError
from connector.log import masked
from connector.settings import Account, Secret
from connector.vendors.base import figure_of, number_of

BASE_URL: Final = "https://api.tracksale.co"
PAGED_URL: Final = "https://apiv3.track.co"
CUSTOMERS_PER_CALL: Final = 500
TAGS_PER_CALL: Final = 50
PAGE_LEAST: Final = 100
PAGE_MOST: Final = 10_000
ALL: Final = -1  #: as the limit of `Tracksale.report_answer`

Customer = Mapping[str, Any] | orjson.Fragment
Entries = Sequence[Mapping[str, Any]]


class TracksaleError(ConnectorError):
    """Tracksale refused, or answered what cannot be read: in its own words, which may be Portuguese."""


class Tracksale:
    """One account's operations. 1,000 requests in five minutes; past it every call is answered 405 with a CAPTCHA.

    Methods return the vendor's `Answer` as it is; they raise `NotSent` or `NoAnswer`. ``deadline`` bounds the call.
    Errors come as ``{"error": "…"}`` (400 what was sent, 401 and 403 the token, 404 no such thing); `body_of` raises
    them, and readers of lists raise for what is none. The two methods that go through all pages (`each_dispatch`,
    `each_of_lot`) raise `TracksaleError` by themselves.
    Days are YYYY-MM-DD; times that are sent are unix seconds.
    """

    def __init__(self, client: Client, base_url: str, paged_base_url: str = "") -> None:
        self._client = client
        self._base_url = base_url
        self._paged_base_url = paged_base_url or base_url

    @classmethod
    def of(cls, account: Account) -> Self:
        """Of an account of the configuration."""
        paged, timeout_s = account.paged_base_url, account.timeout_s
        return cls.at(account.base_url, token=account.token, paged_base_url=paged, timeout_s=timeout_s)

    @classmethod
    def at(cls, base_url: str, *, token: Secret, paged_base_url: str = "", timeout_s: float = 65.0) -> Self:
        """By an address, usually `BASE_URL`; another one's paged report is at the same address, unless one is named."""
        paged = paged_base_url or (PAGED_URL if base_url == BASE_URL else base_url)
        return cls(Client({"Authorization": f"bearer {token.reveal()}"}, timeout_s=timeout_s), base_url, paged)

    def close(self) -> None:
        """Ends the connections."""
        self._client.close()

    # Campaigns

    def campaigns(
        self,
        *,
        start: str = "",
        end: str = "",
        dispatch_limits: bool = False,
        deadline: Deadline | None = None,
    ) -> Answer:
        """All campaigns, with their codes; see `campaigns_of`. Their numbers of answers are of ``start`` to ``end``.

        ``dispatch_limits`` adds how much may still be dispatched this day, week and month.
        """
        return self._get("campaign", _period(start, end) | _if(dispatch_limits, dispatch_limits="1"), deadline)

    def campaign(
        self,
        campaign_code: str,
        *,
        start: str = "",
        end: str = "",
        dispatch_limits: bool = False,
        deadline: Deadline | None = None,
    ) -> Answer:
        """One campaign, as `campaigns`; it may come as a list."""
        params = _period(start, end) | _if(dispatch_limits, dispatch_limits="1")
        return self._get(f"campaign/{_step(campaign_code)}", params, deadline)

    def widget(self, key: str, *, deadline: Deadline | None = None) -> Answer:
        """How often a widget was opened, and its limits; see `widget_of`. The key is shown where it is customised."""
        return self._get(f"widget/{_step(key)}", {}, deadline)

    def can_impact(
        self,
        campaign_code: str,
        *,
        email: str = "",
        phone: str = "",
        identification: str = "",
        deadline: Deadline | None = None,
    ) -> Answer:
        """Whether the 90-day rule lets a campaign ask this customer; see `can_impact_of`. Exactly one of the three."""
        body = _person(email, phone, identification)
        return self._post(f"campaign/{_step(campaign_code)}/can-impact", body, deadline)

    def survey_links(
        self, campaign_code: str, customers: Sequence[Customer], *, deadline: Deadline | None = None
    ) -> Answer:
        """A link to the survey for each of up to 500 customers, whom nothing is sent; see `links_of`."""
        body = {"customers": list(customers)}
        return self._post(f"campaign/{_step(campaign_code)}/survey-links", body, deadline)

    # Dispatches

    def dispatch(
        self,
        campaign_code: str,
        customers: Sequence[Customer],
        *,
        schedule_time: int | None,
        finish_time: int | None = None,
        deadline: Deadline | None = None,
    ) -> Answer:
        """Surveys up to 500 customers at ``schedule_time`` (unix seconds); None adds them to the campaign's draft lot.

        ``finish_time`` (unix seconds) is when the survey ends. Always asks for those that were not inserted: a partial
        failure is answered 200; see `counts_of`.
        """
        body: dict[str, Any] = {"customers": list(customers)}
        body |= {} if schedule_time is None else {"schedule_time": schedule_time}
        body |= {} if finish_time is None else {"finish_time": finish_time}
        return self._post(f"campaign/{_step(campaign_code)}/dispatch", body, deadline, {"getNotInserted": "1"})

    def draft_lots(self, campaign_code: str, *, deadline: Deadline | None = None) -> Answer:
        """The lots that wait to be fired or discarded; see `lots_of`. People put customers there by hand too."""
        return self._get(f"campaign/{_step(campaign_code)}/draft-lot", {}, deadline)

    def fire_lot(self, campaign_code: str, lot_code: str, *, time: int, deadline: Deadline | None = None) -> Answer:
        """Dispatches everything in a draft lot at ``time`` (unix seconds; 0: now); see `customers_of`."""
        url = f"campaign/{_step(campaign_code)}/dispatch/{_step(lot_code)}"
        return self._post(url, {"time": time}, deadline)

    def discard_lot(self, campaign_code: str, lot_code: str, *, deadline: Deadline | None = None) -> Answer:
        """Throws a draft lot away with everybody in it; see `discarded_of`."""
        return self._post(f"campaign/{_step(campaign_code)}/discard-lot/{_step(lot_code)}", {}, deadline)

    # Answers, notes, tags

    def answer(
        self,
        campaign_code: str,
        answers: Entries,
        *,
        return_answer_id: bool = True,
        deadline: Deadline | None = None,
    ) -> Answer:
        """Inserts answers that were collected elsewhere to a campaign of one question; see `counts_of`. Not idempotent.

        Each: name, score (0 to 10), email or phone as the campaign is sent; identification, justification,
        create_time (unix seconds) and tags if known. ``return_answer_id`` asks for the ids; see `inserted_of`.
        """
        body = {"campaign_code": campaign_code, "answers": list(answers)}
        return self._post("answer", body, deadline, _if(return_answer_id, return_answer_id="1"))

    def answers(self, campaign_code: str, data: Entries, *, deadline: Deadline | None = None) -> Answer:
        """Inserts answers to campaigns of several questions; see `counts_of` and `inserted_of`. Not idempotent.

        Each: as for `answer`, but for ``answers`` in place of score and justification: one for each question *in the
        campaign's order* (else all of it is invalid), with question_id and, by the question's type, score and
        justification, option, or comment.
        """
        return self._post("answers", {"campaign_code": campaign_code, "data": list(data)}, deadline)

    def note(self, request: Mapping[str, Any] | orjson.Fragment, *, deadline: Deadline | None = None) -> Answer:
        """Adds a comment to an answer (answer_id, or filter with both dates); see `answer_id_of`. Not idempotent."""
        return self._post("note", request, deadline)

    def note_on_answer(self, answer_id: int, comment: str, *, deadline: Deadline | None = None) -> Answer:
        """`note` on the answer with this id."""
        return self.note({"comment": comment, "answer_id": answer_id}, deadline=deadline)

    def note_by_filter(
        self,
        comment: str,
        *,
        start_date: str,
        end_date: str,
        email: str = "",
        phone: str = "",
        identification: str = "",
        campaign_code: str = "",
        deadline: Deadline | None = None,
    ) -> Answer:
        """`note` on a customer's answer between two days; at least one of email, phone and identification."""
        wanted = _person(email, phone, identification) | {"start_date": start_date, "end_date": end_date}
        wanted |= _if(bool(campaign_code), campaign_code=campaign_code)
        return self.note({"comment": comment, "filter": wanted}, deadline=deadline)

    def fill_empty_tags(
        self, request: Mapping[str, Any] | orjson.Fragment, *, deadline: Deadline | None = None
    ) -> Answer:
        """Fills the empty ones of up to 50 tags, of one answer or customer. Safe to repeat; cannot correct."""
        return self._post("fill-empty-tags", request, deadline)

    def fill_empty_tags_of_answer(self, answer_id: int, tags: Entries, *, deadline: Deadline | None = None) -> Answer:
        """`fill_empty_tags` of the answer with this id; tags are ``{"name", "value"}``, both strings."""
        return self.fill_empty_tags({"answer_id": answer_id, "tags": list(tags)}, deadline=deadline)

    def fill_empty_tags_of_customer(
        self,
        tags: Entries,
        *,
        email: str = "",
        phone: str = "",
        identification: str = "",
        campaign_code: str = "",
        deadline: Deadline | None = None,
    ) -> Answer:
        """`fill_empty_tags` of a customer's answer; at least one of email, phone and identification."""
        request = {"customer": _person(email, phone, identification), "tags": list(tags)}
        return self.fill_empty_tags(request | _if(bool(campaign_code), campaign_code=campaign_code), deadline=deadline)

    # Reports: of the last 30 days unless told. ``codes``: campaigns, with commas between them; all if left out

    def report_answer(
        self,
        *,
        start: str = "",
        end: str = "",
        codes: str = "",
        limit: int = ALL,
        tags: bool = False,
        justif_return: str = "",
        review: bool = False,
        nps_secondary: bool = False,
        open_question: bool = False,
        csat: bool = False,
        return_update_time: bool = False,
        deadline: Deadline | None = None,
    ) -> Answer:
        """Answers; see `answers_of`. The vendor's own ``limit`` is 10, ours is `ALL`.

        ``start`` and ``end`` may have a time: YYYY-MM-DDTHH:mm:ss. ``justif_return``: "array" in place of "level".
        ``return_update_time``: when an answer was last changed (who is responsible, its status, its category).
        """
        params = _period(start, end, codes) | {"limit": str(limit)}
        params |= _if(bool(justif_return), justifReturn=justif_return)
        params |= _if(tags, tags="true") | _if(return_update_time, return_update_time="true")
        params |= _if(review, review="1") | _if(nps_secondary, nps_secondary="1")
        params |= _if(open_question, open_question="1") | _if(csat, csat="1")
        return self._get("report/answer", params, deadline)

    def report_dispatch(
        self, campaign_code: str, start: str, end: str, *, channel: bool = False, deadline: Deadline | None = None
    ) -> Answer:
        """The lots dispatched from ``start`` to ``end``, each with its customers; see `dispatched_of`. May lag."""
        params = _period(start, end, campaign_code) | _if(channel, channel="true")
        return self._get("report/dispatch", params, deadline)

    def report_nps(
        self,
        *,
        start: str = "",
        end: str = "",
        codes: str = "",
        compare: bool = False,
        deadline: Deadline | None = None,
    ) -> Answer:
        """How many were asked, how many are promoters, passives, detractors, and the NPS; see `nps_of`.

        ``compare`` adds the same of the period before.
        """
        return self._get("report/nps", _period(start, end, codes) | _if(compare, compare="true"), deadline)

    def report_category(
        self, *, start: str = "", end: str = "", codes: str = "", deadline: Deadline | None = None
    ) -> Answer:
        """The categories of answers with their NPS; see `totals_of`."""
        return self._get("report/category", _period(start, end, codes), deadline)

    def report_status(
        self, *, start: str = "", end: str = "", codes: str = "", deadline: Deadline | None = None
    ) -> Answer:
        """How many answers have each status; see `totals_of`."""
        return self._get("report/status", _period(start, end, codes), deadline)

    # The paged report, at an address of its own

    def paged_dispatches(
        self,
        *,
        start: str = "",
        end: str = "",
        codes: str = "",
        channel: bool = False,
        tags: bool = False,
        page: int = 1,
        limit: int = PAGE_MOST,
        deadline: Deadline | None = None,
    ) -> Answer:
        """A page of all customers dispatched, 100 to 10,000 of them (``limit``); see `dispatched_of`."""
        params = _period(start, end, codes) | _page(page, limit, channel, tags)
        return self._client.call("GET", f"{self._paged_base_url}/dispatch", params=params, deadline=deadline)

    def paged_lot(
        self,
        lot_code: str,
        *,
        channel: bool = False,
        tags: bool = False,
        page: int = 1,
        limit: int = PAGE_MOST,
        deadline: Deadline | None = None,
    ) -> Answer:
        """The same of one lot, whenever it was."""
        url = f"{self._paged_base_url}/dispatch/{_step(lot_code)}"
        return self._client.call("GET", url, params=_page(page, limit, channel, tags), deadline=deadline)

    def each_dispatch(
        self,
        *,
        start: str = "",
        end: str = "",
        codes: str = "",
        channel: bool = False,
        tags: bool = False,
        limit: int = PAGE_MOST,
    ) -> Iterator[Dispatched]:
        """Every customer dispatched, page by page: a call for each ``limit`` of them. Raises `TracksaleError`."""

        def read(page: int) -> Answer:
            return self.paged_dispatches(
                start=start, end=end, codes=codes, channel=channel, tags=tags, page=page, limit=limit
            )

        return _each(read, limit)

    def each_of_lot(
        self, lot_code: str, *, channel: bool = False, tags: bool = False, limit: int = PAGE_MOST
    ) -> Iterator[Dispatched]:
        """Every customer of one lot, likewise."""
        return _each(lambda page: self.paged_lot(lot_code, channel=channel, tags=tags, page=page, limit=limit), limit)

    def _get(self, path: str, params: Mapping[str, str], deadline: Deadline | None) -> Answer:
        return self._client.call("GET", f"{self._base_url}/v2/{path}", params=params, deadline=deadline)

    def _post(self, path: str, body: Any, deadline: Deadline | None, params: Mapping[str, str] | None = None) -> Answer:
        url = f"{self._base_url}/v2/{path}"
        return self._client.call("POST", url, params=params, body=orjson.dumps(body), deadline=deadline)


def _step(code: str) -> str:
    """A code as a step of a path."""
    return quote(str(code), safe="")


def _if(asked: bool, **params: str) -> dict[str, str]:
    return params if asked else {}


def _period(start: str, end: str, codes: str = "") -> dict[str, str]:
    given = {"start": start, "end": end, "codes": codes}
    return {name: value for name, value in given.items() if value}


def _page(page: int, limit: int, channel: bool, tags: bool) -> dict[str, str]:
    return {"page": str(page), "limit": str(limit)} | _if(channel, channel="true") | _if(tags, tags="true")


def _person(email: str, phone: str, identification: str) -> dict[str, Any]:
    given = {"email": email, "phone": phone, "identification": identification}
    return {name: value for name, value in given.items() if value}


def _each(read: Callable[[int], Answer], limit: int) -> Iterator[Dispatched]:
    """Until a page is not full. One that comes again would come for ever: it ends with an error."""
    before: list[Dispatched] = []
    for page in count(1):
        found = dispatched_of(body_of(read(page)))
        if found and found == before:
            raise TracksaleError(f"Tracksale gave page {page - 1} of the dispatches again as page {page}")
        yield from found
        if len(found) < limit:
            return
        before = found


# --- what answers hold ----------------------------------------------------------------------------------------------


def fault_of(answer: Answer) -> str:
    """What is wrong with an answer; "" when it is a success: 2xx, with JSON that holds no ``error``.

    captcha (a person must solve it) | credentials | slow (too many calls) | refused (what was asked for is wrong, and
    nothing of it was done) | failed (the vendor did, or it cannot be read: it may have been done) | unknown.
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
    """The vendor's own words for what is wrong, on one line, which may be in Portuguese; "" when it has none."""
    body = answer.json()
    said = (body.get("error") or body.get("msg") or "") if isinstance(body, dict) else ""
    if isinstance(said, dict):  # the older envelope: {"error": {"code", "msg"}}
        said = said.get("msg") or said
    return " ".join(str(said).split())


def body_of(answer: Answer) -> Any:
    """The JSON of a success. Raises `TracksaleError`, saying what to do."""
    fault = fault_of(answer)
    if not fault:
        return answer.json()
    if fault == "captcha":
        raise TracksaleError(f"Tracksale shows a CAPTCHA ({answer.status}): solve it in a browser, wait five minutes")
    raise TracksaleError(f"Tracksale answered {answer.status}: {_cut(words_of(answer)) or 'nothing that can be read'}")


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


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign; numbers that cannot be read are None."""

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
    dispatch_limits: Mapping[str, Limit]  #: "daily", "weekly", "monthly"; empty unless asked for


def campaigns_of(body: Any) -> list[Campaign]:
    """The campaigns of `Tracksale.campaigns`, or the one of `Tracksale.campaign`, in either of its forms."""
    return [_campaign(found) for found in _listed(body, "code")]


def _campaign(found: Mapping[str, Any]) -> Campaign:
    limits = _object(found.get("dispatch_limits"))
    return _read(
        Campaign,
        found,
        questions=tuple(_read(Question, one) for one in _objects(found.get("questions"))),
        dispatch_limits={name: _read(Limit, _object(limit)) for name, limit in limits.items()},
    )


@dataclass(frozen=True, slots=True)
class Widget:
    """A widget. ``views`` and ``limits``: "daily", "weekly", "monthly"."""

    id: int | None
    name: str
    views: Mapping[str, int | None]
    limits: Mapping[str, int | None]
    has_limit: bool | None
    limit_reached: str  #: which of the limits; "" when none


def widget_of(body: Any) -> Widget:
    """Of `Tracksale.widget`."""
    found = _object(body)
    limits = _object(found.get("limits"))
    reached = limits.get("limit_reached")  # false, or null, when none is
    return _read(
        Widget,
        found,
        views={name: number_of(value) for name, value in _object(found.get("views")).items()},
        limits={name: number_of(limits.get(name)) for name in ("daily", "weekly", "monthly")},
        has_limit=flag_of(limits.get("has_limit")),
        limit_reached=reached if isinstance(reached, str) else "",
    )


def can_impact_of(body: Any) -> bool | None:
    """Whether the 90-day rule lets the customer be asked; None when the answer does not say."""
    return flag_of(_object(body).get("can_impact"))


@dataclass(frozen=True, slots=True)
class Person:
    """A customer as an answer names one; what is missing is ""."""

    name: str
    email: str
    phone: str
    identification: str


def links_of(body: Any) -> list[tuple[Person, str]]:
    """Each customer with the link, "" where there is none, of `Tracksale.survey_links`."""
    customers = _objects(_object(body).get("customers"))
    return [(_read(Person, customer), text_of(customer.get("survey_link"))) for customer in customers]


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of a dispatch, or of answers; None: the vendor does not say."""

    inserted: int | None
    invalid: int | None
    duplicated: int | None
    dispatch_code: str
    campaign_code: str
    duplicated_customers: tuple[Mapping[str, Any], ...]  #: name, email
    invalid_customers: tuple[Mapping[str, Any], ...]  #: name, reason


def counts_of(body: Any) -> Counts:
    """Of `Tracksale.dispatch`, `Tracksale.answer` and `Tracksale.answers`: a partial failure is no error."""
    found = _object(body)
    return _read(
        Counts,
        _object(found.get("status")),
        dispatch_code=text_of(found.get("dispatch_code")),
        campaign_code=text_of(_object(found.get("campaign")).get("cod")),
        duplicated_customers=tuple(_objects(found.get("duplicated_customers"))),
        invalid_customers=tuple(_objects(found.get("invalid_customers"))),
    )


def inserted_of(body: Any) -> list[tuple[int | None, Person]]:
    """The ids of the answers that were inserted, with whose they are."""
    answers = _objects(_object(body).get("answers"))
    return [(number_of(answer.get("answer_id")), _read(Person, answer)) for answer in answers]


def answer_id_of(body: Any) -> int | None:
    """Which answer a note was put on, or tags were filled of."""
    return number_of(_object(body).get("answer_id"))


@dataclass(frozen=True, slots=True)
class DraftLot:
    """A lot that waits."""

    code: str
    create_time: str  #: as the vendor writes it
    total_dispatches: int | None


def lots_of(body: Any) -> list[DraftLot]:
    """Of `Tracksale.draft_lots`."""
    return [_read(DraftLot, lot) for lot in _listed(_object(body).get("lot"), "code")]


def customers_of(body: Any) -> int | None:
    """How many a fired lot reaches: a number, or a text of one."""
    return number_of(_object(body).get("customers"))


def discarded_of(body: Any) -> bool | None:
    """Whether the lot is gone; None when the answer does not say."""
    return flag_of(_object(body).get("success"))


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
    tags: Mapping[str, str]  #: only the paged report has them, when asked


def dispatched_of(body: Any) -> list[Dispatched]:
    """The customers of `Tracksale.report_dispatch` (lots that hold customers) or of a page (customers with their lot).

    A page has a ``code`` of its own: raises `TracksaleError` where that says failure.
    """
    if isinstance(body, dict) and (code := number_of(body.get("code"))) is not None and not 200 <= code < 300:
        raise TracksaleError(f"Tracksale answered {code}: {_cut(body.get('status'))}")
    if isinstance(body, dict) and "data" in body:
        entries = _listed(body["data"] or [], "customer")
        return [_dispatched(entry, _object(entry.get("lot")), entry.get("customer")) for entry in entries]
    lots = _listed(body, "customers")
    return [_dispatched(lot, lot, one) for lot in lots for one in _objects(lot.get("customers"))]


def _dispatched(entry: Mapping[str, Any], lot: Mapping[str, Any], customer: Any) -> Dispatched:
    campaign, about = _object(entry.get("campaign")), _object(customer)
    return _read(
        Dispatched,
        about,
        campaign_code=text_of(campaign.get("code")),
        campaign_name=text_of(campaign.get("name")),
        dispatch_code=text_of(lot.get("dispatch_code")),
        lot_status=text_of(lot.get("status")),
        create_time=text_of(lot.get("create_time")),
        channel=text_of(lot.get("channel")),
        person=_read(Person, about),
        tags=tags_of(about.get("tags") or entry.get("tags")),
    )


@dataclass(frozen=True, slots=True)
class SurveyAnswer:
    """An answer of the report. ``raw`` is all of it."""

    id: int | None
    time: int | None  #: unix seconds
    update_time: int | None  #: unix seconds; only when asked for
    campaign_code: str
    campaign_name: str
    lot_code: str
    person: Person
    nps_answer: int | None  #: 0 to 10
    last_nps_answer: int | None
    nps_comment: str
    status: str
    tags: Mapping[str, str]
    justifications: tuple[str, ...]
    raw: Mapping[str, Any]


def answers_of(body: Any) -> list[SurveyAnswer]:
    """Of `Tracksale.report_answer`."""
    return [
        _read(
            SurveyAnswer,
            found,
            person=_read(Person, found),
            tags=tags_of(found.get("tags")),
            justifications=tuple(labels_of(found.get("justifications"))),
            raw=found,
        )
        for found in _listed(body, "id")
    ]


def tags_of(value: Any) -> dict[str, str]:
    """{name: value} of a list of tags, or of an object that is one already."""
    if isinstance(value, dict) and not value.keys() >= {"name", "value"}:
        return {text_of(name): text_of(found) for name, found in value.items()}
    return {text_of(tag.get("name")): text_of(tag.get("value")) for tag in _objects(value)}


def labels_of(value: Any) -> list[str]:
    """The names in "level" justifications (objects within objects) or an "array" of them, outermost first.

    A name may be a JSON text of languages: {"pt-br": "Preço"}; the first of them is taken.
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
    compare: Nps | None = None  #: the period before, when asked for


def nps_of(body: Any) -> Nps:
    """Of `Tracksale.report_nps`."""
    found = _object(body)
    before = found.get("compare")
    return _read(Nps, found, compare=_read(Nps, before, compare=None) if isinstance(before, dict) else None)


@dataclass(frozen=True, slots=True)
class Total:
    """A category or a status, and how many answers have it."""

    id: int | None
    name: str
    total: int | None
    color: str
    nps: float | None  #: only categories have it


def totals_of(body: Any) -> list[Total]:
    """Of `Tracksale.report_category` and `Tracksale.report_status`."""
    return [_read(Total, found) for found in _listed(body, "name")]


# --- values in doubt ------------------------------------------------------------------------------------------------


def text_of(value: Any) -> str:
    """A text or a number as a text; "" for null and all else."""
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def flag_of(value: Any) -> bool | None:
    """true, 1, "1" or "true", and their opposites; None when it is neither."""
    word = str(value).strip().lower() if isinstance(value, bool | int | str) else ""
    return _FLAGS.get(word)


_FLAGS: Final = dict.fromkeys(("true", "1", "yes", "sim"), True) | dict.fromkeys(("false", "0", "no", "não"), False)


#: By the type that a field is declared to have.
_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "str": text_of,
    "int | None": number_of,
    "float | None": figure_of,
    "bool | None": flag_of,
}
_Read = TypeVar("_Read")


def _read(kind: type[_Read], found: Mapping[str, Any], **more: Any) -> _Read:
    """A dataclass of the values that have its fields' names; ``more`` are those that are not simply read."""
    names = {field.name: str(field.type) for field in fields(kind) if field.name not in more}  # type: ignore[arg-type]
    return kind(**{name: _READERS[declared](found.get(name)) for name, declared in names.items()}, **more)


def _object(value: Any) -> Mapping[str, Any]:
    """An object, alone or the only one of a list; else an empty one."""
    if isinstance(value, list) and len(value) == 1:
        return _object(value[0])
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list, or the one that stands alone."""
    found = [value] if isinstance(value, dict) else value
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _listed(value: Any, key: str) -> list[Mapping[str, Any]]:
    """A list of objects, or the one (known by its key) that stands for it; anything else is no answer."""
    if isinstance(value, list) and all(isinstance(one, dict) for one in value):
        return value
    if isinstance(value, dict) and key in value:
        return [value]
    raise TracksaleError("Tracksale answered something else than a list: look at what it changed")


def _cut(words: Any) -> str:
    """The vendor's words on one line, short, with nobody's address in them."""
    return masked(" ".join(str(words or "").split())[:300])
