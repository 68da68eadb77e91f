"""Output of commands: rich tables on a terminal, plain aligned columns in a pipe, JSON on request."""

from __future__ import annotations

import json
import os
import re
import sys
import textwrap
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from connector.cli import tables
from connector.core.phrases import joined, phrase
from connector.core.states import AccountState, AttemptState, DeliveryState, DestinationState, EventState
from connector.languages.catalogue import catalogue

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

GAP = " " * tables.GAP
COLUMNS = 80  #: of a paragraph
STEP = "→"  #: before the next steps for a person
_UNUSUAL = re.compile(r"[^\n -~]")
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?Z")

#: The style of a state on a terminal.
STYLES = {
    DeliveryState.DELIVERED: "green",
    AttemptState.ACCEPTED: "green",
    AccountState.OPEN: "green",
    "ok": "green",
    DeliveryState.PENDING: "cyan",
    DeliveryState.SENDING: "cyan",
    AttemptState.STARTED: "cyan",
    EventState.WAITING: "cyan",
    DeliveryState.SUPPRESSED: "dim",
    EventState.IGNORED: "dim",
    AttemptState.NOT_SENT: "yellow",
    DeliveryState.UNCERTAIN: "yellow",
    AttemptState.UNKNOWN: "yellow",
    AccountState.PAUSED: "yellow",
    "warning": "yellow",
    DestinationState.STOPPED: "red",
    AccountState.BLOCKED: "red",
    AttemptState.REJECTED: "red",
    EventState.INVALID: "red",
    DeliveryState.DEAD: "red",
    "fault": "red",
}


def prepare() -> None:
    """Makes stdout replace characters that the terminal's encoding lacks, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


_language = "en"


def speak(language: str) -> None:
    """From now on phrases are said in this language. JSON stays as it is."""
    global _language
    _language = language


def say(text: str) -> str:
    """A phrase in the chosen language, any other text as it is."""
    return text if _language == "en" else catalogue(_language).say(text)


def as_json(value: Any) -> None:
    """One JSON document, without anything that a terminal would obey. Only ASCII where stdout is not UTF-8."""
    ascii_only = "utf" not in (sys.stdout.encoding or "").lower()
    text = json.dumps(value, ensure_ascii=ascii_only, indent=2)
    click.echo(text if text.isascii() else _UNUSUAL.sub(_escaped, text))


def _escaped(found: re.Match[str]) -> str:
    """As JSON writes what a terminal would obey: the document stays the same."""
    return found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1]


def line(text: str = "", style: str = "") -> None:
    """One line, in colour only on a terminal."""
    console, text = _terminal(), say(text)
    if console is None:
        click.echo(printable(text))
        return
    from rich.text import Text

    console.print(Text(_between_words(printable(text), console.width), style=style), soft_wrap=True)


def verbatim(text: str) -> None:
    """A line to be copied: it is not broken, and not in colour."""
    click.echo(printable(text))


def _between_words(text: str, width: int) -> str:
    """A long line as several that end between words, the later ones set in. A line with a command to copy stays one."""
    if len(text) <= width or STEP in text or width < 40:
        return text
    indent = " " * (len(text) - len(text.lstrip()) + 4)
    return textwrap.fill(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def paragraph(title: str, text: str, style: str = "") -> None:
    """A sentence after its title, on lines of 80 columns; later lines are indented to where the sentence begins.

    A command in it stays on one line, to be copied.
    """
    whole = _COMMAND.sub(lambda found: found[0].replace(" ", _KEEPS), text)
    width = max(20, COLUMNS - len(title) - 1)
    first, *more = textwrap.wrap(whole, width, break_long_words=False, break_on_hyphens=False) or [""]
    line(f"{title} {first}".replace(_KEEPS, " ").rstrip(), style)
    for each in more:
        line(f"{' ' * len(title)} {each}".replace(_KEEPS, " "), style)


_KEEPS = "\ue000"  #: a space at which no line ends
_COMMAND = re.compile(
    r"connector [a-z]+(?: (?:add|remove|import|ask|fire|discard))?(?: (?:--[a-z-]+|[dea]\d+|[A-Z|]{2,}[A-Z|…]*))*"
)


def warn(text: str) -> None:
    """One line on stderr, which scripts that read stdout ignore."""
    click.echo(f"connector: {printable(say(text))}", err=True)


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    title: str = "",
    spare: Sequence[str] = (),
    wide: bool = False,
) -> None:
    """Nothing is cut in a pipe, or with ``wide``. A narrow terminal loses the ``spare`` columns, the first first."""
    if title:
        line(title, "bold")
    titles = {name: say(name) for name in columns}
    columns, spare = [titles[name] for name in columns], [titles[name] for name in spare]
    texts = [[printable(_text(cell)) for cell in row] for row in rows]
    console = _terminal()
    if console is None or wide:
        widths = _widths(columns, texts)
        for each in [list(columns), *texts]:
            click.echo(_aligned(each, widths))
        click.echo()
        return
    found = tables.fit(columns, texts, console.width, spare)
    if not found.columns:
        _row_by_row(columns, texts)
        return
    styles = [[STYLES.get(str(cell).split(" ")[0].rstrip(":,"), "") for cell in row] for row in rows]
    console.print(_rich(columns, texts, styles, found))
    if found.left_out:
        line(phrase("left out for want of room: {columns} (--wide)", columns=", ".join(found.left_out)), "dim")
    line()


def _row_by_row(columns: Sequence[str], texts: Sequence[Sequence[str]]) -> None:
    width = max(map(len, columns))
    for row in texts:
        line(row[0], "bold")
        for name, cell in zip(columns[1:], row[1:], strict=True):
            if cell:
                line(f"  {name:<{width}}  {cell}")
    line()


def timed(name: str, zone: ZoneInfo) -> str:
    """The title of a column of times, which says their zone: "received (UTC-5)"."""
    return joined([name, f"({offset(zone)})"], " ")


def times_of(zone: ZoneInfo) -> None:
    """The last line of what shows times."""
    line(phrase("Times are of {zone} ({offset}).", zone=zone.key, offset=offset(zone)), "dim")


def offset(zone: ZoneInfo) -> str:
    """ "UTC-5", "UTC+5:30": what a zone is off by now."""
    minutes = int((datetime.now(zone).utcoffset() or timedelta()).total_seconds() // 60)
    if not minutes:
        return "UTC"
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'-' if minutes < 0 else '+'}{hours}" + (f":{rest:02}" if rest else "")


def moment(iso: str | None, zone: ZoneInfo) -> str:
    """A JSON time in this timezone, "2026-11-20 10:01:02"; "" for none."""
    return "" if not iso else f"{datetime.fromisoformat(iso).astimezone(zone):%Y-%m-%d %H:%M:%S}"


def local(text: str, zone: ZoneInfo) -> str:
    """A sentence with its JSON times as a person of this timezone reads them."""
    return _ISO.sub(lambda found: moment(found[0], zone), say(text))


def duration(seconds: float | None) -> str:
    """ "250 ms", "4.2 s", "3 min", "2 h 5 min", "4 days"; "" for none. May be a phrase."""
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return phrase("{seconds:.1f} s", seconds=seconds)
    minutes = int(seconds // 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return phrase("{days} days", days=hours // 24)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def printable(text: str) -> str:
    """On one line, without anything that a terminal would obey."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "·" for c in text)


def shortened(text: str, most: int = 28) -> str:
    """The beginning of a long id, such as a hash."""
    return text if len(text) <= most else text[: most - 1] + "…"


def compact(value: Any) -> str:
    """A value as JSON on one line."""
    return json.dumps(value, ensure_ascii=False)


def _terminal() -> Console | None:
    """The terminal; None in a pipe, where rich is not imported."""
    if not sys.stdout.isatty() and not {"FORCE_COLOR", "TTY_COMPATIBLE"} & os.environ.keys():
        return None
    from rich.console import Console

    console = Console(file=sys.stdout, highlight=False)
    return console if console.is_terminal else None


def _text(cell: object) -> str:
    if isinstance(cell, dict | list):
        return compact(cell)
    return "" if cell is None else say(cell if isinstance(cell, str) else str(cell))


def _rich(
    columns: Sequence[str], texts: Sequence[Sequence[str]], styles: Sequence[Sequence[str]], found: tables.Fit
) -> Table:
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False, padding=(0, tables.GAP, 0, 0), collapse_padding=True, header_style="bold")
    for at, width in zip(found.columns, found.widths, strict=True):
        shown.add_column(columns[at], overflow="fold", width=width)
    for row, looks in zip(texts, styles, strict=True):
        shown.add_row(*(Text(row[at], style=looks[at]) for at in found.columns))
    return shown


def _widths(columns: Sequence[str], texts: Sequence[Sequence[str]]) -> list[int]:
    from rich.cells import cell_len

    return [max(map(cell_len, cells)) for cells in zip(columns, *texts, strict=True)]


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    from rich.cells import cell_len

    padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
    return GAP.join(padded).rstrip()
