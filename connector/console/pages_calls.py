"""One call to a vendor: what was answered, what it took; and all that is uncertain of it, resolved together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from flask import Flask, Response, request

from connector.admin.calls import call
from connector.admin.identifiers import NotThere
from connector.admin.resolve import resolve_attempt
from connector.console import gate
from connector.console.application import here
from connector.console.done import DONE
from connector.console.parts import page, redirected
from connector.core.errors import ConnectorError
from connector.core.phrases import Phrase, phrase
from connector.core.states import DeliveryState, Kind
from connector.store.acts import What

#: Kind -> what it is for.
KINDS: Final[Mapping[str, Phrase]] = {
    Kind.SEND: phrase("delivers records"),
    Kind.PRECHECK: phrase("asks whether a person may be contacted"),
    Kind.PROBE: phrase("asks whether an earlier call landed"),
    Kind.REPORT: phrase("reads the states of campaigns"),
    Kind.BUDGET: phrase("reads the vendor's count of the day's calls"),
    Kind.FETCH: phrase("reads the rest of an event"),
    Kind.POLL: phrase("reads what a vendor does not push"),
    Kind.CREDENTIALS: phrase("checks the credentials"),
    Kind.LOTS: phrase("lists, fires or discards draft lots"),
    Kind.NPS: phrase("reads the figures of a survey"),
}


def install(app: Flask) -> None:
    """The addresses of these pages."""
    app.add_url_rule("/console/attempts/<name>", "attempt", show)
    app.add_url_rule("/console/attempts/<name>/resolve", "attempt_resolved", settle, methods=["POST"])


def show(name: str) -> Response:
    """``?near=d123``: a delivery that it took."""
    app, near = here(), re.fullmatch(r"d(\d{1,18})", request.args.get("near", ""))
    found = call(app.database, app.settings, _number(name), near=int(near[1]) if near else None)
    uncertain = sum(one["state"] == DeliveryState.UNCERTAIN for one in found["members"])
    done = DONE.get(request.args.get("done", ""), "")
    kind = KINDS.get(found["kind"], found["kind"])
    return page("call.html", call=found, kind=kind, uncertain=uncertain, done=done)


def settle(name: str) -> Response:
    """Settles all that is uncertain of it, as the person says."""
    app, how = here(), request.form.get("how", "")
    by = gate.by(request.form.get("why", ""))
    by.demand(What.LANDED)
    number = _number(name)
    if how not in ("landed", "absent"):
        raise ConnectorError(phrase("Choose one of the two answers."))
    resolve_attempt(app.settings, app.database, number, by, landed=how == "landed")
    return redirected(f"/console/attempts/{name}?done={how}")


def _number(name: str) -> int:
    if not re.fullmatch(r"a\d{1,18}", name):
        raise NotThere(phrase("There is no such call here."))
    return int(name[1:])
