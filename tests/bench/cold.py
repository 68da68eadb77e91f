"""What short commands cost from a process that does not exist yet: processor time, and the clock."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dotenv import dotenv_values

from tests.bench import places, serving
from tests.bench.places import PYTHON, Broken
from tests.bench.report import Report, limit

TIMES: Final = 7  #: a command is started; the fastest is kept
HELP_MS: Final = 150.0
STATUS_MS: Final = 400.0
TAB: Final = {"_CONNECTOR_COMPLETE": "bash_complete", "COMP_WORDS": "connector st", "COMP_CWORD": "1"}


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of one start: processor time, user and system, and the clock."""

    processor: float
    clock: float


def cold(report: Report, at: Path, kinds: Sequence[str]) -> None:
    """Help, a TAB, and status on each database, in two languages; byte code is there, as where it is installed."""
    with serving.connector("sqlite", at) as connector:
        _add(report, "connector --help", ["--help"], connector.environment, HELP_MS)
        _add(report, "connector status --help", ["status", "--help"], connector.environment, HELP_MS)
        _add(report, "TAB behind “connector st”", [], {**connector.environment, **TAB}, HELP_MS)
    for kind in kinds:
        with places.folder() as inner, serving.connector(kind, inner) as connector:
            for language in ("en", "es"):
                given = {**connector.environment, **_shipped(), "CONNECTOR_LANG": language}
                _add(report, f"connector status, {kind}, {language}", ["status"], given, STATUS_MS)


def _shipped() -> dict[str, str]:
    """The shipped configuration with what it names: three vendors, five routes."""
    found = dotenv_values(places.ROOT / "config" / "example.env")
    named = {name: value for name, value in found.items() if value and name not in ("DATABASE_URL", "PORT")}
    return {**named, "CONNECTOR_CONFIG": str(places.ROOT / "config" / "connector.toml")}


def _add(report: Report, work: str, command: Sequence[str], environment: Mapping[str, str], most: float) -> None:
    _started(command, environment)  # leaves the byte code behind
    seen = [_started(command, environment) for _ in range(TIMES)]
    note = f"clock {min(one.clock for one in seen):.0f} ms; best of {TIMES}"
    report.add(limit(f"{work}, cold, processor time", min(one.processor for one in seen), most, unit="ms", note=note))


def _started(command: Sequence[str], environment: Mapping[str, str]) -> Cost:
    given = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = time.monotonic()
    process = subprocess.Popen(
        [PYTHON, "-m", "connector", *command],
        cwd=places.ROOT,
        env={**given, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise Broken(f"connector {' '.join(command)} ended with {process.returncode}")
    return Cost((used.ru_utime + used.ru_stime) * 1000, (time.monotonic() - began) * 1000)
