"""The meaning of Tracksale's answers: for the account, and for each customer of a partly accepted batch."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from connector.core.http import Answer
from connector.core.outcomes import Fate, Outcome, Verdict
from connector.core.reasons import Code
from connector.core.states import AttemptState
from connector.vendors.answers import blocked, cut, failed, held, refused, unrecognised
from connector.vendors.numbers import count_of, number_of
from connector.vendors.tracksale.matching import matched, name_of, ways_of
from connector.vendors.tracksale.readers import fault_of, words_of
from connector.vendors.tracksale.values import text_of


def meaning(answer: Answer) -> Outcome | None:
    """The meaning of an unsuccessful answer, for any operation; None if no table knows it."""
    fault = fault_of(answer)
    return _MEANINGS[fault](answer, vendor_words(answer)) if fault in _MEANINGS else None


def vendor_words(answer: Answer) -> str:
    return cut(f"{answer.status} {words_of(answer)}")


def _captcha(answer: Answer, _words: str) -> Outcome:
    if answer.status == 405:
        return blocked(answer, "405 CAPTCHA: too many requests", Code.BLOCKED_CAPTCHA)
    text = f"{answer.status} with a web page: a CAPTCHA, most likely"
    # Or the page of a filter that dislikes what was sent; but no filter says 401.
    return replace(blocked(answer, text, Code.BLOCKED_CAPTCHA), suspect=answer.status != 401)


def _failed(answer: Answer, words: str) -> Outcome:
    is_unreadable = 200 <= answer.status < 300
    text = f"an answer that cannot be read ({answer.status})" if is_unreadable else f"Tracksale failed ({words})"
    return failed(answer, text)


#: By `fault_of`. Unknown faults have none.
_MEANINGS: Final[Mapping[str, Callable[[Answer, str], Outcome]]] = {
    "captcha": _captcha,
    "credentials": lambda answer, words: blocked(answer, words, Code.BLOCKED_CREDENTIALS),
    "slow": held,
    "refused": refused,
    "failed": _failed,
}


# --- a dispatch, customer by customer -------------------------------------------------------------------------------


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
    return Outcome(attempt=AttemptState.ACCEPTED, verdict=verdict, each=each, status=answer.status, words=words)


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
    counts = Counter(verdict.fate for verdict in each.values())
    if counts[Fate.DUPLICATE] == duplicated and counts[Fate.REFUSED] == invalid:
        return each
    return _doubts(each, customers, duplicated - counts[Fate.DUPLICATE], invalid - counts[Fate.REFUSED])


HAS_ALREADY: Final = "Tracksale has this customer in the campaign already"
_DUPLICATE: Final = Verdict(Fate.DUPLICATE, HAS_ALREADY)
_DOUBT: Final = Verdict(Fate.DOUBTFUL, "Tracksale took some and not all, and did not say which")


def _doubts(
    each: dict[int, Verdict], customers: Sequence[Mapping[str, Any]], duplicated: int, invalid: int
) -> dict[int, Verdict]:
    """Some were not inserted and cannot be distinguished: unnamed customers are in doubt, unless none was inserted."""
    unnamed = [at for at in range(len(customers)) if at not in each]
    if len(unnamed) == duplicated and invalid == 0:
        return each | dict.fromkeys(unnamed, _DUPLICATE)
    if len(unnamed) == invalid and duplicated == 0:
        return each | dict.fromkeys(unnamed, Verdict(Fate.REFUSED, "Tracksale calls this customer invalid"))
    return each | dict.fromkeys(unnamed, _DOUBT)


def _listed(body: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    rows = body.get(key)
    rows = [rows] if isinstance(rows, dict) and rows else rows
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _invalid_ones(rows: Sequence[Mapping[str, Any]], customers: Sequence[Mapping[str, Any]]) -> dict[int, Verdict]:
    """By name, the only field of an invalid entry; a name that is not unique decides only if all are listed."""
    by_name: dict[str, list[int]] = defaultdict(list)
    for at, customer in enumerate(customers):
        by_name[name_of(customer)].append(at)
    reasons: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        reasons[name_of(row)].append(cut(row.get("reason") or "invalid"))
    each: dict[int, Verdict] = {}
    for name, causes in reasons.items():
        if len(by_name[name]) == len(causes):
            each |= {at: Verdict(Fate.REFUSED, why) for at, why in zip(by_name[name], causes, strict=True)}
    return each


def _duplicated_ones(
    rows: Sequence[Mapping[str, Any]], customers: Sequence[Mapping[str, Any]], invalid: Mapping[int, Verdict]
) -> dict[int, Verdict]:
    """By name and e-mail.

    Twice in one batch and once duplicated: the first was inserted, the later one is the copy.

    Without an e-mail, namesakes can be distinguished only if all are listed.
    """
    left = Counter(_who(row) for row in rows)
    alike: dict[tuple[str, str], list[int]] = defaultdict(list)
    for at, customer in enumerate(customers):
        if at not in invalid:
            alike[_who(customer)].append(at)
    each: dict[int, Verdict] = {}
    for who, count in left.items():
        if not who[1] and not alike[who]:  # an entry without e-mail: the only one of that name, if there is one
            named = [at for at, one in enumerate(customers) if at not in invalid and name_of(one) == who[0]]
            each |= dict.fromkeys(named, _DUPLICATE) if len(named) == count else {}
            continue
        ways = {(str(customers[at].get("phone")), str(customers[at].get("identification"))) for at in alike[who]}
        if who[1] or len(ways) <= 1 or count == len(alike[who]):
            each |= dict.fromkeys(alike[who][-count:], _DUPLICATE)
    return each


def _who(customer: Mapping[str, Any]) -> tuple[str, str]:
    """The fields of a duplicated entry that identify a customer."""
    return name_of(customer), str(customer.get("email") or "").strip().casefold()


# --- links ----------------------------------------------------------------------------------------------------------


def settle_links(answer: Answer, listed: Any, customers: Sequence[Mapping[str, Any]]) -> Outcome:
    """Each customer gets the link that is certainly their own; the link of any other is requested alone."""
    entries = listed if isinstance(listed, list) else [listed]
    if not all(isinstance(entry, dict) for entry in entries) or (customers and not entries):
        return unrecognised(answer, f"{len(entries)} entries for {len(customers)} customers")
    sure = matched(entries, customers)
    if len(customers) == len(entries) == 1 and not any(ways_of(entries[0])):
        sure = {0: 0}  # it names nobody, and there was only one
    doubt = _UNTOLD if len(customers) > 1 else _NO_LINK
    each = {at: _linked(entries[sure[at]]) if at in sure else doubt for at in range(len(customers))}
    return Outcome(attempt=AttemptState.ACCEPTED, verdict=doubt, each=each, status=answer.status)


def _linked(entry: Mapping[str, Any]) -> Verdict:
    link = text_of(entry.get("survey_link"))
    if not link.startswith(("https://", "http://")):
        return Verdict(Fate.REFUSED, "Tracksale gave no link for this customer")
    return Verdict(Fate.DELIVERED, result={"survey_link": link})


_UNTOLD: Final = Verdict(Fate.ALONE, "this customer's link cannot be distinguished from the others': requested alone")
_NO_LINK: Final = Verdict(Fate.REFUSED, "Tracksale's answer has no link that is surely this customer's")


# --- answers --------------------------------------------------------------------------------------------------------


def settle_answers(answer: Answer, body: Mapping[str, Any], sent: Sequence[Mapping[str, Any]]) -> Outcome:
    """The fate of each answer: inserted, with its id; invalid; or in doubt, if it is not said which are which."""
    status = body["status"] if isinstance(body["status"], dict) else {}
    inserted, invalid = (count_of(status.get(key)) for key in ("inserted", "invalid"))
    if inserted is None or invalid is None or inserted + invalid != len(sent):
        return unrecognised(answer, cut(f"status {dict(status)} for {len(sent)} answers"))
    listed = body.get("answers")
    entries = [row for row in (listed if isinstance(listed, list) else [listed]) if isinstance(row, dict)]
    people = [{name: value for name, value in one.items() if name != "tags"} for one in sent]  # tags are not listed
    sure = matched(entries, people) if len(entries) <= inserted else {}
    rest = _unlisted(inserted=inserted, all_told=len(sure) == inserted, of=len(sent))
    often = Counter(map(ways_of, people))
    each = dict.fromkeys(range(len(sent)), rest)
    each |= {at: _inserted(entries[row], alone=often[ways_of(people[at])] == 1) for at, row in sure.items()}
    return Outcome(
        attempt=AttemptState.ACCEPTED, verdict=rest, each=each, status=answer.status, words=cut(body.get("msg") or "")
    )


def _inserted(entry: Mapping[str, Any], *, alone: bool) -> Verdict:
    """Of several answers of one person it is unknown which id belongs to which."""
    number = number_of(entry.get("answer_id")) if alone else None
    return Verdict(Fate.DELIVERED, result={} if number is None else {"answer_id": number})


def _unlisted(*, inserted: int, all_told: bool, of: int) -> Verdict:
    """The fate of an answer that is not among the inserted ones, or cannot be recognised among them."""
    if inserted == of:
        return Verdict(Fate.DELIVERED)
    if inserted == 0 or all_told:
        return Verdict(Fate.REFUSED, "Tracksale calls it invalid: check its channel, and the order of the questions")
    return Verdict(Fate.DOUBTFUL, "Tracksale took some and not all, and did not say which")
