"""How commands speak: rich tables on a terminal, plain aligned columns in a pipe, JSON where it was asked for."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import click
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

GAP = "  "

#: What a state looks like on a terminal.
STYLES = {
    "delivered": "green",
    "accepted": "green",
    "open": "green",
    "ok": "green",
    "pending": "cyan",
    "sending": "cyan",
    "started": "cyan",
    "waiting": "cyan",
    "suppressed": "dim",
    "ignored": "dim",
    "not_sent": "yellow",
    "uncertain": "yellow",
    "unknown": "yellow",
    "paused": "yellow",
    "warning": "yellow",
    "stopped": "red",
    "blocked": "red",
    "rejected": "red",
    "invalid": "red",
    "dead": "red",
    "fault": "red",
}


def prepare() -> None:
    """A name that the terminal's encoding lacks is shown with a question mark, never as a fault."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def as_json(value: Any) -> None:
    """One JSON document. Only ASCII where stdout is not UTF-8, so that it stays exact."""
    ascii_only = "utf" not in (sys.stdout.encoding or "").lower()
    click.echo(json.dumps(value, ensure_ascii=ascii_only, indent=2))


def line(text: str = "", style: str = "") -> None:
    """One line, in colour only on a terminal."""
    console = _console()
    if console.is_terminal:
        console.print(Text(printable(text), style=style), soft_wrap=True)
    else:
        click.echo(printable(text))


def warn(text: str) -> None:
    """One line on stderr, for whoever reads stdout by machine."""
    click.echo(f"connector: {printable(text)}", err=True)


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str = "") -> None:
    """Nothing is cut in a pipe; on a terminal long texts wrap."""
    if title:
        line(title, "bold")
    texts = [[printable(_text(cell)) for cell in row] for row in rows]
    console = _console()
    if console.is_terminal:
        console.print(_rich(columns, texts))
    else:
        for each in [list(columns), *texts]:
            click.echo(_aligned(each, _widths(columns, texts)))
        click.echo()


def moment(iso: str | None, zone: ZoneInfo) -> str:
    """A JSON time as a person of this timezone reads it, "2026-11-20 10:01:02"; "" for none."""
    return "" if not iso else f"{datetime.fromisoformat(iso).astimezone(zone):%Y-%m-%d %H:%M:%S}"


def duration(seconds: float | None) -> str:
    """ "250 ms", "4.2 s", "3 min", "2 h 5 min", "4 days"; "" for none."""
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = int(seconds // 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24} days"
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def printable(text: str) -> str:
    """On one line, without anything that a terminal would obey."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "·" for c in text)


def shortened(text: str, most: int = 28) -> str:
    """A long id (a hash, say) by its beginning."""
    return text if len(text) <= most else text[: most - 1] + "…"


def compact(value: Any) -> str:
    """A value as JSON on one line."""
    return json.dumps(value, ensure_ascii=False)


def _console() -> Console:
    return Console(file=sys.stdout, highlight=False)


def _text(cell: object) -> str:
    if isinstance(cell, dict | list):
        return compact(cell)
    return "" if cell is None else str(cell)


def _rich(columns: Sequence[str], texts: Sequence[Sequence[str]]) -> Table:
    shown = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in texts:
        shown.add_row(*(Text(cell, style=STYLES.get(cell.split(" ")[0].rstrip(":,"), "")) for cell in row))
    return shown


def _widths(columns: Sequence[str], texts: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(cell_len, cells)) for cells in zip(columns, *texts, strict=True)]


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
    return GAP.join(padded).rstrip()
