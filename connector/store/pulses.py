"""How processes on one SQLite file hear of each other's transactions: each writes one byte into the lock's file.

Linux announces that (inotify), so nobody needs to look all the time. A process that cannot listen looks often instead.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import time
from pathlib import Path
from typing import Final

_IN_MODIFY: Final = 0x2
_FLAGS: Final = os.O_NONBLOCK | os.O_CLOEXEC  #: inotify's own have the same values
_PROOF_MS: Final = 100  #: the system announces a write before it returns from it


def pulse(descriptor: int) -> None:
    """A transaction is over. Never fails: it is committed, and who hears nothing looks by itself."""
    with contextlib.suppress(OSError):
        os.pwrite(descriptor, b"\0", 0)


class Clock:
    """In the place of pulses: a wait of always the same length."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def wait(self) -> bool:
        """Waits."""
        time.sleep(self._seconds)
        return False

    def close(self) -> None:
        """Nothing is left open."""


class Pulses:
    """Listens to one file. Raises `OSError` where the system does not announce its pulses."""

    def __init__(self, path: Path, most_s: float) -> None:
        """``most_s``: how long `wait` waits at most."""
        self._most_ms = most_s * 1000
        library = ctypes.CDLL(None, use_errno=True)
        begin = getattr(library, "inotify_init1", None)
        if begin is None:
            raise OSError("no inotify")
        self._inotify: Final[int] = begin(_FLAGS)
        if self._inotify < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        try:
            if library.inotify_add_watch(self._inotify, os.fsencode(path), _IN_MODIFY) < 0:
                raise OSError(ctypes.get_errno(), "inotify_add_watch")
            self._poll = select.poll()
            self._poll.register(self._inotify, select.POLLIN)
            self._prove(path)
        except BaseException:
            self.close()
            raise

    def _prove(self, path: Path) -> None:
        """Some file systems accept the watch and announce nothing."""
        with path.open("r+b", buffering=0) as file:
            os.pwrite(file.fileno(), b"\0", 0)
        if not self._poll.poll(_PROOF_MS):
            raise OSError("the file system does not announce changes")

    def wait(self) -> bool:
        """Until the next pulse, or the time is over. True: there was one."""
        heard = bool(self._poll.poll(self._most_ms))
        if heard:
            with contextlib.suppress(BlockingIOError):
                os.read(self._inotify, 65_536)
        return heard

    def close(self) -> None:
        """Listens no more."""
        os.close(self._inotify)
