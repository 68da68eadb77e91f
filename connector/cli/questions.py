"""The confirmation before an irreversible action: asked on a terminal, given by ``--yes`` in a script."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from connector.cli import output
from connector.core.phrases import phrase

Decorated = Callable[..., Any]


def yes_option(command: Decorated) -> Decorated:
    """``--yes``, as every command has it that asks."""
    return click.option("--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")(command)


def demand_answer(*, yes: bool, as_json: bool = False, first: str = "") -> None:
    """Wrong usage if nobody can be asked and ``--yes`` is missing; ``first``: what to look at before."""
    if not yes and (as_json or not has_terminal()):
        template = (
            "nobody can be asked here: say --yes, once {first}" if first else "nobody can be asked here: say --yes"
        )
        raise click.UsageError(phrase(template, first=first))


def confirm(what: str, *, yes: bool) -> None:
    """Goes on when a person agrees; ends the command otherwise."""
    if not yes:
        click.confirm(output.say(phrase("{what}. Go on?", what=what)), abort=True, err=True)


def has_terminal() -> bool:
    return sys.stdin.isatty()
