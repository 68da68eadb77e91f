"""The meaning of wolkvox's answers, for any operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from connector.core.http import Answer
from connector.core.outcomes import Outcome
from connector.core.reasons import Code
from connector.vendors.answers import blocked, cut, failed, held, refused
from connector.vendors.numbers import count_of
from connector.vendors.wolkvox.api import rows_of

HALF_A_DAY_S: Final = 12 * 3600.0
ASK_LATER_S: Final = 3 * 3600.0


def _token(answer: Answer, words: str, _zone: ZoneInfo) -> Outcome:
    return blocked(answer, words, Code.BLOCKED_CREDENTIALS)


def _shared_token(answer: Answer, words: str, _zone: ZoneInfo) -> Outcome:
    return held(answer, f"{words} (another program uses this token too)")


def _tomorrow(answer: Answer, words: str, zone: ZoneInfo) -> Outcome:
    # The hour of the reset is not published: local midnight is likely, an hour at least does no harm where it is not.
    now = datetime.now(zone)
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=1, second=0, microsecond=0)
    return replace(held(answer, words, hold_s=max(3600.0, (midnight - now).total_seconds())), over_budget=True)


def _cap(answer: Answer, words: str, _zone: ZoneInfo) -> Outcome:
    return blocked(answer, words, Code.BLOCKED_LICENCES)


def _wrong(answer: Answer, words: str, _zone: ZoneInfo) -> Outcome:
    return refused(answer, words)


def _slow(answer: Answer, words: str, _zone: ZoneInfo) -> Outcome:
    return held(answer, words)


Meaning = Callable[[Answer, str, ZoneInfo], Outcome]

#: (status, part of ``msg``, meaning): wolkvox.com/en/api-response-codes, and real logs for the licence cap.
MEANINGS: Final[tuple[tuple[int, str, Meaning], ...]] = (
    (400, "SOME PARAMETERS ARE REQUIRED", _wrong),
    (400, "THE API YOU WANT TO CONSULT DOES NOT EXIST", _wrong),
    (401, "", _token),
    (403, "PLEASE VALIDATE TOKEN", _token),
    (403, "SIMULTANEOUS REQUESTS PER TOKEN", _shared_token),
    (403, "TOKEN LIMIT EXCEEDED", _tomorrow),
    (404, "YOU CAN UPLOAD", _cap),
    (429, "", _slow),
)


#: Answers that concern all calls: the token is refused, or a limit of it is reported.
_STOPPING: Final = (_token, _shared_token, _tomorrow, _slow)


def stops_the_account(answer: Answer) -> bool:
    """Whether an answer, in wolkvox's own envelope, refuses the token or reports a limit."""
    body = answer.json()
    if not isinstance(body, dict):
        return answer.status == 429
    code, words = code_of(answer, body), f"{body.get('msg') or body.get('error') or ''}".upper()
    return any(code == status and holds in words and means in _STOPPING for status, holds, means in MEANINGS)


def code_of(answer: Answer, body: Any) -> int:
    """The status that counts: ``code`` of the envelope (a number or a string) if HTTP reports success."""
    code = count_of(body.get("code")) if isinstance(body, dict) else None
    return code if code is not None and 200 <= answer.status < 300 else answer.status


def meaning(answer: Answer, zone: ZoneInfo) -> Outcome | None:
    """The meaning of an unsuccessful answer, for any operation; None if no table knows it."""
    body = answer.json()
    code = code_of(answer, body)
    words = cut(f"{code} {body.get('msg') or body.get('error') or ''}") if isinstance(body, dict) else str(code)
    if 500 <= code < 600:
        return failed(answer, f"wolkvox failed ({words})")
    for status, holds, means in MEANINGS:
        if code == status and holds in words.upper():
            return means(answer, words, zone)
    if 200 <= answer.status < 300 and not isinstance(body, dict | list):
        return failed(answer, f"an answer that cannot be read ({answer.status})")
    return None


def is_success(answer: Answer, body: Any) -> bool:
    """HTTP, ``code`` and ``error`` must agree on it."""
    if not isinstance(body, dict) or not 200 <= answer.status < 300:
        return False
    code = count_of(body.get("code"))
    return code is not None and 200 <= code < 300 and body.get("error") in (None, "")


def is_absence(answer: Answer, body: Any) -> bool:
    """find_record's 404 in wolkvox's own envelope; a web server's 404 says nothing about the person."""
    if not isinstance(body, dict) or count_of(body.get("code")) != 404 or code_of(answer, body) != 404:
        return False
    return "YOU CAN UPLOAD" not in words_of(body).upper()


def words_of(body: Any) -> str:
    return cut(body.get("msg") or body.get("error") or "") if isinstance(body, dict) else ""


def total_registers(body: Mapping[str, Any]) -> int | None:
    """The number of added rows if the vendor gives it: a number, a numeric string, or " "."""
    rows = rows_of(dict(body))
    return count_of(rows[0].get("total_registers")) if rows else None
