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
from connector.cli.given_file import GivenFile
from connector.cli.progress import bar
from connector.core.errors import ConnectorError, StoreUnavailable, said_of
from connector.core.phrases import joined, phrase, plural
from connector.core.settings import Settings, Source
from connector.core.states import state_word
from connector.core.text import did_you_mean, quote, the_configuration_has
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
@click.argument("file", metavar="FILE", type=GivenFile())
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
        _print(how, tally, (found.locale or settings.locale).region)


def _columns(rows: Reading) -> dict[str, Any]:
    """How the columns of a table are read, for JSON; nothing where there are none."""
    if not rows.understanding:
        return {}
    read = [{"column": title, "field": ours} for ours, title in rows.understanding.read]
    return {"columns": read, "aside": rows.understanding.aside, "warnings": list(rows.warnings)}


def _source(settings: Settings, name: str) -> Source:
    if name not in settings.sources:
        hint = did_you_mean(name, settings.sources) or the_configuration_has(settings.sources)
        raise ConnectorError(phrase("no source is called {name}{hint}", name=quote(name), hint=hint))
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
        output.line(phrase("The titles are on {place}.", place=known.place))
        width = max(map(len, fields), default=0)
        for ours, titles in fields.items():
            output.line(f"  {ours:<{width}}  {', '.join(titles)}")
        if known.aside:
            output.line(
                phrase("Kept in extra only: {names}", names=", ".join(f"“{title}”" for title in known.aside)), "dim"
            )
    for warning in rows.warnings:
        output.line(warning, "yellow")


def _agree(rows: Reading) -> None:
    """Asks on a terminal whether the columns are read right. Raises `ConnectorError` when they are not."""
    if rows.understanding is None or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return
    if not click.confirm(output.say(phrase("Are the columns read right?")), default=True):
        raise ConnectorError(phrase('nothing is stored: say what a column is with --columns "phones=Nº de celular"'))


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
            raise ConnectorError(
                joined([said_of(fault), AGAIN], "; ") if tally.rows and database else said_of(fault)
            ) from fault
        except KeyboardInterrupt:
            text = phrase("stopped after {rows:,} rows; {again}", rows=tally.rows, again=AGAIN)
            raise ConnectorError(text if database else phrase("stopped")) from None
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


def _print(how: Mapping[str, Any], tally: Tally, region: str) -> None:
    for line, arrival in tally.shown:
        _tell_preview(_preview(line, arrival))
    counts = [
        (tally.accepted, phrase("would be stored") if how["dry_run"] else phrase("stored")),
        (tally.duplicate, phrase("stored before")),
        (tally.ignored, phrase("ignored (no route wants them)")),
        (tally.waiting, phrase("waiting for the rest to be fetched")),
        (tally.invalid, phrase("invalid")),
        (tally.left, phrase("left out")),
    ]
    some = [joined([f"{number:,}", what], " ") for number, what in counts if number]
    listing = joined(some, ", ") if some else phrase("nothing in it")
    output.line(
        phrase(
            "{name} ({manner}): {rows:,} rows: {said}; {deliveries:,} deliveries",
            name=Path(how["file"]).name,
            manner=_manner(how),
            rows=tally.rows,
            said=listing,
            deliveries=tally.deliveries,
        )
    )
    if how["import"] and sys.stdout.isatty():  # for a person; what reads the lines of a pipe knows them by their order
        output.line(phrase("what becomes of its rows: connector imports show {number}", number=how["import"]))
    if tally.noted:
        one = "{number:,} row had an optional field dropped or cut: the notes say which"
        several = "{number:,} rows had an optional field dropped or cut: the notes say which"
        output.line(plural(one, several, tally.noted), "yellow")
    if tally.unread_phones:
        one = "{number:,} row has a phone that is no number; {hint}"
        several = "{number:,} rows have a phone that is no number; {hint}"
        output.line(plural(one, several, tally.unread_phones, hint=of_another_country(region)), "yellow")
    if tally.expired:
        one = "{number:,} delivery is older than the route allows and will not be sent"
        several = "{number:,} deliveries are older than the route allows and will not be sent"
        output.line(plural(one, several, tally.expired), "yellow")
    if tally.dead:
        one = "{number:,} delivery is dead: no record can be made"
        several = "{number:,} deliveries are dead: no record can be made"
        output.line(plural(one, several, tally.dead), "red")
    for fault in tally.faults:
        why = joined([joined([error["field"], error["message"]], ": ") for error in fault["errors"]], "; ")
        output.line(phrase("line {line}: {why}", line=fault["line"], why=why), "red")
    if tally.invalid > len(tally.faults):
        output.line(phrase("… and {number:,} more invalid rows", number=tally.invalid - len(tally.faults)), "red")


def _manner(how: Mapping[str, Any]) -> str:
    """How it was read: "cp1252, “;”"."""
    separator = {"": "", "\t": phrase(", tab")}.get(how["separator"], f", “{how['separator']}”")
    return joined([how["encoding"], separator])


def _tell_preview(one: Mapping[str, Any]) -> None:
    output.line(
        phrase(
            "line {line}, {event_id} {type}: {status}",
            line=one["line"],
            event_id=one["event_id"],
            type=one["type"],
            status=state_word(one["status"]),
        ),
        output.STYLES.get(one["status"], ""),
    )
    payload = one["payload"]
    if isinstance(payload, dict):
        output.table((phrase("field"), phrase("value")), list(payload.items()), title=phrase("The payload"))
    for error in one["errors"]:
        output.line(joined([error["field"], error["message"]], ": "), "red")
    for note in one["notes"]:
        output.line(phrase("noted: {note}", note=note), "yellow")
    for delivery in one["deliveries"]:
        output.line(
            phrase("Route “{route}” → {destination}", route=delivery["route"], destination=delivery["destination"]),
            "bold",
        )
        if delivery["record"] is None:
            output.line(delivery["reason"], "red")
            continue
        output.table(
            (phrase("field"), phrase("value")),
            [(k, v) for k, v in delivery["record"].items() if v not in ("", None, [], {})],
        )
