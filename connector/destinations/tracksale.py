"""Tracksale: dispatch (≤ 500 customers a call, settled one by one), fill-empty-tags and note (one a call)."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
from connector.options import DispatchOptions, EmptyTagsOptions, NoteOptions, delay_s
from connector.outcomes import Fate, Outcome, Verdict
from connector.vendors.base import count_of
from connector.vendors.tracksale import CUSTOMERS_PER_CALL, Tracksale, fault_of, words_of

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

    @staticmethod
    def place(options: Mapping[str, Any]) -> str:
        return f"{options['campaign_code']}/{options['schedule']}"

    @property
    def batch_size(self) -> int:
        return CUSTOMERS_PER_CALL

    def send(self, vendor: Tracksale, sending: Sending) -> Answer:
        delay = delay_s(str(self.options["schedule"]))
        when = None if delay is None else int(time.time() + delay)
        customers = [orjson.Fragment(text) for _, text in sending.records]
        code = str(self.options["campaign_code"])
        return vendor.dispatch(code, customers, schedule_time=when, deadline=sending.deadline)

    def classify(self, answer: Answer, records: Sequence[Record]) -> Outcome:
        if 200 <= answer.status < 300 and isinstance(body := answer.json(), dict) and "status" in body:
            return settle_customers(answer, body, [orjson.loads(text) for _, text in records])
        return meaning(answer) or unrecognised(answer, _words(answer))

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
        known = {identity for lot in lots for customer in _customers(lot) for identity in _identities(customer)}
        return Seen({number: bool(_identities(orjson.loads(text)) & known) for number, text in records})


def _customers(lot: Any) -> list[Mapping[str, Any]]:
    customers = lot.get("customers") if isinstance(lot, dict) else None
    return [c for c in customers if isinstance(c, dict)] if isinstance(customers, list) else []


def _identities(customer: Mapping[str, Any]) -> set[tuple[str, str]]:
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
    return Outcome(attempt="accepted", verdict=Verdict(Fate.DELIVERED), each=each, status=answer.status, words=words)


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


# --- one record a call ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _OneACall(Destination):
    vendor: ClassVar[str] = "tracksale"
    on_unknown: ClassVar[str] = "resend"

    @staticmethod
    def place(options: Mapping[str, Any]) -> str:
        return str(options["campaign_code"] or "any")

    def classify(self, answer: Answer, records: Sequence[Record]) -> Outcome:
        """Done is what names the answer it was done to; "msg" is in any language and says nothing reliable."""
        if (unwell := meaning(answer)) is not None:
            return unwell
        body = answer.json()
        if 200 <= answer.status < 300 and isinstance(body, dict) and count_of(body.get("answer_id")) is not None:
            return delivered(answer, cut(body.get("msg") or ""))
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
