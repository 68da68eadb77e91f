"""Acts on one account or one delivery: a page that shows the consequence, and a button that does it."""

from __future__ import annotations

import re
from typing import Any

from flask import Flask, Response, request

from connector.admin import accounts, calls
from connector.admin import reveal as revealing
from connector.admin.changes import Change
from connector.admin.identifiers import NotThere
from connector.admin.replay import Replay, Wish
from connector.admin.resolve import resolve
from connector.console import gate
from connector.console.application import here
from connector.console.done import DONE
from connector.console.pages_calls import KINDS
from connector.console.pages_search import stories_of
from connector.console.parts import page, redirected
from connector.core.errors import ConnectorError
from connector.core.log import masked
from connector.core.phrases import phrase
from connector.core.states import DeliveryState
from connector.store.acts import What


def install(app: Flask) -> None:
    """The addresses of these pages."""
    app.add_url_rule("/console/accounts/<name>", "account", account)
    app.add_url_rule("/console/accounts/<name>/<what>", "account_done", change_account, methods=["POST"])
    app.add_url_rule("/console/deliveries/<name>/replay", "replay", ask_replay)
    app.add_url_rule("/console/deliveries/<name>/replay", "replay_done", replay, methods=["POST"])
    app.add_url_rule("/console/deliveries/<name>/resolve", "resolve", ask_resolve)
    app.add_url_rule("/console/deliveries/<name>/resolve", "resolve_done", settle, methods=["POST"])
    app.add_url_rule("/console/events/<name>/reveal", "reveal_done", reveal, methods=["POST"])


# --- accounts -------------------------------------------------------------------------------------------------------


def account(name: str) -> Response:
    """The state of one account, and what can be done."""
    reading = here().snapshot.read()
    found = next((one for one in reading.found["accounts"] if one["account"] == name), None)
    if found is None:
        raise NotThere(phrase("There is no such account here."))
    done = DONE.get(request.args.get("done", ""), "")
    newest = calls.latest(here().database, here().settings, name)
    return page(
        "account.html", account=found, look=reading, at=reading.found["at"], done=done, calls=newest, kinds=KINDS
    )


def change_account(name: str, what: str) -> Response:
    """Pauses or resumes."""
    app, why = here(), request.form.get("why", "").strip()
    if what == "pause":
        if not why:
            raise ConnectorError(phrase("Say why: the next person wants to know. Go back, and write a reason."))
        accounts.pause(app.database, app.settings, name, gate.by(why))
    elif what == "resume":
        accounts.resume(app.database, app.settings, name, gate.by(why))
    else:
        raise NotThere(phrase("There is nothing at this address."))
    app.snapshot.read(fresh=True)
    return redirected(f"/console/accounts/{name}?done={what}d")


# --- one delivery ---------------------------------------------------------------------------------------------------


def ask_replay(name: str) -> Response:
    """Shows the consequence of a replay before it is done."""
    number, delivery = _delivery(name)
    act = What.RESEND if delivery["state"] == DeliveryState.DELIVERED else What.REPLAY
    gate.by().demand(act)
    changes = _replayed(number, delivery, dry_run=True, why="")
    return page("replay.html", delivery=delivery, changes=changes, name=name, **_split(changes))


def replay(name: str) -> Response:
    """Replays a delivery; a second press finds it pending, and changes nothing."""
    number, delivery = _delivery(name)
    changes = _replayed(number, delivery, dry_run=False, why=request.form.get("why", ""))
    unchanged = _split(changes)["kept"]
    if unchanged:
        return page("replay.html", 409, delivery=delivery, changes=changes, name=name, **_split(changes))
    return redirected(f"/console/events/{delivery['event']}?done=replayed#{name}")


def _replayed(number: int, delivery: dict[str, Any], *, dry_run: bool, why: str) -> list[Change]:
    app, is_delivered = here(), delivery["state"] == DeliveryState.DELIVERED
    wish = Wish(dry_run=dry_run, force=is_delivered, ended_too=True, late_too=True)
    return Replay(app.settings, app.database, gate.by(why)).delivery(number, wish)


def _split(changes: list[Change]) -> dict[str, Any]:
    return {
        "sent": [one for one in changes if one.action != "keep"],
        "kept": [one for one in changes if one.action == "keep"],
    }


def ask_resolve(name: str) -> Response:
    """The two possible answers with their consequences."""
    gate.by().demand(What.LANDED)
    _, delivery = _delivery(name)
    return page("resolve.html", delivery=delivery, name=name)


def settle(name: str) -> Response:
    """Settles an uncertain delivery as the person says."""
    app, how = here(), request.form.get("how", "")
    number, delivery = _delivery(name)
    if how not in ("landed", "absent"):
        raise ConnectorError(phrase("Choose one of the two answers."))
    resolve(app.settings, app.database, number, gate.by(request.form.get("why", "")), landed=how == "landed")
    return redirected(f"/console/events/{delivery['event']}?done={how}#{name}")


def _delivery(name: str) -> tuple[int, dict[str, Any]]:
    """The number and the story of "d123", with its event's name under "event"."""
    if not re.fullmatch(r"d\d{1,18}", name):
        raise NotThere(phrase("There is no such delivery here."))
    for event in stories_of(name):
        for one in event["deliveries"]:
            if one["delivery"] == name:
                return int(name[1:]), one | {"event": event["event"]}
    raise NotThere(phrase("There is no such delivery here."))


# --- a person's data ------------------------------------------------------------------------------------------------


def reveal(name: str) -> Response:
    """The event with its person, once the act is on record."""
    app = here()
    if not re.fullmatch(r"e\d{1,18}", name):
        raise NotThere(phrase("There is no such event here."))
    why = request.form.get("why", "")
    words = masked(request.form.get("words", "").strip())
    shown = revealing.reveal(app.database, app.settings, int(name[1:]), gate.by(), why, words)
    return page("revealed.html", event=shown, name=name, minutes=revealing.SHOWN_MIN)
