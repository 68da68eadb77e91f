"""The lookups of wolkvox: the real-time report, and its own count of the day's calls.

The report is documented, token_info and find_record are not: all three are helps, and none of them gates a delivery.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from connector.core.http import Answer, Deadline
from connector.core.outcomes import Outcome
from connector.core.states import AttemptState, Kind
from connector.store import accounts, helps
from connector.store.helps import HelpState
from connector.vendors.answers import delivered, unrecognised
from connector.vendors.lookup import Count, Counter, Lookup, LookupResult
from connector.vendors.wolkvox.answers import (
    ASK_LATER_S,
    HALF_A_DAY_S,
    code_of,
    is_success,
    meaning,
    stops_the_account,
    words_of,
)
from connector.vendors.wolkvox.api import Wolkvox, campaign_statuses, rows_of, token_use_of

REPORT_EVERY_MS: Final = 300_000  #: the real-time report: at most every five minutes
REPORT_GOOD_MS: Final = 360_000  #: so that a fresh one can be read while deliveries go on
TOKEN_INFO: Final = "token_info"
REAL_TIME: Final = "real-time report"
FIND_RECORD: Final = "find_record"

_ABSENT: Final = (404, 405, 410, 501)


def as_help(answer: Answer, outcome: Outcome) -> LookupResult:
    """An unusable answer: it stops the account only if the token is refused or a limit is reported."""
    state = help_state(answer)
    if stops_the_account(answer):
        return LookupResult(outcome, HelpState.UNKNOWN)
    return LookupResult(replace(outcome, attempt=AttemptState.REJECTED, block=None, hold=None, hold_s=None), state)


def help_state(answer: Answer) -> HelpState:
    """Whether an unusable answer says that there is no such operation: by its status, or in wolkvox's own words."""
    body = answer.json()
    words = words_of(body).upper()
    is_gone = "DOES NOT EXIST" in words or (code_of(answer, body) in _ABSENT and "YOU CAN UPLOAD" not in words)
    return HelpState.NOT_THERE if is_gone else HelpState.UNKNOWN


# --- the real-time report -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Report:
    """The campaigns' statuses, and the vendor's own rows."""

    statuses: dict[str, str]
    rows: Sequence[Any]


def read_report(answer: Answer, zone: ZoneInfo) -> LookupResult:
    """The statuses of a real-time report, if it is one."""
    body = answer.json()
    statuses = campaign_statuses(body) if 200 <= code_of(answer, body) < 300 else None
    if statuses is not None:
        return LookupResult(delivered(answer), HelpState.WORKS, Report(statuses, rows_of(body) or []))
    return as_help(answer, meaning(answer, zone) or unrecognised(answer, words_of(body)))


def campaign_help(campaign_id: str) -> str:
    """The help that shows whether this campaign runs: "campaign 1042"."""
    return f"campaign {campaign_id}"


def _store(conn: Connection, account: str, report: Report | None, attempt: str, now: int) -> None:
    statuses, rows = (report.statuses, report.rows) if report else (None, None)
    accounts.report_ended(conn, account, attempt, statuses, rows, now)
    if report is not None:
        helps.forget(conn, account, [campaign_help(one) for one in report.statuses])


REPORT: Final = Lookup(
    kind=Kind.REPORT,
    help=REAL_TIME,
    read=lambda vendor, deadline: vendor.campaigns(deadline=deadline),
    means=lambda answer, account: read_report(answer, account.working_hours.zone),
    begin=accounts.report_asked,
    store=_store,
)


# --- its own count of the day's calls -------------------------------------------------------------------------------


def ask_token_info(vendor: Wolkvox, deadline: Deadline) -> Answer:
    """Costs one of the day's calls."""
    return vendor.token_info(deadline=deadline)


def read_count(answer: Answer, zone: ZoneInfo) -> LookupResult:
    """The numbers of token_info, if they can be believed."""
    body = answer.json()
    use = token_use_of(body) if is_success(answer, body) else None
    if use is not None and (use.token_use_today is not None or use.token_limit is not None):
        counts = [f"{'?' if number is None else number}" for number in (use.token_use_today, use.token_limit)]
        words = f"{counts[0]} of {counts[1]} calls used today, by wolkvox's own count"
        return LookupResult(delivered(answer, words), HelpState.WORKS, Count(use.token_limit, use.token_use_today))
    outcome = meaning(answer, zone) or unrecognised(answer, words_of(body))
    if outcome.over_budget and (outcome.hold_s or 0.0) > HALF_A_DAY_S:
        # Midnight has passed and the calls are not there again: the vendor's day begins later than ours.
        outcome = replace(outcome, hold_s=ASK_LATER_S)
    return as_help(answer, outcome)


COUNTER: Final = Counter(
    help=TOKEN_INFO,
    read=ask_token_info,
    means=lambda answer, account: read_count(answer, account.working_hours.zone),
)


def checked(answer: Answer, zone: ZoneInfo) -> Outcome:
    """For `connector check`: a refused token is a fault; a missing token_info is not."""
    result = read_count(answer, zone)
    if result.state is HelpState.WORKS:
        return replace(result.outcome, words=f"the token is known; {result.outcome.words}")
    if result.outcome.block or result.outcome.hold:
        return result.outcome
    text = f"token_info, which no document names, is {result.state.value} ({result.outcome.words})"
    return delivered(answer, f"{text}: whether the token is known shows with the first delivery")
