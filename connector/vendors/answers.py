"""The meaning of answers for an attempt, its records and its account: a constructor for each meaning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import orjson

from connector.core.http import Answer
from connector.core.outcomes import Fate, Outcome, Verdict
from connector.core.reasons import Code, Reason, answer_facts
from connector.core.retry import HOLD_LEAST_S, retry_after_s
from connector.core.states import AttemptState
from connector.vendors.base import ProbeResult

WORDS_KEPT: Final = 300  #: characters of a vendor's words
PIECE_BYTES: Final = 10_000_000


def delivered(answer: Answer, words: str = "", **result: Any) -> Outcome:
    verdict = Verdict(Fate.DELIVERED, result=result)
    return Outcome(attempt=AttemptState.ACCEPTED, verdict=verdict, status=answer.status, words=words)


def refused(answer: Answer, words: str) -> Outcome:
    """The batch is wrong; nothing of it landed."""
    return Outcome(
        attempt=AttemptState.REJECTED, verdict=Verdict(Fate.REFUSED, words), status=answer.status, words=words
    )


def held(answer: Answer, words: str, *, hold_s: float | None = None) -> Outcome:
    """The account must slow down; nothing landed and no record pays for it."""
    seconds = _asked_s(answer) if hold_s is None else hold_s
    verdict, rate = Verdict(Fate.AGAIN, words), Reason(Code.HELD_RATE, answer_facts(words, answer.status))
    return Outcome(
        attempt=AttemptState.REJECTED, verdict=verdict, status=answer.status, words=words, hold=rate, hold_s=seconds
    )


def blocked(answer: Answer, words: str, code: Code) -> Outcome:
    """The account stops until a person acts; nothing landed and no record pays for it. ``code``: blocked.…"""
    reason = Reason(code, answer_facts(words, answer.status))
    verdict = Verdict(Fate.AGAIN, words)
    return Outcome(attempt=AttemptState.REJECTED, verdict=verdict, status=answer.status, words=words, block=reason)


def failed(answer: Answer, words: str) -> Outcome:
    """The vendor failed after it had the request: it may have landed, and the account is held."""
    return Outcome(
        attempt=AttemptState.UNKNOWN,
        verdict=Verdict(Fate.DOUBTFUL, words),
        status=answer.status,
        words=words,
        hold=Reason(Code.HELD_SERVER, answer_facts(words, answer.status)),
        hold_s=_asked_s(answer),
    )


def _asked_s(answer: Answer) -> float | None:
    """As long as the vendor asks for; "0", or a date that is past, must not become a loop."""
    seconds = retry_after_s(answer)
    return None if seconds is None else max(HOLD_LEAST_S, seconds)


def unrecognised(answer: Answer, words: str = "") -> Outcome:
    """No table knows this answer: the outcome is unknown, and the account stops if it comes for any record."""
    text = f"HTTP {answer.status}" + (f" {words}" if words else "")
    return Outcome(
        attempt=AttemptState.UNKNOWN,
        verdict=Verdict(Fate.DOUBTFUL, text),
        status=answer.status,
        words=text,
        block=Reason(Code.BLOCKED_UNKNOWN_ANSWER, answer_facts(text, answer.status)),
        suspect=True,
    )


def not_sent(words: str) -> Outcome:
    """The request provably never left."""
    return Outcome(attempt=AttemptState.NOT_SENT, verdict=Verdict(Fate.AGAIN, words), words=words, hold=_network(words))


def no_answer(words: str) -> Outcome:
    """The request was written and no usable answer came."""
    return Outcome(
        attempt=AttemptState.UNKNOWN, verdict=Verdict(Fate.DOUBTFUL, words), words=words, hold=_network(words)
    )


def _network(words: str) -> Reason:
    return Reason(Code.HELD_NETWORK, answer_facts(words, None))


def cut(words: object) -> str:
    """A vendor's words on one line, short enough to keep."""
    return " ".join(str(words).split())[:WORDS_KEPT]


def inconclusive(outcome: Outcome) -> ProbeResult:
    """An answer to a question that brought no light: a fault; or, where the question itself was refused, unclear."""
    if outcome.verdict.fate is Fate.REFUSED:  # put again, it would be refused again, and each costs a call
        return ProbeResult(unclear=f"the vendor refused the question ({outcome.words})")
    return ProbeResult(fault=outcome)


# --- reads ----------------------------------------------------------------------------------------------------------


def classify(answer: Answer, fault: str = "", words: str = "") -> Outcome:
    """The meaning of the answer to a read; an unknown answer fails closed. ``fault``: see `Fetching.fault_of`."""
    text = cut(f"{answer.status} {words}".strip())
    kind = fault or _FAULTS.get(answer.status, "failed" if answer.status >= 500 else "")
    if kind in _MEANINGS:
        return _MEANINGS[kind](answer, text)
    if kind or not 200 <= answer.status < 300:
        return unrecognised(answer, cut(words))
    if len(answer.body) > PIECE_BYTES:
        return refused(answer, f"an answer of {len(answer.body)} bytes is too large")
    if _can_be_kept(answer.json()):
        return delivered(answer)
    return failed(answer, f"an answer that cannot be read ({answer.status})")


def _can_be_kept(body: Any) -> bool:
    if not isinstance(body, dict | list):
        return False
    try:
        orjson.dumps([[body]])
    except orjson.JSONEncodeError:  # deeper than can be written again
        return False
    return True


_FAULTS: Final = {401: "credentials", 403: "credentials", 404: "absent", 410: "gone", 429: "slow"}


def absent(answer: Answer, words: str) -> Outcome:
    """The requested object does not exist, or not yet, or is not visible with this token."""
    return replace(refused(answer, words), absent=True)


_MEANINGS: Final[dict[str, Callable[[Answer, str], Outcome]]] = {
    "absent": absent,
    "gone": refused,
    "slow": held,
    "failed": failed,
    "credentials": lambda answer, words: blocked(answer, words, Code.BLOCKED_CREDENTIALS),
}


def known(answer: Answer, fault: str, words: str) -> Outcome:
    """The meaning of the answer to a credential check; as `classify`."""
    outcome = classify(answer, fault, words)
    return delivered(answer, "the token is known") if outcome.attempt == AttemptState.ACCEPTED else outcome
