"""Forgets one person: counted first, then done, each in steps of a moment, so that no page waits for a whole database.

The person stands in the form and in no address. A page that is left between two steps has forgotten what it says; the
next one goes on. Any process may take the next step.
"""

from __future__ import annotations

from dataclasses import asdict

from flask import Flask, Response, request

from connector.admin.privacy import erase_steps
from connector.admin.privacy.erase import Erased, out_of_reach
from connector.console import gate
from connector.console.application import here
from connector.console.parts import page
from connector.core.errors import ConnectorError, StoreUnavailable
from connector.store.acts import What


def install(app: Flask) -> None:
    """The addresses of these pages."""
    app.add_url_rule("/console/erase", "erase", ask)
    app.add_url_rule("/console/erase", "erase_done", step, methods=["POST"])


def ask() -> Response:
    """Asks for the person."""
    gate.by().demand(What.ERASE)
    return _page(200)


def step() -> Response:
    """Counts, or erases, for a moment; ``how``: "look" or "erase"."""
    app, text = here(), request.form.get("text", "").strip()
    why, plan = request.form.get("why", "").strip(), request.form.get("plan", "")
    by, is_erasing = gate.by(why), request.form.get("how", "look") == "erase"
    by.demand(What.ERASE)
    before = erase_steps.tally_of(request.form) if request.form.get("goes_on") else Erased()
    try:
        if is_erasing:
            never_again = bool(request.form.get("never_again"))
            found = erase_steps.erase(app.settings, app.database, text, by, before, plan=plan, never_again=never_again)
        else:
            found = erase_steps.count(app.settings, app.database, text, by, before)
    except StoreUnavailable:
        raise
    except erase_steps.NotCounted as fault:
        return _page(400, text=text, fault=fault.args[0])
    except ConnectorError as fault:
        counted = is_erasing and bool(plan)
        return _page(
            400,
            text=text,
            fault=fault.args[0],
            phase="counted" if counted else "",
            tally=erase_steps.tally_of(request.form),
            plan=plan,
        )
    phases = {True: ("counted", "done"), False: ("counting", "erasing")}
    phase = phases[found.is_over][is_erasing]
    return _page(200, text=text, tally=found.tally, phase=phase, why=why, plan=found.plan)


def _page(
    status: int,
    *,
    text: str = "",
    tally: Erased | None = None,
    phase: str = "",
    fault: str = "",
    why: str = "",
    plan: str = "",
) -> Response:
    shown = tally or Erased()
    facts = {"text": text, "tally": shown, "fields": asdict(shown), "phase": phase, "fault": fault, "why": why}
    return page("erase.html", status, **facts, plan=plan, beyond=out_of_reach(here().settings))
