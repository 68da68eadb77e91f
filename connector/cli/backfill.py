"""`connector backfill`: reads the past of a polled source. Its deliveries go behind live ones."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import click

from connector.admin.acts import record
from connector.cli import app, output
from connector.cli.progress import bar
from connector.core.errors import ConnectorError
from connector.core.phrases import phrase
from connector.core.settings import Settings, Source
from connector.core.text import did_you_mean, listed, quote, the_configuration_has
from connector.outbound.poll import Polling
from connector.store.acts import What
from connector.vendors import polling as pages
from connector.vendors.polling import Span

AGAIN = "what came before is stored: the same command goes on from there"
LOOK_S = 2.0


@dataclass(slots=True)
class _Tally:
    pages: int = 0
    read: int = 0
    stored: int = 0


@click.command()
@click.argument("source")
@click.option("--from", "first", metavar="DATE", required=True, help="The first day, or a moment: 2026-10-01.")
@click.option("--to", "last", metavar="DATE", required=True, help="The last day, or the moment before which it ends.")
@app.json_option
def backfill(source: str, first: str, last: str, as_json: bool) -> None:
    """Reads the past of a polled source.

    Entries that were stored before change nothing. New ones are sent behind live events, if they are not too old for
    their route. Answers are of the days on which they were given, tickets of those on which they were created. After an
    interruption it continues where it stopped.

    \b
    connector backfill answers --from 2026-10-01 --to 2026-10-31
    """
    with app.opened() as here:
        found = _source(here.settings, source)
        span = _span(first, last, here.settings.locale.timezone)
        polling = Polling(here.settings, here.database, found, span)
        began_s = time.monotonic()
        tally = _take(polling, span)
        record(here.database, app.by().act(What.BACKFILL, about=f"{source}, {first} to {last}", number=tally.stored))
    how = {"source": source, "from": _iso(span.start_s), "to": _iso(span.end_s)}
    counts = {"pages": tally.pages, "read": tally.read, "stored": tally.stored, "known": tally.read - tally.stored}
    if as_json:
        output.as_json(how | counts | {"seconds": round(time.monotonic() - began_s, 3)})
        return
    output.line(
        phrase(
            "{source}, {first} to {last}: {read:,} read with {pages:,} calls: {stored:,} new, "
            "{known:,} stored before or of no use",
            source=source,
            first=first,
            last=last,
            read=tally.read,
            pages=tally.pages,
            stored=tally.stored,
            known=tally.read - tally.stored,
        )
    )


def _source(settings: Settings, name: str) -> Source:
    polled = tuple(source.name for source in settings.sources.values() if source.poll)
    if name not in settings.sources:
        hint = did_you_mean(name, settings.sources) or the_configuration_has(settings.sources)
        raise ConnectorError(phrase("no source is called {name}{hint}", name=quote(name), hint=hint))
    if name not in polled:
        which = phrase("these are: {names}", names=listed(polled)) if polled else phrase("none is")
        raise ConnectorError(
            phrase("{name} is not polled, {which}: give it a poll, or import a file", name=quote(name), which=which)
        )
    return settings.sources[name]


def _span(first: str, last: str, zone: ZoneInfo) -> Span:
    """From the first moment of a day to the last of a day."""
    start, end = _moment(first, "--from", zone), _moment(last, "--to", zone)
    if len(last) == 10:
        end = (end + timedelta(days=1)).replace(tzinfo=zone)  # of a day that may have more or fewer than 24 hours
    if start >= end:
        raise click.UsageError(phrase("--from is not before --to"))
    return Span(int(start.timestamp()), int(end.timestamp()))


def _moment(text: str, option: str, zone: ZoneInfo) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(
            phrase("{option} takes a day or a moment, like 2026-10-01 or 2026-10-01T08:00", option=option)
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=zone)


def _iso(unix_s: int) -> str:
    return f"{datetime.fromtimestamp(unix_s, UTC):%Y-%m-%dT%H:%M:%S}Z"


def _take(polling: Polling, span: Span) -> _Tally:
    """Reads all pages, with a progress bar on a terminal. An error message says that running it again is safe."""
    tally = _Tally()
    name = polling.source.name
    with bar(name, "read", total=span.end_s - span.start_s) as shown:
        try:
            for step in iter(polling.step, None):
                if step.closed:
                    raise ConnectorError(f"{step.why}; {AGAIN}")
                if step.cursor is not None:
                    tally.pages, tally.read = tally.pages + 1, tally.read + step.read
                    tally.stored += step.stored
                    at_s = span.end_s - span.start_s if step.through else pages.progress_s(step.cursor)
                    shown(tally.read, done=at_s, title=name)
                if step.through:
                    polling.remove()
                    return tally
                if step.cursor is None:
                    shown(tally.read, title=f"{name}: {step.why}")
                    time.sleep(min(LOOK_S, step.wait_s))
        except KeyboardInterrupt:
            raise ConnectorError(phrase("stopped after {read:,} read; {again}", read=tally.read, again=AGAIN)) from None
        finally:
            polling.release()
    return tally
