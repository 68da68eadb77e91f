"""`connector cases`: a wrong reading found in production becomes a test."""

from __future__ import annotations

import os
from pathlib import Path

import click

from connector.admin.cases import case_of, write
from connector.admin.stored import stored_event
from connector.cli import app, env_file, output
from connector.cli.group import ROOT
from connector.config import own_senders
from connector.core.phrases import phrase

FOLDER = Path("tests/payloads/cases")  #: in the product's own tree; `make sender` reads it


@click.group()
def cases() -> None:
    """Keeps stored payloads as tests.

    \b
    connector cases add e45 lead-without-a-name
    """


@cases.command()
@click.argument("event", metavar="EVENT")
@click.argument("name")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to write; samples of a project, tests/payloads/cases of the product's own tree.",
)
def add(event: str, name: str, folder: Path | None) -> None:
    """Writes the payload of an event as a case.

    EVENT is e45. Names, e-mails, phones and documents are replaced by invented ones, the same for the same, in free
    text too. NAME.expected.json holds the result of today: correct it to what is right. `connector new test MAPPING`
    asks for it, and `make sender NAME=MAPPING` in the product's own tree.

    \b
    connector cases add e45 lead-without-a-name
    """
    with app.opened() as here:
        case = case_of(here.settings, stored_event(here.settings, here.database, event))
    payload, expected = write(case, name, folder or _folder())
    output.line(phrase("written: {payload}", payload=payload))
    output.line(phrase("written: {expected}, the result of today: correct it to what is right", expected=expected))
    if case.differs:
        output.line(
            phrase("the invented person is read otherwise than the real one: {differs}", differs=case.differs), "yellow"
        )
    output.line(phrase("then, after each change: connector new test {mapping}", mapping=case.mapping))
    output.line(phrase("Read both before you share them: free text about other persons is not recognised."), "yellow")


def _folder() -> Path:
    """Of the project whose configuration is used, or of the product's own tree."""
    root = own_senders.folder_of(os.environ.get("CONNECTOR_CONFIG") or env_file.DEFAULT_CONFIG).parent
    return FOLDER if root == ROOT else root / own_senders.SAMPLES
