"""What all commands share: their settings, their database, and errors that are one line saying what to do."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import click

from connector import configuration, destinations, log
from connector.commands import show
from connector.db import Database
from connector.errors import ConfigError, ConnectorError
from connector.settings import Settings

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class Face(click.Group):
    """A group that lists its commands in the order they are given, and ends every fault in one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        show.prepare()
        try:
            return super().invoke(ctx)
        except ConfigError as fault:
            fail(*fault.faults)
        except ConnectorError as fault:
            fail(str(fault))
        except KeyboardInterrupt:
            sys.exit(1)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as fault:  # the outermost loop: no stack trace to a person
            if isinstance(fault, OSError) and fault.errno == errno.EPIPE:
                raise  # whoever read our output has left: click ends quietly
            log.get("connector").debug("a command failed", exc_info=fault)
            fail(f"{log.said(fault)}: this is a fault of the connector itself; LOG_LEVEL=DEBUG shows where")


def fail(*lines: str) -> NoReturn:
    """Says why on stderr, one line for each fault, and exits with 1."""
    for each in lines:
        click.echo(f"connector: {show.printable(each)}", err=True)
    sys.exit(1)


def settings() -> Settings:
    """The configuration and the environment, with logs set up as they say. Raises `ConfigError` with every fault."""
    found = configuration.load(os.environ, destinations=destinations.SPECS)
    destinations.places(found)
    log.configure(found.log_level, secrets=found.secrets)
    return found


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a command that looks at the database has in hand."""

    settings: Settings
    database: Database


@contextlib.contextmanager
def opened() -> Iterator[Surroundings]:
    """Settings and database, closed at the end. The tables need not be there: whoever asks for them says so."""
    found = settings()
    database = Database(found.database_url)
    try:
        yield Surroundings(found, database)
    finally:
        database.close()
