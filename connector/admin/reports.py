"""Reports that vendors keep: campaigns of diallers, answers to surveys. A person asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Generic, TypeVar

from connector.core.errors import ConnectorError, StoreUnavailable
from connector.core.settings import Account, Settings
from connector.outbound.asking import PersonCaller
from connector.store.database import Database, now_ms
from connector.vendors import VENDORS
from connector.vendors.spec import CampaignReport, SurveyRow

T = TypeVar("T")

DAYS: Final = 30  #: of the answers that are reported


@dataclass(slots=True)
class Reports(Generic[T]):
    """The reports that could be read, and the faults of the others."""

    found: list[T] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def campaigns(settings: Settings, database: Database, *, again: bool) -> Reports[CampaignReport]:
    """The campaigns of every account that has them: as read last, or read ``again`` if the vendor allows it now."""
    result: Reports[CampaignReport] = Reports()
    for account in settings.accounts.values():
        report = VENDORS[account.vendor].campaigns
        if report is None:
            continue
        result.found.append(report.stored(database, account))
        if not again:
            continue
        try:
            result.found[-1] = report.read(database, account, PersonCaller(database, account))
        except StoreUnavailable:
            raise
        except ConnectorError as fault:
            result.faults.append(str(fault))
    return result


@dataclass(frozen=True, slots=True)
class SurveyReport:
    """The answers of one account. Days as YYYY-MM-DD; ``read_at``: unix ms."""

    account: str
    since: str
    until: str
    read_at: int
    rows: Sequence[SurveyRow]


def surveys(settings: Settings, database: Database) -> Reports[SurveyReport]:
    """The surveys of every account: all its campaigns together, and each that a route names. A call for each."""
    result: Reports[SurveyReport] = Reports()
    with database.read() as conn:
        now = now_ms(conn)
    until = datetime.fromtimestamp(now / 1000, UTC)
    since = until - timedelta(days=DAYS)
    for account in surveyors(settings):
        report = VENDORS[account.vendor].surveys
        assert report is not None
        days = (f"{since:%Y-%m-%d}", f"{until:%Y-%m-%d}")
        try:
            rows = report.read(account, PersonCaller(database, account), ["", *_codes(settings, account)], *days)
        except StoreUnavailable:
            raise
        except ConnectorError as fault:
            result.faults.append(str(fault))
        else:
            result.found.append(SurveyReport(account.name, *days, now, rows))
    return result


def surveyors(settings: Settings) -> list[Account]:
    """The accounts with a vendor that surveys."""
    return [one for one in settings.accounts.values() if VENDORS[one.vendor].surveys is not None]


def _codes(settings: Settings, account: Account) -> list[str]:
    named = [route.options.get("campaign_code") for route in settings.routes if route.account == account.name]
    return list(dict.fromkeys(str(one) for one in named if one))
