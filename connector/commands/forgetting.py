"""The commands that forget: purge by age, erase a person. What stays is explained in README.md."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Protocol

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from connector.commands import face, show
from connector.commands.face import Surroundings
from connector.erasing import Erased, Erasing
from connector.errors import ConnectorError
from connector.options import seconds
from connector.persons import person
from connector.purging import Purged, Purging

AGAIN = "what came before is forgotten: the same command goes on from there"

dry_option = click.option("--dry-run", is_flag=True, help="Count, and forget nothing.")
vacuum_option = click.option(
    "--vacuum", is_flag=True, help="SQLite: write the file anew at the end, without a trace; others wait meanwhile."
)


@click.command()
@click.option("--older-than", metavar="T", default="", help="90d; if left out, the configuration's purge_after.")
@dry_option
@vacuum_option
@face.json_option
def purge(older_than: str, dry_run: bool, vacuum: bool, as_json: bool) -> None:
    """Forgets what is old.

    Payloads, records and words of events of which nothing waits, is in a call or uncertain. States, times and keyed
    hashes stay, so that a second copy is still a duplicate.
    """
    with face.opened() as here:
        age_s = _age_s(here, older_than)
        purging = Purging(here.settings, here.database, int(age_s * 1000), dry_run=dry_run)
        with _bar("forgetting") as bar, _resumable(dry_run):
            for purged in purging.run():
                bar(purged.read, purged.of, purged.events)
        _clean(here, dry_run=dry_run, vacuum=vacuum)
    _tell_purged(purging.purged, dry_run=dry_run, as_json=as_json)


def _age_s(here: Surroundings, text: str) -> float:
    if not text and here.settings.retention is None:
        raise click.UsageError("say --older-than 90d, or set purge_after under [retention]")
    try:
        return seconds(text) if text else here.settings.retention.purge_after_s  # type: ignore[union-attr]
    except ValueError:
        raise click.UsageError("--older-than takes a time with its unit, like 90d or 24h") from None


@click.command()
@click.argument("who", metavar="PHONE|EMAIL")
@dry_option
@vacuum_option
@face.json_option
def erase(who: str, dry_run: bool, vacuum: bool, as_json: bool) -> None:
    """Forgets one person.

    Whatever names this phone or e-mail, however it is written there and however new it is. What was to be sent ends
    unsent. Give - to be asked for it, or to read it from a pipe: then no shell remembers it.
    """
    with face.opened() as here:
        if who == "-":
            who = click.prompt("phone or e-mail", hide_input=True, err=True) if sys.stdin.isatty() else _piped()
        erasing = Erasing(here.settings, here.database, person(who, here.settings), dry_run=dry_run)
        with _bar("looking") as bar, _resumable(dry_run):
            for erased in erasing.run():
                bar(erased.read, erased.of, erased.events)
        _clean(here, dry_run=dry_run, vacuum=vacuum)
    _tell_erased(erasing.erased, dry_run=dry_run, as_json=as_json)


def _piped() -> str:
    return sys.stdin.readline().strip()


@contextmanager
def _resumable(dry_run: bool) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise ConnectorError("stopped" if dry_run else f"stopped; {AGAIN}") from None


def _clean(here: Surroundings, *, dry_run: bool, vacuum: bool) -> None:
    """What was written over must not be read in the log that SQLite keeps beside the file, either."""
    if dry_run:
        return
    if not (here.database.rewrite() if vacuum else here.database.fold_log()):
        show.warn("the write-ahead log is in use and still holds old pages: the next purge empties it")


class _Bar(Protocol):
    def __call__(self, read: int, of: int, forgotten: int, /) -> None: ...


@contextmanager
def _bar(said: str) -> Iterator[_Bar]:
    """Shows how far it is, on stderr and only if that is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[events]:,} events"))
    with Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        shown = progress.add_task(said, total=None, events=0)
        yield lambda read, of, events: progress.update(shown, completed=read, total=of or None, events=events)


def _tell_purged(purged: Purged, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        show.as_json({"dry_run": dry_run, **_without_progress(purged)})
        return
    done = "would be forgotten" if dry_run else "forgotten"
    show.line(f"{done}: {_some(purged.events, 'event')} with {_some(purged.deliveries, 'delivery')}")
    if purged.left:
        show.line(f"old enough too: {purged.left:,}; they go once nothing of them waits or is uncertain", "yellow")


def _tell_erased(erased: Erased, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        show.as_json({"dry_run": dry_run, **_without_progress(erased)})
        return
    done, ended = ("would be forgotten", "would end") if dry_run else ("forgotten", "ended")
    if erased.events:
        show.line(f"{done}: {_some(erased.events, 'event')} with {_some(erased.deliveries, 'settled delivery')}")
    elif not erased.in_hand:
        show.line("nothing of this person is here")
    if erased.ended:
        show.line(f"{_some(erased.ended, 'delivery')} that waited {ended} unsent")
    if erased.in_hand:
        show.line(f"in a call or uncertain: {erased.in_hand:,}; their records go once they are settled", "yellow")
    if erased.uncertain:
        show.line("connector deliveries --state uncertain shows which; connector resolve settles them", "yellow")


def _some(number: int, what: str) -> str:
    several = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
    return f"{number:,} {what if number == 1 else several}"


def _without_progress(tally: Purged | Erased) -> dict[str, Any]:
    return {name: value for name, value in asdict(tally).items() if name not in ("read", "of")}
