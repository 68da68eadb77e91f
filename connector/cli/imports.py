"""`connector imports`: imported files and the fates of their rows."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import click

from connector.admin.imports import FATES, correctable, list_imports, number_of, show
from connector.cli import app, output
from connector.core.phrases import joined, phrase
from connector.core.states import EventState, state_word, words

_COUNTS = (
    EventState.ACCEPTED.value,
    "duplicate",
    *words(EventState.IGNORED, EventState.WAITING, EventState.INVALID),
    "left",
)


@click.group("imports", invoke_without_command=True)
@click.option("--limit", metavar="N", type=click.IntRange(1, 10_000), default=20, show_default=True, help="At most.")
@app.json_option
@click.pass_context
def imports(ctx: click.Context, limit: int, as_json: bool) -> None:
    """Lists imported files and their rows' fate.

    The newest first: who imported which file, when, and how many of its rows were stored.

    \b
    connector imports
    connector imports show 3 --state dead
    """
    if ctx.invoked_subcommand is not None:
        return
    with app.opened(only_reads=True) as here:
        found = list_imports(here.database, limit)
    if as_json:
        output.as_json(found)
        return
    zone = here.settings.locale.timezone
    columns = (
        *(phrase("import"), phrase("file"), phrase("for"), phrase("by"), output.timed(phrase("when"), zone)),
        *(phrase("rows"), phrase("what was stored")),
    )
    rows = [
        (one["import"], one["file"], _for(one), one["who"], _when(one, zone), _rows(one), _stored(one)) for one in found
    ]
    output.table(columns, rows, spare=(phrase("by"), phrase("for"), phrase("rows")))
    if not found:
        output.line(phrase("nothing was imported yet: connector import SOURCE FILE"))


@imports.command("show")
@click.argument("number", metavar="N")
@click.option("--state", type=click.Choice(FATES), default=None, help="Only rows that became this.")
@click.option("--csv", "as_csv", is_flag=True, help="Print these rows whole, to correct and import again.")
@click.option("--limit", metavar="N", type=click.IntRange(1, 100_000), default=50, show_default=True, help="At most.")
@app.json_option
def show_(number: str, state: str | None, as_csv: bool, limit: int, as_json: bool) -> None:
    """Shows one import: each row's line and fate.

    With --csv the rows come as a table with everything that was in them, people included. Correct it, keep its first
    column, and import it into the same source: each row that is good now takes the place of the row it was.

    \b
    connector imports show 3
    connector imports show 3 --state dead --csv > correct.csv
    """
    if as_csv and as_json:
        raise click.UsageError(phrase("--csv and --json: choose one"))
    with app.opened(only_reads=True) as here:
        if as_csv:
            _write(correctable(here.database, number_of(number), state or ""))
            return
        found = show(here.database, number_of(number), state or "", limit)
    if as_json:
        output.as_json(found)
        return
    _print(found, here.settings.locale.timezone)
    if len(found["rows"]) == limit:
        output.line(phrase("the first {limit}; --limit shows more, --csv all", limit=limit))


def _write(lines: Any) -> None:
    """Writes with semicolons and a byte order mark, as spreadsheets in Spanish and Portuguese expect."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8-sig", newline="")
    writer = csv.writer(sys.stdout, delimiter=";", lineterminator="\r\n")
    for line in lines:
        writer.writerow(line)


def _print(found: Mapping[str, Any], zone: ZoneInfo) -> None:
    output.line(
        phrase(
            "import {number}: {file} for {source}, by {who}, {when}",
            number=found["import"],
            file=found["file"],
            source=_for(found),
            who=found["who"],
            when=_when(found, zone),
        )
    )
    read = [f"{one['column']} → {one['field']}" for one in found["columns"] if one["field"]]
    aside = [one["column"] for one in found["columns"] if not one["field"]]
    if read:
        output.line(phrase("read: {names}", names=", ".join(read)))
    if aside:
        output.line(phrase("in extra only: {names}", names=", ".join(aside)))
    output.line(phrase("then: {said}", said=_stored(found) or phrase("nothing was stored")))
    now = joined([joined([f"{number:,}", fate_word(fate)], " ") for fate, number in found["fates"].items()], ", ")
    output.line(phrase("now: {said}", said=now or phrase("no row is known")))
    rows = [(one["line"], one["event"] or "", fate_word(one["fate"]), _why(one)) for one in found["rows"]]
    if rows:
        output.table((phrase("line"), phrase("event"), phrase("fate"), phrase("why")), rows)


def fate_word(fate: str) -> str:
    """The fate of a row as a word that another language can say."""
    return {"left": phrase("left out"), "replaced": phrase("replaced")}.get(fate) or state_word(fate)


def _why(one: Mapping[str, Any]) -> str:
    if one["replaced_by"]:
        return phrase("replaced by {by}", by=one["replaced_by"])
    return one["why"] or (phrase("stored before") if one["stored"] == "duplicate" else "")


def _for(one: Mapping[str, Any]) -> str:
    return one["source"] or phrase("the do-not-contact list")


def _when(one: Mapping[str, Any], zone: ZoneInfo) -> str:
    return output.moment(one["began_at"], zone)


def _rows(one: Mapping[str, Any]) -> str:
    return f"{one['counts'].get('rows', 0):,}"


def _stored(one: Mapping[str, Any]) -> str:
    counts = one["counts"]
    names = {
        EventState.ACCEPTED: phrase("stored"),
        "duplicate": phrase("stored before"),
        "left": phrase("left out"),
        "added": phrase("added"),
        "known": phrase("known"),
        "unread": phrase("unread"),
    }
    every: Sequence[str] = (*_COUNTS, "added", "known", "unread")
    titles = {name: names.get(name, state_word(name)) for name in every}
    parts = [joined([f"{counts[name]:,}", titles[name]], " ") for name in every if counts.get(name)]
    return joined(parts if one["ended_at"] else [*parts, phrase("not read to its end")], ", ")
