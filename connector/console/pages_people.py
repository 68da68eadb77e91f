"""The do-not-contact list, and the history of acts."""

from __future__ import annotations

from typing import Any, Final

from flask import Flask, Response, g, request

from connector.admin import history, suppression
from connector.console import gate
from connector.console.application import here
from connector.console.parts import page
from connector.core.errors import ConnectorError, StoreUnavailable
from connector.core.phrases import phrase
from connector.core.settings import Role
from connector.core.times import iso

NEWEST: Final = 100
LISTED: Final = 50


def install(app: Flask) -> None:
    """The addresses of these pages."""
    app.add_url_rule("/console/do-not-contact", "do_not_contact", show_list)
    app.add_url_rule("/console/do-not-contact", "do_not_contact_done", change_list, methods=["POST"])
    app.add_url_rule("/console/history", "history", show_history)


def show_list() -> Response:
    return _list()


def change_list() -> Response:
    """Looks a person up, adds or removes them. The phone stays in the form, and in no address."""
    app, text = here(), request.form.get("text", "").strip()
    how, by = request.form.get("how", "ask"), gate.by(request.form.get("why", ""))
    change = {"add": suppression.add, "remove": suppression.remove}.get(how)
    try:
        asked = change(app.database, app.settings, text, by) if change else None
        asked = asked or suppression.ask(app.database, app.settings, text)
    except StoreUnavailable:
        raise
    except ConnectorError as fault:
        if type(fault) is not ConnectorError:
            raise
        return _list(400, fault=fault.args[0])
    said = {
        "add": phrase("{person} is on the list now.", person=asked.hint),
        "remove": phrase("{person} is off the list now. What was ended meanwhile stays so.", person=asked.hint),
    }.get(how, phrase("{person} is on the list.", person=asked.hint) if asked.listed else _not_on_it(asked.hint))
    return _list(asked=asked, said=said, text=text if how not in ("add", "remove") else "", how=how)


def _not_on_it(hint: str) -> str:
    return phrase("{person} is not on the list.", person=hint)


def _list(status: int = 200, **facts: Any) -> Response:
    number, entries = suppression.newest(here().database, NEWEST)
    known: dict[str, Any] = {"asked": None, "said": "", "text": "", "how": "", "fault": "", "iso": iso} | facts
    return page("do_not_contact.html", status, number=number, entries=entries, **known)


def show_history() -> Response:
    """All acts; for a viewer only their own."""
    app, person = here(), g.session.person
    before = request.args.get("before", "")
    first = int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None
    who = "" if person.role.covers(Role.OPERATOR) else person.name
    found = history.acts_of(app.database, who, first, LISTED)
    return page("history.html", acts=found["acts"], older=found["older"], only=who)
