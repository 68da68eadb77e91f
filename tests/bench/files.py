"""What importing a file of many rows costs: time, CPU and memory, as CSV and as a workbook."""

from __future__ import annotations

import csv
import os
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tests.bench import leads, places, serving
from tests.bench.places import PYTHON, Broken
from tests.bench.report import Report, Row, limit
from tests.workbooks import write_xlsx

_TITLES = ("Nombre", "Apellido", "Cédula", "Celular", "Correo", "Ciudad", "Programa")
_MEMORY_MB = 150.0  #: a workbook is held as a whole
_PATIENCE_S = 600.0


def files(report: Report, at: Path, rows: int) -> None:
    """`connector import` of the same people in both forms, each into a fresh SQLite file."""
    for name, write in (("csv", _write_csv), ("xlsx", write_xlsx)):
        path = at / f"people.{name}"
        write(path, _people(rows))
        with serving.connector("sqlite", at) as connector:
            seconds, cpu_s, peak_mb = _imported(connector, path, rows)
        work = f"import of {rows:,} rows, {name.upper() if name == 'csv' else name}"
        note = f"{cpu_s:.1f} s of CPU, {path.stat().st_size / 1e6:.1f} MB"
        report.add(Row(work=work, measured=f"{seconds:.1f} s, {rows / seconds:,.0f} rows/s", note=note))
        report.add(limit(f"memory, {work}", peak_mb, _MEMORY_MB, unit="MB"))


def _people(rows: int) -> Iterator[Sequence[str]]:
    yield _TITLES
    for number in range(rows):
        phone = str(3_000_000_000 + number)
        yield "Ana María", "Núñez Peña", leads.id_number(number), phone, f"ana.{number}@example.com", "Medellín", "MBA"


def _imported(connector: serving.Connector, path: Path, rows: int) -> tuple[float, float, float]:
    """(seconds, seconds of CPU, MB at most) of the command's own process."""
    command = [PYTHON, "-m", "connector", "import", leads.SOURCE, str(path), "--yes"]
    environment = {**os.environ, **connector.environment}
    begun = time.monotonic()
    log = path.with_suffix(".log")
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=places.ROOT, env=environment, stdout=out, stderr=out)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - begun
    said = log.read_text()
    if process.returncode or str(rows) not in said.replace(",", ""):
        raise Broken(f"import ended with exit code {process.returncode}: {said[-600:]}")
    return seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def _write_csv(path: Path, rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out, delimiter=";").writerows(rows)
