"""`connector rekey`: the end of an old CONNECTOR_SECRET_KEY."""

from __future__ import annotations

from dataclasses import dataclass

import click

from connector.cli import app, output
from connector.cli.app import Surroundings
from connector.cli.progress import bar
from connector.core.errors import ConnectorError
from connector.core.phrases import phrase
from connector.store import encrypted, hash_keys, processes, rehashing
from connector.store.database import now_ms


@click.command()
def rekey() -> None:
    """Locks what is kept with the newest key.

    Set CONNECTOR_SECRET_KEY=new,old for all processes, stop them, run this, take the old one away, and start them. The
    hashes by which people, copies, the do-not-contact list and what was forgotten are recognised are written again.
    Nobody need be known for that: each hash is hashed once more, with a key that only the newest secret key opens.

    While processes run, the hashes stay, and their key is locked with the newest secret key: a thief of the old one
    could still use it on a copy of the database.

    With CONNECTOR_DATA_KEY everything that is encrypted at rest, or should be, is encrypted with its newest key, some
    rows at a time. May be stopped, and repeated.

    \b
    CONNECTOR_SECRET_KEY=new,old connector rekey
    """
    with app.opened() as here:
        if not here.settings.secret_keys and not here.settings.data_keys:
            raise ConnectorError(
                phrase("neither CONNECTOR_SECRET_KEY nor CONNECTOR_DATA_KEY is set: connector secrets makes them")
            )
        rows = 0
        if here.settings.data_keys:
            with bar("encrypting", "rows") as shown:
                for number in encrypted.rewrite(here.database):
                    rows += number
                    shown(rows)
        hashes = _hashes(here) if here.settings.secret_keys else Hashes()
    if rows:
        output.line(phrase("{rows:,} rows encrypted with the newest CONNECTOR_DATA_KEY", rows=rows))
    if hashes.rows is not None:
        output.line(
            phrase("{rows:,} hashes written again; of none the phone or the e-mail had to be known", rows=hashes.rows)
        )
    if hashes.running:
        running = ", ".join(hashes.running)
        output.line(
            phrase(
                "the hashes stay as they are while processes run ({running}): stop them, and do this again",
                running=running,
            )
        )
    if rows or hashes.is_changed:
        output.line(phrase("locked with the newest key: once every process has it, the older ones may go"))
    elif not hashes.running:
        output.line(phrase("everything is locked with the newest key already"))


@dataclass(frozen=True, slots=True)
class Hashes:
    """Whether the hashes were written again. ``rows``: None if they were not; ``running``: what prevented it."""

    is_changed: bool = False
    rows: int | None = None
    running: tuple[str, ...] = ()


def _hashes(here: Surroundings) -> Hashes:
    # A process that starts waits at the same lock, and then finds the new key.
    with here.database.write(serialise="facts") as conn:
        if not hash_keys.is_known(conn, here.settings):
            raise ConnectorError(
                phrase("CONNECTOR_SECRET_KEY is not the one of what is stored: set new,old with the old one")
            )
        changed = not hash_keys.is_sealed_with_newest(conn, here.settings)
        if not rehashing.is_due(conn, here.settings):
            if changed:
                hash_keys.reseal(conn, here.settings)
            return Hashes(changed)
        now = now_ms(conn)
        running = tuple(f"{' '.join(one.roles)} on {one.host}" for one in processes.every(conn) if one.alive(now))
        if not running:
            return Hashes(is_changed=True, rows=rehashing.rewrite(conn, here.settings))
        if changed:
            hash_keys.reseal(conn, here.settings)
        return Hashes(changed, running=running)
