"""Forgets one person: counted first, then done, each in steps of a moment, so that no page waits for a whole database.

The person stands in the form and in no address. A page that is left between two steps has forgotten what it says; the
next one goes on. Any process may take the next step.
"""

from __future__ import annotations

import time
from dataclasses import asdict, fields
from typing import Final

from flask import Flask, Response, request

from connector.admin import suppression
from connector.admin.acts import record
from connector.admin.privacy.erase import Erased, Erasing, out_of_reach
from connector.admin.privacy.person import person
from connector.console import gate
from connector.console.application import here
from connector.console.parts import page
from connector.core.errors import ConnectorError, StoreUnavailable
from connector.core.phrases import phrase
from connector.store.acts import What

STEP_S: Final = 1.5  #: of one request
TALLY: Final = tuple(one.name for one in fields(Erased))


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
    why, how = request.form.get("why", "").strip(), request.form.get("how", "look")
    by = gate.by(why)
    by.demand(What.ERASE)
    before = _before()
    if how == "erase" and not why:
        return _page(400, text=text, tally=before, phase="counted", fault=phrase("Say why: it is kept with your name."))
    try:
        erasing = Erasing(app.settings, app.database, person(text, app.settings), dry_run=how != "erase")
    except StoreUnavailable:
        raise
    except ConnectorError as fault:
        return _page(400, fault=fault.args[0], text=text)
    if how == "erase" and before.read == 0 and request.form.get("never_again"):
        suppression.add(app.database, app.settings, text, by)
    is_over = _run(erasing, before.read)
    found = erasing.erased
    if how == "erase" and (before.read == 0 or found.events):
        record(app.database, by.act(What.ERASE, number=found.events))
    phases = {True: {"look": "counted", "erase": "done"}, False: {"look": "counting", "erase": "erasing"}}
    phase = phases[is_over].get(how, "counted")
    return _page(200, text=text, tally=_together(before, found), phase=phase, why=why)


def _run(erasing: Erasing, after: int) -> bool:
    """Whether it came to the end within its time."""
    until = time.monotonic() + STEP_S
    for _ in erasing.run(after):
        if time.monotonic() >= until and 0 < erasing.erased.read < erasing.erased.of:
            return False
    return True


def _before() -> Erased:
    """What the steps before found, as the form says; a count that begins has none."""
    values = {name: request.form.get(name, "0") for name in TALLY}
    numbers = {
        name: int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0 for name, text in values.items()
    }
    return Erased(**numbers) if request.form.get("goes_on") else Erased()


def _together(before: Erased, found: Erased) -> Erased:
    added = {name: getattr(before, name) + getattr(found, name) for name in TALLY if name not in ("read", "of")}
    return Erased(**added, read=max(before.read, found.read), of=max(before.of, found.of))


def _page(
    status: int, *, text: str = "", tally: Erased | None = None, phase: str = "", fault: str = "", why: str = ""
) -> Response:
    shown = tally or Erased()
    facts = {"text": text, "tally": shown, "fields": asdict(shown), "phase": phase, "fault": fault, "why": why}
    return page("erase.html", status, **facts, beyond=out_of_reach(here().settings))
