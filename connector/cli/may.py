"""`connector may`: whether one person may be contacted through a route, with the verdict of every guard."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from datetime import datetime

import click

from connector.admin.identifiers import since_ms
from connector.admin.may import may as ask
from connector.admin.may import route_of
from connector.admin.privacy.person import NOBODY, named
from connector.cli import app, output
from connector.cli.app import Surroundings
from connector.core.errors import ConnectorError
from connector.core.phrases import joined, phrase
from connector.core.text import seconds
from connector.core.times import iso
from connector.store.database import now_ms


@click.command()
@click.argument("who", nargs=-1, required=True, metavar="PHONE|EMAIL…")
@click.option("--route", "name", required=True, metavar="ROUTE", help="The name of a route.")
@click.option("--at", "when", metavar="TIME", default="", help=f"{app.AHEAD}; now if left out.")
@app.json_option
def may(who: tuple[str, ...], name: str, when: str, as_json: bool) -> None:
    """Tells whether a person may be contacted.

    Every guard of the route is asked, as a claim asks it, and nothing is sent. Several phones and e-mails are those of
    one person. Give - instead to be asked for one, or to read it from a pipe: then the shell's history does
    not hold it.

    \b
    connector may "300 111 2233" --route "dial new leads"
    """
    with app.opened() as here:
        people = [named(asked_for(one), here.settings) for one in who]
        ways = [one for one in people if one is not None]
        if len(ways) < len(who):
            raise ConnectorError(NOBODY)
        route = route_of(here.settings, name)
        at = _moment(here, when)
        answer = ask(here.settings, here.database, ways, route, at)
        zone = here.settings.locale.timezone
    if as_json:
        verdicts = [
            {"guard": one.guard, "may": one.may, "why": one.why, "until": iso(one.until)} for one in answer.verdicts
        ]
        output.as_json({"may": answer.may, "not_before": iso(answer.not_before), "verdicts": verdicts})
        return
    verdict = "may be contacted at {moment}" if answer.may else "may not be contacted at {moment}"
    output.line(phrase(verdict, moment=output.moment(iso(at), zone)), "green" if answer.may else "red")
    if answer.not_before is not None:
        output.line(phrase("not before {moment}", moment=output.moment(iso(answer.not_before), zone)))
    for one in answer.verdicts:
        until = phrase(" (until {at})", at=output.moment(iso(one.until), zone)) if one.until else ""
        verdict = output.say(phrase("yes") if one.may else phrase("no"))
        output.paragraph(f"{one.guard:<15} {verdict:<4}", output.say(joined([one.why, until])))


def _moment(here: Surroundings, text: str) -> int:
    """ "2h" from now, "20:00" of today, or a time, as unix ms; now if left out."""
    with here.database.read() as conn:
        now = now_ms(conn)
    if not text:
        return now
    if re.fullmatch(r"\d?\d:\d\d", text):
        text = f"{datetime.fromtimestamp(now / 1000, here.settings.locale.timezone):%Y-%m-%d}T{text:0>5}"
    try:
        return now + int(seconds(text) * 1000)
    except ValueError:
        return since_ms(text, here.settings, now)


def asked_for(who: str) -> str:
    """The person of a command; "-": from the terminal without echo, or from a pipe."""
    if who != "-":
        return who
    if sys.stdin.isatty():
        return str(click.prompt(output.say(phrase("phone or e-mail")), hide_input=True, err=True))
    return sys.stdin.readline().strip()


def all_asked_for(who: Sequence[str]) -> list[str]:
    """The persons of a command; "-": each line of a pipe, or one that the terminal asks for."""
    if "-" not in who:
        return list(who)
    lines = [asked_for("-")] if sys.stdin.isatty() else sys.stdin.read().splitlines()
    return [*(one for one in who if one != "-"), *(line.strip() for line in lines if line.strip())]
