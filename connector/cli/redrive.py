"""`connector redrive`: puts dead-lettered messages back into their queue."""

from __future__ import annotations

import click

from connector.admin import redrive as redriving
from connector.cli import app, output
from connector.core.errors import ConnectorError
from connector.core.phrases import phrase
from connector.core.text import did_you_mean, listed, quote


@click.command()
@click.argument("source")
@click.option("--why", metavar="TEXT", default="", help="Kept with who did it. Nothing personal.")
def redrive(source: str, why: str) -> None:
    """Puts dead-lettered messages back.

    From the source's dead-letter queue onto its queue.

    \b
    connector redrive crm
    """
    settings = app.settings()
    if source not in settings.sources or not settings.sources[source].queue:
        queued = tuple(name for name, one in settings.sources.items() if one.queue)
        hint = (
            did_you_mean(source, queued) or phrase(": those with one are {names}", names=listed(queued))
            if queued
            else phrase(": none has one")
        )
        raise ConnectorError(phrase("no source with a queue is called {source}{hint}", source=quote(source), hint=hint))
    with app.opened() as here:
        number = redriving.redrive(here.database, here.settings, source, app.by(why))
    output.line(phrase("put back on {queue}: {number}", queue=settings.sources[source].queue, number=number))
