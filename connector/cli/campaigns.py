"""`connector campaigns`: wolkvox's campaigns as its real-time report has them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from connector.cli import app, output
from connector.cli.group import fail
from connector.core.errors import ConnectorError
from connector.core.phrases import phrase
from connector.core.times import iso
from connector.outbound import asking
from connector.outbound.asking import PersonCaller
from connector.vendors.wolkvox import live_report
from connector.vendors.wolkvox.live_report import Live

account_option = click.option("--account", metavar="NAME", default="", help="Of this account only.")
Row = dict[str, Any]


@click.command()
@account_option
@app.wide_option
@app.json_option
def campaigns(account: str, wide: bool, as_json: bool) -> None:
    """Shows wolkvox's campaigns in real time.

    The report may be read only every five minutes: it may be that old, and says how old it is.

    \b
    connector campaigns
    connector campaigns --account dialler
    """
    found: list[Live] = []
    faults: list[str] = []
    with app.opened() as here:
        for one in asking.accounts_of(here.settings, "wolkvox", account):
            try:
                found.append(live_report.live(here.database, one, PersonCaller(here.database, one)))
            except ConnectorError as fault:
                faults.append(str(fault))
        zone = here.settings.locale.timezone
    if as_json:
        output.as_json([_campaign(report, campaign) for report in found for campaign in report.campaigns])
    else:
        for report in found:
            at = output.moment(iso(report.read_at), zone)
            output.line(
                phrase(
                    "{account}, as read at {at} ({offset}), {duration} ago",
                    account=report.account,
                    at=at,
                    offset=output.offset(zone),
                    duration=output.duration(report.age_s),
                ),
                "bold",
            )
            _campaigns([_campaign(report, campaign) for campaign in report.campaigns], wide=wide)
    for report in found:
        if report.why_old:
            output.warn(phrase("{why_old}; this is what was read before", why_old=report.why_old))
    if faults:
        fail(*faults)


def _campaign(report: Live, campaign: Any) -> Row:
    return {
        "account": report.account,
        "campaign": campaign.id,
        "name": campaign.name,
        "status": campaign.status,
        "skill_id": campaign.skill_id,
        "figures": {_snake(name): _whole(value) for name, value in campaign.figures.items()},
        "read_at": iso(report.read_at),
        "age_s": report.age_s,
    }


def _snake(name: str) -> str:
    """ "busy_congestion_failed" of "busy/congestion/failed"."""
    return re.sub(r"[^0-9a-z]+", "_", name.lower()).strip("_")


def _whole(value: float | str | None) -> float | int | str | None:
    return int(value) if isinstance(value, float) and value == int(value) else value


#: wolkvox's counters; one that it adds later keeps its name.
_TITLES: Final[Mapping[str, str]] = {
    "speed": phrase("speed"),
    "records": phrase("records"),
    "clean": phrase("clean"),
    "dial": phrase("dialled"),
    "answer": phrase("answered"),
    "no_answer": phrase("no answer"),
    "busy_congestion_failed": phrase("busy, congestion, failed"),
    "answer_machine": phrase("answering machine"),
    "penetration_day": phrase("penetration, day"),
    "penetration_now": phrase("penetration, now"),
    "hits": phrase("hits"),
    "calls_x_min": phrase("calls a minute"),
    "recycled": phrase("recycled"),
}


def _campaigns(rows: Sequence[Row], *, wide: bool) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row["figures"]))
    texts = [
        (row["campaign"], row["status"], row["name"], *(row["figures"].get(name) for name in names)) for row in rows
    ]
    output.table(
        (
            phrase("campaign"),
            phrase("status"),
            phrase("name"),
            *(_TITLES.get(name, name.replace("_", " ")) for name in names),
        ),
        texts,
        wide=wide,
    )
