"""Failures grouped by cause; and many deliveries sent again: planned, previewed, begun, watched, stopped."""

from __future__ import annotations

import re
from typing import Final

from flask import Flask, Response, request

from connector.admin import plans
from connector.admin.deliveries import Search, deliveries
from connector.admin.groups import SAMPLE, Group, groups
from connector.admin.identifiers import NotThere
from connector.console import gate
from connector.console.application import here
from connector.console.parts import page, redirected
from connector.core.phrases import phrase
from connector.core.times import HOUR_MS, iso
from connector.store import plans as stored
from connector.store.plans import Plan

#: Period in an address -> milliseconds.
SINCE: Final = {"24h": 24 * HOUR_MS, "7d": 7 * 24 * HOUR_MS, "30d": 30 * 24 * HOUR_MS}


def install(app: Flask) -> None:
    """The addresses of these pages."""
    app.add_url_rule("/console/problems", "problems", show)
    app.add_url_rule("/console/problems/<name>", "problem", show_one)
    app.add_url_rule("/console/problems/<name>/plan", "plan_made", make_plan, methods=["POST"])
    app.add_url_rule("/console/plans/<int:number>", "plan", show_plan)
    app.add_url_rule("/console/plans/<int:number>/begin", "plan_begun", begin, methods=["POST"])
    app.add_url_rule("/console/plans/<int:number>/stop", "plan_stopped", stop, methods=["POST"])


def _since() -> str:
    wanted = request.values.get("since", "")
    return wanted if wanted in SINCE else "24h"


def show() -> Response:
    since = _since()
    found = [one.as_json() for one in groups(here().database, SINCE[since])]
    return page("problems.html", groups=found, since=since, times=list(SINCE))


def _group(name: str) -> Group:
    found = next((one for one in groups(here().database, SINCE[_since()]) if one.id == name), None)
    if found is None:
        raise NotThere(phrase("Nothing of this cause is left: it was sent again, or is older than the time chosen."))
    return found


def show_one(name: str) -> Response:
    """A cause with the newest of its deliveries."""
    app, group = here(), _group(name)
    found = deliveries(app.database, app.settings, Search(state=group.state, since=_since(), limit=1000))
    mine = [one for one in found if one["destination"] == group.destination]
    alike = [one for one in mine if _plain(one["reason"]) == _plain(group.said)][:SAMPLE]
    return page("problem.html", group=group.as_json(), deliveries=alike, since=_since())


def _plain(text: str | None) -> str:
    return re.sub(r"\d+", "#", text or "")


# --- many together --------------------------------------------------------------------------------------------------


def make_plan(name: str) -> Response:
    """Freezes the set, and leads to its preview."""
    number = plans.make(here().database, _group(name), SINCE[_since()], gate.by())
    return redirected(f"/console/plans/{number}")


def show_plan(number: int) -> Response:
    app, plan = here(), _plan(number)
    preview = plans.preview(app.database, app.settings, plan) if plan.state == "planned" else None
    reasons = preview.kept if preview else plan.kept
    facts = {"plan": plan, "total": len(plan.deliveries), "preview": preview, "kept": reasons}
    return page("plan.html", **facts, made_at=iso(plan.made_at), ended_at=iso(plan.ended_at))  # type: ignore[arg-type]


def _plan(number: int) -> Plan:
    with here().database.read() as conn:
        found = stored.get(conn, number)
    if found is None:
        raise NotThere(phrase("There is no such plan here."))
    return found


def begin(number: int) -> Response:
    """A second press leads to the same plan."""
    _plan(number)
    plans.begin(here().database, number, gate.by(request.form.get("why", "")))
    return redirected(f"/console/plans/{number}")


def stop(number: int) -> Response:
    _plan(number)
    plans.stop(here().database, number, gate.by())
    return redirected(f"/console/plans/{number}")
