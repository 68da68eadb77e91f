"""wolkvox add_record: up to 10,000 rows a call, all of them or none; asks `find_record` about unknown outcomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final
from zoneinfo import ZoneInfo

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
from connector.options import WolkvoxOptions
from connector.outcomes import Outcome
from connector.settings import Account
from connector.vendors.base import count_of
from connector.vendors.wolkvox import ROWS_PER_CALL, TokenUse, Wolkvox, campaign_statuses, rows_of, token_use_of

CREDENTIALS: Final = "check the account's token, then resume"
HALF_A_DAY_S: Final = 12 * 3600.0
ASK_LATER_S: Final = 3 * 3600.0
LICENCE_CAP: Final = "free records or buy licences in wolkvox, then resume"


def _token(answer: Answer, words: str, _zone: ZoneInfo) -> Outcome:
    return blocked(answer, words, CREDENTIALS)


def _shared_token(answer: Answer, words: str, _zone: ZoneInfo) -> Outcome:
    return held(answer, f"{words} (another program uses this token too)")


def _tomorrow(answer: Answer, words: str, zone: ZoneInfo) -> Outcome:
    # The hour of the reset is not published: local midnight is likely, an hour at least does no harm where it is not.
    now = datetime.now(zone)
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=1, second=0, microsecond=0)
    return replace(held(answer, words, hold_s=max(3600.0, (midnight - now).total_seconds())), over_budget=True)


def _cap(answer: Answer, words: str, _zone: ZoneInfo) -> Outcome:
    return blocked(answer, words, LICENCE_CAP)


def _wrong(answer: Answer, words: str, _zone: ZoneInfo) -> Outcome:
    return refused(answer, words)


def _slow(answer: Answer, words: str, _zone: ZoneInfo) -> Outcome:
    return held(answer, words)


Meaning = Callable[[Answer, str, ZoneInfo], Outcome]

#: (status, what ``msg`` holds, what it means): wolkvox.com/en/api-response-codes, and real logs for the licence cap.
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


def code_of(answer: Answer, body: Any) -> int:
    """The status that counts: ``code`` of the envelope (a number or a string) where HTTP itself says all is well."""
    code = count_of(body.get("code")) if isinstance(body, dict) else None
    return code if code is not None and 200 <= answer.status < 300 else answer.status


def meaning(answer: Answer, zone: ZoneInfo) -> Outcome | None:
    """What an answer that is no success means, for any operation; None when no table knows it."""
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


@dataclass(frozen=True, kw_only=True)
class AddRecord(Destination):
    """Rows into one campaign of one account."""

    vendor: ClassVar[str] = "wolkvox"
    options_schema: ClassVar = WolkvoxOptions
    can_ask: ClassVar[bool] = True
    contacts_people: ClassVar[bool] = True
    all_or_nothing: ClassVar[bool] = True
    absence_settles: ClassVar[bool] = True

    @staticmethod
    def place(options: Mapping[str, Any]) -> str:
        return str(options["campaign_id"])

    @property
    def batch_size(self) -> int:
        return ROWS_PER_CALL

    @property
    def trace_field(self) -> str:
        return str(self.options["trace_field"])

    @property
    def exact(self) -> bool:
        return bool(self.trace_field)

    def send(self, vendor: Wolkvox, sending: Sending) -> Answer:
        status = sending.campaign_status or str(self.options["campaign_status"])
        rows = [self._row(one, sending.install) for one in sending.records]
        return vendor.add_record(
            str(self.options["campaign_id"]), rows, campaign_status=status, deadline=sending.deadline
        )

    def _row(self, record: Record, install: str) -> orjson.Fragment | dict[str, str]:
        number, text = record
        if not self.trace_field:
            return orjson.Fragment(text)
        row: dict[str, str] = orjson.loads(text)
        row[self.trace_field] = trace(install, number)
        return row

    def classify(self, answer: Answer, records: Sequence[Record]) -> Outcome:
        body = answer.json()
        if not _is_success(answer, body):
            return meaning(answer, self.locale.timezone) or unrecognised(answer, _words(body))
        added = _total_registers(body)
        if added is not None and added != len(records):
            return unrecognised(answer, f"{added} registers were added of {len(records)} sent")
        return delivered(answer, cut(body.get("msg") or ""))

    def ask(
        self, vendor: Wolkvox, records: Sequence[Record], started_at: int, install: str, deadline: Deadline
    ) -> Seen:
        """Asks about the first of the records; one call."""
        number, text = records[0]
        row: dict[str, str] = orjson.loads(text)
        answer = vendor.find_record(
            str(self.options["campaign_id"]),
            customer_phone=row["tel1"],
            customer_id=row["customer_id"],
            deadline=deadline,
        )
        body = answer.json()
        if _is_absence(answer, body):
            return Seen({number: False})
        found = rows_of(body) if _is_success(answer, body) else None
        if found is None:
            return asked(meaning(answer, self.locale.timezone) or unrecognised(answer, _words(body)))
        return self._seen(number, found, install)

    def _seen(self, number: int, found: list[dict[str, Any]], install: str) -> Seen:
        if not all(found):
            return Seen(unclear="wolkvox found a row, but shows nothing of it")
        if not self.trace_field:
            return Seen({number: bool(found)})
        if found and not any(self.trace_field in row for row in found):
            return Seen(unclear=f"the rows that wolkvox shows have no {self.trace_field}")
        return Seen({number: any(row.get(self.trace_field) == trace(install, number) for row in found)})


def trace(install: str, delivery: int) -> str:
    """What travels in ``trace_field``: "4f1c9a-d123"."""
    return f"{install}-d{delivery}"


def _is_success(answer: Answer, body: Any) -> bool:
    """HTTP, ``code`` and ``error`` must agree on it."""
    if not isinstance(body, dict) or not 200 <= answer.status < 300:
        return False
    code = count_of(body.get("code"))
    return code is not None and 200 <= code < 300 and body.get("error") in (None, "")


def _is_absence(answer: Answer, body: Any) -> bool:
    """find_record's 404 in wolkvox's own envelope; a web server's 404 says nothing of the person."""
    if not isinstance(body, dict) or count_of(body.get("code")) != 404 or code_of(answer, body) != 404:
        return False
    return "YOU CAN UPLOAD" not in _words(body).upper()


def _words(body: Any) -> str:
    return cut(body.get("msg") or body.get("error") or "") if isinstance(body, dict) else ""


def _total_registers(body: Mapping[str, Any]) -> int | None:
    """How many rows the vendor says it added, where it says so: a number, a numeric string, or " "."""
    rows = rows_of(dict(body))
    return count_of(rows[0].get("total_registers")) if rows else None


def read_report(answer: Answer, account: Account, zone: ZoneInfo) -> tuple[dict[str, str] | None, Outcome]:
    """The campaign statuses of a real-time report (None: not to be had), and what the answer means for the account."""
    body = answer.json()
    statuses = campaign_statuses(body) if 200 <= code_of(answer, body) < 300 else None
    if statuses is not None:
        return statuses, delivered(answer)
    return None, meaning(answer, zone) or unrecognised(answer, _words(body))


def read_budget(answer: Answer, zone: ZoneInfo) -> tuple[TokenUse | None, Outcome]:
    """What token_info says (None: no answer to believe), and what the answer means for the account."""
    body = answer.json()
    if _is_success(answer, body):
        use = token_use_of(body)
        said = [f"{'?' if number is None else number}" for number in (use.token_use_today, use.token_limit)]
        return use, delivered(answer, f"{said[0]} of {said[1]} calls used today, by wolkvox's own count")
    outcome = meaning(answer, zone) or unrecognised(answer, _words(body))
    if outcome.over_budget and (outcome.hold_s or 0.0) > HALF_A_DAY_S:
        # Midnight has passed and the calls are not there again: the vendor's day begins later than ours.
        outcome = replace(outcome, hold_s=ASK_LATER_S)
    return None, outcome
