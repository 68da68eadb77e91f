"""`connector deliveries`: a list, the latest first."""

from __future__ import annotations

import click

from connector.admin.deliveries import STATES, Search, deliveries_and_reach
from connector.admin.events import EventFilter, list_events
from connector.cli import app, output
from connector.cli.may import asked_for
from connector.core.phrases import phrase
from connector.core.states import state_word


@click.command()
@click.option("--state", type=click.Choice(STATES), default=None, help="Only those in this state.")
@click.option("--find", metavar="TEXT", default="", help="A name, a phone, an e-mail, an id; - to be asked for it.")
@click.option("--event", metavar="ID", default="", help="Of this event: e45, or as its sender calls it.")
@click.option("--since", metavar="T", default="", help=f"Changed since: {app.PAST}.")
@click.option("--limit", metavar="N", type=click.IntRange(1, 100_000), default=50, show_default=True, help="At most.")
@app.wide_option
@app.json_option
def deliveries(state: str | None, find: str, event: str, since: str, limit: int, wide: bool, as_json: bool) -> None:
    """Lists deliveries, the latest first.

    \b
    connector deliveries --state dead --since yesterday
    connector deliveries --find "300 111 2233"
    """
    search = Search(state=state or "", find=asked_for(find), event=event, since=since, limit=limit)
    with app.opened(only_reads=True) as here:
        found, how_far = deliveries_and_reach(here.database, here.settings, search)
        has_event = not found and _has_event(here, search)
    if how_far:
        output.warn(how_far)
    if as_json:
        output.as_json(found)
        return
    zone = here.settings.locale.timezone
    received = output.timed(phrase("received"), zone)
    columns = (
        *(phrase("delivery"), phrase("state"), phrase("who"), received, phrase("source"), phrase("route")),
        *(phrase("event"), phrase("attempts"), phrase("reason")),
    )
    rows = [
        (
            one["delivery"],
            state_word(one["state"]),
            one["who"],
            output.moment(one["received_at"], zone),
            one["source"],
            one["route"],
            f"{one['event']} {output.shortened(one['event_id'])}",
            one["attempts"],
            one["reason"],
        )
        for one in found
    ]
    output.table(
        columns,
        rows,
        spare=(phrase("source"), phrase("attempts"), phrase("route"), phrase("event"), received),
        wide=wide,
    )
    if has_event:
        output.line(phrase("no delivery fits, but an event without one: connector events --find shows it"))
    elif not found:
        output.line(phrase("no delivery fits"))
    elif len(found) == limit:
        output.line(phrase("the latest {limit}; --limit shows more", limit=limit))


def _has_event(here: app.Surroundings, search: Search) -> bool:
    """Whether the text is found where no delivery was made: in what was invalid, ignored, or waits for a fetch."""
    if not search.find or search.state or search.event or search.since:
        return False
    return bool(list_events(here.database, here.settings, EventFilter(find=search.find, limit=1))["events"])
