"""``python -m tests.bench.compare``: counts what the steps cost and compares with docs/performance.json.

Exit 1 if a figure is more than a tenth above the committed one. ``--write`` commits to what it is now.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import orjson

from tests.bench import allocations, compiled, counted, places

KEPT = places.ROOT / "docs" / "performance.json"
ABOVE = 1.10  #: a figure may be so many times the committed one


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.compare", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write docs/performance.json instead of comparing")
    parser.add_argument("--only", choices=("sqlite", "postgres"), help="one database instead of both")
    args = parser.parse_args()
    now = _figures((args.only,) if args.only else ("sqlite", "postgres"))
    if args.write:
        KEPT.write_bytes(orjson.dumps(read(KEPT) | now, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    kept = read(KEPT)
    for name, value in now.items():
        before = kept.get(name)
        print(f"{name}: {value:,}" + ("" if before is None else f" ({value / before:.2f} × {before:,})"))
    faults = above(kept, now)
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


def _figures(kinds: tuple[str, ...]) -> counted.Figures:
    """The figures; no allocations where there is no compiler."""
    try:
        with allocations.counting() as blocks:
            return counted.figures(kinds, blocks)
    except compiled.Unavailable as reason:
        print(f"Allocations are not counted: {reason}")
        return counted.figures(kinds, None)


def read(path: Path) -> counted.Figures:
    """The committed figures; none if there are none yet."""
    found: counted.Figures = orjson.loads(path.read_bytes()) if path.exists() else {}
    return found


def above(kept: counted.Figures, now: counted.Figures) -> list[str]:
    """A sentence for each figure that is too high, or that nobody committed to."""
    missing = [
        f"{name}: not in docs/performance.json; python -m tests.bench.compare --write" for name in now.keys() - kept
    ]
    return sorted(missing) + [
        f"{name}: {value:,}, more than a tenth above {kept[name]:,}; bring it down, or say in the commit why it is"
        " worth it and write docs/performance.json again: python -m tests.bench.compare --write"
        for name, value in now.items()
        if name in kept and value > kept[name] * ABOVE
    ]


if __name__ == "__main__":
    sys.exit(main())
