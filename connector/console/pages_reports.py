"""Vendors' reports: campaigns of diallers, answers to surveys. Vendors are asked by a button, never by a look."""

from __future__ import annotations

import threading

from flask import Flask, Response

from connector.admin import reports
from connector.admin.reports import Reports, SurveyReport
from connector.console.application import here
from connector.console.parts import page
from connector.core.times import iso


def install(app: Flask) -> None:
    """The addresses of these pages."""
    reports_read = LastReports()
    app.add_url_rule("/console/campaigns", "campaigns", lambda: show_campaigns(again=False))
    app.add_url_rule("/console/campaigns", "campaigns_read", lambda: show_campaigns(again=True), methods=["POST"])
    app.add_url_rule("/console/surveys", "surveys", lambda: show_surveys(reports_read, again=False))
    app.add_url_rule(
        "/console/surveys", "surveys_read", lambda: show_surveys(reports_read, again=True), methods=["POST"]
    )


class LastReports:
    """The survey reports that this process read last. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: Reports[SurveyReport] = Reports()

    def read(self, *, again: bool) -> Reports[SurveyReport]:
        """The last reports; a vendor that does not answer leaves its last one."""
        app = here()
        if not again:
            return self._last
        with self._lock:
            new = reports.surveys(app.settings, app.database)
            have = {one.account for one in new.found}
            old = [one for one in self._last.found if one.account not in have]
            self._last = Reports([*new.found, *old])
            return Reports(self._last.found, new.faults)


def show_campaigns(*, again: bool) -> Response:
    app = here()
    result = reports.campaigns(app.settings, app.database, again=again)
    shown = [{"report": one, "read_at": iso(one.read_at)} for one in result.found]
    return page("campaigns.html", shown=shown, faults=result.faults)


def show_surveys(reports_read: LastReports, *, again: bool) -> Response:
    result = reports_read.read(again=again)
    shown = [{"report": one, "read_at": iso(one.read_at)} for one in result.found]
    accounts = [one.name for one in reports.surveyors(here().settings)]
    return page("surveys.html", shown=shown, faults=result.faults, accounts=accounts)
