"""The commands that only look: status, deliveries, explain."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import click

from connector import stories
from connector.commands import face, show
from connector.stories.listing import STATES

_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@click.command()
@face.json_option
def status(as_json: bool) -> None:
    """Accounts, quota, backlog, speed to lead."""
    with face.opened() as here:
        found = stories.status(here.database, here.settings)
    if as_json:
        show.as_json(found)
        return
    zone = here.settings.locale.timezone
    _accounts(found["accounts"], zone)
    _backlog(found["destinations"], zone)
    _fetching(found["fetching"])
    _polls(found["polls"], zone)
    _day(found)
    _left(found["left_configuration"])


def _accounts(accounts: Sequence[Mapping[str, Any]], zone: ZoneInfo) -> None:
    columns = ("account", "vendor", "state", "in flight", "calls used", "left", "why")
    rows = [
        (
            one["account"],
            one["vendor"] or "left the configuration",
            _account_state(one),
            _of(one.get("in_flight")),
            ", ".join(f"{_of(w)} in {show.duration(w['seconds'])}" for w in one.get("windows", ())) or "no limit known",
            ", ".join(str(w["left"]) for w in one.get("windows", ())),
            _why(one, zone),
        )
        for one in accounts
    ]
    show.table(columns, rows, title="Accounts")
    for one in accounts:
        if one.get("budget"):
            show.line(f"{one['account']}: {budget_in_words(one['budget'])}")


def budget_in_words(budget: Mapping[str, Any]) -> str:
    """ "732 of 1,000 calls used in the last 24 h, 268 left; live leads leave at once, bulk waits 41 s between…" """
    said = f"{budget['used']:,} of {budget['limit']:,} calls used in the last 24 h, {budget['left']:,} left"
    if budget["used_by_others"]:
        said += f" ({budget['used_by_others']:,} by other programs with this token, as wolkvox told)"
    if budget["obeys_vendor_limit"]:
        said += f"; wolkvox allows this token {budget['limit']:,} a day, fewer than its licences say"
    return f"{said}; {_paced('live leads', budget, 'live')}, {_paced('bulk', budget, 'bulk')}"


def _paced(who: str, budget: Mapping[str, Any], kind: str) -> str:
    if budget["left"] <= (budget["kept_for_live"] if kind == "bulk" else 0):
        kept = f" (the last {budget['left']:,} are kept for live leads)" if kind == "bulk" and budget["left"] else ""
        return f"{who} wait{'s' * (kind == 'bulk')} until calls are free again{kept}"
    if budget["waits_s"][kind] == 0:
        leaves = "leaves" if kind == "bulk" else "leave"
        return f"{who} {leaves} at once ({budget['in_hand'][kind]:,} calls in hand)"
    wait = show.duration(budget["spacing_s"]) or "until calls are free again"
    return f"{who} wait{'s' * (kind == 'bulk')} {wait} between calls"


def _account_state(one: Mapping[str, Any]) -> str:
    return "waiting" if one["state"] == "open" and one["held_until"] else str(one["state"])


def _of(used: Mapping[str, Any] | None) -> str:
    return f"{used['used']} of {used['limit']}" if used else ""


def _why(one: Mapping[str, Any], zone: ZoneInfo) -> str:
    if one["state"] != "open":
        return f"{one['reason']} (since {show.moment(one['since'], zone)}): connector resume {one['account']}"
    return f"until {show.moment(one['held_until'], zone)}: {one['held_because']}" if one["held_until"] else ""


def _backlog(destinations: Sequence[Mapping[str, Any]], zone: ZoneInfo) -> None:
    columns = ("destination", "state", "pending", "sending", "uncertain", "dead", "oldest waits", "why")
    counted = ("sending", "uncertain", "dead")
    rows = [
        (
            one["destination"],
            one["state"] if one["configured"] else "left the configuration",
            _pending(one),
            *(one[state] for state in counted),
            show.duration(one["oldest_waiting_s"]),
            one["reason"] or _kept_back(one, zone),
        )
        for one in destinations
    ]
    show.table(columns, rows, title="Destinations")


def _polls(polls: Sequence[Mapping[str, Any]], zone: ZoneInfo) -> None:
    if not polls:
        return
    columns = ("poll", "asks", "last", "next", "through up to", "new events", "what went wrong")
    rows = [
        (
            one["poll"],
            one["call"] or "left the configuration",
            show.moment(one["last_at"], zone),
            "now" if one["polling"] else show.moment(one["next_at"], zone) or "when a poller runs",
            show.moment(one["through_up_to"] or one["reached"], zone),
            one["stored"],
            f"{show.moment(one['error_at'], zone)}: {one['error']}" if one["error"] else "",
        )
        for one in polls
    ]
    show.table(columns, rows, title="Polls")


def _pending(one: Mapping[str, Any]) -> str:
    waits = {"for another delivery": one["waiting_for_another"], "to be asked about first": one["to_be_asked_about"]}
    told = ", ".join(f"{number} {how}" for how, number in waits.items() if number)
    return f"{one['pending']} ({told})" if told else str(one["pending"])


def _kept_back(one: Mapping[str, Any], zone: ZoneInfo) -> str:
    return f"{one['held']} held until contact hours, {show.moment(one['held_until'], zone)}" if one["held"] else ""


def _fetching(fetching: Sequence[Mapping[str, Any]]) -> None:
    if not fetching:
        return
    columns = ("account", "events that wait", "oldest waits", "calls in 24 h")
    rows = [
        (
            one["account"],
            one["waiting"],
            show.duration(one["oldest_waiting_s"]),
            ", ".join(f"{number} {state}" for state, number in one["calls_24h"].items()),
        )
        for one in fetching
    ]
    show.table(columns, rows, title="Fetching the rest of thin events")


def _day(found: Mapping[str, Any]) -> None:
    events, speed = found["events_24h"], found["speed_24h"]
    counts = ", ".join(f"{events[state]} {state}" for state in ("accepted", "waiting", "ignored", "invalid"))
    show.line(f"Events of the last 24 h: {counts}" + ("" if events["complete"] else " (the newest; there were more)"))
    if any(found["suppressed_24h"].values()):
        guards = ", ".join(f"{number} by {guard}" for guard, number in found["suppressed_24h"].items() if number)
        show.line(f"Kept from being sent in the last 24 h: {guards}")
    if speed["sample"]:
        half, most = show.duration(speed["p50_s"]), show.duration(speed["p95_s"])
        show.line(
            f"From arrival to the vendor's yes: half within {half}, 95 % within {most} ({speed['sample']} measured)"
        )
    else:
        show.line("From arrival to the vendor's yes: nothing was delivered in the last 24 h")


def _left(left: Sequence[Mapping[str, Any]]) -> None:
    for one in left:
        fate = "still sent, by another route's destination" if one["still_sent"] else "kept, and not sent"
        show.line(
            f"Route “{one['route']}” ({one['account']}): {one['number']} unfinished, {one['why']}; {fate}", "yellow"
        )


@click.command()
@click.option("--state", type=click.Choice(STATES), default=None, help="Only those in this state.")
@click.option("--find", metavar="TEXT", default="", help="A phone as people write it, an e-mail, an event id.")
@click.option("--event", metavar="ID", default="", help="Of this event: e45, or as its sender calls it.")
@click.option("--since", metavar="T", default="", help="Changed since: 24h (ago), or 2026-11-20T10:00.")
@click.option("--limit", metavar="N", type=click.IntRange(1, 100_000), default=50, show_default=True, help="At most.")
@face.json_option
def deliveries(state: str | None, find: str, event: str, since: str, limit: int, as_json: bool) -> None:
    """Lists deliveries, the latest first."""
    search = stories.Search(state=state or "", find=find, event=event, since=since, limit=limit)
    with face.opened() as here:
        found = stories.deliveries(here.database, here.settings, search)
    if as_json:
        show.as_json(found)
        return
    zone = here.settings.locale.timezone
    columns = ("delivery", "state", "route", "event", "changed", "calls", "reason")
    rows = [
        (
            one["delivery"],
            one["state"],
            one["route"],
            f"{one['event']} {show.shortened(one['event_id'])}",
            show.moment(one["changed_at"], zone),
            one["attempts"],
            one["reason"],
        )
        for one in found
    ]
    show.table(columns, rows)
    if not found:
        show.line("no delivery fits")
    elif len(found) == limit:
        show.line(f"the latest {limit}; --limit shows more")


@click.command()
@click.argument("id", metavar="ID")
@click.option("--record", "show_record", is_flag=True, help="Show payload and record in full, persons included.")
@face.json_option
def explain(id: str, show_record: bool, as_json: bool) -> None:
    """Tells the whole story of one event.

    ID is a delivery (d123), an event (e45) or a sender's event id.
    """
    with face.opened() as here:
        found = stories.explain(here.database, here.settings, id, show_record=show_record)
    if as_json:
        show.as_json(found)
        return
    for event in found["events"]:
        _tell(event, here.settings.locale.timezone)
    if found["left_out"]:
        show.line(f"{found['left_out']} older events of this id are left out")


def _tell(event: Mapping[str, Any], zone: ZoneInfo) -> None:
    kind = event["type"] or "no type"
    called = show.shortened(event["event_id"]) or "(forgotten)"
    show.line(f"{event['event']} {called}, {kind} from {event['source']}", "bold")
    for line in event["story"]:
        show.line(f"  {_clock(line['at'], zone)}  {_local(line['said'], zone)}")
    _conclude(event["event"], event, zone)
    for delivery in event["deliveries"]:
        _conclude(f"{delivery['delivery']} “{delivery['route']}”", delivery, zone)
        if delivery["record"]:
            show.line(
                "    its record: " + ", ".join(f"{name}={_value(v)}" for name, v in delivery["record"].items()), "dim"
            )
        if delivery["result"]:
            brought = ", ".join(f"{name}={_value(v)}" for name, v in delivery["result"].items())
            show.line(f"    kept of its vendor's answer: {brought}", "dim")
    if "payload" in event:
        show.line(f"  its payload: {event['payload']}", "dim")
    show.line()


def _conclude(name: str, one: Mapping[str, Any], zone: ZoneInfo) -> None:
    show.line(f"  {name}: {_local(one['now'], zone)}", show.STYLES.get(one["state"], ""))
    for step in one["next"]:
        show.line(f"    → {_local(step, zone)}")


def _clock(iso: str, zone: ZoneInfo) -> str:
    """To the millisecond: in a story they matter."""
    return f"{datetime.fromisoformat(iso).astimezone(zone):%Y-%m-%d %H:%M:%S.%f}"[:-3]


def _local(text: str, zone: ZoneInfo) -> str:
    return _ISO.sub(lambda found: show.moment(found[0], zone), text)


def _value(value: Any) -> str:
    return value if isinstance(value, str) else show.compact(value)
