"""`connector cases`: a wrong reading found in production becomes a test."""

from __future__ import annotations

from pathlib import Path

import click

from connector.admin.cases import case_of, write
from connector.admin.stored import stored_event
from connector.cli import app, output

FOLDER = "tests/payloads/cases"


@click.group()
def cases() -> None:
    """Keeps stored payloads as tests.

    \b
    connector cases add e45 lead-without-a-name
    """


@cases.command()
@click.argument("event", metavar="EVENT")
@click.argument("name")
@click.option("--folder", default=FOLDER, show_default=True, type=click.Path(file_okay=False, path_type=Path))
def add(event: str, name: str, folder: Path) -> None:
    """Writes the payload of an event as a case.

    EVENT is e45. Names, e-mails, phones and documents are replaced by invented ones, the same for the same, in free
    text too. NAME.expected.json holds the result of today: correct it to what is right.

    \b
    connector cases add e45 lead-without-a-name
    """
    with app.opened() as here:
        case = case_of(here.settings, stored_event(here.settings, here.database, event))
    payload, expected = write(case, name, folder)
    output.line(f"written: {payload}")
    output.line(f"written: {expected}, the result of today: correct it to what is right")
    if case.differs:
        output.line(f"the invented person is read otherwise than the real one: {case.differs}", "yellow")
    output.line("Read both before you share them: free text about other persons is not recognised.", "yellow")
