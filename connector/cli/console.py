"""`connector console`: keys for the people who use the console and ``/api``."""

from __future__ import annotations

import re
import secrets

import click
from werkzeug.security import generate_password_hash

from connector.cli import output
from connector.core.errors import ConnectorError
from connector.core.phrases import phrase
from connector.core.settings import Role
from connector.core.text import quote


@click.group()
def console() -> None:
    """Keys for the people who use the console.

    \b
    connector console key ana --role operator
    """


@console.command()
@click.argument("name")
@click.option(
    "--role", type=click.Choice([role.value for role in Role]), default=Role.OPERATOR.value, show_default=True
)
def key(name: str, role: str) -> None:
    """Makes a key for a person, and the lines of the configuration that let them in.

    The configuration holds the key's hash only. The key is shown once: hand it over safely.

    \b
    connector console key ana
    connector console key luis --role viewer
    """
    if not re.fullmatch("[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
        raise ConnectorError(phrase("{name} is no name here: write letters, digits, - and _ only", name=quote(name)))
    made = secrets.token_urlsafe(32)
    output.line(phrase("The key of {name}, shown this once: {made}", name=name, made=made))
    output.line(phrase("Put into the configuration, and restart the web process:"))
    for text in (
        f"[console.people.{name}]",
        f'role = "{role}"',
        f'token_hash = "{generate_password_hash(made)}"',
    ):
        output.line(f"  {text}")
