"""The simulator itself: the same seed is the same world, planted faults break worlds, and a story gets shorter.

`make simulate` plays a thousand worlds; here it is a handful, so that a change of the product that the simulator no
longer fits is seen at once.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest

from connector.core import log
from tests.simulator.databases import template
from tests.simulator.invariants import Broken
from tests.simulator.mutants import planted
from tests.simulator.play import play
from tests.simulator.scenario import Plan, drawn
from tests.simulator.shrinking import shrunk


@pytest.fixture(scope="module")
def empty() -> Iterator[str]:
    with template() as at:
        play(drawn(0), at)  # the first world of a process loads what is loaded when it is needed
        yield at


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    log.configure("CRITICAL")
    yield
    logging.disable(logging.NOTSET)
    log._configure_ours(logging.INFO)


@pytest.mark.parametrize("seed", (1, 2, 4))
def test_a_world_keeps_the_promise(empty: str, seed: int) -> None:
    played = play(drawn(seed), empty)
    assert not played.broken, "\n".join([*played.plan.things(), *played.story, played.broken])
    assert played.deaths >= 10
    assert played.calls > 0


def test_the_same_seed_is_the_same_world(empty: str) -> None:
    first, second = (play(drawn(3), empty) for _ in range(2))
    assert (first.story, first.steps, first.effects) == (second.story, second.steps, second.effects)
    assert first.story != play(drawn(4), empty).story


def test_a_planted_fault_breaks_a_world(empty: str) -> None:
    with planted("a delivery is lost on the way in"):
        broken = next(one for one in (play(drawn(seed), empty) for seed in range(1, 9)) if one.broken)
    assert broken.broken.endswith("has 1 deliveries")
    assert not play(broken.plan, empty).broken, "without the fault nothing breaks"


def test_shrinking_keeps_what_is_needed() -> None:
    plan = drawn(5)
    needed = {str(plan.deaths[3]), str(plan.arrivals[1])}

    def breaks(some: Plan) -> bool:
        return needed <= set(some.things())

    assert set(shrunk(plan, breaks).things()) == needed
    assert issubclass(Broken, AssertionError)


@pytest.mark.parametrize(("at_least", "code"), ((0, 0), (1, 1)))
def test_when_the_time_is_over_no_world_begins_and_too_few_are_a_failure(at_least: int, code: int) -> None:
    command = [sys.executable, "-m", "tests.simulator", "--seeds", "20", "--within", "0", "--at-least", str(at_least)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == code, done.stderr
    assert done.stdout.startswith("0 of 20 worlds")
    assert ("too few: 1 were to be played" in done.stdout) == bool(code)
