"""`connector` itself: the options before a command's name."""

from __future__ import annotations

import os

import click

from connector.cli import COMMANDS, env_file, output
from connector.cli.group import Commands
from connector.languages.catalogue import LANGUAGES, known, of_environment


@click.group(cls=Commands, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="connector", message="%(version)s")
@click.option("--config", metavar="FILE", default=None, help="The configuration; CONNECTOR_CONFIG if left out.")
@click.option("--lang", type=click.Choice(LANGUAGES), default=None, help="Of what is printed; LANG if left out.")
def connector(config: str | None, lang: str | None) -> None:
    """Leads and tickets in, wolkvox rows and Tracksale surveys out: nothing lost, nobody contacted twice.

    \b
    connector init mine --yes
    connector check
    connector COMMAND --help
    """
    if config is not None:
        os.environ["CONNECTOR_CONFIG"] = config
    env_file.load()
    output.speak(lang or known(os.environ.get("CONNECTOR_LANG", "")) or of_environment(os.environ))
