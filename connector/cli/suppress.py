"""`connector suppress`: the people who must not be contacted, by phone or e-mail, however they write it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import click
import phonenumbers
from sqlalchemy import Connection

from connector.admin.acts import record
from connector.admin.privacy.people_file import Line, PeopleFile
from connector.admin.privacy.person import NOBODY, locale_of, named
from connector.cli import app, output, registries
from connector.cli.app import Surroundings
from connector.cli.given_file import GivenFile
from connector.cli.group import fail
from connector.cli.may import all_asked_for
from connector.core.caps import CHANNELS
from connector.core.errors import ConnectorError
from connector.core.phrases import joined, phrase, plural
from connector.core.text import quote
from connector.core.times import iso
from connector.inbound.files.columns import wish_of
from connector.inbound.files.formats import opened
from connector.inbound.files.recording import Upload
from connector.inbound.files.rows import Understanding
from connector.inbound.refusing import hint
from connector.inbound.router import hashed
from connector.store import acts, suppression_list
from connector.store.acts import What
from connector.store.database import now_ms
from connector.store.imports import ImportedRow
from connector.store.suppression_list import Entry
from connector.vendors.destinations import SPECS, name_of
from mappings.base import Locale

_AT_ONCE: Final = 1000
_NAMED: Final = 10  #: deliveries listed by name


@click.group(invoke_without_command=False)
def suppress() -> None:
    """Keeps the do-not-contact list.

    A person on it is sent nothing that reaches them: no call, no survey. It is read whenever a delivery is about to be
    sent.

    \b
    connector suppress add "300 111 2233" --reason "asked by phone"
    """


@suppress.command()
@click.argument("who", nargs=-1, required=True, metavar="PHONE|EMAIL…")
@click.option("--reason", default="", help="Why, for readers of the list. No personal data.")
@click.option("--channel", "channels", multiple=True, type=click.Choice(CHANNELS), help="This only; may be repeated.")
def add(who: Sequence[str], reason: str, channels: Sequence[str]) -> None:
    """Puts people on the list.

    Kept are keyed hashes, and two digits by which you know them again. Give - instead of the people to be asked for
    one, or to read them from a pipe, one a line: then neither the shell's history nor the list of processes has them.

    \b
    connector suppress add "300 111 2233" --reason "asked by phone"
    connector suppress add ana@example.com --channel email
    """
    with app.opened() as here:
        people = [_meant(here, text) for text in all_asked_for(who)]
        with here.database.write() as conn:
            _keep_key(conn, here)
            now = now_ms(conn)
            new = suppression_list.add(conn, _entries(here, people, reason, now, channels))
            acts.append(conn, [app.by(reason).act(What.SUPPRESS, number=new)], now)
        with here.database.read() as conn:
            theirs, reaching = [_hash(here, one) for one in people], _reaching(here, channels)
            stopped = suppression_list.stopped(conn, theirs, reaching)
            sent = suppression_list.handed_over(conn, theirs, reaching)
    _tell_added(new, len(people) - new)
    if stopped:
        named = ", ".join(f"d{number}" for number in stopped[:_NAMED]) + (", …" if len(stopped) > _NAMED else "")
        one = "{number} pending to them ends suppressed when its turn comes: {named}"
        several = "{number} pending to them end suppressed when their turn comes: {named}"
        output.line(plural(one, several, len(stopped), named=named))
    if sent:
        named = ", ".join(f"{destination} (d{number})" for number, destination in sent)
        output.line(
            phrase(
                "the vendors have them from before, and may still contact them: {named}; take them out there",
                named=named,
            ),
            "yellow",
        )


def _tell_added(added: int, before: int) -> None:
    if before:
        output.line(phrase("{added} added, {number} were on the list already", added=added, number=before))
    else:
        output.line(phrase("{added} added", added=added))


def _reaching(here: Surroundings, channels: Sequence[str]) -> set[str]:
    """The destinations from which people hear through one of these channels; through any where none is said."""
    reaching = [route for route in here.settings.routes if SPECS[route.to].contacts_people]
    by = {name_of(route): route.channel or SPECS[route.to].by_channel for route in reaching}
    return {name for name, channel in by.items() if not channels or not channel or channel in channels}


@suppress.command()
@click.argument("who", nargs=-1, required=True, metavar="PHONE|EMAIL…")
@click.option("--why", metavar="TEXT", default="", help="Kept with who did it. Nothing personal.")
def remove(who: Sequence[str], why: str) -> None:
    """Takes people off the list.

    Deliveries that were suppressed meanwhile stay so: connector replay sends them. - as with add.

    \b
    connector suppress remove "300 111 2233"
    """
    with app.opened() as here:
        people = [_meant(here, text) for text in all_asked_for(who)]
        with here.database.write() as conn:
            suppression_list.demand_key(conn, here.settings.hash_key)
            gone = sum(suppression_list.remove(conn, _hash(here, one)) for one in people)
            acts.append(conn, [app.by(why).act(What.UNSUPPRESS, number=gone)], now_ms(conn))
    output.line(phrase("{gone} removed", gone=gone))
    if gone < len(people):
        fail(phrase("{number} of them were not on the list", number=len(people) - gone))


@suppress.command("list")
@app.json_option
def list_(as_json: bool) -> None:
    """Shows the list, newest first.

    \b
    connector suppress list
    """
    with app.opened() as here, here.database.read() as conn:
        found = suppression_list.entries(conn)
        zone = here.settings.locale.timezone
    if as_json:
        output.as_json(
            [
                {"hint": one.hint, "reason": one.reason, "since": iso(one.since), "channels": list(one.channels)}
                for one in found
            ]
        )
        return
    rows = [
        (one.hint, ", ".join(one.channels) or "all", one.reason, output.moment(iso(one.since), zone)) for one in found
    ]
    output.table((phrase("who"), phrase("channels"), phrase("reason"), phrase("since")), rows)
    output.line(phrase("{number} on the list", number=len(found)))


@suppress.command("import")
@click.argument("file", metavar="FILE", type=GivenFile())
@click.option("--reason", default="", help="Why, for readers of the list. No personal data.")
@click.option("--columns", multiple=True, metavar="FIELD=COLUMN", help="What a column is: “phones=Nº”, “-=Factura”.")
@click.option("--region", default="", help="The country of numbers without a code, where it is not the configured one.")
@click.option("--encoding", default="", help="Of the file, where it is not recognised: mac-roman, cp850 …")
@click.option("--list", "name", metavar="LIST", default="", help="Into this registry, instead of the list of your own.")
@click.option("--of", "day", metavar="DATE", default="", help="With --list: the day that the file is of.")
@click.option(
    "--replace", "replaces", is_flag=True, help="With --list: people who are not in the file are taken off the list."
)
def import_(
    file: Path,
    reason: str,
    columns: tuple[str, ...],
    region: str,
    encoding: str,
    name: str,
    day: str,
    replaces: bool,
) -> None:
    """Puts every phone and e-mail of a file on the list.

    FILE is anything that connector import reads: a workbook (all of its sheets), a CSV, JSON, or plain lines. Its
    titles say which columns hold phones and e-mails, so that no document number counts as a phone. Unreadable people
    are reported by line, and the exit code is 1 then. Importing the same file again changes nothing.

    \b
    connector suppress import do-not-call.xlsx --reason "list of May"
    connector suppress import rne.csv --list rne --of 2026-11-01 --replace
    """
    if name:
        with app.opened() as here, opened(file, encoding) as text_file:
            _import_registry(here, PeopleFile(text_file, _locale(here, region), wish_of(columns)), name, day, replaces)
        return
    if day or replaces:
        raise click.UsageError(phrase("--of and --replace go with --list"))
    with app.opened() as here, opened(file, encoding) as given:
        found = PeopleFile(given, _locale(here, region), wish_of(columns))
        people, faults = _import_people(here, found, file.name, reason)
    for warning in found.warnings:
        output.line(warning, "yellow")
    _tell_faults(faults, found.doubtful)
    if not people:
        fail(phrase("{name} holds neither a phone nor an e-mail", name=file.name))
    if faults or found.doubtful:
        fail(phrase("not everybody in the file is on the list: correct the lines above, and run it again"))


def _import_people(here: Surroundings, found: PeopleFile, name: str, reason: str) -> tuple[int, list[Line]]:
    """Returns how many phones and e-mails the file of this name holds, and its unreadable lines."""
    added = people = lines = 0
    faults: list[Line] = []
    known = Understanding(read=[("who", title) for title in found.read])
    upload = Upload.begin(here.database, kind="suppression", source="", name=name, who=app.by().who, known=known)
    if found.read:
        output.line(phrase("Read are the columns {names}", names=", ".join(f"“{title}”" for title in found.read)))
    with here.database.write() as conn:
        _keep_key(conn, here)
    for batch in _batches(found):
        faults += [line for line in batch if line.fault]
        lines += len(batch)
        upload.keep([ImportedRow(line.line, "", "left", why=line.fault) for line in batch if line.fault])
        with here.database.write() as conn:
            some = [one for line in batch for one in line.people]
            people += len(some)
            added += suppression_list.add(conn, _entries(here, some, reason, now_ms(conn)))
    record(here.database, app.by(reason).act(What.SUPPRESS, number=added))
    upload.end({"rows": lines, "added": added, "known": people - added, "left": len(faults)}, whole=True)
    output.line(phrase("{added} added, {number} were on the list already", added=added, number=people - added))
    return people, faults


def _import_registry(here: Surroundings, found: PeopleFile, name: str, day: str, replaces: bool) -> None:
    """Reads a file into a registry: if a line cannot be read, the existing entries stay."""
    registry = registries.registry_of(here, name)
    with here.database.write() as conn:
        _keep_key(conn, here)
        of = registries.day_of(here, day, now_ms(conn))
    faults: list[Line] = []

    def people() -> Iterator[Sequence[str]]:
        for line in found:
            faults.extend([line] if line.fault else [])
            yield line.people
        if replaces and (faults or found.doubtful):
            _tell_faults(faults, found.doubtful)
            raise ConnectorError(
                phrase("the list {name} is unchanged: correct the lines above, or leave out --replace", name=name)
            )

    count = registries.import_list(here, registry, people(), of, replaces=replaces)
    record(here.database, app.by(f"list {name}").act(What.SUPPRESS, number=count))
    template = "{count} people read into the list {name}, which holds nobody else"
    output.line(phrase(template if replaces else "{count} people read into the list {name}", count=count, name=name))
    _tell_faults(faults, found.doubtful)
    if faults or found.doubtful:
        fail(phrase("not everybody in the file is on the list: correct the lines above, and run it again"))


def _locale(here: Surroundings, region: str) -> Locale:
    """Raises `ConnectorError` for an unknown region."""
    locale = locale_of(here.settings)
    if not region:
        return locale
    if region.upper() not in phonenumbers.SUPPORTED_REGIONS:
        raise ConnectorError(
            phrase("--region {region} is no country of two letters: CO, BR, MX …", region=quote(region))
        )
    return replace(locale, region=region.upper())


def _tell_faults(faults: Sequence[Line], doubtful: Mapping[str, Sequence[int]]) -> None:
    """Every line in which a person may be missing, by reason, and the columns that were not read."""
    found: dict[str, list[int]] = {}
    for one in faults:
        found.setdefault(one.fault, []).append(one.line)
    for fault, at in found.items():
        output.line(joined([_counted(at), fault], ": "), "red")
    for title, where in doubtful.items():
        template = (
            'the column “{title}” is not read, and may name people ({lines}): say --columns "phones={title}", '
            'or --columns "-={title}" if it does not'
        )
        output.line(phrase(template, title=title, lines=_counted(where)), "red")


def _counted(lines: Sequence[int]) -> str:
    """ "lines 2, 5–9, 14"."""
    runs: list[list[int]] = []
    for line in sorted(set(lines)):
        if runs and line == runs[-1][1] + 1:
            runs[-1][1] = line
        else:
            runs.append([line, line])
    texts = [str(first) if first == last else f"{first}–{last}" for first, last in runs]
    return plural("line {lines}", "lines {lines}", len(set(lines)), lines=", ".join(texts))


def _meant(here: Surroundings, text: str) -> str:
    found = named(text, here.settings)
    if found is None:
        raise ConnectorError(NOBODY)
    return found


def _batches(lines: Iterable[Line]) -> Iterator[list[Line]]:
    batch: list[Line] = []
    for line in lines:
        batch.append(line)
        if len(batch) == _AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _entries(
    here: Surroundings, people: Sequence[str], reason: str, now: int, channels: Sequence[str] = ()
) -> list[Entry]:
    return [Entry(_hash(here, one), hint(one), reason, now, tuple(channels)) for one in people]


def _hash(here: Surroundings, one: str) -> str:
    return str(hashed(here.settings.hash_key, "", one))


def _keep_key(conn: Connection, here: Surroundings) -> None:
    if not here.settings.secret_key:
        template = (
            "CONNECTOR_SECRET_KEY is not set: without it people on the list could be guessed; "
            "set it once (openssl rand -hex 32), and keep it"
        )
        fail(phrase(template))
    suppression_list.keep_key(conn, here.settings.hash_key)


suppress.add_command(registries.lists)
suppress.add_command(registries.ask)
