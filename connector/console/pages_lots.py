"""Draft lots: known ones; one as its vendor has it now, with those that guards keep back; fired or discarded as shown.

A look asks the vendor, so it is a POST. What was shown travels in the form; a lot that is another by now is refused.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from flask import Flask, Response, request

from connector.admin import lot_acts
from connector.admin.identifiers import ahead_ms
from connector.admin.lots import lots_known
from connector.admin.masked import masked_person
from connector.console import gate
from connector.console.application import here
from connector.console.parts import page
from connector.core.errors import ConnectorError, StoreUnavailable
from connector.core.phrases import phrase
from connector.core.times import iso
from connector.store.acts import What
from connector.store.database import now_ms

SAMPLE: Final = 5  #: customers shown of each kind
KEPT_SHOWN: Final = 20


def install(app: Flask) -> None:
    """The addresses of these pages."""
    app.add_url_rule("/console/lots", "lots", lambda: page("lots.html", lots=lots_known(here().database), done=""))
    app.add_url_rule("/console/lots/look", "lot_looked_at", look, methods=["POST"])
    app.add_url_rule("/console/lots/fire", "lot_fired", fire, methods=["POST"])
    app.add_url_rule("/console/lots/discard", "lot_discarded", discard, methods=["POST"])


def look() -> Response:
    """The lot as its vendor has it now. It costs calls, so that it is for those who may fire it."""
    app = here()
    gate.by().demand(What.FIRE)
    with lot_acts.opened(app.settings, app.database, request.form.get("account", "")) as drafts:
        lot = _found(drafts)
        return _shown(drafts, lot, None, "", 200)


def _found(drafts: Any) -> Any:
    return drafts.find(request.form.get("campaign", ""), request.form.get("lot", ""))


def _shown(drafts: Any, lot: Any, at_ms: int | None, fault: str, status: int) -> Response:
    app = here()
    check = lot_acts.checked(app.settings, app.database, drafts, lot, at_ms)
    people, why_none = [], ""
    try:
        content = drafts.content(lot)
        people = [(masked_person(one), True) for one in content.ours[:SAMPLE]]
        people += [(masked_person(one), False) for one in content.others[:SAMPLE]]
    except StoreUnavailable:
        raise
    except ConnectorError as unread:
        why_none = unread.args[0]
    refusals = [
        {"delivery": f"d{one.delivery}", "why": one.why, "until": iso(one.until)} for one in check.verdicts.exclusions
    ]
    facts = {
        "lot": lot,
        "people": people,
        "why_none": why_none,
        "kept": refusals[:KEPT_SHOWN],
        "more": len(refusals) - KEPT_SHOWN,
    }
    return page("lot.html", status, **facts, check=check, at=request.form.get("at", ""), fault=fault)


def fire() -> Response:
    """Surveys everybody in it; people that a guard keeps back only on request, and with a reason."""
    app, why = here(), request.form.get("why", "").strip()
    by = gate.by(why)
    by.demand(What.FIRE)
    at_ms = _moment()
    with lot_acts.opened(app.settings, app.database, request.form.get("account", "")) as drafts:
        lot = _as_shown(_found(drafts))
        check = lot_acts.checked(app.settings, app.database, drafts, lot, at_ms)
        if not check.may and not (request.form.get("anyway") and why):
            refused = phrase(
                "Some of them may not be contacted then. Nothing was fired: say why it is done all the same."
            )
            return _shown(drafts, lot, at_ms, refused, 409)
        number = lot_acts.fire(app.database, drafts, lot, check, at_ms, by)
    done = phrase("Lot {lot} is fired; customers: {number}.", lot=lot.code, number=number)
    return page("lots.html", lots=lots_known(app.database), done=done)


def discard() -> Response:
    """Takes everybody out; deliveries of ours in it end unsent."""
    app = here()
    by = gate.by(request.form.get("why", ""))
    by.demand(What.DISCARD)
    with lot_acts.opened(app.settings, app.database, request.form.get("account", "")) as drafts:
        lot = _as_shown(_found(drafts))
        lot_acts.discard(app.database, drafts, lot, by)
    done = phrase("Lot {lot} is discarded: nobody in it is surveyed.", lot=lot.code)
    return page("lots.html", lots=lots_known(app.database), done=done)


def _as_shown(lot: Any) -> Any:
    """The lot with what the person saw of it, which the act compares with what is there."""
    customers = request.form.get("customers", "")
    seen = int(customers) if customers.isascii() and customers.isdigit() and len(customers) < 10 else None
    return replace(lot, customers=seen, created=request.form.get("created", ""))


def _moment() -> int | None:
    text, app = request.form.get("at", "").strip(), here()
    if not text:
        return None
    with app.database.read() as conn:
        return ahead_ms(text, app.settings, now_ms(conn))
