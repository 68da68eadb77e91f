"""The do-not-contact list, and the history of acts."""

from __future__ import annotations

from typing import Any, Final

from flask import Flask, Response, g, request

from connector.admin import history, suppression, suppression_file
from connector.admin.groups import PERIODS
from connector.console import csv_file, gate
from connector.console.application import here
from connector.console.parts import page
from connector.core.errors import ConnectorError, StoreUnavailable
from connector.core.phrases import phrase, plural
from connector.core.settings import Role
from connector.core.times import iso
from connector.store.acts import Narrowed, What

NEWEST: Final = 100
LISTED: Final = 50


def install(app: Flask) -> None:
    """The addresses of these pages."""
    app.add_url_rule("/console/do-not-contact", "do_not_contact", show_list)
    app.add_url_rule("/console/do-not-contact", "do_not_contact_done", change_list, methods=["POST"])
    app.add_url_rule("/console/do-not-contact/file", "people_file", show_file)
    app.add_url_rule("/console/do-not-contact/file", "people_file_looked_at", look_at_file, methods=["POST"])
    app.add_url_rule("/console/do-not-contact/add", "people_file_added", add_file, methods=["POST"])
    app.add_url_rule("/console/history", "history", show_history)
    app.add_url_rule("/console/history/file", "history_file", download_history, methods=["POST"])


def show_list() -> Response:
    return _list()


def change_list() -> Response:
    """Looks a person up, adds or removes them. The phone stays in the form, and in no address."""
    app, text = here(), request.form.get("text", "").strip()
    how, by = request.form.get("how", "ask"), gate.by(request.form.get("why", ""))
    change = {"add": suppression.add, "remove": suppression.remove}.get(how)
    try:
        result = change(app.database, app.settings, text, by) if change else None
        result = result or suppression.look_up(app.database, app.settings, text)
    except StoreUnavailable:
        raise
    except ConnectorError as fault:
        if type(fault) is not ConnectorError:
            raise
        return _list(400, fault=fault.args[0])
    sentence = {
        "add": phrase("{person} is on the list now.", person=result.hint),
        "remove": phrase("{person} is off the list now. What was ended meanwhile stays so.", person=result.hint),
    }.get(how, phrase("{person} is on the list.", person=result.hint) if result.listed else _not_on_it(result.hint))
    return _list(asked=result, said=sentence, text=text if how not in ("add", "remove") else "", how=how)


def _not_on_it(hint: str) -> str:
    return phrase("{person} is not on the list.", person=hint)


def _list(status: int = 200, **facts: Any) -> Response:
    number, entries = suppression.newest(here().database, NEWEST)
    known: dict[str, Any] = {
        "asked": None,
        "said": "",
        "text": "",
        "how": "",
        "fault": "",
        "iso": iso,
        "done": "",
    } | facts
    ended = here().snapshot.read().found["suppressed_24h"].get("do_not_contact", 0)
    return page("do_not_contact.html", status, number=number, entries=entries, ended=ended, **known)


# --- a file of people -----------------------------------------------------------------------------------------------


def show_file() -> Response:
    gate.by().demand(What.SUPPRESS)
    return _file()


def look_at_file() -> Response:
    """Shows the content of the file; nothing is changed yet."""
    app, upload = here(), request.files.get("file")
    gate.by().demand(What.SUPPRESS)
    try:
        raw = upload.read() if upload else b""
        if upload is None or not raw:
            raise ConnectorError(phrase("Choose a file first."))
        content = suppression_file.preview(app.database, app.settings, upload.filename or "", raw, gate.by())
    except StoreUnavailable:
        raise
    except ConnectorError as fault:
        if type(fault) is not ConnectorError:
            raise
        return _file(400, fault=fault.args[0])
    return _file(looked=content)


def add_file() -> Response:
    """Puts the people that the page counted on the list."""
    app = here()
    number = suppression_file.add(
        app.database, app.settings, request.form.get("token", ""), gate.by(request.form.get("why", ""))
    )
    return _list(done=plural("{number:,} person is new on the list.", "{number:,} people are new on the list.", number))


def _file(status: int = 200, **facts: Any) -> Response:
    return page("people_file.html", status, **({"looked": None, "fault": ""} | facts))


# --- history --------------------------------------------------------------------------------------------------------


def show_history() -> Response:
    """All acts; for a viewer only their own. An address names people of the configuration only, nobody's e-mail."""
    app, person = here(), g.session.person
    given = {name: request.args.get(name, "") for name in ("who", "what", "account", "since")}
    known = {"who": app.settings.people, "what": [*What], "account": app.settings.accounts, "since": PERIODS}
    chosen = {name: text if text in known[name] else "" for name, text in given.items()}
    before = request.args.get("before", "")
    first = int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None
    only = "" if person.role.covers(Role.OPERATOR) else person.name
    wanted = Narrowed(who=only or chosen["who"], what=chosen["what"], account=chosen["account"])
    found = history.acts_of(app.database, wanted, first, LISTED, within_ms=PERIODS.get(chosen["since"], 0))
    choices: dict[str, Any] = {
        "people": sorted(known["who"]),
        "accounts": sorted(known["account"]),
        "times": list(PERIODS),
    }
    choices |= {"whats": history.CALLED, "chosen": chosen, "narrowed": {k: v for k, v in chosen.items() if v}}
    return page("history.html", acts=found["acts"], older=found["older"], only=only, **choices)


def download_history() -> Response:
    """All acts as CSV; that somebody took it is the first of them."""
    return csv_file.of_acts(here().database, gate.by())
