"""`connector pause` and `connector resume`: hold and release an account's calls."""

from __future__ import annotations

import click

from connector.admin import accounts
from connector.cli import app, output
from connector.core.phrases import phrase
from connector.core.states import AccountState, state_word


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
    output.line(
        phrase("{account} is paused: no call starts any more, those in flight end by themselves", account=account)
    )
    output.line(phrase("to go on: connector resume {account}", account=account))


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
    if before.state == AccountState.OPEN:
        output.line(phrase("{account} is open", account=account))
        return
    facts = {"account": account, "state": state_word(str(before.state)), "why": before.reason}
    output.line(phrase("{account} is open (it was {state}: {why})", **facts))
