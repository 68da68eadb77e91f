"""Builds the shim that makes every fsync slower, and the environment that loads it."""

from __future__ import annotations

from pathlib import Path

from tests.bench import compiled


def build(directory: Path) -> Path:
    """Compiles the shim into `directory`; `compiled.Unavailable` if that cannot be."""
    return compiled.library("slow_fsync", directory)


def environment(library: Path, *, delay_ms: float) -> dict[str, str]:
    """What a process needs in its environment for every fsync to take `delay_ms` longer."""
    return {"LD_PRELOAD": str(library), "FSYNC_DELAY_US": str(int(delay_ms * 1000))}
