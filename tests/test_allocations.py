"""What a step takes from Python's allocators: the same number every time, and only of the thread that counts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from tests.bench import compiled
from tests.bench.allocations import Allocations, counting
from tests.bench.compare import above


@pytest.fixture
def blocks() -> Iterator[Allocations]:
    try:
        with counting() as found:
            yield found
    except compiled.Unavailable as reason:
        pytest.skip(str(reason))


def made(number: int) -> Callable[[], object]:
    """Makes so many objects in a list that is as long from the start."""
    kept: list[object] = [None] * number

    def make() -> None:
        for place in range(number):
            kept[place] = object()

    return make


def test_each_block_counts_once(blocks: Allocations) -> None:
    few, many = (min(blocks.of(made(number)) for _ in range(5)) for number in (100, 200))
    assert many - few == 100
    assert few >= 100


def test_a_block_that_is_given_back_at_once_counts_too(blocks: Allocations) -> None:
    def hundred() -> None:
        for _ in range(100):
            object()

    assert blocks.of(hundred) >= 100


def test_what_counting_itself_takes_is_not_counted(blocks: Allocations) -> None:
    assert min(blocks.of(lambda: None) for _ in range(5)) <= 1, "a large number more or less"


def test_what_other_threads_take_is_not_counted(blocks: Allocations) -> None:
    begin, done = threading.Event(), threading.Event()
    step = made(10_000)

    def other() -> None:
        begin.wait()
        step()
        done.set()

    thread = threading.Thread(target=other)
    thread.start()

    def wait() -> None:
        begin.set()
        done.wait()

    assert blocks.of(wait) < 1_000
    thread.join()


def test_a_figure_more_than_a_tenth_above_is_told() -> None:
    kept = {"a lead: allocations": 100, "a claim: allocations": 100}
    assert above(kept, {"a lead: allocations": 110, "a claim: allocations": 100}) == []
    (told,) = above(kept, {"a lead: allocations": 111, "a claim: allocations": 90})
    assert told.startswith("a lead: allocations: 111, more than a tenth above 100")
    (told,) = above(kept, {"a call: allocations": 1})
    assert "not in docs/performance.json" in told
