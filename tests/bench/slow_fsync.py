"""Builds the shim that makes every fsync slower, and the environment that loads it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


class Unavailable(Exception):  # noqa: N818 - a reason to skip, not an error
    """This machine cannot measure it; the text says why."""


def build(directory: Path) -> Path:
    """Compiles the shim into `directory`; `Unavailable` when there is no compiler or it refuses."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise Unavailable("no C compiler (cc, gcc or clang) to build the slow-fsync shim")
    library = directory / "slow_fsync.so"
    source = Path(__file__).with_name("slow_fsync.c")
    command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
    built = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if built.returncode:
        raise Unavailable(f"the slow-fsync shim does not compile: {built.stderr.strip().splitlines()[-1]}")
    return library


def environment(library: Path, *, delay_ms: float) -> dict[str, str]:
    """What a process needs in its environment for every fsync to take `delay_ms` longer."""
    return {"LD_PRELOAD": str(library), "FSYNC_DELAY_US": str(int(delay_ms * 1000))}
