"""The limiter, proved against what a vendor would count: never a call too many, never a wait too long."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core.quota import Limits, Slot, Used, Wait, Window, decide
from connector.core.settings import Account, Secret
from connector.core.times import DAY_MS
from connector.vendors import VENDORS
from connector.vendors.limits import limits

NOW = 1_795_000_000_000


def account(vendor: str, **options: object) -> Account:
    return Account(name="a", vendor=vendor, token=Secret("t"), base_url="http://127.0.0.1:1", **options)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Call:
    """A call from its start until its answer was written down (or its deadline); the vendor saw it in between."""

    started: int
    arrived: int
    ended: int


def used(calls: list[Call], now: int, length_ms: int) -> Used:
    """As the attempts' table counts: every call that has not ended ``length_ms`` ago."""
    counted = [call.ended for call in calls if call.ended > now - length_ms]
    return Used(len(counted), min(counted) + length_ms if counted else None)


def ask(allowed: Limits, calls: list[Call], now: int) -> Slot | Wait:
    return decide(allowed, used(calls, now, 0), [used(calls, now, one.length_ms) for one in allowed.windows], now)


steps = st.lists(
    st.tuples(st.integers(0, 3_000), st.integers(0, 4_000), st.floats(0, 1)), min_size=1, max_size=60
)  #: (time until the next look, duration of its call, where in it the vendor saw it)
some_limits = st.builds(
    Limits,
    in_flight=st.integers(1, 4),
    windows=st.lists(
        st.builds(Window, calls=st.integers(1, 8), length_ms=st.integers(1, 9_000), why=st.just("full")), max_size=3
    ).map(tuple),
)


def played(allowed: Limits, looks: list[tuple[int, int, float]]) -> list[Call]:
    """Every look takes a slot if it gets one. A call in flight ends in the future, as a deadline does."""
    calls: list[Call] = []
    now = NOW
    for pause, lasts, where in looks:
        now += pause
        if isinstance(ask(allowed, calls, now), Slot):
            calls.append(Call(now, now + int(lasts * where), now + lasts))
    return calls


@given(some_limits, steps)
def test_the_vendor_never_counts_more_than_it_allows(allowed: Limits, looks: list[tuple[int, int, float]]) -> None:
    calls = played(allowed, looks)
    for call in calls:
        at_once = [one for one in calls if one.started <= call.arrived < one.ended]
        assert len(at_once) <= allowed.in_flight
        for window in allowed.windows:
            seen = [one for one in calls if call.arrived - window.length_ms < one.arrived <= call.arrived]
            assert len(seen) <= window.calls


@given(some_limits, steps)
def test_a_wait_ends_exactly_when_the_first_call_stops_counting(
    allowed: Limits, looks: list[tuple[int, int, float]]
) -> None:
    calls = played(allowed, looks)
    now = max(call.started for call in calls) if calls else NOW
    answer = ask(allowed, calls, now)
    waits = 0
    while isinstance(answer, Wait):
        assert answer.seconds is not None
        assert answer.seconds >= 0.001
        assert isinstance(ask(allowed, calls, now + round(answer.seconds * 1000) - 1), Wait)
        now += round(answer.seconds * 1000)
        answer = ask(allowed, calls, now)
        waits += 1
        assert waits <= len(calls) * (1 + len(allowed.windows))


def test_calls_in_flight_come_first_in_what_is_said() -> None:
    allowed = Limits(in_flight=2, windows=(Window(10, 1000, "the window is full"),))
    answer = decide(allowed, Used(2, NOW + 1_500), [Used(10, NOW + 900)], NOW)
    assert answer == Wait(1.5, "2 calls are in flight")


def test_the_first_full_window_says_why() -> None:
    allowed = Limits(in_flight=2, windows=(Window(10, 1000, "short"), Window(20, 5000, "long")))
    assert decide(allowed, Used(0), [Used(9, NOW + 1), Used(20, NOW + 250)], NOW) == Wait(0.25, "long")


def test_one_below_every_limit_is_a_slot() -> None:
    allowed = Limits(in_flight=2, windows=(Window(10, 1000, "x"),))
    assert decide(allowed, Used(1, NOW + 5), [Used(9, NOW + 5)], NOW) == Slot()


def test_a_wait_is_never_nothing_nor_negative() -> None:
    answer = decide(Limits(in_flight=1), Used(1, NOW - 5_000), [], NOW)
    assert answer == Wait(0.001, "1 calls are in flight")


def test_a_limit_of_nothing_waits_for_something_else() -> None:
    allowed = Limits(in_flight=1, windows=(Window(0, 1000, "no budget"),))
    assert decide(allowed, Used(0), [Used(0)], NOW) == Wait(None, "no budget")


def test_every_window_must_be_counted() -> None:
    with pytest.raises(ValueError, match="shorter"):
        decide(Limits(in_flight=1, windows=(Window(1, 1, "x"),)), Used(0), [], NOW)


def test_wolkvox_allows_two_at_once_and_a_thousand_a_day_for_each_licence() -> None:
    found = limits(account("wolkvox", licences=7))
    assert found.in_flight == 2
    assert [(one.calls, one.length_ms) for one in found.windows] == [(7_000, DAY_MS)]


def test_tracksale_allows_what_its_window_says() -> None:
    found = limits(account("tracksale"))
    assert [(one.calls, one.length_ms) for one in found.windows] == [(1_000, 300_000)]
    smaller = limits(account("tracksale", requests_per_window=20, window_seconds=2.5))
    assert [(one.calls, one.length_ms) for one in smaller.windows] == [(20, 2_500)]
    assert "20 requests in 2.5 s" in smaller.windows[0].why


@pytest.mark.parametrize("vendor", sorted(VENDORS))
def test_every_vendor_has_limits(vendor: str) -> None:
    assert limits(account(vendor)).in_flight >= 1
