"""`connector suppress import --list` and `suppress lists`: registries of people who refused contact by others."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from connector.admin.identifiers import since_ms
from connector.admin.registries import asked_about
from connector.admin.sorted_hashes import SortedHashes
from connector.cli import app, output
from connector.cli.app import Surroundings
from connector.core.errors import ConnectorError
from connector.core.phrases import phrase
from connector.core.settings import Registry
from connector.core.text import did_you_mean, listed, quote
from connector.core.times import DAY_MS, iso
from connector.inbound.router import hashed
from connector.store import registries, suppression_list
from connector.store.database import announce, now_ms

AT_ONCE: Final = 5_000  #: people of one transaction


def registry_of(here: Surroundings, name: str) -> Registry:
    """The configured list of that name. Raises `ConnectorError`."""
    known = here.settings.contact.lists if here.settings.contact else {}
    if name not in known:
        hint = did_you_mean(name, known) or (
            phrase(", there is {names}", names=listed(known)) if known else phrase(": add [contact.lists.NAME]")
        )
        raise ConnectorError(phrase("there is no list {name}{hint}", name=quote(name), hint=hint))
    return known[name]


def day_of(here: Surroundings, text: str, now: int) -> int:
    """The day that a file is of (unix ms). Raises `ConnectorError`."""
    if not text:
        raise ConnectorError(phrase("say of which day the file is: --of 2026-11-02"))
    of = since_ms(text, here.settings, now)
    if of > now:
        raise ConnectorError(phrase("{text} is still to come: a list is of a day that is past", text=quote(text)))
    return of


def import_list(
    here: Surroundings, registry: Registry, people: Iterator[Sequence[str]], of: int, *, replaces: bool
) -> int:
    """Reads a whole file into a list; stopped in the middle, the list is as it was. Returns how many people."""
    with here.database.write(serialise="registries") as conn:
        suppression_list.keep_key(conn, here.settings.hash_key)
        held = registries.one(conn, registry.name)
        if held is not None and held.of > of:
            raise ConnectorError(
                phrase(
                    "the list {name} is of {day} already: an older file changes nothing",
                    name=registry.name,
                    day=_day(held.of),
                )
            )
        number = registries.begin(conn, registry.name)
    with tempfile.TemporaryDirectory() as folder:
        hashes = SortedHashes(Path(folder))
        count = _hash(here, people, hashes)
        if not count:
            raise ConnectorError(phrase("the file holds neither a phone nor an e-mail: the list is as it was"))
        for batch in hashes.batches(AT_ONCE):
            with here.database.write() as conn:
                registries.put(conn, registry.name, number, batch, of)
    with here.database.write(serialise="registries") as conn:
        now = now_ms(conn)
        registries.finish(conn, registry.name, number, of, replaces=replaces, now=now)
        registries.release(conn, registry.name, now)
        announce(conn)
    swept_rows = 1
    while replaces and swept_rows:
        with here.database.write() as conn:
            swept_rows = registries.sweep(conn, registry.name)
    return count


def _hash(here: Surroundings, people: Iterable[Sequence[str]], hashes: SortedHashes) -> int:
    """Returns how many phones and e-mails there were."""
    key, count = here.settings.hash_key, 0
    for some in people:
        count += len(some)
        hashes.add(way for one in some if (way := hashed(key, "", one)) is not None)
    return count


@click.command()
@app.json_option
def lists(as_json: bool) -> None:
    """Shows the registries, and how old they are.

    Deliveries that a list covers wait once it is older than its max_age.

    \b
    connector suppress lists
    """
    with app.opened() as here, here.database.read() as conn:
        known = here.settings.contact.lists if here.settings.contact else {}
        now, held = now_ms(conn), {one.name: one for one in registries.all_of(conn)}
        zone = here.settings.locale.timezone
    found = [_fields(name, registry, held.get(name), now) for name, registry in known.items()]
    if as_json:
        output.as_json(found)
        return
    rows = [
        (
            *(one["name"], output.moment(one["of"], zone), one["age_days"], one["size"]),
            *(_STATES[one["state"]], _everybody(one["speaks_for"])),
        )
        for one in found
    ]
    if rows:
        output.table(
            (phrase("list"), phrase("of"), phrase("days old"), phrase("size"), phrase("state"), phrase("speaks for")),
            rows,
        )
    else:
        output.line(phrase("there is no list: [contact.lists.NAME] names one"))


_STATES: Final = {
    "asked": phrase("asked about"),
    "good": phrase("good"),
    "too old": phrase("too old"),
    "never imported": phrase("never imported"),
}


def _fields(name: str, registry: Registry, held: registries.Held | None, now: int) -> dict[str, Any]:
    of = held.of if held else 0
    fresh = bool(of) and now < of + registry.max_age_s * 1000
    return {
        "name": name,
        "of": iso(of),
        "age_days": (now - of) // DAY_MS if of else None,
        "size": held.size if held else 0,
        "state": "asked" if registry.asked else "good" if fresh else "too old" if of else "never imported",
        "speaks_for": _speaks(registry) or "everybody",
    }


def _everybody(speaks_for: str) -> str:
    return phrase("everybody") if speaks_for == "everybody" else speaks_for


def _speaks(registry: Registry) -> str:
    parts = [registry.countries, registry.purposes, registry.channels]
    return "; ".join(", ".join(one) for one in parts if one)


@click.command()
@click.argument("name", metavar="LIST")
@app.json_option
def ask(name: str, as_json: bool) -> None:
    """Asks a registry about those who wait for it.

    For lists with asked = "crc", which cannot be downloaded. Answers are kept for the list's max_age.

    \b
    connector suppress ask rne
    """
    with app.opened() as here:
        registry = registry_of(here, name)
        result = asked_about(here.settings, here.database, registry)
    if as_json:
        output.as_json(asdict(result))
        return
    output.line(
        phrase(
            "asked about {asked}; on the list: {listed}; waiting deliveries that became due: {freed}",
            asked=result.asked,
            listed=result.listed,
            freed=result.freed,
        )
    )


def _day(of: int) -> str:
    return f"{datetime.fromtimestamp(of / 1000, UTC):%Y-%m-%d}"
