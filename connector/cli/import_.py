"""`connector import`: imports a file of leads or tickets into the inbox; repeatable, behind live events."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import orjson

from connector.admin.acts import record
from connector.cli import app, output
from connector.cli.progress import bar
from connector.core.errors import ConnectorError, StoreUnavailable
from connector.core.settings import Settings, Source
from connector.core.text import did_you_mean, listed, quote
from connector.inbound.files.columns import wish_of
from connector.inbound.files.formats import opened, reading
from connector.inbound.files.importer import Bulk, Tally, of_another_country
from connector.inbound.files.recording import Upload
from connector.inbound.files.rows import Reading
from connector.inbound.files.sheets import Workbook
from connector.inbound.files.text import File
from connector.store.acts import What
from connector.store.arrivals import Arrival
from connector.store.database import Database
from connector.vendors.destinations import name_of

AGAIN = "what came before is stored: the same command goes on from there"


@click.command("import")
@click.argument("source")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--type", "event_type", default="", help="What rows of a table are that do not say, as ticket.closed.")
@click.option("--columns", multiple=True, metavar="FIELD=COLUMN", help="What a column is: “phones=Nº de celular”.")
@click.option(
    "--ids",
    type=click.Choice(["file", "global"]),
    default="file",
    help="Whether ids in a table count within it only (1, 2, 3 …), or are the events' own.",
)
@click.option("--sheet", default="", help="The sheet of a workbook, where several name people.")
@click.option("--encoding", default="", help="Of the file, where it is not recognised: mac-roman, cp850 …")
@click.option("--dry-run", is_flag=True, help="Show the first rows mapped and count all; store nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask whether the columns are read right.")
@app.json_option
def import_(
    source: str,
    file: Path,
    event_type: str,
    columns: tuple[str, ...],
    ids: str,
    sheet: str,
    encoding: str,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Stores a file of leads or tickets.

    Importing the same file again changes nothing. Live events are always sent first.

    FILE is a workbook (.xlsx, .xls, .ods), a CSV in any encoding and with any separator, NDJSON or JSON, zipped or not.
    The titles of its columns are recognised as people, CRMs, forms and diallers write them, in English, Spanish and
    Portuguese. Before anything is stored it says how each column is read, and asks whether that is right. Columns
    without a field of ours go into extra: “Programa académico” is programa_academico there.

    \b
    connector import landing leads.xlsx
    connector import landing leads.csv --columns "phones=Nº de celular"
    connector import tickets closed.csv --type ticket.closed --dry-run
    """
    _demand_file(file)
    settings = app.settings()
    found = _source(settings, source)
    if not dry_run:
        settings = app.keyed(settings)
    with _database(settings, dry_run) as database, opened(file, encoding) as text_file:
        rows = reading(text_file, found, wish=wish_of(columns, ids=ids, event_type=event_type), sheet=sheet)
        if not as_json:
            _tell_columns(rows)
        if not (yes or dry_run or as_json):
            _agree(rows)
        started = time.monotonic()
        tally, number = _take(settings, found, database, text_file, rows)
        if database is not None:
            record(database, app.by().act(What.IMPORT, about=source, number=tally.rows))
    how = {"source": source, "file": str(file), "dry_run": dry_run, "encoding": text_file.encoding}
    how |= {"import": number, "separator": rows.separator, "seconds": round(time.monotonic() - started, 3)}
    if as_json:
        output.as_json(_as_json(how | _columns(rows), tally))
    else:
        _tell(how, tally, (found.locale or settings.locale).region)


def _demand_file(file: Path) -> None:
    """Ends the command if there is none: that is wrong usage."""
    if not file.is_file():
        click.echo(f"connector: {output.printable(f'there is no file {file}')}", err=True)
        sys.exit(2)


def _columns(rows: Reading) -> dict[str, Any]:
    """How the columns of a table are read, for JSON; nothing where there are none."""
    if not rows.understanding:
        return {}
    read = [{"column": title, "field": ours} for ours, title in rows.understanding.read]
    return {"columns": read, "aside": rows.understanding.aside, "warnings": list(rows.warnings)}


def _source(settings: Settings, name: str) -> Source:
    if name not in settings.sources:
        hint = did_you_mean(name, settings.sources) or f": the configuration has {listed(tuple(settings.sources))}"
        raise ConnectorError(f"no source is called {quote(name)}{hint}")
    return settings.sources[name]


@contextmanager
def _database(settings: Settings, dry_run: bool) -> Iterator[Database | None]:
    """None for a dry run, which needs no database."""
    if dry_run:
        yield None
        return
    with closing(Database(settings.database_url)) as database:
        yield database


def _tell_columns(rows: Reading) -> None:
    """Which column is read as what, and which are kept in extra only."""
    if known := rows.understanding:
        fields: dict[str, list[str]] = {}
        for ours, title in known.read:
            fields.setdefault(ours, []).append(f"“{title}”")
        output.line(f"The titles are on {known.place}.")
        width = max(map(len, fields), default=0)
        for ours, titles in fields.items():
            output.line(f"  {ours:<{width}}  {', '.join(titles)}")
        if known.aside:
            output.line(f"Kept in extra only: {', '.join(f'“{title}”' for title in known.aside)}", "dim")
    for warning in rows.warnings:
        output.line(warning, "yellow")


def _agree(rows: Reading) -> None:
    """Asks on a terminal whether the columns are read right. Raises `ConnectorError` when they are not."""
    if rows.understanding is None or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return
    if not click.confirm("Are the columns read right?", default=True):
        raise ConnectorError('nothing is stored: say what a column is with --columns "phones=Nº de celular"')


def _take(
    settings: Settings, source: Source, database: Database | None, file: File | Workbook, rows: Reading
) -> tuple[Tally, int | None]:
    """Stores the whole file, with a progress bar on a terminal; also returns the import's number.

    An error message says that running it again is safe.
    """
    upload = None
    if database is not None:
        known, who = rows.understanding, app.by().who
        upload = Upload.begin(database, kind="events", source=source.name, name=file.name, who=who, known=known)
    importing = Bulk(settings, source, database, name_of, upload)
    with closing(importing), bar(file.name, "rows", total=file.size) as shown:
        tally, whole = importing.tally, False
        try:
            for tally in importing.take(rows):
                shown(tally.rows, done=file.position, total=file.size)
            whole = True
        except ConnectorError as fault:
            raise ConnectorError(f"{fault}; {AGAIN}" if tally.rows and database else str(fault)) from fault
        except KeyboardInterrupt:
            raise ConnectorError(f"stopped after {tally.rows:,} rows; {AGAIN}" if database else "stopped") from None
        finally:
            if upload is not None:
                with suppress(StoreUnavailable):
                    upload.end(counts_of(tally), whole=whole)
        return tally, upload.number if upload else None


def counts_of(tally: Tally) -> dict[str, int]:
    """The numbers of a tally."""
    return {name: value for name, value in asdict(tally).items() if isinstance(value, int)}


def _as_json(how: Mapping[str, Any], tally: Tally) -> dict[str, Any]:
    counts = counts_of(tally)
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
                "reason": str(delivery.reason) if delivery.reason else None,
                "record": orjson.loads(delivery.record) if delivery.record else None,
                "notes": list(delivery.notes),
            }
            for delivery in arrival.deliveries
        ],
    }


def _loaded(arrival: Arrival) -> Any:
    """The payload; as text if it is not JSON."""
    try:
        return orjson.loads(arrival.payload)
    except orjson.JSONDecodeError:
        return arrival.payload


def _tell(how: Mapping[str, Any], tally: Tally, region: str) -> None:
    for line, arrival in tally.shown:
        _tell_preview(_preview(line, arrival))
    counts = [
        (tally.accepted, "would be stored" if how["dry_run"] else "stored"),
        (tally.duplicate, "stored before"),
        (tally.ignored, "ignored (no route wants them)"),
        (tally.waiting, "waiting for the rest to be fetched"),
        (tally.invalid, "invalid"),
        (tally.left, "left out"),
    ]
    counted = ", ".join(f"{number:,} {what}" for number, what in counts if number) or "nothing in it"
    output.line(
        f"{Path(how['file']).name} ({_manner(how)}): {tally.rows:,} rows: {counted}; {tally.deliveries:,} deliveries"
    )
    if how["import"] and sys.stdout.isatty():  # for a person; what reads the lines of a pipe knows them by their order
        output.line(f"what becomes of its rows: connector imports show {how['import']}")
    if tally.noted:
        rows = _many(tally.noted, "row", "rows")
        output.line(f"{rows} had an optional field dropped or cut: the notes say which", "yellow")
    if tally.unread_phones:
        rows = _many(tally.unread_phones, "row has", "rows have")
        output.line(f"{rows} a phone that is no number; {of_another_country(region)}", "yellow")
    if tally.expired:
        deliveries = _many(tally.expired, "delivery is", "deliveries are")
        output.line(f"{deliveries} older than the route allows and will not be sent", "yellow")
    if tally.dead:
        deliveries = _many(tally.dead, "delivery is", "deliveries are")
        output.line(f"{deliveries} dead: no record can be made", "red")
    for fault in tally.faults:
        why = "; ".join(f"{error['field']}: {error['message']}" for error in fault["errors"])
        output.line(f"line {fault['line']}: {why}", "red")
    if tally.invalid > len(tally.faults):
        output.line(f"… and {tally.invalid - len(tally.faults):,} more invalid rows", "red")


def _many(number: int, one: str, more: str) -> str:
    return f"{number:,} {one if number == 1 else more}"


def _manner(how: Mapping[str, Any]) -> str:
    """How it was read: "cp1252, “;”"."""
    separator = {"": "", "\t": ", tab"}.get(how["separator"], f", “{how['separator']}”")
    return f"{how['encoding']}{separator}"


def _tell_preview(one: Mapping[str, Any]) -> None:
    output.line(
        f"line {one['line']}, {one['event_id']} {one['type']}: {one['status']}", output.STYLES.get(one["status"], "")
    )
    payload = one["payload"]
    if isinstance(payload, dict):
        output.table(("field", "value"), list(payload.items()), title="The payload")
    for error in one["errors"]:
        output.line(f"{error['field']}: {error['message']}", "red")
    for note in one["notes"]:
        output.line(f"noted: {note}", "yellow")
    for delivery in one["deliveries"]:
        output.line(f"Route “{delivery['route']}” → {delivery['destination']}", "bold")
        if delivery["record"] is None:
            output.line(delivery["reason"], "red")
            continue
        output.table(("field", "value"), [(k, v) for k, v in delivery["record"].items() if v not in ("", None, [], {})])
