"""`connector status`: accounts, destinations, polls, the last day, speed to lead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import click

from connector.admin import spool
from connector.admin.status import status as read_status
from connector.cli import app, output
from connector.core.states import AccountState, DeliveryState, EventState, words


@click.command()
@app.wide_option
@app.json_option
def status(wide: bool, as_json: bool) -> None:
    """Accounts, quota, backlog, speed to lead.

    \b
    connector status
    connector status --json
    """
    with app.opened(only_reads=True) as here:
        found = {**read_status(here.database, here.settings), "spool": spool.told(here.settings)}
    if as_json:
        output.as_json(found)
        return
    zone = here.settings.locale.timezone
    _problems(found["problems"], zone)
    _alarms(found["alarms"], zone)
    _processes(found["processes"], zone, wide)
    _accounts(found["accounts"], zone, wide)
    _backlog(found["destinations"], zone, wide)
    _fetching(found["fetching"])
    _polls(found["polls"], zone, wide)
    _spool(found["spool"])
    _day(found)
    _left(found["left_configuration"])
    _decided(found["acts_24h"], zone)
    output.line(f"Times are of {zone.key} ({output.offset(zone)}).", "dim")


def _problems(problems: Sequence[Mapping[str, Any]], zone: ZoneInfo) -> None:
    """First of all: what makes every figure below mean something else."""
    for one in problems:
        step = f": {one['next']}" if one["next"] else ""
        output.line(
            f"{'!' if one['urgent'] else '·'} {output.local(one['said'], zone)}{step}",
            "red" if one["urgent"] else "yellow",
        )
    if problems:
        output.line()


def _alarms(alarms: Mapping[str, Any], zone: ZoneInfo) -> None:
    """What people were told of, and whom no message reached yet."""
    for one in alarms["now"]:
        said = output.local(one["said"], zone)
        output.line(f"alarm since {output.moment(one['begun_at'], zone)}: {said}", "yellow")
    for one in alarms["untold"]:
        why = f"{one['why']}, tried {one['tries']} times; again at {output.moment(one['next_try_at'], zone)}"
        output.line(f"alarm {one['alarm']}: {one['addressee']} was not reached ({why})", "yellow")
    if alarms["now"] or alarms["untold"]:
        output.line()


def _processes(processes: Sequence[Mapping[str, Any]], zone: ZoneInfo, wide: bool) -> None:
    columns = ("process", "host", "pid", "version", "since", "last sign")
    rows = [
        (
            " ".join(one["roles"]),
            one["host"],
            one["pid"],
            one["version"],
            output.moment(one["since"], zone),
            "now" if one["alive"] else f"gone since {output.moment(one['seen_at'], zone)}",
        )
        for one in processes
    ]
    if rows:
        output.table(columns, rows, title="Processes", spare=("version", "pid", "host"), wide=wide)


def _accounts(accounts: Sequence[Mapping[str, Any]], zone: ZoneInfo, wide: bool) -> None:
    columns = ("account", "vendor", "state", "in flight", "calls used", "left", "why")
    rows = [
        (
            one["account"],
            one["vendor"] or "left the configuration",
            _account_state(one),
            _of(one.get("in_flight")),
            ", ".join(f"{_of(w)} in {output.duration(w['seconds'])}" for w in one.get("windows", ()))
            or "no limit known",
            ", ".join(str(w["left"]) for w in one.get("windows", ())),
            _why(one, zone),
        )
        for one in accounts
    ]
    output.table(columns, rows, title="Accounts", spare=("vendor", "in flight", "left"), wide=wide)
    for one in accounts:
        if one.get("budget"):
            output.line(f"{one['account']}: {budget_in_words(one['budget'])}{_lasts(one['budget'], zone)}")
        for share in (*one.get("shares", ()), *one.get("ceilings", ())):
            output.line(f"{one['account']}: {share['said']}", "yellow" if share["used_up"] else "")
        for known in one.get("helps", ()):
            if known["state"] != "works":
                said = f" ({known['words']})" if known["words"] else ""
                output.line(f"{one['account']}: {known['name']} is {known['state']}{said}; deliveries go on without it")


def budget_in_words(budget: Mapping[str, Any]) -> str:
    """ "732 of 1,000 calls used in the last 24 h, 268 left; live leads leave at once, bulk waits 41 s between…" """
    said = f"{budget['used']:,} of {budget['limit']:,} calls used in the last 24 h, {budget['left']:,} left"
    if budget["used_by_others"]:
        said += f" ({budget['used_by_others']:,} by other programs with this token, as the vendor told)"
    if budget["obeys_vendor_limit"]:
        said += f"; the vendor allows this token {budget['limit']:,} a day, fewer than its licences say"
    return f"{said}; {_paced('live leads', budget, 'live')}, {_paced('bulk', budget, 'bulk')}"


def _lasts(budget: Mapping[str, Any], zone: ZoneInfo) -> str:
    if not budget["lasts_until"]:
        return ""
    pace = f"at the pace of the last hour ({budget['calls_last_hour']:,} calls)"
    return f"; {pace} they last until {output.moment(budget['lasts_until'], zone)}"


def _paced(who: str, budget: Mapping[str, Any], kind: str) -> str:
    if budget["left"] <= (budget["kept_for_live"] if kind == "bulk" else 0):
        kept = f" (the last {budget['left']:,} are kept for live leads)" if kind == "bulk" and budget["left"] else ""
        return f"{who} wait{'s' * (kind == 'bulk')} until calls are free again{kept}"
    if budget["waits_s"][kind] == 0:
        leaves = "leaves" if kind == "bulk" else "leave"
        return f"{who} {leaves} at once ({budget['in_hand'][kind]:,} calls in hand)"
    wait = output.duration(budget["spacing_s"]) or "until calls are free again"
    return f"{who} wait{'s' * (kind == 'bulk')} {wait} between calls"


def _account_state(one: Mapping[str, Any]) -> str:
    return "waiting" if one["state"] == AccountState.OPEN and one["held_until"] else str(one["state"])


def _of(used: Mapping[str, Any] | None) -> str:
    return f"{used['used']} of {used['limit']}" if used else ""


def _why(one: Mapping[str, Any], zone: ZoneInfo) -> str:
    if one["state"] != AccountState.OPEN:
        return f"{one['reason']} (since {output.moment(one['since'], zone)}): connector resume {one['account']}"
    return f"until {output.moment(one['held_until'], zone)}: {one['held_because']}" if one["held_until"] else ""


def _backlog(destinations: Sequence[Mapping[str, Any]], zone: ZoneInfo, wide: bool) -> None:
    counted = words(DeliveryState.SENDING, DeliveryState.UNCERTAIN, DeliveryState.DEAD)
    columns = ("destination", "state", DeliveryState.PENDING.value, *counted, "oldest waits", "why")
    rows = [
        (
            one["destination"],
            one["state"] if one["configured"] else "left the configuration",
            _pending(one),
            *(one[state] for state in counted),
            output.duration(one["oldest_waiting_s"]),
            one["reason"] or _kept_back(one, zone),
        )
        for one in destinations
    ]
    output.table(
        columns,
        rows,
        title="Destinations",
        spare=(DeliveryState.SENDING.value, "oldest waits", DeliveryState.UNCERTAIN.value),
        wide=wide,
    )


def _polls(polls: Sequence[Mapping[str, Any]], zone: ZoneInfo, wide: bool) -> None:
    if not polls:
        return
    columns = ("poll", "asks", "last", "next", "through up to", "new events", "what went wrong")
    rows = [
        (
            one["poll"],
            one["call"] or "left the configuration",
            output.moment(one["last_at"], zone),
            "now" if one["polling"] else output.moment(one["next_at"], zone) or "when a poller runs",
            output.moment(one["through_up_to"] or one["reached"], zone),
            one["stored"],
            f"{output.moment(one['error_at'], zone)}: {one['error']}" if one["error"] else "",
        )
        for one in polls
    ]
    output.table(columns, rows, title="Polls", spare=("through up to", "new events", "asks", "next"), wide=wide)


def _pending(one: Mapping[str, Any]) -> str:
    waits = {"for another delivery": one["waiting_for_another"], "to be asked about first": one["to_be_asked_about"]}
    waits["for room in their source's share or limit"] = one["waiting_for_room"]
    told = ", ".join(f"{number} {how}" for how, number in waits.items() if number)
    return f"{one[DeliveryState.PENDING]} ({told})" if told else str(one[DeliveryState.PENDING])


def _kept_back(one: Mapping[str, Any], zone: ZoneInfo) -> str:
    return f"{one['held']} held until contact hours, {output.moment(one['held_until'], zone)}" if one["held"] else ""


def _fetching(fetching: Sequence[Mapping[str, Any]]) -> None:
    if not fetching:
        return
    columns = ("account", "events that wait", "oldest waits", "calls in 24 h")
    rows = [
        (
            one["account"],
            one["waiting"],
            output.duration(one["oldest_waiting_s"]),
            ", ".join(f"{number} {state}" for state, number in one["calls_24h"].items()),
        )
        for one in fetching
    ]
    output.table(columns, rows, title="Fetching the rest of thin events")


def _day(found: Mapping[str, Any]) -> None:
    events, speed = found["events_24h"], found["speed_24h"]
    counts = ", ".join(f"{events[state]} {state}" for state in EventState)
    output.line(f"Events of the last 24 h: {counts}" + ("" if events["complete"] else " (the newest; there were more)"))
    if any(found["suppressed_24h"].values()):
        guards = ", ".join(f"{number} by {guard}" for guard, number in found["suppressed_24h"].items() if number)
        output.line(f"Kept from being sent in the last 24 h: {guards}")
    if speed["sample"]:
        half, most = output.duration(speed["p50_s"]), output.duration(speed["p95_s"])
        output.line(
            f"From arrival to the vendor's yes: half within {half}, 95 % within {most} ({speed['sample']} measured)"
        )
    else:
        output.line("From arrival to the vendor's yes: nothing was delivered in the last 24 h")


def _spool(found: dict[str, Any] | None) -> None:
    """Only where it matters: something waits, or it cannot be seen."""
    if found is not None and spool.holds(found):
        output.line(f"! {spool.in_words(found)}", "yellow")


def _left(left: Sequence[Mapping[str, Any]]) -> None:
    for one in left:
        fate = "still sent, by another route's destination" if one["still_sent"] else "kept, and not sent"
        output.line(
            f"Route “{one['route']}” ({one['account']}): {one['number']} unfinished, {one['why']}; {fate}", "yellow"
        )


def _decided(acts: Sequence[Mapping[str, Any]], zone: ZoneInfo) -> None:
    if acts:
        rows = [(output.moment(one["at"], zone), one["said"]) for one in acts]
        output.table(("when", "what people did"), rows, title="Decided in the last 24 h")
