"""`connector suppress`: the people who must not be contacted, by phone or e-mail, however they write it."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
import phonenumbers
from sqlalchemy import Connection

from connector import bulk, do_not_contact
from connector.commands import face, show
from connector.commands.face import Surroundings
from connector.db import now_ms
from connector.destinations import SPECS, name_of
from connector.do_not_contact import Entry
from connector.errors import ConnectorError
from connector.persons import NOBODY, named
from connector.routes import hashed
from connector.stories.words import iso
from mappings.translated import KNOWN, folded

_SEPARATORS: Final = ",;\t|"
_CELLS: Final = re.compile(f"[{_SEPARATORS}]")
_COUNTED: Final = re.compile(r"_?[0-9]+$")
_AT_ONCE: Final = 1000
_NAMED: Final = 10  #: deliveries told by name


@click.group(invoke_without_command=False)
def suppress() -> None:
    """Keeps the do-not-contact list.

    Who is on it is sent nothing that reaches them: no call, no survey. Asked whenever something is about to be sent.
    """


@suppress.command()
@click.argument("who", nargs=-1, required=True, metavar="PHONE|EMAIL…")
@click.option("--reason", default="", help="Why, for whoever reads the list. Nothing personal.")
def add(who: Sequence[str], reason: str) -> None:
    """Puts people on the list.

    Kept are keyed hashes, and two digits by which you know them again.
    """
    with face.opened() as here:
        people = [_meant(here, text) for text in who]
        with here.database.write() as conn:
            _keep_key(conn, here)
            new = do_not_contact.add(conn, _entries(here, people, reason, now_ms(conn)))
        with here.database.read() as conn:
            stopped = do_not_contact.stopped(conn, [_hash(here, one) for one in people], _reaching(here))
    show.line(f"{new} added" + (f", {len(people) - new} were on the list already" if new < len(people) else ""))
    if stopped:
        named = ", ".join(f"d{number}" for number in stopped[:_NAMED]) + (", …" if len(stopped) > _NAMED else "")
        show.line(f"{len(stopped)} pending to them end suppressed when their turn comes: {named}")


def _reaching(here: Surroundings) -> set[str]:
    """The destinations that people hear of."""
    return {name_of(route) for route in here.settings.routes if SPECS[route.to].contacts_people}


@suppress.command()
@click.argument("who", nargs=-1, required=True, metavar="PHONE|EMAIL…")
def remove(who: Sequence[str]) -> None:
    """Takes people off the list.

    What was suppressed meanwhile stays so: connector replay sends it.
    """
    with face.opened() as here:
        people = [_meant(here, text) for text in who]
        with here.database.write() as conn:
            do_not_contact.demand_key(conn, here.settings.hash_key)
            gone = sum(do_not_contact.remove(conn, _hash(here, one)) for one in people)
    show.line(f"{gone} removed")
    if gone < len(people):
        face.fail(f"{len(people) - gone} of them were not on the list")


@suppress.command("list")
@face.json_option
def list_(as_json: bool) -> None:
    """Shows the list, newest first."""
    with face.opened() as here, here.database.read() as conn:
        found = do_not_contact.entries(conn)
        zone = here.settings.locale.timezone
    if as_json:
        show.as_json([{"hint": one.hint, "reason": one.reason, "since": iso(one.since)} for one in found])
        return
    rows = [(one.hint, one.reason, show.moment(iso(one.since), zone)) for one in found]
    show.table(("who", "reason", "since"), rows)
    show.line(f"{len(found)} on the list")


@suppress.command("import")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--reason", default="", help="Why, for whoever reads the list. Nothing personal.")
@click.option("--encoding", default="", help="Of the file, where it is not recognised: mac-roman, cp850 …")
def import_(file: Path, reason: str, encoding: str) -> None:
    """Puts every phone and e-mail of a file on the list.

    FILE is text or CSV in any encoding and with any separator that spreadsheets use. Where its first line names columns
    (teléfono, correo, e-mail …), only theirs are read, so that no document number is taken for a phone. What is neither
    a phone nor an e-mail is passed over. The same file again changes nothing.
    """
    if not file.is_file():
        click.echo(f"connector: {show.printable(f'there is no file {file}')}", err=True)
        sys.exit(2)
    added = people = lines = 0
    with face.opened() as here, bulk.opened(file, encoding) as given:
        with here.database.write() as conn:
            _keep_key(conn, here)
        for batch in _batches(_people_of(here, given)):
            lines += sum(1 for found in batch if not found)
            with here.database.write() as conn:
                some = [one for found in batch for one in found]
                people += len(some)
                added += do_not_contact.add(conn, _entries(here, some, reason, now_ms(conn)))
    show.line(f"{added} added, {people - added} were on the list already")
    if lines:
        show.line(f"{lines} lines name nobody, and were passed over")
    if not people:
        face.fail(f"{file.name} holds neither a phone nor an e-mail")


def _meant(here: Surroundings, text: str) -> str:
    found = named(text, here.settings)
    if found is None:
        raise ConnectorError(NOBODY)
    return found


def _people_of(here: Surroundings, given: bulk.File) -> Iterator[list[str]]:
    """Those that each line names. Raises `ConnectorError` when the columns are named, and none is of people's ways."""
    columns: _Columns | None = None
    for number, raw in given.lines():
        line = given.text(raw)
        if number == 1 and (columns := _columns(line, given.name)) is not None:
            continue
        cells = columns.of(line) if columns else _CELLS.split(line)
        plain = (bulk.cell(cell.strip().strip('"')) for cell in cells)
        yield [found for cell in plain if cell and (found := named(cell, here.settings)) is not None]


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where a CSV has phones and e-mails."""

    separator: str
    places: Sequence[int]

    def of(self, line: str) -> list[str]:
        cells = _cells(line, self.separator)
        return [cells[at] for at in self.places if at < len(cells)]


def _columns(line: str, file: str) -> _Columns | None:
    """What a first line says; None when it names no columns, and every cell may be somebody."""
    separator = max(_SEPARATORS, key=line.count)
    ours = [_known_as(cell) for cell in _cells(line, separator)]
    places = [at for at, name in enumerate(ours) if name in ("phones", "email")]
    if any(ours) and not places:
        raise ConnectorError(f"no column of {file} is called a phone or an e-mail: name it telefono, or correo")
    return _Columns(separator, places) if places else None


def _cells(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:  # a cell as long as a book names nobody
        return []


def _known_as(column: str) -> str:
    """Our name of what a column is called, "Teléfono 2" too; "" when we have none."""
    name = folded(column.strip("\ufeff"))
    return KNOWN.get(name) or KNOWN.get(_COUNTED.sub("", name)) or ""


def _batches(rows: Iterator[list[str]]) -> Iterator[list[list[str]]]:
    batch: list[list[str]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _entries(here: Surroundings, people: Sequence[str], reason: str, now: int) -> list[Entry]:
    return [Entry(_hash(here, one), _hint(one), reason, now) for one in people]


def _hash(here: Surroundings, one: str) -> str:
    return str(hashed(here.settings.hash_key, "", one))


def _hint(one: str) -> str:
    """Enough to know somebody again whom one knows: "+57 *** *** **01", "a***@***.com"."""
    if one.startswith("+"):
        return f"+{phonenumbers.parse(one).country_code} *** *** **{one[-2:]}"
    return f"{one[:1]}***@***.{one.rpartition('.')[2]}"


def _keep_key(conn: Connection, here: Surroundings) -> None:
    if not here.settings.secret_key:
        face.fail(
            "CONNECTOR_SECRET_KEY is not set: without it whoever is on the list could be guessed;"
            " set it once (openssl rand -hex 32), and keep it"
        )
    do_not_contact.keep_key(conn, here.settings.hash_key)
