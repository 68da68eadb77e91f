"""`connector resolve`: settles an uncertain delivery as an operator says."""

from __future__ import annotations

import re
from collections.abc import Sequence

import click

from connector.admin.identifiers import own_id
from connector.admin.resolve import resolve as resolve_delivery
from connector.admin.resolve import resolve_attempt
from connector.cli import app, output
from connector.cli.app import Surroundings
from connector.cli.questions import confirm, demand_answer, yes_option
from connector.core.errors import ConnectorError
from connector.core.phrases import joined, phrase, plural
from connector.core.states import DeliveryState, state_word
from connector.core.text import quote


def delivery_id(here: Surroundings, text: str) -> int:
    """123 of "d123" or "123". Raises `ConnectorError` when it is neither."""
    with here.database.read() as conn:
        number = own_id(conn, text, "d")
    if number is None and text.isascii() and text.isdigit() and len(text) < 19:
        number = int(text)
    if number is None:
        raise ConnectorError(
            phrase("{text} is no delivery: write d123, as `connector deliveries` shows it", text=quote(text))
        )
    return number


@click.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option("--landed", is_flag=True, help="The vendor has it.")
@click.option("--resend", is_flag=True, help="The vendor has it not: send it again.")
@click.option("--why", metavar="TEXT", default="", help="Kept, and shown by explain. No personal data.")
@yes_option
def resolve(ids: Sequence[str], landed: bool, resend: bool, why: str, yes: bool) -> None:
    """Settles uncertain deliveries as you say.

    ID is a delivery (d123), or a call (a45) for all of its uncertain deliveries. Sending again asks first: a record
    that had landed after all is then there twice.

    \b
    connector resolve d6 --landed --why "it is in the campaign"
    connector resolve d6 --resend --yes
    """
    if landed == resend:
        raise click.UsageError(phrase("say --landed or --resend, one of the two"))
    if resend:
        demand_answer(yes=yes)
        one = "{names}: it may have landed, and the person is contacted twice then"
        several = "{names}: each of them may have landed, and its person is contacted twice then"
        confirm(plural(one, several, len(ids), names=", ".join(ids)), yes=yes)
    became = state_word(DeliveryState.DELIVERED.value) if landed else phrase("pending again")
    with app.opened() as here:
        for text in ids:
            attempt = re.fullmatch(r"a(\d{1,18})", text)
            if attempt:
                number = resolve_attempt(here.settings, here.database, int(attempt[1]), app.by(why), landed=landed)
                output.line(phrase("{number} of {text}: {became}", number=number, text=text, became=became))
            else:
                resolve_delivery(here.settings, here.database, delivery_id(here, text), app.by(why), landed=landed)
                output.line(joined([text, became], ": "))
