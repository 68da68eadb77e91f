"""`connector events`: received events, the latest first, including those without a delivery."""

from __future__ import annotations

import click

from connector.admin.events import STATES, EventFilter, list_events
from connector.cli import app, output
from connector.cli.may import asked_for
from connector.core.phrases import phrase
from connector.core.states import state_word


@click.command()
@click.option("--state", type=click.Choice(STATES), default=None, help="Only those in this state.")
@click.option("--find", metavar="TEXT", default="", help="A name, a phone, an e-mail, an id; - to be asked for it.")
@click.option("--source", metavar="NAME", default="", help="Of this source only.")
@click.option("--since", metavar="T", default="", help=f"Received since: {app.PAST}.")
@click.option("--limit", metavar="N", type=click.IntRange(1, 100_000), default=50, show_default=True, help="At most.")
@app.wide_option
@app.json_option
def events(state: str | None, find: str, source: str, since: str, limit: int, wide: bool, as_json: bool) -> None:
    """Lists events, the latest first.

    Including events without a delivery: invalid, ignored, waiting for a fetch. connector explain tells more.

    \b
    connector events --state invalid --since today
    connector events --find "Ana Núñez"
    """
    wanted = EventFilter(state=state or "", find=asked_for(find), source=source, since=since, limit=limit)
    with app.opened(only_reads=True) as here:
        found = list_events(here.database, here.settings, wanted)
    if as_json:
        output.as_json(found["events"])
    else:
        zone = here.settings.locale.timezone
        received = output.timed(phrase("received"), zone)
        columns = (
            *(phrase("event"), received, phrase("source"), phrase("state"), phrase("who"), "id"),
            *(phrase("deliveries"), phrase("why")),
        )
        rows = [
            (
                one["event"],
                output.moment(one["received_at"], zone),
                one["source"],
                state_word(one["state"]),
                one["who"],
                output.shortened(one["event_id"]),
                one["deliveries"],
                one["why"],
            )
            for one in found["events"]
        ]
        output.table(columns, rows, spare=(phrase("deliveries"), phrase("source"), "id", received), wide=wide)
        if not rows:
            output.line(phrase("no event fits"))
        elif len(rows) == limit:
            output.line(phrase("the latest {limit}; --limit shows more", limit=limit))
    if found["looked"]:
        output.warn(found["looked"])
