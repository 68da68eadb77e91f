"""`connector rekey`: the end of an old CONNECTOR_SECRET_KEY."""

from __future__ import annotations

import click

from connector.cli import app, output
from connector.cli.app import Surroundings
from connector.cli.progress import bar
from connector.core.errors import ConnectorError
from connector.store import encrypted, hash_keys


@click.command()
def rekey() -> None:
    """Locks what is kept with the newest key.

    Set CONNECTOR_SECRET_KEY=new,old for all processes, run this, then take the old one away. The hashes by which
    forgotten people, the do-not-contact list and copies are recognised cannot be made again, as nobody knows any more
    of whom they are: their own key is kept, locked with the newest secret key.

    With CONNECTOR_DATA_KEY everything that is encrypted at rest, or should be, is encrypted with its newest key, some
    rows at a time. May be stopped, and repeated.

    \b
    CONNECTOR_SECRET_KEY=new,old connector rekey
    """
    with app.opened() as here:
        if not here.settings.secret_keys and not here.settings.data_keys:
            raise ConnectorError(
                "neither CONNECTOR_SECRET_KEY nor CONNECTOR_DATA_KEY is set: connector secrets makes them"
            )
        rows = 0
        if here.settings.data_keys:
            with bar("encrypting", "rows") as shown:
                for number in encrypted.rewrite(here.database):
                    rows += number
                    shown(rows)
        changed = _reseal(here) if here.settings.secret_keys else False
    if rows:
        output.line(f"{rows:,} rows encrypted with the newest CONNECTOR_DATA_KEY")
    if rows or changed:
        output.line("locked with the newest key: once every process has it, the older ones may go")
    else:
        output.line("everything is locked with the newest key already")


def _reseal(here: Surroundings) -> bool:
    """Whether the key of the hashes was locked with an older key."""
    with here.database.write(serialise="facts") as conn:
        if hash_keys.is_sealed_with_newest(conn, here.settings):
            return False
        hash_keys.reseal(conn, here.settings)
    return True
