"""`connector pace`: how soon leads are delivered, by weekday and hour."""

from __future__ import annotations

from typing import Final

import click

from connector.admin.may import route_of
from connector.admin.pace import pace as read_pace
from connector.cli import app, output
from connector.core.phrases import phrase


@click.command()
@click.option("--route", default="", metavar="ROUTE", help="Of this route only.")
@click.option("--since-sent", is_flag=True, help="Count from the sender's own time, not from when it reached us.")
@app.json_option
def pace(route: str, since_sent: bool, as_json: bool) -> None:
    """Shows how soon leads are delivered, by hour.

    Half of the live leads of four weeks, by weekday and hour of arrival. Hours in which nobody may be called do not
    count as waiting.

    \b
    connector pace
    connector pace --route "dial new leads" --since-sent
    """
    with app.opened(only_reads=True) as here:
        if route:
            route_of(here.settings, route)
        found = read_pace(here.database, here.settings, route=route)
    if as_json:
        output.as_json(found)
        return
    cells = {(one["weekday"], one["hour"]): one for one in found["cells"]}
    days, half = sorted({day for day, _ in cells}), "sent_p50_s" if since_sent else "p50_s"
    rows = [
        (f"{hour:02}:00", *(_cell(cells.get((day, hour)), half) for day in days))
        for hour in sorted({hour for _, hour in cells})
    ]
    if rows:
        output.table((phrase("hour"), *(_DAYS[day] for day in days)), rows, title=phrase("Half within"))
    else:
        output.line(
            phrase("nothing was delivered in four weeks, or it is not counted yet: a worker counts each minute")
        )


_DAYS: Final = (
    *(phrase("Monday"), phrase("Tuesday"), phrase("Wednesday"), phrase("Thursday")),
    *(phrase("Friday"), phrase("Saturday"), phrase("Sunday")),
)


def _cell(cell: dict[str, float] | None, half: str) -> str:
    if cell is None:
        return ""
    return output.duration(cell[half]) or f"({cell['number']:.0f})"
