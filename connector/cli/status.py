"""`connector status`: accounts, destinations, polls, the last day, speed to lead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import click

from connector.admin import spool
from connector.admin.status import status as read_status
from connector.cli import app, output
from connector.core.phrases import joined, phrase
from connector.core.states import AccountState, DeliveryState, EventState, state_word, words


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
        found = {**read_status(here.database, here.settings), "spool": spool.state(here.settings)}
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
    output.times_of(zone)


def _problems(problems: Sequence[Mapping[str, Any]], zone: ZoneInfo) -> None:
    """First of all: what makes every figure below mean something else."""
    for one in problems:
        step = f": {output.local(one['next'], zone)}" if one["next"] else ""
        output.line(
            f"{'!' if one['urgent'] else '·'} {output.local(one['said'], zone)}{step}",
            "red" if one["urgent"] else "yellow",
        )
    if problems:
        output.line()


def _alarms(alarms: Mapping[str, Any], zone: ZoneInfo) -> None:
    """The alarms that people know of, and the messages that could not be sent yet."""
    for one in alarms["now"]:
        facts = {"at": output.moment(one["begun_at"], zone), "said": output.local(one["said"], zone)}
        output.line(phrase("alarm since {at}: {said}", **facts), "yellow")
    for one in alarms["untold"]:
        template = "alarm {alarm}: {addressee} was not reached ({why}, tried {tries} times; again at {at})"
        facts = {name: one[name] for name in ("alarm", "addressee", "why", "tries")}
        output.line(phrase(template, **facts, at=output.moment(one["next_try_at"], zone)), "yellow")
    if alarms["now"] or alarms["untold"]:
        output.line()


def _processes(processes: Sequence[Mapping[str, Any]], zone: ZoneInfo, wide: bool) -> None:
    process, host, version = phrase("process"), phrase("host"), phrase("version")
    columns = (process, host, "pid", version, phrase("since"), phrase("last sign"))
    rows = [
        (
            " ".join(one["roles"]),
            one["host"],
            one["pid"],
            one["version"],
            output.moment(one["since"], zone),
            phrase("now") if one["alive"] else phrase("gone since {at}", at=output.moment(one["seen_at"], zone)),
        )
        for one in processes
    ]
    if rows:
        output.table(columns, rows, title=phrase("Processes"), spare=(version, "pid", host), wide=wide)


def _accounts(accounts: Sequence[Mapping[str, Any]], zone: ZoneInfo, wide: bool) -> None:
    vendor, in_flight, left = phrase("vendor"), phrase("in flight"), phrase("left")
    columns = (phrase("account"), vendor, phrase("state"), in_flight, phrase("calls used"), left, phrase("why"))
    rows = [
        (
            one["account"],
            one["vendor"] or phrase("left the configuration"),
            _account_state(one),
            _of(one.get("in_flight")),
            joined([_used_up(w) for w in one.get("windows", ())], ", ") or phrase("no limit known"),
            ", ".join(str(w["left"]) for w in one.get("windows", ())),
            _why(one, zone),
        )
        for one in accounts
    ]
    output.table(columns, rows, title=phrase("Accounts"), spare=(vendor, in_flight, left), wide=wide)
    for one in accounts:
        name = f"{one['account']}: "
        if one.get("budget"):
            output.line(joined([name, budget_in_words(one["budget"]), _lasts(one["budget"], zone)]))
        for share in (*one.get("shares", ()), *one.get("ceilings", ())):
            output.line(joined([name, share["said"]]), "yellow" if share["used_up"] else "")
        for known in one.get("helps", ()):
            if known["state"] != "works":
                why = f" ({known['words']})" if known["words"] else ""
                template = "{help} fails{why}; deliveries go on without it"
                if known["state"] == "not there":
                    template = "{help} is not known to the vendor{why}; deliveries go on without it"
                output.line(joined([name, phrase(template, help=known["name"], why=why)]))


def _used_up(window: Mapping[str, Any]) -> str:
    facts = {"used": window["used"], "limit": window["limit"], "time": output.duration(window["seconds"])}
    return phrase("{used} of {limit} in {time}", **facts)


def budget_in_words(budget: Mapping[str, Any]) -> str:
    """ "732 of 1,000 calls used in the last 24 h, 268 left; live leads leave at once, bulk waits 41 s between…" """
    counts = {name: budget[name] for name in ("used", "limit", "left")}
    parts = [phrase("{used:,} of {limit:,} calls used in the last 24 h, {left:,} left", **counts)]
    if budget["used_by_others"]:
        others = " ({number:,} by other programs with this token, as the vendor told)"
        parts.append(phrase(others, number=budget["used_by_others"]))
    if budget["obeys_vendor_limit"]:
        allowed = "; the vendor allows this token {limit:,} a day, fewer than its licences say"
        parts.append(phrase(allowed, limit=budget["limit"]))
    return joined([*parts, "; ", _live_is_paced(budget), ", ", _bulk_is_paced(budget)])


def _lasts(budget: Mapping[str, Any], zone: ZoneInfo) -> str:
    if not budget["lasts_until"]:
        return ""
    facts = {"calls": budget["calls_last_hour"], "at": output.moment(budget["lasts_until"], zone)}
    return phrase("; at the pace of the last hour ({calls:,} calls) they last until {at}", **facts)


def _live_is_paced(budget: Mapping[str, Any]) -> str:
    if budget["left"] <= 0:
        return phrase("live leads wait until calls are free again")
    if budget["waits_s"]["live"] == 0:
        return phrase("live leads leave at once (up to {calls:,} calls)", calls=budget["in_hand"]["live"])
    wait = output.duration(budget["spacing_s"])
    if not wait:
        return phrase("live leads wait until calls are free again")
    return phrase("live leads wait {wait} between calls", wait=wait)


def _bulk_is_paced(budget: Mapping[str, Any]) -> str:
    if budget["left"] <= budget["kept_for_live"] and budget["left"]:
        template = "bulk waits until calls are free again (the last {left:,} are kept for live leads)"
        return phrase(template, left=budget["left"])
    wait = output.duration(budget["spacing_s"])
    if not budget["left"] or (budget["waits_s"]["bulk"] and not wait):
        return phrase("bulk waits until calls are free again")
    if budget["waits_s"]["bulk"] == 0:
        return phrase("bulk leaves at once (up to {calls:,} calls)", calls=budget["in_hand"]["bulk"])
    return phrase("bulk waits {wait} between calls", wait=wait)


def _account_state(one: Mapping[str, Any]) -> str:
    return state_word("waiting" if one["state"] == AccountState.OPEN and one["held_until"] else str(one["state"]))


def _of(used: Mapping[str, Any] | None) -> str:
    return phrase("{used} of {limit}", used=used["used"], limit=used["limit"]) if used else ""


def _why(one: Mapping[str, Any], zone: ZoneInfo) -> str:
    if one["state"] != AccountState.OPEN:
        facts = {"why": one["reason"], "at": output.moment(one["since"], zone), "account": one["account"]}
        return phrase("{why} (since {at}): connector resume {account}", **facts)
    if not one["held_until"]:
        return ""
    return phrase("until {at}: {why}", at=output.moment(one["held_until"], zone), why=one["held_because"])


def _backlog(destinations: Sequence[Mapping[str, Any]], zone: ZoneInfo, wide: bool) -> None:
    counted = words(DeliveryState.SENDING, DeliveryState.UNCERTAIN, DeliveryState.DEAD)
    oldest, titles = phrase("oldest waits"), [state_word(state) for state in (DeliveryState.PENDING.value, *counted)]
    columns = (phrase("destination"), phrase("state"), *titles, oldest, phrase("why"))
    rows = [
        (
            one["destination"],
            state_word(one["state"]) if one["configured"] else phrase("left the configuration"),
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
        title=phrase("Destinations"),
        spare=(state_word(DeliveryState.SENDING.value), oldest, state_word(DeliveryState.UNCERTAIN.value)),
        wide=wide,
    )


def _polls(polls: Sequence[Mapping[str, Any]], zone: ZoneInfo, wide: bool) -> None:
    if not polls:
        return
    asks, following, through, new = phrase("asks"), phrase("next"), phrase("read up to"), phrase("new events")
    columns = (phrase("poll"), asks, phrase("last"), following, through, new, phrase("what went wrong"))
    rows = [
        (
            one["poll"],
            one["call"] or phrase("left the configuration"),
            output.moment(one["last_at"], zone),
            phrase("now") if one["polling"] else output.moment(one["next_at"], zone) or phrase("when a poller runs"),
            output.moment(one["through_up_to"] or one["reached"], zone),
            one["stored"],
            joined([f"{output.moment(one['error_at'], zone)}: ", one["error"]]) if one["error"] else "",
        )
        for one in polls
    ]
    output.table(columns, rows, title=phrase("Polls"), spare=(through, new, asks, following), wide=wide)


def _pending(one: Mapping[str, Any]) -> str:
    waits = {
        phrase("for another delivery"): one["waiting_for_another"],
        phrase("to be asked about first"): one["to_be_asked_about"],
        phrase("for room in their source's share or limit"): one["waiting_for_room"],
    }
    parts = [joined([str(number), how], " ") for how, number in waits.items() if number]
    pending = str(one[DeliveryState.PENDING])
    return joined([pending, " (", joined(parts, ", "), ")"]) if parts else pending


def _kept_back(one: Mapping[str, Any], zone: ZoneInfo) -> str:
    if not one["held"]:
        return ""
    at = output.moment(one["held_until"], zone)
    return phrase("{number} held until contact hours, {at}", number=one["held"], at=at)


def _fetching(fetching: Sequence[Mapping[str, Any]]) -> None:
    if not fetching:
        return
    columns = (phrase("account"), phrase("events that wait"), phrase("oldest waits"), phrase("calls in 24 h"))
    rows = [
        (
            one["account"],
            one["waiting"],
            output.duration(one["oldest_waiting_s"]),
            joined([joined([str(number), state_word(state)], " ") for state, number in one["calls_24h"].items()], ", "),
        )
        for one in fetching
    ]
    output.table(columns, rows, title=phrase("Fetching the rest of thin events"))


def _day(found: Mapping[str, Any]) -> None:
    events, speed = found["events_24h"], found["speed_24h"]
    counts = joined([joined([str(events[state]), state_word(state.value)], " ") for state in EventState], ", ")
    more = "" if events["complete"] else phrase(" (the newest; there were more)")
    output.line(joined([phrase("Events of the last 24 h: "), counts, more]))
    if any(found["suppressed_24h"].values()):
        guards = ", ".join(f"{number} {guard}" for guard, number in found["suppressed_24h"].items() if number)
        output.line(phrase("Kept from being sent in the last 24 h: {guards}", guards=guards))
    if speed["sample"]:
        facts = {"half": output.duration(speed["p50_s"]), "most": output.duration(speed["p95_s"])}
        template = (
            "Speed to lead, until the vendor accepted: half within {half}, 95 % within {most} ({number} measured)"
        )
        output.line(phrase(template, **facts, number=speed["sample"]))
    else:
        output.line(phrase("Speed to lead: nothing was delivered in the last 24 h"))


def _spool(found: dict[str, Any] | None) -> None:
    """Only where it matters: something waits, or it cannot be seen."""
    if found is not None and spool.holds(found):
        output.line(joined(["! ", spool.in_words(found)]), "yellow")


def _left(left: Sequence[Mapping[str, Any]]) -> None:
    for one in left:
        fate = phrase("still sent, by another route's destination")
        facts = {name: one[name] for name in ("route", "account", "number", "why")}
        facts["fate"] = fate if one["still_sent"] else phrase("kept, and not sent")
        output.line(phrase("Route “{route}” ({account}): {number} unfinished, {why}; {fate}", **facts), "yellow")


def _decided(acts: Sequence[Mapping[str, Any]], zone: ZoneInfo) -> None:
    if acts:
        rows = [(output.moment(one["at"], zone), one["said"]) for one in acts]
        columns = (phrase("when"), phrase("what people did"))
        output.table(columns, rows, title=phrase("Decided in the last 24 h"))
