"""`connector lots`: lists draft lots at Tracksale; `fire` and `discard` one after the operator has seen it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

import click

from connector.admin import lot_acts
from connector.admin.identifiers import ahead_ms
from connector.admin.lot_acts import Checked
from connector.admin.lot_guard import Exclusion, judge
from connector.admin.masked import masked_person
from connector.cli import app, output
from connector.cli.app import Surroundings
from connector.cli.group import fail
from connector.cli.questions import confirm, demand_answer, yes_option
from connector.core.errors import ConnectorError, said_of
from connector.core.phrases import joined, phrase
from connector.core.states import LotState, state_word
from connector.core.times import iso
from connector.outbound import asking
from connector.outbound.asking import PersonCaller
from connector.store.database import now_ms
from connector.vendors.tracksale import draft_lots
from connector.vendors.tracksale.draft_lots import Content, Drafts, ShownLot

SAMPLE: Final = 5  #: customers shown of each kind

Fields = dict[str, Any]


@click.group(invoke_without_command=True)
@click.option("--account", metavar="NAME", default="", help="Of this account only.")
@click.option("--campaign", "campaigns", metavar="CODE", multiple=True, help="Of this campaign; may be given again.")
@app.json_option
@click.pass_context
def lots(context: click.Context, account: str, campaigns: Sequence[str], as_json: bool) -> None:
    """Lists draft lots; fires or discards one.

    Lists the lots of campaigns to which a route sends with schedule = "draft", as Tracksale lists them now, beside our
    own record. A lot is shared: people put customers there by hand, too.

    \b
    connector lots
    connector lots --account surveys
    """
    if context.invoked_subcommand is not None:
        if account or campaigns or as_json:
            raise click.UsageError(
                phrase("put options behind {invoked_subcommand}", invoked_subcommand=context.invoked_subcommand)
            )
        return
    with app.opened() as here:
        found, faults = _look(here, account, campaigns)
        checked = [(lot, _may_not(here, lot)) for lot in found]
        zone = here.settings.locale.timezone
        if as_json:
            output.as_json([_fields(lot) | {"may_not": [_kept(one) for one in refusals]} for lot, refusals in checked])
        else:
            _list(checked, zone)
    if faults:
        fail(*faults)


def _look(here: Surroundings, account: str, campaigns: Sequence[str]) -> tuple[list[ShownLot], list[str]]:
    """The lots that can be listed, and why some cannot."""
    found: list[ShownLot] = []
    faults: list[str] = []
    for one in asking.accounts_of(here.settings, "tracksale", account):
        with draft_lots.opened(here.settings, here.database, one, PersonCaller(here.database, one)) as looked_at:
            for campaign in campaigns or looked_at.campaigns():
                try:
                    found += looked_at.lots(campaign)
                except ConnectorError as fault:
                    faults.append(phrase("campaign {campaign}: {fault}", campaign=campaign, fault=said_of(fault)))
    return found, faults


def _may_not(here: Surroundings, lot: ShownLot) -> Sequence[Exclusion]:
    """Whom of ours in a draft a guard would keep back if it were fired now."""
    if lot.state != LotState.DRAFT or lot.known is None:
        return ()
    with here.database.read() as conn:
        now = now_ms(conn)
    return judge(here.settings, here.database, lot.account, lot.known.id, now).exclusions


def _kept(one: Exclusion) -> Fields:
    return {"delivery": f"d{one.delivery}", "guard": one.guard, "why": one.why, "until": iso(one.until)}


def _fields(lot: ShownLot) -> Fields:
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


def _list(found: Sequence[tuple[ShownLot, Sequence[Exclusion]]], zone: ZoneInfo) -> None:
    counted = ("customers", "ours", "others")
    columns = (
        *(phrase("account"), phrase("campaign"), phrase("lot"), phrase("state")),
        *(phrase("customers"), phrase("ours"), phrase("others"), phrase("may not")),
        *(phrase("first"), phrase("last"), phrase("what of it")),
    )
    rows = []
    for lot, kept in found:
        fields = _fields(lot)
        when = [output.moment(fields[name], zone) for name in ("first_at", "last_at")]
        names = (lot.account, lot.campaign, lot.code, state_word(lot.state))
        counts = (*(fields[name] for name in counted), len({one.delivery for one in kept}) or "")
        rows.append((*names, *counts, *when, _remark(fields, zone)))
    if not rows:
        output.line(phrase("there is no draft lot"))
        return
    output.table(columns, rows)
    for lot, kept in found:
        if kept:
            output.line(phrase("of lot {code} may not be contacted now:", code=lot.code), "yellow")
            _print_exclusions(kept, zone)


def _print_exclusions(kept: Sequence[Exclusion], zone: ZoneInfo) -> None:
    for line in _kept_lines(kept, zone):
        output.line(joined(["  ", line]), "yellow")


def _kept_lines(refusals: Sequence[Exclusion], zone: ZoneInfo) -> list[str]:
    """Who of a lot may not be contacted, and until when: "d12: hours: held until … (may be: …)"."""
    shown: list[str] = []
    for one in refusals[:SHOWN_KEPT]:
        until = output.moment(iso(one.until), zone) or phrase("never")
        facts = {"delivery": one.delivery, "guard": one.guard, "why": one.why, "until": until}
        shown.append(phrase("d{delivery}: {guard}: {why} (may be: {until})", **facts))
    more = len(refusals) - len(shown)
    return [*shown, phrase("and {number} more", number=more)] if more > 0 else shown


def _remark(fields: Fields, zone: ZoneInfo) -> str:
    at = output.moment(fields["changed_at"], zone)
    if fields["asked"]:
        fire = "firing it was asked for at {at}: not known yet whether it was done"
        discarding = "discarding it was asked for at {at}: not known yet whether it was done"
        return phrase(fire if fields["asked"] == "fire" else discarding, at=output.moment(fields["asked_at"], zone))
    if fields["state"] == LotState.FIRED and fields["fires_at"]:
        return phrase("at {at}, to be sent at {then}", at=at, then=output.moment(fields["fires_at"], zone))
    if fields["state"] == LotState.GONE:
        return phrase("fired or discarded at Tracksale, not from here; seen at {at}", at=at)
    return phrase("at {at}", at=at) if fields["state"] in (LotState.FIRED, LotState.DISCARDED) else ""


# --- acting ---------------------------------------------------------------------------------------------------------


def _named(command: Any) -> Any:
    """The arguments of every command on one lot."""
    why = click.option("--why", metavar="TEXT", default="", help="Kept with who did it. Nothing personal.")
    arguments = [click.argument(name) for name in ("lot", "campaign", "account")]
    wraps: list[Callable[[Any], Any]] = [app.json_option, yes_option, why, *arguments]
    for wrap in wraps:
        command = wrap(command)
    return command


@lots.command()
@click.option("--at", metavar="TIME", default="", help=f"{app.AHEAD}; at once if left out.")
@click.option("--anyway", is_flag=True, help="Include people whom a guard would keep back; --why says why.")
@_named
def fire(account: str, campaign: str, lot: str, at: str, anyway: bool, why: str, yes: bool, as_json: bool) -> None:
    """Surveys everybody in a draft lot.

    Including people whom others put there by hand. Shows first who they are, and asks. It is done once, or known not to
    be done: if the answer never came, it says so, and `connector lots` shows what became of the lot.

    \b
    connector lots fire surveys 52 4711
    """
    demand_answer(yes=yes, as_json=as_json, first=phrase("connector lots has shown what is in it"))
    if anyway and not why:
        raise click.UsageError(phrase("--anyway needs --why: it is kept with who did it"))
    with app.opened() as here:
        at_ms = _moment(here, at)
        with _opened(here, account) as looked_at:
            shown = looked_at.find(campaign, lot)
            at = output.moment(iso(at_ms), here.settings.locale.timezone)
            when = phrase("at {at}", at=at) if at_ms else phrase("at once")
            _show(looked_at, shown, quiet=as_json)
            check = _demand_allowed(here, looked_at, shown, at_ms, anyway=anyway)
            confirm(
                output.say(
                    phrase(
                        "firing surveys everybody in it {when}, also whom others put there ({others})",
                        when=when,
                        others=_others(shown),
                    )
                ),
                yes=yes,
            )
            number = lot_acts.fire(here.database, looked_at, shown, check, at_ms, app.by(why))
    done = _fields(shown) | {"state": LotState.FIRED, "customers": number, "fires_at": iso(at_ms)}
    _done(done, phrase("fired {when}; customers: {number}", when=when, number=number), as_json)


def _demand_allowed(
    here: Surroundings, looked_at: Drafts, shown: ShownLot, at_ms: int | None, *, anyway: bool
) -> Checked:
    """Asks every guard about the members: the suppression list, hours, lists and caps apply to a lot, too."""
    check = lot_acts.checked(here.settings, here.database, looked_at, shown, at_ms)
    lines = _kept_lines(check.verdicts.exclusions, here.settings.locale.timezone)
    if check.others_listed:
        lines.append(phrase("{number} added by others are on the do-not-contact list", number=check.others_listed))
    if lines and not anyway:
        fail(*lines, NOTHING_FIRED)
    for line in lines:
        output.warn(phrase("fired all the same: {line}", line=line))
    return check


NOTHING_FIRED: Final = phrase(
    "nothing was fired: take them out at Tracksale, fire at another time (--at), or --anyway with --why"
)


SHOWN_KEPT: Final = 20  #: deliveries of a lot that are listed by name


@lots.command()
@_named
def discard(account: str, campaign: str, lot: str, why: str, yes: bool, as_json: bool) -> None:
    """Throws a draft lot away.

    With everybody in it, including people whom others put there by hand. Our deliveries in it end unsent, and may be
    replayed.

    \b
    connector lots discard surveys 52 4711 --why "a wrong campaign"
    """
    demand_answer(yes=yes, as_json=as_json, first=phrase("connector lots has shown what is in it"))
    with app.opened() as here, _opened(here, account) as looked_at:
        shown = looked_at.find(campaign, lot)
        _show(looked_at, shown, quiet=as_json)
        confirm(
            output.say(
                phrase("discarding takes everybody out, also whom others put there ({others})", others=_others(shown))
            ),
            yes=yes,
        )
        lot_acts.discard(here.database, looked_at, shown, app.by(why))
    done = _fields(shown) | {"state": LotState.DISCARDED}
    template = "discarded: nobody in it is surveyed; deliveries of ours that ended unsent: {number}"
    _done(done, phrase(template, number=shown.ours.count), as_json)


def _opened(here: Surroundings, account: str) -> Any:
    (found,) = asking.accounts_of(here.settings, "tracksale", account)
    return draft_lots.opened(here.settings, here.database, found, PersonCaller(here.database, found))


def _moment(here: Surroundings, text: str) -> int | None:
    if not text:
        return None
    with here.database.read() as conn:
        return ahead_ms(text, here.settings, now_ms(conn))


def _others(lot: ShownLot) -> str:
    return phrase("how many is not known") if lot.others is None else str(lot.others)


def _show(looked_at: Drafts, lot: ShownLot, *, quiet: bool) -> None:
    """The members, as far as they are known."""
    if quiet:
        return
    total = phrase("unknown") if lot.customers is None else str(lot.customers)
    created = phrase(", created {at}", at=lot.created) if lot.created else ""
    output.line(
        phrase(
            "Lot {code} of campaign {campaign} ({account}{created}); customers: {total}",
            code=lot.code,
            campaign=lot.campaign,
            account=lot.account,
            created=created,
            total=total,
        ),
        "bold",
    )
    output.line(
        phrase(
            "put there by the connector: {count}; by others, by hand or another program: {others}",
            count=lot.ours.count,
            others=_others(lot),
        )
    )
    try:
        _show_people(looked_at.content(lot))
    except ConnectorError as fault:
        output.line(phrase("who they are cannot be shown: {fault}", fault=fault), "yellow")


def _show_people(content: Content) -> None:
    kinds = (("the connector", content.ours), ("others", content.others))
    rows = [(*masked_person(person), who) for who, people in kinds for person in people[:SAMPLE]]
    if not rows:
        output.line(phrase("who they are is not in Tracksale's report (yet)"))
        return
    output.table(
        (phrase("name"), phrase("e-mail"), phrase("phone"), phrase("identification"), phrase("put there by")), rows
    )
    left_out = len(content.ours) + len(content.others) - len(rows)
    if left_out:
        output.line(phrase("and {left_out} more", left_out=left_out))


def _done(fields: Fields, sentence: str, as_json: bool) -> None:
    if as_json:
        output.as_json(fields)
    else:
        output.line(sentence)
