"""A file that a command is given: what is wrong with it is said at once, and is wrong usage."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import IO, Any

import click

from connector.cli import output
from connector.core.phrases import phrase


class FileFault(click.UsageError):
    """Wrong usage that is told in one line: how the command is written was right."""

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"connector: {output.printable(self.message)}", file=file, err=file is None)


class GivenFile(click.Path):
    """A path of a file that is there and can be read; what it holds is judged by its reader.

    ``dash``: "-" is stdin, and stays as it is. ``pipe``: what another program writes may be read from a pipe too.
    """

    def __init__(self, *, dash: bool = False, pipe: bool = False) -> None:
        super().__init__(allow_dash=dash, path_type=Path)
        self._pipe = pipe

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = Path(value)
        if not (self.allow_dash and str(path) == "-") and (why := fault_of(path, pipe=self._pipe)):
            raise FileFault(str(output.say(why)), ctx)
        return path


def fault_of(path: Path, *, pipe: bool = False) -> str:
    """Why a file cannot be used; "" if it can. Only a regular file can be measured, read twice, or read again later."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return phrase("there is no file {path}", path=path)
    except (OSError, ValueError) as fault:
        return _unreadable(path, fault)
    if stat.S_ISDIR(found.st_mode):
        return phrase("{path} is a directory: name a file in it", path=path)
    if stat.S_ISFIFO(found.st_mode) and pipe:
        return ""
    if not stat.S_ISREG(found.st_mode):
        return phrase("{path} is no regular file: save what it gives into one first", path=path)
    if not os.access(path, os.R_OK):
        return phrase("{path} cannot be read: its permissions do not let this user", path=path)
    return ""


def _unreadable(path: Path, fault: OSError | ValueError) -> str:
    why = getattr(fault, "strerror", None) or str(fault)
    return phrase("{path} cannot be read: {why}", path=path, why=why.lower())
