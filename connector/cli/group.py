"""The group of all commands. A command's module is loaded when the command is used, not before."""

from __future__ import annotations

import errno
import gc
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import click
from click.shell_completion import CompletionItem

from connector.cli import outline, output, put_off
from connector.cli.cheap_classes import cheap_classes
from connector.core.errors import ConfigError, ConnectorError, said_of
from connector.core.phrases import Phrase, phrase

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True, slots=True)
class Entry:
    """The module of a command, and its line in the list of commands: the first sentence of its help."""

    module: str  #: "status" of connector/cli/status.py
    name: str  #: of the command in the module
    help: str


class Commands(click.Group):
    """A group that knows its commands from a table, and ends every fault in one line."""

    def __init__(self, *args: Any, table: Mapping[str, Entry] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.table: Mapping[str, Entry] = table or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, its module imported; its outline where it is only completed.

        Raises `ConnectorError` when one of our files cannot be loaded.
        """
        entry = self.table.get(cmd_name)
        if entry is None:
            return None
        if ctx.resilient_parsing and (outlined := outline.command_named(cmd_name)):
            return outlined
        try:
            put_off.load_marshmallow()
            with cheap_classes():
                found = getattr(import_module(f"connector.cli.{entry.module}"), entry.name)
            if not gc.isenabled():  # `main` has put collecting off: what is loaded by now stays for good
                gc.freeze()
                gc.enable()
        except ConnectorError:
            raise
        except Exception as fault:
            raise ConnectorError(broken_file(fault)) from fault
        assert isinstance(found, click.Command)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if outline.asks_for_help(args[1:]) and (outlined := outline.command_named(args[0])):
            return args[0], outlined, args[1:]
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table as it is: no module is loaded to list what there is."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in self.table.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names from the table: a TAB must not load the product."""
        named = [(name, one) for name, one in self.table.items() if name.startswith(incomplete)]
        own = click.Command.shell_complete(self, ctx, incomplete)
        return [CompletionItem(name, help=entry.help) for name, entry in named] + own

    def invoke(self, ctx: click.Context) -> Any:
        output.prepare()
        try:
            return super().invoke(ctx)
        except ConfigError as fault:
            fail(*fault.faults)
        except ConnectorError as fault:
            fail(said_of(fault))
        except KeyboardInterrupt:
            sys.exit(1)
        except click.ClickException as fault:
            raise _in_the_readers_language(fault) from fault
        except (click.exceptions.Exit, click.Abort):
            raise
        except Exception as fault:  # the outermost loop: no stack trace to a person
            if isinstance(fault, OSError) and fault.errno == errno.EPIPE:
                raise  # the reader of our output has left: click ends quietly
            from connector.core import log

            log.get("connector").debug("a command failed", exc_info=fault)
            template = "{fault}: this is a fault of the connector itself; LOG_LEVEL=DEBUG shows where"
            fail(phrase(template, fault=log.error_text(fault)))


def _in_the_readers_language(fault: click.ClickException) -> click.ClickException:
    """The same with a message of ours translated; click's own stay as they are."""
    if isinstance(fault.message, Phrase):
        text = output.say(fault.message)
        return click.UsageError(text, fault.ctx) if isinstance(fault, click.UsageError) else click.ClickException(text)
    return fault


def fail(*lines: str) -> NoReturn:
    """Prints each fault on a line of stderr, and exits with 1."""
    for each in lines:
        click.echo(f"connector: {output.printable(output.say(each))}", err=True)
    sys.exit(1)


def broken_file(fault: Exception) -> str:
    """Which of our files cannot be loaded, and why: "mappings/lead.py, line 12: SyntaxError: '(' was never closed"."""
    if isinstance(fault, SyntaxError):
        where, line, why = fault.filename or "?", fault.lineno, fault.msg
    else:
        ours = [f for f in traceback.extract_tb(fault.__traceback__) if Path(f.filename).is_relative_to(ROOT)]
        where, line, why = ours[-1].filename, ours[-1].lineno, " ".join(str(fault).split())
    name = Path(where).relative_to(ROOT) if Path(where).is_relative_to(ROOT) else Path(where)
    return f"{name}, line {line}: {type(fault).__name__}: {why}: correct the file"
