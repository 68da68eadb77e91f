"""`connector pause` and `connector resume`: hold and release an account's calls."""

from __future__ import annotations

import click

from connector.admin import accounts
from connector.cli import app, output
from connector.core.states import AccountState


@click.command()
@click.argument("account")
@click.option("--reason", default="", help="Kept, and shown by status and explain.")
def pause(account: str, reason: str) -> None:
    """Holds every call of an account.

    \b
    connector pause dialler --reason "maintenance until 14:00"
    """
    with app.opened() as here:
        accounts.pause(here.database, here.settings, account, app.by(reason))
    output.line(f"{account} is paused: no call starts any more, those in flight end by themselves")
    output.line(f"to go on: connector resume {account}")


@click.command()
@click.argument("account")
@click.option("--reason", default="", help="Kept, and shown by status and explain.")
def resume(account: str, reason: str) -> None:
    """Goes on after a pause or a block.

    Opens the account's stopped destinations too.

    \b
    connector resume dialler
    """
    with app.opened() as here:
        before = accounts.resume(here.database, here.settings, account, app.by(reason))
    was = f" (it was {before.state}: {before.reason})" if before.state != AccountState.OPEN else ""
    output.line(f"{account} is open{was}")
