"""How many blocks of memory a step takes from Python's allocators, in the thread that makes it."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from collections.abc import Callable, Iterator
from typing import Any

from tests.bench import compiled, places


class Allocations:
    """Counts while it stands. Made by `counting`."""

    def __init__(self, library: ctypes.PyDLL) -> None:
        self._so_far = library.taken_so_far
        self._so_far.restype = ctypes.c_ulonglong
        self._itself = 0
        self._itself = min(self.of(_nothing) for _ in range(10))

    def of(self, step: Callable[[], Any]) -> int:
        """Blocks that were taken, also those that were given back at once; a block that grew counts again."""
        gc.disable()  # what a collection does depends on what was taken before the step
        try:
            before = self._so_far()
            step()
            return int(self._so_far() - before) - self._itself
        finally:
            gc.enable()


def _nothing() -> None:
    """What counting itself takes is known by counting nothing."""


@contextlib.contextmanager
def counting() -> Iterator[Allocations]:
    """`compiled.Unavailable` where nothing can be compiled."""
    with places.folder() as at:
        library = ctypes.PyDLL(str(compiled.library("allocations", at)))
        library.count_from_now()
        try:
            yield Allocations(library)
        finally:
            library.count_no_longer()
