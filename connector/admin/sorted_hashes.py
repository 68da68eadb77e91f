"""Very many hashes brought in their order with little memory.

Hashes are anywhere in an index. Stored as they come, some thousand of them change some thousand of its pages; stored in
their order they change few, and each page once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

IN_MEMORY: Final = 100_000  #: hashes that wait to be written
_BEGINNING: Final = 2  #: characters of a hash that name its file: 256 files


class SortedHashes:
    """Takes hashes in any order, and gives them back sorted, each once. Its files in ``folder`` are the caller's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._some: list[str] = []

    def add(self, some: Iterable[str]) -> None:
        """Takes these, of ASCII, each longer than a few characters."""
        self._some += some
        if len(self._some) >= IN_MEMORY:
            self._write()

    def batches(self, most: int) -> Iterator[list[str]]:
        """All of them, so many at once."""
        self._write()
        batch: list[str] = []
        for path in sorted(self._folder.iterdir()):
            batch += sorted(set(path.read_text(encoding="ascii").split()))
            whole = len(batch) - len(batch) % most
            yield from (batch[at : at + most] for at in range(0, whole, most))
            batch = batch[whole:]
        if batch:
            yield batch

    def _write(self) -> None:
        files: dict[str, list[str]] = {}
        for one in self._some:
            files.setdefault(one[:_BEGINNING], []).append(one)
        for beginning, some in files.items():
            with (self._folder / beginning).open("a", encoding="ascii") as file:
                file.write("\n".join(some) + "\n")
        self._some = []
