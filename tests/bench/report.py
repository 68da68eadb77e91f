"""The measurements beside their floors and rivals, as a table for people and as JSON for a history."""

from __future__ import annotations

import dataclasses
import os
import platform
import time
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One comparison. ``ok`` is None where nothing was promised or nothing could be measured (``note`` says why)."""

    work: str
    measured: str
    floor: str = ""
    rival: str = ""
    ratio: float | None = None
    reach: str = ""
    ok: bool | None = None
    note: str = ""


@dataclasses.dataclass
class Report:
    """The rows of one run, in the order in which they came."""

    rows: list[Row] = dataclasses.field(default_factory=list)
    faults: list[str] = dataclasses.field(default_factory=list)

    def add(self, *rows: Row) -> None:
        self.rows.extend(rows)

    def skip(self, work: str, why: str) -> None:
        """Something this machine cannot measure: no broker, no database, no compiler."""
        self.add(Row(work=work, measured="skipped", note=why))

    def fail(self, work: str, why: str) -> None:
        """Something that should have run and did not."""
        self.faults.append(f"{work}: {why}")
        self.add(Row(work=work, measured="failed", note=why))

    def print(self, console: Console | None = None) -> None:
        table = Table(title="connector bench", title_justify="left", show_lines=False)
        for heading in ("work", "measured", "floor", "rival", "ratio", "reach", "", "note"):
            table.add_column(heading, overflow="fold")
        for row in self.rows:
            ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
            mark = {True: "[green]ok[/]", False: "[red]short[/]", None: ""}[row.ok]
            table.add_row(row.work, row.measured, row.floor, row.rival, ratio, row.reach, mark, row.note)
        wide = None if os.isatty(1) else 200
        (console or Console(width=wide)).print(table)

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        document = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()},
            "rows": [dataclasses.asdict(row) for row in self.rows],
            "faults": self.faults,
        }
        path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))


def at_least(work: str, measured: float, beside: float, reach: float, *, unit: str, of: str, note: str = "") -> Row:
    """A row whose ratio measured / beside must be `reach` or more. `of`: "rival" or a floor's name."""
    ratio = measured / beside if beside else None
    return Row(
        work=work,
        measured=figure(measured, unit),
        floor=figure(beside, unit) if of != "rival" else "",
        rival=figure(beside, unit) if of == "rival" else "",
        ratio=ratio,
        reach=f"≥ {reach:g} × the {of}",
        ok=ratio >= reach if ratio is not None else None,
        note=note,
    )


def at_most(work: str, measured: float, beside: float, reach: float, *, unit: str, of: str, note: str = "") -> Row:
    """A row whose ratio measured / beside must be `reach` or less."""
    row = at_least(work, measured, beside, reach, unit=unit, of=of, note=note)
    ok = row.ratio <= reach if row.ratio is not None else None
    return dataclasses.replace(row, reach=f"≤ {reach:g} × the {of}", ok=ok)


def limit(work: str, measured: float, reach: float, *, unit: str, note: str = "") -> Row:
    """A row whose measured value itself must be `reach` or less."""
    return Row(
        work=work, measured=figure(measured, unit), reach=f"≤ {figure(reach, unit)}", ok=measured <= reach, note=note
    )


def figure(value: float, unit: str) -> str:
    """12,345 /s; 8.4 ms"""
    return f"{value:,.0f} {unit}" if abs(value) >= 100 else f"{value:.1f} {unit}"
