"""The commands that forget: purge by age, erase a person. docs/privacy.md explains what stays."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import click

from connector.admin import spool
from connector.admin.acts import record
from connector.admin.privacy.erase import Erased, Erasing, out_of_reach
from connector.admin.privacy.person import Person, person
from connector.admin.privacy.purge import Purged, Purging
from connector.cli import app, output
from connector.cli.app import Surroundings
from connector.cli.progress import bar
from connector.cli.questions import confirm, demand_answer, yes_option
from connector.core.errors import ConnectorError
from connector.core.phrases import joined, phrase, plural
from connector.core.settings import Settings
from connector.core.text import seconds
from connector.inbound.refusing import hint
from connector.inbound.router import hashed
from connector.store import acts, suppression_list
from connector.store.acts import What
from connector.store.database import now_ms
from connector.store.suppression_list import Entry

AGAIN = phrase("what came before is forgotten: the same command goes on from there")

STAYS = phrase(
    "What was sent stays at the vendors, which hold it in their own name: a row in a campaign is still dialled, a"
    " survey is still answered; have it deleted there too"
)

why_option = click.option("--why", metavar="TEXT", default="", help="Kept with who did it. Nothing personal.")
dry_option = click.option("--dry-run", is_flag=True, help="Count, and forget nothing.")
vacuum_option = click.option(
    "--vacuum",
    is_flag=True,
    help="SQLite: rewrite the file at the end, without traces; other processes wait meanwhile.",
)


@click.command()
@click.option("--older-than", metavar="T", default="", help="90d; if left out, the configuration's purge_after.")
@why_option
@dry_option
@vacuum_option
@yes_option
@app.json_option
def purge(older_than: str, why: str, dry_run: bool, vacuum: bool, yes: bool, as_json: bool) -> None:
    """Forgets what is old.

    Payloads, records and words of events without a delivery that is pending, in a call or uncertain. States, times and
    keyed hashes stay, so that a second copy is still a duplicate.

    \b
    connector purge --older-than 90d --dry-run
    """
    _demand(yes=yes, dry_run=dry_run, vacuum=vacuum, as_json=as_json)
    with app.opened() as here:
        age_s = _age_s(here, older_than)
        if not dry_run:
            _ask_purge(here, age_s, yes=yes)
        purging = Purging(here.settings, here.database, int(age_s * 1000), dry_run=dry_run)
        with bar("forgetting", "events") as shown, _resumable(dry_run):
            for purged in purging.run():
                shown(purged.events, done=purged.read, total=purged.of or None)
        if not dry_run:
            record(here.database, app.by(why).act(What.PURGE, number=purging.purged.events))
        _clean(here, dry_run=dry_run, vacuum=vacuum)
    _print_purged(purging.purged, dry_run=dry_run, as_json=as_json)
    for line in [] if as_json else _spooled(here.settings):
        output.line(line, "yellow")


def _age_s(here: Surroundings, text: str) -> float:
    if not text and here.settings.retention is None:
        raise click.UsageError(phrase("say --older-than 90d, or set purge_after under [retention]"))
    try:
        return seconds(text) if text else here.settings.retention.purge_after_s  # type: ignore[union-attr]
    except ValueError:
        raise click.UsageError(phrase("--older-than takes a time with its unit, like 90d or 24h")) from None


@click.command()
@click.argument("who", metavar="PHONE|EMAIL")
@why_option
@dry_option
@vacuum_option
@yes_option
@app.json_option
@click.option("--never-again", is_flag=True, help="Puts them on the do-not-contact list as well.")
def erase(who: str, never_again: bool, why: str, dry_run: bool, vacuum: bool, yes: bool, as_json: bool) -> None:
    """Forgets one person.

    Everything that names this phone or e-mail, in any spelling and however new it is. Pending deliveries end unsent.
    Give - to be asked for it, or to read it from a pipe: then the shell's history does not hold it.

    \b
    connector erase "300 111 2233" --dry-run
    """
    _demand(yes=yes, dry_run=dry_run, vacuum=vacuum, as_json=as_json)
    with app.opened() as here:
        if who == "-":
            who = (
                click.prompt(output.say(phrase("phone or e-mail")), hide_input=True, err=True)
                if sys.stdin.isatty()
                else _piped()
            )
        meant = person(who, here.settings)
        if not dry_run:
            _ask_erase(here, meant, yes=yes)
        if never_again and not dry_run:
            _never_again(here, meant, why)
            if not as_json:
                output.line(phrase("on the do-not-contact list from now on"))
        erasing = Erasing(here.settings, here.database, meant, dry_run=dry_run)
        with bar("looking", "events") as shown, _resumable(dry_run):
            for erased in erasing.run():
                shown(erased.events, done=erased.read, total=erased.of or None)
        if not dry_run:
            record(here.database, app.by(why).act(What.ERASE, number=erasing.erased.events))
        _clean(here, dry_run=dry_run, vacuum=vacuum)
    _print_erased(erasing.erased, out_of_reach(here.settings), dry_run=dry_run, as_json=as_json)


def _spooled(settings: Settings) -> list[str]:
    """The spool, as long as it holds something: it is not searched."""
    found = spool.state(settings)
    return [spool.in_words(found)] if found is not None and spool.holds(found) else []


def _never_again(here: Surroundings, meant: Person, why: str) -> None:
    """Before erasing, so that nothing that arrives meanwhile reaches them."""
    way = hashed(here.settings.hash_key, "", meant.value)
    with here.database.write() as conn:
        suppression_list.keep_key(conn, here.settings.hash_key)
        now = now_ms(conn)
        entry = Entry(str(way), hint(meant.value), "erased, and never again", now)
        acts.append(conn, [app.by(why).act(What.SUPPRESS, number=suppression_list.add(conn, [entry]))], now)


def _demand(*, yes: bool, dry_run: bool, vacuum: bool, as_json: bool) -> None:
    if dry_run and (vacuum or yes):
        raise click.UsageError(phrase("--dry-run forgets nothing: it goes without --vacuum and --yes"))
    if not dry_run:
        demand_answer(yes=yes, as_json=as_json, first=phrase("--dry-run has shown what would go"))


def _ask_erase(here: Surroundings, meant: Person, *, yes: bool) -> None:
    """Counts first, as `--dry-run` does: a wrong digit would erase another person."""
    if yes:
        return
    would = Erasing(here.settings, here.database, meant, dry_run=True)
    with bar("looking", "events") as shown:
        for found in would.run():
            shown(found.events, done=found.read, total=found.of or None)
    _print_erased(would.erased, out_of_reach(here.settings), dry_run=True, as_json=False)
    confirm(output.say(phrase("this cannot be undone. {stays}", stays=STAYS)), yes=yes)


def _ask_purge(here: Surroundings, age_s: float, *, yes: bool) -> None:
    if yes:
        return
    would = Purging(here.settings, here.database, int(age_s * 1000), dry_run=True)
    for _ in would.run():
        pass
    _print_purged(would.purged, dry_run=True, as_json=False)
    confirm(output.say(phrase("this cannot be undone; states, times and keyed hashes stay")), yes=yes)


def _piped() -> str:
    return sys.stdin.readline().strip()


@contextmanager
def _resumable(dry_run: bool) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise ConnectorError(phrase("stopped") if dry_run else phrase("stopped; {again}", again=AGAIN)) from None


def _clean(here: Surroundings, *, dry_run: bool, vacuum: bool) -> None:
    """Empties SQLite's log beside the file, so that erased data cannot be read there either."""
    if dry_run:
        return
    if not (here.database.rewrite() if vacuum else here.database.fold_log()):
        output.warn(phrase("the write-ahead log is in use and still holds old pages: the next purge empties it"))


def _print_purged(purged: Purged, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        output.as_json({"dry_run": dry_run, **_without_progress(purged)})
        return
    output.line(_forgotten(purged.events, _deliveries(purged.deliveries), dry_run=dry_run))
    if purged.left:
        output.line(
            phrase("old enough too: {left:,}; they go once nothing of them waits or is uncertain", left=purged.left),
            "yellow",
        )


def _print_erased(erased: Erased, beyond: Sequence[str], *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        output.as_json({"dry_run": dry_run, **_without_progress(erased)})
        output.warn(phrase("out of reach: {places}", places=joined(beyond, "; ")))
        return
    if erased.events:
        settled = plural("{number:,} settled delivery", "{number:,} settled deliveries", erased.deliveries)
        output.line(_forgotten(erased.events, settled, dry_run=dry_run))
    elif not erased.in_hand:
        output.line(phrase("nothing of this person is here"))
    if erased.ended:
        template = "{deliveries} that waited would end unsent" if dry_run else "{deliveries} that waited ended unsent"
        output.line(phrase(template, deliveries=_deliveries(erased.ended)))
    if erased.in_hand:
        output.line(
            phrase(
                "in a call or uncertain: {in_hand:,}; their records go once they are settled", in_hand=erased.in_hand
            ),
            "yellow",
        )
    if erased.uncertain:
        output.line(
            phrase("connector deliveries --state uncertain shows which; connector resolve settles them"), "yellow"
        )
    output.line(phrase("out of reach, and yours to clear: {places}", places=joined(beyond, "; ")))


def _forgotten(events: int, deliveries: str, *, dry_run: bool) -> str:
    template = "would be forgotten: {events} with {deliveries}" if dry_run else "forgotten: {events} with {deliveries}"
    return phrase(template, events=plural("{number:,} event", "{number:,} events", events), deliveries=deliveries)


def _deliveries(number: int) -> str:
    return plural("{number:,} delivery", "{number:,} deliveries", number)


def _without_progress(tally: Purged | Erased) -> dict[str, Any]:
    return {name: value for name, value in asdict(tally).items() if name not in ("read", "of")}
