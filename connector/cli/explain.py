"""`connector explain`: the whole story of one event."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import click

from connector.admin.explain import explain as explain_event
from connector.cli import app, output
from connector.cli.may import asked_for
from connector.core.phrases import phrase, plural


@click.command()
@click.argument("id", metavar="ID")
@click.option("--record", "show_record", is_flag=True, help="Show payload and record in full, persons included.")
@app.json_option
def explain(id: str, show_record: bool, as_json: bool) -> None:
    """Tells the whole story of one event.

    ID is a delivery (d123), an event (e45) or a sender's event id.
    - reads it from a pipe, or asks for it: for a phone or an e-mail.

    \b
    connector explain L-1
    connector explain d123 --record
    """
    with app.opened(only_reads=True) as here:
        found = explain_event(here.database, here.settings, asked_for(id), show_record=show_record)
    if as_json:
        output.as_json(found)
        return
    zone = here.settings.locale.timezone
    for event in found["events"]:
        _print_event(event, zone)
    output.times_of(zone)
    if found["left_out"]:
        left = found["left_out"]
        output.line(
            plural("{number} older event of this id is left out", "{number} older events of this id are left out", left)
        )


def _print_event(event: Mapping[str, Any], zone: ZoneInfo) -> None:
    facts = {
        "event": event["event"],
        "id": output.shortened(event["event_id"]) or phrase("(forgotten)"),
        "type": event["type"] or phrase("no type"),
        "source": event["source"],
    }
    output.line(phrase("{event} {id}, {type} from {source}", **facts), "bold")
    for line in event["story"]:
        output.paragraph(f"  {_clock(line['at'], zone)} ", output.local(line["said"], zone))
    _conclude(event["event"], event, zone)
    for delivery in event["deliveries"]:
        _conclude(f"{delivery['delivery']} “{delivery['route']}”", delivery, zone)
        if delivery["record"]:
            record = ", ".join(f"{name}={_value(v)}" for name, v in delivery["record"].items())
            output.line(phrase("    its record: {record}", record=record), "dim")
        if delivery["result"]:
            brought = ", ".join(f"{name}={_value(v)}" for name, v in delivery["result"].items())
            output.line(phrase("    kept of its vendor's answer: {answer}", answer=brought), "dim")
    if "payload" in event:
        output.line(phrase("  its payload: {payload}", payload=event["payload"]), "dim")
    output.line()


def _conclude(name: str, one: Mapping[str, Any], zone: ZoneInfo) -> None:
    output.paragraph(f"  {name}:", output.local(one["now"], zone), output.STYLES.get(one["state"], ""))
    for step in one["next"]:
        output.paragraph("    →", output.local(step, zone))


def _clock(iso: str, zone: ZoneInfo) -> str:
    """To the millisecond: in a story they matter."""
    return f"{datetime.fromisoformat(iso).astimezone(zone):%Y-%m-%d %H:%M:%S.%f}"[:-3]


def _value(value: Any) -> str:
    return value if isinstance(value, str) else output.compact(value)
