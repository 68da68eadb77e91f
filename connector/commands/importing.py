"""`connector import`: a file of leads or tickets into the inbox, repeatable, behind whatever is live."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import click
import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from connector import bulk
from connector.bulk import Bulk, File, Tally
from connector.commands import face, show
from connector.db import Database
from connector.errors import ConnectorError
from connector.inbox import Arrival
from connector.options import did_you_mean, listed, quote
from connector.settings import Settings, Source

AGAIN = "what came before is stored: the same command goes on from there"


@click.command("import")
@click.argument("source")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--type", "event_type", default="", help="What rows of a CSV are that do not say, as ticket.closed.")
@click.option("--encoding", default="", help="Of the file, where it is not recognised: mac-roman, cp850 …")
@click.option("--dry-run", is_flag=True, help="Show the first rows mapped and count all; store nothing.")
@face.json_option
def import_(source: str, file: Path, event_type: str, encoding: str, dry_run: bool, as_json: bool) -> None:
    """Stores a file of leads or tickets.

    The same file again changes nothing. Live events are always sent first.

    FILE is a CSV whose first line names the columns (in any encoding and with any separator that spreadsheets use),
    NDJSON, or JSON. Columns that are none of ours go into extra: “Programa académico” is programa_academico there.
    """
    if not file.is_file():
        click.echo(f"connector: {show.printable(f'there is no file {file}')}", err=True)
        sys.exit(2)
    settings = face.settings()
    found = _source(settings, source)
    with _database(settings, dry_run) as database, bulk.opened(file, encoding) as given:
        rows = bulk.reading(given, found, event_type)
        started = time.monotonic()
        tally = _take(settings, found, database, given, rows)
    how = {"source": source, "file": str(file), "dry_run": dry_run, "encoding": given.encoding}
    how |= {"separator": rows.separator, "seconds": round(time.monotonic() - started, 3)}
    if as_json:
        show.as_json(_as_json(how, tally))
    else:
        _tell(how, tally)


def _source(settings: Settings, name: str) -> Source:
    if name not in settings.sources:
        hint = did_you_mean(name, settings.sources) or f": the configuration has {listed(tuple(settings.sources))}"
        raise ConnectorError(f"no source is called {quote(name)}{hint}")
    return settings.sources[name]


@contextmanager
def _database(settings: Settings, dry_run: bool) -> Iterator[Database | None]:
    """None for a dry run, which needs none."""
    if dry_run:
        yield None
        return
    with closing(Database(settings.database_url)) as database:
        yield database


def _take(settings: Settings, source: Source, database: Database | None, file: File, rows: bulk.Reading) -> Tally:
    """All of it, with a bar on a terminal. A fault on the way says that going on is safe."""
    with closing(Bulk(settings, source, database)) as importing, _bar(file) as bar:
        tally = importing.tally
        try:
            for tally in importing.take(rows):
                bar(tally.rows)
        except ConnectorError as fault:
            raise ConnectorError(f"{fault}; {AGAIN}" if tally.rows and database else str(fault)) from fault
        except KeyboardInterrupt:
            raise ConnectorError(f"stopped after {tally.rows:,} rows; {AGAIN}" if database else "stopped") from None
        return tally


class _Bar(Protocol):
    def __call__(self, rows: int, /) -> None: ...


@contextmanager
def _bar(file: File) -> Iterator[_Bar]:
    """Shows how far it is, on stderr and only if that is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[rows]:,} rows"))
    with Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        shown = progress.add_task(show.printable(file.name), total=file.size, rows=0)
        yield lambda rows: progress.update(shown, completed=file.position, rows=rows)


def _as_json(how: Mapping[str, Any], tally: Tally) -> dict[str, Any]:
    counts = {name: value for name, value in asdict(tally).items() if name not in ("faults", "shown")}
    shown = {"shown": [_preview(line, arrival) for line, arrival in tally.shown]} if how["dry_run"] else {}
    return {**how, **counts, "errors": tally.faults, **shown}


def _preview(line: int, arrival: Arrival) -> dict[str, Any]:
    """A row as it would be stored and sent."""
    return {
        "line": line,
        "event_id": arrival.event_id,
        "status": arrival.state,
        "type": arrival.type,
        "payload": _loaded(arrival),
        "errors": arrival.errors,
        "notes": list(arrival.notes),
        "deliveries": [
            {
                "route": delivery.route,
                "destination": delivery.destination,
                "state": delivery.state,
                "reason": delivery.reason,
                "record": orjson.loads(delivery.record) if delivery.record else None,
                "notes": list(delivery.notes),
            }
            for delivery in arrival.deliveries
        ],
    }


def _loaded(arrival: Arrival) -> Any:
    """The payload; as text where it is no JSON."""
    try:
        return orjson.loads(arrival.payload)
    except orjson.JSONDecodeError:
        return arrival.payload


def _tell(how: Mapping[str, Any], tally: Tally) -> None:
    for line, arrival in tally.shown:
        _tell_preview(_preview(line, arrival))
    counts = [
        (tally.accepted, "would be stored" if how["dry_run"] else "stored"),
        (tally.duplicate, "stored before"),
        (tally.ignored, "ignored (no route wants them)"),
        (tally.waiting, "waiting for the rest to be fetched"),
        (tally.invalid, "invalid"),
    ]
    said = ", ".join(f"{number:,} {what}" for number, what in counts if number) or "nothing in it"
    show.line(
        f"{Path(how['file']).name} ({_manner(how)}): {tally.rows:,} rows: {said}; {tally.deliveries:,} deliveries"
    )
    if tally.noted:
        show.line(f"{tally.noted:,} rows had an optional field dropped or cut: their notes say which", "yellow")
    if tally.expired:
        show.line(f"{tally.expired:,} deliveries are older than their route allows and will not be sent", "yellow")
    if tally.dead:
        show.line(f"{tally.dead:,} deliveries are dead: no record can be made of them", "red")
    for fault in tally.faults:
        why = "; ".join(f"{error['field']}: {error['message']}" for error in fault["errors"])
        show.line(f"line {fault['line']}: {why}", "red")
    if tally.invalid > len(tally.faults):
        show.line(f"… and {tally.invalid - len(tally.faults):,} more invalid rows", "red")


def _manner(how: Mapping[str, Any]) -> str:
    """How it was read: "cp1252, “;”"."""
    separator = {"": "", "\t": ", tab"}.get(how["separator"], f", “{how['separator']}”")
    return f"{how['encoding']}{separator}"


def _tell_preview(one: Mapping[str, Any]) -> None:
    show.line(
        f"line {one['line']}, {one['event_id']} {one['type']}: {one['status']}", show.STYLES.get(one["status"], "")
    )
    payload = one["payload"]
    if isinstance(payload, dict):
        show.table(("field", "value"), list(payload.items()), title="The payload")
    for error in one["errors"]:
        show.line(f"{error['field']}: {error['message']}", "red")
    for note in one["notes"]:
        show.line(f"noted: {note}", "yellow")
    for delivery in one["deliveries"]:
        show.line(f"Route “{delivery['route']}” → {delivery['destination']}", "bold")
        if delivery["record"] is None:
            show.line(delivery["reason"], "red")
            continue
        show.table(("field", "value"), [(k, v) for k, v in delivery["record"].items() if v not in ("", None, [], {})])
