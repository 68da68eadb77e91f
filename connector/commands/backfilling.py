"""`connector backfill`: what a source would have brought if it had been polled then. Behind whatever is live."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from connector import pages
from connector.commands import face, show
from connector.errors import ConnectorError
from connector.options import did_you_mean, listed, quote
from connector.pages import Span
from connector.polling import Polling
from connector.settings import Settings, Source

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
@face.json_option
def backfill(source: str, first: str, last: str, as_json: bool) -> None:
    """Reads the past of a polled source.

    What was stored before, polled or by another backfill, changes nothing. What is new is sent behind live events, if
    it is not too old for its route. Answers are of the days on which they were given, tickets of those on which they
    were created. Interrupted, it goes on where it was.
    """
    with face.opened() as here:
        found = _source(here.settings, source)
        span = _span(first, last, here.settings.locale.timezone)
        polling = Polling(here.settings, here.database, found, span)
        began_s = time.monotonic()
        tally = _take(polling, span)
    how = {"source": source, "from": _iso(span.start_s), "to": _iso(span.end_s)}
    counts = {"pages": tally.pages, "read": tally.read, "stored": tally.stored, "known": tally.read - tally.stored}
    if as_json:
        show.as_json(how | counts | {"seconds": round(time.monotonic() - began_s, 3)})
        return
    show.line(
        f"{source}, {first} to {last}: {tally.read:,} read with {tally.pages:,} calls: {tally.stored:,} new, "
        f"{tally.read - tally.stored:,} stored before or of no use"
    )


def _source(settings: Settings, name: str) -> Source:
    polled = tuple(source.name for source in settings.sources.values() if source.poll)
    if name not in settings.sources:
        hint = did_you_mean(name, settings.sources) or f": the configuration has {listed(tuple(settings.sources))}"
        raise ConnectorError(f"no source is called {quote(name)}{hint}")
    if name not in polled:
        which = f"these are: {listed(polled)}" if polled else "none is"
        raise ConnectorError(f"{quote(name)} is not polled, {which}: give it a poll, or import a file")
    return settings.sources[name]


def _span(first: str, last: str, zone: ZoneInfo) -> Span:
    """From the first moment of a day to the last of a day."""
    start, end = _moment(first, "--from", zone), _moment(last, "--to", zone)
    if len(last) == 10:
        end = (end + timedelta(days=1)).replace(tzinfo=zone)  # of a day that may have more or fewer than 24 hours
    if start >= end:
        raise click.UsageError("--from is not before --to")
    return Span(int(start.timestamp()), int(end.timestamp()))


def _moment(text: str, option: str, zone: ZoneInfo) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"{option} takes a day or a moment, like 2026-10-01 or 2026-10-01T08:00") from None
    return found if found.tzinfo else found.replace(tzinfo=zone)


def _iso(unix_s: int) -> str:
    return f"{datetime.fromtimestamp(unix_s, UTC):%Y-%m-%dT%H:%M:%S}Z"


def _take(polling: Polling, span: Span) -> _Tally:
    """All pages, with a bar on a terminal. A fault on the way says that going on is safe."""
    tally = _Tally()
    with _bar(polling.source.name, span) as bar:
        try:
            for step in iter(polling.step, None):
                if step.closed:
                    raise ConnectorError(f"{step.why}; {AGAIN}")
                if step.cursor is not None:
                    tally.pages, tally.read = tally.pages + 1, tally.read + step.read
                    tally.stored += step.stored
                    bar(span.end_s - span.start_s if step.through else pages.progress_s(step.cursor), tally.read, "")
                if step.through:
                    polling.remove()
                    return tally
                if step.cursor is None:
                    bar(None, tally.read, f": {step.why}")
                    time.sleep(min(LOOK_S, step.wait_s))
        except KeyboardInterrupt:
            raise ConnectorError(f"stopped after {tally.read:,} read; {AGAIN}") from None
        finally:
            polling.release()
    return tally


class _Bar(Protocol):
    def __call__(self, seconds: int | None, read: int, why: str, /) -> None: ...


@contextmanager
def _bar(name: str, span: Span) -> Iterator[_Bar]:
    """Shows how far it is, on stderr and only if that is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[read]:,} read"))
    with Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        shown = progress.add_task(name, total=span.end_s - span.start_s, read=0)

        def update(seconds: int | None, read: int, why: str) -> None:
            more: dict[str, Any] = {} if seconds is None else {"completed": seconds}
            progress.update(shown, read=read, description=show.printable(f"{name}{why}"), **more)

        yield update
