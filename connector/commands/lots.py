"""Draft lots at Tracksale: `connector lots` lists them, `fire` and `discard` do what a person has seen and wants."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

import click

from connector import asking, drafts
from connector.commands import face, show
from connector.commands.face import Surroundings
from connector.db import now_ms
from connector.drafts import Content, Drafts, Seen
from connector.errors import ConnectorError
from connector.stories.words import ahead_ms, iso
from connector.vendors.tracksale import Person

SAMPLE: Final = 5  #: customers shown of each kind

Fields = dict[str, Any]


@click.group(invoke_without_command=True)
@click.option("--account", metavar="NAME", default="", help="Of this account only.")
@click.option("--campaign", "campaigns", metavar="CODE", multiple=True, help="Of this campaign; may be given again.")
@face.json_option
@click.pass_context
def lots(context: click.Context, account: str, campaigns: Sequence[str], as_json: bool) -> None:
    """Lists draft lots; fires or discards one.

    Those of the campaigns to which a route sends with schedule = "draft", as Tracksale lists them now, beside what we
    know of them. The lot is everybody's: people put customers there by hand, too.
    """
    if context.invoked_subcommand is not None:
        if account or campaigns or as_json:
            raise click.UsageError(f"put options behind {context.invoked_subcommand}")
        return
    with face.opened() as here:
        found, faults = _look(here, account, campaigns)
        if as_json:
            show.as_json([_fields(lot) for lot in found])
        else:
            _list(found, here.settings.locale.timezone)
    if faults:
        face.fail(*faults)


def _look(here: Surroundings, account: str, campaigns: Sequence[str]) -> tuple[list[Seen], list[str]]:
    """What can be seen, and why something cannot."""
    found: list[Seen] = []
    faults: list[str] = []
    for one in asking.accounts_of(here.settings, "tracksale", account):
        with drafts.opened(here.settings, here.database, one) as looked_at:
            for campaign in campaigns or looked_at.campaigns():
                try:
                    found += looked_at.look(campaign)
                except ConnectorError as fault:
                    faults.append(f"campaign {campaign}: {fault}")
    return found, faults


def _fields(lot: Seen) -> Fields:
    known = lot.known
    return {
        "account": lot.account,
        "campaign": lot.campaign,
        "lot": lot.code,
        "state": lot.state,
        "customers": lot.customers,
        "ours": lot.ours.count,
        "others": lot.others,
        "first_at": iso(lot.ours.first_at),
        "last_at": iso(lot.ours.last_at),
        "created": lot.created or None,
        "changed_at": iso(known.changed_at) if known else None,
        "asked": known.asked if known else None,
        "asked_at": iso(known.asked_at) if known else None,
        "fires_at": iso(known.fires_at) if known else None,
    }


def _list(found: Sequence[Seen], zone: ZoneInfo) -> None:
    columns = ("account", "campaign", "lot", "state", "customers", "ours", "others", "first", "last", "what of it")
    counted = ("customers", "ours", "others")
    rows = []
    for lot in found:
        said = _fields(lot)
        when = [show.moment(said[name], zone) for name in ("first_at", "last_at")]
        names = (lot.account, lot.campaign, lot.code, lot.state)
        rows.append((*names, *(said[name] for name in counted), *when, _what_of_it(said, zone)))
    if rows:
        show.table(columns, rows)
    else:
        show.line("there is no draft lot")


def _what_of_it(said: Fields, zone: ZoneInfo) -> str:
    at = show.moment(said["changed_at"], zone)
    if said["asked"]:
        word = {"fire": "firing", "discard": "discarding"}[said["asked"]]
        return f"{word} it was asked for at {show.moment(said['asked_at'], zone)}: not known yet whether it was done"
    if said["state"] == "fired":
        return f"at {at}" + (f", to be sent at {show.moment(said['fires_at'], zone)}" if said["fires_at"] else "")
    if said["state"] == "gone":
        return f"fired or discarded at Tracksale, not from here; seen at {at}"
    return f"at {at}" if said["state"] == "discarded" else ""


# --- acting ---------------------------------------------------------------------------------------------------------


def _named(command: Any) -> Any:
    """The lot that is meant, and what every command on one takes."""
    yes = click.option("--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")
    for wrap in (face.json_option, yes, click.argument("lot"), click.argument("campaign"), click.argument("account")):
        command = wrap(command)
    return command


@lots.command()
@click.option("--at", metavar="TIME", default="", help="2h (from now), or 2026-11-28T09:00; at once if left out.")
@_named
def fire(account: str, campaign: str, lot: str, at: str, yes: bool, as_json: bool) -> None:
    """Surveys everybody in a draft lot.

    Also whom people put there by hand. Shows first who that is, and asks. It is done once, or known not to be done:
    where the answer never came, it says so, and `connector lots` tells what became of the lot.
    """
    _demand_answer(yes, as_json)
    with face.opened() as here:
        at_ms = _moment(here, at)
        with _opened(here, account) as looked_at:
            shown = looked_at.find(campaign, lot)
            when = f"at {show.moment(iso(at_ms), here.settings.locale.timezone)}" if at_ms else "at once"
            _show(looked_at, shown, quiet=as_json)
            _confirm(f"firing surveys everybody in it {when}, also whom others put there ({_others(shown)})", yes)
            number = looked_at.fire(shown, at_ms=at_ms)
    done = _fields(shown) | {"state": "fired", "customers": number, "fires_at": iso(at_ms)}
    _done(done, f"fired {when}; customers: {number}", as_json)


@lots.command()
@_named
def discard(account: str, campaign: str, lot: str, yes: bool, as_json: bool) -> None:
    """Throws a draft lot away.

    With everybody in it, also whom people put there by hand. Deliveries of ours in it end unsent, and may be replayed.
    """
    _demand_answer(yes, as_json)
    with face.opened() as here, _opened(here, account) as looked_at:
        shown = looked_at.find(campaign, lot)
        _show(looked_at, shown, quiet=as_json)
        _confirm(f"discarding takes everybody out, also whom others put there ({_others(shown)})", yes)
        looked_at.discard(shown)
    done = _fields(shown) | {"state": "discarded"}
    _done(
        done, f"discarded: nobody in it is surveyed; deliveries of ours that ended unsent: {shown.ours.count}", as_json
    )


def _demand_answer(yes: bool, as_json: bool) -> None:
    if not yes and (as_json or not _has_terminal()):
        raise click.UsageError("nobody can be asked here: say --yes, once connector lots has shown what is in it")


def _has_terminal() -> bool:
    return sys.stdin.isatty()


def _opened(here: Surroundings, account: str) -> Any:
    (found,) = asking.accounts_of(here.settings, "tracksale", account)
    return drafts.opened(here.settings, here.database, found)


def _moment(here: Surroundings, text: str) -> int | None:
    if not text:
        return None
    with here.database.read() as conn:
        return ahead_ms(text, here.settings, now_ms(conn))


def _others(lot: Seen) -> str:
    return "how many is not known" if lot.others is None else str(lot.others)


def _show(looked_at: Drafts, lot: Seen, *, quiet: bool) -> None:
    """Who is in it, as far as anybody can tell."""
    if quiet:
        return
    total = "unknown" if lot.customers is None else str(lot.customers)
    created = f", created {lot.created}" if lot.created else ""
    show.line(f"Lot {lot.code} of campaign {lot.campaign} ({lot.account}{created}); customers: {total}", "bold")
    show.line(f"put there by the connector: {lot.ours.count}; by others, by hand or another program: {_others(lot)}")
    try:
        _show_people(looked_at.content(lot))
    except ConnectorError as fault:
        show.line(f"who they are cannot be shown: {fault}", "yellow")


def _show_people(content: Content) -> None:
    kinds = (("the connector", content.ours), ("others", content.others))
    rows = [(*_masked(person), who) for who, people in kinds for person in people[:SAMPLE]]
    if not rows:
        show.line("who they are is not in Tracksale's report (yet)")
        return
    show.table(("name", "e-mail", "phone", "identification", "put there by"), rows)
    left_out = len(content.ours) + len(content.others) - len(rows)
    if left_out:
        show.line(f"and {left_out} more")


def _masked(person: Person) -> tuple[str, str, str, str]:
    """Enough to recognise somebody whom one knows."""
    name, domain = person.email.partition("@")[0], person.email.rpartition("@")[2]
    return (
        " ".join(f"{word[0]}." for word in person.name.split()),
        f"{name[:1]}…@{domain}" if person.email else "",
        f"…{person.phone[-3:]}" if person.phone else "",
        f"…{person.identification[-2:]}" if person.identification else "",
    )


def _confirm(what: str, yes: bool) -> None:
    if not yes:
        click.confirm(f"{what}. Go on?", abort=True, err=True)


def _done(fields: Fields, said: str, as_json: bool) -> None:
    if as_json:
        show.as_json(fields)
    else:
        show.line(said)
