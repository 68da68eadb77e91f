"""``python -m tests.simulator``: plays worlds by chance and says whether the product kept its promise in all of them.

--seeds N        so many worlds, from --first on (1,000)
--only SEED      this one alone, with its story
--jobs N         processes (one for each processor)
--server URL     on databases of this Postgres server (postgresql+psycopg://…), several times slower than in memory
--mutants        plants each known fault and looks whether it is found within --seeds worlds
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tests.simulator.databases import template
from tests.simulator.mutants import MUTANTS, planted
from tests.simulator.play import Played, play, prepare
from tests.simulator.scenario import Plan, drawn
from tests.simulator.shrinking import shrunk

AT_ONCE = 10


def _some(seeds: range, mutant: str, at: str) -> list[Played]:
    """A share of the worlds; it ends with the first that breaks."""
    found = []
    with planted(mutant):
        for seed in seeds:
            found.append(play(drawn(seed), at))
            if found[-1].broken:
                break
    return found


def _all(seeds: range, mutant: str, at: str, pool: ProcessPoolExecutor) -> Iterator[Played]:
    shares = [seeds[n : n + AT_ONCE] for n in range(0, len(seeds), AT_ONCE)]
    for some in pool.map(partial(_some, mutant=mutant, at=at), shares):
        yield from some


def _tell(played: Played, at: str) -> None:
    """The shortest story, and how to see it again."""
    prepare(at)

    def breaks(plan: Plan) -> bool:
        return bool(play(plan, at).broken)

    shortest = play(shrunk(played.plan, breaks), at)
    print(f"seed {played.plan.seed}: {played.broken}")
    print("The shortest plan that breaks:", *shortest.plan.things(), sep="\n  ")
    print("What happened:", *shortest.story[-40:], f"broken: {shortest.broken}", sep="\n  ")
    print(f"Again: make simulate ONLY={played.plan.seed}")


def _simulate(seeds: range, at: str, jobs: int) -> int:
    began_s, worlds, deaths, calls = time.monotonic(), 0, 0, 0
    with ProcessPoolExecutor(jobs, initializer=prepare, initargs=(at,)) as pool:
        for played in _all(seeds, "", at, pool):
            worlds, deaths, calls = worlds + 1, deaths + played.deaths, calls + played.calls
            if played.broken:
                pool.shutdown(wait=False, cancel_futures=True)
                _tell(played, at)
                return 1
    took_s = time.monotonic() - began_s
    print(f"{worlds} worlds, {deaths} processes killed, {calls} calls to vendors in {took_s:.0f} s: nothing broke")
    return 0


def _prove(seeds: range, at: str, jobs: int) -> int:
    missed = 0
    for name in MUTANTS:
        with ProcessPoolExecutor(jobs, initializer=prepare, initargs=(at,)) as pool:
            broken = next((one for one in _all(seeds, name, at, pool) if one.broken), None)
            pool.shutdown(wait=False, cancel_futures=True)
        said = f"found by seed {broken.plan.seed}: {broken.broken}" if broken else "NOT FOUND"
        missed += broken is None
        print(f"{name}: {said}", flush=True)
    return int(missed > 0)


def main() -> int:
    """The exit code: 1 when something broke, or a planted fault was not found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--only", type=int)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--mutants", action="store_true")
    parser.add_argument("--server", default="")
    given = parser.parse_args()
    with template(given.server) as at:
        if given.only is not None:
            prepare(at)
            played = play(drawn(given.only), at)
            print(*played.story, sep="\n")
            if played.broken:
                _tell(played, at)
            return int(bool(played.broken))
        seeds = range(given.first, given.first + given.seeds)
        return _prove(seeds, at, given.jobs) if given.mutants else _simulate(seeds, at, given.jobs)


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # sets must have the same order in every run of a seed
        os.execve(
            sys.executable,
            [sys.executable, "-m", "tests.simulator", *sys.argv[1:]],
            os.environ | {"PYTHONHASHSEED": "0"},
        )
    sys.exit(main())
