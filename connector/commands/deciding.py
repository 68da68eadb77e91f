"""The commands by which a person decides: replay, resolve, pause, resume, redrive."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

import click

from connector import standing
from connector.commands import face, show
from connector.commands.face import Surroundings
from connector.db import announce, now_ms
from connector.errors import ConnectorError
from connector.options import did_you_mean, listed, quote
from connector.replay import Change, Replay, Wish, resolve_attempt
from connector.replay import resolve as resolve_delivery
from connector.settings import Settings
from connector.stories.listing import events_meant
from connector.stories.words import own_id, since_ms

LISTED: Final = 200  #: changes shown one by one

#: (done, would be done)
_ACTIONS: Final = {
    "accept": ("accepted", "would be accepted"),
    "add": ("added", "would be added"),
    "renew": ("pending again", "would be pending again"),
    "resend": ("pending again", "would be sent a second time"),
    "keep": ("left as it is", "left as it is"),
}


@click.command()
@click.option(
    "--delivery", "delivery_ids", metavar="ID", multiple=True, help="This delivery (d123), dead or suppressed."
)
@click.option("--event", "event_ids", metavar="ID", multiple=True, help="This event: e45, or as its sender calls it.")
@click.option("--state", type=click.Choice(["dead"]), default=None, help="All dead deliveries.")
@click.option("--since", metavar="T", default="", help="With --state: that died since then: 24h, 2026-11-20T10:00.")
@click.option("--dry-run", is_flag=True, help="Say what would happen, and change nothing.")
@click.option("--force", is_flag=True, help="Send what was delivered a second time.")
@click.option("--yes", is_flag=True, help="With --force: do not ask.")
@face.json_option
def replay(
    delivery_ids: Sequence[str],
    event_ids: Sequence[str],
    state: str | None,
    since: str,
    dry_run: bool,
    force: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Maps again what was stored, and sends it.

    With the configuration of now. What was delivered is not sent twice, nor what may have been.
    """
    if sum(map(bool, (delivery_ids, event_ids, state))) != 1:
        raise click.UsageError("name one of --delivery, --event and --state dead")
    if since and not state:
        raise click.UsageError("--since goes with --state dead")
    named = not state
    wish = Wish(dry_run=dry_run, force=force, ended_too=bool(delivery_ids), late_too=named)
    with face.opened() as here:
        again = Replay(here.settings, here.database)

        def changes(wish: Wish) -> Iterable[Change]:
            for text in delivery_ids:
                yield from again.delivery(_delivery(here, text), wish)
            for text in event_ids:
                for row_id in _events(here, text):
                    yield from again.event(row_id, wish)
            if state:
                yield from again.dead(_since(here, since), wish)

        if force and not dry_run and not yes:
            _confirm(changes(replace(wish, dry_run=True)))
        told = _tell(changes(wish), dry_run=dry_run, as_json=as_json)
    if named and set(told) == {"keep"}:
        sys.exit(1)


def _confirm(would: Iterable[Change]) -> None:
    again = sum(change.action == "resend" for change in would)
    if again:
        people = "1 delivery was" if again == 1 else f"{again} deliveries were"
        click.confirm(
            f"{people} delivered before: the same person is contacted a second time. Go on?", abort=True, err=True
        )


def _tell(changes: Iterable[Change], *, dry_run: bool, as_json: bool) -> Counter[str]:
    """Prints what was or would be done; counts the actions."""
    told: Counter[str] = Counter()

    def counted() -> Iterable[Change]:
        for change in changes:
            told[change.action] += 1
            yield change

    stream = iter(counted())
    if as_json:
        show.as_json([change.as_json() for change in stream])
        return told
    rows = [_row(change, dry_run=dry_run) for change in islice(stream, LISTED)]
    for _ in stream:
        pass  # carried out, too many to be listed
    if rows:
        show.table(("delivery", "event", "route", "what", "why"), rows)
    left_out = sum(told.values()) - len(rows)
    counts = ", ".join(f"{number} {_ACTIONS[action][dry_run]}" for action, number in told.items())
    show.line((counts or "nothing fits") + (f" ({left_out} not listed)" if left_out else ""))
    return told


def _row(change: Change, *, dry_run: bool) -> tuple[str, ...]:
    shown = change.as_json()
    what = _ACTIONS[change.action][dry_run]
    return (shown["delivery"] or "", shown["event"], shown["route"] or "", what, shown["why"] or "")


def _delivery(here: Surroundings, text: str) -> int:
    with here.database.read() as conn:
        number = own_id(conn, text, "d")
    if number is None and text.isascii() and text.isdigit() and len(text) < 19:
        number = int(text)
    if number is None:
        raise ConnectorError(f"{quote(text)} is no delivery: write d123, as `connector deliveries` shows it")
    return number


def _events(here: Surroundings, text: str) -> list[int]:
    with here.database.read() as conn:
        found = events_meant(conn, here.settings, text)
    if not found:
        raise ConnectorError(f"no event is called {quote(text)}: write e45, or the id that its sender gave")
    return found


def _since(here: Surroundings, text: str) -> int:
    if not text:
        return 0
    with here.database.read() as conn:
        return since_ms(text, here.settings, now_ms(conn))


@click.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option("--landed", "landed", flag_value=True, type=bool, default=None, help="The vendor has it.")
@click.option("--resend", "landed", flag_value=False, type=bool, help="The vendor has it not: send it again.")
def resolve(ids: Sequence[str], landed: bool | None) -> None:
    """Settles uncertain deliveries as you say.

    ID is a delivery (d123), or a call (a45) for all that are uncertain of it.
    """
    if landed is None:
        raise click.UsageError("say --landed or --resend")
    became = "delivered" if landed else "pending again"
    with face.opened() as here:
        for text in ids:
            attempt = re.fullmatch(r"a(\d{1,18})", text)
            if attempt:
                number = resolve_attempt(here.settings, here.database, int(attempt[1]), landed=landed)
                show.line(f"{number} of {text}: {became}")
            else:
                resolve_delivery(here.settings, here.database, _delivery(here, text), landed=landed)
                show.line(f"{text}: {became}")


@click.command()
@click.argument("account")
@click.option("--reason", default="a person paused it", show_default=True, help="Kept, and shown by status.")
def pause(account: str, reason: str) -> None:
    """Holds every call of an account."""
    with face.opened() as here:
        _demand_account(here.settings, account)
        with here.database.write(serialise=account) as conn:
            now = now_ms(conn)
            standing.ensure(conn, [account], [], now)
            standing.pause(conn, account, reason, now)
            announce(conn)
    show.line(f"{account} is paused: no call starts any more, those in flight end by themselves")
    show.line(f"to go on: connector resume {account}")


@click.command()
@click.argument("account")
def resume(account: str) -> None:
    """Goes on after a pause or a block.

    Opens the account's stopped destinations too.
    """
    with face.opened() as here:
        _demand_account(here.settings, account)
        with here.database.write(serialise=account) as conn:
            now = now_ms(conn)
            standing.ensure(conn, [account], [], now)
            before = standing.account(conn, account)
            standing.resume(conn, account, now)
            announce(conn)
    was = f" (it was {before.state}: {before.reason})" if before.state != "open" else ""
    show.line(f"{account} is open{was}")


def _demand_account(settings: Settings, name: str) -> None:
    if name not in settings.accounts:
        hint = did_you_mean(name, settings.accounts) or f": the configuration has {listed(tuple(settings.accounts))}"
        raise ConnectorError(f"no account is called {quote(name)}{hint}")


@click.command()
@click.argument("source")
def redrive(source: str) -> None:
    """Puts dead-lettered messages back.

    From the source's dead-letter queue onto its queue.
    """
    from connector import consumer

    settings = face.settings()
    if source not in settings.sources or not settings.sources[source].queue:
        queued = tuple(name for name, one in settings.sources.items() if one.queue)
        hint = did_you_mean(source, queued) or f": those with one are {listed(queued)}" if queued else ": none has one"
        raise ConnectorError(f"no source with a queue is called {quote(source)}{hint}")
    number = consumer.redrive(settings, source)
    show.line(f"put back on {settings.sources[source].queue}: {number}")
