"""Tracksale: dispatch, survey links, answers (≤ 500 a call, settled one by one), fill-empty-tags, note (one a call)."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final

import orjson
from sqlalchemy import Connection

from connector.core.http import Answer, Deadline
from connector.core.outcomes import Draft, Outcome
from connector.core.text import seconds
from connector.vendors.answers import cut, delivered, inconclusive, unrecognised
from connector.vendors.base import NEVER_S, Destination, ProbeResult, Record, Sending, Story
from connector.vendors.numbers import count_of, number_of
from connector.vendors.tracksale import draft_lot_store, draft_lot_story
from connector.vendors.tracksale.answers import meaning, settle_answers, settle_customers, settle_links, vendor_words
from connector.vendors.tracksale.api import CUSTOMERS_PER_CALL, Tracksale
from connector.vendors.tracksale.matching import fits, identities, ways_of
from connector.vendors.tracksale.options import (
    AnswersOptions,
    DispatchOptions,
    EmptyTagsOptions,
    LinksOptions,
    NoteOptions,
    delay_s,
)
from connector.vendors.tracksale.readers import can_impact_of, counts_of
from connector.vendors.tracksale.values import text_of

#: "now" is so far ahead of our clock: a time that is past when it arrives may be refused.
AHEAD_S: Final = 5


@dataclass(frozen=True, kw_only=True)
class Dispatch(Destination):
    """Surveys to customers of one campaign."""

    options_schema: ClassVar = DispatchOptions
    shared: ClassVar[tuple[str, ...]] = ("ninety_day_rule", "finish")
    can_ask: ClassVar[bool] = True
    results: ClassVar[tuple[str, ...]] = ("dispatch_code",)
    contacts_people: ClassVar[bool] = True

    @staticmethod
    def place(options: Mapping[str, Any]) -> str:
        return f"{options['campaign_code']}/{options['schedule']}"

    @property
    def batch_size(self) -> int:
        return CUSTOMERS_PER_CALL

    @property
    def later_ms(self) -> int:
        return int((delay_s(str(self.options["schedule"])) or 0) * 1000)

    def send(self, vendor: Tracksale, sending: Sending) -> Answer:
        delay, now_s = delay_s(str(self.options["schedule"])), time.time()
        when = None if delay is None else math.ceil(now_s + (delay or AHEAD_S))
        after = self.options.get("finish")
        finish = None if not after else math.ceil((when or now_s) + seconds(str(after).removeprefix("+")))
        customers = [orjson.Fragment(text) for _, text in sending.records]
        code = str(self.options["campaign_code"])
        return vendor.dispatch(code, customers, schedule_time=when, finish_time=finish, deadline=sending.deadline)

    def classify(self, answer: Answer, records: Sequence[Record]) -> Outcome:
        if 200 <= answer.status < 300 and isinstance(body := answer.json(), dict) and "status" in body:
            outcome = settle_customers(answer, body, [orjson.loads(text) for _, text in records])
            return replace(outcome, draft=self._draft(counts_of(body).dispatch_code))
        return meaning(answer) or unrecognised(answer, vendor_words(answer))

    def ask_first(self, vendor: Tracksale, record: Record, deadline: Deadline) -> Answer:
        """The 90-day rule, by the first that the customer has of e-mail, phone and identification."""
        customer: dict[str, Any] = orjson.loads(record[1])
        known = {name: str(customer[name]) for name in ("email", "phone", "identification") if customer.get(name)}
        name, value = next(iter(known.items()), ("email", ""))
        return vendor.can_impact(str(self.options["campaign_code"]), **{name: value}, deadline=deadline)

    def agreed(self, answer: Answer) -> tuple[bool | None, Outcome]:
        may = can_impact_of(answer.json()) if 200 <= answer.status < 300 else None
        if (unwell := meaning(answer)) is not None or may is None:
            return None, unwell or unrecognised(answer, vendor_words(answer))
        return may, delivered(answer, "may be asked" if may else "asked too recently")

    def probe(
        self, vendor: Tracksale, records: Sequence[Record], started_at: int, install: str, deadline: Deadline
    ) -> ProbeResult:
        """Searches all of the records in the dispatch report; one call."""
        day = datetime.fromtimestamp(started_at / 1000, UTC)
        later = timedelta(seconds=delay_s(str(self.options["schedule"])) or 0)
        first, last = day - timedelta(days=1), day + later + timedelta(days=2)
        code = str(self.options["campaign_code"])
        answer = vendor.report_dispatch(code, f"{first:%Y-%m-%d}", f"{last:%Y-%m-%d}", deadline=deadline)
        lots = answer.json() if 200 <= answer.status < 300 else None
        if not isinstance(lots, list):
            return inconclusive(meaning(answer) or unrecognised(answer, vendor_words(answer)))
        return self._seen(lots, records)

    def _seen(self, lots: Sequence[Any], records: Sequence[Record]) -> ProbeResult:
        known: dict[tuple[str, str], str] = {}  #: the lot of each that is there
        for lot in lots:
            code = text_of(lot.get("dispatch_code")) if isinstance(lot, dict) else ""
            known |= {identity: code for customer in _customers(lot) for identity in identities(customer)}
        found = {n: [known[one] for one in identities(orjson.loads(text)) if one in known] for n, text in records}
        drafts = {n: draft for n, codes in found.items() if codes and (draft := self._draft(codes[0]))}
        return ProbeResult({number: bool(codes) for number, codes in found.items()}, drafts=drafts)

    def settled(self, conn: Connection, draft: Draft, members: Sequence[int], *, since: int, now: int) -> None:
        """The records wait in the campaign's draft lot for a person."""
        draft_lot_store.put(conn, self.account.name, draft, members, since=since, now=now)

    @staticmethod
    def story(conn: Connection, delivery: int) -> Story | None:
        return draft_lot_story.story(conn, delivery)

    def _draft(self, code: str) -> Draft | None:
        if self.options["schedule"] != "draft" or not code:
            return None
        return Draft(str(self.options["campaign_code"]), code)


def _customers(lot: Any) -> list[Mapping[str, Any]]:
    customers = lot.get("customers") if isinstance(lot, dict) else None
    return [c for c in customers if isinstance(c, dict)] if isinstance(customers, list) else []


# --- links ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class SurveyLinks(Destination):
    """A link for each customer. It reaches nobody by itself, so one without an answer is simply requested again."""

    options_schema: ClassVar = LinksOptions
    on_unknown: ClassVar[str] = "resend"
    repeatable: ClassVar[bool] = True
    results: ClassVar[tuple[str, ...]] = ("survey_link",)

    @staticmethod
    def place(options: Mapping[str, Any]) -> str:
        return str(options["campaign_code"])

    @property
    def batch_size(self) -> int:
        return CUSTOMERS_PER_CALL

    def send(self, vendor: Tracksale, sending: Sending) -> Answer:
        customers = [orjson.Fragment(text) for _, text in sending.records]
        return vendor.survey_links(str(self.options["campaign_code"]), customers, deadline=sending.deadline)

    def classify(self, answer: Answer, records: Sequence[Record]) -> Outcome:
        if (unwell := meaning(answer)) is not None:
            return unwell
        body = answer.json()
        if 200 <= answer.status < 300 and isinstance(body, dict) and isinstance(body.get("customers"), list | dict):
            return settle_links(answer, body["customers"], [orjson.loads(text) for _, text in records])
        return unrecognised(answer, vendor_words(answer))


# --- answers --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Answers(Destination):
    """Answers that were collected elsewhere: to the one question of a campaign, or to several.

    Inserting is not idempotent; an unknown outcome is searched in the report of answers, where an answer of the same
    person, second and score is ours. No limit is documented: a call takes as many as a dispatch does.
    """

    options_schema: ClassVar = AnswersOptions
    can_ask: ClassVar[bool] = True
    expires_after_s: ClassVar[float] = NEVER_S  #: an answer may be of any time
    results: ClassVar[tuple[str, ...]] = ("answer_id",)

    @staticmethod
    def place(options: Mapping[str, Any]) -> str:
        return f"{options['campaign_code']}/{'several' if options['questions'] else 'one'}"

    @property
    def batch_size(self) -> int:
        return CUSTOMERS_PER_CALL

    def send(self, vendor: Tracksale, sending: Sending) -> Answer:
        code, answers = str(self.options["campaign_code"]), [orjson.loads(text) for _, text in sending.records]
        insert = vendor.answers if self.options["questions"] else vendor.answer
        return insert(code, answers, deadline=sending.deadline)

    def classify(self, answer: Answer, records: Sequence[Record]) -> Outcome:
        if (unwell := meaning(answer)) is not None:
            return unwell
        body = answer.json()
        if 200 <= answer.status < 300 and isinstance(body, dict) and "status" in body:
            return settle_answers(answer, body, [orjson.loads(text) for _, text in records])
        return unrecognised(answer, vendor_words(answer))

    def probe(
        self, vendor: Tracksale, records: Sequence[Record], started_at: int, install: str, deadline: Deadline
    ) -> ProbeResult:
        """Searches all of the records in the report of answers; one call."""
        sent = {number: orjson.loads(text) for number, text in records}
        moments = [one["create_time"] for one in sent.values() if "create_time" in one] or [started_at // 1000]
        first, last = (datetime.fromtimestamp(at, UTC) for at in (min(moments), max(moments)))
        start, end = f"{first - timedelta(days=1):%Y-%m-%d}", f"{last + timedelta(days=1):%Y-%m-%d}"
        code = str(self.options["campaign_code"])
        answer = vendor.report_answer(start=start, end=end, codes=code, deadline=deadline)
        rows = answer.json() if 200 <= answer.status < 300 else None
        if not isinstance(rows, list):
            return inconclusive(meaning(answer) or unrecognised(answer, vendor_words(answer)))
        found = {number: _found(rows, one) for number, one in sent.items()}
        results = {number: {"answer_id": ids[0]} for number, ids in found.items() if len(ids) == 1}
        return ProbeResult({number: bool(ids) for number, ids in found.items()}, results=results)


def _found(rows: Sequence[Any], sent: Mapping[str, Any]) -> list[int]:
    """The ids of the rows of a report that are the answer that was sent. Without its time it cannot be known again."""
    when, score = sent.get("create_time"), sent.get("score")
    return [
        number
        for row in rows
        if isinstance(row, dict) and when is not None and number_of(row.get("time")) == when
        if score is None or number_of(row.get("nps_answer")) == score
        if fits(ways_of(row), ways_of(sent)) and (number := number_of(row.get("id"))) is not None
    ]


# --- one record a call ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _OneACall(Destination):
    on_unknown: ClassVar[str] = "resend"
    results: ClassVar[tuple[str, ...]] = ("answer_id",)

    @staticmethod
    def place(options: Mapping[str, Any]) -> str:
        return str(options["campaign_code"] or "any")

    def classify(self, answer: Answer, records: Sequence[Record]) -> Outcome:
        """An answer that names the id counts as done; "msg" may be in any language and is not reliable."""
        if (unwell := meaning(answer)) is not None:
            return unwell
        body = answer.json()
        number = count_of(body.get("answer_id")) if isinstance(body, dict) else None
        if 200 <= answer.status < 300 and number is not None:
            return delivered(answer, cut(body.get("msg") or ""), answer_id=number)
        return unrecognised(answer, vendor_words(answer))


@dataclass(frozen=True, kw_only=True)
class FillEmptyTags(_OneACall):
    """Tags for one answer. Fills only empty ones, so it is safe to repeat."""

    options_schema: ClassVar = EmptyTagsOptions
    repeatable: ClassVar[bool] = True

    def send(self, vendor: Tracksale, sending: Sending) -> Answer:
        return vendor.fill_empty_tags(orjson.Fragment(sending.records[0][1]), deadline=sending.deadline)


@dataclass(frozen=True, kw_only=True)
class Note(_OneACall):
    """A note on an answer. It cannot be probed: by default sent again if unknown, as a doubled note does less harm."""

    options_schema: ClassVar = NoteOptions

    def send(self, vendor: Tracksale, sending: Sending) -> Answer:
        return vendor.note(orjson.Fragment(sending.records[0][1]), deadline=sending.deadline)
