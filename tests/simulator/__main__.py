"""``python -m tests.simulator``: plays worlds by chance and says whether the product kept its promise in all of them.

--seeds N        so many worlds, from --first on (1,000)
--within SECONDS begins no world after so long (no end), and fails if fewer than --at-least (all) were played
--only SEED      this one alone, with its story
--jobs N         processes (one for each processor)
--server URL     on databases of this Postgres server (postgresql+psycopg://…), several times slower than in memory
--mutants        plants each known fault and looks whether it is found within --seeds worlds
"""

from __future__ import annotations

import argparse
import math
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


def _some(seeds: range, mutant: str, at: str, until_s: float) -> list[Played]:
    """A share of the worlds; it ends with the first that breaks. ``until_s``: on the clock that all processes share."""
    found: list[Played] = []
    with planted(mutant):
        for seed in seeds:
            if time.monotonic() >= until_s:
                break
            found.append(play(drawn(seed), at))
            if found[-1].broken:
                break
    return found


def _all(seeds: range, mutant: str, at: str, pool: ProcessPoolExecutor, until_s: float = math.inf) -> Iterator[Played]:
    shares = [seeds[first : first + AT_ONCE] for first in range(0, len(seeds), AT_ONCE)]
    for some in pool.map(partial(_some, mutant=mutant, at=at, until_s=until_s), shares):
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


def _simulate(seeds: range, at: str, jobs: int, within_s: float = math.inf, at_least: int | None = None) -> int:
    began_s, worlds, deaths, calls = time.monotonic(), 0, 0, 0
    with ProcessPoolExecutor(jobs, initializer=prepare, initargs=(at,)) as pool:
        for played in _all(seeds, "", at, pool, began_s + within_s):
            worlds, deaths, calls = worlds + 1, deaths + played.deaths, calls + played.calls
            if played.broken:
                pool.shutdown(wait=False, cancel_futures=True)
                _tell(played, at)
                return 1
    took_s = time.monotonic() - began_s
    some = f"{worlds} of {len(seeds)} worlds" if worlds < len(seeds) else f"{worlds} worlds"
    print(f"{some}, {deaths} processes killed, {calls} calls to vendors in {took_s:.0f} s: nothing broke")
    wanted = len(seeds) if at_least is None else at_least
    if worlds < wanted:
        print(f"too few: {wanted} were to be played within {within_s:.0f} s")
    return int(worlds < wanted)


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
    parser.add_argument("--within", type=float, default=math.inf, metavar="SECONDS")
    parser.add_argument("--at-least", type=int, metavar="N")
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
        if given.mutants:
            return _prove(seeds, at, given.jobs)
        return _simulate(seeds, at, given.jobs, given.within, given.at_least)


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # sets must have the same order in every run of a seed
        os.execve(
            sys.executable,
            [sys.executable, "-m", "tests.simulator", *sys.argv[1:]],
            os.environ | {"PYTHONHASHSEED": "0"},
        )
    sys.exit(main())
