"""Help texts and completions, prepared in outline.json, so that neither imports a command's module.

`make docs` writes the file from the commands, and a test compares it with them.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click

FILE: Final = Path(__file__).with_name("outline.json")
_KINDS: Final[Mapping[str, type[click.ParamType[Any]]]] = {"path": click.Path, "file": click.File}


class Outline(click.Command):
    """A command that can only be described and completed."""

    def __init__(self, name: str, entry: Mapping[str, Any]) -> None:
        super().__init__(name, params=[_param(one) for one in entry["params"]], help=entry["help"])
        self.entry = entry

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return list(self.entry["usage"])

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write(self, ctx, formatter)


class OutlinedGroup(click.Group):
    """The same for a command with subcommands."""

    def __init__(self, name: str, entry: Mapping[str, Any]) -> None:
        inner = {one: command(one, what) for one, what in entry["commands"].items()}
        super().__init__(name, params=[_param(one) for one in entry["params"]], help=entry["help"], commands=inner)
        self.entry = entry

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return list(self.entry["usage"])

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write(self, ctx, formatter)
        self.format_commands(ctx, formatter)


@functools.cache
def _all() -> Mapping[str, Any]:
    try:
        found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # optional: without it the commands themselves are imported
        return {}
    return found


def command_named(name: str) -> click.Command | None:
    """The outline of one of `connector`'s commands; None if the file lacks it."""
    entry = _all().get(name)
    return command(name, entry) if entry else None


def command(name: str, entry: Mapping[str, Any]) -> click.Command:
    return OutlinedGroup(name, entry) if "commands" in entry else Outline(name, entry)


def asks_for_help(args: Sequence[str]) -> bool:
    """Whether one of the words after a command is --help."""
    return any(word in ("-h", "--help") for word in (args[: args.index("--")] if "--" in args else args))


def entry_of(one: click.Command, ctx: click.Context) -> dict[str, Any]:
    """The entry of a command in outline.json. ``ctx``: the command's own."""
    params = [param for param in one.get_params(ctx) if "--help" not in param.opts]
    entry: dict[str, Any] = {
        "usage": one.collect_usage_pieces(ctx),
        "help": one.help,
        "options": [
            record for param in params if isinstance(param, click.Option) and (record := param.get_help_record(ctx))
        ],
        "params": [_param_entry(param) for param in params],
    }
    if isinstance(one, click.Group):
        inner = {name: one.get_command(ctx, name) for name in one.list_commands(ctx)}
        entry["commands"] = {
            name: entry_of(each, click.Context(each, info_name=name, parent=ctx))
            for name, each in inner.items()
            if each
        }
    return entry


def _param_entry(param: click.Parameter) -> dict[str, Any]:
    entry: dict[str, Any] = {"names": [*param.opts, *param.secondary_opts], "nargs": param.nargs}
    if isinstance(param.type, click.Choice):
        entry["choices"] = [str(choice) for choice in param.type.choices]
    elif kind := next((name for name, kind in _KINDS.items() if isinstance(param.type, kind)), ""):
        entry["kind"] = kind
    if isinstance(param, click.Option):
        entry |= {"flag": param.is_flag, "many": param.multiple, "help": param.help}
    return entry


def _param(entry: Mapping[str, Any]) -> click.Parameter:
    kind: Any = click.Choice(entry["choices"]) if "choices" in entry else _KINDS.get(entry.get("kind", ""), str)
    param_type = kind() if isinstance(kind, type) and issubclass(kind, click.ParamType) else kind
    if "flag" not in entry:
        return click.Argument(entry["names"][:1], type=param_type, nargs=entry["nargs"], required=False)
    if entry["flag"]:
        return click.Option(
            ["/".join(entry["names"])] if len(entry["names"]) == 2 and _is_pair(entry) else entry["names"],
            is_flag=True,
            help=entry["help"],
        )
    return click.Option(
        entry["names"], type=param_type, nargs=entry["nargs"], multiple=entry["many"], help=entry["help"]
    )


def _is_pair(entry: Mapping[str, Any]) -> bool:
    return bool(entry["names"][1].startswith("--no-"))


def _write(one: Outline | OutlinedGroup, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    own = one.get_help_option(ctx)
    last = own.get_help_record(ctx) if own else None
    with formatter.section("Options"):
        formatter.write_dl([*((name, text) for name, text in one.entry["options"]), *([last] if last else [])])
