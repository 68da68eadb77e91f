"""`connector alarms`: what is wrong now and what was, who was told; and a test for every addressee."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import click

from connector.admin.alarms import listing, trial
from connector.cli import app, output
from connector.core.errors import ConnectorError
from connector.core.phrases import joined, phrase
from connector.core.states import state_word


@click.group(invoke_without_command=True)
@app.json_option
@click.pass_context
def alarms(context: click.Context, as_json: bool) -> None:
    """Lists alarms; tests who is told.

    Those of now first, then the latest of the past. [alarms] in the configuration says when and to whom.

    \b
    connector alarms
    connector alarms test
    """
    if context.invoked_subcommand is not None:
        if as_json:
            raise click.UsageError(
                phrase("put options behind {invoked_subcommand}", invoked_subcommand=context.invoked_subcommand)
            )
        return
    with app.opened(only_reads=True) as here, here.database.read() as conn:
        now, past = listing.current(conn), listing.past(conn)
        zone, rules = here.settings.locale.timezone, here.settings.alarms
    if as_json:
        output.as_json([*now, *past])
        return
    if rules is None:
        output.line(phrase("nobody looks for alarms: add [alarms] to the configuration"), "yellow")
    for one in now:
        output.line(f"! {output.local(one['said'], zone)}: {output.local(one['next'], zone)}", "red")
        _notices(one["notices"], zone)
    if not now:
        output.line(phrase("there is no alarm now"))
    rows = [
        (output.moment(one["begun_at"], zone), output.moment(one["ended_at"], zone), _said(one, zone)) for one in past
    ]
    if rows:
        output.table(
            (output.timed(phrase("from"), zone), phrase("until"), phrase("what was wrong")), rows, title=phrase("Past")
        )


def _said(one: Mapping[str, Any], zone: ZoneInfo) -> str:
    return output.local(one["said"], zone)


def _notices(notices: Sequence[Mapping[str, Any]], zone: ZoneInfo) -> None:
    for one in notices:
        why = phrase(" ({why}), tried {tries} times", why=one["why"], tries=one["tries"]) if one["why"] else ""
        at = f" {output.moment(one['sent_at'], zone)}" if one["sent_at"] else ""
        occasion, state = state_word(one["occasion"]), state_word(one["state"])
        output.line(joined([f"    {one['addressee']}: ", occasion, " ", state, at, why]))


@alarms.command("test")
@app.json_option
def test_(as_json: bool) -> None:
    """Sends a test to every addressee.

    Says for each what came of it; ends with 1 if one was not reached.

    \b
    connector alarms test
    """
    with app.opened() as here:
        if here.settings.alarms is None or not here.settings.alarms.to:
            raise ConnectorError(phrase("there is no addressee: add [[alarms.to]] to the configuration"))
        found = trial.to_everybody(here.settings, here.database)
    if as_json:
        output.as_json(found)
    else:
        for one in found:
            became = state_word("sent") if one["sent"] else one["why"]
            output.line(joined([one["addressee"], became], ": "), "green" if one["sent"] else "red")
    sys.exit(0 if all(one["sent"] for one in found) else 1)
