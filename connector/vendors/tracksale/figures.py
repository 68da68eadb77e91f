"""Tracksale's figures for a person: NPS, categories, statuses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from connector.core.http import Answer, Deadline
from connector.core.outcomes import Outcome
from connector.core.phrases import phrase
from connector.core.settings import Account
from connector.core.states import Kind
from connector.vendors.answers import delivered, unrecognised
from connector.vendors.caller import Caller
from connector.vendors.spec import SurveyRow
from connector.vendors.tracksale.answers import meaning
from connector.vendors.tracksale.api import Tracksale
from connector.vendors.tracksale.readers import Nps, Total, body_of, nps_of, totals_of
from connector.vendors.tracksale.values import TracksaleError


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The selection of answers. Days are YYYY-MM-DD, both included; ``campaign`` "": all."""

    campaign: str
    since: str
    until: str


def survey_rows(account: Account, caller: Caller, codes: Sequence[str], since: str, until: str) -> list[SurveyRow]:
    """The figures of each of these campaigns; "" for all. Raises `NotCalled`, `TracksaleError`."""
    rows = []
    with closing(Figures(account, caller)) as figures:
        for code in codes:
            nps = figures.nps(Selection(campaign=code, since=since, until=until), compare=True)
            before = nps.compare.nps if nps.compare else None
            answers = (nps.promoters, nps.passives, nps.detractors)
            rows.append(SurveyRow(code, nps.dispatches, *answers, nps.nps, before))
    return rows


class Figures:
    """The figures of one account.

    Raises `NotCalled` if the vendor cannot be called now, `TracksaleError` if there are none.
    """

    def __init__(self, account: Account, caller: Caller) -> None:
        self._caller = caller
        self._vendor = Tracksale.of(account)

    def close(self) -> None:
        self._vendor.close()

    def nps(self, of: Selection, *, compare: bool = False) -> Nps:
        """How many were surveyed and how they answered; for the period before, too, if requested."""
        found: Nps = nps_of(
            self._body(
                lambda deadline: self._vendor.report_nps(
                    start=of.since, end=of.until, codes=of.campaign, compare=compare, deadline=deadline
                )
            )
        )
        if found.nps is None and found.promoters is None:
            raise TracksaleError(phrase("Tracksale answered without an NPS: look at what it changed"))
        return found

    def categories(self, of: Selection) -> list[Total]:
        """How many answers are in each category, and their NPS."""
        return self._totals(self._vendor.report_category, of)

    def statuses(self, of: Selection) -> list[Total]:
        """How many answers have each status."""
        return self._totals(self._vendor.report_status, of)

    def _totals(self, report: Callable[..., Answer], of: Selection) -> list[Total]:
        body = self._body(lambda deadline: report(start=of.since, end=of.until, codes=of.campaign, deadline=deadline))
        return totals_of(body)

    def _body(self, call: Callable[[Deadline], Answer]) -> Any:
        return body_of(self._caller.accepted_answer(Kind.NPS, call, _read))


def _read(answer: Answer) -> Outcome:
    fault = meaning(answer)
    return fault or (delivered(answer) if 200 <= answer.status < 300 else unrecognised(answer))
