"""`connector replay`: maps stored payloads again and sends them."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

import click

from connector.admin.accounts import demand
from connector.admin.changes import Change
from connector.admin.deliveries import events_meant
from connector.admin.identifiers import since_ms
from connector.admin.replay import Dead, Replay, Wish
from connector.cli import app, output
from connector.cli.app import Surroundings
from connector.cli.questions import confirm, demand_answer, yes_option
from connector.cli.resolve import delivery_id
from connector.core.errors import ConnectorError
from connector.core.phrases import joined, phrase, plural
from connector.core.states import DeliveryState
from connector.core.text import did_you_mean, quote
from connector.store.database import now_ms

LISTED: Final = 200  #: changes shown one by one
#: (done, would be done)
_ACTIONS: Final = {
    "accept": (phrase("accepted"), phrase("would be accepted")),
    "add": (phrase("added"), phrase("would be added")),
    "renew": (phrase("pending again"), phrase("would be pending again")),
    "resend": (phrase("pending again"), phrase("would be sent a second time")),
    "keep": (phrase("left as it is"), phrase("left as it is")),
}


@click.command()
@click.option(
    "--delivery", "delivery_ids", metavar="ID", multiple=True, help="This delivery (d123), dead or suppressed."
)
@click.option("--event", "event_ids", metavar="ID", multiple=True, help="This event: e45, or as its sender calls it.")
@click.option("--state", type=click.Choice([DeliveryState.DEAD.value]), default=None, help="All dead deliveries.")
@click.option("--since", metavar="T", default="", help=f"With --state: that died since then: {app.PAST}.")
@click.option("--route", metavar="NAME", default="", help="With --state: of this route only.")
@click.option("--account", metavar="NAME", default="", help="With --state: of this account only.")
@click.option("--reason", metavar="TEXT", default="", help="With --state: whose reason holds this.")
@click.option(
    "--limit", metavar="N", type=click.IntRange(1), default=None, help="With --state: at most, the first dead."
)
@click.option("--why", metavar="TEXT", default="", help="Kept, and shown by explain. No personal data.")
@click.option("--dry-run", is_flag=True, help="Say what would happen, and change nothing.")
@click.option("--force", is_flag=True, help="Send what was delivered a second time.")
@yes_option
@app.json_option
def replay(
    delivery_ids: Sequence[str],
    event_ids: Sequence[str],
    state: str | None,
    since: str,
    route: str,
    account: str,
    reason: str,
    limit: int | None,
    why: str,
    dry_run: bool,
    force: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Maps again what was stored, and sends it.

    With the current configuration. Deliveries that were made, or may have been, are not made again.

    \b
    connector replay --delivery d123
    connector replay --state dead --since 24h --reason 400 --dry-run
    """
    narrowed = bool(since or route or account or reason or limit)
    _demand_sense(delivery_ids, event_ids, state, narrowed=narrowed, force=force)
    named = not state
    asks = not dry_run and (force or not named)
    if asks:
        demand_answer(yes=yes, as_json=as_json, first=phrase("--dry-run has shown what would happen"))
    wish = Wish(dry_run=dry_run, force=force, ended_too=bool(delivery_ids), late_too=named)
    with app.opened() as here:
        again = Replay(here.settings, here.database, app.by(why))
        dead = _dead(here, since, route, account, reason, limit) if state else None

        def changes(wish: Wish) -> Iterable[Change]:
            for text in delivery_ids:
                yield from again.delivery(delivery_id(here, text), wish)
            for text in event_ids:
                for row_id in _events(here, text):
                    yield from again.event(row_id, wish)
            if dead is not None:
                yield from again.dead(dead, wish)

        if asks and not yes:
            _confirm(changes(replace(wish, dry_run=True)))
        counts = _print(changes(wish), dry_run=dry_run, as_json=as_json)
    if set(counts) == {"keep"}:
        sys.exit(1)


def _demand_sense(
    delivery_ids: Sequence[str], event_ids: Sequence[str], state: str | None, *, narrowed: bool, force: bool
) -> None:
    """Raises `UsageError` for options that do not go together."""
    if sum(map(bool, (delivery_ids, event_ids, state))) != 1:
        raise click.UsageError(phrase("name one of --delivery, --event and --state dead"))
    if not state and narrowed:
        raise click.UsageError(phrase("--since, --route, --account, --reason and --limit go with --state dead"))
    if state and force:
        raise click.UsageError(phrase("--force goes with --delivery or --event: what is dead was not delivered"))


def _dead(here: Surroundings, since: str, route: str, account: str, reason: str, limit: int | None) -> Dead:
    """Raises `ConnectorError` when the configuration has no such route or account, and nothing dead has it either."""
    if account:
        demand(here.settings, account)
    routes = tuple(one.name for one in here.settings.routes)
    if route and route not in routes:
        raise ConnectorError(
            phrase("no route is called {route}{hint}", route=quote(route), hint=did_you_mean(route, routes))
        )
    return Dead(since=_since(here, since), route=route, account=account, reason=reason, limit=limit)


def _confirm(would: Iterable[Change]) -> None:
    """How many are sent again, to which destinations, and what that means for the people."""
    counts: Counter[str] = Counter()
    places: set[str] = set()
    for change in would:
        counts[change.action] += 1
        places |= {change.destination} if change.action != "keep" and change.destination else set()
    twice, sent = counts["resend"], sum(counts.values()) - counts["keep"]
    if twice:
        one = "{number:,} delivery was delivered before: the same person is contacted a second time"
        several = "{number:,} deliveries were delivered before: the same person is contacted a second time"
        confirm(plural(one, several, twice), yes=False)
    elif sent:
        one = "{number:,} delivery is sent again, to {names}: people are contacted"
        several = "{number:,} deliveries are sent again, to {names}: people are contacted"
        confirm(plural(one, several, sent, names=", ".join(sorted(places))), yes=False)


def _print(changes: Iterable[Change], *, dry_run: bool, as_json: bool) -> Counter[str]:
    """Prints the changes that were or would be made; counts the actions."""
    counts: Counter[str] = Counter()

    def counted() -> Iterable[Change]:
        for change in changes:
            counts[change.action] += 1
            yield change

    stream = iter(counted())
    if as_json:
        output.as_json([change.as_json() for change in stream])
        return counts
    rows = [_row(change, dry_run=dry_run) for change in islice(stream, LISTED)]
    for _ in stream:
        pass  # carried out, too many to be listed
    if rows:
        output.table((phrase("delivery"), phrase("event"), phrase("route"), phrase("what"), phrase("why")), rows)
    left_out = sum(counts.values()) - len(rows)
    listed = joined([joined([str(number), _ACTIONS[action][dry_run]], " ") for action, number in counts.items()], ", ")
    more = phrase(" ({left_out} not listed)", left_out=left_out) if left_out else ""
    output.line(joined([listed or phrase("nothing fits"), more]))
    return counts


def _row(change: Change, *, dry_run: bool) -> tuple[str, ...]:
    shown = change.as_json()
    what = _ACTIONS[change.action][dry_run]
    return (shown["delivery"] or "", shown["event"], shown["route"] or "", what, shown["why"] or "")


def _events(here: Surroundings, text: str) -> list[int]:
    with here.database.read() as conn:
        found = events_meant(conn, here.settings, text)
    if not found:
        raise ConnectorError(
            phrase("no event is called {id}: write e45, or the id that its sender gave", id=quote(text))
        )
    return found


def _since(here: Surroundings, text: str) -> int:
    if not text:
        return 0
    with here.database.read() as conn:
        return since_ms(text, here.settings, now_ms(conn))
