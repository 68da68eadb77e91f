"""`connector migrate`: the tables, created or upgraded."""

from __future__ import annotations

import os

import click

from connector.cli import output
from connector.config import environment
from connector.core.phrases import phrase
from connector.store import migrate as migration


@click.command()
def migrate() -> None:
    """Creates or upgrades the database.

    Does nothing when it is current.

    \b
    connector migrate
    """
    migration.migrate(environment.database_url(os.environ))
    output.line(phrase("the database is up to date"))
