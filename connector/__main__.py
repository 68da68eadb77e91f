"""The `connector` command."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Runs one command. Exit codes: 0 done, 1 it failed, 2 wrong usage."""
    try:
        from connector.commands import connector
    except Exception as fault:  # noqa: BLE001 - a mapping file that cannot be loaded is told in one line
        sys.exit(f"connector: {broken_file(fault)}")
    connector(prog_name="connector")


def broken_file(fault: Exception) -> str:
    """Which of our files cannot be loaded, and why: "mappings/lead.py, line 12: SyntaxError: '(' was never closed"."""
    if isinstance(fault, SyntaxError):
        where, line, why = fault.filename or "?", fault.lineno, fault.msg
    else:
        ours = [f for f in traceback.extract_tb(fault.__traceback__) if Path(f.filename).is_relative_to(ROOT)]
        where, line, why = ours[-1].filename, ours[-1].lineno, " ".join(str(fault).split())
    name = Path(where).relative_to(ROOT) if Path(where).is_relative_to(ROOT) else Path(where)
    return f"{name}, line {line}: {type(fault).__name__}: {why}: correct the file"


if __name__ == "__main__":
    main()
