"""wolkvox's campaigns in real time, for a person.

The report may be read only every five minutes by all callers together, so commands share it with the deliveries.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from sqlalchemy import Connection

from connector.core.phrases import phrase
from connector.core.quota import Wait
from connector.core.retry import patiently
from connector.core.settings import Account
from connector.store import accounts, helps
from connector.store.database import Database, now_ms
from connector.store.helps import HelpState
from connector.vendors.caller import Caller, NotCalled
from connector.vendors.lookup import LookupResult
from connector.vendors.spec import CampaignReport, CampaignRow
from connector.vendors.wolkvox.api import LiveCampaign, Wolkvox, campaigns_of
from connector.vendors.wolkvox.lookups import REPORT, REPORT_EVERY_MS


@dataclass(frozen=True, slots=True)
class Live:
    """An account's real-time report. ``why_old``: why it was not read again; "" if that was not needed."""

    account: str
    campaigns: Sequence[LiveCampaign]
    read_at: int  #: unix ms
    age_s: float
    why_old: str = ""


def live(database: Database, account: Account, caller: Caller) -> Live:
    """The latest report; a new one if five minutes are over and a call is free.

    Raises `NotCalled` if there is nothing to show.
    """
    before, may_ask_in_ms = _stored(database, account)
    if may_ask_in_ms > 0 and before is not None:
        return before
    why = _read_now(database, account, caller)
    after, may_ask_in_ms = _stored(database, account)
    if after is None:
        raise NotCalled(
            why
            or phrase(
                "{name}: its report may be read again in {seconds:.0f} s",
                name=account.name,
                seconds=may_ask_in_ms / 1000,
            )
        )
    return Live(after.account, after.campaigns, after.read_at, after.age_s, why)


def stored_report(database: Database, account: Account) -> CampaignReport:
    """The last report that was read; makes no call."""
    found, _ = _stored(database, account)
    return CampaignReport(account.name, [], None) if found is None else _report(found)


def new_report(database: Database, account: Account, caller: Caller) -> CampaignReport:
    """The same, read again if that is allowed now. Raises `NotCalled`."""
    return _report(live(database, account, caller))


def _report(found: Live) -> CampaignReport:
    rows = [CampaignRow(one.id, one.name, one.status == "started", one.figures) for one in found.campaigns]
    return CampaignReport(found.account, rows, found.read_at, found.why_old)


def _stored(database: Database, account: Account) -> tuple[Live | None, int]:
    """The last report, and how many ms must pass before it may be read again."""
    with database.read() as conn:
        now = now_ms(conn)
        report, rows = accounts.report(conn, account.name), accounts.report_rows(conn, account.name)
    wait_ms = report.asked_at + REPORT_EVERY_MS - now
    if rows is None:
        return None, wait_ms
    return Live(account.name, campaigns_of(rows), report.read_at, max(0, now - report.read_at) / 1000), wait_ms


def _read_now(database: Database, account: Account, caller: Caller) -> str:
    """Reads it for all users; or says why not."""

    def turn(conn: Connection, now: int) -> Wait | None:
        left_ms = accounts.report(conn, account.name).asked_at + REPORT_EVERY_MS - now
        if left_ms > 0:
            return Wait(left_ms / 1000, f"the report of {account.name} was asked for within the last five minutes")
        REPORT.begin(conn, account.name, now + int(account.timeout_s * 1000))  # it may arrive as late as that
        return None

    with closing(Wolkvox.of(account)) as vendor:
        answer, result = caller.make_call(
            REPORT.kind,
            lambda deadline: REPORT.read(vendor, deadline),
            lambda answer: REPORT.means(answer, account).outcome,
            gate=turn,
        )
    if isinstance(result, Wait):
        return caller.why_not(result)
    looked = REPORT.means(answer, account) if answer is not None else LookupResult(result, HelpState.UNKNOWN)

    def settle() -> None:
        with database.write(serialise=account.name) as conn:
            now = now_ms(conn)
            helps.note(conn, account.name, REPORT.help, looked.state, now, words=result.words)
            REPORT.store(conn, account.name, looked.value, result.attempt, now)

    patiently(settle)
    return "" if looked.value is not None else caller.why_not(result)
