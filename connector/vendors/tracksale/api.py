"""Tracksale (Track.co), NPS surveys: the whole of its API v2 and its paged report (https://api.tracksale.co/?lang=en).

`Tracksale` has one method for each documented operation. Below it stand `body_of` and a reader for each answer, which
know the types that the documents leave in doubt: a code as 52 or "52", a count as 1 or "1", one object for a list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, Final, Self
from urllib.parse import quote

import orjson

from connector.core.http import Answer, Client, Deadline
from connector.core.settings import Account, Secret
from connector.vendors.call_checks import WrongCall, a_day, at_least_one, at_most, exactly_one
from connector.vendors.numbers import number_of
from connector.vendors.tracksale.readers import Dispatched, body_of, dispatched_of
from connector.vendors.tracksale.values import TracksaleError

BASE_URL: Final = "https://api.tracksale.co"
PAGED_URL: Final = "https://apiv3.track.co"
CUSTOMERS_PER_CALL: Final = 500
TAGS_PER_CALL: Final = 50
PAGE_LEAST: Final = 100
PAGE_MOST: Final = 10_000
ALL: Final = -1  #: as the limit of `Tracksale.report_answer`

Customer = Mapping[str, Any] | orjson.Fragment
Entries = Sequence[Mapping[str, Any]]


class Tracksale:
    """The operations of one account.

    1,000 requests in five minutes; beyond that every call is answered 405 with a CAPTCHA.

    Methods return the vendor's `Answer` unchanged; they raise `NotSent` or `NoAnswer`. ``deadline`` bounds the call.
    Errors come as ``{"error": "…"}`` (400 the request, 401 and 403 the token, 404 no such object); `body_of` raises
    them, and readers of lists raise for anything else. The two methods that go through all pages (`each_dispatch`,
    `each_of_lot`) raise `TracksaleError` by themselves. Days are YYYY-MM-DD; times in requests are unix seconds.
    """

    def __init__(self, client: Client, base_url: str, paged_base_url: str = "") -> None:
        self._client = client
        self._base_url = base_url
        self._paged_base_url = paged_base_url or base_url

    @classmethod
    def of(cls, account: Account) -> Self:
        """The client of an account of the configuration."""
        paged, timeout_s = account.paged_base_url, account.timeout_s
        return cls.at(account.base_url, token=account.token, paged_base_url=paged, timeout_s=timeout_s)

    @classmethod
    def at(cls, base_url: str, *, token: Secret, paged_base_url: str = "", timeout_s: float = 65.0) -> Self:
        """The client of an address, usually `BASE_URL`; another one has the paged report as well, or names its own."""
        paged = paged_base_url or (PAGED_URL if base_url == BASE_URL else base_url)
        return cls(
            Client({"Authorization": f"bearer {token.reveal()}", "Cache-Control": "no-cache"}, timeout_s=timeout_s),
            base_url,
            paged,
        )

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
        """Whether the 90-day rule lets a campaign survey this customer; see `can_impact_of`.

        Exactly one of the three.
        """
        body = _person(email, phone, identification)
        exactly_one(body, "email, phone and identification")
        return self._post(f"campaign/{_step(campaign_code)}/can-impact", body, deadline)

    def survey_links(
        self, campaign_code: str, customers: Sequence[Customer], *, deadline: Deadline | None = None
    ) -> Answer:
        """A survey link for each of up to 500 customers, who receive nothing; see `links_of`."""
        at_most(len(customers), CUSTOMERS_PER_CALL, "customers")
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

        ``finish_time`` (unix seconds) is the end of the survey; it travels with each customer, as documented. Always
        requests the customers that were not inserted: a partial failure is answered 200; see `counts_of`.
        """
        at_most(len(customers), CUSTOMERS_PER_CALL, "customers")
        body: dict[str, Any] = {"customers": [_finishing(one, finish_time) for one in customers]}
        body |= {} if schedule_time is None else {"schedule_time": schedule_time}
        return self._post(f"campaign/{_step(campaign_code)}/dispatch", body, deadline, {"getNotInserted": "1"})

    def draft_lots(self, campaign_code: str, *, deadline: Deadline | None = None) -> Answer:
        """The lots that wait to be fired or discarded; see `lots_of`. People put customers there by hand too."""
        return self._get(f"campaign/{_step(campaign_code)}/draft-lot", {}, deadline)

    def fire_lot(self, campaign_code: str, lot_code: str, *, time: int, deadline: Deadline | None = None) -> Answer:
        """Dispatches everything in a draft lot at ``time`` (unix seconds; 0: now); see `customers_of`."""
        url = f"campaign/{_step(campaign_code)}/dispatch/{_step(lot_code)}"
        return self._post(url, {"time": time}, deadline)

    def discard_lot(self, campaign_code: str, lot_code: str, *, deadline: Deadline | None = None) -> Answer:
        """Discards a draft lot with all its members; see `discarded_of`. No body is documented, and none is sent."""
        url = f"{self._base_url}/v2/campaign/{_step(campaign_code)}/discard-lot/{_step(lot_code)}"
        return self._client.call("POST", url, deadline=deadline)

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
        body = {"campaign_code": str(campaign_code), "answers": list(answers)}
        return self._post("answer", body, deadline, _if(return_answer_id, return_answer_id="1"))

    def answers(self, campaign_code: str, data: Entries, *, deadline: Deadline | None = None) -> Answer:
        """Inserts answers to campaigns of several questions; see `counts_of` and `inserted_of`. Not idempotent.

        Each: as for `answer`, but for ``answers`` in place of score and justification: one for each question *in the
        campaign's order* (else all of it is invalid), with question_id and, by the question's type, score and
        justification, option, or comment.
        """
        return self._post("answers", {"campaign_code": str(campaign_code), "data": list(data)}, deadline)

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
        conditions: dict[str, Any] = _person(email, phone, identification)
        at_least_one(conditions, "email, phone and identification")
        a_day(start_date, "start_date")
        a_day(end_date, "end_date")
        conditions |= {"start_date": start_date, "end_date": end_date}
        conditions |= _if(bool(campaign_code), campaign_code=campaign_code)
        return self.note({"comment": comment, "filter": conditions}, deadline=deadline)

    def fill_empty_tags(
        self, request: Mapping[str, Any] | orjson.Fragment, *, deadline: Deadline | None = None
    ) -> Answer:
        """Fills the empty ones of up to 50 tags, of one answer or customer. Safe to repeat; cannot correct."""
        return self._post("fill-empty-tags", request, deadline)

    def fill_empty_tags_of_answer(self, answer_id: int, tags: Entries, *, deadline: Deadline | None = None) -> Answer:
        """`fill_empty_tags` of the answer with this id; tags are ``{"name", "value"}``, both strings."""
        at_most(len(tags), TAGS_PER_CALL, "tags")
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
        at_most(len(tags), TAGS_PER_CALL, "tags")
        request = {"customer": _person(email, phone, identification), "tags": list(tags)}
        at_least_one(_person(email, phone, identification), "email, phone and identification")
        return self.fill_empty_tags(request | _if(bool(campaign_code), campaign_code=campaign_code), deadline=deadline)

    # Reports: of the last 30 days by default. ``codes``: campaigns, separated by commas; all if left out

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
        """Answers; see `answers_of`. The vendor's default ``limit`` is 10, ours is `ALL`.

        ``start`` and ``end`` may have a time: YYYY-MM-DDTHH:mm:ss. ``justif_return``: "array" in place of "level".
        ``return_update_time``: the time of an answer's last change (responsible person, status, category).
        """
        if justif_return not in ("", "array", "level"):
            raise WrongCall(f'justif_return is "array" or "level", not "{justif_return}"')
        params = _period(start, end, codes) | {"limit": str(limit)}
        params |= _if(bool(justif_return), justifReturn=justif_return)
        params |= _if(tags, tags="true") | _if(return_update_time, return_update_time="true")
        params |= _if(review, review="1") | _if(nps_secondary, nps_secondary="1")
        params |= _if(open_question, open_question="1") | _if(csat, csat="1")
        return self._get("report/answer", params, deadline)

    def report_dispatch(
        self,
        campaign_code: str = "",
        start: str = "",
        end: str = "",
        *,
        channel: bool = False,
        deadline: Deadline | None = None,
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
        """The number of surveyed people, of promoters, passives and detractors, and the NPS; see `nps_of`.

        ``compare`` adds the same for the period before.
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
        url = f"{self._paged_base_url}/dispatch"
        return self._client.call("GET", url, params=params, deadline=deadline, is_report=True)

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
        params = _page(page, limit, channel, tags)
        return self._client.call("GET", url, params=params, deadline=deadline, is_report=True)

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


def _if(condition: bool, **params: str) -> dict[str, str]:
    return params if condition else {}


def _period(start: str, end: str, codes: str = "") -> dict[str, str]:
    params = {"start": start, "end": end, "codes": codes}
    return {name: value for name, value in params.items() if value}


def _finishing(customer: Customer, finish_time: int | None) -> Customer:
    if finish_time is None:
        return customer
    # A fragment shows what it holds to the serializer alone.
    found = orjson.loads(orjson.dumps(customer)) if isinstance(customer, orjson.Fragment) else customer
    return {**found, "finish_time": finish_time}


def _page(page: int, limit: int, channel: bool, tags: bool) -> dict[str, str]:
    if not PAGE_LEAST <= limit <= PAGE_MOST:
        raise WrongCall(f"a page has {PAGE_LEAST} to {PAGE_MOST} customers, not {limit}")
    if page < 1:
        raise WrongCall(f"pages begin at 1, not at {page}")
    return {"page": str(page), "limit": str(limit)} | _if(channel, channel="true") | _if(tags, tags="true")


def _person(email: str, phone: str, identification: str) -> dict[str, Any]:
    fields = {"email": email, "phone": phone, "identification": identification}
    return {name: value for name, value in fields.items() if value}


def _is_past_the_end(answer: Answer) -> bool:
    """404, by HTTP or by the page's own code."""
    body = answer.json()
    return answer.status == 404 or (isinstance(body, dict) and number_of(body.get("code")) == 404)


def _each(read: Callable[[int], Answer], limit: int) -> Iterator[Dispatched]:
    """Until a page is not full. One that comes again would come for ever: it ends with an error."""
    before: list[Dispatched] = []
    for page in count(1):
        answer = read(page)
        if before and _is_past_the_end(answer):  # the page before was the last one, and full
            return
        found = dispatched_of(body_of(answer))
        if found and found == before:
            raise TracksaleError(f"Tracksale gave page {page - 1} of the dispatches again as page {page}")
        yield from found
        if len(found) < limit:
            return
        before = found
