"""Writes the pages of docs/ that are made from the code: `make docs`. A test compares them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from connector.cli import outline
from connector.cli.root import connector
from connector.web import documents
from tests import configuration_tables, http_document, queue_document

DOCS = Path(__file__).parent.parent / "docs"
WIDTH = 100
#: As the group has it: click keeps the first that it was asked with.
HELP: Any = {"help_option_names": ["-h", "--help"]}

COMMANDS = """# Commands

`make docs` writes this page from what `--help` prints.

Lists and reports take `--json`: an array of objects for lists, one object otherwise, snake_case keys, ISO 8601 times.
Exit codes: 0 done, 1 it failed, 2 wrong usage. An error is one line that says what to do.
"""


def commands() -> str:
    """docs/commands.md: the help of each command, groups before what they hold."""
    parts = [COMMANDS]
    for path, command in each_command():
        with click.Context(command, info_name=path, terminal_width=WIDTH, max_content_width=WIDTH, **HELP) as context:
            parts.append(f"## `{path}`\n\n```text\n{command.get_help(context).strip()}\n```\n")
    return "\n".join(parts)


def each_command() -> Iterator[tuple[str, click.Command]]:
    """ "connector suppress add" and the command, groups before what they hold."""
    return _each(connector, "connector", None)


def outlines() -> str:
    """connector/cli/outline.json: what `--help` and TAB need of each command."""
    context = click.Context(connector, info_name="connector", **HELP)
    told = outline.entry_of(connector, context)["commands"]
    return json.dumps(told, ensure_ascii=False, indent=1) + "\n"


def _each(command: click.Command, path: str, parent: click.Context | None) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=path, parent=parent, **HELP)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None and not inner.hidden:
                yield from _each(inner, f"{path} {name}", context)


def configuration() -> str:
    """docs/configuration.md with its tables of keys as the shapes have them; the rest is written by hand."""
    return configuration_tables.filled((DOCS / "configuration.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    (DOCS / "commands.md").write_text(commands(), encoding="utf-8")
    (DOCS / "configuration.md").write_text(configuration(), encoding="utf-8")
    outline.FILE.write_text(outlines(), encoding="utf-8")
    (DOCS / "api.md").write_text(http_document.page(), encoding="utf-8")
    documents.OPENAPI.write_text(http_document.openapi(), encoding="utf-8")
    documents.ASYNCAPI.write_text(queue_document.asyncapi(), encoding="utf-8")
