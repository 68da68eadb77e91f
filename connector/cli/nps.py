"""`connector nps`: Tracksale's figures of its campaigns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click

from connector.admin.identifiers import since_ms
from connector.cli import app, output
from connector.cli.app import Surroundings
from connector.cli.group import fail
from connector.core.errors import ConnectorError, said_of
from connector.core.phrases import phrase
from connector.outbound import asking
from connector.outbound.asking import PersonCaller
from connector.store.database import now_ms
from connector.vendors.tracksale.figures import Figures, Selection

DAYS: Final = 30  #: default period of answers
account_option = click.option("--account", metavar="NAME", default="", help="Of this account only.")
Row = dict[str, Any]


def _whole(value: float | None) -> float | int | None:
    return int(value) if value is not None and value == int(value) else value


@click.command()
@account_option
@click.option("--campaign", "codes", metavar="CODE", multiple=True, help="Of this campaign; may be given again.")
@click.option("--since", metavar="T", default="", help="30d (ago; the default), yesterday, or 2026-11-01.")
@click.option(
    "--until", metavar="T", default="", help="A day, which counts whole: yesterday, 2026-11-30; today if left out."
)
@click.option("--by", type=click.Choice(["category", "status"]), default=None, help="How many answers are in each.")
@click.option("--compare", is_flag=True, help="With the period before.")
@app.json_option
def nps(
    account: str, codes: Sequence[str], since: str, until: str, by: str | None, compare: bool, as_json: bool
) -> None:
    """Shows Tracksale's figures.

    For all campaigns of an account together, or for each that is named: people surveyed, promoters, passives and
    detractors, and the NPS. One call for each.

    \b
    connector nps --campaign 52 --since 30d --compare
    """
    if by and compare:
        raise click.UsageError(phrase("--compare goes without --by"))
    rows: list[Row] = []
    faults: list[str] = []
    with app.opened() as here:
        first, last = _days(here, since, until)
        for one in asking.accounts_of(here.settings, "tracksale", account):
            with closing(Figures(one, PersonCaller(here.database, one))) as figures:
                for code in codes or [""]:
                    about = Selection(campaign=code, since=first, until=last)
                    try:
                        lines = _KINDS[by or "nps"](figures, about, compare)
                    except ConnectorError as fault:
                        why = said_of(fault)
                        faults.append(phrase("campaign {campaign}: {fault}", campaign=code, fault=why) if code else why)
                        continue
                    rows += [{"account": one.name, "campaign": code or None, **line} for line in lines]
    if as_json:
        output.as_json([row | {"since": first, "until": last} for row in rows])
    else:
        output.line(phrase("Answers from {first} to {last}", first=first, last=last), "bold")
        _figures(rows)
    if faults:
        fail(*faults)


def _days(here: Surroundings, since: str, until: str) -> tuple[str, str]:
    zone = here.settings.locale.timezone
    with here.database.read() as conn:
        now = now_ms(conn)

    def day(text: str) -> datetime:
        moment = since_ms(text, here.settings, now) if text else now
        return datetime.fromtimestamp(moment / 1000, zone)

    last = day(until)
    if not until:  # Tracksale documents no zone: in the American evening its own day may be the next one already
        last = max(last, datetime.fromtimestamp(now / 1000, UTC), key=datetime.date)
    first = day(since) if since else last - timedelta(days=DAYS)
    if first.date() > last.date():
        days = {"first": f"{first:%Y-%m-%d}", "last": f"{last:%Y-%m-%d}"}
        raise ConnectorError(phrase("{first} is after {last}: give --since before --until", **days))
    return f"{first:%Y-%m-%d}", f"{last:%Y-%m-%d}"


def _nps(figures: Figures, about: Selection, compare: bool) -> list[Row]:
    figures_read = asdict(figures.nps(about, compare=compare))
    return [figures_read if compare else {name: value for name, value in figures_read.items() if name != "compare"}]


def _categories(figures: Figures, about: Selection, _compare: bool) -> list[Row]:
    return [{"name": one.name, "total": one.total, "nps": one.nps} for one in figures.categories(about)]


def _statuses(figures: Figures, about: Selection, _compare: bool) -> list[Row]:
    return [{"name": one.name, "total": one.total} for one in figures.statuses(about)]


_KINDS: Final[Mapping[str, Callable[[Figures, Selection, bool], list[Row]]]] = {
    "nps": _nps,
    "category": _categories,
    "status": _statuses,
}


def _figures(rows: Sequence[Row]) -> None:
    if not rows:
        output.line(phrase("there are none"))
        return
    flat = [_flat(row) for row in rows]
    columns = list(dict.fromkeys(name for row in flat for name in row))
    output.table(
        [_TITLES.get(name, name.replace("_", " ").replace("percentage", "%")) for name in columns],
        [[_shown(name, row.get(name)) for name in columns] for row in flat],
    )


_TITLES: Final[Mapping[str, str]] = {
    "account": phrase("account"),
    "campaign": phrase("campaign"),
    "name": phrase("name"),
    "total": phrase("total"),
    "nps": "nps",
    "nps before": phrase("nps before"),
    "dispatches": phrase("dispatches"),
    "dispatches before": phrase("dispatches before"),
    "promoters": phrase("promoters"),
    "passives": phrase("passives"),
    "detractors": phrase("detractors"),
    "promoters_percentage": phrase("promoters %"),
    "passives_percentage": phrase("passives %"),
    "detractors_percentage": phrase("detractors %"),
}


def _flat(row: Row) -> Row:
    """The period before as columns of its own: "nps before"."""
    before = row.get("compare") or {}
    now = {name: value for name, value in row.items() if name != "compare"}
    return now | {f"{name} before": value for name, value in before.items() if name in ("dispatches", "nps")}


def _shown(name: str, value: Any) -> Any:
    return (
        phrase("all") if name == "campaign" and value is None else _whole(value) if isinstance(value, float) else value
    )
