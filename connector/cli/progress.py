"""The progress bar of every long command. On stderr, and only if that is a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from connector.cli import output


class Bar(Protocol):
    """Shows how far it is: ``count`` units, and where known ``done`` of the ``total`` length."""

    def __call__(self, count: int, *, done: int | None = None, total: int | None = None, title: str = "") -> None: ...


@contextmanager
def bar(title: str, unit: str, *, total: int | None = None) -> Iterator[Bar]:
    """A bar that counts in ``unit`` ("rows"); its length stays unknown while no total is."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn(f"{{task.fields[count]:,}} {unit}", markup=False),
    )
    with Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        shown = progress.add_task(output.printable(title), total=total, count=0)

        def update(count: int, *, done: int | None = None, total: int | None = None, title: str = "") -> None:
            values = {"completed": done, "total": total, "description": output.printable(title) or None}
            more: dict[str, Any] = {name: value for name, value in values.items() if value is not None}
            progress.update(shown, count=count, **more)

        yield update
