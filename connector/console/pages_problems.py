"""Failures grouped by cause; and many deliveries sent again: planned, previewed, begun, watched, stopped."""

from __future__ import annotations

import re
from typing import Any

from flask import Flask, Response, request

from connector.admin import plans, unread
from connector.admin.deliveries import Search, deliveries
from connector.admin.groups import PERIODS, SAMPLE, Group, by_destination, causes, of_id
from connector.admin.identifiers import NotThere
from connector.admin.redrive import queued
from connector.console import gate
from connector.console.application import here
from connector.console.parts import page, redirected
from connector.core.phrases import phrase
from connector.core.times import iso
from connector.store import plans as stored
from connector.store.plans import Plan


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
    return wanted if wanted in PERIODS else "24h"


def show() -> Response:
    since = _since()
    found = causes(here().database, PERIODS[since])
    unreadable = unread.unread(here().database, PERIODS[since])
    there = by_destination(found.groups)
    wanted = request.args.get("destination", "")
    chosen = wanted if wanted in {one["destination"] for one in there} else ""
    shown = [one.as_json() for one in found.groups if chosen in ("", one.destination)]
    facts: dict[str, Any] = {"groups": shown, "destinations": there, "chosen": chosen}
    facts |= {"looked_back_to": iso(found.looked_back_to), "since": since, "times": list(PERIODS)}
    facts |= {"unread": [one.as_json() for one in unreadable], "queues": queued(here().settings)}
    return page("problems.html", **facts)


def _group(name: str) -> Group:
    return of_id(here().database, name, PERIODS[_since()])


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
    number = plans.make(here().database, _group(name), PERIODS[_since()], gate.by())
    return redirected(f"/console/plans/{number}")


def show_plan(number: int) -> Response:
    app, plan = here(), _plan(number)
    preview = plans.preview(app.database, app.settings, plan) if plan.state == "planned" else None
    reasons = preview.kept if preview else plan.kept
    facts = {"plan": plan, "total": len(plan.deliveries), "preview": preview, "kept": reasons}
    facts |= {"calls": plans.calls_of(app.settings, plan, preview) if preview else None, "left": _left(plan)}
    return page("plan.html", **facts, made_at=iso(plan.made_at), ended_at=iso(plan.ended_at))  # type: ignore[arg-type]


def _left(plan: Plan) -> int | None:
    """The calls that the plan's account has left today, as Now shows them; None if nothing counts them."""
    of = plan.about.partition("/")[0]
    accounts = here().snapshot.read().found["accounts"]
    return next((one["budget"]["left"] for one in accounts if one["account"] == of and one.get("budget")), None)


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
