"""``python -m tests.bench [names]``: measures, prints a table, writes var/bench.json. Exit 1 if a work did not run."""

from __future__ import annotations

import argparse
import sys
import traceback
from pathlib import Path

from rich.console import Console

from tests.bench import places
from tests.bench.report import Report
from tests.bench.works import ON_DEMAND, SMALL, WORKS, Size


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"which works, of {', '.join(WORKS)}; none: all but {', '.join(ON_DEMAND)}",
    )
    parser.add_argument("--small", action="store_true", help="everything a little: shows that it runs, proves nothing")
    parser.add_argument("--only", choices=("sqlite", "postgres"), help="one database instead of both")
    parser.add_argument("--backlog", type=int, help="rows waiting in the backlog work")
    parser.add_argument("--many", type=int, help="deliveries of the work many")
    parser.add_argument("--kept", type=Path, help="folder where SQLite files of the work many stay, to be read again")
    parser.add_argument("--listed", type=int, help="phones on the registry of the contact work")
    parser.add_argument("--json", type=Path, default=places.ROOT / "var" / "bench.json", help="where the figures go")
    args = parser.parse_args()
    if unknown := sorted(set(args.names) - set(WORKS)):
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(WORKS)}")
    return run(args.names or [name for name in WORKS if name not in ON_DEMAND], _size(args), args.json)


def _size(args: argparse.Namespace) -> Size:
    size = SMALL if args.small else Size()
    given = {"backlog": args.backlog} if args.backlog else {}
    given |= {"listed": args.listed} if args.listed else {}
    given |= {"many": args.many} if args.many else {}
    given |= {"kept": args.kept} if args.kept else {}
    given |= {"kinds": (args.only,)} if args.only else {}
    return Size(**(vars(size) | given))


def run(names: list[str], size: Size, output: Path) -> int:
    """Runs the works one after the other; what breaks is reported and does not stop the rest."""
    report = Report()
    err = Console(stderr=True)
    for name in names:
        err.print(f"[dim]{name} …[/]")
        try:
            with places.folder() as at:
                WORKS[name](report, at, size)
        except Exception as fault:  # noqa: BLE001 - the outermost loop: one work's fault is a row of the report
            report.fail(name, f"{type(fault).__name__}: {fault}")
            err.print("".join(traceback.format_exception(fault)), style="dim", markup=False, highlight=False)
    report.print()
    report.write(output)
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
