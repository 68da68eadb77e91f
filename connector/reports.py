"""What a person wants to see of the vendors: wolkvox's campaigns in real time, Tracksale's figures.

wolkvox's report may be read every five minutes only, by whomever: it is shared with the deliveries, that read it too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final, cast

from sqlalchemy import Connection

from connector import asking, calls, claims, standing
from connector.client import Answer, Deadline, patiently
from connector.db import Database, now_ms
from connector.destinations import tracksale, wolkvox
from connector.destinations.base import delivered, unrecognised
from connector.outcomes import Outcome
from connector.quota import Wait
from connector.settings import Account, Settings
from connector.vendors import VENDORS, Tracksale, Wolkvox
from connector.vendors.tracksale import Nps, Total, TracksaleError, body_of, nps_of, totals_of
from connector.vendors.wolkvox import LiveCampaign, campaigns_of, rows_of

NPS: Final = "nps"  #: the kind of these calls, in the log


@dataclass(frozen=True, slots=True)
class Live:
    """An account's real-time report. ``why_old``: why it was not read anew; "" when it needs not be."""

    account: str
    campaigns: Sequence[LiveCampaign]
    read_at: int  #: unix ms
    age_s: float
    why_old: str = ""


def live(settings: Settings, database: Database, account: Account) -> Live:
    """The report as it was read last, which is now if five minutes are over and a call is free.

    Raises `NotAsked` when there is nothing to show.
    """
    before, may_ask_in_ms = _kept(database, account)
    if may_ask_in_ms > 0 and before is not None:
        return before
    why = _read_anew(settings, database, account)
    after, may_ask_in_ms = _kept(database, account)
    if after is None:
        raise asking.NotAsked(why or f"{account.name}: its report may be read again in {may_ask_in_ms / 1000:.0f} s")
    return Live(after.account, after.campaigns, after.read_at, after.age_s, why)


def _kept(database: Database, account: Account) -> tuple[Live | None, int]:
    """What was read last, and how many ms must pass before it may be read again."""
    with database.read() as conn:
        now = now_ms(conn)
        report, rows = standing.report(conn, account.name), standing.report_rows(conn, account.name)
    wait_ms = report.asked_at + claims.REPORT_EVERY_MS - now
    if rows is None:
        return None, wait_ms
    return Live(account.name, campaigns_of(rows), report.read_at, max(0, now - report.read_at) / 1000), wait_ms


def _read_anew(settings: Settings, database: Database, account: Account) -> str:
    """Reads it for everybody; or says why not."""

    def turn(conn: Connection, now: int) -> Wait | None:
        left_ms = standing.report(conn, account.name).asked_at + claims.REPORT_EVERY_MS - now
        if left_ms > 0:
            return Wait(left_ms / 1000, f"the report of {account.name} was asked for within the last five minutes")
        standing.report_asked(conn, account.name, now + int(account.timeout_s * 1000))  # it may arrive as late as that
        return None

    zone = settings.locale.timezone
    with closing(cast(Wolkvox, VENDORS[account.vendor](account))) as vendor:
        answer, said = calls.ask(
            database,
            account,
            "report",
            lambda deadline: vendor.campaigns(deadline=deadline),
            lambda answer: wolkvox.read_report(answer, account, zone)[1],
            patience_s=asking.PATIENCE_S,
            gate=turn,
        )
    if isinstance(said, Wait):
        return asking.why_not(account, said)
    statuses = wolkvox.read_report(answer, account, zone)[0] if answer is not None else None
    rows = rows_of(answer.json()) if answer is not None else None

    def settle() -> None:
        with database.write(serialise=account.name) as conn:
            standing.report_ended(conn, account.name, said.attempt, statuses, rows, now_ms(conn))

    patiently(settle)
    return "" if statuses is not None else asking.why_not(account, said)


# --- Tracksale ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Of which answers. Days are YYYY-MM-DD, both included; ``campaign`` "": of all."""

    campaign: str
    since: str
    until: str


class Figures:
    """One account's figures. Raises `NotAsked` where the vendor cannot be asked now, `TracksaleError` for none."""

    def __init__(self, database: Database, account: Account) -> None:
        self._database = database
        self._account = account
        self._vendor = cast(Tracksale, VENDORS[account.vendor](account))

    def close(self) -> None:
        self._vendor.close()

    def nps(self, of: Asked, *, compare: bool = False) -> Nps:
        """How many were asked, how they answered; of the period before, too, where that is asked for."""
        found: Nps = nps_of(
            self._asked(
                lambda deadline: self._vendor.report_nps(
                    start=of.since, end=of.until, codes=of.campaign, compare=compare, deadline=deadline
                )
            )
        )
        if found.nps is None and found.promoters is None:
            raise TracksaleError("Tracksale answered without an NPS: look at what it changed")
        return found

    def categories(self, of: Asked) -> list[Total]:
        """How many answers are in each category, and their NPS."""
        return self._totals(self._vendor.report_category, of)

    def statuses(self, of: Asked) -> list[Total]:
        """How many answers have each status."""
        return self._totals(self._vendor.report_status, of)

    def _totals(self, report: Callable[..., Answer], of: Asked) -> list[Total]:
        body = self._asked(lambda deadline: report(start=of.since, end=of.until, codes=of.campaign, deadline=deadline))
        return totals_of(body)

    def _asked(self, call: Callable[[Deadline], Answer]) -> Any:
        return body_of(asking.asked(self._database, self._account, NPS, call, _read))


def _read(answer: Answer) -> Outcome:
    fault = tracksale.meaning(answer)
    return fault or (delivered(answer) if 200 <= answer.status < 300 else unrecognised(answer))
