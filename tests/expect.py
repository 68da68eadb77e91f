"""``python -m tests.expect FILE …``: writes the expected results beside payload files, to be read and corrected."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def prepare(file: Path) -> Path:
    """``….expected.json`` of a payload file; a new one says only where it is."""
    beside = file.with_name(f"{file.stem}.expected.json")
    if not beside.exists():
        beside.write_text('{"region": "CO", "timezone": "America/Bogota"}\n')
    return beside


def fill(file: Path, beside: Path) -> None:
    """Everything that becomes of the payload. What the file gives (region, timezone, fields, fetched) stays."""
    from tests.test_mappings import expected_of, outcome  # reads every expected file as it is imported

    said, wanted = expected_of(file)
    given = {name: value for name, value in said.items() if name not in wanted}
    become = outcome(file.parent.name, json.loads(file.read_text()), said)
    beside.write_text(json.dumps({**given, **become}, ensure_ascii=False, indent=2) + "\n")


if __name__ == "__main__":
    files = [(file, prepare(file)) for file in map(Path, sys.argv[1:])]
    for file, beside in files:
        fill(file, beside)
        print(beside)
