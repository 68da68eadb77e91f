"""`connector person`: all that is kept of one person, for the answer to an access request."""

from __future__ import annotations

from typing import Any

import click

from connector.admin.privacy.access import kept_of
from connector.admin.privacy.person import person as meant
from connector.cli import app, output
from connector.cli.may import asked_for
from connector.core.phrases import phrase, plural
from connector.core.states import state_word


@click.command()
@click.argument("who", metavar="PHONE|EMAIL")
@app.json_option
def person(who: str, as_json: bool) -> None:
    """Shows all that is kept of a person.

    Events, deliveries, contacts, the lists they are on, and why each contact was allowed. --json prints everything, for
    the answer to an access request. Give - instead of the person to be asked for them, or to read them from a pipe.

    \b
    connector person ana@example.com
    """
    with app.opened() as here:
        found = kept_of(here.settings, here.database, meant(asked_for(who), here.settings))
        zone = here.settings.locale.timezone
    if as_json:
        output.as_json(found)
        return
    for one in found["do_not_contact"]:
        output.line(
            phrase("on the do-not-contact list since {moment}", moment=output.moment(one["since"], zone)), "yellow"
        )
    for one in found["lists"]:
        template = "list {name}: on it" if one["listed"] else "list {name}: not on it"
        output.line(phrase(template, name=one["list"]))
    rows = [
        (event["event"], output.moment(event["received_at"], zone), event["source"], *_of(each))
        for event in found["events"]
        for each in event["deliveries"] or [{}]
    ]
    if rows:
        output.table(
            (
                phrase("event"),
                phrase("received"),
                phrase("source"),
                phrase("delivery"),
                phrase("route"),
                phrase("state"),
            ),
            rows,
        )
    else:
        output.line(phrase("no event of this person is here"))
    output.line(
        plural(
            "{number} contact on record; --json shows everything, payloads too",
            "{number} contacts on record; --json shows everything, payloads too",
            len(found["contacts"]),
        )
    )


def _of(delivery: dict[str, Any]) -> list[str]:
    return [delivery.get("delivery", ""), delivery.get("route", ""), state_word(delivery.get("state", ""))]
