"""`connector map`: shows the result of a payload, without a database and without sending anything."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click

from connector.admin.mapped import mapped, mapped_again
from connector.admin.stored import source_named, stored_event
from connector.cli import app, output
from connector.cli.given_file import GivenFile
from connector.core.errors import ConnectorError
from connector.core.phrases import joined, phrase
from connector.core.states import DeliveryState, EventState, state_word
from connector.inbound.captured import captured

STDIN: Final = Path("-")


@click.command("map")
@click.argument("source", required=False)
@click.argument("file", metavar="[FILE]", required=False, type=GivenFile(dash=True, pipe=True))
@click.option("--from", "stored", metavar="EVENT", help="The stored payload of an event, e45, instead of a file.")
@app.json_option
def map_(source: str | None, file: Path | None, stored: str | None, as_json: bool) -> None:
    """Shows what a payload would become.

    The event and each route's record, or every field's error; and for each route why it takes the event or does not.

    FILE is .json, .ndjson, .xml or .txt (a form), or - for JSON on stdin. With --from a payload of the inbox is read as
    the configuration reads it today. Nothing is stored or sent.

    \b
    connector map landing lead.json
    connector map landing --from e45
    """
    if (file is None) is (stored is None) or (stored is None and source is None):
        raise click.UsageError(phrase("give a SOURCE and a FILE, or --from with an event: connector map --from e45"))
    found = _of_event(stored, source or "") if stored is not None else _of_file(source or "", file or Path("-"))
    if as_json:
        output.as_json(found)
    else:
        for one in found["events"]:
            _print(one)
    if any(
        one["status"] == EventState.INVALID or any(d["state"] == DeliveryState.DEAD for d in one["deliveries"])
        for one in found["events"]
    ):
        sys.exit(1)


def _of_file(source: str, file: Path) -> dict[str, Any]:
    settings = app.settings()
    configured = source_named(settings, source)
    if file == STDIN:
        return mapped(settings, configured, _bytes(file), "")
    request = captured(_bytes(file), file.suffix.lower())
    return mapped(settings, configured, request.body, request.content_type, request.headers)


def _of_event(text: str, source: str) -> dict[str, Any]:
    with app.opened() as here:
        stored = stored_event(here.settings, here.database, text, source)
        return mapped_again(here.settings, stored)


def _bytes(file: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == STDIN else file.read_bytes()
    except OSError as fault:
        raise ConnectorError(phrase("{file} cannot be read: {why}", file=file, why=fault.strerror or "")) from fault


def _print(one: Mapping[str, Any]) -> None:
    title = joined([f"{one['event_id']} {one['type']}", state_word(one["status"])], ": ")
    output.line(title, output.STYLES.get(one["status"], "bold"))
    if one["errors"]:
        output.table(
            (phrase("field"), phrase("error")), [(error["field"], error["message"]) for error in one["errors"]]
        )
    for note in one["notes"]:
        output.line(phrase("noted: {note}", note=note), "yellow")
    if one["event"]:
        output.table((phrase("field"), phrase("value")), _filled(one["event"]), title=phrase("The event"))
    for delivery in one["deliveries"]:
        _print_delivery(delivery)
    if one["routes"]:
        rows = [(choice["route"], choice["why"] or phrase("takes it")) for choice in one["routes"]]
        output.table((phrase("route"), phrase("what it makes of it")), rows, title=phrase("The routes"))
    if one["status"] == EventState.IGNORED:
        unwanted = "no route wants it: it would be kept, and sent nowhere"
        template = unwanted if one["event"] else "it is not to be acted on: it would be kept, and sent nowhere"
        output.line(phrase(template), "yellow")


def _print_delivery(one: Mapping[str, Any]) -> None:
    after = "Route “{route}” → {destination}, after “{after}”"
    facts = {name: one[name] for name in ("route", "destination", "after")}
    title = phrase(after if one["after"] else "Route “{route}” → {destination}", **facts)
    if one["record"] is None:
        output.line(title, "bold")
        output.line(one["reason"], "red")
        return
    output.table((phrase("field"), phrase("value")), _filled(one["record"]), title=title)
    for guard in one["guards"]:
        output.line(phrase("checked when its turn comes: {guard}", guard=guard))
    for note in one["notes"]:
        output.line(phrase("noted: {note}", note=note), "yellow")


def _filled(record: Mapping[str, Any]) -> Sequence[tuple[str, Any]]:
    return [(name, value) for name, value in record.items() if value not in ("", None, [], {})]
