"""Tracksale simulated: dispatches settled one by one, draft lots, answers, tags, notes, reports, the CAPTCHA."""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from email.message import Message
from functools import partial
from itertools import count
from typing import Any

from connector.vendors.sandbox.ledger import Call, Ledger, Window, bearer
from connector.vendors.sandbox.messages import Action, Refused, Reply, Request, json_reply
from connector.vendors.tracksale.sandbox_answers import QUESTION_TYPES, check_several, check_single, several, single
from connector.vendors.tracksale.sandbox_limits import CAPTCHA, FAULTS, TracksaleLimits
from connector.vendors.tracksale.sandbox_reports import (
    categories,
    describe,
    figures,
    identity,
    is_requested,
    lot_entry,
    paged_entry,
    statuses,
)
from connector.vendors.tracksale.sandbox_rules import (
    BadRequest,
    check_answer_id,
    check_campaign_code,
    check_customers,
    check_day,
    check_number,
    check_object,
    check_period,
    check_person,
    check_tags,
    check_time,
)
from connector.vendors.tracksale.sandbox_surveys import (
    IDENTIFICATIONS,
    ON_REQUEST,
    QUESTIONS,
    Answers,
    Campaign,
    Customer,
    Lot,
    moment,
)

#: The campaigns that are there from the start.
CAMPAIGNS: Mapping[int, str] = {26: "Campanha demo", 52: "Atención al cliente"}
CHANNELS = ("Any", "Email", "SMS")
#: The widgets that are there, by their keys.
WIDGETS: Mapping[str, Mapping[str, Any]] = {
    "demo": {
        "id": 1,
        "name": "Widget",
        "views": {"daily": 2, "weekly": 0, "monthly": 0},
        "limits": {"daily": 2, "weekly": 0, "monthly": 0, "has_limit": True, "limit_reached": "daily"},
    }
}
UNAUTHORIZED = json_reply({"error": "Unauthorized"}, 401)

#: Fields that report/answer shows only if requested.
_EVERYTHING = (*ON_REQUEST, "return_update_time")

_CAMPAIGN = r"/v2/campaign/(?P<code>[^/]+)"


class Tracksale:
    """The vendor, its paged host included."""

    _ROUTES: tuple[tuple[str, re.Pattern[str], str], ...] = tuple(
        (method, re.compile(pattern), name)
        for method, pattern, name in (
            ("GET", r"/v2/campaign", "campaigns"),
            ("GET", _CAMPAIGN, "campaign"),
            ("POST", rf"{_CAMPAIGN}/dispatch", "dispatch"),
            ("POST", rf"{_CAMPAIGN}/dispatch/(?P<lot>[^/]+)", "fire_lot"),
            ("GET", rf"{_CAMPAIGN}/draft-lot", "draft_lot"),
            ("POST", rf"{_CAMPAIGN}/discard-lot/(?P<lot>[^/]+)", "discard_lot"),
            ("POST", rf"{_CAMPAIGN}/can-impact", "can_impact"),
            ("POST", rf"{_CAMPAIGN}/survey-links", "survey_links"),
            ("GET", r"/v2/widget/(?P<key>[^/]+)", "widget"),
            ("POST", r"/v2/answer", "answer"),
            ("POST", r"/v2/answers", "answers"),
            ("POST", r"/v2/note", "note"),
            ("POST", r"/v2/fill-empty-tags", "fill_empty_tags"),
            ("GET", r"/v2/report/dispatch", "report_dispatch"),
            ("GET", r"/v2/report/answer", "report_answer"),
            ("GET", r"/v2/report/nps", "report_nps"),
            ("GET", r"/v2/report/category", "report_category"),
            ("GET", r"/v2/report/status", "report_status"),
            ("GET", r"/dispatch(?:/(?P<lot>[^/]+))?", "paged_dispatch"),
        )
    )
    operations = (*(f"tracksale.{name}" for _, _, name in _ROUTES), "tracksale.unknown")
    faults: Mapping[str, Reply] = FAULTS

    def __init__(self, ledger: Ledger) -> None:
        self.limits = TracksaleLimits()
        self._ledger = ledger
        self._lock = threading.RLock()
        self._window = Window()
        self._lot_numbers = count(123)
        self._captcha: set[str] = set()
        self._answers = Answers()
        self._notes: list[dict[str, Any]] = []
        self._links: list[dict[str, Any]] = []
        self.campaigns = {code: Campaign(code, name) for code, name in CAMPAIGNS.items()}
        self._actions: Mapping[str, Callable[..., Any]] = {
            "campaigns": self._list_campaigns,
            "campaign": self._one_campaign,
            "dispatch": self._dispatch,
            "fire_lot": self._fire_lot,
            "draft_lot": self._draft_lot,
            "discard_lot": self._discard_lot,
            "can_impact": self._can_impact,
            "survey_links": self._survey_links,
            "widget": self._widget,
            "answer": self._answer_single,
            "answers": self._answer_several,
            "note": self._note,
            "fill_empty_tags": self._fill_empty_tags,
            "report_dispatch": self._report_dispatch,
            "report_answer": self._report_answer,
            "report_nps": self._report_nps,
            "report_category": self._report_category,
            "report_status": self._report_status,
            "paged_dispatch": self._paged_dispatch,
        }

    # For tests

    def add_campaign(
        self,
        code: int | str,
        *,
        name: str = "Campaign",
        main_channel: str = "Any",
        questions: Sequence[Mapping[str, Any]] = QUESTIONS,
    ) -> None:
        """Adds a campaign, or sets its name, main channel (Any, Email or SMS) and questions (id, type, …)."""
        if main_channel not in CHANNELS:
            raise ValueError(f"main_channel cannot be {main_channel!r}; it is Any, Email or SMS")
        if not all(question.get("type") in QUESTION_TYPES and "id" in question for question in questions):
            raise ValueError(f"questions have an id and a type: {', '.join(QUESTION_TYPES)}")
        with self._lock:
            campaign = self.campaigns.setdefault(int(code), Campaign(int(code), name))
            campaign.name, campaign.main_channel, campaign.questions = name, main_channel, tuple(questions)

    def add_answer(self, **values: Any) -> int:
        """Adds an answer with these fields of report/answer (``tags`` as {name: value}); gives its id."""
        with self._lock:
            return self._answers.add(**values)

    def change_answer(self, answer_id: int, **values: Any) -> None:
        """Sets fields of an answer, as people do who work on it; its update_time with them."""
        with self._lock:
            self._answers.change(answer_id, **values)

    @property
    def answers(self) -> list[dict[str, Any]]:
        """Every answer as report/answer shows it with all optional fields."""
        with self._lock:
            return [self._answers.shown(answer_id, _EVERYTHING) for answer_id in self._answers.by_id]

    @property
    def survey_links(self) -> list[dict[str, Any]]:
        """Every link that was made: the customer, survey_link, campaign_code."""
        with self._lock:
            return list(self._links)

    def customers(self, code: int | str) -> list[dict[str, Any]]:
        """Everyone put into a lot of the campaign, with the lot's code, status and time and ``arrived_s``."""
        with self._lock:
            return [
                {**identity(customer), "tags": customer.tags, "dispatch_code": lot.code, "status": lot.status}
                | {"schedule_time": lot.time_s, "arrived_s": customer.arrived}
                for lot, customer in self.campaigns[int(code)].everyone()
            ]

    @property
    def notes(self) -> list[dict[str, Any]]:
        """Every note: answer_id, comment, its filter or None, ``arrived_s``."""
        with self._lock:
            return list(self._notes)

    @property
    def tags(self) -> dict[int, dict[str, str]]:
        """Answer id -> tag name -> value."""
        with self._lock:
            return {answer_id: dict(tags) for answer_id, tags in self._answers.tags.items()}

    def solve_captcha(self) -> None:
        """A person has solved the CAPTCHA: calls are answered again, and the window starts again."""
        with self._lock:
            self._captcha.clear()
        self._window.reset()

    def reset(self) -> None:
        """Forgets customers, answers, notes and the CAPTCHA; campaigns stay."""
        self.solve_captcha()
        with self._lock:
            self._answers = Answers()
            self._notes.clear()
            self._links.clear()
            for campaign in self.campaigns.values():
                campaign.clear()

    def shown(self) -> dict[str, Any]:
        """Counts, as JSON has them."""
        with self._lock:
            campaigns = {str(c.code): {"customers": sum(1 for _ in c.everyone())} for c in self.campaigns.values()}
            tagged = sum(1 for tags in self._answers.tags.values() if tags)
            return {
                "campaigns": campaigns,
                "answers": len(self._answers.by_id),
                "survey_links": len(self._links),
                "notes": len(self._notes),
                "tagged_answers": tagged,
                "captcha": bool(self._captcha),
            }

    # For the server

    def find(self, method: str, path: str, query: Mapping[str, str]) -> tuple[str, Action]:
        """The operation's name and what does it, with what its path names."""
        for verb, pattern, name in self._ROUTES:
            match = pattern.fullmatch(path) if verb == method else None
            if match:
                return f"tracksale.{name}", partial(self._do, self._actions[name], match.groupdict())
        return "tracksale.unknown", self._unknown

    def token(self, headers: Message) -> str:
        """The token of ``Authorization: bearer TOKEN``."""
        return bearer(headers, "bearer")

    def gate(self, call: Call) -> Reply | None:
        """Token and window. Past the window every call meets the CAPTCHA until a person solves it."""
        if not self.limits.accepts(call.token):
            self._ledger.breach(call, "token", "wrong token" if call.token else "no bearer token")
            return UNAUTHORIZED
        self._ledger.take_slot(call, most=None)
        with self._lock:
            if call.token in self._captcha:
                self._ledger.breach(call, "captcha", "a call while the CAPTCHA stands")
                return CAPTCHA
            most, window_s = self.limits.window_calls, self.limits.window_s
            if not self._window.admit(call.token, at=call.started, within_s=window_s, most=most):
                self._captcha.add(call.token)
                self._ledger.breach(call, "window", f"more than {most} calls in {window_s:g} s")
                return CAPTCHA
        return None

    # Operations: each receives the request and the parts of the path, and returns the JSON of the answer

    def _do(self, action: Callable[..., Any], names: Mapping[str, str | None], request: Request) -> Reply:
        try:
            with self._lock:
                if "code" in names:
                    return json_reply(action(request, self._campaign(names["code"] or ""), *_rest(names)))
                return json_reply(action(request, *_rest(names)))
        except BadRequest as bad:
            self._ledger.breach(request.call, bad.rule, bad.detail)
            return json_reply({"error": bad.words}, 400)

    def _campaign(self, code: str) -> Campaign:
        campaign = self.campaigns.get(int(code)) if code.isascii() and code.isdigit() else None
        if campaign is None:
            raise BadRequest("campaign", "unknown campaign code", "Campaign not found")
        return campaign

    def _dispatch(self, request: Request, campaign: Campaign) -> dict[str, Any]:
        body = check_object(request.payload, ("customers", "schedule_time"), "body")
        people = check_customers(body, most=self.limits.customers_per_call)
        time_s = check_time(body, "schedule_time")
        lot = self._lot_for(campaign, time_s)
        sorted_out = self._put_all(campaign, lot, people, request.call.started)
        inserted = len(people) - len(sorted_out["duplicated"]) - len(sorted_out["invalid"])
        answer: dict[str, Any] = {
            "msg": "Customers have been successfully added!" if time_s is None else "Dispatch executed!",
            "dispatch_code": lot.code if lot.code in campaign.lots else None,
            "status": {**{kind: len(entries) for kind, entries in sorted_out.items()}, "inserted": inserted},
            "campaign": {"name": campaign.name, "cod": campaign.code},
        }
        if request.query.get("getNotInserted") == "1":
            answer |= {f"{kind}_customers": entries for kind, entries in sorted_out.items()}
        return answer

    def _lot_for(self, campaign: Campaign, time_s: int | None) -> Lot:
        """The campaign's draft lot if nothing is scheduled, otherwise a new lot. It is kept once it has members."""
        draft = campaign.draft if time_s is None else None
        return draft or Lot(f"LOT{next(self._lot_numbers):07d}", time.time(), time_s)

    def _put_all(
        self, campaign: Campaign, lot: Lot, people: list[dict[str, Any]], arrived: float
    ) -> dict[str, list[dict[str, Any]]]:
        """Puts into the lot who can be; gives the others by kind, as the vendor names them."""
        others: dict[str, list[dict[str, Any]]] = {"duplicated": [], "invalid": []}
        for person in people:
            if not campaign.reachable(person):
                entry = {"name": person.get("name"), "reason": "Invalid or empty main channel"}
                others["invalid"].append(entry)
            elif campaign.known(person, since=arrived - self.limits.recent_s):
                others["duplicated"].append({"name": person.get("name"), "email": person.get("email")})
            else:
                campaign.put(lot, person, arrived=arrived)
        return others

    def _fire_lot(self, request: Request, campaign: Campaign, code: str) -> dict[str, Any]:
        body = check_object(request.payload, ("time",), "body")
        time_s = check_time(body, "time", zero=True)
        if time_s is None:
            raise BadRequest("time", "time is missing", "Invalid Time")
        lot = self._draft(campaign, code)
        lot.time_s = time_s or time.time()
        return {"msg": "Dispatch executed!", "customers": str(len(lot.customers))}

    def _draft_lot(self, request: Request, campaign: Campaign) -> dict[str, Any]:
        lots = [campaign.draft] if campaign.draft else []
        return {
            "lot": [
                {"code": lot.code, "create_time": moment(lot.created), "total_dispatches": str(len(lot.customers))}
                for lot in lots
            ]
        }

    def _discard_lot(self, request: Request, campaign: Campaign, code: str) -> dict[str, Any]:
        campaign.discard(self._draft(campaign, code))
        return {"success": True}

    def _draft(self, campaign: Campaign, code: str) -> Lot:
        if campaign.draft is None or campaign.draft.code != code:
            raise BadRequest("lot", "no draft lot has this code", "Lot not found")
        return campaign.draft

    def _can_impact(self, request: Request, campaign: Campaign) -> dict[str, Any]:
        person = check_person(request.payload, "can_impact", exactly_one=True)
        since = request.call.started - self.limits.recent_s
        return {"can_impact": not campaign.known(person, since=since)}

    def _survey_links(self, request: Request, campaign: Campaign) -> dict[str, Any]:
        body = check_object(request.payload, ("customers",), "body")
        people = check_customers(body, most=self.limits.customers_per_call)
        linked = [person | {"survey_link": f"https://tracksale.co/s/{secrets.token_hex(8)}"} for person in people]
        self._links += [person | {"campaign_code": campaign.code} for person in linked]
        left_out = () if self.limits.names_in_links else ("name", "tags")
        return {"customers": [{k: v for k, v in one.items() if k not in left_out} for one in linked]}

    def _widget(self, request: Request, key: str) -> dict[str, Any]:
        if key not in WIDGETS:
            raise BadRequest("widget", "unknown widget key", "Widget not found")
        return dict(WIDGETS[key])

    def _answer_single(self, request: Request) -> dict[str, Any]:
        answers = check_single(request.payload)
        return self._insert(request, answers, single, ids=request.query.get("return_answer_id") == "1")

    def _answer_several(self, request: Request) -> dict[str, Any]:
        return self._insert(request, check_several(request.payload), several, ids=True)

    def _insert(
        self,
        request: Request,
        answers: list[dict[str, Any]],
        read: Callable[[Campaign, Mapping[str, Any]], dict[str, Any] | None],
        *,
        ids: bool,
    ) -> dict[str, Any]:
        """Keeps valid answers; the others are counted as invalid."""
        campaign = self._campaign(check_campaign_code(request.payload))
        valid = [fields for one in answers if (fields := read(campaign, one)) is not None]
        inserted = [
            {"answer_id": self._answers.add(**fields)} | {name: fields[name] for name in ("name", *IDENTIFICATIONS)}
            for fields in valid
        ]
        answer: dict[str, Any] = {
            "msg": f"{len(valid)} Answer inserted",
            "status": {"invalid": len(answers) - len(valid), "inserted": len(valid)},
        }
        return answer | ({"answers": inserted} if ids else {})

    def _note(self, request: Request) -> dict[str, Any]:
        body = check_object(request.payload, ("comment", "answer_id", "filter"), "note")
        comment = body.get("comment")
        if not isinstance(comment, str) or not comment.strip():
            raise BadRequest("note", "comment is no string, or empty")
        answer_id, conditions = check_answer_id(body, "note"), body.get("filter")
        if answer_id is None:
            conditions = check_person(conditions, "note", others=("start_date", "end_date", "campaign_code"))
            if check_day(conditions, "start_date", "note") > check_day(conditions, "end_date", "note"):
                raise BadRequest("note", "start_date is after end_date")
        answer_id = self._answer(answer_id, conditions or {}, check_campaign_code(conditions or {}))
        self._notes.append(
            {"answer_id": answer_id, "comment": comment, "filter": conditions, "arrived_s": request.call.started}
        )
        return {"msg": "Success", "answer_id": answer_id}

    def _fill_empty_tags(self, request: Request) -> dict[str, Any]:
        body = check_object(request.payload, ("answer_id", "customer", "campaign_code", "tags"), "fill_empty_tags")
        answer_id, code = check_answer_id(body, "fill_empty_tags"), check_campaign_code(body)
        if (answer_id is None) == (body.get("customer") is None):
            raise BadRequest("fill_empty_tags", "not exactly one of answer_id and customer")
        person = check_person(body["customer"], "fill_empty_tags") if answer_id is None else {}
        tags = check_tags(body.get("tags"), most=self.limits.tags_per_call)
        if not tags:
            raise BadRequest("fill_empty_tags", "tags is empty")
        found = self._answer(answer_id, person, code)
        self._answers.fill(found, tags)
        return {"answer_id": found, "msg": "Request received successfully!"}

    def _answer(self, answer_id: int | None, person: Mapping[str, Any], code: str) -> int:
        """The referenced answer, created if the limits say so, otherwise 404."""
        found = self._answers.find(person, code) if answer_id is None else answer_id
        if found is not None and found in self._answers.by_id:
            return found
        if not self.limits.auto_answers:
            raise Refused(json_reply({"error": "Answer not found"}, 404))
        known = {name: person[name] for name in ("email", "phone", "identification") if name in person}
        campaign_code = int(code) if code.isascii() and code.isdigit() else 0
        return self._answers.add(id=answer_id or 0, campaign_code=campaign_code, **known)

    def _list_campaigns(self, request: Request) -> list[dict[str, Any]]:
        return [self._describe(campaign, request.query) for campaign in self.campaigns.values()]

    def _one_campaign(self, request: Request, campaign: Campaign) -> Any:
        described = self._describe(campaign, request.query)
        return [described] if self.limits.single_campaign_as_list else described

    def _describe(self, campaign: Campaign, query: Mapping[str, str]) -> dict[str, Any]:
        start, end = check_period(query, times=False)
        return describe(campaign, query, self._answers.within(start, end, {campaign.code}))

    def _report_dispatch(self, request: Request) -> list[dict[str, Any]]:
        start, end = check_period(request.query)
        report = []
        for campaign in self._asked_campaigns(request):
            for lot in campaign.lots.values():
                customers = [c for c in lot.customers if self._reported(c)]
                if start <= lot.created < end and customers:
                    report.append(lot_entry(campaign, lot, customers, request.query))
        return report

    def _paged_dispatch(self, request: Request, code: str | None = None) -> dict[str, Any]:
        """The other host's report: one entry a customer. With a lot's code the dates do not count."""
        start, end = check_period(request.query)
        page = check_number(request.query, "page", default=1, least=1, most=10**9)
        limit = check_number(request.query, "limit", default=100, least=100, most=10_000)
        entries = [
            paged_entry(campaign, lot, customer, request.query)
            for campaign in self._asked_campaigns(request)
            for lot, customer in campaign.everyone()
            if self._reported(customer) and (lot.code == code if code else start <= lot.created < end)
        ]
        return {"code": 200, "status": "success", "data": entries[(page - 1) * limit : page * limit]}

    def _asked_campaigns(self, request: Request) -> list[Campaign]:
        codes = [code.strip() for code in request.query.get("codes", "").split(",") if code.strip()]
        return [self._campaign(code) for code in codes] if codes else list(self.campaigns.values())

    def _reported(self, customer: Customer) -> bool:
        return customer.arrived + self.limits.report_lag_s <= time.time()

    def _report_answer(self, request: Request) -> list[dict[str, Any]]:
        start, end = check_period(request.query)
        limit = check_number(request.query, "limit", default=10, least=-1, most=10**9)
        if request.query.get("justifReturn", "level") not in ("level", "array"):
            raise BadRequest("justifReturn", "justifReturn is neither level nor array")
        options = {name for name in _EVERYTHING if is_requested(request.query, name)}
        found = self._answers.within(start, end, self._codes(request))
        shown = [self._answers.shown(answer["id"], options) for answer in found]
        return shown if limit == -1 else shown[:limit]

    def _report_nps(self, request: Request) -> dict[str, Any]:
        start, end = check_period(request.query, times=False)
        report = self._figures(request, start, end)
        if is_requested(request.query, "compare"):
            report["compare"] = self._figures(request, start - (end - start), start)
        return report

    def _figures(self, request: Request, start: float, end: float) -> dict[str, Any]:
        lots = [lot for campaign in self._asked_campaigns(request) for lot in campaign.lots.values()]
        dispatches = sum(len(lot.customers) for lot in lots if lot.time_s is not None and start <= lot.created < end)
        return figures(self._answers.within(start, end, self._codes(request)), dispatches)

    def _report_category(self, request: Request) -> list[dict[str, Any]]:
        return categories(self._answers.within(*check_period(request.query), self._codes(request)))

    def _report_status(self, request: Request) -> list[dict[str, Any]]:
        return statuses(self._answers.within(*check_period(request.query), self._codes(request)))

    def _codes(self, request: Request) -> set[int]:
        """The campaigns named in ``codes``; empty for all."""
        return {campaign.code for campaign in self._asked_campaigns(request)} if request.query.get("codes") else set()

    def _unknown(self, request: Request) -> Reply:
        self._ledger.breach(request.call, "unknown_call", f"{request.method} {request.path}")
        return json_reply({"error": "Not Found"}, 404)


def _rest(names: Mapping[str, str | None]) -> list[str | None]:
    """The parts of the path besides the campaign."""
    return [value for name, value in names.items() if name != "code"]
