"""Tracksale: dispatch, survey links, answers (≤ 500 a call, settled one by one), fill-empty-tags, note (one a call)."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final

import orjson

from connector.client import Answer, Deadline
from connector.destinations.base import (
    Destination,
    Record,
    Seen,
    Sending,
    asked,
    blocked,
    cut,
    delivered,
    failed,
    held,
    refused,
    unrecognised,
)
from connector.options import AnswersOptions, DispatchOptions, EmptyTagsOptions, LinksOptions, NoteOptions, delay_s
from connector.outcomes import Draft, Fate, Outcome, Verdict
from connector.vendors.base import count_of, number_of
from connector.vendors.tracksale import (
    CUSTOMERS_PER_CALL,
    Tracksale,
    can_impact_of,
    counts_of,
    fault_of,
    tags_of,
    text_of,
    words_of,
)

CAPTCHA: Final = "solve the CAPTCHA in a browser from this machine's address, wait five minutes, then resume"
CREDENTIALS: Final = "check the account's token, then resume"


def meaning(answer: Answer) -> Outcome | None:
    """What an answer that is no success means, for any operation; None when no table knows it."""
    fault = fault_of(answer)
    return _MEANINGS[fault](answer, _words(answer)) if fault in _MEANINGS else None


def _words(answer: Answer) -> str:
    return cut(f"{answer.status} {words_of(answer)}")


def _captcha(answer: Answer, _words: str) -> Outcome:
    is_told = answer.status == 405
    said = "405 CAPTCHA: too many requests" if is_told else f"{answer.status} with a web page: a CAPTCHA, most likely"
    return blocked(answer, said, CAPTCHA)


def _failed(answer: Answer, words: str) -> Outcome:
    is_unreadable = 200 <= answer.status < 300
    said = f"an answer that cannot be read ({answer.status})" if is_unreadable else f"Tracksale failed ({words})"
    return failed(answer, said)


#: By `fault_of`. What it does not know has none.
_MEANINGS: Final[Mapping[str, Callable[[Answer, str], Outcome]]] = {
    "captcha": _captcha,
    "credentials": lambda answer, words: blocked(answer, words, CREDENTIALS),
    "slow": held,
    "refused": refused,
    "failed": _failed,
}


@dataclass(frozen=True, kw_only=True)
class Dispatch(Destination):
    """Surveys to customers of one campaign."""

    vendor: ClassVar[str] = "tracksale"
    options_schema: ClassVar = DispatchOptions
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
        delay = delay_s(str(self.options["schedule"]))
        when = None if delay is None else int(time.time() + delay)
        customers = [orjson.Fragment(text) for _, text in sending.records]
        code = str(self.options["campaign_code"])
        return vendor.dispatch(code, customers, schedule_time=when, deadline=sending.deadline)

    def classify(self, answer: Answer, records: Sequence[Record]) -> Outcome:
        if 200 <= answer.status < 300 and isinstance(body := answer.json(), dict) and "status" in body:
            outcome = settle_customers(answer, body, [orjson.loads(text) for _, text in records])
            return replace(outcome, draft=self._draft(counts_of(body).dispatch_code))
        return meaning(answer) or unrecognised(answer, _words(answer))

    def ask_first(self, vendor: Tracksale, record: Record, deadline: Deadline) -> Answer:
        """The 90-day rule, by the first that the customer has of e-mail, phone and identification."""
        customer: dict[str, Any] = orjson.loads(record[1])
        known = {name: str(customer[name]) for name in ("email", "phone", "identification") if customer.get(name)}
        name, value = next(iter(known.items()), ("email", ""))
        return vendor.can_impact(str(self.options["campaign_code"]), **{name: value}, deadline=deadline)

    def agreed(self, answer: Answer) -> tuple[bool | None, Outcome]:
        said = can_impact_of(answer.json()) if 200 <= answer.status < 300 else None
        if (unwell := meaning(answer)) is not None or said is None:
            return None, unwell or unrecognised(answer, _words(answer))
        return said, delivered(answer, "may be asked" if said else "asked too recently")

    def ask(
        self, vendor: Tracksale, records: Sequence[Record], started_at: int, install: str, deadline: Deadline
    ) -> Seen:
        """Looks for all of the records in the dispatch report; one call."""
        day = datetime.fromtimestamp(started_at / 1000, UTC)
        later = timedelta(seconds=delay_s(str(self.options["schedule"])) or 0)
        first, last = day - timedelta(days=1), day + later + timedelta(days=2)
        code = str(self.options["campaign_code"])
        answer = vendor.report_dispatch(code, f"{first:%Y-%m-%d}", f"{last:%Y-%m-%d}", deadline=deadline)
        lots = answer.json() if 200 <= answer.status < 300 else None
        if not isinstance(lots, list):
            return asked(meaning(answer) or unrecognised(answer, _words(answer)))
        return self._seen(lots, records)

    def _seen(self, lots: Sequence[Any], records: Sequence[Record]) -> Seen:
        known: dict[tuple[str, str], str] = {}  #: the lot of each that is there
        for lot in lots:
            code = text_of(lot.get("dispatch_code")) if isinstance(lot, dict) else ""
            known |= {identity: code for customer in _customers(lot) for identity in identities(customer)}
        found = {n: [known[one] for one in identities(orjson.loads(text)) if one in known] for n, text in records}
        drafts = {n: draft for n, codes in found.items() if codes and (draft := self._draft(codes[0]))}
        return Seen({number: bool(codes) for number, codes in found.items()}, drafts=drafts)

    def _draft(self, code: str) -> Draft | None:
        if self.options["schedule"] != "draft" or not code:
            return None
        return Draft(str(self.options["campaign_code"]), code)


def _customers(lot: Any) -> list[Mapping[str, Any]]:
    customers = lot.get("customers") if isinstance(lot, dict) else None
    return [c for c in customers if isinstance(c, dict)] if isinstance(customers, list) else []


def identities(customer: Mapping[str, Any]) -> set[tuple[str, str]]:
    """What tells a customer of Tracksale from others: (kind, value), without regard to case."""
    fields = ("email", "phone", "identification")
    return {(name, str(customer[name]).strip().casefold()) for name in fields if customer.get(name)}


# --- a partial answer, customer by customer -------------------------------------------------------------------------


def settle_customers(answer: Answer, body: Mapping[str, Any], customers: Sequence[Mapping[str, Any]]) -> Outcome:
    """The fate of each customer of an answered dispatch: inserted, duplicated, invalid with its reason, or doubtful."""
    status = body["status"] if isinstance(body["status"], dict) else {}
    inserted, duplicated, invalid = (count_of(status.get(key)) for key in ("inserted", "duplicated", "invalid"))
    if inserted is None or duplicated is None or invalid is None or inserted + duplicated + invalid != len(customers):
        return unrecognised(answer, cut(f"status {dict(status)} for {len(customers)} customers"))
    if body.get("error"):
        return unrecognised(answer, cut(f"an error ({body['error']}) beside status {dict(status)}"))
    words = cut(body.get("msg") or "")
    each = _fates(body, customers, duplicated=duplicated, invalid=invalid)
    lot = text_of(body.get("dispatch_code"))
    verdict = Verdict(Fate.DELIVERED, result={"dispatch_code": lot} if lot else {})
    return Outcome(attempt="accepted", verdict=verdict, each=each, status=answer.status, words=words)


def _fates(
    body: Mapping[str, Any], customers: Sequence[Mapping[str, Any]], *, duplicated: int, invalid: int
) -> dict[int, Verdict]:
    lists = _listed(body, "duplicated_customers"), _listed(body, "invalid_customers")
    if len(lists[0]) > duplicated or len(lists[1]) > invalid:  # it contradicts itself
        return dict.fromkeys(range(len(customers)), _DOUBT)
    if duplicated == len(customers):
        return dict.fromkeys(range(len(customers)), _DUPLICATE)
    each = _invalid_ones(lists[1], customers)
    each |= _duplicated_ones(lists[0], customers, each)
    told = Counter(verdict.fate for verdict in each.values())
    if told[Fate.DUPLICATE] == duplicated and told[Fate.REFUSED] == invalid:
        return each
    return _doubts(each, customers, duplicated - told[Fate.DUPLICATE], invalid - told[Fate.REFUSED])


HAS_ALREADY: Final = "Tracksale has this customer in the campaign already"
_DUPLICATE: Final = Verdict(Fate.DUPLICATE, HAS_ALREADY)
_DOUBT: Final = Verdict(Fate.DOUBTFUL, "Tracksale took some and not all, and did not say which")


def _doubts(
    each: dict[int, Verdict], customers: Sequence[Mapping[str, Any]], duplicated: int, invalid: int
) -> dict[int, Verdict]:
    """Some were not inserted and are not told apart: whoever was not named is in doubt, unless nobody was inserted."""
    unnamed = [at for at in range(len(customers)) if at not in each]
    if len(unnamed) == duplicated and invalid == 0:
        return each | dict.fromkeys(unnamed, _DUPLICATE)
    if len(unnamed) == invalid and duplicated == 0:
        return each | dict.fromkeys(unnamed, Verdict(Fate.REFUSED, "Tracksale calls this customer invalid"))
    return each | dict.fromkeys(unnamed, _DOUBT)


def _listed(body: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    rows = body.get(key)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _name(customer: Mapping[str, Any]) -> str:
    return " ".join(str(customer.get("name") or "").split()).casefold()


def _invalid_ones(rows: Sequence[Mapping[str, Any]], customers: Sequence[Mapping[str, Any]]) -> dict[int, Verdict]:
    """By name, all that an invalid entry carries; a name that is not unique tells nothing unless all are listed."""
    by_name: dict[str, list[int]] = defaultdict(list)
    for at, customer in enumerate(customers):
        by_name[_name(customer)].append(at)
    reasons: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        reasons[_name(row)].append(cut(row.get("reason") or "invalid"))
    each: dict[int, Verdict] = {}
    for name, said in reasons.items():
        if len(by_name[name]) == len(said):
            each |= {at: Verdict(Fate.REFUSED, why) for at, why in zip(by_name[name], said, strict=True)}
    return each


def _duplicated_ones(
    rows: Sequence[Mapping[str, Any]], customers: Sequence[Mapping[str, Any]], invalid: Mapping[int, Verdict]
) -> dict[int, Verdict]:
    """By name and e-mail. Twice in one batch and once duplicated: the first went in, the later is the copy.

    Without an e-mail, namesakes cannot be told apart unless all are listed.
    """
    left = Counter(_who(row) for row in rows)
    alike: dict[tuple[str, str], list[int]] = defaultdict(list)
    for at, customer in enumerate(customers):
        if at not in invalid:
            alike[_who(customer)].append(at)
    each: dict[int, Verdict] = {}
    for who, count in left.items():
        ways = {(str(customers[at].get("phone")), str(customers[at].get("identification"))) for at in alike[who]}
        if who[1] or len(ways) <= 1 or count == len(alike[who]):
            each |= dict.fromkeys(alike[who][-count:], _DUPLICATE)
    return each


def _who(customer: Mapping[str, Any]) -> tuple[str, str]:
    """What a duplicated entry carries of a customer."""
    return _name(customer), str(customer.get("email") or "").strip().casefold()


# --- whose is it ----------------------------------------------------------------------------------------------------


def told_apart(entries: Sequence[Mapping[str, Any]], customers: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """Position of a customer -> of the one entry of an answer that is about this customer and can be about no other.

    First who is named in full, the tags included; copies of one person are served in their order, if all are there.
    Then who agrees in an address or the identification and contradicts in none, if nobody else does. A name alone
    tells nothing, and neither does the order.
    """
    named, wanted = _positions(entries), _positions(customers)
    sure: dict[int, int] = {}
    for who, positions in wanted.items():
        if any(who[0]) and len(named[who]) == len(positions):
            sure |= dict(zip(positions, named[who], strict=True))
    left = {at: _ways(entries[at]) for at in {*range(len(entries))} - {*sure.values()}}
    fits = {
        at: [entry for entry, ways in left.items() if _fits(ways, mine)]
        for at, mine in enumerate(map(_ways, customers))
        if at not in sure
    }
    claims = Counter(entry for some in fits.values() for entry in some)
    return sure | {at: some[0] for at, some in fits.items() if len(some) == 1 and claims[some[0]] == 1}


_Ways = tuple[str, str, str]
_Full = tuple[_Ways, str, tuple[tuple[str, str], ...]]


def _positions(people: Sequence[Mapping[str, Any]]) -> dict[_Full, list[int]]:
    """Where each stands, by everything that is known of them."""
    found: dict[_Full, list[int]] = defaultdict(list)
    for at, person in enumerate(people):
        found[_ways(person), _name(person), tuple(sorted(tags_of(person.get("tags")).items()))].append(at)
    return found


def _ways(person: Mapping[str, Any]) -> _Ways:
    """E-mail, phone (its digits) and identification, as far as they are known."""
    phone = "".join(letter for letter in text_of(person.get("phone")) if letter.isdigit())
    return text_of(person.get("email")).casefold(), phone, text_of(person.get("identification")).casefold()


def _fits(mine: _Ways, theirs: _Ways) -> bool:
    """Whether they agree in all that both of them say; the country code of a phone may be missing in one."""
    agree = [
        a == b or (at == 1 and _is_same_phone(a, b))
        for at, (a, b) in enumerate(zip(mine, theirs, strict=True))
        if a and b
    ]
    return bool(agree) and all(agree)


def _is_same_phone(one: str, other: str) -> bool:
    longer, shorter = sorted((one, other), key=len, reverse=True)
    return len(shorter) >= SHORTEST_PHONE and longer.endswith(shorter)


SHORTEST_PHONE: Final = 8  #: digits of a national number that may stand for the whole of it


# --- links ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class SurveyLinks(Destination):
    """A link for each customer. It reaches nobody by itself: one whose answer never came is simply made again."""

    vendor: ClassVar[str] = "tracksale"
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
        return unrecognised(answer, _words(answer))


def settle_links(answer: Answer, listed: Any, customers: Sequence[Mapping[str, Any]]) -> Outcome:
    """Each customer gets the link that is surely their own; whoever cannot be told apart is asked for alone."""
    entries = listed if isinstance(listed, list) else [listed]
    if not all(isinstance(entry, dict) for entry in entries) or (customers and not entries):
        return unrecognised(answer, f"{len(entries)} entries for {len(customers)} customers")
    sure = told_apart(entries, customers)
    if len(customers) == len(entries) == 1 and not any(_ways(entries[0])):
        sure = {0: 0}  # it names nobody, and there was nobody else
    doubt = _UNTOLD if len(customers) > 1 else _NO_LINK
    each = {at: _linked(entries[sure[at]]) if at in sure else doubt for at in range(len(customers))}
    return Outcome(attempt="accepted", verdict=doubt, each=each, status=answer.status)


def _linked(entry: Mapping[str, Any]) -> Verdict:
    link = text_of(entry.get("survey_link"))
    if not link.startswith(("https://", "http://")):
        return Verdict(Fate.REFUSED, "Tracksale gave no link for this customer")
    return Verdict(Fate.DELIVERED, result={"survey_link": link})


_UNTOLD: Final = Verdict(Fate.ALONE, "which link is this customer's cannot be told from the others': asked for alone")
_NO_LINK: Final = Verdict(Fate.REFUSED, "Tracksale's answer has no link that is surely this customer's")


# --- answers --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Answers(Destination):
    """Answers that were collected elsewhere: to the one question of a campaign, or to several.

    Inserting is not idempotent; an unknown outcome is looked up in the report of answers, where an answer of the same
    person, second and score is ours. No limit of a call is documented: it takes as many as a dispatch does.
    """

    vendor: ClassVar[str] = "tracksale"
    options_schema: ClassVar = AnswersOptions
    can_ask: ClassVar[bool] = True
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
        return unrecognised(answer, _words(answer))

    def ask(
        self, vendor: Tracksale, records: Sequence[Record], started_at: int, install: str, deadline: Deadline
    ) -> Seen:
        """Looks for all of the records in the report of answers; one call."""
        given = {number: orjson.loads(text) for number, text in records}
        moments = [one["create_time"] for one in given.values() if "create_time" in one] or [started_at // 1000]
        first, last = (datetime.fromtimestamp(at, UTC) for at in (min(moments), max(moments)))
        start, end = f"{first - timedelta(days=1):%Y-%m-%d}", f"{last + timedelta(days=1):%Y-%m-%d}"
        code = str(self.options["campaign_code"])
        answer = vendor.report_answer(start=start, end=end, codes=code, deadline=deadline)
        rows = answer.json() if 200 <= answer.status < 300 else None
        if not isinstance(rows, list):
            return asked(meaning(answer) or unrecognised(answer, _words(answer)))
        found = {number: _found(rows, one) for number, one in given.items()}
        results = {number: {"answer_id": ids[0]} for number, ids in found.items() if len(ids) == 1}
        return Seen({number: bool(ids) for number, ids in found.items()}, results=results)


def _found(rows: Sequence[Any], given: Mapping[str, Any]) -> list[int]:
    """The ids of the rows of a report that are the answer that was sent. Without its time it cannot be known again."""
    when, score = given.get("create_time"), given.get("score")
    return [
        number
        for row in rows
        if isinstance(row, dict) and when is not None and number_of(row.get("time")) == when
        if score is None or number_of(row.get("nps_answer")) == score
        if _fits(_ways(row), _ways(given)) and (number := number_of(row.get("id"))) is not None
    ]


def settle_answers(answer: Answer, body: Mapping[str, Any], given: Sequence[Mapping[str, Any]]) -> Outcome:
    """The fate of each answer: inserted, with its id; invalid; or doubtful, where some are and it is not said which."""
    status = body["status"] if isinstance(body["status"], dict) else {}
    inserted, invalid = (count_of(status.get(key)) for key in ("inserted", "invalid"))
    if inserted is None or invalid is None or inserted + invalid != len(given):
        return unrecognised(answer, cut(f"status {dict(status)} for {len(given)} answers"))
    listed = body.get("answers")
    entries = [row for row in (listed if isinstance(listed, list) else [listed]) if isinstance(row, dict)]
    people = [{name: value for name, value in one.items() if name != "tags"} for one in given]  # tags are not listed
    sure = told_apart(entries, people) if len(entries) <= inserted else {}
    rest = _unlisted(inserted=inserted, all_told=len(sure) == inserted, of=len(given))
    often = Counter(map(_ways, people))
    each = dict.fromkeys(range(len(given)), rest)
    each |= {at: _inserted(entries[row], alone=often[_ways(people[at])] == 1) for at, row in sure.items()}
    return Outcome(attempt="accepted", verdict=rest, each=each, status=answer.status, words=cut(body.get("msg") or ""))


def _inserted(entry: Mapping[str, Any], *, alone: bool) -> Verdict:
    """Of several answers of one person nobody knows which id is whose."""
    number = number_of(entry.get("answer_id")) if alone else None
    return Verdict(Fate.DELIVERED, result={} if number is None else {"answer_id": number})


def _unlisted(*, inserted: int, all_told: bool, of: int) -> Verdict:
    """What became of an answer that is not among the inserted ones, or cannot be known among them."""
    if inserted == of:
        return Verdict(Fate.DELIVERED)
    if inserted == 0 or all_told:
        return Verdict(Fate.REFUSED, "Tracksale calls it invalid: check its channel, and the order of the questions")
    return Verdict(Fate.DOUBTFUL, "Tracksale took some and not all, and did not say which")


# --- one record a call ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _OneACall(Destination):
    vendor: ClassVar[str] = "tracksale"
    on_unknown: ClassVar[str] = "resend"
    results: ClassVar[tuple[str, ...]] = ("answer_id",)

    @staticmethod
    def place(options: Mapping[str, Any]) -> str:
        return str(options["campaign_code"] or "any")

    def classify(self, answer: Answer, records: Sequence[Record]) -> Outcome:
        """Done is what names the answer it was done to; "msg" is in any language and says nothing reliable."""
        if (unwell := meaning(answer)) is not None:
            return unwell
        body = answer.json()
        number = count_of(body.get("answer_id")) if isinstance(body, dict) else None
        if 200 <= answer.status < 300 and number is not None:
            return delivered(answer, cut(body.get("msg") or ""), answer_id=number)
        return unrecognised(answer, _words(answer))


@dataclass(frozen=True, kw_only=True)
class FillEmptyTags(_OneACall):
    """Tags for one answer. Fills only what is empty, so that it may be sent as often as need be."""

    options_schema: ClassVar = EmptyTagsOptions
    repeatable: ClassVar[bool] = True

    def send(self, vendor: Tracksale, sending: Sending) -> Answer:
        return vendor.fill_empty_tags(orjson.Fragment(sending.records[0][1]), deadline=sending.deadline)


@dataclass(frozen=True, kw_only=True)
class Note(_OneACall):
    """A note on an answer. Cannot be asked about: by default sent again when unknown, as a doubled note harms less."""

    options_schema: ClassVar = NoteOptions

    def send(self, vendor: Tracksale, sending: Sending) -> Answer:
        return vendor.note(orjson.Fragment(sending.records[0][1]), deadline=sending.deadline)
